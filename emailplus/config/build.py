"""From pairs to values: names resolved, variables filled in, values read, keys checked against each other.

Every step adds to one list of problems, so that an administrator sees all of them at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from . import variables
from .bundle import problem_bundle
from .certificates import CertificateCheck, RootCertificate
from .checks import Given, check_all
from .convert import Context, Unreadable, convert
from .hosts import parse_host
from .keys import ALIASES, BY_NAME, CLOUD_FIELDS, KEYS, ROOTS, Key, root_number
from .loaders import Pairs, described
from .problems import Problem, failure, shown
from .secret import MASK, Secret
from .variables import Identity

ROOT_KEY = BY_NAME["email_certificate_X"]
EXPORT_KEY = "limit_contact_export_to"
MARKERS_KEY = "email_security_classification_json"

MarkersCheck = Callable[[str], Iterable[tuple[bool, str]]]
"""Judges a classification document: for each finding, whether it is an error, and its text."""

_HOSTS = ("host", "host[/path]", "host/path", "url")
_BLOBS = ("p12", "der-cert", "list[dict]", "json")
_LITERAL = (*_BLOBS, "secret")
"""Types in which a dollar sign is content: a certificate, a JSON template, somebody's password."""


NEIGHBOURS = 100
"""Unknown keys for which the nearest known one is sought: it costs milliseconds each, and a hostile file has many."""


@dataclass(frozen=True, slots=True)
class UnknownKey:
    """A pair whose key is not in the table, kept as it came. `nearest` is the known key it resembles, if any."""

    name: str
    value: object = field(repr=False, hash=False)
    nearest: str | None = None


@dataclass(slots=True)
class _Work:
    identity: Identity | None
    check: CertificateCheck | None
    check_markers: MarkersCheck | None = None
    problems: list[Problem] = field(default_factory=list)
    raw: dict[str, object] = field(default_factory=dict)
    source: dict[str, str] = field(default_factory=dict)
    unknown: list[UnknownKey] = field(default_factory=list)
    values: dict[str, Any] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)
    unreadable: set[str] = field(default_factory=set)

    def problem(self, key: Key, raw: object, expected: str, *, name: str = "", critical: bool | None = None) -> None:
        value = _shown(key, raw)
        self.problems.append(Problem(name or key.name, value, expected, key.critical if critical is None else critical))


@dataclass(frozen=True, slots=True)
class Built:
    """Values of every attribute of AppConfig, and what was noticed on the way. Nothing in it is critical."""

    values: dict[str, Any]
    given: frozenset[str]
    unknown: tuple[UnknownKey, ...]
    warnings: tuple[Problem, ...]


def build(
    pairs: Pairs,
    identity: Identity | None,
    check: CertificateCheck | None,
    check_markers: MarkersCheck | None = None,
) -> Built:
    """Read `pairs`. Raises `ConfigurationError` with every problem if one of them is critical."""
    work = _Work(identity, check, check_markers)
    _names(work, pairs)
    _passwords_first(work)
    for key in KEYS:
        if key is ROOT_KEY:
            _roots(work)
        elif not key.inside:
            _value(work, key)
        elif not _empty(work.raw.get(key.name)):
            work.names.add(key.name)
    _derive(work)
    given = Given(work.values, frozenset(work.names), frozenset(work.unreadable))
    work.problems.extend(check_all(given))
    if any(problem.critical for problem in work.problems):
        silent = work.values["exit_on_configuration_error"]
        raise failure(work.problems, None if silent else problem_bundle(work.problems))
    warnings = tuple(sorted(work.problems, key=lambda problem: problem.advice))
    return Built(work.values, given.names, tuple(work.unknown), warnings)


def _shown(key: Key, raw: object) -> str:
    if key.type in _BLOBS and isinstance(raw, str):
        return f"({len(raw)} characters)"
    if key.name == "email_exchange_username" and isinstance(raw, str) and ":" in raw:
        # Somebody may have written user:password.
        return shown(f"{raw.partition(':')[0]}:{MASK}")
    return shown(raw, secret=key.secret, address=key.type in _HOSTS)


# -- names -------------------------------------------------------------------------------------------------------------


def _names(work: _Work, pairs: Pairs) -> None:
    aliased: list[tuple[str, str, object]] = []
    for given, raw in pairs:
        name = given.strip() if isinstance(given, str) else ""
        key = _canonical(name)
        if name in ALIASES:
            aliased.append((name, ALIASES[name], raw))
        elif key is not None:
            _take(work, key, name, raw)
        else:
            _unknown(work, given, name, raw)
    for name, key, raw in aliased:
        if _empty(work.raw.get(key)):
            _take(work, key, name, raw)
        else:
            work.problems.append(
                Problem(name, "", f"another spelling of {key}, which is given too and is used", False, True)
            )


def _canonical(name: str) -> str | None:
    """The key that `name` stands for: itself, a member of the root family, or a field of the Cloud form."""
    if name in BY_NAME:
        return None if name == ROOT_KEY.name else name
    root = root_number(name)
    if root is not None and not root[1] and 1 <= root[0] <= ROOTS and name == f"email_certificate_{root[0]}":
        return name
    label = " ".join(name.split()).casefold().removesuffix("(required)").strip()
    return CLOUD_FIELDS.get(label)


def _take(work: _Work, key: str, name: str, raw: object) -> None:
    if key == EXPORT_KEY and name != key:
        # The check box of the Cloud form: checked means name and number only.
        ticked = {"true": "name_number", "1": "name_number", "false": "all", "0": "all"}
        raw = ticked.get(str(raw).strip().lower(), raw) if isinstance(raw, str | int) else raw
    if key in work.raw and not _empty(work.raw[key]):
        if _empty(raw) or _same(raw, work.raw[key]):
            return
        row = BY_NAME.get(key, ROOT_KEY)
        also = f" (as {name!r})" if name != key else ""
        work.problems.append(Problem(key, _shown(row, raw), f"one value; the key is given twice{also}", True))
        return
    work.raw[key] = raw
    work.source[key] = name


def _same(one: object, other: object) -> bool:
    return isinstance(one, str | int) and type(one) is type(other) and one == other


def _unknown(work: _Work, given: object, name: str, raw: object) -> None:
    label = described(given)
    root = root_number(name)
    if root is not None and root[1]:
        text = "a root certificate has no password; not used"
        work.problems.append(Problem(label, "", text, critical=False, advice=True))
        return
    if root is not None or name == ROOT_KEY.name:
        text = f"email_certificate_1 to email_certificate_{ROOTS}; this one is not used"
        work.problems.append(Problem(label, _shown(ROOT_KEY, raw), text, critical=False))
        return
    nearest = _nearest(name) if len(work.unknown) < NEIGHBOURS else None
    work.unknown.append(UnknownKey(label, raw, nearest))
    text = f"not a known key; did you mean {nearest}?" if nearest else "not a known key; kept, without effect"
    if name.startswith("acc2_"):
        text = "a key of a second account, which this version does not have; kept, without effect"
    # The value is not shown: a mistyped email_password would give it away.
    work.problems.append(Problem(label, "", text, critical=False, advice=True))


def _nearest(name: str) -> str | None:
    folded = {known.casefold(): known for known in (*BY_NAME, *ALIASES) if known != ROOT_KEY.name}
    folded |= {f"email_certificate_{number}": f"email_certificate_{number}" for number in range(1, ROOTS + 1)}
    near = get_close_matches(name[:200].casefold(), folded, 1, 0.75)
    return folded[near[0]] if near else None


# -- values ------------------------------------------------------------------------------------------------------------


def _empty(raw: object) -> bool:
    """What counts as not given: nothing, or text of blanks only."""
    return raw is None or (isinstance(raw, str) and not raw.strip())


def _passwords_first(work: _Work) -> None:
    """The companions of certificates, which the certificates' own check needs."""
    for key in KEYS:
        if key.name.endswith("_MI_CERT_PW") and not key.inside:
            _value(work, key)


def _value(work: _Work, key: Key) -> None:
    if key.name in work.values:
        return
    raw = work.raw.get(key.name)
    if _empty(raw) and key.automatic and work.identity is not None:
        raw = key.automatic
    work.values[key.name] = default(key)
    if key.type not in _LITERAL and isinstance(raw, str):
        raw = _substituted(work, key, raw.strip())
    elif key.name == "email_password" and isinstance(raw, str):
        raw = _password(work, key, raw)
    elif key.type in _BLOBS and isinstance(raw, str):
        raw = raw.strip()
    if key.name in work.unreadable:
        return
    if _empty(raw):
        if key.required:
            work.unreadable.add(key.name)
            work.problem(key, None, f"{key.allowed} (required)")
        return
    _convert(work, key, raw)


def _convert(work: _Work, key: Key, raw: object) -> None:
    notes: list[str] = []
    password = work.values.get(f"{key.name}_MI_CERT_PW")
    context = Context(work.check, password if isinstance(password, Secret) else None, notes)
    if isinstance(raw, Secret):
        raw = raw.reveal()
    try:
        work.values[key.name] = convert(key, raw, context)
        work.names.add(key.name)
    except Unreadable as error:
        work.unreadable.add(key.name)
        if error.kept is not None:
            work.values[key.name] = error.kept
            work.names.add(key.name)
        fallback = "" if key.critical else f"; {_fallback(key)}"
        work.problem(key, raw, f"{error}{fallback}")
    for note in notes:
        work.problems.append(Problem(key.name, _shown(key, raw), note, critical=False, advice=True))
    if key.name == MARKERS_KEY and key.name not in work.unreadable and work.check_markers is not None:
        for is_error, text in work.check_markers(work.values[key.name]):
            work.problems.append(Problem(key.name, "", text, critical=False, advice=not is_error))


def _fallback(key: Key) -> str:
    if key.type == "json":
        return "classification is off"
    return f"{key.default} is used instead" if key.has_default and key.type != "list[dict]" else "it is left out"


def _substituted(work: _Work, key: Key, text: str) -> str:
    named = variables.variables_in(text)
    secret = next((name for name in named if name in variables.PASSWORDS), None)
    if secret:
        work.unreadable.add(key.name)
        work.problem(key, text, f"no password here: {secret} may stand in email_password only", critical=True)
        return text
    filled, missing = variables.substitute(text, work.identity)
    if not missing and key.required and not named and (unknown := variables.alike(filled)):
        missing = (unknown,)
    if missing:
        work.unreadable.add(key.name)
        unfilled = " and ".join(missing)
        expected = f"a value; {unfilled} was not filled in, give the identity it stands for"
        work.problem(key, text, expected, critical=True)
    return filled.strip()


def _password(work: _Work, key: Key, text: str) -> str | None:
    """The variable alone is filled in, or counts as absent: ask the user (guide, table 3)."""
    if text.strip() not in variables.PASSWORDS:
        return text
    return work.identity.value(text.strip()) if work.identity else None


def default(key: Key) -> Any:
    """The typed value of a key that was not given; None where there is none, or where it derives from another key."""
    if key.has_default:
        return convert(key, key.default, Context())
    return frozenset() if key.type == "flags" else None


# -- families and derived values ---------------------------------------------------------------------------------------


def _roots(work: _Work) -> None:
    found: list[RootCertificate] = []
    for number in range(1, ROOTS + 1):
        name = f"email_certificate_{number}"
        raw = work.raw.get(name)
        if _empty(raw):
            continue
        try:
            data = convert(ROOT_KEY, raw.strip() if isinstance(raw, str) else raw, Context(work.check))
        except Unreadable as error:
            work.unreadable.add(name)
            work.problem(ROOT_KEY, raw, f"{error}", name=name)
            continue
        assert isinstance(data, bytes)
        found.append(RootCertificate(number, data))
        work.names.add(name)
    work.values[ROOT_KEY.name] = tuple(found)


def _derive(work: _Work) -> None:
    """Defaults that come from another key, and the flags that hold after all three sources."""
    address, host = work.values["email_address"], work.values["email_exchange_host"]
    if work.values["email_safe_domains"] is None:
        work.values["email_safe_domains"] = (address.rpartition("@")[2].lower(),) if address else ()
    if work.values["email_ews_host"] is None:
        work.values["email_ews_host"] = parse_host(host, path=True).authority if host else ""
    disabled = work.values["disabled_features"]
    effective = default(BY_NAME["enabled_features"]) | work.values["enabled_features"]
    work.values["enabled_features"] = frozenset(effective - disabled)
