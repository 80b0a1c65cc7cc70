"""What products would be billed: the calculation of a bill for products that need not be there yet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from farwire.account.model import BillingAccount
from farwire.base.storage import Tx
from farwire.billing.model import Calculated, calculate
from farwire.billing.service.owed import charges_owed, load_facts
from farwire.billing.service.taxed import tax_contexts
from farwire.inventory.model import Product
from farwire.kernel.errors import NotFound
from farwire.kernel.time import Period
from farwire.party import service as parties
from farwire.tenant import service as tenants


async def preview_products(
    tx: Tx, *, account: BillingAccount, products: Sequence[Product], period: Period
) -> Calculated:
    """Return what ``products`` would be billed besides usage on the bill of ``account`` for ``period``, with taxes.

    What earlier bills charged of those that exist is taken into account, so that a change of an existing product shows
    what it gives back and asks. Nothing is saved; neither the account nor its products need be saved. Raises
    ``NotFound`` (``billing.party_missing``, ``billing.plan_unknown``) and what ``calculate`` raises.
    """
    facts = await load_facts(tx, [account], {account.id: tuple(products)})
    charges = charges_owed(account, period, replace(facts, paid_for={}))
    entity = (await tenants.legal_entities(tx)).get(account.legal_entity_id)
    party = (await parties.get_parties(tx=tx, party_ids=[account.party_id])).get(account.party_id)
    if entity is None or party is None:
        raise NotFound(
            "the account's company or customer does not exist", code="billing.party_missing", field="account"
        )
    items = [item for one in charges.values() for item in one.items]
    return calculate(items, account.currency, *tax_contexts(account, entity, party, {}))
