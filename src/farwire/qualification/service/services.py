"""Whether a service can be delivered: it is known and in use, and sold in the place or recorded as covering it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from farwire.base.storage import Tx
from farwire.base.tmf import Document, Target
from farwire.base.tmf.documents import load
from farwire.base.tmf_work import equal_documents
from farwire.catalog import service as catalog
from farwire.catalog.model import Kind
from farwire.kernel.errors import NotFound
from farwire.kernel.page import PageRequest
from farwire.qualification.model import (
    NOT_COVERED,
    NOT_IN_USE,
    SPECIFICATION_UNKNOWN,
    Answer,
    Named,
    Reason,
)

SPECIFICATION: Final = Target("633", "ServiceSpecification")
COVERAGE: Final = "coverage"
"""The characteristic of a specification that lists the regions (ISO 3166) in which it can be delivered."""
IN_USE: Final = frozenset({"Active", "Launched"})
MOST: Final = 100
"""Specifications that a query answers with."""
_SOLD: Final = 1000


async def specification_at(tx: Tx, *, key: str, region: str, at: datetime) -> Answer:
    """Return whether the service specification can be delivered in ``region``; "" is "not known".

    ``key`` is the id of one of TMF633, or the code of one of the published catalogue.
    """
    document = await load(tx, SPECIFICATION, key)
    if document is not None:
        return Answer(tuple(_against(document, region, at)))
    try:
        entry = await catalog.entry(tx=tx, code=key, kind=Kind.SERVICE)
    except NotFound:
        return Answer((Reason(SPECIFICATION_UNKNOWN, "there is no such service specification"),))
    if not entry.lifecycle.sellable:
        return Answer((Reason(NOT_IN_USE, f"{entry.name} is {entry.lifecycle.value}"),))
    if key not in await _sold_in(tx, region, at):
        return Answer((Reason(NOT_COVERED, f"{entry.name} is in nothing that is sold {_where(region)}"),))
    return Answer()


async def qualified_specifications(tx: Tx, *, region: str, at: datetime) -> list[Named]:
    """Return at most ``MOST`` service specifications that can be delivered in ``region``."""
    found = [Named(code, name, code) for code, name in (await _sold_in(tx, region, at)).items()]
    for state in sorted(IN_USE):
        documents = await equal_documents(tx, SPECIFICATION, {"lifecycleStatus": state}, MOST)
        found += [Named(one["id"], one["name"]) for one in documents if not list(_against(one, region, at))]
    return found[:MOST]


async def _sold_in(tx: Tx, region: str, at: datetime) -> dict[str, str]:
    """Return the services, code and name, of everything that is sold in the region."""
    page = await catalog.offerings_for(tx, region=region, at=at, page=PageRequest(0, _SOLD))
    sold = await catalog.as_sold(tx, codes=[one.offering.code for one in page.items], at=at)
    return {one.code: one.name for each in sold.values() for one in each.service_specifications}


def _against(document: Document, region: str, at: datetime) -> list[Reason]:
    reasons = []
    state, period = document.get("lifecycleStatus"), document.get("validFor") or {}
    begins, ends = _time(period, "startDateTime"), _time(period, "endDateTime")
    if state not in IN_USE:
        reasons.append(Reason(NOT_IN_USE, f"the service specification is {state}"))
    if (begins is not None and begins > at) or (ends is not None and ends <= at):
        reasons.append(Reason(NOT_IN_USE, "the service specification is not valid then"))
    covered = _coverage(document)
    if covered and not covered & {region, region.partition("-")[0]}:
        reasons.append(Reason(NOT_COVERED, f"it cannot be delivered {_where(region)}"))
    return reasons


def _time(period: Mapping[str, Any], name: str) -> datetime | None:
    text = period.get(name)
    return datetime.fromisoformat(text) if isinstance(text, str) else None


def _coverage(document: Document) -> set[str]:
    """Return the regions that a specification lists; nothing where it lists none: it is then for everywhere."""
    values: list[Any] = []
    for one in document.get("specCharacteristic") or []:
        if one.get("name") == COVERAGE:
            given = one.get("characteristicValueSpecification")
            values += given if isinstance(given, list) else []
    return {each["value"] for each in values if isinstance(each, dict) and isinstance(each.get("value"), str)}


def _where(region: str) -> str:
    return f"in {region}" if region else "in a place that is not known"
