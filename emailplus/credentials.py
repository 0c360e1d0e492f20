"""What a mailbox signs in with: the decision of `policy.sign_in` turned into a strategy for each protocol.

Everything that shows who we are goes through here: the password, asked for or at hand; the client certificate; the
tokens, which a network of their own fetches, that has neither certificate nor password.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

from .auth.anonymous import Anonymous
from .auth.base import Auth
from .auth.basic import BasicAuth
from .auth.bearer import BearerAuth
from .auth.certificate import CertificateAuth, LoginCertificate, login_certificate
from .auth.kerberos import kerberos_available
from .auth.ntlm import NtlmAuth
from .auth.oauth import Authority
from .auth.password import Passing, PasswordAuth, Purse
from .auth.tokens import BroughtTokens, StoredTokens, TokenSource
from .config import AppConfig
from .driver import Network, run, shared_tls_context, tls_context
from .errors import AuthenticationFailed
from .flow import Flow
from .model.sign_in import AskPassword, BringToken, SignInState, Tokens
from .policy.sign_in import Mode, Protocol, SignIn, decide
from .store.sign_in import PasswordMemory, tokens
from .store.store import Store


@dataclass
class Credentials:
    """`password`: the text, a callable that asks a person, or None (`email_password`). `token` brings tokens.

    `hide` is told every password that turns up, so that no log holds it. Without a `store` a refusal is remembered as
    long as this object lives, and nobody can sign in with `modern_auth` but by `token`.
    """

    config: AppConfig
    password: str | AskPassword | None = None
    token: BringToken | None = None
    store: Store | None = None
    hide: Callable[[str], None] = lambda _: None
    now: Callable[[], float] = time.time
    _purses: dict[Protocol, Purse] = field(default_factory=dict)
    _showing: ssl.SSLContext | None = None

    @cached_property
    def certificate(self) -> LoginCertificate:
        """`email_login_certificate`, opened."""
        return login_certificate(self.config)

    def decision(self, protocol: Protocol = "eas") -> SignIn:
        """How a protocol signs in under this configuration."""
        return decide(self.config, protocol, certificate_problem=self.certificate.problem)

    def auth(self, protocol: Protocol = "eas") -> Auth:
        """The strategy of a protocol for one conversation. Raises `AuthenticationFailed`, `ExtraMissing`."""
        decision = self.decision(protocol)
        if decision.refused:
            raise AuthenticationFailed(f"{decision.refused}; nothing was sent")
        if decision.mode is Mode.CERTIFICATE:
            return CertificateAuth()
        if decision.mode is Mode.MODERN:
            return BearerAuth(self.tokens)
        user, purse = self.config.email_exchange_username, self.purse(protocol)

        def scheme(password: str) -> Auth:
            return BasicAuth(user, password) if decision.mode is Mode.BASIC else NtlmAuth(user, password)

        purse.require(decision)  # said now where there is none, before any work is begun
        slow = decision.mode is Mode.NTLM and kerberos_available()  # a KDC is asked between two requests
        return PasswordAuth(decision, purse, scheme, slow=slow)

    def purse(self, protocol: Protocol = "eas") -> Purse:
        """The password of a protocol; both may use the same, and each server refuses for itself."""
        if protocol not in self._purses:
            config, given = self.config, self.password
            if not isinstance(given, str):
                given = config.email_password.reveal() if config.email_password is not None else None
            host = config.email_ews_host if protocol == "ews" else config.email_exchange_host
            memory = PasswordMemory(self.store.database) if self.store is not None else Passing()
            self._purses[protocol] = Purse(
                username=config.email_exchange_username,
                host=host,
                given=given,
                ask=self.password if callable(self.password) else None,
                memory=memory,
                now=self.now,
                hide=self.hide,
            )
        return self._purses[protocol]

    @cached_property
    def tokens(self) -> TokenSource:
        """Where access tokens come from, for every protocol: one place renews them."""
        config = self.config
        if self.token is not None:
            return BroughtTokens(self.token, config.modern_auth_resource_url or "", config.email_exchange_username)
        return StoredTokens(self.stored_tokens, self.drive, self.now)

    def stored_tokens(self) -> Tokens | None:
        """The tokens of this account, for this authority and resource; those of another are not looked at."""
        found = tokens(self.store.database) if self.store is not None else None
        if found is None or found.account != self.account:
            return None
        same = found.resource == self.config.modern_auth_resource_url and found.authority == self._authority(found)
        return found if same else None

    def _authority(self, found: Tokens) -> str:
        return Authority.at(str(self.config.modern_auth_authority_url), found.form).url

    @property
    def account(self) -> str:
        """Whose tokens they are."""
        return f"{self.config.email_address} {self.config.email_exchange_username}"

    def drive(self, flow: Flow[Tokens], tell: Callable[[object], None] | None = None) -> Tokens:
        """Perform a dialogue with the authority in this thread."""
        return run(flow, self.authority_network(), self.store, tell)

    def authority_network(self) -> Network:
        """How the authority is spoken to: no credentials of the mail server, no client certificate, no log."""
        config = self.config
        tls = shared_tls_context(config.trusted_roots, False)  # `email_trust_all_certificates` is about the mail server
        return Network(auth=Anonymous(), timeout=min(30.0, float(config.default_network_timeout)), tls=tls)

    def tls(self, protocol: Protocol = "eas") -> ssl.SSLContext:
        """Trust in the mail server, and the certificate that it is shown where it asks for one."""
        roots, trust_all = self.config.trusted_roots, self.config.email_trust_all_certificates
        if not self.decision(protocol).certificate:
            return shared_tls_context(roots, trust_all)
        if self._showing is None:
            self._showing = tls_context(roots, trust_all=trust_all, client=self.certificate.pem)
        return self._showing

    def state(self) -> SignInState:
        """How ActiveSync signs in, and whether somebody has to."""
        decision = self.decision()
        ours = decision.mode is Mode.MODERN and self.token is None and not decision.refused
        found = self.stored_tokens() if ours else None
        signed_in = not decision.refused and (decision.mode is not Mode.MODERN or self.token is not None)
        if found is not None:
            renewable = bool(found.refresh_token) or found.method == "service"
            signed_in = renewable or (bool(found.access_token) and self.now() < found.expires)
        return SignInState(
            mode=str(decision.mode),
            why=decision.refused or decision.why,
            signed_in=signed_in,
            username=found.username if found is not None else "",
            method=found.method if found is not None else "",
            expires=found.expires if found is not None and found.access_token else None,
            warnings=decision.warnings,
        )
