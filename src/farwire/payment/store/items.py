"""Open items, the credit of accounts, and allocations."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING
from uuid import UUID

from farwire.base.storage import Tx
from farwire.kernel.ids import AccountId, LegalEntityId, OpenItemId
from farwire.kernel.money import currency
from farwire.payment.model import Credit, CreditKind, ItemKind, Match, OpenItem

if TYPE_CHECKING:
    from asyncpg import Record

_ITEM = (
    "open_item_id, account_id, legal_entity_id, kind, document_id, number, issued_on, due_on, currency, amount_minor, "
    "open_minor"
)


def _item_from_row(row: Record) -> OpenItem:
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


async def lock_accounts(tx: Tx, account_ids: Sequence[AccountId]) -> None:
    """Wait until nobody else settles these accounts, and let nobody until the commit. Always in one order."""
    await tx.execute(
        "SELECT pg_advisory_xact_lock(hashtextextended('payment.account ' || $1::uuid::text || a::text, 0)) "
        "FROM (SELECT DISTINCT unnest($2::uuid[]) AS a ORDER BY 1) AS sorted",
        tx.tenant_id,
        list(account_ids),
    )


async def add_items(tx: Tx, items: Sequence[OpenItem], now: datetime) -> set[OpenItemId]:
    """Insert open items; return the ids of those whose document is new."""
    rows = await tx.fetch(
        f"INSERT INTO payment.open_item (tenant_id, created_at, {_ITEM}) SELECT $1, $2, i.* FROM unnest($3::uuid[], "
        "$4::uuid[], $5::uuid[], $6::text[], $7::uuid[], $8::text[], $9::date[], $10::date[], $11::text[], "
        "$12::bigint[], $13::bigint[]) AS i ON CONFLICT (tenant_id, kind, document_id) DO NOTHING "
        "RETURNING open_item_id",
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


async def open_bills(tx: Tx, account_ids: Sequence[AccountId]) -> tuple[OpenItem, ...]:
    """Return what these accounts have to pay still, oldest due first."""
    rows = await tx.fetch(
        f"SELECT {_ITEM} FROM payment.open_item WHERE tenant_id = $1 AND account_id = ANY($2::uuid[]) "
        "AND open_minor > 0 ORDER BY account_id, due_on, issued_on, number, open_item_id",
        tx.tenant_id,
        list(account_ids),
    )
    return tuple(_item_from_row(row) for row in rows)


async def items_by_id(tx: Tx, item_ids: Sequence[OpenItemId]) -> Mapping[OpenItemId, OpenItem]:
    """Return those of the items that exist."""
    rows = await tx.fetch(
        f"SELECT {_ITEM} FROM payment.open_item WHERE tenant_id = $1 AND open_item_id = ANY($2::uuid[])",
        tx.tenant_id,
        list(item_ids),
    )
    return {item.id: item for item in map(_item_from_row, rows)}


async def items_numbered(tx: Tx, number: str) -> tuple[OpenItem, ...]:
    """Return the items of documents with this number; numbers of two companies never meet, so it is one or none."""
    rows = await tx.fetch(
        f"SELECT {_ITEM} FROM payment.open_item WHERE tenant_id = $1 AND number = $2 ORDER BY open_item_id LIMIT 2",
        tx.tenant_id,
        number,
    )
    return tuple(_item_from_row(row) for row in rows)


async def items_of_documents(tx: Tx, document_ids: Sequence[UUID]) -> Mapping[UUID, OpenItem]:
    """Return the items of bills and credit notes, by their document."""
    rows = await tx.fetch(
        f"SELECT {_ITEM} FROM payment.open_item WHERE tenant_id = $1 AND document_id = ANY($2::uuid[])",
        tx.tenant_id,
        list(document_ids),
    )
    return {item.document_id: item for item in map(_item_from_row, rows)}


async def list_items(
    tx: Tx, *, account_id: AccountId | None, only_open: bool, kind: ItemKind | None, offset: int, limit: int
) -> tuple[tuple[OpenItem, ...], int]:
    """Return one page of items, oldest due first, and how many there are."""
    where = (
        "tenant_id = $1 AND ($2::uuid IS NULL OR account_id = $2) AND (NOT $3 OR open_minor <> 0) "
        "AND ($4::text IS NULL OR kind = $4)"
    )
    wanted = None if kind is None else kind.value
    total: int = await tx.fetchval(
        f"SELECT count(*) FROM payment.open_item WHERE {where}", tx.tenant_id, account_id, only_open, wanted
    )
    rows = await tx.fetch(
        f"SELECT {_ITEM} FROM payment.open_item WHERE {where} ORDER BY due_on, number, open_item_id "
        "OFFSET $5 LIMIT $6",
        tx.tenant_id,
        account_id,
        only_open,
        wanted,
        offset,
        limit,
    )
    return tuple(_item_from_row(row) for row in rows), total


_CREDITS = """
    SELECT 'payment' AS kind, payment_id AS id, account_id, legal_entity_id, currency, left_minor, received_at AS since
      FROM payment.payment
     WHERE tenant_id = $1 AND account_id = ANY($2::uuid[]) AND state = 'done' AND left_minor > 0
     UNION ALL
    SELECT 'credit_note', open_item_id, account_id, legal_entity_id, currency, -open_minor, created_at
      FROM payment.open_item WHERE tenant_id = $1 AND account_id = ANY($2::uuid[]) AND open_minor < 0
     ORDER BY account_id, since, id"""


async def credits_of(tx: Tx, account_ids: Sequence[AccountId]) -> tuple[Credit, ...]:
    """Return the credit of these accounts, oldest first."""
    rows = await tx.fetch(_CREDITS, tx.tenant_id, list(account_ids))
    return tuple(
        Credit(
            CreditKind(row["kind"]),
            row["id"],
            AccountId(row["account_id"]),
            LegalEntityId(row["legal_entity_id"]),
            currency(row["currency"]),
            row["left_minor"],
        )
        for row in rows
    )


async def allocate(
    tx: Tx, matches: Sequence[tuple[UUID, Match]], days: Mapping[LegalEntityId, date], now: datetime
) -> None:
    """Write (allocation id, match) pairs, and what is left of credits and items after them."""
    await tx.execute(
        "INSERT INTO payment.allocation (tenant_id, allocation_id, credit_kind, credit_id, open_item_id, account_id, "
        "currency, amount_minor, allocated_on, recorded_at) SELECT $1, a.*, $2 FROM unnest($3::uuid[], $4::text[], "
        "$5::uuid[], $6::uuid[], $7::uuid[], $8::text[], $9::bigint[], $10::date[]) AS a",
        tx.tenant_id,
        now,
        [key for key, _ in matches],
        [match.credit.kind.value for _, match in matches],
        [match.credit.id for _, match in matches],
        [match.item.id for _, match in matches],
        [match.item.account_id for _, match in matches],
        [match.item.currency.code for _, match in matches],
        [match.amount_minor for _, match in matches],
        [days[match.item.legal_entity_id] for _, match in matches],
    )
    paid: dict[UUID, int] = defaultdict(int)
    spent: dict[UUID, int] = defaultdict(int)
    for _, match in matches:
        paid[match.item.id] -= match.amount_minor
        if match.credit.kind is CreditKind.CREDIT_NOTE:
            paid[match.credit.id] += match.amount_minor
        else:
            spent[match.credit.id] -= match.amount_minor
    await change_items(tx, paid)
    await change_payments(tx, spent)


async def change_items(tx: Tx, changes: Mapping[UUID, int]) -> None:
    """Add to what is open of each item."""
    await tx.execute(
        "UPDATE payment.open_item o SET open_minor = o.open_minor + c.change "
        "FROM unnest($2::uuid[], $3::bigint[]) AS c (id, change) WHERE o.tenant_id = $1 AND o.open_item_id = c.id",
        tx.tenant_id,
        list(changes),
        list(changes.values()),
    )


async def change_payments(tx: Tx, changes: Mapping[UUID, int]) -> None:
    """Add to what is left of each payment."""
    await tx.execute(
        "UPDATE payment.payment p SET left_minor = p.left_minor + c.change "
        "FROM unnest($2::uuid[], $3::bigint[]) AS c (id, change) WHERE p.tenant_id = $1 AND p.payment_id = c.id",
        tx.tenant_id,
        list(changes),
        list(changes.values()),
    )


async def allocated(tx: Tx, credit_id: UUID) -> Mapping[OpenItemId, int]:
    """Return what of a credit lies on each item now."""
    rows = await tx.fetch(
        "SELECT open_item_id, sum(amount_minor)::bigint AS minor FROM payment.allocation "
        "WHERE tenant_id = $1 AND credit_id = $2 GROUP BY open_item_id HAVING sum(amount_minor) <> 0 "
        "ORDER BY open_item_id",
        tx.tenant_id,
        credit_id,
    )
    return {OpenItemId(row["open_item_id"]): row["minor"] for row in rows}


async def take_back(
    tx: Tx, credit_id: UUID, back: Sequence[tuple[UUID, OpenItem, int]], day: date, now: datetime
) -> None:
    """Write the negative of (allocation id, item, amount) of a payment, and open the items again."""
    await tx.execute(
        "INSERT INTO payment.allocation (tenant_id, allocation_id, credit_kind, credit_id, open_item_id, account_id, "
        "currency, amount_minor, allocated_on, recorded_at) SELECT $1, a.key, 'payment', $2, a.item, a.account, "
        "a.currency, -a.minor, $3, $4 FROM unnest($5::uuid[], $6::uuid[], $7::uuid[], $8::text[], $9::bigint[]) "
        "AS a (key, item, account, currency, minor)",
        tx.tenant_id,
        credit_id,
        day,
        now,
        [key for key, _, _ in back],
        [item.id for _, item, _ in back],
        [item.account_id for _, item, _ in back],
        [item.currency.code for _, item, _ in back],
        [minor for _, _, minor in back],
    )
    await change_items(tx, {item.id: minor for _, item, minor in back})
