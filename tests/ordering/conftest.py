import pytest

from farwire.base.clock import MovableClock
from farwire.base.storage import Database
from farwire.kernel.ids import TenantId

from .world import World, operator


@pytest.fixture
async def world(db: Database, clock: MovableClock, tenant_id: TenantId) -> World:
    """A German operator with a verified customer, at 2026-06-01T00:00Z."""
    return await operator(db, clock, tenant_id)
