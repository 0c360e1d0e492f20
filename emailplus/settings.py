"""The user's settings of one mailbox: what was chosen, kept in the store, and what holds under the configuration.

    mailbox.settings.sync_period                 # what holds
    mailbox.settings.choose("sync_period", 1)    # the user's choice; the administrator's ceiling stays
    mailbox.settings.reset("sync_period")        # the administrator's default again

The rules of each setting are `policy.user_settings`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .config import AppConfig
from .errors import UsageError
from .policy import alert_times
from .policy.server_policy import ServerPolicy
from .policy.user_settings import RULES, Settings, UserSettings, effective_settings, refusal
from .store import settings as kept
from .store.store import Store

PICTURES_FACT = "pictures"
"""`show_pictures_default` as it was at the last full sync."""


class MailboxSettings:
    """Settings of an open mailbox. Every attribute of `Settings` can be read from it."""

    def __init__(self, store: Store, config: Callable[[], AppConfig]) -> None:
        self._store = store
        self._config = config
        self.listeners: list[Callable[[], None]] = []
        """Called behind every change of a choice."""

    def in_force(self) -> Settings:
        """What holds now: the user's choices over the configuration, under the server's policy."""
        facts = self._store.account()
        policy = ServerPolicy.from_json(facts["policy"]) if "policy" in facts else ServerPolicy()
        pictures = facts.get(PICTURES_FACT)
        return effective_settings(
            self._config(),
            self.choices(),
            server_maximum=policy.MaxEmailAgeFilter,
            show_pictures_in_force=None if pictures is None else pictures == "true",
        )

    def choices(self) -> UserSettings:
        """What the user chose. A choice that a later version made and this one cannot read does not count."""
        chosen = UserSettings()
        for name, value in kept.choices(self._store.database).items():
            try:
                chosen = chosen.choose(name, value)
            except UsageError:
                continue
        return chosen

    def choose(self, name: str, value: object) -> str | None:
        """Choose; what the user should be told of it, if anything. None as value takes a choice back.

        A choice beyond the administrator's ceiling is kept, and holds as soon as the ceiling rises. Raises `UsageError`
        for a value that the setting does not take, and for a choice that the configuration leaves no place for.
        """
        config, before = self._config(), self.choices()
        after = before.choose(name, value)
        reason = refusal(config, after, name, value)
        if reason is not None:
            raise UsageError(f"{name} cannot be chosen: {reason}")
        self._keep(after)
        if name in alert_times.SETTINGS and config.allow_realtime_notifications:
            return alert_times.note(config)
        return None

    def reset(self, *names: str) -> None:
        """Take choices back; without names, all of them."""
        chosen = self.choices()
        for name in names or tuple(RULES):
            chosen = chosen.choose(name, None)
        self._keep(chosen)

    def _keep(self, chosen: UserSettings) -> None:
        kept.choose(self._store.database, chosen.as_dict())
        for listener in self.listeners:
            listener()

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...

    else:

        def __getattr__(self, name):
            if name in RULES:
                return getattr(self.in_force(), name)
            raise AttributeError(f"no setting is called {name!r}; there are {', '.join(RULES)}")
