"""RightsManagementLicense on the wire (MS-ASRM 2.2.2.14)."""

from __future__ import annotations

from ...model.rights import Licence
from ...rms.licence import parse
from ..tree import value
from ..wbxml import Content


def read_licence(content: Content) -> Licence:
    """The licence in a RightsManagementLicense container; what is odd about it denies and never raises."""
    if not isinstance(content, list):
        return parse({})
    values: dict[str, str] = {}
    for tag, inner in content:
        name, given = tag.partition(":")[2], "" if isinstance(inner, list) else value((tag, inner))
        # What is said twice, and differently, is not said.
        values[name] = given if values.get(name, given) == given else ""
    return parse(values)
