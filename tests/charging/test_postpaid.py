"""What a postpaid account uses online is on its next bill: once, at the price that charging took, whatever stops."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from farwire.account.model import BillingAccount
from farwire.base.clock import MovableClock
from farwire.base.storage import Database
from farwire.billing.model import Bill, LineKind
from farwire.billing.rendering.document import invoice_document
from farwire.billing.rendering.explanation import facts_in_words
from farwire.billing.service.explain import explain_lines
from farwire.catalog.model import PlanVersion
from farwire.charging import service
from farwire.charging.model import CommandKind, EventKind, Service
from farwire.charging.model.terms import PlanDocument
from farwire.charging.service import books
from farwire.country.service import load_pack
from farwire.inventory.model import Product
from farwire.kernel.ids import ProductId, TenantId, uuid7
from farwire.kernel.page import PageRequest
from farwire.kernel.time import instant
from farwire.process.prepaid import prove
from farwire.rating.model import UsageKind, from_json, verify
from farwire.usage import service as usage
from farwire.usage.model import UsageRecord
from farwire.usage.service.recording import ReportedUsage, record_usage
from tests.billing.world import FLEX_M, World
from tests.charging.books_world import BooksWorld, Crashed, Trap, books_world
from tests.charging.desk import CLERK
from tests.charging.play import EURO, MB

DATA = Service("data")
ROAMING = Service("data", visited_network="US")
VIENNA = Service("voice", "4319999999")


@dataclass
class Contract:
    """A subscriber with a contract, and one with the same whose usage comes in files."""

    books: BooksWorld
    shop: World
    plan: PlanVersion
    bill_to: BillingAccount
    product: Product
    online: service.ChargingAccount

    async def records(self) -> list[UsageRecord]:
        async with self.shop.db.transaction(self.shop.tenant_id) as tx:
            page = await usage.usage_records(tx, page=PageRequest(limit=500), product_id=self.product.id)
        return list(page.items)

    async def bill(self) -> Bill:
        await self.shop.run()
        (bill,) = await self.shop.bills(self.bill_to)
        return bill

    async def reported(self, identifier: str, quantity: int, *, ago: timedelta = timedelta()) -> None:
        """Bring a call to Vienna as an API or a file would."""
        at = self.shop.clock.now() - ago
        call = ReportedUsage(UsageKind.VOICE, at, identifier, quantity, VIENNA.destination)
        async with self.shop.db.transaction(self.shop.tenant_id) as tx:
            await record_usage(tx=tx, reported=call, now=self.shop.clock.now())


@asynccontextmanager
async def a_contract(
    db: Database, tenant_id: TenantId, clock: MovableClock, folder: Path
) -> AsyncIterator[Contract]:
    clock.set(instant("2026-06-11T14:03+02:00"))
    async with books_world(db, tenant_id, clock, folder) as world:
        shop = World(db, clock, tenant_id)
        await shop.company(prefix="PO")
        plan = await shop.plan()
        bill_to = await shop.account()
        product = await shop.product(bill_to, plan, start="2026-06-11T12:03+02:00", identifier="4915111")
        async with db.transaction(tenant_id) as tx:
            terms = PlanDocument(offering="flex-m")
            await service.set_plan_terms(tx, document=terms, now=clock.now(), actor=CLERK)
            online = await service.open_account(
                tx, offering="flex-m", key="contract", now=clock.now(), actor=CLERK, postpaid=True,
                credit_limit=50 * EURO, account_id=bill_to.id, product_id=product.id,
                identities=(service.Identity(service.IdentityKind.MSISDN, "4915111"),),
            )  # fmt: skip
        await world.tariffs.reload(db, clock=clock)
        await service.make_live(world.client, db=db, tenant_id=tenant_id, account=online, now=clock.now())
        world.accounts.append(online)
        yield Contract(world, shop, plan, bill_to, product, online)


@pytest.fixture
async def contract(
    db: Database, tenant_id: TenantId, clock: MovableClock, tmp_path: Path
) -> AsyncIterator[Contract]:
    async with a_contract(db, tenant_id, clock, tmp_path) as contract:
        yield contract


def of_usage(bill: Bill) -> dict[str, tuple[int, int]]:
    """Return quantity and exact price of the usage lines by their price."""
    lines = [line for line in bill.lines if line.item.kind is LineKind.USAGE]
    return {line.item.price_id: (line.item.quantity, line.item.exact_nano) for line in lines}


async def test_what_is_charged_online_is_on_the_next_bill_at_the_price_that_charging_took(
    contract: Contract,
) -> None:
    world = contract.books
    await world.session(contract.online, [30 * MB, 7 * MB])
    await world.session(contract.online, [2 * MB, 1 * MB], what=ROAMING)
    await world.session(contract.online, [40, 35], what=VIENNA)
    await world.take()
    assert {(one.price_id, one.charge_nano, one.state.value) for one in await contract.records()} == {
        ("data", 0, "rated"),
        ("roaming", 150_000_000, "rated"),
        ("other", 180_000_000, "rated"),
    }
    (owed,) = (await world.reconciled())[0].postpaid
    assert (owed.moved_nano, owed.ended_nano, owed.owed_nano, owed.billed_nano) == (*3 * (330_000_000,), 0)
    bill = await contract.bill()
    assert of_usage(bill) == {
        "data": (37 * MB, 0),
        "roaming": (3 * MB, 150_000_000),
        "other": (120, 180_000_000),
    }
    assert {one.state.value for one in await contract.records()} == {"billed"}
    for one in await contract.records():
        assert verify(from_json(one.explanation)) == one.charge_nano
    await contract.shop.sound()
    totals = await usage.verify_totals(db=world.db, tenant_id=world.tenant_id)
    assert totals.ok


async def test_a_difference_between_charging_and_bills_is_found(contract: Contract) -> None:
    world = contract.books
    await world.session(contract.online, [60], what=VIENNA)
    await world.session(contract.online, [120], what=VIENNA, ends=False)
    await world.take()
    (owed,) = (await world.reconciled())[0].postpaid
    assert (owed.difference, owed.moved_nano - owed.ended_nano, owed.owed_nano) == (
        0,
        180_000_000,
        90_000_000,
    )
    async with world.db.transaction(world.tenant_id) as tx:
        await tx.execute("UPDATE usage.record SET charge_nano = 5 WHERE tenant_id = $1", tx.tenant_id)
        proof = await prove(tx)
    assert [one.difference for one in proof.charging.postpaid] == [5 - 90_000_000]
    assert not proof.sound


async def test_a_product_that_nobody_knows_does_not_stop_the_books(contract: Contract) -> None:
    world, now = contract.books, contract.shop.clock.now()
    async with world.db.transaction(world.tenant_id) as tx:
        lost = await service.open_account(
            tx, offering="flex-m", key="lost", now=now, actor=CLERK, postpaid=True, credit_limit=EURO
        )
        # As an account has it that was opened before products were looked for.
        await tx.execute(
            "UPDATE charging.account SET product_id = $3 WHERE tenant_id = $1 AND number = $2",
            *(tx.tenant_id, lost.number, ProductId(uuid7())),
        )
    await service.make_live(world.client, db=world.db, tenant_id=world.tenant_id, account=lost, now=now)
    await world.session(lost, [60], what=VIENNA)
    await world.take()
    (owed,) = (await world.reconciled())[0].postpaid
    assert (owed.difference, owed.owed_nano) == (0, 90_000_000)


async def test_what_falling_tiers_give_back_is_on_the_bill_too(contract: Contract) -> None:
    world, shop = contract.books, contract.shop
    falling = FLEX_M.replace("flex-m", "flex-v").replace(
        'price = 0.09\nper = "60 s"\nincrements = ["60 s", "60 s"]',
        'per = "60 s"\ntiers = { mode = "volume", steps = [{ price = 0.60, up_to = "600 s" }, { price = 0.06 }] }',
    )
    plan = await shop.plan(falling)
    product = await shop.product(contract.bill_to, plan)
    now = world.clock.now()
    async with world.db.transaction(world.tenant_id) as tx:
        await service.set_plan_terms(tx, document=PlanDocument(offering="flex-v"), now=now, actor=CLERK)
        online = await service.open_account(
            tx, offering="flex-v", key="tiers", now=now, actor=CLERK, postpaid=True, credit_limit=50 * EURO,
            account_id=contract.bill_to.id, product_id=product.id,
        )  # fmt: skip
    await world.tariffs.reload(world.db, clock=world.clock)
    await service.make_live(world.client, db=world.db, tenant_id=world.tenant_id, account=online, now=now)
    await world.session(online, [600], what=VIENNA)
    await world.session(online, [300], what=VIENNA)
    await world.take()
    async with world.db.transaction(world.tenant_id) as tx:
        records = (await usage.usage_records(tx, page=PageRequest(), product_id=product.id)).items
    assert sorted(one.charge_nano or 0 for one in records) == [9 * EURO // 10 - 6 * EURO, 6 * EURO]
    assert [verify(from_json(one.explanation)) for one in records] == [one.charge_nano for one in records]
    (owed,) = (await world.reconciled())[0].postpaid
    assert (owed.difference, owed.owed_nano) == (0, 9 * EURO // 10)
    assert of_usage(await contract.bill())["other"] == (900, 9 * EURO // 10)
    assert (await world.reconciled())[1] == ()
    await shop.sound()


async def test_amounts_that_the_network_names_are_billed_and_refunds_given_back(contract: Contract) -> None:
    world = contract.books
    await world.event(contract.online, EventKind.DIRECT_DEBIT, 2 * EURO)
    await world.event(contract.online, EventKind.REFUND, EURO // 2)
    await world.session(contract.online, [EURO, EURO], what=Service("money"))
    await world.take()
    assert sorted(one.quantity for one in await contract.records()) == [0, 1, 1]
    bill = await contract.bill()
    (owed,) = (await world.reconciled())[0].postpaid
    assert (owed.difference, owed.billed_nano) == (0, 7 * EURO // 2)
    named = {line.item.label: line.item.exact_nano for line in bill.lines if not line.item.price_id}
    assert named == {"Charged by amount": 4 * EURO, "Refund": -EURO // 2}
    await contract.shop.sound()
    told = await explain_lines(db=world.db, tenant_id=world.tenant_id, bill=bill, page=PageRequest())
    for language, words in (
        ("de", {"Nach Betrag berechnet", "Erstattung"}),
        ("fr", {"Facturé au montant", "Remboursement"}),
    ):
        page = invoice_document(replace(bill, language=language), load_pack("DE"))
        assert words <= {row.label for group in page.groups for row in group.rows}
        said = " ".join(facts_in_words(one.facts, language)[0] for one in told)
        assert all(word in said for word in words)


async def test_an_offer_that_is_bought_and_renews_is_billed_once_each_time_with_its_tax(
    contract: Contract,
) -> None:
    world = contract.books
    await world.command(contract.online, CommandKind.PURCHASE, 1, world.offer)
    world.clock.advance(timedelta(days=7, seconds=1))
    await world.session(contract.online, [60], what=VIENNA)
    for _ in range(2):
        await world.take()
    (owed,) = (await world.reconciled())[0].postpaid
    bought = 2 * 5 * EURO
    assert (owed.difference, owed.moved_nano, owed.owed_nano) == (0, *2 * (bought + 90_000_000,))
    bill = await contract.bill()
    (line,) = (line for line in bill.lines if line.item.price_id == "pass")
    assert (line.item.label, line.item.exact_nano, line.item.quantity) == ("Go 5, 7 days", bought, 2)
    assert [bill.taxes[place - 1].rate_percent for place in line.taxes] == [19]
    (owed,) = (await world.reconciled())[0].postpaid
    assert (owed.difference, owed.billed_nano) == (0, bought + 90_000_000)
    (told,) = await explain_lines(
        db=world.db, tenant_id=world.tenant_id, bill=bill, page=PageRequest(), numbers=[line.number]
    )
    assert (told.facts.label, told.facts.records) == ("Go 5, 7 days", 2)
    await contract.shop.sound()


async def test_the_same_usage_from_a_file_is_not_charged_again(contract: Contract) -> None:
    world, shop = contract.books, contract.shop
    other = await shop.account("100002", name="Ben Ohm")
    await shop.product(other, contract.plan, identifier="4915222")
    await world.session(contract.online, [75], what=VIENNA)
    await world.take()
    await contract.reported("4915111", 75)
    await contract.reported("4915222", 75)
    report = await usage.rate_usage(db=shop.db, tenant_id=shop.tenant_id, clock=shop.clock)
    assert (report.rated, report.unrated) == (1, {"charged_online": 1})
    mine = await contract.bill()
    (theirs,) = await shop.bills(other)
    assert of_usage(mine) == of_usage(theirs) == {"other": (120, 180_000_000)}
    assert mine.total_minor == theirs.total_minor
    assert (await usage.verify_totals(db=shop.db, tenant_id=shop.tenant_id)).ok


async def test_usage_before_the_account_was_opened_is_still_rated_from_files(contract: Contract) -> None:
    shop = contract.shop
    await contract.reported("4915111", 60, ago=timedelta(seconds=1))
    await contract.reported("4915111", 61)
    report = await usage.rate_usage(db=shop.db, tenant_id=shop.tenant_id, clock=shop.clock)
    assert (report.rated, report.unrated) == (1, {"charged_online": 1})


@pytest.mark.parametrize("after", [False, True])
async def test_a_crash_between_any_two_steps_bills_everything_once(
    contract: Contract, monkeypatch: pytest.MonkeyPatch, after: bool
) -> None:
    world, shop = contract.books, contract.shop
    trap = Trap(monkeypatch)
    trap.after = after
    crashes = 0
    for at in range(1, 80):
        await world.session(contract.online, [60], what=VIENNA)
        trap.left = at
        try:
            await books.take(db=world.db, log=world.log, clock=world.clock)
        except Crashed:
            crashes += 1
        else:
            break
        finally:
            trap.left = -1
    await world.take()
    assert crashes > 20
    dice = random.Random(int(after))
    for at in sorted(dice.sample(range(1, 70), 8)):
        trap.left = at
        try:
            await shop.run()
        except Crashed:
            pass
        finally:
            trap.left = -1
    bill = await contract.bill()
    assert of_usage(bill) == {"other": (60 * (crashes + 1), 90_000_000 * (crashes + 1))}
    await shop.sound()
