"""The peers of `job.py`: a private Dovecot on loopback with a Maildir of the same messages, and its clients.

Each client starts from nothing, as ours does. `Absent` says which package is missing; nothing is ever installed.
"""

from __future__ import annotations

import getpass
import os
import pwd
import shutil
import socket
import subprocess
import time
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

USER, PASSWORD = "alice", "alice-secret"


class Absent(Exception):
    """A peer that is not on this machine; the text says what to install."""


def find(program: str, package: str) -> str:
    """Path of a program, looked for in the places of system daemons too. Raises `Absent`."""
    path = shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
    if path is None:
        raise Absent(f"{program} is absent: install the Debian package {package}")
    return path


def write_maildir(directory: Path, count: int, size: int, now: datetime) -> None:
    """The messages of the mock's mailbox as a Maildir."""
    from emailplus.mock.fixture_mailbox import large_mailbox

    for name in ("cur", "new", "tmp"):
        (directory / name).mkdir(parents=True)
    for number, (source, received) in enumerate(large_mailbox(count, size, now)):
        raw = source if isinstance(source, bytes) else source()
        moment = int(received.timestamp())
        path = directory / "cur" / f"{moment}.M{number}P1.bench:2,"
        path.write_bytes(raw)
        os.utime(path, (moment, moment))


class Dovecot:
    """A Dovecot of our own under `home`, ended by its process id. As root its mail runs as ``nobody``."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self._program = find("dovecot", "dovecot-imapd")
        if not Path("/usr/lib/dovecot/imap").exists() and not Path("/usr/libexec/dovecot/imap").exists():
            raise Absent("Dovecot has no imap: install the Debian package dovecot-imapd")
        self._root = os.getuid() == 0
        self._owner = pwd.getpwnam("nobody" if self._root else getpass.getuser())
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        for name in ("conf", "run", "log"):
            (self.home / name).mkdir(parents=True, exist_ok=True)
        configuration = self.home / "conf" / "dovecot.conf"
        configuration.write_text(self._configuration())
        (self.home / "conf" / "passwd").write_text(f"{USER}:{{PLAIN}}{PASSWORD}::::::\n")
        if self._root:
            mail = self.home / "mail"
            for path in [mail, *mail.rglob("*")]:
                os.chown(path, self._owner.pw_uid, self._owner.pw_gid)
        os.chmod(self.home, 0o755)
        os.chmod(self.home / "conf" / "passwd", 0o644)
        self._process = subprocess.Popen([self._program, "-F", "-c", str(configuration)])
        try:
            self._wait()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def _wait(self) -> None:
        for _ in range(100):
            assert self._process is not None
            if self._process.poll() is not None:
                log = self.home / "log" / "dovecot.log"
                raise Absent(f"Dovecot did not start: {log.read_text()[-300:] if log.exists() else 'no log'}")
            try:
                with socket.create_connection(("127.0.0.1", self.port), 1) as connection:
                    if connection.recv(20).startswith(b"* OK"):
                        return
            except OSError:
                time.sleep(0.1)
        raise Absent("Dovecot does not answer")

    def _configuration(self) -> str:
        internal = "dovecot" if self._root else self._owner.pw_name
        login = "dovenull" if self._root else self._owner.pw_name
        own = "" if self._root else f"default_internal_group = {self._owner.pw_gid}\n"
        return f"""base_dir = {self.home}/run
state_dir = {self.home}/run/state
instance_name = emailplus-bench
protocols = imap
listen = 127.0.0.1
log_path = {self.home}/log/dovecot.log
ssl = no
disable_plaintext_auth = no
default_internal_user = {internal}
default_login_user = {login}
{own}first_valid_uid = 1
first_valid_gid = 1
mail_uid = {self._owner.pw_uid}
mail_gid = {self._owner.pw_gid}
mail_home = {self.home}/mail/%n
mail_location = maildir:~/Maildir
namespace inbox {{
  inbox = yes
}}
passdb {{
  driver = passwd-file
  args = {self.home}/conf/passwd
}}
userdb {{
  driver = static
  args = uid={self._owner.pw_uid} gid={self._owner.pw_gid} home={self.home}/mail/%n
}}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    address = 127.0.0.1
    port = {self.port}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def run_mbsync(port: int, directory: Path) -> dict[str, float]:
    """One pull of the inbox into a new Maildir, with mbsync's defaults (FSync yes)."""
    program = find("mbsync", "isync")
    directory.mkdir(parents=True)
    configuration = directory / "mbsyncrc"
    configuration.write_text(f"""IMAPStore far
Host 127.0.0.1
Port {port}
User {USER}
Pass {PASSWORD}
{_no_tls(program)}
AuthMechs LOGIN

MaildirStore near
Path {directory}/mail/
Inbox {directory}/mail/INBOX

Channel all
Far :far:
Near :near:
Patterns INBOX
Create Near
Sync Pull
SyncState {directory}/state/
""")
    (directory / "mail").mkdir()
    (directory / "state").mkdir()
    return _timed([program, "-c", str(configuration), "-q", "all"], directory / "mail" / "INBOX")


def _no_tls(program: str) -> str:
    """The option was renamed in isync 1.5."""
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout.split()[-1]
    return "SSLType None" if version.split(".")[:2] < ["1", "5"] else "TLSType None"


def run_offlineimap(port: int, directory: Path) -> dict[str, float]:
    """One run of offlineimap into a new Maildir, with its defaults."""
    program = find("offlineimap", "offlineimap3")
    directory.mkdir(parents=True)
    configuration = directory / "offlineimaprc"
    configuration.write_text(f"""[general]
accounts = bench
metadata = {directory}/metadata
ui = quiet

[Account bench]
localrepository = near
remoterepository = far

[Repository near]
type = Maildir
localfolders = {directory}/mail

[Repository far]
type = IMAP
remotehost = 127.0.0.1
remoteport = {port}
remoteuser = {USER}
remotepass = {PASSWORD}
ssl = no
starttls = no
auth_mechanisms = LOGIN
folderfilter = lambda name: name == 'INBOX'
""")
    return _timed([program, "-c", str(configuration), "-o"], directory / "mail" / "INBOX")


def _timed(command: list[str], result: Path) -> dict[str, float]:
    """Wall time of a command and the messages it left in a Maildir. Raises `Absent` when it did not do its job."""
    begin = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wall = time.perf_counter() - begin
    count = sum(1 for part in ("new", "cur") for _ in (result / part).glob("*")) if result.is_dir() else 0
    if not count:
        raise Absent(f"{Path(command[0]).name} fetched nothing: {(done.stderr or done.stdout)[-300:].strip()}")
    return {"wall": wall, "messages": count}
