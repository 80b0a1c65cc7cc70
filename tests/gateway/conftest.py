"""What the tests of the gateway leave behind."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.gateway.world import hang_up


@pytest.fixture(autouse=True)
async def no_connection_is_left() -> AsyncIterator[None]:
    """End the connections of clients with the test."""
    yield
    await hang_up()
