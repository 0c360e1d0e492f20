"""Settings (MS-ASCMD 2.2.1.18): device information, user information, out-of-office."""

from __future__ import annotations

from ...eas.wbxml import Node
from ..device import Device
from ..tree import as_text, child, children


def store_device_information(device: Device, information: Node) -> str:
    """Keep what DeviceInformation says; returns the Status: 1, or 2 without Set and Model (MS-ASPROV_R607)."""
    values = {tag.partition(":")[2]: as_text(content) for tag, content in children(child(information, "Settings:Set"))}
    if "Model" not in values:
        return "2"
    device.information = values
    return "1"
