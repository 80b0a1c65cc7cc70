"""Carry orders out: workers lease tasks that are due, do them in batches, and write down what came of it.

The effect of a task, its journal entry and the readiness of what follows are one transaction. A worker that dies
before its commit leaves nothing behind but a lease that ends; what it did is undone by the database, and the task is
done again under the same id.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from farwire.base.clock import Clock
from farwire.base.jobs.model import delay_after
from farwire.base.storage import Database, Tx
from farwire.base.telemetry import counter, error_text, get_logger
from farwire.kernel.errors import Defect, FarwireError, Unavailable
from farwire.kernel.ids import OrderId, OrderItemId, TaskId, TenantId, uuid7
from farwire.ordering.model import (
    Fact,
    ItemState,
    JournalEntry,
    OrderItem,
    ProductOrder,
    Settle,
    Start,
    Task,
    TaskKind,
    TaskState,
    decide,
    decided,
    failed,
    item_state,
    rule_for,
    succeeded,
)
from farwire.ordering.service.act import give_up_parts, items_of, save_progress, woken
from farwire.ordering.service.effects import EFFECTS, Result, Work
from farwire.ordering.store import orders as store
from farwire.ordering.store import tasks as task_store
from farwire.ordering.store.policy import load_policy

log = get_logger(__name__)

LEASE: Final = timedelta(seconds=60)
BATCH: Final = 500
OUTSIDE: Final = 20
"""How many operations of the network are in one transaction: where one fails, all of them are asked for again."""
LIMIT: Final = 100_000
_TASKS: Final = counter(
    "farwire_order_tasks_total", "Attempts of order tasks by kind and outcome.", ("kind", "outcome")
)

_NETWORK: Final = frozenset(
    {TaskKind.ACTIVATE, TaskKind.ALTER, TaskKind.BAR, TaskKind.UNBAR, TaskKind.DEACTIVATE}
)

Key = tuple[OrderId, OrderItemId]


@dataclass(frozen=True, slots=True)
class Worked:
    """What a run of ``work`` did: tasks done, attempts that failed, tasks that now wait for a person."""

    done: int = 0
    failed: int = 0
    fallout: int = 0

    def __add__(self, other: Worked) -> Worked:
        return Worked(self.done + other.done, self.failed + other.failed, self.fallout + other.fallout)

    @property
    def attempts(self) -> int:
        """Return how many attempts ended."""
        return self.done + self.failed


async def work(
    *,
    db: Database,
    tenant_id: TenantId,
    clock: Clock,
    limit: int = LIMIT,
    batch: int = BATCH,
    lease: timedelta = LEASE,
    worker: str = "",
) -> Worked:
    """Do what is due, up to ``limit`` attempts and ``batch`` tasks in a transaction, and return how much that was.

    Any number of workers may run at once: each takes tasks that no other one has. Where nothing is due it returns at
    once. Raises ``Unavailable`` where the database does not answer; what was done before is kept.
    """
    name = worker or f"{socket.gethostname()}:{os.getpid()}:{uuid7().hex[-6:]}"
    total = Worked()
    while total.attempts < limit:
        now = clock.now()
        size = min(max(batch, OUTSIDE), limit - total.attempts)
        async with db.transaction(tenant_id) as tx:
            tasks = await task_store.lease(tx, worker=name, now=now, until=now + lease, limit=size)
        if not tasks:
            break
        for part in _parts(tasks, batch):
            total += await run_leased(db, tenant_id, clock, part)
    return total


def _parts(tasks: Sequence[Task], batch: int) -> Iterator[Sequence[Task]]:
    """Return the tasks in parts that are done in one transaction each."""
    outside = [task for task in tasks if task.step.kind in _NETWORK]
    inside = [task for task in tasks if task.step.kind not in _NETWORK]
    for some, size in ((inside, batch), (outside, min(batch, OUTSIDE))):
        for start in range(0, len(some), size):
            yield some[start : start + size]


async def run_leased(db: Database, tenant_id: TenantId, clock: Clock, tasks: Sequence[Task]) -> Worked:
    """Do leased tasks in one transaction; where that fails, in halves, so that one bad task fails alone."""
    given_up = [task for task in tasks if task.attempts > task.max_attempts]
    if given_up:
        gone = Unavailable("its worker vanished again and again", code="ordering.worker_vanished")
        total = Worked()
        for task in given_up:
            total += await _fail(db, tenant_id, clock, task, gone)
        rest = [task for task in tasks if task not in given_up]
        return total + await run_leased(db, tenant_id, clock, rest) if rest else total
    try:
        async with db.transaction(tenant_id) as tx:
            return await _do(tx, clock.now(), tasks)
    except Exception as error:
        # The edge of the engine: whatever a task meets becomes its outcome, never the end of the worker.
        known = error if isinstance(error, FarwireError) else _defect(error)
        if isinstance(known, Unavailable) and known.code.startswith("storage."):
            raise
        if len(tasks) > 1:
            half = len(tasks) // 2
            first = await run_leased(db, tenant_id, clock, tasks[:half])
            return first + await run_leased(db, tenant_id, clock, tasks[half:])
        return await _fail(db, tenant_id, clock, tasks[0], known)


def _defect(error: Exception) -> Defect:
    log.error("an order task met a defect", error=error_text(error))
    return Defect(
        f"a defect: {type(error).__name__}", code="ordering.defect", fix="look at the log, then retry"
    )


@dataclass(slots=True)
class _Batch:
    """The orders of some tasks, locked, with all tasks of the items that are touched."""

    before: dict[OrderId, ProductOrder]
    orders: dict[OrderId, ProductOrder]
    facts: dict[OrderId, tuple[Fact, ...]]
    loaded: list[Task]
    items: dict[OrderItemId, Sequence[Task]]
    mine: list[Task]
    """Of the leased tasks, those that this worker still has."""

    def item(self, task: Task) -> OrderItem:
        return next(one for one in self.orders[task.order_id].items if one.id == task.item_id)

    def apply(self, order_id: OrderId, command: Start | Settle, now: datetime) -> None:
        order, facts = decide(self.orders[order_id], command, now)
        self.orders[order_id] = order
        self.facts[order_id] += facts


async def _batch(tx: Tx, tasks: Sequence[Task]) -> _Batch:
    orders = dict(await store.lock_orders(tx, sorted({task.order_id for task in tasks})))
    keys: list[Key] = sorted({(task.order_id, task.item_id) for task in tasks})
    loaded = await task_store.tasks_of_items(tx, keys)
    held = {task.id: task.fence for task in tasks}
    mine = [task for task in loaded if task.state is TaskState.RUNNING and held.get(task.id) == task.fence]
    return _Batch(
        orders, dict(orders), dict.fromkeys(orders, tuple[Fact, ...]()), loaded, dict(items_of(loaded)), mine
    )


async def _do(tx: Tx, now: datetime, tasks: Sequence[Task]) -> Worked:
    batch = await _batch(tx, tasks)
    for order_id in dict.fromkeys(task.order_id for task in batch.mine):
        batch.apply(order_id, Start(), now)
    results = await _effects(tx, batch, now)
    entries = []
    for task in batch.mine:
        batch.items[task.item_id] = succeeded(batch.items[task.item_id], task.number, results[task.id], now)
        entries.append(_entry(batch, task, "done", now, {}))
        _TASKS.inc(kind=task.step.kind.value, outcome="done")
    await _save(tx, batch, now, entries)
    return Worked(done=len(batch.mine))


async def _effects(tx: Tx, batch: _Batch, now: datetime) -> dict[TaskId, Result]:
    by_kind: dict[TaskKind, list[Work]] = {}
    by_number = {item_id: {one.number: one for one in own} for item_id, own in batch.items.items()}
    for task in batch.mine:
        work_ = Work(task, batch.orders[task.order_id], batch.item(task), by_number[task.item_id])
        by_kind.setdefault(task.step.kind, []).append(work_)
    results: dict[TaskId, Result] = {}
    for kind in TaskKind:
        if kind in by_kind:
            done = await EFFECTS[kind](tx, by_kind[kind], now)
            results |= {one.task.id: result for one, result in zip(by_kind[kind], done, strict=True)}
    return results


async def _save(tx: Tx, batch: _Batch, now: datetime, entries: Sequence[JournalEntry]) -> None:
    states: dict[OrderId, dict[OrderItemId, ItemState]] = {}
    for task in batch.mine:
        item = batch.item(task)
        states.setdefault(task.order_id, {})[task.item_id] = item_state(
            batch.items[task.item_id], item.ends_as
        )
    for order_id, settled in states.items():
        batch.apply(order_id, Settle(settled), now)
        await _wake_parts(tx, batch, order_id, settled, now)
        loaded, given_up, failing = await give_up_parts(tx, batch.orders[order_id], batch.loaded)
        if failing:
            batch.loaded += loaded
            batch.items |= items_of(given_up)
            batch.apply(order_id, Settle(failing), now)
    changed = [(batch.before[one], batch.orders[one], batch.facts[one]) for one in states]
    after = [task for own in batch.items.values() for task in own]
    await save_progress(tx, changed, batch.loaded, after, now, entries)


async def _wake_parts(
    tx: Tx, batch: _Batch, order_id: OrderId, settled: dict[OrderItemId, ItemState], now: datetime
) -> None:
    """Let the parts of a bundle begin once the bundle itself is there."""
    order = batch.orders[order_id]
    ready = {one.number for one in order.items if settled.get(one.id) is ItemState.COMPLETED}
    parts = [one for one in order.items if one.request.parent in ready and one.id not in batch.items]
    if not parts:
        return
    loaded = await task_store.tasks_of_items(tx, [(order_id, one.id) for one in parts])
    batch.loaded += loaded
    by_id = {one.id: one for one in parts}
    for item_id, own in items_of(loaded).items():
        batch.items[item_id] = woken(order, by_id[item_id], own, now)


def _entry(batch: _Batch, task: Task, act: str, now: datetime, detail: dict[str, str]) -> JournalEntry:
    number = batch.item(task).number
    return JournalEntry(task.order_id, now, act, number, task.number, task.attempts, task.worker, detail)


async def _fail(db: Database, tenant_id: TenantId, clock: Clock, task: Task, error: FarwireError) -> Worked:
    """Write down that an attempt failed; the task is tried again later, or waits for a person."""
    now = clock.now()
    async with db.transaction(tenant_id) as tx:
        batch = await _batch(tx, [task])
        if not batch.mine:
            return Worked()
        if not task.compensating:
            batch.apply(task.order_id, Start(), now)
        again_at = now + delay_after(task.attempts)
        after = failed(batch.items[task.item_id], task.number, error, now, again_at=again_at)
        batch.items[task.item_id] = after
        (here,) = [one for one in after if one.number == task.number]
        act = "fallout" if here.state is TaskState.FALLOUT else "failed"
        _TASKS.inc(kind=task.step.kind.value, outcome=act)
        log.warning("order task failed", kind=task.step.kind.value, code=error.code, outcome=act)
        entries = [_entry(batch, task, act, now, {"code": error.code})]
        ruled = await _rule(tx, batch, task, now) if here.state is TaskState.FALLOUT else ()
        await _save(tx, batch, now, [*entries, *ruled])
    return Worked(failed=1, fallout=int(here.state is TaskState.FALLOUT and not ruled))


async def _rule(tx: Tx, batch: _Batch, task: Task, now: datetime) -> Sequence[JournalEntry]:
    """Let the tenant's rules decide about a task that has come into the fallout; nothing where a person must."""
    own = batch.items[task.item_id]
    found = rule_for((await load_policy(tx)).fallout, own, task.number)
    if found is None:
        return ()
    number, rule = found
    pause = timedelta(seconds=rule.after_seconds)
    item = batch.item(task)
    batch.orders[task.order_id], batch.items[task.item_id] = decided(
        batch.orders[task.order_id], item, own, task.number, rule.decision, now, after=pause
    )
    act, detail = rule.decision.value, {"rule": str(number)}
    return [JournalEntry(task.order_id, now, act, item.number, task.number, None, "fallout rule", detail)]
