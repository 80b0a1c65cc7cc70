"""A cycle that was billed: what the bills of one period have in common."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from farwire.kernel.time import Period, local_date, zone

_FORM: Final = "%Y%m%dT%H%M%SZ"


@dataclass(frozen=True, slots=True)
class BilledCycle:
    """A period for which bills were issued, first on ``issued_on``, the last of them due on ``due_on``."""

    period: Period
    zone: str
    issued_on: date
    due_on: date

    @property
    def id(self) -> str:
        """Return its name, which follows from the period alone."""
        return cycle_id(self.period)

    @property
    def days(self) -> tuple[date, date]:
        """Return its first and its last local day."""
        tz = zone(self.zone)
        return local_date(self.period.start, tz), local_date(self.period.end, tz) - timedelta(days=1)


def cycle_id(period: Period) -> str:
    """Return what the cycle of ``period`` is called."""
    return f"{period.start:{_FORM}}-{period.end:{_FORM}}"
