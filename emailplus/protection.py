"""S/MIME of one mailbox: its keys, what it trusts, and what is true of each stored message.

The report of a message is made when it is asked for, never kept: certificates expire, keys and revocation lists come.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from . import account
from .errors import KeyImportFailed, NotFound, WrongKeyPassword
from .mime.source import Source as MimeSource
from .mime.source import beginning
from .mime.view import header_text, view
from .model.directory import CertificateVerdict, Resolution
from .model.message import BodyType, Part, StoredMessage, addresses
from .model.rights import Licence
from .policy.user_settings import Settings
from .rms.gate import Door, Operation, judge, require
from .smime import certificate as certs
from .smime.aside import Aside
from .smime.entity import addresses as written_addresses
from .smime.entity import parse
from .smime.headers import visible_text
from .smime.keychain import Keychain, KeyEntry, import_pkcs12, load_certificate
from .smime.large import MAX_HEAD, OpenedLarge, open_large
from .smime.limits import LARGE
from .smime.message import OpenedMessage, open_message
from .smime.recipients import Choice, Source, choose, with_encryption_use
from .smime.report import Finding, Layer, Reason, Revocation, SecurityReport, Word
from .smime.revocation import distribution_points, revocation
from .smime.trust import Trust, find_path
from .store import certificates, keychain, rights
from .store.index import MAX_UNWRAPPED
from .store.store import Store
from .store.text import html_to_text

if TYPE_CHECKING:
    from cryptography import x509

AskPassword = Callable[[str], "str | None"]
"""Given the name of an archive, its password, or None to give up."""

_CLASS = re.compile(r"IPM\.Note\.SMIME\b", re.IGNORECASE)
_EXAMINED_AT_ONCE = 100


def is_protected(message: StoredMessage) -> bool:
    """By the server's word: IPM.Note.SMIME (encrypted or opaque), IPM.Note.SMIME.MultipartSigned (clear)."""
    return _CLASS.match(message.message_class) is not None


class Protection:
    """What `Mailbox` knows of S/MIME. Everything it needs lies in the store; `apply` takes a new config in."""

    def __init__(
        self,
        store: Store,
        *,
        settings: Callable[[], Settings] | None = None,
        clock: Callable[[], datetime] | None = None,
        door: Door = Door.PERSON,
    ) -> None:
        """`settings` gives the user's settings in force; without, nothing is switched on. `door`: who opens messages
        and takes files here, which decides about mail under a licence (`rms.gate`)."""
        self._store = store
        self._door = door
        self._settings = settings
        self._lists: tuple[tuple[int, float], tuple[x509.CertificateRevocationList, ...]] | None = None
        self._clock = clock or account.utc_now
        self.keychain: Keychain = keychain.keychain(store.database)

    def install(self) -> None:
        """Let the store show and index protected mail as this says."""
        self._store.unwrap = self._indexable
        self._store.shown = partial(self.attach, contents=True)

    def trust(self) -> Trust:
        """Anchors, intermediates of our own chains, revocation lists at hand, at this moment."""
        database = self._store.database
        checks = keychain.revocation_wanted(database)
        return Trust(
            anchors=tuple(certs.load_all(keychain.anchors(database))),
            intermediates=tuple(dict.fromkeys(c for entry in self.keychain.entries() for c in entry.chain)),
            crls=self._crls() if checks else (),
            check_revocation=checks,
            now=self._clock(),
        )

    def _crls(self) -> tuple[x509.CertificateRevocationList, ...]:
        """Read anew when there may be others: the lists of public authorities are large."""
        state = certificates.lists_state(self._store.database)
        if self._lists is None or self._lists[0] != state:
            self._lists = (state, certificates.lists(self._store.database))
        return self._lists[1]

    # Reading.

    def open(self, message_id: int) -> OpenedMessage:
        """A stored message without its layers, with the report. Raises `NotFound` where its MIME is not here, and
        `RightsDenied`."""
        self._admit(rights.licence(self._store.database, message_id))
        return self._open(self._with_mime(message_id))

    def _readable(self, message_id: int) -> bool:
        """By the licence in the store, whatever the object says that was handed in."""
        licence = rights.licence(self._store.database, message_id)
        return bool(judge(licence, Operation.READ, self._door, self._clock()))

    def _admit(self, licence: Licence | None) -> None:
        require(licence, Operation.READ, self._door, self._clock())

    def _with_mime(self, message_id: int) -> StoredMessage:
        (message,) = self._store.messages([message_id]) or (None,)
        if message is None:
            raise NotFound(f"there is no message {message_id} in this store")
        if message.body_type != BodyType.MIME or message.body_state != "stored":
            raise NotFound(f"the MIME of message {message_id} is not in this store")
        return message

    def open_large(self, message_id: int) -> OpenedLarge:
        """The same in memory that does not grow with the message; its content comes in pieces, as often as wanted."""
        self._admit(rights.licence(self._store.database, message_id))
        return self._open_large(self._with_mime(message_id))

    def _open_large(self, message: StoredMessage) -> OpenedLarge:
        authors, known = self._authors(message)
        source = partial(self._store.body_pieces, message.id)
        opened = open_large(source, keys=self.keychain.decrypting(), trust=self.trust(), known=known)
        return replace(opened, report=_with_sender(opened.report, authors, beginning(source, MAX_HEAD)))

    def inside(self, message: StoredMessage) -> MimeSource | None:
        """What lies inside the layers of a message, to be taken apart; None where there is none, or it stays shut.

        A large one is read in pieces, and what comes out is put aside, encrypted, as long as it is used. Raises
        `OSError` where there is no room for that, and `RightsDenied`.
        """
        self._admit(rights.licence(self._store.database, message.id))
        if message.size <= LARGE:
            opened = self._open(message)
            return opened.content if opened.report.layers else None
        large = self._open_large(message)
        return Aside(large.content(), self._store.path.parent).source() if large.report.layers else None

    def _open(self, message: StoredMessage) -> OpenedMessage:
        raw = self._store.body(message.id)
        authors, known = self._authors(message)
        opened = open_message(raw, keys=self.keychain.decrypting(), trust=self.trust(), known=known)
        return replace(opened, report=_with_sender(opened.report, authors, raw))

    def _authors(self, message: StoredMessage) -> tuple[list[str], list[x509.Certificate]]:
        """(the addresses that the server shows as senders, the certificates known for them)."""
        authors = [person.address.lower() for person in addresses(message.sender) if "@" in person.address]
        return authors, [
            c.certificate for author in authors for c in certificates.candidates(self._store.database, author)
        ]

    def _report(self, message: StoredMessage) -> SecurityReport:
        if message.size > LARGE:
            return self._open_large(message).report
        return self._open(message).report

    def attach(self, message: StoredMessage, *, contents: bool = False) -> StoredMessage:
        """Give `message` its `security`; with `contents` also text, HTML and parts from inside its layers."""
        if message.body_type == BodyType.MIME and message.body_state == "stored":
            readable = contents and self._readable(message.id)
            if readable and message.size <= LARGE:
                opened = self._open(message)
                message.judge = lambda: opened.report
                if opened.report.layers:
                    _show(message, opened)
            elif readable:
                report = self._report(message)
                message.judge = lambda: report
                if report.layers:  # whoever wants it as objects gets it as objects
                    _show(message, self._open(message))
            else:
                message.judge = lambda: self._report(message)
        else:
            message.judge = partial(_without_mime, message)
        return message

    def _indexable(self, mime: bytes) -> bytes:
        """What may be indexed of a protected message: signed text always, encrypted text by setting."""
        keys = self.keychain.decrypting() if self._index_encrypted() else ()
        return open_message(mime, keys=keys).content

    def _index_encrypted(self) -> bool:
        return self._settings is not None and self._settings().index_encrypted_mail

    def settle(self) -> None:
        """Make the index follow `index_encrypted_mail`: switched off, words of encrypted mail leave it at once."""
        wanted = self._index_encrypted()
        if wanted != keychain.setting(self._store.database, "index_encrypted_mail"):
            with self._store.database.transaction():
                keychain.set_setting(self._store.database, "index_encrypted_mail", wanted)
                keychain.look_again(self._store.database)

    # Keys.

    def import_archive(self, data: bytes, password: str | None, *, source: str = "import") -> list[KeyEntry]:
        """Take the keys of a PKCS#12 archive into the keychain; nothing is selected by that.

        Raises `WrongKeyPassword`, `KeyImportFailed`.
        """
        entries = [self.keychain.add(entry) for entry in import_pkcs12(data, password, source=source)]
        keychain.look_again(self._store.database)
        return entries

    def import_attachment(self, attachment_id: int, ask: AskPassword) -> list[KeyEntry]:
        """Take in the PFX that a user mailed to himself (guide, "Importing S/MIME certificates through email").

        `ask` is called until the password is right or it gives None. Raises `WrongKeyPassword` then, `NotFound`,
        `KeyImportFailed`, `RightsDenied`.
        """
        self._admit(rights.licence_of_attachment(self._store.database, attachment_id))
        data = b"".join(self._store.attachment_content(attachment_id))
        name = self._store.database.scalar("SELECT name FROM attachments WHERE id = ?", (attachment_id,)) or "archive"
        try:  # an archive without a password is asked nothing
            return self.import_archive(data, None, source="attachment")
        except WrongKeyPassword:
            pass
        while (password := ask(str(name))) is not None:
            try:
                return self.import_archive(data, password, source="attachment")
            except WrongKeyPassword:
                continue
        raise WrongKeyPassword("the archive needs its password")

    # Certificates of others.

    def choose(self, address: str, trust: Trust | None = None) -> Choice:
        """The certificate to encrypt to for `address`, with what was passed over and why."""
        return choose(address, certificates.candidates(self._store.database, address), trust or self.trust())

    def remember(self, address: str, ders: Iterable[bytes], source: Source) -> int:
        """Note certificates (DER) for `address`; how many were new. What cannot be read is left out."""
        return certificates.remember(self._store.database, address, certs.load_all(list(ders)), source, self._clock())

    def take_directory(self, found: Iterable[Resolution]) -> None:
        """Keep what the directory (ResolveRecipients) says of the addresses it was asked for, and that alone.

        A text that stands for several people, or for a list, has no certificate of its own.
        """
        for resolution in found:
            if not resolution.resolved or len(resolution.recipients) != 1:
                continue
            (person,) = resolution.recipients
            given = person.certificates
            if given is None or given.members > 1:
                continue
            source = Source.CONTACT if person.source == "contacts" else Source.DIRECTORY
            certificates.forget(self._store.database, resolution.to, source)
            self.remember(resolution.to, given.certificates, source)

    def import_recipient(self, der: bytes, addresses: Iterable[str], source: Source) -> list[str]:
        """Keep somebody's certificate for `addresses`, or for those it is made out to. Raises `KeyImportFailed`."""
        certificate = load_certificate(der)
        names = [address.lower() for address in addresses] or list(certs.addresses(certificate)[0])
        if not names:
            raise KeyImportFailed("the certificate names no address: say whose it is")
        for name in names:
            certificates.remember(self._store.database, name, [certificate], source, self._clock())
        return names

    def examine(self) -> int:
        """Look through protected mail that is new here for certificates of its signers and for the revocation lists
        that its paths need; how many messages were looked through."""
        done = 0
        trust = replace(self.trust(), check_revocation=False)  # whoever uses a certificate asks for it anew
        keys = self.keychain.decrypting()
        while rows := certificates.unexamined(self._store.database, _EXAMINED_AT_ONCE):
            for message_id, size, stored in rows:
                if stored and size <= MAX_UNWRAPPED:
                    self._examine(message_id, trust, keys)
            certificates.mark_examined(self._store.database, [row[0] for row in rows])
            done += len(rows)
        self._want_lists((entry.certificate for entry in self.keychain.entries()), trust)
        return done

    def _examine(self, message_id: int, trust: Trust, keys: list[KeyEntry]) -> None:
        opened = open_message(self._store.body(message_id), keys=keys, trust=trust)
        layers = [layer for layer in opened.report.layers if layer.kind == "signed" and layer.whole]
        signers = [signer for layer in layers for signer in layer.signers if signer.trusted]
        self._want_lists(opened.certificates, trust)
        for author in _from(opened.raw):
            own = [s for s in signers if s.certificate is not None and author in s.certificate.addresses]
            if own:
                usable = with_encryption_use(opened.certificates, author, trust)
                told = next((signer.capabilities for signer in own if signer.capabilities is not None), None)
                certificates.remember(self._store.database, author, usable, Source.SIGNED_MAIL, self._clock(), told)

    def mark_revoked(self) -> list[str]:
        """Hold our own certificates against the lists at hand; fingerprints of those that turned out revoked.

        They are never offered again for signing or encrypting, and go on decrypting.
        """
        trust = replace(self.trust(), check_revocation=True, crls=self._crls())
        found = []
        for entry in self.keychain.entries():
            path = find_path(entry.certificate, entry.chain, trust, trust.moment())
            if not entry.revoked and revocation(path.certificates, trust, entry.chain)[0] is Revocation.REVOKED:
                self.keychain.mark_revoked(entry.fingerprint)
                found.append(entry.fingerprint)
        return found

    def _want_lists(self, found: Iterable[x509.Certificate], trust: Trust) -> None:
        """Only of certificates that lead to an anchor: a stranger's certificate makes us call nobody."""
        pool = list(found)
        urls: dict[str, None] = {}
        for certificate in pool:
            for step in find_path(certificate, pool, trust, trust.moment()).certificates[:-1]:
                urls.update(dict.fromkeys(distribution_points(step)))
        certificates.want_lists(self._store.database, urls)


MAX_VALIDATED = 100
"""Certificates of one ValidateCert request, the chain included (MS-ASCMD 2.2.3.20)."""


def signers_of(opened: OpenedMessage) -> tuple[list[bytes], list[bytes]]:
    """(the certificates of the signers of a message, the others that came with it), DER, for ValidateCert."""
    layers = [layer for layer in opened.report.layers if layer.kind == "signed"]
    names = {s.certificate.fingerprint for layer in layers for s in layer.signers if s.certificate is not None}
    signers = [certs.der(c) for c in opened.certificates if certs.fingerprint(c) in names][:MAX_VALIDATED]
    others = [certs.der(c) for c in opened.certificates if certs.fingerprint(c) not in names]
    return signers, others[: MAX_VALIDATED - len(signers)]


def with_verdicts(opened: OpenedMessage, verdicts: Iterable[CertificateVerdict]) -> OpenedMessage:
    """The report with what the server does not accept; that it accepts a certificate changes nothing."""
    refused = [
        Finding(Reason.SERVER_REFUSES, verdict.reason or verdict.name) for verdict in verdicts if not verdict.valid
    ]
    return replace(opened, report=opened.report.with_findings(*refused)) if refused else opened


def _with_sender(report: SecurityReport, authors: list[str], raw: bytes) -> SecurityReport:
    """`authors` is whom the server shows; the protected message has to name them itself."""
    written = _from(raw) if report.layers else ()
    if not report.layers or not authors or set(authors) <= set(written):
        return report
    other = Finding(Reason.SENDER_SHOWN, f"{', '.join(authors)}; the message itself says {', '.join(written)}")
    return report.with_findings(other)


def _from(raw: bytes) -> tuple[str, ...]:
    return written_addresses(parse(raw).headers, "From")


def _show(message: StoredMessage, opened: OpenedMessage) -> None:
    """What people see of a protected message is what lies inside its layers."""
    inside = view(opened.content)
    text, html = visible_text(opened.content, inside.text, inside.html)
    message.text, message.html = text or html_to_text(html), html
    message.parts = [Part(p.name, p.content_type, p.content_id, p.inline, p.data) for p in inside.attachments]
    if opened.protected is not None and opened.report.word is not Word.INVALID:
        message.subject = header_text(opened.protected.get("Subject") or message.subject)


def _without_mime(message: StoredMessage) -> SecurityReport:
    """The report of a message whose MIME is not here: a protected one cannot be judged, and says so."""
    if is_protected(message):
        clear = message.message_class.lower().endswith("multipartsigned")
        missing = Finding(Reason.INCOMPLETE, message.reason or f"its body is {message.body_state}")
        return SecurityReport((Layer("signed" if clear else "encrypted", "", findings=(missing,)),))
    parts = [item.name for item in message.attachments if item.name.lower().endswith(".p7m")]
    return SecurityReport((), tuple(Finding(Reason.NOT_OPENED, name) for name in parts))
