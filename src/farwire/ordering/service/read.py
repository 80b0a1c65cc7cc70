"""Look at orders, their tasks and their journal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from farwire.base.storage import Tx
from farwire.kernel.errors import Conflict, NotFound
from farwire.kernel.ids import AccountId, OrderId, TaskId
from farwire.kernel.page import Page, PageRequest
from farwire.ordering.model import (
    Jeopardy,
    JournalEntry,
    OrderState,
    Policy,
    ProductOrder,
    Start,
    Task,
    begun,
    decide,
)
from farwire.ordering.store import orders as store
from farwire.ordering.store import tasks as task_store
from farwire.ordering.store.policy import load_policy

FIRST_PAGE = PageRequest()
MAX_TASKS_SHOWN = 1000


@dataclass(frozen=True, slots=True)
class OrderView:
    """An order with its tasks and the newest of its journal, oldest first."""

    order: ProductOrder
    tasks: tuple[Task, ...]
    journal: tuple[JournalEntry, ...]


def _unknown(value: object) -> NotFound:
    return NotFound(
        "there is no such order",
        code="ordering.unknown",
        field="order",
        value=value,
        fix="farwire order list",
    )


async def require_order(tx: Tx, order_id: OrderId, *, locked: bool = False) -> ProductOrder:
    """Return one order, locked until the transaction ends where asked. Raises ``NotFound`` (``ordering.unknown``)."""
    load = store.lock_orders if locked else store.orders_by_id
    found = (await load(tx, [order_id])).get(order_id)
    if found is None:
        raise _unknown(order_id)
    return found


async def standing_order(tx: Tx, order_id: OrderId, now: datetime) -> tuple[ProductOrder, ProductOrder]:
    """Return one order, locked: as it is stored, and as it stands.

    What a worker has taken has begun, though nobody knows yet what came of it. Raises ``NotFound``.
    """
    order = await require_order(tx, order_id, locked=True)
    if begun(order) or order.state.ended or not await task_store.attempted(tx, order_id):
        return order, order
    return order, decide(order, Start(), now)[0]


async def get_order(*, tx: Tx, order_id: OrderId) -> OrderView:
    """Return one order with its plan and journal. Raises ``NotFound`` (``ordering.unknown``)."""
    order = await require_order(tx, order_id)
    tasks = await task_store.tasks_of_orders(tx, [order_id])
    numbers = {item.id: item.number for item in order.items}
    tasks.sort(key=lambda task: (numbers[task.item_id], task.number))
    journal = await task_store.journal(tx, order_id, limit=MAX_TASKS_SHOWN)
    return OrderView(order, tuple(tasks[:MAX_TASKS_SHOWN]), tuple(journal))


async def find_order(*, tx: Tx, name: str) -> OrderView:
    """Return the order with the id or the idempotency key ``name``. Raises ``NotFound`` (``ordering.unknown``)."""
    try:
        return await get_order(tx=tx, order_id=OrderId(UUID(name)))
    except (ValueError, NotFound):
        found = await store.order_by_key(tx, name)
    if found is None:
        raise _unknown(name)
    return await get_order(tx=tx, order_id=found[0])


async def order_with_key(tx: Tx, key: str, digest: str) -> ProductOrder | None:
    """Return the order that was placed with ``key``, None where there is none.

    Raises ``Conflict`` (``ordering.key_reused``) where it ordered something else.
    """
    found = await store.order_by_key(tx, key)
    if found is None:
        return None
    if found[1] != digest:
        raise Conflict(
            "this key stands for another order",
            code="ordering.key_reused",
            field="key",
            value=key,
            fix="use a new key for another order",
        )
    return await require_order(tx, found[0])


async def list_orders(
    *,
    tx: Tx,
    page: PageRequest = FIRST_PAGE,
    state: OrderState | None = None,
    account_id: AccountId | None = None,
    jeopardy: Jeopardy | None = None,
) -> Page[ProductOrder]:
    """Return a page of orders, newest first; with ``jeopardy`` those that are not done and stand so to their date."""
    items, total = await store.list_orders(
        tx, state=state, account_id=account_id, jeopardy=jeopardy, limit=page.limit, offset=page.offset
    )
    return Page(tuple(items), total, page.offset, page.limit)


async def list_fallout(*, tx: Tx, page: PageRequest = FIRST_PAGE) -> Page[Task]:
    """Return a page of the tasks that wait for a decision, the oldest first."""
    items, total = await task_store.fallout(tx, limit=page.limit, offset=page.offset)
    return Page(tuple(items), total, page.offset, page.limit)


async def require_task(tx: Tx, task_id: TaskId) -> Task:
    """Return one task. Raises ``NotFound`` (``ordering.task_unknown``)."""
    found = await task_store.task_by_id(tx, task_id)
    if found is None:
        raise NotFound(
            "there is no such task",
            code="ordering.task_unknown",
            field="task",
            value=task_id,
            fix="farwire order fallout list",
        )
    return found


async def orders_by_id(tx: Tx, order_ids: list[OrderId]) -> Mapping[OrderId, ProductOrder]:
    """Return those of the orders that exist, by id."""
    return await store.orders_by_id(tx, order_ids)


async def next_due(*, tx: Tx) -> datetime | None:
    """Return when the next task is due, or None where no task waits for a time."""
    return await task_store.next_due(tx)


async def policy_of(*, tx: Tx) -> Policy:
    """Return the tenant's rules for orders."""
    return await load_policy(tx)
