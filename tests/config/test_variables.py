"""Variables of device managers, filled in from an identity."""

from __future__ import annotations

from typing import Any

import pytest

from emailplus.config import AppConfig, Identity, Secret
from tests.config.samples import PLAIN, refused

ALICE = Identity(
    email="alice@example.test",
    user_id="alice",
    password=Secret("swordfish"),
    device_uuid="01234567-89ab-cdef-0123-456789abcdef",
    user_custom1="EXAMPLE",
    user_custom2="two",
    user_custom3="three",
    user_custom4="four",
)
CORE = {
    "email_address": "$EMAIL$",
    "email_device_id": "$DEVICE_UUID_NO_DASHES$",
    "email_exchange_host": "mail.example.test",
    "email_exchange_username": "$USER_CUSTOM1$\\$USERID$",
    "email_password": "$PASSWORD$",
    "email_ssl_required": "true",
}
CLOUD = {
    "Email Address": "${userEmailAddress}",
    "Exchange Host": "mail.example.test",
    "Exchange Username": "EXAMPLE\\${userUID}",
    "Email Password": "${PASSWORD}",
    "SSL required": "true",
}


def test_core_and_cloud_variables_give_the_same_configuration() -> None:
    core, cloud = AppConfig.load(CORE, ALICE), AppConfig.load(CLOUD, ALICE)
    assert core == cloud
    assert core.partnership == (
        "mail.example.test", "EXAMPLE\\alice", "alice@example.test", "0123456789abcdef0123456789abcdef"
    )  # fmt: skip
    assert core.email_password == Secret("swordfish")
    assert core.warnings == ()


def test_every_variable_is_filled_in_wherever_it_stands() -> None:
    signature = "$EMAIL$ $USERID$ $USER_CUSTOM1$ $USER_CUSTOM2$ $USER_CUSTOM3$ $USER_CUSTOM4$ ${userEmailAddress} "
    signature += "${userUID} ${userEmailAddressLocalPart} $DEVICE_UUID_NO_DASHES$"
    config = AppConfig.load({**CORE, "email_default_signature": signature}, ALICE)
    expected = (
        "alice@example.test alice EXAMPLE two three four alice@example.test alice alice " + "0123456789abcdef" * 2
    )
    assert config.email_default_signature == expected


def test_a_value_of_another_type_is_read_after_filling_in() -> None:
    identity = Identity(user_custom1="true", user_custom2=" 30 ")
    pairs = {**PLAIN, "allow_logging": "$USER_CUSTOM1$", "default_network_timeout": "$USER_CUSTOM2$"}
    config = AppConfig.load({**pairs, "email_default_signature": "$5 and $6$"}, identity)
    assert config.allow_logging is True
    assert config.email_default_signature == "$5 and $6$"


def test_core_fills_three_keys_by_itself_when_they_are_absent() -> None:
    config = AppConfig.load({"email_exchange_host": "mail.example.test", "email_ssl_required": "true"}, ALICE)
    assert config.partnership == (
        "mail.example.test", "alice", "alice@example.test", "0123456789abcdef0123456789abcdef"
    )  # fmt: skip


def test_what_is_given_is_not_overridden_by_the_identity() -> None:
    assert AppConfig.load(PLAIN, ALICE).partnership == AppConfig.load(PLAIN).partnership


@pytest.mark.parametrize("identity", [None, Identity(), Identity(email="", user_id="alice")])
def test_an_open_variable_in_a_required_key_is_a_problem_that_names_it(identity: Identity | None) -> None:
    problems = {problem.key: problem for problem in refused(CORE, identity)}
    assert "$EMAIL$" in problems["email_address"].expected
    assert "$DEVICE_UUID_NO_DASHES$" in problems["email_device_id"].expected
    assert "$USER_CUSTOM1$" in problems["email_exchange_username"].expected
    assert "email_password" not in problems


def test_an_open_variable_in_any_key_is_a_problem() -> None:
    [problem] = refused({**PLAIN, "email_default_signature": "Best, $USER_CUSTOM3$"})
    assert problem.critical
    assert "$USER_CUSTOM3$" in problem.expected


@pytest.mark.parametrize("value", ["$DEVICE_UUID$", "${deviceId}", "x$SERIAL_NO$y"])
def test_what_merely_looks_like_a_variable_is_named_in_a_required_key(value: str) -> None:
    [problem] = refused({**PLAIN, "email_device_id": value}, ALICE)
    assert "was not filled in" in problem.expected


@pytest.mark.parametrize("variable", ["$PASSWORD$", "${PASSWORD}", " $PASSWORD$ "])
@pytest.mark.parametrize("identity", [None, Identity(user_id="alice"), Identity(password=Secret(""))])
def test_an_open_password_means_ask_the_user(variable: str, identity: Identity | None) -> None:
    config = AppConfig.load({**PLAIN, "email_password": variable}, identity)
    assert config.email_password is None
    assert "email_password" not in config.given
    assert config.warnings == ()


def test_a_password_is_taken_as_it_is() -> None:
    for password in (" blanks around ", "a$EMAIL$b", "pa$$word", "$PASSWORD$2"):
        config = AppConfig.load({**PLAIN, "email_password": password}, ALICE)
        assert config.email_password is not None
        assert config.email_password.reveal() == password


@pytest.mark.parametrize("key", ["email_default_signature", "email_exchange_username", "feedback_email_address"])
def test_the_password_is_filled_in_nowhere_else(key: str) -> None:
    [problem] = refused({**PLAIN, key: "x $PASSWORD$"}, ALICE)
    assert "email_password only" in problem.expected
    assert "swordfish" not in str(problem)


def test_a_filled_in_value_is_not_searched_again() -> None:
    identity = Identity(user_custom1="$PASSWORD$", password=Secret("swordfish"), email="a@example.test")
    config = AppConfig.load({**PLAIN, "email_default_signature": "$USER_CUSTOM1$ $EMAIL$"}, identity)
    assert config.email_default_signature == "$PASSWORD$ a@example.test"


def test_a_dollar_in_a_classification_template_is_content() -> None:
    text = '{"version":"2.0.0","sendOptions":{"subjectSuffix":"[SEC=$SEC.value$] $EMAIL$"}}'
    assert (
        AppConfig.load({**PLAIN, "email_security_classification_json": text}).email_security_classification_json == text
    )


@pytest.mark.parametrize(
    "mapping",
    [
        {"email": "alice@example.test", "user_id": "alice", "device_uuid": "01-23"},
        {"$EMAIL$": "alice@example.test", "USERID": "alice", "$DEVICE_UUID_NO_DASHES$": "0123"},
        {
            "${userEmailAddress}": "alice@example.test",
            "userUID": "alice",
            "device_uuid": "0123",
            "PASSWORD": Secret("x"),
        },
    ],
)
def test_an_identity_from_a_mapping(mapping: dict[str, Any]) -> None:
    config = AppConfig.load({"email_exchange_host": "mail.example.test"}, mapping)
    assert config.partnership == ("mail.example.test", "alice", "alice@example.test", "0123")


def test_a_wrong_identity_is_reported_whole_and_masked() -> None:
    problems = refused(PLAIN, {"shoe_size": "43", "password": 12345678, "email": ["x"]})
    assert [problem.critical for problem in problems] == [True, True, True]
    assert {problem.key for problem in problems} == {"identity", "identity.password", "identity.email"}
    assert "12345678" not in "".join(map(str, problems))


def test_an_identity_never_shows_its_password() -> None:
    assert "swordfish" not in f"{ALICE!r}{ALICE}"
