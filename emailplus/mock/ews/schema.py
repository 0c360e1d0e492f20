"""Documents against the EWS schemas, where somebody has them: they are not part of the package."""

from __future__ import annotations

from pathlib import Path

from lxml import etree

from .soap import SOAP, q


class Schemas:
    """The schema pair of a folder with ``messages.xsd`` and ``types.xsd``."""

    def __init__(self, folder: Path) -> None:
        self._schema = etree.XMLSchema(etree.parse(str(folder / "messages.xsd")))

    def problems(self, root: etree._Element) -> list[str]:
        """What the content of an envelope's Body, and what its Header holds, do against the schema."""
        if root.tag != f"{{{SOAP}}}Envelope":
            return ["no envelope"]
        found = []
        for part in (root.find(q("s:Header")), root.find(q("s:Body"))):
            for node in part if part is not None else ():
                if node.tag == f"{{{SOAP}}}Fault":
                    continue
                if not self._schema.validate(etree.ElementTree(node)):
                    found += [f"line {error.line}: {error.message}" for error in list(self._schema.error_log)]  # type: ignore[call-overload]
        return found
