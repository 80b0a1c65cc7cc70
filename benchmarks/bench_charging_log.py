"""``python -m benchmarks.bench_charging_log``: the log of a charging shard beside the disk's own fdatasync.

Memory per subscriber, batches/s and MB/s of the file log and of PostgreSQL, recovery beside a plain read of the file.
``FARWIRE_BENCH_REQUESTS`` sets the requests of the recovery (10,000,000).
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from zlib import crc32

import numpy as np

from benchmarks.measured import in_fresh_process, peak_kib
from farwire.base.config import Settings
from farwire.base.storage import open_database
from farwire.base.storage.embedded import DatabaseRole, EmbeddedServer
from farwire.base.storage.ephemeral import (
    Run,
    clone_template,
    ephemeral_server,
    make_template,
    more_room,
    remove,
)
from farwire.charging.log import Batch, Durability, Log
from farwire.charging.log.disk import RealDisk
from farwire.charging.log.file import QUEUE, FileLog
from farwire.charging.log.lease import take_lease
from farwire.charging.log.postgres import PostgresLog
from farwire.charging.shard.arena import Arena, head
from farwire.charging.shard.index import Index

REQUESTS = int(os.environ.get("FARWIRE_BENCH_REQUESTS", "10000000"))
SECONDS = 3.0
SUBSCRIBERS = 1_000_000
SLOTS = 2 * SUBSCRIBERS + 1
IMAGES_PER_REQUEST = 2
"""An account and its session."""
FACTS = bytes(64)
"""One movement for the books per request."""
SPARES = 12
"""Segments that are ready before the measurement, as recycled ones are: 768 MiB."""
DATABASE = "farwire_bench_charging_log"


@contextmanager
def folder() -> Iterator[Path]:
    """A folder beside this one, on the disk that is measured: the one for temporary files may be memory."""
    path = Path(tempfile.mkdtemp(prefix=".bench-charging-", dir=Path.cwd()))
    try:
        yield path
    finally:
        shutil.rmtree(path)


# ---- one record, and memory


def access() -> None:
    """Print what reading and writing one record costs."""
    arena = Arena(SLOTS)
    index = Index(arena, 100_000)
    for number in range(100_000):
        slot = arena.allocate()
        arena.write(slot, (head(1, vshard=number % 4096, keyed=True), 1, number, 0, 0, 0, 0, 0))
        index.add(slot)
    words = (head(1, vshard=1, keyed=True), 1, 7, 0, 0, 0, 0, 0)
    count = 300_000

    def each(label: str, act: object) -> None:
        started = time.perf_counter()
        for number in range(count):
            act(number % 99_999 + 1)  # type: ignore[operator]
        print(f"{label:<44}{1e9 * (time.perf_counter() - started) / count:>12,.0f} ns")

    each("nothing (the loop itself)", lambda slot: slot)
    each("read 8 words", arena.read)
    each("write 8 words", lambda slot: arena.write(slot, words))
    each("find a key", lambda slot: index.find(1, slot))


def subscribers(buckets: int) -> tuple[int, int]:
    """Make 200,000 subscribers of an account and so many buckets each, found by key; return bytes and records."""
    count = 200_000
    before = peak_kib()
    arena = Arena(count * (1 + buckets) + 1)
    account = (head(1, vshard=1, keyed=True), 1)
    for number in range(count):
        arena.write(arena.allocate(), (*account, number, 0, 0, 0, 0, 0))
        for _ in range(buckets):
            arena.write(arena.allocate(), (head(2, vshard=1), 0, 0, 0, 0, 0, 0, 0))
        if number % 1000 == 0:
            arena.take_changes()
    index = Index(arena)
    index.rebuild()
    return 1024 * (peak_kib() - before) // count, 64 * (1 + buckets) + index.table_bytes // count


def memory() -> None:
    """Print bytes per subscriber at 1, 3 and 8 buckets."""
    print(f"{'bytes per subscriber':<44}{'records, index':>14}{'resident, peak':>16}")
    for buckets in (1, 3, 8):
        (resident, exact), _ = in_fresh_process(subscribers, buckets)
        print(f"{f'{buckets} bucket(s)':<44}{exact:>14,}{resident:>16,}")


# ---- writing


def batch(log: Log, requests: int, random: np.random.Generator) -> Batch:
    """Return the next batch: each request changes some records and tells the books one thing."""
    slots = np.unique(random.integers(1, SLOTS, IMAGES_PER_REQUEST * requests))
    first = log.last + 1
    found = np.repeat(slots, 8).reshape(-1, 8)
    found[:, 0] = head(1, vshard=1, keyed=True)
    return Batch(log.epoch, first, first + requests - 1, slots.tobytes(), found.tobytes(), FACTS * requests)


async def writing(log: Log, requests: int) -> tuple[float, float, float]:
    """Append for some seconds, always with full queue; return batches/s, MB/s, and ms of the median batch."""
    random = np.random.default_rng(1)
    template = batch(log, requests, random)
    size = len(template.slots) + len(template.images) + len(template.facts)
    tickets: deque[tuple[float, object]] = deque()
    took: list[float] = []
    started = time.perf_counter()
    while time.perf_counter() - started < SECONDS:
        while len(tickets) < QUEUE - 1:
            first = log.last + 1
            ticket = log.append(
                Batch(log.epoch, first, first + requests - 1, template.slots, template.images, template.facts)
            )
            tickets.append((time.perf_counter(), ticket))
        since, oldest = tickets.popleft()
        await oldest  # type: ignore[misc]
        took.append(time.perf_counter() - since)
    elapsed = time.perf_counter() - started
    for _, ticket in tickets:
        await ticket  # type: ignore[misc]
    return len(took) / elapsed, len(took) * size / elapsed / 1e6, 1000 * sorted(took)[len(took) // 2]


def raw(path: Path, size: int) -> tuple[float, float]:
    """Write and fdatasync blocks behind each other in a preallocated file; return syncs/s and MB/s."""
    disk = RealDisk(path)
    file = disk.open("raw", create=True)
    file.preallocate(64 << 20)
    data = bytes(-(-size // 4096) * 4096)
    done, offset = 0, 0
    started = time.perf_counter()
    while time.perf_counter() - started < SECONDS:
        file.pwrite(data, offset)
        file.sync()
        offset = (offset + len(data)) % ((64 << 20) - len(data))
        offset -= offset % 4096
        done += 1
    elapsed = time.perf_counter() - started
    file.close()
    disk.remove("raw")
    return done / elapsed, done * len(data) / elapsed / 1e6


def wait_for_spares(path: Path) -> None:
    """Wait until segments are ready, as they are after a recycling: then the disk does nothing but log."""
    while sum(file.name.startswith("spare") for file in path.iterdir()) < SPARES:
        time.sleep(0.05)


async def throughput(url: str) -> None:
    """Print the table of both logs beside the disk."""
    print(f"{'batches, always 3 waiting':<44}{'batches/s':>12}{'requests/s':>13}{'MB/s':>9}{'p50 ms':>9}")
    db = await open_database(Settings(data_dir=Path.cwd(), database_url=url))
    for requests in (1, 30, 300, 3000):
        size = 128 + requests * (72 * IMAGES_PER_REQUEST + len(FACTS))
        with folder() as path:
            per_s, mb = await asyncio.to_thread(raw, path, size)
            print(
                f"{f'{requests:,} requests: fdatasync alone':<44}{per_s:>12,.0f}{requests * per_s:>13,.0f}{mb:>9,.0f}"
            )
        for durability in (Durability.HOST, Durability.PROCESS):
            with folder() as path:
                log = FileLog(RealDisk(path), shard=0, epoch=1, durability=durability, spares=SPARES)
                await log.recover(Arena(SLOTS).matrix)
                await asyncio.to_thread(wait_for_spares, path)
                row(f"  file, {durability}", requests, await writing(log, requests))
                await log.close()
        lease = await take_lease(db=db, shard=requests, holder="bench", seconds=3600)
        rows = PostgresLog(db, shard=requests, epoch=lease.epoch)
        await rows.recover(Arena(SLOTS).matrix)
        row("  postgres, host", requests, await writing(rows, requests))
        await rows.close()
    await db.close()


def row(label: str, requests: int, figures: tuple[float, float, float]) -> None:
    """Print one row."""
    per_s, mb, p50_ms = figures
    print(f"{label:<44}{per_s:>12,.0f}{requests * per_s:>13,.0f}{mb:>9,.0f}{p50_ms:>9.2f}")


# ---- recovery


async def recovery(path: Path) -> None:
    """Snapshot a million subscribers, write the tail, read it back."""
    arena = Arena(SLOTS)
    arena.matrix[1:, 0] = head(1, vshard=1, keyed=True)
    arena.matrix[1:, 1] = arena.matrix[1:, 2] = np.arange(1, SLOTS)
    log = FileLog(RealDisk(path), shard=0, epoch=1, durability=Durability.PROCESS)
    await log.recover(np.zeros((2, 8), np.int64))
    snapshot = log.snapshot(arena.matrix, SLOTS)
    copied: list[float] = []
    started = time.perf_counter()
    more = True
    while more:
        before = time.perf_counter()
        more = snapshot.copy_chunk()
        copied.append(time.perf_counter() - before)
        await asyncio.sleep(0)
    await snapshot.finish()
    print(
        f"snapshot of {SLOTS - 1:,} records: {time.perf_counter() - started:.2f} s, "
        f"the longest wait of the shard {1000 * max(copied):.2f} ms"
    )
    random = np.random.default_rng(1)
    templates = [batch(log, 300, random) for _ in range(100)]
    while log.last < REQUESTS:
        one = templates[log.last // 300 % 100]
        await log.append(
            Batch(log.epoch, log.last + 1, log.last + 300, one.slots, images(one, log.last), one.facts)
        )
    await log.close()


def images(given: Batch, value: int) -> bytes:
    """Return images whose last word tells their batch."""
    found = np.frombuffer(given.images, np.int64).reshape(-1, 8).copy()
    found[:, 7] = value
    return found.tobytes()


def recovered(path: Path) -> tuple[float, float, int, int, int]:
    """Recover in a process of its own; return seconds of log and of index, last, images and the sum of the words."""
    arena = Arena(SLOTS)
    log = FileLog(RealDisk(path), shard=0, epoch=99)

    async def recover() -> tuple[float, float, int, int, int]:
        started = time.perf_counter()
        found = await log.recover(arena.matrix)
        took = time.perf_counter() - started
        await log.close()
        started = time.perf_counter()
        arena.adopt(found.used)
        index = Index(arena)
        index.rebuild()
        return took, time.perf_counter() - started, found.last, found.images, index.count

    return asyncio.run(recover())


def plain_read(path: Path) -> tuple[float, float, int]:
    """Read all files once, and once more with their checksum; return seconds of both and bytes."""
    files = sorted(path.glob("segment-*")) + sorted(path.glob("snapshot-*"))
    seconds = []
    for check in (False, True):
        started = time.perf_counter()
        for file in files:
            data = file.read_bytes()
            if check:
                crc32(data)
        seconds.append(time.perf_counter() - started)
    return seconds[0], seconds[1], sum(file.stat().st_size for file in files)


def recovery_table() -> None:
    """Print recovery beside reading the same bytes."""
    with folder() as path:
        asyncio.run(recovery(path))
        read_s, checked_s, size = plain_read(path)
        (log_s, index_s, last, count, keys), grew = in_fresh_process(recovered, path)
        gb = size / 1e9
        print(
            f"recovery of {last:,} requests in batches of 300, {count:,} images, {gb:.2f} GB, from the page cache"
        )
        for label, seconds in (
            ("read the files", read_s),
            ("read and CRC-32", checked_s),
            ("recover", log_s),
        ):
            print(
                f"{label:<44}{seconds:>10.2f} s{gb / seconds:>8.2f} GB/s{last / seconds:>14,.0f} requests/s"
            )
        print(f"free list and index of {keys:,} keys: {index_s:.2f} s; memory +{grew:,.0f} MiB")


def main() -> None:
    """Run the measurement."""
    run = Run.of(os.getpid())
    access()
    memory()
    try:
        ephemeral_server(run)
        server = EmbeddedServer(more_room(run) / "durable")  # the throw-away one does not sync
        server.start()
        make_template(server)
        clone_template(server, DATABASE)
        asyncio.run(throughput(server.url(DatabaseRole.APP, DATABASE)))
    finally:
        remove(run)
    recovery_table()


if __name__ == "__main__":
    main()
