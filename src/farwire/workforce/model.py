"""Free time of technicians: what is asked for, less what is booked. Half-open periods. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from farwire.kernel.errors import Invalid

LONGEST: Final = timedelta(days=366)


@dataclass(frozen=True, slots=True, order=True)
class Slot:
    """A period ``[start, end)``."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        if not self.start < self.end <= self.start + LONGEST:
            raise Invalid(
                f"a slot ends after it starts, and within {LONGEST.days} days",
                code="workforce.slot",
                field="validFor",
                value=self.end.isoformat(),
            )


def free(wanted: Slot, booked: Iterable[Slot]) -> Sequence[Slot]:
    """Return the parts of ``wanted`` that nothing of ``booked`` overlaps, in order."""
    found, start = [], wanted.start
    for one in sorted(booked):
        if start < min(one.start, wanted.end):
            found.append(Slot(start, min(one.start, wanted.end)))
        start = max(start, one.end)
    if start < wanted.end:
        found.append(Slot(start, wanted.end))
    return found
