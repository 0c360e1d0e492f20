"""What a watch lets the user be shown of what it tells."""

from __future__ import annotations

from datetime import timedelta

import pytest

from emailplus.model.watch import Announced, Badge, NewMail, State, Withdrawn
from emailplus.notify.rules import App

from ..flows.world import World, deliver, mail
from .watcher import pinged, watching


def test_the_count_without_details_and_the_message_with_them(world: World) -> None:
    with watching(world) as watcher:
        pinged(world, 1)
        deliver(world.alice, mail("secret plans", "of the board"))
        watcher.mail()
        pinged(world, 2)
        deliver(world.alice, mail("more of them"), days=0.01)
        watcher.mail(2)
    shown = [event.notification for event in watcher.told(NewMail)]
    assert [(one.tag, one.title, one.body) for one in shown] == [
        ("unread", "1 unread message", ""),
        ("unread", "2 unread messages", ""),
    ]
    deliver(world.alice, mail("in detail", "of the board"))
    with watching(world, {"allow_detailed_notifications": "true"}) as watcher:
        pass
    (event,) = watcher.told(NewMail)
    assert (event.notification.title, event.notification.body) == (
        "Bob <bob@example.test>",
        "in detail\nof the board",
    )


REALTIME = {
    "allow_realtime_notifications": "true", "notification_server_host": "push.example.test/PROD",
    "allow_device_keychain": "true", "allow_detailed_notifications": "true",
}  # fmt: skip


def test_realtime_push_announces_first_and_says_that_it_is_subscribed(world: World) -> None:
    with watching(world, REALTIME) as watcher:
        pinged(world, 1)
        deliver(world.alice, mail("details"))
        watcher.mail()
    (state,) = [event for event in watcher.told(State) if event.name == "watching"]
    assert state.text == "You are subscribed to real-time push notifications."
    (first,) = watcher.told(Announced)
    (event,) = watcher.told(NewMail)
    assert first.notification.title == "You have new messages"
    assert event.notification.replaces == first.notification.tag
    with watching(world, {**REALTIME, "allow_realtime_notifications": "false"}) as watcher:
        pinged(world, len(world.exchange.requests.of("Ping")))
        deliver(world.alice, mail("at once all the same"), days=0.01)
        watcher.mail()
    assert watcher.told(Announced) == []
    assert watcher.told(NewMail)[0].notification.replaces == ""


@pytest.mark.parametrize(
    ("app", "keychain", "cached", "shown"),
    [
        (App.OPEN, False, False, ("Bob <bob@example.test>", True)),
        (App.BACKGROUND, False, True, (None, False)),
        (App.BACKGROUND, True, False, ("Bob <bob@example.test>", True)),
        (App.CLOSED, True, False, (None, False)),
        (App.CLOSED, True, True, ("Bob <bob@example.test>", True)),
    ],
)
def test_how_it_was_started_decides_what_is_shown(
    world: World, app: App, keychain: bool, cached: bool, shown: tuple[str | None, bool]
) -> None:
    keys = {
        "allow_detailed_notifications": "true", "allow_device_keychain": str(keychain).lower(),
        "should_cache_tunneling_config": str(cached).lower(),
    }  # fmt: skip
    with watching(world, keys):
        pass
    deliver(world.alice, mail("news"))
    with watching(world, keys, app=app) as watcher:
        pass
    (event,) = watcher.told(NewMail)
    title = event.notification.title if event.notification is not None else None
    assert (title, bool(watcher.told(Badge))) == shown


def test_an_announcement_for_nothing_is_withdrawn(world: World) -> None:
    with watching(world, REALTIME) as watcher:
        pinged(world, 1)
        deliver(world.alice, mail("read elsewhere meanwhile"), read=True)
        watcher.until(lambda event: isinstance(event, Withdrawn))
    assert len(watcher.told(Announced)) == 1
    assert watcher.told(NewMail) == []


def test_outside_work_hours_nothing_is_shown_and_programs_are_told(world: World) -> None:
    with world.open() as mailbox:
        mailbox.settings.choose("work_hours_only", True)
        mailbox.settings.choose("work_hours", {"mon": ["09:00", "17:00"]})
    with watching(world) as watcher:  # it is a Tuesday
        pinged(world, 1)
        deliver(world.alice, mail("at night"))
        watcher.mail()
    (event,) = watcher.told(NewMail)
    assert (event.notification, event.reason) == (None, "on a weekend")


def test_changed_alert_times_wait_for_the_subscription_with_realtime_push(world: World) -> None:
    never = {"work_hours_only": True, "work_hours": {"mon": ["00:00", "00:01"]}}

    def shown(keys: dict[str, str]) -> bool:
        with watching(world, keys) as watcher:
            pinged(world, len(world.exchange.requests.of("Ping")))
            deliver(world.alice, mail("mail"), days=0.01)
            watcher.mail()
        return watcher.told(NewMail)[0].notification is not None

    keys = {**REALTIME, "subscription_valid_until": "120"}
    assert shown(keys)
    with world.open(keys) as mailbox:
        for name, value in never.items():
            mailbox.settings.choose(name, value)
    world.clock.now += timedelta(minutes=119)
    assert shown(keys)
    world.clock.now += timedelta(minutes=1)
    assert not shown(keys)


def test_a_vip_is_known_as_one(world: World) -> None:
    from emailplus.model.contact import Contact

    with world.open() as mailbox:
        mailbox.sync()
        number = mailbox.create_item(Contact(email1="bob@example.test", file_as="Bob"))
        mailbox.mark_vip(number)
    with watching(world) as watcher:
        pinged(world, 1)
        deliver(world.alice, mail("from bob"))
        watcher.mail()
    assert watcher.told(NewMail)[0].vip


def test_where_nothing_is_kept_the_event_is_the_message(world: World) -> None:
    deliver(world.alice, mail("was here"))
    keys = {"disabled_features": "local_cache_all", "allow_detailed_notifications": "true"}
    with watching(world, keys) as watcher:
        pinged(world, 1)
        deliver(world.alice, mail("passing", "by"))
        watcher.mail()
    (event,) = watcher.told(NewMail)
    assert (event.message.subject, event.snippet, event.notification.body) == ("passing", "by", "passing\nby")
    assert world.scalar("SELECT count(*) FROM messages WHERE cached = 1") == 0
