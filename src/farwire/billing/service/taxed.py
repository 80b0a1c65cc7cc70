"""Who sells to whom where, at a time: what the taxes of a bill follow from."""

from __future__ import annotations

from datetime import datetime, timedelta

from farwire.account.model import BillingAccount
from farwire.billing.model import TaxContext
from farwire.country.service import load_pack
from farwire.kernel.time import Period, zone
from farwire.party.model import Party
from farwire.tenant.model import LegalEntity


def last_moment(cycle: Period) -> datetime:
    """Return the time whose address, region, tax class and purchase order a bill for ``cycle`` takes: its last."""
    return cycle.end - timedelta.resolution


def tax_context(account: BillingAccount, entity: LegalEntity, party: Party) -> TaxContext:
    """Return the context of taxes between ``entity`` and ``party``, both as they were at the time.

    A company that is registered in the customer's country charges that country's taxes, else those of its own.
    """
    country = entity.tax_country(party.address.country)
    domestic = party.address.country in ("", country)
    region = (party.address.region or None) if domestic else None
    seller_region = (entity.address.region or None) if country == entity.country else None
    return TaxContext(load_pack(country), account.tax_class, region, seller_region, zone(account.zone))
