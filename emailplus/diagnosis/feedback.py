"""The feedback bundle for `feedback_email_address`: what an administrator needs to help, and nobody's mail.

One zip archive: the log (under `allow_logging`), the configuration with its secrets masked, versions, counts of the
store, the server's policy, crash reports, and under `enable_calendar_dump` the calendar. The calendar is the one part
that holds what users wrote, so it is encrypted for its reader alone, as CMS that OpenSSL opens: for a certificate where
one is given, else under a passphrase that is made for this bundle, returned once and written nowhere.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from ..config import AppConfig
from ..config.bundle import archive, as_json, versions
from ..errors import PolicyDenied
from ..store import diagnosis as kept
from ..store.store import Store
from .redact import Redactor, secrets_of

CALENDAR_FILE = "calendar.p7m"
ARCHIVE_NAME = "emailplus-feedback.zip"
COMMENT_LENGTH = 10_000

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: nothing to misread
_ACCOUNT_FACTS = ("version", "options_at", "provisioned", "full_sync")

_HELD: Final[Mapping[str, str]] = {
    "comment.txt": "what the user wrote",
    "configuration.json": "every key with its value in force, secrets masked",
    "versions.json": "emailplus, Python, the system, the protocol, the id of this installation",
    "store.json": "counts of what the store holds",
    "policy.json": "the server's policy, and which of it is kept",
    "log.jsonl": "the log, one JSON object a line",
    "crashes.json": "crash reports",
    "problems.json": "what is wrong with the configuration",
    CALENDAR_FILE: "the calendar, encrypted (CMS)",
}


@dataclass(frozen=True, slots=True)
class Feedback:
    """A bundle with the message that carries it. Made by `Mailbox.feedback`.

    `passphrase` opens the calendar in it, if it is there and was not encrypted for a certificate. It stands neither in
    the archive nor in the message: the user tells it to the administrator by another way. It is not kept anywhere.
    """

    to: str
    subject: str
    text: str
    archive: bytes
    contents: tuple[str, ...]
    name: str = ARCHIVE_NAME
    passphrase: str | None = field(default=None, repr=False)


def available(config: AppConfig) -> str:
    """Where feedback goes. Raises `PolicyDenied` where it is not available."""
    if config.feedback_email_address is None:
        raise PolicyDenied(
            "feedback is not available: feedback_email_address is not set", rule="feedback_email_address"
        )
    return config.feedback_email_address


def collect(
    store: Store,
    config: AppConfig,
    *,
    comment: str = "",
    calendar: Iterable[Mapping[str, Any]] | None = None,
    certificate: bytes | None = None,
    policy_report: Mapping[str, object] | None = None,
    now: datetime | None = None,
) -> Feedback:
    """The bundle of a store under its configuration.

    `calendar`: entries in place of those of the store; taken under `enable_calendar_dump` only. `certificate`
    (DER) is the reader's; without one the calendar is encrypted under a new passphrase. `policy_report` tells how far
    the server's policy is kept. Raises `PolicyDenied` without `feedback_email_address`, `KeyImportFailed` and
    `CertificateUnusable` for the certificate, `StoreError`.
    """
    to = available(config)
    first: dict[str, str] = {}
    if comment.strip():
        first["comment.txt"] = comment.strip()[:COMMENT_LENGTH] + "\n"
    if policy_report is not None:
        first["policy.json"] = as_json(policy_report)
    bundle, passphrase = _bundle(store, config, first, calendar, certificate)
    moment = now or datetime.now(UTC)
    identifier = kept.installation(store.database)
    text = f"Feedback from emailplus, installation {identifier}.\n\nThe attached archive holds:\n"
    text += "".join(f"- {name}: {_HELD[name]}\n" for name in bundle if name in _HELD)
    if comment.strip():
        text = f"{comment.strip()[:COMMENT_LENGTH]}\n\n-- \n{text}"
    return Feedback(
        to=to,
        subject=f"emailplus feedback {moment:%Y-%m-%d %H:%M} {identifier[:8]}",
        text=text,
        archive=archive(bundle),
        contents=tuple(bundle),
        passphrase=passphrase,
    )


def error_bundle(store: Store, config: AppConfig, problems: Sequence[Any]) -> bytes:
    """The log bundle of a running engine that was given a configuration it cannot use."""
    listed = [problem.as_dict() for problem in problems if hasattr(problem, "as_dict")]
    bundle, _ = _bundle(store, config, {"problems.json": as_json(listed)}, None, None)
    return archive(bundle)


def _bundle(
    store: Store,
    config: AppConfig,
    first: Mapping[str, str],
    calendar: Iterable[Mapping[str, Any]] | None,
    certificate: bytes | None,
) -> tuple[dict[str, str | bytes], str | None]:
    files: dict[str, str | bytes] = {**first, **_facts(store, config)}
    missing: list[str] = []
    if config.allow_logging:
        files["log.jsonl"] = "".join(f"{line}\n" for line in kept.read_log(store.database))
    else:
        missing.append("the log: allow_logging is false, none is kept")
    if config.disable_analytics:
        missing.append("crash reports: disable_analytics is true")
    else:
        files["crashes.json"] = as_json([json.loads(text) for _, text in kept.crashes(store.database)])
    passphrase: str | None = None
    if not config.enable_calendar_dump:
        missing.append("the calendar: enable_calendar_dump is false")
    elif (calendar := kept.calendar(store.database) if calendar is None else calendar) is None:
        missing.append("the calendar: this store holds none")
    else:
        files[CALENDAR_FILE], passphrase = _sealed(calendar, certificate)
    readme = "".join(f"{name:<20}{_HELD[name]}\n" for name in files)
    readme += "".join(f"\nNot here: {reason}.\n" for reason in missing)
    if CALENDAR_FILE in files:
        way = "-pwri_password PASSPHRASE" if passphrase else "-recip CERTIFICATE -inkey KEY"
        readme += f"\nTo open the calendar: openssl cms -decrypt -binary -inform DER -in {CALENDAR_FILE} {way}\n"
        readme += "The user has the passphrase; it is nowhere in here.\n" if passphrase else ""
    guard = Redactor(secrets_of(config))  # whatever went wrong above: no password leaves
    clean = {name: guard.without_secrets(text) if isinstance(text, str) else text for name, text in files.items()}
    return {"README.txt": readme, **clean}, passphrase


def _facts(store: Store, config: AppConfig) -> dict[str, str]:
    """What can be said of any store: configuration, versions, counts."""
    facts = store.account()
    known = {name: facts[name] for name in _ACCOUNT_FACTS if name in facts}
    return {
        "configuration.json": as_json({"config": config.redacted(), "given": sorted(config.given)}),
        "versions.json": as_json(
            {**versions(), "protocol": facts.get("version"), "installation": kept.installation(store.database)}
        ),
        "store.json": as_json({"counts": store.stats(), "account": known, "folders": _folders(store)}),
    }


def _folders(store: Store) -> list[dict[str, Any]]:
    """The state of each folder, by type and numbers: their names are the user's."""
    return [
        {"type": folder.type, "messages": messages, "unread": unread} for folder, messages, unread in store.folders()
    ]


def _sealed(calendar: Iterable[Mapping[str, Any]], certificate: bytes | None) -> tuple[bytes, str | None]:
    """The calendar as JSON lines, encrypted, and the passphrase where there is no certificate."""
    from ..smime.encrypt import enveloped_data  # cryptography, which nothing else here needs
    from ..smime.keychain import load_certificate
    from ..smime.passphrase import passphrase_envelope

    lines = "".join(json.dumps(entry, ensure_ascii=False, default=str) + "\n" for entry in calendar).encode()
    if certificate is not None:
        return enveloped_data(lines, [load_certificate(certificate)]), None
    passphrase = "-".join("".join(secrets.choice(_ALPHABET) for _ in range(5)) for _ in range(6))
    return passphrase_envelope(lines, passphrase), passphrase
