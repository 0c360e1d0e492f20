"""The examples of docs/mock.md run as they stand."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from emailplus.mock import MockExchange
from emailplus.mock.fixture_mailbox import KINDS

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "mock.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", TEXT, re.S)


@pytest.mark.parametrize("code", BLOCKS, ids=range(len(BLOCKS)))
def test_examples(code: str, mock_exchange: MockExchange, mock_exchange_factory: Callable[..., MockExchange]) -> None:
    names: dict[str, Any] = {}
    exec(compile(code, "docs/mock.md", "exec"), names)
    fixtures = {"mock_exchange": mock_exchange, "mock_exchange_factory": mock_exchange_factory}
    for name, function in list(names.items()):
        if name.startswith("test_"):
            wanted = function.__code__.co_varnames[: function.__code__.co_argcount]
            function(*(fixtures[argument] for argument in wanted))


def test_every_keyword_action_and_command_is_described() -> None:
    import inspect

    import emailplus.mock
    from emailplus.mock import Exchange
    from emailplus.mock.commands import COMMANDS

    for name in inspect.signature(Exchange).parameters:
        assert f"`{name}`" in TEXT, name
    for name in emailplus.mock.__all__:
        if name not in ("Exchange", "Flag", "Mailbox", "default_users"):
            assert name in TEXT, name
    for name in COMMANDS:
        assert name in TEXT, name


def test_the_number_of_kinds() -> None:
    assert len(KINDS) == 19
