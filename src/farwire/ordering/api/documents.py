"""Orders on the wire."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final

import msgspec

from farwire.base.authz import Permission, Principal
from farwire.base.web import timestamp
from farwire.ordering.model import (
    Action,
    HoldReason,
    ItemState,
    Jeopardy,
    OrderItem,
    OrderState,
    ProductOrder,
    Task,
    TaskState,
)
from farwire.ordering.service import OrderView

ORDERS: Final = "/farwire/v1/productOrders"
Text = Annotated[str, msgspec.Meta(max_length=500, pattern=r"^[^\u0000]*$")]


class ReasonInput(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """Why, for the record."""

    reason: Text = ""


class OrderItemDocument(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """One line of an order and how far it is."""

    id: str
    number: int
    action: Action
    state: ItemState
    product_id: str
    offering: str = ""
    plan_version_id: str | None = None
    effective_at: str | None = None
    reason: str = ""
    place: Annotated[str, msgspec.Meta(description="For those who may read personal data.")] = ""


class OrderTaskDocument(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """One task of an order's plan."""

    id: str
    item_id: str
    number: int
    kind: str
    name: str
    state: TaskState
    depends_on: list[int]
    attempts: int
    due_at: str
    undoes: int | None = None
    error: str = ""
    error_code: str = ""


class JournalEntryDocument(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """One act on an order."""

    at: str
    act: str
    item: int | None = None
    task: int | None = None
    attempt: int | None = None
    actor: str = ""


class ProductOrderDocument(
    msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, tag_field="@type", tag="ProductOrder"
):
    """One order. Tasks and journal come with a single order only."""

    id: str
    href: str
    key: str
    account_id: str
    state: OrderState
    version: int
    placed_at: str
    starts_at: str
    items: list[OrderItemDocument]
    holds: list[HoldReason] = []
    requested_at: str | None = None
    started_at: str | None = None
    ended_at: str | None = None
    due_by: str | None = None
    jeopardy: Jeopardy | None = None
    channel: str = ""
    reason: str = ""
    tasks: list[OrderTaskDocument] = []
    journal: list[JournalEntryDocument] = []


class FalloutTaskDocument(
    msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, tag_field="@type", tag="FalloutTask"
):
    """A task that waits for a decision."""

    id: str
    order_id: str
    number: int
    kind: str
    name: str
    attempts: int
    error: str
    error_code: str
    undoes: int | None = None


def _at(at: datetime | None) -> str | None:
    return None if at is None else timestamp(at)


def _to_item(item: OrderItem, clear: bool) -> OrderItemDocument:
    version = item.plan_version_id
    return OrderItemDocument(
        id=str(item.id),
        number=item.number,
        action=item.request.action,
        state=item.state,
        product_id=str(item.product_id),
        offering=item.request.offering,
        plan_version_id=None if version is None else str(version),
        effective_at=_at(item.effective_at),
        reason=item.reason,
        place=item.request.place if clear else "",
    )


def _to_task(task: Task) -> OrderTaskDocument:
    return OrderTaskDocument(
        id=str(task.id),
        item_id=str(task.item_id),
        number=task.number,
        kind=task.step.kind.value,
        name=task.step.name,
        state=task.state,
        depends_on=list(task.step.depends_on),
        attempts=task.attempts,
        due_at=timestamp(task.due_at),
        undoes=task.undoes,
        error=task.error,
        error_code=task.error_code,
    )


def to_order(order: ProductOrder, principal: Principal) -> ProductOrderDocument:
    """Return an order as the API lists it to this caller."""
    clear = principal.may(Permission.PARTY_READ)
    return ProductOrderDocument(
        id=str(order.id),
        href=f"{ORDERS}/{order.id}",
        key=order.key,
        account_id=str(order.account_id),
        state=order.state,
        version=order.version,
        placed_at=timestamp(order.placed_at),
        starts_at=timestamp(order.starts_at),
        items=[_to_item(item, clear) for item in order.items],
        holds=sorted(order.holds),
        requested_at=_at(order.requested_at),
        started_at=_at(order.started_at),
        ended_at=_at(order.ended_at),
        due_by=_at(order.due_by),
        jeopardy=order.jeopardy,
        channel=order.channel,
        reason=order.reason,
    )


def to_order_view(view: OrderView, principal: Principal) -> ProductOrderDocument:
    """Return an order with its tasks and journal."""
    journal = [
        JournalEntryDocument(
            timestamp(one.recorded_at), one.act, one.item_number, one.task_number, one.attempt, one.actor
        )
        for one in view.journal
    ]
    tasks = [_to_task(task) for task in view.tasks]
    return msgspec.structs.replace(to_order(view.order, principal), tasks=tasks, journal=journal)


def to_fallout(task: Task) -> FalloutTaskDocument:
    """Return a task that waits for a decision."""
    return FalloutTaskDocument(
        id=str(task.id),
        order_id=str(task.order_id),
        number=task.number,
        kind=task.step.kind.value,
        name=task.step.name,
        attempts=task.attempts,
        error=task.error,
        error_code=task.error_code,
        undoes=task.undoes,
    )
