"""What happens to an order: ``decide(order, command, now)`` and the tables that it reads. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final, TypeAlias, Union, assert_never

from farwire.kernel.errors import Conflict, check
from farwire.kernel.ids import OrderItemId
from farwire.ordering.model.order import (
    HoldReason,
    ItemState,
    Jeopardy,
    OrderItem,
    OrderState,
    ProductOrder,
)


@dataclass(frozen=True, slots=True)
class Amend:
    """Replace the items and the date of an order that has not begun."""

    items: tuple[OrderItem, ...]
    requested_at: datetime | None
    starts_at: datetime
    due_by: datetime | None
    holds: frozenset[HoldReason] = frozenset()
    """The holds that the new items need; a manual one stays beside them."""


@dataclass(frozen=True, slots=True)
class Hold:
    """Let an order that has not begun wait."""

    reason: HoldReason


@dataclass(frozen=True, slots=True)
class Release:
    """Take one reason to wait away."""

    reason: HoldReason


@dataclass(frozen=True, slots=True)
class Start:
    """Begin the work: the instant from which each item counts is fixed now."""


@dataclass(frozen=True, slots=True)
class Cancel:
    """Give the order up: nothing is begun, or what was done is undone."""

    reason: str = ""


@dataclass(frozen=True, slots=True)
class Reject:
    """Refuse an order that has not begun."""

    reason: str


@dataclass(frozen=True, slots=True)
class Settle:
    """Tell how far the items are now, as their tasks say."""

    states: Mapping[OrderItemId, ItemState]


@dataclass(frozen=True, slots=True)
class Warn:
    """Say that the due date is in jeopardy, or missed."""

    jeopardy: Jeopardy


Command: TypeAlias = Union[Amend, Hold, Release, Start, Cancel, Reject, Settle, Warn]  # noqa: UP007


class Fact(StrEnum):
    """What happened to an order."""

    PLACED = "placed"
    AMENDED = "amended"
    HELD = "held"
    RELEASED = "released"
    STARTED = "started"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"
    COMPLETED = "completed"
    FAILED = "failed"
    REJECTED = "rejected"
    IN_JEOPARDY = "in_jeopardy"


_END: Final[Mapping[OrderState, Fact]] = {
    OrderState.COMPLETED: Fact.COMPLETED,
    OrderState.CANCELLED: Fact.CANCELLED,
    OrderState.REJECTED: Fact.REJECTED,
    OrderState.FAILED: Fact.FAILED,
    # Some of it was done, not all: who follows failures must hear of it.
    OrderState.PARTIAL: Fact.FAILED,
}

ITEM_MOVES: Final[Mapping[ItemState, frozenset[ItemState]]] = {
    ItemState.PENDING: frozenset({ItemState.IN_PROGRESS, ItemState.CANCELLED, ItemState.REJECTED}),
    ItemState.IN_PROGRESS: frozenset(
        {ItemState.COMPLETED, ItemState.HELD, ItemState.ROLLING_BACK, ItemState.CANCELLED, ItemState.FAILED}
    ),
    ItemState.HELD: frozenset(
        {
            *(ItemState.IN_PROGRESS, ItemState.COMPLETED, ItemState.ROLLING_BACK),
            *(ItemState.CANCELLED, ItemState.FAILED),
        }
    ),
    # Only the cancellation of the whole order undoes an item that was completed.
    ItemState.COMPLETED: frozenset({ItemState.ROLLING_BACK, ItemState.CANCELLED}),
    ItemState.ROLLING_BACK: frozenset({ItemState.CANCELLED, ItemState.FAILED, ItemState.ROLLBACK_FAILED}),
    ItemState.ROLLBACK_FAILED: frozenset({ItemState.ROLLING_BACK, ItemState.CANCELLED, ItemState.FAILED}),
    ItemState.CANCELLED: frozenset(),
    ItemState.FAILED: frozenset(),
    ItemState.REJECTED: frozenset(),
}
"""Item state → what may follow it."""

NOT_BEGUN: Final = frozenset({OrderState.ACKNOWLEDGED, OrderState.PENDING, OrderState.HELD})
_ITEM_ENDED: Final = frozenset(
    {ItemState.COMPLETED, ItemState.CANCELLED, ItemState.FAILED, ItemState.REJECTED}
)
_WAITS_FOR_A_PERSON: Final = frozenset({ItemState.HELD, ItemState.ROLLBACK_FAILED})


def begun(order: ProductOrder) -> bool:
    """Return whether the work on the order has begun."""
    return order.started_at is not None


def can_undo(item: OrderItem) -> bool:
    """Return whether a cancellation of the order undoes the item."""
    return not item.final and item.state not in (
        ItemState.CANCELLED,
        ItemState.FAILED,
        ItemState.REJECTED,
        ItemState.ROLLING_BACK,
        ItemState.ROLLBACK_FAILED,
    )


def state_from(order: ProductOrder, now: datetime) -> OrderState:
    """Return the state that follows from the items, the holds and the date."""
    states = {item.state for item in order.items}
    if states <= _ITEM_ENDED:
        return _ended_as(states)
    if states & _WAITS_FOR_A_PERSON:
        return OrderState.HELD
    if ItemState.ROLLING_BACK in states:
        return OrderState.PENDING_CANCELLATION
    if begun(order):
        return OrderState.IN_PROGRESS
    if order.holds:
        return OrderState.HELD
    return OrderState.PENDING if order.starts_at > now else OrderState.ACKNOWLEDGED


def _ended_as(states: set[ItemState]) -> OrderState:
    for one, result in (
        (ItemState.COMPLETED, OrderState.COMPLETED),
        (ItemState.REJECTED, OrderState.REJECTED),
        (ItemState.CANCELLED, OrderState.CANCELLED),
    ):
        if states == {one}:
            return result
    return OrderState.PARTIAL if ItemState.COMPLETED in states else OrderState.FAILED


def decide(order: ProductOrder, command: Command, now: datetime) -> tuple[ProductOrder, tuple[Fact, ...]]:
    """Return the order after ``command`` at ``now``, and what happened; nothing happens twice.

    Raises ``Conflict``: ``ordering.ended``, ``ordering.begun``, ``ordering.past_return``, ``ordering.not_held``.
    """
    match command:
        case Amend():
            after, facts = _amend(order, command)
        case Hold(reason):
            _refuse_begun(order, "held")
            after = replace(order, holds=order.holds | {reason})
            facts = () if reason in order.holds else (Fact.HELD,)
        case Release(reason):
            after, facts = _release(order, reason, now)
        case Start():
            after, facts = _start(order, now)
        case Cancel(reason):
            after, facts = _cancel(order, reason)
        case Reject(reason):
            _refuse_begun(order, "rejected")
            after = replace(order, items=_all(order, ItemState.REJECTED), reason=reason)
            facts = ()
        case Settle(states):
            items = _settled(order.items, states)
            after, facts = order if items == order.items else replace(order, items=items), ()
        case Warn(jeopardy):
            after, facts = _warned(order, jeopardy)
        case _:
            assert_never(command)
    return _with_state(order, after, facts, now)


def _with_state(
    before: ProductOrder, after: ProductOrder, facts: tuple[Fact, ...], now: datetime
) -> tuple[ProductOrder, tuple[Fact, ...]]:
    state = state_from(after, now)
    if state is OrderState.HELD and before.state is not OrderState.HELD and Fact.HELD not in facts:
        facts += (Fact.HELD,)
    ended_at = after.ended_at
    if state.ended and not before.state.ended:
        facts += (_END[state],)
        ended_at = now
    elif not state.ended:
        ended_at = None
    if state is not after.state or ended_at != after.ended_at:
        after = replace(after, state=state, ended_at=ended_at)
    return after, facts


def _amend(order: ProductOrder, command: Amend) -> tuple[ProductOrder, tuple[Fact, ...]]:
    _refuse_begun(order, "amended")
    kept = order.holds & {HoldReason.MANUAL}
    after = replace(
        order,
        items=command.items,
        requested_at=command.requested_at,
        starts_at=command.starts_at,
        holds=kept | command.holds,
        due_by=command.due_by,
        jeopardy=None,
        version=order.version + 1,
    )
    return after, (Fact.AMENDED,)


def _release(order: ProductOrder, reason: HoldReason, now: datetime) -> tuple[ProductOrder, tuple[Fact, ...]]:
    if reason not in order.holds:
        if order.state.ended or begun(order):
            raise Conflict(
                f"the order is not held for {reason.value}",
                code="ordering.not_held",
                field="reason",
                value=reason.value,
                fix=f"it is {order.state.value}",
            )
        return order, ()
    due_by = order.due_by
    if due_by is not None:  # while it was held its time did not run
        due_by += max(order.starts_at, now) - max(order.starts_at, order.released_at or order.starts_at)
    after = replace(order, holds=order.holds - {reason}, released_at=now, due_by=due_by, jeopardy=None)
    return after, (Fact.RELEASED,)


def _start(order: ProductOrder, now: datetime) -> tuple[ProductOrder, tuple[Fact, ...]]:
    check(not order.holds, "ordering.started_held", "an order starts only when nothing holds it")
    if begun(order) or order.state.ended:
        return order, ()
    at = now if order.requested_at is None else order.starts_at
    # What had to wait for a verification has not served before it, whatever date was asked for.
    if order.released_at is not None:
        at = max(at, order.released_at)
    items = tuple(replace(item, state=ItemState.IN_PROGRESS, effective_at=at) for item in order.items)
    return replace(order, items=items, started_at=now), (Fact.STARTED,)


def _cancel(order: ProductOrder, reason: str) -> tuple[ProductOrder, tuple[Fact, ...]]:
    if order.state is OrderState.CANCELLED or (order.state is OrderState.PENDING_CANCELLATION):
        return order, ()
    if order.state.ended:
        raise Conflict(
            f"the order has ended: {order.state.value}",
            code="ordering.ended",
            field="order",
            value=str(order.id),
            fix="order the opposite: cease what was added",
        )
    if not begun(order):
        return replace(order, items=_all(order, ItemState.CANCELLED), reason=reason), ()
    if not any(map(can_undo, order.items)):
        raise Conflict(
            "the order is past the point from which it can be undone",
            code="ordering.past_return",
            field="order",
            value=str(order.id),
            fix="wait until it is completed and order the opposite",
        )
    items = tuple(
        replace(item, state=ItemState.ROLLING_BACK, ends_as=ItemState.CANCELLED, reason=reason)
        if can_undo(item)
        else item
        for item in order.items
    )
    return replace(order, items=items, reason=reason), (Fact.CANCELLING,)


def _refuse_begun(order: ProductOrder, act: str) -> None:
    if order.state.ended or begun(order):
        raise Conflict(
            f"the order cannot be {act}: it is {order.state.value}",
            code="ordering.ended" if order.state.ended else "ordering.begun",
            field="order",
            value=str(order.id),
            fix="place another order" if order.state.ended else "cancel it, or order the change afterwards",
        )


def _warned(order: ProductOrder, jeopardy: Jeopardy) -> tuple[ProductOrder, tuple[Fact, ...]]:
    if order.state.ended or order.jeopardy in (jeopardy, Jeopardy.MISSED):
        return order, ()
    return replace(order, jeopardy=jeopardy), (Fact.IN_JEOPARDY,)


def with_item(order: ProductOrder, item: OrderItem) -> ProductOrder:
    """Return the order with ``item`` in the place of the one with its id."""
    return replace(order, items=tuple(item if one.id == item.id else one for one in order.items))


def _all(order: ProductOrder, state: ItemState) -> tuple[OrderItem, ...]:
    return tuple(replace(item, state=state) for item in order.items)


def _settled(items: Sequence[OrderItem], states: Mapping[OrderItemId, ItemState]) -> tuple[OrderItem, ...]:
    settled = []
    for item in items:
        to = states.get(item.id, item.state)
        legal = to is item.state or to in ITEM_MOVES[item.state]
        check(legal, "ordering.item_move", f"an item that is {item.state} cannot become {to}")
        settled.append(item if to is item.state else replace(item, state=to))
    return tuple(settled)
