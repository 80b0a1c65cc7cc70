"""What the tests of the gateway leave behind."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from farwire.base.clock import MovableClock, SystemClock
from farwire.base.storage import Database
from farwire.kernel.ids import TenantId
from tests.billing.world import World
from tests.gateway.processes import Processes, environment_of
from tests.gateway.python_diameter import Client
from tests.gateway.world import Gateway, a_gateway, hang_up, sell_data_and_calls


@pytest.fixture(autouse=True)
async def no_connection_is_left() -> AsyncIterator[None]:
    """End the connections of clients with the test."""
    yield
    await hang_up()


@pytest.fixture
async def gateway(
    db: Database, tenant_id: TenantId, clock: MovableClock, tmp_path: Path
) -> AsyncIterator[Gateway]:
    """A node, a shard and PostgreSQL in this process."""
    async with a_gateway(db, tenant_id, clock, tmp_path) as found:
        yield found


@pytest.fixture
def processes(database_env: dict[str, str], tmp_path: Path) -> Iterator[Processes]:
    """Programs that end with the test."""
    found = Processes(tmp_path, environment_of(database_env))
    yield found
    found.end()


@pytest.fixture
async def shop(db: Database, tenant_id: TenantId, processes: Processes) -> None:
    """A company and a shard, which charges 491701234567 with 0.20 EUR: data at 0.02 a MB, calls at 0.01 a second."""
    await World(db, MovableClock(SystemClock().now()), tenant_id).company()
    await sell_data_and_calls(db, tenant_id, SystemClock())
    number = "491701234567"
    words = ("charging", "account")
    processes.farwire("shard", "charging", "serve", "--records", "10000", until="serves at")
    processes.call(*words, "open", "--offering", "go-5", "--msisdn", number, "--key", "rig")
    processes.call(*words, "topup", number, "0.20", "--key", "rig-1")


@pytest.fixture
def clients() -> Iterator[Callable[..., Client]]:
    """Clients that end with the test."""
    found: list[Client] = []

    def make(peer: str, realm: str, port: int, subscriber: str) -> Client:
        found.append(Client(peer, realm, port, subscriber))
        return found[-1]

    yield make
    for one in found:
        one.node.stop(force=True)
