"""What the tests of the 5G gateway begin with."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from farwire.base.clock import MovableClock
from farwire.base.storage import Database
from farwire.gateway.nchf.http2.messages import Request, Response
from farwire.kernel.ids import TenantId
from tests.conftest import REPOSITORY
from tests.gateway.nchf.openapi import Documents
from tests.gateway.nchf.world import Callback, World, a_world, serving


@pytest.fixture(scope="session")
def documents() -> Documents:
    folder = Path(os.environ.get("FARWIRE_SHARED") or REPOSITORY.parent / "shared" / "data")
    return Documents(folder / "3gpp-openapi" / "Rel-17")


@pytest.fixture
async def world(
    db: Database, tenant_id: TenantId, clock: MovableClock, tmp_path: Path, documents: Documents
) -> AsyncIterator[World]:
    """A gateway, a shard and PostgreSQL in this process."""
    async with a_world(db, tenant_id, clock, tmp_path, documents) as found:
        yield found


@pytest.fixture
async def callback() -> AsyncIterator[Callback]:
    async def hear(request: Request) -> Response:
        assert request.headers["content-type"] == "application/json"
        found.heard.append((request.path, json.loads(request.body)))
        found.some.set()
        return found.answers.pop(0) if found.answers else Response(204)

    async with serving(hear) as server:
        found = Callback(server)
        yield found
