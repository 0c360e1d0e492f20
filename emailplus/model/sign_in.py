"""Signing in: what is kept of it, what a caller is told, and what a caller is asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

Method = Literal["device", "browser", "service"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """What an authority gave, and what it takes to get the next. Only ever inside the encrypted store."""

    authority: str
    """`modern_auth_authority_url` of the sign-in."""
    resource: str
    """`modern_auth_resource_url` of the sign-in."""
    form: Literal["v1", "v2"]
    """Whether the authority is told a ``resource`` (v1) or a ``scope`` (v2)."""
    method: Method
    client_id: str
    scope: str
    """Scopes that were asked for, by blanks."""
    account: str
    """`email_address` and login name of the config, by a blank: another account never uses these tokens."""
    username: str = ""
    """Whom the authority says it signed in; "" where it did not say."""
    obtained: float = 0.0
    """Unix time."""
    expires: float = 0.0
    """Unix time at which the access token ends."""
    claims: str = ""
    """What the server demands of the next sign-in (JSON); "" nothing."""
    access_token: str = field(repr=False, default="")
    refresh_token: str = field(repr=False, default="")
    client_secret: str = field(repr=False, default="")


@dataclass(frozen=True, slots=True)
class SaveTokens:
    """Keep these tokens and no others; None: none at all. Result: None."""

    tokens: Tokens | None


@dataclass(frozen=True, slots=True)
class StoredTokens:
    """Result: the `Tokens` that are kept, or None."""


@dataclass(frozen=True, slots=True)
class DeviceCode:
    """A person opens `url` on any device and types `code` there, within `seconds` (RFC 8628 3.2)."""

    url: str
    code: str = field(repr=False)
    seconds: float
    message: str = field(repr=False, default="")
    """The authority's own words, which hold the code too."""


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """What a token is wanted for, told to the callable that brings tokens of its own."""

    resource: str
    """`modern_auth_resource_url`, "" where the config has none."""
    username: str
    claims: str = ""
    """A claims challenge of the server to hand on to the authority (JSON); "" none."""
    refused: bool = False
    """The server has just refused the token that was brought before: the next one has to be another."""


@dataclass(frozen=True, slots=True)
class PasswordWanted:
    """A password is asked for."""

    username: str
    host: str
    refused: bool = False
    """The server refused the one before."""
    attempt: int = 1


AskPassword: TypeAlias = Callable[[PasswordWanted], "str | None"]
"""Answers with the password; None: nobody knows it. Called in the thread in which the conversation runs."""
BringToken: TypeAlias = Callable[[TokenRequest], str]
"""Answers with an access token; called as `AskPassword`, and as often as a request needs one: keep it until it ends."""


@dataclass(frozen=True, slots=True)
class SignInState:
    """How a mailbox signs in, and whether anybody has to do something about it."""

    mode: str
    """"basic", "ntlm", "cert_base" or "modern_auth", after what fell back."""
    why: str
    signed_in: bool
    """modern_auth: there are tokens that can be used or renewed. Other modes: nobody has to sign in."""
    username: str = ""
    method: str = ""
    expires: float | None = None
    """Unix time at which the access token ends; None: there is none."""
    warnings: tuple[str, ...] = ()
