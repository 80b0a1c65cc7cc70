"""A top-up reaches the consumer's callback, a suspension ends its sessions; what does not answer is tried again."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from hyperframe.frame import PingFrame, SettingsFrame

from farwire.gateway.nchf import telling as module
from farwire.gateway.nchf.callbacks import may_call
from farwire.gateway.nchf.converged import NAME as CONVERGED
from farwire.gateway.nchf.http2.messages import Response
from farwire.gateway.nchf.spending import NAME as SPENDING
from farwire.gateway.nchf.spending import Counters, SpendingAsks
from farwire.gateway.nchf.telling import OUTCOMES, ChargingAsks, NoBearer, Telling
from farwire.gateway.operators import Operator
from farwire.gateway.sessions import Outcome, Reason, wish_for_account
from tests.gateway.nchf.openapi import CONVERGED as DOCUMENT
from tests.gateway.nchf.world import MB, Callback, World, a_consumer, a_node, document, usage


def telling(world: World, client: httpx.AsyncClient, **changes: Any) -> Telling:
    node = a_node(consumers=(a_consumer(**changes),))
    operators = {"nordlicht": Operator(world.tenant_id, world.account.tenant_number)}
    counters = Counters(client=world.desk.client, clock=world.clock)
    spending = SpendingAsks(node, db=world.db, operators=operators, counters=counters, clock=world.clock)
    return Telling(
        node, db=world.db, client=client, book=world.book, operators=operators,
        asks={CONVERGED: ChargingAsks(), SPENDING: spending}, bearer=NoBearer(),
    )  # fmt: skip


async def wish(world: World, reason: Reason) -> int:
    await world.book.flush()
    async with world.db.transaction(world.tenant_id) as tx:
        return await wish_for_account(tx, account=world.account.number, reason=reason)


async def wishes(world: World) -> int:
    """Return how many are not settled."""
    async with world.db.transaction(world.tenant_id) as tx:
        found = await tx.fetchval("SELECT count(*) FROM gateway.wish WHERE tenant_id = $1", tx.tenant_id)
    return int(found)


async def opened(world: World, callback: Callback, notify: str = "") -> str:
    uri, _ = await world.create(document(1, usage(1, requested=MB), notifyUri=notify or callback.uri))
    return uri


async def test_a_change_is_told_by_its_type(world: World, callback: Callback) -> None:
    await opened(world, callback)
    async with httpx.AsyncClient(http1=False, http2=True) as client:
        for reason, kind in ((Reason.TOP_UP, "REAUTHORIZATION"), (Reason.SUSPENDED, "ABORT_CHARGING")):
            assert await wish(world, reason) == 1
            assert await telling(world, client).once() == 1
            path, body = callback.heard.pop()
            assert (path, body) == ("/smf/notify", {"notificationType": kind})
            world.documents.check(DOCUMENT, "ChargingNotifyRequest", body)
            assert await telling(world, client).once() == 0
        await wish(world, Reason.EXHAUSTED)
        assert await telling(world, client).once() == 1
        assert not callback.heard


async def test_a_session_that_is_released_or_not_known_is_told_nothing_more(
    world: World, callback: Callback
) -> None:
    uri = await opened(world, callback)
    async with httpx.AsyncClient(http1=False, http2=True) as client:
        callback.answers.append(Response(404))
        await wish(world, Reason.TOP_UP)
        await telling(world, client).once()
        assert await wish(world, Reason.TOP_UP) == 0
        report = document(2, usage(1, used=MB), notifyUri=callback.uri)
        assert (await world.post(f"{uri}/update", report)).status_code == 200
        assert await wish(world, Reason.TOP_UP) == 1
        assert (await world.post(f"{uri}/release", document(3))).status_code == 204
        assert await wish(world, Reason.POLICY) == 0


async def test_who_does_not_answer_is_told_again_and_a_redirect_is_followed(
    world: World, callback: Callback
) -> None:
    await opened(world, callback)
    async with httpx.AsyncClient(http1=False, http2=True) as client:
        callback.answers.append(Response(503))
        await wish(world, Reason.TOP_UP)
        await telling(world, client).once()
        await wish(world, Reason.TOP_UP)
        callback.answers.append(Response(307, (("location", callback.uri.replace("smf", "other")),)))
        await telling(world, client).once()
        assert [path for path, _ in callback.heard] == ["/smf/notify", "/smf/notify", "/other/notify"]
        assert await telling(world, client).once() == 0


async def test_nothing_leaves_the_networks_of_the_consumer(world: World, callback: Callback) -> None:
    await opened(world, callback)
    async with httpx.AsyncClient(http1=False, http2=True) as client:
        await wish(world, Reason.TOP_UP)
        await telling(world, client, addresses=("192.0.2.0/24",)).once()
        assert not callback.heard


async def test_a_consumer_that_drips_its_answer_is_given_up(
    world: World, callback: Callback, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ANSWERED_S", 0.3)

    ended = asyncio.Event()

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            writer.write(SettingsFrame(0).serialize())
            while not reader.at_eof():
                writer.write(PingFrame(0, b"farwire?").serialize())
                await writer.drain()
                with suppress(TimeoutError):
                    await asyncio.wait_for(reader.read(4_096), 0.05)
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
        ended.set()

    dripping = await asyncio.start_server(drip, "127.0.0.1", 0)
    port = dripping.sockets[0].getsockname()[1]
    await opened(world, callback, f"http://127.0.0.1:{port}/x")
    async with httpx.AsyncClient(http1=False, http2=True) as client, asyncio.timeout(30):
        await wish(world, Reason.TOP_UP)
        assert await telling(world, client).once() == 1
    dripping.close()
    await asyncio.wait_for(ended.wait(), 30)
    await dripping.wait_closed()
    assert await wishes(world) == 1, "it is tried again"


async def test_a_name_is_called_where_it_was_checked(
    world: World, callback: Callback, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = urlsplit(callback.uri).port
    answers = [["192.0.2.7"], [], ["127.0.0.1", "192.0.2.7"], ["127.0.0.1"]]

    async def look_up(host: str, port: int) -> list[str]:
        assert host == "smf.invalid"
        return answers.pop(0)

    monkeypatch.setattr(module, "_look_up", look_up)
    await opened(world, callback, f"http://smf.invalid:{port}/smf/notify")
    async with httpx.AsyncClient(http1=False, http2=True) as client:
        for left in (0, 1, 0, 0):
            await wish(world, Reason.TOP_UP)
            await telling(world, client).once()
            assert await wishes(world) == left
            assert bool(callback.heard) == (not answers)


async def test_a_redirect_out_of_the_networks_is_the_end(world: World, callback: Callback) -> None:
    await opened(world, callback)
    async with httpx.AsyncClient(http1=False, http2=True) as client:
        callback.answers.append(Response(307, (("location", "http://192.0.2.9/metadata"),)))
        await wish(world, Reason.TOP_UP)
        await telling(world, client).once()
        assert len(callback.heard) == 1
        assert await wishes(world) == 0


@pytest.mark.parametrize(
    ("address", "allowed"),
    [("198.51.100.7", True), ("10.0.0.1", True), ("127.0.0.1", False), ("169.254.169.254", False),
     ("::1", False), ("::ffff:127.0.0.1", False), ("::", False), ("fe80::1%eth0", False), ("smf", False)],
)  # fmt: skip
def test_who_is_known_by_a_certificate_may_not_have_us_call_ourselves(address: str, allowed: bool) -> None:
    assert may_call(a_consumer(addresses=(), tls=True), address) is allowed


def test_every_answer_has_its_outcome() -> None:
    assert {status for status, outcome in OUTCOMES.items() if outcome is Outcome.GONE} == {404, 410}
    assert {outcome for status, outcome in OUTCOMES.items() if status >= 500} == {Outcome.AGAIN}
