"""Bill runs: their states and the commands that move them, their journal, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from farwire.base.authz import require_four_eyes
from farwire.billing.model.checks import USUAL, Thresholds
from farwire.kernel.errors import Conflict
from farwire.kernel.ids import AccountId, BillRunId
from farwire.kernel.tenancy import SYSTEM, Actor
from farwire.kernel.time import BillCycle, Period


class RunState(StrEnum):
    """The states of a bill run. In all but the last three it works, waits, or was interrupted and can go on."""

    RATING = "rating"
    DRAFTING = "drafting"
    CHECKING = "checking"
    AWAITING_APPROVAL = "awaiting_approval"
    """Its drafts are checked; a second person approves or rejects them."""
    APPROVED = "approved"
    ISSUING = "issuing"
    """Its drafts get their numbers."""
    DISCARDING = "discarding"
    """It was rejected or cancelled and gives its drafts up."""
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    REJECTED = "rejected"

    @property
    def ended(self) -> bool:
        """Return whether the run is over."""
        return self in _ENDS


_ENDS: Final = frozenset({RunState.COMPLETED, RunState.CANCELLED, RunState.REJECTED})
FOLLOWING: Final[Mapping[RunState, RunState]] = MappingProxyType(
    {
        RunState.RATING: RunState.DRAFTING,
        RunState.DRAFTING: RunState.CHECKING,
        RunState.CHECKING: RunState.AWAITING_APPROVAL,
        RunState.APPROVED: RunState.ISSUING,
        RunState.ISSUING: RunState.COMPLETED,
    }
)
"""What comes after the work of a state; ``discarding`` ends as the run says."""


class Approval(StrEnum):
    """Who must agree before bills, credits and credit notes are final."""

    FOUR_EYES = "four_eyes"
    """Another actor than the one who asked."""
    NONE = "none"
    """Nobody: asking is enough."""


class Outcome(StrEnum):
    """What a run did with one cycle of one account."""

    BILLED = "billed"
    EMPTY = "empty"
    """There was nothing to charge; no bill and no number."""
    FAILED = "failed"
    """It has an error; the next run tries again."""
    DISCARDED = "discarded"
    """Its draft was given up; the next run drafts it again."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Which accounts a run bills: all, one, or those of one cycle day."""

    account_id: AccountId | None = None
    cycle_day: int | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """A bill run over all cycles that end at or before ``until``. Its bills carry the date ``issue_on``.

    ``decided_by`` approved, rejected or cancelled it, for ``reason``; ``ends_as`` is what a discarding run will be.
    """

    id: BillRunId
    until: datetime
    issue_on: date
    state: RunState
    cancel_requested: bool
    started_at: datetime
    finished_at: datetime | None = None
    approval: Approval = Approval.NONE
    scope: Scope = Scope()
    thresholds: Thresholds = USUAL
    started_by: Actor = SYSTEM
    decided_by: Actor | None = None
    decided_at: datetime | None = None
    reason: str = ""
    ends_as: RunState | None = None


def approve(run: Run, *, actor: Actor, now: datetime) -> Run:
    """Return ``run`` approved by ``actor``.

    Raises ``Conflict`` (``billing.run_state``) unless it waits for it, ``Forbidden`` (``authz.four_eyes``).
    """
    expect(run, RunState.AWAITING_APPROVAL)
    if run.approval is Approval.FOUR_EYES:
        require_four_eyes(requested_by=run.started_by, approved_by=actor)
    return replace(run, state=RunState.APPROVED, decided_by=actor, decided_at=now)


def reject(run: Run, *, actor: Actor, reason: str, now: datetime) -> Run:
    """Return ``run`` on its way to being rejected: its drafts are to be given up. Anyone may reject.

    Raises ``Conflict`` (``billing.run_state``) unless it waits for approval.
    """
    expect(run, RunState.AWAITING_APPROVAL)
    return _discarding(run, RunState.REJECTED, actor, reason, now)


def cancel(run: Run, *, actor: Actor, now: datetime) -> Run:
    """Return ``run`` on its way to being cancelled, or asked to stop after its present batch.

    What is issued stays; drafts without a number are given up. Raises ``Conflict`` (``billing.run_state``).
    """
    if run.state.ended or run.state is RunState.DISCARDING:
        raise _wrong_state(run, "an unfinished run")
    if run.state in (RunState.AWAITING_APPROVAL, RunState.APPROVED):
        return _discarding(run, RunState.CANCELLED, actor, "", now)
    return replace(run, cancel_requested=True, decided_by=actor, decided_at=now)


def advanced(run: Run, now: datetime) -> Run:
    """Return ``run`` after the work of its state is done. A run that needs no approval passes by it."""
    if run.state is RunState.DISCARDING:
        return replace(run, state=run.ends_as or RunState.CANCELLED, finished_at=now)
    if run.cancel_requested:
        return replace(run, state=RunState.DISCARDING, ends_as=RunState.CANCELLED)
    following = FOLLOWING[run.state]
    if following is RunState.AWAITING_APPROVAL and run.approval is Approval.NONE:
        return replace(run, state=RunState.APPROVED, decided_by=run.started_by, decided_at=now)
    return replace(run, state=following, finished_at=now if following.ended else None)


def _discarding(run: Run, end: RunState, actor: Actor, reason: str, now: datetime) -> Run:
    return replace(
        run, state=RunState.DISCARDING, ends_as=end, decided_by=actor, decided_at=now, reason=reason
    )


def expect(run: Run, state: RunState) -> None:
    """Raise ``Conflict`` (``billing.run_state``) unless ``run`` is in ``state``."""
    if run.state is not state:
        raise _wrong_state(run, f"a run that is {state.value}")


def _wrong_state(run: Run, needed: str) -> Conflict:
    return Conflict(
        f"the bill run is {run.state.value}; this needs {needed}",
        code="billing.run_state",
        field="state",
        value=run.state.value,
        fix="see: farwire bill runs",
    )


@dataclass(frozen=True, slots=True)
class Hold:
    """An account that is not billed, for ``reason``, until it is released or ``until`` (exclusive) has come."""

    account_id: AccountId
    reason: str
    held_by: Actor
    held_at: datetime
    until: datetime | None = None
    released_at: datetime | None = None
    released_by: Actor | None = None


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
    """How far a run is: what became of its accounts, what its checks found, how many bills have a number.

    ``errors`` and ``warnings`` count findings on drafts; a draft with an error is not issued and counts as failed then.
    """

    run: Run
    billed: int
    empty: int
    failed: int
    issued: int
    discarded: int = 0
    errors: int = 0
    warnings: int = 0

    @property
    def ok(self) -> bool:
        """Return whether the run went as far as it can by itself, no account failed and no check found an error."""
        through = self.run.state in (RunState.COMPLETED, RunState.AWAITING_APPROVAL, RunState.APPROVED)
        return through and self.failed == 0 and self.errors == 0


def due_cycle(cycle: BillCycle, since: datetime, until: datetime) -> Period | None:
    """Return the cycle that holds ``since``, the end of the last one billed or the opening, if it ends by ``until``."""
    period = cycle.containing(since)
    return period if period.end <= until else None
