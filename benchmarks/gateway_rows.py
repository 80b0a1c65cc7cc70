"""The rows of the charging benchmark for gateways: the same sessions, in the protocols of the network.

A gateway has one core. The shard behind it, each of whose answers is durable, shares the other one with the load. What
both would do on a single core is worked out from their CPU.
"""

from __future__ import annotations

from argparse import Namespace
from dataclasses import replace
from pathlib import Path

from benchmarks.charging_run import Figures, Load, Server, busy, cores, row, serving

PROTOCOLS = {"diameter": "Diameter (Gy)"}


def gateways(load: Load, path: Path, asked: Namespace) -> None:
    """Print the rows of every protocol, in front of the shard whose log is in ``path``."""
    gateway_core, other = cores()
    print(
        f"gateways, each on core {gateway_core[0]}; the shard behind them on core {other[0]}, with the load"
    )
    load = replace(load, accounts=min(asked.callers, asked.subscribers))
    arguments = ("shard", str(path), str(4 * asked.subscribers + 2_000_000), str(asked.batch_us))
    with serving(*arguments, core=other) as shard:
        for protocol, label in PROTOCOLS.items():
            words = (protocol, f"{shard.told['port']:.0f}")
            with serving(*words, module="gateway_server", core=gateway_core) as gateway:
                _rows(load, gateway, shard, asked, protocol, label)
        busy("during them")


def _rows(load: Load, gateway: Server, shard: Server, asked: Namespace, protocol: str, label: str) -> None:
    said = {"protocol": protocol, "warmup": 1.0}
    one = load.run("closed", gateway, shard, connections=1, window=1, seconds=asked.limit_seconds, **said)
    _row(f"  {label}, 1 outstanding", one)
    lines, window = asked.connections, asked.gateway_window
    closed = load.run(
        "closed", gateway, shard, connections=lines, window=window, seconds=asked.gateway_seconds, **said
    )
    _row(f"  {label}, closed loop, {lines} × {window}", closed)
    offered = load.run(
        "open", gateway, shard, connections=lines, window=asked.pool, rate=asked.gateway_rate,
        seconds=asked.gateway_seconds, **said,
    )  # fmt: skip
    _row(f"  {label}, {asked.gateway_rate:,.0f}/s offered", offered)
    alone, both = closed["cpu_us"], closed["cpu_us"] + closed["behind_us"]
    print(
        f"{'':<44}{1e6 / alone:>12,.0f}/s on a core of its own; {1e6 / both:,.0f}/s on one core with the shard"
    )


def _row(label: str, found: Figures) -> None:
    row(label, found, f" (shard {found['behind_us']:.1f})")
