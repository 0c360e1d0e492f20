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
    return parse({tag.partition(":")[2]: value((tag, inner)) for tag, inner in content if not isinstance(inner, list)})
