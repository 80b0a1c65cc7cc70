"""Tasks on resources: reserve, give to the product, take back into quarantine."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from farwire.base.storage import Tx
from farwire.inventory import service as inventory
from farwire.inventory.model import Resource, Service, ServiceState
from farwire.inventory.service import Gift
from farwire.kernel.ids import ServiceId
from farwire.ordering.service.effects.work import Result, Work, one_by_one

RESERVED_FOR: Final = timedelta(days=365)
"""Longer than an order may wait in the fallout; its end is a rollback, which frees at once."""


async def reserve(tx: Tx, works: Sequence[Work], now: datetime) -> Sequence[Result]:
    """Reserve what the services need, all or nothing, each under its task's id."""
    until = now + RESERVED_FOR
    found: dict[str, Sequence[Resource]] = {}
    singles: dict[str, list[str]] = defaultdict(list)
    for work in works:
        pool, key, count = work.text("pool"), str(work.task.id), work.whole("count") or 1
        if work.task.step.parameters.get("chosen"):
            numbers = [work.item.request.number]
            found[key] = await inventory.reserve_chosen(
                tx, pool=pool, key=key, values=numbers, now=now, until=until
            )
        elif count > 1:
            found[key] = await inventory.reserve(tx, pool=pool, key=key, count=count, now=now, until=until)
        else:
            singles[pool].append(key)
    for pool in sorted(singles):
        found |= await inventory.reserve_each(tx, pool=pool, keys=singles[pool], now=now, until=until)
    return [{"resources": [str(one.id) for one in found[str(work.task.id)]]} for work in works]


async def free(tx: Tx, works: Sequence[Work], _now: datetime) -> Sequence[Result]:
    """Give back what was reserved and not given to the product."""

    async def act(work: Work) -> Result:
        return {"freed": await inventory.release(tx, key=str(work.original.id))}

    return await one_by_one(works, act)


async def assign(tx: Tx, works: Sequence[Work], now: datetime) -> Sequence[Result]:
    """Give what was reserved to the products, or let the number that a customer brings be his product's."""
    reserved = [work for work in works if not work.task.step.parameters.get("brought")]
    for work in works:
        if work.task.step.parameters.get("brought"):
            await _bring(tx, work)
    services = await inventory.services_of_products(tx, [work.product_id for work in reserved])
    gifts = {
        work.task.id: Gift(
            str(work.tasks[work.whole("reserved_by")].id),
            work.product_id,
            _service(services.get(work.product_id, ()), work),
            work.at,
        )
        for work in reserved
    }
    given = await inventory.give_each(tx, list(gifts.values()), now=now) if gifts else {}
    return [
        {"resources": [str(one.id) for one in given[gifts[work.task.id].key]]}
        if work.task.id in gifts
        else {}
        for work in works
    ]


def _service(services: Sequence[Service], work: Work) -> ServiceId | None:
    alive = [one for one in services if one.state is not ServiceState.TERMINATED]
    if named := work.text("service_id"):
        return next((one.id for one in alive if str(one.id) == named), None)
    return next((one.id for one in alive if one.specification == work.text("service")), None)


async def _bring(tx: Tx, work: Work) -> None:
    number = work.item.request.number
    (key,) = (await inventory.ensure_subscriber_keys(tx, [number])).values()
    holders = (await inventory.products_by_subscriber(tx, [key])).get(key, ())
    for product in holders:
        for held in product.assignments:
            over = held.valid_to is not None and held.valid_to <= work.at
            if held.subscriber_key == key and not over and product.id != work.product_id:
                raise inventory.Overlap(
                    "the number that the customer brings is in use",
                    field="number",
                    fix="cease the product that has it, then retry",
                )
    await inventory.reassign(
        tx, subscriber_key=key, product_id=work.product_id, kind=work.text("kind"), at=work.at
    )


async def quarantine(tx: Tx, works: Sequence[Work], now: datetime) -> Sequence[Result]:
    """Take resources from the product: those that the undone task gave, or all of a kind, a pool or a service."""

    async def act(work: Work) -> Result:
        if work.task.undoes is not None:
            if work.task.step.parameters.get("brought"):
                return {}  # the assignment ends with the product
            reserved_by = work.tasks[work.whole("reserved_by")]
            held = await inventory.reserved(tx, key=str(reserved_by.id))
        else:
            of_product = await inventory.resources_of_products(tx, [work.product_id])
            held = tuple(one for one in of_product.get(work.product_id, ()) if _is_meant(one, work))
        for one in held:
            await inventory.return_resource(tx, resource_id=one.id, at=work.at, now=now)
        return {"resources": [str(one.id) for one in held]}

    return await one_by_one(works, act)


def _is_meant(one: Resource, work: Work) -> bool:
    """Return whether a task takes the resource: of its kind, and of the pool and the service that it names."""
    kind, pool, of, stays = (work.task.step.parameters.get(name) for name in ("kind", "pool", "of", "stays"))
    kept = str(one.service_id) in stays if isinstance(stays, Sequence) else False
    return (
        one.kind.value == kind
        and pool in (None, "", one.pool)
        and of in (None, str(one.service_id))
        and not kept
    )
