"""Every key of the app config: one table, a row a key.

The rows follow the tables 1 to 10 of the Email+ guide. Loading, defaults, masking, `emailplus config keys` and
`docs/config.md` all read this table; nothing about a key is said a second time elsewhere.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

Type = Literal[
    "bool", "bool01", "int", "int>0", "number", "enum", "enum-int", "flags",
    "string", "secret", "email", "host", "host[/path]", "host/path", "url", "url-scheme", "domain-list",
    "p12", "der-cert", "list[dict]", "list", "json", "params",
]  # fmt: skip

BOTH: Final = "core+cloud"
REQUIRED: Final = "(required)"
NONE: Final = "(none)"
SIGNATURE: Final = "Sent by Email+ for iOS managed by MobileIron"
ROOTS: Final = 10
"""`email_certificate_X`: X is 1 to 10."""


@dataclass(frozen=True, slots=True)
class Key:
    """A row. `default` is written as an administrator would write it; in parentheses it means that there is no value.

    `critical`: a value that cannot be read stops the engine, because its default could fetch, keep, send or show
    something the administrator had decided against. Where it is False the default is used and a warning given.
    `choices` are the legal values (of a URL: its schemes), `minimum` and `maximum` bound numbers, `length` is the most
    characters taken.
    `derived` marks a default that is computed from another key. `automatic` is the variable that the device manager
    fills in by itself. `owner` names the other app that a key belongs to, `inside` the key whose dictionaries hold it.
    """

    name: str
    group: str
    type: Type
    default: str
    effect: str
    values: str = ""
    choices: tuple[str, ...] = ()
    minimum: int | None = None
    maximum: int | None = None
    length: int = 1024
    secret: bool = False
    critical: bool = True
    scope: str = BOTH
    cloud: str = ""
    derived: bool = False
    automatic: str = ""
    owner: str = ""
    inside: str = ""
    case_sensitive: bool = False
    multiline: bool = False

    @property
    def required(self) -> bool:
        return self.default == REQUIRED

    @property
    def has_default(self) -> bool:
        """Whether `default` is a value, not a remark in parentheses."""
        return bool(self.default) and not self.derived and not self.default.startswith("(")

    @property
    def allowed(self) -> str:
        """The legal values, for people."""
        if self.values:
            return self.values
        if self.choices:
            return " | ".join(self.choices)
        return "true | false" if self.type == "bool" else ""


_PERIODS = ("0", "1", "2", "3", "4", "5")
_PERIODS_TEXT = "0 all, 1 one day, 2 three days, 3 one week, 4 two weeks, 5 one month"
_AUTH = ("basic", "ntlm", "cert_base", "modern_auth")
_BLOB = 1_500_000
"""Characters of base64: about 1 MB of certificate, far beyond any real one."""


def _flag(name: str, group: str, default: str, effect: str, **more: object) -> Key:
    return Key(name, group, "bool", default, effect, **more)  # type: ignore[arg-type]


def _text(name: str, group: str, default: str, effect: str, **more: object) -> Key:
    return Key(name, group, "string", default, effect, **more)  # type: ignore[arg-type]


def _p12(name: str, group: str, effect: str, **more: object) -> Key:
    options: dict[str, object] = {"values": "base64 PKCS#12", "length": _BLOB, "critical": False} | more
    return Key(name, group, "p12", NONE, effect, **options)  # type: ignore[arg-type]


def _certificate_password(of: str, group: str, **more: object) -> Key:
    options: dict[str, object] = {"critical": False, "secret": True} | more
    effect = f"Password that opens {of}."
    return Key(f"{of}_MI_CERT_PW", group, "secret", NONE, effect, **options)  # type: ignore[arg-type]


KEYS: Final[tuple[Key, ...]] = (
    # -- required ------------------------------------------------------------------------------------------------------
    Key("email_address", "required", "email", REQUIRED, "Address of the account. Another address: full resync.",
        values="address", scope="core", cloud="Email Address", automatic="$EMAIL$"),
    _text("email_device_id", "required", REQUIRED,
          "DeviceId of every ActiveSync request. Another one: new partnership, provisioned and synced from the start.",
          values="1 to 32 letters or digits", scope="core", length=32, automatic="$DEVICE_UUID_NO_DASHES$"),
    Key("email_exchange_host", "required", "host[/path]", REQUIRED,
        "ActiveSync server or Sentry, with a port or path where it has one. Another host: full resync.",
        values="host[:port][/path], no scheme", scope="core", cloud="Exchange Host"),
    _text("email_exchange_username", "required", REQUIRED, "Login name at the server. Another one: full resync.",
          values=r"user | domain\user | user@domain", scope="core", cloud="Exchange Username", length=256,
          automatic="$USERID$"),
    # -- notifications -------------------------------------------------------------------------------------------------
    _flag("allow_detailed_notifications", "notifications", "false",
          "true: a notification may name subject, sender, event title and time. false: never a detail.",
          scope="core", cloud="Allow Detailed Notifications"),
    _flag("should_cache_tunneling_config", "notifications", "false",
          "Keeps the configuration at hand for background checks; works together with allow_device_keychain.",
          critical=False),
    # -- certificates --------------------------------------------------------------------------------------------------
    _flag("allow_certificate_revocation_check", "certificates", "false",
          "true: revocation lists are consulted when a certificate is validated."),
    _flag("allow_device_keychain", "certificates", "false",
          "true: the store key may be put into the OS keyring. A key that the caller gives is not concerned."),
    _p12("email_login_certificate", "certificates", "Client certificate shown to the server in the TLS handshake.",
         scope="core", cloud="App Identity Certificate"),
    _certificate_password("email_login_certificate", "certificates", scope="core"),
    _flag("email_trust_all_certificates", "certificates", "false",
          "true: any server certificate is accepted. For test environments only.",
          scope="core", cloud="Trust All Certificates"),
    _text("email_user_certificate_self_service", "certificates", NONE,
          "Users bring certificates of their own through the user portal; the archive arrives here.",
          values="certificate setting", scope="core", secret=True, critical=False, length=_BLOB, multiline=True),
    Key("email_certificate_X", "certificates", "der-cert", NONE,
        "CA roots trusted besides the system's, for servers and for S/MIME chains.",
        values="X is 1 to 10; base64 of DER, not PEM", length=_BLOB),
    # -- S/MIME --------------------------------------------------------------------------------------------------------
    _p12("email_encryption_certificate", "smime",
         "Imported into the keychain and selected to decrypt and to be encrypted to; earlier ones are kept."),
    _p12("email_signing_certificate", "smime",
         "Imported into the keychain and selected to sign; earlier ones are kept."),
    Key("email_escrow_certificates", "smime", "list[dict]", "[]",
        "Retired certificates, used only to decrypt old mail.",
        values="list of {email_escrow_certificates: base64 PKCS#12, email_escrow_certificates_MI_CERT_PW: password}",
        critical=False, length=4 * _BLOB),
    _certificate_password("email_escrow_certificates", "smime", inside="email_escrow_certificates"),
    # -- contacts ------------------------------------------------------------------------------------------------------
    _flag("allow_export_contacts", "contacts", "false", "Whether contacts may leave for the personal side.",
          scope="core", cloud="Allow Export Contacts"),
    Key("limit_contact_export_to", "contacts", "enum", "all",
        "What of a contact is exported. Needs allow_export_contacts.", choices=("name_number", "all"),
        values="name_number | all; anything else means all", scope="core", critical=False,
        cloud="Limit Contact Export to Name and Number only"),
    Key("email_safe_domains", "contacts", "domain-list", "domain of the account address",
        "Domains whose addresses count as safe. *.domain leaves the domain itself out; * alone makes all safe.",
        values="domains, comma separated", derived=True, length=65_536),
    _flag("email_alert_unsafe_domains", "contacts", "false",
          "true: recipients outside email_safe_domains raise an alert, if that key is set."),
    # -- sync period and size ------------------------------------------------------------------------------------------
    Key("email_max_sync_period", "syncing", "enum-int", "0",
        "Longest time back that mail is kept; a shorter choice stays free. 0 (all) is the longest. Mail only.",
        choices=_PERIODS, values=_PERIODS_TEXT),
    Key("email_default_sync_period", "syncing", "enum-int", "2",
        "Time back that mail is fetched until the user chooses; never beyond email_max_sync_period.",
        choices=_PERIODS, values=_PERIODS_TEXT),
    Key("email_max_body_size", "limits", "number", "4",
        "Mail larger than this is not downloaded (1 MB is 1,048,576 bytes; exactly the limit is allowed).",
        values="megabytes"),
    Key("email_max_attachment", "limits", "number", "10",
        "Received attachments larger than this are not downloaded (exactly the limit is allowed).",
        values="megabytes"),
    # -- attachments ---------------------------------------------------------------------------------------------------
    _flag("calendar_attachments", "attachments", "false", "Files attached to invites can be viewed; fetched over EWS."),
    _text("MI_SHARED_GROUP_ID", "attachments", NONE, "Group in which documents are shared; equal in the document app."),
    _text("MI_AC_ACCESS_CONTROL_ID", "attachments", NONE,
          "Access control id of document sharing; equal in the document app."),
    _text("filepass_key_identifier", "attachments", NONE,
          "Shared identifier of secure document sharing; equal in every app that takes part.",
          values="letters and digits", secret=True),
    # -- links ---------------------------------------------------------------------------------------------------------
    _flag("allow_safari_browser", "links", "false",
          "true: links open in the system browser and the email_url_scheme_* keys are ignored.",
          scope="core", cloud="Allow Safari Browser"),
    Key("email_url_scheme_http", "links", "url-scheme", "mibrowser", "Scheme that http links are rewritten to.",
        values="mibrowser | googlechrome | opera-http | any URL scheme"),
    Key("email_url_scheme_https", "links", "url-scheme", "mibrowsers", "Scheme that https links are rewritten to.",
        values="mibrowsers | googlechromes | opera-https | any URL scheme"),
    Key("webatwork_install_link", "links", "url", NONE, "Where to send a user who lacks the secure browser.",
        values="URL", scope="core", critical=False, length=4096),
    # -- compose -------------------------------------------------------------------------------------------------------
    _text("email_default_signature", "compose", SIGNATURE, "Signature until the user defines one; after that, ignored.",
          values="text", scope="core", cloud="Default Email Signature", length=65_536, multiline=True, critical=False),
    # -- server --------------------------------------------------------------------------------------------------------
    _flag("email_enable_lotus", "server", "false", "The server is IBM Lotus Notes Traveler.",
          scope="core", cloud="IBM Lotus Notes Traveler"),
    _flag("email_ssl_required", "server", "false",
          "true: https. false, and also when absent: clear http, the password readable on the way.",
          scope="core", cloud="SSL required"),
    # -- global address list -------------------------------------------------------------------------------------------
    Key("gal_search_minimum_characters", "gal", "int", "4",
        "Characters typed before the global address list is searched.", values="number", minimum=1, maximum=256,
        scope="core", cloud="Minimum Characters for GAL Search", critical=False),
    _flag("gal_search_display_name", "gal", "true", "Initial state of the Display Name setting.", critical=False),
    Key("contacts_display_order", "gal", "enum", "first_last", "Order of names in search results.",
        choices=("first_last", "last_first"), case_sensitive=True, critical=False),
    # -- classification ------------------------------------------------------------------------------------------------
    Key("email_security_classification_json", "classification", "json", NONE,
        "Classification markers; when set, every email_classification_* key is ignored.",
        values="classification configuration, version 2.x", length=1_000_000, critical=False),
    Key("email_classification_list", "classification-legacy", "list", NONE,
        "Switches the older two-level classification on and lists its permutations.",
        values="separated by ;", length=65_536),
    _text("email_classification_version", "classification-legacy", "VER=2012.3,NS=gov.au",
          "Beginning of the X-Protective-Marking header."),
    _text("email_classification_default", "classification-legacy", "(none: the user must choose)",
          "Marking of new mail.", values="for example SEC=UNOFFICIAL"),
    _flag("email_classification_body", "classification-legacy", "True",
          "The marking is written above and below the body, in new mail and in replies.", values="True | False"),
    _flag("email_classification_lock_dlm", "classification-legacy", "False",
          "A DLM that the original message carries cannot be changed.", values="True | False"),
    _text("email_classification_required_string", "classification-legacy", "Required", "Title of the alert.",
          critical=False),
    _text("email_classification_alert_string", "classification-legacy", "Classification is required",
          "Text of the alert.", critical=False),
    _text("email_classification_security_label", "classification-legacy", NONE, "Label of the SEC field.",
          critical=False),
    _text("email_classification_dlm_label", "classification-legacy", NONE, "Label of the DLM field.", critical=False),
    # -- password ------------------------------------------------------------------------------------------------------
    _flag("prompt_email_password", "password", "false",
          "true: the password is asked for before the first connection. false: connect first; it may cost an attempt.",
          scope="core", cloud="Prompt for Password Before Connecting to Server"),
    Key("allow_prompt_password", "password", "bool01", "1", "0: the password is never asked for.",
        values="0 | 1"),
    Key("email_password", "password", "secret", "(ask the user)",
        "Password for the server. An unfilled password variable counts as absent.",
        values="$PASSWORD$ or the password", scope="core", cloud="Email Password", secret=True),
    # -- device --------------------------------------------------------------------------------------------------------
    _flag("MI_AC_IOS_ALLOW_CUSTOM_KEYBOARDS", "device", "false", "Keyboard extensions may be used.",
          values="true | false (lower case)", case_sensitive=True),
    _flag("show_pictures_default", "device", "false",
          "Remote pictures are shown unasked. The user may differ; a change waits for the next full sync.",
          scope="core", cloud="Show Pictures by Default"),
    _flag("allow_photo_library_access", "device", "true", "Files may be attached from the personal photo library."),
    # -- calendar ------------------------------------------------------------------------------------------------------
    Key("calendar_default_reminder", "calendar", "enum-int", "-1",
        "Minutes before the start at which a new event reminds; -1 never.",
        choices=("-1", "0", "5", "10", "15", "30", "60", "120", "1440", "2880"), critical=False),
    Key("calendar_default_mode_tablet", "calendar", "enum", "week", "First calendar view on a tablet.",
        choices=("day", "week", "month", "list"), critical=False),
    Key("calendar_default_mode_phone", "calendar", "enum", "day", "First calendar view on a phone.",
        choices=("day", "month", "list"), critical=False),
    Key("calendar_reset_view_threshold", "calendar", "int", "120",
        "Seconds without use after which the first view returns.", values="seconds", minimum=0, critical=False),
    # -- notes ---------------------------------------------------------------------------------------------------------
    _flag("allow_notes_title", "notes", "false", "true: a note has a title field. false: its first line is the title.",
          critical=False),
    # -- network -------------------------------------------------------------------------------------------------------
    Key("default_network_timeout", "server", "int>0", "90", "Seconds that an ActiveSync request may take.",
        values="seconds", minimum=1, maximum=86_400),
    # -- feedback and watermark ----------------------------------------------------------------------------------------
    Key("feedback_email_address", "feedback", "email", "(feedback not available)", "Where feedback and logs are sent.",
        values="address", scope="core", cloud="Allow Send Feedback", critical=False),
    _text("email_watermark", "watermark", NONE, "Text across mail views and the compose view.",
          values="letters and digits", critical=False),
    Key("email_watermark_parameters", "watermark", "params", NONE, "Look of the watermark.",
        values="textColor=#AARRGGBB, textSize=, horizontalSpacing=, verticalSpacing=", critical=False),
    # -- troubleshooting -----------------------------------------------------------------------------------------------
    _flag("allow_logging", "troubleshooting", "false", "Writes a log, which may be attached to feedback.",
          scope="core", cloud="Allow Logging"),
    _flag("allow_show_configuration", "troubleshooting", "false", "The configured pairs may be shown for diagnosis."),
    _flag("exit_on_configuration_error", "troubleshooting", "true",
          "true: a critical mistake in the configuration stops silently. false: the logs are offered for mailing."),
    _flag("enable_calendar_dump", "troubleshooting", "false", "An encrypted dump of the calendar joins the logs."),
    # -- features ------------------------------------------------------------------------------------------------------
    Key("disabled_features", "features", "flags", NONE,
        "Switches off: confirming a move, all local caching, attaching files, opening files into mail, the viewer.",
        choices=("move_button", "local_cache_all", "attach_files", "openin_compose", "document_viewer"), length=4096),
    Key("enabled_features", "features", "flags", "wkwebview_mail_viewer,richtext_email_support",
        "Switches on, besides the defaults and less disabled_features; naming one switches none off.",
        choices=("gmail_smart_folders", "wkwebview_mail_viewer", "richtext_email_support", "rms_support",
                 "fit_to_width"), length=4096),
    _flag("always_fetch_mime", "features", "false", "Initial state of the user's setting Always Fetch MIME."),
    _flag("allow_callkit", "features", "true", "CallKit may be used.", critical=False),
    _flag("disable_analytics", "features", "false", "true: no crash reports."),
    # -- moving and signing in -----------------------------------------------------------------------------------------
    Key("migrate_from_email_exchange_host", "server", "host", NONE,
        "Host that the account is moved from: synced anew, local Drafts and Outbox removed.",
        values="the previous email_exchange_host"),
    Key("modern_auth_authority_url", "auth", "url", NONE, "Where OAuth tokens are issued.",
        values="https://login.microsoftonline.com/common", choices=("https", "http"), critical=False, length=4096),
    Key("modern_auth_resource_url", "auth", "url", NONE, "What OAuth tokens are issued for.",
        values="https://outlook.office365.com", choices=("https", "http"), critical=False, length=4096),
    Key("report_phishing_address", "compose", "email", "(off)", "Switches Report Phishing on; reports go there.",
        values="address", critical=False),
    # -- push ----------------------------------------------------------------------------------------------------------
    _flag("allow_realtime_notifications", "push", "false", "Real-time push through a subscription over EWS.",
          critical=False),
    Key("notification_server_host", "push", "host/path", NONE, "Notification service.",
        values="cns.mobileiron.com/PROD (real time) | cns-na1.mobileiron.com/PROD (interval)", critical=False),
    _text("notification_server_organization_id", "push", NONE, "Organisation at the notification service.",
          values="GUID", critical=False),
    Key("notification_server_authorization", "push", "secret", NONE, "Token for the notification service.",
        values="JWT", secret=True, critical=False, length=65_536),
    Key("notification_interval", "push", "int", "900", "Seconds between interval pushes; unused with real-time push.",
        values="seconds, at least 300; 300 to 900 recommended", minimum=300, critical=False),
    Key("email_ews_host", "push", "host", "email_exchange_host",
        "EWS server; must be set when email_exchange_host is a Sentry.", values="host[:port], no scheme, no path",
        derived=True),
    Key("eas_min_allowed_auth_mode", "auth", "enum", "basic",
        "How to sign in to ActiveSync; a mode that is not fully configured falls back to basic.",
        choices=_AUTH, critical=False),
    Key("ews_min_allowed_auth_mode", "auth", "enum", "basic",
        "How to sign in to EWS; a mode that is not fully configured falls back to basic.",
        choices=_AUTH, critical=False),
    Key("notification_resubscription_interval", "push", "int", "60", "Minutes after which the subscription is renewed.",
        values="minutes", minimum=1, critical=False),
    Key("subscription_valid_until", "push", "int", "1440",
        "Minutes that a subscription lives; changed alert times act after it.", values="minutes", minimum=1,
        critical=False),
    Key("sentry_server_host", "push", "host", NONE,
        "Sentry with the notification service: VIP notification outside work hours.", values="host", critical=False),
    # -- keys of other apps --------------------------------------------------------------------------------------------
    _text("mailto_prefix", "links", NONE, "A key of the browser app: the form in which it hands mailto links over.",
          values="email+app://email | email+app://calendar | email+app://contacts | "
                 "email+launcher://mibrowser?url=mailto:",
          scope="browser app", owner="browser app", critical=False),
    _certificate_password("email_signing_certificate", "smime"),
    _certificate_password("email_encryption_certificate", "smime"),
    _certificate_password("email_user_certificate_self_service", "certificates", scope="core"),
    _flag("mi_enable_doc_sharing", "attachments", NONE, "A key of the document app.", scope="document app",
          owner="document app", critical=False),
)  # fmt: skip

BY_NAME: Final[dict[str, Key]] = {key.name: key for key in KEYS}

CLOUD_FIELDS: Final[dict[str, str]] = {key.cloud.casefold(): key.name for key in KEYS if key.cloud}
"""Field of the Cloud form (guide, table 1), case folded -> key."""

ALIASES: Final[dict[str, str]] = {"eas_min_allowed_mode": "eas_min_allowed_auth_mode"}
"""Spellings met in vendor pages. The documented name wins where both are given."""

_ROOT = re.compile(r"email_certificate_([0-9]{1,9})(_MI_CERT_PW)?")


def root_number(name: str) -> tuple[int, bool] | None:
    """(X, whether it is the password companion) of an `email_certificate_X` name, in range or not; None of others."""
    match = _ROOT.fullmatch(name)
    return (int(match[1]), match[2] is not None) if match else None
