"""Bearer tokens (RFC 6750): modern authentication."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace

from ..errors import AuthenticationFailed, SignInRequired
from ..flow import HttpRequest, HttpResponse
from ..policy.sign_in import protected
from . import oauth
from .tokens import TokenSource


class BearerAuth:
    """A token in every request; a refused one is renewed once, with what the server demands, and that is all."""

    may_block = True
    """A token may have to be renewed first."""

    def __init__(self, source: TokenSource) -> None:
        self._source = source

    def __repr__(self) -> str:
        return "BearerAuth(...)"

    def authorize(self, request: HttpRequest) -> Generator[HttpRequest, HttpResponse, None]:
        if not protected(request.url):
            raise AuthenticationFailed("a token never travels in clear text: the server's address must be https")
        token = self._source.token()
        response = yield _with(request, token)
        if response.status != 401:
            return
        claims = oauth.challenge(response.headers)
        fresh = self._source.token(refused=token, claims=claims)
        response = yield _with(request, fresh)
        if response.status == 401:
            raise SignInRequired(
                "the server refuses the tokens of this sign-in (HTTP 401), a new one too; "
                "check modern_auth_resource_url and the permissions of the client id, then sign in again",
                claims=oauth.challenge(response.headers),
            )


def _with(request: HttpRequest, token: str) -> HttpRequest:
    return replace(request, headers={**request.headers, "Authorization": f"Bearer {token}"})
