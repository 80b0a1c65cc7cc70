"""Accounting periods and the locks that keep bookings and closings apart."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from farwire.base.storage import Tx
from farwire.kernel.ids import LegalEntityId
from farwire.ledger.model import Book, OwnBook, PeriodState


@dataclass(frozen=True, slots=True)
class PeriodRow:
    """A period as stored. A month without a row is open."""

    month: date
    state: PeriodState
    revision: int
    changed_at: datetime | None
    reopen_by: str
    reopen_reason: str


async def share_books(tx: Tx, legal_entity_ids: Sequence[LegalEntityId]) -> None:
    """Keep the periods of these legal entities as they are until the commit; others may book at the same time."""
    await tx.execute(
        "SELECT pg_advisory_xact_lock_shared(ledger.lock_key($1, e)) FROM unnest($2::uuid[]) AS e",
        tx.tenant_id,
        list(legal_entity_ids),
    )


async def lock_books(tx: Tx, legal_entity_id: LegalEntityId) -> None:
    """Wait until nobody books for this legal entity, and let nobody until the commit."""
    await tx.execute("SELECT pg_advisory_xact_lock(ledger.lock_key($1, $2))", tx.tenant_id, legal_entity_id)


async def shut_months(
    tx: Tx, legal_entity_ids: Sequence[LegalEntityId], states: Sequence[PeriodState]
) -> Mapping[LegalEntityId, set[date]]:
    """Return the months of these legal entities that are in one of ``states``."""
    rows = await tx.fetch(
        "SELECT legal_entity_id, month FROM ledger.period WHERE tenant_id = $1 AND legal_entity_id = ANY($2::uuid[]) "
        "AND state = ANY($3::text[])",
        tx.tenant_id,
        list(legal_entity_ids),
        [state.value for state in states],
    )
    found: dict[LegalEntityId, set[date]] = defaultdict(set)
    for row in rows:
        found[LegalEntityId(row["legal_entity_id"])].add(row["month"])
    return found


async def periods(tx: Tx, legal_entity_id: LegalEntityId) -> tuple[PeriodRow, ...]:
    """Return the periods with a row, oldest first."""
    rows = await tx.fetch(
        "SELECT month, state, revision, changed_at, reopen_by, reopen_reason FROM ledger.period "
        "WHERE tenant_id = $1 AND legal_entity_id = $2 ORDER BY month",
        tx.tenant_id,
        legal_entity_id,
    )
    return tuple(
        PeriodRow(
            row["month"],
            PeriodState(row["state"]),
            row["revision"],
            row["changed_at"],
            row["reopen_by"],
            row["reopen_reason"],
        )
        for row in rows
    )


async def months_booked(tx: Tx, legal_entity_id: LegalEntityId) -> tuple[date, date] | None:
    """Return the first and the last day that has a booking."""
    row = await tx.fetchrow(
        "SELECT min(booked_on) AS first, max(booked_on) AS last FROM ledger.entry "
        "WHERE tenant_id = $1 AND legal_entity_id = $2",
        tx.tenant_id,
        legal_entity_id,
    )
    return None if row is None or row["first"] is None else (row["first"], row["last"])


async def save_period(tx: Tx, legal_entity_id: LegalEntityId, period: PeriodRow) -> None:
    """Write the state of a period."""
    await tx.execute(
        "INSERT INTO ledger.period (tenant_id, legal_entity_id, month, state, revision, changed_at, reopen_by, "
        "reopen_reason) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (tenant_id, legal_entity_id, month) "
        "DO UPDATE SET state = excluded.state, revision = excluded.revision, changed_at = excluded.changed_at, "
        "reopen_by = excluded.reopen_by, reopen_reason = excluded.reopen_reason",
        tx.tenant_id,
        legal_entity_id,
        period.month,
        period.state.value,
        period.revision,
        period.changed_at,
        period.reopen_by,
        period.reopen_reason,
    )


async def own_books(tx: Tx) -> tuple[OwnBook, ...]:
    """Return the tenant's own codes and names of books."""
    rows = await tx.fetch(
        "SELECT legal_entity_id, code, own_code, own_name FROM ledger.own_book WHERE tenant_id = $1 "
        "ORDER BY legal_entity_id, code",
        tx.tenant_id,
    )
    return tuple(
        OwnBook(LegalEntityId(row["legal_entity_id"]), Book(row["code"]), row["own_code"], row["own_name"])
        for row in rows
    )


async def save_own_book(tx: Tx, own: OwnBook) -> None:
    """Write a legal entity's own code and name of a book."""
    await tx.execute(
        "INSERT INTO ledger.own_book (tenant_id, legal_entity_id, code, own_code, own_name) "
        "VALUES ($1, $2, $3, $4, $5) ON CONFLICT (tenant_id, legal_entity_id, code) DO UPDATE "
        "SET own_code = excluded.own_code, own_name = excluded.own_name",
        tx.tenant_id,
        own.legal_entity_id,
        own.book.value,
        own.code,
        own.name,
    )
