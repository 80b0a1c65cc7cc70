"""The log of a shard: what was answered is durable, and comes back after a crash (see README.md)."""

from farwire.charging.log.port import (
    Batch,
    Durability,
    Facts,
    Fenced,
    Log,
    LogBusy,
    LogDamaged,
    LogFailed,
    Records,
    Recovered,
    Snapshot,
    Ticket,
)

__all__ = [
    "Batch",
    "Durability",
    "Facts",
    "Fenced",
    "Log",
    "LogBusy",
    "LogDamaged",
    "LogFailed",
    "Records",
    "Recovered",
    "Snapshot",
    "Ticket",
]
