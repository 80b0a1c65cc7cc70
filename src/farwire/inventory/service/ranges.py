"""Pools that have ranges: add one, keep parts of it back, and take what the pool's policy gives next."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from farwire.base import eventbus
from farwire.base.storage import Database, Tx
from farwire.inventory import events
from farwire.inventory.model import (
    COUNTED,
    PREFIXES,
    NewResource,
    Pool,
    PoolPolicy,
    Resource,
    Span,
    Withheld,
    aligned_in,
    block_size,
    check_resource,
    number_of,
    shown,
    span_of,
    withheld_of,
)
from farwire.inventory.store import ranges as store
from farwire.inventory.store import reservations
from farwire.inventory.store import resources as resource_store
from farwire.kernel.errors import Conflict, Invalid, NotFound
from farwire.kernel.ids import TenantId

SPARE: Final = 31
"""How many more become resources when a single one is taken from a range: whoever comes next takes one of them and
waits for nobody. They are the next ones anyway."""
MAX_REASON: Final = 100
_PAGE: Final = 100


@dataclass(frozen=True, slots=True)
class PoolRanges:
    """What a pool spans, and what of it is given to nobody."""

    pool: Pool
    ranges: tuple[Span, ...]
    withheld: tuple[Withheld, ...]


async def add_range(tx: Tx, *, pool: Pool, text: str, gateway: str = "") -> PoolRanges:
    """Let the pool have all values of a range; the same range again changes nothing.

    What of a prefix is no address of anybody (network, broadcast) and the gateway are withheld. Costs the same for
    ten as for ten million. Raises ``Invalid`` (``inventory.range``, ``inventory.gateway``), ``Conflict``
    (``inventory.pool_overlap``: the range, or a value of it, is in a pool of the same kind and scope, which is named).
    """
    span = span_of(pool.kind, text)
    kept = list(withheld_of(pool.kind, text))
    if gateway:
        kept.append(_gateway(pool, span, gateway, kept))
    await store.lock_numbers(tx, pool, alone=True)
    over = await store.range_over(tx, pool, span)
    if over == (pool.name, span):
        return await pool_ranges(tx, pool=pool)
    if over is not None:
        raise _overlap(pool, span, f"the range {shown(pool.kind, over[1])}", over[0])
    single = await store.resource_over(tx, pool, span)
    if single is not None:
        raise _overlap(pool, span, single[1], single[0])
    await store.add_range(tx, pool, span)
    for one in kept:
        await _keep(tx, pool, one)
    return await pool_ranges(tx, pool=pool)


def _gateway(pool: Pool, span: Span, text: str, kept: Sequence[Withheld]) -> Withheld:
    """Return the withholding of a gateway's address."""
    if pool.kind not in PREFIXES:
        own = span_of(pool.kind, text)
        inside = span.first <= own.first <= span.last and all(own != one.span for one in kept)
        if own.size == 1 and inside:
            return Withheld(own, "gateway")
    raise Invalid(
        "a gateway is one of the addresses of the range",
        code="inventory.gateway",
        field="gateway",
        value=text,
        fix=f"an address in {shown(pool.kind, span)}",
    )


def _overlap(pool: Pool, span: Span, what: str, other: str) -> Conflict:
    in_scope = f" of the scope {pool.scope}" if pool.scope else ""
    return Conflict(
        f"{shown(pool.kind, span)} for the pool {pool.name} overlaps with {what} of the pool {other}{in_scope}",
        code="inventory.pool_overlap",
        field="range",
        value=shown(pool.kind, span),
        fix="choose another range, or a pool of another scope where the values may repeat",
    )


async def pool_ranges(tx: Tx, *, pool: Pool) -> PoolRanges:
    """Return what the pool spans and what of it is withheld, in order."""
    ranges, withheld = await store.ranges_of(tx, pool), await store.withheld_of_pool(tx, pool)
    return PoolRanges(pool, tuple(ranges), tuple(withheld))


async def withhold(tx: Tx, *, pool: Pool, text: str, reason: str) -> Withheld:
    """Give a part of the pool's ranges to nobody; the same again changes nothing.

    Raises ``Invalid`` (``inventory.range``, ``inventory.withheld``), ``Conflict`` (``inventory.not_free``).
    """
    one = Withheld(span_of(pool.kind, text), reason)
    if not 1 <= len(reason) <= MAX_REASON or not reason.isprintable():
        raise Invalid(
            f"a reason has 1 to {MAX_REASON} characters",
            code="inventory.withheld",
            field="reason",
            value=reason,
        )
    await reservations.lock_pool(tx, pool)
    if one not in await store.withheld_of_pool(tx, pool):
        await _keep(tx, pool, one)
    return one


async def _keep(tx: Tx, pool: Pool, one: Withheld) -> None:
    if not await store.take_out(tx, pool, one.span):
        raise Conflict(
            "not all of it is free in the ranges of this pool: it is withheld, or somebody has or had it",
            code="inventory.not_free",
            field="range",
            value=shown(pool.kind, one.span),
            fix="withhold what is free; retire a resource that came back",
        )
    await store.add_withheld(tx, pool, one)


async def offer(tx: Tx, *, pool: Pool, text: str) -> None:
    """Let what was withheld be had again.

    Raises ``Invalid`` (``inventory.range``), ``NotFound`` (``inventory.withheld``).
    """
    span = span_of(pool.kind, text)
    await reservations.lock_pool(tx, pool)
    if not await store.end_withheld(tx, pool, span):
        raise NotFound(
            "the pool withholds nothing like that",
            code="inventory.withheld",
            field="range",
            value=shown(pool.kind, span),
            fix=f"farwire pool ranges {pool.name}",
        )
    await store.give_back(tx, pool, span)


def check_terms(pool: Pool) -> None:
    """Raise ``Invalid`` (``inventory.pool_policy``, ``inventory.prefix_length``) for terms that do not fit the kind."""
    orders = pool.kind in COUNTED and pool.kind not in PREFIXES
    if pool.policy is not PoolPolicy.LOWEST and not orders:
        raise Invalid(
            f"{pool.kind} has no number to go on from",
            code="inventory.pool_policy",
            field="policy",
            value=pool.policy.value,
            fix="lowest",
        )
    if pool.prefix_length or pool.kind in PREFIXES:
        block_size(pool.kind, pool.prefix_length)


def is_ordered(pool: Pool) -> bool:
    """Return whether what is taken next depends on more than the pool's available resources."""
    return pool.has_ranges or pool.policy is not PoolPolicy.LOWEST


async def take(tx: Tx, pool: Pool, key: str, count: int, until: datetime, size: int) -> list[Resource]:
    """Reserve what the policy gives next: ``count`` of them, or fewer where there are no more; the caller then lets go.

    ``size`` is that of a prefix. The lowest one is taken without waiting for anybody where it came back or is spare;
    otherwise who takes from the pool at the same time waits for the end of the transaction.
    """
    if pool.kind not in PREFIXES and pool.policy is PoolPolicy.LOWEST and count == 1:
        taken = await store.take_from(tx, pool, key, 1, until, start=0, wait=False)
        if taken:
            return taken
    await reservations.lock_pool(tx, pool)
    if pool.kind in PREFIXES:
        return await _take_blocks(tx, pool, key, count, until, size)
    taken = await _take_numbers(tx, pool, key, count, until)
    if len(taken) < count:
        # The last ones may be in the hands of a transaction that will fail: only its end tells.
        taken += await store.take_from(tx, pool, key, count - len(taken), until, start=0, wait=True)
    return taken


async def _take_blocks(
    tx: Tx, pool: Pool, key: str, count: int, until: datetime, size: int
) -> list[Resource]:
    blocks = list[Span]()
    while len(blocks) < count:
        free = await store.next_wide(tx, pool, size)
        block = None if free is None else aligned_in(free, size)
        if block is None:
            break
        await store.take_out(tx, pool, block)
        blocks.append(block)
    return await store.add_given(tx, pool, blocks, key, until)


async def _take_numbers(tx: Tx, pool: Pool, key: str, count: int, until: datetime) -> list[Resource]:
    """Take from the policy's start on, and from the lowest when there is nothing above; the pool is locked."""
    taken = list[Resource]()
    around = await store.bounds(tx, pool) if pool.policy is PoolPolicy.RANDOM else []
    start = 1 + await store.last_given(tx, pool) if pool.policy is PoolPolicy.SEQUENTIAL else 0
    while len(taken) < count:
        if pool.policy is PoolPolicy.RANDOM:
            start = _somewhere(around)
        wanted = 1 if pool.policy is PoolPolicy.RANDOM else count - len(taken)
        found = await _take_run(tx, pool, key, wanted, until, start)
        if not found and start:
            found = await _take_run(tx, pool, key, wanted, until, 0)
        if not found:
            break
        taken += found
        if pool.policy is PoolPolicy.SEQUENTIAL:
            start = 1 + number_of(pool.kind, found[-1].value)
    if len(taken) == count and pool.policy is PoolPolicy.SEQUENTIAL:
        await store.set_last_given(tx, pool, start - 1)
    return taken


def _somewhere(around: Sequence[Span]) -> int:
    """Return a number of these spans, each as likely as any other."""
    point = secrets.randbelow(max(1, sum(one.size for one in around)))
    for one in around:
        if point < one.size:
            return one.first + point
        point -= one.size
    return 0


async def _take_run(tx: Tx, pool: Pool, key: str, count: int, until: datetime, start: int) -> list[Resource]:
    """Take up to ``count`` from ``start`` on: resources below the next free range if there are, else of that range."""
    found = await store.take_from(tx, pool, key, count, until, start=start, wait=False)
    if found:
        return found
    free = await store.next_free(tx, pool, start)
    if free is None:
        return []
    last = min(free.last, free.first + count - 1)
    spare = min(free.last - last, SPARE) if count == 1 and pool.policy is PoolPolicy.LOWEST else 0
    await store.take_out(tx, pool, Span(free.first, last + spare))
    if spare:
        await store.add_free(tx, pool, [Span(n, n) for n in range(last + 1, last + spare + 1)])
    return await store.add_given(tx, pool, [Span(n, n) for n in range(free.first, last + 1)], key, until)


async def make_spare(tx: Tx, pool: Pool, count: int) -> None:
    """Make resources of the lowest numbers of the ranges, for ``count`` who take one each; the pool is then locked."""
    await reservations.lock_pool(tx, pool)
    while count:
        free = await store.next_free(tx, pool, 0)
        if free is None:
            return
        last = min(free.last, free.first + count - 1)
        await store.take_out(tx, pool, Span(free.first, last))
        await store.add_free(tx, pool, [Span(n, n) for n in range(free.first, last + 1)])
        count -= last - free.first + 1


async def take_chosen(tx: Tx, pool: Pool, key: str, values: Sequence[str], until: datetime) -> list[Resource]:
    """Reserve those of the values that are free in the pool's ranges; the others may be resources already."""
    await reservations.lock_pool(tx, pool)
    spans = list[Span]()
    for value in values:
        try:
            check_resource(pool.kind, NewResource(value))
        except Invalid:
            continue
        span = span_of(pool.kind, value)
        if await store.take_out(tx, pool, span):
            spans.append(span)
    return await store.add_given(tx, pool, spans, key, until)


async def warn_of_use(*, db: Database, tenant_id: TenantId, now: datetime) -> int:
    """Tell of each pool of which so much is in use as its ``warn_percent`` says; return of how many.

    Once, and again when it was less between. Publishes ``pool_used``. Counts all pools through.
    """
    told, offset = 0, 0
    while True:
        async with db.transaction(tenant_id) as tx:
            page, _ = await resource_store.pools(tx, _PAGE, offset)
            for one in page:
                high = one.used_percent >= one.pool.warn_percent and bool(one.total)
                if await store.set_warned(tx, one.pool, now if high else None) and high:
                    await eventbus.publish(tx, events.pool_used(tenant_id, one, now))
                    told += 1
        offset += _PAGE
        if len(page) < _PAGE:
            return told
