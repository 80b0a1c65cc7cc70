"""SQL of usage that online charging has charged."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from farwire.base.storage import Tx
from farwire.kernel.ids import ProductId, UsageId
from farwire.rating.model import UsageKind
from farwire.usage.model.charged import ChargedUsage

_FIELDS: Final = (
    "usage_id", "kind", "started_at", "ended_at", "quantity", "subscriber", "product_id", "rating_group", "price",
    "charge_nano", "currency",
)  # fmt: skip


async def add(tx: Tx, usages: Sequence[ChargedUsage], at: datetime) -> int:
    """Insert the usages that are not there yet; return how many."""
    return await tx.copy_records(
        "usage.charged",
        columns=("tenant_id", *_FIELDS, "recorded_at"),
        records=(
            (
                *(tx.tenant_id, one.usage_id, one.kind.value, one.started_at, one.ended_at, one.quantity),
                *(one.subscriber, one.product_id, one.rating_group, one.price, one.charge_nano),
                *(one.currency, at),
            )
            for one in usages
        ),
        skip_duplicates=True,
    )


async def totals_of(tx: Tx, subscribers: Sequence[int]) -> dict[int, int]:
    """Return the sum of each of these subscribers, in nano-units; one that used nothing is absent."""
    rows = await tx.fetch(
        "SELECT subscriber, sum(charge_nano)::numeric AS nano FROM usage.charged WHERE tenant_id = $1 "
        "AND subscriber = ANY($2::bigint[]) GROUP BY subscriber",
        *(tx.tenant_id, list(subscribers)),
    )
    return {row["subscriber"]: int(row["nano"]) for row in rows}


async def page(tx: Tx, subscriber: int, *, offset: int, limit: int) -> tuple[tuple[ChargedUsage, ...], int]:
    """Return a page of a subscriber's usage, the newest first, and how much there is."""
    total: int = await tx.fetchval(
        "SELECT count(*) FROM usage.charged WHERE tenant_id = $1 AND subscriber = $2",
        tx.tenant_id,
        subscriber,
    )
    rows = await tx.fetch(
        f"SELECT {', '.join(_FIELDS)} FROM usage.charged WHERE tenant_id = $1 AND subscriber = $2 "
        "ORDER BY started_at DESC, usage_id OFFSET $3 LIMIT $4",
        *(tx.tenant_id, subscriber, offset, limit),
    )
    found = []
    for row in rows:
        fields = dict(row)
        product = fields["product_id"]
        fields |= {
            "usage_id": UsageId(fields["usage_id"]),
            "kind": UsageKind(fields["kind"]),
            "product_id": None if product is None else ProductId(product),
        }
        found.append(ChargedUsage(**fields))
    return tuple(found), total


async def any_ended(tx: Tx, subscriber: int, rating_group: int, since: datetime, until: datetime) -> bool:
    """Tell whether a usage of an account in a rating group ended in a time."""
    found = await tx.fetchval(
        "SELECT EXISTS (SELECT FROM usage.charged WHERE tenant_id = $1 AND subscriber = $2 AND rating_group = $3 "
        "AND ended_at >= $4 AND ended_at < $5)",
        *(tx.tenant_id, subscriber, rating_group, since, until),
    )
    return bool(found)


async def starts_at(tx: Tx, subscriber: int, rating_group: int, at: datetime) -> frozenset[datetime]:
    """Return when the usages of an account in a rating group began that cover a moment."""
    rows = await tx.fetch(
        "SELECT started_at FROM usage.charged WHERE tenant_id = $1 AND subscriber = $2 AND rating_group = $3 "
        "AND started_at <= $4 AND ended_at > $4",
        *(tx.tenant_id, subscriber, rating_group, at),
    )
    return frozenset(row["started_at"] for row in rows)
