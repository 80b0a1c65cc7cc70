"""Tasks of the Open APIs that do their work: in the request where nothing has to be waited for, else in a worker."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeAlias

from farwire.base import jobs
from farwire.base.canonical import stored_time
from farwire.base.clock import Clock
from farwire.base.jobs import Handler, Job, Schedule
from farwire.base.storage import Database, Tx
from farwire.base.tmf import Act, Document, Target
from farwire.base.tmf.documents import load, update
from farwire.base.tmf.writing import publish_change
from farwire.base.tmf_work import served
from farwire.kernel.errors import Conflict, Defect, Exhausted, FarwireError, Invalid, NotFound
from farwire.kernel.ids import uuid7
from farwire.kernel.tenancy import Actor, ActorKind

KIND: Final = "tmf.task"
IN_PROGRESS, DONE, FAILED = "inProgress", "done", "terminatedWithError"
REFUSED: Final = (Invalid, Conflict, NotFound, Exhausted)
"""Kinds of error that end a task; others are the system's, and the work is tried again."""
Work: TypeAlias = Callable[[Tx, Document, Act], Awaitable[Document]]
"""What a task does: returns the task with what came of it, and its state if that is not ``done``."""
Change: TypeAlias = Callable[[Tx, Document, Document, Act], Awaitable[Document]]
SCHEDULES: Final[tuple[Schedule, ...]] = ()


def no_reason(_error: FarwireError) -> Document:
    """Return nothing: the task has no attribute for why it failed."""
    return {}


@dataclass(frozen=True, slots=True)
class Task:
    """The ``work`` of a resource that is a task.

    ``due`` says when it is done, as a stored time, or None for at once. A work that is refused at once refuses the
    request; one that is refused later ends the task as failed. ``until`` says when what it did comes to an end: then
    ``over`` returns the task as it is after that.
    """

    target: Target
    work: Work
    state: str = "state"
    due: Callable[[Document, datetime], str | None] = lambda _task, _now: None
    reason: Callable[[FarwireError], Document] = no_reason
    until: Callable[[Document], str | None] = lambda _task: None
    over: Work | None = None
    words: tuple[str, str, str] = (IN_PROGRESS, DONE, FAILED)
    """How it calls these states."""

    async def __call__(self, tx: Tx, document: Document, act: Act) -> Document:
        """Do the work, or let a worker do it when it is due."""
        at = self.due(document, act.now)
        if at is not None:
            return await self.wait(tx, document, act, at)
        return await self.done(tx, document, act)

    async def wait(self, tx: Tx, document: Document, act: Act, at: str) -> Document:
        """Return the task while it waits for a worker to do its work at ``at``."""
        await _queue(tx, self.target, document["id"], act, at)
        return {**document, self.state: self.words[0]}

    async def done(self, tx: Tx, document: Document, act: Act) -> Document:
        """Return the task after its work."""
        found = await self.work(tx, {**document, self.state: self.words[1]}, act)
        if found[self.state] == self.words[1]:
            await self.watch(tx, found, act)
        return found

    async def watch(self, tx: Tx, document: Document, act: Act) -> None:
        """Let a worker look at the task when what it did comes to an end."""
        end = self.until(document)
        if end is not None:
            await _queue(tx, self.target, document["id"], act, end)

    async def go_on(self, tx: Tx, document: Document, act: Act) -> Document:
        """Return the task after what is due: its work, or the end of what it did."""
        if document.get(self.state) == self.words[0]:
            return await self.done(tx, document, act)
        if document.get(self.state) == self.words[1] and self.over is not None:
            end = self.until(document)
            ended = end is not None and datetime.fromisoformat(end) <= act.now
            return await self.over(tx, document, act) if ended else document
        return document


def in_worker(flag: str) -> Callable[[Document, datetime], str | None]:
    """Return a ``due`` for a task that says by ``flag`` whether its client waits for the answer."""

    def due(task: Document, now: datetime) -> str | None:
        return stored_time(now) if task.get(flag) is False else None

    return due


def not_before(attribute: str) -> Callable[[Document, datetime], str | None]:
    """Return a ``due`` for a task that waits for the time in ``attribute`` where that is still to come."""

    def due(task: Document, now: datetime) -> str | None:
        at = task.get(attribute)
        return at if at is not None and datetime.fromisoformat(at) > now else None

    return due


def by_the_server(state: str = "state") -> Change:
    """Return the ``changed`` of a task: its state is the server's to give, but a client may cancel it."""

    async def changed(_tx: Tx, before: Document, after: Document, _act: Act) -> Document:
        new = after.get(state)
        if new not in (before.get(state), "cancelled"):
            fix = "leave the state to the server"
            raise Invalid(
                "a task is not ended by a patch", code="tmf.transition", field=f"$.{state}", fix=fix
            )
        return after

    return changed


async def _queue(tx: Tx, target: Target, key: str, act: Act, at: str) -> None:
    await jobs.enqueue(
        tx=tx,
        kind=KIND,
        key=f"{target.api}/{target.type}/{key}/{uuid7(act.now)}",
        payload={
            "api": target.api,
            "type": target.type,
            "id": key,
            "actor": act.actor.kind.value,
            "actor_id": act.actor.id,
        },
        run_at=max(datetime.fromisoformat(at), act.now),
        now=act.now,
    )


async def carry_on(db: Database, job: Job, clock: Clock) -> None:
    """Do what a task has waited for, together with the end of the job; a second run finds it done.

    What refuses it leaves no trace of its work, and ends the task as failed.
    """
    try:
        await _carried(db, job, clock, None)
    except REFUSED as error:
        await _carried(db, job, clock, error)


async def _carried(db: Database, job: Job, clock: Clock, error: FarwireError | None) -> None:
    target, key = Target(str(job.payload["api"]), str(job.payload["type"])), str(job.payload["id"])
    api, resource = served(target)
    task = resource.task or resource.work
    if not isinstance(task, Task):
        raise Defect(f"{target} is no task", code="tmf.not_served")
    act = Act(Actor(ActorKind(str(job.payload["actor"])), str(job.payload["actor_id"])), clock)
    async with db.transaction(job.tenant_id) as tx:
        await jobs.hold(tx=tx, job=job)
        before = await load(tx, target, key, lock=True)
        if before is not None:
            if error is None:
                after = await task.go_on(tx, before, act)
            else:
                after = {**before, task.state: task.words[2], **task.reason(error)}
            if after != before:
                await update(tx, target, after, act.now)
                await publish_change(tx, api, resource, before, after, act)
        await jobs.complete(tx=tx, job=job, now=act.now)


def handlers(*, db: Database, clock: Clock) -> Mapping[str, Handler]:
    """Return what to run for each kind of job."""

    async def act(job: Job) -> None:
        await carry_on(db, job, clock)

    return {KIND: act}
