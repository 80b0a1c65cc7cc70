"""Sums over open items as they were on a day."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING
from uuid import UUID

from farwire.base.storage import Tx
from farwire.kernel.ids import AccountId, LegalEntityId
from farwire.kernel.money import currency
from farwire.payment.model import Ageing

if TYPE_CHECKING:
    from asyncpg import Record

_NIL = AccountId(UUID(int=0))

# What was open of each item on the day, and what was left of each payment: amounts less what was allocated by then.
_OPEN = """
    WITH moved AS (
        SELECT credit_kind, credit_id, open_item_id, amount_minor FROM payment.allocation
         WHERE tenant_id = $1 AND allocated_on <= $2),
    by_item AS (SELECT open_item_id AS id, sum(amount_minor) AS minor FROM moved GROUP BY open_item_id),
    by_credit AS (SELECT credit_id AS id, sum(amount_minor) AS minor FROM moved GROUP BY credit_id),
    back AS (
        SELECT coalesce(payment_id, open_item_id) AS id, sum(amount_minor) AS minor FROM payment.refund
         WHERE tenant_id = $1 AND state <> 'denied' GROUP BY 1),
    both_sides AS (
        SELECT o.account_id, o.legal_entity_id, o.currency, o.due_on,
               o.amount_minor - coalesce(i.minor, 0) + coalesce(c.minor, 0) + coalesce(b.minor, 0) AS open
          FROM payment.open_item o
          LEFT JOIN by_item i ON i.id = o.open_item_id
          LEFT JOIN by_credit c ON c.id = o.open_item_id
          LEFT JOIN back b ON b.id = o.open_item_id
         WHERE o.tenant_id = $1 AND o.issued_on <= $2 AND ($3::uuid IS NULL OR o.legal_entity_id = $3)
         UNION ALL
        SELECT p.account_id, p.legal_entity_id, p.currency, NULL::date,
               coalesce(c.minor, 0) + coalesce(b.minor, 0) - p.amount_minor
          FROM payment.payment p
          LEFT JOIN by_credit c ON c.id = p.payment_id
          LEFT JOIN back b ON b.id = p.payment_id
         WHERE p.tenant_id = $1 AND p.booked_on <= $2 AND p.state = 'done'
           AND ($3::uuid IS NULL OR p.legal_entity_id = $3))
"""
_SUMS = """
    coalesce(sum(open) FILTER (WHERE open > 0 AND $2 - due_on <= 0), 0)::bigint AS not_due,
    coalesce(sum(open) FILTER (WHERE open > 0 AND $2 - due_on BETWEEN 1 AND 30), 0)::bigint AS b1,
    coalesce(sum(open) FILTER (WHERE open > 0 AND $2 - due_on BETWEEN 31 AND 60), 0)::bigint AS b2,
    coalesce(sum(open) FILTER (WHERE open > 0 AND $2 - due_on BETWEEN 61 AND 90), 0)::bigint AS b3,
    coalesce(sum(open) FILTER (WHERE open > 0 AND $2 - due_on > 90), 0)::bigint AS b4,
    coalesce(-sum(open) FILTER (WHERE open < 0), 0)::bigint AS credit
"""


def _ageing_from_row(row: Record, account_id: AccountId) -> Ageing:
    return Ageing(
        account_id,
        currency(row["currency"]),
        row["not_due"],
        row["b1"],
        row["b2"],
        row["b3"],
        row["b4"],
        row["credit"],
    )


async def ageing(
    tx: Tx, *, on: date, entity: LegalEntityId | None, offset: int, limit: int
) -> tuple[tuple[Ageing, ...], int]:
    """Return one page of accounts and currencies with something open, and how many there are."""
    rows = await tx.fetch(
        f"{_OPEN} SELECT account_id, currency, {_SUMS}, count(*) OVER () AS whole FROM both_sides WHERE open <> 0 "
        "GROUP BY account_id, currency ORDER BY account_id, currency OFFSET $4 LIMIT $5",
        tx.tenant_id,
        on,
        entity,
        offset,
        limit,
    )
    total = rows[0]["whole"] if rows else 0
    return tuple(_ageing_from_row(row, AccountId(row["account_id"])) for row in rows), total


async def ageing_totals(
    tx: Tx, *, on: date, entity: LegalEntityId | None
) -> tuple[tuple[LegalEntityId, Ageing], ...]:
    """Return the sums by legal entity and currency."""
    rows = await tx.fetch(
        f"{_OPEN} SELECT legal_entity_id, currency, {_SUMS} FROM both_sides WHERE open <> 0 "
        "GROUP BY legal_entity_id, currency ORDER BY legal_entity_id, currency",
        tx.tenant_id,
        on,
        entity,
    )
    return tuple((LegalEntityId(row["legal_entity_id"]), _ageing_from_row(row, _NIL)) for row in rows)


_TEXTS = """
    SELECT w.source, w.key, coalesce(
        (SELECT o.number FROM payment.open_item o WHERE w.source IN ('bill', 'credit_note', 'voucher_sold',
                'voucher_cancelled')
            AND o.tenant_id = $1 AND o.document_id = w.key::uuid AND o.kind <> 'debt' LIMIT 1),
        (SELECT p.external_reference FROM payment.payment p WHERE w.source LIKE 'payment%' AND p.tenant_id = $1
            AND p.payment_id = w.key::uuid),
        (SELECT r.reason FROM payment.refund r WHERE w.source LIKE 'refund%' AND r.tenant_id = $1
            AND r.refund_id = w.key::uuid)) AS text
      FROM unnest($2::text[], $3::text[]) AS w (source, key)"""


async def texts_of(tx: Tx, keys: Sequence[tuple[str, str]]) -> Mapping[tuple[str, str], str]:
    """Return what people call the documents behind entries: a bill's number, a payment's reference."""
    rows = await tx.fetch(_TEXTS, tx.tenant_id, [source for source, _ in keys], [key for _, key in keys])
    return {(row["source"], row["key"]): row["text"] for row in rows if row["text"] is not None}
