"""Settings that the user may change, on top of what the administrator configured.

    setting                 key of the administrator       rule
    sync_period             email_default_sync_period      default; email_max_sync_period is the ceiling
    signature               email_default_signature        until the user defines one; an empty one counts as defined
    show_pictures           show_pictures_default          default; a changed key waits for the next full sync
    always_fetch_mime       always_fetch_mime              default
    gal_display_name        gal_search_display_name        default
    contacts_display_order  contacts_display_order         default
    default_reminder        calendar_default_reminder      default
    calendar_mode_tablet    calendar_default_mode_tablet   default
    calendar_mode_phone     calendar_default_mode_phone    default
    sync_text_messages      none                           off: text messages (SMS) stay on the server
    always_sign             none                           off until the user switches it on
    always_encrypt          none                           off until the user switches it on
    sign_as_clear_text      none                           on: a signed message stays readable everywhere
    protect_headers         none                           off: header fields stay outside signature and encryption
    index_encrypted_mail    none                           off: words of encrypted mail stay out of the index
    show_mail_details       allow_detailed_notifications   on, and never without the key
    work_hours_only         none                           off
    work_hours, time_zone   none                           Monday to Friday, 9 to 17, UTC
    weekend_alerts          none                           off, and only with work_hours_only
    vip_after_hours         sentry_server_host             off, and only with work_hours_only and the key, not on
                                                           Office 365

Pure: what the user chose is a value that the store keeps, what holds is computed from it and the configuration each
time. A new configuration thus never has to touch the user's choices.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Final, TypeVar

from ..config import AppConfig
from ..config.keys import BY_NAME
from ..errors import UsageError
from . import alert_times
from .alert_times import WORK_HOURS, WorkHours
from .sync_period import SPANS, effective_period

T = TypeVar("T")

SIGNATURE_LENGTH: Final = BY_NAME["email_default_signature"].length


@dataclass(frozen=True, slots=True, kw_only=True)
class UserSettings:
    """What the user chose; None: nothing, the administrator's value holds."""

    sync_period: int | None = None
    signature: str | None = None
    show_pictures: bool | None = None
    always_fetch_mime: bool | None = None
    sync_text_messages: bool | None = None
    gal_display_name: bool | None = None
    contacts_display_order: str | None = None
    default_reminder: int | None = None
    calendar_mode_tablet: str | None = None
    calendar_mode_phone: str | None = None
    always_sign: bool | None = None
    always_encrypt: bool | None = None
    sign_as_clear_text: bool | None = None
    protect_headers: bool | None = None
    index_encrypted_mail: bool | None = None
    show_mail_details: bool | None = None
    work_hours_only: bool | None = None
    work_hours: WorkHours | None = None
    time_zone: str | None = None
    weekend_alerts: bool | None = None
    vip_after_hours: bool | None = None

    @classmethod
    def of(cls, stored: Mapping[str, object]) -> UserSettings:
        """Choices from a mapping as `as_dict` makes it. Raises `UsageError` naming what is wrong."""
        settings = cls()
        for name, value in stored.items():
            settings = settings.choose(name, value)
        return settings

    def choose(self, name: str, value: object) -> UserSettings:
        """These settings with one more choice; None takes a choice back. Raises `UsageError`.

        A sync period longer than the ceiling is a legal choice: it is the ceiling that holds while it is shorter.
        """
        rule = RULES.get(name)
        if rule is None:
            raise UsageError(f"no setting is called {name!r}; there are {', '.join(RULES)}")
        if value is not None and not rule.takes(value):
            raise UsageError(f"{name} takes {rule.wanted}")
        choice: dict[str, Any] = {name: value if value is None else rule.made(value)}
        return replace(self, **choice)

    def as_dict(self) -> dict[str, object]:
        """The choices that were made, for storing as JSON."""
        return {name: _stored(getattr(self, name)) for name in self.chosen()}

    def chosen(self) -> tuple[str, ...]:
        """The names of the settings for which a choice was made."""
        return tuple(field.name for field in fields(self) if getattr(self, field.name) is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What holds. `from_user` names the settings that are as the user chose them."""

    sync_period: int
    signature: str
    show_pictures: bool
    always_fetch_mime: bool
    sync_text_messages: bool
    gal_display_name: bool
    contacts_display_order: str
    default_reminder: int
    calendar_mode_tablet: str
    calendar_mode_phone: str
    always_sign: bool
    always_encrypt: bool
    sign_as_clear_text: bool
    protect_headers: bool
    index_encrypted_mail: bool
    show_mail_details: bool
    work_hours_only: bool
    work_hours: WorkHours
    time_zone: str
    weekend_alerts: bool
    vip_after_hours: bool
    from_user: frozenset[str]


def effective_settings(
    config: AppConfig,
    user: UserSettings,
    *,
    server_maximum: int | None = None,
    show_pictures_in_force: bool | None = None,
) -> Settings:
    """Administrator and user together.

    `server_maximum` is MaxEmailAgeFilter of the server's policy, None without one. `show_pictures_in_force` is the
    value that `show_pictures_default` had at the last full sync, None before the first: until the next one it stands
    for the key.
    """
    period = effective_period(
        default=config.email_default_sync_period,
        maximum=config.email_max_sync_period,
        choice=user.sync_period,
        server_maximum=server_maximum,
    )
    pictures = config.show_pictures_default if show_pictures_in_force is None else show_pictures_in_force
    work_hours_only = _either(user.work_hours_only, False)
    held = Settings(
        sync_period=period,
        signature=_either(user.signature, config.email_default_signature),
        show_pictures=_either(user.show_pictures, pictures),
        always_fetch_mime=_either(user.always_fetch_mime, config.always_fetch_mime),
        sync_text_messages=_either(user.sync_text_messages, False),
        gal_display_name=_either(user.gal_display_name, config.gal_search_display_name),
        contacts_display_order=_either(user.contacts_display_order, config.contacts_display_order),
        default_reminder=_either(user.default_reminder, config.calendar_default_reminder),
        calendar_mode_tablet=_either(user.calendar_mode_tablet, config.calendar_default_mode_tablet),
        calendar_mode_phone=_either(user.calendar_mode_phone, config.calendar_default_mode_phone),
        always_sign=_either(user.always_sign, False),
        always_encrypt=_either(user.always_encrypt, False),
        sign_as_clear_text=_either(user.sign_as_clear_text, True),
        protect_headers=_either(user.protect_headers, False),
        index_encrypted_mail=_either(user.index_encrypted_mail, False),
        show_mail_details=_either(user.show_mail_details, True) and config.allow_detailed_notifications,
        work_hours_only=work_hours_only,
        work_hours=_either(user.work_hours, WORK_HOURS),
        time_zone=_either(user.time_zone, "UTC"),
        weekend_alerts=_either(user.weekend_alerts, False) and work_hours_only,
        vip_after_hours=_either(user.vip_after_hours, False)
        and work_hours_only
        and alert_times.vip_refusal(config) is None,
        from_user=frozenset(),
    )
    as_chosen = {name for name in user.chosen() if getattr(held, name) == getattr(user, name)}
    return replace(held, from_user=frozenset(as_chosen))


def refusal(config: AppConfig, user: UserSettings, name: str, value: object) -> str | None:
    """Why this choice has no place under this configuration and the other choices; None: it has."""
    if name == "show_mail_details" and value and not config.allow_detailed_notifications:
        return "allow_detailed_notifications is false: a notification never shows details"
    if name in ("weekend_alerts", "vip_after_hours") and value and not user.work_hours_only:
        return f"work_hours_only has to be on before {name} can be"
    if name == "vip_after_hours" and value:
        return alert_times.vip_refusal(config)
    return None


def _stored(value: object) -> object:
    """A choice as JSON has it."""
    return value.as_dict() if isinstance(value, WorkHours) else value


def _either(choice: T | None, configured: T) -> T:
    return configured if choice is None else choice


@dataclass(frozen=True, slots=True)
class _Rule:
    """Which values a setting takes, as a test and in words."""

    takes: Callable[[object], bool]
    wanted: str
    made: Callable[[Any], object] = lambda value: value
    """The value as it is kept, from the one that was given."""


def _one_of(key: str) -> _Rule:
    choices = BY_NAME[key].choices
    return _Rule(lambda value: isinstance(value, str) and value in choices, f"one of {', '.join(choices)}")


_SWITCH: Final = _Rule(lambda value: isinstance(value, bool), "true or false")


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


RULES: Final[dict[str, _Rule]] = {
    "sync_period": _Rule(lambda value: _whole(value) and value in SPANS, "a number from 0 (all) to 5 (one month)"),
    "signature": _Rule(
        lambda value: isinstance(value, str) and len(value) <= SIGNATURE_LENGTH,
        f"text of at most {SIGNATURE_LENGTH:,} characters",
    ),
    "show_pictures": _SWITCH,
    "always_fetch_mime": _SWITCH,
    "sync_text_messages": _SWITCH,
    "gal_display_name": _SWITCH,
    "contacts_display_order": _one_of("contacts_display_order"),
    "default_reminder": _Rule(
        lambda value: _whole(value) and str(value) in BY_NAME["calendar_default_reminder"].choices,
        f"one of {', '.join(BY_NAME['calendar_default_reminder'].choices)} (minutes, -1 never)",
    ),
    "calendar_mode_tablet": _one_of("calendar_default_mode_tablet"),
    "calendar_mode_phone": _one_of("calendar_default_mode_phone"),
    "always_sign": _SWITCH,
    "always_encrypt": _SWITCH,
    "sign_as_clear_text": _SWITCH,
    "protect_headers": _SWITCH,
    "index_encrypted_mail": _SWITCH,
    "show_mail_details": _SWITCH,
    "work_hours_only": _SWITCH,
    "work_hours": _Rule(WorkHours.takes, WorkHours.WANTED, WorkHours.of),
    "time_zone": _Rule(alert_times.is_zone, "the name of an IANA time zone, for example Europe/Zurich"),
    "weekend_alerts": _SWITCH,
    "vip_after_hours": _SWITCH,
}
