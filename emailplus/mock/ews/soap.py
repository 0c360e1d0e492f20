"""SOAP as Exchange speaks it (SOAP 1.1, MS-OXWSCDATA): reading a request safely, writing answers and faults."""

from __future__ import annotations

from dataclasses import dataclass, field

from lxml import etree

from ..context import Answer
from ..mime import xml_text

SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
MESSAGES = "http://schemas.microsoft.com/exchange/services/2006/messages"
TYPES = "http://schemas.microsoft.com/exchange/services/2006/types"
ERRORS = "http://schemas.microsoft.com/exchange/services/2006/errors"
NAMES = {"s": SOAP, "m": MESSAGES, "t": TYPES}
CONTENT_TYPE = "text/xml; charset=utf-8"

VERSIONS = (
    "Exchange2007", "Exchange2007_SP1", "Exchange2009", "Exchange2010", "Exchange2010_SP1", "Exchange2010_SP2",
    "Exchange2012", "Exchange2013", "Exchange2013_SP1", "Exchange2015", "Exchange2016", "V2015_10_05", "V2016_01_06",
    "V2016_04_13", "V2016_07_13", "V2016_10_10", "V2017_01_07", "V2017_04_14", "V2017_07_11",
)  # fmt: skip
"""What RequestServerVersion may say (types.xsd, ExchangeVersionType)."""


class Fault(Exception):
    """The whole request fails with a SOAP fault (HTTP 500)."""

    def __init__(self, code: str, message: str = "", *, back_off: int = 0) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message or code
        self.back_off = back_off


class Refused(Exception):
    """One response message of a request fails with this ResponseCode."""

    def __init__(self, code: str, message: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.message = message or code


@dataclass(slots=True)
class Call:
    """A request as it was read. `impersonated`: the kind and the value of ConnectingSID, both "" without one."""

    operation: str
    body: etree._Element
    version: str = ""
    impersonated: tuple[str, str] = ("", "")
    root: etree._Element = field(default_factory=lambda: etree.Element("none"))


def q(name: str) -> str:
    """``t:ItemId`` as lxml writes it."""
    prefix, _, local = name.partition(":")
    return f"{{{NAMES[prefix]}}}{local}" if local else name


def el(name: str, content: object = None, *children: etree._Element | None, **attributes: str) -> etree._Element:
    """An element: text (a truth as XML Schema writes it), or children, None among them left out."""
    node = etree.Element(q(name), {key.rstrip("_"): xml_text(value) for key, value in attributes.items()}, nsmap=NAMES)
    if isinstance(content, bool):
        node.text = "true" if content else "false"
    elif isinstance(content, etree._Element):
        node.append(content)
    elif content is not None:
        node.text = xml_text(str(content))
    for child in children:
        if child is not None:
            node.append(child)
    return node


def local(node: etree._Element) -> str:
    """The name of an element without its namespace."""
    return etree.QName(node).localname


def child(node: etree._Element | None, name: str) -> etree._Element | None:
    """The first child of that name."""
    return node.find(q(name)) if node is not None else None


def text(node: etree._Element | None, name: str, default: str = "") -> str:
    """Text of the first child of that name."""
    found = child(node, name)
    return (found.text or "").strip() if found is not None else default


def parse(data: bytes) -> etree._Element:
    """The root of a document: no entities, no DTD, no network. Raises `ValueError`."""
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_comments=True, remove_pis=True
    )
    try:
        root = etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise ValueError(f"not XML: {type(error).__name__}") from error
    if root.getroottree().docinfo.internalDTD is not None:
        raise ValueError("a document type declaration is refused")
    return root


def read(data: bytes) -> Call:
    """A request. Raises `Fault`, and `ValueError` for what is no SOAP at all."""
    root = parse(data)
    if root.tag != q("s:Envelope"):
        raise ValueError("no SOAP 1.1 envelope")
    body = root.find(q("s:Body"))
    if body is None or len(body) != 1 or etree.QName(body[0]).namespace != MESSAGES:
        raise Fault("ErrorInvalidRequest", "The request is invalid.")
    header = root.find(q("s:Header"))
    call = Call(local(body[0]), body[0], root=root)
    asked = child(header, "t:RequestServerVersion")
    if asked is not None:
        call.version = asked.get("Version", "")
        if call.version not in VERSIONS:
            raise Fault("ErrorInvalidServerVersion", "The specified server version is invalid.")
    sid = child(child(header, "t:ExchangeImpersonation"), "t:ConnectingSID")
    if sid is not None and len(sid):
        call.impersonated = (local(sid[0]), (sid[0].text or "").strip())
    return call


def write(content: etree._Element) -> bytes:
    """An answer in its envelope, with the version header."""
    header = el(
        "s:Header",
        el(
            "t:ServerVersionInfo",
            MajorVersion="15",
            MinorVersion="2",
            MajorBuildNumber="1544",
            MinorBuildNumber="4",
            Version="V2017_07_11",
        ),
    )
    return _bytes(el("s:Envelope", header, el("s:Body", content)))


def write_plain(content: etree._Element) -> bytes:
    """An envelope without a header, as the server writes SendNotification."""
    return _bytes(el("s:Envelope", el("s:Body", content)))


def _bytes(root: etree._Element) -> bytes:
    etree.cleanup_namespaces(root, keep_ns_prefixes=["s", "m", "t"])
    return b'<?xml version="1.0" encoding="utf-8"?>' + etree.tostring(root, encoding="utf-8")


def fault(error: Fault) -> Answer:
    """HTTP 500 with a SOAP fault, the way Exchange writes it (the detail in its own namespaces)."""
    detail = etree.Element("detail")
    for name, value in (("ResponseCode", error.code), ("Message", error.message)):
        node = etree.SubElement(detail, f"{{{ERRORS}}}{name}", nsmap={"e": ERRORS})
        node.text = xml_text(value)
    if error.back_off:
        detail.append(el("t:MessageXml", el("t:Value", error.back_off, Name="BackOffMilliseconds")))
    root = etree.Element(q("s:Fault"), nsmap={"s": SOAP, "a": TYPES})
    etree.SubElement(root, "faultcode").text = f"a:{error.code}"
    reason = etree.SubElement(root, "faultstring")
    reason.set("{http://www.w3.org/XML/1998/namespace}lang", "en-US")
    reason.text = xml_text(error.message)
    root.append(detail)
    envelope = etree.Element(q("s:Envelope"), nsmap={"s": SOAP})
    etree.SubElement(envelope, q("s:Body")).append(root)
    body = b'<?xml version="1.0" encoding="utf-8"?>' + etree.tostring(envelope, encoding="utf-8")
    return Answer(500, body=body, content_type=CONTENT_TYPE)


def message(operation: str, *inside: etree._Element | None) -> etree._Element:
    """A response message that tells success."""
    return el(f"m:{operation}ResponseMessage", el("m:ResponseCode", "NoError"), *inside, ResponseClass="Success")


def failure(operation: str, error: Refused, *inside: etree._Element | None) -> etree._Element:
    """A response message that tells an error, with the elements that stand there all the same."""
    if not inside:
        inside = tuple(el(name, value) for name, value in _EVEN_SO.get(operation, ()))
    return el(
        f"m:{operation}ResponseMessage",
        el("m:MessageText", error.message),
        el("m:ResponseCode", error.code),
        el("m:DescriptiveLinkKey", 0),
        *inside,
        ResponseClass="Error",
    )


_EVEN_SO: dict[str, tuple[tuple[str, object], ...]] = {
    "GetItem": (("m:Items", None),),
    "GetFolder": (("m:Folders", None),),
    "GetAttachment": (("m:Attachments", None),),
    "CreateAttachment": (("m:Attachments", None),),
    "SyncFolderItems": (("m:SyncState", ""), ("m:IncludesLastItemInRange", True)),
    "SyncFolderHierarchy": (("m:SyncState", ""), ("m:IncludesLastFolderInRange", True)),
}


def response(operation: str, messages: list[etree._Element]) -> etree._Element:
    """The response of an operation with its messages."""
    return el(f"m:{operation}Response", el("m:ResponseMessages", None, *messages))
