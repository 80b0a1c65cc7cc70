"""Split bills: which part of an account's charges another account pays, and from when to when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Final
from zoneinfo import ZoneInfo

from farwire.account.model import ChargeKind, ChargeRoute
from farwire.account.model.routes import WHOLE
from farwire.kernel.errors import Conflict
from farwire.kernel.ids import AccountId
from farwire.kernel.time import local_date

_NOTHING: Final = ((1, 0), 1)
_SCALE: Final = 100
"""Weights are hundredths of a per cent."""


@dataclass(frozen=True, slots=True)
class Shares:
    """The routes of the account whose product it is, seen by one payer; None is that account itself.

    Each payer is charged its own share by itself, so that the bills may come in any order and at any time.
    """

    routes: tuple[ChargeRoute, ...] = ()
    payer_id: AccountId | None = None

    @property
    def whole(self) -> bool:
        """Return whether the account pays all of its charges itself, at all times."""
        return not self.routes and self.payer_id is None

    def on(self, day: date, kind: ChargeKind, tz: ZoneInfo) -> tuple[tuple[int, ...], int]:
        """Return the weights of all payers on ``day``, the account itself first, and whose place is this payer's.

        Empty weights: the account pays all. Raises ``Conflict`` (``billing.route_over``).
        """
        weights: dict[AccountId, int] = {}
        for route in self.routes:
            first, after_last = route_days(route, tz)
            if kind in route.kinds and first <= day < after_last:
                payer = route.payer_account_id
                weights[payer] = weights.get(payer, 0) + int(route.percent * _SCALE)
        rest = 100 * _SCALE - sum(weights.values())
        if rest < 0:
            raise Conflict(
                f"more than 100 % of an account's charges are routed on {day}",
                code="billing.route_over",
                field="percent",
                value=f"{(100 * _SCALE - rest) / Decimal(_SCALE):f}",
                fix="close or lower one of the account's routes",
            )
        payers = sorted(weights)
        if self.payer_id is not None and self.payer_id not in weights:
            return _NOTHING
        if not payers:
            return (), 0
        own = 0 if self.payer_id is None else payers.index(self.payer_id) + 1
        return (rest, *(weights[payer] for payer in payers)), own


def usage_times(
    routes: Sequence[ChargeRoute], payer_id: AccountId | None
) -> tuple[tuple[datetime | None, datetime | None], ...]:
    """Return when the usage of the account of ``routes`` starts that ``payer_id`` pays; None is that account itself.

    Half-open times in order; None is without a limit. All payers' times together are all of time, once.
    """
    whole = sorted(
        (route for route in routes if ChargeKind.USAGE in route.kinds and route.percent == WHOLE),
        key=lambda route: route.valid_from,
    )
    if payer_id is not None:
        return tuple((one.valid_from, one.valid_to) for one in whole if one.payer_account_id == payer_id)
    found: list[tuple[datetime | None, datetime | None]] = []
    since: datetime | None = None
    for route in whole:
        if since is None or since < route.valid_from:
            found.append((since, route.valid_from))
        if route.valid_to is None:
            return tuple(found)
        since = route.valid_to
    return (*found, (since, None))


UNSHARED: Final = Shares()
"""The account pays its charges itself."""


def route_days(route: ChargeRoute, tz: ZoneInfo) -> tuple[date, date]:
    """Return the local days ``[first, after_last)`` of a route: the day of a change belongs to what comes."""
    end = date.max if route.valid_to is None else local_date(route.valid_to, tz)
    return local_date(route.valid_from, tz), end
