"""Let a customer move: the party's address, and what follows from it for the accounts."""

from __future__ import annotations

from datetime import datetime

from farwire.account.model import BillingAccount, TermsChange, with_terms
from farwire.account.model.moves import tax_class_at
from farwire.account.service.accounts import accounts_of_party, save_terms
from farwire.account.store import accounts as store
from farwire.base.storage import Tx
from farwire.kernel.ids import PartyId
from farwire.kernel.tenancy import SYSTEM, Actor
from farwire.party import service as parties
from farwire.party.model import Party
from farwire.tenant import service as tenants
from farwire.tenant.model import Address


async def change_address(
    tx: Tx,
    *,
    party_id: PartyId,
    address: Address,
    valid_from: datetime,
    now: datetime,
    actor: Actor = SYSTEM,
) -> tuple[Party, tuple[BillingAccount, ...]]:
    """Let a party move: its address, and region and tax class of its open accounts, change from ``valid_from`` on.

    What was billed stays; the next bill takes the address, region and tax class that held in its cycle. Returns the
    party and its accounts. Raises ``NotFound`` (``party.unknown``), ``Conflict`` (``party.erased``,
    ``party.move_before_last``), ``Invalid`` (``party.move_in_future``, ``country.address_field_…``).
    """
    before = await parties.lock_party(tx, party_id)
    after = await parties.move_party(
        tx, party_id=party_id, address=address, valid_from=valid_from, now=now, actor=actor
    )
    parties.check_postal(address, after.name)
    held = await accounts_of_party(tx, party_id)
    locked = await store.lock_accounts(tx, [one.id for one in held if one.closed_at is None])
    entities = await tenants.legal_entities(tx)
    saved: list[BillingAccount] = []
    for account in locked.values():
        tax_class = tax_class_at(account, after, entities[account.legal_entity_id], before.address, address)
        change = TermsChange(region=address.region, tax_class=tax_class)
        moved = with_terms(account, change, valid_from)
        saved.append(await save_terms(tx, account, moved, valid_from, now, actor))
    return after, tuple(saved)
