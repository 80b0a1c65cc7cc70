import pytest

from farwire.base.clock import MovableClock
from farwire.base.storage import Database
from farwire.kernel.ids import TenantId

from .world import World


@pytest.fixture
def world(db: Database, clock: MovableClock, tenant_id: TenantId) -> World:
    """A German operator without anything yet."""
    return World(db, clock, tenant_id)
