"""The app policy (AppConnect) that a device manager sends beside the pairs of the app config.

    element            values                             where it is not given
    authorized         true | false                       true
    copy_paste         none | managed | all               managed
    open_in            none | managed | allow_list | all  managed
    open_in_apps       app ids                            none
    open_from          none | managed | allow_list | all  managed
    open_from_apps     app ids                            none
    print              true | false                       false
    screen_capture     true | false                       false
    passcode_required  true | false                       false

The elements stand in `container` (the app's container policy) or in `global` (the global policy), or without either,
which is the global one. An element of the container policy overrides the global one; a container policy authorises the
app unless it says otherwise, even where the global policy does not (guide, "Configuring the AppConnect container
policy"). Without any policy the defaults hold; where the source names none, the stricter value stands.

    {"global": {"open_in": "all"}, "container": {"open_in": "allow_list", "open_in_apps": "com.example.docs"}}
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from typing import Any, Final, Literal

from .convert import ITEMS_LIMIT
from .loaders import Source, described, read
from .problems import Problem, failure, shown

Scope = Literal["none", "managed", "allow_list", "all"]

_APP = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}")


@dataclass(frozen=True, slots=True, kw_only=True)
class AppConnectPolicy:
    """One app policy in effect, container over global. Made by `AppConnectPolicy.load`; the defaults stand alone."""

    authorized: bool = True
    copy_paste: Scope = "managed"
    open_in: Scope = "managed"
    open_in_apps: frozenset[str] = frozenset()
    open_from: Scope = "managed"
    open_from_apps: frozenset[str] = frozenset()
    print: bool = False
    screen_capture: bool = False
    passcode_required: bool = False
    warnings: tuple[Problem, ...] = field(default=(), compare=False)

    @classmethod
    def load(cls, source: Source) -> AppConnectPolicy:
        """Read a policy: a path, the bytes of a file (JSON, plist, `element=value` lines) or a mapping.

        Raises `ConfigurationError` whose `problems` are all of them; nothing of a policy with a problem is used.
        """
        problems: list[Problem] = []
        layers = _layers(read(source), problems)
        values: dict[str, Any] = {}
        for place in ("global", "container"):
            if place == "container" and place in layers:
                values["authorized"] = True
            values |= _values(place, layers.get(place, {}), problems)
        if any(problem.critical for problem in problems):
            raise failure(problems)
        for name in ("open_in", "open_from"):
            if values.get(name) == "allow_list" and not values.get(f"{name}_apps"):
                problems.append(
                    _remark(f"{name}_apps", "", f"{name} is allow_list and lists nobody: no app is allowed")
                )
            if values.get(f"{name}_apps") and values.get(name) != "allow_list":
                problems.append(_remark(f"{name}_apps", "", f"no effect: {name} is not allow_list"))
        return cls(**values, warnings=tuple(problems))

    def as_dict(self) -> dict[str, object]:
        """Every element, as JSON has it."""
        values = {row.name: getattr(self, row.name) for row in fields(self) if row.name != "warnings"}
        return {name: sorted(value) if isinstance(value, frozenset) else value for name, value in values.items()}

    def to_json(self) -> str:
        """For keeping; `load` reads it back."""
        return json.dumps(self.as_dict())


DEFAULT: Final = AppConnectPolicy()
_ELEMENTS: Final = tuple(row.name for row in fields(AppConnectPolicy) if row.name != "warnings")
_SCOPES: Final[dict[str, tuple[str, ...]]] = {
    "copy_paste": ("none", "managed", "all"),
    "open_in": ("none", "managed", "allow_list", "all"),
    "open_from": ("none", "managed", "allow_list", "all"),
}


def _layers(pairs: Sequence[tuple[object, object]], problems: list[Problem]) -> dict[str, dict[str, object]]:
    """The pairs of each of the two policies, flat ones counted as global."""
    layers: dict[str, dict[str, object]] = {}
    for name, value in pairs:
        if name not in ("global", "container"):
            _take(layers.setdefault("global", {}), "global", name, value, problems)
            continue
        place = str(name)
        if not isinstance(value, Mapping):
            problems.append(Problem(place, shown(value), "a dictionary of elements", True))
            continue
        layer = layers.setdefault(place, {})
        for element, inner in getattr(value, "pairs", value.items()):
            _take(layer, place, element, inner, problems)
    return layers


def _take(layer: dict[str, object], place: str, name: object, value: object, problems: list[Problem]) -> None:
    if name not in _ELEMENTS:
        near = get_close_matches(name[:100], _ELEMENTS, 1) if isinstance(name, str) else []
        hint = f"; did you mean {near[0]}?" if near else ""
        problems.append(_remark(f"{place}.{described(name)}", shown(value), f"no element of the app policy{hint}"))
    elif name in layer and layer[str(name)] != value:
        problems.append(Problem(f"{place}.{name}", shown(value), "one value, not two", True))
    else:
        layer[str(name)] = value


def _values(place: str, layer: Mapping[str, object], problems: list[Problem]) -> dict[str, object]:
    found: dict[str, object] = {}
    for name, raw in layer.items():
        if raw is None or (isinstance(raw, str) and not raw.strip()):
            continue  # not given
        value = _scope(name, raw) if name in _SCOPES else _apps(raw) if name.endswith("_apps") else _switch(raw)
        if value is None:
            problems.append(Problem(f"{place}.{name}", shown(raw), _wanted(name), True))
        else:
            found[name] = value
    return found


def _wanted(name: str) -> str:
    if name in _SCOPES:
        return f"one of {', '.join(_SCOPES[name])}"
    return (
        "ids of apps, separated by commas, for example com.example.docs" if name.endswith("_apps") else "true or false"
    )


def _switch(raw: object) -> bool | None:
    if isinstance(raw, bool):
        return raw
    if isinstance(raw, int) and raw in (0, 1):
        return raw == 1
    return (
        {"true": True, "1": True, "false": False, "0": False}.get(raw.strip().lower()) if isinstance(raw, str) else None
    )


def _scope(name: str, raw: object) -> str | None:
    text = raw.strip().lower().replace("-", "_") if isinstance(raw, str) and len(raw) < 100 else ""
    return text if text in _SCOPES[name] else None


def _apps(raw: object) -> frozenset[str] | None:
    parts = raw.split(",") if isinstance(raw, str) else raw
    if not isinstance(parts, list | tuple | set | frozenset) or len(parts) > ITEMS_LIMIT:
        return None
    names = [part.strip() if isinstance(part, str) else "\0" for part in parts]
    return frozenset(filter(None, names)) if all(not name or _APP.fullmatch(name) for name in names) else None


def _remark(key: str, value: str, text: str) -> Problem:
    return Problem(key, value, text, critical=False, advice=True)
