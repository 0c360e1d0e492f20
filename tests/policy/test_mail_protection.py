"""What is signed and encrypted, and with which algorithms: settings, the message's own word, the thread, the server."""

from __future__ import annotations

from dataclasses import replace

import pytest

from emailplus.errors import PolicyDenied, PolicyNotApplicable
from emailplus.policy.mail_protection import decide
from emailplus.policy.server_policy import ServerPolicy
from emailplus.policy.user_settings import Settings, UserSettings, effective_settings
from tests.config.samples import load

PLAIN = effective_settings(load(), UserSettings())
FREE = ServerPolicy()


def _settings(**more: bool) -> Settings:
    return replace(PLAIN, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("settings", "asked", "expected"),
    [
        ({}, {}, (False, False)),
        ({"always_sign": True}, {}, (True, False)),
        ({"always_encrypt": True}, {}, (False, True)),
        ({"always_sign": True, "always_encrypt": True}, {"sign": False, "encrypt": False}, (False, False)),
        ({}, {"sign": True, "encrypt": True}, (True, True)),
        ({}, {"thread_encrypted": True}, (False, True)),
        ({"always_sign": True}, {"thread_encrypted": True}, (True, True)),
        ({}, {"thread_encrypted": True, "encrypt": False}, (False, False)),
    ],
)
def test_settings_thread_and_the_message(
    settings: dict[str, bool], asked: dict[str, bool], expected: tuple[bool, bool]
) -> None:
    decision = decide(_settings(**settings), FREE, **asked)
    assert (decision.sign, decision.encrypt) == expected
    assert bool(decision) == any(expected)
    assert not decision.must_encrypt


def test_the_server_has_the_last_word() -> None:
    signed = ServerPolicy(RequireSignedSMIMEMessages=True)
    encrypted = ServerPolicy(RequireEncryptedSMIMEMessages=True)
    decision = decide(PLAIN, signed, sign=False)
    assert (decision.sign, decision.encrypt) == (True, False)
    assert decision.reasons == ("the server's policy demands signed messages",)
    decision = decide(PLAIN, encrypted, encrypt=False)
    assert (decision.sign, decision.encrypt, decision.must_encrypt) == (False, True, True)
    assert decide(PLAIN, ServerPolicy(RequireSignedSMIMEMessages=False), sign=True).sign


def test_sign_as_clear_text() -> None:
    assert decide(PLAIN, FREE, sign=True).clear
    assert not decide(_settings(sign_as_clear_text=False), FREE, sign=True).clear


def test_soft_certificates() -> None:
    """MS-ASPROV 2.2.2.14: they may not sign; encrypting needs no key of ours."""
    policy = ServerPolicy(AllowSMIMESoftCerts=False)
    with pytest.raises(PolicyDenied):
        decide(PLAIN, policy, sign=True)
    assert decide(PLAIN, policy, encrypt=True).encrypt
    assert decide(PLAIN, ServerPolicy(AllowSMIMESoftCerts=True), sign=True).sign


@pytest.mark.parametrize("negotiation", [None, 1, 2])
def test_strong_algorithms_where_they_may_be_negotiated(negotiation: int | None) -> None:
    policy = ServerPolicy(
        RequireSignedSMIMEAlgorithm=1,
        RequireEncryptionSMIMEAlgorithm=4,
        AllowSMIMEEncryptionAlgorithmNegotiation=negotiation,
    )
    decision = decide(PLAIN, policy, sign=True, encrypt=True)
    assert (decision.digest, decision.cipher, decision.weak) == ("sha256", None, negotiation == 2)


def test_the_servers_algorithms_where_it_does_not_negotiate() -> None:
    fixed = ServerPolicy(
        RequireSignedSMIMEAlgorithm=0, RequireEncryptionSMIMEAlgorithm=0, AllowSMIMEEncryptionAlgorithmNegotiation=0
    )
    decision = decide(PLAIN, fixed, sign=True, encrypt=True)
    assert (decision.digest, decision.cipher) == ("sha1", "3des-cbc")
    unwritten = [("RequireSignedSMIMEAlgorithm", 1)]
    unwritten += [("RequireEncryptionSMIMEAlgorithm", number) for number in (1, 2, 3, 4, 9)]
    for name, value in unwritten:
        policy = replace(fixed, **{name: value})
        with pytest.raises(PolicyNotApplicable, match="not written here"):
            decide(PLAIN, policy, sign=True, encrypt=True)
    assert decide(PLAIN, replace(fixed, RequireEncryptionSMIMEAlgorithm=1), sign=True).digest == "sha1"
