"""Open items and allocations."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from farwire.base.storage import Tx
from farwire.kernel.ids import AccountId, LegalEntityId, OpenItemId
from farwire.kernel.money import currency
from farwire.payment.model import ItemKind, OpenItem

if TYPE_CHECKING:
    from asyncpg import Record

_ITEM = (
    "open_item_id, account_id, legal_entity_id, kind, document_id, number, issued_on, due_on, currency, amount_minor, "
    "open_minor"
)


def item_from_row(row: Record) -> OpenItem:
    """Return the open item of a row with the columns of ``_ITEM``."""
    return OpenItem(
        OpenItemId(row["open_item_id"]),
        AccountId(row["account_id"]),
        LegalEntityId(row["legal_entity_id"]),
        ItemKind(row["kind"]),
        row["document_id"],
        row["number"],
        row["issued_on"],
        row["due_on"],
        currency(row["currency"]),
        row["amount_minor"],
        row["open_minor"],
    )


async def add_items(tx: Tx, items: Sequence[OpenItem], now: datetime) -> set[OpenItemId]:
    """Insert open items; return the ids of those whose document is new."""
    rows = await tx.fetch(
        f"INSERT INTO payment.open_item (tenant_id, created_at, {_ITEM}) SELECT $1, $2, i.* FROM unnest($3::uuid[], "
        "$4::uuid[], $5::uuid[], $6::text[], $7::uuid[], $8::text[], $9::date[], $10::date[], $11::text[], "
        "$12::bigint[], $13::bigint[]) AS i ON CONFLICT (tenant_id, kind, document_id) DO NOTHING RETURNING open_item_id",
        tx.tenant_id,
        now,
        [item.id for item in items],
        [item.account_id for item in items],
        [item.legal_entity_id for item in items],
        [item.kind.value for item in items],
        [item.document_id for item in items],
        [item.number for item in items],
        [item.issued_on for item in items],
        [item.due_on for item in items],
        [item.currency.code for item in items],
        [item.amount_minor for item in items],
        [item.open_minor for item in items],
    )
    return {OpenItemId(row["open_item_id"]) for row in rows}
