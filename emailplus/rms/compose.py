"""Which template an outgoing message carries (MS-ASRM 2.2.2.19.3, 3.2.5.1)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..errors import UsageError
from ..model.account import RightsTemplate
from ..model.rights import Licence, Right

NO_RESTRICTION = "00000000-0000-0000-0000-000000000000"
"""TemplateID that takes the protection off an answer, where the original may be exported (MS-ASRM_R51)."""


@dataclass(frozen=True, slots=True)
class Protection:
    """What a message is sent with."""

    template: str
    """TemplateID to send with, "" for none."""
    inherited: bool = False
    """The original's protection goes on."""
    inline: bool = True
    """Whether the original may stand within the answer; else the server attaches it, or it is left out."""


def named(templates: Iterable[RightsTemplate], wanted: str) -> RightsTemplate:
    """The template with that TemplateID, else the only one of that name; case does not matter. Raises `UsageError`."""
    offered = list(templates)
    key = wanted.strip().casefold()
    by_id = [template for template in offered if template.id.strip("{}").casefold() == key.strip("{}")]
    found = by_id or [template for template in offered if template.name.strip().casefold() == key]
    if len(found) == 1 or by_id:
        return found[0]
    if found:
        raise UsageError(f"{len(found)} templates are called {wanted!r}: name one by its id")
    names = ", ".join(repr(template.name) for template in offered) or "none"
    raise UsageError(f"the server has no template {wanted!r}; it offers {names}")


def protection(template: str, original: Licence | None) -> Protection:
    """What follows from the template chosen ("" for none) and the licence of the original, if it has one.

    The original may be quoted inline only with EditAllowed, and under another template only with ExportAllowed besides
    (MS-ASRM_R40, R261 to R269).
    """
    if original is None:
        return Protection("" if template == NO_RESTRICTION else template)
    # Without a TemplateID the server puts boilerplate in place of the original (MS-ASRM_R367): inheriting names it.
    template = template or original.template_id
    same = _key(template) == _key(original.template_id)
    edit, export = original.grants(Right.EDIT), original.grants(Right.EXPORT)
    # A licence that names no template can be passed on by the server alone: what we sent would be in the clear.
    return Protection(template, inherited=same, inline=edit and bool(template) and (export or same))


def _key(template: str) -> str:
    """A TemplateID as it is compared: servers write GUIDs with braces and without, in either case."""
    return template.strip().strip("{}").casefold()
