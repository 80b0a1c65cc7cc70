"""Rf: records of accounting reach usage, each once, and are answered when they are there."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from farwire.charging.model import Answer, Phase, ResultCode, SessionRequest
from farwire.charging.shard.asks import Ask
from farwire.gateway.diameter.accounting.requests import read_acr
from farwire.gateway.diameter.codec import Avps, Message
from farwire.gateway.diameter.dictionary import Result, key_of
from farwire.gateway.diameter.profiles import Peer
from farwire.kernel.ids import TenantId
from farwire.usage import service as usage
from farwire.usage.model import Role
from tests.gateway.world import (
    CONTEXT,
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
    msisdn,
)

EVENT, START, INTERIM, STOP = 1, 2, 3, 4
AT = int(datetime(2026, 6, 1, 12, tzinfo=UTC).timestamp())
TYPE, NUMBER = key_of("Accounting-Record-Type"), key_of("Accounting-Record-Number")
IN, OUT = key_of("Accounting-Input-Octets"), key_of("Accounting-Output-Octets")
CONTAINER = key_of("Service-Data-Container")
ACCOUNTED = {"data": "32251@3gpp.org", "voice": "32260@3gpp.org", "message": "32274@3gpp.org"}


def acr(
    type_: int, number: int, kind: str = "data", *containers: Avps, at: int = AT, **more: list[object]
) -> Avps:
    information: Avps = {key_of("Subscription-Id"): [msisdn("491511")]}
    if containers:
        information[key_of("PS-Information")] = [{CONTAINER: list(containers)}]
    if kind == "voice":
        information[key_of("IMS-Information")] = [{key_of("Called-Party-Address"): ["tel:+4930123"]}]
    avps: Avps = {
        SESSION: ["pgw.test.realm;rf;1"], HOST: ["pgw.test.realm"], REALM: ["test.realm"],
        key_of("Destination-Realm"): ["example"], TYPE: [type_], NUMBER: [number],
        key_of("Acct-Application-Id"): [3], key_of("Event-Timestamp"): [at], CONTEXT: [ACCOUNTED[kind]],
        key_of("Service-Information"): [information],
    }  # fmt: skip
    for name, values in more.items():
        key = key_of(name.replace("_", "-"))
        avps.pop(key, None)
        if values:
            avps[key] = values  # type: ignore[assignment]
    return avps


def container(group: int, octets: int, at: int = AT) -> Avps:
    return {key_of("Rating-Group"): [group], IN: [octets // 4], OUT: [octets - octets // 4],
            key_of("Time-First-Usage"): [at]}  # fmt: skip


async def account(wire: Wire, avps: Avps, *, flags: int = 0xC0) -> Message:
    wire.send(271, avps, flags=flags, application=3)
    return await wire.receive()


async def recorded(
    gateway: Gateway, tenant_id: TenantId | None = None
) -> list[tuple[str, int, int | None, str]]:
    async with gateway.db.transaction(tenant_id or gateway.tenant_id) as tx:
        rows = await tx.fetch(
            "SELECT kind, quantity, rating_group, destination FROM usage.record WHERE tenant_id = $1 "
            "ORDER BY started_at, rating_group",
            tx.tenant_id,
        )
    return [tuple(row) for row in rows]


async def test_containers_of_data_are_recorded_each_once_with_their_rating_groups(
    gateway: Gateway, other_tenant_id: TenantId
) -> None:
    wire = await connect(gateway.server)
    assert (await account(wire, acr(START, 0))).avps[RESULT] == [2001]
    interim = acr(INTERIM, 1, "data", container(1, 1_000), container(2, 500), at=AT + 600)
    answer = await account(wire, interim)
    assert answer.avps == {
        SESSION: ["pgw.test.realm;rf;1"], RESULT: [2001], HOST: ["ocs.example"], REALM: ["example"],
        key_of("Acct-Application-Id"): [3], TYPE: [INTERIM], NUMBER: [1],
    }  # fmt: skip
    repeated = await account(wire, interim, flags=0xD0)
    assert repeated.avps == answer.avps
    await account(wire, acr(STOP, 2, "data", container(1, 24, AT + 600), at=AT + 900))
    assert [row[:3] for row in await recorded(gateway)] == [
        ("data", 1_000, 1),
        ("data", 500, 2),
        ("data", 24, 1),
    ]
    assert await recorded(gateway, other_tenant_id) == []
    totals = await usage.totals(db=gateway.db, tenant_id=gateway.tenant_id)
    assert (totals.rows_in, totals.rows_duplicate) == (5, 2)


async def test_a_call_lasts_from_its_start_to_its_stop_whatever_comes_first(gateway: Gateway) -> None:
    wire = await connect(gateway.server)
    await account(wire, acr(STOP, 2, "voice", at=AT + 125))
    assert await recorded(gateway) == []
    await account(wire, acr(INTERIM, 1, "voice", at=AT + 60))
    await account(wire, acr(START, 0, "voice"))
    assert await recorded(gateway) == [("voice", 125, None, "4930123")]
    await account(wire, acr(STOP, 2, "voice", at=AT + 125), flags=0xD0)
    assert len(await recorded(gateway)) == 1


async def test_a_message_is_an_event(gateway: Gateway) -> None:
    wire = await connect(gateway.server)
    await account(wire, acr(EVENT, 0, "message"))
    assert [row[:2] for row in await recorded(gateway)] == [("message", 1)]


@pytest.mark.parametrize(
    ("avps", "result"),
    [
        (acr(START, 0, Session_Id=[]), Result.MISSING_AVP),
        (acr(START, 0, Accounting_Record_Number=[]), Result.MISSING_AVP),
        (acr(START, 0, Service_Information=[]), Result.MISSING_AVP),
        (acr(9, 0), Result.INVALID_AVP_VALUE),
        (acr(STOP, 0, Accounting_Input_Octets=[2**63]), Result.INVALID_AVP_VALUE),
        (acr(START, 0, Destination_Realm=["elsewhere"]), Result.REALM_NOT_SERVED),
    ],
)
async def test_what_cannot_be_recorded_is_refused_by_its_result(
    gateway: Gateway, avps: Avps, result: Result
) -> None:
    answer = await account(await connect(gateway.server), avps)
    assert answer.avps[RESULT] == [result]
    assert answer.avps[key_of("Acct-Application-Id")] == [3]
    assert await recorded(gateway) == []


async def test_while_the_database_is_away_a_record_is_not_answered_as_kept(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    from farwire.gateway.diameter.accounting import server
    from farwire.kernel.errors import Unavailable

    async def away(*_: object, **__: object) -> None:
        raise Unavailable("the database is away", code="storage.unavailable")

    wire = await connect(gateway.server)
    with monkeypatch.context() as patch:
        patch.setattr(server, "record_parts", away)
        assert (await account(wire, acr(EVENT, 0, "message"))).avps[RESULT] == [Result.TOO_BUSY]
    assert (await account(wire, acr(EVENT, 0, "message"), flags=0xD0)).avps[RESULT] == [2001]
    assert len(await recorded(gateway)) == 1


def test_a_stop_without_containers_is_counted_by_its_own_octets_and_an_interim_is_not() -> None:
    peer, now = Peer("pgw", "acme"), datetime.fromtimestamp(AT, UTC)
    octets: dict[str, list[object]] = {"Accounting_Input_Octets": [7], "Accounting_Output_Octets": [5]}
    (part,) = read_acr(acr(STOP, 3, **octets), peer, now).parts
    assert (part.quantity, part.role, part.subscriber, part.at) == (12, Role.SINGLE, "491511", now)
    assert read_acr(acr(INTERIM, 2, **octets), peer, now).parts == ()


# ---- what online charging did not see

MB = 10**6


async def goes_on(gateway: Gateway) -> Wire:
    """Return a client that goes on while nobody answers."""
    (peer,) = gateway.server.node.peers
    peers = (msgspec.structs.replace(peer, failure_handling="continue"),)
    gateway.server.node = msgspec.structs.replace(gateway.server.node, peers=peers)
    return await connect(gateway.server)


async def decided(gateway: Gateway) -> list[str]:
    """Let what waits be decided, and return what became of it."""
    async with gateway.db.transaction(gateway.tenant_id) as tx:
        await tx.execute("UPDATE gateway.unseen SET due_at = now() WHERE tenant_id = $1", tx.tenant_id)
    await gateway.reconciling.once()
    async with gateway.db.transaction(gateway.tenant_id) as tx:
        rows = await tx.fetch(
            "SELECT state FROM gateway.unseen WHERE tenant_id = $1 ORDER BY started_at", tx.tenant_id
        )
    return [row["state"] for row in rows]


def an_hour_ago(gateway: Gateway) -> int:
    return int(gateway.clock.now().timestamp()) - 3_600


async def test_what_online_charging_did_not_see_is_debited_once(gateway: Gateway) -> None:
    wire, at = await goes_on(gateway), an_hour_ago(gateway)
    record = acr(STOP, 1, "data", container(1, 5 * MB, at), container(2, MB, at), at=at + 600)
    await account(wire, record)
    assert await gateway.balance() == EURO, "the books come first"
    assert await decided(gateway) == ["debited", "debited"]
    assert await gateway.balance() == EURO - 6 * EURO // 50
    await account(wire, record, flags=0xD0)
    async with gateway.db.transaction(gateway.tenant_id) as tx:
        await tx.execute("UPDATE gateway.unseen SET state = 'pending' WHERE tenant_id = $1", tx.tenant_id)
    assert await decided(gateway) == ["debited", "debited"], "of a process that died before it wrote it down"
    assert await gateway.balance() == EURO - 6 * EURO // 50
    assert await gateway.held() == 0


async def test_what_a_session_online_has_counted_is_not_debited_again(gateway: Gateway) -> None:
    wire = await goes_on(gateway)
    at = int(gateway.clock.now().timestamp())
    await wire.ask(ccr(1, 0, group(1, requested=10 * MB)))
    gateway.clock.advance(timedelta(minutes=10))
    await wire.ask(ccr(3, 1, group(1, used=5 * MB)))
    balance = await gateway.balance()
    await account(wire, acr(STOP, 1, "data", container(1, 5 * MB, at), at=at + 598))
    assert await decided(gateway) == ["seen"]
    await account(wire, acr(STOP, 2, "data", container(2, MB, at), at=at + 598))
    assert await decided(gateway) == ["seen", "debited"], "another rating group was not counted"
    assert await gateway.balance() == balance - EURO // 50


async def test_only_clients_that_go_on_and_subscribers_that_are_known_are_looked_at(gateway: Gateway) -> None:
    at = an_hour_ago(gateway)
    await account(await connect(gateway.server), acr(STOP, 1, "data", container(1, MB, at), at=at + 60))
    stranger: Avps = {
        key_of("Subscription-Id"): [msisdn("4999")],
        key_of("PS-Information"): [{CONTAINER: [container(1, MB, at)]}],
    }
    wire = await goes_on(gateway)
    await account(wire, acr(STOP, 2, at=at + 60, Service_Information=[stranger]))
    assert await decided(gateway) == []


async def test_what_is_used_and_not_there_becomes_overrun_and_is_not_forgotten(gateway: Gateway) -> None:
    wire, at = await goes_on(gateway), an_hour_ago(gateway)
    await account(wire, acr(STOP, 1, "data", container(1, 100 * MB, at), at=at + 60))
    assert await decided(gateway) == ["debited"]
    assert await gateway.balance() == 0


class _Busy:
    """A shard that has no time for the end of a session, once."""

    def __init__(self, gateway: Gateway) -> None:
        self._client = gateway.desk.client
        self.busy = 1

    async def ask(self, tenant: int, request: Ask) -> Answer:
        if isinstance(request, SessionRequest) and request.phase == Phase.TERMINATION and self.busy:
            self.busy -= 1
            return Answer(result=ResultCode.TOO_BUSY)
        return await self._client.ask(tenant, request)

    async def close(self) -> None:
        pass


async def test_a_shard_that_is_busy_refuses_nothing_and_one_record_holds_no_other(gateway: Gateway) -> None:
    gateway.reconciling._client = _Busy(gateway)
    wire, at = await goes_on(gateway), an_hour_ago(gateway)
    record = acr(STOP, 1, "data", container(1, 5 * MB, at), container(2, MB, at), at=at + 600)
    await account(wire, record)
    assert sorted(await decided(gateway)) == ["debited", "pending"]
    assert await decided(gateway) == ["debited", "debited"]
    assert await gateway.balance() == EURO - 6 * EURO // 50
