"""Who asks and where: the party, its accounts and products; the place, as an address or a reference to one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from farwire.account import service as accounts
from farwire.base.storage import Tx
from farwire.base.tmf import Target
from farwire.base.tmf.documents import load
from farwire.catalog import service as catalog
from farwire.inventory import service as inventory
from farwire.kernel.errors import NotFound
from farwire.kernel.ids import PartyId
from farwire.party import service as parties
from farwire.qualification.model import Asker, Holding

ADDRESS: Final = Target("673", "GeographicAddress")
SITE: Final = Target("674", "GeographicSite")
LOCATION: Final = Target("675", "GeographicLocation")
_COUNTRY: Final = re.compile("[A-Z]{2}")
_SUBDIVISION: Final = re.compile("(?:[A-Z]{2}-)?([A-Z0-9]{1,3})")


async def asker_of(tx: Tx, *, party: str | None, region: str, channel: str, at: datetime) -> Asker:
    """Return who asks. A party that is not known has nothing, and is of no segment.

    Without a ``region`` of the request it is where the customer is.
    """
    try:
        found = await parties.get_party(tx=tx, party_id=PartyId(UUID(party or "")))
    except (ValueError, NotFound):
        return Asker(region, channel=channel)
    held = await accounts.accounts_of_party(tx, found.id)
    products = await inventory.products_by_account(tx, [one.id for one in held])
    terms = [one.terms_at(at) for one in held]
    known = (one.region for one in terms if one.region)
    active = [one for of in products.values() for one in of if one.active_at(at)]
    plan_of = {one.id: one.plan_at(at) or one.plans[-1].plan_version_id for one in active}
    versions = await catalog.plan_versions(tx, list(dict.fromkeys(plan_of.values())))
    return Asker(
        region or next(known, found.address_at(at).country),
        next((one.segment for one in terms if one.segment), ""),
        channel,
        tuple(Holding(key, versions[plan].plan.offering) for key, plan in plan_of.items()),
    )


async def region_at(tx: Tx, place: Mapping[str, Any]) -> str | None:
    """Return the region (ISO 3166) of a place, "" where it does not say; None for a place that is not known here.

    ``place`` is an address, or names an address or a site that is kept here; a site has the region of its address.
    """
    if "country" in place or not isinstance(place.get("id"), str):
        return _region(place)
    address = await load(tx, ADDRESS, place["id"])
    if address is not None:
        return _region(address)
    site = await load(tx, SITE, place["id"])
    if site is not None:
        return await _region_of_site(tx, site)
    return None if await load(tx, LOCATION, place["id"]) is None else ""


async def _region_of_site(tx: Tx, site: Mapping[str, Any]) -> str:
    for one in site.get("place") or []:
        known = await load(tx, ADDRESS, one["id"]) if isinstance(one.get("id"), str) else None
        region = _region(known or one)
        if region:
            return region
    return ""


def _region(address: Mapping[str, Any]) -> str:
    country, state = address.get("country"), address.get("stateOrProvince")
    if not isinstance(country, str) or not _COUNTRY.fullmatch(country):
        return ""
    part = _SUBDIVISION.fullmatch(state) if isinstance(state, str) else None
    return country if part is None else f"{country}-{part[1]}"
