"""Draft the bills of one cycle for a batch of accounts: load everything at once, calculate each, write all at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from farwire.account.model import BillingAccount, TaxClass
from farwire.base.storage import Tx
from farwire.base.telemetry import get_logger
from farwire.billing.model import (
    Bill,
    BillState,
    Calculated,
    Charged,
    Customer,
    Item,
    JournalEntry,
    Outcome,
    Run,
    Seller,
    TaxContext,
    calculate,
    charges_of,
    check_sums,
    usage_item,
)
from farwire.billing.store import bills as bill_store
from farwire.billing.store import runs as run_store
from farwire.catalog import service as catalog
from farwire.catalog.model import PlanVersion, PricePlan
from farwire.country.service import load_pack
from farwire.inventory import service as inventory
from farwire.inventory.model import Product
from farwire.kernel.errors import FarwireError, NotFound
from farwire.kernel.ids import AccountId, BillId, LegalEntityId, PartyId, PlanVersionId, ProductId, uuid7
from farwire.kernel.time import Period, zone
from farwire.party import service as parties
from farwire.party.model import Party
from farwire.tenant import service as tenants
from farwire.tenant.model import LegalEntity, fiscal_year
from farwire.usage import service as usage
from farwire.usage.model import RatedTotal

log = get_logger(__name__)

# What data of one account can raise besides Farwire's own errors. Anything else is a fault of the whole run.
_OF_ONE_ACCOUNT: Final = (FarwireError, ArithmeticError, LookupError, ValueError, TypeError)


@dataclass(slots=True)
class _Batch:
    """All that the bills of one batch need, loaded set-based."""

    run: Run
    cycle: Period
    now: datetime
    entities: Mapping[LegalEntityId, LegalEntity]
    parties: Mapping[PartyId, Party]
    products: Mapping[AccountId, tuple[Product, ...]]
    versions: Mapping[PlanVersionId, PlanVersion]
    charged: Mapping[ProductId, Charged]
    charges: dict[ProductId, Charged] = field(default_factory=dict)
    items: dict[AccountId, list[Item]] = field(default_factory=lambda: defaultdict(list))
    usage: dict[AccountId, list[tuple[RatedTotal, Period]]] = field(default_factory=lambda: defaultdict(list))
    contexts: dict[tuple[LegalEntityId, TaxClass, str | None, str], TaxContext] = field(default_factory=dict)
    journal: list[JournalEntry] = field(default_factory=list)

    def fail(self, account: BillingAccount, error: BaseException) -> None:
        """Note that an account has no bill for this cycle, and why."""
        code = error.code if isinstance(error, FarwireError) else "billing.defect"
        words = str(error) if isinstance(error, FarwireError) else f"{type(error).__name__}: {error}"
        log.warning("bill_failed", account_id=str(account.id), code=code)
        self.journal.append(JournalEntry(account.id, self.cycle.end, Outcome.FAILED, code, words[:500]))


async def draft_cycle(
    tx: Tx, *, run: Run, cycle: Period, accounts: Sequence[BillingAccount], now: datetime
) -> Sequence[JournalEntry]:
    """Draft the bills of ``accounts`` for ``cycle`` and return what became of each."""
    batch = await _load(tx, run, cycle, accounts, now)
    sound = [account for account in accounts if _charge(account, batch)]
    bill_ids = {account.id: BillId(uuid7(now)) for account in sound}
    await _take_usage(tx, batch, sound, bill_ids)
    drafts: list[Bill] = []
    charged: dict[ProductId, Charged] = {}
    for account in sound:
        try:
            draft = _draft(account, batch, bill_ids[account.id])
        except _OF_ONE_ACCOUNT as error:
            await usage.unmark_billed(tx, bill_id=bill_ids[account.id], at=now)
            batch.fail(account, error)
            continue
        outcome = Outcome.EMPTY if draft is None else Outcome.BILLED
        batch.journal.append(JournalEntry(account.id, cycle.end, outcome))
        charged.update(
            {p.id: batch.charges[p.id] for p in batch.products.get(account.id, ()) if p.id in batch.charges}
        )
        if draft is not None:
            drafts.append(draft)
    await bill_store.add_bills(tx, drafts)
    await run_store.save_charged(tx, charged)
    await run_store.add_journal(tx, run.id, batch.journal, now)
    return batch.journal


async def _versions(tx: Tx, ids: Sequence[PlanVersionId]) -> Mapping[PlanVersionId, PlanVersion]:
    """Return the versions that exist; an account whose plan does not exist fails by itself."""
    try:
        return await catalog.plan_versions(tx, ids)
    except NotFound:
        found: dict[PlanVersionId, PlanVersion] = {}
        for version_id in ids:
            with suppress(NotFound):
                found |= await catalog.plan_versions(tx, [version_id])
        return found


def _plans(product: Product, batch: _Batch) -> Mapping[PlanVersionId, PricePlan]:
    ids = [change.plan_version_id for change in product.plans]
    unknown = [version_id for version_id in ids if version_id not in batch.versions]
    if unknown:
        raise NotFound(
            "the product has a price plan that does not exist",
            code="billing.plan_unknown",
            field="product",
            value=product.id,
        )
    return {version_id: batch.versions[version_id].plan for version_id in ids}


def _charge(account: BillingAccount, batch: _Batch) -> bool:
    """Put the recurring and one-off charges of an account into the batch; return False where it fails."""
    try:
        for product in batch.products.get(account.id, ()):
            plans = _plans(product, batch)
            done = batch.charged.get(product.id, {})
            charges = charges_of(
                product,
                plans,
                cycle=account.cycle,
                bill_period=batch.cycle,
                charged=done,
                region=account.region,
                segment=account.segment,
            )
            batch.items[account.id].extend(charges.items)
            batch.charges[product.id] = charges.charged
    except _OF_ONE_ACCOUNT as error:
        batch.items.pop(account.id, None)
        batch.fail(account, error)
        return False
    return True


async def _load(tx: Tx, run: Run, cycle: Period, accounts: Sequence[BillingAccount], now: datetime) -> _Batch:
    products = await inventory.products_by_account(tx, [account.id for account in accounts])
    plan_ids = {
        change.plan_version_id for held in products.values() for product in held for change in product.plans
    }
    return _Batch(
        run,
        cycle,
        now,
        await tenants.legal_entities(tx),
        await parties.get_parties(tx=tx, party_ids=[account.party_id for account in accounts]),
        products,
        await _versions(tx, sorted(plan_ids)),
        await run_store.charged(tx, [product.id for held in products.values() for product in held]),
    )


async def _take_usage(
    tx: Tx, batch: _Batch, accounts: Sequence[BillingAccount], bill_ids: Mapping[AccountId, BillId]
) -> None:
    """Mark the usage of the cycle and what came late for earlier ones, and keep the sums by account."""
    owner: dict[ProductId, tuple[AccountId, Product]] = {
        product.id: (account.id, product)
        for account in accounts
        for product in batch.products.get(account.id, ())
    }
    cycle = batch.cycle
    wanted = {product_id: (bill_ids[account_id], cycle) for product_id, (account_id, _) in owner.items()}
    for total in await usage.mark_billed(tx, bills=wanted, at=batch.now):
        account_id, product = owner[total.product_id]
        period = Period(max(cycle.start, min(product.started_at, total.first_at)), cycle.end)
        if total.late:
            period = Period(total.first_at, total.last_at + timedelta(microseconds=1))
        batch.usage[account_id].append((total, period))


def _context(account: BillingAccount, entity: LegalEntity, party: Party, batch: _Batch) -> TaxContext:
    domestic = party.address.country in ("", entity.country)
    region = (party.address.region or None) if domestic else None
    key = (entity.id, account.tax_class, region, account.zone)
    context = batch.contexts.get(key)
    if context is None:
        seller_region = entity.address.region or None
        pack = load_pack(entity.country)
        context = TaxContext(pack, account.tax_class, region, seller_region, zone(account.zone))
        batch.contexts[key] = context
    return context


def _draft(account: BillingAccount, batch: _Batch, bill_id: BillId) -> Bill | None:
    items = [
        *batch.items.get(account.id, ()),
        *(usage_item(total, period, batch.versions) for total, period in batch.usage.get(account.id, ())),
    ]
    if not items:
        return None
    entity = batch.entities.get(account.legal_entity_id)
    party = batch.parties.get(account.party_id)
    if entity is None or party is None:
        raise NotFound(
            "the account's company or customer does not exist", code="billing.party_missing", field="account"
        )
    calculated = calculate(items, account.currency, _context(account, entity, party, batch))
    bill = _bill(account, entity, party, calculated, batch, bill_id)
    check_sums(bill)
    return bill


def _seller(entity: LegalEntity) -> Seller:
    return Seller(
        entity.name,
        entity.vat_id,
        entity.address,
        entity.bank_account,
        entity.number_prefix,
        entity.payment_days,
    )


def _bill(
    account: BillingAccount,
    entity: LegalEntity,
    party: Party,
    calculated: Calculated,
    batch: _Batch,
    bill_id: BillId,
) -> Bill:
    issue_on = batch.run.issue_on
    return Bill(
        id=bill_id,
        account_id=account.id,
        account_number=account.number,
        legal_entity_id=entity.id,
        run_id=batch.run.id,
        state=BillState.DRAFT,
        fiscal_year=fiscal_year(issue_on, entity.fiscal_year_start),
        sequence=None,
        number=None,
        cycle=batch.cycle,
        issue_on=issue_on,
        due_on=issue_on + timedelta(days=entity.payment_days),
        currency=account.currency,
        net_minor=calculated.net_minor,
        tax_minor=calculated.tax_minor,
        total_minor=calculated.total_minor,
        zone=account.zone,
        language=account.language,
        seller=_seller(entity),
        customer=Customer(party.name, party.vat_id, party.address),
        drafted_at=batch.now,
        lines=calculated.lines,
        taxes=calculated.taxes,
    )
