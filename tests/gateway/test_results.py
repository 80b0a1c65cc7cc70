"""Every Result-Code that clients are promised: how a client gets it, and what its answer has beside it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

import msgspec
import pytest

from farwire.charging import service as charging
from farwire.charging.model import CommandKind
from farwire.gateway.diameter.codec import Avps, Header, Message, encode, encode_avp, encode_avps
from farwire.gateway.diameter.dictionary import Result, key_of
from farwire.kernel.errors import Unavailable
from tests.gateway.world import (
    CONTEXT,
    EURO,
    OCTETS,
    RATING_GROUP,
    REQUESTED,
    RESULT,
    SECONDS,
    SERVICES,
    SESSION,
    USED,
    Gateway,
    Wire,
    ccr,
    connect,
    group,
    msisdn,
)

MB = 10**6
FAILED: Final = key_of("Failed-AVP")
MONEY, DIGITS = key_of("CC-Money"), key_of("Value-Digits")
MESSAGES: dict[str, list[object]] = {"Service_Context_Id": ["8.32274@3gpp.org"]}
UNKNOWN: Final = b"\0\0\x27\x0f\x40\0\0\x0bABC\0"
FREE: Final = 900
"""A rating group that the peer's profile says is not controlled."""
Way = Callable[[Gateway, Wire], Awaitable[Message]]


def asked(avps: Avps) -> Way:
    """Return the way of one request."""

    async def way(_gateway: Gateway, wire: Wire) -> Message:
        return await wire.ask(avps)

    return way


async def barred(gateway: Gateway, wire: Wire) -> Message:
    await charging.command(
        gateway.desk.client, account=gateway.account, kind=CommandKind.BAR, key="bar", amount=1
    )
    return await wire.ask(ccr(1, 0, group(1, requested=MB)))


async def without_a_shard(gateway: Gateway, wire: Wire) -> Message:
    class Nobody:
        async def ask(self, tenant: int, request: object) -> None:
            raise Unavailable("nobody", code="charging.no_answer")

    gateway.asking._client = Nobody()  # type: ignore[attr-defined]
    return await wire.ask(ccr(1, 0, group(1, requested=MB)))


async def with_an_unknown_avp(_gateway: Gateway, wire: Wire) -> Message:
    octets = bytearray(encode(Message(Header(0xC0, 272, 4, 9, 9), ccr(1, 0))) + UNKNOWN)
    octets[1:4] = len(octets).to_bytes(3, "big")
    wire.writer.write(octets)
    return await wire.receive()


async def too_late(_gateway: Gateway, wire: Wire) -> Message:
    await wire.ask(ccr(1, 0, group(1, requested=MB)))
    await wire.ask(ccr(2, 5, group(1, requested=MB)))
    return await wire.ask(ccr(2, 3, group(1, requested=MB)))


def debit(whole: int, **more: list[object]) -> Avps:
    units: Avps = {MONEY: [{key_of("Unit-Value"): [{DIGITS: [whole]}]}]}
    return ccr(4, 0, Requested_Action=[0], Requested_Service_Unit=[units], **more)


SECONDS_OF_DATA: Avps = {REQUESTED: [{SECONDS: [5]}], RATING_GROUP: [1]}
NOTHING: Final = b""
WAYS: Final[dict[str, tuple[Result, Way, bytes]]] = {
    "enough": (Result.SUCCESS, asked(ccr(1, 0, group(1, requested=MB))), NOTHING),
    "barred": (Result.END_USER_SERVICE_DENIED, barred, NOTHING),
    "not controlled": (
        Result.CREDIT_CONTROL_NOT_APPLICABLE, asked(ccr(1, 0, group(FREE, requested=MB))), NOTHING,
    ),
    "an event that is not controlled": (
        Result.CREDIT_CONTROL_NOT_APPLICABLE, asked(ccr(4, 0, group(FREE, requested=1), Requested_Action=[0])), NOTHING,
    ),
    "more than there is": (Result.CREDIT_LIMIT_REACHED, asked(debit(2)), NOTHING),
    "a stranger": (
        Result.USER_UNKNOWN, asked(ccr(1, 0, group(1, requested=MB), Subscription_Id=[msisdn("4999")])), NOTHING,
    ),
    "no price": (
        Result.RATING_FAILED, asked(ccr(1, 0, group(7, requested=0), **MESSAGES)),
        encode_avp(SERVICES, {RATING_GROUP: [7]}),
    ),
    "no price of a message": (
        Result.RATING_FAILED, asked(ccr(4, 0, Requested_Action=[0], **MESSAGES)),
        encode_avp(CONTEXT, "8.32274@3gpp.org"),
    ),
    "another host": (Result.UNABLE_TO_DELIVER, asked(ccr(1, 0, Destination_Host=["other.example"])), NOTHING),
    "no shard": (Result.TOO_BUSY, without_a_shard, NOTHING),
    "an unknown AVP": (Result.AVP_UNSUPPORTED, with_an_unknown_avp, UNKNOWN),
    "a session that never began": (
        Result.UNKNOWN_SESSION_ID, asked(ccr(2, 1, group(1, used=MB), session="never;begun")), NOTHING,
    ),
    "seconds of data": (
        Result.INVALID_AVP_VALUE, asked(ccr(1, 0, SECONDS_OF_DATA)), encode_avp(SECONDS, 5),
    ),
    "beyond all bounds": (
        Result.INVALID_AVP_VALUE, asked(ccr(1, 0, group(1, requested=2**63))), encode_avp(OCTETS, 2**63),
    ),
    "no number": (
        Result.MISSING_AVP, asked(ccr(1, 0, CC_Request_Number=[])), encode_avp(key_of("CC-Request-Number"), 0),
    ),
    "too late": (Result.UNABLE_TO_COMPLY, too_late, NOTHING),
}  # fmt: skip
PROMISED: Final = {2001, 4010, 4011, 4012, 5030, 5031, 3002, 3004, 5001, 5002, 5004, 5005, 5012}


def test_the_table_has_every_result_that_is_promised() -> None:
    assert {int(result) for result, *_ in WAYS.values()} == PROMISED


@pytest.mark.parametrize("name", WAYS)
async def test_every_result_has_its_way(gateway: Gateway, name: str) -> None:
    (peer,) = gateway.server.node.peers
    peers = (msgspec.structs.replace(peer, uncontrolled=(FREE,)),)
    gateway.server.node = msgspec.structs.replace(gateway.server.node, peers=peers)
    result, way, failed = WAYS[name]
    answer = await way(gateway, await connect(gateway.server))
    of_groups = [one[RESULT] for one in answer.avps.get(SERVICES, []) if isinstance(one, dict)]
    if of_groups:
        assert of_groups == [[result]]
        assert answer.avps[RESULT] in ([2001], [result])
    else:
        assert answer.avps[RESULT] == [result]
    assert answer.avps.get(FAILED) == ([failed] if failed else None)
    assert answer.header.flags & 0x20 == (0x20 if 3000 <= result < 4000 else 0)
    assert SESSION in answer.avps
    assert await gateway.held() == (EURO // 50 if name in ("enough", "too late") else 0)


async def test_each_rating_group_has_its_own_result_and_the_failed_one_is_named(gateway: Gateway) -> None:
    (peer,) = gateway.server.node.peers
    peers = (msgspec.structs.replace(peer, uncontrolled=(FREE,)),)
    gateway.server.node = msgspec.structs.replace(gateway.server.node, peers=peers)
    wire = await connect(gateway.server)
    events: Avps = {key_of("CC-Service-Specific-Units"): [1]}
    groups = (group(FREE, requested=MB), group(1, requested=MB), group(FREE, used=5))
    answer = await wire.ask(ccr(1, 0, *groups))
    found = {one[RATING_GROUP][0]: one[RESULT][0] for one in answer.avps[SERVICES] if isinstance(one, dict)}
    assert (answer.avps[RESULT], found) == ([2001], {1: 2001, FREE: 4011})
    assert await gateway.held() == EURO // 50
    priced: list[Avps] = [{RATING_GROUP: [n], REQUESTED: [events]} for n in (7, FREE)]
    answer = await wire.ask(ccr(4, 0, *priced, session="e", Requested_Action=[0], **MESSAGES))
    found = {one[RATING_GROUP][0]: one[RESULT][0] for one in answer.avps[SERVICES] if isinstance(one, dict)}
    assert found == {7: 5031, FREE: 4011}
    assert answer.avps[FAILED] == [encode_avps({SERVICES: [{RATING_GROUP: [7]}]})]
    ended = await wire.ask(ccr(3, 1, group(1, used=MB), group(FREE, used=9 * MB)))
    assert ended.avps[RESULT] == [2001]
    assert await gateway.balance() == EURO - EURO // 50
    assert USED not in ended.avps
