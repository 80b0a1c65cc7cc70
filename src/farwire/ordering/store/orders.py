"""SQL of orders and their items."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

import asyncpg
import msgspec

from farwire.base.canonical import JSON
from farwire.base.storage import Tx, on_violation
from farwire.kernel.errors import Conflict
from farwire.kernel.ids import AccountId, OrderId, OrderItemId, PartyId, PlanVersionId, ProductId, TaskId
from farwire.ordering.model import (
    HoldReason,
    ItemRequest,
    ItemState,
    Jeopardy,
    OrderItem,
    OrderState,
    ProductOrder,
)

_ORDER: Final = (
    "order_id, key, account_id, party_id, state, version, channel, holds, requested_at, starts_at, placed_at, "
    "released_at, started_at, ended_at, due_by, jeopardy, reason"
)
_ITEM: Final = (
    "order_id, item_id, number, request, product_id, plan_version_id, state, effective_at, final, ends_as, reason, "
    "details"
)
_ITEM_COLUMNS: Final = ("tenant_id", *(name.strip() for name in _ITEM.split(",")), "action")


def _order_row(order: ProductOrder) -> tuple[object, ...]:
    return (
        order.id, order.key, order.account_id, order.party_id, order.state.value, order.version, order.channel,
        sorted(order.holds), order.requested_at, order.starts_at, order.placed_at, order.released_at,
        order.started_at, order.ended_at, order.due_by, _said(order), order.reason,
    )  # fmt: skip


def _said(order: ProductOrder) -> str:
    return "" if order.jeopardy is None else order.jeopardy.value


def _item_row(tx: Tx, order_id: OrderId, item: OrderItem) -> tuple[object, ...]:
    return (
        tx.tenant_id, order_id, item.id, item.number, msgspec.json.encode(item.request).decode(), item.product_id,
        item.plan_version_id, item.state.value, item.effective_at, item.final, item.ends_as.value, item.reason,
        msgspec.json.encode(dict(item.details)).decode(), item.request.action.value,
    )  # fmt: skip


async def add_order(tx: Tx, order: ProductOrder, digest: str) -> bool:
    """Add an order without its items; return False where its key is there already."""
    columns = f"{_ORDER}, digest, tenant_id"
    tag = await tx.execute(
        f"INSERT INTO ordering.product_order ({columns}) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19) "
        "ON CONFLICT (tenant_id, key) DO NOTHING",
        *_order_row(order),
        digest,
        tx.tenant_id,
    )
    return tag == "INSERT 0 1"


async def add_items(tx: Tx, order_id: OrderId, items: Sequence[OrderItem]) -> None:
    """Add items. Raises ``Conflict`` (``ordering.product_busy``) where another open order has one of the products."""
    busy = Conflict(
        "another open order changes this product",
        code="ordering.product_busy",
        field="product",
        fix="wait until it is completed, or cancel it",
    )
    rows = [_item_row(tx, order_id, item) for item in items]
    with on_violation({"item_open_by_product": busy}):
        await tx.copy_records("ordering.item", columns=_ITEM_COLUMNS, records=rows)


async def remove_items(tx: Tx, order_id: OrderId) -> None:
    """Remove the items and tasks of an order that has not begun: others take their place."""
    await tx.execute(
        "DELETE FROM ordering.item WHERE tenant_id = $1 AND order_id = $2", tx.tenant_id, order_id
    )


async def save_orders(tx: Tx, orders: Sequence[ProductOrder]) -> None:
    """Write what changes of orders, in one statement: state, version, dates, holds."""
    if not orders:
        return
    await tx.execute(
        """UPDATE ordering.product_order o SET state = n.state, version = n.version, holds = n.holds::text[],
            requested_at = n.requested_at, starts_at = n.starts_at, released_at = n.released_at,
            started_at = n.started_at, ended_at = n.ended_at, reason = n.reason, due_by = n.due_by,
            jeopardy = n.jeopardy
        FROM unnest($2::uuid[], $3::text[], $4::int[], $5::text[], $6::timestamptz[], $7::timestamptz[],
            $8::timestamptz[], $9::timestamptz[], $10::timestamptz[], $11::text[], $12::timestamptz[], $13::text[])
            AS n (order_id, state, version, holds, requested_at, starts_at, released_at, started_at, ended_at, reason,
                due_by, jeopardy)
        WHERE o.tenant_id = $1 AND o.order_id = n.order_id""",
        tx.tenant_id,
        [one.id for one in orders],
        [one.state.value for one in orders],
        [one.version for one in orders],
        [f"{{{','.join(sorted(one.holds))}}}" for one in orders],
        [one.requested_at for one in orders],
        [one.starts_at for one in orders],
        [one.released_at for one in orders],
        [one.started_at for one in orders],
        [one.ended_at for one in orders],
        [one.reason for one in orders],
        [one.due_by for one in orders],
        [_said(one) for one in orders],
    )


async def save_items(tx: Tx, items: Sequence[tuple[OrderId, OrderItem]]) -> None:
    """Write what changes of items, in one statement: state, instant, point of no return."""
    if not items:
        return
    await tx.execute(
        """UPDATE ordering.item i SET state = n.state, effective_at = n.effective_at, final = n.final,
            ends_as = n.ends_as, reason = n.reason
        FROM unnest($2::uuid[], $3::uuid[], $4::text[], $5::timestamptz[], $6::bool[], $7::text[], $8::text[])
            AS n (order_id, item_id, state, effective_at, final, ends_as, reason)
        WHERE i.tenant_id = $1 AND i.order_id = n.order_id AND i.item_id = n.item_id""",
        tx.tenant_id,
        [order_id for order_id, _ in items],
        [item.id for _, item in items],
        [item.state.value for _, item in items],
        [item.effective_at for _, item in items],
        [item.final for _, item in items],
        [item.ends_as.value for _, item in items],
        [item.reason for _, item in items],
    )


async def lock_orders(tx: Tx, order_ids: Sequence[OrderId]) -> Mapping[OrderId, ProductOrder]:
    """Lock orders, always in the order of their ids, and return them with their items."""
    rows = await tx.fetch(
        f"SELECT {_ORDER} FROM ordering.product_order WHERE tenant_id = $1 AND order_id = ANY($2::uuid[]) "
        "ORDER BY order_id FOR NO KEY UPDATE",
        tx.tenant_id,
        order_ids,
    )
    return await _with_items(tx, rows)


async def orders_by_id(tx: Tx, order_ids: Sequence[OrderId]) -> Mapping[OrderId, ProductOrder]:
    """Return those of the orders that exist, with their items."""
    rows = await tx.fetch(
        f"SELECT {_ORDER} FROM ordering.product_order WHERE tenant_id = $1 AND order_id = ANY($2::uuid[])",
        tx.tenant_id,
        order_ids,
    )
    return await _with_items(tx, rows)


async def order_by_key(tx: Tx, key: str) -> tuple[OrderId, str] | None:
    """Return the id and the digest of the order with that key."""
    row = await tx.fetchrow(
        "SELECT order_id, digest FROM ordering.product_order WHERE tenant_id = $1 AND key = $2",
        tx.tenant_id,
        key,
    )
    return None if row is None else (OrderId(row["order_id"]), row["digest"])


async def list_orders(
    tx: Tx,
    *,
    state: OrderState | None,
    account_id: AccountId | None,
    jeopardy: Jeopardy | None,
    limit: int,
    offset: int,
) -> tuple[list[ProductOrder], int]:
    """Return a page of orders with their items, newest first, and how many there are.

    ``jeopardy`` asks for orders that are not done.
    """
    where = "tenant_id = $1 AND ($2::text IS NULL OR state = $2) AND ($3::uuid IS NULL OR account_id = $3)"
    given: tuple[object, ...] = (tx.tenant_id, None if state is None else state.value, account_id)
    if jeopardy is not None:
        where += f" AND ended_at IS NULL AND jeopardy = '{jeopardy.value}'"
    rows = await tx.fetch(
        f"SELECT {_ORDER} FROM ordering.product_order WHERE {where} ORDER BY order_id DESC LIMIT $4 OFFSET $5",
        *given,
        limit,
        offset,
    )
    total: int = await tx.fetchval(f"SELECT count(*) FROM ordering.product_order WHERE {where}", *given)
    return list((await _with_items(tx, rows)).values()), total


async def open_by_product(tx: Tx, product_ids: Sequence[ProductId]) -> Mapping[ProductId, OrderId]:
    """Return the order that is open for each of the products; products without one are absent."""
    rows = await tx.fetch(
        "SELECT product_id, order_id FROM ordering.item WHERE tenant_id = $1 AND product_id = ANY($2::uuid[]) "
        "AND state NOT IN ('completed', 'cancelled', 'failed', 'rejected')",
        tx.tenant_id,
        product_ids,
    )
    return {ProductId(row["product_id"]): OrderId(row["order_id"]) for row in rows}


async def open_offerings(tx: Tx, account_id: AccountId) -> list[tuple[ProductId, str]]:
    """Return what open orders of the account bring it: the product, and the code of its offering."""
    rows = await tx.fetch(
        "SELECT i.product_id, i.request ->> 'offering' AS offering FROM ordering.product_order o "
        "JOIN ordering.item i ON i.tenant_id = o.tenant_id AND i.order_id = o.order_id "
        "WHERE o.tenant_id = $1 AND o.account_id = $2 AND o.ended_at IS NULL AND i.request ? 'offering' "
        "AND i.state NOT IN ('completed', 'cancelled', 'failed', 'rejected') ORDER BY i.order_id, i.number",
        tx.tenant_id,
        account_id,
    )
    return [(ProductId(row["product_id"]), row["offering"]) for row in rows]


async def held_for(tx: Tx, party_id: PartyId, reason: HoldReason) -> list[OrderId]:
    """Return the open orders of a party that wait for ``reason``."""
    rows = await tx.fetch(
        "SELECT order_id FROM ordering.product_order WHERE tenant_id = $1 AND party_id = $2 "
        "AND ended_at IS NULL AND holds <> '{}' AND $3 = ANY(holds) ORDER BY order_id",
        tx.tenant_id,
        party_id,
        reason.value,
    )
    return [OrderId(row["order_id"]) for row in rows]


async def to_warn_about(
    tx: Tx, *, now: datetime, warning: timedelta, limit: int
) -> list[tuple[ProductOrder, datetime | None, TaskId | None]]:
    """Return orders whose due date is near, past or out of reach, locked, with what each waits for.

    That is when its next task may begin, and its task in the fallout or, without one, the one that is due last.
    """
    rows = await tx.fetch(
        f"SELECT {_ORDER}, w.task_id, w.next_at FROM ordering.product_order o LEFT JOIN LATERAL ("
        "SELECT t.task_id, CASE WHEN t.state = 'ready' THEN t.due_at END AS next_at FROM ordering.task t "
        "WHERE t.tenant_id = $1 AND t.order_id = o.order_id AND t.state IN ('fallout', 'ready', 'running') "
        "ORDER BY t.state = 'fallout' DESC, t.due_at DESC, t.number LIMIT 1) w ON true "
        "WHERE o.tenant_id = $1 AND o.ended_at IS NULL AND o.jeopardy <> 'missed' "
        "AND (o.started_at IS NOT NULL OR o.holds = '{}') AND (o.due_by <= $2 "
        "OR (o.jeopardy = '' AND (o.due_by <= $3 OR w.next_at >= o.due_by))) "
        "ORDER BY o.due_by LIMIT $4 FOR NO KEY UPDATE OF o SKIP LOCKED",
        tx.tenant_id,
        now,
        now + warning,
        limit,
    )
    orders = await _with_items(tx, rows)
    return [(orders[row["order_id"]], row["next_at"], row["task_id"]) for row in rows]


async def waiting_with_detail(tx: Tx, account_ids: Sequence[AccountId], detail: str) -> list[OrderId]:
    """Return the orders of the accounts that have not begun and of which an item has ``detail``."""
    rows = await tx.fetch(
        "SELECT order_id FROM ordering.product_order o WHERE tenant_id = $1 AND account_id = ANY($2::uuid[]) "
        "AND ended_at IS NULL AND started_at IS NULL AND EXISTS (SELECT FROM ordering.item i "
        "WHERE i.tenant_id = $1 AND i.order_id = o.order_id AND i.details ? $3) ORDER BY order_id",
        tx.tenant_id,
        list(account_ids),
        detail,
    )
    return [OrderId(row["order_id"]) for row in rows]


async def _with_items(tx: Tx, rows: Sequence[asyncpg.Record]) -> dict[OrderId, ProductOrder]:
    found = await tx.fetch(
        f"SELECT {_ITEM} FROM ordering.item WHERE tenant_id = $1 AND order_id = ANY($2::uuid[]) "
        "ORDER BY order_id, number",
        tx.tenant_id,
        [row["order_id"] for row in rows],
    )
    items: dict[OrderId, list[OrderItem]] = {OrderId(row["order_id"]): [] for row in rows}
    for row in found:
        items[row["order_id"]].append(_item(row))
    return {OrderId(row["order_id"]): _order(row, tuple(items[row["order_id"]])) for row in rows}


def _item(row: asyncpg.Record) -> OrderItem:
    version = row["plan_version_id"]
    details: dict[str, JSON] = msgspec.json.decode(row["details"])
    return OrderItem(
        id=OrderItemId(row["item_id"]),
        number=row["number"],
        request=msgspec.json.decode(row["request"], type=ItemRequest),
        product_id=ProductId(row["product_id"]),
        plan_version_id=None if version is None else PlanVersionId(version),
        state=ItemState(row["state"]),
        effective_at=row["effective_at"],
        final=row["final"],
        ends_as=ItemState(row["ends_as"]),
        reason=row["reason"],
        details=details,
    )


def _order(row: asyncpg.Record, items: tuple[OrderItem, ...]) -> ProductOrder:
    return ProductOrder(
        id=OrderId(row["order_id"]),
        key=row["key"],
        account_id=AccountId(row["account_id"]),
        party_id=PartyId(row["party_id"]),
        state=OrderState(row["state"]),
        items=items,
        placed_at=row["placed_at"],
        starts_at=row["starts_at"],
        requested_at=row["requested_at"],
        version=row["version"],
        channel=row["channel"],
        holds=frozenset(HoldReason(one) for one in row["holds"]),
        released_at=row["released_at"],
        started_at=row["started_at"],
        ended_at=row["ended_at"],
        due_by=row["due_by"],
        jeopardy=Jeopardy(row["jeopardy"]) if row["jeopardy"] else None,
        reason=row["reason"],
    )
