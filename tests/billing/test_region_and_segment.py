"""Prices by region and segment, from the subscriber file through rated usage to the bill."""

from __future__ import annotations

from pathlib import Path

from farwire.account import service as accounts
from farwire.account.model import BillingAccount, TermsChange
from farwire.inventory import service as inventory
from farwire.kernel.time import instant
from farwire.usage import service as usage

from .test_golden_usage import CALLS, use
from .test_pdf import text_of
from .variants import amounts, sound
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
    texts = {bill.account_number: (await text_of(world, bill))[0] for bill in await world.bills()}
    # 10 min at 0.10 are 1.00; what firms pay is less, so that it stands there why, and no price that would not fit.
    assert "0,10 € / min" in texts["3"]
    assert "Rabatt" not in texts["3"]
    assert "Rabatt firms: 50 %" in texts["2"]
    assert "0,10 €" not in texts["2"]


async def become(world: World, account: BillingAccount, segment: str, since: str) -> None:
    async with world.db.transaction(world.tenant_id) as tx:
        await accounts.change_terms(
            tx,
            account_id=account.id,
            change=TermsChange(segment=segment),
            valid_from=instant(since),
            now=world.clock.now(),
        )


async def test_a_segment_of_the_middle_of_the_month_does_not_reach_back(world: World, tmp_path: Path) -> None:
    account = await world.account(opened="2026-06-01T00:00+02:00")
    await world.product(
        account, await world.plan(PLAN), start="2026-06-01T00:00+02:00", identifier="4915100001"
    )
    await become(world, account, "business", "2026-07-16T00:00+02:00")
    world.clock.set(instant("2026-08-31T00:00Z"))
    # Both calls are rated long after the change: 10 minutes at 0.10, then at half of it.
    rows = [f"{day},4915100001,+4319999,2026-07-{day}T08:00:00Z,600" for day in (12, 20)]
    await use(world, tmp_path, CALLS, "id,caller,called,started_at,seconds", rows)
    await world.run("2026-09-01T00:00+02:00")
    june, july, august = [amounts(bill) for bill in await world.bills()]
    assert june == [("line", 1000)]
    # Of 31 days 15 cost 10.00 a month, 4.84, and 16 the half, 2.58; care for 16 is 2.58. 1.00 + 0.50 of calls.
    assert july == [("calls", 150), ("care", 258), ("line", 258), ("line", 484)]
    assert august == [("care", 500), ("line", 500)]
    await sound(world)


async def test_a_segment_that_is_recorded_late_is_charged_from_its_day_on(world: World) -> None:
    account = await world.account(opened="2026-06-01T00:00+02:00")
    await world.product(account, await world.plan(PLAN), start="2026-06-01T00:00+02:00")
    await world.run("2026-08-01T00:00+02:00")
    await become(world, account, "business", "2026-07-16T00:00+02:00")
    await world.run("2026-09-01T00:00+02:00")
    # 16 of 31 days of July come with August: care 2.58; the line back at 10.00 a month, 5.16, and asked at the half.
    assert amounts((await world.bills())[2]) == [
        ("care", 258), ("care", 500), ("line", -516), ("line", 258), ("line", 500),
    ]  # fmt: skip
    await become(world, account, "", "2026-07-16T00:00+02:00")
    await world.run("2026-10-01T00:00+02:00")
    # All of that comes back as it was charged, although no business customer is known any more.
    assert amounts((await world.bills())[3]) == [
        ("care", -500), ("care", -258), ("line", -500), ("line", -258), ("line", 516), ("line", 1000), ("line", 1000),
    ]  # fmt: skip
    assert sum(bill.net_minor for bill in await world.bills()) == 4 * 1000
    await sound(world)
