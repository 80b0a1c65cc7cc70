"""Publish facts in the transaction of the change that they report, and read them back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import islice
from typing import Final

from farwire.base.eventbus.model import Event
from farwire.base.eventbus.store import outbox
from farwire.base.storage import Tx
from farwire.kernel.errors import check
from farwire.kernel.ids import EventId
from farwire.kernel.page import MAX_LIMIT, PageRequest

PUBLISH_CHUNK: Final = 1000
"""Events per statement of ``publish_many``."""
COUNTED: Final = 10_000
"""Events behind a part of a list up to which the size of the list is exact."""


async def publish(tx: Tx, event: Event) -> None:
    """Write ``event`` to the outbox of ``tx``: it leaves if and only if the transaction commits.

    Publish while holding the lock of the row that the subject names; then events of a subject have the order of its
    changes. One statement.
    """
    await publish_many(tx, (event,))


async def publish_many(tx: Tx, events: Iterable[Event]) -> int:
    """Write ``events`` in their order, ``PUBLISH_CHUNK`` per statement. Return how many."""
    remaining = iter(events)
    count = 0
    while chunk := list(islice(remaining, PUBLISH_CHUNK)):
        foreign = any(event.tenant_id != tx.tenant_id for event in chunk)
        check(not foreign, "eventbus.tenant_differs", "an event belongs to the tenant of its transaction")
        await outbox.save_events(tx, chunk)
        count += len(chunk)
    return count


async def list_events(
    *,
    tx: Tx,
    after: int = 0,
    limit: int = MAX_LIMIT,
    type_prefix: str = "",
    subject: str | None = None,
    subject_prefix: str = "",
    up_to: int = 2**63 - 1,
) -> list[tuple[int, Event]]:
    """Return up to ``limit`` (≤ 1000) events of the tenant after a position, oldest first, with their positions.

    Pass the last position to get the next page. Events of transactions that still run may appear later *below* a
    position that was already read; who must not miss any subscribes to the relay instead.
    """
    page = PageRequest(limit=limit)
    return await outbox.load_events(
        tx,
        after=after,
        limit=page.limit,
        type_prefix=type_prefix,
        subject=subject,
        subject_prefix=subject_prefix,
        up_to=up_to,
    )


async def position_of(tx: Tx, event_id: EventId) -> int | None:
    """Return the position of one of the tenant's events, or None when it is no longer kept."""
    return await outbox.position_of(tx, event_id)


async def event_of(tx: Tx, event_id: EventId) -> Event | None:
    """Return one of the tenant's events, or None when it is no longer kept."""
    return await outbox.event_of(tx, event_id)


async def events_of_types(
    tx: Tx,
    *,
    types: Sequence[str],
    offset: int,
    limit: int,
    after: datetime | None = None,
    since: datetime | None = None,
    before: datetime | None = None,
    until: datetime | None = None,
) -> tuple[list[Event], int]:
    """Return a part of the tenant's events of some types, oldest first, and how many there are.

    Only those that occurred after, since, before, until a time. No more than ``COUNTED`` beyond the part are counted.
    """
    page = PageRequest(offset=offset, limit=limit)
    return await outbox.of_types(
        tx,
        types=types,
        offset=page.offset,
        limit=page.limit,
        counted=page.offset + page.limit + COUNTED,
        times=(after, since, before, until),
    )


async def position_at(tx: Tx, at: datetime) -> int | None:
    """Return the position of the tenant's first event that was recorded ``at`` or later, or None if none was."""
    return await outbox.position_at(tx, at)


async def last_position(tx: Tx) -> int:
    """Return the position of the tenant's last event, 0 before the first."""
    return await outbox.last_position(tx)
