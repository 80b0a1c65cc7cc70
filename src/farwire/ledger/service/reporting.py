"""Trial balance, general ledger and journal of a company, streamed; what a customer's account did on the books."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import date, datetime
from typing import Final

from farwire.base.storage import Tx
from farwire.kernel.errors import Invalid
from farwire.kernel.ids import AccountId, EntryId, LegalEntityId
from farwire.kernel.page import Page, PageRequest
from farwire.ledger.model import AccountMovement, Book, ControlTotal, JournalRow, LedgerRow, TrialRow
from farwire.ledger.store import reports as store

BATCH: Final = 5_000
"""Postings that an export holds in memory."""


def _check_days(first: date, after_last: date) -> None:
    if first >= after_last:
        raise Invalid("the days are empty", code="ledger.days", field="after_last", value=after_last)


async def period_balance(
    *, tx: Tx, first: date, after_last: date, legal_entity_id: LegalEntityId | None = None
) -> tuple[TrialRow, ...]:
    """Return the trial balance of the booking days ``[first, after_last)``: opening, debit, credit, closing.

    Per company and currency the openings sum to 0, the closings too, and debits equal credits.
    Raises ``Invalid`` (``ledger.days``).
    """
    _check_days(first, after_last)
    return await store.trial_balance(tx, entity=legal_entity_id, first=first, after_last=after_last)


async def general_ledger(
    *, tx: Tx, legal_entity_id: LegalEntityId, first: date, after_last: date, batch: int = BATCH
) -> AsyncIterator[LedgerRow]:
    """Yield every posting of the days ``[first, after_last)`` in the order of day, entry and number.

    It holds ``batch`` of them at a time. The order is the same whenever it runs; in a repeatable-read transaction the
    rows are, too. Raises ``Invalid`` (``ledger.days``).
    """
    _check_days(first, after_last)
    after: tuple[date, EntryId, int] | None = None
    while True:
        rows = await store.postings_after(
            tx, entity=legal_entity_id, first=first, after_last=after_last, after=after, limit=batch
        )
        for row in rows:
            yield row
        if len(rows) < batch:
            return
        after = (rows[-1].booked_on, rows[-1].entry_id, rows[-1].number)


async def list_postings(
    *,
    tx: Tx,
    first: date,
    after_last: date,
    page: PageRequest,
    legal_entity_id: LegalEntityId | None = None,
    account_id: AccountId | None = None,
) -> Page[LedgerRow]:
    """Return a page of the same, also of one customer's account. Raises ``Invalid`` (``ledger.days``)."""
    _check_days(first, after_last)
    rows, total = await store.page_postings(
        tx,
        entity=legal_entity_id,
        account_id=account_id,
        first=first,
        after_last=after_last,
        offset=page.offset,
        limit=page.limit,
    )
    return Page(rows, total, page.offset, page.limit)


async def journal(
    *, tx: Tx, legal_entity_id: LegalEntityId, first: date, after_last: date
) -> tuple[JournalRow, ...]:
    """Return the summary journal: a row per month, source, book and currency. Raises ``Invalid`` (``ledger.days``)."""
    _check_days(first, after_last)
    return await store.journal(tx, entity=legal_entity_id, first=first, after_last=after_last)


async def control_totals(
    *, tx: Tx, legal_entity_id: LegalEntityId, first: date, after_last: date
) -> tuple[ControlTotal, ...]:
    """Return what an export of these days must hold, by currency. Raises ``Invalid`` (``ledger.days``)."""
    _check_days(first, after_last)
    return await store.control_totals(tx, entity=legal_entity_id, first=first, after_last=after_last)


async def account_sums(
    *,
    tx: Tx,
    account_id: AccountId,
    books: Sequence[Book],
    recorded_by: datetime | None = None,
    booked_before: date | None = None,
) -> Mapping[tuple[Book, str], int]:
    """Return what an account has on each of ``books`` by currency code, in minor units.

    ``recorded_by`` is what the ledger knew at that time, ``booked_before`` what belongs to earlier days.
    """
    return await store.account_sums(
        tx, account_id=account_id, books=books, recorded_by=recorded_by, booked_before=booked_before
    )


async def account_movements(
    *, tx: Tx, account_id: AccountId, books: Sequence[Book], first: date, after_last: date
) -> tuple[AccountMovement, ...]:
    """Return what each entry of the booking days ``[first, after_last)`` changed on ``books`` of an account."""
    return await store.account_movements(
        tx, account_id=account_id, books=books, first=first, after_last=after_last
    )
