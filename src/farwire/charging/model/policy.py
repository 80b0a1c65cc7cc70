"""Policy counters: what of an account's use a policy may depend on, each with the word for how far it is. Pure.

Source: TS 29.219 §4 (Sy), TS 29.594 (Nchf_SpendingLimitControl): the names and words are the operator's agreement.
"""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType
from typing import Final

import msgspec

from farwire.charging.model.limits import percent_told
from farwire.charging.model.state import MAIN, Account, Flag, Lifecycle, Limit, Period, Scope


class CounterStatus(StrEnum):
    """How far a counter is. A gateway may have other words for its peer."""

    BELOW = "below"
    """Of a limit: less than 80 % are used."""
    NEAR = "near"
    REACHED = "reached"
    AVAILABLE = "available"
    """Of the balance: there is money that no quota holds."""
    USED_UP = "used_up"
    ACTIVE = "active"
    """Of the account's state."""
    BARRED = "barred"
    GRACE = "grace"
    EXPIRED = "expired"
    POOL = "pool"


class PolicyCounter(msgspec.Struct, frozen=True, gc=False):
    """One counter, and when it starts anew by itself (µs since 1970; ``NEVER``: it does not)."""

    name: str
    status: CounterStatus
    ends_at: int


STATE: Final = "state"
BALANCE: Final = "balance"
_SCOPES: Final = MappingProxyType(
    {int(Scope.HOME): "home", int(Scope.ROAMING): "roaming", int(Scope.HOME | Scope.ROAMING): "spend"}
)
_LIFECYCLES: Final = MappingProxyType(
    {
        int(Lifecycle.POOL): CounterStatus.POOL,
        int(Lifecycle.ACTIVE): CounterStatus.ACTIVE,
        int(Lifecycle.GRACE): CounterStatus.GRACE,
        int(Lifecycle.EXPIRED): CounterStatus.EXPIRED,
    }
)
_TOLD: Final = MappingProxyType({0: CounterStatus.BELOW, 80: CounterStatus.NEAR, 100: CounterStatus.REACHED})


def limit_name(scope: int, period: int) -> str:
    """Return the name of the counter of a limit: "spend-cycle", "roaming-day"."""
    return f"{_SCOPES[scope]}-{Period(period).name.lower()}"


def counters_of(account: Account, now: int) -> tuple[PolicyCounter, ...]:
    """Return the counters of an account at ``now`` (µs): its state, its balance, each of its limits."""
    state = CounterStatus.BARRED if account.flags & Flag.BARRED else _LIFECYCLES[account.lifecycle]
    main = account.balance(MAIN)
    left = main is not None and main.amount - main.floor - main.reserved > 0
    return (
        PolicyCounter(STATE, state, account.active_until),
        PolicyCounter(
            BALANCE, CounterStatus.AVAILABLE if left else CounterStatus.USED_UP, account.active_until
        ),
        *(_of_limit(limit, now) for limit in account.limits),
    )


def _of_limit(limit: Limit, now: int) -> PolicyCounter:
    used = 0 if limit.ends_at <= now else limit.used
    name = limit_name(limit.scope, limit.period)
    return PolicyCounter(name, _TOLD[percent_told(used, limit.cap)], limit.ends_at)
