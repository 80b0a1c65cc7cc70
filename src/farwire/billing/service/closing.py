"""Close a month of a company: earn what was deferred, accrue what is not billed, check, close."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Final

from farwire.account import service as accounts
from farwire.account.model import BillingAccount
from farwire.base.clock import Clock
from farwire.base.storage import Database, Tx
from farwire.billing.model import LineKind
from farwire.billing.model.revenue import Accrual, earned_before
from farwire.billing.model.revenue_report import (
    EARNED,
    UNBILLED,
    UNBILLED_BACK,
    RevenueRow,
    revenue_rows,
)
from farwire.billing.service.draft import preview_cycles
from farwire.billing.store import journal as journal_store
from farwire.billing.store import revenue as store
from farwire.kernel.errors import Conflict
from farwire.kernel.ids import AccountId, EntryId, LegalEntityId, TenantId, uuid7
from farwire.kernel.money import Currency, currency
from farwire.kernel.tenancy import Actor
from farwire.kernel.time import Period, local_midnight, zone
from farwire.ledger import service as ledger
from farwire.ledger.model import (
    AccountingPeriod,
    Book,
    Entry,
    PeriodState,
    Posting,
    book_of_revenue,
    next_month,
)

BATCH: Final = 1_000
"""Accounts looked at together."""
STATEMENT_TIMEOUT_S: Final = 300.0


async def close_period(
    *,
    db: Database,
    tenant_id: TenantId,
    clock: Clock,
    legal_entity_id: LegalEntityId,
    month: date,
    actor: Actor,
) -> AccountingPeriod:
    """Close a month: recognise deferred revenue, accrue unbilled revenue, check the books, close.

    Idempotent and restartable: what an interrupted closing did is found and kept. From its beginning on, other
    bookings of the month go into the next one. Raises ``Conflict``: ``ledger.period_not_over``,
    ``ledger.earlier_period_open``, ``billing.books_differ``.
    """
    async with db.transaction(tenant_id) as tx:
        period = await ledger.begin_closing(
            tx=tx, legal_entity_id=legal_entity_id, month=month, now=clock.now()
        )
    if period.state is PeriodState.CLOSED:
        return period
    async with db.transaction(tenant_id, statement_timeout_s=STATEMENT_TIMEOUT_S) as tx:
        await recognise(tx, period, now=clock.now())
    async with db.transaction(tenant_id, statement_timeout_s=STATEMENT_TIMEOUT_S) as tx:
        await accrue(tx, period, now=clock.now())
    async with db.transaction(tenant_id, statement_timeout_s=STATEMENT_TIMEOUT_S) as tx:
        closed = await ledger.end_closing(
            tx=tx, legal_entity_id=legal_entity_id, month=month, now=clock.now(), actor=actor
        )
        # Under the lock that the end of the closing took: nobody books in between.
        await _check(tx, period)
        return closed


async def recognise(tx: Tx, period: AccountingPeriod, *, now: datetime) -> int:
    """Earn what waits for ``period`` or an earlier month, one entry per currency; return how many entries."""
    entity = period.legal_entity_id
    found = 0
    for code in await store.waiting_currencies(tx, entity, period.month):
        entry_id = EntryId(uuid7(now))
        unit = currency(code)
        postings: list[Posting] = []
        for book, (minor, nano) in (
            await store.take_deferrals(tx, entity, period.month, code, entry_id)
        ).items():
            postings.append(Posting(Book.DEFERRED_REVENUE, unit, minor, nano))
            postings.append(Posting(book, unit, -minor, -nano))
        entry = Entry(entry_id, entity, period.last_day, now, EARNED, _key(period, code), tuple(postings))
        found += await ledger.post_entries(tx=tx, entries=[entry], into_closing=True)
    return found


def _key(period: AccountingPeriod, code: str) -> str:
    return f"{period.legal_entity_id}/{period.month:%Y-%m}/{period.revision}/{code}"


async def accrue(tx: Tx, period: AccountingPeriod, *, now: datetime) -> Sequence[Accrual]:
    """Book what was earned by the end of ``period`` and not billed in it, and take it back on the first day after it.

    By account in ``billing.accrual``, as one entry per currency in the ledger. A month that is closed again books the
    difference. Idempotent per revision.
    """
    entity = period.legal_entity_id
    if await store.accrued(tx, entity, period.month, period.revision):
        return ()
    accruals = await unbilled(tx, period, now=now)
    await store.add_accruals(tx, entity, period.month, period.revision, accruals)
    change: dict[tuple[Book, str], int] = defaultdict(int)
    for one in accruals:
        change[one.book, one.currency.code] += one.amount_minor
    before = await store.accrued(tx, entity, period.month, period.revision - 1)
    for key, minor in before.items():
        change[key] -= minor
    entries = _accrual_entries(period, change, now)
    await ledger.post_entries(tx=tx, entries=entries, into_closing=True)
    await ledger.reverse_entries(
        tx=tx,
        source=UNBILLED,
        keys=[entry.key for entry in entries],
        as_source=UNBILLED_BACK,
        booked_on=next_month(period.month),
        now=now,
    )
    return accruals


def _accrual_entries(
    period: AccountingPeriod, change: Mapping[tuple[Book, str], int], now: datetime
) -> list[Entry]:
    sums: dict[str, list[tuple[Book, int]]] = defaultdict(list)
    for (book, code), minor in sorted(change.items()):
        if minor:
            sums[code].append((book, minor))
    entries: list[Entry] = []
    for code, parts in sums.items():
        unit = currency(code)
        postings = (
            Posting(Book.UNBILLED, unit, sum(minor for _, minor in parts)),
            *(Posting(book, unit, -minor) for book, minor in parts),
        )
        entries.append(
            Entry(
                EntryId(uuid7(now)),
                period.legal_entity_id,
                period.last_day,
                now,
                UNBILLED,
                _key(period, code),
                postings,
            )
        )
    return entries


async def unbilled(tx: Tx, period: AccountingPeriod, *, now: datetime) -> Sequence[Accrual]:
    """Return what was earned by the end of ``period`` and not billed in it, by account and book. Books nothing.

    Lines of later bills and of drafts, and what would be billed of cycles that have no bill yet.
    """
    company = await ledger.entity_of(tx, period.legal_entity_id)
    after = next_month(period.month)
    end = local_midnight(after, zone(company.zone))
    found = [
        *await store.billed_later(tx, company.id, after, end),
        *await store.billed_across(tx, company.id, after, end),
    ]
    last: AccountId | None = None
    while chunk := await accounts.accounts_after(tx=tx, after=last, limit=BATCH):
        last = chunk[-1].id
        own = [account for account in chunk if account.legal_entity_id == company.id]
        for cycle, members in (await _open_cycles(tx, own, end)).items():
            found.extend(await _previewed(tx, members, cycle, end, after, now))
    return _summed(found)


async def _open_cycles(
    tx: Tx, chunk: Sequence[BillingAccount], end: datetime
) -> Mapping[Period, list[BillingAccount]]:
    """Return the accounts by the cycle that holds the last moment before ``end``, without those billed for it."""
    done = await journal_store.done_until(tx, [account.id for account in chunk])
    moment = end - timedelta(microseconds=1)
    found: dict[Period, list[BillingAccount]] = defaultdict(list)
    for account in chunk:
        cycle = account.cycle.containing(moment)
        settled = account.id in done and done[account.id][0] >= cycle.end
        if not settled and account.opened_at < end:
            found[cycle].append(account)
    return found


async def _previewed(
    tx: Tx,
    members: Sequence[BillingAccount],
    cycle: Period,
    end: datetime,
    issue_on: date,
    now: datetime,
) -> list[Accrual]:
    bills = await preview_cycles(
        tx, accounts=members, cycle=cycle, usage_until=end, issue_on=issue_on, now=now
    )
    return [
        Accrual(
            bill.account_id,
            book_of_revenue(line.item.kind.value),
            bill.currency,
            # The usage of the preview ends at ``end``, whatever the period of its line.
            line.net_minor
            if line.item.kind is LineKind.USAGE
            else earned_before(line.item.kind, line.net_minor, line.item.period, end, bill.zone),
        )
        for bill in bills
        for line in bill.lines
    ]


def _summed(found: Sequence[Accrual]) -> list[Accrual]:
    sums: dict[tuple[AccountId, Book, Currency], int] = defaultdict(int)
    for one in found:
        sums[one.account_id, one.book, one.currency] += one.amount_minor
    return [Accrual(*key, minor) for key, minor in sums.items() if minor]


async def _check(tx: Tx, period: AccountingPeriod) -> None:
    """Raise ``Conflict`` (``billing.books_differ``) unless what waits to be earned is what the ledger defers."""
    entity = period.legal_entity_id
    waiting = await store.waiting_sums(tx, entity)
    booked: dict[str, tuple[int, int]] = {}
    total: dict[str, int] = defaultdict(int)
    for balance in await ledger.trial_balance(tx=tx):
        if balance.legal_entity_id != entity:
            continue
        total[balance.currency.code] += balance.amount_minor
        if balance.book is Book.DEFERRED_REVENUE:
            booked[balance.currency.code] = (-balance.amount_minor, -balance.remainder_nano)
    wrong = [code for code, minor in total.items() if minor]
    wrong += [code for code in {*waiting, *booked} if waiting.get(code, (0, 0)) != booked.get(code, (0, 0))]
    if wrong:
        raise Conflict(
            f"the books in {min(wrong)} do not agree with what waits to be earned",
            code="billing.books_differ",
            field="currency",
            value=min(wrong),
            fix="run: farwire bill check",
        )


async def revenue_report(
    tx: Tx, *, legal_entity_id: LegalEntityId, first: date, after_last: date
) -> tuple[RevenueRow, ...]:
    """Return what each month of ``[first, after_last)`` billed, deferred, earned and left unbilled, by currency."""
    journal = await ledger.journal(tx=tx, legal_entity_id=legal_entity_id, first=first, after_last=after_last)
    return revenue_rows(journal)
