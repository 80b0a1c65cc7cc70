"""What the tasks of TMF679 do: say of each item whether it can be sold, and list what can be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Final

from farwire.base.storage import Tx
from farwire.base.tmf import Act, Document, Target, stored_time
from farwire.base.tmf_tasks import DONE, Task, in_worker
from farwire.base.tmf_work import served
from farwire.catalog import service as catalog
from farwire.catalog.model import offering_id_of
from farwire.kernel.errors import NotFound
from farwire.qualification.api.reading import (
    asking,
    items_of,
    place_named,
    places_of,
    text_at,
    time_of,
    told,
    values_of,
    where,
)
from farwire.qualification.model import NOTHING_NAMED, Answer, Named, Reason, Result, overall
from farwire.qualification.service import Wish, qualified_offerings, qualify

OFFERING: Final = Target("620", "ProductOffering")
V4_ITEMS: Final = "productOfferingQualificationItem"
V5_ITEMS: Final = "checkProductOfferingQualificationItem"
_REASONS: Final = {V4_ITEMS: "eligibilityUnavailabilityReason", V5_ITEMS: "eligibilityResultReason"}
_LEAVES: Final = frozenset({"modify", "change", "delete", "remove", "cease"})


async def check(tx: Tx, task: Document, act: Act) -> Document:
    """Answer every item, each together with the others and with what the customer has."""
    done: Document = {**task, "effectiveQualificationDate": stored_time(act.now)}
    results: list[Result] = []
    for name, reasons in _REASONS.items():
        items = items_of(task, name)
        if not items:
            continue
        answers = await _answers(tx, task, items, act.now)
        results += [one.result for one in answers]
        only = task.get("provideOnlyAvailable") is True
        pairs = zip(items, answers, strict=True)
        done[name] = [
            _shown(task, item, one, reasons)
            for item, one in pairs
            if not only or one.result is Result.QUALIFIED
        ]
    return {**done, "qualificationResult": overall(results).value} if results else done


async def _answers(tx: Tx, task: Document, items: list[Document], now: datetime) -> list[Answer]:
    products = [item.get("product") for item in items]
    region, unknown = await where(tx, places_of(task, *products))
    asker = await asking(tx, task, region, now)
    wishes = [await _wish(tx, item) for item in items]
    found = await qualify(
        tx, asker=asker, wishes=wishes, alternatives=task.get("provideAlternative") is True, now=now
    )
    return [
        replace(one, reasons=(*unknown, *_nothing(wish), *one.reasons))
        for wish, one in zip(wishes, found, strict=True)
    ]


def _nothing(wish: Wish) -> tuple[Reason, ...]:
    if wish.offering is not None or wish.product is not None:
        return ()
    return (Reason(NOTHING_NAMED, "names no offering and no product"),)


async def _wish(tx: Tx, item: Document) -> Wish:
    leaves = str(item.get("action", "add")).lower() in _LEAVES
    offering = item.get("productOffering")
    if not isinstance(offering, Mapping) and isinstance(item.get("product"), Mapping):
        offering = item["product"].get("productOffering")
    key = text_at(offering, "id")
    product = text_at(item, "product", "id") if leaves else None
    gone = str(item.get("action")).lower() in ("delete", "remove", "cease")
    code = None if key is None or gone else await _code(tx, key)
    at = time_of(item, "expectedActivationDate")
    return Wish(code, product, leaves, at, place_named(item, item.get("product")), values_of(item))


async def _code(tx: Tx, key: str) -> str:
    """Return the code of an offering that a client names by id, or by the code itself."""
    try:
        return (await catalog.offering_by_id(tx=tx, offering_id=offering_id_of(key))).code
    except NotFound:
        return key


def _shown(task: Document, item: Document, answer: Answer, reasons: str) -> Document:
    shown = {**item, "state": DONE, "qualificationItemResult": answer.result.value}
    wanted = task.get("provideUnavailabilityReason", task.get("provideResultReason"))
    if answer.reasons and wanted is not False:
        shown[reasons] = told(answer.reasons)
    if answer.alternatives:
        shown["alternateProductOfferingProposal"] = [
            {"id": str(number), "alternateProductOffering": _reference(one)}
            for number, one in enumerate(answer.alternatives, 1)
        ]
    return shown


def _reference(one: Named) -> Document:
    return {"@type": "ProductOfferingRef", "id": one.id, "name": one.name}


async def query(tx: Tx, task: Document, act: Act) -> Document:
    """List what the customer could have beside what it has."""
    criteria = task.get("searchCriteria")
    region, unknown = await where(tx, places_of(task, criteria, (criteria or {}).get("product")))
    asker = await asking(tx, task, region, act.now)
    found = [] if unknown else await qualified_offerings(tx, asker=asker, at=act.now)
    wanted = text_at(criteria, "productOffering", "id")
    if wanted is not None:
        key = str(offering_id_of(wanted))
        found = [one for one in found if key == one.id or wanted == one.code]
    category = text_at(criteria, "category", "id") or text_at(task, "category", "id")
    if category is not None:
        found = [one for one in found if await _in_category(tx, one, category, act.now)]
    items = [{"id": str(number), "productOffering": _reference(one)} for number, one in enumerate(found, 1)]
    done = {"effectiveQualificationDate": stored_time(act.now), "qualifiedProductOfferingItem": items}
    return {**task, **done}


async def _in_category(tx: Tx, one: Named, category: str, now: datetime) -> bool:
    behaviour = served(OFFERING)[1].behaviour
    document = None if behaviour is None else await behaviour.find(tx, one.id, now)
    return any(text_at(each, "id") == category for each in (document or {}).get("category") or [])


CHECK: Final = Task(
    Target("679", "CheckProductOfferingQualification"), check, due=in_worker("instantSyncQualification")
)
QUERY: Final = Task(
    Target("679", "QueryProductOfferingQualification"), query, due=in_worker("instantSyncQualification")
)
