"""Asking the server about people: who an address is, their certificates, photo and free time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

from ...errors import NotOffered
from ...flow import Flow, sleep
from ...model.directory import CertificateVerdict, FreeBusy, Resolution
from .. import status
from ..commands import resolve_recipients, validate_cert
from ..commands.resolve_recipients import MAX_PERIOD_DAYS, MAX_RECIPIENTS, Wish, check_period
from .ask import EmptyAnswer, ask
from .session import Session

AVAILABILITY_AGAIN = 162
_ANY_TIME = (datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, 0, 30, tzinfo=UTC))
_FULL = 8  # Certificates: the answer was full
_PAUSE = 2.0
"""Seconds before free/busy data that came too late is asked for again (MS-ASCMD_R4296)."""


def resolve(session: Session, names: Sequence[str], wish: Wish) -> Flow[list[Resolution]]:
    """What each of `names` stands for, in their order, however many they are.

    Recipients whose certificates did not fit into an answer are asked about again, alone (MS-ASCMD_R4307).
    """
    found: list[Resolution] = []
    for first in range(0, len(names), MAX_RECIPIENTS):
        found += yield from _ask(session, names[first : first + MAX_RECIPIENTS], wish)
    for position, resolution in enumerate(found):
        if len(names) > 1 and any(
            r.certificates is not None and r.certificates.status == _FULL for r in resolution.recipients
        ):
            found[position] = (yield from _ask(session, [names[position]], wish))[0]
    return found


def _ask(session: Session, names: Sequence[str], wish: Wish) -> Flow[list[Resolution]]:
    request = resolve_recipients.build(names, wish, session.version)
    parse = partial(resolve_recipients.parse, period=wish.period)
    try:
        answers = yield from ask(session, resolve_recipients.NAME, request, parse)
    except EmptyAnswer:  # SOGo answers only who asks for free/busy data
        if wish.period is not None or session.version.code < 140:
            raise
        request = resolve_recipients.build(names, replace(wish, period=_ANY_TIME), session.version)
        answers = yield from ask(session, resolve_recipients.NAME, request, parse)
    return _in_order(names, answers)


def _in_order(names: Sequence[str], answers: list[Resolution]) -> list[Resolution]:
    """An answer for every name. A server that echoes To as it was is matched by it, another one by position."""
    by_name = {answer.to: answer for answer in answers}
    if all(name in by_name for name in names):
        return [by_name[name] for name in names]
    if len(answers) == len(names):
        return [replace(answer, to=name) for name, answer in zip(names, answers, strict=True)]
    return [by_name.get(name) or Resolution(name, 4, 0) for name in names]


def free_busy(session: Session, names: Sequence[str], start: datetime, end: datetime) -> Flow[dict[str, FreeBusy]]:
    """The free and busy times of `names` between two aware times, of any length.

    Who is not resolved, or whose time the server does not know, has a `FreeBusy` whose `status` and `reason` say so.
    Raises `NotOffered` below 14.0 (MS-ASCMD_R7511), `UsageError` for a period under 30 minutes.
    """
    if session.version.code < 140:
        raise NotOffered(f"free/busy exists from ActiveSync 14.0 on; this server speaks {session.version.name}")
    check_period(start, end)
    found: dict[str, FreeBusy] = {}
    for begin, until in _spans(start, end):
        part = yield from _busy_span(session, names, begin, until)
        for name, answer in part.items():
            found[name] = _join(found[name], answer, until) if name in found else answer
    return found


def _spans(start: datetime, end: datetime) -> Iterable[tuple[datetime, datetime]]:
    """Pieces that one request may ask for. None is shorter than 30 minutes: a rest goes with the piece before it."""
    longest = timedelta(days=MAX_PERIOD_DAYS)
    least = timedelta(minutes=30)
    while end - start > longest:
        until = start + longest
        if end - until < least:
            until -= least
        yield start, until
        start = until
    yield start, end


def _join(first: FreeBusy, second: FreeBusy, end: datetime) -> FreeBusy:
    if first.status != status.OK:
        return replace(first, end=end)
    if second.status != status.OK:
        return FreeBusy(first.start, end, second.status, reason=second.reason)
    return FreeBusy(first.start, end, status.OK, first.slots + second.slots)


def _busy_span(session: Session, names: Sequence[str], start: datetime, end: datetime) -> Flow[dict[str, FreeBusy]]:
    wish = Wish(period=(start, end))
    answers = yield from resolve(session, names, wish)
    late = [name for name, answer in zip(names, answers, strict=True) if _status(answer) == AVAILABILITY_AGAIN]
    if late:
        yield from sleep(_PAUSE)
        again = yield from resolve(session, late, wish)
        better = dict(zip(late, again, strict=True))
        answers = [better.get(name, answer) for name, answer in zip(names, answers, strict=True)]
    return {name: _free_busy(answer, start, end) for name, answer in zip(names, answers, strict=True)}


def _status(answer: Resolution) -> int | None:
    found = [r.availability.status for r in answer.recipients if r.availability is not None]
    return found[0] if found else None


def _free_busy(answer: Resolution, start: datetime, end: datetime) -> FreeBusy:
    if not answer.resolved:
        name = status.describe("ResolveRecipients/Response", answer.status)[0]
        return FreeBusy(start, end, answer.status if answer.status != status.OK else 4, reason=name)
    known = [r.availability for r in answer.recipients if r.availability is not None]
    if not known:
        return FreeBusy(start, end, 163, reason="the server left it out")
    good = [each for each in known if each.status == status.OK]
    if not good:
        return known[0]
    longest = max(len(each.slots) for each in good)  # a personal list: busy is who of it is busy
    slots = [max(each.slots[i] for each in good if i < len(each.slots)) for i in range(longest)]
    return FreeBusy(start, end, status.OK, tuple(slots))


def validate_certificates(
    session: Session, certificates: Sequence[bytes], chain: Sequence[bytes], *, check_revocation: bool
) -> Flow[list[CertificateVerdict]]:
    """The server's verdict on each of `certificates` (DER), in their order; see `commands.validate_cert`."""
    request = validate_cert.build(certificates, chain, check_revocation=check_revocation)
    parse = partial(validate_cert.parse, asked=len(certificates))
    return (yield from ask(session, validate_cert.NAME, request, parse))
