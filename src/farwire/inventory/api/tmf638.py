"""TMF638 Service Inventory: the services of products, and services of others, recorded in the state that is given.

# DEVIATES: TMF638 service of ours names its product in relatedEntity because it is what runs of a product. It is never
# deleted: it is terminated. A service of no product of ours is kept as it is told, and can be deleted.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from farwire.base.authz import Permission
from farwire.base.storage import Tx
from farwire.base.tmf import (
    Act,
    Api,
    Behaviour,
    Document,
    Resource,
    Target,
    Version,
    Wanted,
    stored_time,
    tmf_routes,
)
from farwire.base.tmf.documents import lenient
from farwire.base.tmf_mixed import Mixed
from farwire.base.web import AnyRoute, moment
from farwire.inventory import events, service
from farwire.inventory.api.tmf639_tables import SERVICE
from farwire.inventory.api.tmf_audit import note
from farwire.inventory.model import Service, ServiceChange, ServiceState
from farwire.kernel.errors import Invalid, NotFound
from farwire.kernel.ids import ProductId, ServiceId, uuid7
from farwire.kernel.page import Page, PageRequest

_GIVEN: Final = frozenset(
    {"serviceSpecification", "state", "relatedEntity", "serviceCharacteristic", "startDate"}
)


async def _documents(tx: Tx, services: Sequence[Service]) -> list[Document]:
    products = list({one.product_id for one in services})
    held = await service.resources_of_products(tx, products)
    supporting: dict[ServiceId, list[Service]] = defaultdict(list)
    for of_product in (await service.services_of_products(tx, products)).values():
        for one in of_product:
            if one.supports is not None:
                supporting[one.supports].append(one)
    found = []
    for one in services:
        used = [each for each in held.get(one.product_id, ()) if each.service_id == one.id]
        document = _document(one)
        if used:
            document["supportingResource"] = [{"id": str(each.id), "name": each.kind.value} for each in used]
        if supporting[one.id]:
            document["supportingService"] = [
                {"id": str(each.id), "name": each.specification} for each in supporting[one.id]
            ]
        found.append(document)
    return found


def _document(one: Service) -> Document:
    started = [change for change in one.changes if change.state is ServiceState.ACTIVE]
    document: Document = {
        "id": str(one.id),
        "@type": "Service",
        "state": one.state.value,
        "serviceSpecification": {"id": one.specification},
        "relatedEntity": [
            {"role": "product", "entity": {"@referredType": "Product", "id": str(one.product_id)}}
        ],
        "startDate": stored_time(one.changes[0].valid_from),
        "hasStarted": bool(started),
        "isServiceEnabled": one.state is ServiceState.ACTIVE,
        "serviceCharacteristic": [{"name": name, "value": value} for name, value in one.attributes.items()],
    }
    if one.state is ServiceState.TERMINATED:
        document["endDate"] = stored_time(one.changes[-1].valid_from)
    return {name: value for name, value in document.items() if value != []}


async def _find(tx: Tx, key: str, _now: datetime) -> Document | None:
    try:
        found = await service.find_service(tx, ServiceId(UUID(key)))
    except ValueError:
        return None
    return None if found is None else (await _documents(tx, [found]))[0]


async def _page(tx: Tx, wanted: Wanted) -> Page[Document]:
    page = await service.list_services(tx, page=PageRequest(wanted.offset, wanted.limit))
    return Page(tuple(await _documents(tx, page.items)), page.total, page.offset, page.limit)


async def _create(tx: Tx, document: Document, act: Act) -> Document:
    """Record a service of a product in the state that is given."""
    if document["state"] not in set(ServiceState):
        fix = "use one of: " + ", ".join(ServiceState)
        raise Invalid(
            "a service of ours is designed when it is recorded",
            code="tmf.state_unknown",
            field="$.state",
            value=document["state"],
            fix=fix,
        )
    start = document.get("startDate")
    at = act.now if start is None else moment(datetime.fromisoformat(start), field="$.startDate")
    made = Service(
        ServiceId(uuid7(act.now)),
        _product(document),
        _specification(document),
        (ServiceChange(at, ServiceState(document["state"])),),
        _attributes(document),
    )
    try:
        await service.add_service(tx, made)
    except NotFound as error:
        raise Invalid(
            error.message, code="tmf.reference_unknown", field="$.relatedEntity[0].id", value=error.value
        ) from None
    await note(tx, "638", made.id, "inventory.record_service", act)
    return (await _documents(tx, [made]))[0]


def _product(document: Document) -> ProductId:
    named = _products(document)
    try:
        return ProductId(UUID(named[0])) if len(named) == 1 else _nothing()
    except ValueError:
        return _nothing()


def _products(document: Document) -> list[str]:
    """Return the ids of the products that a service names."""
    found = []
    for one in document.get("relatedEntity") or []:
        inner = one.get("entity")
        key = inner.get("id") if isinstance(inner, dict) else None
        if key and "product" in (str(one.get("role")).lower(), str(inner.get("@referredType")).lower()):
            found.append(str(key))
    return found


async def _is_of_others(tx: Tx, document: Document) -> bool:
    """Return whether a service is of no product of ours; one that leads nowhere is, if the tenant allows it."""
    named = _products(document)
    if not named:
        return True
    if not await lenient(tx, "638"):
        return False
    try:
        return not await service.get_products(tx, [ProductId(UUID(one)) for one in named])
    except ValueError:
        return True


def _nothing() -> ProductId:
    raise Invalid(
        "a service is of one product",
        code="inventory.service_given",
        field="$.relatedEntity",
        fix='name it: [{"role": "product", "id": …, "@referredType": "Product"}]',
    )


def _specification(document: Document) -> str:
    named = document.get("serviceSpecification") or {}
    code = named.get("id") or named.get("name")
    if not code or len(code) > 100:
        path = "$.serviceSpecification.id"
        raise Invalid("the code of a specification", code="inventory.service_given", field=path)
    return str(code)


def _attributes(document: Document) -> dict[str, str]:
    found: dict[str, str] = {}
    for number, one in enumerate(document.get("serviceCharacteristic") or []):
        name, value = one.get("name"), one.get("value")
        if not isinstance(name, str) or not isinstance(value, (str, int)):
            path = f"$.serviceCharacteristic[{number}]"
            raise Invalid(
                "a characteristic has a name and a plain value", code="inventory.service_given", field=path
            )
        found[name] = str(value)
    return found


async def _patch(tx: Tx, before: Document, after: Document, act: Act) -> Document:
    """Record another state from now on."""
    changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    for name in changed - {"state"}:
        raise Invalid(
            f"{name} of a service cannot be changed", code="inventory.service_given", field=f"$.{name}"
        )
    service_id = ServiceId(UUID(before["id"]))
    if "state" in changed:
        state = ServiceState(after["state"])
        await service.change_service_state(tx, service_id=service_id, state=state, at=act.now)
    await note(tx, "638", service_id, "inventory.change_service", act)
    found = await service.find_service(tx, service_id)
    return (await _documents(tx, [] if found is None else [found]))[0]


MIXED: Final = Mixed(
    Target("638", "Service"),
    "inventory",
    Behaviour(_find, _page, _create, _patch),
    takes=_GIVEN,
    shares=frozenset({"relatedEntity"}),
    state="state",
    records=_is_of_others,
)
API: Final = Api(
    number="638",
    title="Service inventory",
    path="serviceInventory",
    aliases={Version.V4: ("/tmf-api/serviceInventoryManagement/v4",)},  # what clients of v4.0 ask
    resources=(
        Resource(
            SERVICE,
            "inventory",
            Permission.PRODUCT_READ,
            Permission.PRODUCT_WRITE,
            behaviour=MIXED.behaviour(),
            events={
                **MIXED.events,
                events.SERVICE_ADDED: "Create",
                events.SERVICE_STATE_CHANGED: "StateChange",
            },
        ),
    ),
)
ROUTES: Final[tuple[AnyRoute, ...]] = tmf_routes(API)
