"""What products would be billed: the calculation of a bill for products that need not be there yet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from farwire.account import service as accounts
from farwire.account.model import BillingAccount
from farwire.base.storage import Tx
from farwire.billing.model import Calculated, Item, calculate
from farwire.billing.service.owed import charges_owed, load_facts
from farwire.billing.store import journal as journal_store
from farwire.inventory.model import Product
from farwire.kernel.errors import NotFound
from farwire.kernel.time import Period
from farwire.party import service as parties
from farwire.tenant import service as tenants


async def first_cycle(tx: Tx, *, account: BillingAccount, at: datetime) -> Period:
    """Return the cycle whose bill would be the first to hold what happens to ``account`` at ``at``."""
    done = await journal_store.done_until(tx, [account.id])
    since = max(at, done[account.id][0]) if account.id in done else at
    return account.cycle.containing(since)


async def preview_products(
    tx: Tx,
    *,
    account: BillingAccount,
    products: Sequence[Product],
    period: Period,
    earlier: Calculated | None = None,
) -> Calculated:
    """Return what ``products`` would be billed besides usage on the bill of ``account`` for ``period``, with taxes.

    What earlier bills charged of those that exist is taken into account, so that a change of an existing product shows
    what it gives back and asks; also what ``earlier``, a previewed bill for the period before, would charge. Nothing is
    saved; neither the account nor its products need be saved. Raises ``NotFound`` (``billing.party_missing``,
    ``billing.plan_unknown``) and what ``calculate`` raises.
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
    if earlier is not None:
        items = _left(items, [line.item for line in earlier.lines])
    return calculate(items, account.currency, *accounts.tax_contexts(account, entity, party, {}))


def _left(items: Sequence[Item], charged: Sequence[Item]) -> list[Item]:
    """Return what of ``items`` is not among ``charged``. A bill holds all that is not billed yet."""
    counted = Counter(map(_key, charged))
    found = []
    for item in items:
        if counted[_key(item)]:
            counted[_key(item)] -= 1
        else:
            found.append(item)
    return found


def _key(item: Item) -> tuple[object, ...]:
    return (item.product_id, item.kind, item.price_id, item.period, item.exact_nano, item.label)
