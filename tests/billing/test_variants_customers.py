"""Variants of day A around it: currencies, taxes, companies, hierarchies, credits, moves.

Flex M costs 20.00 a month in advance and 9.90 once; the product starts on 11 June 2026. The first bill is
9.90 + 20/30 × 20.00 = 13.33 + July 20.00 = 43.23.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import msgspec
import pytest

from farwire.account import service as accounts
from farwire.account.model import BillingAccount, ChargeKind, TaxClass
from farwire.base.clock import MovableClock
from farwire.base.storage import Database
from farwire.billing import service as billing
from farwire.billing.model import Approval, LineKind
from farwire.kernel.ids import AccountId, PartyId, TenantId, uuid7
from farwire.kernel.money import Money
from farwire.kernel.tenancy import Actor, ActorKind
from farwire.kernel.time import instant
from farwire.party import service as parties
from farwire.party.model import PartyKind
from farwire.rating.model import RecurringExplanation, explain_in_words
from farwire.tenant import service as tenants
from farwire.tenant.model import Address, CompanyChange

from .variants import amounts, end, override, purchase_order, route, sound, totals
from .world import FLEX_M, HOME, World

JULY, AUGUST, SEPTEMBER = "2026-07-01T00:00+02:00", "2026-08-01T00:00+02:00", "2026-09-01T00:00+02:00"
CLERK, CHIEF = Actor(ActorKind.KEY, "clerk"), Actor(ActorKind.KEY, "chief")
AMSTERDAM = Address(
    "NL", {"street": "Damrak", "house_number": "1", "postcode": "1012 LG", "city": "Amsterdam"}
)


async def test_golden_bill_a(world: World) -> None:
    account = await world.account()
    product = await world.product(account, await world.plan())
    # 100 MB × 0.05 in four records, and 7 minutes × 0.09
    for day in range(4):
        at = f"2026-06-2{day}T10:00Z"
        await world.rated(product, "roaming", "1.25", at=at, quantity=25_000_000, kind="data")
    await world.rated(product, "other", "0.63", at="2026-06-30T21:59:59Z", quantity=420)
    await world.run(JULY)
    bill = await world.only_bill()
    assert amounts(bill) == sorted(
        [("activation", 990), ("monthly", 1333), ("monthly", 2000), ("other", 63), ("roaming", 500)]
    )
    assert totals(bill) == (4886, 928, 5814)  # 48.86 × 19 % = 9.2834
    await sound(world)


@pytest.mark.parametrize(
    ("country", "code", "zone", "offset", "prices", "expected", "sums"),
    [
        # 2,500.00 + 20/30 × 12,000.00 = 8,000.00 + 12,000.00, and 4,500.00 + 460.00 of usage; VAT 7.5 %
        (
            "NG",
            "NGN",
            "Africa/Lagos",
            "+01:00",
            ("2500", "12000", "460", "4500"),
            [250_000, 800_000, 1_200_000, 46_000, 450_000],
            (2_746_000, 205_950, 2_951_950),
        ),
        # no minor unit: 990 + 20/30 × 2,000 = 1,333 + 2,000 + 63 + 500; 10 % of 4,886 is 488.6
        (
            "JP",
            "JPY",
            "Asia/Tokyo",
            "+09:00",
            ("990", "2000", "63", "500"),
            [990, 1333, 2000, 63, 500],
            (4886, 489, 5375),
        ),
        # three decimals: 1.250 + 20/30 × 5.000 = 3.333 + 5.000 + 0.063 + 0.500; no VAT in Kuwait
        (
            "KW",
            "KWD",
            "Asia/Kuwait",
            "+03:00",
            ("1.250", "5.000", "0.063", "0.5"),
            [1250, 3333, 5000, 63, 500],
            (10_146, 0, 10_146),
        ),
    ],
    ids=["NGN", "JPY", "KWD"],
)
async def test_operators_in_other_currencies(
    db: Database,
    clock: MovableClock,
    other_tenant_id: TenantId,
    country: str,
    code: str,
    zone: str,
    offset: str,
    prices: tuple[str, str, str, str],
    expected: list[int],
    sums: tuple[int, int, int],
) -> None:
    world = World(db, clock, other_tenant_id, country, code, zone)
    start = f"2026-06-11T14:03{offset}"
    lagos = {"street": "5 Marina", "city": "Lagos", "state": "Lagos"} if country == "NG" else {}
    account = await world.account(opened=start, language="en", address=Address(country, lagos))
    plan = FLEX_M.replace("EUR", code).replace("Europe/Berlin", zone)
    plan = plan.replace("9.90", prices[0]).replace("20.00", prices[1])
    product = await world.product(account, await world.plan(plan), start=start)
    await world.rated(product, "other", prices[2], at="2026-06-20T10:00Z", quantity=2400)
    await world.rated(product, "roaming", prices[3], at="2026-06-20T10:00Z", quantity=300, kind="data")
    await world.run(f"2026-07-01T00:00{offset}")
    bill = await world.only_bill()
    assert [line.amount_minor for line in bill.lines] == expected
    assert totals(bill) == sums
    await sound(world)


@pytest.mark.parametrize(("tax_class", "code"), [(TaxClass.EXEMPT, "E"), (TaxClass.REVERSE_CHARGE, "AE")])
async def test_customers_that_pay_no_tax(world: World, tax_class: TaxClass, code: str) -> None:
    account = await world.account(tax_class=tax_class, vat_id="ATU12345675")
    await world.product(account, await world.plan())
    await world.run(JULY)
    bill = await world.only_bill()
    assert totals(bill) == (4323, 0, 4323)
    assert [(tax.code, tax.base_minor, tax.tax_minor) for tax in bill.taxes] == [(code, 4323, 0)]
    await sound(world)


async def test_consumer_prices_that_include_tax(world: World) -> None:
    account = await world.account()
    await world.product(account, await world.plan(prices_include_tax="true"))
    await world.run(JULY)
    bill = await world.only_bill()
    # 9.90 + 13.33 + 20.00 = 43.23 with tax: 43.23 × 19/119 = 6.9023
    assert totals(bill) == (3633, 690, 4323)
    assert sum(line.net_minor for line in bill.lines) == 3633
    await sound(world)


async def test_what_comes_back_of_prices_with_tax_brings_its_tax_back(world: World) -> None:
    account = await world.account()
    product = await world.product(account, await world.plan(prices_include_tax="true"))
    await world.run(JULY)
    await end(world, product, "2026-07-11T09:00+02:00")
    await world.run(AUGUST)
    bill = (await world.bills())[1]
    # 21/31 × 20.00 = 13.55 with tax: 13.55 × 19/119 = 2.1634
    assert (amounts(bill), totals(bill)) == ([("monthly", -1355)], (-1139, -216, -1355))
    await sound(world)


async def test_two_companies_number_and_book_by_themselves(world: World) -> None:
    mobile = await world.company(prefix="NL")
    plan = await world.plan()
    first = await world.account()
    world.entity = await tenants.add_legal_entity(
        db=world.db,
        clock=world.clock,
        tenant_id=world.tenant_id,
        name="Nordlicht Glasfaser GmbH",
        vat_id="DE987654321",
        address=mobile.address,
        country="DE",
        currency_code="EUR",
        zone_name="Europe/Berlin",
        number_prefix="NG",
    )
    second = await world.account("100002", name="Ben Ode")
    for account in (first, second):
        await world.product(account, plan)
    await world.run(AUGUST)
    numbers = sorted((bill.seller.name, bill.number or "") for bill in await world.bills())
    assert numbers == [
        ("Nordlicht Glasfaser GmbH", "NG-2026-0000001"),
        ("Nordlicht Glasfaser GmbH", "NG-2026-0000002"),
        ("Nordlicht Mobil GmbH", "NL-2026-0000001"),
        ("Nordlicht Mobil GmbH", "NL-2026-0000002"),
    ]
    await sound(world)


async def test_numbers_begin_anew_with_the_fiscal_year_of_the_company_and_leave_none_out(
    world: World,
) -> None:
    plan = await world.plan()
    await world.company(prefix="NL")
    fiscal = await tenants.add_legal_entity(
        db=world.db, clock=world.clock, tenant_id=world.tenant_id, name="Nordlicht April GmbH",
        vat_id="DE987654321", address=world.entity.address, country="DE", currency_code="EUR",
        zone_name="Europe/Berlin", number_prefix="NA", fiscal_year_start=4,
    )  # fmt: skip
    first = await world.account(opened="2026-12-01T00:00+01:00")
    world.entity = fiscal
    second = await world.account("100002", opened="2026-12-01T00:00+01:00")
    for account in (first, second):
        await world.product(account, plan, start="2026-12-01T00:00+01:00")
    for until, day in (
        ("2027-01-01", "2026-12-31"),
        ("2027-02-01", "2027-03-31"),
        ("2027-03-01", "2027-04-01"),
    ):
        await world.run(f"{until}T00:00+01:00", issue_on=date.fromisoformat(day))
    assert [bill.number for bill in await world.bills(first)] == [
        *("NL-2026-0000001", "NL-2027-0000001", "NL-2027-0000002")
    ]
    assert [bill.number for bill in await world.bills(second)] == [
        *("NA-2026-0000001", "NA-2026-0000002", "NA-2027-0000001")
    ]
    await sound(world)


async def company_and_member(world: World) -> tuple[BillingAccount, BillingAccount]:
    payer = await world.account("100001", name="Hafen AG")
    return payer, await world.account("100002", name="Anna Jürgensen")


async def test_a_company_pays_a_part_of_what_recurs_for_its_member(world: World) -> None:
    payer, member = await company_and_member(world)
    product = await world.product(member, await world.plan())
    await route(world, member, payer, "60", "2026-06-11T00:00+02:00")
    await world.rated(product, "other", "0.63", at="2026-06-20T10:00Z", quantity=420)
    await world.run(JULY)
    (own,), (companys,) = await world.bills(member), await world.bills(payer)
    # 13.33 at 40 and 60 %: 5.332 and 7.998 are 5.33 and 8.00; 20.00: 8.00 and 12.00; usage and activation stay
    assert amounts(own) == [("activation", 990), ("monthly", 533), ("monthly", 800), ("other", 63)]
    assert totals(own) == (2386, 453, 2839)  # 23.86 × 19 % = 4.5334
    assert amounts(companys) == [("monthly", 800), ("monthly", 1200)]
    assert totals(companys) == (2000, 380, 2380)
    # The exact charge of 11–30 June, 13.333333333, is on the two bills, and nothing of it twice.
    june = [one for bill in (own, companys) for one in bill.lines if one.amount_minor in (533, 800)]
    assert sum(line.item.exact_nano for line in june[:1] + june[2:3]) == 13_333_333_333
    (label,) = {line.item.label for line in companys.lines}
    assert label == "Flex M, monthly (100002)"
    facts = msgspec.convert(companys.lines[0].item.detail, RecurringExplanation)
    assert explain_in_words(facts).splitlines()[-3:-1] == ["Share 6000 of 10000.", "For account 100002."]
    await sound(world)


@pytest.mark.parametrize("batch", [1, 1000], ids=["one by one", "together"])
@pytest.mark.parametrize("payer_first", [True, False], ids=["payer first", "member first"])
async def test_split_bills_come_out_in_any_order(world: World, batch: int, payer_first: bool) -> None:
    one, two = await world.account("100001", name="Erste"), await world.account("100002", name="Zweite")
    payer, member = (one, two) if payer_first else (two, one)
    product = await world.product(member, await world.plan())
    await route(world, member, payer, "33.33", "2026-06-11T00:00+02:00")
    await world.run(JULY, batch=batch)
    await end(world, product, "2026-07-11T09:00+02:00")
    await world.run(AUGUST, batch=batch)
    sums = [bill.net_minor for bill in await world.bills()]
    # June 43.23 and what comes back of July, 13.55, whoever pays what of them
    assert sum(sums) == 4323 - 1355
    payers = [bill.net_minor for bill in await world.bills(payer)]
    # 13.33 × 33.33 % = 4.44, 20.00 × 33.33 % = 6.67; −13.55 × 33.33 % = −4.52
    assert payers == [1111, -452]
    await sound(world)


@pytest.mark.parametrize("batch", [1, 1000], ids=["one by one", "together"])
@pytest.mark.parametrize("payer_first", [True, False], ids=["payer first", "member first"])
async def test_usage_is_routed_whole_to_who_pays_when_it_starts(
    world: World, batch: int, payer_first: bool
) -> None:
    one, two = await world.account("100001", name="Erste"), await world.account("100002", name="Zweite")
    payer, member = (one, two) if payer_first else (two, one)
    product = await world.product(member, await world.plan())
    since, until = "2026-06-20T00:00+02:00", "2026-07-11T00:00+02:00"
    await route(world, member, payer, "100", since, until, kind=ChargeKind.USAGE)
    for day, amount in (("06-19T21:59", "0.01"), ("06-19T22:00", "0.02"), ("06-30T10:00", "0.04")):
        await world.rated(product, "other", amount, at=f"2026-{day}Z")
    await world.run(JULY, batch=batch)
    assert amounts((await world.bills(member))[0])[-1] == ("other", 1)
    (companys,) = await world.bills(payer)
    assert (amounts(companys), totals(companys)) == ([("other", 6)], (6, 1, 7))
    assert companys.lines[0].item.label == f"other ({member.number})"
    # June's that is rated late is the payer's still, and on a line of its own.
    for day, amount in (("06-25T10:00", "0.08"), ("07-10T21:59", "0.16"), ("07-10T22:00", "0.32")):
        await world.rated(product, "other", amount, at=f"2026-{day}Z")
    await world.run(AUGUST, batch=batch)
    assert amounts((await world.bills(member))[1]) == [("monthly", 2000), ("other", 32)]
    later = (await world.bills(payer))[1]
    assert amounts(later) == [("other", 8), ("other", 16)]
    periods = [line.item.period for line in sorted(later.lines, key=lambda line: line.amount_minor)]
    assert periods[0].start == instant("2026-06-25T10:00Z")
    assert (periods[1].start, periods[1].end) == (instant(JULY), instant(until))
    await sound(world)


async def test_usage_that_another_pays_waits_while_that_account_is_on_hold(world: World) -> None:
    payer, member = await company_and_member(world)
    product = await world.product(member, await world.plan())
    await route(world, member, payer, "100", "2026-06-01T00:00+02:00", kind=ChargeKind.USAGE)
    await world.rated(product, "other", "0.63", at="2026-06-20T10:00Z")
    async with world.db.transaction(world.tenant_id) as tx:
        await billing.hold_account(
            tx, account_id=payer.id, reason="asks", until=None, actor=CLERK, now=world.clock.now()
        )
    await world.run(JULY)
    assert all(price != "other" for bill in await world.bills() for price, _ in amounts(bill))
    async with world.db.transaction(world.tenant_id) as tx:
        await billing.release_account(tx, account_id=payer.id, actor=CLERK, now=world.clock.now())
    await world.run(AUGUST)
    assert [amounts(bill) for bill in await world.bills(payer)] == [[("other", 63)]]
    await sound(world)


async def test_a_route_that_is_agreed_late_moves_what_was_billed(world: World) -> None:
    payer, member = await company_and_member(world)
    await world.product(member, await world.plan())
    await world.run(JULY)
    await route(world, member, payer, "100", "2026-07-01T00:00+02:00", "2026-08-01T00:00+02:00")
    await world.run(AUGUST)
    own, companys = (await world.bills(member))[1], (await world.bills(payer))[0]
    # July, 20.00, goes to the company; August is the member's again
    assert (amounts(own), totals(own)) == ([("monthly", -2000), ("monthly", 2000)], (0, 0, 0))
    assert (amounts(companys), totals(companys)) == ([("monthly", 2000)], (2000, 380, 2380))
    await world.run(SEPTEMBER)
    assert len(await world.bills(payer)) == 1
    await sound(world)


async def test_a_draft_of_the_payer_that_is_made_again_leaves_the_member_alone(world: World) -> None:
    payer, member = await company_and_member(world)
    await world.product(member, await world.plan())
    await route(world, member, payer, "60", "2026-06-11T00:00+02:00")
    waiting = await world.run(JULY, approval=Approval.FOUR_EYES)
    before = {bill.account_id: (amounts(bill), totals(bill)) for bill in await world.bills()}
    now = world.clock.now()
    async with world.db.transaction(world.tenant_id) as tx:
        await billing.rerun_account(tx, run_id=waiting.run.id, account_id=payer.id, actor=CLERK, now=now)
    assert {bill.account_id: (amounts(bill), totals(bill)) for bill in await world.bills()} == before
    async with world.db.transaction(world.tenant_id) as tx:
        await billing.approve_run(tx, run_id=waiting.run.id, actor=CHIEF, now=now)
    await billing.advance_run(
        db=world.db, tenant_id=world.tenant_id, clock=world.clock, run_id=waiting.run.id
    )
    await world.run(AUGUST)
    assert amounts((await world.bills(payer))[1]) == [("monthly", 1200)]
    assert amounts((await world.bills(member))[1]) == [("monthly", 800)]
    await sound(world)


async def test_a_negotiated_price_of_a_member_is_corrected_on_both_bills(world: World) -> None:
    payer, member = await company_and_member(world)
    product = await world.product(member, await world.plan())
    await route(world, member, payer, "50", "2026-06-11T00:00+02:00")
    await world.run(JULY)
    await override(world, product, "monthly", "2026-07-01T00:00+02:00", price="10")
    await world.run(AUGUST)
    for account in (payer, member):
        bill = (await world.bills(account))[1]
        # July back 10.00 and asked 5.00, August 5.00
        assert amounts(bill) == [("monthly", -1000), ("monthly", 500), ("monthly", 500)]
    await sound(world)


async def test_the_customers_own_order_number_is_on_the_bills_of_its_time(world: World) -> None:
    account = await world.account()
    await world.product(account, await world.plan())
    await purchase_order(world, account, "PO-2026-17", "2026-07-01T00:00+02:00")
    await world.run(AUGUST)
    assert [bill.purchase_order for bill in await world.bills()] == ["", "PO-2026-17"]
    await sound(world)


async def test_a_credit_larger_than_the_bill_goes_on_with_the_next(world: World) -> None:
    account = await world.account()
    await world.product(account, await world.plan())
    async with world.db.transaction(world.tenant_id) as tx:
        credit_id = await billing.add_credit(
            tx,
            account_id=account.id,
            product_id=None,
            net=Money.of("50.00", "EUR"),
            reason="outage",
            label="Goodwill",
            tax_category="standard",
            key="case-1",
            requested_by=CLERK,
            now=world.clock.now(),
        )
        await billing.approve_credit(tx, credit_id=credit_id, actor=CHIEF, now=world.clock.now())
    await world.run(AUGUST)
    june, july = await world.bills()
    # 43.23 of the 50.00 on the first bill, the other 6.77 on the second: 20.00 − 6.77 = 13.23, VAT 2.5137
    assert [line.amount_minor for line in june.lines if line.item.kind is LineKind.CREDIT] == [-4323]
    assert (totals(june), totals(july)) == ((0, 0, 0), (1323, 251, 1574))
    await sound(world)


async def test_a_consumer_that_moves_abroad_pays_the_tax_of_where_the_company_is_registered(
    world: World,
) -> None:
    account = await world.account()
    await world.product(account, await world.plan())
    await world.run(JULY)
    async with world.db.transaction(world.tenant_id) as tx:
        await tenants.change_legal_entity(
            tx,
            legal_entity_id=account.legal_entity_id,
            change=CompanyChange(vat_ids={"NL": "NL123456789B01"}),
            now=world.clock.now(),
        )
    world.clock.set(instant("2026-07-20T12:00+02:00"))
    async with world.db.transaction(world.tenant_id) as tx:
        await accounts.change_address(
            tx,
            party_id=account.party_id,
            address=AMSTERDAM,
            valid_from=instant("2026-07-15T00:00+02:00"),
            now=world.clock.now(),
        )
    await world.run(AUGUST)
    june, july = await world.bills()
    assert (june.customer.address.country, totals(june)) == ("DE", (4323, 821, 5144))
    # August 20.00 at 21 %
    assert (july.customer.address.country, totals(july)) == ("NL", (2000, 420, 2420))
    assert july.seller.vat_id == "NL123456789B01"
    await sound(world)


async def test_a_business_that_moves_abroad_owes_the_tax_itself(world: World) -> None:
    account = await world.account(vat_id="ATU87654321")
    async with world.db.transaction(world.tenant_id) as tx:
        party = await parties.get_party(tx=tx, party_id=account.party_id)
    business = replace(party, id=PartyId(uuid7()), kind=PartyKind.ORGANIZATION, name="Hafen AG")
    world.clock.set(instant("2026-06-11T15:00+02:00"))
    async with world.db.transaction(world.tenant_id) as tx:
        await parties.add_parties(tx=tx, parties=[business])
        held = replace(account, id=AccountId(uuid7()), number="2", party_id=business.id)
        await accounts.add_accounts(tx=tx, accounts=[held])
    await world.product(held, await world.plan())
    await world.run(JULY)
    world.clock.set(instant("2026-07-20T12:00+02:00"))
    async with world.db.transaction(world.tenant_id) as tx:
        await accounts.change_address(
            tx,
            party_id=business.id,
            address=AMSTERDAM,
            valid_from=instant("2026-07-15T00:00+02:00"),
            now=world.clock.now(),
        )
    await world.run(AUGUST)
    june, july = await world.bills(held)
    assert (totals(june), totals(july)) == ((4323, 821, 5144), (2000, 0, 2000))
    assert [tax.code for tax in july.taxes] == ["AE"]
    await sound(world)


async def test_a_price_of_a_region_follows_the_customer_from_the_day_of_the_move(world: World) -> None:
    plan = FLEX_M.replace("in_advance = true", 'in_advance = true\nregions = ["DE-HH"]') + (
        '\n[[recurring]]\nid = "south"\nprice = 31.00\nin_advance = true\nregions = ["DE-BY"]\n'
    )
    hamburg, munich = Address("DE", HOME, "DE-HH"), Address("DE", {**HOME, "city": "München"}, "DE-BY")
    account = await world.account(address=hamburg)
    async with world.db.transaction(world.tenant_id) as tx:
        moved = replace(account, id=AccountId(uuid7()), number="2", region="DE-HH")
        await accounts.add_accounts(tx=tx, accounts=[moved])
    await world.product(moved, await world.plan(plan))
    await world.run(JULY)
    world.clock.set(instant("2026-07-20T12:00+02:00"))
    async with world.db.transaction(world.tenant_id) as tx:
        await accounts.change_address(
            tx,
            party_id=account.party_id,
            address=munich,
            valid_from=instant("2026-07-17T00:00+02:00"),
            now=world.clock.now(),
        )
    await world.run(AUGUST)
    july = (await world.bills(moved))[1]
    # 17–31 July are 15 of 31 days: back 9.68 of 20.00, asked 15.00 of 31.00; August 31.00
    assert amounts(july) == [("monthly", -968), ("south", 1500), ("south", 3100)]
    await sound(world)
