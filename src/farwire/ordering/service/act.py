"""Act on orders: hold, release, cancel, reject; decide about tasks in the fallout."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import chain
from typing import Final

from farwire.account import service as accounts
from farwire.base import audit, eventbus
from farwire.base.canonical import JSON
from farwire.base.clock import Clock
from farwire.base.storage import Tx
from farwire.kernel.errors import Conflict
from farwire.kernel.ids import OrderId, OrderItemId, PartyId, TaskId
from farwire.kernel.tenancy import SYSTEM, Actor
from farwire.ordering.events import order_events
from farwire.ordering.model import (
    ASKS_KYC,
    Cancel,
    Decision,
    Fact,
    Hold,
    HoldReason,
    ItemState,
    JournalEntry,
    OrderItem,
    Policy,
    ProductOrder,
    Reject,
    Release,
    Settle,
    Task,
    aborted,
    asleep,
    awake,
    begun,
    check_policy,
    decide,
    decided,
    is_final,
    item_state,
    rolled_back,
    with_item,
)
from farwire.ordering.service.read import require_order, require_task, standing_order
from farwire.ordering.store import orders as store
from farwire.ordering.store import policy as policy_store
from farwire.ordering.store import tasks as task_store
from farwire.party import service as parties
from farwire.party.model import KycState

MAX_REASON: Final = 500


async def hold_order(
    *, tx: Tx, clock: Clock, order_id: OrderId, reason: str = "", actor: Actor = SYSTEM
) -> ProductOrder:
    """Let an order that has not begun wait until it is released. Idempotent. Raises ``Conflict``, ``NotFound``."""
    now = clock.now()
    before, standing = await standing_order(tx, order_id, now)
    order, facts = decide(standing, Hold(HoldReason.MANUAL), now)
    await _save(tx, before, order, facts, asleep, now=now, actor=actor, act="hold", reason=reason)
    return order


async def release_order(
    *,
    tx: Tx,
    clock: Clock,
    order_id: OrderId,
    reason: HoldReason | None = None,
    actor: Actor = SYSTEM,
) -> ProductOrder:
    """Take one reason to wait away, or all that may go where none is named; the work may then begin.

    What waits for a verification goes on when the customer is verified, whoever asks. Idempotent. Raises ``NotFound``
    (``ordering.unknown``), ``Conflict`` (``ordering.not_held``, ``ordering.not_verified``).
    """
    now = clock.now()
    before = await require_order(tx, order_id, locked=True)
    order, facts = before, tuple[Fact, ...]()
    liftable = await _liftable(tx, before, reason)
    for one in sorted(liftable) if reason is None else [reason]:
        order, happened = decide(order, Release(one), now)
        facts += happened
    if reason is None and not before.holds:
        decide(before, Release(HoldReason.MANUAL), now)  # refuses what has begun or ended
    await _save(tx, before, order, facts, None, now=now, actor=actor, act="release")
    return order


async def _liftable(tx: Tx, order: ProductOrder, reason: HoldReason | None) -> frozenset[HoldReason]:
    """Return the reasons to wait that may be taken away now. Raises ``Conflict`` (``ordering.not_verified``)."""
    if HoldReason.KYC not in order.holds or await parties.kyc_of(tx, order.party_id) is KycState.VERIFIED:
        return order.holds
    others = order.holds - {HoldReason.KYC}
    if reason is HoldReason.KYC or (reason is None and not others):
        raise Conflict(
            "the order waits until its customer is verified: the law of the country asks for it",
            code="ordering.not_verified",
            field="order",
            value=str(order.id),
            fix="farwire party submit and farwire party verify: the order then goes on by itself",
        )
    return others


async def hold_unverified(
    *, tx: Tx, clock: Clock, party_id: PartyId, actor: Actor = SYSTEM
) -> tuple[OrderId, ...]:
    """Let a party's orders of SIMs that have not begun wait for its verification, which has expired; return which.

    Nothing for a party that is verified. Idempotent.
    """
    if await parties.kyc_of(tx, party_id) is KycState.VERIFIED:
        return ()
    now = clock.now()
    held = []
    ids = [account.id for account in await accounts.accounts_of_party(tx, party_id)]
    for order_id in await store.waiting_with_detail(tx, ids, ASKS_KYC):
        before, standing = await standing_order(tx, order_id, now)
        if HoldReason.KYC in before.holds or begun(standing) or standing.state.ended:
            continue
        order, facts = decide(standing, Hold(HoldReason.KYC), now)
        await _save(tx, before, order, facts, asleep, now=now, actor=actor, act="hold")
        held.append(order_id)
    return tuple(held)


async def release_verified(
    *, tx: Tx, clock: Clock, party_id: PartyId, actor: Actor = SYSTEM
) -> tuple[OrderId, ...]:
    """Release the orders of a verified party that wait for its verification; return which. Idempotent."""
    if await parties.kyc_of(tx, party_id) is not KycState.VERIFIED:
        return ()
    waiting = await store.held_for(tx, party_id, HoldReason.KYC)
    for order_id in waiting:
        await release_order(tx=tx, clock=clock, order_id=order_id, reason=HoldReason.KYC, actor=actor)
    return tuple(waiting)


async def cancel_order(
    *, tx: Tx, clock: Clock, order_id: OrderId, reason: str = "", actor: Actor = SYSTEM
) -> ProductOrder:
    """Give an order up: before it began, at once; afterwards exactly what was done is undone, the last first.

    Idempotent. Raises ``NotFound`` (``ordering.unknown``), ``Conflict`` (``ordering.ended``,
    ``ordering.past_return``).
    """
    now = clock.now()
    before, standing = await standing_order(tx, order_id, now)
    order, facts = decide(standing, Cancel(reason[:MAX_REASON]), now)
    if order == standing:
        return order
    undone = begun(standing)
    rolling = {item.id for item in order.items if item.state is ItemState.ROLLING_BACK}

    def change(tasks: Sequence[Task]) -> Sequence[Task]:
        if not undone:
            return aborted(tasks)
        return rolled_back(tasks, now) if tasks[0].item_id in rolling else tasks

    return await _save(
        tx, before, order, facts, change, now=now, actor=actor, act="cancel", reason=reason, settle=undone
    )


async def reject_order(
    *, tx: Tx, clock: Clock, order_id: OrderId, reason: str, actor: Actor = SYSTEM
) -> ProductOrder:
    """Refuse an order that has not begun, e.g. because the customer could not be verified. Raises ``Conflict``."""
    now = clock.now()
    before, standing = await standing_order(tx, order_id, now)
    order, facts = decide(standing, Reject(reason[:MAX_REASON]), now)
    return await _save(tx, before, order, facts, aborted, now=now, actor=actor, act="reject", reason=reason)


async def decide_fallout(
    *,
    tx: Tx,
    clock: Clock,
    task_id: TaskId,
    decision: Decision,
    reason: str = "",
    actor: Actor = SYSTEM,
) -> ProductOrder:
    """Decide about a task that waits in the fallout.

    Raises ``NotFound`` (``ordering.task_unknown``), ``Conflict`` (``ordering.not_in_fallout``,
    ``ordering.past_return``: what follows the point of no return is not rolled back).
    """
    now = clock.now()
    task = await require_task(tx, task_id)
    before = await require_order(tx, task.order_id, locked=True)
    tasks = await task_store.tasks_of_items(tx, [(task.order_id, task.item_id)])
    (item,) = [one for one in before.items if one.id == task.item_id]
    reason = reason[:MAX_REASON]
    item = replace(item, reason=reason or item.reason)
    order, after = decided(with_item(before, item), item, tasks, task.number, decision, now)
    (item,) = [one for one in order.items if one.id == task.item_id]
    order, facts = decide(order, Settle({item.id: item_state(after, item.ends_as)}), now)
    loaded, given_up, states = await give_up_parts(tx, order, tasks)
    if states:
        order, more = decide(order, Settle(states), now)
        facts += more
    await save_progress(tx, [(before, order, facts)], [*tasks, *loaded], [*after, *given_up], now)
    detail: dict[str, JSON] = {"decision": decision.value, "reason": reason}
    entry = JournalEntry(order.id, now, decision.value, item.number, task.number, None, actor.id, detail)
    await task_store.add_entries(tx, [entry])
    await audit.record(
        tx, actor=actor, action=f"ordering.{decision.value}", subject=str(task_id), at=now, detail=detail
    )
    return order


async def _save(
    tx: Tx,
    before: ProductOrder,
    order: ProductOrder,
    facts: tuple[Fact, ...],
    change: Callable[[Sequence[Task]], Sequence[Task]] | None,
    *,
    now: datetime,
    actor: Actor,
    act: str,
    reason: str = "",
    settle: bool = False,
) -> ProductOrder:
    """Write what a command did to an order and to the tasks of its items."""
    tasks = await task_store.tasks_of_orders(tx, [order.id])
    after: list[Task] = []
    states: dict[OrderItemId, ItemState] = {}
    by_item = {item.id: item for item in order.items}
    for item_id, own in items_of(tasks).items():
        changed = change(own) if change is not None else woken(order, by_item[item_id], own, now)
        after += changed
        if settle and by_item[item_id].state is ItemState.ROLLING_BACK:
            states[item_id] = item_state(changed, ItemState.CANCELLED)
    if states:
        order, more = decide(order, Settle(states), now)
        facts += more
    await save_progress(tx, [(before, order, facts)], tasks, after, now)
    detail: dict[str, JSON] = {"reason": reason[:MAX_REASON]} if reason else {}
    await task_store.add_entries(tx, [JournalEntry(order.id, now, act, actor=actor.id, detail=detail)])
    await audit.record(
        tx, actor=actor, action=f"ordering.{act}", subject=str(order.id), at=now, detail=detail
    )
    return order


async def give_up_parts(
    tx: Tx, order: ProductOrder, tasks: Sequence[Task]
) -> tuple[Sequence[Task], Sequence[Task], Mapping[OrderItemId, ItemState]]:
    """Give up what waits for a bundle that failed: nothing of it was begun.

    ``tasks`` are those that are loaded. Returns the tasks of such parts, what they become, and the states of the parts.
    """
    ended = {one.number for one in order.items if one.state in (ItemState.FAILED, ItemState.CANCELLED)}
    parts = [
        one
        for one in order.items
        if one.request.parent in ended and one.state in (ItemState.PENDING, ItemState.IN_PROGRESS)
    ]
    if not parts:
        return (), (), {}
    known = {task.item_id for task in tasks}
    wanted = [(order.id, one.id) for one in parts if one.id not in known]
    loaded = await task_store.tasks_of_items(tx, wanted)
    return loaded, aborted(loaded), {item_id: ItemState.FAILED for _, item_id in wanted}


def items_of(tasks: Iterable[Task]) -> Mapping[OrderItemId, list[Task]]:
    """Return the tasks by item, each in their order."""
    found: dict[OrderItemId, list[Task]] = {}
    for task in tasks:
        found.setdefault(task.item_id, []).append(task)
    return found


def woken(order: ProductOrder, item: OrderItem, tasks: Sequence[Task], now: datetime) -> Sequence[Task]:
    """Return the tasks of an item, ready where nothing holds them: neither the order, nor the bundle it is in."""
    if order.holds or order.state.ended or item.state not in (ItemState.PENDING, ItemState.IN_PROGRESS):
        return tasks
    parent = item.request.parent
    if parent is not None and order.items[parent - 1].state is not ItemState.COMPLETED:
        return tasks
    return awake(tasks, max(now, order.starts_at))


async def save_progress(
    tx: Tx,
    orders: Sequence[tuple[ProductOrder, ProductOrder, tuple[Fact, ...]]],
    tasks: Sequence[Task],
    after: Sequence[Task],
    now: datetime,
    entries: Sequence[JournalEntry] = (),
) -> None:
    """Write how far orders, items and tasks are now, what differs only, and publish what happened to the orders.

    ``entries`` come into the journal before what follows from them.
    """
    known = {task.id: task for task in tasks}
    await task_store.save_tasks(tx, [one for one in after if one.id in known and known[one.id] != one])
    await task_store.add_tasks(tx, [one for one in after if one.id not in known])
    finals = {item_id for item_id, own in items_of(after).items() if is_final(own)}
    items: list[tuple[OrderId, OrderItem]] = []
    saved: list[ProductOrder] = []
    for before, order, _ in orders:
        old = {item.id: item for item in before.items}
        for one in order.items:
            item = replace(one, final=True) if one.id in finals else one
            if item != old.get(item.id):
                items.append((order.id, item))
        if order is not before and replace(order, items=()) != replace(before, items=()):
            saved.append(order)
    await store.save_items(tx, items)
    await store.save_orders(tx, saved)
    happened = [JournalEntry(order.id, now, fact.value) for _, order, facts in orders for fact in facts]
    await task_store.add_entries(tx, [*entries, *happened])
    events = [order_events(order, facts, tenant_id=tx.tenant_id, at=now) for _, order, facts in orders]
    await eventbus.publish_many(tx, chain.from_iterable(events))


async def set_policy(*, tx: Tx, clock: Clock, policy: Policy, actor: Actor = SYSTEM) -> None:
    """Set the tenant's rules for orders. Raises ``Invalid`` (``ordering.policy``, ``ordering.fallout_rule``)."""
    check_policy(policy)
    now = clock.now()
    await policy_store.save_policy(tx, policy, now)
    await audit.record(
        tx, actor=actor, action="ordering.set_policy", subject=str(tx.tenant_id), at=now, detail={}
    )
