"""Bill runs and their journal, as values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from farwire.kernel.ids import AccountId, BillRunId
from farwire.kernel.time import BillCycle, Period


class RunState(StrEnum):
    """The states of a bill run."""

    RUNNING = "running"
    """It works, or was interrupted: the same command goes on with it."""
    COMPLETED = "completed"
    CANCELLED = "cancelled"


class Outcome(StrEnum):
    """What a run did with one cycle of one account."""

    BILLED = "billed"
    EMPTY = "empty"
    """There was nothing to charge; no bill and no number."""
    FAILED = "failed"
    """It has an error; the next run tries again."""


@dataclass(frozen=True, slots=True)
class Run:
    """A bill run over all cycles that end at or before ``until``. Its bills carry the date ``issue_on``."""

    id: BillRunId
    until: datetime
    issue_on: date
    state: RunState
    cancel_requested: bool
    started_at: datetime
    finished_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """The outcome of one cycle of one account, with the code and words of its error."""

    account_id: AccountId
    cycle_end: datetime
    outcome: Outcome
    code: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class RunReport:
    """How a run ended: its counts, and whether it is whole."""

    run: Run
    billed: int
    empty: int
    failed: int
    issued: int

    @property
    def ok(self) -> bool:
        """Return whether the run completed and no account failed."""
        return self.run.state is RunState.COMPLETED and self.failed == 0


def due_cycle(cycle: BillCycle, since: datetime, until: datetime) -> Period | None:
    """Return the cycle that holds ``since``, the end of the last one billed or the opening, if it ends by ``until``."""
    period = cycle.containing(since)
    return period if period.end <= until else None
