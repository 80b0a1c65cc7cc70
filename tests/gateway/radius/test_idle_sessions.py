"""Ten thousand sessions that are open and say nothing: the gateway keeps nothing of them in memory."""

from __future__ import annotations

import asyncio

import psutil
import pytest

from farwire.charging.model import Answer, FinalAction, GroupAnswer, ResultCode, SessionRequest
from farwire.gateway.radius.access import Ticket
from farwire.gateway.radius.dictionary import Code, Status, key_of
from tests.gateway.radius.world import MB, World

SESSIONS, FIRST, AT_ONCE, GROWTH = 10_000, 2_000, 100, 16 << 20
CLASS = key_of("Class")


class Granting:
    """A client of charging that grants all: it is the gateway that is looked at."""

    async def ask(self, tenant: int, request: object) -> Answer:
        assert tenant
        assert isinstance(request, SessionRequest)
        granted = GroupAnswer(0, ResultCode.SUCCESS, 1, MB, 0, 0, FinalAction.NONE)
        return Answer(ResultCode.SUCCESS, (granted,))

    async def close(self) -> None: ...


async def opened(world: World, numbers: range) -> None:
    """Start sessions, some at once."""
    wire = await world.wire(Code.ACCOUNTING_REQUEST)
    for first in range(numbers.start, numbers.stop, AT_ONCE):
        for number in range(first, first + AT_ONCE):
            ticket = (CLASS, Ticket(world.account.number, 7, number, MB, restricted=False).octets())
            wire.send(wire.account_octets(Status.START, ticket, session=f"s{number}"))
        async with asyncio.timeout(120):
            for _ in range(AT_ONCE):
                await wire.came.get()
    wire.transport.close()


@pytest.mark.full
async def test_ten_thousand_idle_sessions_take_no_memory_of_the_gateway(world: World) -> None:
    world.gateway.metering._asking._client = Granting()
    running = asyncio.create_task(world.gateway.run())
    await opened(world, range(FIRST))
    before = psutil.Process().memory_info().rss
    await opened(world, range(FIRST, SESSIONS))
    grown = psutil.Process().memory_info().rss - before
    print(f"{SESSIONS - FIRST} more idle sessions: {grown / 1_024:,.0f} KiB")  # noqa: T201
    assert grown < GROWTH
    assert len(await world.meters()) == SESSIONS
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
