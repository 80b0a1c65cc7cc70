"""Accounting periods, trial balance and postings."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Final
from uuid import UUID

import msgspec

from farwire.base.authz import Permission
from farwire.base.web import (
    AnyRoute,
    Call,
    Method,
    MoneyDocument,
    Nothing,
    PageQuery,
    Reply,
    Route,
    page_reply,
    timestamp,
)
from farwire.kernel.ids import AccountId, LegalEntityId, parse_id
from farwire.ledger import service
from farwire.ledger.model import AccountingPeriod, LedgerRow, TrialRow, month_named, next_month

BASE: Final = "/farwire/v1/ledger"
TAG: Final = "Ledger"
MONTH: Final = r"^(19|20)[0-9]{2}-(0[1-9]|1[0-2])$"
Month = Annotated[str, msgspec.Meta(pattern=MONTH, description="A month, e.g. 2026-06.")]


class AccountingPeriodDocument(
    msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, tag_field="@type", tag="AccountingPeriod"
):
    """A month of a company's books. ``number`` counts the months of the fiscal year."""

    legal_entity_id: str
    month: str
    state: str
    fiscal_year: int
    number: int
    revision: int
    changed_at: str | None = None
    reopen_by: str = ""
    reopen_reason: str = ""


class TrialBalanceRow(msgspec.Struct, frozen=True, rename="camel"):
    """One book of a company. Debits are positive."""

    legal_entity_id: str
    book: str
    code: str
    name: str
    opening: MoneyDocument
    debit: MoneyDocument
    credit: MoneyDocument
    closing: MoneyDocument


class TrialBalanceDocument(
    msgspec.Struct, frozen=True, rename="camel", tag_field="@type", tag="TrialBalance"
):
    """Every book of one month. Per company and currency the closings sum to 0."""

    month: str
    rows: list[TrialBalanceRow]


class AccountingPeriodsDocument(
    msgspec.Struct, frozen=True, rename="camel", tag_field="@type", tag="AccountingPeriods"
):
    """The months of a company's books, oldest first."""

    legal_entity_id: str
    periods: list[AccountingPeriodDocument]


class PostingDocument(
    msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, tag_field="@type", tag="Posting"
):
    """One side of an entry. ``occurredOn`` is the day of the fact where its own books were closed."""

    id: str
    entry_id: str
    number: int
    legal_entity_id: str
    booked_on: str
    occurred_on: str
    source: str
    key: str
    book: str
    code: str
    name: str
    amount: MoneyDocument
    remainder_nano: int
    account_id: str | None = None


class ReopeningCreate(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """The closed month that shall be opened again, and why."""

    legal_entity_id: str
    month: Month
    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=500, pattern=r"\S")]


class ReopeningApproval(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """The closed month that another key asked to open."""

    legal_entity_id: str
    month: Month


class AccountingPeriodQuery(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Whose months."""

    legal_entity_id: Annotated[UUID, msgspec.Meta(description="The company.")]


class BalanceQuery(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Which month, of one company or of all."""

    month: Month
    legal_entity_id: Annotated[UUID, msgspec.Meta(description="Of this company only.")] | None = None


class PostingQuery(PageQuery, frozen=True, kw_only=True, rename="camel"):
    """Filters of the list."""

    month: Month | None = None
    legal_entity_id: Annotated[UUID, msgspec.Meta(description="Of this company only.")] | None = None
    account_id: Annotated[UUID, msgspec.Meta(description="Of this customer's account only.")] | None = None


def to_period(period: AccountingPeriod) -> AccountingPeriodDocument:
    """Return a period as JSON."""
    return AccountingPeriodDocument(
        legal_entity_id=str(period.legal_entity_id),
        month=f"{period.month:%Y-%m}",
        state=period.state.value,
        fiscal_year=period.fiscal_year,
        number=period.number,
        revision=period.revision,
        changed_at=None if period.changed_at is None else timestamp(period.changed_at),
        reopen_by=period.reopen_by,
        reopen_reason=period.reopen_reason,
    )


def _trial(row: TrialRow) -> TrialBalanceRow:
    return TrialBalanceRow(
        str(row.legal_entity_id),
        row.book.value,
        row.code,
        row.name,
        MoneyDocument.of(row.opening_minor, row.currency),
        MoneyDocument.of(row.debit_minor, row.currency),
        MoneyDocument.of(row.credit_minor, row.currency),
        MoneyDocument.of(row.closing_minor, row.currency),
    )


def _posting(row: LedgerRow) -> PostingDocument:
    return PostingDocument(
        id=f"{row.entry_id}-{row.number}",
        entry_id=str(row.entry_id),
        number=row.number,
        legal_entity_id=str(row.legal_entity_id),
        booked_on=row.booked_on.isoformat(),
        occurred_on=row.occurred_on.isoformat(),
        source=row.source,
        key=row.key,
        book=row.book.value,
        code=row.code,
        name=row.name,
        amount=MoneyDocument.of(row.amount_minor, row.currency),
        remainder_nano=row.remainder_nano,
        account_id=None if row.account_id is None else str(row.account_id),
    )


async def list_periods(call: Call[Nothing, AccountingPeriodQuery, None]) -> Reply:
    """Return the months of a company, oldest first."""
    async with call.transaction() as tx:
        periods = await service.list_periods(
            tx=tx, legal_entity_id=LegalEntityId(call.query.legal_entity_id), now=call.now()
        )
    documents = [to_period(period) for period in periods]
    return Reply(AccountingPeriodsDocument(str(call.query.legal_entity_id), documents))


async def trial_balance(call: Call[Nothing, BalanceQuery, None]) -> Reply:
    """Return every book with opening, debit, credit and closing."""
    first = month_named(call.query.month)
    entity = None if call.query.legal_entity_id is None else LegalEntityId(call.query.legal_entity_id)
    async with call.transaction() as tx:
        rows = await service.period_balance(
            tx=tx, first=first, after_last=next_month(first), legal_entity_id=entity
        )
    return Reply(TrialBalanceDocument(call.query.month, [_trial(row) for row in rows]))


async def list_postings(call: Call[Nothing, PostingQuery, None]) -> Reply:
    """Return a page of postings in the order of the general ledger."""
    query = call.query
    first, after_last = date(1970, 1, 1), date(9999, 1, 1)
    if query.month is not None:
        first = month_named(query.month)
        after_last = next_month(first)
    async with call.transaction() as tx:
        page = await service.list_postings(
            tx=tx,
            first=first,
            after_last=after_last,
            page=query.page(),
            legal_entity_id=None if query.legal_entity_id is None else LegalEntityId(query.legal_entity_id),
            account_id=None if query.account_id is None else AccountId(query.account_id),
        )
    return page_reply(page, _posting)


async def request_reopening(call: Call[Nothing, Nothing, ReopeningCreate]) -> Reply:
    """Ask that a closed month is opened again."""
    async with call.transaction() as tx:
        period = await service.request_reopening(
            tx=tx,
            legal_entity_id=LegalEntityId(parse_id(call.body.legal_entity_id, field="legalEntityId")),
            month=month_named(call.body.month),
            reason=call.body.reason,
            now=call.now(),
            actor=call.principal.actor,
        )
    return Reply(to_period(period))


async def approve_reopening(call: Call[Nothing, Nothing, ReopeningApproval]) -> Reply:
    """Open a closed month again, as a second person."""
    async with call.transaction() as tx:
        period = await service.approve_reopening(
            tx=tx,
            legal_entity_id=LegalEntityId(parse_id(call.body.legal_entity_id, field="legalEntityId")),
            month=month_named(call.body.month),
            now=call.now(),
            actor=call.principal.actor,
        )
    return Reply(to_period(period))


ROUTES: Final[tuple[AnyRoute, ...]] = (
    Route(
        method=Method.GET,
        path=f"{BASE}/periods",
        handler=list_periods,
        summary="List the months of a company's books",
        tag=TAG,
        permission=Permission.LEDGER_READ,
        response=AccountingPeriodsDocument,
        query_type=AccountingPeriodQuery,
        errors=("404",),
        description="From the first booking on, oldest first.",
    ),
    Route(
        method=Method.GET,
        path=f"{BASE}/trialBalance",
        handler=trial_balance,
        summary="Trial balance of a month",
        tag=TAG,
        permission=Permission.LEDGER_READ,
        response=TrialBalanceDocument,
        query_type=BalanceQuery,
        description="Per company and currency debits equal credits, and openings and closings sum to 0.",
    ),
    Route(
        method=Method.GET,
        path=f"{BASE}/postings",
        handler=list_postings,
        summary="List postings",
        tag=TAG,
        permission=Permission.LEDGER_READ,
        response=list[PostingDocument],
        query_type=PostingQuery,
        description="In the order of day, entry and number, which never changes.",
    ),
    Route(
        method=Method.POST,
        path=f"{BASE}/reopenings",
        handler=request_reopening,
        summary="Ask to reopen a closed month",
        tag=TAG,
        permission=Permission.LEDGER_CLOSE,
        response=AccountingPeriodDocument,
        body_type=ReopeningCreate,
        status=202,
        errors=("404", "409"),
        idempotent=True,
        description="Another key approves it. Only the last closed month can be opened.",
    ),
    Route(
        method=Method.POST,
        path=f"{BASE}/reopenings/approve",
        handler=approve_reopening,
        summary="Approve the reopening of a month",
        tag=TAG,
        permission=Permission.LEDGER_CLOSE,
        response=AccountingPeriodDocument,
        body_type=ReopeningApproval,
        errors=("404", "409"),
        idempotent=True,
        description="By another key than the one that asked.",
    ),
)
