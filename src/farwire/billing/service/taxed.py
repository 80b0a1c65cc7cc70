"""Who sells to whom where, at a time: what the taxes of a bill follow from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from farwire.account.model import BillingAccount, TaxClass
from farwire.billing.model import BillTax, FormerContexts, TaxContext
from farwire.billing.rendering.words import WORDS, language_of
from farwire.country.service import load_pack
from farwire.kernel.ids import LegalEntityId
from farwire.kernel.time import Period, zone
from farwire.party.model import Party
from farwire.tenant.model import Address, LegalEntity


def last_moment(cycle: Period) -> datetime:
    """Return the time whose address and purchase order a bill for ``cycle`` takes: its last."""
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


Contexts = dict[tuple[LegalEntityId, TaxClass, str, str, str], TaxContext]
"""Contexts by all that decides them: a batch of bills asks for the same again and again."""


def tax_contexts(
    account: BillingAccount, entity: LegalEntity, party: Party, known: Contexts
) -> tuple[TaxContext, FormerContexts]:
    """Return the context of taxes between ``entity`` and ``party`` as known last, and others that held before.

    ``account`` and ``party`` bear their history; what changed no tax is left out, so that no usage is cut there. Equal
    contexts are the same object, which ``known`` keeps.
    """
    last = _context(account.terms.tax_class, account.zone, entity, party.address, known)
    ends = sorted({one.valid_to for one in account.former} | {one.valid_to for one in party.moves})
    former = tuple(
        (
            end,
            _context(
                account.terms_at(end - timedelta.resolution).tax_class,
                account.zone,
                entity,
                party.address_at(end - timedelta.resolution),
                known,
            ),
        )
        for end in ends
    )
    following = [*(held for _, held in former[1:]), last]
    return last, tuple(one for one, after in zip(former, following, strict=False) if one[1] is not after)


def _context(
    tax_class: TaxClass, zone_name: str, entity: LegalEntity, address: Address, known: Contexts
) -> TaxContext:
    """Return a context: a company that is registered in the customer's country charges that country's taxes."""
    key = (entity.id, tax_class, address.country, address.region, zone_name)
    if key not in known:
        country = entity.tax_country(address.country)
        domestic = address.country in ("", country)
        region = (address.region or None) if domestic else None
        seller_region = (entity.address.region or None) if country == entity.country else None
        pack, tz = load_pack(country), zone(zone_name)
        known[key] = TaxContext(pack, tax_class, region, seller_region, tz, entity.vat_id_in(country))
    return known[key]
