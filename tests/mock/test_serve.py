"""Running the server for others: `serve`, the pytest plugin, and importing without h11."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from emailplus.errors import UsageError
from emailplus.mock import MockExchange
from emailplus.mock.serve import parse_user, serve

from .client import Client
from .mail import PLAIN

SERVE = """
import sys
from emailplus.mock.serve import parse_user, serve
sys.exit(serve(users=[parse_user("zoe@example.test:pw:Zoe Z")], eml=sys.argv[1], server_json=sys.argv[2], tls=True))
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_serving_until_a_signal(tmp_path: Path, number: signal.Signals) -> None:
    (tmp_path / "1.eml").write_bytes(PLAIN)
    file = tmp_path / "server.json"
    command = [sys.executable, "-c", SERVE, str(tmp_path), str(file)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True) as process:
        try:
            assert process.stdout is not None
            printed = ""
            while not printed.endswith("\n}\n"):
                line = process.stdout.readline()
                assert line, "the server ended"
                printed += line
            document = json.loads(printed)
            assert json.loads(file.read_text()) == document
            assert document["pid"] == process.pid
            assert document["users"][0]["email"] == "zoe@example.test"
            assert Path(document["ca_file"]).read_bytes().startswith(b"-----BEGIN CERTIFICATE-----")
            assert document["eas_url"].startswith("http://127.0.0.1:")
            assert document["eas_url_tls"].startswith("https://127.0.0.1:")
            process.send_signal(number)
            assert process.wait(10) == 0
        finally:
            process.kill()


def test_serving_in_a_thread() -> None:
    stop, output = threading.Event(), io.StringIO()
    thread = threading.Thread(target=serve, kwargs={"output": output, "stop": stop, "demo": True})
    thread.start()
    while thread.is_alive() and not output.getvalue().endswith("\n}\n"):
        time.sleep(0.01)
    assert [user["username"] for user in json.loads(output.getvalue())["users"]] == ["alice", "bob", "carol"]
    stop.set()
    thread.join(10)
    assert not thread.is_alive()


@pytest.mark.parametrize("text", ["zoe", "zoe:pw", "zoe@example.test", "zoe@example.test:"])
def test_users_that_are_none(text: str) -> None:
    with pytest.raises(UsageError):
        parse_user(text)


def test_the_fixture_of_the_plugin(mock_exchange: MockExchange) -> None:
    mock_exchange.user("alice").deliver(PLAIN)
    assert len(Client(mock_exchange).sync_all("1")) == 1


def test_the_factory_of_the_plugin(mock_exchange_factory: Callable[..., MockExchange]) -> None:
    old, new = mock_exchange_factory(versions=("12.1",)), mock_exchange_factory(versions=("16.1",))
    assert Client(old).options().headers["ms-asprotocolversions"] == "12.1"
    assert Client(new).options().headers["ms-asprotocolversions"] == "16.1"


WITHOUT_H11 = """
import sys
sys.modules["h11"] = None
import emailplus.mock
import emailplus.mock.pytest_plugin
from emailplus.mock import Fault, MockPolicy
try:
    from emailplus.mock import MockExchange
except ImportError as error:
    print(error)
"""


def test_without_h11_the_error_says_what_to_install() -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_H11], capture_output=True, text=True, env=environment, check=True
    )
    assert done.stdout == "the mock server needs h11: pip install 'emailplus[mock]'\n"


def test_importing_the_package_is_light() -> None:
    code = (
        "import sys, emailplus.mock; print([m for m in ('h11', 'cryptography', 'asyncio', 'ssl') if m in sys.modules])"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout == "[]\n"


def test_every_public_name_is_there() -> None:
    import emailplus.mock

    for name in emailplus.mock.__all__:
        assert getattr(emailplus.mock, name) is not None
    with pytest.raises(AttributeError):
        _ = emailplus.mock.nothing
