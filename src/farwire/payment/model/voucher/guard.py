"""How guessing of codes is slowed: locks that grow with each failure, in a window that ends."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

WINDOW: Final = timedelta(hours=24)
"""Failures are counted from the first one for so long."""
FREE: Final = 4
"""So many failures of a subscriber cost nothing: people mistype."""
FIRST_LOCK: Final = timedelta(minutes=1)
LONGEST_LOCK: Final = timedelta(hours=24)
TENANT_WINDOW: Final = timedelta(hours=1)
TENANT_FREE: Final = 500
"""Failures of all subscribers of a tenant in its window; above, each failure of anybody locks that subscriber."""


@dataclass(frozen=True, slots=True)
class Guard:
    """What is counted of one subscriber, or, without a name, of the whole tenant."""

    subscriber: str
    failures: int
    since: datetime
    locked_until: datetime | None = None

    @property
    def window(self) -> timedelta:
        """Return for how long its failures count."""
        return WINDOW if self.subscriber else TENANT_WINDOW

    def counted_at(self, now: datetime) -> int:
        """Return the failures that count at ``now``."""
        return self.failures if now < self.since + self.window else 0

    def locked_at(self, now: datetime) -> bool:
        """Return whether nothing of it is looked at."""
        return self.locked_until is not None and now < self.locked_until


def lock_after(failures: int, free: int) -> timedelta:
    """Return for how long the failure number ``failures`` locks: a minute, doubled each time, at most a day."""
    over = failures - free
    if over <= 0:
        return timedelta()
    doublings: int = 2 ** min(over - 1, 20)
    return min(FIRST_LOCK * doublings, LONGEST_LOCK)


def after_failure(guard: Guard, now: datetime, *, alarmed: bool = False) -> Guard:
    """Return ``guard`` after one more failure. ``alarmed``: the tenant is being tried, so no failure is free.

    The tenant's own guard never locks: one attacker would stop everybody's top-up.
    """
    before = guard.counted_at(now)
    failures = before + 1
    lock = lock_after(failures, 0 if alarmed else FREE) if guard.subscriber else timedelta()
    return Guard(guard.subscriber, failures, guard.since if before else now, now + lock if lock else None)


def alarmed_at(tenant: Guard, now: datetime) -> bool:
    """Return whether a tenant is being tried: more failures in its window than people make."""
    return tenant.counted_at(now) > TENANT_FREE


def rings(guard: Guard) -> bool:
    """Return whether this very failure is to be reported: the first that locks, or that alarms the tenant."""
    return guard.failures == (FREE if guard.subscriber else TENANT_FREE) + 1
