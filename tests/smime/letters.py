"""S/MIME mail of every kind to one reader, each with the report it ought to get."""

from __future__ import annotations

import email
import shutil
import subprocess
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from itertools import count, product
from pathlib import Path

from cryptography.hazmat.primitives import serialization

from emailplus.smime import algorithms as alg
from emailplus.smime import der, headers
from emailplus.smime.encrypt import encrypt_for, enveloped_data
from emailplus.smime.keychain import KeyEntry
from emailplus.smime.report import Reason, Word
from emailplus.smime.sign import pkcs7_entity, sign_clear, sign_opaque, signed_data
from tests.smime.conftest import NOW, Authority

READER = "alice@example.test"
SENDER = "bob@example.test"


@dataclass(frozen=True)
class Letter:
    """A mail, and what is to be said of it. `text`: a word that is readable once it is open, "" where it stays shut."""

    name: str
    raw: bytes
    word: Word
    kinds: tuple[str, ...]
    text: str
    reason: Reason | None = None


class Post:
    """The people, their certificates, and everything they write."""

    def __init__(self, authority: Authority) -> None:
        self.authority = authority
        self.stranger = Authority()
        self.reader = {kind: authority.issue(kind, (READER,)) for kind in ("rsa", "p256", "p384", "p521", "x25519")}
        self.retired = [authority.issue(kind, (READER,), start=-400, end=-35) for kind in ("rsa", "p256", "p521")]
        self.signers = {kind: authority.issue(kind, (SENDER,)) for kind in ("rsa", "p256", "p384", "p521", "ed25519")}
        self._number = count(1)

    @cached_property
    def letters(self) -> list[Letter]:
        """All of them, in a fixed order."""
        kinds = (self._signed, self._encrypted, self._both, self._escrowed, self._layered, self._doubtful, self._broken)
        return [letter for kind in kinds for letter in kind()]

    def entity(self, text: str) -> bytes:
        return f"Content-Type: text/plain; charset=utf-8\r\n\r\nThe word is {text}.\r\n".encode()

    def _write(
        self, name: str, entity: bytes, word: Word, kinds: tuple[str, ...], text: str, reason: Reason | None = None,
        sender: str = SENDER,
    ) -> Letter:  # fmt: skip
        number = next(self._number)
        head = (
            f"From: Bob <{sender}>\r\nTo: Alice <{READER}>\r\nSubject: {name}\r\n"
            f"Message-ID: <smime-{number}@example.test>\r\nDate: {NOW - timedelta(minutes=number):%a, %d %b %Y %T} "
            "+0000\r\nMIME-Version: 1.0\r\n"
        )
        return Letter(name, head.encode() + entity, word, kinds, text, reason)

    def _word(self) -> str:
        return f"w{next(self._number):04d}x"

    def _signed(self) -> Iterator[Letter]:
        for kind, signer in self.signers.items():
            for digest in ("sha256", "sha384", "sha512"):
                for pss in (False, True) if kind == "rsa" else (False,):
                    for sign in (sign_clear, sign_opaque):
                        word = self._word()
                        made = sign(self.entity(word), signer, digest=digest, pss=pss)  # type: ignore[operator]
                        name = f"{sign.__name__} {kind} {digest} pss={pss}"
                        yield self._write(name, made, Word.TRUSTED, ("signed",), word)
        word = self._word()
        two = signed_data(self.entity(word), [self.signers["rsa"], self.signers["p256"]])
        yield self._write("two signers", pkcs7_entity(two, "signed-data"), Word.TRUSTED, ("signed",), word)

    def _encrypted(self) -> Iterator[Letter]:
        for kind, reader in self.reader.items():
            for cipher in ("aes256-gcm", "aes128-gcm", "aes256-cbc", "aes128-cbc"):
                for transport in ("oaep", "v1.5") if kind == "rsa" else ("oaep",):
                    for by_key_id in (False, True):
                        word = self._word()
                        made = enveloped_data(
                            self.entity(word), [reader.certificate], cipher=cipher,  # type: ignore[arg-type]
                            transport=transport, by_key_id=by_key_id,  # type: ignore[arg-type]
                        )  # fmt: skip
                        smime_type = "authEnveloped-data" if cipher.endswith("gcm") else "enveloped-data"
                        name = f"{cipher} {kind} {transport} keyid={by_key_id}"
                        yield self._write(name, pkcs7_entity(made, smime_type), Word.ENCRYPTED, ("encrypted",), word)

    def _both(self) -> Iterator[Letter]:
        for kind, signer in self.signers.items():
            for reader in self.reader.values():
                for cipher, sign in product(("aes256-gcm", "aes256-cbc"), (sign_clear, sign_opaque)):
                    word = self._word()
                    inner = sign(self.entity(word), signer)
                    (copy,) = encrypt_for(inner, signer.certificate if kind == "rsa" else reader.certificate,
                                          {READER: reader.certificate}, cipher=cipher)  # type: ignore[arg-type]  # fmt: skip
                    yield self._write(
                        f"{sign.__name__} {kind}, encrypted {cipher}",
                        copy.entity,
                        Word.TRUSTED,
                        ("encrypted", "signed"),
                        word,
                    )

    def _escrowed(self) -> Iterator[Letter]:
        for retired in self.retired:
            for cipher in ("aes256-gcm", "aes128-cbc"):
                word = self._word()
                made = enveloped_data(
                    self.entity(word), [retired.certificate], cipher=cipher,  # type: ignore[arg-type]
                    now=NOW - timedelta(days=100),
                )  # fmt: skip
                entity = pkcs7_entity(made, "enveloped-data")
                yield self._write(f"to a retired certificate, {cipher}", entity, Word.ENCRYPTED, ("encrypted",), word)

    def _layered(self) -> Iterator[Letter]:
        signer, reader = self.signers["rsa"], self.reader["rsa"]
        for inner_sign in (sign_clear, sign_opaque):
            word = self._word()
            (copy,) = encrypt_for(
                inner_sign(self.entity(word), signer), signer.certificate, {READER: reader.certificate}
            )
            yield self._write(
                "triple wrapped", sign_clear(copy.entity, signer), Word.TRUSTED, ("signed", "encrypted", "signed"), word
            )
        word = self._word()
        yield self._write("compressed", compressed(self.entity(word)), Word.UNPROTECTED, ("compressed",), word)
        word = self._word()
        yield self._write(
            "signed, then compressed", compressed(sign_clear(self.entity(word), signer)), Word.TRUSTED,
            ("compressed", "signed"), word,
        )  # fmt: skip
        word = self._word()
        message = (
            f"From: {SENDER}\r\nTo: {READER}\r\nSubject: Hidden {word}\r\nMIME-Version: 1.0\r\n"
            f"Content-Type: text/plain; charset=us-ascii\r\n\r\nThe word is {word}.\r\n"
        ).encode()
        payload, outside = headers.protect(message, encrypted=True)
        (copy,) = encrypt_for(sign_clear(payload, signer), signer.certificate, {READER: reader.certificate})
        yield Letter("headers protected", outside + copy.entity, Word.TRUSTED, ("encrypted", "signed"), word)

    def _doubtful(self) -> Iterator[Letter]:
        signer, reader = self.signers["rsa"], self.reader["rsa"]
        for name, key, sender, reason in (
            ("another sender", signer, "boss@example.test", Reason.ADDRESS_MISMATCH),
            ("a stranger's authority", self.stranger.issue("p256", (SENDER,)), SENDER, Reason.NO_PATH),
            ("the address in the subject only", None, SENDER, Reason.ADDRESS_IN_SUBJECT),
        ):
            for sign in (sign_clear, sign_opaque):
                word = self._word()
                used = key or self.authority.issue("p256", (SENDER,), old_subject=True)
                expected = Word.TRUSTED if key is None else Word.DOUBTFUL
                yield self._write(name, sign(self.entity(word), used), expected, ("signed",), word, reason, sender)
        word = self._word()
        old = self.authority.issue("rsa", (SENDER,), start=-60, end=-1)
        made = sign_clear(self.entity(word), old, now=NOW - timedelta(days=10))
        yield self._write("expired since", made, Word.DOUBTFUL, ("signed",), word, Reason.EXPIRED)
        word = self._word()
        (copy,) = encrypt_for(self.entity(word), signer.certificate, {READER: reader.certificate})
        yield self._write(
            "signed outside only", sign_clear(copy.entity, signer), Word.DOUBTFUL, ("signed", "encrypted"), word,
            Reason.SIGNED_OUTSIDE_ENCRYPTION,
        )  # fmt: skip
        if shutil.which("openssl"):
            word = self._word()
            made = openssl_encrypt(self.entity(word), reader, "-des3", self.authority)
            yield self._write("3DES by OpenSSL", made, Word.DOUBTFUL, ("encrypted",), word, Reason.WEAK_ALGORITHM)

    def _broken(self) -> Iterator[Letter]:
        for kind in ("rsa", "p256", "ed25519"):
            word = self._word()
            made = sign_clear(self.entity(word), self.signers[kind]).replace(b"The word", b"No word.")
            yield self._write(f"altered {kind}", made, Word.INVALID, ("signed",), word, Reason.CONTENT_ALTERED)
        word = self._word()
        made = sign_clear(self.entity(word), self.signers["p256"])
        boundary = made.split(b'boundary="')[1].split(b'"')[0]
        third = b"--" + boundary + b"\r\nContent-Type: text/plain\r\n\r\nAdded.\r\n"
        wrapped = made.replace(b"--" + boundary, third + b"--" + boundary, 1)
        yield self._write("a third part", wrapped, Word.INVALID, ("signed",), "Added", Reason.MALFORMED)
        foreign = self.authority.issue("p384", ("carol@example.test",))
        made = enveloped_data(self.entity("nothing"), [foreign.certificate])
        yield self._write(
            "for somebody else", pkcs7_entity(made, "authEnveloped-data"), Word.UNREADABLE, ("encrypted",), "",
            Reason.NO_KEY,
        )  # fmt: skip
        for cipher, reason in (("aes256-gcm", Reason.DECRYPTION_FAILED),):
            broken = bytearray(
                enveloped_data(self.entity("nothing"), [self.reader["rsa"].certificate], cipher=cipher)  # type: ignore[arg-type]
            )
            broken[-60] ^= 1
            yield self._write(
                "altered on the way", pkcs7_entity(bytes(broken), "authEnveloped-data"), Word.UNREADABLE,
                ("encrypted",), "", reason,
            )  # fmt: skip
        cut = pkcs7_entity(made[: len(made) // 2], "authEnveloped-data")
        yield self._write("cut short", cut, Word.UNREADABLE, ("encrypted",), "", Reason.MALFORMED)
        bomb = compressed_data(zlib.compress(bytes(200_000_000), 9))
        yield self._write(
            "a zip bomb", pkcs7_entity(bomb, "compressed-data"), Word.UNREADABLE, ("compressed",), "", Reason.LIMIT
        )


def compressed_data(content: bytes) -> bytes:
    inner = der.sequence(der.oid(alg.DATA), der.explicit(0, der.octets(content)))
    data = der.sequence(der.integer(0), der.algorithm(alg.ZLIB), inner)
    return der.sequence(der.oid(alg.COMPRESSED_DATA), der.explicit(0, data))


def compressed(entity: bytes) -> bytes:
    return pkcs7_entity(compressed_data(zlib.compress(entity)), "compressed-data")


def openssl_encrypt(entity: bytes, reader: KeyEntry, cipher: str, authority: Authority) -> bytes:
    """An enveloped entity as OpenSSL writes it."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cert.pem"
        path.write_bytes(reader.certificate.public_bytes(serialization.Encoding.PEM))
        command = ["openssl", "cms", "-encrypt", "-binary", cipher, "-recip", str(path)]
        made = subprocess.run(command, input=entity, capture_output=True, check=True, timeout=60).stdout
    message = email.message_from_bytes(made)
    del message["MIME-Version"]
    return message.as_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
