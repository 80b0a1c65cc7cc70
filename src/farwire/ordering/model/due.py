"""Until when an order is to be done, and when it is in jeopardy. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from farwire.ordering.model.order import Action, Jeopardy, ProductOrder
from farwire.ordering.model.policy import Policy


def due_by(starts_at: datetime, placed_at: datetime, actions: Iterable[Action], policy: Policy) -> datetime:
    """Return until when an order is to be done: the longest of its actions, from when its work can begin."""
    return max(starts_at, placed_at) + timedelta(hours=max(map(policy.hours, actions)))


def jeopardy_of(
    order: ProductOrder, next_at: datetime | None, now: datetime, warning: timedelta
) -> Jeopardy | None:
    """Return how the order stands to its due date at ``now``, where something is to be said.

    ``next_at`` is when its next task may begin at the earliest. Before an order that is held has begun, its time does
    not run.
    """
    waits = order.started_at is None and bool(order.holds)
    if order.due_by is None or order.state.ended or waits:
        return None
    if order.due_by <= now:
        return Jeopardy.MISSED
    late = next_at is not None and next_at >= order.due_by
    return Jeopardy.AT_RISK if late or order.due_by <= now + warning else None
