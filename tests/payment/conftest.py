import pytest

from farwire.base.clock import MovableClock
from farwire.base.storage import Database
from farwire.kernel.ids import TenantId

from .till import Till


@pytest.fixture
def till(db: Database, clock: MovableClock, tenant_id: TenantId) -> Till:
    """A German operator without anything yet."""
    return Till(db, clock, tenant_id)
