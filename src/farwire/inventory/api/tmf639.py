"""TMF639 Resource Inventory: what the pools have, the elements of the network, and resources of others.

# DEVIATES: TMF639 resource of a pool is never deleted because who had it is kept: it is retired (v4 resourceStatus
# suspended). What names a person is masked for who may not read personal data. A resource that names no pool is kept
# as it is told, and can be deleted.
"""

from __future__ import annotations

from datetime import datetime
from itertools import product
from typing import Final
from uuid import UUID

from farwire.base.authz import Permission, Principal
from farwire.base.storage import Tx
from farwire.base.tmf import Act, Api, Behaviour, Document, Target, Version, Wanted, tmf_routes
from farwire.base.tmf import Resource as Bound
from farwire.base.tmf.documents import lenient
from farwire.base.tmf_mixed import Mixed
from farwire.base.web import AnyRoute
from farwire.inventory import events, service
from farwire.inventory.api import tmf639_elements as elements
from farwire.inventory.api.tmf639_tables import RESOURCE
from farwire.inventory.api.tmf_audit import note
from farwire.inventory.model import NewResource, Resource, ResourceKind, ResourceState, is_personal, masked
from farwire.kernel.errors import Invalid, NotFound
from farwire.kernel.ids import ResourceId
from farwire.kernel.page import Page, PageRequest

STATUS: Final = {
    ResourceState.AVAILABLE: "available",
    ResourceState.RESERVED: "reserved",
    ResourceState.ASSIGNED: "reserved",
    ResourceState.QUARANTINED: "standby",
    ResourceState.RETIRED: "suspended",
}
_GIVEN: Final = frozenset(
    {"name", "category", "resourceStatus", "resourceCharacteristic", "resourceRelationship"}
)
_OWN: Final = frozenset({"pool", "state", "productId", "serviceId"})
"""Characteristics that say how a resource stands; the others belong to its value."""
_PERSONAL: Final = "@personal"


def to_tmf_resource(one: Resource) -> Document:
    """Return a resource as TMF639 shows it, in the shape of v5; ``@personal`` for ``seen_by``."""
    enabled = one.state is not ResourceState.RETIRED
    facts = {"pool": one.pool, "state": one.state.value, **one.attributes}
    if one.product_id is not None:
        facts["productId"] = str(one.product_id)
    if one.service_id is not None:
        facts["serviceId"] = str(one.service_id)
    document: Document = {
        "id": str(one.id),
        "@type": "Resource",
        "name": one.value,
        "category": one.kind.value,
        "administrativeState": "unlocked" if enabled else "locked",
        "operationalState": "enabled" if enabled else "disabled",
        "operationalStateOfV4": one.operational_state,
        "usageState": one.usage_state,
        "allocationStatus": "allocated" if one.state is ResourceState.ASSIGNED else "free",
        "resourceStatus": STATUS[one.state],
        "resourceCharacteristic": [{"name": name, "value": value} for name, value in facts.items()],
    }
    return document | ({_PERSONAL: True} if is_personal(one) else {})


def seen_by(document: Document, principal: Principal | None) -> Document:
    """Return a resource with its value masked for who may not read personal data."""
    personal = document.get(_PERSONAL, False)
    shown = {name: value for name, value in document.items() if name != _PERSONAL}
    if not personal or (principal is not None and principal.may(Permission.PARTY_READ)):
        return shown
    shown["name"] = masked(shown["name"])
    shown["resourceCharacteristic"] = [one for one in shown["resourceCharacteristic"] if one["name"] in _OWN]
    return shown


async def _find(tx: Tx, key: str, now: datetime) -> Document | None:
    try:
        found = await service.get_resource(tx, resource_id=ResourceId(UUID(key)))
    except (ValueError, NotFound):
        return await elements.find(tx, key, now)
    return to_tmf_resource(found)


async def _page(tx: Tx, wanted: Wanted) -> Page[Document]:
    """Return what is there of each kind and use that is asked for, one after the other."""
    kinds = [one for one in ResourceKind if one.value in wanted.equal.get("category", ())]
    uses = wanted.equal.get("usageState", ())
    states = [one for one in ResourceState if ("active" if one is ResourceState.ASSIGNED else "idle") in uses]
    found, total, skip = list[Resource](), 0, wanted.offset
    for kind, state in product(
        kinds if "category" in wanted.equal else [None], states if "usageState" in wanted.equal else [None]
    ):
        part = PageRequest(skip, wanted.limit)
        page = await service.list_resources(tx, page=part, kind=kind, state=state)
        found += page.items
        total, skip = total + page.total, max(0, skip - page.total)
    own = [to_tmf_resource(one) for one in found[: wanted.limit]]
    others = await elements.page(tx, wanted, skip, wanted.limit - len(own))
    return Page((*own, *others.items), total + others.total, wanted.offset, wanted.limit)


def wrong(path: str, message: str, *, value: object = None, fix: str | None = None) -> Invalid:
    """Return the refusal of a part of a resource."""
    return Invalid(message, code="inventory.resource_given", field=path, value=value, fix=fix)


async def _create(tx: Tx, document: Document, act: Act) -> Document:
    """Put a resource into the pool that the characteristic ``pool`` names, or add an element to the network."""
    if elements.layer_of(document) is not None:
        return await elements.create(tx, document, act)
    if document["resourceStatus"] != "available":
        fix = "a resource of a pool begins as available"
        raise wrong("$.resourceStatus", "a pool gives its state", value=document["resourceStatus"], fix=fix)
    facts: dict[str, str] = {}
    for number, one in enumerate(document.get("resourceCharacteristic") or []):
        name, value = one.get("name"), one.get("value")
        if not isinstance(name, str) or not isinstance(value, str):
            raise wrong(f"$.resourceCharacteristic[{number}]", "a characteristic has a name and a text")
        facts[name] = value
    pool, value = facts.pop("pool", ""), document.get("name")
    if not pool or not value:
        fix = "give name, and a characteristic pool"
        raise wrong("$.resourceCharacteristic", "a resource has a value and a pool", fix=fix)
    try:
        target = await service.pool_named(tx, pool)
    except NotFound:
        raise Invalid(
            "there is no such pool",
            code="tmf.reference_unknown",
            field="$.resourceCharacteristic",
            value=pool,
        ) from None
    kind = target.kind
    if document.get("category", kind.value) != kind.value:
        raise wrong("$.category", f"the pool is of {kind.value}", value=document["category"])
    await service.fill_pool(tx, pool=pool, values=[NewResource(value.removeprefix("+"), facts)])
    try:
        made = await service.resource_valued(tx, kind=kind, value=value, scope=target.scope)
    except NotFound:
        raise wrong("$.name", "a range of the pool has it", value=value, fix="reserve it") from None
    await note(tx, "639", made.id, "inventory.fill_pool", act)
    return to_tmf_resource(made)


async def _patch(tx: Tx, before: Document, after: Document, act: Act) -> Document:
    """Retire a resource that nobody has, or say what it is; change an element and its links."""
    if elements.element_id(before["id"]) is not None:
        return await elements.patch(tx, before, after, act)
    changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    for name in changed - {"resourceStatus", "resourceRelationship"}:
        raise wrong(f"$.{name}", f"{name} of a resource cannot be changed")
    resource_id = ResourceId(UUID(before["id"]))
    if "resourceStatus" in changed:
        if after.get("resourceStatus") != "suspended":
            raise Invalid(
                "the pool gives the state of its resources",
                code="tmf.transition",
                field="$.resourceStatus",
                value=after.get("resourceStatus"),
                fix="use one of: suspended",
            )
        await service.retire_resource(tx, resource_id=resource_id, now=act.now)
    await note(tx, "639", resource_id, "inventory.change_resource", act)
    return to_tmf_resource(await service.get_resource(tx, resource_id=resource_id))


async def _is_of_others(tx: Tx, document: Document) -> bool:
    """Return whether a resource is of no pool and no network of ours; one that leads nowhere is, if allowed."""
    if elements.layer_of(document) is not None:
        return False
    facts = document.get("resourceCharacteristic") or []
    pools = [one.get("value") for one in facts if one.get("name") == "pool"]
    if not pools:
        return True
    if not await lenient(tx, "639"):
        return False
    try:
        await service.pool_named(tx, str(pools[0]))
    except NotFound:
        return True
    return False


MIXED: Final = Mixed(
    Target("639", "Resource"),
    "inventory",
    Behaviour(_find, _page, _create, _patch, native=frozenset({"category", "usageState"}), seen_by=seen_by),
    takes=_GIVEN,
    state="resourceStatus",
    records=_is_of_others,
)
API: Final = Api(
    number="639",
    title="Resource inventory",
    path="resourceInventoryManagement",
    aliases={
        Version.V5: ("/tmf-api/resourceInventory/v5", "/resourceInventory/v5")
    },  # what clients of v5 ask
    resources=(
        Bound(
            RESOURCE,
            "inventory",
            Permission.RESOURCE_READ,
            Permission.RESOURCE_WRITE,
            behaviour=MIXED.behaviour(),
            events={
                **MIXED.events,
                events.RESOURCE_ASSIGNED: "StateChange",
                events.RESOURCE_RETURNED: "StateChange",
                events.RESOURCE_RETIRED: "StateChange",
            },
        ),
    ),
)
ROUTES: Final[tuple[AnyRoute, ...]] = tmf_routes(API)
