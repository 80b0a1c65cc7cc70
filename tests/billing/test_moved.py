"""A bill after a move bears, line by line, the tax of the time and place that the line is for.

Flex M costs 20.00 a month in advance and 9.90 once; the product starts on 11 June 2026. The customer lives in Hamburg
(19 %) and moves to Amsterdam (21 %), where the company has a VAT id, on 10 August.
"""

from __future__ import annotations

import pytest

from farwire.account import service as accounts
from farwire.account.model import BillingAccount, TaxClass, TermsChange
from farwire.billing.model import Bill
from farwire.billing.service.explain import explain_lines
from farwire.inventory.model import Product
from farwire.kernel.page import PageRequest
from farwire.kernel.time import instant
from farwire.tenant import service as tenants
from farwire.tenant.model import Address, CompanyChange

from .test_pdf import text_of
from .variants import amounts, end, override, sound, totals
from .world import World

AUGUST, SEPTEMBER, OCTOBER = "2026-08-01T00:00+02:00", "2026-09-01T00:00+02:00", "2026-10-01T00:00+02:00"
AMSTERDAM = Address(
    "NL", {"street": "Damrak", "house_number": "1", "postcode": "1012 LG", "city": "Amsterdam"}
)
DUTCH = "NL123456789B01"


async def move(
    world: World, account: BillingAccount, at: str = "2026-08-10T00:00+02:00", to: Address = AMSTERDAM
) -> None:
    if world.clock.now() < instant(at):
        world.clock.set(instant(at))
    async with world.db.transaction(world.tenant_id) as tx:
        await accounts.change_address(
            tx, party_id=account.party_id, address=to, valid_from=instant(at), now=world.clock.now()
        )


async def customer(world: World) -> tuple[BillingAccount, Product]:
    """A customer that is billed June and July, each with the month after, and then moves."""
    account = await world.account()
    product = await world.product(account, await world.plan())
    async with world.db.transaction(world.tenant_id) as tx:
        await tenants.change_legal_entity(
            tx,
            legal_entity_id=account.legal_entity_id,
            change=CompanyChange(vat_ids={"NL": DUTCH}),
            now=world.clock.now(),
        )
    await world.run(AUGUST)
    return account, product


def taxes(bill: Bill) -> list[tuple[str, str, int, int, int]]:
    return sorted(
        (tax.country, tax.seller_vat_id, int(tax.rate_percent), tax.base_minor, tax.tax_minor)
        for tax in bill.taxes
    )


async def test_what_is_corrected_of_before_a_move_bears_the_tax_of_then(world: World) -> None:
    account, product = await customer(world)
    await move(world, account)
    await override(world, product, "monthly", "2026-07-01T00:00+02:00", price="10.00")
    await world.run(SEPTEMBER)
    bill = (await world.bills())[2]
    # July and August back 20.00, asked 10.00, each paid in advance in Hamburg; September 10.00 in Amsterdam.
    assert amounts(bill) == [("monthly", amount) for amount in (-2000, -2000, 1000, 1000, 1000)]
    assert taxes(bill) == [("DE", "DE123456789", 19, -2000, -380), ("NL", DUTCH, 21, 1000, 210)]
    assert (totals(bill), bill.customer.address.country, bill.seller.vat_id) == (
        (-1000, -170, -1170), "NL", DUTCH,
    )  # fmt: skip
    explained = await explain_lines(db=world.db, tenant_id=world.tenant_id, bill=bill, page=PageRequest())
    said = {
        (one.facts.interval.first_day.month, one.facts.tax.country, one.facts.tax.taxes[0].rate_percent)
        for one in explained
    }
    assert said == {(7, "DE", 19), (8, "DE", 19), (9, "NL", 21)}
    assert all(one.facts.tax.taxes[0].source for one in explained)
    text, _, _ = await text_of(world, bill)
    assert "19 % (DE123456789)" in text
    assert "(NL123456789B01)" not in text
    await sound(world)


async def test_what_was_paid_in_advance_comes_back_with_the_tax_that_was_paid(world: World) -> None:
    account, product = await customer(world)
    await move(world, account)
    await end(world, product, "2026-08-21T09:00+02:00")
    await world.run(SEPTEMBER)
    bill = (await world.bills())[2]
    # 11 of 31 days of August, 7.10, paid on 1 August: 7.10 × 19 % = 1.349
    assert (amounts(bill), totals(bill)) == ([("monthly", -710)], (-710, -135, -845))
    assert taxes(bill) == [("DE", "DE123456789", 19, -710, -135)]
    await sound(world)


async def test_late_usage_of_before_a_move_bears_the_tax_of_then(world: World) -> None:
    account, product = await customer(world)
    await move(world, account)
    await world.rated(product, "other", "1.00", at="2026-07-30T10:00Z", quantity=600)
    await world.rated(product, "other", "2.00", at="2026-08-30T10:00Z", quantity=1200)
    await world.run(SEPTEMBER)
    bill = (await world.bills())[2]
    assert amounts(bill) == [("monthly", 2000), ("other", 100), ("other", 200)]
    assert taxes(bill) == [("DE", "DE123456789", 19, 100, 19), ("NL", DUTCH, 21, 2200, 462)]
    await sound(world)


async def test_a_customer_that_comes_back_has_one_row_per_country(world: World) -> None:
    account, product = await customer(world)
    home = Address(
        "DE", {"street": "Deichstraße", "house_number": "5", "postcode": "20459", "city": "Hamburg"}
    )
    await move(world, account)
    await move(world, account, "2026-09-10T00:00+02:00", home)
    await world.run(SEPTEMBER)
    for month in ("07", "08", "09"):
        await world.rated(product, "other", "1.00", at=f"2026-{month}-11T10:00Z", quantity=600)
    await world.run(OCTOBER)
    bill = (await world.bills())[3]
    # October and the usage of July and September at home, 20.00 + 2.00; that of August in Amsterdam.
    assert taxes(bill) == [("DE", "DE123456789", 19, 2200, 418), ("NL", DUTCH, 21, 100, 21)]
    await sound(world)


@pytest.mark.parametrize(("tax_class", "code"), [(TaxClass.REVERSE_CHARGE, "AE"), (TaxClass.EXEMPT, "E")])
async def test_a_tax_class_of_now_leaves_what_is_corrected_of_before(
    world: World, tax_class: TaxClass, code: str
) -> None:
    account = await world.account(vat_id="DE987654321")
    product = await world.product(account, await world.plan())
    await world.run(AUGUST)
    world.clock.set(instant("2026-08-05T12:00+02:00"))
    async with world.db.transaction(world.tenant_id) as tx:
        await accounts.change_terms(
            tx,
            account_id=account.id,
            change=TermsChange(tax_class=tax_class),
            valid_from=world.clock.now(),
            now=world.clock.now(),
        )
    await override(world, product, "monthly", "2026-07-01T00:00+02:00", price="10.00")
    await world.run(SEPTEMBER)
    bill = (await world.bills())[2]
    # July and August were charged at 19 %: −20.00 + 10.00 each. September bears none.
    found = sorted((tax.code, tax.base_minor, tax.tax_minor) for tax in bill.taxes)
    assert found == [(code, 1000, 0), ("S", -2000, -380)]
    await sound(world)


HAMBURG = Address(
    "DE", {"street": "Deichstraße", "house_number": "5", "postcode": "20459", "city": "Hamburg"}, "DE-HH"
)
MUNICH = Address(
    "DE", {"street": "Tal", "house_number": "1", "postcode": "80331", "city": "München"}, "DE-BY"
)


async def test_a_move_within_a_country_leaves_its_tax_rounded_once_on_the_sum(world: World) -> None:
    account = await world.account(address=HAMBURG)
    product = await world.product(account, await world.plan())
    await world.run(AUGUST)
    await move(world, account, to=MUNICH)
    await world.rated(product, "other", "0.03", at="2026-08-05T10:00Z", quantity=20)
    await world.rated(product, "other", "0.03", at="2026-08-20T10:00Z", quantity=20)
    await world.run(SEPTEMBER)
    bill = (await world.bills())[2]
    assert amounts(bill) == [("monthly", 2000), ("other", 3), ("other", 3)]
    # 20.06 × 19 % = 3.8114. By place it would be 0.03 × 19 % = 0.0057 and 20.03 × 19 % = 3.8057: a cent more.
    assert taxes(bill) == [("DE", "DE123456789", 19, 2006, 381)]
    assert [line.taxes for line in bill.lines] == [(1,), (1,), (1,)]
    await sound(world)


async def test_a_move_that_changes_no_tax_cuts_no_usage_even_beside_one_that_does(world: World) -> None:
    account, product = await customer(world)
    across_the_street = Address("DE", {**HAMBURG.fields, "house_number": "6"})
    await move(world, account, "2026-08-05T00:00+02:00", across_the_street)
    await move(world, account, "2026-08-20T00:00+02:00")
    for day in ("03", "07", "25"):
        await world.rated(product, "other", "0.10", at=f"2026-08-{day}T10:00Z", quantity=60)
    await world.run(SEPTEMBER)
    bill = (await world.bills())[2]
    assert amounts(bill) == [("monthly", 2000), ("other", 10), ("other", 20)]
    await sound(world)
