"""The MIME dress of CMS objects: the header of application/pkcs7-mime (RFC 8551 3.2)."""

from __future__ import annotations


def pkcs7_head(smime_type: str) -> bytes:
    """The header of an entity whose body is base64 of a CMS object."""
    extension = "p7z" if smime_type == "compressed-data" else "p7m"
    return (
        f'Content-Type: application/pkcs7-mime; smime-type={smime_type}; name="smime.{extension}"\r\n'
        "Content-Transfer-Encoding: base64\r\n"
        f'Content-Disposition: attachment; filename="smime.{extension}"\r\n\r\n'
    ).encode()
