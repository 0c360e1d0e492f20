"""What a connection knows of its client, beyond one request."""

from __future__ import annotations

from dataclasses import dataclass, field

from .ntlm import Handshake
from .users import MockUser


@dataclass(slots=True)
class Connection:
    """One client connection."""

    peer: bytes = field(repr=False, default=b"")
    """The client's certificate in DER; b"" where none was shown."""
    served: bytes = field(repr=False, default=b"")
    """The server's own, in DER; b"" without TLS."""
    handshake: Handshake | None = None
    user: MockUser | None = None
    """Whom NTLM has proved."""
