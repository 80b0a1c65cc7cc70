"""``python -m benchmarks.bench_charging``: a charging shard behind its binary front, beside the limits of the same run.

A load generator in C (``charging_load.c``) plays sessions on a real shard process whose log syncs to the disk before
each answer: one request outstanding, a closed loop, and an open loop at a given rate. The shard has one core, the load
another. Then the shard is killed and recovered, and the load comes through gateways (``gateway_rows.py``). Memory is
measured at 1, 3 and 8 balances, recovery with a synthetic tail. ``--help`` names the sizes; the goal of recovery is a
tail of 10,000,000 (``--tail``).
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from argparse import Namespace
from pathlib import Path
from typing import Final

import psutil

from benchmarks.charging_run import Figures, Load, busy, compiled, cores, row, serving
from benchmarks.charging_world import fill, folder, prepare
from benchmarks.gateway_rows import gateways
from benchmarks.measured import in_fresh_process
from farwire.charging.log.disk import RealDisk
from farwire.charging.shard.arena import Arena
from farwire.charging.shard.due import DueIndex
from farwire.charging.shard.index import Index
from farwire.charging.shard.shard import Settings

GOAL_PER_S: Final = 25_000
GOAL_ONE_MS: Final = 1.0
GOAL_RECOVERY_S: Final = 10.0
GOAL_TAIL: Final = 10_000_000
_BLOCK: Final = 4096
_TAIL_BATCH: Final = 500


# ---- limits


def syncs(path: Path, size: int, seconds: float) -> tuple[float, float]:
    """Write and sync blocks behind each other in a preallocated file; return syncs/s and ms of the median one."""
    disk = RealDisk(path)
    file = disk.open("raw", create=True)
    file.preallocate(64 << 20)
    data, took, offset = bytes(size), [], 0
    started = time.perf_counter()
    while time.perf_counter() - started < seconds:
        before = time.perf_counter()
        file.pwrite(data, offset)
        file.sync()
        took.append(time.perf_counter() - before)
        offset = (offset + size) % (64 << 20)
    elapsed = time.perf_counter() - started
    file.close()
    disk.remove("raw")
    return len(took) / elapsed, 1000 * sorted(took)[len(took) // 2]


def limits(load: Load, path: Path, asked: Namespace) -> None:
    """Print what the disk and the loopback alone can do."""
    print("limits")
    for size in (_BLOCK, 16 * _BLOCK):
        per_s, p50_ms = syncs(path, size, asked.limit_seconds)
        print(
            f"{f'  fdatasync of {size // 1024} KiB, preallocated':<44}{per_s:>12,.0f}/s  p50 {p50_ms:.3f} ms"
        )
    row("  loopback alone, C to C, 1 outstanding", load.run("pong", seconds=asked.limit_seconds))
    with serving("echo") as echo:
        one = {"connections": 1, "window": 1, "seconds": asked.limit_seconds}
        row("  echo of the frames, 1 outstanding", load.run("closed", echo, **one))
        many = {"connections": asked.connections, "window": asked.window, "seconds": asked.limit_seconds}
        row(f"  echo of the frames, {asked.connections} × {asked.window}", load.run("closed", echo, **many))


# ---- the shard


def served(load: Load, path: Path, asked: Namespace) -> tuple[Figures, Figures]:
    """Print the shard's figures; return those of one outstanding request and of the closed loop."""
    arguments = ("shard", str(path), str(4 * asked.subscribers + 2_000_000), str(asked.batch_us))
    with serving(*arguments) as shard:
        print(f"shard of {shard.told['accounts']:,.0f} subscribers, each answer after fdatasync")
        some = {"connections": 1, "window": 1, "seconds": asked.limit_seconds}
        one = load.run("closed", shard, **some)
        row("  1 outstanding", one)
        many = {"connections": asked.connections, "window": asked.window, "warmup": asked.warmup}
        closed = load.run("closed", shard, seconds=asked.seconds, **many)
        row(f"  closed loop, {asked.connections} × {asked.window} outstanding", closed)
        print(
            f"{'':<44}{closed['slowest_second']:>12,.0f} in the slowest of {asked.seconds:g} s; "
            f"one core all to itself could do {1e6 / closed['cpu_us']:,.0f}/s"
        )
        busy("during it")
        offered = load.run(
            "open", shard, rate=asked.rate, seconds=asked.open_seconds, **{**many, "window": asked.pool}
        )
        row(f"  open loop, {asked.rate:,.0f}/s offered", offered)
        answered = one["answered"] + closed["answered"] + offered["answered"]
        mib = shard.watched.memory_info().rss / (1 << 20)
        print(f"{'  memory of the process after it':<44}{mib:>12,.0f} MiB")
        shard.kill()
    with serving(*arguments) as again:
        lost = max(0, answered - (again.told["last"] - 1))
        print(
            f"{'  killed with -9 and recovered':<44}{again.told['seconds']:>12.2f} s  "
            f"{answered:,.0f} answers, {lost:,.0f} lost"
        )
    return one, closed


# ---- memory and recovery


def resident(subscribers: int, balances: int) -> tuple[int, int, int]:
    """Return bytes of records, of index, and resident in all that subscribers need."""
    before = psutil.Process().memory_info().rss
    arena = Arena(2 + subscribers * (1 + balances))
    fill(arena, subscribers, balances)
    index = Index(arena)
    index.rebuild()
    due = DueIndex(arena)
    due.rebuild()
    after = psutil.Process().memory_info().rss
    return 64 * (arena.used - 1), index.table_bytes, after - before


def memory(subscribers: int) -> None:
    """Print bytes per subscriber, and memory of a million."""
    print(f"memory of {subscribers:,} subscribers, idle")
    print(f"{'':<20}{'bytes of records':>18}{'of index':>12}{'resident':>12}{'MiB a million':>16}")
    for balances in (1, 3, 8):
        (records, index, held), _ = in_fresh_process(resident, subscribers, balances)
        each = held / subscribers
        print(
            f"{f'  {balances} balance(s)':<20}{records / subscribers:>18,.0f}{index / subscribers:>12,.1f}"
            f"{each:>12,.0f}{each * 1e6 / (1 << 20):>16,.0f}"
        )


def recovery(asked: Namespace) -> float:
    """Print how long a shard takes to be ready again; return seconds."""
    with folder() as path:
        asyncio.run(prepare(path, asked.subscribers, asked.tail, _TAIL_BATCH))
        size = sum(file.stat().st_size for file in path.glob("s*-*")) / 1e9
        with serving("shard", str(path), str(4 * asked.subscribers), str(asked.batch_us)) as shard:
            took = shard.told["seconds"]
            print(
                f"recovery of {shard.told['accounts']:,.0f} subscribers and a synthetic tail of "
                f"{shard.told['last'] - 1:,.0f} requests (batches of {_TAIL_BATCH} in the real format, 5 records and a "
                f"movement each; {size:.1f} GB of files, in the page cache): {took:.2f} s, "
                f"CPU {shard.told['cpu_s']:.2f} s on one core, +{shard.told['grew_kib'] / 1024:,.0f} MiB"
            )
            for label, name in (("snapshot", "snapshot_s"), ("tail", "tail_s"), ("indexes", "index_s")):
                print(f"{f'  CPU of its {label}':<44}{shard.told[name]:>12.2f} s")
    return took


# ---- the run


def goals(one: Figures, closed: Figures, recovered_s: float, asked: Namespace) -> None:
    """Print which goals are met."""

    def goal(label: str, figure: str, *, met: bool) -> None:
        print(f"  {'met   ' if met else 'MISSED'}  {label}: {figure}")

    print("goals")
    per_s, p50_ms = closed["per_s"], one["p50"] / 1e6
    good = not (one["wrong"] or closed["wrong"] or closed["unanswered"])
    label = f"{GOAL_PER_S:,} durable requests/s on one core over {asked.seconds:g} s"
    goal(label, f"{per_s:,.0f}/s", met=per_s >= GOAL_PER_S and good)
    goal(f"p50 below {GOAL_ONE_MS:g} ms with one outstanding", f"{p50_ms:.3f} ms", met=p50_ms < GOAL_ONE_MS)
    tail = f"{asked.subscribers:,} subscribers and {asked.tail:,} requests"
    goal(
        f"recovery of {tail} in {GOAL_RECOVERY_S:g} s",
        f"{recovered_s:.2f} s",
        met=recovered_s <= GOAL_RECOVERY_S,
    )
    if asked.tail < GOAL_TAIL or asked.subscribers < 1_000_000:
        print(f"          the goal is 1,000,000 subscribers and {GOAL_TAIL:,} requests: --tail {GOAL_TAIL}")


def options() -> Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench_charging", description=__doc__)
    for name, default, meaning in (
        ("seconds", 60.0, "how long the closed loop is measured"),
        ("warmup", 2.0, "seconds before that are not counted"),
        ("open-seconds", 20.0, "how long the open loop is measured"),
        ("limit-seconds", 3.0, "how long each limit and the single request are measured"),
        ("rate", 20_000.0, "requests/s that the open loop offers"),
        ("connections", 4, "sockets"),
        ("window", 128, "requests outstanding on each socket of the closed loop"),
        ("pool", 2_048, "sessions on each socket of the open loop"),
        ("batch-us", Settings().batch_us, "microseconds that a batch is decided on at most"),
        ("updates", 8, "updates between the first and the last request of a session"),
        ("subscribers", 1_000_000, "accounts of the shard"),
        ("tail", 1_000_000, "requests in the tail of the recovery"),
        ("gateway-seconds", 5.0, "how long each row of a gateway is measured"),
        ("gateway-rate", 1_500.0, "requests/s that the open loop offers a gateway"),
        ("gateway-window", 64, "requests outstanding on each connection to a gateway in the closed loop"),
        ("radius-rate", 200.0, "reports/s that the open loop offers the gateway of RADIUS"),
        ("callers", 20_000, "subscribers whose sessions come through gateways"),
    ):
        parser.add_argument(f"--{name}", type=type(default), default=default, help=f"{meaning} ({default:,})")
    return parser.parse_args()


def main() -> None:
    """Run the measurement."""
    asked = options()
    with tempfile.TemporaryDirectory() as temporary, folder() as path:
        load = Load(compiled(Path(temporary)), asked.subscribers, asked.updates)
        print(f"shard on core {cores()[0][0]}, load on {cores()[1][0]}")
        busy("before the run", own=1)
        limits(load, path, asked)
        asyncio.run(prepare(path, asked.subscribers))
        one, closed = served(load, path, asked)
        gateways(load, path, asked)
    memory(asked.subscribers)
    recovered_s = recovery(asked)
    busy("at the end")
    goals(one, closed, recovered_s, asked)


if __name__ == "__main__":
    main()
