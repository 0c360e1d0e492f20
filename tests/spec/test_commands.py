"""Every command of the protocol is there: built and read, with typed statuses, a method and a mock."""

from __future__ import annotations

import importlib
import inspect

import pytest

from emailplus.eas import status
from emailplus.errors import EmailplusError
from emailplus.mailbox import AsyncMailbox, Mailbox
from emailplus.mock.commands import COMMANDS
from emailplus.mock.versions import COMMAND_VERSIONS

from ..shared import shared
from . import commands

_ONE = "it is said of one item; the others of the same answer go on"
OTHERWISE: dict[tuple[str, str, int], str] = {
    ("ItemOperations", "", 6): _ONE,
    ("ItemOperations", "", 11): _ONE,
    ("ItemOperations", "", 14): _ONE,
    ("ItemOperations", "", 15): _ONE,
    ("ItemOperations", "", 16): _ONE,
    ("MeetingResponse", "", 2): _ONE,
}
"""Statuses about which we do something else than the published table advises, and why."""


@pytest.mark.parametrize("name", commands.TABLE)
def test_it_has_its_places(name: str) -> None:
    command = commands.TABLE[name]
    module = importlib.import_module(f"emailplus.eas.commands.{command.module}")
    assert name == module.NAME
    assert any(function.startswith(("build", "parameters")) for function in vars(module)) or name == "GetHierarchy"
    assert any(function.startswith("parse") for function in vars(module)) or name == "GetAttachment"
    for method in command.methods:
        assert callable(getattr(Mailbox, method)), method
        twin = inspect.getattr_static(AsyncMailbox, method)
        assert inspect.iscoroutinefunction(getattr(twin, "__func__", twin)), method
    assert name in COMMANDS or name == "Autodiscover"
    assert name in COMMAND_VERSIONS or name == "Autodiscover"


def test_no_command_is_left_out() -> None:
    assert set(commands.TABLE) - {"Autodiscover"} == set(COMMAND_VERSIONS) == set(COMMANDS)


def test_every_status_is_typed() -> None:
    """Each has a name, and either is an answer or an error of our tree that says what to do."""
    rows = list(commands.statuses(shared("spec", "eas")))
    assert len(rows) > 220
    used = set()
    for row in rows:
        name, action = commands.typed(row)
        assert name != "Unknown", row
        key = (row.command, row.element, row.code)
        if row.action and action != row.action:
            used.add(key)
            assert key in OTHERWISE, (row, action)
        if action != "ok":
            problem = status.error(f"{row.command}/{row.element}" if row.element else row.command, row.code)
            assert isinstance(problem, EmailplusError)
            assert str(row.code) in str(problem)
    assert used == set(OTHERWISE)
