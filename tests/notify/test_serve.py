"""`emailplus notify` as the command that it is."""

from __future__ import annotations

import json
import signal
import ssl
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from typer.testing import CliRunner

from emailplus.cli.app import app
from emailplus.mock.tls import ServerTls

from ..soak.world import World, letter
from .proxy_desk import KEY, send_notification


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path, 1)
    yield made
    if made.proxy.starts:
        made.proxy.end()
    made.stop()


def wait_for(world: World, device: str, count: int) -> None:
    import time

    end = time.monotonic() + 20
    while len(world.told(device)) < count:
        assert time.monotonic() < end, world.proxy.log.read_text()[-3000:]
        time.sleep(0.02)


def test_mail_on_the_mock_exchange_reaches_the_device(world: World) -> None:
    described = world.proxy.start()
    assert described["port"] == world.port
    device = "ab" * 32
    rules = {"detailed": True}
    registration = world.register(mailbox="user0@example.com", gateway="apns", device=device, rules=rules)
    world.subscribe(world.people[0], registration["callback_url"])
    world.exchange.user("user0").deliver(letter("Lunch", "Bob <bob@partner.example>"))
    wait_for(world, device, 1)
    (shown,) = world.apns.shown(device)
    assert shown.payload["aps"]["alert"] == {"title": "Bob", "subtitle": "Lunch", "body": "The body of Lunch."}
    lookup = world.exchange.requests.of("GetItem")[-1]
    assert lookup.user == "notify"

    # kill -9 while the gateway is down: after the start everything is told, and nothing twice
    world.apns.down = True
    world.apns.cut_all()
    for number in range(5):
        world.exchange.user("user0").deliver(letter(f"mail-{number}", "bob@partner.example"))
    end = httpx2.Client(trust_env=False)
    while "notifications_waiting 5.0" not in end.get(f"http://127.0.0.1:{world.port}/metrics").text:
        continue
    end.close()
    world.proxy.kill()
    world.apns.down = False
    world.proxy.start()
    wait_for(world, device, 6)
    assert max(world.told(device).values()) == 1
    assert world.proxy.end() == 0
    log = [json.loads(line) for line in world.proxy.log.read_text().splitlines()]
    assert [line["event"] for line in log if line["event"] in ("started", "stopped")] == [
        "started",
        "started",
        "stopped",
    ]
    text = world.proxy.log.read_text()
    for secret in ("service-secret", "bob@", "user0@", "Lunch", registration["callback_url"][-43:], KEY):
        assert secret not in text


def test_a_service_account_that_signs_in_by_ntlm(tmp_path: Path) -> None:
    world = World(tmp_path, 2, auth="ntlm")
    try:
        world.proxy.start()
        for number in range(2):
            made = world.register(
                mailbox=f"user{number}@example.com", gateway="apns", device=f"{number}{number}" * 16,
                rules={"detailed": True},
            )  # fmt: skip
            world.subscribe(world.people[number], made["callback_url"])
        for number in range(10):
            world.exchange.user(f"user{number % 2}").deliver(letter(f"mail-{number}", "bob@partner.example"))
        for number in range(2):
            wait_for(world, f"{number}{number}" * 16, 5)
        shown = [entry for number in range(2) for entry in world.apns.shown(f"{number}{number}" * 16)]
        assert {entry.payload["aps"]["alert"]["subtitle"] for entry in shown} == {f"mail-{n}" for n in range(10)}
        signs = [dict(request.headers).get("authorization", "") for request in world.exchange.requests.of("GetItem")]
        assert not [sign for sign in signs if sign.startswith("Basic")]
        assert world.proxy.end() == 0
    finally:
        if world.proxy.starts:
            world.proxy.end()
        world.stop()


def test_an_app_that_was_removed_ends_its_subscription(world: World) -> None:
    world.proxy.start()
    device = "cd" * 32
    world.apns.unregister(device)
    registration = world.register(mailbox="user0@example.com", gateway="apns", device=device)
    world.subscribe(world.people[0], registration["callback_url"])
    world.exchange.user("user0").deliver(letter("one", "bob@partner.example"))
    import time

    end = time.monotonic() + 20
    while world.exchange.ews.of("user0"):
        world.exchange.user("user0").deliver(letter("more", "bob@partner.example"))
        assert time.monotonic() < end
        time.sleep(0.1)
    assert [dropped.reason for dropped in world.exchange.ews.dropped] == ["refused"]


def test_it_ends_while_somebody_waits(world: World) -> None:
    """SIGINT too, with a connection open and a request half sent."""
    import socket

    world.proxy.start()
    with socket.create_connection(("127.0.0.1", world.port)) as half:
        half.sendall(b"POST /PROD/ews/x HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n<a")
        process = world.proxy._process
        assert process is not None
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 0


def serve(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    import os

    return subprocess.run(
        [sys.executable, "-m", "emailplus.cli", "notify", "serve", *arguments], cwd=folder, capture_output=True,
        text=True, timeout=60, check=False,
        env={**os.environ, "EMAILPLUS_STORE_KEY": KEY, "EMAILPLUS_SERVICE_PASSWORD": "service-secret"},
    )  # fmt: skip


def test_a_taken_port_and_a_second_proxy(world: World, tmp_path: Path) -> None:
    world.proxy.start()
    done = serve(tmp_path, "-c", "proxy.toml")
    assert done.returncode == 2
    assert "cannot be listened on" in done.stderr
    other = (
        (tmp_path / "proxy.toml").read_text().replace(f'listen = "127.0.0.1:{world.port}"', 'listen = "127.0.0.1:0"')
    )
    (tmp_path / "other.toml").write_text(other)
    done = serve(tmp_path, "-c", "other.toml")
    assert done.returncode == 5
    assert "Traceback" not in done.stderr


def test_the_configuration_is_checked_without_serving(world: World, tmp_path: Path) -> None:
    done = serve(tmp_path, "-c", "proxy.toml", "--check")
    assert (done.returncode, done.stderr) == (0, "proxy.toml is right; gateways: apns, webhook:desk\n")
    (tmp_path / "proxy.toml").write_text("listen = 1")
    done = serve(tmp_path, "-c", "proxy.toml", "--check")
    assert done.returncode == 2
    assert "public_url" in done.stderr


def test_tls(world: World, tmp_path: Path) -> None:
    tls = ServerTls()
    (tmp_path / "cert.pem").write_bytes(tls.certificate_pem)
    (tmp_path / "key.pem").write_bytes(tls.key_pem)
    config = (tmp_path / "proxy.toml").read_text().replace("http://127.0.0.1", "https://127.0.0.1", 1)
    config = config.replace("[exchange]", '[tls]\ncertificate = "cert.pem"\nkey = "key.pem"\n\n[exchange]')
    (tmp_path / "proxy.toml").write_text(config)
    world.proxy.start()
    context = ssl.create_default_context(cadata=tls.ca_pem.decode())
    with httpx2.Client(verify=context, trust_env=False) as client:
        base = f"https://127.0.0.1:{world.port}"
        assert client.get(f"{base}/healthz").json()["status"] == "ok"
        assert b"Unsubscribe" in client.post(f"{base}/PROD/ews/guess", content=send_notification()).content
    assert world.proxy.end() == 0
    (tmp_path / "key.pem").write_bytes(ServerTls().key_pem)
    assert serve(tmp_path, "-c", "proxy.toml").returncode == 2


def test_an_organisation_is_made() -> None:
    done = CliRunner().invoke(app, ["notify", "organization", "--domain", "Example.com"])
    assert done.exit_code == 0
    found = tomllib.loads(done.stdout)["organizations"][0]
    token = next(line.split()[-1] for line in done.stdout.splitlines() if "authorization" in line)
    from emailplus.notify.proxy.registration import digest

    assert found["token_sha256"] == digest(token).hex()
    assert found["domains"] == ["example.com"]
    assert token not in found.values()
    said = CliRunner().invoke(app, ["notify", "organization", "--domain", "example.com", "--json"])
    document = json.loads(said.stdout)
    assert document["proxy"]["id"] == document["app_config"]["notification_server_organization_id"]
    assert CliRunner().invoke(app, ["notify", "organization", "--domain", "alice@example.com"]).exit_code == 2
