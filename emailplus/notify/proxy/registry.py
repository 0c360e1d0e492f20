"""The registrations in force, in memory for reading and in the ledger for keeping."""

from __future__ import annotations

import hmac
from collections import Counter
from collections.abc import Iterator

from ...errors import LimitExceeded, NotFound, PolicyDenied, UsageError
from .ledger import Ledger
from .options import Limits, Organization
from .registration import Keys, Registration, Wishes, digest, register, renew


class Registry:
    """Every registration by its id and by the digest of its callback."""

    def __init__(self, ledger: Ledger, limits: Limits, organizations: tuple[Organization, ...]) -> None:
        self._ledger = ledger
        self._limits = limits
        self._organizations = {organization.id: organization for organization in organizations}
        self._by_id: dict[str, Registration] = {}
        self._by_callback: dict[bytes, str] = {}
        self._by_target: dict[bytes, str] = {}
        self._devices: Counter[str] = Counter()
        for registration in ledger.registrations():
            if registration.wishes.organization in self._organizations:
                self._put(registration)

    def __len__(self) -> int:
        return len(self._by_id)

    def __iter__(self) -> Iterator[Registration]:
        return iter(list(self._by_id.values()))

    def get(self, identity: str) -> Registration | None:
        return self._by_id.get(identity)

    def of_callback(self, token: str) -> tuple[Registration | None, bool]:
        """Whom Exchange means with this address, and whether it is that of the subscription before.

        What is looked for is a digest: the time it takes tells nothing.
        """
        shown = digest(token)
        found = self._by_id.get(self._by_callback.get(shown, ""))
        return found, found is not None and shown != found.callback

    def organization(self, identity: str, token: str) -> Organization | None:
        """The organisation that shows its token; None: unknown, or another token."""
        known = self._organizations.get(identity)
        shown = digest(token).hex()
        right = hmac.compare_digest(shown, known.token_sha256 if known is not None else "0" * 64)
        return known if right else None

    async def register(self, wishes: Wishes, organization: Organization, now: float) -> tuple[Registration, Keys]:
        """A registration with keys of its own. One of the same mailbox on the same device goes on under its id, so that
        what waits for it is told; its secret is void, and its callback as soon as the new one is called.

        Raises `PolicyDenied` for a mailbox of others, `LimitExceeded`.
        """
        self._allowed(wishes, organization)
        if wishes.target not in self._by_target:
            if len(self) >= self._limits.registrations:
                raise _full("this proxy has as many registrations", "registrations", self._limits.registrations)
            if self._devices[wishes.mailbox] >= self._limits.devices_per_mailbox:
                most = self._limits.devices_per_mailbox
                raise _full("this mailbox has as many devices", "devices_per_mailbox", most)
        keys = Keys.new()
        old = self._by_id.get(self._by_target.get(wishes.target, ""))
        registration = register(wishes, keys, now, old)
        await self._keep(registration)
        return registration, keys

    async def renew(
        self, identity: str, secret: str, wishes: Wishes, organization: Organization, now: float,
        subscription: str | None,
    ) -> Registration:  # fmt: skip
        """Another period for a registration. Raises `NotFound`, `PolicyDenied`, `UsageError`."""
        old = self.mine(identity, secret, organization)
        self._allowed(wishes, organization)
        if wishes.target != old.wishes.target:
            raise UsageError("mailbox, gateway and device are those of the registration; else register anew")
        registration = renew(old, wishes, now, subscription)
        await self._keep(registration)
        return registration

    async def drop(self, identities: list[str]) -> None:
        """End registrations."""
        await self._ledger.drop(identities)
        for identity in identities:
            self._remove(identity)

    async def change(self, registration: Registration) -> None:
        """Keep what was learnt of a registration, unless it is gone by now."""
        if registration.id in self._by_id:
            await self._keep(registration)

    def mine(self, identity: str, secret: str, organization: Organization) -> Registration:
        """The registration whose secret is shown. Raises `NotFound`, for a wrong secret too."""
        found = self._by_id.get(identity)
        right = hmac.compare_digest(digest(secret), found.secret if found is not None else bytes(32))
        if found is None or not right or found.wishes.organization != organization.id:
            raise NotFound("there is no such registration")
        return found

    def expired(self, now: float, grace: float) -> list[str]:
        """Ids of registrations that ended more than `grace` seconds ago."""
        return [entry.id for entry in self._by_id.values() if entry.expires + grace < now]

    def _allowed(self, wishes: Wishes, organization: Organization) -> None:
        if wishes.organization != organization.id:
            raise UsageError("organization: that of the call")
        if wishes.mailbox.rpartition("@")[2] not in organization.domains:
            raise PolicyDenied("the mailbox is in no domain of the organisation", rule="organizations.domains")

    async def _keep(self, registration: Registration) -> None:
        await self._ledger.keep(registration)
        self._put(registration)

    def _put(self, registration: Registration) -> None:
        target = registration.wishes.target
        self._remove(self._by_target.get(target, ""))
        self._remove(registration.id)
        self._by_id[registration.id] = registration
        for callback in filter(None, (registration.callback, registration.old_callback)):
            self._by_callback[callback] = registration.id
        self._by_target[target] = registration.id
        self._devices[registration.wishes.mailbox] += 1

    def _remove(self, identity: str) -> None:
        old = self._by_id.pop(identity, None)
        if old is None:
            return
        for callback in (old.callback, old.old_callback):
            self._by_callback.pop(callback, None)
        self._by_target.pop(old.wishes.target, None)
        self._devices[old.wishes.mailbox] -= 1
        if self._devices[old.wishes.mailbox] <= 0:
            del self._devices[old.wishes.mailbox]


def _full(what: str, name: str, most: int) -> LimitExceeded:
    return LimitExceeded(f"{what} as it may have (limits.{name})", size=most + 1, limit=most)
