"""Vouchers from the print file to the balance: each is used once, each euro of them is booked."""

from __future__ import annotations

import asyncio
import json
import re
from datetime import timedelta
from pathlib import Path

import pytest

from farwire.base.storage import Database
from farwire.base.storage.database import open_pool
from farwire.kernel.errors import Conflict, Forbidden, Invalid, NotFound
from farwire.kernel.ids import TenantId
from farwire.kernel.tenancy import Actor
from farwire.ledger.model import Book
from farwire.payment import service as payments
from farwire.payment.events import VOUCHER_GUESSING_NOTICED, VOUCHER_REDEEMED
from farwire.payment.model.voucher import (
    Alphabet,
    BatchState,
    Buyer,
    Change,
    Outcome,
    SerialRange,
    Told,
    VoucherState,
    check_digit,
)
from farwire.payment.service import voucher as vouchers

from .shop import Shop
from .till import ANNA, BEN, EVERYTHING, Till, eur


@pytest.fixture
def shop(till: Till, tmp_path: Path) -> Shop:
    return Shop(till, tmp_path)


def a_code_of_nothing(number: int) -> str:
    body = f"{number:015d}"
    return body + check_digit(Alphabet.DIGITS, body)


async def facts(shop: Shop, serial: int) -> vouchers.VoucherFacts:
    async with shop.till.db.transaction(shop.till.tenant_id) as tx:
        return await vouchers.get_voucher(tx, serial=serial)


async def published(shop: Shop, event_type: str) -> list[dict[str, object]]:
    async with shop.till.db.transaction(shop.till.tenant_id) as tx:
        rows = await tx.fetch(
            "SELECT data FROM base.outbox WHERE tenant_id = $1 AND type = $2 ORDER BY position",
            tx.tenant_id,
            event_type,
        )
    return [json.loads(row["data"]) if isinstance(row["data"], str) else row["data"] for row in rows]


async def test_a_batch_has_a_print_file_and_the_database_has_no_code(shop: Shop) -> None:
    made = await shop.make(quantity=1200)
    assert (made.printed_now, made.batch.state, len(shop.codes)) == (True, BatchState.PRINTED, 1200)
    assert (shop.folder / "spring.csv").stat().st_mode & 0o777 == 0o600
    assert not list(shop.folder.glob("*.part"))
    async with shop.till.db.transaction(shop.till.tenant_id) as tx:
        rows = await tx.fetch("SELECT v::text FROM payment.voucher v WHERE tenant_id = $1", tx.tenant_id)
        rows += await tx.fetch(
            "SELECT v::text FROM payment.voucher_batch v WHERE tenant_id = $1", tx.tenant_id
        )
    kept = "\n".join(row[0] for row in rows)
    assert not any(re.sub("-", "", code) in kept or code in kept for code in shop.codes.values())


async def test_the_same_batch_again_says_why_it_is_not_printed(shop: Shop) -> None:
    first = await shop.make()
    before = (shop.folder / "spring.csv").read_bytes()
    again = await shop.make()
    assert (again.printed_now, again.batch) == (False, first.batch)
    assert "its print file was written on 2026-06-01" in again.reason
    assert (shop.folder / "spring.csv").read_bytes() == before
    with pytest.raises(Conflict) as refused:
        await shop.make(quantity=6)
    assert refused.value.code == "payment.batch_key_reused"
    assert (await shop.make(key="summer")).batch.serials == SerialRange(6, 10)


async def test_a_file_is_never_overwritten(shop: Shop) -> None:
    (shop.folder / "spring.csv").write_text("something of mine")
    with pytest.raises(Conflict) as refused:
        await shop.make()
    assert refused.value.code == "payment.file_exists"
    assert (shop.folder / "spring.csv").read_text() == "something of mine"
    async with shop.till.db.transaction(shop.till.tenant_id) as tx:
        assert (await vouchers.list_batches(tx, page=EVERYTHING)).total == 0


async def test_a_voucher_becomes_a_balance_once_and_every_euro_is_booked(shop: Shop) -> None:
    await shop.make()
    assert await shop.till.books() == {}
    sale = await shop.sell()
    assert sale is not None
    assert await shop.till.books() == {Book.CASH: 5000, Book.VOUCHERS_SOLD: -5000}
    assert await shop.sell() is None
    answer = await shop.use(shop.codes[3])
    assert answer.told is Told.ACCEPTED
    assert answer.order is not None
    assert (answer.order.serial, answer.order.value) == (3, eur("10.00"))
    assert await shop.till.books() == {Book.CASH: 5000, Book.VOUCHERS_SOLD: -4000, Book.PREPAID: -1000}
    (event,) = await published(shop, VOUCHER_REDEEMED)
    assert (event["key"], event["amount_minor"], event["serial"]) == (answer.order.key, 1000, 3)
    known = await facts(shop, 3)
    assert known.sale is not None
    assert (known.voucher.state, known.order, known.sale.id) == (VoucherState.USED, answer.order, sale.id)
    await shop.sound()


async def test_charging_confirms_a_credit_and_the_first_time_counts(shop: Shop) -> None:
    await shop.make()
    await shop.sell()
    order = (await shop.use(shop.codes[1])).order
    assert order is not None
    now = shop.till.clock.now()
    async with shop.till.db.transaction(shop.till.tenant_id) as tx:
        assert (await vouchers.list_credit_orders(tx, page=EVERYTHING, waiting_only=True)).total == 1
        first = await payments.credit_confirmed(tx, key=order.key, at=now, account_ref="7")
        later = await payments.credit_confirmed(
            tx, key=order.key, at=now + timedelta(hours=1), account_ref="8"
        )
        assert (first.account_ref, later.account_ref) == ("7", "7")
        assert (first.credited_at, later.credited_at) == (now, now)
        assert (await vouchers.list_credit_orders(tx, page=EVERYTHING, waiting_only=True)).total == 0
        for key in (str(TenantId(shop.till.tenant_id)), "nonsense"):
            with pytest.raises((NotFound, Invalid)):
                await payments.credit_confirmed(tx, key=key, at=now, account_ref="7")


async def test_one_voucher_used_by_fifty_clients_at_once_is_used_once(shop: Shop, settings) -> None:
    await shop.make()
    await shop.sell()
    many = await open_pool(str(settings.database_url), size=50)
    shop.till.db = many
    try:
        answers = await asyncio.gather(
            *(shop.use(shop.codes[2], subscriber=f"49151{n:04d}") for n in range(50))
        )
    finally:
        await many.close()
    assert sorted(answer.told for answer in answers) == [Told.ACCEPTED] + [Told.REFUSED] * 49


async def test_fifty_clients_and_the_books(shop: Shop, settings, db: Database) -> None:
    await shop.make()
    await shop.sell()
    shop.till.db = many = await open_pool(str(settings.database_url), size=20)
    try:
        answers = await asyncio.gather(*(shop.use(shop.codes[2], key="same wish") for _ in range(50)))
    finally:
        await many.close()
        shop.till.db = db
    assert {answer.told for answer in answers} == {Told.ACCEPTED}
    assert len({answer.order.key for answer in answers if answer.order}) == 1
    assert len(await published(shop, VOUCHER_REDEEMED)) == 1
    assert (await shop.till.books())[Book.PREPAID] == -1000
    await shop.sound()


async def test_the_same_wish_gets_the_same_answer_and_another_one_is_refused(shop: Shop) -> None:
    await shop.make()
    await shop.sell()
    first = await shop.use(shop.codes[1], key="a")
    assert first.order is not None
    async with shop.till.db.transaction(shop.till.tenant_id) as tx:
        assert await payments.get_credit_order(tx, key=first.order.key) == first.order
    assert await shop.use(shop.codes[1], key="a") == first
    assert (await shop.use(shop.codes[1], key="a", client="web")).told is Told.REFUSED
    no = await shop.use(shop.codes[1], key="b")
    assert await shop.use(shop.codes[1], key="b") == no
    for code, subscriber in ((shop.codes[2], "4915112345678"), (shop.codes[1], "49151000")):
        with pytest.raises(Conflict) as refused:
            await shop.use(code, subscriber, key="a")
        assert refused.value.code == "payment.key_reused"
    await shop.sound()


async def test_the_outside_does_not_learn_why_and_the_operator_does(shop: Shop) -> None:
    await shop.make(quantity=5)
    await shop.make(key="later", valid_from=shop.till.clock.now() + timedelta(days=1))
    await shop.sell(first=1, last=4)
    await shop.sell("later")
    await shop.use(shop.codes[1])
    async with shop.till.db.transaction(shop.till.tenant_id) as tx:
        await vouchers.change_vouchers(
            tx,
            change=Change.BLOCK,
            batch="spring",
            serials=SerialRange(2, 2),
            reason="lost",
            now=shop.till.clock.now(),
            actor=ANNA,
        )
    tried = (a_code_of_nothing(1), shop.codes[1], shop.codes[2], shop.codes[5], shop.codes[6])
    answers = [await shop.use(code, subscriber=f"s{n}") for n, code in enumerate(tried)]
    assert {(one.told, one.order, one.retry_at) for one in answers} == {(Told.REFUSED, None, None)}
    async with shop.till.db.transaction(shop.till.tenant_id) as tx:
        seen = await vouchers.list_attempts(tx, page=EVERYTHING)
    assert [one.outcome for one in sorted(seen.items, key=lambda one: one.asked.subscriber)] == [
        Outcome.UNKNOWN,
        Outcome.USED,
        Outcome.BLOCKED,
        Outcome.NOT_ACTIVE,
        Outcome.NOT_YET,
    ]


async def test_guessing_is_slowed_more_each_time_and_reported_once(shop: Shop) -> None:
    await shop.make()
    await shop.sell()
    answers = [await shop.use(a_code_of_nothing(n)) for n in range(5)]
    assert [one.retry_at for one in answers[:4]] == [None] * 4
    now = shop.till.clock.now()
    assert answers[4].retry_at == now + timedelta(minutes=1)
    assert (await shop.use(shop.codes[1])).told is Told.LOCKED
    assert (await shop.use(shop.codes[2], subscriber="somebody else")).told is Told.ACCEPTED
    async with shop.till.db.transaction(shop.till.tenant_id) as tx:
        (locked,) = (await vouchers.list_locked(tx, page=EVERYTHING, now=now)).items
    assert (locked.subscriber, locked.failures) == ("4915112345678", 5)
    shop.till.clock.advance(timedelta(minutes=1))
    again = await shop.use(a_code_of_nothing(9))
    assert again.retry_at == shop.till.clock.now() + timedelta(minutes=2)
    shop.till.clock.advance(timedelta(minutes=2))
    assert (await shop.use(shop.codes[1])).told is Told.ACCEPTED
    assert [one["failures"] for one in await published(shop, VOUCHER_GUESSING_NOTICED)] == [5]
    shop.till.clock.advance(timedelta(hours=24))
    assert (await shop.use(a_code_of_nothing(10))).retry_at is None


async def test_a_mistyped_code_says_so_and_costs_nothing(shop: Shop) -> None:
    await shop.make()
    for _ in range(10):
        with pytest.raises(Invalid) as refused:
            await shop.use("1234-5678-9012-3456")
        assert refused.value.code == "payment.code_mistyped"
    await shop.sell()
    assert (await shop.use(shop.codes[1])).told is Told.ACCEPTED


async def test_who_made_the_codes_does_not_sell_them(shop: Shop) -> None:
    await shop.make()
    with pytest.raises(Forbidden) as refused:
        async with shop.till.db.transaction(shop.till.tenant_id) as tx:
            await vouchers.activate(
                tx,
                batch="spring",
                serials=None,
                buyer=Buyer(method=None, account_id=(await shop.till.account()).id),
                now=shop.till.clock.now(),
                actor=ANNA,
            )
    assert refused.value.code == "authz.four_eyes"


async def test_a_dealer_owes_the_price_and_pays_it_like_a_bill(shop: Shop) -> None:
    await shop.make(quantity=10)
    dealer = await shop.till.account()
    sale = await shop.sell(first=1, last=4, buyer=Buyer(account_id=dealer.id, price=eur("38.00")))
    assert sale is not None
    assert await shop.till.books() == {
        Book.RECEIVABLE: 3800,
        Book.DEALER_COMMISSION: 200,
        Book.VOUCHERS_SOLD: -4000,
    }
    assert await shop.till.open(dealer) == {"spring 1-4": 3800}
    await shop.sound()
    await shop.till.pay(dealer, "38.00", reference="spring 1-4")
    assert await shop.till.open(dealer) == {}
    with pytest.raises(Invalid) as refused:
        await shop.sell(first=5, last=5, buyer=Buyer(account_id=dealer.id, price=eur("10.01")))
    assert refused.value.code == "payment.voucher_price"
    with pytest.raises(Invalid):
        await shop.sell(first=10, last=11)
    await shop.sound()


async def test_what_was_sold_is_cancelled_by_two_people_and_its_sale_undone(shop: Shop) -> None:
    await shop.make(quantity=10)
    dealer = await shop.till.account()
    await shop.sell(first=1, last=3, buyer=Buyer(account_id=dealer.id, price=eur("20.00")))
    await shop.sell(first=4, last=5)
    await shop.use(shop.codes[5])
    assert await change(shop, Change.CANCEL, None, BEN, sold=True) == 0  # nothing of it is blocked
    assert await change(shop, Change.BLOCK, SerialRange(1, 4), BEN) == 4
    with pytest.raises(Forbidden) as refused:
        await change(shop, Change.CANCEL, SerialRange(1, 2), BEN, sold=True)
    assert refused.value.code == "authz.four_eyes"
    for reason, what in (("", Change.CANCEL), ("why", Change.BLOCK)):
        with pytest.raises(Invalid):
            await change(shop, what, None, ANNA, sold=True, reason=reason)
    assert await change(shop, Change.CANCEL, SerialRange(1, 1), ANNA, sold=True) == 1
    assert await shop.till.open(dealer) == {"spring 1-3": 1333}
    await shop.sound()
    assert await change(shop, Change.CANCEL, None, ANNA, sold=True) == 3
    assert await change(shop, Change.CANCEL, None, ANNA, sold=True) == 0
    assert await shop.till.open(dealer) == {}
    assert await shop.till.books() == {Book.CASH: 1000, Book.PREPAID: -1000}
    assert (await shop.use(shop.codes[1])).told is Told.REFUSED
    assert (await facts(shop, 4)).voucher.state is VoucherState.CANCELLED
    assert (await facts(shop, 10)).voucher.state is VoucherState.GENERATED
    await shop.sound()


async def change(
    shop: Shop,
    what: Change,
    serials: SerialRange | None,
    actor: Actor,
    *,
    sold: bool = False,
    reason: str = "came back",
) -> int:
    async with shop.till.db.transaction(shop.till.tenant_id) as tx:
        return await vouchers.change_vouchers(
            tx, change=what, batch="spring", serials=serials, reason=reason, now=shop.till.clock.now(),
            actor=actor, sold=sold,
        )  # fmt: skip


async def test_time_makes_what_nobody_used_ours(shop: Shop) -> None:
    await shop.make(quantity=5)
    await shop.sell(first=1, last=4)
    await shop.use(shop.codes[1])
    async with shop.till.db.transaction(shop.till.tenant_id) as tx:
        given = {"batch": "spring", "reason": "", "now": shop.till.clock.now(), "actor": ANNA}
        assert (
            await vouchers.change_vouchers(tx, change=Change.BLOCK, serials=SerialRange(2, 5), **given) == 4
        )
        assert (
            await vouchers.change_vouchers(tx, change=Change.UNBLOCK, serials=SerialRange(3, 3), **given) == 1
        )
        assert await vouchers.change_vouchers(tx, change=Change.CANCEL, serials=None, **given) == 1
    assert (await facts(shop, 5)).voucher.state is VoucherState.CANCELLED
    till = shop.till
    assert await vouchers.expire_vouchers(db=till.db, tenant_id=till.tenant_id, now=till.clock.now()) == 0
    till.clock.advance(timedelta(days=365))
    assert (await shop.use(shop.codes[3])).told is Told.REFUSED
    assert await vouchers.expire_vouchers(db=till.db, tenant_id=till.tenant_id, now=till.clock.now()) == 3
    assert await vouchers.expire_vouchers(db=till.db, tenant_id=till.tenant_id, now=till.clock.now()) == 0
    assert await till.books() == {Book.CASH: 4000, Book.PREPAID: -1000, Book.VOUCHER_BREAKAGE: -3000}
    async with till.db.transaction(till.tenant_id) as tx:
        assert (await vouchers.get_batch(tx, key="spring")).state is BatchState.CLOSED
    with pytest.raises(Conflict):
        await shop.sell()
    await shop.sound()


async def test_another_tenant_knows_nothing_of_a_voucher(shop: Shop, other_tenant_id: TenantId) -> None:
    await shop.make()
    await shop.sell()
    other = Shop(Till(shop.till.db, shop.till.clock, other_tenant_id), shop.folder / "other")
    other.folder.mkdir()
    assert (await other.use(shop.codes[1])).told is Told.REFUSED
    await other.till.company("SR")
    await other.make()
    await other.sell()
    assert (await other.use(shop.codes[1])).told is Told.REFUSED
    async with shop.till.db.transaction(other_tenant_id) as tx:
        seen = await vouchers.list_attempts(tx, page=EVERYTHING)
        assert {one.outcome for one in seen.items} == {Outcome.UNKNOWN}
    assert (await shop.use(shop.codes[1])).told is Told.ACCEPTED
    async with shop.till.db.transaction(shop.till.tenant_id) as tx:
        assert (await vouchers.list_attempts(tx, page=EVERYTHING)).total == 0
    await shop.sound()
    await other.sound()


@pytest.mark.parametrize(
    "wrong",
    [
        {"quantity": 0},
        {"quantity": 1_000_001},
        {"key": " "},
        {"key": "x" * 81},
        {"value": "0.00"},
        {"value": "92233720368547758.07"},
        {"length": 13},
        {"extra": "\n"},
        {"valid_until": None},
    ],
)
async def test_a_batch_that_makes_no_sense_leaves_nothing(shop: Shop, wrong: dict[str, object]) -> None:
    if "valid_until" in wrong:
        wrong = {"valid_until": shop.till.clock.now()}
    with pytest.raises(Invalid):
        await shop.make(**wrong)  # type: ignore[arg-type]
    assert list(shop.folder.iterdir()) == []
    assert BEN != ANNA
