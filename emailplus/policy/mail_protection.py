"""Whether a message is signed and encrypted, and how: the user's word, the settings, the thread, the server's policy.

    who says so                                   effect
    the message (`Draft.sign`, `Draft.encrypt`)   as it says, unless the server's policy demands more
    setting always_sign, always_encrypt           for messages that say nothing
    the thread was encrypted                      replies and forwards that say nothing are encrypted (guide, "S/MIME")
    RequireSignedSMIMEMessages                    signed, whatever anybody says (MS-ASPROV 2.2.2.51)
    RequireEncryptedSMIMEMessages                 encrypted, whatever anybody says (MS-ASPROV 2.2.2.47)
    AllowSMIMESoftCerts = 0                       no signature with keys that lie in software (2.2.2.14): ours all do
    AllowSMIMEEncryptionAlgorithmNegotiation = 0  the very algorithms the server names (2.2.2.13, MS-ASPROV_R27);
                                                  1: the strongest that all recipients announced; 2: 3DES among them

What the server can name is old: of it, 3DES and SHA-1 are written, and nothing below.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..errors import PolicyDenied, PolicyNotApplicable
from .server_policy import ServerPolicy
from .user_settings import Settings

Cipher = Literal["aes256-gcm", "aes128-gcm", "aes256-cbc", "aes128-cbc", "3des-cbc"]
Digest = Literal["sha256", "sha384", "sha512", "sha1"]

_CIPHERS: dict[int, tuple[str, Cipher | None]] = {
    0: ("3DES", "3des-cbc"),
    1: ("DES", None),
    2: ("RC2 with 128 bits", None),
    3: ("RC2 with 64 bits", None),
    4: ("RC2 with 40 bits", None),
}
"""RequireEncryptionSMIMEAlgorithm (MS-ASPROV 2.2.2.48)."""
_DIGESTS: dict[int, tuple[str, Digest | None]] = {0: ("SHA-1", "sha1"), 1: ("MD5", None)}
"""RequireSignedSMIMEAlgorithm (MS-ASPROV 2.2.2.50)."""


@dataclass(frozen=True, slots=True)
class MailProtection:
    """What becomes of one message. `clear`: signed so that readers without S/MIME can read it (multipart/signed).

    `reasons` say for people why it is signed or encrypted though the message itself did not ask for it.
    """

    sign: bool = False
    encrypt: bool = False
    clear: bool = True
    digest: Digest = "sha256"
    cipher: Cipher | None = None
    """The one that the server demands; None: the strongest that all recipients read."""
    weak: bool = False
    """A weak cipher may be negotiated with somebody who reads nothing else."""
    must_encrypt: bool = False
    """The server's policy demands it: sending in the clear is no answer to anything."""
    reasons: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return self.sign or self.encrypt


def decide(
    settings: Settings,
    policy: ServerPolicy,
    *,
    sign: bool | None = None,
    encrypt: bool | None = None,
    thread_encrypted: bool = False,
) -> MailProtection:
    """The decision for one message. `sign` and `encrypt` are its own word, None where it says nothing.

    Raises `PolicyDenied` where it would be signed and the policy forbids soft certificates, and `PolicyNotApplicable`
    where the policy demands an algorithm that this engine does not write.
    """
    reasons: list[str] = []
    signs = settings.always_sign if sign is None else sign
    if policy.RequireSignedSMIMEMessages and not signs:
        signs = True
        reasons.append("the server's policy demands signed messages")
    encrypts = settings.always_encrypt or thread_encrypted if encrypt is None else encrypt
    if encrypt is None and thread_encrypted and not settings.always_encrypt:
        reasons.append("the original message was encrypted")
    if policy.RequireEncryptedSMIMEMessages and not encrypts:
        encrypts = True
        reasons.append("the server's policy demands encrypted messages")
    if signs and policy.AllowSMIMESoftCerts is False:
        raise PolicyDenied(
            "the server's policy allows no signature with a certificate that lies in software",
            rule="AllowSMIMESoftCerts",
        )
    fixed = policy.AllowSMIMEEncryptionAlgorithmNegotiation == 0
    return MailProtection(
        sign=signs,
        encrypt=encrypts,
        clear=settings.sign_as_clear_text,
        digest=_digest(policy.RequireSignedSMIMEAlgorithm) if fixed and signs else "sha256",
        cipher=_cipher(policy.RequireEncryptionSMIMEAlgorithm) if fixed and encrypts else None,
        weak=policy.AllowSMIMEEncryptionAlgorithmNegotiation == 2,
        must_encrypt=bool(policy.RequireEncryptedSMIMEMessages),
        reasons=tuple(reasons),
    )


def _digest(number: int | None) -> Digest:
    if number is None:
        return "sha256"
    name, digest = _DIGESTS.get(number, (f"number {number}", None))
    if digest is None:
        raise PolicyNotApplicable(f"the server's policy demands signatures with {name}, which is not written here")
    return digest


def _cipher(number: int | None) -> Cipher | None:
    if number is None:
        return None
    name, cipher = _CIPHERS.get(number, (f"number {number}", None))
    if cipher is None:
        raise PolicyNotApplicable(f"the server's policy demands encryption with {name}, which is not written here")
    return cipher
