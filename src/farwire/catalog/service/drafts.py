"""Publish what a draft says, with its price plan, in the way in which files are published."""

from __future__ import annotations

import re
from typing import Final

from farwire.base.clock import Clock
from farwire.base.storage import Tx
from farwire.catalog.model import Catalogue, Entry, Kind, Lifecycle, Offering, PricePlan
from farwire.catalog.model.draft import incomplete
from farwire.catalog.service.plans import publish_plan
from farwire.catalog.service.publish import publish_catalogue
from farwire.catalog.store import catalogue as store
from farwire.kernel.errors import Invalid
from farwire.kernel.ids import OfferingId
from farwire.kernel.tenancy import Actor

_PLACES: Final = (
    ("eligibility.channels", "$.channel"),
    ("eligibility.segments", "$.marketSegment"),
    ("eligibility.regions", "$.place"),
    ("product_specification", "$.productSpecification"),
    ("bundle", "$.bundledProductOffering"),
    ("requires", "$.productOfferingRelationship"),
    ("excludes", "$.productOfferingRelationship"),
    ("terms", "$.productOfferingTerm"),
    ("valid_", "$.validFor"),
    ("recurring", "$.productOfferingPrice"),
    ("one_off", "$.productOfferingPrice"),
    ("usage", "$.productOfferingPrice"),
    ("currency", "$.productOfferingPrice"),
    ("name", "$.name"),
    ("description", "$.description"),
)
"""Where in a draft stands what a catalogue file or a price plan calls so."""


async def publish_draft(
    tx: Tx,
    *,
    offering_id: OfferingId,
    offering: Offering,
    plan: PricePlan,
    lifecycle: Lifecycle,
    clock: Clock,
    actor: Actor,
) -> None:
    """Publish ``offering`` and ``plan`` as the offering ``offering_id`` in the state ``lifecycle``.

    Raises ``Incomplete`` (``tmf.incomplete``) where its code is another's, or a rule of the catalogue forbids it.
    """
    now = clock.now()
    await store.lock(tx)
    wanted = Entry(offering_id, Kind.OFFERING, offering.code, offering.name, lifecycle)
    entry = await store.add_entry(tx, wanted, now)
    if entry.id != offering_id:
        fix = "give the offering a code of its own"
        raise incomplete("$.code", "another offering has this code", fix, offering.code)
    try:
        file = Catalogue(offerings=(offering,))
        await publish_catalogue(tx=tx, clock=clock, file=file, name=offering.name, actor=actor)
        await publish_plan(tx=tx, clock=clock, plan=plan, actor=actor)
    except Invalid as error:
        raise incomplete(_place(error.field or ""), error.message, error.fix or "", error.value) from None


def _place(field: str) -> str:
    inner = re.sub(r"^offerings\[0\]\.", "", field)
    return next((path for start, path in _PLACES if inner.startswith(start)), "$")
