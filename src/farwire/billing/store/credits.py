"""Credits and what bills have given of them; who asked for credit notes and who decided."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from farwire.base.storage import Tx
from farwire.billing.model import Credit, CreditState, CreditUse, NoteRequest, NoteState
from farwire.billing.store.runs import actor_from_text, actor_text
from farwire.kernel.ids import AccountId, BillId, CreditId, ProductId
from farwire.kernel.money import currency

if TYPE_CHECKING:
    from asyncpg import Record

_CREDIT = (
    "c.credit_id, c.account_id, c.product_id, c.currency, c.net_minor, c.reason, c.label, c.tax_category, c.key, "
    "c.state, c.requested_by, c.requested_at, c.decided_by, c.decided_at, coalesce((SELECT sum(u.net_minor)::bigint "
    "FROM billing.credit_use u WHERE u.tenant_id = c.tenant_id AND u.credit_id = c.credit_id), 0) AS applied"
)


def _from_row(row: Record) -> Credit:
    return Credit(
        id=CreditId(row["credit_id"]),
        account_id=AccountId(row["account_id"]),
        product_id=None if row["product_id"] is None else ProductId(row["product_id"]),
        currency=currency(row["currency"]),
        net_minor=row["net_minor"],
        reason=row["reason"],
        label=row["label"],
        tax_category=row["tax_category"],
        key=row["key"],
        state=CreditState(row["state"]),
        requested_by=actor_from_text(row["requested_by"]),
        requested_at=row["requested_at"],
        decided_by=None if row["decided_by"] is None else actor_from_text(row["decided_by"]),
        decided_at=row["decided_at"],
        applied_minor=row["applied"],
    )


async def add_credit(tx: Tx, credit: Credit) -> Credit:
    """Insert ``credit``, or return the one with the same key."""
    await tx.execute(
        "INSERT INTO billing.credit (tenant_id, credit_id, account_id, product_id, currency, net_minor, reason, label, "
        "tax_category, key, state, requested_by, requested_at) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) ON CONFLICT (tenant_id, key) DO NOTHING",
        tx.tenant_id,
        credit.id,
        credit.account_id,
        credit.product_id,
        credit.currency.code,
        credit.net_minor,
        credit.reason,
        credit.label,
        credit.tax_category,
        credit.key,
        credit.state.value,
        actor_text(credit.requested_by),
        credit.requested_at,
    )
    row = await tx.fetchrow(
        f"SELECT {_CREDIT} FROM billing.credit c WHERE c.tenant_id = $1 AND c.key = $2",
        tx.tenant_id,
        credit.key,
    )
    return credit if row is None else _from_row(row)


async def get_credit(tx: Tx, credit_id: CreditId) -> Credit | None:
    """Return one credit and lock it."""
    row = await tx.fetchrow(
        f"SELECT {_CREDIT} FROM billing.credit c WHERE c.tenant_id = $1 AND c.credit_id = $2 FOR UPDATE OF c",
        tx.tenant_id,
        credit_id,
    )
    return None if row is None else _from_row(row)


async def decide(tx: Tx, credit: Credit) -> None:
    """Write what was decided on a credit."""
    await tx.execute(
        "UPDATE billing.credit SET state = $3, decided_by = $4, decided_at = $5 "
        "WHERE tenant_id = $1 AND credit_id = $2",
        tx.tenant_id,
        credit.id,
        credit.state.value,
        None if credit.decided_by is None else actor_text(credit.decided_by),
        credit.decided_at,
    )


async def list_credits(
    tx: Tx, *, account_id: AccountId | None, offset: int, limit: int
) -> tuple[tuple[Credit, ...], int]:
    """Return one page of credits, newest first, and how many there are."""
    where = "c.tenant_id = $1 AND ($2::uuid IS NULL OR c.account_id = $2)"
    total: int = await tx.fetchval(
        f"SELECT count(*) FROM billing.credit c WHERE {where}", tx.tenant_id, account_id
    )
    rows = await tx.fetch(
        f"SELECT {_CREDIT} FROM billing.credit c WHERE {where} "
        "ORDER BY c.requested_at DESC, c.credit_id DESC OFFSET $3 LIMIT $4",
        tx.tenant_id,
        account_id,
        offset,
        limit,
    )
    return tuple(_from_row(row) for row in rows), total


async def open_credits(tx: Tx, account_ids: Sequence[AccountId]) -> Mapping[AccountId, tuple[Credit, ...]]:
    """Return what is approved and not wholly given back, by account, the oldest request first."""
    rows = await tx.fetch(
        f"SELECT {_CREDIT} FROM billing.credit c WHERE c.tenant_id = $1 AND c.account_id = ANY($2::uuid[]) "
        "AND c.state = 'approved' ORDER BY c.requested_at, c.credit_id",
        tx.tenant_id,
        list(account_ids),
    )
    found: dict[AccountId, list[Credit]] = defaultdict(list)
    for row in rows:
        found[AccountId(row["account_id"])].append(_from_row(row))
    return {account_id: tuple(granted) for account_id, granted in found.items()}


async def add_uses(tx: Tx, uses: Mapping[BillId, Sequence[CreditUse]]) -> None:
    """Write what bills give of credits; a credit that is wholly given is applied."""
    rows = [(bill_id, use.credit_id, use.net_minor) for bill_id, given in uses.items() for use in given]
    if not rows:
        return
    await tx.execute(
        "INSERT INTO billing.credit_use (tenant_id, bill_id, credit_id, net_minor) "
        "SELECT $1, u.* FROM unnest($2::uuid[], $3::uuid[], $4::bigint[]) AS u",
        tx.tenant_id,
        [row[0] for row in rows],
        [row[1] for row in rows],
        [row[2] for row in rows],
    )
    await tx.execute(
        "UPDATE billing.credit c SET state = 'applied' WHERE c.tenant_id = $1 AND c.credit_id = ANY($2::uuid[]) "
        "AND c.net_minor = (SELECT sum(u.net_minor) FROM billing.credit_use u "
        "WHERE u.tenant_id = $1 AND u.credit_id = c.credit_id)",
        tx.tenant_id,
        [row[1] for row in rows],
    )


async def take_back(tx: Tx, bill_ids: Sequence[BillId]) -> None:
    """Free what drafts gave of credits: it is open again."""
    await tx.execute(
        "WITH freed AS (DELETE FROM billing.credit_use WHERE tenant_id = $1 AND bill_id = ANY($2::uuid[]) "
        "RETURNING credit_id) UPDATE billing.credit c SET state = 'approved' FROM freed "
        "WHERE c.tenant_id = $1 AND c.credit_id = freed.credit_id AND c.state = 'applied'",
        tx.tenant_id,
        list(bill_ids),
    )


_NOTE = "note_id, bill_id, key, state, requested_by, requested_at, decided_by, decided_at"


def _note_from_row(row: Record) -> NoteRequest:
    return NoteRequest(
        BillId(row["note_id"]),
        BillId(row["bill_id"]),
        row["key"],
        NoteState(row["state"]),
        actor_from_text(row["requested_by"]),
        row["requested_at"],
        None if row["decided_by"] is None else actor_from_text(row["decided_by"]),
        row["decided_at"],
    )


async def note_by_key(tx: Tx, key: str) -> NoteRequest | None:
    """Return the request for a credit note that has this key."""
    row = await tx.fetchrow(
        f"SELECT {_NOTE} FROM billing.credit_note WHERE tenant_id = $1 AND key = $2", tx.tenant_id, key
    )
    return None if row is None else _note_from_row(row)


async def get_note(tx: Tx, note_id: BillId) -> NoteRequest | None:
    """Return a request for a credit note."""
    row = await tx.fetchrow(
        f"SELECT {_NOTE} FROM billing.credit_note WHERE tenant_id = $1 AND note_id = $2",
        tx.tenant_id,
        note_id,
    )
    return None if row is None else _note_from_row(row)


async def save_note(tx: Tx, note: NoteRequest) -> None:
    """Write a request for a credit note and what was decided on it."""
    await tx.execute(
        f"INSERT INTO billing.credit_note (tenant_id, {_NOTE}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) "
        "ON CONFLICT (tenant_id, note_id) DO UPDATE SET state = excluded.state, decided_by = excluded.decided_by, "
        "decided_at = excluded.decided_at",
        tx.tenant_id,
        note.note_id,
        note.bill_id,
        note.key,
        note.state.value,
        actor_text(note.requested_by),
        note.requested_at,
        None if note.decided_by is None else actor_text(note.decided_by),
        note.decided_at,
    )


async def list_notes(
    tx: Tx, bill_id: BillId | None, *, offset: int, limit: int
) -> tuple[tuple[NoteRequest, ...], int]:
    """Return one page of the requests for credit notes, newest first, and how many there are."""
    where = "tenant_id = $1 AND ($2::uuid IS NULL OR bill_id = $2)"
    total: int = await tx.fetchval(
        f"SELECT count(*) FROM billing.credit_note WHERE {where}", tx.tenant_id, bill_id
    )
    rows = await tx.fetch(
        f"SELECT {_NOTE} FROM billing.credit_note WHERE {where} ORDER BY requested_at DESC, note_id DESC "
        "OFFSET $3 LIMIT $4",
        tx.tenant_id,
        bill_id,
        offset,
        limit,
    )
    return tuple(_note_from_row(row) for row in rows), total
