"""How far a server's policy is kept, and that the acknowledgement says so."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emailplus.errors import MalformedResponse, UsageError
from emailplus.mock.policy import DEFAULT_SETTINGS, DOCUMENT_ORDER
from emailplus.policy.policy_report import TABLE, Acknowledgement, PolicyReport, assess, checked_claims
from emailplus.policy.server_policy import ServerPolicy, parse_document

from ..shared import shared


def report(*host: str, **elements: Any) -> PolicyReport:
    return assess(ServerPolicy(**elements), host)


def verdicts(*host: str, **elements: Any) -> dict[str, str]:
    return {rule.element: rule.verdict for rule in report(*host, **elements).rules}


def test_every_element_of_the_specification_has_a_row() -> None:
    assert list(TABLE) == list(DOCUMENT_ORDER)
    assert [row.name for row in fields(ServerPolicy)] == [*TABLE, "unknown"]


def test_the_requirements_that_the_table_names_are_about_their_elements() -> None:
    path = shared("spec/eas/requirements/MS-ASPROV.tsv")
    texts = {line.split("\t")[0]: line.split("\t")[2] for line in path.read_text(encoding="utf-8").splitlines()}
    for element, row in TABLE.items():
        spelling = {"AllowWiFi": "AllowWifi"}.get(element, element)
        about = texts[f"MS-ASPROV_{row.source}"].replace("Negotation", "Negotiation")
        assert f"[In {spelling}]" in about, (element, row.source)


DEMANDS: dict[str, Any] = {
    "DevicePasswordEnabled": True, "AlphanumericDevicePasswordRequired": True, "PasswordRecoveryEnabled": True,
    "RequireStorageCardEncryption": True, "AttachmentsEnabled": False, "MinDevicePasswordLength": 4,
    "MaxInactivityTimeDeviceLock": 300, "MaxDevicePasswordFailedAttempts": 8, "MaxAttachmentSize": 1000,
    "AllowSimpleDevicePassword": False, "DevicePasswordExpiration": 30, "DevicePasswordHistory": 3,
    "AllowStorageCard": False, "AllowCamera": False, "RequireDeviceEncryption": True,
    "AllowUnsignedApplications": False, "AllowUnsignedInstallationPackages": False,
    "MinDevicePasswordComplexCharacters": 2, "AllowWiFi": False, "AllowTextMessaging": False,
    "AllowPOPIMAPEmail": False, "AllowBluetooth": 0, "AllowIrDA": False, "RequireManualSyncWhenRoaming": True,
    "AllowDesktopSync": False, "MaxCalendarAgeFilter": 4, "AllowHTMLEmail": False, "MaxEmailAgeFilter": 3,
    "MaxEmailBodyTruncationSize": 0, "MaxEmailHTMLBodyTruncationSize": 500, "RequireSignedSMIMEMessages": True,
    "RequireEncryptedSMIMEMessages": True, "AllowSMIMESoftCerts": False, "AllowBrowser": False,
    "AllowConsumerEmail": False, "AllowRemoteDesktop": False, "AllowInternetSharing": False,
    "UnapprovedInROMApplicationList": ("a.exe",), "ApprovedApplicationList": ("hash",),
}  # fmt: skip
NOTHING: dict[str, Any] = {
    name: (not value if isinstance(value, bool) else 0) for name, value in DEMANDS.items()
    if not isinstance(value, tuple) and name not in ("MaxDevicePasswordFailedAttempts", "MaxAttachmentSize")
} | {"MaxInactivityTimeDeviceLock": 9999, "MinDevicePasswordLength": 1, "AllowBluetooth": 2,
     "MaxEmailBodyTruncationSize": -1, "MaxEmailHTMLBodyTruncationSize": -1, "RequireSignedSMIMEAlgorithm": 0,
     "RequireEncryptionSMIMEAlgorithm": 0, "AllowSMIMEEncryptionAlgorithmNegotiation": 0}  # fmt: skip
KEPT = {
    "AttachmentsEnabled", "MaxAttachmentSize", "RequireDeviceEncryption", "AllowPOPIMAPEmail", "MaxCalendarAgeFilter",
    "AllowHTMLEmail", "MaxEmailAgeFilter", "MaxEmailBodyTruncationSize", "MaxEmailHTMLBodyTruncationSize",
    "AllowConsumerEmail", "RequireSignedSMIMEMessages", "RequireEncryptedSMIMEMessages", "AllowSMIMESoftCerts",
}  # fmt: skip
# Elements that MS-ASPROV lets a client ignore which has no such thing (R76, R90, R102, R114, R121, R133, R159, R165,
# R181, R302, R364, R762, R763), and those that speak of programs this engine does not run.
LACKING = {
    "AllowBluetooth", "AllowCamera", "AllowDesktopSync", "AllowInternetSharing", "AllowIrDA", "AllowRemoteDesktop",
    "AllowStorageCard", "AllowTextMessaging", "AllowWiFi", "PasswordRecoveryEnabled", "RequireStorageCardEncryption",
    "AllowUnsignedApplications", "AllowUnsignedInstallationPackages", "AllowBrowser", "RequireManualSyncWhenRoaming",
    "UnapprovedInROMApplicationList", "ApprovedApplicationList",
}  # fmt: skip
PASSWORD = {
    "AlphanumericDevicePasswordRequired", "MinDevicePasswordLength", "MaxDevicePasswordFailedAttempts",
    "AllowSimpleDevicePassword", "DevicePasswordExpiration", "DevicePasswordHistory",
    "MinDevicePasswordComplexCharacters",
}  # fmt: skip


@pytest.mark.parametrize("element", DEMANDS)
def test_a_demand_alone(element: str) -> None:
    expected = "applied" if element in KEPT else "unsupported"
    if element in LACKING or element in PASSWORD:  # R142, R188, R223, R231, R254, R290: no password, no rule for it
        expected = "not applicable"
    found = report(**{element: DEMANDS[element]})
    assert [(rule.element, rule.verdict) for rule in found.rules] == [(element, expected)]
    assert found.rules[0].reason
    assert found.rules[0].source.startswith("MS-ASPROV_R")
    claimed = verdicts(element, **{element: DEMANDS[element]})
    assert claimed == {element: "not applicable" if element in PASSWORD else "applied"}


@pytest.mark.parametrize("element", NOTHING)
def test_a_value_that_asks_for_nothing(element: str) -> None:
    assert verdicts(**{element: NOTHING[element]}) == {element: "applied"}


def test_everything_at_once() -> None:
    found = verdicts(**DEMANDS)
    assert list(found) == [element for element in TABLE if element in DEMANDS]
    unsupported = {element for element, verdict in found.items() if verdict == "unsupported"}
    assert unsupported == set(DEMANDS) - KEPT - LACKING
    assert report(*unsupported, **DEMANDS).acknowledgement == Acknowledgement.APPLIED


@pytest.mark.parametrize("element", sorted(PASSWORD))
@pytest.mark.parametrize("enabled", [True, False, None])
def test_rules_about_a_password_hold_where_one_is_demanded(element: str, enabled: bool | None) -> None:
    found = verdicts("DevicePasswordEnabled", DevicePasswordEnabled=enabled, **{element: DEMANDS[element]})
    assert found[element] == ("unsupported" if enabled else "not applicable")


@pytest.mark.parametrize(
    ("elements", "host", "told"),
    [
        ({}, (), 1),
        ({"MaxEmailAgeFilter": 3, "AllowCamera": False}, (), 1),
        ({"MaxEmailAgeFilter": 3, "RequireSignedSMIMEMessages": True}, (), 1),
        (
            {
                "RequireSignedSMIMEMessages": True,
                "RequireSignedSMIMEAlgorithm": 1,
                "AllowSMIMEEncryptionAlgorithmNegotiation": 0,
            },
            (),
            2,
        ),
        ({"MaxInactivityTimeDeviceLock": 60, "AllowHTMLEmail": False}, (), 2),
        ({"MaxInactivityTimeDeviceLock": 60}, (), 3),  # nothing of it is applied
        ({"DevicePasswordEnabled": True, "MaxEmailAgeFilter": 3}, (), 3),  # 2 would say that the PIN is there (R387)
        ({"DevicePasswordEnabled": True, "MaxEmailAgeFilter": 3}, ("DevicePasswordEnabled",), 1),
        ({"DevicePasswordEnabled": True, "MinDevicePasswordLength": 6}, ("DevicePasswordEnabled",), 2),
        ({"DevicePasswordEnabled": True}, ("*",), 4),
        ({"unknown": ("AllowTeleportation",)}, (), 3),
        ({"unknown": ("AllowTeleportation",), "AllowCamera": True}, (), 2),
    ],
)
def test_the_acknowledgement(elements: dict[str, Any], host: tuple[str, ...], told: int) -> None:
    found = report(*host, **elements)
    assert found.acknowledgement == told
    assert found.as_dict()["acknowledgement"] == told


def test_the_default_policy_of_exchange_is_kept_whole() -> None:
    elements = [(name, value) for name, value in DEFAULT_SETTINGS.items() if not name.endswith("List")]
    found = assess(parse_document(elements))
    assert found.having("unsupported") == ()
    assert found.acknowledgement == Acknowledgement.APPLIED


def test_algorithms_matter_where_protection_is_demanded() -> None:
    weak = {"RequireSignedSMIMEAlgorithm": 1, "RequireEncryptionSMIMEAlgorithm": 4,
            "AllowSMIMEEncryptionAlgorithmNegotiation": 0}  # fmt: skip
    assert set(verdicts(**weak).values()) == {"applied"}
    demanded = verdicts(**weak, RequireSignedSMIMEMessages=True, RequireEncryptedSMIMEMessages=True)
    assert [demanded[name] for name in weak] == ["unsupported", "unsupported", "applied"]
    written = weak | {"RequireSignedSMIMEAlgorithm": 0, "RequireEncryptionSMIMEAlgorithm": 0}
    met = verdicts(**written, RequireSignedSMIMEMessages=True, RequireEncryptedSMIMEMessages=True)
    assert set(met.values()) == {"applied"}
    negotiable = weak | {"AllowSMIMEEncryptionAlgorithmNegotiation": 1, "RequireEncryptedSMIMEMessages": True}
    assert verdicts(**negotiable)["AllowSMIMEEncryptionAlgorithmNegotiation"] == "applied"


def test_claims_are_elements() -> None:
    assert checked_claims(["AllowCamera", "*"]) == {"AllowCamera", "*"}
    for wrong in (["AllowCamra"], ["*", ""], "AllowCamera"):
        with pytest.raises(UsageError):
            checked_claims(wrong)


WRITTEN = st.one_of(
    st.sampled_from(["", "0", "1", "2", "true", "FALSE", "-1", "9999", "abc", "9" * 30]), st.text(max_size=5)
)


@given(st.lists(st.tuples(st.sampled_from([*DOCUMENT_ORDER, "Nonsense"]), WRITTEN), max_size=8))
def test_any_document_is_assessed_or_refused(elements: list[tuple[str, str | list[str]]]) -> None:
    try:
        policy = parse_document(elements)
    except MalformedResponse:
        return
    found = assess(policy)
    assert ServerPolicy.from_json(policy.to_json()) == policy
    assert (found.acknowledgement == 1) == (not found.having("unsupported"))
