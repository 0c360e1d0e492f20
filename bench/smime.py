"""S/MIME against the cryptography package's own S/MIME functions and OpenSSL; every ratio from the same run.

`python bench/smime.py [--json] [--quick]`. Each figure is the median of interleaved rounds, in processes of their own
where memory is measured: what a process needs at most beyond what it had before.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "bench")]

from cryptography import x509  # noqa: E402
from cryptography.hazmat.primitives import hashes, serialization  # noqa: E402
from cryptography.hazmat.primitives.asymmetric import ec, rsa  # noqa: E402
from cryptography.hazmat.primitives.ciphers import algorithms  # noqa: E402
from cryptography.hazmat.primitives.serialization import pkcs7  # noqa: E402
from cryptography.x509.oid import NameOID  # noqa: E402
from table import Row, absent, at_least, at_most, text  # noqa: E402

from emailplus.smime import ber, der  # noqa: E402
from emailplus.smime.encrypt import encrypt_for, enveloped_data  # noqa: E402
from emailplus.smime.keychain import KeyEntry  # noqa: E402
from emailplus.smime.large import open_large  # noqa: E402
from emailplus.smime.message import open_message  # noqa: E402
from emailplus.smime.pieces import of_file  # noqa: E402
from emailplus.smime.sign import pkcs7_entity, sign_clear, sign_opaque  # noqa: E402
from emailplus.smime.stream import encrypt_stream  # noqa: E402
from emailplus.smime.trust import Trust  # noqa: E402

LINE = b"A line of a long text, as people write them, and as programs attach them to mail.\r\n"
HEAD = b"Content-Type: text/plain\r\n\r\n"
PEM = serialization.Encoding.PEM


class People:
    """One authority and a signer with an RSA and a P-256 key, the same for every process (files in `folder`)."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        now = datetime.now(UTC)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Bench CA")])
        key = self._key("ca", lambda: ec.generate_private_key(ec.SECP256R1()))
        usage = dict.fromkeys(("content_commitment", "data_encipherment", "encipher_only", "decipher_only"), False)

        def made(subject: x509.Name, public: object, ca: bool) -> x509.Certificate:
            path = folder / f"{subject.rfc4514_string()[3:].replace(' ', '_')}.pem"
            if path.exists():
                return x509.load_pem_x509_certificate(path.read_bytes())
            builder = (
                x509.CertificateBuilder().subject_name(subject).issuer_name(name).public_key(public)  # type: ignore[arg-type]
                .serial_number(x509.random_serial_number())
                .not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=30))
                .add_extension(x509.BasicConstraints(ca, None), True)
                .add_extension(x509.KeyUsage(digital_signature=not ca, key_encipherment=not ca, key_agreement=False,
                                             key_cert_sign=ca, crl_sign=ca, **usage), True)
            )  # fmt: skip
            if not ca:
                builder = builder.add_extension(x509.SubjectAlternativeName([x509.RFC822Name("a@example.com")]), False)
            certificate = builder.sign(key, hashes.SHA256())  # type: ignore[arg-type]
            path.write_bytes(certificate.public_bytes(PEM))
            return certificate

        self.ca = made(name, key.public_key(), True)  # type: ignore[attr-defined]
        self.rsa_key = self._key("rsa", lambda: rsa.generate_private_key(65537, 2048))
        self.ec_key = self._key("ec", lambda: ec.generate_private_key(ec.SECP256R1()))
        self.rsa = made(_name("rsa"), self.rsa_key.public_key(), False)  # type: ignore[attr-defined]
        self.ec = made(_name("ec"), self.ec_key.public_key(), False)  # type: ignore[attr-defined]

    def _key(self, name: str, make: Callable[[], object]) -> object:
        path = self.folder / f"{name}.key"
        if not path.exists():
            key = make()
            path.write_bytes(key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))  # type: ignore[attr-defined]
        return serialization.load_pem_private_key(path.read_bytes(), None)

    @property
    def entry(self) -> KeyEntry:
        return KeyEntry(self.rsa, self.rsa_key)  # type: ignore[arg-type]


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Bench {text}")])


def entity(size: int) -> bytes:
    return HEAD + LINE * (size // len(LINE))


def _sealed(people: People, content: bytes) -> bytes:
    """An enveloped mail, from a file: making it would raise the peak that is compared with."""
    path = people.folder / f"sealed{len(content)}.eml"
    if not path.exists():
        made = enveloped_data(content, [people.rsa], cipher="aes256-cbc", transport="v1.5")
        path.write_bytes(b"From: a@example.com\r\n" + pkcs7_entity(made, "enveloped-data"))
    return path.read_bytes()


def jobs(people: People, size: int) -> dict[str, Callable[[], object]]:
    """What is measured, ours and theirs by the same name; inputs are made here, outside the measurement."""
    content = entity(size)
    entry = people.entry
    key, certificate = people.rsa_key, people.rsa
    sealed = _sealed(people, content)

    def builder() -> pkcs7.PKCS7EnvelopeBuilder:
        return (
            pkcs7.PKCS7EnvelopeBuilder().set_data(content).add_recipient(certificate)
            .set_content_encryption_algorithm(algorithms.AES256)
        )  # fmt: skip

    def sign_theirs() -> bytes:
        made = pkcs7.PKCS7SignatureBuilder().set_data(content).add_signer(certificate, key, hashes.SHA256())  # type: ignore[arg-type]
        return made.sign(serialization.Encoding.SMIME, [pkcs7.PKCS7Options.DetachedSignature])

    def encrypt_ours(cipher: str) -> Callable[[], object]:
        return lambda: encrypt_for(
            content, certificate, {"a@example.com": certificate}, cipher=cipher, transport="v1.5"
        )  # type: ignore[arg-type]

    theirs_sealed = b"MIME-Version: 1.0\r\n" + sealed.partition(b"\r\n")[2]
    return {
        "sign ours": lambda: sign_clear(content, entry),
        "sign theirs": sign_theirs,
        "sign opaque ours": lambda: sign_opaque(content, entry),
        "encrypt CBC ours": encrypt_ours("aes256-cbc"),
        "encrypt GCM ours": encrypt_ours("aes256-gcm"),
        "encrypt theirs": lambda: builder().encrypt(serialization.Encoding.SMIME, [pkcs7.PKCS7Options.Binary]),
        "decrypt ours": lambda: open_message(sealed, keys=[entry]),
        "decrypt theirs": lambda: pkcs7.pkcs7_decrypt_smime(
            theirs_sealed,
            certificate,
            key,
            [],
        ),
    }


def cpu(action: Callable[[], object]) -> float:
    began = time.process_time()
    action()
    return time.process_time() - began


def medians(actions: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Median CPU seconds of each, in interleaved rounds."""
    times: dict[str, list[float]] = {name: [] for name in actions}
    for _ in range(rounds):
        for name, action in actions.items():
            times[name].append(cpu(action))
    return {name: statistics.median(found) for name, found in times.items()}


def peak(folder: Path, name: str, size: int) -> float:
    """Megabytes that one job needs at most, on top of its inputs, in a process of its own."""
    command = [sys.executable, __file__, "--job", name, "--folder", str(folder), "--size", str(size)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout)


def run_job(folder: Path, name: str, size: int) -> None:
    """In the process of its own: how far the peak goes beyond what was there before the job."""
    if name == "stream":
        people = People(folder)
        before = _memory("VmRSS")
        piece = LINE * 3000
        for _ in encrypt_stream((piece for _ in range(size // len(piece))), [people.rsa]):
            pass
    elif name == "open stream":
        people, path = People(folder), folder / "large.eml"
        before = _memory("VmRSS")
        opened = open_large(of_file(path), keys=[people.entry])
        if sum(map(len, opened.content())) < size * 0.99:
            raise SystemExit("the message did not open")
    else:
        action = jobs(People(folder), size)[name]
        before = _memory("VmRSS")
        action()
    print((_memory("VmHWM") - before) / 1024)


def _memory(which: str) -> int:
    """Kilobytes now (VmRSS, and the peak starts from here), or at most since then (VmHWM)."""
    if which == "VmRSS":
        Path("/proc/self/clear_refs").write_text("5")
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(which):
            return int(line.split()[1])
    raise LookupError(which)


def large_rows(people: People, size: int, rounds: int) -> list[Row]:
    times = medians(jobs(people, size), rounds)
    rows = []
    for figure, ours, theirs in (
        ("sign clear", "sign ours", "sign theirs"),
        ("encrypt AES-256-CBC", "encrypt CBC ours", "encrypt theirs"),
        ("encrypt AES-256-GCM", "encrypt GCM ours", "encrypt theirs"),
        ("decrypt", "decrypt ours", "decrypt theirs"),
    ):
        label = f"{figure} {size // 1_000_000} MB, armoured"
        mine, other = times[ours], times[theirs]
        cells = (f"{mine * 1000:.0f} ms", f"{other * 1000:.0f} ms")
        rows.append(at_most(f"{label}, CPU", *cells, mine / other, round(1 / 3, 3)))
        mine, other = peak(people.folder, ours, size), peak(people.folder, theirs, size)
        rows.append(
            at_most(f"{label}, peak memory", f"{mine:.0f} MB", f"{other:.0f} MB", (mine + 1) / (other + 1), 0.5)
        )
    return rows


def verify_row(people: People, size: int, rounds: int) -> Row:
    figure = f"verify detached {size // 1_000_000} MB against openssl cms -verify, CPU"
    if shutil.which("openssl") is None:
        return absent(figure, "<= 0.5", "wants the openssl command")
    raw = b"From: a@example.com\r\n" + sign_clear(entity(size), people.entry)
    path = people.folder / "signed.eml"
    path.write_bytes(raw)
    trust = Trust(anchors=(people.ca,))
    ca = str(people.folder / "Bench_CA.pem")
    ours, theirs = [], []
    for _ in range(rounds):
        ours.append(cpu(lambda: open_message(raw, trust=trust)))
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(
            ["openssl", "cms", "-verify", "-in", str(path), "-CAfile", ca, "-out", os.devnull, "-purpose", "any"],
            check=True, capture_output=True,
        )  # fmt: skip
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        theirs.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    mine, other = statistics.median(ours), statistics.median(theirs)
    return at_most(figure, f"{mine * 1000:.0f} ms", f"{other * 1000:.0f} ms", mine / other, 0.5)


def opening_row(people: People, size: int) -> Row:
    """Verifying the padding, decrypting and handing out a message on the disk, in memory that does not grow."""
    found = []
    for amount in (10_000_000, size):
        piece = LINE * 3000
        with (people.folder / "large.eml").open("wb") as file:
            file.write(b"From: a@example.com\r\n")
            file.writelines(encrypt_stream((piece for _ in range(amount // len(piece))), [people.rsa]))
        found.append(peak(people.folder, "open stream", amount))
    few, many = found
    return at_most(
        f"streamed decrypt of {size // 1_000_000} MB, peak memory against one of 10 MB",
        f"{many:.1f} MB", f"{few:.1f} MB", (many + 1) / (few + 1), 1.5,
    )  # fmt: skip


def ber_row(size: int, rounds: int) -> Row:
    """Content in pieces of 1,000 octets with indefinite lengths all round, as some senders stream it."""
    piece = der.octets(os.urandom(1000))
    pieces = piece * (size // 1000)
    streamed = b"\x30\x80" + der.oid("1.2.840.113549.1.7.1") + b"\xa0\x80\x24\x80" + pieces + b"\0\0\0\0\0\0"
    times = medians({"ours": lambda: ber.to_der(streamed), "hash": lambda: hashlib.sha256(streamed).digest()}, rounds)
    ratio = times["ours"] / times["hash"]
    cells = (f"{times['ours'] * 1000:.0f} ms", f"{times['hash'] * 1000:.0f} ms")
    return at_most(f"BER of {size // 1_000_000} MB into definite form, against one SHA-256 pass", *cells, ratio, 4)


def small_row(people: People, count: int, rounds: int) -> Row:
    entry = KeyEntry(people.ec, people.ec_key)  # type: ignore[arg-type]
    mails = [
        b"From: a@example.com\r\nSubject: x\r\n" + sign_clear(HEAD + b"Hello, number %d.\r\n" % number, entry)
        for number in range(count)
    ]
    trust = Trust(anchors=(people.ca,))
    key = people.ec_key.public_key()  # type: ignore[attr-defined]
    signature, algorithm = people.ec_key.sign(b"x", ec.ECDSA(hashes.SHA256())), ec.ECDSA(hashes.SHA256())  # type: ignore[attr-defined]

    def bare() -> None:
        for _ in range(count):
            key.verify(signature, b"x", algorithm)

    times = medians({"ours": lambda: [open_message(mail, trust=trust) for mail in mails], "bare": bare}, rounds)
    row = at_least(
        "small P-256 signed mails verified a second and core",
        f"{count / times['ours']:,.0f}",
        f"{count / times['bare']:,.0f} (the bare signature check)",
        count / times["ours"],
        2000,
    )
    row.ratio = f"{times['ours'] / times['bare']:.1f} x"
    return row


def main() -> int:
    parser = argparse.ArgumentParser(description="S/MIME: ratios against cryptography and OpenSSL.")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--job")
    parser.add_argument("--folder")
    parser.add_argument("--size", type=int, default=0)
    arguments = parser.parse_args()
    if arguments.job:
        run_job(Path(arguments.folder), arguments.job, arguments.size)
        return 0
    size, rounds = (2_000_000, 3) if arguments.quick else (25_000_000, 7)
    with tempfile.TemporaryDirectory() as folder:
        people = People(Path(folder))
        rows = large_rows(people, size, rounds)
        rows.append(verify_row(people, size, rounds))
        rows.append(ber_row(4_000_000 if arguments.quick else 32_000_000, rounds))
        rows.append(small_row(people, 100 if arguments.quick else 1000, rounds))
        few, many = (peak(people.folder, "stream", amount) for amount in (10_000_000, size * 8))
        row = at_most(
            f"streamed encrypt of {size * 8 // 1_000_000} MB, peak memory against one of 10 MB",
            f"{many:.1f} MB", f"{few:.1f} MB", (many + 1) / (few + 1), 1.5,
        )  # fmt: skip
        rows.append(row)
        rows.append(opening_row(people, size * 8))
    if arguments.json:
        json.dump([row.as_dict() for row in rows], sys.stdout, indent=1)
    else:
        print(text(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
