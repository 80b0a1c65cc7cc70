"""The rows of the charging benchmark for gateways: the same sessions, in the protocols of the network.

A gateway has one core. The shard behind it, each of whose answers is durable, shares the other one with the load. What
both would do on a single core is worked out from their CPU. RADIUS keeps its meters in PostgreSQL, which syncs.
"""

from __future__ import annotations

from argparse import Namespace
from dataclasses import replace
from pathlib import Path

from benchmarks.charging_run import Figures, Load, Server, busy, cores, row, serving
from benchmarks.nchf_rows import Sessions, can_load
from benchmarks.paid_rows import paid
from benchmarks.radius_rows import radius


def gateways(load: Load, path: Path, asked: Namespace) -> None:
    """Print the rows of every protocol, in front of the shard whose log is in ``path``."""
    core, other = cores()
    print(f"gateways, each on core {core[0]}; the shard behind them on core {other[0]}, with the load")
    load = replace(load, accounts=min(asked.callers, asked.subscribers))
    arguments = ("shard", str(path), str(4 * asked.subscribers + 2_000_000), str(asked.batch_us))
    with serving(*arguments, core=other) as shard:
        port = f"{shard.told['port']:.0f}"
        with serving("diameter", port, module="gateway_server", core=core) as gateway:
            _diameter(load, gateway, shard, asked)
        if can_load():
            with serving("nchf", port, module="gateway_server", core=core) as gateway:
                _nchf(load, gateway, shard, asked)
        else:
            print("  no row for 5G: h2load is not here (apt-get install nghttp2-client)")
        radius(shard, asked)
        busy("during them")
    paid()


def _diameter(load: Load, gateway: Server, shard: Server, asked: Namespace) -> None:
    label, seconds = "  Diameter (Gy)", asked.gateway_seconds
    lines, window = asked.connections, asked.gateway_window

    def run(mode: str, **options: float) -> Figures:
        return load.run(mode, gateway, shard, protocol="diameter", warmup=1.0, **options)

    _row(f"{label}, 1 outstanding", run("closed", connections=1, window=1, seconds=asked.limit_seconds))
    closed = run("closed", connections=lines, window=window, seconds=seconds)
    _row(f"{label}, closed loop, {lines} × {window}", closed)
    offered = run("open", connections=lines, window=asked.pool, rate=asked.gateway_rate, seconds=seconds)
    _row(f"{label}, {asked.gateway_rate:,.0f}/s offered", offered)
    _on_one_core(closed)


def _nchf(load: Load, gateway: Server, shard: Server, asked: Namespace) -> None:
    label, lines, window = "  5G (Nchf updates)", asked.connections, asked.gateway_window
    sessions, rate = Sessions(shard, gateway, load.accounts), asked.gateway_rate
    warm = min(sessions.count, 1_000)
    sessions.update(requests=warm, connections=1, streams=window)
    _row(f"{label}, 1 outstanding", sessions.update(requests=warm, connections=1, streams=1))
    closed = sessions.update(requests=sessions.count, connections=lines, streams=window)
    _row(f"{label}, closed loop, {lines} × {window}", closed)
    some = min(sessions.count, int(rate * asked.gateway_seconds))
    offered = sessions.update(requests=some, connections=lines, streams=100, rate=rate)
    _row(f"{label}, {rate:,.0f}/s offered", offered)
    _on_one_core(closed)


def _row(label: str, found: Figures) -> None:
    row(label, found, f" (shard {found['behind_us']:.1f})")


def _on_one_core(closed: Figures) -> None:
    alone, both = closed["cpu_us"], closed["cpu_us"] + closed["behind_us"]
    print(
        f"{'':<44}{1e6 / alone:>12,.0f}/s on a core of its own; {1e6 / both:,.0f}/s on one core with the shard"
    )
