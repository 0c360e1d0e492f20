"""Finding the server of an email address (MS-OXDISCO 3.1.5, MS-ASCMD 2.2.1.1), every step on record.

    1  JSON at autodiscover.DOMAIN, then at DOMAIN       needs no credentials, so it comes first
    2  POX at DOMAIN, then at autodiscover.DOMAIN         with credentials, over verified TLS only (MS-OXDISCO 3.1.5.2)
    3  GET http://autodiscover.DOMAIN                     without credentials: a redirect to HTTPS (MS-OXDISCO 3.1.5.4)
    4  JSON at each of `services`                         hosts that the caller is willing to tell the address to

DNS SRV records and the LDAP directory are not asked. A redirect may lead to another address (HTTP) or to another email
address (in the answer); credentials follow to a host outside of the domain only if it is a well-known one or a person
says so. The same address is never asked twice, and never the same host with refused credentials.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from urllib.parse import urljoin, urlsplit

from ...errors import ConnectionFailed, DiscoveryFailed, MalformedResponse, ResponseTooLarge
from ...flow import Flow, HttpRequest, HttpResponse, http
from ...model.discovery import Discovered, Step
from ...model.questions import Confirm, DiscoveryRedirect
from ..commands import autodiscover
from ..commands.autodiscover import Answer

MAX_REDIRECTS = 10
"""Redirects of all kinds that one discovery follows."""
WELL_KNOWN = ("outlook.office365.com", "autodiscover-s.outlook.com", "eas.outlook.com")
"""Hosts that Microsoft's service redirects to; credentials may go there."""
_REDIRECTS = frozenset({301, 302, 303, 307, 308, 451})


@dataclass(slots=True)
class _Search:
    """One discovery under way."""

    email: str
    user_agent: str
    confirm: Confirm | None
    trace: list[Step] = field(default_factory=list)
    asked: set[str] = field(default_factory=set)
    refused: set[str] = field(default_factory=set)
    allowed: set[str] = field(default_factory=set)
    redirects: int = 0

    def note(self, request: HttpRequest, outcome: str) -> None:
        self.trace.append(Step(request.method, request.url, outcome, not request.anonymous))


def discover(
    email: str, *, user_agent: str, confirm: Confirm | None = None, services: Sequence[str] = ()
) -> Flow[Discovered]:
    """The ActiveSync address for `email`.

    `confirm` is asked before credentials go to a host outside of the domain (`DiscoveryRedirect`); without it they do
    not. Raises `DiscoveryFailed`, whose `trace` holds every step, or `UsageError` for what is no address.
    """
    search = _Search(email.strip(), user_agent, confirm)
    known = {search.email.lower()}
    while True:
        answer = yield from _one_address(search, services)
        if not answer.redirect_email:
            return Discovered(
                answer.url,
                answer.email or search.email,
                answer.display_name,
                answer.certificate_enrolment,
                tuple(search.trace),
            )
        search.redirects += 1
        search.email = answer.redirect_email
        if search.email.lower() in known or search.redirects > MAX_REDIRECTS:
            raise _failed(search, "the answers lead in circles")
        known.add(search.email.lower())


def _one_address(search: _Search, services: Sequence[str]) -> Flow[Answer]:
    """All steps for the current email address."""
    domain = autodiscover.domain_of(search.email)
    hosts = (f"autodiscover.{domain}", domain)
    search.allowed |= {domain}
    for host in hosts:
        answer = yield from _json(search, host)
        if answer is not None:
            return answer
    for host in reversed(hosts):
        answer = yield from _pox(search, f"https://{host}{autodiscover.PATH}")
        if answer is not None:
            return answer
    target = yield from _plain_redirect(search, f"http://{hosts[0]}{autodiscover.PATH}")
    if target:
        answer = yield from _pox(search, target)
        if answer is not None:
            return answer
    for host in services:
        answer = yield from _json(search, host)
        if answer is not None:
            return answer
    raise _failed(search, f"no server was found for {search.email}")


def _json(search: _Search, host: str) -> Flow[Answer | None]:
    url = autodiscover.json_url(host, search.email)
    headers = {"User-Agent": search.user_agent, "Accept": "application/json"}
    return (yield from _ask(search, HttpRequest("GET", url, headers, anonymous=True), autodiscover.parse_json))


def _pox(search: _Search, url: str) -> Flow[Answer | None]:
    headers = {"User-Agent": search.user_agent, "Content-Type": "text/xml"}
    request = HttpRequest("POST", url, headers, autodiscover.build_pox(search.email))
    return (yield from _ask(search, request, autodiscover.parse_pox))


def _ask(search: _Search, request: HttpRequest, parse: Callable[[bytes], Answer]) -> Flow[Answer | None]:
    """One request and the redirects behind it; what came of it is on record. None: go on with the next step."""
    while True:
        key = f"{request.method} {request.url.lower()} {search.email.lower()}"
        host = (urlsplit(request.url).hostname or "").lower()
        if key in search.asked:
            return None
        search.asked.add(key)
        if not request.anonymous and not _may_know(search, host):
            search.note(
                HttpRequest(request.method, request.url, anonymous=True), f"not asked: {host} is another domain"
            )
            return None
        if not request.anonymous and host in search.refused:
            return None
        response = yield from _send(search, request)
        if response is None:
            return None
        if response.status in _REDIRECTS:
            target = _target(search, request, response)
            if not target:
                return None
            request = HttpRequest(request.method, target, request.headers, request.content, anonymous=request.anonymous)
            continue
        return _read(search, request, response, parse)


def _send(search: _Search, request: HttpRequest) -> Flow[HttpResponse | None]:
    try:
        return (yield from http(request))
    except (ConnectionFailed, ResponseTooLarge) as problem:
        search.note(request, str(problem))
        return None


def _read(
    search: _Search, request: HttpRequest, response: HttpResponse, parse: Callable[[bytes], Answer]
) -> Answer | None:
    if response.status == 401:
        search.refused.add((urlsplit(request.url).hostname or "").lower())
        search.note(request, "credentials wanted" if request.anonymous else "credentials refused (HTTP 401)")
        return None
    if response.status != 200 and not (request.anonymous and 400 <= response.status < 500):
        search.note(request, f"HTTP {response.status}")
        return None
    try:
        answer = parse(response.body)
    except MalformedResponse as problem:
        search.note(request, f"HTTP {response.status}, {problem}")
        return None
    if answer.problem:
        search.note(request, answer.problem)
        return None
    search.note(request, f"found {answer.url}" if answer.url else f"redirected to {answer.redirect_email}")
    return answer


def _target(search: _Search, request: HttpRequest, response: HttpResponse) -> str:
    """Where a redirect leads, if it may be followed; HTTPS only (the password would be readable on its way)."""
    written = response.headers.get("location", "") or response.headers.get("x-ms-location", "")
    target = urljoin(request.url, written.strip()) if written.strip() else ""
    search.redirects += 1
    if not target:
        search.note(request, f"HTTP {response.status} without an address")
    elif urlsplit(target).scheme != "https" or not urlsplit(target).hostname:
        search.note(request, f"HTTP {response.status} to an address that is not HTTPS; not followed")
    elif search.redirects > MAX_REDIRECTS:
        search.note(request, "too many redirects")
    else:
        search.note(request, f"redirected to {target}")
        return target
    return ""


def _plain_redirect(search: _Search, url: str) -> Flow[str]:
    """Step 3: only a redirect counts; whatever else an unprotected address says is not believed."""
    request = HttpRequest("GET", url, {"User-Agent": search.user_agent}, anonymous=True)
    response = yield from _send(search, request)
    if response is None:
        return ""
    if response.status not in _REDIRECTS:
        search.note(request, f"HTTP {response.status}, no redirect")
        return ""
    return _target(search, request, response)


def _may_know(search: _Search, host: str) -> bool:
    """Whether credentials may go to a host: within the domain, well known, or allowed by a person just now."""
    within = any(host == name or host.endswith(f".{name}") for name in search.allowed)
    if within or host in WELL_KNOWN:
        return True
    if search.confirm is None:
        return False
    text = f"The mail server of {search.email} is said to be at {host}. Send your user name and password there?"
    if search.confirm(DiscoveryRedirect(text=text, host=host)) != "proceed":
        return False
    search.allowed.add(host)
    return True


def _failed(search: _Search, why: str) -> DiscoveryFailed:
    steps = "".join(f"\n  {step}" for step in search.trace)
    return DiscoveryFailed(f"{why}; set email_exchange_host by hand. What was tried:{steps}", tuple(search.trace))
