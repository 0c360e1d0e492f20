"""A user of the mock server."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MockUser:
    """One mailbox user; logs in as `username`, `email` or ``domain\\username``."""

    email: str
    username: str
    password: str
    domain: str = "EXAMPLE"
    name: str = ""

    def answers_to(self, login: str) -> bool:
        """Whether `login` means this user (case does not matter, as in Active Directory)."""
        login = login.lower()
        return login in (self.email.lower(), self.username.lower(), f"{self.domain}\\{self.username}".lower())
