"""The trace of a subscriber: everything in one order, in words, and nothing that names anybody."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from farwire.base.clock import MovableClock
from farwire.base.storage import Database
from farwire.charging import service
from farwire.charging.events import noticed
from farwire.charging.model import Ask, CommandKind, Flag, Lifecycle, Phase, ResultCode, new_account
from farwire.charging.model.answers import Notice, NoticeKind
from farwire.charging.model.pricing import moment
from farwire.charging.model.state import NEVER
from farwire.charging.service.explaining import refusals
from farwire.charging.service.tracing import TOLD, Line, notice_line, trace_of
from farwire.charging.shard.reading import Seen
from farwire.kernel.ids import TenantId, uuid7
from tests.charging.books_world import BooksWorld, books_world
from tests.charging.desk import CLERK
from tests.charging.play import EURO, MB, START, Player


@pytest.fixture
async def world(
    db: Database, tenant_id: TenantId, clock: MovableClock, tmp_path: Path
) -> AsyncIterator[BooksWorld]:
    async with books_world(db, tenant_id, clock, tmp_path) as found:
        yield found


async def traced(world: BooksWorld, most: int = 200) -> tuple[Line, ...]:
    await world.take()
    (account,) = world.accounts
    seen = await service.inspect(world.client, account=account)
    async with world.db.transaction(world.tenant_id, read_only=True) as tx:
        return await trace_of(tx, account=account, seen=seen, most=most)


async def test_what_moved_was_told_used_and_bought_is_in_one_order(world: BooksWorld) -> None:
    (account,) = world.accounts
    await world.command(account, CommandKind.VOUCHER, 6 * EURO)
    world.clock.advance(timedelta(seconds=1))
    await world.command(account, CommandKind.PURCHASE, 1, world.offer)
    world.clock.advance(timedelta(seconds=1))
    await world.session(account, [3 * MB])
    lines = await traced(world)
    assert [line.what for line in reversed(lines)][:4] == ["account", "movement", "notice", "offer"]
    texts = [line.text for line in lines]
    assert "voucher: +6.00 EUR on balance 1" in texts
    assert any(text.startswith("activated until 2026-") for text in texts)
    assert "usage: -3 MB on balance 2" in texts
    assert any("group 1 ended: 3 MB used for 0.00 EUR" in text for text in texts)
    world.clock.advance(timedelta(days=8))
    await world.command(account, CommandKind.VOUCHER, 1)
    later = await traced(world)
    assert any("go-5 not renewed: no balance has anything left" in line.text for line in later)
    assert await traced(world, most=3) == later[:3]


async def test_what_an_erased_person_leaves_in_the_trace_names_nobody(world: BooksWorld) -> None:
    (account,) = world.accounts
    await world.command(account, CommandKind.VOUCHER, EURO)
    await world.command(account, CommandKind.PURCHASE, 1, world.offer)
    async with world.db.transaction(world.tenant_id) as tx:
        await service.erase_account(tx, number=account.number, now=world.clock.now(), actor=CLERK)
    lines = await traced(world)
    assert len(lines) >= 3
    assert not [line for line in lines if "sub-1" in line.text]


@pytest.mark.parametrize("kind", list(NoticeKind))
def test_a_notice_that_is_published_has_words_and_no_other(kind: NoticeKind) -> None:
    tenant = TenantId(uuid7(moment(0)))
    for value in (0, 4012, EURO, NEVER):
        told = Notice(1, kind, 22, value, 0)
        event = noticed(
            told, tenant_id=tenant, account_id=None, product_id=None, currency="EUR", recorded_at=moment(0)
        )
        assert (event is None) is (kind not in TOLD)
        if event is not None:
            assert notice_line(told, "EUR", {22: "go-5"}).text


def test_a_shard_that_was_started_again_still_knows_when_a_session_was_refused() -> None:
    player = Player(new_account(1, tenant=1, plan=1, lifecycle=Lifecycle.ACTIVE))
    player.session(0, Phase.INITIAL, Ask(7))
    player.now += 5_000_000
    player.command(CommandKind.BAR, 1)
    player.session(0, Phase.INITIAL, session=2)
    player.now += 5_000_000
    assert player.account().flags & Flag.BARRED
    found = refusals(Seen(int(ResultCode.SUCCESS), seen=player.account()))
    later = START + 5_000_000
    assert [(one.at, one.result, one.rating_group) for one in found] == [
        (moment(later), ResultCode.END_USER_DENIED, None),
        (moment(START), ResultCode.CREDIT_LIMIT_REACHED, 7),
    ]
