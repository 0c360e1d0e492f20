"""A new configuration takes effect: at `Mailbox.apply`, or at `Mailbox.open` when it came between two runs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from emailplus import reconfigure
from emailplus.config import Consequence
from emailplus.errors import ConfigurationError, StoreError, UsageError
from emailplus.mailbox import AsyncMailbox, Mailbox
from emailplus.model.contact import Contact
from emailplus.store.store import Store

from .world import KEY, World, deliver, mail, noise

AGES = {"now": 0.1, "two days": 2, "a week and a bit": 8, "a month and a half": 45}


def aged(world: World) -> None:
    for subject, days in AGES.items():
        deliver(world.alice, mail(subject, received=world.clock.now - timedelta(days=days)), days=days)


def pairs(world: World, **keys: str) -> dict[str, str]:
    """The pairs of `world.config`, for the forms that are loaded."""
    return {
        "email_address": "alice@example.test", "email_device_id": "0123456789ABCDEF0123456789ABCDEF",
        "email_exchange_host": world.host, "email_exchange_username": "alice", "email_password": "alice-secret",
        "email_ssl_required": "false", "email_max_sync_period": "0", "email_default_sync_period": "0", **keys,
    }  # fmt: skip


def test_the_first_configuration_changes_nothing(world: World) -> None:
    with world.open() as mailbox:
        assert not mailbox.change
        assert mailbox.change.outcomes == ()
        assert mailbox.notices == []
    with world.open() as mailbox:
        assert not mailbox.change


@pytest.mark.parametrize("opened", [False, True])
def test_a_shorter_period_takes_mail_out_at_once_and_a_longer_one_brings_it_back(world: World, opened: bool) -> None:
    aged(world)
    world.sync()
    assert sorted(world.subjects()) == sorted(AGES)
    if opened:
        with world.open() as mailbox:
            change = mailbox.apply(world.config(email_max_sync_period="3"))
            assert {m.subject for m in mailbox.search()} == {"now", "two days"}
    else:
        with world.open({"email_max_sync_period": "3"}) as mailbox:
            change = mailbox.change
    outcome = change.outcome(Consequence.SYNC_WINDOW)
    assert outcome is not None
    assert outcome.keys == ("email_max_sync_period",)
    assert outcome.counts == {"removed": 2}
    assert world.subjects() == ["now", "two days"]
    report = world.sync()  # the wider one again
    assert report.added == 2
    assert sorted(world.subjects()) == sorted(AGES)


def test_the_users_shorter_choice_holds_over_a_longer_maximum(world: World) -> None:
    aged(world)
    with world.open({"email_max_sync_period": "3"}) as mailbox:
        mailbox.settings.choose("sync_period", 1)
        mailbox.sync()
        assert {m.subject for m in mailbox.search()} == {"now"}
        outcome = mailbox.apply(world.config(email_max_sync_period="0")).outcome(Consequence.SYNC_WINDOW)
        assert outcome is not None
        assert outcome.counts == {"removed": 0}
        mailbox.sync()
        assert {m.subject for m in mailbox.search()} == {"now"}
        mailbox.settings.reset("sync_period")
        mailbox.sync()
        assert {m.subject for m in mailbox.search()} == set(AGES)


@pytest.mark.parametrize("opened", [False, True])
def test_another_account_is_synced_once_from_the_start(make_world: Callable[..., World], opened: bool) -> None:
    world = make_world(cookies=False)
    deliver(world.alice, mail("for alice"))
    deliver(world.exchange.user("bob"), mail("for bob"))
    world.sync()
    bob = {"email_exchange_username": "bob", "email_address": "bob@example.test", "email_password": "bob-secret"}
    world.exchange.requests.clear()
    if opened:
        with world.open() as mailbox:
            change = mailbox.apply(world.config(**bob))
            assert mailbox.search() == []  # nothing of the old account remains, not even until the next sync
            mailbox.sync()
    else:
        with world.open(bob) as mailbox:
            change = mailbox.change
            mailbox.sync()
    outcome = change.outcome(Consequence.FULL_RESYNC)
    assert change.diff.full_resync
    assert outcome is not None
    assert set(outcome.keys) == {"email_address", "email_exchange_username"}
    assert outcome.counts == {"Email": 1}
    assert world.subjects() == ["for bob"]
    assert len(world.exchange.requests.of("FolderSync")) == 1
    world.sync(bob)
    assert world.subjects() == ["for bob"]


def test_two_changed_keys_are_one_full_resync(make_world: Callable[..., World]) -> None:
    world = make_world(cookies=False)
    deliver(world.alice, mail("one"))
    world.sync()
    with world.open() as mailbox:
        change = mailbox.apply(world.config(email_address="a.l@example.test", email_device_id="F" * 32))
        assert [o.consequence for o in change.outcomes] == [Consequence.FULL_RESYNC, Consequence.NEW_PARTNERSHIP]
        world.exchange.requests.clear()
        report = mailbox.sync()
        assert report.added == 1
        assert len(world.exchange.requests.of("FolderSync")) == 1


def test_migration_says_what_it_is(make_world: Callable[..., World]) -> None:
    old, new = make_world(), make_world(cookies=False)
    deliver(old.alice, mail("before"))
    deliver(new.alice, mail("after"))
    old.sync()
    with old.open() as mailbox:
        moved = new.config(migrate_from_email_exchange_host=old.host)
        change = mailbox.apply(moved)
        assert change.diff.migration
        outcome = change.outcome(Consequence.MIGRATION)
        assert outcome is not None
        assert old.host in outcome.text
        assert set(outcome.keys) == {"email_exchange_host", "migrate_from_email_exchange_host"}
        assert change.outcome(Consequence.FULL_RESYNC) is None
        mailbox.sync()
        assert [m.subject for m in mailbox.search()] == ["after"]
        assert not mailbox.apply(moved)  # pushed once more: it moves nothing


def test_migration_drops_drafts_and_outbox_and_names_them(make_world: Callable[..., World]) -> None:
    old, new = make_world(), make_world(cookies=False)
    old.sync()
    with old.open() as mailbox:
        mailbox.save(mailbox.new(to="bob@example.test", subject="half written"))
        old.exchange.stop()  # what is sent now stays in the outbox
        mailbox.send(mailbox.new(to="bob@example.test", subject="on its way"))
        change = mailbox.apply(new.config(migrate_from_email_exchange_host=old.host))
        outcome = change.outcome(Consequence.MIGRATION)
        assert outcome is not None
        assert (outcome.counts["drafts"], outcome.counts["outbox"]) == (1, 1)
        assert outcome.details == ("draft removed: half written", "unsent message removed: on its way")
        assert set(outcome.details) <= set(mailbox.notices)
        assert mailbox.drafts() == []
        assert mailbox.outbox() == []
        mailbox.sync()
    assert not new.exchange.requests.of("SendMail")


def test_what_waits_in_the_outbox_never_leaves_by_another_account(make_world: Callable[..., World]) -> None:
    old, new = make_world(), make_world(cookies=False)
    old.sync()
    with old.open() as mailbox:
        old.exchange.stop()
        mailbox.send(mailbox.new(to="bob@example.test", subject="on its way"))
        change = mailbox.apply(new.config())
        outcome = change.outcome(Consequence.FULL_RESYNC)
        assert outcome is not None
        assert outcome.details == ("held back, written under the old account: on its way",)
        mailbox.sync()
        assert [(entry.subject, entry.held) for entry in mailbox.outbox()] == [("on its way", True)]
        assert not new.exchange.requests.of("SendMail")


def test_changes_not_told_are_held_when_the_account_changes(make_world: Callable[..., World]) -> None:
    world = make_world()
    deliver(world.alice, mail("flagged"))
    with world.open() as mailbox:
        mailbox.sync()
        (message,) = mailbox.search("flagged")
        mailbox.flag([message.id])
        mailbox.create_item(Contact(last_name="Lee"))
        change = mailbox.apply(world.config(email_exchange_username="bob", email_address="bob@example.test"))
        outcome = change.outcome(Consequence.FULL_RESYNC)
        assert outcome is not None
        assert outcome.details == (
            "held back, not told to the old server: the flag of 'flagged'",
            "held back, not told to the old server: the add of 'Lee'",
        )
        written = mailbox.export_pending()
    assert (written["changes"], written["items"]) == ([], [])
    assert [(held["kind"], held.get("subject") or held["title"]) for held in written["held"]] == [
        ("flag", "flagged"), ("add", "Lee"),
    ]  # fmt: skip
    assert written["held"][1]["values"] == {"last_name": "Lee"}


def test_nothing_cached_from_the_moment_the_key_says_so(world: World) -> None:
    for number in range(3):
        deliver(world.alice, mail(f"secret {number}", attachments=((f"{number}.bin", noise(900)),)))
    world.sync()
    with world.open() as mailbox:
        change = mailbox.apply(world.config(disabled_features="local_cache_all"))
        outcome = change.outcome(Consequence.CACHE_REMOVED)
        assert outcome is not None
        assert outcome.counts == {"removed": 3}
        database = mailbox.store.database
        assert database.scalar("SELECT max(subject || sender || preview) FROM messages") == ""
        for table in ("bodies", "attachments", "blobs", "search"):
            assert database.scalar(f"SELECT count(*) FROM {table}") == 0, table
        report = mailbox.sync()
        assert (report.added, report.deleted) == (0, 0)
        assert mailbox.store.stats()["ids_only"] == 3


def test_a_cache_switched_off_and_on_again_before_a_sync_is_filled_again(world: World) -> None:
    deliver(world.alice, mail("kept", attachments=(("a.bin", noise(900)),)))
    world.sync()
    before = world.snapshot()
    with world.open() as mailbox:
        mailbox.apply(world.config(disabled_features="local_cache_all"))
        mailbox.apply(world.config())
        mailbox.sync()
    assert world.snapshot() == before


def test_pictures_wait_for_the_next_full_sync(make_world: Callable[..., World]) -> None:
    world = make_world(cookies=False)
    deliver(world.alice, mail("one"))
    with world.open() as mailbox:
        assert mailbox.settings.show_pictures is False
        mailbox.sync()
    shown = {"show_pictures_default": "true"}
    with world.open(shown) as mailbox:
        outcome = mailbox.change.outcome(Consequence.NEXT_FULL_SYNC)
        assert outcome is not None
        assert "next full sync" in outcome.text
        mailbox.sync()
        assert mailbox.settings.show_pictures is False
    with world.open({**shown, "email_device_id": "F" * 32}) as mailbox:
        assert mailbox.settings.show_pictures is False
        mailbox.sync()
        assert mailbox.settings.show_pictures is True


def test_the_users_picture_choice_does_not_wait(world: World) -> None:
    with world.open() as mailbox:
        mailbox.sync()
        mailbox.settings.choose("show_pictures", True)
        assert mailbox.settings.show_pictures is True


@pytest.mark.parametrize("own", [None, "Alice", ""])
def test_the_signature_key_acts_until_the_user_has_one(world: World, own: str | None) -> None:
    with world.open({"email_default_signature": "Old"}) as mailbox:
        if own is not None:
            mailbox.settings.choose("signature", own)
        change = mailbox.apply(world.config(email_default_signature="New"))
        outcome = change.outcome(Consequence.UNLESS_USER_DEFINED)
        assert outcome is not None
        assert ("ignored" in outcome.text) is (own is not None)
        assert mailbox.settings.signature == ("New" if own is None else own)


def test_subscription_keys_act_after_the_old_lifetime(world: World) -> None:
    with world.open({"subscription_valid_until": "720"}) as mailbox:
        change = mailbox.apply(world.config(subscription_valid_until="60"))
        outcome = change.outcome(Consequence.SUBSCRIPTION_END)
        assert outcome is not None
        assert outcome.text == "Changes to alert times will come into effect after '12' hours."


def test_a_secret_is_noticed_and_not_shown(world: World) -> None:
    with world.open() as mailbox:
        change = mailbox.apply(world.config(email_password="another-secret"))
        [only] = change.diff.changes
        assert only.key == "email_password"
        text = json.dumps(change.as_dict())
        assert "secret" not in text.replace("(hidden)", "")
        assert change.notices == ()


@pytest.mark.parametrize(("stops", "still_open"), [("true", False), ("false", True)])
def test_an_unusable_configuration_leaves_the_old_one_in_force(world: World, stops: str, still_open: bool) -> None:
    deliver(world.alice, mail("one"))
    keys = {"exit_on_configuration_error": stops}
    world.sync(keys)
    before = world.snapshot()
    with world.open(keys) as mailbox:
        old = mailbox.config
        with pytest.raises(ConfigurationError) as caught:
            mailbox.apply(pairs(world, email_max_sync_period="9", email_default_sync_period="x"))
        assert {problem.key for problem in caught.value.problems if problem.critical} == {  # type: ignore[attr-defined]
            "email_max_sync_period", "email_default_sync_period",
        }  # fmt: skip
        assert mailbox.config is old
        if still_open:
            assert mailbox.sync().added == 0
        else:
            with pytest.raises(StoreError):
                mailbox.sync()
    assert world.snapshot() == before
    with world.open(keys) as mailbox:
        assert not mailbox.change


def test_a_change_that_cannot_be_written_changes_nothing(
    make_world: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_world(cookies=False)
    aged(world)
    world.sync()
    before = world.snapshot()
    with world.open() as mailbox:

        def fail(*_: Any) -> None:
            raise StoreError("the disk is full")

        monkeypatch.setattr(reconfigure.kept, "remember", fail)
        old = mailbox.config
        with pytest.raises(StoreError):
            mailbox.apply(world.config(email_max_sync_period="1", email_address="b@example.test"))
        assert mailbox.config is old
        monkeypatch.undo()
    assert world.snapshot() == before
    with world.open() as mailbox:
        assert not mailbox.change


def test_apply_takes_every_form_and_an_identity(world: World, tmp_path: Path) -> None:
    file = tmp_path / "app.json"
    file.write_text(json.dumps(pairs(world, email_address="$EMAIL$", email_default_signature="From a file")))
    with world.open() as mailbox:
        change = mailbox.apply(file, {"email": "alice@example.test"})
        assert [entry.key for entry in change.diff.changes] == ["email_default_signature"]
        assert mailbox.settings.signature == "From a file"


def test_async_apply_waits_for_the_sync_under_way(world: World) -> None:
    for number in range(30):
        deliver(world.alice, mail(f"m{number}"))

    async def both() -> None:
        async with await AsyncMailbox.open(world.config(), store=world.path, key=KEY) as mailbox:
            syncing = asyncio.create_task(mailbox.sync())
            await asyncio.sleep(0)
            change = await mailbox.apply(world.config(disabled_features="local_cache_all"))
            assert (await syncing).added == 30
            outcome = change.outcome(Consequence.CACHE_REMOVED)
            assert outcome is not None
            assert outcome.counts == {"removed": 30}

    asyncio.run(both())


def test_an_account_wipe_takes_choices_and_configuration_too(world: World) -> None:
    from emailplus.model.changes import Wipe

    with world.open() as mailbox:
        mailbox.settings.choose("signature", "Alice")
        mailbox.store.apply(Wipe(account_only=True))
    with Store.open(world.path, KEY) as store:
        for table in ("settings", "configuration", "account"):
            assert store.database.scalar(f"SELECT count(*) FROM {table}") == 0


# -- settings


def test_choices_outlive_the_process_and_a_new_configuration(world: World) -> None:
    with world.open() as mailbox:
        assert mailbox.settings.choose("calendar_mode_phone", "list") is None
        mailbox.settings.choose("always_sign", True)
    with world.open({"calendar_default_mode_phone": "month", "email_address": "other@example.test"}) as mailbox:
        assert mailbox.settings.calendar_mode_phone == "list"
        assert mailbox.settings.always_sign is True
        mailbox.settings.reset()
        assert mailbox.settings.calendar_mode_phone == "month"
        assert mailbox.settings.always_sign is False


def test_a_choice_without_place_is_refused_with_the_reason(world: World) -> None:
    with world.open() as mailbox:
        with pytest.raises(UsageError, match="allow_detailed_notifications"):
            mailbox.settings.choose("show_mail_details", True)
        with pytest.raises(UsageError, match="work_hours_only"):
            mailbox.settings.choose("weekend_alerts", True)
        with pytest.raises(AttributeError, match="no setting"):
            _ = mailbox.settings.email_max_sync_period
        assert mailbox.settings.choices().as_dict() == {}


def test_changed_alert_times_say_when_they_act(world: World) -> None:
    keys = {
        "allow_realtime_notifications": "true", "notification_server_host": "cns.example.test/PROD",
        "subscription_valid_until": "90",
    }  # fmt: skip
    with world.open(keys) as mailbox:
        told = mailbox.settings.choose("work_hours_only", True)
        assert told == "Changes to alert times will come into effect after '1.5' hours."


def test_the_choice_of_mime_acts_on_the_sync(world: World) -> None:
    deliver(world.alice, mail("one"))
    with world.open() as mailbox:
        mailbox.settings.choose("always_fetch_mime", True)
        mailbox.sync()
        [hit] = mailbox.search()
        assert mailbox.message(hit.id).body_type == 4


def test_facade(world: World) -> None:
    """Settings are readable through both facades."""

    async def read() -> int:
        async with await AsyncMailbox.open(world.config(), store=world.path, key=KEY) as mailbox:
            mailbox.settings.choose("sync_period", 1)
            return int(mailbox.settings.sync_period)

    assert asyncio.run(read()) == 1
    with Mailbox.open(world.config(), store=world.path, key=KEY) as mailbox:
        assert mailbox.settings.sync_period == 1
