"""Apply operations to the network, read back, find and repair drift."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from farwire.activation.model import (
    Action,
    Applied,
    Drift,
    DriftKind,
    Operation,
    Target,
    TargetId,
    check_operation,
    differences,
    intend,
    restoring,
)
from farwire.activation.port import Adapter
from farwire.activation.simulator import SIMULATORS
from farwire.activation.store import targets as store
from farwire.base import audit
from farwire.base.storage import Tx, on_violation
from farwire.kernel.errors import Conflict, Invalid, Unavailable
from farwire.kernel.ids import uuid7
from farwire.kernel.tenancy import SYSTEM, Actor

PAGE: Final = 500
MAX_DRIFT: Final = 10_000
"""Differences that one look returns."""
_FIRST: Final = TargetId(UUID(int=0))


def adapter_named(name: str) -> Adapter:
    """Return the adapter. Raises ``Invalid`` (``activation.adapter_unknown``)."""
    found = SIMULATORS.get(name)
    if found is None:
        raise Invalid(
            "there is no such adapter",
            code="activation.adapter_unknown",
            field="adapter",
            value=name,
            fix="use one of " + ", ".join(sorted(SIMULATORS)),
        )
    return found


async def apply(tx: Tx, *, adapter: str, operation: Operation, now: datetime) -> Applied:
    """Carry out the operation, read back what is there, and return it once it is what was asked.

    Idempotent by the operation's key: it is written down only when it succeeded, so an attempt that failed may be
    made again with the same key, in the same transaction or another. Raises ``Unavailable`` where trying again can
    help (``activation.no_answer``, ``activation.read_back_differs``), ``Invalid`` where a person must look
    (``activation.operation``, ``activation.adapter_unknown``, ``activation.refused``, ``activation.target_unknown``,
    ``activation.target_exists``), ``Conflict`` (``activation.key_reused``, ``activation.raced``).
    """
    check_operation(operation)
    port = adapter_named(adapter)
    before = await store.applied(tx, operation.key)
    if before is not None:
        if before[:2] != (adapter, operation.action):
            raise _key_reused(operation.key)
        there = await port.read(tx, operation.target)
        return Applied(operation.key, adapter, there or {}, before[2], repeated=True)
    target = await store.locked_target(tx, adapter, operation.target)
    wanted = intend(None if target is None else target.attributes, operation)
    await port.write(tx, operation)
    there = await _compared(tx, port, operation.target, wanted)
    await _write_down(tx, adapter, operation, target, wanted, now)
    return Applied(operation.key, adapter, there, now)


async def _compared(
    tx: Tx, port: Adapter, target: str, wanted: Mapping[str, str] | None
) -> Mapping[str, str]:
    there = await port.read(tx, target)
    different = differences(wanted, there)
    if different:
        raise Unavailable(
            f"{port.name} says that it is done, but shows other values",
            code="activation.read_back_differs",
            field=", ".join(different),
            fix="try again; if it stays, look at the network element",
        )
    return there or {}


async def _write_down(
    tx: Tx,
    adapter: str,
    operation: Operation,
    target: Target | None,
    wanted: Mapping[str, str] | None,
    now: datetime,
) -> None:
    target_id = TargetId(uuid7(now)) if target is None else target.id
    raced = Conflict(
        "another operation on the target ran at the same time",
        code="activation.raced",
        field="operation",
        value=operation.key,
        fix="try again",
    )
    with on_violation({"operation_key": raced, "target_name": raced}):
        if wanted is not None:
            await store.save_target(tx, target_id, adapter, operation.target, wanted, now)
        elif target is not None:
            await store.delete_target(tx, target_id)
        await store.add_operation(tx, adapter, operation, target_id, now)


def _key_reused(key: str) -> Conflict:
    return Conflict(
        "the key stands for another operation", code="activation.key_reused", field="key", value=key
    )


async def read_back(tx: Tx, *, adapter: str, target: str) -> Mapping[str, str] | None:
    """Return what the network shows of the target now, None where it does not know it. Raises ``Invalid``."""
    return await adapter_named(adapter).read(tx, target)


async def drift(tx: Tx) -> tuple[Drift, ...]:
    """Return where the network differs from what was applied, at most ``MAX_DRIFT``. Reads every target."""
    found: list[Drift] = []
    async for target in _targets(tx):
        there = await adapter_named(target.adapter).read(tx, target.name)
        different = differences(target.attributes, there)
        if different:
            kind = DriftKind.MISSING if there is None else DriftKind.DIFFERENT
            found.append(Drift(target.adapter, kind, target.id, target.name, different))
        if len(found) >= MAX_DRIFT:
            return tuple(found)
    for port in SIMULATORS.values():
        found += [Drift(port.name, DriftKind.UNEXPECTED, None, name) for name in await _unexpected(tx, port)]
    return tuple(found[:MAX_DRIFT])


async def _targets(tx: Tx) -> AsyncIterator[Target]:
    after = _FIRST
    while page := await store.targets_after(tx, after, PAGE):
        for target in page:
            yield target
        after = page[-1].id


async def _unexpected(tx: Tx, port: Adapter) -> list[str]:
    """Return what the element knows and nobody applied."""
    found: list[str] = []
    after = ""
    while (names := await port.targets(tx, after, PAGE)) and len(found) < MAX_DRIFT:
        known = await store.known_names(tx, port.name, names)
        found += [name for name in names if name not in known]
        after = names[-1]
    return found


@dataclass(frozen=True, slots=True)
class Repair:
    """What a repair did: how many targets are as they should be again, and what it could not or may not mend."""

    repaired: int
    left: tuple[Drift, ...]


async def repair(tx: Tx, *, now: datetime, actor: Actor = SYSTEM) -> Repair:
    """Apply again what was applied and is not there; what is there unexpectedly is left to a person. Audited."""
    found = await drift(tx)
    wanted = {one.target_id for one in found if one.target_id is not None}
    mended: set[TargetId] = set()
    if wanted:
        async for target in _targets(tx):
            if target.id in wanted and await _restored(tx, target):
                mended.add(target.id)
        await audit.record(
            tx,
            actor=actor,
            action="activation.repair",
            subject="network",
            at=now,
            detail={"found": len(found), "repaired": len(mended)},
        )
    return Repair(len(mended), tuple(one for one in found if one.target_id not in mended))


async def _restored(tx: Tx, target: Target) -> bool:
    port = adapter_named(target.adapter)
    try:
        for operation in restoring(target, f"repair:{target.id}"):
            await port.write(tx, operation)
    except (Unavailable, Invalid):
        return False
    return not differences(target.attributes, await port.read(tx, target.name))


__all__ = [
    "Action",
    "Applied",
    "Drift",
    "Operation",
    "Repair",
    "adapter_named",
    "apply",
    "drift",
    "read_back",
    "repair",
]
