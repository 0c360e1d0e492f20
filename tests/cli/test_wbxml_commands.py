"""`emailplus wbxml`, run as its users run it, but for the mounting."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from emailplus.cli.wbxml_commands import app
from emailplus.eas.wbxml import HEADER, decode, encode
from emailplus.eas.wbxml_xml import from_xml, to_xml
from tests.eas.wbxml_reference import vectors

PING = HEADER + b"\x00\x0d\x45\x47\x031\x00\x01\x01"
PING_XML = """<?xml version="1.0" encoding="utf-8"?>
<Ping xmlns="Ping">
  <Status>1</Status>
</Ping>
"""


def run(*arguments: str, stdin: bytes = b"") -> Result:
    return CliRunner().invoke(app, list(arguments), input=stdin)


def test_decode_prints_xml_and_encode_gives_the_bytes_back(tmp_path: Path) -> None:
    (tmp_path / "ping.wbxml").write_bytes(PING)
    decoded = run("decode", str(tmp_path / "ping.wbxml"))
    assert (decoded.exit_code, decoded.stdout, decoded.stderr) == (0, PING_XML, "")
    (tmp_path / "ping.xml").write_text(decoded.stdout)
    encoded = run("encode", str(tmp_path / "ping.xml"))
    assert (encoded.exit_code, encoded.stdout_bytes, encoded.stderr) == (0, PING, "")


def test_every_vector_through_standard_input_and_output() -> None:
    for entry in vectors():
        data = bytes.fromhex(entry["hex"])
        decoded = run("decode", "-", stdin=data)
        assert decoded.exit_code == 0
        assert bool(decoded.stderr) is not entry["reencodes_identically"], entry["name"]
        encoded = run("encode", "-", stdin=decoded.stdout_bytes)
        assert encoded.exit_code == 0
        assert decode(encoded.stdout_bytes) == decode(data)
        assert (encoded.stdout_bytes == data) is entry["reencodes_identically"]


@pytest.mark.parametrize(
    ("data", "note"),
    [
        (PING + b"tail", "gives the first 13 of its 17 bytes; the others stand behind the document"),
        (HEADER + b"\x00\x0d\x45\x47\x031\x00\x01\x00\x0d\x01", "gives 13 bytes in place of 15, the same Ping:Ping"),
        (b"\x02" + PING[1:], "from byte 0 on"),
    ],
)
def test_decode_says_where_the_bytes_would_not_come_back(data: bytes, note: str) -> None:
    result = run("decode", "-", stdin=data)
    assert result.exit_code == 0
    assert result.stdout == PING_XML
    assert note in result.stderr


@pytest.mark.parametrize(
    ("command", "stdin", "message"),
    [
        ("decode", PING[:-1], "-: document ends in the middle of an element (at byte 12)"),
        ("decode", b"<Ping/>", "-: not WBXML: version byte 0x3C (at byte 0)"),
        ("encode", PING, "-: not well-formed XML"),
        ("encode", b"<Ping xmlns='Ping'>\n<Stat/></Ping>", "no code page has a tag 'Ping:Stat', in line 2 of the XML"),
        ("encode", b"<Ping xmlns='Ping' content='text'>YQBi</Ping>", "text of Ping:Ping holds a NUL"),
    ],
)
def test_input_that_cannot_be_read(command: str, stdin: bytes, message: str) -> None:
    result = run(command, "-", stdin=stdin)
    assert result.exit_code == 4
    assert result.stdout == ""
    assert message in result.stderr


@pytest.mark.parametrize("command", ["decode", "encode"])
def test_a_file_that_is_not_there(command: str, tmp_path: Path) -> None:
    result = run(command, str(tmp_path / "none"))
    assert result.exit_code == 2
    assert "No such file" in result.stderr
    assert run(command).exit_code == 2
    assert run(command, str(tmp_path)).exit_code == 2


def test_text_beyond_ascii_is_utf_8_whatever_the_locale() -> None:
    xml = to_xml(("Email:Subject", "Größe 📧"))
    encoded = run("encode", "-", stdin=xml.encode())
    assert encoded.stdout_bytes == encode(from_xml(xml))
    assert run("decode", "-", stdin=encoded.stdout_bytes).stdout_bytes == xml.encode()
