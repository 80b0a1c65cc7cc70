"""Rate run over a deck, end to end, beside `rate()` alone and beside merely writing the same charges.

End to end is everything: find product and plan, price, save, counters, control totals, events, one commit per batch.
The run is in a process of its own, so that its peak memory is its own. `--usages 1000000` shows that it is bounded.
`python -m benchmarks.bench_rate_run`
"""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from benchmarks.decks import FORMAT, deck_file, deck_rows
from benchmarks.measured import Cost, costs, in_fresh_process, postmaster
from farwire.base.clock import SystemClock
from farwire.base.config import Settings
from farwire.base.storage import Database, open_database
from farwire.base.storage.embedded import DatabaseRole, EmbeddedServer
from farwire.base.storage.ephemeral import Run, clone_template, ephemeral_server, remove
from farwire.catalog import service as catalog
from farwire.catalog.model import read_plan
from farwire.demo.deck_calls import deck_calls
from farwire.inventory import service as inventory
from farwire.kernel.errors import check
from farwire.kernel.ids import TenantId
from farwire.kernel.time import instant
from farwire.rating import service as rating
from farwire.rating.model import Chargeable, rate
from farwire.tenant import service as tenants
from farwire.tenant.model import Address
from farwire.usage import service

DATABASE = "farwire_bench_rate_run"
USAGES = 100_000
SUBSCRIBERS = 1_000
START = instant("2026-06-01T00:00Z")
PLAN = """
offering = "talk"
name = "Talk"
valid_from = 2026-01-01T00:00:00Z
currency = "EUR"
zone = "Europe/Berlin"
prices_include_tax = false
usage = [{ id = "calls", kind = "voice", label = "Calls", deck = "bench" }]
"""
ALLOWANCE = '[[allowances]]\nid = "free"\namount = "100 min"\nprices = ["calls"]\n'


@dataclass(frozen=True, slots=True)
class Place:
    """Where the operator of this benchmark lives."""

    url: str
    server_pid: int
    folder: Path
    tenant_id: TenantId


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--usages", type=int, default=USAGES)
    parser.add_argument("--subscribers", type=int, default=SUBSCRIBERS)
    options = parser.parse_args()
    print(
        f"{options.usages:,} calls of {options.subscribers:,} subscribers over {len(deck_rows()[0]):,} prefixes"
    )
    for what, plan in (("deck plan", PLAN), ("deck plan with free minutes", PLAN + ALLOWANCE)):
        run = Run.of(os.getpid())
        try:
            with tempfile.TemporaryDirectory() as name:
                bench(what, plan, options.usages, options.subscribers, run, Path(name))
        finally:
            remove(run)


def bench(what: str, plan: str, usages: int, subscribers: int, run: Run, folder: Path) -> None:
    """Print the figures of one plan."""
    server = ephemeral_server(run)
    clone_template(server, DATABASE)
    place = asyncio.run(filled(server, plan, usages, subscribers, folder))
    alone = asyncio.run(rate_alone(place, usages))
    figure("rate() alone", usages, alone)
    (rated, cost), mib = in_fresh_process(end_to_end, place)
    check(rated == usages, "bench.not_rated", f"{rated} of {usages}")
    figure(f"end to end, {what}", usages, cost, f"  +{mib:,.0f} MiB at the peak")
    for how, written in asyncio.run(bare(place, usages)).items():
        figure(how, usages, written)


def figure(what: str, count: int, cost: Cost, more: str = "") -> None:
    print(
        f"{what:40} {count / cost.wall_s:>9,.0f}/s  {count / cost.cpu_s:>9,.0f} per s of CPU: "
        f"{cost.client_s / count * 1e6:>4.1f} µs here and {cost.server_s / count * 1e6:>4.1f} in PostgreSQL each{more}",
        flush=True,
    )


async def filled(server: EmbeddedServer, plan: str, usages: int, subscribers: int, folder: Path) -> Place:
    """Make an operator with subscribers, a deck and imported calls that wait for the rate run."""
    url, clock = server.url(DatabaseRole.APP, DATABASE), SystemClock()
    db = await open_database(Settings(data_dir=folder, database_url=url))
    tenant = await tenants.create_tenant(db=db, clock=clock, name="bench")
    await tenants.add_legal_entity(
        db=db, clock=clock, tenant_id=tenant.id, name="Bench GmbH", vat_id="DE123456789",
        address=Address("DE", {"street": "Hafenstraße", "postcode": "24103", "city": "Kiel"}), country="DE",
        currency_code="EUR", zone_name="Europe/Berlin", number_prefix="B",
    )  # fmt: skip
    async with db.transaction(tenant.id) as tx:
        await catalog.publish_plan(tx=tx, clock=clock, plan=read_plan(plan))
    people = folder / "subscribers.csv"
    people.write_text(
        "account,name,offering,activated_at,identifiers,street,postcode,city\n"
        + "".join(
            f"{n:08},Person {n},talk,2026-05-11T14:03+02:00,49151{n:08},Deich 5,20459,Hamburg\n"
            for n in range(subscribers)
        )
    )
    await inventory.import_subscribers(db=db, tenant_id=tenant.id, clock=clock, path=people)
    await rating.import_deck(
        db=db, tenant_id=tenant.id, clock=clock, path=deck_file()[0], name="bench", currency="EUR",
        valid_from=instant("2026-01-01T00:00Z"), deck_format=FORMAT,
    )  # fmt: skip
    calls = folder / "calls.csv"
    prefixes = [row.prefix for row in deck_rows()[0]]
    made = deck_calls(prefixes, count=usages, seed=1, start=START, callers=subscribers)
    with calls.open("w") as file:
        file.write("id,caller,called,started_at,seconds\n")
        file.writelines(
            f"{n},49151{n * 7919 % subscribers:08},{call.destination},{call.started_at.isoformat()},"
            f"{call.duration_s + 1}\n"
            for n, call in enumerate(made)
        )
    profile = service.load_profile("generic-csv")
    await service.import_usage(db=db, tenant_id=tenant.id, clock=clock, path=calls, profile=profile)
    await db.close()
    return Place(url, postmaster(server), folder, tenant.id)


async def opened(place: Place) -> Database:
    return await open_database(Settings(data_dir=place.folder, database_url=place.url))


def end_to_end(place: Place) -> tuple[int, Cost]:
    """Rate what waits."""

    async def run() -> tuple[int, Cost]:
        db = await opened(place)
        with costs(place.server_pid) as cost:
            report = await service.rate_usage(db=db, tenant_id=place.tenant_id, clock=SystemClock())
        await db.close()
        check(not report.suspended and not report.unrated, "bench.refused", str(report))
        return report.rated, cost

    return asyncio.run(run())


async def rate_alone(place: Place, usages: int) -> Cost:
    """Price as many records of the same kind, with nothing around it."""
    db = await opened(place)
    async with db.transaction(place.tenant_id) as tx:
        version: UUID = await tx.fetchval(
            "SELECT plan_version_id FROM inventory.product_plan WHERE tenant_id = $1 LIMIT 1", tx.tenant_id
        )
        tariff = await rating.tariff_for(tx=tx, plan_version_id=version)  # type: ignore[arg-type]
    await db.close()
    prefixes = [row.prefix for row in deck_rows()[0]]
    calls = deck_calls(prefixes, count=usages, seed=1, start=START)
    records = [
        Chargeable(kind="voice", started_at=c.started_at, quantity=c.duration_s, destination=c.destination)
        for c in calls
    ]
    start = time.perf_counter()
    for record in records:
        rate(tariff, record)
    seconds = time.perf_counter() - start
    return Cost(seconds, seconds, 0.0)


async def bare(place: Place, usages: int) -> dict[str, Cost]:
    """Write the same charges without any meaning: by COPY into a bare table, and by UPDATE of rows of one."""
    db = await opened(place)
    found: dict[str, Cost] = {}
    async with db.transaction(place.tenant_id, statement_timeout_s=300) as tx:
        rows = [
            tuple(row)
            for row in await tx.fetch(
                "SELECT usage_id, charge_nano, currency, price_id, label, billed_quantity, tariff_version, "
                "explanation, rated_at FROM usage.record WHERE tenant_id = $1",
                tx.tenant_id,
            )
        ]
        await tx.execute(
            "CREATE TEMPORARY TABLE bare (usage_id uuid PRIMARY KEY, charge_nano bigint, currency text, price_id text, "
            "label text, billed_quantity bigint, tariff_version text, explanation text, rated_at timestamptz)"
        )
        with costs(place.server_pid) as cost:
            await tx.conn.copy_records_to_table("bare", records=rows)
        found["bare COPY of the charges, one index"] = cost
        await tx.execute("UPDATE bare SET charge_nano = NULL, explanation = ''")
        await tx.execute("ANALYZE bare")
        with costs(place.server_pid) as cost:
            for first in range(0, usages, 5_000):
                part = rows[first : first + 5_000]
                await tx.execute(
                    "UPDATE bare SET charge_nano = n.charge_nano, explanation = n.explanation "
                    "FROM unnest($1::uuid[], $2::bigint[], $3::text[]) AS n (usage_id, charge_nano, explanation) "
                    "WHERE bare.usage_id = n.usage_id",
                    [row[0] for row in part],
                    [row[1] for row in part],
                    [row[7] for row in part],
                )
        found["bare UPDATE of two columns, one index"] = cost
    await db.close()
    return found


if __name__ == "__main__":
    main()
