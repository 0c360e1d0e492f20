"""Every form in which a device manager may send a value, and every form that is refused."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from emailplus.config import AppConfig, Secret, WatermarkParameters
from emailplus.config.keys import KEYS, SIGNATURE
from tests.config.samples import PLAIN, REQUIRED, load, problems_of


def test_the_defaults_are_the_guides() -> None:
    config = AppConfig.load(REQUIRED)
    assert config.email_max_sync_period == 0
    assert config.email_default_sync_period == 2
    assert config.email_max_body_size == 4
    assert config.email_max_attachment == 10
    assert config.default_network_timeout == 90
    assert config.email_ssl_required is False
    assert config.email_password is None
    assert config.allow_prompt_password is True
    assert config.email_default_signature == SIGNATURE
    assert config.email_safe_domains == ("example.test",)
    assert config.email_ews_host == "mail.example.test"
    assert config.disabled_features == frozenset()
    assert config.enabled_features == {"wkwebview_mail_viewer", "richtext_email_support"}
    assert config.email_certificate_X == ()
    assert config.email_escrow_certificates == ()
    assert config.email_classification_list is None
    assert config.calendar_default_reminder == -1
    assert config.given == set(REQUIRED)


def numbered(cases: list[Any]) -> list[str]:
    """Names of the cases that say which key, without printing hostile values."""
    return [f"{case[0]}-{number}" for number, case in enumerate(cases)]


VALUES: list[tuple[str, Any, Any]] = [
    ("email_ssl_required", "true", True),
    ("email_ssl_required", " TRUE ", True),
    ("email_ssl_required", "1", True),
    ("email_ssl_required", True, True),
    ("email_ssl_required", 1, True),
    ("email_ssl_required", "False", False),
    ("email_ssl_required", "0", False),
    ("email_ssl_required", 0, False),
    ("email_classification_body", "False", False),
    ("allow_prompt_password", "0", False),
    ("allow_prompt_password", "1", True),
    ("allow_prompt_password", False, False),
    ("MI_AC_IOS_ALLOW_CUSTOM_KEYBOARDS", "true", True),
    ("MI_AC_IOS_ALLOW_CUSTOM_KEYBOARDS", True, True),
    ("default_network_timeout", "30", 30),
    ("default_network_timeout", " +30 ", 30),
    ("default_network_timeout", 30, 30),
    ("default_network_timeout", 30.0, 30),
    ("default_network_timeout", Decimal("30"), 30),
    ("calendar_reset_view_threshold", "0", 0),
    ("email_max_sync_period", "0", 0),
    ("email_max_sync_period", 5, 5),
    ("calendar_default_reminder", "-1", -1),
    ("calendar_default_reminder", "2880", 2880),
    ("email_max_attachment", "10", Decimal(10)),
    ("email_max_attachment", " 0.5 ", Decimal("0.5")),
    ("email_max_attachment", ".5", Decimal("0.5")),
    ("email_max_attachment", 0.1, Decimal("0.1")),
    ("email_max_attachment", 25, Decimal(25)),
    ("email_max_body_size", "50.00", Decimal(50)),
    ("limit_contact_export_to", "name_number", "name_number"),
    ("limit_contact_export_to", "Name_Number", "name_number"),
    ("contacts_display_order", "last_first", "last_first"),
    ("eas_min_allowed_auth_mode", "NTLM", "ntlm"),
    ("email_safe_domains", "Example.com, *.example.com ,b.test", ("example.com", "*.example.com", "b.test")),
    ("email_safe_domains", "*", ("*",)),
    ("email_safe_domains", ["a.test", "b.test"], ("a.test", "b.test")),
    ("email_safe_domains", "a.test,,a.test,", ("a.test",)),
    ("email_address", "ālice+x@münchen.test", "ālice+x@münchen.test"),
    ("email_address", "a@[127.0.0.1]", "a@[127.0.0.1]"),
    ("email_exchange_username", "alice", "alice"),
    ("email_exchange_username", " alice@example.test ", "alice@example.test"),
    ("email_exchange_host", "127.0.0.1:8080", "127.0.0.1:8080"),
    ("email_exchange_host", "Mail.Example.TEST./servlet/traveler/", "mail.example.test/servlet/traveler"),
    ("email_exchange_host", "[::1]:8443/traveler", "[::1]:8443/traveler"),
    ("email_ews_host", "case2010.xyz.test", "case2010.xyz.test"),
    ("notification_server_host", "cns.mobileiron.com/PROD", "cns.mobileiron.com/PROD"),
    ("migrate_from_email_exchange_host", "old.example.test/traveler", "old.example.test/traveler"),
    ("modern_auth_authority_url", "https://login.example.test/common", "https://login.example.test/common"),
    ("modern_auth_authority_url", "http://127.0.0.1:9/t", "http://127.0.0.1:9/t"),
    ("webatwork_install_link", "itms-services://?action=x", "itms-services://?action=x"),
    ("email_url_scheme_http", "GoogleChrome", "googlechrome"),
    ("email_default_signature", "Best,\nAlice\t☕", "Best,\nAlice\t☕"),
    ("email_classification_list", "SEC=PROTECTED,DLM=Sensitive:Legal; DLM=For-Official-Use Only;",
     ("SEC=PROTECTED,DLM=Sensitive:Legal", "DLM=For-Official-Use Only")),
    ("email_security_classification_json", '{"version": "2.0.0", "fields": []}', '{"version":"2.0.0","fields":[]}'),
    ("email_security_classification_json", {"version": "2.0.0", "fields": []}, '{"version":"2.0.0","fields":[]}'),
    ("email_watermark_parameters", "textColor=#80ff0000, textSize=12,horizontalSpacing: 40, verticalSpacing = 50",
     WatermarkParameters("#80FF0000", 12, 40, 50)),
    ("email_watermark_parameters", {"textColor": "#80FF0000", "textSize": 12},
     WatermarkParameters("#80FF0000", 12, None, None)),
    ("email_watermark_parameters", '{"textSize": "12"}', WatermarkParameters(None, 12, None, None)),
    ("disabled_features", "local_cache_all , move_button", frozenset({"local_cache_all", "move_button"})),
    ("disabled_features", ["attach_files"], frozenset({"attach_files"})),
    ("mi_enable_doc_sharing", "true", True),
    ("MI_SHARED_GROUP_ID", "Group-A", "Group-A"),
]  # fmt: skip


@pytest.mark.parametrize(("key", "raw", "expected"), VALUES, ids=numbered(VALUES))
def test_a_value_is_read(key: str, raw: Any, expected: Any) -> None:
    config = load(**{key: raw})
    value = getattr(config, key)
    assert value == expected
    assert type(value) is type(expected)
    assert key in config.given


REFUSED: list[tuple[str, Any]] = [
    ("email_ssl_required", "yes"),
    ("email_ssl_required", "2"),
    ("email_ssl_required", 2),
    ("email_ssl_required", 1.0),
    ("email_ssl_required", ["true"]),
    ("allow_prompt_password", "never"),
    ("MI_AC_IOS_ALLOW_CUSTOM_KEYBOARDS", "True"),
    ("default_network_timeout", "0"),
    ("default_network_timeout", "-30"),
    ("default_network_timeout", "30s"),
    ("default_network_timeout", "30.5"),
    ("default_network_timeout", 30.5),
    ("default_network_timeout", True),
    ("default_network_timeout", float("nan")),
    ("default_network_timeout", Decimal("1e999999")),
    ("default_network_timeout", 10**5000),
    ("default_network_timeout", "9" * 900),
    ("default_network_timeout", "٣٠"),
    ("email_max_sync_period", "6"),
    ("email_max_sync_period", "-1"),
    ("email_max_sync_period", "1.5"),
    ("email_default_sync_period", "three days"),
    ("email_max_attachment", "0"),
    ("email_max_attachment", "-1"),
    ("email_max_attachment", "0,5"),
    ("email_max_attachment", "10 MB"),
    ("email_max_attachment", "1e3"),
    ("email_max_attachment", True),
    ("email_max_attachment", float("inf")),
    ("email_max_attachment", Decimal("NaN")),
    ("email_max_attachment", Decimal("1e-999999")),
    ("email_max_body_size", "99999999999"),
    ("email_safe_domains", "a@example.com"),
    ("email_safe_domains", "a.test;b.test"),
    ("email_safe_domains", "*.*.test"),
    ("email_safe_domains", [1]),
    ("email_address", "alice"),
    ("email_address", "alice@"),
    ("email_address", "al ice@example.test"),
    ("email_address", "a@b@example.test"),
    ("email_address", "Alice <alice@example.test>"),
    ("email_address", "a@" + "x" * 300),
    ("email_address", 5),
    ("email_device_id", "0123-4567"),
    ("email_device_id", "x" * 33),
    ("email_device_id", "ünïcode"),
    ("email_exchange_username", "alice:secret"),
    ("email_exchange_username", "a\\b\\c"),
    ("email_exchange_username", "\\alice"),
    ("email_exchange_username", "ali\nce"),
    ("email_exchange_username", 12345),
    ("email_exchange_host", "https://mail.example.test"),
    ("email_exchange_host", "mail.example.test:0"),
    ("email_exchange_host", "mail.example.test:eas"),
    ("email_exchange_host", "mail example.test"),
    ("email_exchange_host", "mail.example.test/a b"),
    ("email_exchange_host", "mail.example.test?x=1"),
    ("email_exchange_host", "alice@mail.example.test"),
    ("email_exchange_host", "999.1.1.1"),
    ("email_exchange_host", "::1"),
    ("email_exchange_host", "[::zz]"),
    ("email_exchange_host", "münchen.test"),
    ("email_exchange_host", "a/../b"),
    ("email_ews_host", "ews.example.test/EWS/Exchange.asmx"),
    ("email_ews_host", "https://ews.example.test/EWS"),
    ("email_url_scheme_http", "mibrowser://"),
    ("email_url_scheme_https", "two words"),
    ("email_classification_list", "PROTECTED"),
    ("email_classification_list", ["SEC=A", 5]),
    ("email_classification_list", ";"),
    ("enabled_features", 7),
    ("enabled_features", ["rms_support", 1]),
    ("always_fetch_mime", "always"),
    ("allow_logging", "on"),
    ("email_password", 12345),
    ("email_password", "two\nlines"),
    ("MI_SHARED_GROUP_ID", "\ud800"),
    ("MI_SHARED_GROUP_ID", "x" * 2000),
    ("MI_SHARED_GROUP_ID", {"a": 1}),
]


@pytest.mark.parametrize(("key", "raw"), REFUSED, ids=numbered(REFUSED))
def test_a_critical_key_refuses_a_wrong_value(key: str, raw: Any) -> None:
    [problem] = [problem for problem in problems_of(**{key: raw}) if not problem.advice]
    assert problem.key == key
    assert problem.critical
    assert problem.expected
    assert len(str(problem)) < 500
    str(problem).encode()  # printable anywhere


LEFT_OUT: list[tuple[str, Any, Any]] = [
    ("limit_contact_export_to", "phone_only", "all"),
    ("contacts_display_order", "First_Last", "first_last"),
    ("eas_min_allowed_auth_mode", "kerberos", "basic"),
    ("ews_min_allowed_auth_mode", 1, "basic"),
    ("calendar_default_mode_phone", "week", "day"),
    ("calendar_default_reminder", "7", -1),
    ("calendar_reset_view_threshold", "-1", 120),
    ("gal_search_minimum_characters", "0", 4),
    ("notification_interval", "299", 900),
    ("subscription_valid_until", "soon", 1440),
    ("feedback_email_address", "nobody", None),
    ("report_phishing_address", "x@", None),
    ("webatwork_install_link", "not a link", None),
    ("modern_auth_authority_url", "login.example.test", None),
    ("modern_auth_resource_url", "ftp://example.test", None),
    ("modern_auth_resource_url", "https://user:hunter2@example.test", None),
    ("modern_auth_resource_url", "https://[::1", None),
    ("email_watermark_parameters", "textColor=red", None),
    ("email_watermark_parameters", "textSize=-1", None),
    ("email_watermark_parameters", "textSize", None),
    ("email_watermark_parameters", "textSize=1,textSize=2", None),
    ("email_watermark_parameters", "{", None),
    ("email_signing_certificate", "not base64!", None),
    ("email_escrow_certificates", "{}", ()),
    ("email_default_signature", "\x00", SIGNATURE),
]


@pytest.mark.parametrize(("key", "raw", "fallback"), LEFT_OUT, ids=numbered(LEFT_OUT))
def test_another_key_falls_back_with_a_warning(key: str, raw: Any, fallback: Any) -> None:
    config = load(**{key: raw})
    assert getattr(config, key) == fallback
    [warning] = [warning for warning in config.warnings if not warning.advice]
    assert warning.key == key
    assert not warning.critical
    assert "hunter2" not in str(warning)
    assert key not in config.given


@pytest.mark.parametrize("empty", ["", "   ", "\t", None])
@pytest.mark.parametrize("key", [key for key in KEYS if not key.required and not key.inside], ids=lambda key: key.name)
def test_blank_means_not_given(key: Any, empty: str | None) -> None:
    name = "email_certificate_1" if key.name == "email_certificate_X" else key.name
    pairs = {key: value for key, value in PLAIN.items() if key != name}
    assert AppConfig.load({**pairs, name: empty}) == AppConfig.load(pairs)


@pytest.mark.parametrize("key", sorted(REQUIRED))
@pytest.mark.parametrize("empty", ["", "  ", None])
def test_a_required_key_must_be_given(key: str, empty: str | None) -> None:
    [problem] = problems_of(**{key: empty})
    assert (problem.key, problem.critical) == (key, True)
    assert "required" in problem.expected


@pytest.mark.parametrize(
    ("given", "disabled", "effective"),
    [
        ("rms_support , fit_to_width", "", {"rms_support", "fit_to_width"}),
        ("rms_support", "richtext_email_support", {"rms_support"}),
        ("", "", set()),
        ("gmail_smart_folders", "gmail_smart_folders", set()),
    ],
)
def test_naming_a_feature_switches_none_off(given: str, disabled: str, effective: set[str]) -> None:
    config = load(enabled_features=given, disabled_features=disabled)
    defaults = {"wkwebview_mail_viewer", "richtext_email_support"} - set(disabled.split(","))
    assert config.enabled_features == effective | defaults


def test_a_semicolon_does_not_separate_flags() -> None:
    config = load(enabled_features="rms_support; fit_to_width")
    assert not config.enabled_features & {"rms_support", "fit_to_width"}
    [warning] = config.warnings
    assert warning.advice
    assert "commas" in warning.expected


def test_an_unknown_flag_is_named_with_its_neighbour_and_stops_nothing() -> None:
    config = load(disabled_features="local_cash_all, move_button")
    assert config.disabled_features == {"move_button"}
    [warning] = config.warnings
    assert "local_cache_all" in warning.expected
    [warning] = load(enabled_features="local_cache_all").warnings
    assert "disabled_features" in warning.expected


def test_all_problems_come_at_once() -> None:
    problems = problems_of(
        email_exchange_host="http://x.test",
        email_max_attachment="big",
        default_network_timeout="never",
        email_address="",
    )
    assert {problem.key for problem in problems} == {
        "email_exchange_host", "email_max_attachment", "default_network_timeout", "email_address"
    }  # fmt: skip


def test_json_has_one_notation_whatever_carried_it() -> None:
    forms = [{"x": 1.0, "y": [Decimal("1.50"), 2]}, '{"x": 1.0, "y": [1.50, 2]}', b'{"x":1,"y":[1.5,2]}']
    texts = {load(email_security_classification_json=form).email_security_classification_json for form in forms}
    assert texts == {'{"x":1,"y":[1.5,2]}'}
    deep: Any = {}
    for _ in range(100_000):
        deep = {"a": deep}
    for bad in (
        {"x": float("inf")},
        {"x": b"bytes"},
        {("a",): 1},
        {"x": Decimal("1e9999")},
        {"x": "y" * 1_000_000},
        deep,
    ):
        config = load(email_security_classification_json=bad)
        assert config.email_security_classification_json == ""
        assert [problem.key for problem in config.warnings] == ["email_security_classification_json"]


def test_pasted_markers_are_repaired_and_each_repair_is_said() -> None:
    config = load(email_security_classification_json='{// ours\nversion: “2.0.0”,\n "fields": [],}')
    assert config.email_security_classification_json == '{"version":"2.0.0","fields":[]}'
    assert [problem.advice for problem in config.warnings] == [True] * 4
    said = [problem.expected for problem in config.warnings]
    assert said[0] == "repaired: line 1, column 2: comment skipped"
    assert said[3] == "repaired: line 3, column 14: trailing comma skipped"
    many = load(email_security_classification_json="{" + "".join(f"a{n}: 1, " for n in range(50)) + "}")
    assert len(many.warnings) == 21
    assert many.warnings[-1].expected == "repaired: 31 places more"


@pytest.mark.parametrize(
    ("raw", "kept", "place"),
    [
        ("{not json", "{not json", "line 1, column 6"),
        ('{"a": NaN}', '{"a": NaN}', "line 1, column 7"),
        ('{"a": [1}', '{"a": [1}', "line 1, column 9"),
        ("[" * 20_000, "[" * 20_000, "nested deeper"),
        ("[1]", "", "a JSON object"),
        (5, "", "a JSON object"),
        ("x" * 1_000_001, "", "at most 1,000,000 characters"),
    ],
)
def test_markers_beyond_repair_are_kept_and_silence_the_older_keys(raw: Any, kept: str, place: str) -> None:
    config = load(email_security_classification_json=raw, email_classification_list="SEC=A")
    assert config.email_security_classification_json == kept
    mistakes = [problem for problem in config.warnings if not problem.advice]
    assert [problem.key for problem in mistakes] == ["email_security_classification_json"]
    assert place in mistakes[0].expected
    assert mistakes[0].expected.endswith("; classification is off")
    assert "ignored" in next(problem.expected for problem in config.warnings if problem.key.endswith("_list"))


def test_the_markers_are_judged_by_the_function_that_is_given() -> None:
    pairs = {**PLAIN, "email_security_classification_json": '{"version": "1"}'}
    config = AppConfig.load(pairs, check_markers=lambda text: [(True, f"bad {text}"), (False, "odd")])
    assert [(problem.advice, problem.expected) for problem in config.warnings] == [
        (False, 'bad {"version":"1"}'),
        (True, "odd"),
    ]


def test_a_secret_may_come_as_a_secret() -> None:
    assert load(email_password=Secret("swordfish")).email_password == Secret("swordfish")


def test_a_list_without_end_is_refused_and_neighbours_are_sought_for_a_hundred_names() -> None:
    assert "at most" in problems_of(disabled_features=["x"] * 5001)[0].expected
    config = load(**{f"email_addresss{number}": "x" for number in range(150)})
    assert sum(unknown.nearest is not None for unknown in config.unknown) == 100


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("https://mail.example.test", "mail.example.test"),
        ("HTTP://mail.example.test/traveler", "mail.example.test/traveler"),
        ("https://", "mail.example.com"),
        ("https://user:pw@mail.example.test", "mail.example.com"),
    ],
)
def test_a_scheme_in_the_host_is_told_what_to_write(given: str, says: str) -> None:
    [problem] = problems_of(email_exchange_host=given)
    assert problem.expected.endswith(f"for example {says}")
    assert "pw" not in str(problem)


def test_the_endpoint_is_the_host_taken_apart() -> None:
    endpoint = load(email_exchange_host="[2001:db8::1]:8443/Traveler/x").exchange_endpoint
    assert (endpoint.host, endpoint.port, endpoint.path) == ("2001:db8::1", 8443, "/Traveler/x")
    assert endpoint.authority == "[2001:db8::1]:8443"
    plain = load(email_exchange_host="mail.example.test").exchange_endpoint
    assert (plain.host, plain.port, plain.path) == ("mail.example.test", None, "")


def test_ews_host_follows_the_exchange_host_without_its_path() -> None:
    assert load(email_exchange_host="mail.example.test:444/traveler").email_ews_host == "mail.example.test:444"


def test_the_partnership_changes_with_each_of_its_four_keys() -> None:
    first = load().partnership
    assert first == load(email_exchange_host="MAIL.example.test", email_max_attachment="3").partnership
    for key, value in {
        "email_address": "b@example.test",
        "email_device_id": "ABC",
        "email_exchange_host": "other.example.test",
        "email_exchange_username": "bob",
    }.items():
        assert load(**{key: value}).partnership != first
