"""Tasks on the product: make it, change its plan or prices, suspend, resume, end it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from farwire.account import service as accounts
from farwire.base.canonical import JSON
from farwire.base.storage import Tx
from farwire.inventory import service as inventory
from farwire.inventory.model import (
    EndReason,
    Service,
    ServiceChange,
    ServiceState,
    SuspensionReason,
    check_service_change,
)
from farwire.kernel.errors import Conflict, Defect
from farwire.kernel.ids import OverrideId, ServiceId, parse_id, uuid7
from farwire.kernel.time import zone
from farwire.ordering.model import (
    Task,
    TaskKind,
    commitment_of,
    ends_for,
    offering_of_item,
    override_of,
    overrides_of,
    plan_of_item,
    product_of_item,
)
from farwire.ordering.service.effects.work import Result, Work, one_by_one


async def create(tx: Tx, works: Sequence[Work], now: datetime) -> Sequence[Result]:
    """Make the products with what was agreed for them, and their services."""
    ids = list({work.order.account_id for work in works})
    known = await accounts.accounts_by_id(tx=tx, account_ids=ids)
    added = [
        product_of_item(work.item, known[work.order.account_id], at=work.at, now=now, order_id=work.order.id)
        for work in works
    ]
    await inventory.add_products(tx, added, now=now)
    services = [service for work in works for service in _services(work, now)]
    if services:
        await inventory.add_services(tx, services)
    return [{"started_at": work.at.isoformat()} for work in works]


def _services(work: Work, now: datetime) -> list[Service]:
    """Return the services to add: active at once where nothing in the network has to be switched on."""
    switched = {
        one.step.parameters.get("service_id", one.step.parameters.get("service"))
        for one in work.tasks.values()
        if one.step.kind is TaskKind.ACTIVATE
    }
    known = described(work)
    waits = set(switched)
    for one in reversed(list(known.values())):  # what realises comes behind what it realises
        waits |= {one.get("supports")} if one["id"] in waits else set()
    there = {key: one for key, one in known.items() if key in _listed(work)}
    return [
        Service(
            ServiceId(parse_id(key)),
            work.product_id,
            str(one["specification"]),
            (ServiceChange(work.at, ServiceState.DESIGNED if key in waits else ServiceState.ACTIVE),),
            values_of(one),
            None if one.get("supports") is None else ServiceId(parse_id(str(one["supports"]))),
        )
        for key, one in there.items()
    ] or _plain_services(work, switched, now)


def _plain_services(work: Work, switched: Collection[JSON], now: datetime) -> list[Service]:
    """Return the services of an order that was placed when it named them by their codes only."""
    attributes = {name: str(value) for name, value in work.item.request.characteristics.items()}
    return [
        Service(
            ServiceId(uuid7(now)),
            work.product_id,
            code,
            (ServiceChange(work.at, ServiceState.DESIGNED if code in switched else ServiceState.ACTIVE),),
            attributes,
        )
        for code in _listed(work)
        if "services" not in work.item.details
    ]


def _listed(work: Work) -> list[str]:
    listed = work.task.step.parameters.get("services")
    return [str(one) for one in listed] if isinstance(listed, Sequence) else []


def described(work: Work) -> Mapping[str, Mapping[str, JSON]]:
    """Return what the order says of the services that the product will have, by their ids."""
    listed = work.item.details.get("services")
    found = [one for one in listed if isinstance(one, Mapping)] if isinstance(listed, Sequence) else []
    return {str(one["id"]): one for one in found}


def values_of(document: Mapping[str, JSON]) -> Mapping[str, str]:
    """Return the characteristics of a service that an order describes."""
    values = document.get("values")
    return {name: str(text) for name, text in values.items()} if isinstance(values, Mapping) else {}


async def change_parts(tx: Tx, works: Sequence[Work], now: datetime) -> None:
    """Add the services that the tasks list and that are not there; give the others the characteristics of the order."""
    added = [service for work in works for service in _services(work, now)]
    if not added:
        return
    there = await inventory.services_of_products(tx, list({one.product_id for one in added}))
    known = {one.id for listed in there.values() for one in listed}
    await inventory.change_services(tx, {one.id: one.attributes for one in added if one.id in known})
    new = [one for one in added if one.id not in known]
    if new:
        await inventory.add_services(tx, new)


async def enter(tx: Tx, service: Service, state: ServiceState, at: datetime) -> None:
    """Let a service be in ``state`` from ``at`` on, where it may; otherwise it stays as it is."""
    at = max(at, service.changes[-1].valid_from)
    try:
        check_service_change(service, state, at)
    except Conflict:
        return
    await inventory.change_service_state(tx, service_id=service.id, state=state, at=at)


async def _end_services(tx: Tx, work: Work) -> None:
    services = (await inventory.services_of_products(tx, [work.product_id])).get(work.product_id, ())
    for service in services:
        await enter(tx, service, ServiceState.TERMINATED, work.at)


async def discard(tx: Tx, works: Sequence[Work], now: datetime) -> Sequence[Result]:
    """End a product at its start, as withdrawn: nothing is charged for it."""

    async def act(work: Work) -> Result:
        found = await inventory.get_products(tx, [work.product_id])
        if work.product_id not in found:
            return {"discarded": False}
        await inventory.end_product(
            tx, product_id=work.product_id, at=work.at, reason=EndReason.WITHDRAWAL, now=now
        )
        await _end_services(tx, work)
        return {"discarded": True}

    return await one_by_one(works, act)


async def end(tx: Tx, works: Sequence[Work], now: datetime) -> Sequence[Result]:
    """End the product: withdrawn, or ceased, as it was when the order was taken."""

    async def act(work: Work) -> Result:
        reason = ends_for(work.item)
        await inventory.end_product(tx, product_id=work.product_id, at=work.at, reason=reason, now=now)
        await _end_services(tx, work)
        return {"reason": reason.value}

    return await one_by_one(works, act)


async def change_plan(tx: Tx, works: Sequence[Work], now: datetime) -> Sequence[Result]:
    """Let the new plan hold, with its term and prices; the day of the change belongs to it."""
    ids = list({work.order.account_id for work in works})
    known = await accounts.accounts_by_id(tx=tx, account_ids=ids)

    async def act(work: Work) -> Result:
        plan = plan_of_item(work.item)
        await inventory.change_plan(
            tx,
            product_id=work.product_id,
            plan_version_id=plan,
            at=work.at,
            offering_id=offering_of_item(work.item),
            now=now,
        )
        for one in overrides_of(work.item, work.at, now):
            await inventory.add_override(tx, product_id=work.product_id, override=one)
        term = commitment_of(work.item.details, work.at, zone(known[work.order.account_id].zone))
        if term is not None:
            await inventory.set_commitment(tx, product_id=work.product_id, commitment=term)
        await change_parts(tx, [work], now)
        return {"plan_version_id": str(plan)}

    return await one_by_one(works, act)


async def override(tx: Tx, works: Sequence[Work], now: datetime) -> Sequence[Result]:
    """Let other prices hold from the item's instant on."""

    async def act(work: Work) -> Result:
        added = [override_of(change, work.at, now) for change in work.item.request.overrides]
        for one in added:
            await inventory.add_override(tx, product_id=work.product_id, override=one)
        return {"overrides": [str(one.id) for one in added]}

    return await one_by_one(works, act)


async def close_override(tx: Tx, works: Sequence[Work], _now: datetime) -> Sequence[Result]:
    """Let the overrides of the undone task never have been in force."""

    async def act(work: Work) -> Result:
        added = work.original.result.get("overrides")
        for one in added if isinstance(added, Sequence) else ():
            await inventory.close_override(
                tx, product_id=work.product_id, override_id=OverrideId(parse_id(str(one))), at=work.at
            )
        return {}

    return await one_by_one(works, act)


async def suspend(tx: Tx, works: Sequence[Work], now: datetime) -> Sequence[Result]:
    """Add the item's reason for which the product is suspended."""

    async def act(work: Work) -> Result:
        reason = work.item.request.reason
        if reason is None:
            raise Defect("a suspension has a reason", code="ordering.no_reason")
        percent = await _percent(tx, work, reason)
        if percent is None:
            return {"suspended": False}
        new = await inventory.suspend_product(
            tx, product_id=work.product_id, reason=reason, at=work.at, recurring_percent=percent, now=now
        )
        return {"suspended": new}

    return await one_by_one(works, act)


async def _percent(tx: Tx, work: Work, reason: SuspensionReason) -> int | None:
    """Return what the suspension charges; of one that an undone resumption ended, what it charged; None without one."""
    if work.task.undoes is None:
        percent = work.item.details.get("recurring_percent")
        return percent if isinstance(percent, int) else 100
    held = (await inventory.find_product(tx, work.product_id)).suspensions
    return next(
        (one.recurring_percent for one in held if one.reason is reason and one.valid_to == work.at), None
    )


async def resume(tx: Tx, works: Sequence[Work], now: datetime) -> Sequence[Result]:
    """Take the item's reason away."""

    async def act(work: Work) -> Result:
        reason = work.item.request.reason
        if reason is None:
            raise Defect("a resumption has a reason", code="ordering.no_reason")
        if work.task.undoes is not None and work.original.result.get("suspended") is False:
            return {}  # it was suspended before, by somebody else
        serves = await inventory.resume_product(
            tx, product_id=work.product_id, reason=reason, at=work.at, now=now
        )
        return {"serves": serves}

    return await one_by_one(works, act)


async def place(tx: Tx, works: Sequence[Work], now: datetime) -> Sequence[Result]:
    """Let the product be at the new place; its price and its term stay as they are."""

    async def act(work: Work) -> Result:
        moved = await inventory.move_product(
            tx, product_id=work.product_id, place=work.item.request.place, at=work.at, now=now
        )
        await change_parts(tx, [work], now)
        return {"moved": moved}

    return await one_by_one(works, act)


def last_of(tasks: Mapping[int, Task], task: Task) -> bool:
    """Return whether no later task of the item does the same for the same service."""
    names = [task.step.parameters.get(name) for name in ("service", "service_id")]
    return not any(
        one.number > task.number
        and one.step.kind is task.step.kind
        and one.compensating == task.compensating
        and [one.step.parameters.get(name) for name in ("service", "service_id")] == names
        for one in tasks.values()
    )
