"""Pools of resources: make, fill, look at, reserve from, release."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import islice
from typing import Final

from farwire.base.storage import Database, Tx, on_violation
from farwire.inventory.model import (
    COUNTED,
    PREFIXES,
    RESERVED_FOR,
    ElementId,
    NewResource,
    Pool,
    PoolCount,
    PoolPolicy,
    Resource,
    ResourceKind,
    Span,
    block_size,
    check_resource,
    number_of,
    value_of,
)
from farwire.inventory.service import ranges
from farwire.inventory.store import left as left_store
from farwire.inventory.store import ports, reservations
from farwire.inventory.store import ranges as range_store
from farwire.inventory.store import resources as store
from farwire.kernel.errors import Conflict, Exhausted, Invalid, NotFound
from farwire.kernel.ids import PoolId, ResourceId, TenantId, uuid7
from farwire.kernel.page import Page, PageRequest

FILL_BATCH: Final = 20_000
FREE_BATCH: Final = 5_000
MAX_COUNT: Final = 1_000
MAX_KEY_CHARACTERS: Final = 200
POOL_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


async def create_pool(
    tx: Tx,
    *,
    name: str,
    kind: ResourceKind,
    quarantine_days: int,
    now: datetime,
    scope: str = "",
    policy: PoolPolicy = PoolPolicy.LOWEST,
    prefix_length: int = 0,
    warn_percent: int = 80,
) -> Pool:
    """Make a pool; the same again returns it. ``quarantine_days`` (0 to 3650) is how long a returned one rests.

    A value is given once in a ``scope``; ``prefix_length`` is that of prefixes that are asked for without one, and
    ``warn_percent`` (1 to 100) how much is in use when somebody is told. Raises ``Invalid`` (``inventory.pool``,
    ``inventory.pool_policy``, ``inventory.prefix_length``), ``Conflict`` (``inventory.pool_differs``).
    """
    fits = 0 <= quarantine_days <= 3650 and 1 <= warn_percent <= 100
    if not fits or POOL_NAME.fullmatch(name) is None or (scope and POOL_NAME.fullmatch(scope) is None):
        raise Invalid(
            "a pool has a name of 1 to 100 letters, digits, dots and dashes, and perhaps a scope of such; what comes "
            "back rests 0 to 3650 days; of 1 to 100 % somebody is told",
            code="inventory.pool",
            field="name",
            value=name,
        )
    wanted = Pool(
        PoolId(uuid7(now)), name, kind, quarantine_days, now, scope, policy, prefix_length, warn_percent
    )
    ranges.check_terms(wanted)
    await store.add_pool(tx, wanted)
    pool = await pool_named(tx, name)
    if replace(pool, id=wanted.id, created_at=now, has_ranges=False) != wanted:
        raise Conflict(
            f"the pool {name} exists, with {pool.kind}, {pool.quarantine_days} days and perhaps other terms",
            code="inventory.pool_differs",
            field="name",
            value=name,
            fix="choose another name",
        )
    return pool


async def pool_named(tx: Tx, name: str) -> Pool:
    """Return the pool. Raises ``NotFound`` (``inventory.pool_unknown``)."""
    pool = await store.pool_named(tx, name)
    if pool is None:
        raise NotFound(
            "there is no such pool",
            code="inventory.pool_unknown",
            field="pool",
            value=name,
            fix="farwire pool list",
        )
    return pool


async def list_pools(tx: Tx, *, page: PageRequest) -> Page[PoolCount]:
    """Return a page of pools by name, with what is in them. Counts the pools of the page through."""
    items, total = await store.pools(tx, page.limit, page.offset)
    return Page(tuple(items), total, page.offset, page.limit)


async def count_pool(tx: Tx, *, pool: str) -> PoolCount:
    """Return the pool with the number of its resources by state. Raises ``NotFound``."""
    found = await pool_named(tx, pool)
    return (await store.pool_counts(tx, [found]))[0]


async def left_in(tx: Tx, *, pools: Sequence[str], at_most: int = 1_000) -> Mapping[str, int]:
    """Return how many resources of each pool can be had, as far as ``at_most``; pools that there are not are absent."""
    return await left_store.left_in(tx, pools, at_most) if pools else {}


async def fill_pool(tx: Tx, *, pool: str, values: Iterable[str | NewResource]) -> int:
    """Put resources into the pool and return how many are new; those that it has already stay as they are.

    All or nothing, in bounded memory: ``FILL_BATCH`` at a time by COPY. Raises ``NotFound``, ``Invalid``
    (``inventory.resource_value``, ``inventory.resource_attribute``) naming the row, ``Conflict``
    (``inventory.in_other_pool``, ``inventory.imsi_known``).
    """
    target = await pool_named(tx, pool)
    if target.kind in PREFIXES:
        raise Invalid(
            "prefixes are carved out of a range",
            code="inventory.fill_source",
            field="pool",
            value=pool,
            fix=f"farwire pool range {pool} 192.0.2.0/24",
        )
    if target.kind in COUNTED:
        await range_store.lock_numbers(tx, target, alone=False)
    added = 0
    rows = (NewResource(one) if isinstance(one, str) else one for one in values)
    for start, batch in _batches(rows):
        for number, one in enumerate(batch, start):
            _check_row(target, one, number)
        known = await store.known_values(tx, target, [one.value for one in batch])
        elsewhere = next((value for value, where in known.items() if where != target.id), None)
        if elsewhere is not None:
            raise _in_other_pool(elsewhere)
        new = {one.value: one for one in batch if one.value not in known}
        violations = {"resource_value": _in_other_pool(None), "resource_imsi": _imsi_known()}
        with on_violation(violations):
            added += await store.add_resources(tx, target, new.values())
    return added


def _batches(rows: Iterator[NewResource]) -> Iterator[tuple[int, list[NewResource]]]:
    start = 1
    while batch := list(islice(rows, FILL_BATCH)):
        yield start, batch
        start += len(batch)


def _check_row(pool: Pool, new: NewResource, number: int) -> None:
    try:
        check_resource(pool.kind, new)
    except Invalid as error:
        message = f"row {number}: {error.message}"
        raise Invalid(message, code=error.code, field=error.field, value=error.value, fix=error.fix) from None


def _in_other_pool(value: str | None) -> Conflict:
    return Conflict(
        "another pool has it: a resource is in one pool",
        code="inventory.in_other_pool",
        field="value",
        value=value,
        fix="leave it out, or fill the other pool",
    )


def _imsi_known() -> Conflict:
    return Conflict(
        "two SIMs would have one IMSI",
        code="inventory.imsi_known",
        field="attributes",
        fix="leave out the SIM whose IMSI another one has",
    )


async def reserve(
    tx: Tx,
    *,
    pool: str,
    key: str,
    count: int = 1,
    now: datetime,
    until: datetime | None = None,
    length: int | None = None,
    within: ElementId | None = None,
) -> tuple[Resource, ...]:
    """Reserve ``count`` (1 to 1,000) resources of the pool until ``until``, all or none; without it, for a day.

    Which ones the pool's policy says; of a pool of prefixes, blocks of ``length`` bits, otherwise of its usual length;
    ``within``: free ports in that element of the network, at any depth (see ``free_ports``), of a pool without ranges.
    Safe beside any number of others: none is given twice, and nobody is refused while one is left. Idempotent by
    ``key``: the same key returns what it holds, assigned or not, and prolongs the reservation. Unused ones are freed
    by a job after ``until``, so a crash leaks nothing. Raises ``NotFound``, ``Invalid`` (``inventory.reservation``,
    ``inventory.prefix_length``), ``Conflict`` (``inventory.reservation_differs``), ``Exhausted``
    (``inventory.pool_exhausted``).
    """
    found = await pool_named(tx, pool)
    ends = _checked(key, count, now, until)
    size = _size(found, length)
    held = await _held(tx, found, key, count, ends)
    if held is not None:
        if found.kind in PREFIXES and any(one.value != _block(found, one, size) for one in held):
            raise _differs(key)
        return held
    if within is not None:
        taken = await _take_within(tx, found, key, count, ends, within)
    elif ranges.is_ordered(found):
        taken = await ranges.take(tx, found, key, count, ends, size)
    else:
        taken = await _take_listed(tx, found, key, count, ends)
    if len(taken) < count:
        await reservations.release(tx, key)
        await reservations.close_reservation(tx, key)
        raise Exhausted(
            f"the pool {pool} has not {count} left",
            code="inventory.pool_exhausted",
            field="pool",
            value=pool,
            fix=f"farwire pool {'range' if found.has_ranges else 'fill'} {pool}",
        )
    return tuple(taken)


def _size(pool: Pool, length: int | None) -> int:
    if pool.kind not in PREFIXES and length is None:
        return 1
    return block_size(pool.kind, pool.prefix_length if length is None else length)


def _block(pool: Pool, one: Resource, size: int) -> str:
    """Return what the prefix would be if it had ``size`` addresses."""
    first = number_of(pool.kind, one.value)
    return value_of(pool.kind, Span(first, first + size - 1))


async def _take_listed(
    tx: Tx, pool: Pool, key: str, count: int, ends: datetime, among: Sequence[ResourceId] | None = None
) -> list[Resource]:
    if count > 1:
        await reservations.lock_pool(tx, pool)
    taken = await reservations.take(tx, pool, key, count, ends, wait=False, among=among)
    # The last ones may be in the hands of a transaction that will fail: only its end tells.
    return taken or await reservations.take(tx, pool, key, count, ends, wait=True, among=among)


async def _take_within(
    tx: Tx, pool: Pool, key: str, count: int, ends: datetime, within: ElementId
) -> list[Resource]:
    if pool.kind in COUNTED:
        raise Invalid(
            f"{pool.kind} is no port: it stands nowhere",
            code="inventory.reservation",
            field="within",
            value=within,
            fix="a pool of ports or devices",
        )
    # As many again as may be taken at once: those that others are just taking are passed by.
    free = await ports.free_within(tx, within, pool, 2 * MAX_COUNT)
    return await _take_listed(tx, pool, key, count, ends, free)


async def reserve_each(
    tx: Tx, *, pool: str, keys: Sequence[str], now: datetime, until: datetime | None = None
) -> Mapping[str, tuple[Resource, ...]]:
    """Reserve one resource of the pool for each of the ``keys``, all or none, as ``reserve`` does; return it by key.

    Three statements for any number where all keys are new and there is enough; otherwise key by key. Raises what
    ``reserve`` raises.
    """
    wanted = sorted(set(keys))
    found = await pool_named(tx, pool)
    ends = max(_checked(key, 1, now, until) for key in wanted)
    new = await reservations.open_reservations(tx, wanted, found)
    alike = found.policy is PoolPolicy.LOWEST and found.kind not in PREFIXES and len(new) == len(wanted)
    taken = await reservations.take_each(tx, found, wanted, ends) if alike else []
    if alike and found.has_ranges and not taken:
        await ranges.make_spare(tx, found, len(wanted))
        taken = await reservations.take_each(tx, found, wanted, ends)
    if taken:
        return {str(one.key): (one,) for one in taken}
    # Some keys are known, or others have the last ones in hand, or there are too few: each for itself tells.
    await reservations.close_empty_reservations(tx, new)
    each: dict[str, tuple[Resource, ...]] = {}
    try:
        for key in wanted:
            each[key] = await reserve(tx, pool=pool, key=key, now=now, until=until)
    except Exhausted:
        for key in set(new) & set(each):
            await release(tx, key=key)
        raise
    return each


async def reserve_chosen(
    tx: Tx, *, pool: str, key: str, values: Sequence[str], now: datetime, until: datetime | None = None
) -> tuple[Resource, ...]:
    """Reserve these very resources, e.g. a number that the customer picked; all or none, otherwise like ``reserve``.

    Raises what ``reserve`` raises but ``Exhausted``, and ``Conflict`` (``inventory.taken``).
    """
    found = await pool_named(tx, pool)
    wanted = list(dict.fromkeys(values))
    ends = _checked(key, len(wanted), now, until)
    held = await _held(tx, found, key, len(wanted), ends)
    if held is not None:
        if {one.value for one in held} == set(wanted):
            return held
        raise _differs(key)
    taken = await reservations.take_chosen(tx, found, key, wanted, ends)
    if len(taken) < len(wanted) and found.has_ranges:
        there = {one.value for one in taken}
        taken += await ranges.take_chosen(tx, found, key, [one for one in wanted if one not in there], ends)
    if len(taken) < len(wanted):
        await reservations.release(tx, key)
        await reservations.close_reservation(tx, key)
        missing = next(value for value in wanted if value not in {one.value for one in taken})
        raise Conflict(
            "it is not to be had: taken, resting, or not in this pool",
            code="inventory.taken",
            field="value",
            value=missing,
            fix=f"farwire pool free {pool}",
        )
    return tuple(taken)


def _checked(key: str, count: int, now: datetime, until: datetime | None) -> datetime:
    ends = now + RESERVED_FOR if until is None else until
    fits = 1 <= len(key) <= MAX_KEY_CHARACTERS and key.isprintable() and 1 <= count <= MAX_COUNT
    if not fits or ends <= now:
        raise Invalid(
            f"a reservation has a key of 1 to {MAX_KEY_CHARACTERS} characters, holds 1 to {MAX_COUNT} resources, "
            "and ends in the future",
            code="inventory.reservation",
            field="key",
            value=key,
        )
    return ends


async def _held(tx: Tx, pool: Pool, key: str, count: int, until: datetime) -> tuple[Resource, ...] | None:
    """Return what the key holds already, None where the reservation is new (and now written down)."""
    new, same = await reservations.open_reservation(tx, key, pool, count)
    if new:
        return None
    if not same:
        raise _differs(key)
    await reservations.prolong(tx, key, until)
    return tuple(await reservations.held_by(tx, key))


def _differs(key: str) -> Conflict:
    return Conflict(
        "the key stands for another reservation",
        code="inventory.reservation_differs",
        field="key",
        value=key,
        fix="use a new key for another reservation",
    )


async def reserved(tx: Tx, *, key: str) -> tuple[Resource, ...]:
    """Return what is reserved or assigned under the key; nothing where there is none."""
    return tuple(await reservations.held_by(tx, key))


async def release(tx: Tx, *, key: str) -> int:
    """Free what is reserved under the key; return how many. What is assigned stays. Idempotent."""
    freed = await reservations.release(tx, key)
    await reservations.close_empty_reservations(tx, [key])
    return freed


async def free_due(*, db: Database, tenant_id: TenantId, now: datetime) -> int:
    """Free what nobody has used in time, and what has rested enough; return how many. ``FREE_BATCH`` at a time."""
    total = 0
    while True:
        async with db.transaction(tenant_id) as tx:
            keys, count = await reservations.free_due(tx, now, FREE_BATCH)
            await reservations.close_empty_reservations(tx, keys)
        total += count
        if count < FREE_BATCH:
            return total
