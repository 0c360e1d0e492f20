"""Certification paths: building and validating them (RFC 5280 section 6.1), for every kind of key used in mail.

The library's own verifier is made for web servers. It refuses directory name constraints, certificate policies, names
that differ in case, keys of the Edwards curves and certificates without alternative names, all of which mail has.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.x509.oid import ExtensionOID

from ..errors import MalformedCms
from . import names, tlv
from .certificate import for_mail, key_id, public_key, valid_at
from .limits import MAX_ISSUER_CHECKS, MAX_PATH_LENGTH

_Kind = TypeVar("_Kind", bound=x509.ExtensionType)

_ANY_POLICY = "2.5.29.32.0"
_POLICY_MAPPINGS = "2.5.29.33"
_UNLIMITED = 1 << 30
_KNOWN_CRITICAL = {
    ExtensionOID.BASIC_CONSTRAINTS,
    ExtensionOID.KEY_USAGE,
    ExtensionOID.EXTENDED_KEY_USAGE,
    ExtensionOID.SUBJECT_ALTERNATIVE_NAME,
    ExtensionOID.NAME_CONSTRAINTS,
    ExtensionOID.CERTIFICATE_POLICIES,
    ExtensionOID.POLICY_CONSTRAINTS,
    ExtensionOID.INHIBIT_ANY_POLICY,
    ExtensionOID.CRL_DISTRIBUTION_POINTS,
    x509.ObjectIdentifier(_POLICY_MAPPINGS),
}
_WEAK_HASHES = (hashes.MD5, hashes.SHA1)
_WEAK_RSA_BITS = 2048


def self_issued(certificate: x509.Certificate) -> bool:
    """Subject and issuer are the same: a new key, or the same under another policy (RFC 5280 3.2)."""
    return names.same(certificate.subject, certificate.issuer)


class _Refused(Exception):
    """Why a path does not hold."""


@dataclass(slots=True)
class _Search:
    anchors: Sequence[x509.Certificate]
    pool: Sequence[x509.Certificate]
    at: datetime
    left: int = MAX_ISSUER_CHECKS
    """Signature checks left: authorities that all sign each other make the search exponential."""
    problem: str = ""


def build(
    leaf: x509.Certificate, pool: Sequence[x509.Certificate], anchors: Sequence[x509.Certificate], at: datetime
) -> tuple[list[x509.Certificate], str]:
    """(the first path from `leaf` to an anchor that holds at the moment `at`, or [], and why there is none)."""
    search = _Search(anchors, pool, at)
    found = _extend([leaf], search)
    return (found, "") if found else ([], search.problem or "no issuer that leads to an anchor is known")


def _extend(chain: list[x509.Certificate], search: _Search) -> list[x509.Certificate]:
    """Depth first over issuers, anchors before others and those that the key identifier points to before the rest."""
    last = chain[-1]
    for anchor in _issuers(last, search.anchors):
        if _signs(anchor, last, search):
            whole = [*chain, anchor]
            try:
                validate(whole, search.at)
            except _Refused as reason:
                search.problem = search.problem or str(reason)
            else:
                return whole
    if len(chain) >= MAX_PATH_LENGTH:
        search.problem = search.problem or f"a path of more than {MAX_PATH_LENGTH} certificates"
        return []
    for issuer in _issuers(last, search.pool):
        if issuer not in chain and issuer not in search.anchors and _signs(issuer, last, search):
            found = _extend([*chain, issuer], search)
            if found:
                return found
    return []


def _issuers(child: x509.Certificate, candidates: Iterable[x509.Certificate]) -> list[x509.Certificate]:
    wanted = _authority_key_id(child)
    named = [candidate for candidate in candidates if names.same(candidate.subject, child.issuer)]
    return sorted(named, key=lambda candidate: wanted is None or key_id(candidate) != wanted)


@lru_cache(maxsize=1024)
def _authority_key_id(certificate: x509.Certificate) -> bytes | None:
    try:
        return certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    except x509.ExtensionNotFound:
        return None


def _signs(issuer: x509.Certificate, child: x509.Certificate, search: _Search) -> bool:
    if search.left <= 0:
        search.problem = search.problem or "too many certificates to try"
        return False
    search.left -= 1
    problem = signature_problem(child, issuer)
    if problem and problem != _NO_MATCH:
        search.problem = search.problem or problem
    return not problem


_NO_MATCH = "its signature is not the issuer's"


@lru_cache(maxsize=2048)
def signature_problem(child: x509.Certificate, issuer: x509.Certificate) -> str:
    """Why the signature on `child` is not a good one of `issuer`, "" when it is. Weak algorithms are none."""
    key = public_key(issuer)
    try:
        digest = child.signature_hash_algorithm
        if isinstance(digest, _WEAK_HASHES):
            return f"a certificate signed with {digest.name}"
        if isinstance(key, rsa.RSAPublicKey) and key.key_size < _WEAK_RSA_BITS:
            return f"an authority with a key of RSA {key.key_size}"
        data, signature = child.tbs_certificate_bytes, child.signature
        if isinstance(key, (ed25519.Ed25519PublicKey, ed448.Ed448PublicKey)):
            key.verify(signature, data)
        elif isinstance(key, rsa.RSAPublicKey) and digest is not None:
            key.verify(signature, data, child.signature_algorithm_parameters, digest)  # type: ignore[arg-type]
        elif isinstance(key, ec.EllipticCurvePublicKey) and digest is not None:
            key.verify(signature, data, ec.ECDSA(digest))
        else:
            return "an authority with a key that does not sign certificates here"
    except InvalidSignature:
        return _NO_MATCH
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return "a certificate signed in a way that cannot be checked"
    return ""


# Validation (RFC 5280 6.1.2 to 6.1.5). Signatures were checked while building.


@dataclass(slots=True)
class _State:
    """`policies`: the nodes at the present depth of the policy tree, each with its expected policies; None: no tree.

    Every user policy is accepted (the initial set is anyPolicy), so the nodes above play no part.
    """

    length: int
    explicit: int
    mapping: int
    any_policy: int
    path_length: int
    policies: dict[str, frozenset[str]] | None
    permitted: list[tuple[x509.GeneralName, ...]] = field(default_factory=list)
    excluded: list[x509.GeneralName] = field(default_factory=list)


def validate(chain: Sequence[x509.Certificate], at: datetime) -> None:
    """`chain` from the leaf to the anchor. Raises `_Refused` with the reason.

    The anchor is a certificate too, so its validity, its constraints and its right to sign are asked for as well.
    """
    count = len(chain) - 1
    state = _State(count, count + 1, count + 1, count + 1, _UNLIMITED, {_ANY_POLICY: frozenset({_ANY_POLICY})})
    anchor = chain[-1]
    _check_times(anchor, at)
    _check_known(anchor)
    _check_authority(anchor, state)
    _take_names(anchor, state)
    for depth, certificate in enumerate(reversed(chain[:-1]), start=1):
        last = depth == count
        _check_times(certificate, at)
        _check_known(certificate)
        if last or not self_issued(certificate):
            _check_names(certificate, state)
        _policies(certificate, state, last=last)
        if not last:
            _map_policies(certificate, state)
            _take_names(certificate, state)
            _count_down(certificate, state)
            _check_authority(certificate, state)
    leaf = chain[0]
    explicit = max(0, state.explicit - 1)
    constraints = _extension(leaf, x509.PolicyConstraints)
    if constraints is not None and constraints.require_explicit_policy == 0:
        explicit = 0
    if explicit == 0 and state.policies is None:
        raise _Refused("a certificate policy is demanded and none holds")


def _extension(certificate: x509.Certificate, kind: type[_Kind]) -> _Kind | None:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _shown(certificate: x509.Certificate) -> str:
    return certificate.subject.rfc4514_string()


def _check_times(certificate: x509.Certificate, at: datetime) -> None:
    if not valid_at(certificate, at):
        raise _Refused(f"the certificate is not valid at that time: {_shown(certificate)}")


def _check_known(certificate: x509.Certificate) -> None:
    for extension in certificate.extensions:
        if extension.critical and extension.oid not in _KNOWN_CRITICAL:
            raise _Refused(f"a critical extension without a rule here: {extension.oid.dotted_string}")


def _check_authority(certificate: x509.Certificate, state: _State) -> None:
    """6.1.4 k to n, and a use for mail where the authority is limited to uses."""
    constraints = _extension(certificate, x509.BasicConstraints)
    if constraints is None:
        raise _Refused(f"an issuer without basic constraints: {_shown(certificate)}")
    if not constraints.ca:
        raise _Refused(f"an issuer that is not a certificate authority: {_shown(certificate)}")
    usage = _extension(certificate, x509.KeyUsage)
    if usage is not None and not usage.key_cert_sign:
        raise _Refused(f"an authority that must not sign certificates: {_shown(certificate)}")
    if not for_mail(certificate):
        raise _Refused(f"an authority that is not for mail: {_shown(certificate)}")
    if constraints.path_length is not None:
        state.path_length = min(state.path_length, constraints.path_length)


def _count_down(certificate: x509.Certificate, state: _State) -> None:
    """6.1.4 h to l: what each step that is not self-issued uses up, and what the certificate tightens."""
    if not self_issued(certificate):
        if state.path_length <= 0:
            raise _Refused(f"a path longer than an authority allows: {_shown(certificate)}")
        state.path_length -= 1
        state.explicit, state.mapping = max(0, state.explicit - 1), max(0, state.mapping - 1)
        state.any_policy = max(0, state.any_policy - 1)
    constraints = _extension(certificate, x509.PolicyConstraints)
    if constraints is not None:
        if constraints.require_explicit_policy is not None:
            state.explicit = min(state.explicit, constraints.require_explicit_policy)
        if constraints.inhibit_policy_mapping is not None:
            state.mapping = min(state.mapping, constraints.inhibit_policy_mapping)
    inhibit = _extension(certificate, x509.InhibitAnyPolicy)
    if inhibit is not None:
        state.any_policy = min(state.any_policy, inhibit.skip_certs)


def _check_names(certificate: x509.Certificate, state: _State) -> None:
    """6.1.3 b and c."""
    for name in names.names_of(certificate):
        if not all(names.permitted(name, subtrees) for subtrees in state.permitted):
            raise _Refused(f"a name that an authority may not give: {_shown(certificate)}")
        if names.excluded(name, state.excluded):
            raise _Refused(f"a name that an authority must not give: {_shown(certificate)}")


def _take_names(certificate: x509.Certificate, state: _State) -> None:
    """6.1.4 g."""
    constraints = _extension(certificate, x509.NameConstraints)
    if constraints is not None:
        if constraints.permitted_subtrees:
            state.permitted.append(tuple(constraints.permitted_subtrees))
        state.excluded += constraints.excluded_subtrees or ()


def _policies(certificate: x509.Certificate, state: _State, *, last: bool) -> None:
    """6.1.3 d to f."""
    stated = _extension(certificate, x509.CertificatePolicies)
    if stated is None or state.policies is None:
        state.policies = None
    else:
        wanted = {information.policy_identifier.dotted_string for information in stated}
        fresh: dict[str, frozenset[str]] = {}
        expected = frozenset().union(*state.policies.values())
        for policy in wanted - {_ANY_POLICY}:
            if policy in expected or _ANY_POLICY in state.policies:
                fresh[policy] = frozenset({policy})
        if _ANY_POLICY in wanted and (state.any_policy > 0 or (not last and self_issued(certificate))):
            for policy in expected - fresh.keys():
                fresh[policy] = frozenset({policy})
        state.policies = fresh or None
    if state.explicit == 0 and state.policies is None:
        raise _Refused("a certificate policy is demanded and none holds")


def _map_policies(certificate: x509.Certificate, state: _State) -> None:
    """6.1.4 a and b."""
    mappings = _mappings(certificate)
    if any(_ANY_POLICY in pair for pair in mappings):
        raise _Refused("an authority that maps anyPolicy")
    if state.policies is None or not mappings:
        return
    for policy in {issuer for issuer, _ in mappings}:
        subjects = frozenset(subject for issuer, subject in mappings if issuer == policy)
        if not state.mapping:
            state.policies.pop(policy, None)
        elif policy in state.policies or _ANY_POLICY in state.policies:
            state.policies[policy] = subjects
    state.policies = state.policies or None


def _mappings(certificate: x509.Certificate) -> list[tuple[str, str]]:
    """PolicyMappings (RFC 5280 4.2.1.5) as (issuer's, subject's) policies."""
    try:
        value = certificate.extensions.get_extension_for_oid(x509.ObjectIdentifier(_POLICY_MAPPINGS)).value
    except x509.ExtensionNotFound:
        return []
    raw = value.value if isinstance(value, x509.UnrecognizedExtension) else value.public_bytes()
    try:
        pairs = [pair.children(2) for pair in tlv.read(raw, 0, len(raw)).children(1_000)]
        return [(tlv.oid(issuer), tlv.oid(subject)) for issuer, subject in pairs]
    except (MalformedCms, tlv.Indefinite, ValueError) as error:
        raise _Refused("policy mappings that cannot be read") from error
