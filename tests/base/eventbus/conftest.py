"""Fixtures of the event bus: a pool as the relay, and short ways to publish."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime

import pytest

from farwire.base.config import Settings
from farwire.base.eventbus import Event, new_event, publish_many
from farwire.base.storage import Database, open_relay
from farwire.kernel.ids import TenantId

AT = datetime(2026, 6, 1, tzinfo=UTC)

Publish = Callable[..., Awaitable[list[Event]]]


def event_of(
    tenant_id: TenantId, subject: str = "bill/1", n: int = 0, *, kind: str = "farwire.bill.issued.v1"
) -> Event:
    return new_event(
        tenant_id=tenant_id, type=kind, subject=subject, occurred_at=AT, recorded_at=AT, data={"n": n}
    )


@pytest.fixture
async def relay_db(settings: Settings, db: Database) -> AsyncIterator[Database]:
    """A pool as farwire_relay on the database of ``db``."""
    database = await open_relay(settings)
    yield database
    await database.close()


@pytest.fixture
def published(db: Database, tenant_id: TenantId) -> Publish:
    """Return a function that publishes one event for each subject given, in one transaction."""

    async def publish_subjects(*subjects: str, tenant: TenantId = tenant_id, start: int = 0) -> list[Event]:
        events = [event_of(tenant, subject, start + n) for n, subject in enumerate(subjects)]
        async with db.transaction(tenant) as tx:
            await publish_many(tx, events)
        return events

    return publish_subjects
