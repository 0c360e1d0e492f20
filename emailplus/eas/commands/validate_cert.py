"""ValidateCert: the server's opinion of certificates (MS-ASCMD 2.2.1.22)."""

from __future__ import annotations

import base64
from collections.abc import Sequence

from ...errors import UsageError
from ...model.directory import CertificateVerdict
from .. import status, tree
from ..wbxml import Node

NAME = "ValidateCert"
MAX_CERTIFICATES = 100
"""Certificates of one request that a server takes unless it is set up otherwise (MS-ASCMD_R5661)."""


def build(certificates: Sequence[bytes], chain: Sequence[bytes] = (), *, check_revocation: bool = False) -> Node:
    """The request to validate `certificates` (DER) with `chain` (DER) to help find their issuers.

    `check_revocation`: a revocation status that cannot be determined counts against a certificate (CheckCrl).
    Raises `UsageError` for no certificate, one of under 4 bytes, or too many.
    """
    if not certificates or len(certificates) + len(chain) > MAX_CERTIFICATES:
        raise UsageError(f"one request validates 1 to {MAX_CERTIFICATES} certificates, those of the chain counted")
    if any(len(der) < 4 for der in (*certificates, *chain)):
        raise UsageError("a certificate to validate has at least 4 bytes")
    nodes: list[Node] = []
    if chain:
        nodes.append((f"{NAME}:CertificateChain", [_certificate(der) for der in chain]))
    nodes.append((f"{NAME}:Certificates", [_certificate(der) for der in certificates]))
    if check_revocation:
        nodes.append((f"{NAME}:CheckCrl", "1"))
    return (f"{NAME}:{NAME}", nodes)


def _certificate(der: bytes) -> Node:
    return (f"{NAME}:Certificate", base64.b64encode(der).decode("ascii"))


def parse(root: Node, asked: int) -> list[CertificateVerdict]:
    """A verdict for each of the `asked` certificates, in their order.

    The schema allows several Status of one certificate: the first that is not 1 decides. A certificate that the server
    says nothing about is not valid (status 17). Raises the error of the command's status, or `MalformedResponse`.
    """
    tree.expect(root, f"{NAME}:{NAME}")
    code = tree.status(root, f"{NAME}:Status")
    nodes = list(tree.each(root, f"{NAME}:Certificate"))
    if code not in (None, status.OK) and not nodes:
        raise status.error(NAME, code)
    verdicts = []
    for position in range(asked):
        codes: list[int] = []
        if position < len(nodes):
            codes = [tree.status((f"{NAME}:", [node]), f"{NAME}:Status") or 17 for node in _statuses(nodes[position])]
        verdicts.append(_verdict(next((number for number in codes if number != status.OK), codes[0] if codes else 17)))
    return verdicts


def _statuses(node: Node) -> list[Node]:
    return list(tree.each(node, f"{NAME}:Status"))


def _verdict(code: int) -> CertificateVerdict:
    name, action = status.describe(NAME, code)
    return CertificateVerdict(
        code, "Valid" if code == status.OK else name, "" if code == status.OK else status.advice(action)
    )
