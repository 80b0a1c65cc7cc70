"""The golden bills from a plan document through real usage records: import, rate, bill, explain, erase."""

from datetime import timedelta
from pathlib import Path

from farwire.base.clock import MovableClock
from farwire.base.storage import Database
from farwire.billing import service as billing
from farwire.billing.model import Bill, LineKind
from farwire.inventory import service as inventory
from farwire.kernel.ids import TenantId
from farwire.kernel.page import PageRequest
from farwire.kernel.time import instant
from farwire.party import service as parties
from farwire.rating.model import explain_in_words
from farwire.rating.model.explanation import from_json
from farwire.tenant.model import Address
from farwire.usage import service as usage
from farwire.usage.model import parse_profile

from .world import FLEX_M, World

CALLS = """
name = "calls"
version = 1
format = "csv"
kind = "voice"
started = "started_at"
caller = "caller"
called = "called"
row_identity = ["id"]
quantity = { columns = ["seconds"], unit = "s" }
phone = {}
"""
SESSIONS = """
name = "sessions"
version = 1
format = "csv"
kind = "data"
started = "started_at"
caller = "caller"
visited_network = "network"
row_identity = ["id"]
quantity = { columns = ["octets"], unit = "octet" }
phone = {}
"""
NUMBER = "4915112345678"


async def use(world: World, folder: Path, profile: str, header: str, rows: list[str]) -> None:
    read = parse_profile(profile, origin="test")
    path = folder / f"{read.name}.csv"
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    report = await usage.import_usage(
        db=world.db, tenant_id=world.tenant_id, clock=world.clock, path=path, profile=read
    )
    assert report.totals.rows_suspended == 0


async def month(world: World, folder: Path, megabytes: int, minutes: int, plan: str, start: str) -> Bill:
    world.clock.set(instant("2026-06-01T09:00Z"))
    address = None if world.country == "DE" else Address("NG", {"street": "5 Marina", "city": "Lagos"})
    account = await world.account(opened=start, address=address)
    await world.product(account, await world.plan(plan), start=start, identifier=NUMBER)
    rows = [f"r{n},{NUMBER},2026-06-{12 + n}T10:00:00Z,{megabytes * 250_000},US" for n in range(4)]
    rows.append(f"h1,{NUMBER},2026-06-20T11:00:00Z,900000000,")
    await use(world, folder, SESSIONS, "id,caller,started_at,octets,network", rows)
    # The last call starts one second before the cycle ends, wherever it ends; parts of minutes are charged whole.
    end = instant(f"2026-07-01T00:00:00{start[-6:]}")
    calls = [
        f"c{n},{NUMBER},+4319999{n:03},2026-06-{12 + n % 18}T08:{n:02}:00Z,59" for n in range(minutes - 2)
    ]
    calls.append(f"last,{NUMBER},+43199990,{(end - timedelta(seconds=1)).isoformat()},61")
    calls.append(f"home,{NUMBER},+49301234567,2026-06-20T12:00:00Z,3600")
    await use(world, folder, CALLS, "id,caller,called,started_at,seconds", calls)
    rated = await usage.rate_usage(db=world.db, tenant_id=world.tenant_id, clock=world.clock)
    assert (rated.rated, rated.suspended) == (len(rows) + len(calls), {})
    assert (await world.run(f"2026-07-01T00:00:00{start[-6:]}")).ok
    await world.sound()
    return await world.only_bill()


async def test_golden_bill_a_from_usage_files(world: World, tmp_path: Path) -> None:
    bill = await month(world, tmp_path, 100, 7, FLEX_M, "2026-06-11T14:03+02:00")
    found = {
        (line.item.price_id, line.amount_minor) for line in bill.lines if line.item.kind is LineKind.USAGE
    }
    assert found == {("data", 0), ("roaming", 500), ("national", 0), ("other", 63)}
    assert (bill.net_minor, bill.tax_minor, bill.total_minor) == (4886, 928, 5814)


async def test_the_ngn_twin_from_usage_files(
    db: Database, clock: MovableClock, other_tenant_id: TenantId, tmp_path: Path
) -> None:
    world = World(db, clock, other_tenant_id, "NG", "NGN", "Africa/Lagos")
    plan = FLEX_M.replace("EUR", "NGN").replace("Europe/Berlin", "Africa/Lagos").replace("9.90", "2500")
    plan = (
        plan.replace("20.00", "12000")
        .replace("0.05", "15")
        .replace("0.09", "11.50")
        .replace("+02:00", "+01:00")
    )
    bill = await month(world, tmp_path, 300, 40, plan, "2026-06-11T14:03+01:00")
    assert (bill.net_minor, bill.tax_minor, bill.total_minor) == (2_746_000, 205_950, 2_951_950)


async def test_every_line_is_explained_down_to_its_records(world: World, tmp_path: Path) -> None:
    bill = await month(world, tmp_path, 100, 7, FLEX_M, "2026-06-11T14:03+02:00")
    for line in bill.lines:
        offset, exact = 0, 0
        while True:
            explained = await billing.explain_line(
                db=world.db,
                tenant_id=world.tenant_id,
                bill=bill,
                number=line.number,
                page=PageRequest(offset, 2),
            )
            if explained.charge is not None:
                assert explain_in_words(explained.charge, "de")
                exact = explained.charge.total_nano
                break
            assert explained.records is not None
            assert len(explained.records.items) <= 2
            for record in explained.records.items:
                assert explain_in_words(from_json(record.explanation))
                exact += record.charge_nano or 0
            offset += 2
            if offset >= line.item.records:
                break
        assert exact == line.item.exact_nano


async def test_an_erased_person_leaves_the_bill_as_it_was(world: World, tmp_path: Path) -> None:
    bill = await month(world, tmp_path, 100, 7, FLEX_M, "2026-06-11T14:03+02:00")
    async with world.db.transaction(world.tenant_id) as tx:
        keys = await inventory.subscriber_keys(tx, [NUMBER])
        await inventory.erase_subscribers(tx, list(keys.values()), at=world.clock.now())
        party_id = await tx.fetchval(
            "SELECT party_id FROM account.account WHERE tenant_id = $1", world.tenant_id
        )
        await parties.erase_party(tx=tx, clock=world.clock, party_id=party_id)
        assert await inventory.subscriber_keys(tx, [NUMBER]) == {}
    after = await world.only_bill()
    assert after == bill
    assert after.customer.name == "Anna Jürgensen"
