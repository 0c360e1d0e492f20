"""libwbxml, a second implementation of WBXML in C (Debian: libwbxml2-1), for comparison."""

from __future__ import annotations

import ctypes
import ctypes.util

import pytest

_ACTIVESYNC, _VERSION_1_3, _COMPACT = 2402, 3, 0


class Libwbxml:
    """WBXML to XML and back as `wbxml2xml -l ACTIVESYNC` and `xml2wbxml -a -n -v 1.3` do it, white space kept."""

    def __init__(self) -> None:
        name = ctypes.util.find_library("wbxml2")
        if name is None:
            pytest.skip("libwbxml is not installed (Debian: libwbxml2-1): no comparison with a second implementation")
        self._library = ctypes.CDLL(name)
        self._free = ctypes.CDLL(None).free
        self._free.argtypes = [ctypes.c_void_p]

    def to_xml(self, data: bytes) -> str | None:
        """The XML, or None where libwbxml refuses the bytes."""
        xml = self._convert("wbxml2xml", data)
        return None if xml is None else xml.decode()

    def to_wbxml(self, xml: str) -> bytes | None:
        return self._convert("xml2wbxml", xml.encode())

    def _convert(self, way: str, data: bytes) -> bytes | None:
        converter = ctypes.c_void_p()
        assert self._library[f"wbxml_conv_{way}_create"](ctypes.byref(converter)) == 0
        try:
            self._library[f"wbxml_conv_{way}_enable_preserve_whitespaces"](converter)
            if way == "wbxml2xml":
                self._library.wbxml_conv_wbxml2xml_set_language(converter, _ACTIVESYNC)
                self._library.wbxml_conv_wbxml2xml_set_gen_type(converter, _COMPACT)
            else:
                self._library.wbxml_conv_xml2wbxml_set_version(converter, _VERSION_1_3)
                self._library.wbxml_conv_xml2wbxml_disable_string_table(converter)
                self._library.wbxml_conv_xml2wbxml_disable_public_id(converter)
            out, length = ctypes.c_void_p(), ctypes.c_ulong()
            error = self._library[f"wbxml_conv_{way}_run"](
                converter, data, ctypes.c_ulong(len(data)), ctypes.byref(out), ctypes.byref(length)
            )
            if error or not out.value:
                return None
            result = ctypes.string_at(out.value, length.value)
            self._free(out)
            return result
        finally:
            self._library[f"wbxml_conv_{way}_destroy"](converter)
