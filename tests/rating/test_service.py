"""Decks, tariffs, counters and ported numbers in a real database."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from farwire.base.clock import MovableClock
from farwire.base.storage import Database
from farwire.catalog.model import read_plan
from farwire.catalog.service import publish_plan
from farwire.kernel.errors import Conflict, Invalid, NotFound
from farwire.kernel.ids import PlanVersionId, ProductId, TenantId, uuid7
from farwire.kernel.time import BillCycle, instant, zone
from farwire.rating import service
from farwire.rating.model import Charge, Chargeable, rate
from farwire.rating.service import DeckReport

from .golden import FLEX_M

JUNE, JULY = datetime(2026, 6, 1, tzinfo=UTC), datetime(2026, 7, 1, tzinfo=UTC)
PLAN = """
offering = "calls"
name = "Calls"
valid_from = 2026-01-01T00:00:00Z
currency = "EUR"
zone = "Europe/Berlin"
prices_include_tax = false
[[usage]]
id = "voice"
kind = "voice"
deck = "retail"
"""


class Office:
    """A tenant that imports decks and rates calls."""

    def __init__(self, db: Database, tenant_id: TenantId, clock: MovableClock, folder: Path) -> None:
        self.db, self.tenant_id, self.clock, self.folder = db, tenant_id, clock, folder

    async def deck(self, rows: str, start: datetime = JUNE, *, skip_bad_rows: bool = False) -> DeckReport:
        path = self.folder / "deck.csv"
        path.write_text(f"prefix,name,price,increment\n{rows}\n")
        return await service.import_deck(
            db=self.db,
            tenant_id=self.tenant_id,
            clock=self.clock,
            path=path,
            name="retail",
            currency="EUR",
            valid_from=start,
            skip_bad_rows=skip_bad_rows,
        )

    async def publish(self, text: str = PLAN) -> PlanVersionId:
        async with self.db.transaction(self.tenant_id) as tx:
            return (await publish_plan(tx=tx, clock=self.clock, plan=read_plan(text))).version.id

    async def call(self, plan: PlanVersionId, at: datetime) -> tuple[int, str]:
        async with self.db.transaction(self.tenant_id) as tx:
            tariff = await service.tariff_for(tx=tx, plan_version_id=plan)
        charge = rate(tariff, Chargeable(kind="voice", started_at=at, quantity=60, destination="4930123"))
        assert isinstance(charge, Charge)
        return charge.nano, charge.explanation.deck

    async def count(self, table: str) -> int:
        async with self.db.transaction(self.tenant_id) as tx:
            found: int = await tx.fetchval(
                f"SELECT count(*) FROM rating.{table} WHERE tenant_id = $1", tx.tenant_id
            )
            return found


@pytest.fixture
def office(db: Database, tenant_id: TenantId, clock: MovableClock, tmp_path: Path) -> Office:
    return Office(db, tenant_id, clock, tmp_path)


async def test_an_imported_deck_rates(office: Office) -> None:
    report = await office.deck("49,Germany,0.10,1\n4930,Berlin,0.05,60")
    assert (report.read, report.imported, report.new) == (2, 2, True)
    assert await office.call(await office.publish(), JUNE) == (50_000_000, "retail@1")


async def test_a_bad_row_leaves_no_trace(office: Office) -> None:
    report = await office.deck("49,Germany,0.10,1\nx,Nowhere,0.05,60")
    assert report.deck is None
    assert [(problem.row, problem.field) for problem in report.problems] == [(2, "prefix")]
    assert await office.count("deck") == await office.count("deck_row") == 0
    report = await office.deck("49,Germany,0.10,1\nx,Nowhere,0.05,60", skip_bad_rows=True)
    assert (report.imported, report.bad) == (1, 1)


async def test_the_same_deck_again_changes_nothing(office: Office) -> None:
    first = await office.deck("49,Germany,0.10,1")
    again = await office.deck("49,Germany,0.10,1")
    assert again.deck == first.deck
    assert not again.new
    with pytest.raises(Conflict, match="already starts"):
        await office.deck("49,Germany,0.11,1")


async def test_two_imports_at_once_make_two_versions(office: Office) -> None:
    await office.deck("49,Germany,0.10,1")
    path = office.folder / "deck.csv"
    reports = await asyncio.gather(
        *(
            service.import_deck(
                db=office.db, tenant_id=office.tenant_id, clock=office.clock, path=path, name="retail",
                currency="EUR", valid_from=JULY + timedelta(days=day),
            )
            for day in range(4)
        )
    )  # fmt: skip
    assert sorted(report.deck.version for report in reports if report.deck) == [2, 3, 4, 5]


async def test_a_new_deck_version_changes_only_what_comes_after_it(office: Office) -> None:
    await office.deck("49,Germany,0.10,1")
    plan = await office.publish()
    assert await office.call(plan, JULY) == (100_000_000, "retail@1")
    await office.deck("49,Germany,0.20,1", JULY)
    assert await office.call(plan, JULY) == (200_000_000, "retail@2")
    assert await office.call(plan, JULY - timedelta(seconds=1)) == (100_000_000, "retail@1")


async def test_a_tariff_is_compiled_once(office: Office) -> None:
    await office.deck("49,Germany,0.10,1")
    plan = await office.publish()
    async with office.db.transaction(office.tenant_id) as tx:
        first = await service.tariff_for(tx=tx, plan_version_id=plan)
        assert await service.tariff_for(tx=tx, plan_version_id=plan) is first


async def test_another_tenant_sees_neither_deck_nor_tariff(office: Office, other_tenant_id: TenantId) -> None:
    await office.deck("49,Germany,0.10,1")
    plan = await office.publish()
    await office.call(plan, JUNE)
    page = await service.list_decks(db=office.db, tenant_id=other_tenant_id)
    assert (page.total, page.items) == (0, ())
    with pytest.raises(NotFound):
        await service.rows_for_number(
            db=office.db, tenant_id=other_tenant_id, name="retail", number="49", at=JULY
        )
    async with office.db.transaction(other_tenant_id) as tx:
        with pytest.raises(NotFound):
            await service.tariff_for(tx=tx, plan_version_id=plan)
        for table in ("deck", "deck_row", "counter", "ported_number"):
            seen = await tx.fetchval(
                f"SELECT count(*) FROM rating.{table} WHERE tenant_id = $1", office.tenant_id
            )
            assert seen == 0


async def test_a_number_is_looked_up_from_the_longest_prefix(office: Office) -> None:
    await office.deck("49,Germany,0.10,1\n4930,Berlin,0.05,60\n1,America,0.01,1")
    page = await service.list_decks(db=office.db, tenant_id=office.tenant_id)
    assert [(deck.name, deck.version, deck.row_count) for deck in page.items] == [("retail", 1, 3)]
    _, rows = await service.rows_for_number(
        db=office.db, tenant_id=office.tenant_id, name="retail", number="+493012", at=JUNE
    )
    assert [row.prefix for row in rows] == ["4930", "49"]


async def test_counters_survive_a_batch(office: Office) -> None:
    plan = await office.publish(FLEX_M.replace("2026-06-01T09:00:00+02:00", "2026-01-01T00:00:00Z"))
    product, cycle = ProductId(uuid7()), BillCycle(1, zone("Europe/Berlin"))
    given_units = []
    for _ in range(3):
        async with office.db.transaction(office.tenant_id) as tx:
            tariff = await service.tariff_for(tx=tx, plan_version_id=plan)
            book = await service.load_counters(tx, [product])
            view = book.view(tariff, product, JUNE, cycle=cycle, product_start=JUNE)
            charge = rate(tariff, Chargeable(kind="data", started_at=JUNE, quantity=4 * 10**9), view.values)
            assert isinstance(charge, Charge)
            book.apply(view, charge)
            await service.save_counters(tx, book)
            given_units.append(charge.taken["allowance:eu-data"] // 10**9)
    assert given_units == [4, 4, 2]


async def test_batches_at_once_do_not_lose_a_count(office: Office) -> None:
    plan = await office.publish(FLEX_M.replace("2026-06-01T09:00:00+02:00", "2026-01-01T00:00:00Z"))
    product, cycle = ProductId(uuid7()), BillCycle(1, zone("Europe/Berlin"))

    async def batch() -> int:
        async with office.db.transaction(office.tenant_id) as tx:
            tariff = await service.tariff_for(tx=tx, plan_version_id=plan)
            book = await service.load_counters(tx, [product])
            view = book.view(tariff, product, JUNE, cycle=cycle, product_start=JUNE)
            charge = rate(tariff, Chargeable(kind="data", started_at=JUNE, quantity=3 * 10**9), view.values)
            assert isinstance(charge, Charge)
            book.apply(view, charge)
            await service.save_counters(tx, book)
            return charge.taken.get("allowance:eu-data", 0) // 10**9

    assert sum(await asyncio.gather(*(batch() for _ in range(5)))) == 10


def ported(office: Office, path: Path, *rows: str) -> Awaitable[int]:
    path.write_text("\n".join(["number,valid_from,operator,rates_as", *rows]) + "\n", encoding="utf-8")
    return service.import_ported_numbers(
        db=office.db, tenant_id=office.tenant_id, clock=office.clock, path=path
    )


async def test_ported_numbers_are_dated(office: Office, tmp_path: Path) -> None:
    rows = ("+4930,2026-06-01T00:00:00Z,a,49176", "4930,2026-07-01T00:00:00Z,b,")
    for _ in range(2):
        assert await ported(office, tmp_path / "ported.csv", *rows) == 2
    async with office.db.transaction(office.tenant_id) as tx:
        known = await service.load_portability(tx, ["4930", "4931", ""])
    june, july = instant("2026-06-01T00:00:00Z"), instant("2026-07-01T00:00:00Z")
    found = known.at("4930", june)
    assert found is not None
    assert (found.operator, found.rates_as) == ("a", "49176")
    assert known.at("4930", july) is None
    assert known.at("4930", june - timedelta(seconds=1)) is None
    assert known.at("4931", june) is None


@pytest.mark.parametrize(
    ("row", "code"),
    [
        ("4930,2026-06-01T00:00:00,a,49176", "time.zone_missing"),
        ("49x30,2026-06-01T00:00:00Z,a,49176", "rating.ported_number"),
        (",2026-06-01T00:00:00Z,a,49176", "rating.ported_number"),
        ("4930,2026-06-01T00:00:00Z,a", "rating.ported_file"),
        ("4930,2026-06-01T00:00:00Z,a,49176,more", "rating.ported_file"),
    ],
)
async def test_a_bad_row_of_ported_numbers_is_named_and_nothing_is_kept(
    office: Office, tmp_path: Path, row: str, code: str
) -> None:
    with pytest.raises(Invalid, match="row 2") as caught:
        await ported(office, tmp_path / "ported.csv", "4931,2026-06-01T00:00:00Z,a,49176", row)
    assert caught.value.code == code
    async with office.db.transaction(office.tenant_id) as tx:
        assert not (await service.load_portability(tx, ["4931"])).rows
