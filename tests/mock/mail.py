"""Messages for the tests."""

from __future__ import annotations

import base64

PLAIN = (
    b"From: Bob <bob@example.test>\r\nTo: Alice <alice@example.test>\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n"
    b"Message-ID: <1@example.test>\r\nDate: Tue, 24 Nov 2026 09:00:00 +0000\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\n\r\nGr\xc3\xbc\xc3\x9fe aus K\xc3\xb6ln\r\n"
)

FILE = bytes(range(256)) * 40

MIXED = (
    b'From: Bob <bob@example.test>\r\nTo: alice@example.test, "Carol N" <carol@example.test>\r\n'
    b"Cc: dave@example.org\r\nReply-To: answers@example.test\r\nSubject: Re: Files\r\nImportance: High\r\n"
    b"Message-ID: <2@example.test>\r\nReferences: <1@example.test>\r\n"
    b'Content-Type: multipart/mixed; boundary="b"\r\n\r\npreamble\r\n--b\r\n'
    b'Content-Type: multipart/alternative; boundary="a"\r\n\r\n'
    b"--a\r\nContent-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    b"Caf=E9 plain\r\n--a\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<p>Caf\xc3\xa9 <b>rich</b></p>\r\n--a--\r\n"
    b'--b\r\nContent-Type: application/octet-stream; name="data.bin"\r\n'
    b'Content-Disposition: attachment; filename="data.bin"\r\nContent-Transfer-Encoding: base64\r\n\r\n'
    + base64.encodebytes(FILE).replace(b"\n", b"\r\n")
    + b"--b\r\nContent-Type: image/png; name=logo.png\r\nContent-ID: <logo@example.test>\r\n"
    b"Content-Disposition: inline; filename=logo.png\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    b"iVBORw0KGgo=\r\n--b--\r\n"
)

SIGNED = (
    b"From: bob@example.test\r\nTo: alice@example.test\r\nSubject: signed\r\n"
    b'Content-Type: multipart/signed; protocol="application/pkcs7-signature"; micalg=sha-256; boundary="s"\r\n\r\n'
    b"--s\r\nContent-Type: text/plain\r\n\r\nsigned text\r\n--s\r\n"
    b"Content-Type: application/pkcs7-signature; name=smime.p7s\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    b"MAA=\r\n--s--\r\n"
)

ENVELOPED = (
    b"From: bob@example.test\r\nTo: alice@example.test\r\nSubject: secret\r\n"
    b"Content-Type: application/pkcs7-mime; smime-type=enveloped-data; name=smime.p7m\r\n"
    b"Content-Transfer-Encoding: base64\r\n\r\nMAA=\r\n"
)


def numbered(number: int, text: str = "body") -> bytes:
    """A small message whose subject is its number."""
    return (
        f"From: bob@example.test\r\nTo: alice@example.test\r\nSubject: {number}\r\n"
        f"Message-ID: <n{number}@example.test>\r\n\r\n{text}\r\n"
    ).encode()
