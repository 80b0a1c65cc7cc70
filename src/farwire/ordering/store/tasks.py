"""SQL of tasks: what is due is leased by workers that skip each other; what was done is journaled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Final

import asyncpg
import msgspec

from farwire.base.canonical import JSON
from farwire.base.storage import Tx
from farwire.kernel.ids import OrderId, OrderItemId, TaskId
from farwire.ordering.model import JournalEntry, Step, Task, TaskKind, TaskState

_TASK: Final = (
    "task_id, order_id, item_id, number, kind, name, depends_on, parameters, compensation, final, undoes, state, "
    "due_at, attempts, max_attempts, fence, worker, doubtful, result, error, error_code"
)
_COLUMNS: Final = ("tenant_id", *(name.strip() for name in _TASK.split(",")))


def _row(tx: Tx, task: Task) -> tuple[object, ...]:
    step = task.step
    return (
        tx.tenant_id, task.id, task.order_id, task.item_id, task.number, step.kind.value, step.name,
        list(step.depends_on), _json(step.parameters), None if step.compensation is None else step.compensation.value,
        step.final, task.undoes, task.state.value, task.due_at, task.attempts, task.max_attempts, task.fence,
        task.worker, task.doubtful, _json(task.result), task.error, task.error_code,
    )  # fmt: skip


def _json(value: Mapping[str, JSON]) -> str:
    return msgspec.json.encode(dict(value)).decode()


async def add_tasks(tx: Tx, tasks: Sequence[Task]) -> None:
    """Add tasks, many in one go."""
    if not tasks:
        return
    await tx.copy_records("ordering.task", columns=_COLUMNS, records=[_row(tx, task) for task in tasks])


async def save_tasks(tx: Tx, tasks: Sequence[Task]) -> None:
    """Write what changes of tasks, in one statement."""
    if not tasks:
        return
    await tx.execute(
        """UPDATE ordering.task t SET state = n.state, due_at = n.due_at, attempts = n.attempts, fence = n.fence,
            worker = n.worker, doubtful = n.doubtful, result = n.result::jsonb, error = n.error,
            error_code = n.error_code
        FROM unnest($2::uuid[], $3::text[], $4::timestamptz[], $5::int[], $6::bigint[], $7::text[], $8::bool[],
            $9::text[], $10::text[], $11::text[])
            AS n (task_id, state, due_at, attempts, fence, worker, doubtful, result, error, error_code)
        WHERE t.tenant_id = $1 AND t.task_id = n.task_id""",
        tx.tenant_id,
        [task.id for task in tasks],
        [task.state.value for task in tasks],
        [task.due_at for task in tasks],
        [task.attempts for task in tasks],
        [task.fence for task in tasks],
        [task.worker for task in tasks],
        [task.doubtful for task in tasks],
        [_json(task.result) for task in tasks],
        [task.error for task in tasks],
        [task.error_code for task in tasks],
    )


async def lease(tx: Tx, *, worker: str, now: datetime, until: datetime, limit: int) -> list[Task]:
    """Take up to ``limit`` due tasks, or ones whose worker vanished, the longest due first."""
    columns = ", ".join(f"t.{name}" for name in _COLUMNS[1:])
    rows = await tx.fetch(
        f"""WITH due AS MATERIALIZED (
            SELECT task_id, state FROM ordering.task
            WHERE tenant_id = $1 AND state IN ('ready', 'running') AND due_at <= $2
            ORDER BY due_at, task_id LIMIT $5 FOR UPDATE SKIP LOCKED
        )
        UPDATE ordering.task t SET state = 'running', worker = $3, due_at = $4, fence = t.fence + 1,
            attempts = t.attempts + 1, doubtful = t.doubtful OR due.state = 'running'
        FROM due WHERE t.tenant_id = $1 AND t.task_id = due.task_id
        RETURNING {columns}""",
        tx.tenant_id,
        now,
        worker,
        until,
        limit,
    )
    return sorted(map(_task, rows), key=lambda task: (task.order_id, task.item_id, task.number))


async def tasks_of_items(tx: Tx, item_ids: Sequence[tuple[OrderId, OrderItemId]]) -> list[Task]:
    """Return all tasks of the items, in their order."""
    rows = await tx.fetch(
        f"SELECT {_TASK} FROM ordering.task JOIN unnest($2::uuid[], $3::uuid[]) AS w (order_id, item_id) "
        "USING (order_id, item_id) WHERE tenant_id = $1 ORDER BY order_id, item_id, number",
        tx.tenant_id,
        [order_id for order_id, _ in item_ids],
        [item_id for _, item_id in item_ids],
    )
    return [_task(row) for row in rows]


async def tasks_of_orders(tx: Tx, order_ids: Sequence[OrderId]) -> list[Task]:
    """Return all tasks of the orders, in their order."""
    rows = await tx.fetch(
        f"SELECT {_TASK} FROM ordering.task WHERE tenant_id = $1 AND order_id = ANY($2::uuid[]) "
        "ORDER BY order_id, item_id, number",
        tx.tenant_id,
        order_ids,
    )
    return [_task(row) for row in rows]


async def task_by_id(tx: Tx, task_id: TaskId) -> Task | None:
    """Return one task."""
    row = await tx.fetchrow(
        f"SELECT {_TASK} FROM ordering.task WHERE tenant_id = $1 AND task_id = $2", tx.tenant_id, task_id
    )
    return None if row is None else _task(row)


async def attempted(tx: Tx, order_id: OrderId) -> bool:
    """Return whether a worker has taken a task of the order."""
    found = await tx.fetchval(
        "SELECT true FROM ordering.task WHERE tenant_id = $1 AND order_id = $2 AND attempts > 0 LIMIT 1",
        tx.tenant_id,
        order_id,
    )
    return found is not None


async def fallout(tx: Tx, *, limit: int, offset: int) -> tuple[list[Task], int]:
    """Return a page of the tasks that wait for a person, oldest first, and how many there are."""
    rows = await tx.fetch(
        f"SELECT {_TASK} FROM ordering.task WHERE tenant_id = $1 AND state = 'fallout' "
        "ORDER BY task_id LIMIT $2 OFFSET $3",
        tx.tenant_id,
        limit,
        offset,
    )
    total: int = await tx.fetchval(
        "SELECT count(*) FROM ordering.task WHERE tenant_id = $1 AND state = 'fallout'", tx.tenant_id
    )
    return [_task(row) for row in rows], total


async def next_due(tx: Tx) -> datetime | None:
    """Return when the next task is due, or None where nothing waits for a time."""
    at: datetime | None = await tx.fetchval(
        "SELECT min(due_at) FROM ordering.task WHERE tenant_id = $1 AND state IN ('ready', 'running')",
        tx.tenant_id,
    )
    return at


async def add_entries(tx: Tx, entries: Sequence[JournalEntry]) -> None:
    """Append to the journal, in one statement, in their order."""
    if not entries:
        return
    await tx.execute(
        """INSERT INTO ordering.journal (tenant_id, order_id, recorded_at, act, item_number, task_number, attempt,
            actor, detail)
        SELECT $1, e.order_id, e.recorded_at, e.act, e.item_number, e.task_number, e.attempt, e.actor,
            e.detail::jsonb
        FROM unnest($2::uuid[], $3::timestamptz[], $4::text[], $5::int[], $6::int[], $7::int[], $8::text[],
            $9::text[]) WITH ORDINALITY
            AS e (order_id, recorded_at, act, item_number, task_number, attempt, actor, detail, n)
        ORDER BY e.n""",
        tx.tenant_id,
        [e.order_id for e in entries],
        [e.recorded_at for e in entries],
        [e.act for e in entries],
        [e.item_number for e in entries],
        [e.task_number for e in entries],
        [e.attempt for e in entries],
        [e.actor for e in entries],
        [_json(e.detail) for e in entries],
    )


async def journal(tx: Tx, order_id: OrderId, *, limit: int) -> list[JournalEntry]:
    """Return the newest ``limit`` entries of an order, oldest first."""
    rows = await tx.fetch(
        "SELECT order_id, recorded_at, act, item_number, task_number, attempt, actor, detail FROM ordering.journal "
        "WHERE tenant_id = $1 AND order_id = $2 ORDER BY position DESC LIMIT $3",
        tx.tenant_id,
        order_id,
        limit,
    )
    return [
        JournalEntry(
            order_id=OrderId(row["order_id"]),
            recorded_at=row["recorded_at"],
            act=row["act"],
            item_number=row["item_number"],
            task_number=row["task_number"],
            attempt=row["attempt"],
            actor=row["actor"],
            detail=_mapping(row["detail"]),
        )
        for row in reversed(rows)
    ]


def _mapping(text: str) -> Mapping[str, JSON]:
    found: dict[str, JSON] = msgspec.json.decode(text)
    return MappingProxyType(found)


def _task(row: asyncpg.Record) -> Task:
    compensation = row["compensation"]
    step = Step(
        TaskKind(row["kind"]),
        row["name"],
        tuple(row["depends_on"]),
        _mapping(row["parameters"]),
        None if compensation is None else TaskKind(compensation),
        row["final"],
    )
    return Task(
        id=TaskId(row["task_id"]),
        order_id=OrderId(row["order_id"]),
        item_id=OrderItemId(row["item_id"]),
        number=row["number"],
        step=step,
        state=TaskState(row["state"]),
        due_at=row["due_at"],
        attempts=row["attempts"],
        max_attempts=row["max_attempts"],
        fence=row["fence"],
        worker=row["worker"],
        doubtful=row["doubtful"],
        undoes=row["undoes"],
        result=_mapping(row["result"]),
        error=row["error"],
        error_code=row["error_code"],
    )
