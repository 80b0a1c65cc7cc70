"""``python -m benchmarks.bench_vouchers``: make and print 100,000 vouchers; use them one by one and by many at once."""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.measured import peak_kib
from farwire.base.clock import MovableClock
from farwire.base.config import Settings
from farwire.base.storage import Database, open_database
from farwire.base.storage.embedded import DatabaseRole
from farwire.base.storage.ephemeral import Run, clone_template, ephemeral_server, remove
from farwire.kernel.ids import TenantId
from farwire.kernel.money import Money
from farwire.kernel.tenancy import Actor, ActorKind
from farwire.payment.model import MethodKind
from farwire.payment.model.voucher import Alphabet, Asked, BatchOrder, Buyer, Told
from farwire.payment.service import voucher
from farwire.tenant.model import Address
from farwire.tenant.service import add_legal_entity, create_tenant

DATABASE = "farwire_bench_vouchers"
NOW = datetime(2026, 6, 1, tzinfo=UTC)
CLIENTS = 4


async def made(db: Database, clock: MovableClock, count: int, folder: Path) -> tuple[TenantId, list[str]]:
    """Make and sell a batch, print how long both took, and return the codes."""
    tenant = await create_tenant(db=db, clock=clock, name="acme", display_name="ACME", country="DE")
    entity = await add_legal_entity(
        db=db,
        clock=clock,
        tenant_id=tenant.id,
        name="ACME",
        vat_id="DE123456789",
        address=Address("DE", {}),
        country="DE",
        currency_code="EUR",
        zone_name="Europe/Berlin",
        number_prefix="AM",
    )
    order = BatchOrder(
        "bench", entity.id, count, Money.of("10", "EUR"), NOW, NOW + timedelta(days=365), Alphabet.DIGITS, 16
    )
    file = folder / "codes.csv"
    started = time.perf_counter()
    await voucher.generate(
        db=db,
        clock=clock,
        tenant_id=tenant.id,
        order=order,
        file=file,
        actor=Actor(ActorKind.OPERATOR, "printer"),
        report=lambda _: None,
    )
    generated = time.perf_counter() - started
    print(f"generate, print, keep {count:,}: {generated:.2f} s, {count / generated:,.0f}/s")
    started = time.perf_counter()
    async with db.transaction(tenant.id) as tx:
        await voucher.activate(
            tx,
            batch="bench",
            serials=None,
            buyer=Buyer(method=MethodKind.CASH),
            now=NOW,
            actor=Actor(ActorKind.OPERATOR, "sales"),
        )
    print(f"sell {count:,}: {time.perf_counter() - started:.2f} s")
    return tenant.id, [row.split(",")[1] for row in file.read_text().splitlines()[1:]]


async def used(db: Database, tenant_id: TenantId, codes: Sequence[str], clients: int) -> None:
    """Use the codes by so many clients at once; print how many a second, and the median and the 99th percentile."""
    took: list[float] = []

    async def client(which: int) -> None:
        for number, code in enumerate(codes[which::clients]):
            started = time.perf_counter()
            async with db.transaction(tenant_id) as tx:
                asked = Asked("bench", f"{clients}-{which}-{number}", f"s-{which}-{number}")
                answer = await voucher.redeem(tx, code=code, asked=asked, now=NOW)
            assert answer.told is Told.ACCEPTED
            took.append(time.perf_counter() - started)

    started = time.perf_counter()
    await asyncio.gather(*(client(which) for which in range(clients)))
    rate = len(codes) / (time.perf_counter() - started)
    took.sort()
    median, slow = took[len(took) // 2] * 1000, took[len(took) * 99 // 100] * 1000
    print(f"use, {clients} at once: {rate:,.0f}/s, p50 {median:.1f} ms, p99 {slow:.1f} ms")


async def measure(settings: Settings, count: int, uses: int) -> None:
    """Make, sell and use."""
    db = await open_database(settings)
    tenant_id, codes = await made(db, MovableClock(NOW), count, settings.data_dir)
    await used(db, tenant_id, codes[:uses], 1)
    await used(db, tenant_id, codes[uses : 2 * uses], CLIENTS)
    await db.close()
    print(f"peak memory of this process: {peak_kib() / 1024:.0f} MiB")


def main() -> None:
    """Measure on a server of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--uses", type=int, default=1_000)
    given = parser.parse_args()
    run = Run.of(os.getpid())
    server = ephemeral_server(run)
    try:
        clone_template(server, DATABASE)
        with tempfile.TemporaryDirectory() as folder:
            settings = Settings(
                data_dir=Path(folder),
                database_url=server.url(DatabaseRole.APP, DATABASE),
                database_owner_url=server.url(DatabaseRole.OWNER, DATABASE),
            )
            asyncio.run(measure(settings, given.count, given.uses))
    finally:
        remove(run)


if __name__ == "__main__":
    main()
