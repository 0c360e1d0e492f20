"""Settings: announcing the device (MS-ASCMD 2.2.1.18)."""

from __future__ import annotations

from collections.abc import Mapping

from .. import status, tree
from ..wbxml import Node

NAME = "Settings"


def device_information(values: Mapping[str, str]) -> Node:
    """DeviceInformation with a Set of Model, FriendlyName, OS, OSLanguage, UserAgent (MS-ASCMD 2.2.3.45)."""
    order = ("Model", "IMEI", "FriendlyName", "OS", "OSLanguage", "PhoneNumber", "UserAgent")
    parts: list[Node] = [(f"{NAME}:{name}", values[name]) for name in order if values.get(name)]
    return (f"{NAME}:DeviceInformation", [(f"{NAME}:Set", parts)])


def build_device_information(values: Mapping[str, str]) -> Node:
    """The Settings command that announces the device, for versions 12.0 to 14.0."""
    return (f"{NAME}:{NAME}", [device_information(values)])


def parse_device_information(root: Node) -> None:
    """Raises the error of a status other than 1."""
    tree.expect(root, f"{NAME}:{NAME}")
    for path in ((f"{NAME}:Status",), (f"{NAME}:DeviceInformation", f"{NAME}:Status")):
        code = tree.status(root, *path)
        if code not in (None, status.OK):
            raise status.error(NAME, code)
