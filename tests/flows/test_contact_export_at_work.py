"""Contacts out of a synchronised store, as far as the keys in force let them."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
import vobject
from typer.testing import CliRunner, Result

from emailplus.cli.app import app
from emailplus.errors import PolicyDenied, UsageError
from emailplus.mailbox import AsyncMailbox
from emailplus.model.contact import Contact

from .world import KEY, World

ALLOWED = {"allow_export_contacts": "true"}
LIMITED = {**ALLOWED, "limit_contact_export_to": "name_number"}


def fill(world: World) -> None:
    """Two contacts, made here, sent to the server and read back by another run."""
    with world.open() as mailbox:
        mailbox.sync()
        mailbox.create_item(
            Contact(first_name="Ann", last_name="Lee", email1="ann@secret.example", mobile_phone="+44 1", spouse="Bob")
        )
        mailbox.create_item(Contact(company_name="Works", business_phone="555", picture=b"\xff\xd8\xffsecret"))
        mailbox.sync()


def command(world: World, *words: str) -> Result:
    return CliRunner().invoke(app, [*words, "--store", str(world.path)], env={"EMAILPLUS_STORE_KEY": KEY.hex()})


def names(path: Path) -> list[str]:
    return sorted(card.fn.value for card in vobject.readComponents(path.read_text(encoding="utf-8")))


def test_nothing_leaves_unless_it_is_allowed(world: World) -> None:
    fill(world)
    target = world.folder / "out.vcf"
    with world.open() as mailbox, pytest.raises(PolicyDenied, match="contacts may not be exported") as caught:
        mailbox.export_contacts(target)
    assert caught.value.rule == "allow_export_contacts"
    assert command(world, "export", str(target), "--format", "vcf").exit_code == 6
    assert not target.exists()


@pytest.mark.parametrize("version", ["3.0", "4.0"])
@pytest.mark.parametrize(("keys", "secrets"), [(ALLOWED, True), (LIMITED, False)])
def test_what_leaves(world: World, keys: dict[str, str], secrets: bool, version: str) -> None:
    fill(world)
    target = world.folder / "out.vcf"
    with world.open(keys) as mailbox:
        report = mailbox.export_contacts(target, version=version)
        assert (report.exported, report.limited) == (2, not secrets)
        assert report.bytes == target.stat().st_size
        with pytest.raises(UsageError, match="there already"):
            mailbox.export_contacts(target)
    text = target.read_text(encoding="utf-8").replace("\r\n ", "")
    assert names(target) == ["Ann Lee", "Works"]
    assert ("secret" in text, "Bob" in text, "PHOTO" in text) == (secrets, secrets, secrets)
    assert "+44 1" in text
    assert target.stat().st_mode & 0o777 == 0o600


def test_the_command_is_bound_by_the_configuration_that_the_store_had_last(world: World) -> None:
    fill(world)
    world.open(LIMITED).close()
    out = world.folder / "out.vcf"
    done = command(world, "export", str(out), "--format", "vcf", "--vcard", "3.0", "--json", "--query", "ann")
    assert done.exit_code == 0, done.output
    document: dict[str, Any] = json.loads(done.stdout)
    assert (document["exported"], document["limited"], document["version"]) == (1, True, "3.0")
    assert names(out) == ["Ann Lee"]
    assert command(world, "export", str(world.folder / "b"), "-f", "vcf", "--vcard", "2.1").exit_code == 2
    world.open().close()
    assert command(world, "export", str(world.folder / "c"), "-f", "vcf").exit_code == 6


def test_for_asyncio(world: World) -> None:
    fill(world)

    async def write() -> int:
        config = world.config(**ALLOWED)
        async with await AsyncMailbox.open(config, store=world.path, key=KEY) as mailbox:
            return (await mailbox.export_contacts(world.folder / "a.vcf")).exported

    assert asyncio.run(write()) == 2
