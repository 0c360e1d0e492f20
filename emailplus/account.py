"""From an app config to a conversation: what the keys make of an account."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from . import __version__
from .auth.anonymous import Anonymous
from .classification.classifier import Classifier
from .config import AppConfig
from .credentials import Credentials
from .driver import Network, tls_context
from .eas.flows.session import Session
from .eas.flows.sync_mail import MailPlan
from .eas.http import Identity, endpoint_url
from .eas.versions import VERSIONS
from .errors import UsageError
from .policy.body_preference import ContentPolicy
from .policy.features import Features
from .policy.merged import merge
from .policy.server_policy import ServerPolicy
from .policy.sync_period import cut_off, mail_filter_type
from .policy.user_settings import Settings

DEVICE_TYPE = "emailplus"
QUERY_FORMS = ("plain", "base64")


def endpoint(config: AppConfig) -> str:
    """The URL of `email_exchange_host` under `email_ssl_required` and `email_enable_lotus`."""
    host = config.exchange_endpoint
    path = host.path.strip("/")
    return endpoint_url(
        f"{host.authority}/{path}" if path else host.authority,
        tls=config.email_ssl_required,
        traveler=config.email_enable_lotus,
    )


def network(config: AppConfig, credentials: str | Credentials) -> Network:
    """Credentials, trust and timeouts of ActiveSync; a text is a password of which nothing is remembered.

    Raises `AuthenticationFailed` and its kinds where there is nothing to sign in with: what a mode of
    `eas_min_allowed_auth_mode` lacks never becomes a password on the wire (`policy.sign_in`).
    """
    if isinstance(credentials, str):
        credentials = Credentials(config, credentials)
    # Trust without email_ssl_required too: a server may redirect to https, and is not trusted unseen then.
    return Network(auth=credentials.auth(), timeout=float(config.default_network_timeout), tls=credentials.tls())


def open_network(config: AppConfig) -> Network:
    """For what others publish (revocation lists): no credentials of the mailbox, and less patience."""
    return Network(
        auth=Anonymous(),
        timeout=min(15.0, float(config.default_network_timeout)),
        tls=tls_context(config.trusted_roots, trust_all=False),
    )


def session(config: AppConfig, *, query_form: str = "plain") -> Session:
    """A conversation that has not begun. Raises `UsageError` for an unknown form of query line."""
    if query_form not in QUERY_FORMS:
        raise UsageError(f"a query line is {' or '.join(QUERY_FORMS)}, not {query_form!r}")
    user_agent = f"emailplus/{__version__}"
    identity = Identity(
        user=config.email_exchange_username.rpartition("\\")[2],
        device_id=config.email_device_id,
        device_type=DEVICE_TYPE,
        user_agent=user_agent,
        query_form=query_form,
    )
    information = {
        "Model": "emailplus",
        "FriendlyName": "emailplus",
        "OS": "emailplus engine",
        "OSLanguage": "en",
        "UserAgent": user_agent,
    }
    return Session(endpoint(config), identity, VERSIONS["14.1"], device_information=information)


def mail_decision(
    config: AppConfig,
    now: datetime,
    settings: Settings,
    *,
    period: int | None,
    tell_messages: bool,
    classifier: Classifier | None = None,
) -> Callable[[ServerPolicy | None], tuple[MailPlan, float | None]]:
    """What is synchronised, once the server's policy is known; `period` is the user's choice of sync period.

    `classifier` reads the markings of what comes; None: classification is off.
    """

    def decide(policy: ServerPolicy | None) -> tuple[MailPlan, float | None]:
        merged = merge(config, policy, choice=period)
        features = Features.of(config)
        content = ContentPolicy(
            max_body=merged.max_body,
            max_attachment=merged.max_attachment,
            always_fetch_mime=settings.always_fetch_mime,
            mime_for_headers=classifier is not None and classifier.needs_headers,
            attachments=merged.attachments,
            html=merged.html,
            rights=features.rights_management,
        )
        plan = MailPlan(
            mail_filter_type(merged.sync_period),
            content,
            keep_content=features.caching,
            tell_messages=tell_messages,
            calendar_filter=merged.calendar_filter,
            smart_folders=features.smart_folders,
            reader=classifier.read if classifier is not None else None,
            marking_fingerprint=classifier.fingerprint if classifier is not None else "",
            text_messages=settings.sync_text_messages,
        )
        border = cut_off(merged.sync_period, now)
        return plan, border.timestamp() if border is not None else None

    return decide


def utc_now() -> datetime:
    return datetime.now(UTC)
