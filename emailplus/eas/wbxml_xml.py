"""A readable XML form of WBXML documents, for people: loss-free from tree to XML and back.

Namespaces and names are those of the published examples: ``<Sync xmlns="AirSync">``, and ``xmlns`` again where the code
page changes. What XML has no words for is written so:

- ``<MoreAvailable/>`` is an element without content (``None``), ``<Data content="empty"/>`` one whose content is
  nothing (``""``);
- ``<Mime content="opaque">`` holds an OPAQUE value, in base64;
- ``<Subject content="text">`` holds, in base64, text with something that XML cannot carry: control characters, or
  bytes that were not UTF-8;
- ``<_0x3F xmlns="AirSync"/>`` is a tag without a row in the code pages;
- ``<_text>`` is text (or an opaque value) beside child elements; white space around child elements means nothing.

Reading also takes what others write: prefixed names, the spellings of `ALIASES`, namespaces that end in a colon,
``Gal``, CDATA, and plain text beside child elements.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from xml.parsers import expat

from ..errors import WbxmlError
from .code_pages import ALIASES, PAGE_NUMBERS, TAG_NAMES, TAG_TOKENS
from .wbxml import CONTENT_BIT, DEFAULT_LIMITS, FIRST_TAG, TEXT, Content, Limits, Node

_DECLARATION = '<?xml version="1.0" encoding="utf-8"?>\n'
_MARK = "content"
_OPAQUE, _TEXT, _EMPTY = "opaque", "text", "empty"
_TEXT_ELEMENT = "_text"
_UNKNOWN = re.compile(r"0x[0-9A-F]{2}")
# Everything outside the Char of XML 1.0 section 2.2.
_NOT_IN_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_SPACE = " \t\r\n"


def to_xml(node: Node, limits: Limits = DEFAULT_LIMITS) -> str:
    """The XML document of a node, indented by two blanks a level, with a declaration and a final line end.

    An empty list is written as ``None`` is. Raises `WbxmlError` (its offset counts characters written) for what
    `wbxml.encode` refuses, but for a NUL in text.
    """
    return "".join(_Writer(limits).lines(node))


class _Writer:
    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.room = limits.elements
        self.length = 0

    def lines(self, root: Node) -> Iterator[str]:
        yield _DECLARATION
        if root[0] == TEXT:
            raise WbxmlError("text outside the root element", 0)
        open_elements: list[tuple[str, str, Iterator[Node]]] = []  # namespace, name, children to come
        namespace = ""
        siblings = iter([root])
        while True:
            for tag, content in siblings:
                indent = "  " * len(open_elements)
                own, name = self._name(tag, namespace)
                start = name if own == namespace else f'{name} xmlns="{own}"'
                if not isinstance(content, list) or not content:
                    yield self._counted(f"{indent}<{start}{self._ending(tag, name, content)}\n")
                    continue
                if len(open_elements) >= self.limits.depth:
                    raise WbxmlError(f"elements nested deeper than {self.limits.depth}", self.length)
                yield self._counted(f"{indent}<{start}>\n")
                open_elements.append((namespace, name, siblings))
                namespace, siblings = own, iter(content)
                break
            else:
                if not open_elements:
                    return
                namespace, name, siblings = open_elements.pop()
                yield f"{'  ' * len(open_elements)}</{name}>\n"

    def _counted(self, line: str) -> str:
        self.room -= 1
        self.length += len(line)
        if self.room < 0:
            raise WbxmlError(f"more than {self.limits.elements} elements", self.length)
        if self.length > 2 * self.limits.total:  # base64, indentation and end tags make XML the longer form
            raise WbxmlError(f"XML longer than {2 * self.limits.total} characters", self.length)
        return line

    def _name(self, tag: str, namespace: str) -> tuple[str, str]:
        """Namespace and element name of a tag that stands where `namespace` is the default."""
        if tag == TEXT:
            return namespace, _TEXT_ELEMENT
        own, _, name = tag.partition(":")
        if tag in TAG_TOKENS:
            return own, name
        if own in PAGE_NUMBERS and _UNKNOWN.fullmatch(name) and FIRST_TAG <= int(name, 16) < CONTENT_BIT:
            return own, f"_{name}"
        raise WbxmlError(f"no code page has a tag {tag!r}", self.length)

    def _ending(self, tag: str, name: str, content: object) -> str:
        """What follows the name of an element without children, its end included."""
        mark = ""
        match content:
            case None | [] if tag != TEXT:
                return "/>"
            case "":
                return "/>" if tag == TEXT else f' {_MARK}="{_EMPTY}"/>'
            case bytes():
                mark, text = _OPAQUE, base64.b64encode(content).decode()
            case str() if _NOT_IN_XML.search(content):
                mark, text = _TEXT, base64.b64encode(self._bytes(tag, content)).decode()
            case str():
                text = content.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\r", "&#13;")
            case _:
                raise WbxmlError(f"content of {tag} is {type(content).__name__}", self.length)
        return f' {_MARK}="{mark}">{text}</{name}>' if mark else f">{text}</{name}>"

    def _bytes(self, tag: str, text: str) -> bytes:
        try:
            return text.encode(errors="surrogateescape")
        except UnicodeEncodeError:
            raise WbxmlError(f"text of {tag} holds a lone surrogate", self.length) from None


def from_xml(xml: str | bytes, limits: Limits = DEFAULT_LIMITS) -> Node:
    """The node of an XML document, written by `to_xml`, by hand or by others.

    `bytes` are read in the encoding that their declaration names. Raises `WbxmlError`, with the line in its message and
    the byte position as its offset, for XML that is not well-formed or longer or deeper than `limits` allows, for a
    document type declaration (so that there are no entities but the five of XML), an element that no code page has, and
    an attribute other than ``content``.
    """
    return _Reader(limits).read(xml)


class _Reader:
    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.room = limits.elements
        self.root: Node | None = None
        self.tags: list[str] = []  # of the open elements
        self.marks: list[str] = []
        self.children: list[list[Node]] = []
        self.texts: list[str] = []  # pieces since the last tag

    def read(self, xml: str | bytes) -> Node:
        if len(xml) > 2 * self.limits.total:
            raise WbxmlError(f"XML longer than {2 * self.limits.total} characters", 2 * self.limits.total)
        try:
            data = xml.encode() if isinstance(xml, str) else xml
        except UnicodeEncodeError as error:
            raise WbxmlError("XML holds a lone surrogate", error.start) from None
        self.parser = expat.ParserCreate("utf-8" if isinstance(xml, str) else None, " ")
        self.parser.buffer_text = True
        self.parser.StartDoctypeDeclHandler = self._doctype
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self.texts.append
        try:
            self.parser.Parse(data, True)
        except expat.ExpatError as error:
            reason = f"not well-formed XML: {expat.ErrorString(error.code)} in line {error.lineno}"
            raise WbxmlError(reason, max(0, self.parser.ErrorByteIndex)) from None
        except (LookupError, ValueError) as error:  # of the encoding that the declaration names
            raise WbxmlError(f"XML in an encoding that cannot be read: {error}", 0) from None
        assert self.root is not None  # without a root element it is not well-formed
        return self.root

    def _refuse(self, reason: str) -> WbxmlError:
        line = self.parser.CurrentLineNumber
        return WbxmlError(f"{reason}, in line {line} of the XML", max(0, self.parser.CurrentByteIndex))

    def _doctype(self, name: str, system: str | None, public: str | None, internal: bool) -> None:
        raise self._refuse("document type declarations are not read")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        tag = self._tag(name)
        if len(self.tags) > self.limits.depth:
            raise self._refuse(f"elements nested deeper than {self.limits.depth}")
        self.room -= 1
        if self.room < 0:
            raise self._refuse(f"more than {self.limits.elements} elements")
        mark = attributes.pop(_MARK, "")
        if attributes:
            raise self._refuse(f"{tag} has an attribute {min(attributes)!r}; only {_MARK!r} means something")
        if mark not in ("", _OPAQUE, _TEXT, _EMPTY):
            raise self._refuse(f'{_MARK}="{mark}" of {tag}: it is {_OPAQUE}, {_TEXT} or {_EMPTY}')
        if self.tags:
            if self.tags[-1] == TEXT or self.marks[-1]:
                raise self._refuse(f"{tag} in an element that can hold nothing but text")
            self._add_text()
        elif tag == TEXT:
            raise self._refuse("text outside the root element")
        self.texts.clear()
        self.tags.append(tag)
        self.marks.append(mark)
        self.children.append([])

    def _end(self, name: str) -> None:
        tag, mark, content = self.tags.pop(), self.marks.pop(), self.children.pop()
        node: Node = (tag, self._content(tag, mark, content))
        self.texts.clear()
        if self.children:
            self.children[-1].append(node)
        else:
            self.root = node

    def _content(self, tag: str, mark: str, children: list[Node]) -> Content:
        if children:
            self._add_text(children)
            return children
        text = "".join(self.texts)
        if mark == _EMPTY:
            if text.strip(_SPACE):
                raise self._refuse(f'{tag} is marked {_MARK}="{_EMPTY}" and holds text')
            return ""
        if mark:
            try:
                data = base64.b64decode(re.sub(f"[{_SPACE}]+", "", text), validate=True)
            except (binascii.Error, ValueError):
                raise self._refuse(f'{tag} is marked {_MARK}="{mark}" and does not hold base64') from None
            return data if mark == _OPAQUE else data.decode(errors="surrogateescape")
        return text if text or tag == TEXT else None

    def _add_text(self, children: list[Node] | None = None) -> None:
        """Keep text that stands beside child elements, white space aside."""
        text = "".join(self.texts)
        if text.strip(_SPACE):
            (self.children[-1] if children is None else children).append((TEXT, text))

    def _tag(self, name: str) -> str:
        namespace, _, local = name.rpartition(" ")
        if local == _TEXT_ELEMENT:
            return TEXT
        namespace = namespace.removesuffix(":")
        namespace = "GAL" if namespace == "Gal" else namespace
        if not namespace:
            raise self._refuse(f'{local} has no namespace, such as xmlns="AirSync"')
        if namespace not in PAGE_NUMBERS:
            raise self._refuse(f"no code page has the namespace {namespace!r}")
        tag = f"{namespace}:{local}"
        tag = ALIASES.get(tag, tag)
        if tag in TAG_TOKENS:
            return tag
        if local.startswith("_") and _UNKNOWN.fullmatch(local[1:]):
            token = int(local[1:], 16)
            if FIRST_TAG <= token < CONTENT_BIT:
                return TAG_NAMES.get((PAGE_NUMBERS[namespace], token), f"{namespace}:{local[1:]}")
        raise self._refuse(f"no code page has a tag {tag!r}")
