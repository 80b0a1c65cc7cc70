"""The plan of an item: a graph of tasks as data, how it goes on after each one, how it is undone. Pure.

An undoing is tasks too: they are added to the plan in reverse order, and run, fail and are retried like all others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

from farwire.base.canonical import JSON
from farwire.kernel.errors import Conflict, Exhausted, FarwireError, Unavailable
from farwire.kernel.ids import OrderId, OrderItemId, TaskId, uuid7
from farwire.ordering.model.order import ItemState


class TaskKind(StrEnum):
    """What a task does. Each kind has one effect; its parameters say with what."""

    RESERVE = "reserve"
    """Resources of a kind from a pool."""
    FREE = "free"
    """Give back what was reserved."""
    CREATE_PRODUCT = "create_product"
    DISCARD_PRODUCT = "discard_product"
    """End a product at its start: nothing is charged for it."""
    ASSIGN = "assign"
    """Give reserved resources, or a number that the customer brings, to the product."""
    QUARANTINE = "quarantine"
    """Take the resources from the product; they rest before somebody else gets them."""
    ACTIVATE = "activate"
    """Switch a service on in a system of the network."""
    ALTER = "alter"
    BAR = "bar"
    UNBAR = "unbar"
    DEACTIVATE = "deactivate"
    CHANGE_PLAN = "change_plan"
    OVERRIDE = "override"
    """Another price for a while."""
    CLOSE_OVERRIDE = "close_override"
    SUSPEND = "suspend"
    RESUME = "resume"
    END_PRODUCT = "end_product"
    PLACE = "place"
    """Write down where the product is from now on."""


class TaskState(StrEnum):
    """The states of a task."""

    WAITING = "waiting"
    """For other tasks, or for the release of the order."""
    READY = "ready"
    RUNNING = "running"
    """A worker has it, until its lease ends."""
    DONE = "done"
    SKIPPED = "skipped"
    """A person says that it is done, or not needed."""
    FALLOUT = "fallout"
    """Its attempts are used up, or it cannot succeed; a person decides."""
    CANCELLED = "cancelled"


_OPEN: Final = frozenset({TaskState.WAITING, TaskState.READY, TaskState.RUNNING})
_PAST: Final = frozenset({TaskState.DONE, TaskState.SKIPPED})
MAX_ATTEMPTS: Final = 5


@dataclass(frozen=True, slots=True)
class Step:
    """A task as the decomposition names it. ``depends_on`` are numbers of steps before it, from 1.

    ``final`` marks the point of no return: once it is done, the item cannot be undone.
    """

    kind: TaskKind
    name: str
    depends_on: tuple[int, ...] = ()
    parameters: Mapping[str, JSON] = field(default_factory=dict)
    compensation: TaskKind | None = None
    final: bool = False


@dataclass(frozen=True, slots=True)
class Task:
    """A step of one item with how far it is.

    Its id is the key of the operation: what a task does outside is asked for under it, so that asking twice does it
    once. ``due_at`` is the earliest start and, while it runs, the end of the lease. ``fence`` rises with every lease.
    ``doubtful`` says that an attempt ended without telling whether it had an effect. ``undoes`` is the number of the
    task that this one compensates.
    """

    id: TaskId
    order_id: OrderId
    item_id: OrderItemId
    number: int
    step: Step
    state: TaskState
    due_at: datetime
    attempts: int = 0
    max_attempts: int = MAX_ATTEMPTS
    fence: int = 0
    worker: str = ""
    doubtful: bool = False
    undoes: int | None = None
    result: Mapping[str, JSON] = field(default_factory=dict)
    error: str = ""
    error_code: str = ""

    @property
    def compensating(self) -> bool:
        """Return whether the task undoes another one."""
        return self.undoes is not None


def plan_of(
    steps: Sequence[Step],
    *,
    order_id: OrderId,
    item_id: OrderItemId,
    due_at: datetime,
    now: datetime,
    released: bool,
    max_attempts: int = MAX_ATTEMPTS,
) -> tuple[Task, ...]:
    """Return the tasks of an item. Those without a predecessor are ready at ``due_at`` if the order is ``released``."""
    return tuple(
        Task(
            TaskId(uuid7(now)),
            order_id,
            item_id,
            number,
            step,
            TaskState.READY if released and not step.depends_on else TaskState.WAITING,
            due_at,
            max_attempts=max_attempts,
        )
        for number, step in enumerate(steps, 1)
    )


def awake(tasks: Sequence[Task], due_at: datetime) -> tuple[Task, ...]:
    """Return the tasks with those ready whose predecessors are all done or skipped."""
    past = {task.number for task in tasks if task.state in _PAST}
    return tuple(
        replace(task, state=TaskState.READY, due_at=max(task.due_at, due_at))
        if task.state is TaskState.WAITING and past.issuperset(task.step.depends_on)
        else task
        for task in tasks
    )


def asleep(tasks: Sequence[Task]) -> tuple[Task, ...]:
    """Return the tasks with none ready: their order is held."""
    return tuple(
        replace(task, state=TaskState.WAITING) if task.state is TaskState.READY else task for task in tasks
    )


def succeeded(
    tasks: Sequence[Task], number: int, result: Mapping[str, JSON], now: datetime
) -> tuple[Task, ...]:
    """Return the tasks after one was done."""
    done = [
        replace(task, state=TaskState.DONE, result=result, error="", error_code="", doubtful=False, worker="")
        if task.number == number
        else task
        for task in tasks
    ]
    return awake(done, now)


def _hopeless(error: FarwireError) -> bool:
    """Return whether trying again unchanged must fail again: the input is wrong, or contradicts what is there."""
    may_pass = isinstance(error, Unavailable | Exhausted) or error.code == "storage.serialization_failure"
    return not may_pass


def failed(
    tasks: Sequence[Task], number: int, error: FarwireError, now: datetime, *, again_at: datetime
) -> tuple[Task, ...]:
    """Return the tasks after an attempt failed: it is tried again later, or waits in the fallout for a person.

    What another answer of the world can mend (``Unavailable``, ``Exhausted``) is tried ``max_attempts`` times, the next
    time at ``again_at``; anything else at once needs a person.
    """
    after = []
    for task in tasks:
        if task.number != number:
            after.append(task)
            continue
        over = task.attempts >= task.max_attempts or _hopeless(error)
        after.append(
            replace(
                task,
                state=TaskState.FALLOUT if over else TaskState.READY,
                due_at=now if over else again_at,
                error=str(error)[:1000],
                error_code=error.code,
                # An answer that did not come may have been lost on the way back.
                doubtful=task.doubtful or isinstance(error, Unavailable),
                worker="",
            )
        )
    return tuple(after)


def retried(tasks: Sequence[Task], number: int, now: datetime) -> tuple[Task, ...]:
    """Return the tasks with one taken out of the fallout, with all its attempts. Raises ``Conflict``."""
    return _decided(tasks, number, TaskState.READY, now)


def skipped(tasks: Sequence[Task], number: int, now: datetime) -> tuple[Task, ...]:
    """Return the tasks with one of the fallout taken as done. Raises ``Conflict``."""
    return awake(_decided(tasks, number, TaskState.SKIPPED, now), now)


def _decided(tasks: Sequence[Task], number: int, state: TaskState, now: datetime) -> tuple[Task, ...]:
    return tuple(
        replace(_in_fallout(task), state=state, attempts=0, due_at=now) if task.number == number else task
        for task in tasks
    )


def _in_fallout(task: Task) -> Task:
    if task.state is not TaskState.FALLOUT:
        raise Conflict(
            f"the task is {task.state.value}: nothing is to be decided",
            code="ordering.not_in_fallout",
            field="task",
            value=str(task.id),
            fix="farwire order fallout list",
        )
    return task


def aborted(tasks: Sequence[Task]) -> tuple[Task, ...]:
    """Return the tasks with every open one given up and nothing undone."""
    return tuple(
        replace(task, state=TaskState.CANCELLED, fence=task.fence + 1)
        if task.state in _OPEN or task.state is TaskState.FALLOUT
        else task
        for task in tasks
    )


def rolled_back(tasks: Sequence[Task], now: datetime) -> tuple[Task, ...]:
    """Return the tasks with the open ones given up and, for each that was done, one that undoes it.

    They run one after the other, the last that was done first. A task that runs now, or whose last attempt ended
    without an answer, is undone too: every compensation does nothing where there is nothing to undo. Its fence rises,
    so that a worker that still has it cannot finish it.
    """
    to_undo = [
        (task, task.step.compensation)
        for task in tasks
        if task.step.compensation is not None
        and (task.state is TaskState.DONE or task.state is TaskState.RUNNING or task.doubtful)
    ]
    kept = list(aborted(tasks))
    number = max((task.number for task in tasks), default=0)
    before: tuple[int, ...] = ()
    for task, compensation in reversed(to_undo):
        number += 1
        kept.append(_undoing(task, compensation, number, before, now))
        before = (number,)
    return tuple(kept)


def _undoing(task: Task, compensation: TaskKind, number: int, before: tuple[int, ...], now: datetime) -> Task:
    return Task(
        TaskId(uuid7(now)),
        task.order_id,
        task.item_id,
        number,
        Step(compensation, f"undo: {task.step.name}", before, task.step.parameters),
        TaskState.WAITING if before else TaskState.READY,
        now,
        max_attempts=task.max_attempts,
        undoes=task.number,
    )


def is_final(tasks: Sequence[Task]) -> bool:
    """Return whether the point of no return is passed."""
    return any(task.step.final and task.state in _PAST for task in tasks)


def item_state(tasks: Sequence[Task], ends_as: ItemState) -> ItemState:
    """Return how far an item is that has begun, as its tasks say."""
    undoing = [task for task in tasks if task.compensating]
    if undoing:
        states = {task.state for task in undoing}
        if TaskState.FALLOUT in states:
            return ItemState.ROLLBACK_FAILED
        return ItemState.ROLLING_BACK if states & _OPEN else ends_as
    states = {task.state for task in tasks}
    if TaskState.FALLOUT in states:
        return ItemState.HELD
    if states <= _PAST:
        return ItemState.COMPLETED
    return ItemState.IN_PROGRESS if states & _OPEN else ends_as
