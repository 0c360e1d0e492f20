"""The proxy's configuration: all problems at once, and no secret in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from emailplus.errors import ConfigurationError
from emailplus.notify.proxy.options import Limits, load

from .proxy_desk import SECRET

GOOD = """
public_url = "https://push.example.com/PROD/"
listen = "[::1]:8443"

[exchange]
ews_url = "https://mail.example.com/EWS/Exchange.asmx"
username = "EXAMPLE\\\\notify"
password_file = "password.txt"

[[organizations]]
id = "one"
token_sha256 = "%s"
domains = ["Example.com"]

[[webhooks]]
name = "desk"
url = "https://desk.example.com/hook"
secret_file = "secret.txt"

[limits]
per_minute = 5
""" % ("ab" * 32)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "password.txt").write_text("swordfish\n")
    (tmp_path / "secret.txt").write_text(f"whsec_{SECRET}\n")
    return tmp_path


def written(folder: Path, text: str) -> Path:
    path = folder / "proxy.toml"
    path.write_text(text)
    return path


def test_what_is_read(folder: Path) -> None:
    options = load(written(folder, GOOD), {})
    assert (options.public_url, options.host, options.path) == (
        "https://push.example.com/PROD", "push.example.com", "/PROD",
    )  # fmt: skip
    assert options.listen == ("::1", 8443)
    assert options.store == folder / "notify.db"
    assert options.exchange is not None
    assert options.exchange.password.reveal() == "swordfish"
    assert options.organizations[0].domains == ("example.com",)
    assert options.webhooks[0].key == bytes(range(32))
    assert options.limits == Limits(per_minute=5)
    assert options.gateways() == ("webhook:desk",)
    assert "swordfish" not in repr(options)
    assert SECRET not in repr(options)


def test_the_password_of_the_service_account_may_come_from_the_environment(folder: Path) -> None:
    text = GOOD.replace('password_file = "password.txt"\n', "")
    options = load(written(folder, text), {"EMAILPLUS_SERVICE_PASSWORD": "from there"})
    assert options.exchange is not None
    assert options.exchange.password.reveal() == "from there"
    with pytest.raises(ConfigurationError) as caught:
        load(written(folder, text), {})
    assert caught.value.problems == ("exchange: password_file, or EMAILPLUS_SERVICE_PASSWORD in the environment",)


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("https://push.example.com/PROD/", "push.example.com", "public_url"),
        ("https://push.example.com/PROD/", "https://u:p@push.example.com", "public_url"),
        ("[::1]:8443", "8443", "listen"),
        ("ab" * 32, "short", "token_sha256"),
        ('["Example.com"]', '"example.com"', "domains"),
        ("password.txt", "missing.txt", "exchange.password_file"),
        ("per_minute = 5", "per_minute = 0", "limits.per_minute"),
        ("per_minute = 5", "nonsense = 5", "limits.nonsense"),
        ("[exchange]", "[exchang]", "exchang"),
        ("[exchange]", '[exchange]\nauth = "kerberos5"', "exchange.auth"),
        ('name = "desk"', 'name = "Desk 1"', "webhooks.name"),
        ("secret.txt", "password.txt", "webhooks.secret_file"),
        ("[[webhooks]]", "[[others]]", "others"),
        ("[[organizations]]", "[organizations]", "organizations"),
    ],
)
def test_one_mistake(folder: Path, old: str, new: str, problem: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(written(folder, GOOD.replace(old, new)), {})
    assert problem in " ".join(map(str, caught.value.problems))
    assert "swordfish" not in " ".join(map(str, caught.value.problems))


def test_all_mistakes_at_once(folder: Path) -> None:
    text = GOOD.replace("8443", "x").replace("per_minute = 5", "per_minute = -1").replace("secret.txt", "none.txt")
    with pytest.raises(ConfigurationError) as caught:
        load(written(folder, text), {})
    assert len(caught.value.problems) == 3


@pytest.mark.parametrize("text", ["", "no toml", "a = [", "\x00"])
def test_files_that_are_no_configuration(folder: Path, text: str) -> None:
    with pytest.raises(ConfigurationError):
        load(written(folder, text), {})
    with pytest.raises(ConfigurationError):
        load(folder / "missing.toml", {})
