"""The dialogues with an authority. Each ends with the tokens in the store, before anything else is done with them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from ..errors import ConnectionFailed, ServerBusy, SignInFailed, SignInRequired, TlsFailed
from ..flow import Flow, HttpRequest, commit, emit, http, sleep
from ..model.sign_in import Method, SaveTokens, Tokens
from . import oauth
from .oauth import Authority, Authorization, Client, Granted, Pending, Wanted

Now = Callable[[], float]
MAX_TROUBLES: Final = 5
"""Polls in a row that may fail to reach the authority."""


def with_device_code(authority: Authority, client: Client, wanted: Wanted, begun: Tokens, now: Now) -> Flow[Tokens]:
    """Sign in on any device (RFC 8628): emits one `DeviceCode` to show, then polls. Raises `SignInFailed`."""
    answer = oauth.device_answer((yield from http(oauth.device_request(authority, client, wanted, begun.claims))))
    yield from emit(answer.shown)
    interval, left, troubles = answer.interval, answer.shown.seconds, 0
    while left > 0:
        yield from sleep(interval)
        left -= interval
        try:
            response = yield from http(oauth.poll_request(authority, client, wanted, answer.device_code))
            found = oauth.token_answer(response, wanted)
        except TlsFailed:
            raise
        except (ConnectionFailed, ServerBusy) as problem:
            troubles += 1
            interval = max(interval, getattr(problem, "retry_after", None) or 0.0)
            if troubles > MAX_TROUBLES:
                raise
            continue
        troubles = 0
        if isinstance(found, Granted):
            return (yield from _keep(begun, found, now()))
        interval += found.slower
    raise SignInFailed("nobody signed in before the code ended; begin again", error="expired_token")


def with_code(
    authority: Authority, client: Client, wanted: Wanted, attempt: Authorization, code: str, begun: Tokens, now: Now
) -> Flow[Tokens]:
    """Exchange the code of a browser for tokens."""
    request = oauth.code_request(authority, client, wanted, attempt, code)
    return (yield from _keep(begun, (yield from _granted(request, wanted)), now()))


def as_service(authority: Authority, client: Client, wanted: Wanted, begun: Tokens, now: Now) -> Flow[Tokens]:
    """A token of the service's own."""
    request = oauth.service_request(authority, client, wanted, begun.claims)
    return (yield from _keep(begun, (yield from _granted(request, wanted)), now()))


def renew(tokens: Tokens, now: Now, claims: str = "") -> Flow[Tokens]:
    """The next access token. Raises `SignInRequired` where only a person gets one.

    A refresh token that the authority no longer takes is not kept, so that it is asked for once and not for ever; what
    the server demands is kept for the next sign-in.
    """
    authority, client, wanted = Authority(tokens.authority, tokens.form), client_of(tokens), wanted_of(tokens)
    if tokens.method == "service":
        request = oauth.service_request(authority, client, wanted, claims)
    elif tokens.refresh_token:
        request = oauth.refresh_request(authority, client, wanted, tokens.refresh_token, claims)
    else:
        yield from commit(SaveTokens(replace(tokens, access_token="", claims=claims or tokens.claims)))
        raise required(claims or tokens.claims)
    try:
        granted = yield from _granted(request, wanted)
    except SignInRequired as problem:
        kept = replace(tokens, access_token="", refresh_token="", claims=problem.claims or claims)
        yield from commit(SaveTokens(kept))
        raise
    return (yield from _keep(replace(tokens, claims=""), granted, now()))


def required(claims: str = "") -> SignInRequired:
    """Nobody is signed in."""
    return SignInRequired("nobody is signed in to this mailbox: Mailbox.sign_in, or `emailplus sign-in`", claims=claims)


def begun(
    authority: Authority, client: Client, wanted: Wanted, *, method: Method, account: str, claims: str = ""
) -> Tokens:
    """What a sign-in that has just begun will leave in the store, without its tokens."""
    return Tokens(
        authority=authority.url,
        resource=wanted.resource,
        form=authority.form,
        method=method,
        client_id=client.id,
        client_secret=client.secret,
        scope=" ".join(wanted.scopes),
        account=account,
        claims=claims,
    )


def client_of(tokens: Tokens) -> Client:
    return Client(tokens.client_id, tokens.client_secret)


def wanted_of(tokens: Tokens) -> Wanted:
    return Wanted(tokens.resource, tuple(tokens.scope.split()))


def _granted(request: HttpRequest, wanted: Wanted) -> Flow[Granted]:
    found = oauth.token_answer((yield from http(request)), wanted)
    if isinstance(found, Pending):
        raise SignInFailed("the authority answers as if to a device code")
    return found


def _keep(begun: Tokens, granted: Granted, now: float) -> Flow[Tokens]:
    """Into the store at once: an authority that gives a new refresh token may already have taken the old one back."""
    if begun.method != "service" and granted.username and not _same(begun, granted.username):
        raise SignInFailed(
            "somebody else signed in than the account of the config (email_address); nothing was kept",
            error="wrong_account",
        )
    tokens = replace(
        begun,
        access_token=granted.access_token,
        refresh_token=granted.refresh_token or begun.refresh_token,
        username=granted.username or begun.username,
        obtained=now,
        expires=now + granted.seconds,
        claims="",
    )
    yield from commit(SaveTokens(tokens))
    return tokens


def _same(begun: Tokens, name: str) -> bool:
    return name.casefold() in begun.account.casefold().split()
