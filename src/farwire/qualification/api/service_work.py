"""What the tasks of TMF645 do: say of each item whether it can be delivered there, and list what can be."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from farwire.base.storage import Tx
from farwire.base.tmf import Act, Document, Target, stored_time
from farwire.base.tmf.documents import load
from farwire.base.tmf_tasks import DONE, Task, in_worker
from farwire.qualification.api.reading import asking, items_of, places_of, text_at, time_of, told, where
from farwire.qualification.model import NOTHING_NAMED, SPECIFICATION_UNKNOWN, Answer, Reason, overall
from farwire.qualification.service import qualified_specifications, specification_at

CATEGORY: Final = Target("633", "ServiceCategory")
ITEMS: Final = "serviceQualificationItem"


async def check(tx: Tx, task: Document, act: Act) -> Document:
    """Answer every item by itself."""
    items, results = [], []
    for item in items_of(task, ITEMS):
        answer = await _answer(tx, task, item, act.now)
        results.append(answer.result)
        items.append(_shown(task, item, answer))
    done = {"effectiveQualificationDate": stored_time(act.now), "qualificationResult": overall(results).value}
    return {**task, **done, ITEMS: items}


def _at(item: Document, now: datetime) -> datetime:
    wanted = time_of(item, "expectedActivationDate") or time_of(item, "expectedServiceAvailabilityDate")
    return max(wanted or now, now)


async def _region(tx: Tx, task: Document, item: Document, now: datetime) -> tuple[str, tuple[Reason, ...]]:
    """Return where the service would be: its place, else where the customer is."""
    region, unknown = await where(tx, places_of(item.get("service")))
    return (await asking(tx, task, region, now)).region, unknown


async def _answer(tx: Tx, task: Document, item: Document, now: datetime) -> Answer:
    region, unknown = await _region(tx, task, item, now)
    key, category = text_at(item, "service", "serviceSpecification", "id"), text_at(item, "category", "id")
    if key is not None:
        found = await specification_at(tx, key=key, region=region, at=_at(item, now))
    elif category is not None:
        there = await load(tx, CATEGORY, category)
        missing = Reason(SPECIFICATION_UNKNOWN, "there is no such category of services")
        found = Answer(() if there else (missing,))
    else:
        found = Answer((Reason(NOTHING_NAMED, "names no service specification and no category"),))
    return Answer((*unknown, *found.reasons))


def _shown(task: Document, item: Document, answer: Answer) -> Document:
    shown: Document = {**item, "state": DONE, "qualificationResult": answer.result.value}
    if answer.reasons and task.get("provideUnavailabilityReason") is not False:
        shown["eligibilityUnavailabilityReason"] = told(answer.reasons)
    return shown


async def query(tx: Tx, task: Document, act: Act) -> Document:
    """List the services that can be delivered there."""
    criteria = task["searchCriteria"]
    region, unknown = await _region(tx, task, criteria, act.now)
    at = _at(criteria, act.now)
    found = [] if unknown else await qualified_specifications(tx, region=region, at=at)
    wanted = text_at(criteria, "service", "serviceSpecification", "id")
    items: list[dict[str, Any]] = [
        {"id": str(number), "service": {"serviceSpecification": {"id": one.id, "name": one.name}}}
        for number, one in enumerate(found, 1)
        if wanted in (None, one.id)
    ]
    return {**task, "effectiveQualificationDate": stored_time(act.now), ITEMS: items}


CHECK: Final = Task(
    Target("645", "CheckServiceQualification"), check, due=in_worker("instantSyncQualification")
)
QUERY: Final = Task(
    Target("645", "QueryServiceQualification"), query, due=in_worker("instantSyncQualification")
)
