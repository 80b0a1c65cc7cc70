"""Who a party is, proven by a document ("know your customer"): a state machine without I/O.

    unverified → pending → verified → expired → pending …
                         → rejected → pending …

Each attempt goes its way by itself: who is verified may show the next document before the first one ends, and stays
verified meanwhile (``standing``).

The number of a document is never kept: a salted hash tells whether the same one is shown again, four last characters
tell a person which one it was.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Final, Literal, TypeAlias

from farwire.country.model import CountryPack
from farwire.country.model.pack import Requirement
from farwire.kernel.errors import Conflict, Invalid
from farwire.kernel.tenancy import Actor

Sim: TypeAlias = Literal["prepaid", "postpaid"]
SALT_BYTES: Final = 16
_SCRYPT_COST: Final = 2**13
_COUNTRY: Final = re.compile(r"[A-Z]{2}")
_NUMBER: Final = re.compile(r"[A-Z0-9]{4,40}")
MAX_REASON: Final = 60
_REASON: Final = re.compile(r"[a-z][a-z0-9_]{0,59}")


class KycState(StrEnum):
    """How far the identity of a party is proven."""

    UNVERIFIED = "unverified"
    PENDING = "pending"
    VERIFIED = "verified"
    REJECTED = "rejected"
    EXPIRED = "expired"
    """It was verified by a document that is no longer valid."""


_NEXT: Final[Mapping[KycState, frozenset[KycState]]] = MappingProxyType(
    {
        KycState.UNVERIFIED: frozenset({KycState.PENDING}),
        KycState.PENDING: frozenset({KycState.VERIFIED, KycState.REJECTED}),
        KycState.VERIFIED: frozenset({KycState.EXPIRED, KycState.PENDING}),
        KycState.REJECTED: frozenset({KycState.PENDING}),
        KycState.EXPIRED: frozenset({KycState.PENDING}),
    }
)


@dataclass(frozen=True, slots=True)
class Evidence:
    """The document that was shown. ``expires_on`` is the first day on which it is no longer valid."""

    document: str
    country: str
    number_salt: bytes
    number_hash: bytes
    last4: str
    expires_on: date | None = None

    def shows(self, number: str) -> bool:
        """Return whether ``number`` is the number of this document."""
        return hmac.compare_digest(self.number_hash, hash_number(number, self.number_salt))


@dataclass(frozen=True, slots=True)
class KycCheck:
    """One attempt to prove who a party is. ``attempt`` counts from 1; attempts are never removed."""

    attempt: int
    state: KycState
    evidence: Evidence
    submitted_at: datetime
    submitted_by: Actor
    decided_at: datetime | None = None
    decided_by: Actor | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Submit:
    """Show a document."""

    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Verify:
    """Find that the document proves who the party is."""


@dataclass(frozen=True, slots=True)
class Reject:
    """Find that it does not. ``reason`` is a code ("document_unreadable"), never words about the person."""

    reason: str


@dataclass(frozen=True, slots=True)
class Expire:
    """Note that the document is no longer valid."""


KycCommand: TypeAlias = Submit | Verify | Reject | Expire
_STATE_OF: Final[Mapping[type[KycCommand], KycState]] = MappingProxyType(
    {
        Submit: KycState.PENDING,
        Verify: KycState.VERIFIED,
        Reject: KycState.REJECTED,
        Expire: KycState.EXPIRED,
    }
)


def plain_number(number: str) -> str:
    """Return a document's number as it is compared: capitals and digits. Raises ``Invalid`` (``party.kyc_number``)."""
    plain = re.sub(r"[\s./-]", "", number).upper()
    if not _NUMBER.fullmatch(plain):
        raise Invalid(
            "the number of a document has 4 to 40 letters and digits",
            code="party.kyc_number",
            field="number",
            fix="type it as printed",
        )
    return plain


def hash_number(number: str, salt: bytes) -> bytes:
    """Return the slow, salted hash (scrypt, RFC 7914) of a document's number: few enough exist to try them all."""
    return hashlib.scrypt(plain_number(number).encode(), salt=salt, n=_SCRYPT_COST, r=8, p=1, dklen=32)


def evidence(
    pack: CountryPack,
    *,
    document: str,
    country: str,
    number: str,
    salt: bytes,
    expires_on: date | None,
    today: date,
) -> Evidence:
    """Return what is kept of a document. ``salt`` has 16 random bytes.

    Raises ``Invalid``: ``party.kyc_document`` (not one of the country pack's), ``party.kyc_country``,
    ``party.kyc_number``, ``party.kyc_document_expired``.
    """
    if pack.kyc.documents and document not in pack.kyc.documents:
        raise Invalid(
            f"{pack.name} takes no such document",
            code="party.kyc_document",
            field="document",
            value=document,
            fix=f"one of {', '.join(pack.kyc.documents)}",
        )
    if not _REASON.fullmatch(document):
        raise Invalid(
            "a kind of document is a plain word", code="party.kyc_document", field="document", value=document
        )
    if not _COUNTRY.fullmatch(country):
        raise Invalid(
            "the issuing country is two capitals",
            code="party.kyc_country",
            field="country",
            value=country,
            fix="use ISO 3166-1, e.g. DE",
        )
    if expires_on is not None and expires_on <= today:
        raise Invalid(
            "the document is no longer valid",
            code="party.kyc_document_expired",
            field="expires_on",
            value=expires_on,
            fix="ask for a valid one",
        )
    plain = plain_number(number)
    return Evidence(document, country, salt, hash_number(plain, salt), plain[-4:], expires_on)


def _no_way(state: KycState, wanted: KycState) -> Conflict:
    return Conflict(
        f"a party that is {state} cannot become {wanted}",
        code="party.kyc_transition",
        field="state",
        value=state.value,
        fix=f"from here it can become {', '.join(sorted(_NEXT[state]))}",
    )


def decide(
    check: KycCheck | None, command: KycCommand, *, actor: Actor, now: datetime, today: date
) -> KycCheck:
    """Return the check after ``command``. ``check`` is the last attempt, None before the first.

    Raises ``Conflict``: ``party.kyc_transition``, ``party.kyc_document_expired``; ``Invalid`` (``party.kyc_reason``).
    """
    state = KycState.UNVERIFIED if check is None else check.state
    wanted = _STATE_OF[type(command)]
    if isinstance(command, Submit) and wanted in _NEXT[state]:
        attempt = 1 if check is None else check.attempt + 1
        return KycCheck(attempt, wanted, command.evidence, now, actor)
    if check is None or wanted not in _NEXT[state]:
        raise _no_way(state, wanted)
    ends = check.evidence.expires_on
    over = ends is not None and ends <= today
    if isinstance(command, Verify) and over:
        raise Conflict(
            "the document has expired while it was looked at",
            code="party.kyc_document_expired",
            field="expires_on",
            value=ends,
            fix="reject it and ask for a valid one",
        )
    if isinstance(command, Expire):
        if not over:
            raise Conflict(
                "the document is still valid", code="party.kyc_transition", field="expires_on", value=ends
            )
        return replace(check, state=wanted)
    reason = command.reason if isinstance(command, Reject) else ""
    if isinstance(command, Reject) and not _REASON.fullmatch(reason):
        raise Invalid(
            f"a reason is a code of up to {MAX_REASON} small letters, digits and underscores",
            code="party.kyc_reason",
            field="reason",
            fix="e.g. document_unreadable, name_differs, forged",
        )
    return replace(check, state=wanted, decided_at=now, decided_by=actor, reason=reason)


def _proof(checks: Sequence[KycCheck]) -> KycCheck | None:
    """Return the last attempt that was verified, though its document may have ended."""
    proofs = (KycState.VERIFIED, KycState.EXPIRED)
    return next((one for one in reversed(checks) if one.state in proofs), None)


def attempt_for(checks: Sequence[KycCheck], command: KycCommand) -> KycCheck | None:
    """Return which of a party's attempts (oldest first) ``command`` is about: what ends is the proof that counts."""
    if isinstance(command, Expire):
        return _proof(checks) or (checks[-1] if checks else None)
    return checks[-1] if checks else None


def standing(checks: Sequence[KycCheck]) -> KycState:
    """Return what a party's attempts (oldest first) come to: the last one, or the proof that still holds beside it."""
    proof = _proof(checks)
    if proof is not None and proof.state is KycState.VERIFIED:
        return KycState.VERIFIED
    return checks[-1].state if checks else KycState.UNVERIFIED


def kyc_required(pack: CountryPack, sim: Sim, on: date) -> bool:
    """Return whether the law of ``pack`` wants a ``sim`` given to a verified party only, on the day ``on``.

    What the pack does not know counts as required: to ask in vain costs a minute, to forget it costs the licence. A
    rule whose ``valid_from`` lies after ``on`` does not hold yet.
    """
    facts = pack.kyc
    if facts.valid_from is not None and on < facts.valid_from:
        return False
    asked = facts.prepaid_sim if sim == "prepaid" else facts.postpaid_sim
    return asked is not Requirement.NOT_REQUIRED
