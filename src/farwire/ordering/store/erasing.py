"""SQL that takes what is personal out of orders."""

from __future__ import annotations

from farwire.base.storage import Tx
from farwire.kernel.ids import PartyId


async def blank_requests(tx: Tx, party_id: PartyId) -> int:
    """Take numbers, places and characteristics out of what a party ordered; return how many items had some."""
    rows = await tx.fetch(
        "UPDATE ordering.item i SET request = i.request - '{number,place,characteristics}'::text[], "
        "details = i.details - 'services' "
        "FROM ordering.product_order o WHERE o.tenant_id = $1 AND o.party_id = $2 "
        "AND i.tenant_id = $1 AND i.order_id = o.order_id "
        "AND i.request ?| '{number,place,characteristics}'::text[] RETURNING 1",
        tx.tenant_id,
        party_id,
    )
    return len(rows)


async def blank_remarks(tx: Tx, party_id: PartyId) -> None:
    """Take what people and systems remarked out of the orders of a party: reasons, errors of tasks."""
    mine = "(SELECT order_id FROM ordering.product_order WHERE tenant_id = $1 AND party_id = $2)"
    for statement in (
        f"UPDATE ordering.item SET reason = '' WHERE tenant_id = $1 AND reason <> '' AND order_id IN {mine}",
        f"UPDATE ordering.task SET error = '' WHERE tenant_id = $1 AND error <> '' AND order_id IN {mine}",
        "UPDATE ordering.product_order SET reason = '' WHERE tenant_id = $1 AND reason <> '' AND party_id = $2",
    ):
        await tx.execute(statement, tx.tenant_id, party_id)
