"""SQL of pools that have ranges: what they span, what is kept back, what is free, and how it becomes a resource."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final

from farwire.base.storage import Tx
from farwire.inventory.model import PREFIXES, Pool, Resource, Span, Withheld, value_of, without
from farwire.inventory.store.reservations import TAKEN, in_order
from farwire.inventory.store.resources import resource_of
from farwire.kernel.ids import ResourceId, uuid7

if TYPE_CHECKING:
    from asyncpg import Record

_TAKE_FROM: Final = (
    "WITH found AS MATERIALIZED (SELECT resource_id FROM inventory.resource WHERE tenant_id = $1 AND pool_id = $2 "
    "AND state = 'available' AND number >= $5 AND number < coalesce((SELECT greatest(first_number, $5) "
    "FROM inventory.pool_free WHERE tenant_id = $1 AND pool_id = $2 AND last_number >= $5 "
    "ORDER BY last_number LIMIT 1), 'Infinity') ORDER BY number, value LIMIT $6 FOR NO KEY UPDATE {wait}) "
    "UPDATE inventory.resource r SET state = 'reserved', reservation_key = $3, until = $4 FROM found "
    f"WHERE r.tenant_id = $1 AND r.resource_id = found.resource_id {TAKEN}"
)
_SKIPPING: Final = _TAKE_FROM.format(wait="SKIP LOCKED")
_WAITING: Final = _TAKE_FROM.format(wait="")


def _span(row: Record) -> Span:
    return Span(int(row["first_number"]), int(row["last_number"]))


async def lock_numbers(tx: Tx, pool: Pool, *, alone: bool) -> None:
    """Keep others from adding a range of the kind and scope; ``alone``: also from adding single values."""
    what = f"inventory.range {tx.tenant_id} {pool.kind} {pool.scope}"
    if alone:
        await tx.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 7004))", what)
    else:
        await tx.execute("SELECT pg_advisory_xact_lock_shared(hashtextextended($1, 7004))", what)


async def range_over(tx: Tx, pool: Pool, span: Span) -> tuple[str, Span] | None:
    """Return a range of the pool's kind and scope that has a number of ``span``, with the name of its pool."""
    row = await tx.fetchrow(
        "SELECT r.first_number, r.last_number, p.name FROM inventory.pool_range r "
        "JOIN inventory.pool p ON p.tenant_id = r.tenant_id AND p.pool_id = r.pool_id "
        "WHERE r.tenant_id = $1 AND r.kind = $2 AND r.scope = $3 AND r.last_number >= $4 "
        "ORDER BY r.last_number LIMIT 1",
        *(tx.tenant_id, pool.kind, pool.scope, span.first),
    )
    if row is None or row["first_number"] > span.last:
        return None
    return row["name"], _span(row)


async def resource_over(tx: Tx, pool: Pool, span: Span) -> tuple[str, str] | None:
    """Return a resource of the pool's kind and scope whose number is in ``span``: its pool's name and its value."""
    row = await tx.fetchrow(
        "SELECT p.name, r.value FROM inventory.resource r "
        "JOIN inventory.pool p ON p.tenant_id = r.tenant_id AND p.pool_id = r.pool_id WHERE r.tenant_id = $1 "
        "AND r.kind = $2 AND r.scope = $3 AND r.number BETWEEN $4 AND $5 ORDER BY r.number LIMIT 1",
        *(tx.tenant_id, pool.kind, pool.scope, span.first, span.last),
    )
    return None if row is None else (row["name"], row["value"])


async def add_range(tx: Tx, pool: Pool, span: Span) -> None:
    """Let the pool span these numbers too; they are free."""
    await tx.execute(
        "INSERT INTO inventory.pool_range (tenant_id, kind, scope, last_number, first_number, pool_id) "
        "VALUES ($1, $2, $3, $4, $5, $6)",
        *(tx.tenant_id, pool.kind, pool.scope, span.last, span.first, pool.id),
    )
    await tx.execute(
        "UPDATE inventory.pool SET has_ranges = true WHERE tenant_id = $1 AND pool_id = $2",
        tx.tenant_id,
        pool.id,
    )
    await give_back(tx, pool, span)


async def give_back(tx: Tx, pool: Pool, span: Span) -> None:
    """Let the numbers be free, as one range with those beside them."""
    await tx.execute(
        "SELECT inventory.free_span($1, $2, $3, $4)", tx.tenant_id, pool.id, span.first, span.last
    )


async def take_out(tx: Tx, pool: Pool, part: Span) -> bool:
    """Let the numbers be free no more; return whether all of them were. The pool is locked."""
    row = await tx.fetchrow(
        "SELECT first_number, last_number FROM inventory.pool_free WHERE tenant_id = $1 AND pool_id = $2 "
        "AND last_number >= $3 ORDER BY last_number LIMIT 1",
        *(tx.tenant_id, pool.id, part.last),
    )
    if row is None or row["first_number"] > part.first:
        return False
    rest = without(_span(row), part)
    # The front of a range is changed where it stands: no index knows it, so that a million of them leave nothing.
    if rest and rest[-1].first > part.last:
        await tx.execute(
            "UPDATE inventory.pool_free SET first_number = $4 "
            "WHERE tenant_id = $1 AND pool_id = $2 AND last_number = $3",
            *(tx.tenant_id, pool.id, row["last_number"], part.last + 1),
        )
    else:
        await tx.execute(
            "DELETE FROM inventory.pool_free WHERE tenant_id = $1 AND pool_id = $2 AND last_number = $3",
            *(tx.tenant_id, pool.id, row["last_number"]),
        )
    if rest and rest[0].last < part.first:
        await tx.execute(
            "INSERT INTO inventory.pool_free (tenant_id, pool_id, first_number, last_number) VALUES ($1, $2, $3, $4)",
            *(tx.tenant_id, pool.id, rest[0].first, rest[0].last),
        )
    return True


async def next_free(tx: Tx, pool: Pool, start: int) -> Span | None:
    """Return the first free numbers of the ranges from ``start`` on, as far as they follow each other."""
    row = await tx.fetchrow(
        "SELECT greatest(first_number, $3) AS first_number, last_number FROM inventory.pool_free "
        "WHERE tenant_id = $1 AND pool_id = $2 AND last_number >= $3 ORDER BY last_number LIMIT 1",
        *(tx.tenant_id, pool.id, start),
    )
    return None if row is None else _span(row)


async def next_wide(tx: Tx, pool: Pool, size: int) -> Span | None:
    """Return the first free range that has an aligned block of ``size``, a power of two, in one step per width."""
    row = await tx.fetchrow(
        "SELECT f.first_number, f.last_number FROM generate_series($3::int, 128) AS w (width) CROSS JOIN LATERAL ("
        "SELECT first_number, last_number FROM inventory.pool_free WHERE tenant_id = $1 AND pool_id = $2 "
        "AND widest = w.width ORDER BY last_number LIMIT 1) AS f ORDER BY f.last_number LIMIT 1",
        *(tx.tenant_id, pool.id, size.bit_length() - 1),
    )
    return None if row is None else _span(row)


async def take_from(
    tx: Tx, pool: Pool, key: str, count: int, until: datetime, *, start: int, wait: bool
) -> list[Resource]:
    """Reserve up to ``count`` available resources from ``start`` on that come before any number free in a range."""
    statement = _WAITING if wait else _SKIPPING
    rows = await tx.fetch(statement, tx.tenant_id, pool.id, key, until, start, count)
    return in_order(resource_of(row, pool.name) for row in rows)


async def add_given(tx: Tx, pool: Pool, spans: Sequence[Span], key: str, until: datetime) -> list[Resource]:
    """Make resources of what was taken out of the ranges, reserved under the key.

    A prefix that was given before is the same resource again.
    """
    rows = await tx.fetch(
        "INSERT INTO inventory.resource AS r (tenant_id, resource_id, pool_id, kind, scope, number, last_number, "
        "value, attributes, state, reservation_key, until) "
        "SELECT $1, n.id, $2, $3, $4, n.first, n.last, n.value, '{}', 'reserved', $5, $6 "
        "FROM unnest($7::uuid[], $8::numeric[], $9::numeric[], $10::text[]) AS n (id, first, last, value) "
        "ON CONFLICT (tenant_id, kind, scope, number, value) DO UPDATE "
        f"SET state = 'reserved', reservation_key = $5, until = $6 WHERE r.last_number IS NOT NULL {TAKEN}",
        *(tx.tenant_id, pool.id, pool.kind, pool.scope, key, until, *_columns(pool, spans)),
    )
    return in_order(resource_of(row, pool.name) for row in rows)


async def add_free(tx: Tx, pool: Pool, spans: Sequence[Span]) -> None:
    """Make available resources of what was taken out of the ranges."""
    await tx.execute(
        "INSERT INTO inventory.resource (tenant_id, resource_id, pool_id, kind, scope, number, last_number, value, "
        "attributes, state) SELECT $1, n.id, $2, $3, $4, n.first, n.last, n.value, '{}', 'available' "
        "FROM unnest($5::uuid[], $6::numeric[], $7::numeric[], $8::text[]) AS n (id, first, last, value)",
        *(tx.tenant_id, pool.id, pool.kind, pool.scope, *_columns(pool, spans)),
    )


def _columns(
    pool: Pool, spans: Sequence[Span]
) -> tuple[list[ResourceId], list[int], list[int | None], list[str]]:
    return (
        [ResourceId(uuid7(pool.created_at)) for _ in spans],
        [one.first for one in spans],
        [one.last if pool.kind in PREFIXES else None for one in spans],
        [value_of(pool.kind, one) for one in spans],
    )


async def last_given(tx: Tx, pool: Pool) -> int:
    """Return the number that the sequential policy gave last, -1 where there is none."""
    found = await tx.fetchval(
        "SELECT last_given FROM inventory.pool WHERE tenant_id = $1 AND pool_id = $2", tx.tenant_id, pool.id
    )
    return -1 if found is None else int(found)


async def set_last_given(tx: Tx, pool: Pool, number: int) -> None:
    """Write down where the sequential policy goes on."""
    await tx.execute(
        "UPDATE inventory.pool SET last_given = $3 WHERE tenant_id = $1 AND pool_id = $2",
        *(tx.tenant_id, pool.id, number),
    )


async def bounds(tx: Tx, pool: Pool) -> list[Span]:
    """Return what the pool's numbers lie in: its ranges, and from the lowest to the highest available one."""
    ranges = await ranges_of(tx, pool)
    ends = [
        await tx.fetchval(
            "SELECT number FROM inventory.resource WHERE tenant_id = $1 AND pool_id = $2 AND state = 'available' "
            f"ORDER BY number {order}, value {order} LIMIT 1",
            *(tx.tenant_id, pool.id),
        )
        for order in ("ASC", "DESC")
    ]
    return ranges if ranges or ends[0] is None else [Span(int(ends[0]), int(ends[1]))]


async def ranges_of(tx: Tx, pool: Pool) -> list[Span]:
    """Return what the pool spans."""
    rows = await tx.fetch(
        "SELECT first_number, last_number FROM inventory.pool_range WHERE tenant_id = $1 AND pool_id = $2 "
        "ORDER BY last_number",
        *(tx.tenant_id, pool.id),
    )
    return [_span(row) for row in rows]


async def withheld_of_pool(tx: Tx, pool: Pool) -> list[Withheld]:
    """Return what of the pool's ranges is given to nobody."""
    rows = await tx.fetch(
        "SELECT first_number, last_number, reason FROM inventory.pool_withheld "
        "WHERE tenant_id = $1 AND pool_id = $2 ORDER BY last_number",
        *(tx.tenant_id, pool.id),
    )
    return [Withheld(_span(row), row["reason"]) for row in rows]


async def add_withheld(tx: Tx, pool: Pool, withheld: Withheld) -> None:
    """Write down that a part of the ranges, which was taken out, is given to nobody."""
    await tx.execute(
        "INSERT INTO inventory.pool_withheld (tenant_id, pool_id, last_number, first_number, reason) "
        "VALUES ($1, $2, $3, $4, $5)",
        *(tx.tenant_id, pool.id, withheld.span.last, withheld.span.first, withheld.reason),
    )


async def end_withheld(tx: Tx, pool: Pool, span: Span) -> bool:
    """Delete that the part is withheld; return whether it was."""
    done = await tx.fetchval(
        "DELETE FROM inventory.pool_withheld WHERE tenant_id = $1 AND pool_id = $2 AND last_number = $3 "
        "AND first_number = $4 RETURNING 1",
        *(tx.tenant_id, pool.id, span.last, span.first),
    )
    return done is not None


async def set_warned(tx: Tx, pool: Pool, at: datetime | None) -> bool:
    """Write down since when much of the pool is in use, or that it is no more; return whether that is new."""
    done = await tx.fetchval(
        "UPDATE inventory.pool SET warned_at = $3 WHERE tenant_id = $1 AND pool_id = $2 "
        "AND (warned_at IS NULL) <> ($3::timestamptz IS NULL) RETURNING 1",
        *(tx.tenant_id, pool.id, at),
    )
    return done is not None
