"""Who may log in, with which quota, and what is answered to everybody else."""

from __future__ import annotations

import asyncio
import os
from hashlib import md5
from pathlib import Path

import pytest

from farwire.base.clock import MovableClock
from farwire.base.storage import Database
from farwire.charging import service as charging
from farwire.charging.model import Answer, CommandKind
from farwire.gateway.radius.access import limit_pairs, ticket_of
from farwire.gateway.radius.codec import Pair, encode
from farwire.gateway.radius.dictionary import Code, Status, key_of
from farwire.gateway.radius.profiles import read_profiles
from farwire.gateway.radius.proofs import access_octets
from farwire.kernel.ids import TenantId
from tests.gateway.radius.world import (
    EURO,
    MB,
    PASSWORD,
    PROFILES,
    SECRET,
    USER,
    World,
    a_node,
    a_world,
    pair,
)

LOW, HIGH = key_of("ChilliSpot-Max-Total-Octets"), key_of("ChilliSpot-Max-Total-Gigawords")
REPLY, TIMEOUT = key_of("Reply-Message"), key_of("Session-Timeout")


async def test_who_has_the_password_gets_the_quota_that_charging_holds(world: World) -> None:
    answer = await world.auth.access()
    assert answer.code == Code.ACCESS_ACCEPT
    assert answer.attributes[0][0] == key_of("Message-Authenticator")
    granted = (answer.number(HIGH) or 0) << 32 | (answer.number(LOW) or 0)
    assert granted > 0
    assert await world.held() == granted * 20_000_000 // MB
    ticket = ticket_of(answer)
    assert ticket is not None
    assert (ticket.account, ticket.most) == (world.account.number, granted)
    assert answer.number(key_of("Acct-Interim-Interval")) == 300


def test_a_limit_beyond_32_bits_is_told_in_two_numbers_or_as_much_as_one_can_say() -> None:
    node = a_node()
    assert [
        int.from_bytes(value, "big") for _, value in limit_pairs(node, node.clients[0], 5 * 2**32 + 7)
    ] == [5, 7]
    text = PROFILES.format(more="", auth=0, acct=0)
    text = text.replace(', gigawords = "ChilliSpot-Max-Total-Gigawords"', "")
    single = read_profiles(text.replace("ChilliSpot-Max-Total-Octets", "Mikrotik-Total-Limit"))
    assert limit_pairs(single, single.clients[0], 2**40) == [(key_of("Mikrotik-Total-Limit"), b"\xff" * 4)]


@pytest.mark.parametrize(
    ("user", "password", "more"),
    [
        (USER, "wrong", ()), ("4999", PASSWORD, ()), (USER, None, ()), (USER, PASSWORD * 2, ()),
        (USER, PASSWORD, (("CHAP-Password", bytes(17)),)), (USER, None, (("CHAP-Password", bytes(17)),)),
    ],
)  # fmt: skip
async def test_who_has_it_not_is_rejected_and_nothing_is_held(
    world: World, user: str, password: str | None, more: tuple[tuple[str, bytes], ...]
) -> None:
    answer = await world.auth.access(user, password, *(pair(*one) for one in more))
    assert answer.code == Code.ACCESS_REJECT
    assert answer.text(REPLY)
    assert await world.held() == 0


@pytest.mark.parametrize("in_an_attribute", [True, False])
async def test_chap_is_checked_with_a_password_that_was_kept_for_it(
    world: World, *, in_an_attribute: bool
) -> None:
    nonce = os.urandom(16)
    challenge = b"0123456789abcdef" if in_an_attribute else nonce
    value = b"\7" + md5(b"\7" + PASSWORD.encode() + challenge, usedforsecurity=False).digest()
    more: list[Pair] = [pair("CHAP-Password", value)]
    if in_an_attribute:
        more.append(pair("CHAP-Challenge", challenge))
    octets = world.auth.access_octets(USER, None, *more, nonce=nonce)
    assert (await world.auth.answer(octets)).code == Code.ACCESS_ACCEPT


async def test_proxy_states_come_back_in_their_order_and_eap_is_refused_clearly(world: World) -> None:
    states = [(key_of("Proxy-State"), one) for one in (b"first", b"second", b"first")]
    eap = (key_of("EAP-Message"), b"\2\1\0\x0a\x01alice")
    answer = await world.auth.access(USER, None, states[0], eap, *states[1:])
    assert answer.code == Code.ACCESS_REJECT
    assert answer.text(REPLY) == "EAP is not served here."
    assert answer.all(key_of("Proxy-State")) == (b"first", b"second", b"first")


async def test_a_session_of_time_gets_a_timeout_after_which_it_asks_again(
    db: Database, tenant_id: TenantId, clock: MovableClock, tmp_path: Path
) -> None:
    async with a_world(
        db, tenant_id, clock, tmp_path, node=a_node('counts = "time"'), money=4 * EURO
    ) as world:
        answer = await world.auth.access()
        timeout = answer.number(TIMEOUT) or 0
        assert timeout > 0
        assert await world.held() == timeout * 10_000_000
        again = answer.number(key_of("Termination-Action"))
        assert (again == 1) == (answer.first(key_of("State")) is not None)
        await world.acct.account(Status.STOP, (25, answer.first(25) or b""), seconds=60)
        assert await world.balance() == 4 * EURO - 60 * 10_000_000


@pytest.mark.parametrize(("money", "bars"), [(0, False), (EURO, True)])
async def test_who_may_not_use_anything_is_told_why(
    db: Database, tenant_id: TenantId, clock: MovableClock, tmp_path: Path, money: int, *, bars: bool
) -> None:
    async with a_world(db, tenant_id, clock, tmp_path, money=money) as world:
        if bars:
            await world.command(CommandKind.BAR, "bar", 1)
        answer = await world.auth.access()
        assert answer.code == Code.ACCESS_REJECT
        assert answer.text(REPLY) == (
            "This account may not be used now." if bars else "There is no credit left. Please top up."
        )


async def test_a_repeat_has_the_same_octets_and_holds_nothing_more(world: World) -> None:
    octets = world.auth.access_octets()
    first = await world.auth.answer(octets)
    held = await world.held()
    assert (await world.auth.answer(octets)).octets == first.octets
    world.gateway.server._answers.clear()
    assert (await world.auth.answer(octets)).attributes[1:] == first.attributes[1:]
    assert await world.held() == held


async def test_a_status_request_is_answered_at_both_ports(world: World) -> None:
    for wire, code in ((world.auth, Code.ACCESS_ACCEPT), (world.acct, Code.ACCOUNTING_RESPONSE)):
        octets = access_octets(Code.STATUS_SERVER, 9, os.urandom(16), [], SECRET)
        assert (await wire.answer(octets)).code == code


async def test_what_is_not_proved_is_never_answered(world: World) -> None:
    nonce = os.urandom(16)
    plain = encode(Code.ACCESS_REQUEST, 200, nonce, [pair("User-Name", USER)])
    wrong = access_octets(Code.ACCESS_REQUEST, 201, nonce, [pair("User-Name", USER)], b"another secret")
    status = encode(Code.STATUS_SERVER, 202, nonce, [])
    other = access_octets(Code.ACCESS_CHALLENGE, 203, nonce, [], SECRET)
    for octets in (plain, wrong, status, other, b"", b"\1\2", os.urandom(60)):
        world.auth.send(octets)
    assert (await world.auth.access()).code == Code.ACCESS_ACCEPT  # and it is the only answer
    assert world.auth.came.empty()


async def test_a_stranger_is_never_answered(
    db: Database, tenant_id: TenantId, clock: MovableClock, tmp_path: Path
) -> None:
    strangers = read_profiles(PROFILES.format(more="", auth=0, acct=0).replace("127.0.0.0/8", "192.0.2.0/24"))
    async with a_world(db, tenant_id, clock, tmp_path, node=strangers) as world:
        world.auth.send(world.auth.access_octets())
        world.gateway.server.take(
            world.auth.transport, Code.ACCESS_REQUEST, world.auth.access_octets(), ("127.0.0.1", 9)
        )
        await asyncio.sleep(0)
        assert world.auth.came.empty()
        assert not world.gateway.server.tasks


async def test_without_a_shard_there_is_silence_and_the_repeat_is_tried_anew(world: World) -> None:
    octets, client = world.auth.access_octets(), world.gateway.application._asking
    real, asked = client._client, asyncio.Event()

    class Away:
        async def ask(self, *_: object) -> Answer:
            asked.set()
            raise charging.busy()

        async def close(self) -> None: ...

    client._client = Away()
    world.auth.send(octets)
    await asked.wait()
    while world.gateway.server.tasks:
        await asyncio.gather(*world.gateway.server.tasks)
    client._client = real
    assert (await world.auth.answer(octets)).code == Code.ACCESS_ACCEPT
