"""SQL of decks, counters and ported numbers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from farwire.base.storage import Tx
from farwire.kernel.ids import DeckId, ProductId
from farwire.rating.model import CounterKey, CounterRow, DeckRow, PortedNumber

if TYPE_CHECKING:
    from asyncpg import Record

_DECK = "deck_id, name, version, currency, valid_from, digest, row_count, imported_at"
_ROW = "prefix, label, price_nano, per, connect_nano, first_units, step_units, included, valid_from, valid_to"


@dataclass(frozen=True, slots=True)
class DeckRecord:
    """A deck version as it is stored, without its rows."""

    id: DeckId
    name: str
    version: int
    currency: str
    valid_from: datetime
    digest: str
    row_count: int
    imported_at: datetime


def _deck_from_row(row: Record) -> DeckRecord:
    return DeckRecord(
        DeckId(row["deck_id"]),
        row["name"],
        row["version"],
        row["currency"],
        row["valid_from"],
        row["digest"],
        row["row_count"],
        row["imported_at"],
    )


async def lock_deck(tx: Tx, name: str) -> None:
    """Let one transaction at a time add a version of the deck ``name``."""
    await tx.execute(
        "SELECT pg_advisory_xact_lock(hashtextextended($1, 7001))", f"rating.deck {tx.tenant_id} {name}"
    )


async def add_deck(tx: Tx, deck: DeckRecord, rows: Iterable[DeckRow]) -> None:
    """Insert a deck version with its rows, streamed."""
    await tx.execute(
        f"INSERT INTO rating.deck (tenant_id, {_DECK}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        tx.tenant_id,
        deck.id,
        deck.name,
        deck.version,
        deck.currency,
        deck.valid_from,
        deck.digest,
        deck.row_count,
        deck.imported_at,
    )
    await tx.copy_records(
        "rating.deck_row",
        columns=["tenant_id", "deck_id", *_ROW.split(", ")],
        records=_records(tx, deck, rows),
    )


def _records(tx: Tx, deck: DeckRecord, rows: Iterable[DeckRow]) -> Iterator[tuple[object, ...]]:
    for row in rows:
        yield (
            tx.tenant_id,
            deck.id,
            row.prefix,
            row.label,
            row.price_nano,
            row.per,
            row.connect_nano,
            row.first,
            row.step,
            row.included,
            row.valid_from or deck.valid_from,
            row.valid_to,
        )


async def decks(tx: Tx, names: Sequence[str]) -> list[DeckRecord]:
    """Return every version of the decks ``names``."""
    rows = await tx.fetch(
        f"SELECT {_DECK} FROM rating.deck WHERE tenant_id = $1 AND name = ANY($2::text[]) ORDER BY name, version",
        tx.tenant_id,
        list(names),
    )
    return [_deck_from_row(row) for row in rows]


async def list_decks(tx: Tx, *, offset: int, limit: int) -> tuple[tuple[DeckRecord, ...], int]:
    """Return one page of deck versions by name, the newest first, and how many there are."""
    total: int = await tx.fetchval("SELECT count(*) FROM rating.deck WHERE tenant_id = $1", tx.tenant_id)
    rows = await tx.fetch(
        f"SELECT {_DECK} FROM rating.deck WHERE tenant_id = $1 ORDER BY name, version DESC OFFSET $2 LIMIT $3",
        tx.tenant_id,
        offset,
        limit,
    )
    return tuple(_deck_from_row(row) for row in rows), total


async def deck_rows(tx: Tx, deck: DeckRecord) -> list[DeckRow]:
    """Return all rows of a deck version."""
    rows = await tx.fetch(
        f"SELECT {_ROW} FROM rating.deck_row WHERE tenant_id = $1 AND deck_id = $2", tx.tenant_id, deck.id
    )
    return [_row_from_row(row, deck) for row in rows]


def _row_from_row(row: Record, deck: DeckRecord) -> DeckRow:
    prefix, label, price_nano, per, connect_nano, first, step, included, valid_from, valid_to = row
    start = None if valid_from == deck.valid_from else valid_from
    return DeckRow(prefix, label, price_nano, per, connect_nano, first, step, included, start, valid_to)


async def rows_for(tx: Tx, deck: DeckRecord, number: str) -> list[DeckRow]:
    """Return the rows of all prefixes of ``number``, the longest first."""
    prefixes = [number[:length] for length in range(1, min(len(number), 15) + 1)]
    rows = await tx.fetch(
        f"SELECT {_ROW} FROM rating.deck_row WHERE tenant_id = $1 AND deck_id = $2 AND prefix = ANY($3::text[]) "
        "ORDER BY length(prefix) DESC, valid_from DESC",
        tx.tenant_id,
        deck.id,
        prefixes,
    )
    return [_row_from_row(row, deck) for row in rows]


async def lock_counters(tx: Tx) -> None:
    """Let one transaction of the tenant at a time move counters: no two batches may read the same values."""
    await tx.execute(
        "SELECT pg_advisory_xact_lock(hashtextextended($1, 7002))", f"rating.counter {tx.tenant_id}"
    )


async def counters(tx: Tx, product_ids: Sequence[ProductId]) -> list[CounterRow]:
    """Return all counters of the products, of every period that is kept."""
    rows = await tx.fetch(
        "SELECT product_id, key, period_start, value FROM rating.counter "
        "WHERE tenant_id = $1 AND product_id = ANY($2::uuid[])",
        tx.tenant_id,
        list(product_ids),
    )
    return [
        CounterRow(ProductId(row["product_id"]), CounterKey(row["key"]), row["period_start"], row["value"])
        for row in rows
    ]


async def save_counters(tx: Tx, rows: Sequence[CounterRow]) -> None:
    """Write the values of ``rows``, each absolute."""
    await tx.execute(
        "INSERT INTO rating.counter (tenant_id, product_id, key, period_start, value) "
        "SELECT $1, * FROM unnest($2::uuid[], $3::text[], $4::timestamptz[], $5::bigint[]) "
        "ON CONFLICT (tenant_id, product_id, key, period_start) DO UPDATE SET value = excluded.value",
        tx.tenant_id,
        [row.product_id for row in rows],
        [row.key for row in rows],
        [row.period_start for row in rows],
        [row.value for row in rows],
    )


async def add_ported(tx: Tx, numbers: Sequence[PortedNumber]) -> None:
    """Insert ported numbers; the same number and time again replaces the row."""
    await tx.execute(
        "INSERT INTO rating.ported_number (tenant_id, number, valid_from, operator, rates_as) "
        "SELECT $1, * FROM unnest($2::text[], $3::timestamptz[], $4::text[], $5::text[]) "
        "ON CONFLICT (tenant_id, number, valid_from) "
        "DO UPDATE SET operator = excluded.operator, rates_as = excluded.rates_as",
        tx.tenant_id,
        [ported.number for ported in numbers],
        [ported.valid_from for ported in numbers],
        [ported.operator for ported in numbers],
        [ported.rates_as for ported in numbers],
    )


async def ported(tx: Tx, numbers: Sequence[str]) -> list[PortedNumber]:
    """Return the rows of those of ``numbers`` that were ever ported."""
    rows = await tx.fetch(
        "SELECT number, valid_from, operator, rates_as FROM rating.ported_number "
        "WHERE tenant_id = $1 AND number = ANY($2::text[])",
        tx.tenant_id,
        list(numbers),
    )
    return [PortedNumber(row["number"], row["valid_from"], row["operator"], row["rates_as"]) for row in rows]
