"""Look at every draft of a run before a person approves it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Final

import msgspec

from farwire.base.storage import Tx
from farwire.billing.model import BillFacts, Customer, Finding, Run, findings_of
from farwire.billing.store import findings as store
from farwire.billing.store.findings import DraftSums, Place
from farwire.country.model import CountryPack, check_address
from farwire.country.service import load_pack
from farwire.kernel.errors import NotFound
from farwire.kernel.ids import AccountId, ProductId
from farwire.tenant import service as tenants
from farwire.tenant.model import LegalEntity

BUYER_ADDRESS: Final = "buyer_address"
"""What a country pack calls the customer's address among the fields of an invoice."""


async def check_drafts(
    tx: Tx,
    run: Run,
    *,
    suspended: Mapping[ProductId, int],
    after: Place | None,
    limit: int,
    account_id: AccountId | None = None,
) -> tuple[int, Place | None]:
    """Check the next drafts of ``run`` and write what is found; return how many, and where to go on.

    Idempotent: what is found takes the place of what was found before. ``suspended`` counts usages in suspense by
    product.
    """
    sums, place = await store.draft_sums(tx, run.id, after=after, limit=limit, account_id=account_id)
    entities = await tenants.legal_entities(tx)
    findings: list[Finding] = []
    pack_of = cache(load_pack)
    for one in sums:
        facts = _facts(one, entities[one.legal_entity_id], suspended, pack_of)
        findings.extend(findings_of(facts, run.thresholds))
    await store.replace_findings(tx, run.id, [one.bill_id for one in sums], findings)
    return len(sums), place


_Packs = Callable[[str], CountryPack]
"""``load_pack``, which looks at the file each time, kept for a batch."""


def _facts(
    sums: DraftSums, entity: LegalEntity, suspended: Mapping[ProductId, int], pack_of: _Packs
) -> BillFacts:
    customer = msgspec.json.decode(sums.customer, type=Customer)
    missing, lacks = _address(customer, pack_of(entity.country), pack_of)
    return BillFacts(
        bill_id=sums.bill_id,
        account_id=sums.account_id,
        cycle_end=sums.cycle_end,
        currency=sums.currency,
        net_minor=sums.net_minor,
        tax_minor=sums.tax_minor,
        total_minor=sums.total_minor,
        lines_minor=sums.lines_minor,
        taxes_minor=sums.taxes_minor,
        tax_rows=sums.tax_rows,
        untaxed_rows=sums.untaxed_rows,
        usages=sums.usages,
        last_total_minor=sums.last_total_minor,
        last_usages=sums.last_usages,
        suspended=sum(suspended.get(product, 0) for product in sums.products) if suspended else 0,
        address_missing=missing,
        address_lacks=lacks,
    )


def _address(customer: Customer, seller: CountryPack, pack_of: _Packs) -> tuple[bool, tuple[str, ...]]:
    """Return whether the seller's invoice needs an address that is not there, and what one that is there lacks."""
    address = customer.address
    if BUYER_ADDRESS not in seller.invoice.fields:
        return False, ()
    if not customer.name.strip() or not any(text.strip() for text in address.fields.values()):
        return True, ()
    try:
        own = pack_of(address.country or seller.code)
    except NotFound:
        return False, ()
    problems = check_address(own, {"name": customer.name, **address.fields})
    lacks = [one.field for one in problems if one.field and one.code == "country.address_field_missing"]
    return False, tuple(lacks)
