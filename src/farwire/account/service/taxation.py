"""Find the tax contexts of an account, from its own history and its customer's places."""

from __future__ import annotations

from datetime import timedelta

from farwire.account.model import BillingAccount, FormerContexts, TaxClass, TaxContext
from farwire.country.service import load_pack
from farwire.kernel.ids import LegalEntityId
from farwire.kernel.time import zone
from farwire.party.model import Party
from farwire.tenant.model import Address, LegalEntity

Contexts = dict[tuple[LegalEntityId, TaxClass, str, str, str], TaxContext]
"""Contexts by all that decides them: a batch of bills asks for the same again and again."""


def tax_contexts(
    account: BillingAccount, entity: LegalEntity, party: Party, known: Contexts
) -> tuple[TaxContext, FormerContexts]:
    """Return the context of taxes between ``entity`` and ``party`` as known last, and others that held before.

    ``account`` and ``party`` bear their history; what changed no tax is left out, so that no usage is cut there. Equal
    contexts are the same object, which ``known`` keeps.
    """
    last = tax_context(account.terms.tax_class, account.zone, entity, party.address, known)
    ends = sorted({one.valid_to for one in account.former} | {one.valid_to for one in party.moves})
    former = tuple(
        (
            end,
            tax_context(
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


def tax_context(
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
