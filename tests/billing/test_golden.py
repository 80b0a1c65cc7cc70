"""The golden bills of day A, and the variants that follow from them."""

from datetime import date

import pytest

from farwire.account.model import TaxClass
from farwire.base.clock import MovableClock
from farwire.base.storage import Database
from farwire.billing import service as billing
from farwire.billing.model import Bill, LineKind
from farwire.inventory import service as inventory
from farwire.kernel.ids import TenantId
from farwire.kernel.page import PageRequest
from farwire.kernel.time import instant, local_date, zone
from farwire.ledger import service as ledger
from farwire.ledger.model import Book
from farwire.tenant.model import Address

from .world import FLEX_M, World


def amounts(bill: Bill) -> list[tuple[str, int]]:
    return [(line.item.price_id, line.amount_minor) for line in bill.lines]


async def test_golden_bill_a(world: World) -> None:
    account = await world.account()
    product = await world.product(account, await world.plan())
    for n in range(4):
        await world.rated(
            product, "roaming", "1.25", at=f"2026-06-2{n}T10:00Z", quantity=25_000_000, kind="data"
        )
    await world.rated(product, "other", "0.63", at="2026-06-30T21:59:59Z", quantity=420)
    report = await world.run()
    assert (report.ok, report.billed, report.issued) == (True, 1, 1)
    bill = await world.only_bill()
    assert amounts(bill) == [
        ("activation", 990),
        ("monthly", 1333),
        ("monthly", 2000),
        ("other", 63),
        ("roaming", 500),
    ]
    assert (bill.net_minor, bill.tax_minor, bill.total_minor) == (4886, 928, 5814)
    assert (bill.number, str(bill.issue_on), str(bill.due_on)) == (
        "NL-2026-0000001",
        "2026-07-01",
        "2026-07-15",
    )
    await world.sound()


async def test_the_ngn_twin(db: Database, clock: MovableClock, other_tenant_id: TenantId) -> None:
    world = World(db, clock, other_tenant_id, "NG", "NGN", "Africa/Lagos")
    address = Address("NG", {"street": "5 Marina", "city": "Lagos", "state": "Lagos"})
    account = await world.account(opened="2026-06-11T14:03+01:00", language="en-NG", address=address)
    plan = FLEX_M.replace("EUR", "NGN").replace("Europe/Berlin", "Africa/Lagos").replace("9.90", "2500")
    product = await world.product(
        account, await world.plan(plan.replace("20.00", "12000")), start="2026-06-11T14:03+01:00"
    )
    await world.rated(product, "roaming", "4500", at="2026-06-20T10:00Z", quantity=300_000_000, kind="data")
    await world.rated(product, "other", "460", at="2026-06-20T10:00Z", quantity=2400)
    await world.run("2026-07-01T00:00+01:00")
    bill = await world.only_bill()
    assert [amount for _, amount in amounts(bill)] == [250_000, 800_000, 1_200_000, 46_000, 450_000]
    assert (bill.net_minor, bill.tax_minor, bill.total_minor) == (2_746_000, 205_950, 2_951_950)
    await world.sound()


async def test_yen_have_no_minor_unit(db: Database, clock: MovableClock, tenant_id: TenantId) -> None:
    world = World(db, clock, tenant_id, "JP", "JPY", "Asia/Tokyo")
    plan = FLEX_M.replace("EUR", "JPY").replace("Europe/Berlin", "Asia/Tokyo").replace("9.90", "990")
    account = await world.account(address=Address("JP", {}), opened="2026-06-11T14:03+09:00", language="en")
    await world.product(
        account, await world.plan(plan.replace("20.00", "2000")), start="2026-06-11T14:03+09:00"
    )
    await world.run("2026-07-01T00:00+09:00")
    bill = await world.only_bill()
    assert [amount for _, amount in amounts(bill)] == [990, 1333, 2000]
    assert (bill.net_minor, bill.tax_minor, bill.total_minor) == (4323, 432, 4755)
    await world.sound()


async def test_dinars_have_three_decimals_and_kuwait_no_tax(
    db: Database, clock: MovableClock, tenant_id: TenantId
) -> None:
    world = World(db, clock, tenant_id, "KW", "KWD", "Asia/Kuwait")
    plan = FLEX_M.replace("EUR", "KWD").replace("Europe/Berlin", "Asia/Kuwait").replace("9.90", "1.250")
    account = await world.account(address=Address("KW", {}), opened="2026-06-11T14:03+03:00", language="en")
    await world.product(
        account, await world.plan(plan.replace("20.00", "5.000")), start="2026-06-11T14:03+03:00"
    )
    await world.run("2026-07-01T00:00+03:00")
    bill = await world.only_bill()
    assert [amount for _, amount in amounts(bill)] == [1250, 3333, 5000]
    assert (bill.net_minor, bill.tax_minor, bill.total_minor) == (9583, 0, 9583)
    assert [(tax.code, tax.tax_minor) for tax in bill.taxes] == [("O", 0)]
    await world.sound()


async def test_prices_that_include_tax_make_the_same_gross(world: World) -> None:
    account = await world.account()
    await world.product(account, await world.plan(prices_include_tax="true"))
    await world.run()
    bill = await world.only_bill()
    assert [amount for _, amount in amounts(bill)] == [990, 1333, 2000]
    assert (bill.net_minor, bill.tax_minor, bill.total_minor) == (3633, 690, 4323)
    assert sum(line.net_minor for line in bill.lines) == 3633
    await world.sound()


@pytest.mark.parametrize(("tax_class", "code"), [(TaxClass.EXEMPT, "E"), (TaxClass.REVERSE_CHARGE, "AE")])
async def test_exempt_and_reverse_charge_customers_pay_the_net(
    world: World, tax_class: TaxClass, code: str
) -> None:
    account = await world.account(tax_class=tax_class, vat_id="FR12345678901")
    await world.product(account, await world.plan())
    await world.run()
    bill = await world.only_bill()
    assert (bill.net_minor, bill.tax_minor, bill.total_minor) == (4323, 0, 4323)
    assert [(tax.code, tax.base_minor) for tax in bill.taxes] == [(code, 4323)]
    await world.sound()


async def test_an_exempt_customer_of_a_price_with_tax_pays_the_net(world: World) -> None:
    account = await world.account(tax_class=TaxClass.EXEMPT)
    await world.product(account, await world.plan(prices_include_tax="true"))
    await world.run()
    bill = await world.only_bill()
    assert (bill.net_minor, bill.tax_minor, bill.total_minor) == (3633, 0, 3633)
    await world.sound()


async def test_cease_on_the_day_of_activation_leaves_the_activation_fee(world: World) -> None:
    account = await world.account()
    await world.product(account, await world.plan(), end="2026-06-11T18:00+02:00")
    await world.run()
    assert amounts(await world.only_bill()) == [("activation", 990)]


async def test_what_was_paid_in_advance_comes_back_when_a_product_ends(world: World) -> None:
    account = await world.account()
    product = await world.product(account, await world.plan())
    await world.run()
    async with world.db.transaction(world.tenant_id) as tx:
        await inventory.end_product(tx, product_id=product.id, at=instant("2026-07-11T09:00+02:00"))
    await world.run("2026-08-01T00:00+02:00")
    june, july = await world.bills()
    assert amounts(june)[-1] == ("monthly", 2000)
    assert amounts(july) == [("monthly", -1355)]  # 21 of 31 days given back
    assert (july.net_minor, july.tax_minor, july.total_minor) == (-1355, -257, -1612)
    await world.sound()


@pytest.mark.parametrize(("price", "asked"), [("30.00", 2032), ("10.00", 677)])
async def test_a_plan_change_gives_back_the_old_and_asks_the_new(
    world: World, price: str, asked: int
) -> None:
    account = await world.account()
    product = await world.product(account, await world.plan())
    other = await world.plan(
        FLEX_M.replace("20.00", price).replace('"flex-m"', '"flex-l"').replace("9.90", "4.00")
    )
    await world.run()
    async with world.db.transaction(world.tenant_id) as tx:
        await inventory.change_plan(
            tx, product_id=product.id, plan_version_id=other.id, at=instant("2026-07-11T00:00+02:00")
        )
    await world.run("2026-08-01T00:00+02:00")
    july = (await world.bills())[1]
    august = {"30.00": 3000, "10.00": 1000}[price]
    assert sorted(amounts(july)) == sorted([("monthly", -1355), ("monthly", asked), ("monthly", august)])
    await world.sound()


@pytest.mark.parametrize(("year", "last_day"), [(2027, 28), (2028, 29)])
async def test_cycle_day_31_keeps_its_anchor_over_february(world: World, year: int, last_day: int) -> None:
    account = await world.account(cycle_day=31, opened=f"{year}-01-31T00:00+01:00")
    await world.product(account, await world.plan(), start=f"{year}-01-31T00:00+01:00")
    await world.run(f"{year}-03-31T00:00+02:00")
    first, second = await world.bills()
    berlin = zone("Europe/Berlin")
    days = [
        local_date(at, berlin)
        for at in (first.cycle.start, first.cycle.end, second.cycle.start, second.cycle.end)
    ]
    february = date(year, 2, last_day)
    assert days == [date(year, 1, 31), february, february, date(year, 3, 31)]
    assert amounts(first) == [("activation", 990), ("monthly", 2000), ("monthly", 2000)]
    assert amounts(second) == [("monthly", 2000)]
    await world.sound()


async def test_late_usage_goes_on_the_next_bill_with_its_own_period(world: World) -> None:
    account = await world.account()
    product = await world.product(account, await world.plan())
    await world.rated(product, "other", "0.09", at="2026-06-20T10:00Z")
    await world.run()
    late = await world.rated(product, "other", "0.18", at="2026-06-21T10:00Z")
    own = await world.rated(product, "other", "0.27", at="2026-07-02T10:00Z")
    await world.run("2026-08-01T00:00+02:00")
    june, july = await world.bills()
    assert amounts(june)[-1] == ("other", 9)
    lines = [line for line in july.lines if line.item.kind is LineKind.USAGE]
    assert [line.amount_minor for line in lines] == [18, 27]
    assert lines[0].item.period.start == instant("2026-06-21T10:00Z")
    assert lines[1].item.period == july.cycle
    for line, usage_id in zip(lines, (late, own), strict=True):
        explained = await billing.explain_line(
            db=world.db, tenant_id=world.tenant_id, bill=july, number=line.number, page=PageRequest()
        )
        assert explained.records is not None
        assert [record.usage_id for record in explained.records.items] == [usage_id]
    await world.sound()


async def test_a_call_over_midnight_of_the_cycle_end_is_billed_where_it_starts(world: World) -> None:
    account = await world.account()
    product = await world.product(account, await world.plan())
    await world.rated(product, "other", "0.09", at="2026-06-30T23:59:59.999999+02:00", quantity=600)
    await world.rated(product, "other", "0.18", at="2026-07-01T00:00:00+02:00")
    await world.run()
    assert amounts(await world.only_bill())[-1] == ("other", 9)
    await world.run("2026-08-01T00:00+02:00")
    assert amounts((await world.bills())[1])[-1] == ("other", 18)


async def test_a_back_dated_product_is_charged_from_its_start(world: World) -> None:
    account = await world.account(opened="2026-05-01T00:00+02:00")
    plan = await world.plan()
    await world.run("2026-06-01T00:00+02:00")
    await world.product(account, plan)
    await world.run("2026-08-01T00:00+02:00")
    first, second = await world.bills()
    assert amounts(first) == [("activation", 990), ("monthly", 1333), ("monthly", 2000)]
    assert amounts(second) == [("monthly", 2000)]


async def test_a_price_change_leaves_existing_subscribers_alone(world: World) -> None:
    account = await world.account()
    await world.product(account, await world.plan())
    await world.plan(FLEX_M.replace("20.00", "25.00"), valid_from="2026-07-01T00:00:00+02:00")
    await world.run("2026-08-01T00:00+02:00")
    assert [amounts(bill)[-1] for bill in await world.bills()] == [("monthly", 2000), ("monthly", 2000)]


async def test_an_account_without_anything_gets_no_bill_and_no_number(world: World) -> None:
    await world.account()
    report = await world.run()
    assert (report.billed, report.empty, report.issued, report.ok) == (0, 1, 0, True)
    assert await world.bills() == []


async def test_a_month_without_usage_is_billed(world: World) -> None:
    account = await world.account()
    await world.product(account, await world.plan())
    await world.run("2026-08-01T00:00+02:00")
    assert amounts((await world.bills())[1]) == [("monthly", 2000)]


async def test_the_ledger_keeps_the_remainder_in_its_own_account(world: World) -> None:
    account = await world.account()
    await world.product(account, await world.plan())
    await world.run()
    async with world.db.transaction(world.tenant_id) as tx:
        balances = {balance.book: balance for balance in await ledger.trial_balance(tx=tx)}
    assert balances[Book.REMAINDER].remainder_nano == 3_333_333
    assert balances[Book.RECEIVABLE].amount_minor == 5144
    assert balances[Book.TAX_PAYABLE].amount_minor == -821
