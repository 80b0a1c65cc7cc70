"""Apply operations to the network, read back what is there, and say beforehand what they would do."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from farwire.activation.model import (
    Applied,
    Operation,
    Preview,
    Target,
    TargetId,
    check_operation,
    differences,
    intend,
)
from farwire.activation.service.reaching import Line, line_to, reach
from farwire.activation.store import targets as store
from farwire.base.storage import Tx, on_violation
from farwire.kernel.errors import Conflict, Unavailable
from farwire.kernel.ids import uuid7


async def apply(tx: Tx, *, adapter: str, operation: Operation, now: datetime) -> Applied:
    """Carry out the operation, read back what is there, and return it once it is what was asked.

    Where the element can, the write is confirmed when it shows as asked, and taken back when it does not. Idempotent
    by the operation's key: it is written down only when it succeeded, so an attempt that failed may be made again with
    the same key, in the same transaction or another. Raises ``Unavailable`` where trying again can help
    (``activation.no_answer``, ``activation.timeout``, ``activation.read_back_differs``), ``Invalid`` where a person
    must look (``activation.operation``, ``activation.adapter_unknown``, ``activation.refused``,
    ``activation.target_unknown``, ``activation.target_exists``), ``Conflict`` (``activation.key_reused``,
    ``activation.raced``).
    """
    check_operation(operation)
    before, element = await store.applied(tx, operation.key, adapter)
    line = line_to(adapter, element)
    if before is not None:
        if before[:2] != (adapter, operation.action):
            raise _key_reused(operation.key)
        there = await line.read(tx, operation.target)
        return Applied(operation.key, adapter, there or {}, before[2], repeated=True)
    target = await store.locked_target(tx, adapter, operation.target)
    wanted = intend(None if target is None else target.attributes, operation)
    there = await written(tx, line, operation, wanted)
    await _write_down(tx, adapter, operation, target, wanted, now)
    return Applied(operation.key, adapter, there, now)


async def written(
    tx: Tx, line: Line, operation: Operation, wanted: Mapping[str, str] | None
) -> Mapping[str, str]:
    """Write, read back and compare; return what is there. Raises ``Unavailable``, ``Invalid``."""
    await line.write(tx, operation)
    stays = False
    try:
        there = await line.read(tx, operation.target)
        different = differences(wanted, there)
        stays = not different
    finally:
        await line.settle(tx, operation, stays=stays)
    if different:
        raise Unavailable(
            f"{line.name} says that it is done, but shows other values",
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


async def preview(tx: Tx, *, adapter: str, operation: Operation) -> Preview:
    """Return what the operation would change in the network, as it is now; nothing is sent but questions.

    Raises ``Invalid`` and ``Unavailable`` as ``apply`` does, for what can be told without writing.
    """
    check_operation(operation)
    line = await reach(tx, adapter)
    target = await store.target_named(tx, adapter, operation.target)
    wanted = intend(None if target is None else target.attributes, operation)
    there = await line.read(tx, operation.target)
    return Preview(adapter, operation.action, there, wanted, differences(wanted, there), line.confirming)


async def read_back(tx: Tx, *, adapter: str, target: str) -> Mapping[str, str] | None:
    """Return what the network shows of the target now, None where it does not know it.

    Raises ``Invalid`` (``activation.adapter_unknown``), ``Unavailable``.
    """
    return await (await reach(tx, adapter)).read(tx, target)
