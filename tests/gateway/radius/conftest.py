"""A world for the tests of RADIUS."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from farwire.base.clock import MovableClock
from farwire.base.storage import Database
from farwire.kernel.ids import TenantId
from tests.gateway.radius.world import World, a_world


@pytest.fixture
async def world(
    db: Database, tenant_id: TenantId, clock: MovableClock, tmp_path: Path
) -> AsyncIterator[World]:
    """A gateway whose client is told limits of octets."""
    async with a_world(db, tenant_id, clock, tmp_path) as found:
        yield found
