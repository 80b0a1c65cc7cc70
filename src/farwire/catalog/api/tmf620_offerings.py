"""TMF620 productOffering: a draft is a document until it is complete and goes on sale; then the catalogue has it.

# DEVIATES: TMF620 productOffering, what a published one costs and on which terms is not patched, because customers keep
# the version that they bought: a new version is published (docs/catalog.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from farwire.base.storage import Tx
from farwire.base.tmf import Act, Document, Target, Version, Wanted, stored_time
from farwire.base.tmf.documents import by_ids
from farwire.base.tmf.references import refers
from farwire.base.tmf.shape import checked
from farwire.base.tmf_drafts import Drafts
from farwire.catalog import service
from farwire.catalog.api.tmf620_documents import to_tmf_product_offering
from farwire.catalog.api.tmf620_tables import PRICE
from farwire.catalog.model import Kind, Lifecycle, PlanVersion, PricePlan, ProductOffering
from farwire.catalog.model.draft import Incomplete, Market, code_of, incomplete, offering_id_of, translated
from farwire.catalog.service.drafts import publish_draft
from farwire.country.service import load_pack, pack_codes
from farwire.kernel.errors import Conflict, FarwireError, Invalid, NotFound
from farwire.kernel.page import Page, PageRequest
from farwire.tenant import service as tenants

DRAFTS: Final = Drafts(Target("620", "ProductOffering"))
_PRICE: Final = Target("620", "ProductOfferingPrice")
_SPECIFICATION: Final = Target("620", "ProductSpecification")
ON_SALE: Final = ("Active", "Launched")
_FIRST: Final = ("In study", "In design", "In test", *ON_SALE)
_OF_VERSIONS: Final = ("validFor", "version", "lastUpdate", "productOfferingPrice")
_AS_WRITTEN: Final = ("id", "href", "@type", "unitOfMeasure")
"""Of a price in an offering: what may be written otherwise than in a price by itself."""
_SOLD_BY: Final = frozenset(
    {
        "name",
        "code",
        "version",
        "validFor",
        "isBundle",
        "isSellable",
        "productOfferingPrice",
        "productOfferingTerm",
        "productOfferingRelationship",
        "bundledProductOffering",
        "bundledGroupProductOffering",
        "productSpecification",
        "prodSpecCharValueUse",
        "place",
        "channel",
        "marketSegment",
    }
)
"""What customers bought it by: it stays as it was published."""


def _view(
    offering: ProductOffering, versions: Sequence[PlanVersion], kept: Document | None, *, whole: bool
) -> Document:
    """Return a published offering, with what is kept beside it."""
    shown = to_tmf_product_offering(offering, versions, whole=whole)
    if kept is None:
        return shown
    now_in_force = _OF_VERSIONS if len(versions) > 1 else ()
    its_own = {"code", "name", "lifecycleStatus", "isSellable", "pricePlan", *now_in_force}
    return {**shown, **kept, **{name: value for name, value in shown.items() if name in its_own}}


async def find(tx: Tx, key: str, _now: datetime) -> Document | None:
    """Return the offering that a client calls ``key``: published, or a draft."""
    offering_id = offering_id_of(key)
    kept = (await DRAFTS.of(tx, [str(offering_id)])).get(str(offering_id))
    try:
        offering = await service.offering_by_id(tx=tx, offering_id=offering_id)
    except NotFound:
        return kept
    versions = (await service.versions_by_code(tx, [offering.code])).get(offering.code, ())
    return _view(offering, versions, kept, whole=True)


async def page(tx: Tx, wanted: Wanted) -> Page[Document]:
    """Return what is published, by code, and after it the drafts in the order in which they were made."""
    published = await service.page_of_offerings(tx, page=PageRequest(wanted.offset, wanted.limit))
    versions = await service.versions_by_code(tx, [one.code for one in published.items])
    kept = await DRAFTS.of(tx, [str(one.id) for one in published.items])
    items = [
        _view(one, versions.get(one.code, ()), kept.get(str(one.id)), whole=False) for one in published.items
    ]
    before = max(0, wanted.offset - published.total)
    room = wanted.limit - len(items)
    drafts = await DRAFTS.page(tx, before, max(room, 1))
    total = published.total + drafts.total
    return Page((*items, *drafts.items[: max(room, 0)]), total, wanted.offset, wanted.limit)


async def create(tx: Tx, document: Document, act: Act) -> Document:
    """Keep a draft; one that is made on sale is published at once."""
    state = document["lifecycleStatus"]
    if state not in _FIRST:
        why, fix = f"an offering does not begin as {state}", "use one of: " + ", ".join(_FIRST)
        raise Invalid(why, code="tmf.transition", field="$.lifecycleStatus", value=state, fix=fix)
    if await find(tx, document["id"], act.now) is not None:
        raise Conflict("this id is taken", code="tmf.exists", field="id", value=document["id"])
    on_sale = state in ON_SALE
    if on_sale:
        document = await _publish(tx, document, act)
    await DRAFTS.add(tx, str(offering_id_of(document["id"])), document, act, published=on_sale)
    await DRAFTS.tell(tx, None, document, act)
    return await _there(tx, document["id"], act)


async def patch(tx: Tx, before: Document, after: Document, act: Act) -> Document:
    """Change a draft freely, put it on sale, or change the state of what is published."""
    own_id = str(offering_id_of(before["id"]))
    draft = await DRAFTS.lock(tx, own_id)
    if await find(tx, before["id"], act.now) != before:
        why, fix = "somebody else has changed it meanwhile", "read it again"
        raise Conflict(why, code="tmf.changed", field="id", value=before["id"], fix=fix)
    if not draft:
        await _change_published(tx, own_id, before, after, act)
        return await _there(tx, before["id"], act)
    after = {**after, "lastUpdate": stored_time(act.now)}
    on_sale = after["lifecycleStatus"] in ON_SALE
    if on_sale:
        after = await _publish(tx, after, act)
    await DRAFTS.put(tx, own_id, after, act, published=on_sale)
    await DRAFTS.tell(tx, before, after, act)
    return await _there(tx, before["id"], act)


async def delete(tx: Tx, key: str, act: Act) -> None:
    """Remove a draft. Raises ``Conflict`` (``catalog.offering_published``) for what may have been sold."""
    own_id = str(offering_id_of(key))
    if not await DRAFTS.lock(tx, own_id):
        why, fix = "what was published is never deleted", 'retire it: {"lifecycleStatus": "Retired"}'
        raise Conflict(why, code="catalog.offering_published", field="id", value=key, fix=fix)
    before = await _there(tx, key, act)
    await DRAFTS.remove(tx, own_id)
    await DRAFTS.tell(tx, before, None, act)


async def _there(tx: Tx, key: str, act: Act) -> Document:
    found = await find(tx, key, act.now)
    if found is None:
        raise NotFound("there is nothing with this id", code="tmf.id_unknown", field="id", value=key)
    return found


async def _change_published(tx: Tx, own_id: str, before: Document, after: Document, act: Act) -> None:
    changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    for name in sorted(changed & _SOLD_BY):
        why = f"{name} of an offering that is published stays as it was sold"
        fix = "publish a new version (farwire catalog publish), or another offering"
        raise Conflict(why, code="catalog.offering_published", field=f"$.{name}", fix=fix)
    if "lifecycleStatus" in changed:
        await service.change_lifecycle(
            tx=tx, clock=act.clock, code=before["code"], to=_life(after), actor=act.actor
        )
    beside = changed - {"lifecycleStatus", "lastUpdate"}
    if not beside:
        return
    now = stored_time(act.now)
    kept = (await DRAFTS.of(tx, [own_id])).get(own_id, {"id": before["id"]})
    kept = {**kept, **{name: after.get(name) for name in beside}, "lastUpdate": now}
    kept = {name: value for name, value in kept.items() if value is not None}
    await DRAFTS.put(tx, own_id, kept, act, published=True)
    same = {"lifecycleStatus": before["lifecycleStatus"]}
    await DRAFTS.tell(tx, before, {**after, **same}, act)


def _life(document: Document) -> Lifecycle:
    return Lifecycle(document["lifecycleStatus"].lower().replace(" ", "_"))


async def _publish(tx: Tx, document: Document, act: Act) -> Document:
    """Put a draft on sale, and return it with its code. Raises ``Incomplete`` (422) with every reason."""
    code, tenant = code_of(document), await tenants.this_tenant(tx)
    market = Market(
        code=code,
        zone=tenant.zone,
        now=act.now,
        offerings=await _codes(tx, document),
        specification=await _specification(tx, document),
    )
    offering, plan = translated(document, await _prices(tx, document), market)
    _check_taxes(plan, tenant.country)
    await publish_draft(
        tx,
        offering_id=offering_id_of(document["id"]),
        offering=offering,
        plan=plan,
        lifecycle=_life(document),
        clock=act.clock,
        actor=act.actor,
    )
    return {**document, "code": code}


def _check_taxes(plan: PricePlan, country: str) -> None:
    """Refuse a tax category that no bill of the operator could be made with, as far as its country is known."""
    named = {one.tax for one in plan.recurring} | {one.tax for one in plan.one_off}
    named |= {one.tax for one in plan.usage}
    for category in sorted(named - {"standard"}) if country in pack_codes() else ():
        try:
            load_pack(country).tax_category(category)
        except FarwireError as error:
            path = "$.productOfferingPrice"
            raise incomplete(path, error.message, error.fix or "name none", category) from None


async def _prices(tx: Tx, document: Document) -> list[dict[str, Any]]:
    """Return what each price says: itself, or the price that it refers to."""
    given: list[dict[str, Any]] = document.get("productOfferingPrice") or []
    keys = [str(one.get("id")) for one in given if refers(one)]
    there = await by_ids(tx, _PRICE, keys)
    return [
        there.get(str(one.get("id")), one)
        if refers(one)
        else _stated(one, f"$.productOfferingPrice[{number}]")
        for number, one in enumerate(given)
    ]


def _stated(price: Document, path: str) -> Document:
    """Return a price that is written in its offering, its shape checked as that of one that stands alone."""
    known = {name: one for name, one in price.items() if name in PRICE.attributes and name not in _AS_WRITTEN}
    try:
        shape = checked(PRICE, {"name": "", **known}, Version.V4)
    except Invalid as error:
        raise incomplete(
            path + (error.field or "$")[1:], error.message, error.fix or "write it as TMF620 does"
        ) from None
    return {**price, **shape}


async def _codes(tx: Tx, document: Document) -> dict[str, str]:
    """Return the codes of the published offerings that a draft names."""
    found = {}
    for name in ("bundledProductOffering", "productOfferingRelationship"):
        for one in document.get(name) or ():
            key = str(one.get("id") or "")
            try:
                offering = await service.offering_by_id(tx=tx, offering_id=offering_id_of(key))
            except NotFound:
                continue
            found[key] = offering.code
    return found


async def _specification(tx: Tx, document: Document) -> str:
    """Return the code of the published specification that realises a draft, or nothing where none is needed.

    It is the one whose code is the id or the productNumber of the specification that the draft refers to.
    """
    reference = document.get("productSpecification")
    if reference is None:
        return ""
    key = str(reference.get("id") or "")
    described = (await by_ids(tx, _SPECIFICATION, [key])).get(key, {})
    for code in (key, str(described.get("productNumber") or "")):
        try:
            entry = await service.entry(tx=tx, code=code, kind=Kind.PRODUCT)
        except NotFound:
            continue
        if entry.lifecycle.sellable:
            return entry.code
        raise _unrealised(key, f"the product specification {code} is {entry.lifecycle.value}")
    if not described or described.get("serviceSpecification") or described.get("resourceSpecification"):
        raise _unrealised(key, "no published product specification realises it")
    return ""


def _unrealised(key: str, why: str) -> Incomplete:
    fix = "publish one whose code is the id or the productNumber of it (docs/catalog.md)"
    return incomplete("$.productSpecification.id", why, fix, key)
