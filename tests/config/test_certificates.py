"""Certificates in a configuration: wrapping, forms told apart, the check that is given."""

from __future__ import annotations

import textwrap
from typing import Any

import pytest

from emailplus.config import AppConfig, EscrowCertificate, Secret
from tests.config.samples import PLAIN, b64, der, load, p12, pem, problems_of


@pytest.mark.parametrize(
    "raw",
    [
        b64(der()),
        "\n".join(textwrap.wrap(b64(der()), 64)) + "\n",
        f"  {b64(der())}\r\n",
        der(),
        b64(der()).encode(),
    ],
    ids=["one line", "wrapped", "blanks around", "bytes", "base64 in bytes"],
)
def test_a_root_is_read_in_every_wrapping(raw: Any) -> None:
    assert load(email_certificate_1=raw).trusted_roots == (der(),)


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (pem(), "this is PEM"),
        (pem().encode(), "this is PEM"),
        (b64(pem().encode()), "base64 of PEM"),
        ("not base64!", "not base64"),
        (b64(der())[:-3], "not base64"),
        (b64(der()[:-1]), "cut short"),
        (b64(der() + b"\0"), "cut short"),
        (b64(b"\x30\x80\x30\x00\x00\x00"), "cut short"),
        (b64(b"hello world"), "not DER"),
        (b64(p12()), "PKCS#12 archive or a private key"),
        (b"\xff\xfe", "not base64"),
        ({"a": 1}, "base64 text"),
        (5, "base64 text"),
        ("A" * 2_000_000, "at most"),
    ],
    ids=[str(number) for number in range(14)],
)
def test_what_is_no_root_is_told_apart(raw: Any, says: str) -> None:
    [problem] = problems_of(email_certificate_3=raw)
    assert problem.key == "email_certificate_3"
    assert problem.critical
    assert says in problem.expected
    assert len(problem.value) < 80


def test_roots_keep_their_numbers_and_doubles_count_once() -> None:
    config = load(email_certificate_10=b64(der()), email_certificate_2=b64(der()))
    assert [root.number for root in config.email_certificate_X] == [2, 10]
    assert config.trusted_roots == (der(),)
    assert {"email_certificate_2", "email_certificate_10"} <= config.given


@pytest.mark.parametrize("name", ["email_certificate_0", "email_certificate_11", "email_certificate_01"])
def test_a_number_out_of_range_is_reported_and_not_used(name: str) -> None:
    config = load(**{name: b64(der())})
    assert config.email_certificate_X == ()
    [warning] = config.warnings
    assert (warning.key, warning.critical, warning.advice) == (name, False, False)


def test_the_family_name_itself_is_no_key() -> None:
    [warning] = load(email_certificate_X=b64(der())).warnings
    assert "email_certificate_1 to email_certificate_10" in warning.expected


def test_an_archive_and_its_password() -> None:
    config = load(email_signing_certificate=b64(p12()), email_signing_certificate_MI_CERT_PW=" pw ")
    assert config.email_signing_certificate == p12()
    assert config.email_signing_certificate_MI_CERT_PW == Secret(" pw ")
    assert config.warnings == ()


@pytest.mark.parametrize(
    "key", ["email_signing_certificate", "email_encryption_certificate", "email_login_certificate"]
)
def test_a_certificate_without_key_is_not_critical(key: str) -> None:
    config = load(**{key: b64(der())})
    assert getattr(config, key) is None
    [warning] = config.warnings
    assert "without its private key" in warning.expected
    assert not warning.critical


def test_an_archive_of_indefinite_length_is_taken() -> None:
    for frame in (b"\x30\x80\x02\x01\x03\x00\x00", b"\x30\x03\x02\x01\x03"):
        assert load(email_signing_certificate=b64(frame)).email_signing_certificate == frame


def test_escrow_takes_a_list_of_dictionaries_and_its_json_text() -> None:
    entry = {"email_escrow_certificates": b64(p12()), "email_escrow_certificates_MI_CERT_PW": "old-pw"}
    bare = {"email_escrow_certificates": p12()}
    expected = (EscrowCertificate(p12(), Secret("old-pw")), EscrowCertificate(p12(), None))
    assert load(email_escrow_certificates=[entry, bare]).email_escrow_certificates == expected
    text = f'[{{"email_escrow_certificates": "{b64(p12())}", "email_escrow_certificates_MI_CERT_PW": "old-pw"}}]'
    assert load(email_escrow_certificates=text).email_escrow_certificates == expected[:1]


@pytest.mark.parametrize(
    "raw",
    [
        "[", "{}", [1], [{}], [{"email_escrow_certificates": "x"}], {"email_escrow_certificates": "x"}, 5, "[" * 90_000,
        [{"email_escrow_certificates": p12(), "email_escrow_certificates_MI_CERT_PW": 5}],
    ],
    ids=[str(number) for number in range(9)],
)  # fmt: skip
def test_a_broken_escrow_list_is_not_critical(raw: Any) -> None:
    config = load(email_escrow_certificates=raw)
    assert config.email_escrow_certificates == ()
    [warning] = config.warnings
    assert (warning.key, warning.critical) == ("email_escrow_certificates", False)


def test_the_given_check_judges_every_certificate_with_its_password() -> None:
    seen: list[tuple[bytes, str, str | None]] = []

    def check(data: bytes, form: str, password: Secret | None) -> str | None:
        seen.append((data, form, password.reveal() if password else None))
        return "a certificate that is not expired" if form == "der-cert" else None

    pairs = {
        **PLAIN,
        "email_login_certificate": b64(p12()),
        "email_login_certificate_MI_CERT_PW": "login-pw",
        "email_escrow_certificates": [
            {"email_escrow_certificates": b64(p12()), "email_escrow_certificates_MI_CERT_PW": "old-pw"}
        ],
    }
    config = AppConfig.load(pairs, check_certificate=check)
    assert config.email_login_certificate == p12()
    assert seen == [(p12(), "p12", "login-pw"), (p12(), "p12", "old-pw")]
    with pytest.raises(Exception, match="not expired"):
        AppConfig.load({**pairs, "email_certificate_1": b64(der())}, check_certificate=check)


def test_self_service_archive_is_kept_as_text() -> None:
    assert load(email_user_certificate_self_service=p12()).email_user_certificate_self_service == b64(p12())
