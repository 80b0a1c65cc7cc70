"""TMF637 Product Inventory: products as they stand, recorded and corrected by who keeps the inventory.

# DEVIATES: TMF637 product of ours is never deleted because it is history: it is terminated. An order is what sells,
# changes and delivers; here is recorded what is so already. A product of no offering of ours (a partner's) is kept as
# it is told, is never billed, and can be deleted.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from farwire.account import service as accounts
from farwire.base.authz import Permission, Principal
from farwire.base.storage import Tx
from farwire.base.tmf import (
    Act,
    Api,
    Behaviour,
    Document,
    Resource,
    Target,
    Wanted,
    tmf_routes,
)
from farwire.base.tmf.documents import lenient
from farwire.base.tmf_mixed import Mixed
from farwire.base.web import AnyRoute, moment
from farwire.catalog import service as catalog
from farwire.catalog.model import offering_id_of
from farwire.inventory import events, service
from farwire.inventory.api.tmf637_documents import Around, to_tmf_product
from farwire.inventory.api.tmf637_tables import PRODUCT
from farwire.inventory.api.tmf_audit import note
from farwire.inventory.model import EndReason, PlanChange, Product, Suspension, SuspensionReason
from farwire.kernel.errors import Invalid, NotFound
from farwire.kernel.ids import AccountId, ProductId, parse_id, uuid7
from farwire.kernel.page import Page, PageRequest

_GIVEN: Final = frozenset({"billingAccount", "productOffering", "status", "startDate", "terminationDate"})
"""What of a product is recorded when it is made."""
_CHARGED: Final = 100
"""Percent of recurring prices that a suspended product pays where nobody said otherwise."""


async def _documents(tx: Tx, products: Sequence[Product], now: datetime) -> list[Document]:
    ids = [one.id for one in products]
    owners = await accounts.accounts_by_id(tx=tx, account_ids=list({one.account_id for one in products}))
    plans = await catalog.plan_versions(
        tx, list({plan.plan_version_id for one in products for plan in one.plans})
    )
    services = await service.services_of_products(tx, ids)
    resources = await service.resources_of_products(tx, ids)
    return [
        to_tmf_product(
            one,
            Around(owners.get(one.account_id), plans, services.get(one.id, ()), resources.get(one.id, ())),
            now,
        )
        for one in products
    ]


def seen_by(document: Document, principal: Principal | None) -> Document:
    """Return a product without its site for who may not read personal data."""
    if principal is not None and principal.may(Permission.PARTY_READ):
        return document
    return {name: value for name, value in document.items() if name != "place"}


async def _find(tx: Tx, key: str, now: datetime) -> Document | None:
    try:
        product = await service.find_product(tx, ProductId(UUID(key)))
    except (ValueError, NotFound):
        return None
    return (await _documents(tx, [product], now))[0]


async def _page(tx: Tx, wanted: Wanted) -> Page[Document]:
    named = wanted.equal.get("billingAccount.id")
    if named is None:
        page = await service.list_products(tx, page=PageRequest(wanted.offset, wanted.limit), at=wanted.now)
        items: Sequence[Product] = page.items
        total = page.total
    else:
        by_account = await service.products_by_account(tx, _accounts(named))
        found = [one for products in by_account.values() for one in products]
        items, total = found[wanted.offset : wanted.offset + wanted.limit], len(found)
    return Page(tuple(await _documents(tx, items, wanted.now)), total, wanted.offset, wanted.limit)


def _accounts(keys: Sequence[str]) -> list[AccountId]:
    found = []
    for key in keys:
        try:
            found.append(AccountId(UUID(key)))
        except ValueError:  # no account has it
            continue
    return found


async def _create(tx: Tx, document: Document, act: Act) -> Document:
    """Record a product that a customer has, in the state that is given."""
    product = await _given(tx, document, act.now)
    await service.add_products(tx, [product], now=act.now)
    await note(tx, "637", product.id, "inventory.record_product", act)
    return (await _documents(tx, [product], act.now))[0]


async def _given(tx: Tx, document: Document, now: datetime) -> Product:
    account_id = AccountId(parse_id(_given_id(document, "billingAccount"), field="$.billingAccount.id"))
    offering_id = offering_id_of(_given_id(document, "productOffering"))
    status = document["status"]
    start = _time(document, "startDate") or now
    ended = _time(document, "terminationDate")
    if ended is None and status == "terminated":
        ended = now
    if (ended is not None) is not (status == "terminated") or (status in _FUTURE) is not (start > now):
        raise Invalid(
            f"the dates do not fit a product that is {status}",
            code="inventory.product_dates",
            field="$.status",
            value=status,
            fix="pendingActive starts later, terminated has ended, any other runs",
        )
    try:
        offering = await catalog.offering_by_id(tx=tx, offering_id=offering_id)
        await accounts.account_with_id(tx, account_id)
        version = await catalog.version_in_force(tx, code=offering.code, at=start)
    except NotFound as error:
        raise Invalid(error.message, code="tmf.reference_unknown", field="$", fix=error.fix) from None
    held = status == "suspended"
    return Product(
        ProductId(uuid7(now)),
        account_id,
        offering_id,
        start,
        (PlanChange(start, version.id),),
        ended_at=ended,
        end_reason=None if ended is None else EndReason.CEASE,
        suspensions=(Suspension(SuspensionReason.CUSTOMER, now, None, _CHARGED),) if held else (),
    )


_FUTURE: Final = ("created", "pendingActive")


def _given_id(document: Document, name: str) -> str:
    key = (document.get(name) or {}).get("id")
    if key is None:
        raise Invalid(f"a product has a {name}", code="inventory.product_given", field=f"$.{name}.id")
    return str(key)


def _time(document: Document, name: str) -> datetime | None:
    text = document.get(name)
    return None if text is None else moment(datetime.fromisoformat(text), field=f"$.{name}")


async def _patch(tx: Tx, before: Document, after: Document, act: Act) -> Document:
    """Record another state from now on, or what the inventory's keeper calls the product."""
    changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    for name in changed - {"status", "terminationDate"}:
        raise Invalid(
            f"{name} of a product is changed by an order",
            code="inventory.by_order",
            field=f"$.{name}",
            fix="place an order (TMF622)",
        )
    product_id = ProductId(UUID(before["id"]))
    if changed & {"status", "terminationDate"}:
        await _move(tx, product_id, after, act.now)
    await note(tx, "637", product_id, "inventory.change_product", act)
    return (await _documents(tx, [await service.find_product(tx, product_id)], act.now))[0]


async def _move(tx: Tx, product_id: ProductId, after: Document, now: datetime) -> None:
    match after["status"]:
        case "terminated" | "pendingTerminate":
            at = _time(after, "terminationDate") or now
            await service.end_product(tx, product_id=product_id, at=at, now=now)
        case "suspended":
            await service.suspend_product(
                tx,
                product_id=product_id,
                reason=SuspensionReason.CUSTOMER,
                at=now,
                recurring_percent=_CHARGED,
                now=now,
            )
        case "active":
            await service.resume_product(
                tx, product_id=product_id, reason=SuspensionReason.CUSTOMER, at=now, now=now
            )


async def _is_of_others(tx: Tx, document: Document) -> bool:
    """Return whether a product is of no offering of ours; one that leads nowhere is, if the tenant allows it."""
    key = (document.get("productOffering") or {}).get("id")
    if key is None:
        return True
    if not await lenient(tx, "637"):
        return False
    try:
        await catalog.offering_by_id(tx=tx, offering_id=offering_id_of(str(key)))
        await accounts.account_with_id(tx, AccountId(UUID(_given_id(document, "billingAccount"))))
    except (ValueError, NotFound, Invalid):
        return True
    return False


MIXED: Final = Mixed(
    Target("637", "Product"),
    "inventory",
    Behaviour(_find, _page, _create, _patch, native=frozenset({"billingAccount.id"}), seen_by=seen_by),
    takes=_GIVEN,
    fixed=frozenset({"productPrice", "productTerm"}),
    yields=frozenset({"@type", "isBundle"}),
    state="status",
    records=_is_of_others,
)
API: Final = Api(
    number="637",
    title="Product inventory",
    path="productInventory",
    resources=(
        Resource(
            PRODUCT,
            "inventory",
            Permission.PRODUCT_READ,
            Permission.PRODUCT_WRITE,
            behaviour=MIXED.behaviour(),
            events={
                **MIXED.events,
                events.PRODUCT_ADDED: "Create",
                events.PRODUCT_SUSPENDED: "StateChange",
                events.PRODUCT_RESUMED: "StateChange",
                events.PRODUCT_ENDED: "StateChange",
                events.PLAN_CHANGED: "AttributeValueChange",
                events.PRODUCT_MOVED: "AttributeValueChange",
            },
        ),
    ),
)
ROUTES: Final[tuple[AnyRoute, ...]] = tmf_routes(API)
