"""Names in certificates: compared as RFC 5280 section 7 asks, and held against name constraints (4.2.1.10)."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.x509.oid import NameOID

Folded = tuple[frozenset[tuple[str, str]], ...]


@lru_cache(maxsize=2048)
def folded(name: x509.Name) -> Folded:
    """A distinguished name for comparison: case, blanks and the kind of string play no part (RFC 5280 7.1)."""
    return tuple(
        frozenset((attribute.oid.dotted_string, _fold(attribute.value)) for attribute in rdn) for rdn in name.rdns
    )


def _fold(value: str | bytes) -> str:
    text = value if isinstance(value, str) else value.hex()
    return " ".join(unicodedata.normalize("NFKC", text).split()).casefold()


def same(first: x509.Name, second: x509.Name) -> bool:
    return first == second or folded(first) == folded(second)


@lru_cache(maxsize=1024)
def names_of(certificate: x509.Certificate) -> tuple[x509.GeneralName, ...]:
    """Everything a certificate is made out to: its subject, its alternative names, and the old address in the subject
    where there is no other (RFC 5280 4.2.1.10)."""
    found: list[x509.GeneralName] = []
    if certificate.subject.rdns:
        found.append(x509.DirectoryName(certificate.subject))
    try:
        found += certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        pass
    if not any(isinstance(name, x509.RFC822Name) for name in found):
        for attribute in certificate.subject.get_attributes_for_oid(NameOID.EMAIL_ADDRESS):
            try:
                found.append(x509.RFC822Name(str(attribute.value)))
            except ValueError:
                continue
    return tuple(found)


def permitted(name: x509.GeneralName, subtrees: Sequence[x509.GeneralName]) -> bool:
    """True when `subtrees` say nothing of names of this kind, or one of them holds it."""
    same_kind = [subtree for subtree in subtrees if type(subtree) is type(name)]
    return not same_kind or any(within(name, subtree) for subtree in same_kind)


def excluded(name: x509.GeneralName, subtrees: Iterable[x509.GeneralName]) -> bool:
    return any(type(subtree) is type(name) and within(name, subtree, unclear=True) for subtree in subtrees)


def within(name: x509.GeneralName, subtree: x509.GeneralName, *, unclear: bool = False) -> bool:
    """Whether `name` lies in `subtree`, of the same kind. `unclear` is the answer where no rule says (kinds without
    one, URIs without a host), so that doubt counts against the certificate."""
    if isinstance(name, x509.DirectoryName) and isinstance(subtree, x509.DirectoryName):
        inner, outer = folded(name.value), folded(subtree.value)
        return inner[: len(outer)] == outer
    if isinstance(name, x509.RFC822Name) and isinstance(subtree, x509.RFC822Name):
        return _address_within(name.value.lower(), subtree.value.lower())
    if isinstance(name, x509.DNSName) and isinstance(subtree, x509.DNSName):
        limit = subtree.value.lower().lstrip(".")
        host = name.value.lower()
        return not limit or host == limit or host.endswith(f".{limit}")
    if isinstance(name, x509.UniformResourceIdentifier) and isinstance(subtree, x509.UniformResourceIdentifier):
        host = _host(name.value)
        return unclear if not host else _host_within(host, subtree.value.lower())
    if isinstance(name, x509.IPAddress) and isinstance(subtree, x509.IPAddress):
        try:
            return name.value in subtree.value  # type: ignore[operator]  # a constraint holds a network
        except TypeError:
            return unclear
    return unclear


def _address_within(address: str, limit: str) -> bool:
    if "@" in limit:
        return address == limit
    return _host_within(address.rpartition("@")[2], limit)


def _host_within(host: str, limit: str) -> bool:
    return host.endswith(limit) if limit.startswith(".") else host == limit


def _host(uri: str) -> str:
    try:
        host = (urlsplit(uri).hostname or "").lower()
    except ValueError:
        return ""
    return "" if not host or host.replace(".", "").isdigit() or ":" in host else host
