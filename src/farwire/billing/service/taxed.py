"""Who sells to whom where, at a time: what the taxes of a bill follow from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from farwire.account.model import BillingAccount
from farwire.billing.model import BillTax, TaxContext
from farwire.billing.rendering.words import WORDS, language_of
from farwire.country.service import load_pack
from farwire.kernel.time import Period, zone
from farwire.party.model import Party
from farwire.tenant.model import LegalEntity


def last_moment(cycle: Period) -> datetime:
    """Return the time whose address, region, tax class and purchase order a bill for ``cycle`` takes: its last."""
    return cycle.end - timedelta.resolution


def with_reasons(taxes: Sequence[BillTax], language: str) -> tuple[BillTax, ...]:
    """Return ``taxes``, each without an amount saying why in words (EN 16931 BT-120), as the standard asks.

    The words that the country's law asks for come from its pack; where it has none, general ones in ``language``.
    """
    words = WORDS[language_of(language)]
    return tuple(
        tax if tax.name or tax.note else replace(tax, note=words.get(f"reason_{tax.code}", ""))
        for tax in taxes
    )


def tax_context(account: BillingAccount, entity: LegalEntity, party: Party) -> TaxContext:
    """Return the context of taxes between ``entity`` and ``party``, both as they were at the time.

    A company that is registered in the customer's country charges that country's taxes, else those of its own.
    """
    country = entity.tax_country(party.address.country)
    domestic = party.address.country in ("", country)
    region = (party.address.region or None) if domestic else None
    seller_region = (entity.address.region or None) if country == entity.country else None
    return TaxContext(load_pack(country), account.tax_class, region, seller_region, zone(account.zone))
