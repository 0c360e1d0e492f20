"""FindItem: a folder's items by a restriction, in an order, a page at a time (MS-OXWSSRCH)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from lxml import etree

from ..mailbox import Folder
from .shapes import Shape, Shown, instant, item_element
from .soap import Fault, child, local, q

if TYPE_CHECKING:
    from .endpoint import Asked

MAX_DEPTH = 20  # of a restriction


def find_items(asked: Asked, folder: Folder) -> tuple[list[etree._Element], int, int]:
    """The page asked for, where it ends, and how many items there are."""
    body = asked.body
    restriction = child(body, "m:Restriction")
    shape = Shape.read(child(body, "m:ItemShape"), listed=True)
    shown = [Shown(asked.mailbox, folder, item, shape) for item in folder.items.values()]
    if restriction is not None and len(restriction):
        shown = [each for each in shown if _holds(restriction[0], each, 0)]
    calendar = child(body, "m:CalendarView")
    if calendar is not None:
        shown = [each for each in shown if _overlaps(each, calendar)]
    orders = child(body, "m:SortOrder")
    for order in reversed(orders) if orders is not None else ():
        uri = _uri(order)
        shown.sort(key=lambda each, uri=uri: value(each, uri), reverse=order.get("Order") == "Descending")  # type: ignore[misc]
    if orders is None:
        shown.reverse()  # the latest first, as Exchange lists a folder
    start, most = 0, asked.ews.max_changes * 2
    view = child(body, "m:IndexedPageItemView")
    if view is not None:
        start, most = int(view.get("Offset", "0")), int(view.get("MaxEntriesReturned", str(most)))
    elif calendar is not None:
        most = int(calendar.get("MaxEntriesReturned", str(most)))
    here = shown[start : start + most]
    return [item_element(each) for each in here], start + len(here), len(shown)


def value(shown: Shown, uri: str) -> str:
    """A property as text, "" when it has none."""
    element = item_element(Shown(shown.mailbox, shown.folder, shown.item, Shape("IdOnly", fields=frozenset({uri}))))
    found = element.find(q("t:" + uri.partition(":")[2]))
    if found is None:
        return ""
    return "".join(str(piece) for piece in found.itertext())


def _uri(node: etree._Element) -> str:
    field = child(node, "t:FieldURI")
    if field is None:
        raise Fault("ErrorUnsupportedPathForQuery", "The mock searches by FieldURI only.")
    return field.get("FieldURI", "")


def _overlaps(shown: Shown, view: etree._Element) -> bool:
    start, end = value(shown, "calendar:Start"), value(shown, "calendar:End")
    return bool(start) and start < _utc(view.get("EndDate", "")) and end > _utc(view.get("StartDate", ""))


def _utc(text: str) -> str:
    try:
        return instant(datetime.fromisoformat(text))
    except ValueError:
        raise Fault("ErrorInvalidValueForProperty", "no date") from None


def _holds(node: etree._Element, shown: Shown, depth: int) -> bool:
    """Whether a restriction holds for an item."""
    if depth > MAX_DEPTH:
        raise Fault("ErrorRestrictionTooComplex", "The restriction is too complex.")
    kind = local(node)
    if kind in ("And", "Or"):
        inner = (_holds(each, shown, depth + 1) for each in node)
        return all(inner) if kind == "And" else any(inner)
    if kind == "Not":
        return not _holds(node[0], shown, depth + 1)
    here = value(shown, _uri(node))
    if kind == "Exists":
        return here != ""
    if kind == "Contains":
        constant = child(node, "t:Constant")
        wanted = constant.get("Value", "") if constant is not None else ""
        if (
            node.get("ContainmentComparison", "").startswith("IgnoreCase")
            or node.get("ContainmentComparison") == "Loose"
        ):
            here, wanted = here.lower(), wanted.lower()
        mode = node.get("ContainmentMode")
        if mode == "FullString":
            return here == wanted
        return here.startswith(wanted) if mode == "Prefixed" else wanted in here
    constant = node.find(f"{q('t:FieldURIOrConstant')}/{q('t:Constant')}")
    if constant is None or kind not in _COMPARISONS:
        raise Fault("ErrorUnsupportedPathForQuery", f"The mock does not search with {kind}.")
    there = constant.get("Value", "")
    return _COMPARISONS[kind](_comparable(here), _comparable(there))


def _comparable(text: str) -> tuple[int, str]:
    """Numbers by size (a truth is 0 or 1), dates by moment, everything else as text."""
    text = {"false": "0", "true": "1"}.get(text.lower(), text)
    if text.isdecimal():
        return int(text), ""
    if len(text) >= 19 and text[4] == text[7] == "-" and "T" in text:
        return 0, _utc(text)
    return 0, text.lower()


_COMPARISONS: dict[str, Callable[[tuple[int, str], tuple[int, str]], bool]] = {
    "IsEqualTo": lambda here, there: here == there,
    "IsNotEqualTo": lambda here, there: here != there,
    "IsGreaterThan": lambda here, there: here > there,
    "IsGreaterThanOrEqualTo": lambda here, there: here >= there,
    "IsLessThan": lambda here, there: here < there,
    "IsLessThanOrEqualTo": lambda here, there: here <= there,
}
