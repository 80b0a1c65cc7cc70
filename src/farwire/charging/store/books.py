"""SQL of positions, movements and running totals: what the books have of the logs of the shards."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from fractions import Fraction
from typing import TYPE_CHECKING, Final

import msgspec

from farwire.base.storage import Tx, UntenantedTx
from farwire.charging.model.answers import Movement, MovementKind, Notice
from farwire.charging.model.booking import PAID, Pair
from farwire.charging.model.pricing import microseconds, moment
from farwire.charging.model.state import MAIN, OVERRUN
from farwire.charging.model.taxing import Earned, Tax
from farwire.kernel.ids import AccountId, LegalEntityId, ProductId
from farwire.ledger.model import Book

if TYPE_CHECKING:
    from asyncpg import Record

_FIELDS: Final = (
    "tenant_id", "shard", "sequence", "place", "account", "balance", "unit", "kind", "amount", "reason",
    "key_hi", "key_lo", "request", "at",
)  # fmt: skip


PLACED: Final = (
    "shard, sequence, place, account, balance, kind, amount, reason, key_hi, key_lo, request, unit, at"
)


class Owner(msgspec.Struct, frozen=True, gc=False):
    """Who stands behind an account of online charging."""

    currency: str
    postpaid: bool
    account_id: AccountId | None
    product_id: ProductId | None
    plan: int


class Placed(msgspec.Struct, frozen=True, gc=False):
    """A movement with its place in the log of its shard."""

    sequence: int
    place: int
    movement: Movement
    at: datetime
    shard: int


async def shard_position(tx: UntenantedTx, shard: int) -> int:
    """Return where reading of a shard begins: every tenant's books hold what is before."""
    found: int | None = await tx.fetchval("SELECT last FROM charging.books_shard WHERE shard = $1", shard)
    return found or 0


async def save_shard_position(tx: UntenantedTx, shard: int, last: int) -> None:
    """Let reading begin after ``last``; it never goes back."""
    await tx.execute(
        "INSERT INTO charging.books_shard AS known (shard, last) VALUES ($1, $2) ON CONFLICT (shard) DO UPDATE "
        "SET last = excluded.last WHERE known.last < excluded.last",
        *(shard, last),
    )


async def lock_position(tx: Tx, shard: int) -> int:
    """Return how far the tenant's books hold a shard, and let nobody else go on until this transaction ends."""
    await tx.execute(
        "INSERT INTO charging.books_position (tenant_id, shard, last) VALUES ($1, $2, 0) ON CONFLICT DO NOTHING",
        *(tx.tenant_id, shard),
    )
    last: int = await tx.fetchval(
        "SELECT last FROM charging.books_position WHERE tenant_id = $1 AND shard = $2 FOR UPDATE",
        *(tx.tenant_id, shard),
    )
    return last


async def save_position(tx: Tx, shard: int, last: int) -> None:
    """Write how far the tenant's books hold a shard."""
    await tx.execute(
        "UPDATE charging.books_position SET last = $3 WHERE tenant_id = $1 AND shard = $2",
        *(tx.tenant_id, shard, last),
    )


async def owners(tx: Tx, numbers: Iterable[int]) -> dict[int, Owner]:
    """Return who stands behind the accounts that are known."""
    rows = await tx.fetch(
        "SELECT number, currency, postpaid, account_id, product_id, plan FROM charging.account "
        "WHERE tenant_id = $1 AND number = ANY($2::bigint[])",
        *(tx.tenant_id, sorted(numbers)),
    )
    return {row["number"]: _owner(row) for row in rows}


def _owner(row: Record) -> Owner:
    account, product = row["account_id"], row["product_id"]
    return Owner(
        row["currency"],
        row["postpaid"],
        None if account is None else AccountId(account),
        None if product is None else ProductId(product),
        row["plan"],
    )


async def known_places(tx: Tx, shard: int, sequences: Sequence[int]) -> set[tuple[int, int]]:
    """Return which movements of these batches are there."""
    rows = await tx.fetch(
        "SELECT sequence, place FROM charging.movement WHERE tenant_id = $1 AND shard = $2 "
        "AND sequence = ANY($3::bigint[])",
        *(tx.tenant_id, shard, list(sequences)),
    )
    return {(row["sequence"], row["place"]) for row in rows}


async def add_movements(tx: Tx, shard: int, placed: Sequence[Placed]) -> None:
    """Insert movements that are new."""
    await tx.copy_records(
        "charging.movement",
        columns=_FIELDS,
        records=(
            (
                *(tx.tenant_id, shard, one.sequence, one.place, one.movement.account, one.movement.balance),
                *(one.movement.unit, one.movement.kind, one.movement.amount, one.movement.reason),
                *(one.movement.key_hi, one.movement.key_lo, one.movement.number, one.at),
            )
            for one in placed
        ),
    )


async def add_notices(tx: Tx, shard: int, placed: Sequence[tuple[int, int, Notice]]) -> set[tuple[int, int]]:
    """Insert notices by sequence and place; return the places of those that are new."""
    notices = [one for _, _, one in placed]
    rows = await tx.fetch(
        "INSERT INTO charging.notice (tenant_id, shard, sequence, place, account, kind, subject, value, at) "
        "SELECT $1, $2, * FROM unnest($3::bigint[], $4::integer[], $5::bigint[], $6::smallint[], $7::bigint[], "
        "$8::bigint[], $9::timestamptz[]) ON CONFLICT DO NOTHING RETURNING sequence, place",
        *(tx.tenant_id, shard, [sequence for sequence, _, _ in placed], [place for _, place, _ in placed]),
        *([one.account for one in notices], [one.kind for one in notices], [one.subject for one in notices]),
        *([one.value for one in notices], [moment(one.at) for one in notices]),
    )
    return {(row["sequence"], row["place"]) for row in rows}


async def grow(
    tx: Tx, entity: LegalEntityId, currency: str, sums: Mapping[Pair, int]
) -> dict[Pair, tuple[int, int]]:
    """Add to the running totals; return each before and after."""
    pairs = sorted(sums)
    rows = await tx.fetch(
        "INSERT INTO charging.booked AS known (tenant_id, legal_entity_id, currency, own, other, nano) "
        "SELECT $1, $2, $3, * FROM unnest($4::text[], $5::text[], $6::numeric[]) ON CONFLICT "
        "(tenant_id, legal_entity_id, currency, own, other) DO UPDATE SET nano = known.nano + excluded.nano "
        "RETURNING own, other, nano",
        *(tx.tenant_id, entity, currency, [pair.own.value for pair in pairs]),
        *([pair.other.value for pair in pairs], [sums[pair] for pair in pairs]),
    )
    after = {Pair(Book(row["own"]), Book(row["other"])): int(row["nano"]) for row in rows}
    return {pair: (after[pair] - sums[pair], after[pair]) for pair in pairs}


async def grow_earned(
    tx: Tx, entity: LegalEntityId, currency: str, gross: Mapping[Earned, int]
) -> dict[Earned, tuple[int, int]]:
    """Add to the running gross totals; return each before and after."""
    keys = sorted(gross)
    rows = await tx.fetch(
        "INSERT INTO charging.taxed AS known (tenant_id, legal_entity_id, currency, book, month, tax, numerator, "
        "denominator, gross_nano) SELECT $1, $2, $3, * FROM unnest($4::text[], $5::date[], $6::text[], "
        "$7::numeric[], $8::numeric[], $9::numeric[]) ON CONFLICT (tenant_id, legal_entity_id, currency, book, "
        "month, tax) DO UPDATE SET gross_nano = known.gross_nano + excluded.gross_nano "
        f"RETURNING {_EARNED}",
        *(tx.tenant_id, entity, currency, [key.book.value for key in keys], [key.tax.month for key in keys]),
        *([key.tax.name for key in keys], [key.tax.part.numerator for key in keys]),
        *([key.tax.part.denominator for key in keys], [gross[key] for key in keys]),
    )
    after = {_earned(row): int(row["gross_nano"]) for row in rows}
    return {key: (after[key] - gross[key], after[key]) for key in keys}


_EARNED: Final = "book, month, tax, numerator, denominator, gross_nano"


def _earned(row: Record) -> Earned:
    part = Fraction(int(row["numerator"]), int(row["denominator"]))
    return Earned(Book(row["book"]), Tax(row["month"], row["tax"], part))


# ---- reading


async def earned(tx: Tx) -> list[tuple[LegalEntityId, str, Earned, int]]:
    """Return the gross totals of every company and currency."""
    rows = await tx.fetch(
        f"SELECT legal_entity_id, currency, {_EARNED} FROM charging.taxed WHERE tenant_id = $1", tx.tenant_id
    )
    return [
        (LegalEntityId(row["legal_entity_id"]), row["currency"], _earned(row), int(row["gross_nano"]))
        for row in rows
    ]


async def page_owners(tx: Tx, *, after: int, limit: int) -> dict[int, Owner]:
    """Return the owners of the next accounts by number."""
    rows = await tx.fetch(
        "SELECT number, currency, postpaid, account_id, product_id, plan FROM charging.account "
        "WHERE tenant_id = $1 AND number > $2 ORDER BY number LIMIT $3",
        *(tx.tenant_id, after, limit),
    )
    return {row["number"]: _owner(row) for row in rows}


async def money_moved(
    tx: Tx, numbers: Iterable[int], *, since: datetime | None = None, before: datetime | None = None
) -> list[Placed]:
    """Return the movements of money of some accounts in ``[since, before)``, in the order of the logs."""
    rows = await tx.fetch(
        f"SELECT {PLACED} FROM charging.movement WHERE tenant_id = $1 AND account = ANY($2::bigint[]) AND unit = 0 "
        "AND ($3::timestamptz IS NULL OR at >= $3) AND ($4::timestamptz IS NULL OR at < $4) "
        "ORDER BY shard, sequence, place",
        *(tx.tenant_id, sorted(numbers), since, before),
    )
    return [placed_of(row) for row in rows]


async def money_sums(tx: Tx, numbers: Iterable[int]) -> list[tuple[int, Movement]]:
    """Return how often and what the accounts moved of money, as one movement for each account, kind and origin.

    ``reason`` of the sum of loans is the sum of their fees; of all others it tells what ``payment`` has booked.
    """
    rows = await tx.fetch(
        "SELECT account, kind, (balance = 0) AS overrun, (reason = $3) AS paid, count(*) AS count, "
        "sum(amount)::numeric AS amount, (CASE WHEN kind = $4 THEN sum(reason) ELSE 0 END)::numeric AS fees "
        "FROM charging.movement WHERE tenant_id = $1 AND account = ANY($2::bigint[]) AND unit = 0 "
        "GROUP BY account, kind, overrun, paid",
        *(tx.tenant_id, sorted(numbers), PAID, int(MovementKind.LOAN)),
    )
    return [
        (
            row["count"],
            Movement(
                *(row["account"], OVERRUN if row["overrun"] else MAIN, row["kind"], int(row["amount"])),
                *(int(row["fees"]) or (PAID if row["paid"] else 0), 0, 0, 0, 0),
            ),
        )
        for row in rows
    ]


async def balance_sums(tx: Tx, numbers: Iterable[int]) -> dict[tuple[int, int], int]:
    """Return Σ movements of each balance of some accounts; balance 0 is the overrun."""
    rows = await tx.fetch(
        "SELECT account, balance, sum(amount)::numeric AS amount FROM charging.movement WHERE tenant_id = $1 "
        "AND account = ANY($2::bigint[]) GROUP BY account, balance",
        *(tx.tenant_id, sorted(numbers)),
    )
    return {(row["account"], row["balance"]): int(row["amount"]) for row in rows}


async def movement_with_key(tx: Tx, account: int, key_hi: int, key_lo: int) -> int | None:
    """Return what the request with that key moved on the account's money, or None if the books know none."""
    row = await tx.fetchrow(
        "SELECT count(*) AS count, coalesce(sum(amount) FILTER (WHERE unit = 0), 0)::bigint AS amount "
        "FROM charging.movement WHERE tenant_id = $1 AND account = $2 AND key_hi = $3 AND key_lo = $4",
        *(tx.tenant_id, account, key_hi, key_lo),
    )
    return None if row is None or not row["count"] else int(row["amount"])


async def page_movements(tx: Tx, account: int, *, offset: int, limit: int) -> tuple[tuple[Placed, ...], int]:
    """Return a page of an account's movements, the newest first, and how many there are."""
    total: int = await tx.fetchval(
        "SELECT count(*) FROM charging.movement WHERE tenant_id = $1 AND account = $2", tx.tenant_id, account
    )
    rows = await tx.fetch(
        f"SELECT {PLACED} FROM charging.movement WHERE tenant_id = $1 AND account = $2 "
        "ORDER BY at DESC, shard DESC, sequence DESC, place DESC OFFSET $3 LIMIT $4",
        *(tx.tenant_id, account, offset, limit),
    )
    return tuple(placed_of(row) for row in rows), total


def placed_of(row: Record) -> Placed:
    """Return a movement with its place, from a row of ``PLACED``."""
    movement = Movement(
        *(row["account"], row["balance"], row["kind"], row["amount"], row["reason"], row["key_hi"]),
        *(row["key_lo"], row["request"], microseconds(row["at"]), row["unit"]),
    )
    return Placed(row["sequence"], row["place"], movement, row["at"], row["shard"])
