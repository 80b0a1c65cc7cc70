from pathlib import Path

import pytest

from farwire.account import service as accounts
from farwire.base.clock import MovableClock
from farwire.base.storage import Database
from farwire.catalog import service as catalog
from farwire.catalog.model import read_plan
from farwire.inventory import service
from farwire.inventory.service import SubscriberReport
from farwire.kernel.errors import Invalid, NotFound
from farwire.kernel.ids import TenantId
from farwire.kernel.page import PageRequest
from farwire.party import service as parties
from farwire.tenant import service as tenants
from farwire.tenant.model import Address

PLAN = """
offering = "flex-m"
name = "Flex M"
valid_from = 2026-06-01T00:00:00+02:00
currency = "EUR"
zone = "Europe/Berlin"
prices_include_tax = false
recurring = [{ id = "monthly", price = 20 }]
"""
HEADER = "account,name,offering,activated_at,identifiers,street,postcode,city,cycle_day,language,tax_class,vat_id,email"
ANNA = (
    "1,Anna Jürgensen,flex-m,2026-06-11T14:03+02:00,msisdn:+4915112345678;imsi:262011234567890,"
    "Deich 5,20459,Hamburg,31,de-DE,,,a@b.de"
)


@pytest.fixture
async def ready(db: Database, clock: MovableClock, tenant_id: TenantId) -> TenantId:
    await tenants.add_legal_entity(
        db=db, clock=clock, tenant_id=tenant_id, name="North", vat_id="", address=Address("DE", {}), country="DE",
        currency_code="EUR", zone_name="Europe/Berlin", number_prefix="NL",
    )  # fmt: skip
    async with db.transaction(tenant_id) as tx:
        await catalog.publish_plan(tx=tx, clock=clock, plan=read_plan(PLAN))
    return tenant_id


async def send(
    db: Database, clock: MovableClock, tenant: TenantId, folder: Path, *rows: str, header: str = HEADER
) -> SubscriberReport:
    path = folder / "subscribers.csv"
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return await service.import_subscribers(db=db, tenant_id=tenant, clock=clock, path=path)


async def test_a_row_becomes_customer_account_product_and_numbers(
    db: Database, clock: MovableClock, ready: TenantId, tmp_path: Path
) -> None:
    report = await send(db, clock, ready, tmp_path, ANNA)
    assert (report.rows, report.added, report.errors) == (1, 1, [])
    async with db.transaction(ready) as tx:
        account = await accounts.account_numbered(tx=tx, number="1")
        party = await parties.get_party(tx=tx, party_id=account.party_id)
        (product,) = (await service.products_by_account(tx, [account.id]))[account.id]
        names = await service.identifiers_of(tx, [one.subscriber_key for one in product.assignments])
    assert (party.name, party.address.fields["city"], party.contacts[0].value) == (
        "Anna Jürgensen",
        "Hamburg",
        "a@b.de",
    )
    assert (account.cycle_day, account.zone, account.currency.code) == (31, "Europe/Berlin", "EUR")
    assert set(names.values()) == {"4915112345678", "262011234567890"}


async def test_sending_the_file_again_changes_nothing(
    db: Database, clock: MovableClock, ready: TenantId, tmp_path: Path
) -> None:
    await send(db, clock, ready, tmp_path, ANNA)
    second = ANNA.replace("1,Anna", "2,Bea").replace("5678", "5679").replace("7890", "7891")
    report = await send(db, clock, ready, tmp_path, ANNA, second)
    assert (report.added, report.unchanged, report.refused) == (1, 1, 0)


async def test_each_bad_row_is_named_and_the_good_ones_are_kept(
    db: Database, clock: MovableClock, ready: TenantId, tmp_path: Path
) -> None:
    bad = {
        "account": "," + ANNA.partition(",")[2],
        "offering": ANNA.replace("flex-m", "flex-x"),
        "activated_at": ANNA.replace("+02:00", ""),
        "identifiers": ANNA.replace("imsi:2", "imsi:a b:2"),
        "postcode": ANNA.replace("20459", "abc"),
        "tax_class": ANNA.replace("de-DE,,", "de-DE,none,"),
        "cycle_day": ANNA.replace(",31,", ",x,"),
        "anchor_day": ANNA.replace(",31,", ",32,"),
        "vat_id": ANNA.replace("de-DE,,", "de-DE,reverse_charge,"),
    }
    report = await send(db, clock, ready, tmp_path, *bad.values(), ANNA)
    assert (report.rows, report.added, report.refused) == (len(bad) + 1, 1, len(bad))
    assert [error.field for error in report.errors] == [*list(bad)[:-2], "anchor_day", "vat_id"]
    assert [error.row for error in report.errors] == list(range(1, len(bad) + 1))
    assert not any("Anna" in f"{error.message} {error.fix}" for error in report.errors)
    assert report.errors[2].fix == "add Z or an offset such as +02:00"


async def test_a_number_that_belongs_to_another_is_refused_in_the_file_and_in_the_base(
    db: Database, clock: MovableClock, ready: TenantId, tmp_path: Path
) -> None:
    thief = ANNA.replace("1,Anna", "2,Bea")
    report = await send(db, clock, ready, tmp_path, ANNA, thief)
    assert [(error.row, error.code) for error in report.errors] == [(2, "inventory.assignment_overlap")]
    report = await send(db, clock, ready, tmp_path, thief)
    assert [error.code for error in report.errors] == ["inventory.assignment_overlap"]


async def test_a_second_row_of_an_account_adds_a_product(
    db: Database, clock: MovableClock, ready: TenantId, tmp_path: Path
) -> None:
    second = ANNA.replace("5678", "5679").replace("7890", "7891")
    report = await send(db, clock, ready, tmp_path, ANNA, second)
    assert report.added == 2
    assert (await accounts.list_accounts(db=db, tenant_id=ready)).total == 1


@pytest.mark.parametrize("header", [HEADER + ",shoe_size", HEADER.replace("offering,", ""), HEADER + ",name"])
async def test_a_header_that_is_not_understood_is_refused(
    db: Database, clock: MovableClock, ready: TenantId, tmp_path: Path, header: str
) -> None:
    with pytest.raises(Invalid) as raised:
        await send(db, clock, ready, tmp_path, ANNA, header=header)
    assert raised.value.code == "inventory.import_header"


async def test_a_file_that_is_not_utf_8_is_refused(
    db: Database, clock: MovableClock, ready: TenantId, tmp_path: Path
) -> None:
    path = tmp_path / "latin.csv"
    path.write_bytes((HEADER + "\n" + ANNA).encode("latin-1"))
    with pytest.raises(Invalid) as raised:
        await service.import_subscribers(db=db, tenant_id=ready, clock=clock, path=path)
    assert raised.value.code == "inventory.import_encoding"


async def test_without_a_company_nothing_is_imported(
    db: Database, clock: MovableClock, tenant_id: TenantId, tmp_path: Path
) -> None:
    with pytest.raises(NotFound):
        await send(db, clock, tenant_id, tmp_path, ANNA)


async def test_ten_thousand_rows_go_in_and_change_nothing_the_second_time(
    db: Database, clock: MovableClock, ready: TenantId, tmp_path: Path
) -> None:
    rows = [
        f"{n},P {n},flex-m,2026-06-11T14:03+02:00,49151{n:08},Deich 5,20459,Hamburg,1,de-DE,,,"
        for n in range(10_000)
    ]
    report = await send(db, clock, ready, tmp_path, *rows)
    assert (report.added, report.refused) == (10_000, 0)
    again = await send(db, clock, ready, tmp_path, *rows)
    assert again.unchanged == 10_000
    page = await accounts.list_accounts(db=db, tenant_id=ready, page=PageRequest(9_990, 1000))
    assert (page.total, len(page.items)) == (10_000, 10)


async def test_a_product_ceased_on_activation_is_known_when_the_file_comes_again(
    db: Database, clock: MovableClock, ready: TenantId, tmp_path: Path
) -> None:
    row, header = f"{ANNA},2026-06-11T14:03+02:00", f"{HEADER},ended_at"
    assert (await send(db, clock, ready, tmp_path, row, header=header)).added == 1
    report = await send(db, clock, ready, tmp_path, row, header=header)
    assert (report.added, report.unchanged, report.errors) == (0, 1, [])
