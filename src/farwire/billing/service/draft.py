"""Draft the bills of one cycle for a batch of accounts: load everything at once, calculate each, write all at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Final

from farwire.account import service as accounts
from farwire.account.model import BillingAccount
from farwire.base.storage import Tx
from farwire.base.telemetry import get_logger
from farwire.billing.model import (
    Bill,
    BillState,
    Calculated,
    ChargedKey,
    Credit,
    CreditUse,
    Customer,
    Item,
    JournalEntry,
    Outcome,
    ProductCharges,
    Run,
    Seller,
    Shown,
    calculate,
    check_sums,
    usage_item,
    with_credits,
)
from farwire.billing.service.owed import Facts, charges_owed, known_versions, load_facts
from farwire.billing.service.taxed import last_moment, with_reasons
from farwire.billing.service.used import Taken, usage_of
from farwire.billing.store import bills as bill_store
from farwire.billing.store import charged as charged_store
from farwire.billing.store import credits as credit_store
from farwire.billing.store import journal as journal_store
from farwire.inventory import service as inventory
from farwire.inventory.model import ResourceKind
from farwire.kernel.errors import Conflict, FarwireError, NotFound
from farwire.kernel.ids import (
    AccountId,
    BillId,
    BillRunId,
    LegalEntityId,
    PartyId,
    ProductId,
    uuid7,
)
from farwire.kernel.time import Period
from farwire.party import service as parties
from farwire.party.model import Party
from farwire.tenant import service as tenants
from farwire.tenant.model import DocumentKind, LegalEntity, fiscal_year
from farwire.usage import service as usage
from farwire.usage.model import RatedTotal

log = get_logger(__name__)

# What data of one account can raise besides Farwire's own errors. Anything else is a fault of the whole run.
_OF_ONE_ACCOUNT: Final = (FarwireError, ArithmeticError, LookupError, ValueError, TypeError)

MAX_NUMBERED: Final = 50
"""Products whose number stands beside their name; a bill of more is read by machines."""


@dataclass(slots=True)
class _Batch:
    """All that the bills of one batch need, loaded set-based."""

    run_id: BillRunId | None
    """None for a preview, which saves nothing."""
    issue_on: date
    cycle: Period
    now: datetime
    entities: Mapping[LegalEntityId, LegalEntity]
    parties: Mapping[PartyId, Party]
    facts: Facts
    credits: Mapping[AccountId, Sequence[Credit]]
    numbers: Mapping[ProductId, str]
    charges: dict[AccountId, Mapping[ChargedKey, ProductCharges]] = field(default_factory=dict)
    items: dict[AccountId, list[Item]] = field(default_factory=lambda: defaultdict(list))
    usage: dict[AccountId, list[tuple[RatedTotal, Taken]]] = field(default_factory=lambda: defaultdict(list))
    contexts: accounts.Contexts = field(default_factory=dict)
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
    batch = await _load(tx, run.id, run.issue_on, cycle, accounts, now)
    sound = [account for account in accounts if _charge(account, batch)]
    bill_ids = {account.id: BillId(uuid7(now)) for account in sound}
    taken = [one for account in sound for one in _usage_of(account, batch, cycle, bill_ids[account.id])]
    await _keep_usage(
        tx, batch, taken, await usage.mark_billed(tx, spans=[one.span for one in taken], at=now)
    )
    drafts: list[Bill] = []
    uses: dict[BillId, Sequence[CreditUse]] = {}
    charges: dict[ChargedKey, ProductCharges] = {}
    owners: dict[ChargedKey, AccountId] = {}
    for account in sound:
        try:
            draft, given = _draft(account, batch, bill_ids[account.id])
        except _OF_ONE_ACCOUNT as error:
            await usage.unmark_billed(tx, bill_id=bill_ids[account.id], at=now)
            batch.fail(account, error)
            continue
        outcome = Outcome.EMPTY if draft is None else Outcome.BILLED
        batch.journal.append(JournalEntry(account.id, cycle.end, outcome))
        moved = {key: one for key, one in batch.charges[account.id].items() if one.charged or one.replaced}
        charges |= moved
        owners |= dict.fromkeys(moved, account.id)
        if draft is not None:
            drafts.append(draft)
            uses[draft.id] = given
    await bill_store.add_bills(tx, drafts)
    await credit_store.add_uses(tx, uses)
    await charged_store.keep_before(tx, cycle.end, owners)
    await charged_store.save_charged(tx, charges)
    await journal_store.add_journal(tx, run.id, batch.journal, now)
    return batch.journal


async def preview_cycle(
    tx: Tx, *, account: BillingAccount, cycle: Period, issue_on: date, now: datetime
) -> Bill | None:
    """Return the bill that ``account`` would get for ``cycle`` by what is known now; None where it would get none.

    By the same calculation as a draft, so that the two cannot differ; nothing is saved and no usage is taken. Raises
    what would fail the account.
    """
    batch = await _load(tx, None, issue_on, cycle, [account], now)
    if not _charge(account, batch):
        failed = batch.journal[-1]
        raise Conflict(failed.message, code=failed.code, field="account", value=account.number)
    taken = _usage_of(account, batch, cycle)
    await _keep_usage(tx, batch, taken, await usage.pending_totals(tx, spans=[one.span for one in taken]))
    return _draft(account, batch, BillId(uuid7(now)))[0]


async def preview_cycles(
    tx: Tx,
    *,
    accounts: Sequence[BillingAccount],
    cycle: Period,
    usage_until: datetime,
    issue_on: date,
    now: datetime,
) -> Sequence[Bill]:
    """Return the bills that ``accounts`` would get for ``cycle``, with the usage before ``usage_until`` only.

    Set-based; nothing is saved. Who would get none, or would fail, is left out.
    """
    batch = await _load(tx, None, issue_on, cycle, accounts, now)
    sound = [account for account in accounts if _charge(account, batch)]
    until = Period(cycle.start, max(min(cycle.end, usage_until), cycle.start + timedelta(microseconds=1)))
    taken = [one for account in sound for one in _usage_of(account, batch, until)]
    await _keep_usage(tx, batch, taken, await usage.pending_totals(tx, spans=[one.span for one in taken]))
    bills: list[Bill] = []
    for account in sound:
        with suppress(*_OF_ONE_ACCOUNT):
            bill, _ = _draft(account, batch, BillId(uuid7(now)))
            if bill is not None:
                bills.append(bill)
    return bills


def _charge(account: BillingAccount, batch: _Batch) -> bool:
    """Put the recurring and one-off charges of an account into the batch; return False where it fails."""
    try:
        charges = charges_owed(account, batch.cycle, batch.facts)
    except _OF_ONE_ACCOUNT as error:
        batch.fail(account, error)
        return False
    batch.charges[account.id] = charges
    batch.items[account.id] = [item for one in charges.values() for item in one.items]
    return True


async def _load(
    tx: Tx,
    run_id: BillRunId | None,
    issue_on: date,
    cycle: Period,
    accounts: Sequence[BillingAccount],
    now: datetime,
) -> _Batch:
    facts = await load_facts(tx, accounts)
    products = [one.id for held in facts.products.values() for one in held]
    return _Batch(
        run_id,
        issue_on,
        cycle,
        now,
        await tenants.legal_entities(tx),
        await parties.get_parties(tx=tx, party_ids=[account.party_id for account in accounts]),
        facts,
        await credit_store.open_credits(tx, [account.id for account in accounts]),
        await inventory.last_values(tx, kind=ResourceKind.MSISDN, product_ids=products, before=cycle.end),
    )


def _usage_of(
    account: BillingAccount, batch: _Batch, cycle: Period, bill_id: BillId | None = None
) -> list[Taken]:
    """Return the usage that the bill of ``account`` takes, cut where its tax changes."""
    entity, party = batch.entities.get(account.legal_entity_id), batch.parties.get(account.party_id)
    cuts: list[datetime] = []
    if entity is not None and party is not None and (account.former or party.moves):
        # What has no tax context fails by itself, when it is drafted.
        with suppress(*_OF_ONE_ACCOUNT):
            cuts = [until for until, _ in accounts.tax_contexts(account, entity, party, batch.contexts)[1]]
    return list(usage_of(account, cycle, batch.facts, cuts, bill_id))


async def _keep_usage(tx: Tx, batch: _Batch, taken: Sequence[Taken], totals: Sequence[RatedTotal]) -> None:
    """Keep the sums of the usage of the cycle, and of what came late for earlier ones, by account.

    Online charging goes by the version of the plan that was in force when its account was opened:
    no product need have it.
    """
    versions = batch.facts.versions
    others = {total.plan_version_id for total in totals} - versions.keys()
    if others:
        batch.facts = replace(batch.facts, versions={**versions, **await known_versions(tx, sorted(others))})
    for total in totals:
        one = taken[total.span]
        batch.usage[one.account_id].append((total, one))


def _draft(
    account: BillingAccount, batch: _Batch, bill_id: BillId
) -> tuple[Bill | None, Sequence[CreditUse]]:
    items = [
        *batch.items.get(account.id, ()),
        *(
            usage_item(total, one.period(total, batch.cycle), batch.facts.versions, one.for_account)
            for total, one in batch.usage.get(account.id, ())
        ),
    ]
    if not items:
        return None, ()
    entity = batch.entities.get(account.legal_entity_id)
    party = batch.parties.get(account.party_id)
    if entity is None or party is None:
        raise NotFound(
            "the account's company or customer does not exist", code="billing.party_missing", field="account"
        )
    context, former = accounts.tax_contexts(account, entity, party, batch.contexts)
    at = last_moment(batch.cycle)
    account, party = account.as_of(at), party.as_of(at)
    accounts.check_tax_class(account, party)  # the VAT id may have gone since
    credited = with_credits(
        items,
        batch.credits.get(account.id, ()),
        batch.cycle,
        lambda posted: calculate(posted, account.currency, context, former),
    )
    bill = _bill(account, entity, party, credited.calculated, batch, bill_id)
    check_sums(bill)
    return bill, credited.uses


def _seller(entity: LegalEntity, country: str) -> Seller:
    return Seller(
        entity.name,
        entity.vat_id_in(country),
        entity.address,
        entity.bank_account,
        entity.series_of(DocumentKind.INVOICE).prefix,
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
    issue_on = batch.issue_on
    yearly = entity.series_of(DocumentKind.INVOICE).yearly
    return Bill(
        id=bill_id,
        account_id=account.id,
        account_number=account.number,
        legal_entity_id=entity.id,
        run_id=batch.run_id,
        state=BillState.DRAFT,
        fiscal_year=fiscal_year(issue_on, entity.fiscal_year_start) if yearly else 0,
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
        seller=_seller(entity, party.address.country),
        customer=Customer(party.name, party.vat_id, party.address),
        drafted_at=batch.now,
        lines=calculated.lines,
        taxes=with_reasons(calculated.taxes, account.language),
        purchase_order=account.purchase_order,
        delivery=account.delivery.value,
        parent_id=account.parent_id,
        shown=_shown(calculated, batch.numbers),
    )


def _shown(calculated: Calculated, numbers: Mapping[ProductId, str]) -> tuple[Shown, ...]:
    """Return the numbers of the products on a bill: who has them may change, what is printed may not."""
    if not numbers:
        return ()
    products = {line.item.product_id for line in calculated.lines if line.item.product_id is not None}
    if len(products) > MAX_NUMBERED:
        return ()
    return tuple(Shown(one, numbers[one]) for one in sorted(products & numbers.keys()))
