"""Signing in to a mailbox, out of it, and how it stands."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

from ..auth import oauth, oauth_flows
from ..auth.oauth import Authority, Client, Form, Wanted
from ..credentials import Credentials
from ..diagnosis.session import Diagnosis
from ..errors import AuthenticationFailed, ConfigurationError, UsageError
from ..flow import Flow
from ..loopback import Loopback
from ..model.sign_in import DeviceCode, Method, SignInState, Tokens
from ..policy.sign_in import KEYS, Mode, Protocol
from ..store import sign_in as kept
from ..store.store import Store

BROWSER_WAIT = 300.0
"""Seconds that a person has for the browser."""


class SigningIn:
    """Methods of `Mailbox`."""

    credentials: Credentials
    store: Store
    _diagnosis: Diagnosis

    def sign_in(
        self,
        client_id: str = "",
        *,
        method: Method = "device",
        client_secret: str = "",
        scopes: Sequence[str] = (),
        form: Form | None = None,
        show: Callable[[DeviceCode], object] | None = None,
        browse: Callable[[str], object] | None = None,
        wait: float = BROWSER_WAIT,
    ) -> SignInState:
        """Get tokens for `modern_auth`; they are kept in the store alone, and renewed from there.

        `client_id` is how the authority knows this program; "" takes the one of the sign-in before. `method`: "device",
        where `show` gets a `DeviceCode` for a person to type on any device; "browser", where `browse` opens an
        address in a browser of this machine (authorisation code with PKCE; a page of ours waits `wait` seconds on
        loopback); "service", with `client_secret` and no person. `scopes` are permissions by their full names; ()
        takes those of the protocols that the config lets sign in so. `form`: "v1" for authorities that take a
        resource, "v2" for those that take scopes; None goes by `modern_auth_authority_url`.

        What a server demanded of the next sign-in (`SignInRequired.claims`) goes along. Raises `SignInFailed`, also
        where somebody else signed in than the account of the config, `ServerError`, and `UsageError`.
        """
        begun, wanted = self._begin(client_id, client_secret, method, tuple(scopes), form)
        with self._working():
            authority, client = Authority(begun.authority, begun.form), oauth_flows.client_of(begun)
            now, drive = self.credentials.now, self.credentials.drive
            if method == "service":
                drive(oauth_flows.as_service(authority, client, wanted, begun, now))
            elif method == "browser":
                drive(self._with_browser(authority, client, wanted, begun, browse, wait))
            else:
                told = self._diagnosis.blaming(show) if show is not None else None
                drive(oauth_flows.with_device_code(authority, client, wanted, begun, now), told)
        return self.credentials.state()

    def _begin(
        self, client_id: str, client_secret: str, method: Method, scopes: tuple[str, ...], form: Form | None
    ) -> tuple[Tokens, Wanted]:
        credentials, config = self.credentials, self.credentials.config
        modern = [protocol for protocol in KEYS if credentials.decision(protocol).mode is Mode.MODERN]
        if not modern:
            raise UsageError(f"nobody signs in to this mailbox: {credentials.decision().why}")
        refused = credentials.decision(modern[0]).refused
        if refused:
            raise AuthenticationFailed(f"{refused}; nothing was sent")
        if config.modern_auth_authority_url is None or config.modern_auth_resource_url is None:
            raise ConfigurationError("modern_auth_authority_url and modern_auth_resource_url are needed to sign in")
        before = credentials.stored_tokens()
        if not client_id:
            if before is None:
                raise UsageError("a client id is needed: the one by which the authority knows this program")
            client_id, client_secret = before.client_id, client_secret or before.client_secret
        if method == "service" and not client_secret:
            raise UsageError("a service signs in with a client secret")
        authority = Authority.at(config.modern_auth_authority_url, form)
        resource = config.modern_auth_resource_url
        if not scopes and authority.form == "v2" and method != "service":
            names: dict[Protocol, str] = {"eas": oauth.EAS_PERMISSION, "ews": oauth.EWS_PERMISSION}
            scopes = tuple(f"{resource.rstrip('/')}/{names[protocol]}" for protocol in modern)
        client, wanted = Client(client_id, client_secret), Wanted(resource, scopes)
        if client_secret:
            self._diagnosis.conceal(client_secret)
        claims = before.claims if before is not None else ""
        return (
            oauth_flows.begun(authority, client, wanted, method=method, account=credentials.account, claims=claims),
            wanted,
        )

    def _with_browser(
        self,
        authority: Authority,
        client: Client,
        wanted: Wanted,
        begun: Tokens,
        browse: Callable[[str], object] | None,
        wait: float,
    ) -> Flow[Tokens]:
        if browse is None:
            raise UsageError("a sign-in with a browser needs browse, a function that opens an address")
        with Loopback() as page:
            attempt = oauth.authorization(
                authority,
                client,
                wanted,
                redirect=page.redirect,
                user=self.credentials.config.email_address,
                claims=begun.claims,
            )
            self._diagnosis.blaming(browse)(attempt.url)
            code = oauth.code_of(attempt, page.wait(attempt.state, wait))
        return oauth_flows.with_code(authority, client, wanted, attempt, code, begun, self.credentials.now)

    def _working(self) -> AbstractContextManager[None]:
        return self._diagnosis.watching("sign in")

    def sign_out(self) -> None:
        """Forget the tokens, and which passwords the server refused: the next conversation tries them once more.

        Nothing is said to the authority: an access token that somebody else holds is good until it ends.
        """
        with self.store.database.transaction():
            kept.forget(self.store.database)

    def sign_in_state(self) -> SignInState:
        """How the mailbox signs in, and whether somebody has to do something about it."""
        return self.credentials.state()


class AsyncSigningIn:
    """Methods of `AsyncMailbox`."""

    _mailbox: SigningIn
    _turn: asyncio.Lock

    async def sign_in(
        self,
        client_id: str = "",
        *,
        method: Method = "device",
        client_secret: str = "",
        scopes: Sequence[str] = (),
        form: Form | None = None,
        show: Callable[[DeviceCode], object] | None = None,
        browse: Callable[[str], object] | None = None,
        wait: float = BROWSER_WAIT,
    ) -> SignInState:
        """See `Mailbox.sign_in`; `show` and `browse` are called in a thread."""
        signing: Callable[[], Any] = partial(
            self._mailbox.sign_in,
            client_id,
            method=method,
            client_secret=client_secret,
            scopes=scopes,
            form=form,
            show=show,
            browse=browse,
            wait=wait,
        )
        async with self._turn:
            found: SignInState = await asyncio.to_thread(signing)
            return found

    async def sign_out(self) -> None:
        """See `Mailbox.sign_out`."""
        await asyncio.to_thread(self._mailbox.sign_out)

    async def sign_in_state(self) -> SignInState:
        """See `Mailbox.sign_in_state`."""
        return self._mailbox.sign_in_state()
