# ruff: noqa: N815  (attributes are named as the keys are)
"""The app config: frozen, typed, one attribute a key, named exactly as the key.

    config = AppConfig.load("app.json")
    config.email_exchange_host          # "mail.example.com"
    config.email_password               # Secret((hidden)); .reveal() gives the text
    config.warnings                     # what the administrator should know

Values are documented in the key table (`emailplus.config.keys`) and in docs/config.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from decimal import Decimal
from typing import Any, NamedTuple

from .build import MarkersCheck, UnknownKey, build
from .certificates import CertificateCheck, EscrowCertificate, RootCertificate, fingerprint
from .convert import WatermarkParameters
from .diff import ConfigDiff, diff
from .hosts import Host, parse_host
from .keys import BY_NAME, Key
from .loaders import Source, read
from .problems import Problem
from .secret import MASK, Secret
from .snapshot import Snapshot
from .variables import Identity


class Partnership(NamedTuple):
    """What a device partnership rests on. Another host, username or address: full resync; another device id: a new
    partnership as well, provisioned anew (guide, "synchronization due to app configuration changes")."""

    host: str
    username: str
    address: str
    device_id: str


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class AppConfig:
    """One administrator's configuration of one account. Made by `AppConfig.load`.

    A key that was not given has its default; where there is none, None (`()` or an empty set for lists). Sizes are in
    megabytes of 1,048,576 bytes, times in the unit of the key. `given` names the keys that were given, `unknown` holds
    the pairs that no key is known for, `warnings` everything that was noticed and does not stop.
    """

    # required
    email_address: str
    email_device_id: str
    email_exchange_host: str
    email_exchange_username: str
    # notifications
    allow_detailed_notifications: bool
    should_cache_tunneling_config: bool
    # certificates
    allow_certificate_revocation_check: bool
    allow_device_keychain: bool
    email_login_certificate: bytes | None
    email_login_certificate_MI_CERT_PW: Secret | None
    email_trust_all_certificates: bool
    email_user_certificate_self_service: str | None
    email_user_certificate_self_service_MI_CERT_PW: Secret | None
    email_certificate_X: tuple[RootCertificate, ...]
    # S/MIME
    email_encryption_certificate: bytes | None
    email_encryption_certificate_MI_CERT_PW: Secret | None
    email_signing_certificate: bytes | None
    email_signing_certificate_MI_CERT_PW: Secret | None
    email_escrow_certificates: tuple[EscrowCertificate, ...]
    # contacts
    allow_export_contacts: bool
    limit_contact_export_to: str
    email_safe_domains: tuple[str, ...]
    email_alert_unsafe_domains: bool
    # sync period and size
    email_max_sync_period: int
    email_default_sync_period: int
    email_max_body_size: Decimal
    email_max_attachment: Decimal
    # attachments
    calendar_attachments: bool
    MI_SHARED_GROUP_ID: str | None
    MI_AC_ACCESS_CONTROL_ID: str | None
    filepass_key_identifier: str | None
    mi_enable_doc_sharing: bool | None
    # links
    allow_safari_browser: bool
    email_url_scheme_http: str
    email_url_scheme_https: str
    webatwork_install_link: str | None
    mailto_prefix: str | None
    # compose
    email_default_signature: str
    report_phishing_address: str | None
    # server
    email_enable_lotus: bool
    email_ssl_required: bool
    default_network_timeout: int
    migrate_from_email_exchange_host: str | None
    # global address list
    gal_search_minimum_characters: int
    gal_search_display_name: bool
    contacts_display_order: str
    # classification
    email_security_classification_json: str | None
    email_classification_list: tuple[str, ...] | None
    email_classification_version: str
    email_classification_default: str | None
    email_classification_body: bool
    email_classification_lock_dlm: bool
    email_classification_required_string: str
    email_classification_alert_string: str
    email_classification_security_label: str | None
    email_classification_dlm_label: str | None
    # password and sign-in
    prompt_email_password: bool
    allow_prompt_password: bool
    email_password: Secret | None
    eas_min_allowed_auth_mode: str
    ews_min_allowed_auth_mode: str
    modern_auth_authority_url: str | None
    modern_auth_resource_url: str | None
    # device
    MI_AC_IOS_ALLOW_CUSTOM_KEYBOARDS: bool
    show_pictures_default: bool
    allow_photo_library_access: bool
    # calendar and notes
    calendar_default_reminder: int
    calendar_default_mode_tablet: str
    calendar_default_mode_phone: str
    calendar_reset_view_threshold: int
    allow_notes_title: bool
    # feedback, watermark, troubleshooting
    feedback_email_address: str | None
    email_watermark: str | None
    email_watermark_parameters: WatermarkParameters | None
    allow_logging: bool
    allow_show_configuration: bool
    exit_on_configuration_error: bool
    enable_calendar_dump: bool
    # features
    disabled_features: frozenset[str]
    enabled_features: frozenset[str]
    always_fetch_mime: bool
    allow_callkit: bool
    disable_analytics: bool
    # push
    allow_realtime_notifications: bool
    notification_server_host: str | None
    notification_server_organization_id: str | None
    notification_server_authorization: Secret | None
    notification_interval: int
    email_ews_host: str
    notification_resubscription_interval: int
    subscription_valid_until: int
    sentry_server_host: str | None
    # about the configuration itself
    given: frozenset[str]
    unknown: tuple[UnknownKey, ...]
    warnings: tuple[Problem, ...]

    @classmethod
    def load(
        cls,
        source: Source,
        identity: Identity | Mapping[str, object] | None = None,
        *,
        check_certificate: CertificateCheck | None = None,
        check_markers: MarkersCheck | None = None,
    ) -> AppConfig:
        """Read a configuration.

        `source` is a path, the bytes of a file (JSON, managed-app plist binary or XML, `key=value` lines), or a
        mapping; names are keys or field names of the Cloud form. `identity` fills in the variables of device managers
        and, where absent, the three keys that Core sets by itself. `check_certificate` judges certificates beyond their
        wrapping, `check_markers` (`emailplus.classification.document.problems`) the classification document beyond its
        JSON. Text of that document is repaired where it can be, with a warning for each repair.

        Raises `ConfigurationError` whose `problems` are all `Problem`s, not the first one only.
        """
        built = build(read(source), Identity.of(identity), check_certificate, check_markers)
        return cls(**built.values, given=built.given, unknown=built.unknown, warnings=built.warnings)

    @property
    def partnership(self) -> Partnership:
        """Host, username, address and device id: compare with the stored one to learn whether to start anew."""
        return Partnership(
            self.email_exchange_host, self.email_exchange_username, self.email_address, self.email_device_id
        )

    @property
    def exchange_endpoint(self) -> Host:
        """`email_exchange_host` taken apart: host, port or None, path or ""."""
        return parse_host(self.email_exchange_host, path=True)

    @property
    def trusted_roots(self) -> tuple[bytes, ...]:
        """DER of `email_certificate_1` to `_10`, in the order of their numbers, each once."""
        return tuple(dict.fromkeys(root.data for root in self.email_certificate_X))

    def diff(self, new: AppConfig) -> ConfigDiff:
        """What changes when `new` takes the place of this configuration, and what each change leads to."""
        return diff(Snapshot.of(self), new)

    def redacted(self) -> dict[str, Any]:
        """Every effective value as JSON has it, fit to be shown: secrets masked, certificates as digests."""
        return {name: _plain(getattr(self, name), BY_NAME[name]) for name in ATTRIBUTES}

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value!r}" for name, value in self.redacted().items() if name in self.given)
        return f"AppConfig({shown})"


ATTRIBUTES: tuple[str, ...] = tuple(field.name for field in fields(AppConfig) if field.name in BY_NAME)
"""The keys that are attributes of AppConfig, in the order of the class."""


def _plain(value: object, key: Key) -> object:
    if value is not None and (key.secret or isinstance(value, Secret)):
        return MASK
    if isinstance(value, bytes):
        return fingerprint(value)
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, frozenset):
        return sorted(value)
    if isinstance(value, WatermarkParameters):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    if isinstance(value, tuple):
        return [_entry(item) for item in value]
    return value


def _entry(item: object) -> object:
    if isinstance(item, RootCertificate):
        return {"number": item.number, "certificate": fingerprint(item.data)}
    if isinstance(item, EscrowCertificate):
        return {"certificate": fingerprint(item.data), "password": MASK if item.password else None}
    return item
