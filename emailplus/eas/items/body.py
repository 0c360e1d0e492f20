"""Bodies on the wire, both ways: AirSyncBase Body from 12.0 on, an element of the class's own namespace in 2.5."""

from __future__ import annotations

from ...mime.plain import html_to_text
from ...model.message import Body, BodyType
from ..tree import octets
from ..wbxml import Content, Node
from .values import Row, read_boolean, read_integer


def read_body(content: Content) -> Body:
    """AirSyncBase Body (MS-ASAIRS 2.2.2.10). Data may be inline or opaque; its bytes are kept as they are."""
    body_type, data, size, truncated = 1, b"", -1, False
    if isinstance(content, list):
        for tag, inner in content:
            if tag == "AirSyncBase:Data":
                data = octets((tag, inner))
            elif tag == "AirSyncBase:Type":
                body_type = read_integer(inner)
            elif tag == "AirSyncBase:EstimatedDataSize":
                size = read_integer(inner)
            elif tag == "AirSyncBase:Truncated":
                truncated = read_boolean(inner)
    return Body(body_type, data, len(data) if size < 0 else size, truncated)


def write_body(body: Body | None) -> Content:
    """The Body of a request: Type and Data (MS-ASAIRS 2.2.2.10.1); no body is an empty text.

    A truncated body is never written: it would cut what the server has.
    """
    if body is None:
        return [("AirSyncBase:Type", "1"), ("AirSyncBase:Data", None)]
    if body.truncated:
        raise ValueError("a body that is not here in full cannot be written")
    data = body.data if body.type == BodyType.MIME else body.data.decode("utf-8", "replace")
    return [("AirSyncBase:Type", str(body.type)), ("AirSyncBase:Data", data or None)]


ASBASE_BODY = Row("AirSyncBase:Body", "body", read_body, write_body, since=120)
NATIVE_BODY_TYPE = Row("AirSyncBase:NativeBodyType", "native_body_type", read_integer, str, since=120, sent_until=0)


def read_legacy(nodes: list[Node], namespace: str) -> Body:
    """The body of 2.5: plain text, and whether it is all of it (MS-ASCAL 2.2.2.7.2, MS-ASTASK 2.2.2.2)."""
    parts = dict(nodes)
    data = octets(("", parts.get(f"{namespace}:Body")))
    cut = f"{namespace}:BodyTruncated"
    size = parts.get(f"{namespace}:BodySize")
    whole = read_integer(size) if size is not None else len(data)
    return Body(BodyType.PLAIN, data, whole, cut in parts and read_boolean(parts[cut]))


def write_legacy(body: Body | None, namespace: str) -> list[Node]:
    """The same for a request; markup is taken out, 2.5 has only text."""
    if body is None:
        return [(f"{namespace}:Body", None)]
    if body.truncated:
        raise ValueError("a body that is not here in full cannot be written")
    text = body.data.decode("utf-8", "replace")
    if body.type == BodyType.HTML:
        text = html_to_text(text)
    return [(f"{namespace}:Body", text or None)]
