"""Take orders: check them with every reason, write them down with their plan, amend them before they begin."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

import msgspec

from farwire.account import service as accounts
from farwire.base import audit, eventbus
from farwire.base.canonical import JSON
from farwire.base.clock import Clock
from farwire.base.storage import Tx
from farwire.catalog.model import Refusal, Sellable
from farwire.kernel.errors import Conflict, Invalid
from farwire.kernel.ids import OrderId, OrderItemId, ProductId, ServiceId, uuid7
from farwire.kernel.tenancy import SYSTEM, Actor
from farwire.ordering.events import order_events
from farwire.ordering.model import (
    ASKS_KYC,
    Action,
    Amend,
    Fact,
    HoldReason,
    ItemRequest,
    JournalEntry,
    OrderItem,
    OrderRefused,
    OrderRequest,
    OrderState,
    Part,
    ProductOrder,
    Standing,
    Step,
    Task,
    TaskState,
    check_order,
    decide,
    decompose,
    due_by,
    end_reason,
    needs_sim,
    normalised,
    parts_of,
    plan_of,
    same_ids,
    starts_at,
    state_from,
    to_document,
)
from farwire.ordering.service.agreed import agreed_for
from farwire.ordering.service.read import order_with_key, standing_order
from farwire.ordering.service.situation import Known, kyc_asked, situation_of
from farwire.ordering.store import orders as store
from farwire.ordering.store import tasks as task_store
from farwire.party import service as parties
from farwire.party.model import KycState

MAX_KEY_CHARACTERS: Final = 200


@dataclass(frozen=True, slots=True)
class Placed:
    """The outcome of placing: the order, and whether it is ``new`` or was there under the same key."""

    order: ProductOrder
    new: bool


@dataclass(frozen=True, slots=True)
class Checked:
    """What a check finds: every reason against the order, and the instant at which its work would be due."""

    refusals: tuple[Refusal, ...]
    starts_at: datetime
    known: Known


def digest_of(request: OrderRequest) -> str:
    """Return the name of an order's content: equal orders have equal digests."""
    return hashlib.sha256(msgspec.json.encode(request, order="deterministic")).hexdigest()


def derived_key(request: OrderRequest, now: datetime) -> str:
    """Return the idempotency key of an order for which none was given.

    The same content is the same order; without a date of its own, on the same day (UTC).
    """
    day = "" if request.requested_at is not None else f"{now:%Y%m%d}-"
    return f"content-{day}{digest_of(request)[:32]}"


async def check(*, tx: Tx, clock: Clock, request: OrderRequest) -> Checked:
    """Return every reason for which the order would be refused now; nothing is written.

    Raises ``NotFound`` (``account.unknown``).
    """
    request = normalised(request)
    known = await situation_of(tx, request, clock.now())
    return Checked(check_order(request, known.situation), starts_at(request, known.situation), known)


async def draft_items(
    *, tx: Tx, clock: Clock, checked: Checked, request: OrderRequest
) -> tuple[OrderItem, ...]:
    """Return the items of an order that was checked, as they would be written down: for a preview of what it does."""
    request, now = normalised(request), clock.now()
    parts = parts_after(request, checked.known, now)
    return await _items(tx, request, checked.known, parts, checked.starts_at, now)


async def place_order(
    *, tx: Tx, clock: Clock, request: OrderRequest, key: str = "", actor: Actor = SYSTEM
) -> Placed:
    """Take an order: check it, write it down with its plan; nothing of it is done yet, ``work`` does.

    Idempotent by ``key`` (default: ``derived_key``): the same order again returns the one that is there. Publishes
    ``order_placed``, and ``order_held`` where it must wait. Raises ``OrderRefused`` with every reason, ``NotFound``
    (``account.unknown``), ``Conflict`` (``ordering.key_reused``), ``Invalid`` (``ordering.key``).
    """
    now = clock.now()
    request = normalised(request)
    key = key or derived_key(request, now)
    if len(key) > MAX_KEY_CHARACTERS or not key.isprintable():
        raise Invalid("a key has 1 to 200 printable characters", code="ordering.key", field="key", value=key)
    digest = digest_of(request)
    before = await order_with_key(tx, key, digest)
    if before is not None:
        return Placed(before, new=False)
    order, tasks = await _ordered(tx, request, key, now)
    if not await store.add_order(tx, order, digest):
        # Somebody else was first with this key while we looked; what is stored counts.
        first = await order_with_key(tx, key, digest)
        if first is None:
            raise Conflict("the key is being used by another order", code="ordering.key_reused", field="key")
        return Placed(first, new=False)
    await store.add_items(tx, order.id, order.items)
    await task_store.add_tasks(tx, tasks)
    facts = (Fact.PLACED, Fact.HELD) if order.state is OrderState.HELD else (Fact.PLACED,)
    entries = [JournalEntry(order.id, now, fact.value, actor=actor.id) for fact in facts]
    await task_store.add_entries(tx, entries)
    await eventbus.publish_many(tx, order_events(order, facts, tenant_id=tx.tenant_id, at=now))
    detail: dict[str, JSON] = {"items": len(order.items), "account_id": str(order.account_id)}
    await audit.record(tx, actor=actor, action="ordering.place", subject=str(order.id), at=now, detail=detail)
    return Placed(order, new=True)


async def amend_order(
    *, tx: Tx, clock: Clock, order_id: OrderId, request: OrderRequest, actor: Actor = SYSTEM
) -> ProductOrder:
    """Replace the items and the date of an order that has not begun; its version rises by one.

    Raises what ``place_order`` raises, ``NotFound`` (``ordering.unknown``), ``Conflict`` (``ordering.begun``,
    ``ordering.ended``, ``ordering.other_account``).
    """
    now = clock.now()
    before, standing = await standing_order(tx, order_id, now)
    if request.account_id != before.account_id:
        raise Conflict(
            "an order stays with its account",
            code="ordering.other_account",
            field="account",
            fix="place another",
        )
    request = normalised(request)
    # A dry run: it refuses an order that has begun before anything is touched.
    decide(standing, Amend(before.items, before.requested_at, before.starts_at, before.due_by), now)
    await store.remove_items(tx, order_id)
    wanted, tasks = await _ordered(tx, request, before.key, now, order_id)
    amend = Amend(wanted.items, wanted.requested_at, wanted.starts_at, wanted.due_by, wanted.holds)
    order, facts = decide(before, amend, now)
    if order.holds:
        tasks = tuple(replace(task, state=TaskState.WAITING) for task in tasks)
    await store.add_items(tx, order_id, order.items)
    await task_store.add_tasks(tx, tasks)
    await store.save_orders(tx, [order])
    detail: dict[str, JSON] = {"version": order.version, "items": len(order.items)}
    entries = [JournalEntry(order_id, now, fact.value, actor=actor.id, detail=detail) for fact in facts]
    await task_store.add_entries(tx, entries)
    await eventbus.publish_many(tx, order_events(order, facts, tenant_id=tx.tenant_id, at=now))
    await audit.record(tx, actor=actor, action="ordering.amend", subject=str(order_id), at=now, detail=detail)
    return order


async def _ordered(
    tx: Tx, request: OrderRequest, key: str, now: datetime, order_id: OrderId | None = None
) -> tuple[ProductOrder, tuple[Task, ...]]:
    await accounts.keep_account(tx, request.account_id)
    known = await situation_of(tx, request, now)
    situation = known.situation
    refusals = check_order(request, situation)
    if refusals:
        raise OrderRefused(refusals)
    order_id = order_id or OrderId(uuid7(now))
    due_at = starts_at(request, situation)
    parts = parts_after(request, known, now)
    items = await _items(tx, request, known, parts, due_at, now)
    given = {n: one for n, one in situation.sold.items() if _gives_sim(request.items[n - 1], one, known)}
    asked = await kyc_asked(tx, situation.account, list(given.values()), now)
    if asked:
        items = tuple(_asking(item) if item.number in given else item for item in items)
    verified = not asked or await parties.kyc_of(tx, situation.account.party_id) is KycState.VERIFIED
    holds = frozenset() if verified else frozenset({HoldReason.KYC})
    order = ProductOrder(
        id=order_id,
        key=key,
        account_id=situation.account.id,
        party_id=situation.account.party_id,
        state=OrderState.ACKNOWLEDGED,
        items=items,
        placed_at=now,
        starts_at=due_at,
        requested_at=request.requested_at
        if due_at == request.requested_at
        else due_at
        if due_at > now
        else None,
        channel=request.channel,
        holds=holds,
        due_by=due_by(due_at, now, (one.action for one in request.items), situation.policy),
    )
    order = replace(order, state=state_from(order, now))
    return order, _plan(order, parts, known, now)


def _asking(item: OrderItem) -> OrderItem:
    """Return an item that is begun for a verified customer only: the verification may expire before its date."""
    return replace(item, details={**item.details, ASKS_KYC: True})


def _gives_sim(item: ItemRequest, sold: Sellable, known: Known) -> bool:
    """Return whether a SIM may be given out: who changes an offering and had a SIM before keeps it."""
    before = () if item.product_id is None else known.services.get(item.product_id, ())
    return item.action is Action.ADD or (needs_sim(sold.service_specifications) and not needs_sim(before))


def _plan(
    order: ProductOrder, parts: Mapping[int, Sequence[Part]], known: Known, now: datetime
) -> tuple[Task, ...]:
    return tuple(
        task
        for item in order.items
        for task in plan_of(
            steps_of(item.request, parts[item.number], known),
            order_id=order.id,
            item_id=item.id,
            due_at=order.starts_at,
            now=now,
            released=not order.holds and item.request.parent is None,
            max_attempts=known.situation.policy.max_attempts,
        )
    )


def steps_of(item: ItemRequest, parts: Sequence[Part], known: Known) -> Sequence[Step]:
    """Return the steps of an item whose product will have these services."""
    brought = bool(item.number) and item.number not in known.situation.pooled
    before = None if item.product_id is None else known.standings.get(item.product_id)
    return decompose(item, parts, before, brought=brought)


def parts_after(request: OrderRequest, known: Known, now: datetime) -> Mapping[int, tuple[Part, ...]]:
    """Return, by the number of the item, the services that the products will have; those that stay with their ids."""
    found: dict[int, tuple[Part, ...]] = {}
    for number, item in enumerate(request.items, 1):
        before = Standing() if item.product_id is None else known.standings.get(item.product_id, Standing())
        realised = known.realised.get(number)
        if realised is not None:
            # A millisecond each: services are listed in the order of their ids.
            fresh = [ServiceId(uuid7(now + timedelta(milliseconds=n))) for n in range(len(realised.lines))]
            found[number] = parts_of(realised.lines, same_ids(realised.lines, before.parts, fresh))
        else:
            found[number] = () if number in known.situation.sold else before.parts
    return found


async def _items(
    tx: Tx,
    request: OrderRequest,
    known: Known,
    parts: Mapping[int, Sequence[Part]],
    due_at: datetime,
    now: datetime,
) -> tuple[OrderItem, ...]:
    items: list[OrderItem] = []
    product_ids = [one.product_id or ProductId(uuid7(now)) for one in request.items]
    for number, one in enumerate(request.items, 1):
        sold = known.situation.sold.get(number)
        details: dict[str, JSON] = dict(await agreed_for(tx, known.situation.account, sold, due_at))
        if one.parent is not None:
            details["parent_product"] = str(product_ids[one.parent - 1])
        details |= _decided(one, known, sold, due_at)
        if number in known.realised:
            details["services"] = [to_document(part) for part in parts[number]]
        items.append(
            OrderItem(
                id=OrderItemId(uuid7(now)),
                number=number,
                request=one,
                product_id=product_ids[number - 1],
                plan_version_id=None if sold is None else sold.plan_version.id,
                details=details,
            )
        )
    return tuple(items)


def _decided(item: ItemRequest, known: Known, sold: Sellable | None, due_at: datetime) -> dict[str, JSON]:
    """Return what holds now and the order keeps, however late its work is done: the policy's share, how it ends."""
    details: dict[str, JSON] = {}
    if sold is not None:
        details["offering_id"] = str(sold.offering_id)
    if item.action in (Action.SUSPEND, Action.RESUME) and item.reason is not None:
        asked = item.recurring_percent
        details["recurring_percent"] = known.situation.policy.percent(item.reason) if asked is None else asked
    if item.action is Action.CEASE and item.product_id is not None:
        product = known.situation.held[item.product_id].product
        details["end_reason"] = end_reason(product, due_at, item.withdrawal, known.situation.tz).value
    return details
