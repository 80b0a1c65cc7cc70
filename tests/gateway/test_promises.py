"""What a client is promised about its money: whatever fails, what was used is charged, once, and nothing stays held."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

from farwire.base.clock import MovableClock
from farwire.base.storage import Database
from farwire.charging import service as charging
from farwire.charging.model import CommandKind
from farwire.charging.model.state import LATE_US, SECOND_US
from farwire.gateway.asking import Asking
from farwire.gateway.diameter.codec import Avps, number_of
from farwire.gateway.diameter.dictionary import key_of
from farwire.gateway.diameter.serving import put_together
from farwire.kernel.ids import TenantId
from tests.charging.desk import a_desk
from tests.gateway.test_application import granted, of_group
from tests.gateway.world import (
    EURO,
    HOST,
    OCTETS,
    RATING_GROUP,
    REQUESTED,
    RESULT,
    SECONDS,
    SERVICES,
    USED,
    Gateway,
    a_gateway,
    a_node,
    ccr,
    connect,
    group,
    running,
)

MB = 10**6
CENT = EURO // 100
FAILED, VALIDITY = key_of("Failed-AVP"), key_of("Validity-Time")


async def test_what_was_used_is_debited_although_the_update_is_denied(gateway: Gateway) -> None:
    wire = await connect(gateway.server)
    await wire.ask(ccr(1, 0, group(1, requested=10 * MB)))
    await charging.command(
        gateway.desk.client, account=gateway.account, kind=CommandKind.BAR, key="bar", amount=1
    )
    denied = await wire.ask(ccr(2, 1, group(1, used=10 * MB, requested=10 * MB)))
    assert (denied.avps[RESULT], of_group(denied)[RESULT]) == ([4010], [4010])
    assert (await gateway.balance(), await gateway.held()) == (EURO - 20 * CENT, 0)
    again = await wire.ask(ccr(2, 1, group(1, used=10 * MB, requested=10 * MB)), flags=0xD0)
    assert again.avps == denied.avps
    ended = await wire.ask(ccr(3, 2, group(1, used=5 * MB)))
    assert (ended.avps[RESULT], await gateway.balance()) == ([2001], EURO - 30 * CENT)


async def test_what_was_used_is_debited_although_another_group_or_what_is_asked_for_makes_no_sense(
    gateway: Gateway,
) -> None:
    wire = await connect(gateway.server)
    await wire.ask(ccr(1, 0, group(1, requested=10 * MB), group(2, requested=10 * MB)))
    seconds: Avps = {SECONDS: [5]}
    groups: list[Avps] = [
        group(1, used=10 * MB, requested=MB),
        {RATING_GROUP: [2], USED: [{OCTETS: [10 * MB]}], REQUESTED: [seconds]},
        {RATING_GROUP: [3], USED: [seconds], REQUESTED: [{OCTETS: [MB]}]},
    ]
    answer = await wire.ask(ccr(2, 1, *groups))
    found = {one[RATING_GROUP][0]: one[RESULT][0] for one in answer.avps[SERVICES] if isinstance(one, dict)}
    assert (answer.avps[RESULT], found) == ([2001], {1: 2001, 2: 5004, 3: 5004})
    assert FAILED in answer.avps
    assert (await gateway.balance(), await gateway.held()) == (EURO - 40 * CENT, 2 * CENT)


async def test_a_session_that_goes_silent_gives_back_what_it_holds_and_a_late_report_still_counts(
    gateway: Gateway,
) -> None:
    wire = await connect(gateway.server)
    validity = number_of(of_group(await wire.ask(ccr(1, 0, group(1, requested=10 * MB)))), VALIDITY)
    assert validity is not None
    assert validity * SECOND_US > LATE_US, "what is held is free before twice its validity"
    gateway.clock.advance(timedelta(seconds=validity))
    assert await gateway.held() == 20 * CENT
    gateway.clock.advance(timedelta(seconds=validity))
    async with asyncio.timeout(60):
        while await gateway.held():
            pass
    assert await gateway.balance() == EURO
    late = await wire.ask(ccr(3, 1, group(1, used=10 * MB)))
    assert (late.avps[RESULT], await gateway.balance()) == ([2001], EURO - 20 * CENT)


async def test_a_request_whose_connection_is_lost_is_debited_and_its_repeat_is_answered(
    gateway: Gateway,
) -> None:
    wire = await connect(gateway.server)
    await wire.ask(ccr(1, 0, group(1, requested=10 * MB)))
    update = ccr(2, 1, group(1, used=10 * MB, requested=10 * MB))
    wire.send(272, update)
    await wire.writer.drain()
    wire.writer.close()
    other = await connect(gateway.server)
    answers = [await other.ask(update, flags=0xD0) for _ in range(2)]
    assert answers[0].avps == answers[1].avps
    assert granted(answers[0]) == 10 * MB
    assert (await gateway.balance(), await gateway.held()) == (EURO - 20 * CENT, 20 * CENT)


async def test_a_request_may_have_the_t_flag_when_it_comes_for_the_first_time(gateway: Gateway) -> None:
    wire = await connect(gateway.server)
    first = await wire.ask(ccr(1, 0, group(1, requested=MB)), flags=0xD0)
    assert (first.avps[RESULT], granted(first), first.header.flags & 0x10) == ([2001], MB, 0)
    assert (await wire.ask(ccr(1, 0, group(1, requested=MB)))).avps == first.avps
    assert await gateway.held() == 2 * CENT


async def test_a_repeat_has_its_answer_from_another_gateway_and_a_shard_that_began_anew(
    db: Database, tenant_id: TenantId, clock: MovableClock, tmp_path: Path
) -> None:
    value: Avps = {key_of("Value-Digits"): [1], key_of("Exponent"): [-2]}
    money: Avps = {key_of("CC-Money"): [{key_of("Unit-Value"): [value]}]}
    asked = [
        ccr(2, 1, group(1, used=10 * MB, requested=10 * MB)),
        ccr(4, 0, session="event", Requested_Action=[0], Requested_Service_Unit=[money]),
    ]
    async with a_gateway(db, tenant_id, clock, tmp_path) as before:
        wire = await connect(before.server)
        await wire.ask(ccr(1, 0, group(1, requested=10 * MB)))
        answers = [await wire.ask(one) for one in asked]
        found = await before.balance(), await before.held()
    assert [one.avps[RESULT] for one in answers] == [[2001], [2001]]
    assert found == (EURO - 21 * CENT, 20 * CENT)
    async with a_desk(db, tmp_path, clock, epoch=2) as desk:
        parts = put_together(
            a_node(), db=db, clock=clock, operators=before.operators,
            asking=Asking(subscribers=before.subscribers, client=desk.client), client=desk.client,
        )  # fmt: skip
        async with running(parts.server):
            other = await connect(parts.server)
            again = [await other.ask(one, flags=0xD0) for one in asked]
            before.desk = desk
            assert [one.avps for one in again] == [one.avps for one in answers]
            assert (await before.balance(), await before.held()) == found


async def test_a_session_that_asks_for_a_gateway_that_is_gone_goes_on_with_another_of_the_farm(
    gateway: Gateway,
) -> None:
    wire = await connect(gateway.server)
    await wire.ask(ccr(1, 0, group(1, requested=10 * MB)))
    parts = put_together(
        a_node(hosts=("OCS2.example",)), db=gateway.db, clock=gateway.clock, operators=gateway.operators,
        asking=gateway.asking, client=gateway.desk.client,
    )  # fmt: skip
    async with running(parts.server):
        other = await connect(parts.server)
        for host, result in (("ocs2.example", 2001), ("ocs3.example", 3002)):
            update = ccr(2, 1, group(1, used=10 * MB, requested=MB), Destination_Host=[host])
            answer = await other.ask(update, flags=0xD0)
            assert (answer.avps[RESULT], answer.avps[HOST]) == ([result], ["ocs.example"])
    assert await gateway.balance() == EURO - 20 * CENT
