"""Clients are told of changes: they ask anew, and get what there is now."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime

import pytest

from farwire.base.config import Settings
from farwire.base.eventbus.pending import deliver_pending
from farwire.base.storage import Database, open_relay
from farwire.charging import service as charging
from farwire.charging.model import CommandKind
from farwire.charging.service.books import take_all
from farwire.gateway.diameter.codec import Avps, Header, Message, encode
from farwire.gateway.diameter.dictionary import Result, key_of
from farwire.gateway.diameter.profiles import Peer
from farwire.gateway.diameter.telling import (
    ABORT,
    OUTCOMES,
    RE_AUTH,
    TOLD,
    outcome_of,
    question_of,
)
from farwire.gateway.sessions import (
    LiveSession,
    Outcome,
    Protocol,
    Reason,
    Wish,
    claim_wishes,
    wish_for_account,
)
from farwire.gateway.sessions.subscribers import subscribers
from farwire.kernel.ids import TenantId
from tests.gateway.python_diameter import Client
from tests.gateway.test_application import granted
from tests.gateway.world import (
    EURO,
    HOST,
    REALM,
    RESULT,
    SESSION,
    Gateway,
    Wire,
    ccr,
    connect,
    group,
    tell_by_abort,
)
from tests.payment.till import Till

MB = 10**6
NOW = datetime(2026, 1, 1, tzinfo=UTC)
RELAY: dict[str, list[object]] = {
    "Origin_Host": ["relay.test.realm"], "Auth_Application_Id": [0xFFFFFFFF],
}  # fmt: skip


@pytest.fixture
async def relay_db(settings: Settings, db: Database) -> AsyncIterator[Database]:
    found = await open_relay(settings)
    yield found
    await found.close()


async def want(gateway: Gateway, reason: Reason = Reason.TOP_UP) -> int:
    await gateway.book.flush()
    async with gateway.db.transaction(gateway.tenant_id) as tx:
        return await wish_for_account(tx, account=gateway.account.number, reason=reason)


async def left(gateway: Gateway) -> int:
    """Return how many wishes are not settled."""
    async with gateway.db.transaction(gateway.tenant_id) as tx:
        count: int = await tx.fetchval("SELECT count(*) FROM gateway.wish WHERE tenant_id = $1", tx.tenant_id)
    return count


async def make_due(gateway: Gateway) -> None:
    async with gateway.db.transaction(gateway.tenant_id) as tx:
        await tx.execute(
            "UPDATE gateway.wish SET due_at = now(), wanted_at = wanted_at - interval '10 s' WHERE tenant_id = $1",
            tx.tenant_id,
        )


def answer_to(wire: Wire, asked: Message, result: int) -> None:
    header = asked.header
    back = Header(0x40, header.command, header.application, header.hop_by_hop, header.end_to_end)
    avps: Avps = {
        SESSION: asked.avps[SESSION], RESULT: [result], HOST: ["pgw.test.realm"], REALM: ["test.realm"],
    }  # fmt: skip
    wire.writer.write(encode(Message(back, avps)))


async def told(gateway: Gateway, wire: Wire, result: int = 2001) -> Message:
    """Let the client hear what is wished for, and answer; return what it heard."""
    telling = asyncio.create_task(gateway.telling.once())
    asked = await wire.receive()
    answer_to(wire, asked, result)
    await telling
    return asked


async def test_after_a_top_up_the_client_is_asked_to_come_and_gets_the_new_quota(gateway: Gateway) -> None:
    wire = await connect(gateway.server)
    first = await wire.ask(ccr(1, 0, group(1, requested=500 * MB)))
    await charging.command(
        gateway.desk.client, account=gateway.account, kind=CommandKind.TOP_UP, key="more", amount=9 * EURO
    )
    await want(gateway)
    asked = await told(gateway, wire, 2002)
    assert (asked.header.command, asked.header.application, asked.header.flags) == (258, 4, 0xC0)
    assert asked.avps == {
        SESSION: ["pgw.test.realm;1;1"], HOST: ["ocs.example"], REALM: ["example"],
        key_of("Destination-Host"): ["pgw.test.realm"], key_of("Destination-Realm"): ["test.realm"],
        key_of("Auth-Application-Id"): [4], key_of("Re-Auth-Request-Type"): [0],
    }  # fmt: skip
    assert await left(gateway) == 0
    again = await wire.ask(ccr(2, 1, group(1, used=MB, requested=500 * MB)))
    assert granted(again) > granted(first)


async def test_from_the_command_to_the_client_by_books_events_and_wishes(
    gateway: Gateway, relay_db: Database
) -> None:
    await Till(gateway.db, gateway.clock, gateway.tenant_id).company()
    wire = await connect(gateway.server)
    await wire.ask(ccr(1, 0, group(1, requested=MB)))
    await gateway.book.flush()
    followers = subscribers(db=gateway.db, clock=gateway.clock)
    await deliver_pending(relay_db=relay_db, clock=gateway.clock, subscribers=followers)
    for kind, key in ((CommandKind.TOP_UP, "more"), (CommandKind.BAR, "bar")):
        await charging.command(gateway.desk.client, account=gateway.account, kind=kind, key=key, amount=1)
    await take_all(db=gateway.db, log=gateway.desk.runner.shard.log, clock=gateway.clock)
    await deliver_pending(relay_db=relay_db, clock=gateway.clock, subscribers=followers)
    assert await left(gateway) == 2
    telling = asyncio.create_task(gateway.telling.once())
    for _ in range(2):
        asked = await wire.receive()
        assert asked.header.command == 258
        answer_to(wire, asked, 2001)
    await telling


async def test_a_client_of_python_diameter_is_told_and_answers(
    gateway: Gateway, clients: Callable[..., Client]
) -> None:
    port = gateway.server.addresses[0][1]
    client = await asyncio.to_thread(clients, "ocs.example", "example", port, "491511")
    await asyncio.to_thread(client.ask, 1, 0, requested=10 * MB)
    await want(gateway)
    assert await gateway.telling.once() == 1
    (heard,) = client.told
    assert (type(heard).__name__, heard.session_id, heard.re_auth_request_type) == (
        "ReAuthRequest",
        "pgw.test.realm;7;7",
        0,
    )
    assert await left(gateway) == 0


async def test_a_client_that_no_longer_has_the_session_ends_it_with_us(gateway: Gateway) -> None:
    wire = await connect(gateway.server)
    await wire.ask(ccr(1, 0, group(1, requested=MB)))
    await want(gateway)
    await told(gateway, wire, Result.UNKNOWN_SESSION_ID)
    assert await want(gateway) == 0


@pytest.mark.parametrize(("type_", "number"), [(3, 1), (1, 0)])
async def test_what_has_ended_or_was_refused_is_told_nothing(
    gateway: Gateway, type_: int, number: int
) -> None:
    wire = await connect(gateway.server)
    if type_ == 3:
        await wire.ask(ccr(1, 0, group(1, requested=MB)))
        await wire.ask(ccr(3, 1, group(1, used=MB)))
    else:
        await wire.ask(ccr(1, 0, Service_Context_Id=["nothing@known"], Subscription_Id=[]))
    assert await want(gateway) == 0


async def test_a_client_that_has_ended_one_sub_session_hears_of_the_others(gateway: Gateway) -> None:
    wire = await connect(gateway.server)
    for sub in (1, 2):
        await wire.ask(ccr(1, 0, group(1, requested=MB), CC_Sub_Session_Id=[sub]))
    assert await gateway.held() == EURO // 25
    await wire.ask(ccr(3, 1, group(1, used=MB), CC_Sub_Session_Id=[1]))
    assert (await gateway.held(), await want(gateway)) == (EURO // 50, 1)


async def test_what_is_not_answered_is_asked_again_with_the_t_flag_and_the_same_end_to_end_id(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("farwire.gateway.diameter.telling.ANSWERED_MS", 50)
    wire = await connect(gateway.server)
    await wire.ask(ccr(1, 0, group(1, requested=MB)))
    await want(gateway)
    await gateway.telling.once()
    first = await wire.receive()
    assert await left(gateway) == 1
    async with gateway.db.transaction(gateway.tenant_id) as tx:
        await tx.execute("UPDATE gateway.wish SET due_at = now() WHERE tenant_id = $1", tx.tenant_id)
    monkeypatch.setattr("farwire.gateway.diameter.telling.ANSWERED_MS", 10_000)
    second = await told(gateway, wire)
    assert (first.header.flags, second.header.flags) == (0xC0, 0xD0)
    assert second.header.end_to_end == first.header.end_to_end
    assert second.header.hop_by_hop != first.header.hop_by_hop
    assert await left(gateway) == 0


async def test_an_answer_that_comes_after_its_question_was_given_up_harms_nothing(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("farwire.gateway.diameter.telling.ANSWERED_MS", 1)
    wire = await connect(gateway.server)
    await wire.ask(ccr(1, 0, group(1, requested=MB)))
    await want(gateway)
    await gateway.telling.once()
    late = await wire.receive()
    answer_to(wire, late, 2001)
    assert (await wire.ask(ccr(2, 1, group(1, used=MB, requested=MB)))).avps[RESULT] == [2001]


async def test_a_client_behind_a_relay_is_told_by_the_relay_that_brought_it(gateway: Gateway) -> None:
    relay = await connect(gateway.server, greet=False)
    await relay.greet(**RELAY)
    await relay.ask(ccr(1, 0, group(1, requested=MB), Route_Record=["pgw.test.realm"]))
    await want(gateway)
    asked = await told(gateway, relay)
    assert asked.avps[key_of("Destination-Host")] == ["pgw.test.realm"]
    assert await left(gateway) == 0


async def test_a_client_whose_way_is_gone_is_told_over_a_relay_that_is_there(gateway: Gateway) -> None:
    direct = await connect(gateway.server)
    await direct.ask(ccr(1, 0, group(1, requested=MB)))
    relay = await connect(gateway.server, greet=False)
    await relay.greet(**RELAY)
    direct.writer.transport.abort()
    async with asyncio.timeout(30):
        while "pgw.test.realm" in gateway.server.hosts:  # noqa: ASYNC110 - the server has no event for it
            await asyncio.sleep(0.01)
    await want(gateway)
    assert await gateway.telling.once() == 0, "another process may be nearer"
    await make_due(gateway)
    asked = await told(gateway, relay)
    assert asked.avps[SESSION] == ["pgw.test.realm;1;1"]


async def test_a_peer_that_asks_for_it_is_told_to_abort_a_session_that_may_use_nothing_more(
    gateway: Gateway,
) -> None:
    tell_by_abort(gateway.server)
    wire = await connect(gateway.server)
    await wire.ask(ccr(1, 0, group(1, requested=MB)))
    await want(gateway, Reason.SUSPENDED)
    asked = await told(gateway, wire)
    assert asked.header.command == 274
    assert key_of("Re-Auth-Request-Type") not in asked.avps
    await want(gateway, Reason.RESUMED)
    assert (await told(gateway, wire)).header.command == 258


async def test_the_gateway_tells_by_itself_within_moments(gateway: Gateway) -> None:
    running = asyncio.create_task(gateway.telling.run())
    try:
        wire = await connect(gateway.server)
        await wire.ask(ccr(1, 0, group(1, requested=MB)))
        await want(gateway)
        assert (await wire.receive()).header.command == 258
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_wishes_of_other_tenants_peers_are_left_alone(
    gateway: Gateway, other_tenant_id: TenantId
) -> None:
    wire = await connect(gateway.server)
    await wire.ask(ccr(1, 0, group(1, requested=MB)))
    await want(gateway)
    assert await claim_wishes(db=gateway.db, protocol=Protocol.DIAMETER, tenant_ids=[other_tenant_id]) == ()


def a_wish(reason: Reason, tries: int = 1) -> Wish:
    address = {"host": "pgw", "realm": "r", "application": "4"}
    session = LiveSession(TenantId(b"0" * 16), Protocol.DIAMETER, "s", 1, "pgw", address)  # type: ignore[arg-type]
    return Wish(session, reason, tries, NOW)


@pytest.mark.parametrize("reason", Reason)
@pytest.mark.parametrize("told_by", ["reauthorize", "abort", "nothing"])
def test_every_reason_has_its_command_for_every_manner(reason: Reason, told_by: str) -> None:
    found = question_of(a_wish(reason), Peer("pgw", "acme", told=told_by))  # type: ignore[arg-type]
    if told_by == "nothing" or reason not in TOLD:
        assert found is None
    else:
        aborts = told_by == "abort" and reason is Reason.SUSPENDED
        assert found is not None
        assert found.command == (ABORT if aborts else RE_AUTH)


@pytest.mark.parametrize("result", [*OUTCOMES, 3001, 3003, 5012, 4999, 0])
def test_every_answer_has_one_outcome(result: int) -> None:
    header = Header(0x40, 258, 4, 1, 1)
    plain = Message(header, {RESULT: [result]})
    inner: Avps = {key_of("Vendor-Id"): [10415], key_of("Experimental-Result-Code"): [result]}
    other = Message(header, {key_of("Experimental-Result"): [inner]})
    assert outcome_of(plain) is outcome_of(other) is OUTCOMES.get(result, Outcome.NEVER)
    assert outcome_of(None) is Outcome.AGAIN
