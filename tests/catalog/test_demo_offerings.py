"""The demo's five offerings and the Nigerian twins: data only, published, sold and priced by hand-worked examples."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib import resources
from typing import Final

import pytest

from farwire.base.clock import MovableClock
from farwire.base.storage import Database
from farwire.catalog import service
from farwire.catalog.model import Catalogue, PricePlan, SimType, Trigger, read_document
from farwire.kernel.ids import ProductId, TenantId, uuid7
from farwire.kernel.money import currency, post
from farwire.kernel.time import BillCycle, instant, zone
from farwire.rating.model import (
    Charge,
    Chargeable,
    CounterBook,
    ProductSpan,
    compile_tariff,
    one_off_charges,
    rate,
    recurring_charged_to,
    recurring_charges,
)

DATA = resources.files("farwire.demo") / "data"
FILES: Final = tuple(
    sorted(
        (
            path
            for folder in ("catalogue", "catalogue/plans")
            for path in (DATA / folder).iterdir()
            if path.name.endswith(".toml")
        ),
        key=lambda path: path.name,
    )
)
GERMAN: Final = {"region": "DE", "channel": "shop"}


def documents() -> list[Catalogue | PricePlan]:
    texts = [path.read_text(encoding="utf-8") for path in (*FILES, DATA / "flex-m.toml")]
    found = [read_document(text) for text in texts]
    return sorted(found, key=lambda one: isinstance(one, PricePlan))


def plan_of(code: str) -> PricePlan:
    return next(one for one in documents() if isinstance(one, PricePlan) and one.offering == code)


@pytest.fixture
async def shop(db: Database, tenant_id: TenantId, clock: MovableClock) -> Database:
    async with db.transaction(tenant_id) as tx:
        for document in documents():
            if isinstance(document, Catalogue):
                await service.publish_catalogue(tx=tx, clock=clock, file=document)
            else:
                await service.publish_plan(tx=tx, clock=clock, plan=document)
    return db


async def test_each_is_sold_to_whom_it_is_for(shop: Database, tenant_id: TenantId) -> None:
    at = datetime(2026, 6, 11, 12, tzinfo=UTC)
    async with shop.transaction(tenant_id) as tx:

        async def sold(segment: str, region: str = "DE") -> set[str]:
            page = await service.offerings_for(tx, region=region, segment=segment, channel="shop", at=at)
            return {item.offering.code for item in page.items}

        assert await sold("residential") == {"fibre-250", "flex-m", "go-5", "vm-small"}
        assert await sold("business") == {"business-circuit", "city-sense", "flex-m", "go-5", "vm-small"}
        assert await sold("residential", "NG") == {"flex-m-ng", "go-500", "vm-small"}
        flex = await service.offering_to_sell(tx, code="flex-m", at=at, **GERMAN)
        go = await service.offering_to_sell(tx, code="go-5", at=at, **GERMAN)
        circuit = await service.offering_to_sell(tx, code="business-circuit", at=at, segment="business")
    line, *below = flex.service_specifications
    assert (line.code, line.resources, line.operations) == ("mobile-line", (), ())
    assert [(need.kind, need.pool) for one in below for need in one.resources] == [
        ("msisdn", "msisdn"),
        ("esim_profile", "esim"),
    ]
    assert [each.adapter for one in below for each in one.operations] == ["hlr", "smdp", "charging"]
    assert (flex.offering.sim, go.offering.sim) == (SimType.POSTPAID, SimType.PREPAID)
    assert circuit.offering.terms.minimum_term_months == 24


def bills(code: str, start: str, months: int, cease: str = "") -> list[tuple[str, str]]:
    """(price, amount) of each recurring line of the first bills of a product, posted to the cent."""
    plan = plan_of(code)
    cycle = BillCycle(1, zone(plan.zone))
    span = ProductSpan(instant(start), instant(cease) if cease else None)
    period, lines, done = cycle.containing(span.start), [], {}
    for _ in range(months):
        charges = recurring_charges(plan, span, cycle=cycle, bill_period=period, charged_to=done)
        unit = currency(plan.currency)
        lines += [(charge.price_id, str(post(charge.nano, unit).money.to_decimal())) for charge in charges]
        done = recurring_charged_to(plan, span, cycle=cycle, bill_period=period)
        period = cycle.next(period)
    return lines


def once(code: str, trigger: Trigger) -> list[str]:
    plan = plan_of(code)
    at = instant("2026-06-11T14:03:00+02:00")
    cycle = BillCycle(1, zone(plan.zone))
    charges = one_off_charges(plan, ProductSpan(at), trigger=trigger, at=at, cycle=cycle)
    return [str(post(charge.nano, currency(plan.currency)).money.to_decimal()) for charge in charges]


def used(code: str, start: str, *records: tuple[str, str, int]) -> list[int]:
    """The exact charges of records (time, kind, quantity) of a product that started at ``start``, in nano-units."""
    plan = plan_of(code)
    tariff, book, product = compile_tariff(plan), CounterBook.of(()), ProductId(uuid7())
    cycle = BillCycle(1, zone(plan.zone))
    charges = []
    for at, what, quantity in records:
        place, _, kind = what.rpartition(":")
        moment = instant(at)
        view = book.view(tariff, product, moment, cycle=cycle, product_start=instant(start))
        network = place if place.isupper() else ""
        charge = rate(
            tariff,
            Chargeable(
                kind=kind,
                started_at=moment,
                quantity=quantity,
                visited_network=network,
                destination="" if network else place,
            ),
            view.values,
        )
        assert isinstance(charge, Charge), charge
        book.apply(view, charge)
        charges.append(charge.nano)
    return charges


def amounts(*texts: str) -> list[int]:
    return [int(text.replace(".", "").replace("_", "")) for text in texts]


def test_flex_m_costs_20_a_month_and_roaming_by_the_megabyte() -> None:
    # 11 to 30 June are 20 of 30 days: 13.33; July in advance 20.00.
    assert bills("flex-m", "2026-06-11T14:03:00+02:00", 1) == [("fee", "13.33"), ("fee", "20.00")]
    assert once("flex-m", Trigger.ACTIVATION) == ["9.90"]
    calls = [("2026-06-20T12:00:00+02:00", "44:voice", 61)]
    roaming = [("2026-06-20T12:00:00+02:00", "CH:data", 100 * 10**6)]
    # A call of 61 s is two minutes: 0.18. 100 MB outside the EU are 5.00.
    assert used("flex-m", "2026-06-11T14:03:00+02:00", *calls, *roaming) == amounts(
        "0.180000000", "5.000000000"
    )


def test_its_nigerian_twin_costs_12000_a_month() -> None:
    assert bills("flex-m-ng", "2026-06-11T14:03:00+01:00", 1) == [("fee", "8000.00"), ("fee", "12000.00")]
    assert once("flex-m-ng", Trigger.ACTIVATION) == ["2500.00"]
    # 300 MB × 15.00 and 40 min × 11.50; a home megabyte is in the 10 GB, a call within Nigeria is free.
    records = [
        ("2026-06-20T12:00:00+01:00", "GH:data", 300 * 10**6),
        ("2026-06-20T12:00:00+01:00", "44:voice", 2_400),
        ("2026-06-20T12:00:00+01:00", ":data", 10**6),
        ("2026-06-20T12:00:00+01:00", "234:voice", 600),
    ]
    found = used("flex-m-ng", "2026-06-11T14:03:00+01:00", *records)
    assert found == [4_500 * 10**9, 460 * 10**9, 0, 0]


def test_go_5_costs_5_for_seven_days_and_then_by_the_megabyte() -> None:
    # From 11 June: 11, 18 and 25 June begin a pass, 2 July does so on the next bill.
    assert bills("go-5", "2026-06-11T14:03:00+02:00", 1) == [("pass", "5.00")] * 3
    records = [
        ("2026-06-12T10:00:00+02:00", ":data", 1_500 * 10**6),
        ("2026-06-13T10:00:00+02:00", ":data", 1_000 * 10**6),  # 500 MB are left, 500 MB × 0.02 = 10.00
        ("2026-06-18T14:02:00+02:00", ":data", 10**6),  # the last minute of the first seven days: 0.02
        ("2026-06-18T14:04:00+02:00", ":data", 10**6),  # the next seven days, with 2 GB of their own
    ]
    found = used("go-5", "2026-06-11T14:03:00+02:00", *records)
    assert found == [0, 10 * 10**9, 20_000_000, 0]


def test_fibre_costs_half_for_six_months() -> None:
    # 50 % of 49.99 is 24.995, posted as 25.00: June, and July in advance.
    assert bills("fibre-250", "2026-06-01T00:00:00+02:00", 1) == [("fee", "25.00"), ("fee", "25.00")]
    sixth_and_seventh = bills("fibre-250", "2026-06-01T00:00:00+02:00", 6)[-2:]
    assert sixth_and_seventh == [("fee", "25.00"), ("fee", "49.99")]
    assert once("fibre-250", Trigger.ACTIVATION) == ["69.95"]


def test_a_business_circuit_costs_200_a_month_and_its_building() -> None:
    # 16 to 30 June are 15 of 30 days.
    assert bills("business-circuit", "2026-06-16T09:00:00+02:00", 1) == [
        ("circuit", "100.00"),
        ("circuit", "200.00"),
    ]
    assert once("business-circuit", Trigger.ACTIVATION) == ["1500.00"]
    assert once("business-circuit", Trigger.CEASE) == ["250.00"]


def test_a_virtual_machine_costs_by_the_time_that_it_runs() -> None:
    # 29 March 2026 in Berlin has 23 hours: 23 × 0.112 = 2.576.
    day = instant("2026-03-30T00:00:00+02:00") - instant("2026-03-29T00:00:00+01:00")
    seconds = int(day.total_seconds())
    assert seconds == 82_800
    assert used("vm-small", "2026-03-01T00:00:00Z", ("2026-03-29T00:00:00+01:00", ":event", seconds)) == [
        2_576_000_000
    ]


def test_a_sensor_costs_by_device_and_started_blocks_above_2500_messages() -> None:
    assert bills("city-sense", "2026-06-01T00:00:00+02:00", 1) == [("device", "0.40")]
    records = [("2026-06-10T00:00:00+02:00", ":message", count) for count in (2_500, 1, 9_999, 1)]
    half = 500_000_000
    assert used("city-sense", "2026-06-01T00:00:00+02:00", *records) == [0, half, 0, half]
