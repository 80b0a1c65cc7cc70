"""Sums and pages over postings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING
from uuid import UUID

from farwire.base.storage import Tx
from farwire.kernel.ids import AccountId, EntryId, LegalEntityId
from farwire.kernel.money import currency
from farwire.ledger.model import AccountMovement, Book, ControlTotal, JournalRow, LedgerRow, TrialRow

if TYPE_CHECKING:
    from asyncpg import Record

_JOINED = (
    "ledger.entry e JOIN ledger.posting p ON p.tenant_id = e.tenant_id AND p.entry_id = e.entry_id "
    "JOIN ledger.book_account b ON b.tenant_id = p.tenant_id AND b.legal_entity_id = p.legal_entity_id "
    "AND b.code = p.code LEFT JOIN ledger.own_book o ON o.tenant_id = p.tenant_id "
    "AND o.legal_entity_id = p.legal_entity_id AND o.code = p.code"
)
_NAMES = "coalesce(o.own_code, p.code) AS own_code, coalesce(o.own_name, b.name) AS own_name"


async def trial_balance(
    tx: Tx, *, entity: LegalEntityId | None, first: date, after_last: date
) -> tuple[TrialRow, ...]:
    """Return every book with its opening balance and its movements in the days ``[first, after_last)``."""
    rows = await tx.fetch(
        f"SELECT p.legal_entity_id, p.code, {_NAMES}, p.currency, "
        "coalesce(sum(p.amount_minor) FILTER (WHERE e.booked_on < $3), 0)::numeric AS opening, "
        "coalesce(sum(p.amount_minor) FILTER (WHERE e.booked_on >= $3 AND p.amount_minor > 0), 0)::numeric AS debit, "
        "coalesce(-sum(p.amount_minor) FILTER (WHERE e.booked_on >= $3 AND p.amount_minor < 0), 0)::numeric AS credit, "
        f"sum(p.remainder_nano)::numeric AS nano FROM {_JOINED} "
        "WHERE e.tenant_id = $1 AND ($2::uuid IS NULL OR e.legal_entity_id = $2) AND e.booked_on < $4 "
        "GROUP BY p.legal_entity_id, p.code, o.own_code, o.own_name, b.name, p.currency "
        "ORDER BY p.legal_entity_id, p.currency, p.code",
        tx.tenant_id,
        entity,
        first,
        after_last,
    )
    return tuple(
        TrialRow(
            LegalEntityId(row["legal_entity_id"]),
            Book(row["code"]),
            row["own_code"],
            row["own_name"],
            currency(row["currency"]),
            int(row["opening"]),
            int(row["debit"]),
            int(row["credit"]),
            int(row["nano"]),
        )
        for row in rows
    )


_LEDGER_ROW = (
    "e.legal_entity_id, e.booked_on, coalesce(e.occurred_on, e.booked_on) AS occurred_on, e.entry_id, e.source, e.key, "
    f"p.number, p.code, {_NAMES}, p.account_id, p.currency, p.amount_minor, p.remainder_nano"
)


def _ledger_row(row: Record) -> LedgerRow:
    return LedgerRow(
        LegalEntityId(row["legal_entity_id"]),
        row["booked_on"],
        row["occurred_on"],
        EntryId(row["entry_id"]),
        row["source"],
        row["key"],
        row["number"],
        Book(row["code"]),
        row["own_code"],
        row["own_name"],
        None if row["account_id"] is None else AccountId(row["account_id"]),
        currency(row["currency"]),
        row["amount_minor"],
        row["remainder_nano"],
    )


async def postings_after(
    tx: Tx,
    *,
    entity: LegalEntityId,
    first: date,
    after_last: date,
    after: tuple[date, EntryId, int] | None,
    limit: int,
) -> tuple[LedgerRow, ...]:
    """Return the next ``limit`` postings in the order of day, entry and number."""
    day, entry_id, number = after or (first, EntryId(UUID(int=0)), -1)
    rows = await tx.fetch(
        f"SELECT {_LEDGER_ROW} FROM {_JOINED} WHERE e.tenant_id = $1 AND e.legal_entity_id = $2 "
        "AND (e.booked_on, e.entry_id) >= ($3, $4) AND e.booked_on < $5 "
        "AND (e.entry_id <> $4 OR e.booked_on <> $3 OR p.number > $6::integer) "
        "ORDER BY e.booked_on, e.entry_id, p.number LIMIT $7",
        tx.tenant_id,
        entity,
        day,
        entry_id,
        after_last,
        number,
        limit,
    )
    return tuple(_ledger_row(row) for row in rows)


async def page_postings(
    tx: Tx,
    *,
    entity: LegalEntityId | None,
    account_id: AccountId | None,
    first: date,
    after_last: date,
    offset: int,
    limit: int,
) -> tuple[tuple[LedgerRow, ...], int]:
    """Return one page of postings in the order of day, entry and number, and how many there are."""
    where = (
        "e.tenant_id = $1 AND ($2::uuid IS NULL OR e.legal_entity_id = $2) AND ($3::uuid IS NULL OR p.account_id = $3) "
        "AND e.booked_on >= $4 AND e.booked_on < $5"
    )
    values = (tx.tenant_id, entity, account_id, first, after_last)
    total: int = await tx.fetchval(f"SELECT count(*) FROM {_JOINED} WHERE {where}", *values)
    rows = await tx.fetch(
        f"SELECT {_LEDGER_ROW} FROM {_JOINED} WHERE {where} ORDER BY e.booked_on, e.entry_id, p.number "
        "OFFSET $6 LIMIT $7",
        *values,
        offset,
        limit,
    )
    return tuple(_ledger_row(row) for row in rows), total


_SUMS = (
    "count(*) AS postings, coalesce(sum(p.amount_minor) FILTER (WHERE p.amount_minor > 0), 0)::numeric AS debit, "
    "coalesce(-sum(p.amount_minor) FILTER (WHERE p.amount_minor < 0), 0)::numeric AS credit, "
    "sum(p.remainder_nano)::numeric AS nano"
)


async def journal(tx: Tx, *, entity: LegalEntityId, first: date, after_last: date) -> tuple[JournalRow, ...]:
    """Return the sums by month, source, book and currency."""
    rows = await tx.fetch(
        f"SELECT date_trunc('month', e.booked_on::timestamp)::date AS month, e.source, p.code, {_NAMES}, p.currency, "
        f"{_SUMS} FROM {_JOINED} WHERE e.tenant_id = $1 AND e.legal_entity_id = $2 AND e.booked_on >= $3 "
        "AND e.booked_on < $4 GROUP BY 1, e.source, p.code, o.own_code, o.own_name, b.name, p.currency "
        "ORDER BY 1, e.source, p.currency, p.code",
        tx.tenant_id,
        entity,
        first,
        after_last,
    )
    return tuple(
        JournalRow(
            entity,
            row["month"],
            row["source"],
            Book(row["code"]),
            row["own_code"],
            row["own_name"],
            currency(row["currency"]),
            row["postings"],
            int(row["debit"]),
            int(row["credit"]),
            int(row["nano"]),
        )
        for row in rows
    )


async def control_totals(
    tx: Tx, *, entity: LegalEntityId, first: date, after_last: date
) -> tuple[ControlTotal, ...]:
    """Return the sums of an export by currency."""
    rows = await tx.fetch(
        f"SELECT p.currency, {_SUMS} FROM ledger.entry e JOIN ledger.posting p ON p.tenant_id = e.tenant_id "
        "AND p.entry_id = e.entry_id WHERE e.tenant_id = $1 AND e.legal_entity_id = $2 AND e.booked_on >= $3 "
        "AND e.booked_on < $4 GROUP BY p.currency ORDER BY p.currency",
        tx.tenant_id,
        entity,
        first,
        after_last,
    )
    return tuple(
        ControlTotal(
            currency(row["currency"]),
            row["postings"],
            int(row["debit"]),
            int(row["credit"]),
            int(row["nano"]),
        )
        for row in rows
    )


async def account_sums(
    tx: Tx,
    *,
    account_id: AccountId,
    books: Sequence[Book],
    recorded_by: datetime | None,
    booked_before: date | None,
) -> Mapping[tuple[Book, str], int]:
    """Return the sum of an account on each of ``books`` by currency code."""
    rows = await tx.fetch(
        "SELECT p.code, p.currency, sum(p.amount_minor)::numeric AS minor FROM ledger.posting p JOIN ledger.entry e "
        "ON e.tenant_id = p.tenant_id AND e.entry_id = p.entry_id WHERE p.tenant_id = $1 AND p.account_id = $2 "
        "AND p.code = ANY($3::text[]) AND ($4::timestamptz IS NULL OR e.recorded_at <= $4) "
        "AND ($5::date IS NULL OR e.booked_on < $5) GROUP BY p.code, p.currency",
        tx.tenant_id,
        account_id,
        [book.value for book in books],
        recorded_by,
        booked_before,
    )
    return {(Book(row["code"]), row["currency"]): int(row["minor"]) for row in rows}


async def account_movements(
    tx: Tx, *, account_id: AccountId, books: Sequence[Book], first: date, after_last: date
) -> tuple[AccountMovement, ...]:
    """Return what each entry changed on ``books`` of an account, in order, without those that changed nothing."""
    rows = await tx.fetch(
        "SELECT e.entry_id, e.booked_on, e.source, e.key, p.currency, sum(p.amount_minor)::bigint AS minor "
        "FROM ledger.posting p JOIN ledger.entry e ON e.tenant_id = p.tenant_id AND e.entry_id = p.entry_id "
        "WHERE p.tenant_id = $1 AND p.account_id = $2 AND p.code = ANY($3::text[]) AND e.booked_on >= $4 "
        "AND e.booked_on < $5 GROUP BY e.entry_id, e.booked_on, e.recorded_at, e.source, e.key, p.currency "
        "HAVING sum(p.amount_minor) <> 0 ORDER BY e.booked_on, e.recorded_at, e.entry_id",
        tx.tenant_id,
        account_id,
        [book.value for book in books],
        first,
        after_last,
    )
    return tuple(
        AccountMovement(
            EntryId(row["entry_id"]),
            row["booked_on"],
            row["source"],
            row["key"],
            currency(row["currency"]),
            row["minor"],
        )
        for row in rows
    )
