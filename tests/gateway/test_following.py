"""Wishes are followed by one loop: whoever does not answer, or cannot be told, keeps nobody else waiting."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from farwire.base.storage import Database
from farwire.gateway.sessions import Following, LiveSession, Outcome, Protocol, Reason, SessionBook, Wish
from farwire.gateway.sessions import following as module
from farwire.gateway.sessions.service import wish_for_account
from farwire.kernel.errors import Unavailable
from farwire.kernel.ids import TenantId
from tests.gateway.test_sessions import ACCOUNT, live, make_due

PEERS = ("pgw", "dead")
WAIT_S = 30


def follows(
    db: Database, tenant_id: TenantId, book: SessionBook, tell: Callable[[Wish], Awaitable[Outcome]]
) -> Following:
    return Following(
        db=db, protocol=Protocol.DIAMETER, tenant_ids=[tenant_id], peers=lambda: PEERS, book=book, tell=tell
    )


async def want(db: Database, tenant_id: TenantId, *sessions: LiveSession) -> SessionBook:
    """Open sessions, and wish that their elements be told of a top-up."""
    book = SessionBook(db=db)
    for one in sessions:
        book.opened(one)
    await book.flush()
    async with db.transaction(tenant_id) as tx:
        await wish_for_account(tx, account=ACCOUNT, reason=Reason.TOP_UP)
    return book


async def left(db: Database, tenant_id: TenantId) -> int:
    async with db.transaction(tenant_id) as tx:
        count: int = await tx.fetchval("SELECT count(*) FROM gateway.wish WHERE tenant_id = $1", tx.tenant_id)
    return count


async def test_peers_that_do_not_answer_keep_no_other_peer_waiting(
    db: Database, tenant_id: TenantId, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "OF_A_PEER", 3)
    book = await want(db, tenant_id, *(live(tenant_id, f"dead;{number}", peer="dead") for number in range(9)))
    await want(db, tenant_id, live(tenant_id))  # the youngest wish of all
    asked: list[str] = []
    heard = asyncio.Event()

    async def tell(wish: Wish) -> Outcome:
        asked.append(wish.session.peer)
        if wish.session.peer == "dead":
            await asyncio.sleep(1_000)
        heard.set()
        return Outcome.DONE

    running = asyncio.create_task(follows(db, tenant_id, book, tell).run())
    async with asyncio.timeout(WAIT_S):
        await heard.wait()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert asked.count("dead") <= 2 * 3, "no more of one peer than its share"


@pytest.mark.parametrize("error", [KeyError("notify"), Unavailable("away", code="charging.no_answer")])
async def test_a_wish_that_cannot_be_told_is_tried_again_and_silences_nobody(
    db: Database, tenant_id: TenantId, error: Exception
) -> None:
    book = await want(db, tenant_id, live(tenant_id, "odd"), live(tenant_id, "good"))
    told: list[str] = []

    async def tell(wish: Wish) -> Outcome:
        told.append(wish.session.session)
        if wish.session.session == "odd" and told.count("odd") == 1:
            raise error
        return Outcome.DONE

    following = follows(db, tenant_id, book, tell)
    assert await following.once() == 2
    assert sorted(told) == ["good", "odd"]
    assert await left(db, tenant_id) == 1
    await make_due(db, tenant_id)
    assert await following.once() == 1
    assert await left(db, tenant_id) == 0


async def test_wishes_of_one_session_are_told_one_after_another_the_older_first(
    db: Database, tenant_id: TenantId
) -> None:
    book = await want(db, tenant_id, live(tenant_id))
    async with db.transaction(tenant_id) as tx:
        await wish_for_account(tx, account=ACCOUNT, reason=Reason.SUSPENDED)
    steps: list[str] = []

    async def tell(wish: Wish) -> Outcome:
        steps.append(f"begin {wish.reason}")
        await asyncio.sleep(0)
        steps.append(f"end {wish.reason}")
        return Outcome.DONE

    assert await follows(db, tenant_id, book, tell).once() == 2
    assert steps == ["begin top_up", "end top_up", "begin suspended", "end suspended"]


async def test_a_session_that_its_element_does_not_have_is_closed(db: Database, tenant_id: TenantId) -> None:
    book = await want(db, tenant_id, live(tenant_id))

    async def tell(wish: Wish) -> Outcome:
        return Outcome.GONE

    assert await follows(db, tenant_id, book, tell).once() == 1
    await book.flush()
    async with db.transaction(tenant_id) as tx:
        assert await wish_for_account(tx, account=ACCOUNT, reason=Reason.TOP_UP) == 0


async def test_the_loop_goes_on_after_the_database_was_away(db: Database, tenant_id: TenantId) -> None:
    book = await want(db, tenant_id, live(tenant_id))
    told = asyncio.Event()

    async def tell(wish: Wish) -> Outcome:
        told.set()
        return Outcome.DONE

    peers = iter([RuntimeError("anything"), Unavailable("away", code="storage.unavailable")])

    def reached() -> tuple[str, ...]:
        error = next(peers, None)
        if error is not None:
            raise error
        return PEERS

    following = Following(
        db=db, protocol=Protocol.DIAMETER, tenant_ids=[tenant_id], peers=reached, book=book, tell=tell
    )
    running = asyncio.create_task(following.run())
    async with asyncio.timeout(WAIT_S):
        await told.wait()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
