"""Variables that a device manager fills in before the engine sees a value: `$EMAIL$`, `${userUID}` and so on.

Where no device manager stands in front (a file written by hand, a scripted job) the engine fills them in from an
`Identity`. Core writes `$NAME$`, Cloud `${name}` (guide, tables 1 to 3).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Final

from .problems import Problem, failure, printable, shown
from .secret import Secret

VARIABLES: Final[dict[str, str]] = {
    "$EMAIL$": "email",
    "$USERID$": "user_id",
    "$PASSWORD$": "password",
    "$DEVICE_UUID_NO_DASHES$": "device_uuid",
    "$USER_CUSTOM1$": "user_custom1",
    "$USER_CUSTOM2$": "user_custom2",
    "$USER_CUSTOM3$": "user_custom3",
    "$USER_CUSTOM4$": "user_custom4",
    "${userEmailAddress}": "email",
    "${userEmailAddressLocalPart}": "email",
    "${userUID}": "user_id",
    "${PASSWORD}": "password",
}
"""Variable -> attribute of `Identity`."""

PASSWORDS: Final = frozenset(name for name, attribute in VARIABLES.items() if attribute == "password")

_KNOWN: Final = re.compile("|".join(re.escape(name) for name in VARIABLES))
_ALIKE: Final = re.compile(r"\$[A-Z][A-Z0-9_]*\$|\$\{[A-Za-z][A-Za-z0-9_.]*\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who and which device the configuration is for. Everything is optional; what a variable needs must be there."""

    email: str | None = None
    user_id: str | None = None
    password: Secret | None = None
    device_uuid: str | None = None
    user_custom1: str | None = None
    user_custom2: str | None = None
    user_custom3: str | None = None
    user_custom4: str | None = None

    @classmethod
    def of(cls, source: Identity | Mapping[str, object] | None) -> Identity | None:
        """An identity from a mapping whose names are attributes (`user_id`) or variables (`$USERID$`, `USERID`).

        Raises `ConfigurationError` with every unknown name and every value that is not text.
        """
        if source is None or isinstance(source, Identity):
            return source
        given: dict[str, str | Secret] = {}
        problems: list[Problem] = []
        for name, value in source.items():
            attribute = _NAMES.get(str(name).casefold())
            if attribute is None:
                known = ", ".join(sorted(field.name for field in fields(cls)))
                problems.append(Problem("identity", printable(str(name)), f"one of {known}", True))
            elif isinstance(value, Secret) and attribute == "password":
                given[attribute] = value
            elif isinstance(value, str):
                given[attribute] = Secret(value) if attribute == "password" else value
            elif value is not None:
                masked = shown(value, secret=attribute == "password")
                problems.append(Problem(f"identity.{attribute}", masked, "text", True))
        if problems:
            raise failure(problems)
        return cls(**given)  # type: ignore[arg-type]

    def value(self, variable: str) -> str | None:
        """What `variable` stands for, or None where the identity does not say."""
        content = getattr(self, VARIABLES[variable])
        text = content.reveal() if isinstance(content, Secret) else content
        if not text:
            return None
        if variable == "$DEVICE_UUID_NO_DASHES$":
            return str(text).replace("-", "")
        if variable == "${userEmailAddressLocalPart}":
            return str(text).rpartition("@")[0] or None
        return str(text)


_NAMES: Final[dict[str, str]] = {
    **{field.name.casefold(): field.name for field in fields(Identity)},
    **{name.casefold(): attribute for name, attribute in VARIABLES.items() if name != "${userEmailAddressLocalPart}"},
    **{
        name.strip("${}").casefold(): attribute
        for name, attribute in VARIABLES.items()
        if name != "${userEmailAddressLocalPart}"
    },
}


def substitute(text: str, identity: Identity | None) -> tuple[str, tuple[str, ...]]:
    """`text` with every known variable filled in once, and the variables that the identity leaves open.

    A filled-in value is not searched again: a directory attribute that reads `$PASSWORD$` stays what it is.
    """
    missing: list[str] = []

    def fill(match: re.Match[str]) -> str:
        value = identity.value(match[0]) if identity else None
        if value is None:
            missing.append(match[0])
            return match[0]
        return value

    return _KNOWN.sub(fill, text), tuple(dict.fromkeys(missing))


def variables_in(text: str) -> tuple[str, ...]:
    """The known variables that `text` names."""
    return tuple(dict.fromkeys(_KNOWN.findall(text)))


def alike(text: str) -> str | None:
    """The first thing in `text` that looks like a variable, known or not."""
    match = _ALIKE.search(text)
    return match[0] if match else None
