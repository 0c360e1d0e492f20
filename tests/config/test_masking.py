"""No secret in anything that is printed, and nothing but ConfigurationError from any mapping."""

from __future__ import annotations

import copy
import dataclasses
import json
import pickle
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emailplus.config import KEYS, AppConfig, Secret
from emailplus.errors import ConfigurationError
from tests.config.samples import PLAIN, REQUIRED, b64, der, load, loads_or_tells, p12, refused

SECRETS = [key.name for key in KEYS if key.secret and not key.inside]


def printed(config: AppConfig) -> str:
    problems = [problem.as_dict() for problem in config.warnings]
    return f"{config}{config!r}{config.warnings}{config.unknown}{json.dumps([config.redacted(), problems])}"


@pytest.mark.parametrize("key", SECRETS)
def test_no_secret_is_printed(key: str) -> None:
    config = load(**{key: "swordfish-4711"})
    assert "swordfish" not in printed(config)
    assert config.redacted()[key] == "(hidden)"


@pytest.mark.parametrize("key", SECRETS)
@pytest.mark.parametrize(
    "value", ["swordfish\x00", "swordfish" * 200_000, ["swordfish"], {"swordfish": 1}, 90210_90210]
)
def test_no_secret_is_printed_when_it_is_refused(key: str, value: Any) -> None:
    outcome = loads_or_tells({**PLAIN, key: value})
    text = printed(outcome) if isinstance(outcome, AppConfig) else f"{outcome}{outcome!r}{outcome.problems}"
    assert "swordfish" not in text
    assert "90210" not in text


def test_no_certificate_is_printed_but_its_digest() -> None:
    escrow = [{"email_escrow_certificates": b64(p12()), "email_escrow_certificates_MI_CERT_PW": "swordfish"}]
    config = load(email_certificate_4=b64(der()), email_login_certificate=b64(p12()), email_escrow_certificates=escrow)
    text = printed(config)
    assert "swordfish" not in text
    assert b64(p12())[:24] not in text
    assert "SHA-256" in config.redacted()["email_login_certificate"]
    assert config.redacted()["email_certificate_X"][0]["number"] == 4
    assert "SHA-256" in repr(config.email_certificate_X) + repr(config.email_escrow_certificates)
    assert repr(p12())[2:20] not in repr(config.email_escrow_certificates)


def test_a_password_written_into_another_key_is_not_repeated() -> None:
    for pairs in (
        {"email_exchange_username": "alice:swordfish"},
        {"email_exchange_host": "alice:swordfish@mail.example.test"},
        {"email_exchange_host": "https://alice:swordfish@mail.example.test"},
        {"email_pasword": "swordfish", "email_address": ""},
    ):
        problems = refused({**PLAIN, **pairs})
        assert "swordfish" not in "".join(f"{problem!r}{problem}" for problem in problems)


def test_a_broken_file_with_a_password_is_not_repeated() -> None:
    for data in (b'{"email_password": "swordfish" "x"}', b"<plist><dict><string>swordfish", b"swordfish"):
        with pytest.raises(ConfigurationError) as caught:
            AppConfig.load(data)
        chain: BaseException | None = caught.value
        while chain is not None:
            assert "swordfish" not in f"{chain}{chain!r}"
            chain = chain.__cause__


def test_a_secret_shows_a_mask_everywhere() -> None:
    secret = Secret("swordfish")
    assert "swordfish" not in f"{secret}{secret!r}{secret:>20}%s%r" % (secret, secret) + str([secret])
    assert secret == Secret("swordfish") != Secret("other")
    assert secret != "swordfish"
    assert hash(secret) == hash(Secret("swordfish"))
    assert bool(secret)
    assert not Secret("")
    assert secret.reveal() == "swordfish"
    with pytest.raises(TypeError):
        json.dumps(secret)


def test_redacted_is_json_and_complete() -> None:
    config = AppConfig.load(REQUIRED)
    redacted = json.loads(json.dumps(config.redacted()))
    assert set(redacted) == {key.name for key in KEYS if not key.inside}
    assert redacted["email_password"] is None
    assert redacted["email_max_attachment"] == 10
    assert redacted["enabled_features"] == ["richtext_email_support", "wkwebview_mail_viewer"]


def test_a_config_is_frozen_hashable_and_can_travel() -> None:
    config = load(email_password="swordfish", no_such_key={"a": [1]}, email_certificate_1=b64(der()))
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.email_address = "x"  # type: ignore[misc]
    assert pickle.loads(pickle.dumps(config)) == config
    assert copy.deepcopy(config) == config
    assert hash(config) == hash(
        load(email_password="swordfish", no_such_key={"a": [1]}, email_certificate_1=b64(der()))
    )


# -- anything at all ---------------------------------------------------------------------------------------------------

NAMES = st.sampled_from([key.name for key in KEYS] + [f"email_certificate_{number}" for number in range(12)])
CLOUD_NAMES = st.sampled_from([key.cloud for key in KEYS if key.cloud])
TEXT = st.text(st.characters(exclude_categories=()), max_size=40)
LIKELY = st.sampled_from(
    ["true", "0", "5", "-1", "$EMAIL$", "${PASSWORD}", "a@b.test", "h/p", "https://h", "{}", "[]", "MIIB", "a,b;c", " "]
)
VALUES = TEXT | LIKELY
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.decimals() | st.binary(max_size=30) | VALUES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT | NAMES, inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(NAMES | CLOUD_NAMES | TEXT, VALUES, max_size=12), st.booleans())
@settings(max_examples=400, deadline=None)
def test_any_mapping_of_strings_loads_or_raises_configuration_error(pairs: dict[str, str], whole: bool) -> None:
    outcome = loads_or_tells({**REQUIRED, **pairs} if whole else pairs, {"EMAIL": "a@example.test"})
    if isinstance(outcome, AppConfig):
        printed(outcome).encode()


@given(st.dictionaries(NAMES | CLOUD_NAMES | TEXT | st.integers(), ANYTHING, max_size=6), st.booleans())
@settings(max_examples=400, deadline=None)
def test_any_mapping_at_all_loads_or_raises_configuration_error(pairs: dict[Any, Any], whole: bool) -> None:
    outcome = loads_or_tells({**PLAIN, **pairs} if whole else pairs)
    if isinstance(outcome, AppConfig):
        hash(outcome)
        printed(outcome).encode()


@given(st.sampled_from(SECRETS), st.text(min_size=8, max_size=30))
@settings(max_examples=200, deadline=None)
def test_no_secret_text_ever_shows(key: str, tail: str) -> None:
    secret = f"Zq#{tail}"
    outcome = loads_or_tells({**PLAIN, key: secret})
    text = printed(outcome) if isinstance(outcome, AppConfig) else f"{outcome}{outcome.problems}"
    assert "Zq#" not in text


def test_importing_the_package_stays_light() -> None:
    code = (
        "import sys, emailplus, emailplus.config;"
        "heavy = {'pydantic', 'cryptography', 'httpx2', 'sqlcipher3', 'typer', 'rich'} & set(sys.modules);"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
