"""Charge routes: of the charges of one account, another account pays a part. Pure.

A route names kinds of charges and a percentage; what no route takes stays with the account itself. Routes do not
chain: who pays for others pays its own charges itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final

from farwire.account.model.account import BillingAccount, check_open
from farwire.kernel.errors import Conflict, Invalid
from farwire.kernel.ids import AccountId

WHOLE: Final = 100
"""The percentage of usage: a call is on one bill."""


class ChargeKind(StrEnum):
    """The kinds of charges that a route can name."""

    RECURRING = "recurring"
    ONE_OFF = "one_off"
    USAGE = "usage"


@dataclass(frozen=True, slots=True)
class ChargeRoute:
    """In ``[valid_from, valid_to)`` the account ``payer_account_id`` pays ``percent`` of the charges of ``kinds``.

    ``percent`` is above 0, at most 100, with at most two decimals; 100 where usage is among the kinds. A day of
    what recurs is the payer's where the route holds when it ends, usage where it holds when that starts.
    """

    account_id: AccountId
    kinds: frozenset[ChargeKind]
    payer_account_id: AccountId
    percent: Decimal
    valid_from: datetime
    valid_to: datetime | None = None

    def holds(self, at: datetime) -> bool:
        """Return whether the route holds at ``at``."""
        return self.valid_from <= at and (self.valid_to is None or at < self.valid_to)

    def meets(self, other: ChargeRoute) -> bool:
        """Return whether both hold at some time."""
        return (self.valid_to is None or other.valid_from < self.valid_to) and (
            other.valid_to is None or self.valid_from < other.valid_to
        )


def check_route(
    route: ChargeRoute, account: BillingAccount, payer: BillingAccount, others: Iterable[ChargeRoute]
) -> ChargeRoute:
    """Return ``route`` if it may be added. ``others`` are all routes of and to both accounts.

    Raises ``Invalid``: ``account.route_kinds``, ``account.route_percent``, ``account.route_usage_percent``,
    ``account.route_period``; ``Conflict``: ``account.route_self``, ``account.closed``, ``account.route_differs``
    (currency, legal entity or cycle), ``account.route_chain``, ``account.route_over_100``.
    """
    _check_shape(route)
    if account.id == payer.id:
        raise Conflict("an account pays its own rest anyway", code="account.route_self", field="payer")
    for one in (account, payer):
        check_open(one)
    for field in ("currency", "legal_entity_id", "cycle_day", "zone"):
        if getattr(account, field) != getattr(payer, field):
            raise Conflict(
                f"both accounts need the same {field.removesuffix('_id').replace('_', ' ')}",
                code="account.route_differs",
                field=field,
                value=payer.number,
                fix="choose a payer that is billed by the same company, in the same currency, on the same days",
            )
    meeting = [other for other in others if other.meets(route)]
    if any(payer.id == other.account_id or account.id == other.payer_account_id for other in meeting):
        raise Conflict(
            "who pays for others pays its own charges itself: routes do not chain",
            code="account.route_chain",
            field="payer",
            value=payer.number,
            fix="route both accounts to the one that pays in the end",
        )
    _check_sum(route, [other for other in meeting if other.account_id == route.account_id])
    return route


def _check_shape(route: ChargeRoute) -> None:
    if not route.kinds:
        raise Invalid(
            "a route names the kinds of charges",
            code="account.route_kinds",
            field="kinds",
            fix=f"one or more of {', '.join(ChargeKind)}",
        )
    percent = route.percent
    if not percent.is_finite() or not 0 < percent <= 100 or (percent * 100) % 1:
        raise Invalid(
            "a share is above 0, at most 100, with at most two decimals",
            code="account.route_percent",
            field="percent",
            value=percent,
            fix="e.g. 60 or 33.33",
        )
    if ChargeKind.USAGE in route.kinds and percent != WHOLE:
        raise Invalid(
            "usage is not split: each record is on one bill",
            code="account.route_usage_percent",
            field="percent",
            value=percent,
            fix="give 100, or leave usage out and route it by itself",
        )
    if route.valid_to is not None and route.valid_to <= route.valid_from:
        raise Invalid("a route ends after it starts", code="account.route_period", field="valid_to")


def _check_sum(route: ChargeRoute, own: Sequence[ChargeRoute]) -> None:
    """Refuse more than 100 percent of any kind at any time. Shares change only where a route starts."""
    starts = {route.valid_from, *(other.valid_from for other in own if route.holds(other.valid_from))}
    for kind in sorted(route.kinds):
        for start in sorted(starts):
            taken = sum((o.percent for o in own if kind in o.kinds and o.holds(start)), Decimal(0))
            if taken + route.percent > 100:
                raise Conflict(
                    f"others pay {taken} % of {kind} at that time already",
                    code="account.route_over_100",
                    field="percent",
                    value=route.percent,
                    fix=f"at most {100 - taken} are left; end another route first",
                )
