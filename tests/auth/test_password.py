"""When a password is asked for, and that a server never locks an account because of us."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from emailplus.errors import AuthenticationFailed, PasswordRefusedBefore, PasswordRequired
from emailplus.mailbox import AsyncMailbox
from emailplus.model.sign_in import PasswordWanted
from emailplus.store.sign_in import KEEP, PasswordMemory
from emailplus.store.store import Store

from .conftest import KEY, Site

BEFORE = {"prompt_email_password": "true"}
NEVER = {"allow_prompt_password": "0"}


class Person:
    """Answers in turn, and remembers what was asked."""

    def __init__(self, *answers: str | None) -> None:
        self.answers: Iterator[str | None] = iter(answers)
        self.asked: list[PasswordWanted] = []

    def __call__(self, wanted: PasswordWanted) -> str | None:
        self.asked.append(wanted)
        return next(self.answers)


@pytest.fixture
def site(make_site: Callable[..., Site]) -> Site:
    return make_site("basic")


def test_asked_before_the_first_connection(site: Site) -> None:
    person = Person("alice-secret")
    with site.open(BEFORE, password=person) as mailbox:
        mailbox.sync()
        mailbox.sync()
    assert [(wanted.refused, wanted.attempt) for wanted in person.asked] == [(False, 1)]
    assert 401 not in [request.status for request in site.exchange.requests]


def test_asked_after_a_first_connection_without_one_and_that_once(site: Site) -> None:
    person = Person("alice-secret", "alice-secret")
    with site.open(password=person) as mailbox:
        mailbox.sync()
    first = next(iter(site.exchange.requests))
    assert (first.status, first.header("Authorization")) == (401, "")
    site.exchange.requests.clear()
    with site.open(password=person) as mailbox:
        mailbox.sync()
    assert 401 not in [request.status for request in site.exchange.requests], "the first connection is behind us"
    assert len(person.asked) == 2


@pytest.mark.parametrize(("keys", "attempts"), [(BEFORE, 3), ({}, 2)])
def test_the_three_attempts_of_the_guide(site: Site, keys: dict[str, str], attempts: int) -> None:
    """A server that allows three attempts, and counts a connection without a password as one."""
    site.exchange.sign_in.attempts.limit, site.exchange.sign_in.attempts.count_missing = 3, True
    person = Person("wrong one", "wrong two", "alice-secret")
    with site.open(keys, password=person) as mailbox:
        if attempts == 3:
            mailbox.sync()
        else:
            with pytest.raises(AuthenticationFailed):
                mailbox.sync()
    assert site.exchange.sign_in.attempts.locked("alice@example.test") == (attempts == 2)
    assert [wanted.refused for wanted in person.asked] == [False, True, True]


def test_nobody_is_asked_more_than_three_times(site: Site) -> None:
    person = Person(*(f"wrong {number}" for number in range(9)))
    with site.open(BEFORE, password=person) as mailbox, pytest.raises(AuthenticationFailed):
        mailbox.sync()
    assert len(person.asked) == 3
    assert site.tried == [False, False, False]


def test_the_same_wrong_answer_again_is_not_sent(site: Site) -> None:
    person = Person("wrong", "wrong", "alice-secret")
    with site.open(BEFORE, password=person) as mailbox:
        mailbox.sync()
    assert site.tried[:2] == [False, True]
    assert [wanted.attempt for wanted in person.asked] == [1, 2, 3]


def test_a_person_who_knows_none_ends_it(site: Site) -> None:
    with site.open(BEFORE, password=Person(None)) as mailbox, pytest.raises(PasswordRequired, match="nothing was sent"):
        mailbox.sync()
    assert len(site.exchange.requests) == 0


@pytest.mark.parametrize("ask", [True, False])
def test_allow_prompt_password_0_asks_nobody_and_sends_nothing(site: Site, ask: bool) -> None:
    person = Person()
    with site.open(NEVER, password=person if ask else None) as mailbox, pytest.raises(PasswordRequired):
        mailbox.sync()
    assert len(site.exchange.requests) == 0
    assert person.asked == []
    with site.open({**NEVER, "email_password": "alice-secret"}, password=person) as mailbox:
        mailbox.sync()


def test_a_configured_password_asks_nobody(site: Site) -> None:
    person = Person()
    with site.open({**BEFORE, "email_password": "alice-secret"}, password=person) as mailbox:
        mailbox.sync()
    assert person.asked == []


def test_a_refused_password_is_never_sent_again(site: Site) -> None:
    site.exchange.sign_in.attempts.limit = 2
    keys = {"email_password": "old-secret"}
    for _ in range(10):
        with site.open(keys) as mailbox, pytest.raises(AuthenticationFailed) as caught:
            mailbox.sync()
    assert isinstance(caught.value, PasswordRefusedBefore)
    assert "old-secret" not in str(caught.value)
    assert site.tried == [False]
    assert not site.exchange.sign_in.attempts.locked("alice@example.test")
    with site.open({"email_password": "alice-secret"}) as mailbox:
        mailbox.sync()


def test_sign_out_forgets_refusals(site: Site) -> None:
    keys = {"email_password": "alice-secret"}
    site.exchange.sign_in.attempts.limit = 1
    site.exchange.sign_in.attempts.failed["alice@example.test"] = 1
    for _ in range(2):
        with site.open(keys) as mailbox, pytest.raises(AuthenticationFailed):
            mailbox.sync()
    site.exchange.sign_in.attempts.unlock("alice@example.test")
    with site.open(keys) as mailbox:
        with pytest.raises(PasswordRefusedBefore):
            mailbox.sync()
        mailbox.sign_out()
        mailbox.sync()


def test_a_password_that_changed_under_way_is_refused_once(site: Site) -> None:
    with site.open({"email_password": "alice-secret"}) as mailbox:
        mailbox.sync()
        people = site.exchange.users
        people[0] = type(people[0])(people[0].email, people[0].username, "new-secret")
        for _ in range(3):
            with pytest.raises(AuthenticationFailed):
                mailbox.sync()
    assert site.tried.count(False) == 1


def test_another_account_or_server_may_take_the_same_password(make_site: Callable[..., Site]) -> None:
    one, two = make_site("basic"), make_site("basic")
    two.path = one.path
    with one.open({"email_password": "bob-secret"}) as mailbox, pytest.raises(AuthenticationFailed):
        mailbox.sync()
    keys = {"email_password": "bob-secret", "email_exchange_username": "bob", "email_address": "bob@example.test"}
    with two.open(keys) as mailbox:
        mailbox.sync()


def test_no_log_holds_a_password_that_was_typed(site: Site, caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    caplog.set_level("DEBUG")
    keys = {**BEFORE, "allow_logging": "true"}
    with site.open(keys, password=Person("wrong hunter2", "alice-secret")) as mailbox:
        mailbox.traffic_log(tmp_path / "traffic", full=True)
        mailbox.sync()
    for text in (caplog.text, (tmp_path / "traffic").read_text()):
        assert "hunter2" not in text
        assert "alice-secret" not in text


def test_the_mistake_of_the_callers_callable_is_no_crash_of_ours(site: Site) -> None:
    def broken(wanted: PasswordWanted) -> str:
        raise LookupError(wanted.username)

    with site.open(BEFORE, password=broken) as mailbox:
        with pytest.raises(LookupError):
            mailbox.sync()
        assert mailbox.crash_reports() == []


def test_what_the_store_remembers_is_no_password(site: Site) -> None:
    with site.open(BEFORE) as mailbox:
        memory = PasswordMemory(mailbox.store.database)
        for number in range(KEEP + 5):
            memory.refuse("scope", f"password {number}", float(number))
        assert memory.refused_at("scope", "password 0") is None
        assert memory.refused_at("scope", f"password {KEEP}") == KEEP
        assert memory.refused_at("another", f"password {KEEP}") is None
        rows = mailbox.store.database.all("SELECT digest FROM refused_passwords")
        assert len(rows) == KEEP
        assert all(len(row[0]) == 64 for row in rows)
        memory.accept()
        assert memory.refused_at("scope", f"password {KEEP}") is None


def test_two_stores_digest_alike_only_by_chance(tmp_path: Path) -> None:
    digests = set()
    for name in ("one.db", "two.db"):
        with Store.open(tmp_path / name, KEY) as store:
            PasswordMemory(store.database).refuse("scope", "password", 1.0)
            digests.add(store.database.scalar("SELECT digest FROM refused_passwords"))
    assert len(digests) == 2


def test_a_person_who_takes_time_holds_up_no_event_loop(site: Site) -> None:
    threads: list[threading.Thread] = []

    def ask(wanted: PasswordWanted) -> str:
        threads.append(threading.current_thread())
        return "alice-secret"

    async def whole() -> None:
        config = site.config(**BEFORE)
        async with await AsyncMailbox.open(config, store=site.path, key=KEY, password=ask) as mailbox:
            await mailbox.sync()

    asyncio.run(whole())
    assert len(threads) == 1
    assert threads[0] is not threading.main_thread()
