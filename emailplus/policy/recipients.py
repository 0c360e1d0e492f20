"""Safe domains: which recipients lie outside the organisation, and when a person is asked about them.

    email_safe_domains entry     safe                              not safe
    example.com                  user@example.com                  user@mail.example.com, user@badexample.com
    *.example.com                user@a.example.com, @a.b.…        user@example.com (the base domain is not included)
    *                            every address                     what is no address at all
    (key not set)                the account's own domain          everything else

    email_safe_domains   email_alert_unsafe_domains   unsafe recipient
    not set              true or false                marked
    set                  false                        marked
    set                  true                         marked, and `UnsafeRecipients` is asked before sending

Source: guide, table 2, "Manage contacts". Domains are compared without regard to case and as A-labels, so that
`bücher.example` and `xn--bcher-kva.example` are one domain, and a look-alike in another script is not. What decides is
the domain of the address itself; an address shown in the display name decides nothing. What cannot be read is not safe.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from ..config import AppConfig
from ..model.message import Address
from ..model.questions import UnsafeRecipients
from . import addresses

SHOWN: Final = 20
"""Addresses that the text of the question spells out; the question itself carries all."""


@dataclass(frozen=True, slots=True)
class Recipient:
    """One recipient with its verdict. `address` is as the list spells it; the whole entry where that is no address."""

    address: str
    name: str
    safe: bool
    reason: str = ""
    """Why it is not safe."""
    group: str = ""
    """The group of the list that it is a member of (RFC 5322 3.4)."""


@dataclass(frozen=True, slots=True)
class SafeDomains:
    """`email_safe_domains`, ready to be asked."""

    exact: frozenset[str]
    wildcards: frozenset[str]
    everything: bool
    configured: bool
    """Whether the key is set; without it the account's own domain is safe and nothing is asked."""

    @classmethod
    def of(cls, config: AppConfig) -> SafeDomains:
        """The domains that `config` calls safe."""
        entries = config.email_safe_domains
        exact = {addresses.domain_key(entry) for entry in entries if not entry.startswith("*")}
        wildcards = {addresses.domain_key(entry[2:]) for entry in entries if entry.startswith("*.")}
        return cls(
            frozenset(filter(None, exact)),
            frozenset(filter(None, wildcards)),
            "*" in entries,
            "email_safe_domains" in config.given,
        )

    def covers(self, domain: str) -> bool:
        """Whether the addresses of `domain` are safe."""
        key = addresses.domain_key(domain)
        if key is None:
            return False
        if self.everything or key in self.exact:
            return True
        labels = [] if key.startswith("[") else key.split(".")
        return any(".".join(labels[start:]) in self.wildcards for start in range(1, len(labels)))


def classify(recipients: Iterable[str | Address], config: AppConfig) -> tuple[Recipient, ...]:
    """The verdict on every recipient of a mail or an invite: To, Cc and Bcc, attendees and resources alike.

    A text may hold a whole address list with names and groups. Never raises.
    """
    domains = SafeDomains.of(config)
    found: list[Recipient] = []
    for recipient in recipients:
        if isinstance(recipient, Address):
            entries = addresses.read(recipient.address) or [addresses.Entry("", fault="is empty")]
            found += [_verdict(entry, domains, recipient.name or entry.name) for entry in entries]
        else:
            found += [_verdict(entry, domains, entry.name) for entry in addresses.read(recipient)]
    return tuple(found)


def _verdict(entry: addresses.Entry, domains: SafeDomains, name: str) -> Recipient:
    if entry.fault:
        return Recipient(entry.raw, name, False, f"{entry.raw!r} {entry.fault}", entry.group)
    if domains.covers(entry.domain):
        return Recipient(entry.address, name, True, group=entry.group)
    reason = f"{entry.domain} is not a safe domain"
    claimed = addresses.Entry(entry.raw, name, entry.address, entry.domain).claims
    if claimed:
        reason += f", though the name shown speaks of {claimed}"
    return Recipient(entry.address, name, False, reason, entry.group)


def question(recipients: Iterable[str | Address], config: AppConfig) -> UnsafeRecipients | None:
    """What to ask before a mail or an invite goes to `recipients`; None: nothing, send."""
    if not config.email_alert_unsafe_domains or "email_safe_domains" not in config.given:
        return None
    unsafe = tuple(dict.fromkeys(one.address for one in classify(recipients, config) if not one.safe))
    if not unsafe:
        return None
    rest = f" and {len(unsafe) - SHOWN} more" if len(unsafe) > SHOWN else ""
    text = f"These recipients are not in a safe domain: {', '.join(unsafe[:SHOWN])}{rest}. Send all the same?"
    return UnsafeRecipients(text=text, addresses=unsafe)
