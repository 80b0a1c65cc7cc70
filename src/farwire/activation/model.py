"""Operations on the network, what they intend, and how that differs from what is there. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, NewType
from uuid import UUID

from farwire.kernel.errors import Invalid

TargetId = NewType("TargetId", UUID)
FindingId = NewType("FindingId", UUID)
NO_TARGET: Final = TargetId(UUID(int=0))
"""Before the first one."""

STATUS: Final = "status"
ACTIVE: Final = "active"
SUSPENDED: Final = "suspended"
MAX_TEXT: Final = 256
MAX_ATTRIBUTES: Final = 50
FIRST_REST: Final = timedelta(seconds=15)
LONGEST_REST: Final = timedelta(minutes=2)
"""With a look each minute, what drifted while the adapter was silent is mended within 5 minutes of its return."""
MAX_REPAIRS: Final = 10
"""Repairs of one difference that may fail before it is left to a person."""


class Action(StrEnum):
    """What is done to a target in the network (TMF640)."""

    PROVISION = "provision"
    CHANGE = "change"
    """Some attributes get other values; the others stay."""
    SUSPEND = "suspend"
    RESUME = "resume"
    TERMINATE = "terminate"


class FaultKind(StrEnum):
    """How a simulator misbehaves."""

    FAIL = "fail"
    """It does not answer when it is told something: ``Unavailable``."""
    SILENT = "silent"
    """It does not answer at all, questions neither: ``Unavailable``."""
    REFUSE = "refuse"
    """It answers that it will not: ``Invalid``."""
    DROP = "drop"
    """It says yes and does nothing."""
    SLOW = "slow"
    """It answers late, or not within the time that is given."""
    HALF = "half"
    """It says yes and does a part of it."""
    LOST = "lost"
    """It does all of it, and its answer does not arrive: ``Unavailable``."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One order to the network. ``key`` makes it unique: the same key is applied once.

    ``target`` names the thing as the network does: an IMSI, an ICCID, an account. Both it and the attributes may be
    personal; they stay out of logs, events and errors.
    """

    key: str
    action: Action
    target: str = field(repr=False)
    attributes: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Applied:
    """What the network shows after an operation: everything about the target, nothing once it is terminated.

    ``repeated`` says that the key was applied before, at ``applied_at``.
    """

    key: str
    adapter: str
    attributes: Mapping[str, str] = field(repr=False)
    applied_at: datetime
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class Preview:
    """What an operation would do: what is there, what would be, and the names that differ. Nothing was changed."""

    adapter: str
    action: Action
    there: Mapping[str, str] | None = field(repr=False)
    wanted: Mapping[str, str] | None = field(repr=False)
    differs: tuple[str, ...]
    confirming: bool
    """Whether the adapter takes a write back that does not show as asked."""


@dataclass(frozen=True, slots=True)
class Target:
    """What was applied to a target, and should be there."""

    id: TargetId
    adapter: str
    name: str = field(repr=False)
    attributes: Mapping[str, str] = field(repr=False)
    changed_at: datetime


class DriftKind(StrEnum):
    """How the network differs from what was applied."""

    MISSING = "missing"
    DIFFERENT = "different"
    UNEXPECTED = "unexpected"
    """It is there and nobody applied it."""


@dataclass(frozen=True, slots=True)
class Drift:
    """One difference between what was applied and what is there. ``attributes`` are the names that differ."""

    adapter: str
    kind: DriftKind
    target_id: TargetId | None
    name: str = field(repr=False)
    attributes: tuple[str, ...] = ()


class Policy(StrEnum):
    """What is done about drift of an adapter."""

    REPAIR = "repair"
    REPORT = "report"


class FindingState(StrEnum):
    """Where a finding is."""

    SUSPECTED = "suspected"
    """Unexpected, and seen once: an order that is under way may be why."""
    OPEN = "open"
    REPAIRED = "repaired"
    GONE = "gone"
    """It is no longer so, and not by a repair: an order or a person saw to it, or the target was terminated."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A difference that the look for drift found, and what became of it.

    ``target_id`` is None for what nobody applied; ``attempts`` are repairs that failed, ``problem`` the code of the
    last one.
    """

    id: FindingId
    adapter: str
    kind: DriftKind
    target_id: TargetId | None
    name: str = field(repr=False)
    attributes: tuple[str, ...]
    state: FindingState
    attempts: int
    problem: str
    found_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class Watch:
    """How far the look for drift is with an adapter.

    ``target_after`` is the last target that was compared in the ``round``; ``shown_after`` is None while targets are
    left, then the last name that the adapter showed. After ``failures`` in a row it rests until ``resume_at``.
    """

    adapter: str
    policy: Policy = Policy.REPAIR
    round: int = 0
    target_after: TargetId = NO_TARGET
    shown_after: str | None = None
    ended_at: datetime | None = None
    failures: int = 0
    resume_at: datetime | None = None
    problem: str = ""

    def rests(self, now: datetime) -> bool:
        """Return whether the adapter is left alone now, since it did not answer."""
        return self.resume_at is not None and now < self.resume_at

    def failed(self, code: str, now: datetime) -> Watch:
        """Return it after the adapter did not answer: it rests 15 s, doubling, up to 2 minutes."""
        delay = min(FIRST_REST * 2 ** min(self.failures, 10), LONGEST_REST)
        shown_after = (
            None if self.shown_after is None else ""
        )  # a name may be a person's: it is not left behind
        return replace(
            self, shown_after=shown_after, failures=self.failures + 1, resume_at=now + delay, problem=code
        )

    def answered(self) -> Watch:
        """Return it after the adapter answered."""
        return replace(self, failures=0, resume_at=None, problem="")

    def ended(self, now: datetime) -> Watch:
        """Return it at the end of a round, ready for the next one."""
        return replace(self, round=self.round + 1, target_after=NO_TARGET, shown_after=None, ended_at=now)


def check_operation(operation: Operation) -> None:
    """Raise ``Invalid`` (``activation.operation``) for an operation that no adapter can understand."""
    texts = (operation.key, operation.target)
    named = all(text.isprintable() and 1 <= len(text) <= MAX_TEXT for text in texts)
    given = operation.attributes.items()
    kept = all(name and len(name) <= MAX_TEXT and len(text) <= MAX_TEXT for name, text in given)
    printable = all(name.isprintable() and text.isprintable() for name, text in given)
    if not (named and kept and printable) or STATUS in operation.attributes or len(given) > MAX_ATTRIBUTES:
        raise Invalid(
            f"an operation has a key, a target and at most {MAX_ATTRIBUTES} attributes, none of them called {STATUS}",
            code="activation.operation",
            field="operation",
            value=operation.key,
        )


def intend(before: Mapping[str, str] | None, operation: Operation) -> Mapping[str, str] | None:
    """Return what should be there after the operation, where ``before`` is there; None for nothing.

    What is provisioned again as it was serves again, though it was barred: who bars it does so afterwards.

    Raises ``Invalid`` (``activation.target_unknown``, ``activation.target_exists``).
    """
    asked = operation.attributes
    if operation.action is Action.TERMINATE:
        return None
    if operation.action is Action.PROVISION:
        wanted = {**asked, STATUS: ACTIVE}
        if before is not None and {**before, STATUS: ACTIVE} != wanted:
            raise _refused("the target is provisioned already, otherwise", "activation.target_exists")
        return wanted
    if before is None:
        raise _refused("the target was never provisioned", "activation.target_unknown")
    status = {Action.SUSPEND: SUSPENDED, Action.RESUME: ACTIVE}.get(operation.action, before[STATUS])
    return {**before, **asked, STATUS: status}


def _refused(message: str, code: str) -> Invalid:
    return Invalid(message, code=code, field="target", fix="look at what holds it, then retry or cancel")


def differences(wanted: Mapping[str, str] | None, there: Mapping[str, str] | None) -> tuple[str, ...]:
    """Return the names of the attributes that are not there as wanted. The network may show more than was asked."""
    if wanted is None:
        return () if there is None else tuple(sorted(there))
    shown = there or {}
    return tuple(sorted(name for name, text in wanted.items() if shown.get(name) != text))


def restoring(target: Target, key: str) -> tuple[Operation, ...]:
    """Return the operations that make the network show what was applied."""
    attributes = {name: text for name, text in target.attributes.items() if name != STATUS}
    again = Operation(f"{key}:provision", Action.PROVISION, target.name, attributes)
    if target.attributes[STATUS] == ACTIVE:
        return (again,)
    return (again, Operation(f"{key}:suspend", Action.SUSPEND, target.name))
