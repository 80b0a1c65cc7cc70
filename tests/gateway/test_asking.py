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
from farwire.charging.service import Identity, IdentityKind
from farwire.charging.service.subscribers import Subscriber
from farwire.gateway import asking
from farwire.gateway.asking import NOBODY, Asking
from farwire.gateway.operators import Operator, load_operators
from farwire.gateway.subscribers import Subscribers
from farwire.kernel.errors import Defect, Unavailable
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


class Lost:
    """A database that does not answer: at once, or for ever."""

    def __init__(self, *, silent: bool) -> None:
        self.silent = silent

    async def find(self, tenant_id: TenantId, identities: tuple[Identity, ...]) -> Subscriber | None:
        if self.silent:
            await asyncio.Event().wait()
        raise Unavailable("nobody", code="storage.unavailable")


@pytest.mark.parametrize("silent", [False, True])
async def test_an_emergency_call_is_anybodys_while_the_database_does_not_answer(
    silent: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "EMERGENCY_MS", 20)
    lost = cast("Subscribers", Lost(silent=silent))
    one = Asking(subscribers=lost, client=Away(silent=silent), clock=MovableClock(NOW))
    caller = (Identity(IdentityKind.MSISDN, "4915112345678"),)
    found = await one.subscriber(NORDLICHT, caller, Service("voice", "112"))
    assert found == Subscriber(NOBODY, NORDLICHT.number, "")
    assert (await one.ask(NORDLICHT, caller, found, call("112"))).result == ResultCode.SUCCESS
    if not silent:
        for service in (Service("voice", "4930123"), Service("data", "112"), None):
            with pytest.raises(Unavailable):
                await one.subscriber(NORDLICHT, caller, service)


async def test_what_a_shard_cannot_read_is_no_reason_to_refuse_an_emergency_call() -> None:
    class Baffled(Away):
        async def ask(self, tenant: int, request: object) -> Answer:
            raise Defect("the shard could not read a request", code="charging.frame")

    one = Asking(subscribers=cast("Subscribers", None), client=Baffled(silent=False), clock=MovableClock(NOW))
    assert (await one.ask(NORDLICHT, (), Subscriber(NOBODY, 1, ""), call("112"))).result == ResultCode.SUCCESS


async def test_the_numbers_are_those_of_the_operators_country(db: Database, tenant_id: TenantId) -> None:
    async with db.transaction(tenant_id) as tx:
        name = await tx.fetchval("SELECT name FROM tenant.tenant WHERE tenant_id = $1", tenant_id)
    (found,) = (await load_operators(db=db, names=[name])).values()
    assert [found.is_emergency(number) for number in ("110", "112", "4930123")] == [True, True, False]
