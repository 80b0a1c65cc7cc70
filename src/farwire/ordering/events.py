"""The facts that ordering publishes: ids and states, never personal data."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from farwire.base.canonical import JSON
from farwire.base.eventbus import Event, new_event
from farwire.kernel.ids import TaskId, TenantId
from farwire.ordering.model import Fact, Jeopardy, ProductOrder

ORDER_PLACED: Final = "farwire.ordering.order_placed.v1"
ORDER_AMENDED: Final = "farwire.ordering.order_amended.v1"
ORDER_HELD: Final = "farwire.ordering.order_held.v1"
ORDER_RELEASED: Final = "farwire.ordering.order_released.v1"
ORDER_COMPLETED: Final = "farwire.ordering.order_completed.v1"
ORDER_CANCELLED: Final = "farwire.ordering.order_cancelled.v1"
ORDER_FAILED: Final = "farwire.ordering.order_failed.v1"
ORDER_IN_JEOPARDY: Final = "farwire.ordering.order_in_jeopardy.v1"

_TYPES: Final = {
    Fact.PLACED: ORDER_PLACED,
    Fact.AMENDED: ORDER_AMENDED,
    Fact.HELD: ORDER_HELD,
    Fact.RELEASED: ORDER_RELEASED,
    Fact.COMPLETED: ORDER_COMPLETED,
    Fact.CANCELLED: ORDER_CANCELLED,
    Fact.FAILED: ORDER_FAILED,
    # A rejected order failed before it began; who follows failures must hear of it.
    Fact.REJECTED: ORDER_FAILED,
}
"""What others may follow. The rest stands in the order's journal."""


def order_events(
    order: ProductOrder, facts: tuple[Fact, ...], *, tenant_id: TenantId, at: datetime
) -> tuple[Event, ...]:
    """Return the events of what happened to an order, in their order."""
    return tuple(
        new_event(
            tenant_id=tenant_id,
            type=_TYPES[fact],
            subject=str(order.id),
            occurred_at=at,
            recorded_at=at,
            data=_data(order),
        )
        for fact in facts
        if fact in _TYPES
    )


def jeopardy_event(
    order: ProductOrder, jeopardy: Jeopardy, task_id: TaskId | None, *, tenant_id: TenantId, at: datetime
) -> Event:
    """Return the event of an order that will miss its due date, or has missed it, and the task that it waits for."""
    due = "" if order.due_by is None else order.due_by.isoformat()
    task = "" if task_id is None else str(task_id)
    return new_event(
        tenant_id=tenant_id,
        type=ORDER_IN_JEOPARDY,
        subject=str(order.id),
        occurred_at=at,
        recorded_at=at,
        data=_data(order) | {"jeopardy": jeopardy.value, "due_by": due, "task_id": task},
    )


def _data(order: ProductOrder) -> dict[str, JSON]:
    return {
        "order_id": str(order.id),
        "account_id": str(order.account_id),
        "party_id": str(order.party_id),
        "state": order.state.value,
        "holds": sorted(order.holds),
        "items": len(order.items),
    }
