"""Where a conversation gets its access token: of the store, renewed in time, or from a callable of the caller's."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final, Protocol

from ..errors import ConnectionFailed, ServerBusy
from ..flow import Flow
from ..model.sign_in import BringToken, TokenRequest, Tokens
from . import oauth, oauth_flows

SKEW: Final = 300.0
"""Seconds before its end at which a token is renewed: clocks differ, and requests take time."""


class TokenSource(Protocol):
    """Gives a token that may be sent to the resource."""

    def token(self, *, refused: str = "", claims: str = "") -> str:
        """An access token. `refused`: the one that the server has just refused, with the `claims` it demands.

        Raises `SignInRequired`, `SignInFailed`, and `ServerError` where the authority cannot be reached.
        """


class StoredTokens:
    """Tokens of the store. One at a time renews, and the others take what it got.

    `load` reads the tokens of this account, `drive` performs a dialogue with the authority, `now` is Unix time.
    """

    def __init__(
        self,
        load: Callable[[], Tokens | None],
        drive: Callable[[Flow[Tokens]], Tokens],
        now: Callable[[], float],
    ) -> None:
        self._load, self._drive, self._now = load, drive, now
        self._lock = threading.Lock()

    def token(self, *, refused: str = "", claims: str = "") -> str:
        with self._lock:
            tokens = self._load()
            if tokens is None:
                raise oauth_flows.required()
            if refused and tokens.access_token and tokens.access_token != refused:
                return tokens.access_token  # somebody else renewed it meanwhile
            if not refused and self._fresh(tokens, SKEW):
                return tokens.access_token
            try:
                return self._drive(oauth_flows.renew(tokens, self._now, claims)).access_token
            except (ConnectionFailed, ServerBusy):
                if not refused and self._fresh(tokens, 0.0):
                    return tokens.access_token  # still good for a moment; the authority may be back by then
                raise

    def _fresh(self, tokens: Tokens, margin: float) -> bool:
        """Whether the token is good for `margin` seconds more; a clock that was set back proves nothing."""
        now = self._now()
        life = tokens.expires - tokens.obtained
        margin = min(margin, life / 4)
        return bool(tokens.access_token) and tokens.obtained - SKEW <= now < tokens.expires - margin


class BroughtTokens:
    """Tokens that the caller brings."""

    def __init__(self, bring: BringToken, resource: str, username: str) -> None:
        self._bring, self._resource, self._username = bring, resource, username

    def token(self, *, refused: str = "", claims: str = "") -> str:
        wanted = TokenRequest(self._resource, self._username, claims, refused=bool(refused))
        found = oauth.sendable(self._bring(wanted))
        oauth.require_audience(found, self._resource)
        if found == refused:
            raise oauth_flows.required(claims)  # the very one that was refused: it is not sent again
        return found
