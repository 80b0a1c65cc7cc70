"""Asking for a subscriber: an emergency call is granted whatever the shards do."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import cast
from uuid import UUID

import pytest

from farwire.base.clock import MovableClock
from farwire.base.storage import Database
from farwire.charging.model import Answer, Ask, Phase, ResultCode, Service, SessionRequest
from farwire.charging.service.subscribers import Subscriber
from farwire.gateway import asking
from farwire.gateway.asking import NOBODY, Asking
from farwire.gateway.operators import Operator, load_operators
from farwire.gateway.subscribers import Subscribers
from farwire.kernel.errors import Unavailable
from farwire.kernel.ids import TenantId

NORDLICHT = Operator(TenantId(UUID(int=1)), 1, {"112", "110"}.__contains__)
NOW = datetime(2026, 11, 23, tzinfo=UTC)


class Away:
    """Shards that do not answer: at once, or for ever."""

    def __init__(self, *, silent: bool) -> None:
        self.silent = silent

    async def ask(self, tenant: int, request: object) -> Answer:
        if self.silent:
            await asyncio.Event().wait()
        raise Unavailable("nobody", code="charging.no_answer")

    async def close(self) -> None:
        """Do nothing."""


def call(number: str, phase: Phase = Phase.INITIAL) -> SessionRequest:
    return SessionRequest(NOBODY, 0, 1, 0, phase, Service("voice", number), (Ask(100),))


@pytest.mark.parametrize("silent", [False, True])
async def test_an_emergency_call_is_granted_while_no_shard_answers(
    silent: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "EMERGENCY_MS", 20)
    one = Asking(subscribers=cast("Subscribers", None), client=Away(silent=silent), clock=MovableClock(NOW))
    nobody = Subscriber(NOBODY, 1, "")
    given = await one.ask(NORDLICHT, (), nobody, call("110"))
    assert (given.result, [group.granted for group in given.groups]) == (ResultCode.SUCCESS, [300])
    assert given.groups[0].valid_until > int(NOW.timestamp()) * 1_000_000
    assert await one.ask(NORDLICHT, (), nobody, call("112", Phase.TERMINATION)) == Answer(ResultCode.SUCCESS)
    if not silent:
        with pytest.raises(Unavailable):
            await one.ask(NORDLICHT, (), nobody, call("4930123"))


async def test_the_numbers_are_those_of_the_operators_country(db: Database, tenant_id: TenantId) -> None:
    async with db.transaction(tenant_id) as tx:
        name = await tx.fetchval("SELECT name FROM tenant.tenant WHERE tenant_id = $1", tenant_id)
    (found,) = (await load_operators(db=db, names=[name])).values()
    assert [found.is_emergency(number) for number in ("110", "112", "4930123")] == [True, True, False]
