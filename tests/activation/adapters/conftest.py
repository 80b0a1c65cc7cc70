"""Third-party elements that end with the tests of a file."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator

import pytest

from farwire.activation.adapters import netconf, snmp
from tests.gateway.processes import Processes


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    """Programs that end with the file."""
    folder = tmp_path_factory.mktemp("elements")
    found = Processes(folder, {**os.environ, "HOME": str(folder), "MIBS": ""})
    yield found
    netconf.SESSIONS.close()
    found.end()


@pytest.fixture(autouse=True)
async def no_agent_outlives_its_loop() -> AsyncIterator[None]:
    """Close the sockets of SNMP with the test."""
    yield
    snmp.SESSIONS.close()
    await asyncio.sleep(0)
