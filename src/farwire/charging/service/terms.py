"""Set the charging terms of an offering, and find the number that a plan or an offer has in the shards."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Generic, NamedTuple, TypeVar

import msgspec

from farwire.base import audit
from farwire.base.storage import Tx
from farwire.catalog import service as catalog
from farwire.catalog.model import OneOff, PlanVersion, Recurring
from farwire.charging.model.compiled import Offer
from farwire.charging.model.state import Account, Limit
from farwire.charging.model.termed import days_of, first_limits, offer_of, plan_terms, price_of
from farwire.charging.model.terms import Document, OfferDocument, PlanDocument, digest, to_json
from farwire.charging.service.tenants import tenant_number
from farwire.charging.store import control as store
from farwire.country.service import load_pack
from farwire.kernel.errors import Conflict, Exhausted, NotFound
from farwire.kernel.ids import PlanVersionId
from farwire.kernel.page import Page, PageRequest
from farwire.kernel.tenancy import Actor
from farwire.rating.service import tariff_for
from farwire.tenant.service import this_tenant

PLAN: Final = "plan"
OFFER: Final = "offer"
LAST_PLAN: Final = 524_287
D = TypeVar("D", PlanDocument, OfferDocument)


@dataclass(frozen=True, slots=True)
class Terms(Generic[D]):
    """The newest terms of an offering, and the number that who gets it now has in the shards."""

    document: D
    version: int
    set_at: datetime
    number: int | None = None
    """None: nobody has it yet, or it is not sold now."""
    new: bool = False
    """Whether setting them changed anything."""


async def set_plan_terms(
    tx: Tx, *, document: PlanDocument, now: datetime, actor: Actor
) -> Terms[PlanDocument]:
    """Make ``document`` the terms of its offering for accounts that are opened from now on. Idempotent by content.

    Raises ``Invalid`` (``charging.terms_field``), ``NotFound`` (``catalog.plan_not_in_force``), and what the compiler
    of tariffs raises.
    """
    plan_terms(document)
    version = await catalog.version_in_force(tx, code=document.offering, at=now)
    await tariff_for(tx=tx, plan_version_id=version.id)
    return await _set(tx, PLAN, document, version, now, actor)


async def set_offer_terms(
    tx: Tx, *, document: OfferDocument, now: datetime, actor: Actor
) -> Terms[OfferDocument]:
    """Make ``document`` the terms on which its offering is bought from now on. Idempotent by content.

    Raises as ``set_plan_terms``.
    """
    version = await catalog.version_in_force(tx, code=document.offering, at=now)
    await read_offer(tx, 1, document, version, now)
    return await _set(tx, OFFER, document, version, now, actor)


async def read_offer(
    tx: Tx, number: int, document: OfferDocument, version: PlanVersion, now: datetime
) -> Offer:
    """Return the offer ``number`` of a plan version. Raises ``Invalid`` and ``NotFound`` as ``set_offer_terms``."""
    buyers = version
    if document.plan and document.plan != document.offering:
        buyers = await catalog.version_in_force(tx, code=document.plan, at=now)
    tariff = await tariff_for(tx=tx, plan_version_id=buyers.id)
    return offer_of(number, document, plan=version.plan, buyers=tariff)


async def _set(tx: Tx, kind: str, document: D, version: PlanVersion, now: datetime, actor: Actor) -> Terms[D]:
    await tenant_number(tx)
    await store.lock_terms(tx, kind, document.offering)
    content = digest(document)
    newest = await store.newest_terms(tx, kind, document.offering)
    new = newest is None or newest["digest"] != content
    place = 1 if newest is None else newest["version"] + int(new)
    if new:
        await store.add_terms(
            tx, kind, document.offering, version=place, digest=content, document=to_json(document), at=now
        )
        await audit.record(
            tx,
            actor=actor,
            action=f"charging.{kind}_terms_set",
            subject=document.offering,
            at=now,
            detail={"version": place, "digest": content},
        )
    number = await _number(tx, kind, version, place, now)
    return Terms(document, place, now if newest is None or new else newest["set_at"], number, new)


async def limits_at_opening(tx: Tx, *, offering: str, currency: str) -> tuple[Limit, ...]:
    """Return what accounts of ``offering`` are opened with now: the limits of its terms, or its country's.

    Raises ``NotFound`` (``charging.terms_missing``).
    """
    newest = await store.newest_terms(tx, PLAN, offering)
    if newest is None:
        raise _missing(PLAN, offering)
    roaming = load_pack((await this_tenant(tx)).country).roaming
    cap = roaming.cap if roaming is not None and roaming.currency == currency else None
    return first_limits(_read(newest["document"], PlanDocument), cap=cap)


async def plan_number(tx: Tx, *, offering: str, now: datetime) -> tuple[int, PlanVersion]:
    """Return the number of the plan that who gets ``offering`` now has, and its price plan version.

    Raises ``NotFound`` (``charging.terms_missing``, ``catalog.plan_not_in_force``).
    """
    return await _number_now(tx, PLAN, offering, now)


async def offer_number(tx: Tx, *, offering: str, now: datetime) -> int:
    """Return the number of the offer that who buys ``offering`` now gets. Raises as ``plan_number``."""
    return (await _number_now(tx, OFFER, offering, now))[0]


async def _number_now(tx: Tx, kind: str, offering: str, now: datetime) -> tuple[int, PlanVersion]:
    version = await catalog.version_in_force(tx, code=offering, at=now)
    newest = await store.newest_terms(tx, kind, offering)
    if newest is None:
        raise _missing(kind, offering)
    found = await store.find_number(tx, kind, offering, version.id, newest["version"])
    if found is None:
        await store.lock_terms(tx, kind, offering)
        found = await _number(tx, kind, version, newest["version"], now)
    return found, version


async def _number(tx: Tx, kind: str, version: PlanVersion, terms: int, now: datetime) -> int:
    """Return the number of a plan version under its terms; the caller has locked the terms."""
    offering = version.plan.offering
    found = await store.find_number(tx, kind, offering, version.id, terms)
    if found is not None:
        return found
    number = await store.add_number(tx, kind, offering, version.id, version=terms, at=now)
    if kind == PLAN and number > LAST_PLAN:
        raise Exhausted("every plan number is taken", code="charging.plan_numbers", value=number)
    return number


async def offerings_of_offers(tx: Tx, *, numbers: Collection[int]) -> Mapping[int, str]:
    """Return the offerings that offers are of, by the offer's number; one that is not this tenant's is absent."""
    return await store.offerings_of(tx, OFFER, sorted(numbers)) if numbers else {}


async def offer_held(tx: Tx, *, state: Account, offering: str) -> int:
    """Return the number of the newest offer of ``offering`` that an account has.

    Raises ``Conflict`` (``charging.offer_not_held``).
    """
    held = [one.offer for one in state.holdings]
    offerings = await offerings_of_offers(tx, numbers=held)
    found = [one for one in held if offerings.get(one) == offering]
    if not found:
        raise Conflict(
            "the account does not have this offer",
            code="charging.offer_not_held",
            field="offering",
            value=offering,
            fix="buy it",
        )
    return found[-1]


class Sold(NamedTuple):
    """What an offer is to bills and books: its price, None for one that is free, of a price plan; how long it lasts."""

    plan_version_id: PlanVersionId
    price: Recurring | OneOff | None
    days: int
    """How many local days of ``zone`` it lasts, 0: without end."""
    zone: str


async def sold_as_offers(tx: Tx, *, numbers: Collection[int]) -> Mapping[int, Sold]:
    """Return what offers are on bills, by the offer's number; one that is not this tenant's is absent."""
    found = await store.documents_of(tx, OFFER, sorted(numbers)) if numbers else {}
    versions = await catalog.plan_versions(tx, sorted({version_id for version_id, _ in found.values()}))
    sold: dict[int, Sold] = {}
    for number, (version_id, text) in found.items():
        document, plan = _read(text, OfferDocument), versions[version_id].plan
        price = price_of(document, plan)
        sold[number] = Sold(version_id, price, days_of(document, price, plan), plan.zone)
    return sold


async def get_plan_terms(tx: Tx, *, offering: str, now: datetime) -> Terms[PlanDocument]:
    """Return the newest plan terms of an offering. Raises ``NotFound`` (``charging.terms_missing``)."""
    return await _get(tx, PLAN, offering, PlanDocument, now)


async def get_offer_terms(tx: Tx, *, offering: str, now: datetime) -> Terms[OfferDocument]:
    """Return the newest offer terms of an offering. Raises ``NotFound`` (``charging.terms_missing``)."""
    return await _get(tx, OFFER, offering, OfferDocument, now)


async def _get(tx: Tx, kind: str, offering: str, type_: type[D], now: datetime) -> Terms[D]:
    newest = await store.newest_terms(tx, kind, offering)
    if newest is None:
        raise _missing(kind, offering)
    versions = (await catalog.versions_by_code(tx, [offering])).get(offering, ())
    numbers = {
        row["plan_version_id"]: row["number"]
        for row in await store.numbers_of(tx, kind, [offering])
        if row["version"] == newest["version"]
    }
    sold = [one for one in versions if one.id in numbers and one.plan.valid_from <= now]
    number = numbers[sold[-1].id] if sold else None
    return Terms(_read(newest["document"], type_), newest["version"], newest["set_at"], number)


async def list_plan_terms(tx: Tx, *, page: PageRequest) -> Page[Terms[PlanDocument]]:
    """Return a page of the newest plan terms, by offering."""
    return await _list(tx, PLAN, PlanDocument, page)


async def list_offer_terms(tx: Tx, *, page: PageRequest) -> Page[Terms[OfferDocument]]:
    """Return a page of the newest offer terms, by offering."""
    return await _list(tx, OFFER, OfferDocument, page)


async def _list(tx: Tx, kind: str, type_: type[D], page: PageRequest) -> Page[Terms[D]]:
    rows, total = await store.list_terms(tx, kind, offset=page.offset, limit=page.limit)
    numbers: dict[str, int] = {}
    for row in await store.numbers_of(tx, kind, [row["offering"] for row in rows]):
        numbers[row["offering"]] = row["number"]
    items = tuple(
        Terms(_read(row["document"], type_), row["version"], row["set_at"], numbers.get(row["offering"]))
        for row in rows
    )
    return Page(items, total, page.offset, page.limit)


def _read(text: str, type_: type[D]) -> D:
    return msgspec.json.decode(text, type=type_)


def stored(kind: str, text: str) -> Document:
    """Return the document of a kind that the database holds."""
    return _read(text, PlanDocument) if kind == PLAN else _read(text, OfferDocument)


def _missing(kind: str, offering: str) -> NotFound:
    return NotFound(
        f"{offering} has no charging terms for {'accounts' if kind == PLAN else 'buyers'}",
        code="charging.terms_missing",
        field="offering",
        value=offering,
        fix=f"write them: farwire charging {kind} set FILE",
    )
