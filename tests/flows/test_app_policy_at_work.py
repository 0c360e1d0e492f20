"""The app policy (AppConnect) and what the engine itself does: opening, exporting, saving."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from emailplus.cli.app import app
from emailplus.config.app_policy import AppConnectPolicy
from emailplus.errors import PolicyDenied
from emailplus.mailbox import AsyncMailbox, Mailbox
from emailplus.policy.dlp import FILES, Action, Document
from emailplus.store.export import export
from emailplus.store.keys import Passphrase
from emailplus.store.store import Store

from .world import KEY, World, deliver, mail, noise

NO = AppConnectPolicy(authorized=False)
OUT = AppConnectPolicy(open_in="all")
IN = AppConnectPolicy(open_in="managed")


def opened(world: World, policy: AppConnectPolicy | None, **more: Any) -> Mailbox:
    return world.open(app_policy=policy, **more)


def command(world: World, *words: str) -> Result:
    return CliRunner().invoke(app, [*words, "--store", str(world.path)], env={"EMAILPLUS_STORE_KEY": KEY.hex()})


def test_an_app_that_is_not_authorised_opens_nothing(world: World) -> None:
    deliver(world.alice, mail("secret"))
    with pytest.raises(PolicyDenied, match="not authorised") as caught:
        opened(world, NO)
    assert caught.value.rule == "authorized"
    assert not world.path.exists()  # not even made
    with opened(world, OUT) as mailbox:
        mailbox.sync()
    for policy in (NO, None):  # the store remembers it: leaving the policy out opens nothing
        with pytest.raises(PolicyDenied, match="not authorised"):
            opened(world, policy)
        for words in (("search",), ("show", "1"), ("folders",), ("export", str(world.folder / "out"))):
            done = command(world, *words)
            assert done.exit_code == 6, done.output
            assert "secret" not in done.output
    requests = len(world.exchange.requests)
    with opened(world, OUT) as mailbox:
        assert [message.subject for message in mailbox.search()] == ["secret"]
    assert len(world.exchange.requests) == requests


def test_authorisation_withdrawn_while_the_mailbox_is_open(world: World) -> None:
    deliver(world.alice, mail("secret"))
    mailbox = opened(world, None)
    mailbox.sync()
    mailbox.apply_app_policy(IN)
    assert mailbox.search()
    with pytest.raises(PolicyDenied, match="not authorised"):
        mailbox.apply_app_policy(NO)
    with pytest.raises(Exception, match="closed"):
        mailbox.search()

    async def again() -> None:
        async with await AsyncMailbox.open(world.config(), store=world.path, key=KEY, app_policy=IN) as second:
            assert await second.may("open_data")
            with pytest.raises(PolicyDenied):
                await second.apply_app_policy(NO)

    asyncio.run(again())


@pytest.mark.parametrize(
    ("policy", "allowed"),
    [
        (None, True),
        (AppConnectPolicy(open_in="all"), True),
        (AppConnectPolicy(open_in="allow_list", open_in_apps=frozenset({"files"})), True),
        (AppConnectPolicy(open_in="allow_list", open_in_apps=frozenset({"com.example.docs"})), False),
        (AppConnectPolicy(open_in="managed"), False),
        (AppConnectPolicy(open_in="none"), False),
    ],
)
def test_export_is_a_way_out(world: World, policy: AppConnectPolicy | None, allowed: bool) -> None:
    """The same by the library, by the command without an app config, and for a single attachment."""
    deliver(world.alice, mail("one", attachments=(("a.bin", noise(900)),)))
    with opened(world, policy) as mailbox:
        mailbox.sync()
        assert bool(mailbox.may(Action.OPEN_IN, FILES)) is allowed
        [message] = mailbox.search()
        attachment = mailbox.message(message.id).attachments[0].id
    library, shell = world.folder / "library", world.folder / "shell"
    with Store.open(world.path, KEY) as store:
        if allowed:
            assert export(store, list(store.ids()), library, "eml").exported == 1
        else:
            with pytest.raises(PolicyDenied, match="open_in of the app policy"):
                export(store, list(store.ids()), library, "eml")
    assert command(world, "export", str(shell)).exit_code == (0 if allowed else 6)
    assert library.exists() is shell.exists() is allowed
    saved = command(world, "show", str(message.id), "--attachment", str(attachment))
    assert saved.exit_code == (0 if allowed else 6)
    assert (saved.stdout_bytes == noise(900)) is allowed
    assert command(world, "show", str(message.id)).exit_code == 0  # reading is not leaving


def test_a_passcode_that_the_policy_demands(world: World) -> None:
    """`passcode_required`: no key that lies somewhere, a passphrase; an existing store is opened after a rekey."""
    demanding = AppConnectPolicy(passcode_required=True)
    with pytest.raises(PolicyDenied, match="rekey") as caught:
        opened(world, demanding)
    assert caught.value.rule == "passcode_required"
    assert not world.path.exists()
    world.sync()
    with pytest.raises(PolicyDenied):
        opened(world, demanding)
    with pytest.raises(PolicyDenied):
        opened(world, None)
    assert command(world, "folders").exit_code == 6
    with Store.open(world.path, KEY, lock=True) as store:
        store.database.rekey(Passphrase("correct horse"))
    with Mailbox.open(world.config(), store=world.path, key=Passphrase("correct horse")) as mailbox:
        assert mailbox.folders()


def test_the_command_takes_the_policy_from_a_file(world: World) -> None:
    deliver(world.alice, mail("one"))
    config, policy = world.folder / "app.json", world.folder / "policy.json"
    pairs = {
        "email_address": "alice@example.test", "email_device_id": "A" * 32, "email_exchange_host": world.host,
        "email_exchange_username": "alice", "email_password": "alice-secret", "email_ssl_required": "false",
    }  # fmt: skip
    config.write_text(json.dumps(pairs))

    def sync(document: object) -> Result:
        policy.write_text(json.dumps(document))
        return command(world, "sync", "--config", str(config), "--app-policy", str(policy))

    refused = sync({"global": {"open_in": "sometimes"}})
    assert refused.exit_code == 2
    assert "global.open_in" in refused.output
    assert not Path(world.path).exists()
    assert sync({"global": {"authorized": "false"}}).exit_code == 6
    told = sync({"container": {"open_in": "none", "prnt": "true"}, "global": {"authorized": "false"}})
    assert told.exit_code == 0, told.output
    assert "did you mean print" in told.output
    assert command(world, "export", str(world.folder / "out")).exit_code == 6


def test_what_a_screen_asks(world: World) -> None:
    with opened(world, IN, keys={"disabled_features": "document_viewer"}) as mailbox:
        assert not mailbox.may("view_attachment", Document("plan.pdf"))
        assert mailbox.may("view_attachment", Document("note.txt"))
        mailbox.apply(world.config())
        assert mailbox.may("view_attachment", Document("plan.pdf"))


def test_another_account_keeps_the_app_policy(world: World) -> None:
    """It belongs to the app, not to the account."""
    with opened(world, AppConnectPolicy(open_in="none")) as mailbox:
        mailbox.sync()
    with opened(world, None, keys={"email_address": "other@example.test"}) as mailbox:
        assert not mailbox.may(Action.OPEN_IN, FILES)
