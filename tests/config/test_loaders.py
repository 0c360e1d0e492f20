"""The carriers: the same settings in each form that can carry them give the same configuration."""

from __future__ import annotations

import json
import plistlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emailplus.config import AppConfig
from emailplus.config.loaders import SIZE_LIMIT
from tests.config.samples import PLAIN, REQUIRED, b64, der, loads_or_tells, p12, refused

SETTINGS: dict[str, Any] = {
    **PLAIN,
    "email_password": "pass = word#1",
    "email_max_attachment": "0.5",
    "email_certificate_1": b64(der()),
    "email_escrow_certificates": [
        {"email_escrow_certificates": b64(p12()), "email_escrow_certificates_MI_CERT_PW": "old-pw"}
    ],
    "email_security_classification_json": '{"version": "2.0.0", "fields": [{"name": "SEC"}], "x": 1.5}',
    "enabled_features": "rms_support, fit_to_width",
    "allow_logging": "true",
    "limit_contact_export_to": "name_number",
    "allow_export_contacts": "true",
    "gal_search_minimum_characters": "3",
    "no_such_key": "kept",
}


def lines(pairs: dict[str, Any], sign: str = "=") -> bytes:
    text = "# written by hand\n\n"
    for key, value in pairs.items():
        text += f"{key} {sign} {value if isinstance(value, str) else json.dumps(value)}\n"
    return text.encode()


def cloud(pairs: dict[str, Any]) -> dict[str, Any]:
    fields = {
        "email_address": "Email Address (Required)",
        "email_exchange_host": "Exchange Host",
        "email_exchange_username": "exchange  username (required)",
        "email_ssl_required": "SSL required",
        "email_password": "Email Password",
        "allow_logging": "Allow Logging",
        "allow_export_contacts": "Allow Export Contacts",
        "limit_contact_export_to": "Limit Contact Export to Name and Number only",
        "gal_search_minimum_characters": "Minimum Characters for GAL Search",
    }
    renamed = {fields.get(key, key): value for key, value in pairs.items()}
    return {**renamed, fields["limit_contact_export_to"]: True}


FORMS: dict[str, Any] = {
    "json": json.dumps(SETTINGS).encode(),
    "json with a byte order mark": json.dumps(SETTINGS).encode("utf-8-sig"),
    "json in utf-16": json.dumps(SETTINGS).encode("utf-16"),
    "json in an envelope": json.dumps({"com.apple.configuration.managed": SETTINGS}).encode(),
    "plist xml": plistlib.dumps(SETTINGS),
    "plist binary": plistlib.dumps(SETTINGS, fmt=plistlib.FMT_BINARY),
    "plist in an envelope": plistlib.dumps({"Identifier": "com.example", "Configuration": SETTINGS}),
    "pairs": lines(SETTINGS),
    "pairs with tabs": lines(SETTINGS, "\t"),
    "pairs with other line ends": lines(SETTINGS).replace(b"\n", b"\r\n"),
    "cloud fields": cloud(SETTINGS),
    "real types": {**SETTINGS, "email_ssl_required": True, "gal_search_minimum_characters": 3, "allow_logging": 1},
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_configuration(form: str) -> None:
    config, expected = AppConfig.load(FORMS[form]), AppConfig.load(SETTINGS)
    assert config == expected
    assert hash(config) == hash(expected)
    assert config.email_password is not None
    assert config.email_password.reveal() == "pass = word#1"


@pytest.mark.parametrize("name", ["app.json", "app.plist", "app.txt"])
def test_a_path_is_read_and_its_ending_does_not_matter(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(FORMS["plist binary"])
    assert AppConfig.load(path) == AppConfig.load(str(path)) == AppConfig.load(SETTINGS)


def test_plist_carries_its_own_types() -> None:
    values = {**PLAIN, "email_ssl_required": True, "default_network_timeout": 30, "email_max_body_size": 0.5}
    config = AppConfig.load(plistlib.dumps({**values, "email_certificate_1": der()}))
    assert (config.default_network_timeout, float(config.email_max_body_size)) == (30, 0.5)
    assert config.trusted_roots == (der(),)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "empty"),
        (b" \n ", "empty"),
        (b"{", "JSON"),
        (b'{"a": }', "line 1"),
        (b"[1]", "JSON object"),
        (b'["a"' * 1, "JSON"),
        (b"{" + b'"a":[' * 100_000, "JSON"),
        (b'{"a": ' + b"9" * 5000 + b"}", "absurd"),
        (b"\xff\xfe\x00", "UTF-8"),
        (b"\x80abc", "UTF-8"),
        (b"<plist><dict><key>a</key>", "XML plist"),
        (b"<html/>", "plist"),
        (b"<plist><array/></plist>", "dictionary"),
        (b"bplist00", "binary plist"),
        (b"bplist00" + b"\xff" * 64, "binary plist"),
        (plistlib.dumps(SETTINGS, fmt=plistlib.FMT_BINARY)[:-20], "binary plist"),
        (b"just words", "key=value"),
        (b"=value", "key=value"),
        (b"x" * (SIZE_LIMIT + 1), "at most 16 MB"),
        (b'<?xml version="1.0"?><!DOCTYPE p [<!ENTITY a "aaaa">]><plist><dict/></plist>', "XML plist"),
    ],
    ids=[str(number) for number in range(20)],
)
def test_what_cannot_be_read_is_one_critical_problem(data: bytes, says: str) -> None:
    [problem] = refused(data)
    assert problem.critical
    assert says in problem.expected or says in str(problem)


@pytest.mark.parametrize("path", ["/nowhere/app.json", "/", "a\0b"])
def test_a_file_that_cannot_be_opened_is_named(path: str) -> None:
    [problem] = refused(path)
    assert "readable file" in problem.expected


def test_a_line_without_key_is_named_by_its_number_and_not_repeated() -> None:
    [problem] = refused(b"email_address=a@example.test\nswordfish\n")
    assert problem.value.endswith("line 2")
    assert "swordfish" not in str(problem)


@pytest.mark.parametrize(
    "data",
    [
        b'{"email_max_attachment": "1", "email_max_attachment": "2"}',
        b"email_max_attachment=1\nemail_max_attachment=2\n",
        json.dumps({"allow_logging": "true", "Allow Logging": "false"}).encode(),
    ],
)
def test_a_key_given_twice_with_two_values_is_refused(data: bytes) -> None:
    assert any("given twice" in problem.expected and problem.critical for problem in refused(data))


def test_a_key_given_twice_with_one_value_is_not_worth_a_word() -> None:
    pairs = {**PLAIN, "Allow Logging": "true", "allow_logging": "true"}
    assert AppConfig.load(pairs).warnings == ()


@pytest.mark.parametrize(("box", "value"), [(True, "name_number"), ("1", "name_number"), ("false", "all"), (0, "all")])
def test_the_check_box_of_the_cloud_form(box: Any, value: str) -> None:
    pairs = {**PLAIN, "allow_export_contacts": "true", "Limit Contact Export to Name and Number only": box}
    config = AppConfig.load(pairs)
    assert config.limit_contact_export_to == value
    assert config.warnings == ()


def test_the_misspelt_alias_counts_and_the_documented_name_wins() -> None:
    assert AppConfig.load({**PLAIN, "eas_min_allowed_mode": "ntlm"}).eas_min_allowed_auth_mode == "ntlm"
    both = AppConfig.load({"eas_min_allowed_mode": "ntlm", **PLAIN, "eas_min_allowed_auth_mode": "basic"})
    assert both.eas_min_allowed_auth_mode == "basic"
    [warning] = both.warnings
    assert (warning.key, warning.advice) == ("eas_min_allowed_mode", True)


@pytest.mark.parametrize("spelling", ["modern-auth", "modern_auth"])
def test_modern_auth_has_two_spellings(spelling: str) -> None:
    urls = {"modern_auth_authority_url": "https://a.test/c", "modern_auth_resource_url": "https://r.test"}
    config = AppConfig.load({**PLAIN, **urls, "eas_min_allowed_auth_mode": spelling})
    assert config.eas_min_allowed_auth_mode == "modern_auth"


UNKNOWN = [
    ("email_exchange_hots", "email_exchange_host"),
    ("email_pasword", "email_password"),
    ("Email_Address", "email_address"),
    ("mi_shared_group_id", "MI_SHARED_GROUP_ID"),
    ("email_certificate1", "email_certificate_1"),
    ("something_else_entirely", None),
]


@pytest.mark.parametrize(("name", "nearest"), UNKNOWN)
def test_an_unknown_key_is_kept_and_reported_with_its_neighbour(name: str, nearest: str | None) -> None:
    config = AppConfig.load({**PLAIN, name: "swordfish"})
    [unknown] = config.unknown
    assert (unknown.name, unknown.value, unknown.nearest) == (name, "swordfish", nearest)
    [warning] = config.warnings
    assert warning.advice
    assert nearest is None or f"did you mean {nearest}?" in warning.expected
    assert "swordfish" not in f"{config!r}{warning!r}{unknown!r}{config.redacted()}"


def test_keys_that_are_no_text_do_not_disturb() -> None:
    strange: dict[Any, Any] = {**PLAIN, 5: "x", None: "y", ("a",): "z", "": "w", "k" * 5000: "v", "\ud800\x07": "u"}
    config = AppConfig.load(strange)
    assert len(config.unknown) == 6
    "".join(str(warning) for warning in config.warnings).encode()


def test_a_key_of_a_second_account_is_named_as_such() -> None:
    [warning] = AppConfig.load({**PLAIN, "acc2_email_password": "swordfish"}).warnings
    assert "second account" in warning.expected
    assert "swordfish" not in str(warning)


@given(st.binary(max_size=300) | st.sampled_from([b"bplist00", b"<plist>", b"{"]).flatmap(
    lambda start: st.binary(max_size=200).map(lambda rest: start + rest)
))  # fmt: skip
@settings(max_examples=300, deadline=None)
def test_any_bytes_load_or_raise_configuration_error(data: bytes) -> None:
    loads_or_tells(data)


@given(st.integers(0, 400), st.integers(0, 255))
@settings(max_examples=200, deadline=None)
def test_a_damaged_binary_plist_loads_or_raises(position: int, octet: int) -> None:
    data = bytearray(plistlib.dumps({**REQUIRED, "email_max_attachment": 3}, fmt=plistlib.FMT_BINARY))
    data[position % len(data)] = octet
    loads_or_tells(bytes(data))
