"""Two companies of one operator, and a customer that changes country: what the next bill says."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from farwire.account import service as accounts
from farwire.account.model import TaxClass, TermsChange
from farwire.base.clock import MovableClock
from farwire.base.storage import Database
from farwire.billing.model import Bill
from farwire.kernel.ids import TenantId
from farwire.kernel.time import instant
from farwire.ledger import service as ledger
from farwire.party import service as parties
from farwire.party.model import PartyChange, PartyKind
from farwire.rating.model import Direction, UsageKind
from farwire.tenant import service as tenants
from farwire.tenant.model import Address, CompanyChange
from farwire.usage import service as usage
from farwire.usage.service.recording import ReportedUsage, record_usage

PARIS = Address("FR", {"street": "Rue de Rivoli 1", "postcode": "75001", "city": "Paris"})
LINE = """
offering = "line"
name = "Line"
valid_from = 2026-01-01T00:00:00+01:00
currency = "EUR"
zone = "Europe/Berlin"
prices_include_tax = false
recurring = [{ id = "monthly", price = 100, in_advance = false }]
"""


def _builders() -> ModuleType:
    """The builders that the tests of billing use: importlib mode gives test folders no common package."""
    path = Path(__file__).parent.parent / "billing" / "world.py"
    spec = importlib.util.spec_from_file_location("billing_world_of_moves", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def world(db: Database, clock: MovableClock, tenant_id: TenantId) -> Any:
    return _builders().World(db, clock, tenant_id)


async def move(world: Any, account: Any, at: str) -> None:
    world.clock.set(instant(at))
    async with world.db.transaction(world.tenant_id) as tx:
        await accounts.change_address(
            tx, party_id=account.party_id, address=PARIS, valid_from=instant(at), now=world.clock.now()
        )


async def june_and_july(world: Any) -> tuple[Bill, Bill]:
    await world.run("2026-08-01T00:00+02:00")
    june, july = await world.bills()
    return june, july


def taxes(bill: Bill) -> list[tuple[str, str, int]]:
    return [(tax.code, f"{tax.rate_percent:f}", tax.tax_minor) for tax in bill.taxes]


async def customer(world: Any, *, business: bool) -> Any:
    version = await world.plan(LINE)
    account = await world.account(
        opened="2026-06-01T00:00+02:00", vat_id="FR12345678901" if business else "", name="Werft"
    )
    if business:
        async with world.db.transaction(world.tenant_id) as tx:
            await tx.execute(
                "UPDATE party.party SET kind = $2 WHERE tenant_id = $1",
                world.tenant_id,
                PartyKind.ORGANIZATION.value,
            )
    await world.product(account, version, start="2026-06-01T00:00+02:00")
    return account


async def test_a_business_that_moves_abroad_owes_the_tax_from_the_next_bill_on(world: Any) -> None:
    account = await customer(world, business=True)
    await move(world, account, "2026-07-10T12:00+02:00")
    june, july = await june_and_july(world)
    assert (june.net_minor, taxes(june), june.total_minor) == (10_000, [("S", "19", 1_900)], 11_900)
    assert june.customer.address.country == "DE"
    assert (july.net_minor, [one[0] for one in taxes(july)], july.total_minor) == (10_000, ["AE"], 10_000)
    assert july.customer.address.country == "FR"


async def test_a_person_abroad_pays_the_tax_of_where_the_seller_is_registered(world: Any) -> None:
    """Registered in France (EU one-stop shop) the seller charges 20 %; without a registration its own 19 %."""
    account = await customer(world, business=False)
    async with world.db.transaction(world.tenant_id) as tx:
        await tenants.change_legal_entity(
            tx,
            legal_entity_id=account.legal_entity_id,
            change=CompanyChange(vat_ids={"FR": "FR99999999999"}),
            now=world.clock.now(),
        )
    await move(world, account, "2026-07-10T12:00+02:00")
    june, july = await june_and_july(world)
    assert (taxes(june), june.total_minor) == ([("S", "19", 1_900)], 11_900)
    assert (taxes(july), july.total_minor) == ([("S", "20", 2_000)], 12_000)
    assert july.seller.vat_id == "FR99999999999"


async def test_without_a_registration_abroad_the_seller_charges_its_own_tax(world: Any) -> None:
    account = await customer(world, business=False)
    await move(world, account, "2026-07-10T12:00+02:00")
    _, july = await june_and_july(world)
    assert (taxes(july), july.seller.vat_id) == ([("S", "19", 1_900)], "DE123456789")


async def test_a_bill_carries_the_purchase_order_of_its_cycle(world: Any) -> None:
    account = await customer(world, business=False)
    async with world.db.transaction(world.tenant_id) as tx:
        for number, start in (("PO-1", "2026-06-01T00:00+02:00"), ("PO-2", "2026-07-01T00:00+02:00")):
            await accounts.change_terms(
                tx,
                account_id=account.id,
                change=TermsChange(purchase_order=number),
                valid_from=instant(start),
                now=world.clock.now(),
            )
    june, july = await june_and_july(world)
    assert (june.purchase_order, july.purchase_order) == ("PO-1", "PO-2")


async def test_two_companies_of_an_operator_bill_number_and_book_apart(world: Any) -> None:
    version = await world.plan(LINE)
    first = await world.company(prefix="NL")
    one = await world.account("1", opened="2026-06-01T00:00+02:00")
    second = await world.company(prefix="LX")
    two = await world.account("2", opened="2026-06-01T00:00+02:00")
    for account in (one, two):
        await world.product(account, version, start="2026-06-01T00:00+02:00")
    world.clock.set(instant("2026-07-01T00:00+02:00"))
    await world.run()
    bills = {bill.account_number: bill for bill in await world.bills()}
    assert [bills[n].number for n in ("1", "2")] == ["NL-2026-0000001", "LX-2026-0000001"]
    assert [bills[n].legal_entity_id for n in ("1", "2")] == [first.id, second.id]
    async with world.db.transaction(world.tenant_id) as tx:
        rows = await ledger.trial_balance(tx=tx)
        for account in (one, two):
            party = await parties.get_party(tx=tx, party_id=account.party_id)
            assert party.name == bills[account.number].customer.name
    owed = {row.legal_entity_id: row for row in rows}
    assert owed.keys() == {first.id, second.id}


async def test_usage_of_before_a_move_keeps_the_price_of_its_region(world: Any) -> None:
    talk = LINE.replace(
        'recurring = [{ id = "monthly", price = 100, in_advance = false }]',
        """usage = [
            { id = "calls", kind = "voice", price = 0.10, per = "1 min" },
            { id = "south", kind = "voice", price = 0.07, per = "1 min", regions = ["DE-BY"] },
        ]""",
    )
    account = await world.account(opened="2026-06-01T00:00+02:00")
    await world.product(
        account, await world.plan(talk), start="2026-06-01T00:00+02:00", identifier="4915100001"
    )
    munich = Address("DE", {**account_address(), "postcode": "80331", "city": "München"}, "DE-BY")
    world.clock.set(instant("2026-06-20T00:00Z"))
    async with world.db.transaction(world.tenant_id) as tx:
        await accounts.change_address(
            tx,
            party_id=account.party_id,
            address=munich,
            valid_from=instant("2026-06-15T00:00Z"),
            now=world.clock.now(),
        )
        for day in ("14", "16"):
            call = ReportedUsage(
                kind=UsageKind.VOICE,
                started_at=instant(f"2026-06-{day}T10:00Z"),
                subscriber="4915100001",
                quantity=600,
                destination="4319999",
                direction=Direction.ORIGINATING,
                visited_network="",
                rating_group=None,
                external_id=f"call-{day}",
            )
            await record_usage(tx=tx, reported=call, now=world.clock.now())
    await usage.rate_usage(db=world.db, tenant_id=world.tenant_id, clock=world.clock)
    await world.run()
    (bill,) = await world.bills()
    assert {line.item.price_id: line.amount_minor for line in bill.lines} == {"calls": 100, "south": 70}


def account_address() -> dict[str, str]:
    return {"street": "Deichstraße", "house_number": "5"}


async def test_who_owes_the_tax_and_gives_its_vat_id_back_is_not_billed_without_it(world: Any) -> None:
    version = await world.plan()
    account = await world.account(tax_class=TaxClass.REVERSE_CHARGE, vat_id="ATU12345678")
    await world.product(account, version)
    world.clock.set(instant("2026-06-20T00:00Z"))
    async with world.db.transaction(world.tenant_id) as tx:
        await parties.update_party(
            tx, party_id=account.party_id, change=PartyChange(vat_id=""), now=world.clock.now()
        )
    report = await world.run()
    assert (report.failed, await world.bills()) == (1, [])
    async with world.db.transaction(world.tenant_id) as tx:
        await accounts.change_terms(
            tx, account_id=account.id, change=TermsChange(tax_class=TaxClass.STANDARD),
            valid_from=instant("2026-06-20T00:00Z"), now=world.clock.now(),
        )  # fmt: skip
    report = await world.run()
    assert (report.failed, len(await world.bills())) == (0, 1)
