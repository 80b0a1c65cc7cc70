"""Bill run: accounts/s and memory of its two halves (draft and check, issue) beside bare SQL, and PDFs/s.

Each account has one product with an activation fee, two months of a recurring price and one sum of ten usage records.
Bare SQL is one INSERT … SELECT per table of the rows that the run wrote, with the same indexes; and single rows.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
import time
from pathlib import Path

import psutil

from benchmarks.measured import Cost, costs, postmaster
from farwire.base.clock import MovableClock
from farwire.base.config import Settings
from farwire.base.storage import Database, open_database
from farwire.base.storage.embedded import DatabaseRole
from farwire.base.storage.ephemeral import Run, clone_template, ephemeral_server, remove
from farwire.billing import service as billing
from farwire.billing.model import Approval
from farwire.catalog import service as catalog
from farwire.catalog.model import read_plan
from farwire.inventory import service as inventory
from farwire.kernel.ids import TenantId
from farwire.kernel.page import PageRequest
from farwire.kernel.tenancy import Actor, ActorKind
from farwire.kernel.time import instant
from farwire.tenant import service as tenants
from farwire.tenant.model import Address

DATABASE = "farwire_bench_bill"
ACCOUNTS = 10_000
RECORDS = 10
PDFS = 100
UNTIL = instant("2026-07-01T00:00+02:00")
PLAN = """
offering = "flex"
name = "Flex"
valid_from = 2026-06-01T00:00:00+02:00
currency = "EUR"
zone = "Europe/Berlin"
prices_include_tax = false
one_off = [{ id = "activation", price = 9.90 }]
recurring = [{ id = "monthly", price = 20.00, in_advance = true }]
usage = [{ id = "voice", kind = "voice", label = "Voice", price = 0.09, per = "60 s" }]
"""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--accounts", type=int, default=ACCOUNTS)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        run = Run.of(os.getpid())
        try:
            asyncio.run(bench(options.accounts, run, Path(name)))
        finally:
            remove(run)


def figure(what: str, count: int, seconds: float) -> None:
    print(f"{what:44} {count:>9,}  {count / seconds:>10,.0f}/s  {seconds * 1e6 / count:>8,.0f} µs each")


async def bench(count: int, run: Run, folder: Path) -> None:
    server = await asyncio.to_thread(ephemeral_server, run)
    await asyncio.to_thread(clone_template, server, DATABASE)
    db = await open_database(Settings(data_dir=folder, database_url=server.url(DatabaseRole.APP, DATABASE)))
    clock = MovableClock(instant("2026-06-01T00:00Z"))
    try:
        tenant_id = await operator(db, clock, count, folder)
        clock.set(UNTIL)
        await bare_inserts(db, tenant_id, count)
        await billed(db, tenant_id, clock, postmaster(server), count)
        await bare_copies(db, tenant_id, count)
        start = time.perf_counter()
        found = await billing.reconcile(db=db, tenant_id=tenant_id)
        figure(f"check, lines = bills = ledger: {found.ok}", count, time.perf_counter() - start)
        await pdfs(db, tenant_id)
    finally:
        await db.close()


class Memory:
    """The highest resident memory seen at the end of a batch, above that at the start."""

    def __init__(self) -> None:
        self.process = psutil.Process()
        self.start = self.peak = self.process.memory_info().rss

    def watch(self, _phase: str, _done: int, _total: int) -> None:
        self.peak = max(self.peak, self.process.memory_info().rss)

    def __str__(self) -> str:
        return f"{(self.peak - self.start) / 2**20:,.0f} MiB above {self.start / 2**20:,.0f} MiB"


async def billed(db: Database, tenant_id: TenantId, clock: MovableClock, server_pid: int, count: int) -> None:
    """Run to the approval, approve, issue; print what each half cost."""
    anna, bert = (Actor(ActorKind.OPERATOR, name) for name in ("anna", "bert"))
    memory = Memory()
    with costs(server_pid) as drafting:
        report = await billing.run_bills(
            db=db,
            tenant_id=tenant_id,
            clock=clock,
            until=UNTIL,
            approval=Approval.FOUR_EYES,
            actor=anna,
            progress=memory.watch,
        )
    shown(f"rate, draft, check ({report.warnings} warnings)", count, drafting, memory)
    async with db.transaction(tenant_id) as tx:
        await billing.approve_run(tx, run_id=report.run.id, actor=bert, now=clock.now())
    memory = Memory()
    with costs(server_pid) as issuing:
        report = await billing.advance_run(
            db=db, tenant_id=tenant_id, clock=clock, run_id=report.run.id, progress=memory.watch
        )
    shown("issue: number, book, announce", report.issued, issuing, memory)
    figure("the whole run", report.issued, drafting.wall_s + issuing.wall_s)
    figure("  CPU of it, this process and PostgreSQL", report.issued, drafting.cpu_s + issuing.cpu_s)


def shown(what: str, count: int, cost: Cost, memory: Memory) -> None:
    figure(what, count, cost.wall_s)
    figure("  CPU of it, this process", count, cost.client_s)
    figure("  CPU of it, PostgreSQL", count, cost.server_s)
    print(f"{'  memory of this process':44} {memory}")


WRITTEN = (
    *(
        "billing.bill",
        "billing.line",
        "billing.tax",
        "billing.journal",
        "billing.charged",
        "billing.deferral",
    ),
    *("ledger.entry", "ledger.posting", "payment.open_item", "base.outbox"),
)
"""The tables to which a run adds rows."""


async def bare_copies(db: Database, tenant_id: TenantId, count: int) -> None:
    """The limit: the rows that the run wrote, once more, set-based, into tables with the same indexes."""
    async with db.transaction(tenant_id, statement_timeout_s=600) as tx:
        seconds = 0.0
        for number, table in enumerate(WRITTEN):
            await tx.execute(
                f"CREATE TEMPORARY TABLE copy_{number} (LIKE {table} INCLUDING INDEXES INCLUDING DEFAULTS)"
            )
            start = time.perf_counter()
            await tx.execute(
                f"INSERT INTO copy_{number} SELECT * FROM {table} WHERE tenant_id = $1", tenant_id
            )
            seconds += time.perf_counter() - start
    figure("bare SQL: the same rows, INSERT … SELECT", count, seconds)


async def operator(db: Database, clock: MovableClock, count: int, folder: Path) -> TenantId:
    tenant = await tenants.create_tenant(db=db, clock=clock, name="bench")
    await tenants.add_legal_entity(
        db=db, clock=clock, tenant_id=tenant.id, name="Bench GmbH", vat_id="DE123456789",
        address=Address("DE", {"street": "Hafenstraße", "postcode": "24103", "city": "Kiel"}), country="DE",
        currency_code="EUR", zone_name="Europe/Berlin", number_prefix="B",
    )  # fmt: skip
    async with db.transaction(tenant.id) as tx:
        await catalog.publish_plan(tx=tx, clock=clock, plan=read_plan(PLAN))
    path = folder / "subscribers.csv"
    with path.open("w", encoding="utf-8") as file:
        file.write("account,name,offering,activated_at,identifiers,street,postcode,city\n")
        file.writelines(
            f"{n:08},Person {n},flex,2026-06-11T14:03+02:00,49151{n:08},Deich 5,20459,Hamburg\n"
            for n in range(count)
        )
    start = time.perf_counter()
    await inventory.import_subscribers(db=db, tenant_id=tenant.id, clock=clock, path=path)
    figure("import of subscribers from CSV", count, time.perf_counter() - start)
    await rated_usage(db, tenant.id)
    return tenant.id


async def rated_usage(db: Database, tenant_id: TenantId) -> None:
    """Put rated usage there as a rate run leaves it."""
    async with db.transaction(tenant_id, statement_timeout_s=600) as tx:
        await tx.execute(
            "INSERT INTO usage.import (tenant_id, import_id, file_name, file_digest, file_octets, profile_name, "
            "profile_version, profile_digest, generation, batch_rows, started_at) "
            "VALUES ($1, $1, 'f', $2, 0, 'p', 1, $2, 1, 1, now())",
            tenant_id,
            bytes(32),
        )
        await tx.execute(
            "INSERT INTO usage.record (tenant_id, usage_id, import_id, subscriber_key, kind, state, started_at, "
            "quantity, destination, direction, visited_network, external_currency, product_id, plan_version_id, "
            "charge_nano, currency, price_id, label, billed_quantity, rated_at, changed_at) "
            "SELECT $1, gen_random_uuid(), $1, p.product_id, 'voice', 'rated', p.started_at + n * interval '1 hour', "
            "60, '4319999999', 'originating', '', '', p.product_id, v.plan_version_id, 90000000, 'EUR', 'voice', "
            "'Voice', 60, now(), now() FROM inventory.product p "
            "JOIN inventory.product_plan v USING (tenant_id, product_id), generate_series(1, $2) AS n "
            "WHERE p.tenant_id = $1",
            tenant_id,
            RECORDS,
        )


async def bare_inserts(db: Database, tenant_id: TenantId, count: int) -> None:
    """The limit: as many single-row INSERTs, pipelined in transactions of 500, into a table of the same database."""
    async with db.transaction(tenant_id) as tx:
        await tx.execute("CREATE TEMPORARY TABLE bare (tenant_id uuid, n bigint PRIMARY KEY, total bigint)")
        start = time.perf_counter()
        for first in range(0, count, 500):
            rows = [(tenant_id, n, 5814) for n in range(first, min(first + 500, count))]
            await tx.executemany("INSERT INTO bare VALUES ($1, $2, $3)", rows)
        figure("bare INSERT of one row, pipelined", count, time.perf_counter() - start)
        start = time.perf_counter()
        for n in range(count, count + min(count, 5000)):
            await tx.execute("INSERT INTO bare VALUES ($1, $2, $3)", tenant_id, n, 5814)
        figure("bare INSERT of one row, one by one", min(count, 5000), time.perf_counter() - start)


async def pdfs(db: Database, tenant_id: TenantId) -> None:
    page = await billing.list_bills(db=db, tenant_id=tenant_id, page=PageRequest(limit=PDFS))
    bills = [await billing.get_bill(db=db, tenant_id=tenant_id, key=str(bill.id)) for bill in page.items]
    await billing.render_pdf(db=db, tenant_id=tenant_id, bill=bills[0])
    start = time.perf_counter()
    for bill in bills:
        await billing.render_pdf(db=db, tenant_id=tenant_id, bill=bill)
    figure("PDF with itemised usage, fonts embedded", len(bills), time.perf_counter() - start)


if __name__ == "__main__":
    main()
