"""The Australian Email Protective Marking Standard: a strict writer and a lenient reader, 2012.3 and 2018.1 to 2025.1.

    parsed = read("VER=2018.4, NS=gov.au, SEC=SECRET, ORIGIN=a@b.example", Form.HEADER)
    parsed.marking.sec, parsed.notes, parsed.faults
    write(parsed.marking, Form.SUBJECT)          # "[SEC=SECRET]"
    parsed.marking.effective(now)                # DOWNTO once EXPIRES has passed

`notes` are deviations a reader accepts, `faults` what makes a marking invalid; a marking without either is as the
standard writes it. Reading takes time proportional to the text and never fails.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import Enum
from typing import Final

from ..errors import InvalidMarking

LEVELS_2018: Final = ("UNOFFICIAL", "OFFICIAL", "OFFICIAL:Sensitive", "PROTECTED", "SECRET", "TOP-SECRET")
LEVELS_2012: Final = ("UNOFFICIAL", "UNCLASSIFIED", "PROTECTED", "CONFIDENTIAL", "SECRET", "TOP-SECRET")
RANK: Final = {
    "UNOFFICIAL": 0, "UNCLASSIFIED": 1, "OFFICIAL": 1, "OFFICIAL:Sensitive": 2, "PROTECTED": 3, "CONFIDENTIAL": 4,
    "SECRET": 5, "TOP-SECRET": 6,
}  # fmt: skip
"""Levels of both generations on one scale; UNCLASSIFIED became OFFICIAL."""
ACCESS: Final = ("Personal-Privacy", "Legal-Privilege", "Legislative-Secrecy")
DLM: Final = ("For-Official-Use-Only", "Sensitive", "Sensitive:Legal", "Sensitive:Personal", "Sensitive:Cabinet")
SPECIAL_HANDLING: Final = ("DELICATE SOURCE", "ORCON", "CABINET", "NATIONAL-CABINET")
RELEASE: Final = ("AGAO", "AUSTEO")
MAX_TEXT: Final = 128
"""Characters of a free text."""
MAX_MARKING: Final = 8_192
"""Characters of a marking that are read."""
NAMESPACE: Final = "gov.au"

_DATE = re.compile(r"(\d{4}-\d\d-\d\d)(?:T(\d\d:\d\d:\d\d)(\.\d{1,9})?(Z|[+-]\d\d(?::?\d\d)?)?)?", re.ASCII)
_VERSION = re.compile(r"\d{4}\.\d{1,4}", re.ASCII)
_COUNTRIES = re.compile(r"REL [A-Z]{3}(?:/[A-Z]{3})*")
_FREE = re.compile(r"[ -~]{1,128}")
_TAGS: Final = ("VER", "NS", "SEC", "DLM", "CAVEAT", "EXPIRES", "DOWNTO", "ACCESS", "NOTE", "ORIGIN")
_ONCE: Final = frozenset(_TAGS) - {"CAVEAT", "ACCESS"}
_HEADER_ONLY: Final = ("VER", "NS", "NOTE", "ORIGIN")
_BARE_CAVEATS: Final = {"ACCOUNTABLE-MATERIAL": "SH", "CABINET": "SH", "NATIONAL-CABINET": "SH", "ORCON": "SH",
                        "AUSTEO": "RI", "AGAO": "RI", "EO": "RI"}  # fmt: skip


class Form(Enum):
    """Where a marking stands."""

    HEADER = "header"
    SUBJECT = "subject"


@dataclass(frozen=True, slots=True)
class Caveat:
    """`CAVEAT=kind:text`: kind C, FG, RI, SH (2012 also SC)."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Marking:
    """One marking, free texts unescaped. `dlm` belongs to 2012, `access` to 2018 and later."""

    sec: str | None = None
    dlm: str | None = None
    caveats: tuple[Caveat, ...] = ()
    expires: str | None = None
    downto: str | None = None
    access: tuple[str, ...] = ()
    note: str | None = None
    origin: str | None = None
    version: str | None = None
    namespace: str | None = None

    @property
    def of_2012(self) -> bool:
        """True for the older grammar, by version or else by what it uses."""
        if self.version is not None:
            return self.version < "2018"
        return (
            self.dlm is not None
            or self.sec in ("UNCLASSIFIED", "CONFIDENTIAL")
            or any(caveat == Caveat("SH", "ACCOUNTABLE-MATERIAL") or caveat.kind == "SC" for caveat in self.caveats)
        )

    @property
    def expiry(self) -> datetime | None:
        """EXPIRES as a time (without an offset: UTC); None for none and for an event."""
        return _time(self.expires) if self.expires is not None else None

    def effective(self, now: datetime) -> str | None:
        """The classification at `now` (aware): DOWNTO once the expiry has passed, else SEC. An event never passes."""
        expiry = self.expiry
        return self.downto if expiry is not None and self.downto is not None and now >= expiry else self.sec


@dataclass(frozen=True, slots=True)
class Parsed:
    """`marking` is what could be read, even of an invalid one; use it only where `accepted`."""

    text: str
    marking: Marking
    notes: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()

    @property
    def accepted(self) -> bool:
        """True where a reader takes it."""
        return not self.faults

    @property
    def conforms(self) -> bool:
        """True where the standard would write it so (VER and NS may be missing)."""
        return not self.faults and not self.notes


# -- reading


@dataclass(slots=True)
class _Reading:
    notes: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    once: dict[str, str] = field(default_factory=dict)
    caveats: list[Caveat] = field(default_factory=list)
    access: list[str] = field(default_factory=list)
    order: list[int] = field(default_factory=list)


def read(text: str, form: Form = Form.HEADER) -> Parsed:
    """A header value or a bracketed subject marking. Folded lines are unfolded first."""
    state = _Reading()
    body = re.sub(r"\r?\n[ \t]*|\r", " ", text[:MAX_MARKING]).strip()
    if len(text) > MAX_MARKING:
        state.faults.append(f"longer than {MAX_MARKING:,} characters")
    if form is Form.SUBJECT:
        if body.startswith("[") and body.endswith("]") and len(body) > 1:
            body = body[1:-1]
        else:
            state.faults.append("a subject marking stands in square brackets")
    for part, spaced in _split(body):
        if not spaced:
            state.notes.append("no single blank after a comma")
        _pair(part, form, state)
    if state.order != sorted(state.order):
        state.notes.append("not in the order of the standard")
    marking = _marking(state)
    _whole(marking, state)
    return Parsed(text, marking, tuple(dict.fromkeys(state.notes)), tuple(dict.fromkeys(state.faults)))


def find_in_subject(subject: str) -> list[Parsed]:
    """All bracketed markings of a subject, in order; the last one counts, the others make it non-compliant."""
    return [
        read(found[0], Form.SUBJECT)
        for found in re.finditer(r"\[(?:SEC|DLM)[=:](?:[^\[\]\\]|\\.){0,2000}+\]", subject[:MAX_MARKING], re.IGNORECASE)
    ]


def receive(headers: list[tuple[str, str]], subject: str) -> Parsed | None:
    """The marking of a message: the header before the subject; of several, the highest. None without one."""
    values = [value for name, value in headers if name.lower() == "x-protective-marking"]
    found = [read(value) for value in values[:100]]
    if not any(one.accepted for one in found):
        found = find_in_subject(subject) or found
    if not found:
        return None
    best = max(found, key=lambda one: (one.accepted, RANK.get(one.marking.sec or "", -1)))
    if len(found) > 1:
        return replace(best, notes=(*best.notes, f"{len(found)} markings where one is allowed; the highest counts"))
    return best


def _split(body: str) -> Iterator[tuple[str, bool]]:
    """The parts between unescaped commas, and whether exactly one blank stood before each."""
    start = 0
    first = True
    for found in re.finditer(r"\\.|,", body + ",", re.DOTALL):
        if found[0] != ",":
            continue
        part = body[start : found.start()]
        yield part.strip(), first or (part.startswith(" ") and part.strip() == part[1:])
        start, first = found.end(), False


def _pair(part: str, form: Form, state: _Reading) -> None:
    found = re.match(r"([A-Za-z]+)([=:])", part)
    tag = found[1].upper() if found else ""
    if found is None or tag not in _TAGS:
        state.faults.append(f"unknown tag: {part[:40]!r}")
        return
    if found[1] != tag:
        state.notes.append(f"{tag} is written in capitals")
    if found[2] == ":":
        state.notes.append(f"a colon in place of = after {tag}")
    raw = part[found.end() :]
    if not raw or raw[0].isspace():
        state.faults.append(f"{tag} has no value right after =")
        return
    if form is Form.SUBJECT and tag in _HEADER_ONLY:
        state.notes.append(f"{tag} belongs to the header only")
    state.order.append(_TAGS.index(tag))
    if tag == "CAVEAT":
        _caveat(raw, state)
    elif tag == "ACCESS":
        value = _listed(raw, ACCESS, tag, state)
        if value is None:
            state.notes.append("unknown ACCESS ignored")
        elif value in state.access:
            state.faults.append(f"ACCESS={value} twice")
        else:
            state.access.append(value)
    elif tag in state.once:
        state.faults.append(f"{tag} twice")
    else:
        state.once[tag] = _single(tag, raw, state)


def _single(tag: str, raw: str, state: _Reading) -> str:
    if tag in ("SEC", "DOWNTO"):
        value = _listed(raw, tuple(RANK), tag, state)
    elif tag == "DLM":
        value = _listed(raw, DLM, tag, state)
    elif tag == "VER":
        value = raw if _VERSION.fullmatch(raw) else None
    elif tag == "NS":
        if raw.lower() != NAMESPACE:
            state.notes.append(f"the name space {raw[:40]!r} is somebody else's")
        value = raw
    else:
        return _free(raw, tag, state)
    if value is None:
        state.faults.append(f"unknown {tag}: {raw[:40]!r}")
        return ""
    return value


def _listed(raw: str, known: tuple[str, ...], tag: str, state: _Reading) -> str | None:
    """A listed value; other case, a hyphen for the colon and an escaped colon are noted."""
    for value in known:
        if raw == value:
            return value
    folded = raw.replace("\\:", ":").casefold()
    for value in known:
        if folded in (value.casefold(), value.replace(":", "-").casefold()):
            state.notes.append(f"{tag}={raw[:40]} in place of {value}")
            return value
    return None


def _caveat(raw: str, state: _Reading) -> None:
    found = re.match(r"(C|SC|FG|RI|SH|REL)([:-])(?=.)", raw, re.IGNORECASE | re.DOTALL)
    if found is None:
        bare = raw.upper()
        kind = _BARE_CAVEATS.get(bare)
        if kind is None:
            state.faults.append(f"unknown caveat: {raw[:40]!r}")
        else:
            state.notes.append(f"the caveat {bare} without its type")
            state.caveats.append(Caveat(kind, bare))
        return
    kind = found[1].upper()
    if found[2] == "-" or kind != found[1]:
        state.notes.append(f"CAVEAT={raw[:40]} in place of {kind}:")
    text = _free(raw[found.end() :], "CAVEAT", state)
    if kind == "REL":
        state.notes.append("REL: in place of RI:REL")
        kind, text = "RI", f"REL {text}"
    caveat = Caveat(kind, text)
    if caveat in state.caveats or (kind in ("C", "FG") and any(one.kind == kind for one in state.caveats)):
        state.faults.append(f"a second CAVEAT={kind}")
    elif problem := _caveat_problem(caveat):
        state.notes.append(problem)
        state.caveats.append(caveat)
    else:
        state.caveats.append(caveat)


def _caveat_problem(caveat: Caveat) -> str | None:
    text = caveat.text
    if caveat.kind == "SH":
        listed = text in (*SPECIAL_HANDLING, "ACCOUNTABLE-MATERIAL")
        known = listed or re.match(r"EXCLUSIVE-FOR \S", text) is not None
    elif caveat.kind == "RI":
        known = text in (*RELEASE, "EO") or _COUNTRIES.fullmatch(text) is not None
    else:
        known = bool(text)
    return None if known else f"CAVEAT={caveat.kind}:{text[:40]} is not a listed caveat"


def _free(raw: str, tag: str, state: _Reading) -> str:
    """A free text unescaped: backslash before comma, colon, backslash and = goes, before anything else it stays."""
    text = re.sub(r"\\([,:\\=])", r"\1", raw)
    if not _FREE.fullmatch(text):
        state.faults.append(f"{tag}: 1 to {MAX_TEXT} printable ASCII characters")
    return text


def _marking(state: _Reading) -> Marking:
    one = state.once
    return Marking(
        sec=one.get("SEC") or None,
        dlm=one.get("DLM") or None,
        caveats=tuple(state.caveats),
        expires=one.get("EXPIRES"),
        downto=one.get("DOWNTO") or None,
        access=tuple(state.access),
        note=one.get("NOTE"),
        origin=one.get("ORIGIN"),
        version=one.get("VER") or None,
        namespace=one.get("NS"),
    )


def _whole(marking: Marking, state: _Reading) -> None:
    """Rules over the whole marking."""
    sec, downto = marking.sec, marking.downto
    if sec is None and "SEC" not in state.once and not (marking.of_2012 and marking.dlm):
        state.faults.append("SEC is missing")
    if ("EXPIRES" in state.once) != ("DOWNTO" in state.once):
        state.faults.append("EXPIRES and DOWNTO need each other")
    elif sec and downto and RANK[downto] >= RANK[sec]:
        state.faults.append("DOWNTO is not lower than SEC")
    rank = RANK.get(sec or "", 0)
    levels = LEVELS_2012 if marking.of_2012 else LEVELS_2018
    for level in (sec, downto):
        if level and level not in levels:
            state.notes.append(f"{level} is no level of this version")
    if marking.of_2012:
        if marking.access:
            state.notes.append("ACCESS is not of this version")
        if marking.dlm == "Sensitive:Cabinet" and rank < RANK["PROTECTED"]:
            state.notes.append("Sensitive:Cabinet needs PROTECTED or higher")
        return
    if marking.dlm is not None:
        state.notes.append("DLM is not of this version")
    if marking.access and rank < RANK["OFFICIAL:Sensitive"]:
        state.notes.append("ACCESS needs OFFICIAL:Sensitive or higher")
    for caveat in marking.caveats:
        least = "OFFICIAL:Sensitive" if caveat == Caveat("SH", "NATIONAL-CABINET") else "PROTECTED"
        if rank < RANK[least]:
            state.notes.append(f"CAVEAT={caveat.kind}:{caveat.text[:40]} needs {least} or higher")


def _time(text: str) -> datetime | None:
    found = _DATE.fullmatch(text)
    if found is None:
        return None
    day, clock, fraction, zone = found.groups()
    zone = "+00:00" if zone in (None, "Z") else zone
    zone = zone + ":00" if len(zone) == 3 else zone
    try:
        return datetime.fromisoformat(f"{day}T{clock or '00:00:00'}{(fraction or '')[:7]}{zone}").astimezone(UTC)
    except (ValueError, OverflowError):
        return None


# -- writing


def write(marking: Marking, form: Form = Form.HEADER) -> str:
    """The marking as the standard writes it: VER, NS, SEC, DLM, CAVEAT, EXPIRES, DOWNTO, ACCESS, NOTE, ORIGIN.

    The version comes from the marking, never from here; a header needs it. Caveats are put in the standard's order.
    Raises `InvalidMarking` with every fault, deviations a reader would accept included.
    """
    faults = [] if marking.version or form is Form.SUBJECT else ["a header needs VER"]
    if marking.namespace not in (None, NAMESPACE):
        faults.append(f"NS is {NAMESPACE}")
    pairs = [("VER", marking.version), ("NS", NAMESPACE)] if form is Form.HEADER else []
    pairs += [("SEC", marking.sec), ("DLM", marking.dlm)]
    pairs += [("CAVEAT", f"{one.kind}:{_escape(one.text)}") for one in sorted(marking.caveats, key=_caveat_rank)]
    pairs += [("EXPIRES", marking.expires if marking.expiry else _escape(marking.expires)), ("DOWNTO", marking.downto)]
    pairs += [("ACCESS", one) for one in sorted(marking.access, key=_access_rank)]
    if form is Form.HEADER:
        pairs += [("NOTE", _escape(marking.note)), ("ORIGIN", _escape(marking.origin))]
    text = ", ".join(f"{tag}={value}" for tag, value in pairs if value is not None)
    text = f"[{text}]" if form is Form.SUBJECT else text
    parsed = read(text, form)
    faults += [*parsed.faults, *parsed.notes]
    if not re.fullmatch(r"[ -~]*", text):
        faults.append("ORIGIN, NOTE and all other texts are printable ASCII on one line")
    elif not faults and parsed.marking != _expected(marking, form):
        faults.append("a text that is not read back as given; blanks around it go")
    if form is Form.SUBJECT and re.search(r"[\[\]]", text[1:-1]):
        faults.append("a square bracket inside a subject marking")
    if faults:
        raise InvalidMarking(f"the marking breaks its standard: {'; '.join(faults)}", faults)
    return text


def _expected(marking: Marking, form: Form) -> Marking:
    """What reading the written form gives."""
    ordered = replace(
        marking,
        caveats=tuple(sorted(marking.caveats, key=_caveat_rank)),
        access=tuple(sorted(marking.access, key=_access_rank)),
        namespace=NAMESPACE,
    )
    if form is Form.HEADER:
        return ordered
    return replace(ordered, version=None, namespace=None, note=None, origin=None)


def _escape(text: str | None) -> str | None:
    return None if text is None else re.sub(r"([,:\\])", r"\\\1", text)


def _access_rank(value: str) -> int:
    return ACCESS.index(value) if value in ACCESS else len(ACCESS)


def _caveat_rank(caveat: Caveat) -> int:
    """C, SC, FG, RI, SH, SH:EXCLUSIVE-FOR, RI:REL, as the government's own writer orders them."""
    if caveat.kind == "RI" and caveat.text.startswith("REL"):
        return 60
    if caveat.kind == "SH" and caveat.text in SPECIAL_HANDLING:
        return 40 + SPECIAL_HANDLING.index(caveat.text)
    if caveat.kind == "RI" and caveat.text in RELEASE:
        return 30 + RELEASE.index(caveat.text)
    return {"C": 0, "SC": 1, "FG": 2, "RI": 32, "SH": 50}.get(caveat.kind, 70)
