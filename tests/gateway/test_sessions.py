"""Live sessions and wishes: who is to be told, by whom, how often."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from farwire.base.clock import MovableClock
from farwire.base.eventbus.model import new_event
from farwire.base.storage import Database
from farwire.charging.events import ACCOUNT_BARRED, ACCOUNT_UNBARRED, BALANCE_CREDITED, LIMIT_USED
from farwire.gateway.sessions import (
    LiveSession,
    Protocol,
    Reason,
    SessionBook,
    Wish,
    book,
    claim_wishes,
    jobs,
    settle_wish,
    wish_for_account,
)
from farwire.gateway.sessions.model import TRIES_MOST
from farwire.gateway.sessions.subscribers import subscribers
from farwire.kernel.errors import Unavailable
from farwire.kernel.ids import TenantId

ACCOUNT = 42


def live(
    tenant_id: TenantId, session: str = "pgw;1;1", *, peer: str = "pgw", account: int = ACCOUNT
) -> LiveSession:
    return LiveSession(tenant_id, Protocol.DIAMETER, session, account, peer, {"host": "pgw", "realm": "home"})


async def opened(db: Database, *sessions: LiveSession) -> SessionBook:
    found = SessionBook(db=db)
    for one in sessions:
        found.opened(one)
    await found.flush()
    return found


async def want(db: Database, tenant_id: TenantId, reason: Reason = Reason.TOP_UP) -> int:
    async with db.transaction(tenant_id) as tx:
        return await wish_for_account(tx, account=ACCOUNT, reason=reason)


async def claim(db: Database, tenant_id: TenantId, **how: object) -> tuple[Wish, ...]:
    return await claim_wishes(db=db, protocol=Protocol.DIAMETER, tenant_ids=[tenant_id], **how)  # type: ignore[arg-type]


async def make_due(db: Database, tenant_id: TenantId) -> None:
    """Let leases and rests be over."""
    async with db.transaction(tenant_id) as tx:
        await tx.execute("UPDATE gateway.wish SET due_at = now() WHERE tenant_id = $1", tenant_id)


async def test_a_change_of_an_account_is_a_wish_for_each_of_its_live_sessions(
    db: Database, tenant_id: TenantId
) -> None:
    one, two, other = live(tenant_id), live(tenant_id, "pgw;1;2"), live(tenant_id, "pgw;1;3", account=43)
    await opened(db, one, two, other)
    assert await want(db, tenant_id) == 2
    wishes = await claim(db, tenant_id)
    assert {wish.session.session for wish in wishes} == {one.session, two.session}
    assert {(wish.session.peer, wish.reason, wish.tries) for wish in wishes} == {("pgw", Reason.TOP_UP, 1)}
    assert wishes[0].session.address == one.address


async def test_another_tenant_neither_sees_nor_wakes_a_session(
    db: Database, tenant_id: TenantId, other_tenant_id: TenantId
) -> None:
    await opened(db, live(tenant_id))
    assert await want(db, other_tenant_id) == 0
    assert await want(db, tenant_id) == 1
    assert await claim(db, other_tenant_id) == ()


async def test_of_processes_at_once_exactly_one_claims_a_wish(db: Database, tenant_id: TenantId) -> None:
    await opened(db, *(live(tenant_id, f"pgw;1;{number}") for number in range(20)))
    await want(db, tenant_id)
    claims = await asyncio.gather(*(claim(db, tenant_id, limit=7) for _ in range(4)))
    found = [wish.session.session for wishes in claims for wish in wishes]
    assert len(found) == len(set(found)) >= 7


async def test_a_process_that_dies_gives_its_wishes_back_when_its_lease_ends(
    db: Database, tenant_id: TenantId
) -> None:
    await opened(db, live(tenant_id))
    await want(db, tenant_id)
    (lost,) = await claim(db, tenant_id)
    assert await claim(db, tenant_id) == ()
    await make_due(db, tenant_id)
    (again,) = await claim(db, tenant_id)
    assert (again.session, again.tries) == (lost.session, 2)


async def test_a_wish_is_tried_so_often_and_no_more(db: Database, tenant_id: TenantId) -> None:
    await opened(db, live(tenant_id))
    await want(db, tenant_id)
    for tries in range(1, TRIES_MOST + 1):
        (wish,) = await claim(db, tenant_id)
        assert wish.tries == tries
        await settle_wish(db=db, wish=wish, done=False)
        assert await claim(db, tenant_id) == (), "it rests"
        await make_due(db, tenant_id)
    assert await claim(db, tenant_id) == ()


async def test_what_is_wanted_again_while_it_is_done_stays_wanted(db: Database, tenant_id: TenantId) -> None:
    await opened(db, live(tenant_id))
    await want(db, tenant_id)
    (first,) = await claim(db, tenant_id)
    await want(db, tenant_id)
    await settle_wish(db=db, wish=first, done=True)
    (second,) = await claim(db, tenant_id)
    await settle_wish(db=db, wish=second, done=True)
    assert await claim(db, tenant_id) == ()


async def test_what_is_resumed_is_no_longer_suspended(db: Database, tenant_id: TenantId) -> None:
    await opened(db, live(tenant_id))
    for reason in (Reason.SUSPENDED, Reason.TOP_UP, Reason.RESUMED):
        await want(db, tenant_id, reason)
    assert [wish.reason for wish in await claim(db, tenant_id)] == [Reason.TOP_UP, Reason.RESUMED]


async def test_a_process_takes_wishes_of_its_peers_and_later_those_that_nobody_took(
    db: Database, tenant_id: TenantId
) -> None:
    await opened(db, live(tenant_id), live(tenant_id, "mme;1;1", peer="mme"))
    await want(db, tenant_id)
    assert [wish.session.peer for wish in await claim(db, tenant_id, peers=["mme", "ims"])] == ["mme"]
    async with db.transaction(tenant_id) as tx:
        await tx.execute(
            "UPDATE gateway.wish SET wanted_at = now() - interval '5 s' WHERE tenant_id = $1", tenant_id
        )
    assert [wish.session.peer for wish in await claim(db, tenant_id, peers=["mme"])] == ["pgw"]


async def test_a_session_that_has_ended_takes_its_wishes_with_it(db: Database, tenant_id: TenantId) -> None:
    found = await opened(db, live(tenant_id))
    await want(db, tenant_id)
    found.closed(tenant_id, Protocol.DIAMETER, "pgw;1;1")
    await found.flush()
    assert await claim(db, tenant_id) == ()
    assert await want(db, tenant_id) == 0


async def test_the_book_writes_by_itself_and_what_is_left_when_it_ends(
    db: Database, tenant_id: TenantId
) -> None:
    found = SessionBook(db=db)
    running = asyncio.create_task(found.run())
    found.opened(live(tenant_id))
    async with asyncio.timeout(30):
        while True:
            if await want(db, tenant_id):
                break
            await asyncio.sleep(0.02)
    found.opened(live(tenant_id, "pgw;1;2"))
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert await want(db, tenant_id) == 2


async def test_a_session_that_goes_on_is_written_once_and_again_where_it_has_moved(
    db: Database, tenant_id: TenantId
) -> None:
    found = await opened(db, live(tenant_id))
    found.opened(live(tenant_id))
    assert not found._changes
    found.opened(live(tenant_id, peer="relay"))
    await found.flush()
    await want(db, tenant_id)
    assert [wish.session.peer for wish in await claim(db, tenant_id)] == ["relay"]


async def test_while_the_database_is_away_the_book_keeps_the_latest_and_no_more_than_its_bound(
    db: Database, tenant_id: TenantId, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Away:
        def transaction(self, tenant_id: TenantId) -> None:
            raise Unavailable("the database is away", code="storage.unavailable")

    monkeypatch.setattr(book, "BUFFERED_MOST", 3)
    found = SessionBook(db=Away())  # type: ignore[arg-type]
    for number in range(5):
        found.opened(live(tenant_id, f"pgw;1;{number}"))
    with pytest.raises(Unavailable):
        await found.flush()
    found.closed(tenant_id, Protocol.DIAMETER, "pgw;1;4")
    assert [session for _, _, session in found._changes] == ["pgw;1;2", "pgw;1;3", "pgw;1;4"]
    found._db = db
    await found.flush()
    assert await want(db, tenant_id) == 2


@pytest.mark.parametrize(
    "one",
    [
        {"session": "a\0b"}, {"session": ""}, {"session": "x" * 1_025}, {"session": "\N{EURO SIGN}" * 400},
        {"peer": "p\0"}, {"address": {"host": "\0"}}, {"address": {"host": "h" * 20_000}},
    ],
)  # fmt: skip
async def test_what_no_database_can_keep_keeps_no_other_session_from_being_written(
    db: Database, tenant_id: TenantId, one: dict[str, Any]
) -> None:
    found = SessionBook(db=db)
    found.opened(replace(live(tenant_id), **one))
    found.closed(tenant_id, Protocol.DIAMETER, "never\0there")
    found.opened(live(tenant_id, "pgw;1;2"))
    await found.flush()
    assert await want(db, tenant_id) == 1


async def test_of_what_cannot_be_written_no_more_is_lost_than_what_was_written_with_it(
    db: Database, tenant_id: TenantId, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(book, "BATCH_MOST", 1)
    monkeypatch.setattr(book, "may_be_kept", lambda one: True)
    found = SessionBook(db=db)
    for session in ("odd\0", "good", "another"):
        found.opened(live(tenant_id, session))
    running = asyncio.create_task(found.run())
    async with asyncio.timeout(30):
        while await want(db, tenant_id) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_sessions_that_nobody_has_seen_for_days_are_forgotten(
    db: Database, tenant_id: TenantId
) -> None:
    await opened(db, live(tenant_id), live(tenant_id, "pgw;1;2"))
    async with db.transaction(tenant_id) as tx:
        await tx.execute(
            "UPDATE gateway.session SET seen_at = now() - interval '8 days' WHERE tenant_id = $1 AND session = $2",
            *(tenant_id, "pgw;1;1"),
        )
    await jobs.purge_sessions(db=db, tenant_id=tenant_id)
    assert await want(db, tenant_id) == 1


@pytest.mark.parametrize(
    ("type_", "percent", "reason"),
    [
        (BALANCE_CREDITED, 0, Reason.TOP_UP),
        (ACCOUNT_BARRED, 0, Reason.SUSPENDED),
        (ACCOUNT_UNBARRED, 0, Reason.RESUMED),
        (LIMIT_USED, 80, Reason.COUNTER),
        (LIMIT_USED, 100, Reason.EXHAUSTED),
    ],
)
async def test_events_of_charging_become_wishes(
    db: Database, tenant_id: TenantId, clock: MovableClock, type_: str, percent: int, reason: Reason
) -> None:
    await opened(db, live(tenant_id))
    (subscriber,) = subscribers(db=db, clock=clock)
    event = new_event(
        tenant_id=tenant_id, type=type_, subject=str(ACCOUNT), occurred_at=clock.now(), recorded_at=clock.now(),
        data={"account": str(ACCOUNT), "percent": percent},
    )  # fmt: skip
    await subscriber.handle(event)
    await subscriber.handle(event)
    assert [wish.reason for wish in await claim(db, tenant_id)] == [reason]
