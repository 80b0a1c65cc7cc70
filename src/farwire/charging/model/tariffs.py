"""The port to what stands outside the state: plans, offers and prices, by their numbers. All of it is immutable.

``compiled.py`` is the adapter over the tariffs of ``rating``; a test may write a smaller one.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Protocol

import msgspec

from farwire.charging.model.answers import FinalAction
from farwire.charging.model.requests import Service
from farwire.charging.model.state import AMOUNT_MAX, DAY_US, NEVER, SECOND_US, Scope, Unit
from farwire.rating.model import Tariff


class QuotaPolicy(msgspec.Struct, frozen=True, gc=False):
    """How large a quota of one unit is, and when the client comes back."""

    size: int
    """What is granted when the client names no size and the balance is far from zero; also the most."""
    least: int
    """Near zero quotas shrink down to this; what is left then is granted in one last quota."""
    validity_us: int = 3_600 * SECOND_US
    threshold_percent: int = 20
    """Ask again when only this part of the quota is left."""
    part: int = 4
    """Near zero a quota is at most one ``part``-th of what is affordable, so that sessions at once share fairly."""


QUOTAS: Final = (
    QuotaPolicy(AMOUNT_MAX, 1, validity_us=DAY_US, threshold_percent=0, part=1),
    QuotaPolicy(50_000_000, 1_000_000),
    QuotaPolicy(300, 30),
    QuotaPolicy(1, 1),
    QuotaPolicy(1, 1),
)
"""One policy per ``Unit``: whatever amount of money is named, for a day; 50 MB, 5 minutes, 1 message, 1 event."""


class PlanTerms(msgspec.Struct, frozen=True):
    """What a plan says beside its prices."""

    quotas: tuple[QuotaPolicy, ...] = QUOTAS
    final: int = FinalAction.TERMINATE
    active_us: int = 90 * DAY_US
    """How long a top-up or the first use keeps the account active."""
    grace_us: int = 90 * DAY_US
    loan_amount: int = 0
    """The emergency credit; 0: none is lent."""
    loan_fee: int = 0
    loan_below: int = 0
    """Lent only to who has less than this on the main balance."""


class Grant(msgspec.Struct, frozen=True, gc=False):
    """A balance that an offer gives. It ends with the offer."""

    unit: int
    scope: int
    amount: int
    rollover_cap: int = 0
    """The most of what is left that a renewal carries over."""
    priority: int = 10
    shared: int = 0


class OfferTerms(msgspec.Struct, frozen=True):
    """What the offer ``number`` costs and gives."""

    number: int
    price: int
    grants: tuple[Grant, ...]


class Price(msgspec.Struct, frozen=True):
    """The price of one kind of usage under one plan, prepared: everything that is fixed when the usage starts.

    ``linear`` prices are ``connect + paid units × amount / per`` after allowances; all others ask ``rating.rate``.
    """

    number: int
    """Names the price in the state, also after a restart."""
    unit: int
    scopes: tuple[int, ...] = ()
    """The unit balances with a scope that serve it, and the money that is kept for it."""
    tags: int = 0
    """The ``Scope`` of limits that count it."""
    linear: bool = True
    amount: int = 0
    per: int = 1
    first: int = 1
    step: int = 1
    included: int = 0
    connect: int = 0
    rated: Tariff | None = None
    """The same price as a tariff of its own; None for what is free."""
    kind: str = ""
    counter: int = 0
    """The counter of its tiers or packages; 0 for none."""
    counter_key: str = ""
    counter_period: int = 0
    by_time: bool = False
    """Whether the band of the day matters."""
    peaks: tuple[int, ...] = ()
    """Totals of units after which the price may fall: a quota across one reserves what it costs there."""
    breaks: tuple[int, ...] = ()
    """Where on the counter another tier begins; of a package: where the included units end."""
    block: int = 0
    """The units of one package."""


FREE: Final = Price(0, Unit.EVENTS)
"""Emergency calls, and all that must never be refused: number 0 in every state."""
MONEY: Final = "money"
"""The kind of a service whose sessions use money itself: what is bought is priced by somebody else."""
BY_AMOUNT: Final = Price(-2, Unit.MONEY, tags=Scope.HOME, amount=1)
"""A nano-unit costs a nano-unit, under every plan."""
BUILT_IN: Final[Mapping[int, Price]] = MappingProxyType({one.number: one for one in (FREE, BY_AMOUNT)})


class Tariffs(Protocol):
    """Everything that ``decide`` reads beside the state and the request."""

    def plan(self, number: int) -> PlanTerms | None:
        """Return the terms of the plan ``number``."""
        ...

    def offer(self, number: int) -> OfferTerms | None:
        """Return the terms of the offer ``number``."""
        ...

    def offer_end(self, number: int, start: int) -> int:
        """Return when the offer ends that was bought at ``start`` (µs): days of the plan's zone later, or never."""
        ...

    def find(self, plan: int, service: Service, rating_group: int, at: int) -> Price | None:
        """Return the price of ``service`` that begins at ``at`` (µs), or None where the plan has none."""
        ...

    def price(self, number: int) -> Price | None:
        """Return the price that ``find`` has named ``number``."""
        ...

    def is_emergency(self, plan: int, number: str) -> bool:
        """Tell whether ``number``, as dialled, reaches an emergency service."""
        ...

    def band_end(self, price: Price, at: int) -> int:
        """Return a time after ``at`` (µs) until which the band of the day surely stays the same."""
        ...

    def period(self, plan: int, period: int, at: int, cycle_day: int) -> tuple[int, int]:
        """Return the ``Period`` of the plan's zone that holds ``at``, as [start, end) in µs; (0, NEVER) for NEVER.

        Of a plan that is not known (yet) it is the next ``UNKNOWN_US``: what has such a period asks again after it.
        """
        ...


NO_PERIOD: Final = (0, NEVER)
UNKNOWN_US: Final = 60 * SECOND_US
"""How long a period lasts of which nobody knows the zone: meanwhile nothing is priced that would fill tiers."""
