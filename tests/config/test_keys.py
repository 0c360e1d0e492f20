"""The key table against the reference table, and against the class it feeds."""

from __future__ import annotations

import csv
import dataclasses
from typing import Any

import pytest

from emailplus.config import AppConfig
from emailplus.config.app_config import ATTRIBUTES
from emailplus.config.build import default
from emailplus.config.keys import BY_NAME, CLOUD_FIELDS, KEYS, root_number
from tests.shared import shared


def rows() -> dict[str, dict[str, str]]:
    with shared("spec", "app_config", "keys.tsv").open(encoding="utf-8", newline="") as file:
        return {row["key"]: row for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)}


def test_every_reference_row_is_in_the_table_with_its_type_group_and_default() -> None:
    differences = []
    for name, row in rows().items():
        key = BY_NAME.get(name)
        if key is None:
            differences.append((name, "missing"))
            continue
        ours = (key.type, key.group, key.default, key.scope)
        theirs = (row["type"], row["group"], row["default"], row["scope"])
        if ours != theirs:
            differences.append((name, ours, theirs))
        if row["cloud_field"] and not row["cloud_field"].startswith("(") and key.cloud != row["cloud_field"]:
            differences.append((name, key.cloud, row["cloud_field"]))
    assert differences == []


def test_every_listed_value_of_the_reference_is_a_choice_of_ours() -> None:
    for name, row in rows().items():
        key = BY_NAME[name]
        if key.type not in ("enum", "flags") or name == "limit_contact_export_to":
            continue
        listed = row["values"].split(" (")[0].split("|")
        assert set(listed) == set(key.choices), name


def test_the_table_adds_only_the_companion_that_the_reference_leaves_out() -> None:
    assert set(BY_NAME) - set(rows()) == {"email_user_certificate_self_service_MI_CERT_PW"}


def test_names_are_unique_and_every_row_has_an_effect_of_one_line() -> None:
    assert len(BY_NAME) == len(KEYS)
    for key in KEYS:
        assert key.effect.endswith("."), key.name
        assert "\n" not in key.effect + key.allowed + key.default, key.name
        assert len(key.effect) <= 120, key.name


def test_every_key_is_an_attribute_of_the_config_and_the_other_way_round() -> None:
    inside = {key.name for key in KEYS if key.inside}
    assert set(ATTRIBUTES) == set(BY_NAME) - inside
    others = {field.name for field in dataclasses.fields(AppConfig)} - set(ATTRIBUTES)
    assert others == {"given", "unknown", "warnings"}


TYPES: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "bool": (bool,),
    "int": (int,),
    "Decimal": (__import__("decimal").Decimal,),
    "frozenset[str]": (frozenset,),
    "tuple[str, ...]": (tuple,),
    "tuple[RootCertificate, ...]": (tuple,),
    "tuple[EscrowCertificate, ...]": (tuple,),
}


@pytest.mark.parametrize("key", [key for key in KEYS if key.has_default], ids=lambda key: key.name)
def test_a_default_has_the_type_that_the_class_declares(key: Any) -> None:
    declared = AppConfig.__annotations__[key.name].split(" | ")[0]
    assert isinstance(default(key), TYPES[declared])
    assert not (isinstance(default(key), bool) and declared == "int")


def test_secrets_are_marked() -> None:
    for key in KEYS:
        if key.type == "secret":
            assert key.secret, key.name
    assert BY_NAME["filepass_key_identifier"].secret


def test_the_cloud_fields_name_keys() -> None:
    assert CLOUD_FIELDS["exchange host"] == "email_exchange_host"
    assert len(CLOUD_FIELDS) == 18


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("email_certificate_1", (1, False)),
        ("email_certificate_11", (11, False)),
        ("email_certificate_3_MI_CERT_PW", (3, True)),
        ("email_certificate_X", None),
        ("email_certificate_", None),
        ("email_certificate_1x", None),
    ],
)
def test_the_family_of_roots(name: str, expected: tuple[int, bool] | None) -> None:
    assert root_number(name) == expected
