"""Sy: a PCRF asks for policy counters and hears of those that change."""

from __future__ import annotations

import asyncio

import pytest

from farwire.charging import service as charging
from farwire.charging.model import CommandKind
from farwire.charging.model.policy import CounterStatus, PolicyCounter
from farwire.charging.model.state import NEVER, Period, Scope
from farwire.charging.service import Wish as Command
from farwire.gateway.diameter.codec import Avps, Message, Refusal, groups_of, text_of
from farwire.gateway.diameter.dictionary import Result, key_of
from farwire.gateway.diameter.profiles import Peer
from farwire.gateway.diameter.spending.reports import kept, read_kept, reports, status_of
from farwire.gateway.sessions import Reason
from tests.gateway.test_telling import answer_to, left, want
from tests.gateway.world import EURO, HOST, REALM, RESULT, SESSION, Gateway, Wire, connect, msisdn

SY, SLR, SNR, STR = 16_777_302, 8_388_635, 8_388_636, 275
NAME, STATUS = key_of("Policy-Counter-Identifier"), key_of("Policy-Counter-Status")
REPORT, PENDING = key_of("Policy-Counter-Status-Report"), key_of("Pending-Policy-Counter-Information")
EXPERIMENTAL = key_of("Experimental-Result")
PCRF = "pcrf.test.realm;1;1"


def slr(type_: int = 0, *names: str, **more: list[object]) -> Avps:
    avps: Avps = {
        SESSION: [PCRF], key_of("Auth-Application-Id"): [SY], HOST: ["pgw.test.realm"], REALM: ["test.realm"],
        key_of("Destination-Realm"): ["example"], key_of("SL-Request-Type"): [type_],
    }  # fmt: skip
    if type_ == 0:
        avps[key_of("Subscription-Id")] = [msisdn("491511")]
    if names:
        avps[NAME] = list(names)
    for name, values in more.items():
        key = key_of(name.replace("_", "-"))
        avps.pop(key, None)
        if values:
            avps[key] = values  # type: ignore[assignment]
    return avps


async def ask(wire: Wire, command: int, avps: Avps) -> Message:
    wire.send(command, avps, application=SY)
    return await wire.receive()


async def a_pcrf(gateway: Gateway) -> Wire:
    wire = await connect(gateway.server, greet=False)
    vendor: Avps = {key_of("Vendor-Id"): [10415], key_of("Auth-Application-Id"): [SY]}
    greeted = await wire.greet(Auth_Application_Id=[], Vendor_Specific_Application_Id=[vendor])
    assert greeted.avps[RESULT] == [2001]
    return wire


def told(avps: Avps) -> dict[str | None, str | None]:
    return {text_of(one, NAME): text_of(one, STATUS) for one in groups_of(avps, REPORT)}


async def limit(gateway: Gateway, cents: int, key: str) -> None:
    command = Command(
        CommandKind.LIMIT,
        cents * EURO // 100,
        scope=int(Scope.HOME | Scope.ROAMING),
        period=int(Period.CYCLE),
    )
    answer = await gateway.desk.client.ask(gateway.account.tenant_number, command.keyed(gateway.account, key))
    assert answer.result == 2001


async def test_a_pcrf_hears_the_status_of_counters_and_of_each_change_once(gateway: Gateway) -> None:
    await limit(gateway, 100, "limit")
    wire = await a_pcrf(gateway)
    first = await ask(wire, SLR, slr())
    assert (first.header.command, first.header.application, first.avps[RESULT]) == (SLR, SY, [2001])
    assert told(first.avps) == {
        "state": "active", "balance": "available", "spend-cycle": "below", "roaming-cycle": "below"
    }  # fmt: skip
    await want(gateway, Reason.COUNTER)
    assert await gateway.telling.once() == 1, "nothing has changed: it is told nothing"
    await charging.command(
        gateway.desk.client, account=gateway.account, kind=CommandKind.BAR, key="bar", amount=1
    )
    await want(gateway, Reason.SUSPENDED)
    telling = asyncio.create_task(gateway.telling.once())
    asked = await wire.receive()
    answer_to(wire, asked, 2001)
    await telling
    assert (asked.header.command, asked.header.application) == (SNR, SY)
    assert (asked.avps[SESSION], told(asked.avps)) == ([PCRF], {"state": "barred"})
    assert asked.avps[key_of("Destination-Host")] == ["pgw.test.realm"]
    assert await left(gateway) == 0
    await want(gateway, Reason.SUSPENDED)
    assert await gateway.telling.once() == 1, "it knows"
    assert await left(gateway) == 0


async def test_an_intermediate_request_names_nobody_and_may_ask_for_other_counters(gateway: Gateway) -> None:
    wire = await a_pcrf(gateway)
    await ask(wire, SLR, slr())
    again = await ask(wire, SLR, slr(1, "state"))
    assert (again.avps[RESULT], told(again.avps)) == ([2001], {"state": "active"})


async def test_a_session_ends_once_and_then_nobody_is_told(gateway: Gateway) -> None:
    wire = await a_pcrf(gateway)
    await ask(wire, SLR, slr())
    end = {**slr(1), key_of("Termination-Cause"): [1]}
    del end[key_of("SL-Request-Type")]
    assert (await ask(wire, STR, end)).avps[RESULT] == [2001]
    assert await want(gateway, Reason.COUNTER) == 0
    assert (await ask(wire, STR, end)).avps[RESULT] == [Result.UNKNOWN_SESSION_ID]
    assert (await ask(wire, SLR, slr(1))).avps[RESULT] == [Result.UNKNOWN_SESSION_ID]


@pytest.mark.parametrize(
    ("avps", "result"),
    [
        (slr(Subscription_Id=[msisdn("4999")]), Result.USER_UNKNOWN),
        (slr(Subscription_Id=[]), Result.MISSING_AVP),
        (slr(SL_Request_Type=[]), Result.MISSING_AVP),
        (slr(7), Result.INVALID_AVP_VALUE),
        (slr(Session_Id=["a\0b"]), Result.INVALID_AVP_VALUE),
        (slr(Session_Id=["x" * 2_000]), Result.INVALID_AVP_VALUE),
        (slr(0, *(f"name-{number}" for number in range(65))), Result.UNABLE_TO_COMPLY),
        (slr(0, "unheard-of"), Result.UNKNOWN_POLICY_COUNTERS),
    ],
)
async def test_what_cannot_be_told_is_refused_by_its_result(
    gateway: Gateway, avps: Avps, result: Result
) -> None:
    answer = await ask(await a_pcrf(gateway), SLR, avps)
    if result == Result.UNKNOWN_POLICY_COUNTERS:
        (found,) = groups_of(answer.avps, EXPERIMENTAL)
        assert found == {key_of("Vendor-Id"): [10415], key_of("Experimental-Result-Code"): [5570]}
        assert (RESULT in answer.avps, key_of("Failed-AVP") in answer.avps) == (False, True)
    else:
        assert answer.avps[RESULT] == [result]
    assert answer.avps[key_of("Auth-Application-Id")] == [SY]


def test_a_peer_has_its_own_words_and_counters_that_nobody_has_yet() -> None:
    peer = Peer(
        "pcrf", "acme", counters=("roaming-day",), counter_words={"below": "ok", "near": "80 percent"}
    )
    counter = PolicyCounter("spend-cycle", CounterStatus.NEAR, 5_000_000)
    found = status_of([counter], [], peer)
    assert {name: one.status for name, one in found.items()} == {
        "roaming-day": "ok",
        "spend-cycle": "80 percent",
    }
    (_, spend) = groups_of(reports(found), REPORT)
    assert spend[PENDING] == [{STATUS: ["ok"], key_of("Pending-Policy-Counter-Change-Time"): [5]}]
    assert read_kept(kept(found)) == found


def test_a_counter_without_an_end_has_no_pending_status_and_no_counter_at_all_is_refused() -> None:
    peer = Peer("pcrf", "acme")
    found = status_of([PolicyCounter("spend-never", CounterStatus.REACHED, NEVER)], [], peer)
    assert PENDING not in groups_of(reports(found), REPORT)[0]
    with pytest.raises(Refusal, match="no policy counter") as refused:
        status_of([], [], peer)
    assert refused.value.result == Result.NO_AVAILABLE_POLICY_COUNTERS
