"""Credit control from the socket to the balance: a node, a shard and PostgreSQL in this process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from farwire.base.clock import MovableClock
from farwire.base.storage import Database
from farwire.charging import service as charging
from farwire.gateway import subscribers as subscribers_module
from farwire.gateway.diameter.codec import Avps, Message, decode, group_of, groups_of, number_of
from farwire.gateway.diameter.dictionary import Result, key_of
from farwire.gateway.diameter.profiles import Peer
from farwire.gateway.operators import Operator
from farwire.kernel.errors import Unavailable
from farwire.kernel.ids import TenantId
from tests.charging.desk import CLERK
from tests.gateway.captures import messages
from tests.gateway.python_diameter import Client
from tests.gateway.world import (
    EURO,
    GRANTED,
    OCTETS,
    REQUESTED,
    RESULT,
    SERVICES,
    Gateway,
    Wire,
    a_gateway,
    a_node,
    ccr,
    connect,
    group,
    msisdn,
)

MB = 10**6
FAILED = key_of("Failed-AVP")
MONEY = key_of("CC-Money")
VOICE = {"Service_Context_Id": ["8.32260@3gpp.org"]}


def of_group(message: Message, number: int = 0) -> Avps:
    found = message.avps[SERVICES][number]
    assert isinstance(found, dict)
    return found


def granted(message: Message) -> int:
    (units,) = of_group(message)[GRANTED]
    assert isinstance(units, dict)
    (octets,) = units[OCTETS]
    assert isinstance(octets, int)
    return octets


async def test_a_session_is_granted_charged_and_ended_to_the_nano_unit(gateway: Gateway) -> None:
    wire = await connect(gateway.server)
    first = await wire.ask(ccr(1, 0, group(1, requested=10 * MB)))
    assert (first.avps[RESULT], of_group(first)[RESULT], granted(first)) == ([2001], [2001], 10 * MB)
    assert first.avps[key_of("CC-Session-Failover")] == [1]
    assert await gateway.held() == EURO // 5
    await wire.ask(ccr(2, 1, group(1, used=10 * MB, requested=0)))
    assert await gateway.balance() == EURO - EURO // 5
    last = await wire.ask(ccr(3, 2, group(1, used=5 * MB)))
    assert (last.avps[RESULT], last.avps[key_of("CC-Request-Number")]) == ([2001], [2])
    assert (await gateway.balance(), await gateway.held()) == (EURO - 3 * EURO // 10, 0)


async def test_a_repeat_over_another_connection_has_the_same_answer_and_moves_nothing(
    gateway: Gateway,
) -> None:
    first, second = await connect(gateway.server), await connect(gateway.server)
    await first.ask(ccr(1, 0, group(1, requested=10 * MB)))
    update = ccr(2, 1, group(1, used=10 * MB, requested=10 * MB))
    one = await first.ask(update)
    balance = await gateway.balance()
    first.writer.transport.abort()
    other = await second.ask(update, flags=0xD0)
    assert other.avps == one.avps
    assert await gateway.balance() == balance


async def test_money_ends_with_a_final_unit_and_then_with_4012_for_the_group(gateway: Gateway) -> None:
    wire = await connect(gateway.server)
    number, used, final = 0, 0, key_of("Final-Unit-Indication")
    answer = await wire.ask(ccr(1, 0, group(1, requested=0)))
    while GRANTED in of_group(answer):
        number, used = number + 1, granted(answer)
        last = final in of_group(answer)
        answer = await wire.ask(ccr(2, number, group(1, used=used, requested=0)))
    assert last
    assert (answer.avps[RESULT], of_group(answer)[RESULT]) == ([2001], [Result.CREDIT_LIMIT_REACHED])
    assert await gateway.balance() == 0
    assert (await wire.ask(ccr(3, number + 1, group(1, used=0)))).avps[RESULT] == [2001]


async def test_several_rating_groups_have_their_own_quotas_and_results(gateway: Gateway) -> None:
    wire = await connect(gateway.server)
    answer = await wire.ask(ccr(1, 0, group(1, requested=MB), group(2, requested=2 * MB)))
    assert [of_group(answer, place)[GRANTED] for place in (0, 1)] == [[{OCTETS: [MB]}], [{OCTETS: [2 * MB]}]]
    assert await gateway.held() == 3 * EURO // 50


@pytest.mark.parametrize(
    ("avps", "result"),
    [
        (ccr(1, 0, group(1, requested=0), Subscription_Id=[msisdn("4999")]), Result.USER_UNKNOWN),
        (ccr(1, 0, group(1, requested=0), Subscription_Id=[]), Result.USER_UNKNOWN),
        (ccr(2, 1, group(1, used=1), session="never;begun"), Result.UNKNOWN_SESSION_ID),
        (ccr(1, 0, group(1), Destination_Realm=["other.example"]), Result.REALM_NOT_SERVED),
        (ccr(1, 0, group(1), Destination_Host=["other.example"]), Result.UNABLE_TO_DELIVER),
        (ccr(1, 0, group(1), Destination_Realm=[]), Result.MISSING_AVP),
        (ccr(1, 0, group(1), Origin_Host=[]), Result.MISSING_AVP),
        (ccr(1, 0, group(1), CC_Request_Number=[]), Result.MISSING_AVP),
        (ccr(1, 0, {REQUESTED: [{key_of("CC-Time"): [5]}]}), Result.INVALID_AVP_VALUE),
    ],
)
async def test_what_cannot_be_charged_is_refused_by_its_result(
    gateway: Gateway, avps: Avps, result: Result
) -> None:
    wire = await connect(gateway.server)
    answer = await wire.ask(avps)
    assert answer.avps[RESULT] == [result]
    assert answer.header.flags & 0x20 == (0x20 if result < 4000 else 0)
    assert (FAILED in answer.avps) == (result in (Result.MISSING_AVP, Result.INVALID_AVP_VALUE))
    assert answer.avps[key_of("CC-Request-Type")] == avps[key_of("CC-Request-Type")]
    assert await gateway.held() == 0


@pytest.mark.shared
async def test_a_captured_session_of_money_without_rating_groups_is_charged(
    gateway: Gateway, shared_data: Path
) -> None:
    captured = [decode(one).avps for one in messages(shared_data / "cdr" / "pcap" / "ndpi-diameter.pcap")][:3]
    mine = ccr(1, 0)
    ours = ("Origin-Host", "Origin-Realm", "Destination-Host", "Destination-Realm", "Subscription-Id")
    route = {key_of(name): mine.get(key_of(name), []) for name in ours}
    wire, seen = await connect(gateway.server), []
    foreign = await wire.ask({**captured[0], **route})
    assert (foreign.avps[RESULT], await gateway.held()) == ([Result.INVALID_AVP_VALUE], 0), "rupees"
    for avps in captured:
        answer = await wire.ask({**in_cents(avps), **route})
        assert answer.avps[RESULT] == [2001]
        seen.append((answer.avps.get(GRANTED), await gateway.balance(), await gateway.held()))
    two = [{MONEY: [cents(2)]}]
    cent = EURO // 100
    assert seen == [
        (two, EURO, 2 * cent),
        (two, EURO - cent, 2 * cent),
        (None, EURO - 2 * cent, 0),
    ]


def cents(number: int) -> Avps:
    value: Avps = {key_of("Value-Digits"): [number], key_of("Exponent"): [-2]}
    return {key_of("Unit-Value"): [value], key_of("Currency-Code"): [978]}


def in_cents(avps: Avps) -> Avps:
    """Return a captured message with cents of ours in the place of its rupees."""
    found = dict(avps)
    for key in (REQUESTED, key_of("Used-Service-Unit")):
        for units in groups_of(avps, key):
            digits = number_of(group_of(group_of(units, MONEY), key_of("Unit-Value")), key_of("Value-Digits"))
            found[key] = [{MONEY: [cents(digits or 0)]}]
    return found


async def test_money_in_a_rating_group_is_granted_down_to_the_last(gateway: Gateway) -> None:
    wire = await connect(gateway.server)
    wanted: Avps = {key_of("Rating-Group"): [7], REQUESTED: [{MONEY: [cents(150)]}]}
    answer = of_group(await wire.ask(ccr(1, 0, wanted)))
    whole: Avps = {key_of("Unit-Value"): [{key_of("Value-Digits"): [1]}], key_of("Currency-Code"): [978]}
    assert answer[GRANTED] == [{MONEY: [whole]}]
    assert key_of("Final-Unit-Indication") in answer
    octets = await wire.ask(ccr(2, 1, group(7, used=5)))
    assert octets.avps[RESULT] == [Result.INVALID_AVP_VALUE], "it counts money"
    ended = await wire.ask(ccr(3, 2))
    assert (ended.avps[RESULT], await gateway.balance(), await gateway.held()) == ([2001], EURO, 0)


async def test_other_commands_and_applications_are_not_spoken(gateway: Gateway) -> None:
    wire = await connect(gateway.server)
    for command, application, result in ((258, 4, 3001), (272, 16777238, 3007)):
        wire.send(command, ccr(1, 0), application=application)
        assert (await wire.receive()).avps[RESULT] == [result]


async def test_an_unknown_avp_that_must_be_understood_is_named_unless_the_peer_is_known_for_it(
    db: Database, tenant_id: TenantId, clock: MovableClock, tmp_path: Path
) -> None:
    peers = (Peer("*.test.realm", "nordlicht", addresses=("127.0.0.1",)),)
    peers = (Peer("lax.test.realm", "nordlicht", addresses=("127.0.0.1",), unknown_avps="ignore"), *peers)
    unknown = b"\0\0\x27\x0f\x40\0\0\x0bABC\0"
    async with a_gateway(
        db, tenant_id, clock, tmp_path, node=msgspec.structs.replace(a_node(), peers=peers)
    ) as found:
        for host, result in (("pgw.test.realm", Result.AVP_UNSUPPORTED), ("lax.test.realm", Result.SUCCESS)):
            wire = await connect(found.server, greet=False)
            await wire.greet(Origin_Host=[host])
            octets = bytearray(Wire(wire.reader, Sink()).send(272, ccr(1, 0, session=host)) + unknown)  # type: ignore[arg-type]
            octets[1:4] = len(octets).to_bytes(3, "big")
            wire.writer.write(octets)
            answer = await wire.receive()
            assert answer.avps[RESULT] == [result]
            assert answer.avps.get(FAILED) == ([unknown] if result != 2001 else None)


class Sink:
    def write(self, octets: bytes) -> None:
        """Take them."""


async def test_an_emergency_call_is_granted_to_anybody(gateway: Gateway) -> None:
    wire = await connect(gateway.server)
    called: Avps = {key_of("IMS-Information"): [{key_of("Called-Party-Address"): ["sip:112@test.realm"]}]}
    one: Avps = {REQUESTED: [{}], key_of("Rating-Group"): [100]}
    for who in ([msisdn("4999")], []):
        answer = await wire.ask(ccr(1, 0, one, **VOICE, Subscription_Id=who, Service_Information=[called]))  # type: ignore[arg-type]
        assert (answer.avps[RESULT], of_group(answer)[RESULT]) == ([2001], [2001])
        assert GRANTED in of_group(answer)


async def test_a_tenant_of_a_peer_has_only_its_own_subscribers(
    db: Database, tenant_id: TenantId, other_tenant_id: TenantId, clock: MovableClock, tmp_path: Path
) -> None:
    async with a_gateway(db, tenant_id, clock, tmp_path) as found:
        async with db.transaction(other_tenant_id) as tx:
            number = await charging.tenant_number(tx)
        found.operators["nordlicht"] = Operator(other_tenant_id, number)
        wire = await connect(found.server)
        assert (await wire.ask(ccr(1, 0, group(1, requested=0)))).avps[RESULT] == [Result.USER_UNKNOWN]


async def test_a_subscriber_is_looked_for_once_in_a_while_and_by_identity_only(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    wire, looked = await connect(gateway.server), 0
    real = subscribers_module.subscriber_of

    async def counted(tx, *, identities):
        nonlocal looked
        looked += 1
        return await real(tx, identities=identities)

    monkeypatch.setattr(subscribers_module, "subscriber_of", counted)
    for number in range(3):
        await wire.ask(ccr(1 if not number else 2, number, group(1, requested=0)))
    assert looked == 1
    by_number = ccr(
        1, 0, group(1, requested=0), session="n", Subscription_Id=[msisdn(str(gateway.account.number))]
    )
    assert (await wire.ask(by_number)).avps[RESULT] == [Result.USER_UNKNOWN], (
        "an account's number is no identity"
    )
    async with gateway.db.transaction(gateway.tenant_id) as tx:
        await charging.erase_identities(
            tx, number=gateway.account.number, now=gateway.clock.now(), actor=CLERK
        )
    gateway.subscribers.forget(
        gateway.tenant_id, (charging.Identity(charging.IdentityKind.MSISDN, "491511"),)
    )
    forgotten = await wire.ask(ccr(1, 0, group(1, requested=0), session="later"))
    assert forgotten.avps[RESULT] == [Result.USER_UNKNOWN]


async def test_while_no_shard_answers_a_peer_is_sent_to_another_server(gateway: Gateway) -> None:
    class Nobody:
        async def ask(self, tenant: int, request: object) -> None:
            raise Unavailable("nobody listens at /run/secret.sock", code="charging.no_answer")

    gateway.asking._client = Nobody()  # type: ignore[attr-defined]
    wire = await connect(gateway.server)
    answer = await wire.ask(ccr(1, 0, group(1, requested=0)))
    assert answer.avps[RESULT] == [Result.TOO_BUSY]
    assert answer.avps[key_of("Error-Message")] == ["charging.no_answer"], "nothing of our inside is told"


async def test_proxy_info_goes_back_as_it_came(gateway: Gateway) -> None:
    wire = await connect(gateway.server)
    info: list[object] = [b"\0\0\1\x18\x40\0\0\x0aab\0\0", b"\0\0\0\x21\x40\0\0\x09x\0\0\0"]
    for avps in (ccr(1, 0, group(1, requested=0)), ccr(1, 0, session="bad", CC_Request_Number=[])):
        answer = await wire.ask({**avps, key_of("Proxy-Info"): info})  # type: ignore[dict-item]
        assert answer.avps[key_of("Proxy-Info")] == info


async def test_a_client_of_python_diameter_is_served(
    gateway: Gateway, clients: Callable[..., Client]
) -> None:
    port = gateway.server.addresses[0][1]
    client = await asyncio.to_thread(clients, "ocs.example", "example", port, "491511")
    answer = await asyncio.to_thread(client.ask, 1, 0, requested=10 * MB)
    assert (answer.result_code, answer.cc_session_failover) == (2001, 1)
    (one,) = answer.multiple_services_credit_control
    assert (one.rating_group, one.granted_service_unit.cc_total_octets) == (1, 10 * MB)
    ended = await asyncio.to_thread(client.ask, 3, 1, used=10 * MB)
    assert (ended.result_code, await gateway.balance()) == (2001, EURO - EURO // 5)


# ---- captured traffic


def _ours(avps: Avps) -> Avps:
    """Return the AVPs of a captured request, sent by our test peer for our test subscriber."""
    changed = {key_of("Origin-Host"): ["pgw.test.realm"], key_of("Origin-Realm"): ["test.realm"]}
    changed[key_of("Destination-Realm")] = ["example"]
    changed[key_of("Subscription-Id")] = [msisdn("491511")]  # type: ignore[list-item]
    return {key: values for key, values in {**avps, **changed}.items() if key != key_of("Destination-Host")}  # type: ignore[return-value]


@pytest.mark.shared
@pytest.mark.parametrize("name", ["kamailio_ro_ccr_iut", "otp_gy_ccr_iut"])
async def test_captured_sessions_are_charged(gateway: Gateway, shared_data: Path, name: str) -> None:
    captured = [decode(one) for one in messages(shared_data / "pcap" / f"{name}.pcap")]
    requests = [one for one in captured if one.header.command == 272 and one.header.is_request]
    wire = await connect(gateway.server)
    before = await gateway.balance()
    for request in requests:
        answer = await wire.ask(_ours(request.avps))
        assert answer.avps[RESULT] == [2001], name
        assert all(of_group(answer, place)[RESULT] == [2001] for place in range(len(answer.avps[SERVICES])))
    assert len(requests) in (3, 5)
    assert (await gateway.held(), await gateway.balance() < before) == (0, True)
