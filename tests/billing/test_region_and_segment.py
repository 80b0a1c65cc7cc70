"""Prices by region and segment, from the subscriber file through rated usage to the bill."""

from __future__ import annotations

from pathlib import Path

from farwire.inventory import service as inventory
from farwire.kernel.time import instant
from farwire.usage import service as usage

from .test_golden_usage import CALLS, use
from .world import World

PLAN = """
offering = "talk"
name = "Talk"
valid_from = 2026-06-01T00:00:00+02:00
currency = "EUR"
zone = "Europe/Berlin"
prices_include_tax = false
recurring = [
    { id = "line", price = 10 },
    { id = "care", price = 5, segments = ["business"] },
]
usage = [
    { id = "calls", kind = "voice", price = 0.10, per = "1 min" },
    { id = "south", kind = "voice", price = 0.07, per = "1 min", regions = ["DE-BY"] },
]
discounts = [{ id = "firms", percent = 50, prices = ["calls", "line"], segments = ["business"] }]
"""
SUBSCRIBERS = """account,name,offering,activated_at,identifiers,region,segment,street,postcode,city
1,Anna,talk,2026-06-01T00:00+02:00,4915100001,DE-BY,,Deich 5,20459,Hamburg
2,Bea,talk,2026-06-01T00:00+02:00,4915100002,DE-HH,business,Deich 5,20459,Hamburg
3,Cem,talk,2026-06-01T00:00+02:00,4915100003,,,Deich 5,20459,Hamburg
"""


async def test_a_bill_has_the_prices_of_its_accounts_region_and_segment(world: World, tmp_path: Path) -> None:
    await world.company()
    await world.plan(PLAN)
    path = tmp_path / "people.csv"
    path.write_text(SUBSCRIBERS)
    report = await inventory.import_subscribers(
        db=world.db, tenant_id=world.tenant_id, clock=world.clock, path=path
    )
    assert report.errors == []
    rows = [f"{n},491510000{n},+4319999,2026-06-12T08:00:00Z,600" for n in (1, 2, 3)]
    world.clock.set(instant("2026-06-30T00:00Z"))
    await use(world, tmp_path, CALLS, "id,caller,called,started_at,seconds", rows)
    assert (await usage.rate_usage(db=world.db, tenant_id=world.tenant_id, clock=world.clock)).rated == 3
    await world.run()
    found = {
        bill.account_number: {line.item.price_id: line.amount_minor for line in bill.lines}
        for bill in await world.bills()
    }
    assert found == {
        "1": {"line": 1000, "south": 70},
        "2": {"line": 500, "care": 500, "calls": 50},
        "3": {"line": 1000, "calls": 100},
    }
