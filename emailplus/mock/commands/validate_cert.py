"""ValidateCert (MS-ASCMD 2.2.1.22): each certificate against the roots that the exchange trusts."""

from __future__ import annotations

import base64
import binascii

from ...eas.wbxml import Node
from ..context import Answer, Context, StatusError
from ..tree import as_text, child, every, number

NAME = "ValidateCert"
MAX_CERTIFICATES = 100  # MS-ASCMD_R5661


def handle(context: Context) -> Answer:
    chain = _certificates(child(context.tree, f"{NAME}:CertificateChain"))
    asked = _certificates(child(context.tree, f"{NAME}:Certificates"))
    if not asked or len(asked) + len(chain) > MAX_CERTIFICATES:
        raise StatusError(2)
    crl = number(context.tree, f"{NAME}:CheckCrl")
    if child(context.tree, f"{NAME}:CheckCrl") is not None and crl not in (0, 1):
        raise StatusError(2)
    from ..certificates import judge  # cryptography is slow to load and rarely needed here

    trust, now = context.exchange.trust, context.exchange.clock()
    nodes: list[Node] = [
        (f"{NAME}:Certificate", [(f"{NAME}:Status", str(judge(trust, der, chain, now, check_crl=crl == 1)))])
        for der in asked
    ]
    return Answer(tree=(f"{NAME}:{NAME}", [(f"{NAME}:Status", "1"), *nodes]))


def _certificates(node: Node | None) -> list[bytes]:
    found = []
    for _, content in every(node, f"{NAME}:Certificate"):
        try:
            der = base64.b64decode("".join(as_text(content).split()), validate=True)
        except (binascii.Error, ValueError):
            raise StatusError(2) from None
        found.append(der)
    return found
