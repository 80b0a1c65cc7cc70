"""Orders: placed/s and carried out/s, in batches and one task per transaction, beside bare INSERT … COMMIT.

The three-step order reserves a port, makes the product and gives it the port; the mobile order has eight steps with
three operations on the simulated network, each read back.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from uuid import uuid4

from benchmarks.measured import costs, postmaster
from farwire.account import service as accounts
from farwire.account.model import BillingAccount, TaxClass
from farwire.base.clock import MovableClock
from farwire.base.config import Settings
from farwire.base.storage import Database, open_database
from farwire.base.storage.embedded import DatabaseRole
from farwire.base.storage.ephemeral import Run, clone_template, ephemeral_server, remove
from farwire.catalog import service as catalog
from farwire.catalog.model import read_catalogue, read_plan
from farwire.inventory import service as inventory
from farwire.inventory.model import NewResource, ResourceKind
from farwire.kernel.ids import AccountId, PartyId, TenantId, uuid7
from farwire.kernel.time import instant
from farwire.ordering import service as ordering
from farwire.ordering.model import ItemRequest, OrderRequest
from farwire.party import service as parties
from farwire.party.model import Party, PartyKind
from farwire.tenant import service as tenants
from farwire.tenant.model import Address

DATABASE = "farwire_bench_orders"
ORDERS = 600
CATALOGUE = """
valid_from = 2026-01-01T00:00:00Z

[[service_specifications]]
code = "line"
name = "Line"
resources = [{ kind = "port", pool = "ports" }]

[[service_specifications]]
code = "mobile-line"
name = "Mobile line"
resources = [{ kind = "msisdn", pool = "numbers" }, { kind = "esim_profile", pool = "profiles" }]
operations = [
    { adapter = "hlr", operation = "profile" },
    { adapter = "smdp", operation = "profile" },
    { adapter = "charging", operation = "account" },
]

[[product_specifications]]
code = "fibre"
name = "Fibre"
services = ["line"]

[[product_specifications]]
code = "mobile"
name = "Mobile"
services = ["mobile-line"]

[[offerings]]
code = "fibre"
name = "Fibre"
product_specification = "fibre"

[[offerings]]
code = "flex"
name = "Flex"
product_specification = "mobile"
"""
PLAN = """
offering = "{code}"
name = "{code}"
valid_from = 2026-01-01T00:00:00Z
currency = "EUR"
zone = "Europe/Berlin"
prices_include_tax = false
recurring = [{{ id = "monthly", price = 20.00, in_advance = true }}]
"""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--orders", type=int, default=ORDERS)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        run = Run.of(os.getpid())
        try:
            asyncio.run(bench(options.orders, run, Path(name)))
        finally:
            remove(run)


def figure(what: str, count: int, seconds: float) -> None:
    print(f"{what:52} {count:>7,}  {count / seconds:>9,.0f}/s  {seconds * 1e6 / count:>9,.0f} µs each")


async def bench(count: int, run: Run, folder: Path) -> None:
    server = await asyncio.to_thread(ephemeral_server, run)
    await asyncio.to_thread(clone_template, server, DATABASE)
    db = await open_database(Settings(data_dir=folder, database_url=server.url(DatabaseRole.APP, DATABASE)))
    clock = MovableClock(instant("2026-06-01T00:00Z"))
    try:
        tenant_id, payers = await operator(db, clock, count)
        pid = postmaster(server)
        for offering, steps in (("fibre", 3), ("flex", 8)):
            await place(db, clock, tenant_id, payers, offering, count)
            with costs(pid) as cost:
                done = await ordering.work(db=db, tenant_id=tenant_id, clock=clock)
            check(done.done, count * steps)
            figure(f"orders of {steps} steps, in batches", count, cost.wall_s)
            figure("  CPU of it, this process and PostgreSQL", count, cost.cpu_s)
        await two_workers(db, clock, tenant_id, payers, count)
        few = max(count // 5, 10)
        await two_workers(db, clock, tenant_id, payers, few, batch=1)
        await place(db, clock, tenant_id, payers, "fibre", few)
        with costs(pid) as cost:
            done = await ordering.work(db=db, tenant_id=tenant_id, clock=clock, batch=1)
        check(done.done, few * 3)
        figure("orders of 3 steps, one task per transaction", few, cost.wall_s)
        figure("  CPU of it, this process and PostgreSQL", few, cost.cpu_s)
        await bare(db, tenant_id, count)
    finally:
        await db.close()


async def two_workers(
    db: Database,
    clock: MovableClock,
    tenant_id: TenantId,
    payers: Sequence[AccountId],
    count: int,
    *,
    batch: int = ordering.BATCH,
) -> None:
    """The same by two workers at once, each on a connection of its own."""
    await place(db, clock, tenant_id, payers, "fibre", count)
    start = time.perf_counter()
    one = (ordering.work(db=db, tenant_id=tenant_id, clock=clock, batch=batch) for _ in range(2))
    done = await asyncio.gather(*one)
    seconds = time.perf_counter() - start
    check(sum(each.done for each in done), count * 3)
    how = "in batches" if batch > 1 else "one task per transaction"
    figure(f"orders of 3 steps, {how}, two workers", count, seconds)


def check(found: int, wanted: int) -> None:
    if found != wanted:
        raise SystemExit(f"{found} tasks were done, not {wanted}")


async def place(
    db: Database,
    clock: MovableClock,
    tenant_id: TenantId,
    payers: Sequence[AccountId],
    offering: str,
    count: int,
) -> None:
    start = time.perf_counter()
    for account in payers[:count]:
        request = OrderRequest(account_id=account, items=(ItemRequest(offering=offering),))
        async with db.transaction(tenant_id) as tx:
            await ordering.place_order(tx=tx, clock=clock, request=request, key=uuid4().hex)
    figure(f"orders of {offering} placed, one per transaction", count, time.perf_counter() - start)


async def bare(db: Database, tenant_id: TenantId, count: int) -> None:
    """The limit: the 13 rows that an order of three steps writes, in one transaction each, into a bare table."""
    async with db.transaction(tenant_id) as tx:
        await tx.execute("CREATE TEMPORARY TABLE bare (tenant_id uuid, n bigint, text text)")
    start = time.perf_counter()
    for n in range(count):
        async with db.transaction(tenant_id) as tx:
            await tx.executemany(
                "INSERT INTO ordering.journal (tenant_id, order_id, recorded_at, act, actor, detail) "
                "VALUES ($1, $2, now(), $3, '', '{}')",
                [(tenant_id, uuid4(), f"bare {n}") for _ in range(13)],
            )
    figure("bare INSERT of 13 rows … COMMIT", count, time.perf_counter() - start)
    start = time.perf_counter()
    for n in range(count):
        async with db.transaction(tenant_id) as tx:
            await tx.execute(
                "INSERT INTO ordering.journal (tenant_id, order_id, recorded_at, act, actor, detail) "
                "VALUES ($1, $2, now(), $3, '', '{}')",
                tenant_id,
                uuid4(),
                f"bare {n}",
            )
    figure("bare INSERT of 1 row … COMMIT", count, time.perf_counter() - start)


async def operator(db: Database, clock: MovableClock, count: int) -> tuple[TenantId, Sequence[AccountId]]:
    tenant = await tenants.create_tenant(db=db, clock=clock, name="bench")
    home = Address("DE", {"street": "Hafen", "house_number": "1", "postcode": "24103", "city": "Kiel"})
    entity = await tenants.add_legal_entity(
        db=db, clock=clock, tenant_id=tenant.id, name="Bench GmbH", vat_id="DE123456789", address=home,
        country="DE", currency_code="EUR", zone_name="Europe/Berlin", number_prefix="B",
    )  # fmt: skip
    now = clock.now()
    party = Party(PartyId(uuid7(now)), PartyKind.INDIVIDUAL, "Anna", home, "de-DE", now)
    payers = [
        BillingAccount(
            AccountId(uuid7(now)), str(n), party.id, entity.id, entity.currency, 1, "Europe/Berlin", "de-DE",
            TaxClass.STANDARD, now,
        )
        for n in range(count)
    ]  # fmt: skip
    async with db.transaction(tenant.id) as tx:
        for code in ("fibre", "flex"):
            await catalog.publish_plan(tx=tx, clock=clock, plan=read_plan(PLAN.format(code=code)))
        await catalog.publish_catalogue(tx=tx, clock=clock, file=read_catalogue(CATALOGUE))
        await parties.add_parties(tx=tx, parties=[party])
        await accounts.add_accounts(tx=tx, accounts=payers)
        await pools(tx, now, count)
        # The customer is known: what the law wants of a SIM is no part of the measurement.
        await tx.execute("UPDATE party.party SET kyc = 'verified' WHERE tenant_id = $1", tenant.id)
    return tenant.id, [one.id for one in payers]


async def pools(tx, now, count: int) -> None:  # type: ignore[no-untyped-def]
    for name, kind in (
        ("ports", ResourceKind.PORT),
        ("numbers", ResourceKind.MSISDN),
        ("profiles", ResourceKind.ESIM_PROFILE),
    ):
        await inventory.create_pool(tx, name=name, kind=kind, quarantine_days=0, now=now)
    await inventory.fill_pool(tx, pool="ports", values=[f"olt/{n}" for n in range(count * 3)])
    await inventory.fill_pool(tx, pool="numbers", values=[str(4915100000000 + n) for n in range(count)])
    profiles = [NewResource(str(10**19 * 8 + n), {"imsi": str(262010000000000 + n)}) for n in range(count)]
    await inventory.fill_pool(tx, pool="profiles", values=profiles)


if __name__ == "__main__":
    main()
