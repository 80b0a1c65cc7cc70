"""Control totals: every row and every usage is counted in exactly one place. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from farwire.kernel.errors import check
from farwire.kernel.ids import ImportId
from farwire.usage.model.facts import RowOutcome, UsageOutcome

ROW = "row"
USAGE = "usage"

Place = tuple[ImportId, str, str, str]
"""Import, stage (``row`` or ``usage``), outcome, reason."""


class Totals(msgspec.Struct, frozen=True):
    """The control totals of one import or of a whole tenant. The reasons of each outcome add up to it."""

    rows_in: int = 0
    rows_assembled: int = 0
    rows_filtered: int = 0
    rows_duplicate: int = 0
    rows_suspended: int = 0
    usages: int = 0
    usages_received: int = 0
    usages_rated: int = 0
    usages_unrated: int = 0
    usages_duplicate: int = 0
    usages_suspended: int = 0
    row_reasons: dict[str, int] = {}
    """``outcome:reason`` → rows, for filtered and suspended."""
    usage_reasons: dict[str, int] = {}
    """``outcome:reason`` → usages, for unrated and suspended."""

    def balanced(self) -> bool:
        """Return whether each stage adds up exactly."""
        rows = self.rows_assembled + self.rows_filtered + self.rows_duplicate + self.rows_suspended
        usages = (
            self.usages_received
            + self.usages_rated
            + self.usages_unrated
            + self.usages_duplicate
            + self.usages_suspended
        )
        return rows == self.rows_in and usages == self.usages


@dataclass(slots=True)
class Deltas:
    """The changes of control totals that one transaction makes. Collected here, written once."""

    counts: Counter[Place] = field(default_factory=Counter)

    def row(self, import_id: ImportId, outcome: RowOutcome, reason: str = "", by: int = 1) -> None:
        """Count ``by`` rows of ``import_id`` into ``outcome`` (negative: out of it)."""
        self.counts[import_id, ROW, outcome.value, reason] += by

    def usage(self, import_id: ImportId, outcome: UsageOutcome, reason: str = "", by: int = 1) -> None:
        """Count ``by`` usages of ``import_id`` into ``outcome`` (negative: out of it)."""
        self.counts[import_id, USAGE, outcome.value, reason] += by

    def moved(self) -> dict[Place, int]:
        """Return the changes that are not zero."""
        return {place: count for place, count in self.counts.items() if count}


def totals_of(counts: Mapping[tuple[str, str, str], int]) -> Totals:
    """Return the totals of ``(stage, outcome, reason) → count``. Raises ``Defect`` where a count is negative."""
    sums: Counter[str] = Counter()
    reasons: dict[str, dict[str, int]] = {ROW: {}, USAGE: {}}
    for (stage, outcome, reason), count in sorted(counts.items()):
        check(count >= 0, "usage.total_negative", f"the control total {stage}/{outcome}/{reason} is negative")
        sums[f"{stage}s_{outcome}"] += count
        if reason and count:
            reasons[stage][f"{outcome}:{reason}"] = count
    return Totals(
        rows_in=sum(sums[f"rows_{outcome.value}"] for outcome in RowOutcome),
        usages=sum(sums[f"usages_{outcome.value}"] for outcome in UsageOutcome),
        row_reasons=reasons[ROW],
        usage_reasons=reasons[USAGE],
        **dict(sums),
    )
