"""Plans and offers of every tenant as one shard decides by them; reloaded while it works."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

import structlog

from farwire.base.clock import Clock
from farwire.base.storage import Database, Tx
from farwire.catalog import service as catalog
from farwire.charging.model import OfferTerms, PlanTerms, Price, Service
from farwire.charging.model.compiled import CompiledTariffs, Offer, Plan
from farwire.charging.model.termed import plan_terms
from farwire.charging.model.terms import OfferDocument, PlanDocument
from farwire.charging.service.tenants import tenants_by_number
from farwire.charging.service.terms import OFFER, PLAN, read_offer, stored
from farwire.charging.store import control as store
from farwire.country.model import is_emergency
from farwire.country.service import load_pack
from farwire.kernel.errors import FarwireError
from farwire.rating.service import tariff_for
from farwire.tenant.service import this_tenant

EVERYWHERE: Final = frozenset({"112", "911"})
"""Emergency numbers where no plan says otherwise. Source: TS 22.101 §10.1.1."""
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Loaded:
    """Plans and offers by number. Two that are equal decide alike: what is compiled is compiled once."""

    plans: Mapping[int, Plan]
    offers: Mapping[int, Offer]

    def same_as(self, other: Loaded) -> bool:
        """Return whether nothing has changed."""
        return (
            self.plans.keys() == other.plans.keys()
            and self.offers == other.offers
            and all(plan.tariff is other.plans[number].tariff for number, plan in self.plans.items())
        )

    def compiled(self) -> CompiledTariffs:
        """Return them as the port that decisions ask."""
        return CompiledTariffs(self.plans, self.offers)


NOTHING_LOADED: Final = Loaded({}, {})


async def load_tenant(tx: Tx, *, clock: Clock) -> Loaded:
    """Return the plans and offers of the transaction's tenant. What cannot be compiled is left out and logged."""
    emergency = partial(is_emergency, load_pack((await this_tenant(tx)).country))
    plans: dict[int, Plan] = {}
    offers: dict[int, Offer] = {}
    for row in await store.numbered(tx, PLAN):
        document = stored(PLAN, row["document"])
        if isinstance(document, PlanDocument):
            try:
                tariff = await tariff_for(tx=tx, plan_version_id=row["plan_version_id"])
                plans[row["number"]] = Plan(tariff, plan_terms(document), emergency)
            except FarwireError as error:
                _tell(PLAN, row["number"], error)
    rows = await store.numbered(tx, OFFER)
    versions = await catalog.plan_versions(tx, [row["plan_version_id"] for row in rows])
    for row in rows:
        document = stored(OFFER, row["document"])
        if isinstance(document, OfferDocument):
            try:
                version = versions[row["plan_version_id"]]
                offers[row["number"]] = await read_offer(tx, row["number"], document, version, clock.now())
            except FarwireError as error:
                _tell(OFFER, row["number"], error)
    return Loaded(plans, offers)


def _tell(kind: str, number: int, error: FarwireError) -> None:
    _log.warning("cannot be charged online", kind=kind, number=number, code=error.code, reason=str(error))


async def load_all(db: Database, *, clock: Clock) -> Loaded:
    """Return the plans and offers of every tenant that charges online."""
    plans: dict[int, Plan] = {}
    offers: dict[int, Offer] = {}
    for tenant_id in (await tenants_by_number(db)).values():
        async with db.transaction(tenant_id, read_only=True) as tx:
            found = await load_tenant(tx, clock=clock)
        plans |= found.plans
        offers |= found.offers
    return Loaded(plans, offers)


async def load_tariffs(tx: Tx, *, clock: Clock) -> CompiledTariffs:
    """Return the tariffs of the transaction's tenant alone, for tests and in-process shards."""
    return (await load_tenant(tx, clock=clock)).compiled()


class LiveTariffs:
    """The tariffs of a working shard: ``Tariffs`` that are exchanged as a whole, between two batches."""

    def __init__(self, loaded: Loaded = NOTHING_LOADED) -> None:
        self.loaded = loaded
        self._now = loaded.compiled()
        self._bind()

    def _bind(self) -> None:
        # The methods of the tariffs themselves: a decision asks often, and pays for no detour.
        now = self._now
        self.plan: Callable[[int], PlanTerms | None] = now.plan
        self.offer: Callable[[int], OfferTerms | None] = now.offer
        self.offer_end: Callable[[int, int], int] = now.offer_end
        self.find: Callable[[int, Service, int, int], Price | None] = now.find
        self.price: Callable[[int], Price | None] = now.price
        self.band_end: Callable[[Price, int], int] = now.band_end
        self.period: Callable[[int, int, int, int], tuple[int, int]] = now.period

    def is_emergency(self, plan: int, number: str) -> bool:
        """Tell whether ``number`` reaches an emergency service; those of everywhere where the plan is unknown."""
        if self._now.is_emergency(plan, number):
            return True
        return number in EVERYWHERE and self._now.plan(plan) is None

    async def reload(self, db: Database, *, clock: Clock) -> bool:
        """Read what is published now; return whether anything has changed."""
        found = await load_all(db, clock=clock)
        if found.same_as(self.loaded):
            return False
        self.loaded, self._now = found, found.compiled()
        self._bind()
        return True
