"""One EWS request: who asks, whose mailbox it is about, which operation carries it out."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lxml import etree

from ...errors import NotFound
from ..context import Answer, HttpError, Stream
from ..faults import EwsError
from ..record import Request
from . import soap
from .soap import Call, Fault, Refused

if TYPE_CHECKING:
    from ..exchange import Exchange
    from ..mailbox import Mailbox
    from ..users import MockUser
    from .service import Ews

MAX_REQUEST = 36 << 20  # bytes; an attachment of 25 MB in base64 fits
_OPERATION = re.compile(rb"<(?:\w{1,20}:)?Body\b[^>]{0,400}>\s{0,400}<(?:\w{1,20}:)?(\w{1,60})")


@dataclass(slots=True)
class Asked:
    """A request on its way through an operation."""

    exchange: Exchange
    ews: Ews
    caller: MockUser
    mailbox: Mailbox
    call: Call

    @property
    def body(self) -> etree._Element:
        return self.call.body


Operation = Callable[[Asked], "list[etree._Element] | Stream"]
"""Gives the response messages, or a stream of documents."""


def peek(body: bytes) -> str:
    """The operation that a request names, "" where none is seen; for the record and the faults."""
    found = _OPERATION.search(body[:16384])
    return found.group(1).decode("ascii", "replace") if found else ""


def handle(exchange: Exchange, request: Request, user: MockUser | None) -> Answer | Stream:
    """The answer to one request; `user` is who the credentials belong to, None without good ones."""
    ews = exchange.ews
    if ews.mode == "off":
        raise HttpError(404, "no such address")
    if ews.mode == "retired":
        raise HttpError(410, "Exchange Web Services is no longer available")
    if user is None:
        refused = Answer(401, body=b"credentials missing or wrong", content_type="text/plain; charset=utf-8")
        refused.headers += exchange.challenges(request)
        return refused
    request.user, request.email = user.username, user.email
    if ews.mode == "blocked":
        text = b"EWS is blocked by organization policy."
        return Answer(403, body=text, content_type="text/plain", headers=[("X-MS-Diagnostics", "EWS not allowed")])
    if request.method == "GET":
        return Answer(200, body=b"<html><body>Service</body></html>", content_type="text/html")
    if request.method != "POST":
        raise HttpError(405, "only POST")
    try:
        return _answer(exchange, request, user)
    except Fault as error:
        request.problems.append(error.code)
        return soap.fault(error)


def _answer(exchange: Exchange, request: Request, user: MockUser) -> Answer | Stream:
    from .operations import OPERATIONS  # which import this module

    ews = exchange.ews
    kind = request.header("Content-Type").partition(";")[0].strip().lower()
    if kind not in ("text/xml", "application/soap+xml"):
        raise HttpError(415, "the Content-Type of SOAP 1.1 is text/xml")
    if len(request.body) > MAX_REQUEST:
        raise HttpError(413, "the request is too large")
    try:
        call = soap.read(request.body)
    except ValueError as error:
        request.problems.append(str(error))
        raise HttpError(400, "the request is no SOAP message") from error
    request.command, request.version = call.operation, call.version
    for action in request.faults:
        if isinstance(action, EwsError) and action.whole:
            raise Fault(action.code, action.message, back_off=action.back_off)
    if ews.validator is not None:
        problems = ews.validator.problems(call.root)
        if problems:
            request.problems += problems
            raise Fault("ErrorSchemaValidation", f"The request failed schema validation: {problems[0][:300]}")
    operation = OPERATIONS.get(call.operation)
    if operation is None:
        raise Fault("ErrorInvalidOperation", f"The mock does not carry out {call.operation}.")
    asked = Asked(exchange, ews, user, _mailbox(exchange, user, call), call)
    for action in request.faults:
        if isinstance(action, EwsError):
            return _document(call, [soap.failure(call.operation, Refused(action.code, action.message))])
    outcome = operation(asked)
    return outcome if isinstance(outcome, Stream) else _document(call, outcome)


def _document(call: Call, messages: list[etree._Element]) -> Answer:
    body = soap.write(soap.response(call.operation, messages))
    return Answer(200, body=body, content_type=soap.CONTENT_TYPE)


def _mailbox(exchange: Exchange, user: MockUser, call: Call) -> Mailbox:
    """The caller's own, or the one of whom they act for."""
    kind, who = call.impersonated
    if not kind:
        return exchange.user(user.email)
    if user.email not in exchange.ews.impersonators:
        raise Fault(
            "ErrorImpersonateUserDenied", "The account does not have permission to impersonate the requested user."
        )
    if kind == "SID":
        raise Fault("ErrorImpersonationFailed", "The mock knows no SIDs.")
    try:
        return exchange.user(who)
    except NotFound:
        raise Fault("ErrorNonExistentMailbox", "The SMTP address has no mailbox associated with it.") from None
