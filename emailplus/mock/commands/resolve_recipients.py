"""ResolveRecipients (MS-ASCMD 2.2.1.15): names to people, their certificates, photos and free time."""

from __future__ import annotations

import base64
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import parseaddr

from ...eas.wbxml import Node
from ...errors import NotFound
from ..context import Answer, Context, StatusError
from ..directory import SLOT, Busy, Entry
from ..pim import moment
from ..tree import as_text, child, every, number, text

NAME = "ResolveRecipients"
MAX_TO = 100  # MS-ASCMD_R5655
MAX_LIST = 20  # members of a list whose time is told (MS-ASCMD_R4294)
MAX_AVAILABILITY = 100  # recipients of a request whose time is told (MS-ASCMD 2.2.3.177.12)
DEFAULT_PERIOD, MAX_PERIOD = timedelta(days=7), timedelta(days=42)  # MS-ASCMD_R2265, R5175
FULL, MINI = 2, 3


@dataclass(slots=True)
class Wanted:
    """The Options of a request, and what is left of its limits."""

    retrieval: int = 1
    certificates_left: int | None = None
    ambiguous: int | None = None
    period: tuple[datetime, datetime] | None = None
    picture: Node | None = None
    availability_left: int = MAX_AVAILABILITY


def handle(context: Context) -> Answer:
    names = [as_text(content) for _, content in every(context.tree, f"{NAME}:To")]
    if not 1 <= len(names) <= MAX_TO or any(len(name) > 256 for name in names):
        raise StatusError(5)
    wanted = _options(context, child(context.tree, f"{NAME}:Options"))
    responses = [_response(context, name, wanted) for name in names]
    return Answer(tree=(f"{NAME}:{NAME}", [(f"{NAME}:Status", "1"), *responses]))


def _options(context: Context, options: Node | None) -> Wanted:
    wanted = Wanted()
    for name, least, most in (
        ("CertificateRetrieval", 1, 3),
        ("MaxCertificates", 0, 9999),
        ("MaxAmbiguousRecipients", 0, 9999),
    ):
        if child(options, f"{NAME}:{name}") is not None:
            value = number(options, f"{NAME}:{name}")
            if value is None or not least <= value <= most:
                raise StatusError(5)  # MS-ASCMD_R4270
    wanted.retrieval = number(options, f"{NAME}:CertificateRetrieval") or 1
    wanted.certificates_left = number(options, f"{NAME}:MaxCertificates")
    wanted.ambiguous = number(options, f"{NAME}:MaxAmbiguousRecipients")
    availability = child(options, f"{NAME}:Availability")
    if availability is not None and context.version >= 140:
        wanted.period = _period(availability)
    if context.version >= 141:
        wanted.picture = child(options, f"{NAME}:Picture")
    return wanted


def _period(availability: Node) -> tuple[datetime, datetime]:
    start = _time(text(availability, f"{NAME}:StartTime"))
    end = start + DEFAULT_PERIOD
    if child(availability, f"{NAME}:EndTime") is not None:
        end = _time(text(availability, f"{NAME}:EndTime"))
    if not SLOT <= end - start <= MAX_PERIOD:
        raise StatusError(5)  # MS-ASCMD_R2266
    return start, end


def _time(written: str) -> datetime:
    """MS-ASCMD_R2264, R3986: an invalid time is a protocol error."""
    try:
        moment = datetime.fromisoformat(written)
    except ValueError:
        raise StatusError(5) from None
    return moment.astimezone(UTC) if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _response(context: Context, name: str, wanted: Wanted) -> Node:
    found = context.exchange.directory.find(context.user.email, name, _contacts(context))
    if not found:
        return _answer(name, "4")
    if len(found) > 1:
        shown = found if wanted.ambiguous is None else found[: wanted.ambiguous]
        status = "2" if len(shown) == len(found) else "3"
        people = [_person(kind, entry, []) for kind, entry in shown]  # no certificates (MS-ASCMD_R4279)
        return _answer(name, status, len(found), people)
    kind, entry = found[0]
    people = []
    pictures = number(wanted.picture, f"{NAME}:MaxPictures")
    # The user's own list is taken apart, the company's stays one recipient (MS-ASCMD_R3761 and its example).
    for each in context.exchange.directory.members(entry) if kind == 2 else [entry]:
        nodes = _availability(context, each, wanted) + _certificates(context, each, wanted)
        if wanted.picture is not None:
            node, used = _picture(each, wanted.picture, pictures)
            nodes.append(node)
            pictures = pictures - used if pictures is not None else None
        people.append(_person(kind, each, nodes))
    return _answer(name, "1", len(people), people)


def _answer(name: str, status: str, count: int | None = None, people: list[Node] | None = None) -> Node:
    nodes: list[Node] = [(f"{NAME}:To", name), (f"{NAME}:Status", status)]
    if count is not None:
        nodes.append((f"{NAME}:RecipientCount", str(count)))
    return (f"{NAME}:Response", nodes + (people or []))


def _person(kind: int, entry: Entry, more: list[Node]) -> Node:
    nodes: list[Node] = [
        (f"{NAME}:Type", str(kind)),
        (f"{NAME}:DisplayName", entry.name),
        (f"{NAME}:EmailAddress", entry.email),
    ]
    return (f"{NAME}:Recipient", nodes + more)


def _certificates(context: Context, entry: Entry, wanted: Wanted) -> list[Node]:
    if wanted.retrieval not in (FULL, MINI):
        return []
    from ..certificates import mini_certificate, valid_now  # cryptography is slow to load and rarely needed here

    now = context.exchange.clock()
    members = context.exchange.directory.members(entry)
    found = [der for member in members for der in member.certificates if valid_now(der, now)]
    nodes: list[Node] = []
    if not found:
        nodes.append((f"{NAME}:Status", "7"))
        return [(f"{NAME}:Certificates", nodes)]
    full = wanted.certificates_left is not None and len(found) > wanted.certificates_left
    nodes += [
        (f"{NAME}:Status", "8" if full else "1"),
        (f"{NAME}:CertificateCount", str(len(found))),
        (f"{NAME}:RecipientCount", str(len(members))),
    ]
    if not full:  # nobody gets some of their certificates only (MS-ASCMD_R3254)
        if wanted.certificates_left is not None:
            wanted.certificates_left -= len(found)
        if wanted.retrieval == FULL:
            nodes += [(f"{NAME}:Certificate", base64.b64encode(der).decode()) for der in found]
        else:
            nodes.append((f"{NAME}:MiniCertificate", base64.b64encode(mini_certificate(found[0])).decode()))
    return [(f"{NAME}:Certificates", nodes)]


def _availability(context: Context, entry: Entry, wanted: Wanted) -> list[Node]:
    if wanted.period is None:
        return []
    directory = context.exchange.directory
    members = directory.members(entry)
    status = entry.availability
    if wanted.availability_left < 1:
        status = 160
    elif len(members) > MAX_LIST:
        status = 161
    wanted.availability_left -= 1
    nodes: list[Node] = [(f"{NAME}:Status", str(status))]
    if status == 1:
        people = [_with_calendar(context, member) for member in members]
        nodes.append((f"{NAME}:MergedFreeBusy", directory.merged(people, *wanted.period)))
    return [(f"{NAME}:Availability", nodes)]


def _contacts(context: Context) -> list[Entry]:
    """The user's own contacts with an address, as entries."""
    found = []
    for folder in context.mailbox.folders.values():
        for item in folder.items.values() if folder.item_class == "Contacts" else ():
            data: Node = ("", item.nodes or [])
            first, last = text(data, "Contacts:FirstName"), text(data, "Contacts:LastName")
            address = parseaddr(text(data, "Contacts:Email1Address"))[1]
            if address:
                name = " ".join(filter(None, (first, last))) or text(data, "Contacts:FileAs") or address
                found.append(Entry(name, address, first_name=first, last_name=last))
    return found


def _with_calendar(context: Context, entry: Entry) -> Entry:
    """An entry with what its calendar holds beside the appointments that a test gave it; of a series the first time."""
    try:
        mailbox = context.exchange.user(entry.email)
    except NotFound:
        return entry
    taken = list(entry.appointments)
    for item in mailbox.by_type(8).items.values():
        data: Node = ("", item.nodes or [])
        kind = number(data, "Calendar:BusyStatus")
        if kind in (1, 2, 3):
            begin, end = (moment(text(data, f"Calendar:{name}Time")) for name in ("Start", "End"))
            taken.append((begin, end, Busy(kind)))
    return replace(entry, appointments=taken)


def _picture(entry: Entry, wanted: Node, left: int | None) -> tuple[Node, int]:
    """The Picture of a recipient, and 1 if it counts against MaxPictures (MS-ASCMD 2.2.3.104.2)."""
    most = number(wanted, f"{NAME}:MaxSize")
    status = 1
    if not entry.photo:
        status = 173
    elif most is not None and len(entry.photo) > most:
        status = 174
    elif left is not None and left < 1:
        status = 175
    nodes: list[Node] = [(f"{NAME}:Status", str(status))]
    if status == 1:
        nodes.append((f"{NAME}:Data", entry.photo))
    return (f"{NAME}:Picture", nodes), int(status == 1)
