"""`emailplus smime inspect|verify|sign|encrypt|decrypt`: S/MIME on message files, with keys from archives or a store.

Passwords of archives come from a file, the environment or a prompt, never from the command line.
"""

from __future__ import annotations

import getpass
import os
import sys
from base64 import b64encode
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import MalformedCms, RecipientsWithoutCertificate, UsageError, WrongKeyPassword
from ..smime import certificate as certs
from ..smime.entity import addresses, parse
from ..smime.keychain import KeyEntry, Role, import_pkcs12, load_certificate, usable_for
from ..smime.large import OpenedLarge, open_large
from ..smime.limits import LARGE
from ..smime.message import OpenedMessage, open_message
from ..smime.outgoing import Plan, ProtectedMessage, protect, split
from ..smime.pieces import of_file
from ..smime.report import Word, lines
from ..smime.revocation import load_list
from ..smime.trust import Trust
from .common import JsonOption, errors_as_exit_codes, print_json, read_secret, say

if TYPE_CHECKING:
    from cryptography import x509

MAX_MESSAGE = 256 << 20
"""Bytes of a message that is read into memory: all of standard input, and what is signed or encrypted."""
PASSWORD_VARIABLE = "EMAILPLUS_P12_PASSWORD"

smime_app = typer.Typer(name="smime", help="Open, check and make protected mail.", no_args_is_help=True)

_Message = Annotated[str, typer.Argument(metavar="FILE", help="The message; - for standard input.")]
_P12 = Annotated[
    list[Path] | None,
    typer.Option(
        "--p12", metavar="FILE", help="Archive with our certificate and key; again for several.", show_default=False
    ),
]
_PasswordFile = Annotated[
    Path | None,
    typer.Option(
        "--p12-password-file",
        metavar="FILE",
        help=f"Password of the archives; else {PASSWORD_VARIABLE}.",
        show_default=False,
    ),
]
_Roots = Annotated[
    list[Path] | None,
    typer.Option("--root", metavar="FILE", help="Trusted root in DER; again for several.", show_default=False),
]
_Lists = Annotated[
    list[Path] | None,
    typer.Option("--crl", metavar="FILE", help="Revocation list; given, revocation is checked.", show_default=False),
]
_Out = Annotated[
    Path | None,
    typer.Option("--out", "-o", metavar="FILE", help="Where to write; else standard output.", show_default=False),
]


@smime_app.command("inspect")
def inspect(
    file: _Message,
    p12: _P12 = None,
    p12_password_file: _PasswordFile = None,
    root: _Roots = None,
    crl: _Lists = None,
    as_json: JsonOption = False,
) -> None:
    """Say everything that is true of a message: layers, signers, algorithms, paths, and every reason for distrust."""
    with errors_as_exit_codes(as_json):
        opened = _opened(file, p12, p12_password_file, root, crl)
        _tell(opened, as_json)


@smime_app.command("verify")
def verify(
    file: _Message,
    root: _Roots = None,
    crl: _Lists = None,
    p12: _P12 = None,
    p12_password_file: _PasswordFile = None,
    as_json: JsonOption = False,
) -> None:
    """As inspect, with exit code 0 only for a message that is signed and trusted as a whole, else 1."""
    with errors_as_exit_codes(as_json):
        opened = _opened(file, p12, p12_password_file, root, crl)
        _tell(opened, as_json)
        if opened.report.word is not Word.TRUSTED:
            raise typer.Exit(1)


@smime_app.command("decrypt")
def decrypt(
    file: _Message,
    p12: _P12 = None,
    p12_password_file: _PasswordFile = None,
    root: _Roots = None,
    out: _Out = None,
    as_json: JsonOption = False,
) -> None:
    """Write the MIME entity inside all layers (--json: in base64, with the report), which must all open, else exit
    code 1. The report goes to standard error."""
    with errors_as_exit_codes(as_json):
        opened = _opened(file, p12, p12_password_file, root, None)
        if as_json:
            if isinstance(opened, OpenedLarge):
                raise UsageError("a message of this size is not written as JSON: leave --json out")
            print_json(_document(opened) | {"content": b64encode(opened.content).decode()})
        else:
            for line in lines(opened.report):
                say(line)
        if not all(layer.opened for layer in opened.report.layers):
            raise typer.Exit(1)
        if not as_json:
            _write(opened.content() if isinstance(opened, OpenedLarge) else [opened.content], out)


@smime_app.command("sign")
def sign(
    file: _Message,
    p12: _P12 = None,
    p12_password_file: _PasswordFile = None,
    opaque: Annotated[bool, typer.Option("--opaque", help="Content inside the signature, not beside it.")] = False,
    digest: Annotated[str, typer.Option("--digest", help="sha256, sha384 or sha512.")] = "sha256",
    pss: Annotated[bool, typer.Option("--pss", help="RSA-PSS in place of PKCS #1 v1.5.")] = False,
    protect_headers: Annotated[bool, typer.Option("--protect-headers", help="Sign the header fields too.")] = False,
    out: _Out = None,
) -> None:
    """Sign a message with the first certificate of the archives that may sign."""
    with errors_as_exit_codes(False):
        if digest not in ("sha256", "sha384", "sha512"):
            raise UsageError(f"--digest is sha256, sha384 or sha512, not {digest!r}")
        signer = _for_role(_keys(p12, p12_password_file), Role.SIGNING)
        plan = Plan(signer=signer, clear=not opaque, digest=digest, pss=pss, protect_headers=protect_headers)  # type: ignore[arg-type]
        head, entity = split(_read(file))
        (made,) = protect(head, entity, plan, {})
        _write([made.message], out)


@smime_app.command("encrypt")
def encrypt(
    file: _Message,
    to_cert: Annotated[
        list[Path],
        typer.Option("--to-cert", metavar="FILE", help="Certificate (DER) of a recipient; again for several."),
    ],
    p12: _P12 = None,
    p12_password_file: _PasswordFile = None,
    sign_too: Annotated[bool, typer.Option("--sign", help="Sign first.")] = False,
    cipher: Annotated[
        str, typer.Option("--cipher", help="aes256-gcm, aes128-gcm, aes256-cbc, aes128-cbc.")
    ] = "aes256-gcm",
    old_rsa: Annotated[bool, typer.Option("--rsa-v1.5", help="RSA PKCS #1 v1.5 in place of OAEP.")] = False,
    protect_headers: Annotated[bool, typer.Option("--protect-headers", help="Hide the subject.")] = False,
    out: _Out = None,
) -> None:
    """Encrypt a message to everyone it names and to us (--p12). Each Bcc gets a file of its own: OUT.1, OUT.2."""
    with errors_as_exit_codes(False):
        if cipher not in ("aes256-gcm", "aes128-gcm", "aes256-cbc", "aes128-cbc"):
            raise UsageError(f"--cipher is aes256-gcm, aes128-gcm, aes256-cbc or aes128-cbc, not {cipher!r}")
        keys = _keys(p12, p12_password_file)
        own = _for_role(keys, Role.ENCRYPTION)
        plan = Plan(
            signer=_for_role(keys, Role.SIGNING) if sign_too else None, own=own.certificate, encrypt=True,
            cipher=cipher, transport="v1.5" if old_rsa else "oaep", protect_headers=protect_headers,  # type: ignore[arg-type]
        )  # fmt: skip
        head, entity = split(_read(file))
        visible, hidden = _recipients(head, [_certificate(path) for path in to_cert])
        made = protect(head, entity, plan, visible, hidden)
        if len(made) > 1 and out is None:
            raise UsageError("a message with Bcc becomes several: give --out")
        _write_all(made, out)


def _write_all(made: Sequence[ProtectedMessage], out: Path | None) -> None:
    for number, mail in enumerate(made):
        target = out if not number or out is None else out.with_name(f"{out.name}.{number}")
        _write([mail.message], target)
        if mail.hidden:
            say(f"{target}: for {', '.join(mail.addresses)} alone")


def _recipients(
    head: bytes, known: Sequence[x509.Certificate]
) -> tuple[dict[str, x509.Certificate | None], dict[str, x509.Certificate | None]]:
    """(To and Cc, Bcc) of the header with their certificates; without a header everyone who has a certificate."""
    by_address = {address: certificate for certificate in known for address in certs.addresses(certificate)[0]}
    fields = parse(head + b"\r\n").headers
    shown = (*addresses(fields, "To"), *addresses(fields, "Cc"))
    hidden = addresses(fields, "Bcc")
    if not shown and not hidden:
        return dict(by_address), {}
    missing = [address for address in (*shown, *hidden) if address not in by_address]
    if missing:
        raise RecipientsWithoutCertificate(f"no certificate for {', '.join(missing)}: give --to-cert", missing)
    return {address: by_address[address] for address in shown}, {address: by_address[address] for address in hidden}


def _opened(
    file: str, p12: list[Path] | None, password: Path | None, roots: list[Path] | None, lists: list[Path] | None
) -> OpenedMessage | OpenedLarge:
    trust = Trust(
        anchors=tuple(_certificate(path) for path in roots or ()),
        crls=tuple(_list(path) for path in lists or ()),
        check_revocation=bool(lists),
    )
    keys = _keys(p12, password) if p12 else ()
    path = Path(file)
    if file != "-" and path.is_file() and path.stat().st_size > LARGE:
        return open_large(of_file(path), keys=keys, trust=trust)
    return open_message(_read(file), keys=keys, trust=trust)


def _tell(opened: OpenedMessage | OpenedLarge, as_json: bool) -> None:
    if as_json:
        print_json(_document(opened))
    else:
        for line in lines(opened.report):
            print(_safe(line))


def _safe(line: str) -> str:
    """Without control characters: a certificate must not drive the terminal."""
    return "".join(character if character.isprintable() else "?" for character in line)


def _document(opened: OpenedMessage | OpenedLarge) -> dict[str, Any]:
    document: dict[str, Any] = dict(opened.report.as_dict())
    if opened.protected is not None:
        fields = [[name, value] for name, value in opened.protected.fields]
        document["protected_headers"] = {"scheme": opened.protected.scheme, "fields": fields}
    return document


def _keys(archives: list[Path] | None, password_file: Path | None) -> list[KeyEntry]:
    if not archives:
        raise UsageError("no key: give --p12 with the archive that holds it")
    found: list[KeyEntry] = []
    for path in archives:
        data = _bytes(path)
        try:
            found += import_pkcs12(data, _password(password_file), source=path.name)
        except WrongKeyPassword:
            if password_file is not None or os.environ.get(PASSWORD_VARIABLE) or not sys.stdin.isatty():
                raise
            found += import_pkcs12(data, getpass.getpass(f"Password of {path.name}: "), source=path.name)
    return found


def _password(password_file: Path | None) -> str | None:
    if password_file is not None:
        return read_secret(password_file, "the password file")
    return os.environ.get(PASSWORD_VARIABLE)


def _for_role(keys: Sequence[KeyEntry], role: Role) -> KeyEntry:
    now = datetime.now(UTC)
    return min(keys, key=lambda entry: len(usable_for(entry, role, now)))


def _certificate(path: Path) -> x509.Certificate:
    return load_certificate(_bytes(path))


def _list(path: Path) -> x509.CertificateRevocationList:
    try:
        return load_list(_bytes(path))
    except MalformedCms as problem:
        raise UsageError(f"{path}: {problem}") from problem


def _read(file: str) -> bytes:
    data = sys.stdin.buffer.read(MAX_MESSAGE + 1) if file == "-" else _bytes(Path(file), MAX_MESSAGE)
    if len(data) > MAX_MESSAGE:
        raise UsageError(f"a message of more than {MAX_MESSAGE >> 20} MB")
    return data


def _bytes(path: Path, limit: int = 64 << 20) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(limit + 1)
    except OSError as problem:
        raise UsageError(f"{path}: {problem.strerror}") from problem


def _write(pieces: Iterable[bytes], out: Path | None) -> None:
    if out is None:
        sys.stdout.buffer.writelines(pieces)
        sys.stdout.buffer.flush()
        return
    try:
        descriptor = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.writelines(pieces)
    except OSError as problem:
        raise UsageError(f"{out}: {problem.strerror}") from problem
