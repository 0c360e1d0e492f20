"""`emailplus wbxml decode|encode FILE`: WBXML to readable XML and back, loss-free (see `emailplus.eas.wbxml_xml`)."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from ..eas.wbxml import DEFAULT_LIMITS, Node, decode, encode
from ..eas.wbxml_xml import from_xml, to_xml
from ..errors import UsageError, WbxmlError

app = typer.Typer(name="wbxml", help="Read and write the binary XML of ActiveSync.", no_args_is_help=True)

_Result = TypeVar("_Result")
_File = Annotated[str, typer.Argument(metavar="FILE", help="The file to read; - for standard input.")]


@app.command("decode")
def decode_command(file: _File) -> None:
    """Print a WBXML file as XML. Says so on standard error where writing it again would give other bytes."""
    data = _read(file)
    node = _or_exit(file, lambda: decode(data))
    text = _or_exit(file, lambda: to_xml(node))
    sys.stdout.buffer.write(text.encode())
    sys.stdout.flush()
    again = encode(node)
    if again != data:
        _note(f"{file}: encoding this XML gives {_difference(node, data, again)}")


@app.command("encode")
def encode_command(file: _File) -> None:
    """Write the WBXML of an XML file to standard output."""
    xml = _read(file)
    data = _or_exit(file, lambda: encode(from_xml(xml)))
    sys.stdout.buffer.write(data)
    sys.stdout.flush()


def _read(file: str) -> bytes:
    """The bytes of a file, or of standard input; one byte more than any limit allows at most."""
    most = 2 * DEFAULT_LIMITS.total + 1
    if file == "-":
        return sys.stdin.buffer.read(most)
    try:
        with Path(file).open("rb") as stream:
            return stream.read(most)
    except OSError as error:
        _note(f"{file}: {error.strerror}")
        raise typer.Exit(UsageError.exit_code) from None


def _or_exit(file: str, action: Callable[[], _Result]) -> _Result:
    try:
        return action()
    except WbxmlError as error:
        _note(f"{file}: {error}")
        raise typer.Exit(error.exit_code) from None


def _difference(node: Node, data: bytes, again: bytes) -> str:
    """How the bytes of another writer differ from ours; the tree is the same."""
    if data.startswith(again):
        return f"the first {len(again)} of its {len(data)} bytes; the others stand behind the document"
    same = next((at for at, (old, new) in enumerate(zip(data, again, strict=False)) if old != new), len(data))
    return f"{len(again)} bytes in place of {len(data)}, the same {node[0]} written otherwise from byte {same} on"


def _note(message: str) -> None:
    typer.echo(message, err=True)
