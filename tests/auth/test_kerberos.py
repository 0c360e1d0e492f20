"""Kerberos against a KDC and an acceptor of others: MIT's krb5kdc, and MIT's GSSAPI on the server's side.

Runs where krb5kdc and the packages of the extra `kerberos` are; `tests/auth/run_kerberos.sh` brings both.
"""

from __future__ import annotations

import asyncio
import base64
import gc
import hashlib
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from emailplus import AsyncMailbox
from emailplus.auth import ntlm
from emailplus.auth.kerberos import RefusedByKdc, Unusable, kerberos_available, sign_in
from emailplus.auth.ntlm import NtlmAuth
from emailplus.credentials import Credentials
from emailplus.errors import AuthenticationFailed, PasswordRefusedBefore
from emailplus.flow import Flow, Http, HttpRequest, HttpResponse
from emailplus.mock.record import Request
from emailplus.mock.sign_in import SignIn
from emailplus.mock.users import MockUser
from emailplus.notify.proxy.outgoing import Outgoing
from emailplus.web_services import client

from .conftest import KEY, Site
from .test_ntlm import carried

REALM = "EXAMPLE.TEST"
NTLM = {"eas_min_allowed_auth_mode": "ntlm"}
SBIN = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"))
MISSING = [tool for tool in ("krb5kdc", "kdb5_util", "kadmin.local") if shutil.which(tool, path=SBIN) is None]
if not kerberos_available() or importlib.util.find_spec("spnego") is None:
    MISSING.append("the packages of the extra kerberos")
pytestmark = pytest.mark.skipif(
    bool(MISSING), reason=f"KERBEROS NOT RUN: {', '.join(MISSING)} missing; see tests/auth/run_kerberos.sh"
)


class Kdc:
    """A krb5kdc on a loopback port, with a realm and a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.log, self.keytab = folder, folder / "kdc.log", folder / "http.keytab"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        where = f"127.0.0.1:{self.port} 127.0.0.2:{self.port}"
        self.krb5_conf = folder / "krb5.conf"
        self.configure()
        (folder / "kdc.conf").write_text(
            f"[kdcdefaults]\n kdc_listen = {where}\n kdc_tcp_listen = {where}\n"
            f"[realms]\n {REALM} = {{\n  database_name = {folder}/principal\n  key_stash_file = {folder}/stash\n"
            f"  supported_enctypes = aes256-cts:normal\n }}\n[logging]\n kdc = FILE:{self.log}\n"
        )
        self.environment = {
            **os.environ, "PATH": SBIN, "KRB5_CONFIG": str(self.krb5_conf), "KRB5_KDC_PROFILE": str(folder / "kdc.conf")
        }  # fmt: skip
        self.run("kdb5_util", "create", "-s", "-r", REALM, "-P", "a master key")
        self.admin("addprinc -pw alice-secret +requires_preauth alice")
        self.admin("addprinc -pw bob-secret +requires_preauth -allow_tix bob")
        self.admin("addprinc -randkey HTTP/localhost")
        self.admin(f"ktadd -k {self.keytab} HTTP/localhost")
        self._process: subprocess.Popen[bytes] | None = None

    def configure(self, more: str = "", realm: str = "") -> None:
        """krb5.conf of the client and of the acceptor."""
        self.krb5_conf.write_text(
            f"[libdefaults]\n default_realm = {REALM}\n dns_lookup_kdc = false\n dns_lookup_realm = false\n"
            f" rdns = false\n dns_canonicalize_hostname = false\n{more}"
            f"[realms]\n {REALM} = {{\n  kdc = 127.0.0.1:{self.port}\n{realm} }}\n"
        )

    def run(self, *command: str) -> None:
        subprocess.run(command, env=self.environment, check=True, capture_output=True, timeout=30)

    def admin(self, query: str) -> None:
        self.run("kadmin.local", "-r", REALM, "-q", query)

    def start(self, *before: str) -> None:
        self.log.write_text("")
        command = [*before, "krb5kdc", "-n", "-r", REALM, "-P", str(self.folder / "pid")]
        self._process = subprocess.Popen(
            command, env=self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        for _ in range(100):
            if "commencing operation" in self.log.read_text():
                return
            time.sleep(0.05)
        raise AssertionError(self.log.read_text())

    def stop(self) -> None:
        if self._process is not None:
            os.kill(int((self.folder / "pid").read_text()), signal.SIGTERM)  # its own: faketime is another process
            self._process.wait(timeout=10)
            self._process = None

    def count(self, text: str) -> int:
        """Lines of the KDC's log with a text."""
        return sum(text in line for line in self.log.read_text().splitlines())


@pytest.fixture(scope="module")
def realm(tmp_path_factory: pytest.TempPathFactory) -> Kdc:
    return Kdc(tmp_path_factory.mktemp("realm"))


@pytest.fixture
def kdc(realm: Kdc, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Kdc]:
    monkeypatch.setenv("KRB5_CONFIG", str(realm.krb5_conf))
    monkeypatch.setenv("KRB5_KTNAME", str(realm.keytab))
    monkeypatch.setenv("KRB5CCNAME", f"FILE:{tmp_path / 'ccache'}")
    monkeypatch.setenv("KRB5RCACHENAME", "none:")
    realm.start()
    yield realm
    realm.stop()
    realm.configure()
    assert not (tmp_path / "ccache").exists(), "no ticket is written to the disk"


def accept(token: bytes, served: bytes | None) -> tuple[str, bytes]:
    """MIT's acceptor: the principal ("" if it is not let in), and its answer. `served`: demand that certificate."""
    import gssapi

    bindings = None
    if served:
        data = b"tls-server-end-point:" + hashlib.sha256(served).digest()
        bindings = gssapi.raw.ChannelBindings(application_data=data)
    name = gssapi.Name("HTTP@localhost", name_type=gssapi.NameType.hostbased_service)
    own = gssapi.Credentials(usage="accept", name=name)
    context = gssapi.SecurityContext(usage="accept", creds=own, channel_bindings=bindings)
    answer = context.step(token) or b""
    if not context.complete or (served and not int(context.actual_flags) & 0x800):  # GSS_C_CHANNEL_BOUND_FLAG
        return "", answer
    return str(context.initiator_name), answer


class KerberosSignIn(SignIn):
    """The mock's ways in, with Negotiate before them."""

    def __init__(self, exchange: Any, *schemes: str) -> None:
        super().__init__(exchange, schemes or ("ntlm",))
        self.schemes = schemes
        self.principals: list[str] = []
        self.problems: list[str] = []

    def _offered(self) -> Iterator[str]:
        yield "Negotiate"
        yield from super()._offered()

    def _judge(self, request: Request) -> MockUser | None:
        scheme, _, token = request.header("Authorization").partition(" ")
        if scheme != "Negotiate":
            return super()._judge(request)
        served = request.connection.served if self.extended_protection else None
        try:
            principal, _ = accept(base64.b64decode(token), served)
        except Exception as problem:  # of GSSAPI, which has many
            self.problems.append(str(problem))
            return None
        self.principals.append(principal)
        request.connection.user = self._find(principal.partition("@")[0]) if principal else None
        return request.connection.user


@pytest.fixture
def make_kerberos(make_site: Callable[..., Site], kdc: Kdc) -> Callable[..., Site]:
    def make(*schemes: str) -> Site:
        site = make_site("ntlm", pairs=NTLM)
        port = site.exchange.url_tls.split("/")[2].rpartition(":")[2]
        site.pairs = {**NTLM, "email_exchange_host": f"localhost:{port}"}
        site.exchange.sign_in = KerberosSignIn(site.exchange, *schemes)
        return site

    return make


def shown(site: Site) -> list[str]:
    """The schemes of all requests, in order; "" for none."""
    return [request.header("Authorization").partition(" ")[0] for request in site.exchange.requests]


@pytest.mark.parametrize("protection", [False, True])
@pytest.mark.parametrize(
    "username", ["alice", "alice@example.test", "EXAMPLE\\alice", "example.test\\alice", "alice@EXAMPLE.TEST"]
)
def test_a_ticket_synchronises_a_mailbox(
    make_kerberos: Callable[..., Site], kdc: Kdc, username: str, protection: bool
) -> None:
    site = make_kerberos("ntlm")
    site.exchange.sign_in.extended_protection = protection
    site.exchange.user("alice").deliver(b"From: bob@example.test\r\nSubject: hello\r\n\r\nhello")
    with site.open({"email_exchange_username": username}, password="alice-secret") as mailbox:
        assert mailbox.sync().added == 1
        mailbox.send(mailbox.new(to="bob@example.test", subject="by ticket", text="once"))
    assert len(site.exchange.user("bob").items()) == 1
    assert set(site.exchange.sign_in.principals) == {"alice@EXAMPLE.TEST"}
    assert site.exchange.sign_in.problems == []
    assert "NTLM" not in shown(site)
    assert site.tried == [], "no password was judged by the server"
    refused = [request for request in site.exchange.requests if request.status == 401]
    assert all(request.method == "OPTIONS" and not request.body for request in refused)
    assert kdc.count("PREAUTH_FAILED") == kdc.count("UNKNOWN_SERVER") == 0
    assert kdc.count("NEEDED_PREAUTH") == len(site.exchange.sign_in.principals), "one ticket for each conversation"


def test_an_event_loop_goes_on_while_the_kdc_is_asked(make_kerberos: Callable[..., Site]) -> None:
    site = make_kerberos()

    async def job() -> None:
        mailbox = await AsyncMailbox.open(site.config(), store=site.path, key=KEY, password="alice-secret")
        async with mailbox:
            await mailbox.sync()

    asyncio.run(job())
    assert site.exchange.sign_in.principals == ["alice@EXAMPLE.TEST"]


@pytest.mark.parametrize("protection", [False, True])
def test_exchange_web_services_take_a_ticket(make_kerberos: Callable[..., Site], kdc: Kdc, protection: bool) -> None:
    site = make_kerberos("ntlm")
    site.exchange.sign_in.extended_protection = protection
    config = site.config(ews_min_allowed_auth_mode="ntlm", email_password="alice-secret")
    with client(config, Credentials(config)) as alice:
        _, state = alice.changes("inbox", None)
        site.exchange.user("alice").deliver(b"From: bob@example.test\r\nSubject: hello\r\n\r\nhello")
        assert [mail.subject for mail in alice.changes("inbox", state)[0]] == ["hello"]
    assert set(site.exchange.sign_in.principals) == {"alice@EXAMPLE.TEST"}
    assert set(shown(site)) <= {"", "Negotiate"}
    assert kdc.count("NEEDED_PREAUTH") == 1


def test_the_notification_service_takes_a_ticket_without_holding_its_loop(
    kdc: Kdc, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked_in: list[threading.Thread] = []

    def seen(username: str, password: str) -> Any:
        asked_in.append(threading.current_thread())
        return sign_in(username, password)

    monkeypatch.setattr(ntlm, "sign_in", seen)

    def server(request: httpx2.Request) -> httpx2.Response:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme != "Negotiate":
            return httpx2.Response(401, headers={"WWW-Authenticate": "Negotiate"})
        principal, _ = accept(base64.b64decode(token), None)
        return httpx2.Response(200, text=principal)

    def lookup() -> Flow[bytes]:
        response: HttpResponse = yield Http(HttpRequest("POST", "https://localhost/EWS/Exchange.asmx", {}, b"<x/>"))
        return response.body

    async def job() -> bytes:
        way = Outgoing(NtlmAuth("alice", "alice-secret"), transport=httpx2.MockTransport(server))
        try:
            return await way.perform(lookup())
        finally:
            await way.close()

    assert asyncio.run(job()) == b"alice@EXAMPLE.TEST"
    assert len(asked_in) == 1
    assert asked_in[0] is not threading.main_thread()


def test_a_wrong_password_goes_to_the_kdc_once_and_to_nobody_else(make_kerberos: Callable[..., Site], kdc: Kdc) -> None:
    site = make_kerberos("ntlm")
    for _ in range(4):
        with site.open(password="wrong") as mailbox, pytest.raises(AuthenticationFailed) as caught:
            mailbox.sync()
        assert "wrong'" not in str(caught.value)
    assert isinstance(caught.value, PasswordRefusedBefore)
    assert kdc.count("verify failure") == 1
    assert site.tried == [], "and it is not tried over NTLM, which would count a second time"
    assert set(shown(site)) == {""}
    with site.open(password="alice-secret") as mailbox:
        mailbox.sync()


def test_a_person_is_asked_again_when_the_kdc_refuses(make_kerberos: Callable[..., Site], kdc: Kdc) -> None:
    site = make_kerberos("ntlm")
    answers = iter(["wrong", "alice-secret"])
    with site.open({"prompt_email_password": "true"}, password=lambda wanted: next(answers)) as mailbox:
        mailbox.sync()
    assert kdc.count("verify failure") == 1
    assert site.exchange.sign_in.principals == ["alice@EXAMPLE.TEST"]


def test_a_strategy_alone_does_not_ask_the_kdc_twice_either(kdc: Kdc) -> None:
    auth = NtlmAuth("alice", "wrong")
    for _ in range(3):
        with pytest.raises(RefusedByKdc, match="password is wrong"):
            carried(auth, lambda request: HttpResponse(401, {"www-authenticate": "Negotiate, NTLM"}), HERE)
    assert kdc.count("verify failure") == 1


def test_a_primary_kdc_is_not_asked_a_second_time(kdc: Kdc) -> None:
    """Some ways of asking go on to the primary KDC when another has refused: that would count twice."""
    kdc.configure(realm=f"  primary_kdc = 127.0.0.2:{kdc.port}\n")
    with pytest.raises(RefusedByKdc):
        sign_in("alice", "wrong")
    assert kdc.count("verify failure") == 1


def test_a_locked_account_says_so(make_kerberos: Callable[..., Site]) -> None:
    site = make_kerberos("ntlm")
    with (
        site.open({"email_exchange_username": "bob"}, password="bob-secret") as mailbox,
        pytest.raises(RefusedByKdc, match="disabled, locked"),
    ):
        mailbox.sync()
    assert site.tried == []


def break_kdc(kdc: Kdc) -> None:
    kdc.stop()


def break_realm(kdc: Kdc) -> None:
    kdc.krb5_conf.write_text("[libdefaults]\n default_realm = NOWHERE.TEST\n dns_lookup_kdc = false\n")


def break_user(kdc: Kdc) -> None:
    kdc.admin("rename_principal -force alice somebody")


def break_service(kdc: Kdc) -> None:
    kdc.admin("rename_principal -force HTTP/localhost HTTP/elsewhere")


def break_key(kdc: Kdc) -> None:
    """The service has got another key since its keytab was written."""
    kdc.admin("change_password -randkey HTTP/localhost")


BROKEN = [
    (break_kdc, "no KDC of the user's realm answers"),
    (break_realm, "no KDC is known for the user's realm"),
    (break_user, "does not know the user"),
    (break_service, "does not know the service HTTP/localhost"),
    (break_key, "does not take the ticket"),
]


@pytest.fixture
def mended(kdc: Kdc) -> Iterator[None]:
    """The realm as it was, after a test has broken it."""
    kept = {name: (kdc.folder / name).read_bytes() for name in ("principal", "http.keytab")}
    yield
    kdc.stop()
    for name, content in kept.items():
        (kdc.folder / name).write_bytes(content)


@pytest.mark.parametrize(("break_it", "why"), BROKEN)
def test_without_a_ticket_ntlm_remains_and_never_basic(
    make_kerberos: Callable[..., Site], kdc: Kdc, mended: None, break_it: Callable[[Kdc], None], why: str
) -> None:
    break_it(kdc)
    site = make_kerberos("ntlm", "basic")
    with site.open(password="alice-secret") as mailbox:
        mailbox.sync()
    assert site.tried == [True]
    assert "Basic" not in shown(site)
    only = make_kerberos("basic")
    with only.open(password="alice-secret") as mailbox, pytest.raises(AuthenticationFailed, match=why) as caught:
        mailbox.sync()
    assert "alice-secret" not in str(caught.value)
    assert "Basic" not in shown(only)
    assert only.tried == []
    for request in (*site.exchange.requests, *only.exchange.requests):
        assert b"alice-secret" not in base64.b64decode(request.header("Authorization").partition(" ")[2] + "====")


@pytest.mark.skipif(shutil.which("faketime") is None, reason="KERBEROS CLOCK SKEW NOT RUN: faketime is missing")
def test_a_wrong_clock_is_named(kdc: Kdc) -> None:
    kdc.stop()
    kdc.configure(" kdc_timesync = 0\n")
    kdc.start("faketime", "-f", "-20m")
    with pytest.raises(Unusable, match="set the clock"):
        sign_in("alice", "alice-secret")


def test_what_the_server_does_not_offer_is_not_asked_for(make_site: Callable[..., Site], kdc: Kdc) -> None:
    site = make_site("ntlm", pairs=NTLM)
    with site.open(password="alice-secret") as mailbox:
        mailbox.sync()
    assert site.tried == [True]
    assert kdc.count("AS_REQ") == 0, "no Negotiate, no ticket"


HERE = HttpRequest("POST", "https://localhost/x?Cmd=SendMail", {}, b"a message")


@pytest.mark.parametrize("honest", [True, False])
def test_the_servers_own_proof_is_looked_at(kdc: Kdc, honest: bool) -> None:
    """RFC 4559 4.1: it comes with the 200."""

    def peer(request: HttpRequest) -> HttpResponse:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme != "Negotiate":
            return HttpResponse(401, {"www-authenticate": "Negotiate"})
        principal, answer = accept(base64.b64decode(token), None)
        assert principal == "alice@EXAMPLE.TEST"
        assert answer
        if not honest:
            answer = answer[:-4] + bytes(4)
        return HttpResponse(200, {"www-authenticate": f"Negotiate {base64.b64encode(answer).decode()}"})

    if honest:
        assert carried(NtlmAuth("alice", "alice-secret"), peer, HERE).status == 200
    else:
        with pytest.raises(AuthenticationFailed, match="did not prove"):
            carried(NtlmAuth("alice", "alice-secret"), peer, HERE)


@pytest.mark.parametrize("password", ["alice-secret", "wrong"])
def test_the_garbage_collector_gets_no_object_of_the_library(kdc: Kdc, password: str) -> None:
    """Freed as part of a cycle they crash; so an error that is kept must not hold one."""
    kept: list[object] = []
    for _ in range(50):
        try:
            kept.append(sign_in("alice", password))
        except RefusedByKdc as problem:
            kept.append(problem)
        kept.append(kept)
        held = [type(thing).__name__ for thing in gc.get_objects() if str(type(thing).__module__).startswith("krb5.")]
        assert not {"InitCredsContext", "GetInitCredsOpt", "Principal"} & set(held)
        kept = []
    gc.collect()


def test_a_ticket_lives_in_memory_and_goes_with_its_object(kdc: Kdc) -> None:
    import krb5

    ticket = sign_in("alice", "alice-secret")
    assert ticket.good
    name = ticket.ccache.encode()
    assert name.startswith(b"MEMORY:")
    context = krb5.init_context()
    assert str(krb5.cc_get_principal(context, krb5.cc_resolve(context, name))) == "alice@EXAMPLE.TEST"
    del ticket
    with pytest.raises(krb5.Krb5Error):
        krb5.cc_get_principal(context, krb5.cc_resolve(context, name))
