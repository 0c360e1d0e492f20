"""From a value as a device manager sends it to the typed value: one function a type, pure.

Device managers send text for everything (`"true"`, `"10"`, `" true "`); plist and JSON may carry real numbers,
booleans, lists and bytes. Both are read, and nothing is guessed: `"yes"` is not a boolean.
"""

from __future__ import annotations

import json
import re
from binascii import b2a_base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from difflib import get_close_matches
from math import isfinite
from typing import Final
from urllib.parse import urlsplit

from . import lenient
from .certificates import BadCertificate, CertificateCheck, EscrowCertificate, Form, decode
from .hosts import BadHost, parse_host
from .keys import BY_NAME, Key
from .problems import printable
from .secret import Secret

INTEGER_LIMIT: Final = 2**31 - 1
MEGABYTES_LIMIT: Final = 1_048_576
"""A tebibyte: no mail is larger, and the number of bytes stays far within 64 bits."""
MEGABYTES_LEAST: Final = Decimal(1) / 1_048_576
"""One byte."""

ITEMS_LIMIT: Final = 5000
"""Parts of a list. Each unknown flag is worth a remark, and remarks are for people."""
REPAIRS_SHOWN: Final = 20
"""Repairs of one pasted document that are told one by one."""

FLAGS: Final = (*BY_NAME["enabled_features"].choices, *BY_NAME["disabled_features"].choices)
"""disabled_features takes both kinds: what is given there leaves the effective enabled_features."""

_NUMBER = re.compile(r"[0-9]{1,20}(\.[0-9]{1,20})?|\.[0-9]{1,20}")
_INTEGER = re.compile(r"[+-]?[0-9]{1,20}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_CONTROL_BUT_LINES = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_DOMAIN_LABEL = re.compile(r"[^\W_](?:[\w-]{0,61}[^\W_])?")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*")
_DEVICE_ID = re.compile(r"[A-Za-z0-9]{1,32}")


class Unreadable(ValueError):
    """A value that its key does not take. The text says what is expected and never repeats the value.

    `kept`: what the key holds all the same, because its mere presence means something.
    """

    def __init__(self, text: str, kept: object = None) -> None:
        super().__init__(text)
        self.kept = kept


@dataclass(frozen=True, slots=True)
class WatermarkParameters:
    """`email_watermark_parameters`; None where a part was not given. Sizes are points."""

    text_color: str | None = None
    text_size: int | None = None
    horizontal_spacing: int | None = None
    vertical_spacing: int | None = None


@dataclass(frozen=True, slots=True)
class Context:
    """What a conversion needs besides the value. `notes` collects remarks on values that stand all the same."""

    check: CertificateCheck | None = None
    password: Secret | None = None
    notes: list[str] | None = None

    def note(self, text: str) -> None:
        if self.notes is not None:
            self.notes.append(text)


def convert(key: Key, raw: object, context: Context) -> object:
    """The typed value of `raw`. Raises `Unreadable`."""
    if isinstance(raw, str | bytes | bytearray) and len(raw) > key.length:
        raise Unreadable(f"at most {key.length:,} characters", "" if key.type == "json" else None)
    return CONVERTERS[key.type](raw, key, context)


# -- scalars -----------------------------------------------------------------------------------------------------------


def _bool(raw: object, key: Key, context: Context) -> bool:
    if isinstance(raw, bool):
        return raw
    if isinstance(raw, int) and raw in (0, 1):
        return raw == 1
    text = (raw if key.case_sensitive else raw.lower()) if isinstance(raw, str) else None
    if text in ("true", "1"):
        return True
    if text in ("false", "0"):
        return False
    if key.case_sensitive and isinstance(raw, str) and raw.lower() in ("true", "false"):
        raise Unreadable("true or false, in lower case")
    raise Unreadable("0 or 1" if key.type == "bool01" else "true or false")


def _finite(number: float | Decimal) -> bool:
    return number.is_finite() if isinstance(number, Decimal) else isfinite(number)


def _whole(raw: object) -> int | None:
    """An integer from an int, an integral float or decimal digits; None of anything else."""
    if isinstance(raw, bool):
        return None
    if isinstance(raw, int):
        return raw
    if isinstance(raw, float | Decimal):
        # The bound first: int() of a number with a huge exponent never ends.
        return int(raw) if _finite(raw) and -INTEGER_LIMIT <= raw <= INTEGER_LIMIT and raw == int(raw) else None
    return int(raw) if isinstance(raw, str) and _INTEGER.fullmatch(raw) else None


def _int(raw: object, key: Key, context: Context) -> int:
    minimum = key.minimum or 0
    maximum = INTEGER_LIMIT if key.maximum is None else key.maximum
    number = _whole(raw)
    if number is None or not minimum <= number <= maximum:
        top = "" if key.maximum is None else f" and at most {maximum:,}"
        raise Unreadable(f"a whole number of at least {minimum:,}{top}")
    return number


def _megabytes(raw: object, key: Key, context: Context) -> Decimal:
    number: Decimal | None = None
    if isinstance(raw, str) and _NUMBER.fullmatch(raw):
        number = Decimal(raw)
    elif isinstance(raw, int | float | Decimal) and not isinstance(raw, bool) and _finite(raw):
        number = Decimal(str(raw)) if -1 < raw <= MEGABYTES_LIMIT else None
    if number is None or not MEGABYTES_LEAST <= number <= MEGABYTES_LIMIT:
        raise Unreadable("a number of megabytes above 0, with a point for fractions, for example 10 or 0.5")
    return number.normalize() + 0


def _choice(raw: object, key: Key, context: Context) -> str:
    text = raw if isinstance(raw, str) else ""
    if not key.case_sensitive:
        text = text.lower()
    if key.name.endswith("_auth_mode"):
        text = text.replace("-", "_")
    if text in key.choices:
        return text
    exact = " (the case matters)" if key.case_sensitive else ""
    raise Unreadable(f"one of {', '.join(key.choices)}{exact}")


def _number_choice(raw: object, key: Key, context: Context) -> int:
    number = _whole(raw)
    if number is None or str(number) not in key.choices:
        raise Unreadable(f"one of {key.allowed if '0 all' in key.allowed else ', '.join(key.choices)}")
    return number


# -- text --------------------------------------------------------------------------------------------------------------


def _plain(raw: object, key: Key) -> str:
    if not isinstance(raw, str):
        raise Unreadable("text")
    control = _CONTROL_BUT_LINES if key.multiline else _CONTROL
    if control.search(raw):
        raise Unreadable("text without control characters" if key.multiline else "text on one line")
    return raw


def _string(raw: object, key: Key, context: Context) -> str:
    if isinstance(raw, bytes) and key.name == "email_user_certificate_self_service":
        return b2a_base64(raw, newline=False).decode()
    text = _plain(raw, key)
    if key.name == "email_device_id" and not _DEVICE_ID.fullmatch(text):
        raise Unreadable("1 to 32 letters or digits (A-Z, a-z, 0-9), without dashes")
    if key.name == "email_exchange_username":
        _check_username(text)
    return text


def _check_username(text: str) -> None:
    if ":" in text:
        # RFC 7617 2: a user-id with a colon cannot be sent in Basic authentication.
        raise Unreadable("a user name without a colon")
    domain, backslash, user = text.partition("\\")
    if backslash and (not domain or not user or "\\" in user):
        raise Unreadable(r"user, user@domain or domain\user (one backslash)")


def _secret(raw: object, key: Key, context: Context) -> Secret:
    if not isinstance(raw, str):
        raise Unreadable("text")
    if _CONTROL.search(raw):
        raise Unreadable("text without control characters")
    return Secret(raw)


def _email(raw: object, key: Key, context: Context) -> str:
    text = _plain(raw, key)
    local, at, domain = text.rpartition("@")
    if not at or not local or len(text) > 254 or any(char.isspace() or char in '<>",;' for char in text):
        raise Unreadable("an address such as user@example.com")
    if "@" in local or not (_is_domain(domain) or (domain.startswith("[") and domain.endswith("]"))):
        raise Unreadable("an address such as user@example.com")
    return text


def _is_domain(text: str) -> bool:
    return 0 < len(text) <= 253 and all(_DOMAIN_LABEL.fullmatch(label) for label in text.split("."))


def _domains(raw: object, key: Key, context: Context) -> tuple[str, ...]:
    found: list[str] = []
    for item in _items(raw, "domains, separated by commas"):
        domain = item.lower()
        if "@" in domain:
            raise Unreadable("domains without @, separated by commas")
        if domain != "*" and not _is_domain(domain.removeprefix("*.")):
            raise Unreadable("domains, separated by commas: example.com, *.example.com, or * alone")
        found.append(domain)
    if "*" in found and len(found) > 1:
        context.note("* stands for every domain; the others have no effect")
    return tuple(dict.fromkeys(found))


def _host(raw: object, key: Key, context: Context) -> str:
    try:
        return str(parse_host(_plain(raw, key), path=key.type != "host" or key.name.startswith("migrate_from_")))
    except BadHost as error:
        raise Unreadable(str(error)) from None


def _url(raw: object, key: Key, context: Context) -> str:
    text = _plain(raw, key)
    schemes = " or ".join(f"{scheme}://" for scheme in key.choices)
    wanted = f"a URL that begins with {schemes}" if schemes else "a URL"
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise Unreadable(wanted) from None
    if not parts.scheme or any(char.isspace() for char in text) or not (parts.netloc or parts.path or parts.query):
        raise Unreadable(wanted)
    if key.choices and (parts.scheme not in key.choices or not host):
        raise Unreadable(wanted)
    if "@" in parts.netloc:
        raise Unreadable("a URL without user name and password")
    return text


def _scheme(raw: object, key: Key, context: Context) -> str:
    text = _plain(raw, key)
    if not _SCHEME.fullmatch(text):
        raise Unreadable(f"a URL scheme without ://, for example {key.default}")
    return text.lower()


# -- lists and structures ----------------------------------------------------------------------------------------------


def _items(raw: object, wanted: str) -> list[str]:
    """The parts of a comma separated list, or of a real list of texts; blanks around a part do not count."""
    if isinstance(raw, str):
        parts: Sequence[object] = raw.split(",")
    elif isinstance(raw, list | tuple | set | frozenset):
        parts = list(raw)
    else:
        raise Unreadable(wanted)
    if len(parts) > ITEMS_LIMIT:
        raise Unreadable(f"at most {ITEMS_LIMIT:,} parts")
    if not all(isinstance(part, str) and not _CONTROL.search(part) for part in parts):
        raise Unreadable(wanted)
    return [part.strip() for part in parts if isinstance(part, str) and part.strip()]


def _flags(raw: object, key: Key, context: Context) -> frozenset[str]:
    """Known flags; an unknown one is noted, never fatal (a later guide may define it)."""
    both = key.choices if key.name == "enabled_features" else FLAGS
    found: set[str] = set()
    for item in _items(raw, "flags, separated by commas"):
        if item in both:
            found.add(item)
            continue
        hint = ""
        if ";" in item:
            hint = "; flags are separated by commas"
        elif item in FLAGS:
            hint = "; it belongs in disabled_features"
        elif near := get_close_matches(item[:100], both, 1):
            hint = f"; did you mean {near[0]}?"
        context.note(f"the flag {printable(item)} is not known and has no effect{hint}")
    return frozenset(found)


def _permutations(raw: object, key: Key, context: Context) -> tuple[str, ...]:
    wanted = "markings such as SEC=PROTECTED,DLM=Sensitive, separated by ;"
    parts = raw.split(";") if isinstance(raw, str) else raw
    if not isinstance(parts, list | tuple):
        raise Unreadable(wanted)
    found = [part.strip() for part in parts if isinstance(part, str) and part.strip()]
    if len(found) < sum(not isinstance(part, str) or bool(part.strip()) for part in parts):
        raise Unreadable(wanted)
    if not found or any(_CONTROL.search(part) for part in found):
        raise Unreadable(wanted)
    if not all(re.fullmatch(r"[A-Z]+=[^=,]+(,[A-Z]+=[^=,]+)*", part) for part in found):
        raise Unreadable(wanted)
    return tuple(found)


def _json(raw: object, key: Key, context: Context) -> str:
    """A JSON object, kept as text in one canonical form so that every carrier yields the same value.

    Text is read leniently, each repair with a remark. What cannot be read is kept as it is: that the key is there
    switches others off.
    """
    wanted = "a JSON object"
    value = raw
    if isinstance(raw, str | bytes):
        text = raw if isinstance(raw, str) else raw.decode(errors="replace")
        try:
            value, repairs = lenient.read(text)
        except lenient.Irreparable as stop:
            raise Unreadable(f"{wanted}; {stop}", text) from None
        for repair in repairs[:REPAIRS_SHOWN]:
            context.note(f"repaired: {repair}")
        if len(repairs) > REPAIRS_SHOWN:
            context.note(f"repaired: {len(repairs) - REPAIRS_SHOWN:,} places more")
    if not isinstance(value, Mapping):
        raise Unreadable(wanted, "")
    try:
        # Twice: the first pass gives numbers of every carrier (float, Decimal, int) one notation for the second.
        dumped = _dump(json.loads(_dump(value), parse_float=Decimal))
    except (TypeError, ValueError, RecursionError):
        raise Unreadable(wanted, "") from None
    if len(dumped) > key.length:
        raise Unreadable(f"at most {key.length:,} characters", "")
    return dumped


def _dump(value: object) -> str:
    return json.dumps(value, allow_nan=False, separators=(",", ":"), default=_plain_json)


def _plain_json(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Decimal) and value.is_finite():
        return int(value) if value == value.to_integral_value() and abs(value) < 2**53 else float(value)
    raise TypeError("not JSON")


_WATERMARK: Final = {
    "textcolor": "text_color",
    "textsize": "text_size",
    "horizontalspacing": "horizontal_spacing",
    "verticalspacing": "vertical_spacing",
}


def _watermark(raw: object, key: Key, context: Context) -> WatermarkParameters:
    wanted = "textColor=#AARRGGBB, textSize=, horizontalSpacing=, verticalSpacing= with whole numbers"
    pairs = _watermark_pairs(raw, wanted)
    found: dict[str, str | int] = {}
    for name, value in pairs:
        attribute = _WATERMARK.get(name.strip().lower())
        if attribute is None or attribute in found:
            raise Unreadable(wanted)
        if attribute == "text_color":
            color = value.strip() if isinstance(value, str) else ""
            if not re.fullmatch(r"#[0-9A-Fa-f]{8}", color):
                raise Unreadable("textColor as #AARRGGBB, eight hexadecimal digits")
            found[attribute] = color.upper()
            continue
        number = _whole(value.strip() if isinstance(value, str) else value)
        if number is None or not 0 <= number <= 10_000:
            raise Unreadable(wanted)
        found[attribute] = number
    return WatermarkParameters(**found)  # type: ignore[arg-type]


def _watermark_pairs(raw: object, wanted: str) -> list[tuple[str, object]]:
    value = raw
    if isinstance(raw, str) and raw.lstrip().startswith("{"):
        try:
            value = json.loads(raw)
        except (ValueError, RecursionError):
            raise Unreadable(wanted) from None
    if isinstance(value, Mapping):
        return [(str(name), content) for name, content in value.items()]
    pairs: list[tuple[str, object]] = []
    for item in _items(value, wanted):
        match = re.fullmatch(r"([A-Za-z]+)\s*[=:]\s*(\S+)", item)
        if match is None:
            raise Unreadable(wanted)
        pairs.append((match[1], match[2]))
    return pairs


# -- certificates ------------------------------------------------------------------------------------------------------


def _certificate(raw: object, key: Key, context: Context) -> bytes:
    form: Form = "der-cert" if key.type == "der-cert" else "p12"
    return _checked(raw, form, context.password, context)


def _checked(raw: object, form: Form, password: Secret | None, context: Context) -> bytes:
    if not isinstance(raw, str | bytes | bytearray):
        raise Unreadable("base64 text")
    try:
        data = decode(raw if isinstance(raw, str) else bytes(raw), form)
    except BadCertificate as error:
        raise Unreadable(str(error)) from None
    complaint = context.check(data, form, password) if context.check else None
    if complaint:
        raise Unreadable(complaint)
    return data


def _escrow(raw: object, key: Key, context: Context) -> tuple[EscrowCertificate, ...]:
    wanted = "a list of dictionaries with email_escrow_certificates and email_escrow_certificates_MI_CERT_PW"
    value = raw
    if isinstance(raw, str):
        try:
            value = json.loads(raw)
        except (ValueError, RecursionError):
            raise Unreadable(wanted) from None
    if not isinstance(value, list | tuple):
        raise Unreadable(wanted)
    found: list[EscrowCertificate] = []
    for number, entry in enumerate(value, 1):
        if not isinstance(entry, Mapping):
            raise Unreadable(f"{wanted}; entry {number} is no dictionary")
        blob, words = entry.get("email_escrow_certificates"), entry.get("email_escrow_certificates_MI_CERT_PW")
        if words is not None and not isinstance(words, str | Secret):
            raise Unreadable(f"{wanted}; the password of entry {number} is no text")
        password = Secret(words) if isinstance(words, str) and words else words if isinstance(words, Secret) else None
        try:
            found.append(EscrowCertificate(_checked(blob, "p12", password, context), password))
        except Unreadable as error:
            raise Unreadable(f"entry {number}: {error}") from None
    return tuple(found)


Converter = Callable[[object, Key, Context], object]

CONVERTERS: Final[dict[str, Converter]] = {
    "bool": _bool,
    "bool01": _bool,
    "int": _int,
    "int>0": _int,
    "number": _megabytes,
    "enum": _choice,
    "enum-int": _number_choice,
    "flags": _flags,
    "string": _string,
    "secret": _secret,
    "email": _email,
    "host": _host,
    "host[/path]": _host,
    "host/path": _host,
    "url": _url,
    "url-scheme": _scheme,
    "domain-list": _domains,
    "p12": _certificate,
    "der-cert": _certificate,
    "list[dict]": _escrow,
    "list": _permutations,
    "json": _json,
    "params": _watermark,
}
