"""What the benchmark of a charging shard is played on: a tariff, many equal subscribers, and a log's folder of them."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np

from farwire.catalog.model.document import from_document
from farwire.charging.log.disk import RealDisk
from farwire.charging.log.file import FileLog
from farwire.charging.log.port import Batch, Durability
from farwire.charging.model import Lifecycle, PlanTerms, Unit
from farwire.charging.model.compiled import CompiledTariffs, Plan
from farwire.charging.model.state import MAIN, NEVER
from farwire.charging.shard.arena import Arena
from farwire.charging.shard.homes import VSHARDS
from farwire.charging.shard.records import KEYED_BYTE, TYPES, Kind
from farwire.country.model import is_emergency
from farwire.country.service import load_pack
from farwire.rating.model import compile_tariff

SHARD = 1
TENANT = 1
PLAN = 1
MONEY = 10**15
"""On every main balance, in nano-units: a million, so that no run ends at zero."""


def tariffs() -> CompiledTariffs:
    """Return one plan with one price: data at 0.02 a MB."""
    plan = compile_tariff(
        from_document(
            {
                "offering": "bench",
                "name": "Bench",
                "valid_from": datetime(2026, 1, 1, tzinfo=UTC),
                "currency": "EUR",
                "zone": "Europe/Berlin",
                "prices_include_tax": False,
                "usage": [{"id": "data", "kind": "data", "price": "0.02", "per": "1 MB"}],
            }
        )
    )
    return CompiledTariffs({PLAN: Plan(plan, PlanTerms(), partial(is_emergency, load_pack("DE")))}, {})


def fill(arena: Arena, subscribers: int, balances: int = 1) -> None:
    """Write accounts 1 … ``subscribers`` into an empty arena: the main balance, and bundles of data beside it."""
    numbers = np.arange(1, subscribers + 1)
    size = 1 + balances
    rows = arena.matrix[1 : 1 + subscribers * size].reshape(subscribers, size, 8)
    first = np.arange(subscribers) * size + 1
    account = np.zeros(subscribers, TYPES[Kind.ACCOUNT])
    account["kind"], account["flags"], account["vshard"] = Kind.ACCOUNT, KEYED_BYTE, numbers % VSHARDS
    account["serial"], account["lifecycle"], account["cycle_day"] = balances, Lifecycle.ACTIVE, 1
    account["tenant"], account["number"], account["plan"] = TENANT, numbers, PLAN
    account["next"], account["active_until"], account["grace_until"] = first + 1, NEVER, NEVER
    account["due_at"] = NEVER
    rows[:, 0] = account.view(np.int64).reshape(subscribers, 8)
    for place in range(1, size):
        one = np.zeros(subscribers, TYPES[Kind.BALANCE])
        one["kind"], one["vshard"], one["number"] = Kind.BALANCE, numbers % VSHARDS, place
        one["next"] = first + place + 1 if place < balances else 0
        one["amount"], one["valid_to"], one["priority"] = MONEY, NEVER, 100
        if place > MAIN:
            one["unit"], one["scope"] = Unit.OCTETS, place  # of a scope that no price of the plan names
        rows[:, place] = one.view(np.int64).reshape(subscribers, 8)
    arena.adopt(1 + subscribers * size)


@contextmanager
def folder() -> Iterator[Path]:
    """A folder beside this one, on the disk that is measured: the one for temporary files may be memory."""
    path = Path(tempfile.mkdtemp(prefix=".bench-charging-", dir=Path.cwd()))
    try:
        yield path
    finally:
        shutil.rmtree(path)


async def prepare(path: Path, subscribers: int, tail: int = 0, batch: int = 500) -> None:
    """Make a log in ``path``: a snapshot of subscribers, and a synthetic tail of ``tail`` requests behind it."""
    arena = Arena(2 * subscribers + 2)
    fill(arena, subscribers)
    log = FileLog(RealDisk(path), shard=SHARD, epoch=1, durability=Durability.PROCESS)
    await log.recover(np.zeros((2, 8), np.int64))
    # A snapshot stands at a sequence, so one empty batch comes before it.
    await log.append(Batch(1, 1, 1))
    snapshot = log.snapshot(arena.matrix, arena.used)
    while snapshot.copy_chunk():  # noqa: ASYNC110 - the disk's thread has no event to wait for
        await asyncio.sleep(0)
    await snapshot.finish()
    made = batches(arena, batch)
    while log.last <= tail:
        slots, images, facts = made[log.last // batch % len(made)]
        await log.append(Batch(1, log.last + 1, log.last + batch, slots, images, facts))
    await log.close()


def batches(arena: Arena, requests: int) -> list[tuple[bytes, bytes, bytes]]:
    """Return some batches in the real format: an update changes an account, its balance, a session and a group of
    two records, and moves one amount. The records of sessions stand behind those of the subscribers.
    """
    random = np.random.default_rng(1)
    made = []
    subscribers = (arena.used - 1) // 2
    for _ in range(64):
        chosen = np.unique(random.integers(0, subscribers, requests))
        own = (chosen * 2 + 1)[:, None] + np.arange(2)
        sessions = arena.used + np.arange(3 * len(chosen)).reshape(-1, 3)
        images = np.zeros((len(chosen), 5, 8), np.int64)
        images[:, :2] = arena.matrix[own]
        images[:, 2:, 0] = (int(Kind.SESSION), int(Kind.GROUP), int(Kind.GROUP_2))
        slots = np.concatenate([own, sessions], axis=1)
        made.append((slots.tobytes(), images.tobytes(), bytes(64 * requests)))
    return made
