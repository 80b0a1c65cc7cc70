"""Agreements with negotiated prices, as values, and their states. Pure.

    draft → active → terminated
                   → expired (its period is over)
          → withdrawn

An active agreement is never edited. An amendment is a new version of the same number; when it is approved, the version
before it ends where it starts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from farwire.base.authz import require_four_eyes
from farwire.kernel.errors import Conflict, Invalid
from farwire.kernel.ids import AgreementId, PartyId
from farwire.kernel.tenancy import Actor

MAX_ITEMS: Final = 500
MAX_PRICES: Final = 200
MAX_TEXT: Final = 100
MAX_TERM_MONTHS: Final = 120


class AgreementState(StrEnum):
    """The states of a version of an agreement."""

    DRAFT = "draft"
    ACTIVE = "active"
    TERMINATED = "terminated"
    """Ended before its period was over: by notice, or because the next version took its place."""
    EXPIRED = "expired"
    """Its period is over. It follows from the time and is never stored."""
    WITHDRAWN = "withdrawn"
    """A draft that nobody approved and its author took back."""


_NEXT: Final[Mapping[AgreementState, frozenset[AgreementState]]] = MappingProxyType(
    {
        AgreementState.DRAFT: frozenset({AgreementState.ACTIVE, AgreementState.WITHDRAWN}),
        AgreementState.ACTIVE: frozenset({AgreementState.TERMINATED, AgreementState.EXPIRED}),
        AgreementState.TERMINATED: frozenset(),
        AgreementState.EXPIRED: frozenset(),
        AgreementState.WITHDRAWN: frozenset(),
    }
)


@dataclass(frozen=True, slots=True)
class NegotiatedPrice:
    """Another price for ``price_id`` of the offering's plan.

    Exactly one of ``price`` (in the plan's currency, for what the plan's price is for) and ``percent`` (of the plan's
    price) is given.
    """

    price_id: str
    price: Decimal | None = None
    percent: Decimal | None = None


@dataclass(frozen=True, slots=True)
class AgreementItem:
    """What was agreed about one offering. A ``minimum_term_months`` replaces the offering's own."""

    offering: str
    overrides: tuple[NegotiatedPrice, ...] = ()
    minimum_term_months: int | None = None


@dataclass(frozen=True, slots=True)
class Agreement:
    """One version of an agreement with a party, in force in ``[valid_from, valid_to)`` once it is active."""

    id: AgreementId
    number: str
    party_id: PartyId
    valid_from: datetime
    valid_to: datetime | None
    items: tuple[AgreementItem, ...]
    requested_at: datetime
    requested_by: Actor
    version: int = 1
    state: AgreementState = AgreementState.DRAFT
    approved_at: datetime | None = None
    approved_by: Actor | None = None

    def in_force(self, at: datetime) -> bool:
        """Return whether its prices hold at ``at``. What has ended still answers for the time before its end."""
        approved = self.approved_at is not None
        return approved and self.valid_from <= at and (self.valid_to is None or at < self.valid_to)

    def state_at(self, at: datetime) -> AgreementState:
        """Return what it is at ``at``: as stored, and expired where an active one's period is over."""
        over = self.valid_to is not None and self.valid_to <= at
        return AgreementState.EXPIRED if over and self.state is AgreementState.ACTIVE else self.state

    def item(self, offering: str) -> AgreementItem | None:
        """Return what was agreed about an offering."""
        return next((item for item in self.items if item.offering == offering), None)


def _step(agreement: Agreement, wanted: AgreementState, at: datetime) -> None:
    state = agreement.state_at(at)
    if wanted not in _NEXT[state]:
        able = ", ".join(sorted(_NEXT[state])) or "nothing"
        raise Conflict(
            f"an agreement that is {state} cannot become {wanted}",
            code="agreement.transition",
            field="state",
            value=state.value,
            fix=f"from here it can become {able}; to change what is active, amend it",
        )


def approved(
    draft: Agreement, former: Agreement | None, *, by: Actor, now: datetime
) -> tuple[Agreement, Agreement | None]:
    """Return ``draft`` as the active version, and ``former``, the one in force before, ended where it starts.

    Raises ``Conflict`` (``agreement.transition``, ``agreement.amendment_in_past``), ``SecondPersonMissing``
    (``authz.four_eyes``).
    """
    _step(draft, AgreementState.ACTIVE, now)
    require_four_eyes(requested_by=draft.requested_by, approved_by=by)
    active = replace(draft, state=AgreementState.ACTIVE, approved_at=now, approved_by=by)
    if former is None:
        return active, None
    check_follows(draft, former)
    if former.valid_to is not None and former.valid_to <= draft.valid_from:
        return active, None
    return active, replace(former, state=AgreementState.TERMINATED, valid_to=draft.valid_from)


def check_follows(draft: Agreement, former: Agreement) -> None:
    """Raise ``Conflict`` (``agreement.amendment_in_past``) where ``draft`` starts before the version before it."""
    if draft.valid_from < former.valid_from:
        raise Conflict(
            "an amendment starts where the version before it has started, or later",
            code="agreement.amendment_in_past",
            field="valid_from",
            value=draft.valid_from.isoformat(),
            fix=f"use {former.valid_from.isoformat()} or later",
        )


def withdrawn(draft: Agreement, *, now: datetime) -> Agreement:
    """Return a draft that nobody will approve. Raises ``Conflict`` (``agreement.transition``)."""
    _step(draft, AgreementState.WITHDRAWN, now)
    return replace(draft, state=AgreementState.WITHDRAWN)


def terminated(agreement: Agreement, at: datetime, *, now: datetime) -> Agreement:
    """Return ``agreement`` ended at ``at``. Raises ``Conflict`` (``agreement.transition``, ``agreement.end``)."""
    _step(agreement, AgreementState.TERMINATED, now)
    if at < agreement.valid_from or (agreement.valid_to is not None and at > agreement.valid_to):
        raise _not_within(at)
    return replace(agreement, state=AgreementState.TERMINATED, valid_to=at)


def cut_short(active: Agreement, versions: Sequence[Agreement], at: datetime) -> tuple[Agreement, ...]:
    """Return the earlier versions that end sooner where an agreement ends at ``at``, before ``active`` was to start.

    Empty where ``active`` has started by then. Raises ``Conflict`` (``agreement.end``) before the first version.
    """
    if at >= active.valid_from:
        return ()
    held = [one for one in versions if one.approved_at is not None and one.id != active.id]
    if all(at < one.valid_from for one in held):
        raise _not_within(at)
    return tuple(
        replace(one, valid_to=max(at, one.valid_from))
        for one in held
        if one.valid_to is None or at < one.valid_to
    )


def _not_within(at: datetime) -> Conflict:
    return Conflict(
        "an agreement ends within its period",
        code="agreement.end",
        field="at",
        value=at.isoformat(),
        fix="farwire agreement show tells the period",
    )


def check_agreement(agreement: Agreement) -> Agreement:
    """Return ``agreement`` if it can be kept.

    Raises ``Invalid``: ``agreement.number``, ``agreement.period``, ``agreement.items``, ``agreement.price``,
    ``agreement.minimum_term``.
    """
    if not agreement.number.strip() or len(agreement.number) > MAX_TEXT or not agreement.number.isprintable():
        raise Invalid(
            f"an agreement's number has 1 to {MAX_TEXT} characters", code="agreement.number", field="number"
        )
    if agreement.valid_to is not None and agreement.valid_to <= agreement.valid_from:
        raise Invalid("an agreement ends after it starts", code="agreement.period", field="valid_to")
    codes = [item.offering for item in agreement.items]
    if not 1 <= len(codes) <= MAX_ITEMS or len(set(codes)) != len(codes) or not all(map(_plain, codes)):
        raise Invalid(
            f"an agreement names 1 to {MAX_ITEMS} offerings, each once",
            code="agreement.items",
            field="items",
        )
    for item in agreement.items:
        _check_item(item)
    return agreement


def _plain(text: str) -> bool:
    return 0 < len(text) <= MAX_TEXT and text.isprintable()


def _check_item(item: AgreementItem) -> None:
    months = item.minimum_term_months
    if months is not None and not 0 <= months <= MAX_TERM_MONTHS:
        raise Invalid(
            f"a minimum term has 0 to {MAX_TERM_MONTHS} months",
            code="agreement.minimum_term",
            field="minimum_term_months",
            value=months,
        )
    ids = [one.price_id for one in item.overrides]
    if len(ids) > MAX_PRICES or len(set(ids)) != len(ids) or not all(map(_plain, ids)):
        raise Invalid("each price is negotiated once", code="agreement.price", field="overrides")
    for one in item.overrides:
        _check_price(one)


def _check_price(one: NegotiatedPrice) -> None:
    given: Sequence[Decimal] = [value for value in (one.price, one.percent) if value is not None]
    if len(given) != 1:
        raise Invalid(
            "a negotiated price is a price or a percentage of the plan's",
            code="agreement.price",
            field=one.price_id,
            fix="give exactly one of price and percent",
        )
    value = given[0]
    if not value.is_finite() or not 0 <= value <= 10**9 or -int(value.as_tuple().exponent) > 9:
        raise Invalid(
            "a negotiated price is not negative and has at most nine decimals",
            code="agreement.price",
            field=one.price_id,
            value=value,
        )
