"""Tasks on the network: an operation of an adapter, with what the catalogue says of its target and attributes.

The parameters of an operation in a service specification may name ``target`` and any attribute; ``{imsi}``,
``{msisdn}``, ``{iccid}``, ``{product}`` and the like stand for what the product has.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from farwire.activation import service as activation
from farwire.activation.model import Action, Operation
from farwire.base.canonical import JSON
from farwire.base.storage import Tx
from farwire.catalog import service as catalog
from farwire.catalog.model import text_of
from farwire.inventory import service as inventory
from farwire.inventory.model import (
    Product,
    Resource,
    ResourceKind,
    Service,
    ServiceState,
    SuspensionReason,
    identifiers,
)
from farwire.kernel.errors import Invalid
from farwire.kernel.ids import ProductId, ServiceId
from farwire.ordering.model import TaskKind
from farwire.ordering.service.effects.products import change_parts, enter, last_of
from farwire.ordering.service.effects.work import Result, Work, one_by_one

USUAL: Final[Mapping[str, Mapping[str, str]]] = {
    "hlr": {"target": "{imsi}", "msisdn": "{msisdn}"},
    "smdp": {"target": "{iccid}", "imsi": "{imsi}"},
}
PLAIN: Final[Mapping[str, str]] = {"target": "{product}", "offering": "{offering}"}
"""What an operation means where the specification says nothing else: adapter → parameters, and those of all others."""
TARGET: Final = "target"
_PLACE: Final = re.compile(r"\{([a-z0-9_.-]+)\}")
_AFTER: Final[Mapping[Action, ServiceState]] = {
    Action.PROVISION: ServiceState.ACTIVE,
    Action.RESUME: ServiceState.ACTIVE,
    Action.SUSPEND: ServiceState.SUSPENDED,
    Action.TERMINATE: ServiceState.INACTIVE,
}


@dataclass(frozen=True, slots=True)
class _Facts:
    """What the products of some tasks are and have now."""

    now: datetime
    products: Mapping[ProductId, Product]
    services: Mapping[ProductId, Sequence[Service]]
    resources: Mapping[ProductId, Sequence[Resource]]

    @classmethod
    async def of(cls, tx: Tx, works: Sequence[Work], now: datetime) -> _Facts:
        """Return them, in as many statements for many tasks as for one."""
        ids = list({work.product_id for work in works})
        products = await inventory.get_products(tx, ids)
        services = await inventory.services_of_products(tx, ids)
        return cls(now, products, services, await inventory.resources_of_products(tx, ids))

    def suspended_for(self, work: Work) -> frozenset[SuspensionReason]:
        """Return why the product is suspended now.

        The network knows no past: from when a suspension or its end counts does not matter to it.
        """
        return self.products[work.product_id].suspended_for(self.now)

    def services_of(self, work: Work) -> Sequence[Service]:
        """Return the services that the task is about."""
        wanted, named = work.text("service"), work.text("service_id")
        services = self.services.get(work.product_id, ())
        return [one for one in services if (str(one.id) == named if named else one.specification == wanted)]


async def activate(tx: Tx, works: Sequence[Work], now: datetime) -> Sequence[Result]:
    """Switch the service on; it is barred where the product is suspended."""
    facts = await _Facts.of(tx, works, now)

    async def act(work: Work) -> Result:
        done = await _apply(tx, work, Action.PROVISION, facts)
        if done and facts.suspended_for(work):
            fresh = await _Facts.of(tx, [work], now)
            await _apply(tx, work, Action.SUSPEND, fresh, key=f"{work.task.id}:bar")
        return done

    return await one_by_one(works, act)


async def alter(tx: Tx, works: Sequence[Work], now: datetime) -> Sequence[Result]:
    """Let the inventory and the network know what changed."""
    await change_parts(tx, works, now)
    return await _each(tx, works, Action.CHANGE, now)


async def deactivate(tx: Tx, works: Sequence[Work], now: datetime) -> Sequence[Result]:
    """Switch the service off."""
    return await _each(tx, works, Action.TERMINATE, now)


async def bar(tx: Tx, works: Sequence[Work], now: datetime) -> Sequence[Result]:
    """Let the service not be used while the product is suspended."""
    return await _each(tx, works, Action.SUSPEND, now)


async def _each(tx: Tx, works: Sequence[Work], action: Action, now: datetime) -> Sequence[Result]:
    facts = await _Facts.of(tx, works, now)
    return await one_by_one(works, lambda work: _apply(tx, work, action, facts))


async def unbar(tx: Tx, works: Sequence[Work], now: datetime) -> Sequence[Result]:
    """Let the service be used again, unless another reason to suspend it is left now."""
    facts = await _Facts.of(tx, works, now)

    async def act(work: Work) -> Result:
        left = facts.suspended_for(work)
        if work.task.undoes is not None and _suspended_by(work):
            left -= {work.item.request.reason}  # the product is resumed after its services
        if left:
            return {"left": sorted(left)}
        return await _apply(tx, work, Action.RESUME, facts)

    return await one_by_one(works, act)


def _suspended_by(work: Work) -> bool:
    """Return whether the item itself is why the product is suspended for its reason."""
    own = (one for one in work.tasks.values() if one.step.kind is TaskKind.SUSPEND and not one.compensating)
    return any(one.result.get("suspended") is not False for one in own)


async def _apply(tx: Tx, work: Work, action: Action, facts: _Facts, *, key: str = "") -> Result:
    adapter = work.text("adapter")
    if not adapter:
        return {}  # nothing in the network knows it
    texts = await _texts(tx, work, facts)
    parameters = {**USUAL.get(adapter, PLAIN), **_given(work.task.step.parameters.get("parameters"))}
    attributes = {} if action in (Action.SUSPEND, Action.RESUME, Action.TERMINATE) else parameters
    operation = Operation(
        key or str(work.task.id),
        action,
        _filled(TARGET, parameters.get(TARGET, ""), texts),
        {name: _filled(name, text, texts) for name, text in attributes.items() if name != TARGET},
    )
    await activation.apply(tx, adapter=adapter, operation=operation, now=facts.now)
    if last_of(work.tasks, work.task):
        await _service_after(tx, work, action, facts)
    return {"adapter": adapter, "action": action.value}


async def _service_after(tx: Tx, work: Work, action: Action, facts: _Facts) -> None:
    state = _AFTER.get(action)
    if state is None:
        return
    if work.task.step.parameters.get("ends"):
        state = ServiceState.TERMINATED
    for service in facts.services_of(work):
        await enter(tx, service, state, work.at)
        await _upper_after(tx, work, service, state)


async def _upper_after(tx: Tx, work: Work, service: Service, state: ServiceState) -> None:
    """Let the service that another stands for be as all that it stands on, where nothing of the network is its own."""
    there = (await inventory.services_of_products(tx, [work.product_id])).get(work.product_id, ())
    upper = next((one for one in there if one.id == service.supports), None)
    if upper is None or any(
        one.step.parameters.get("service_id") == str(upper.id) and one.step.parameters.get("adapter")
        for one in work.tasks.values()
    ):
        return
    beside = {one.state for one in there if one.supports == upper.id} - {ServiceState.TERMINATED}
    if beside <= {state}:
        await enter(tx, upper, state, work.at)
        await _upper_after(tx, work, upper, state)


def _given(value: JSON) -> dict[str, str]:
    return {name: str(text) for name, text in value.items()} if isinstance(value, Mapping) else {}


async def _texts(tx: Tx, work: Work, facts: _Facts) -> Mapping[str, str]:
    """Return what the placeholders stand for."""
    product = facts.products[work.product_id]
    own = facts.services_of(work)
    texts = {name: text_of(value) for name, value in work.item.request.characteristics.items()}
    for service in own:
        texts |= service.attributes
    texts |= {
        "product": str(work.product_id),
        "order": str(work.order.id),
        "account": str(work.order.account_id),
        "offering": work.item.request.offering or await _offering(tx, product, work.at),
        "place": product.place_at(facts.now),
        "service": str(own[0].id) if own else "",
    }
    texts |= _of_resources(facts.resources.get(work.product_id, ()), {one.id for one in own})
    if "msisdn" not in texts:
        texts |= await _brought(tx, product)
    return texts


async def _brought(tx: Tx, product: Product) -> Mapping[str, str]:
    """Return the number that the customer brought: no pool has it, the product is known by it."""
    keys = [
        one.subscriber_key for one in product.assignments if one.kind == "msisdn" and one.valid_to is None
    ]
    names = await inventory.identifiers_of(tx, keys) if keys else {}
    return {"msisdn": next(iter(names.values()))} if names else {}


async def _offering(tx: Tx, product: Product, at: datetime) -> str:
    """Return the code of the offering that the product has at that time."""
    plan = product.plan_at(at) or product.plans[-1].plan_version_id
    return (await catalog.plan_versions(tx, [plan]))[plan].plan.offering


def _of_resources(resources: Sequence[Resource], own: Collection[ServiceId]) -> dict[str, str]:
    """Return what the resources of a product are called; those of the service itself win.

    Several of a kind are called ``{port_1}``, ``{port_2}`` and so on, in the order of their services.
    """
    texts: dict[str, str] = {}
    count: Counter[str] = Counter()
    for one in sorted(resources, key=lambda one: (str(one.service_id or ""), one.value)):
        count[one.kind.value] += 1
        texts[f"{one.kind.value}_{count[one.kind.value]}"] = one.value
    for one in sorted(resources, key=lambda one: one.service_id in own):
        texts |= _of_resource(one)
    return texts


def _of_resource(resource: Resource) -> dict[str, str]:
    texts = {**resource.attributes, resource.kind.value: resource.value}
    if resource.kind is ResourceKind.ESIM_PROFILE:
        texts["iccid"] = resource.value
    return texts | dict(identifiers(resource))


def _filled(name: str, text: str, texts: Mapping[str, str]) -> str:
    missing = [word for word in _PLACE.findall(text) if not texts.get(word)]
    if missing or not text:
        raise Invalid(
            f"the product has no {', '.join(missing) or name} for the network",
            code="ordering.parameter_missing",
            field=name,
            value=text,
            fix="let the service specification need the resource, or name a target in its operation",
        )
    return _PLACE.sub(lambda found: texts[found[1]], text)
