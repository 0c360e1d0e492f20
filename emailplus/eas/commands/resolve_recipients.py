"""ResolveRecipients: who a text stands for, their certificates, photo and free time (MS-ASCMD 2.2.1.15)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum

from ...errors import MalformedResponse, UsageError
from ...model.directory import SLOT, Busy, DirectoryCertificates, FreeBusy, Photo, Recipient, Resolution
from .. import status, tree
from ..versions import Version
from ..wbxml import Node

NAME = "ResolveRecipients"
MAX_RECIPIENTS = 100
"""To elements of one request that a server takes unless it is set up otherwise (MS-ASCMD_R5655)."""
MAX_PERIOD_DAYS = 42
"""Days of free/busy data that one request may span (MS-ASCMD_R5175)."""
MAX_PHOTO = 102_400
"""Largest MaxSize (MS-ASCMD_R5349)."""
_MAX_TO = 256  # characters, by the schema
_MAX_CERTIFICATES = 9999
_SOURCES = {"1": "gal", "2": "contacts"}  # MS-ASCMD_R4686


class Retrieval(IntEnum):
    """CertificateRetrieval (MS-ASCMD 2.2.3.22)."""

    NONE = 1
    FULL = 2
    MINI = 3


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked beside the addresses. `period`: aware start and end of free/busy data, from 14.0 on.

    `photo_size`: bytes of the largest photo that is wanted, from 14.1 on; None asks for no photos.
    `max_certificates`, `max_ambiguous`: 0 to 9999, None leaves it to the server.
    """

    certificates: Retrieval = Retrieval.NONE
    period: tuple[datetime, datetime] | None = None
    photo_size: int | None = None
    max_photos: int | None = None
    max_certificates: int | None = None
    max_ambiguous: int | None = None


def build(to: Sequence[str], wish: Wish, version: Version) -> Node:
    """The request for at most `MAX_RECIPIENTS` texts. What the version lacks is left out.

    Raises `UsageError` for texts, numbers or periods that no server takes.
    """
    if not 1 <= len(to) <= MAX_RECIPIENTS:
        raise UsageError(f"one request resolves 1 to {MAX_RECIPIENTS} recipients, not {len(to)}")
    nodes: list[Node] = []
    for text in to:
        if not text.strip() or len(text) > _MAX_TO:
            raise UsageError(f"a recipient to resolve has 1 to {_MAX_TO} characters")
        nodes.append((f"{NAME}:To", text))
    options = _options(wish, version)
    if options:
        nodes.append((f"{NAME}:Options", options))
    return (f"{NAME}:{NAME}", nodes)


def _options(wish: Wish, version: Version) -> list[Node]:
    options: list[Node] = []
    if wish.certificates is not Retrieval.NONE:
        options.append((f"{NAME}:CertificateRetrieval", str(int(wish.certificates))))
    for name, number in (
        ("MaxCertificates", wish.max_certificates),
        ("MaxAmbiguousRecipients", wish.max_ambiguous),
    ):
        if number is not None:
            if not 0 <= number <= _MAX_CERTIFICATES:
                raise UsageError(f"{name} is a number from 0 to {_MAX_CERTIFICATES}")
            options.append((f"{NAME}:{name}", str(number)))
    if wish.period is not None and version.code >= 140:
        start, end = check_period(*wish.period)
        times: list[Node] = [(f"{NAME}:StartTime", _dashed(start)), (f"{NAME}:EndTime", _dashed(end))]
        options.append((f"{NAME}:Availability", times))
    if wish.photo_size is not None and version.code >= 141:
        photo: list[Node] = [(f"{NAME}:MaxSize", str(max(0, min(wish.photo_size, MAX_PHOTO))))]
        if wish.max_photos is not None:
            photo.append((f"{NAME}:MaxPictures", str(max(0, wish.max_photos))))
        options.append((f"{NAME}:Picture", photo))
    return options


def check_period(start: datetime, end: datetime) -> tuple[datetime, datetime]:
    """The period, if a server answers it: at least 30 minutes (MS-ASCMD_R2266). Raises `UsageError`."""
    if start.tzinfo is None or end.tzinfo is None:
        raise UsageError("free/busy needs times with a zone")
    if end - start < SLOT:
        raise UsageError("a free/busy period has at least 30 minutes")
    return start, end


def parse(root: Node, period: tuple[datetime, datetime] | None = None) -> list[Resolution]:
    """One `Resolution` a Response, in the server's order. `period` is what was asked for.

    Raises the error of a status other than 1, or `MalformedResponse`.
    """
    tree.expect(root, f"{NAME}:{NAME}")
    code = tree.status(root, f"{NAME}:Status")
    if code not in (None, status.OK):
        raise status.error(NAME, code)
    return [_resolution(node, period) for node in tree.each(root, f"{NAME}:Response")]


def _resolution(node: Node, period: tuple[datetime, datetime] | None) -> Resolution:
    code = tree.status(node, f"{NAME}:Status")
    if code is None:
        raise MalformedResponse("ResolveRecipients answered for a recipient without a Status")
    recipients = tuple(_recipient(each, period) for each in tree.each(node, f"{NAME}:Recipient"))
    count = tree.number(node, f"{NAME}:RecipientCount")
    return Resolution(tree.text(node, f"{NAME}:To"), code, len(recipients) if count is None else count, recipients)


def _recipient(node: Node, period: tuple[datetime, datetime] | None) -> Recipient:
    email = tree.text(node, f"{NAME}:EmailAddress")
    availability = tree.child(node, f"{NAME}:Availability")
    return Recipient(
        display_name=tree.text(node, f"{NAME}:DisplayName") or email,
        email=email,
        source=_SOURCES.get(tree.text(node, f"{NAME}:Type"), ""),
        certificates=_certificates(tree.child(node, f"{NAME}:Certificates")),
        availability=_availability(availability, period) if period is not None else None,
        photo=_photo(tree.child(node, f"{NAME}:Picture")),
    )


def _certificates(node: Node | None) -> DirectoryCertificates | None:
    if node is None:
        return None
    code = tree.status(node, f"{NAME}:Status")
    found: list[bytes] = []
    damaged = 0
    for each in tree.each(node, f"{NAME}:Certificate"):
        der = _base64(each)
        if der:
            found.append(der)
        else:
            damaged += 1
    mini = tree.child(node, f"{NAME}:MiniCertificate")
    if code is None:  # servers that leave it out say by the content what it is
        code = status.OK if found or mini is not None else 7
    return DirectoryCertificates(
        status=code,
        certificates=tuple(found),
        mini=_base64(mini) or b"" if mini is not None else b"",
        count=tree.number(node, f"{NAME}:CertificateCount") or len(found),
        members=tree.number(node, f"{NAME}:RecipientCount") or 0,
        reason=status.describe(f"{NAME}/Certificates", code)[0] if code != status.OK else "",
        damaged=damaged,
    )


def _availability(node: Node | None, period: tuple[datetime, datetime]) -> FreeBusy | None:
    if node is None:
        return None
    start, end = period
    code = tree.status(node, f"{NAME}:Status")
    if code not in (None, status.OK):
        return FreeBusy(start, end, code, reason=status.describe(NAME, code)[0])
    digits = tree.text(node, f"{NAME}:MergedFreeBusy")
    most = -((start - end) // SLOT)  # rounded up (MS-ASCMD_R3329); a server's surplus says nothing about our period
    slots = tuple(Busy(int(digit)) if digit in "01234" else Busy.NO_DATA for digit in digits[:most])
    return FreeBusy(start, end, status.OK, slots)


def _photo(node: Node | None) -> Photo | None:
    if node is None:
        return None
    data = tree.child(node, f"{NAME}:Data")
    code = tree.status(node, f"{NAME}:Status") or (status.OK if data is not None else 173)
    if code != status.OK:
        return Photo(code, reason=status.describe(NAME, code)[0])
    return Photo(code, picture_bytes(data))


def picture_bytes(node: Node | None) -> bytes:
    """The bytes of a picture: opaque data as it is, text as base64, and as it is where it is none."""
    if node is None or isinstance(node[1], bytes):
        return tree.octets(node)
    return _base64(node) or tree.octets(node)


def _base64(node: Node) -> bytes | None:
    """Bytes of an element in base64, whatever white space is in it; None for what is no base64."""
    try:
        return base64.b64decode(tree.octets(node).translate(None, b"\r\n\t "), validate=True)
    except (binascii.Error, ValueError):
        return None


def _dashed(moment: datetime) -> str:
    """``2008-12-01T08:00:00.000Z`` (MS-ASDTYPE 2.3)."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
