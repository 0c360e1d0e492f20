"""Kerberos on the client's side (RFC 4120): a ticket for the password, from the key distribution centre (KDC).

The password goes to the KDC once, as a proof, never in the clear. What comes back lies in the memory of this process
(a ccache of the type MEMORY) and goes with the object; tickets that the user has elsewhere are not looked at.
"""

from __future__ import annotations

import importlib.util
import time
import weakref
from collections.abc import Iterator
from typing import Any, Final

from ..errors import AuthenticationFailed

_BASE: Final = -1765328384
"""Error table of RFC 4120 7.5.9 in MIT and Heimdal: the code of the RFC is added to this."""
_LOGIN_REFUSED: Final = {
    18: "the account is disabled, locked or has expired",
    23: "the password has expired and has to be changed",
    24: "the password is wrong",
    31: "the password is wrong",
}
"""What another way of showing the same password would not mend, and would count once more."""
_UNKNOWN_USER: Final = 6
_UNREADABLE: Final = 0
_REASONS: Final = {
    _UNREADABLE: "the user name or the configuration of Kerberos cannot be read",
    _UNKNOWN_USER: "the KDC does not know the user",
    7: "the KDC does not know the service HTTP/{host}: is a service principal name set for this host?",
    12: "the KDC's policy does not allow it",
    14: "KDC, client and server have no type of encryption in common",
    32: "the ticket has expired",
    37: "the clocks of this machine and the KDC or server are more than five minutes apart: set the clock",
    41: "the server cannot read the ticket: does its key fit HTTP/{host}?",
    68: "the KDC is not the one of the user's realm",
    154: "no KDC is known for the user's realm: see krb5.conf or DNS",
    156: "no KDC of the user's realm answers",
    220: "the name of the KDC cannot be resolved",
    224: "krb5.conf names no default realm, and the user name has none",
}
"""By the distance from `_BASE`: up to 127 codes of RFC 4120, from 128 on those of the library (krb5_err.et)."""
_ENOUGH: Final = 60
"""Seconds that a ticket has to be good for."""


def kerberos_available() -> bool:
    """Whether the libraries of the extra ``kerberos`` are here."""
    return all(importlib.util.find_spec(name) is not None for name in ("gssapi", "krb5"))


class RefusedByKdc(AuthenticationFailed):
    """The KDC refused the password, as a server does with a 401: it counts as an attempt and is not repeated."""


class Unusable(Exception):
    """Kerberos cannot be had here; the text says why, without a secret. The password was not refused."""


class Ticket:
    """A ticket-granting ticket. `ccache` names it to GSSAPI; it is destroyed with this object."""

    def __init__(self, context: Any, credentials: Any) -> None:
        import krb5

        cache = krb5.cc_new_unique(context, b"MEMORY")
        krb5.cc_initialize(context, cache, credentials.client)
        krb5.cc_store_cred(context, cache, credentials)
        self.ccache: str = f"MEMORY:{(cache.name or b'').decode()}"
        self._ends = float(credentials.times.endtime)
        self._destroy = weakref.finalize(self, krb5.cc_destroy, context, cache)

    def __repr__(self) -> str:
        return "Ticket(...)"

    @property
    def good(self) -> bool:
        """Whether it can still be shown."""
        return time.time() + _ENOUGH < self._ends


def sign_in(username: str, password: str) -> Ticket:
    """A ticket for the password; one attempt at the KDC. Blocks for as long as the KDC takes.

    Raises `RefusedByKdc` (the password, or the account) and `Unusable` (there is no KDC for this user).
    """
    found = _ask(username, password)
    if isinstance(found, Ticket):
        return found
    if found in _LOGIN_REFUSED:
        raise RefusedByKdc(f"the KDC refused it (Kerberos): {_LOGIN_REFUSED[found]}; nothing was sent to the server")
    raise Unusable(_reason(found))


def _ask(username: str, password: str) -> Ticket | int:
    """A ticket, or the number of the error.

    Nothing is raised: a traceback would keep the library's objects until the garbage collector comes, which frees those
    of a cycle in any order, and they crash in a wrong one.
    """
    import krb5

    code = 224
    try:
        context = krb5.init_context()
        realm = _default_realm(context)
        for name, enterprise in _names(username, realm):
            asking = None
            try:
                flags = krb5.PrincipalParseFlags.enterprise if enterprise else 0
                principal = krb5.parse_name_flags(context, name.encode(), flags)
                options = krb5.get_init_creds_opt_alloc(context)
                krb5.get_init_creds_opt_set_canonicalize(options, True)
                # Not get_init_creds_password: refused by one KDC, that goes on to the primary, a second attempt.
                asking = krb5.init_creds_init(context, principal, options)
                krb5.init_creds_set_password(context, asking, password.encode())
                krb5.init_creds_get(context, asking)
                return Ticket(context, krb5.init_creds_get_creds(context, asking))
            except krb5.Krb5Error as problem:
                code = problem.err_code - _BASE
                problem.__traceback__ = None
            finally:
                del asking
            if code in _LOGIN_REFUSED:
                break
            if code != _UNKNOWN_USER and username.lower().endswith(f"@{realm}".lower()):
                break  # the other form of the name goes to the same KDC
    except krb5.Krb5Error as problem:
        code = problem.err_code - _BASE
    except (UnicodeError, ValueError):
        code = _UNREADABLE
    return code


def describe(problem: BaseException, host: str) -> str:
    """Why a ticket for a server was not to be had or did not help, in words; `problem` is of GSSAPI or pyspnego."""
    seen: BaseException | None = problem
    for _ in range(8):
        if seen is None:
            break
        minor = getattr(seen, "min_code", None)
        if isinstance(minor, int) and minor:
            code = (minor - (1 << 32) if minor >= 1 << 31 else minor) - _BASE
            if 0 <= code < 256:
                return _reason(code, host)
        seen = getattr(seen, "base_error", None) or seen.__cause__
    return f"the ticket cannot be used ({type(problem).__name__})"


def _reason(code: int, host: str = "...") -> str:
    return _REASONS.get(code, f"of Kerberos error {code}").format(host=host)


def _default_realm(context: Any) -> str:
    import krb5

    try:
        return bytes(krb5.get_default_realm(context)).decode()
    except (krb5.Krb5Error, UnicodeError):
        return ""


def _names(username: str, realm: str) -> Iterator[tuple[str, bool]]:
    """The principals that a login name may mean, and whether one is an enterprise name (RFC 6806 5).

    ``user@domain`` is a user principal name, which a directory maps to an account; where there is none, the domain is
    the realm. A NetBIOS ``DOMAIN\\user`` is of the default realm if that begins with it: another realm's
    user of the same name is somebody else.
    """
    domain, backslash, user = username.rpartition("\\")
    if backslash:
        ours = "." not in domain and realm.split(".")[0].lower() == domain.lower()
        yield f"{_escaped(user)}@{realm if ours else domain.upper()}", False
        return
    user, at, domain = username.rpartition("@")
    if not at:
        if realm:
            yield f"{_escaped(username)}@{realm}", False
        return
    if realm:
        yield f"{_escaped(username, keep='@')}", True
    yield f"{_escaped(user)}@{domain.upper()}", False


def _escaped(name: str, keep: str = "") -> str:
    """A name without the meaning that ``\\``, ``/`` and ``@`` have in a principal."""
    return "".join(f"\\{sign}" if sign in "\\/@" and sign not in keep else sign for sign in name)
