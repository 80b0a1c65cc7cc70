"""Put credit against open bills, for one account or for thousands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from uuid import UUID

from farwire.base.eventbus import publish_many
from farwire.base.storage import Tx
from farwire.kernel.errors import NotFound
from farwire.kernel.ids import AccountId, LegalEntityId, uuid7
from farwire.kernel.time import local_date, zone
from farwire.ledger import service as ledger
from farwire.payment.events import bill_state_changed, paid_state
from farwire.payment.model import ItemKind, Match, OpenItem, allocation_entry, settle_accounts
from farwire.payment.store import items as item_store
from farwire.tenant import service as tenants


async def booking_dates(tx: Tx, at: datetime) -> Mapping[LegalEntityId, date]:
    """Return the day of ``at`` in the zone of each of the tenant's companies, oldest company first."""
    entities = await tenants.legal_entities(tx)
    return {entity.id: local_date(at, zone(entity.zone)) for entity in entities.values()}


def day_of(days: Mapping[LegalEntityId, date], entity: LegalEntityId) -> date:
    """Return the day in the books of ``entity``. Raises ``NotFound`` (``payment.company_unknown``)."""
    if entity not in days:
        raise NotFound(
            "there is no such company", code="payment.company_unknown", field="legal_entity", value=entity
        )
    return days[entity]


async def book_matches(
    tx: Tx, matches: Sequence[Match], *, days: Mapping[LegalEntityId, date], now: datetime
) -> None:
    """Write the matches and book those that move customer credit to the receivable."""
    if not matches:
        return
    keyed = [(uuid7(now), match) for match in matches]
    await item_store.allocate(tx, keyed, days, now)
    await tell_states(tx, [(match.item, match.amount_minor) for match in matches], now)
    entries = [
        allocation_entry(match, str(key), day_of(days, match.item.legal_entity_id), now)
        for key, match in keyed
    ]
    await ledger.post_entries(tx=tx, entries=[entry for entry in entries if entry is not None])


async def tell_states(tx: Tx, paid: Sequence[tuple[OpenItem, int]], now: datetime) -> None:
    """Publish which bills are paid further or less far than before by ``paid``: items as they were, with amounts.

    Debts and what dealers owe are no bills: nobody is told of them here.
    """
    before: dict[UUID, OpenItem] = {}
    after: dict[UUID, int] = {}
    for item, minor in paid:
        before.setdefault(item.id, item)
        after[item.id] = after.get(item.id, item.open_minor) - minor
    changed = [
        bill_state_changed(item, after[key], tenant_id=tx.tenant_id, at=now)
        for key, item in before.items()
        if item.kind is ItemKind.BILL and paid_state(item, item.open_minor) != paid_state(item, after[key])
    ]
    await publish_many(tx, changed)


async def apply_credit(
    tx: Tx, account_ids: Sequence[AccountId], *, now: datetime, first: frozenset[UUID] = frozenset()
) -> tuple[Match, ...]:
    """Put all credit of these accounts against their open bills; return what went where.

    The documents ``first`` come first, then the oldest due. A handful of statements for any number of accounts.
    Idempotent: applied credit is gone.
    """
    candidates = {credit.account_id for credit in await item_store.credits_of(tx, account_ids)}
    if not candidates:
        return ()
    holders = sorted(candidates)
    await item_store.lock_accounts(tx, holders)
    credits_now = await item_store.credits_of(tx, holders)
    matches = settle_accounts(credits_now, await item_store.open_bills(tx, holders), first=first)
    if matches:
        await book_matches(tx, matches, days=await booking_dates(tx, now), now=now)
    return matches
