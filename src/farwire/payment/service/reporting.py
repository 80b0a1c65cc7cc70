"""What accounts owe: by age, at a time, and movement by movement."""

from __future__ import annotations

from datetime import date, datetime

from farwire.base.storage import Tx
from farwire.kernel.ids import AccountId, LegalEntityId
from farwire.kernel.money import currency
from farwire.kernel.page import Page, PageRequest
from farwire.ledger import service as ledger
from farwire.ledger.model import Book
from farwire.payment.model import Ageing, Movement, Standing, Statement
from farwire.payment.store import reports as store

_CUSTOMER_BOOKS = (Book.RECEIVABLE, Book.CUSTOMER_CREDIT)


async def ageing(
    tx: Tx, *, on: date, page: PageRequest, legal_entity_id: LegalEntityId | None = None
) -> Page[Ageing]:
    """Return what each account owed on the day ``on`` by days after the due date, and its credit, by account."""
    found, total = await store.ageing(tx, on=on, entity=legal_entity_id, offset=page.offset, limit=page.limit)
    return Page(found, total, page.offset, page.limit)


async def ageing_totals(
    tx: Tx, *, on: date, legal_entity_id: LegalEntityId | None = None
) -> tuple[tuple[LegalEntityId, Ageing], ...]:
    """Return the same summed by legal entity and currency (the account id of the sums is the nil UUID)."""
    return await store.ageing_totals(tx, on=on, entity=legal_entity_id)


async def standing(tx: Tx, *, account_id: AccountId, at: datetime) -> tuple[Standing, ...]:
    """Return what an account owed and had as credit as the ledger knew it at ``at``, one per currency."""
    sums = await ledger.account_sums(tx=tx, account_id=account_id, books=_CUSTOMER_BOOKS, recorded_by=at)
    codes = sorted({code for _, code in sums})
    return tuple(
        Standing(
            currency(code),
            sums.get((Book.RECEIVABLE, code), 0),
            -sums.get((Book.CUSTOMER_CREDIT, code), 0),
        )
        for code in codes
    )


async def statement(tx: Tx, *, account_id: AccountId, first: date, after_last: date) -> tuple[Statement, ...]:
    """Return the movements of what an account owes in the booking days ``[first, after_last)``, one per currency.

    A payment lowers it also where it stays as credit; putting credit against a bill moves nothing.
    """
    opening = await ledger.account_sums(
        tx=tx, account_id=account_id, books=_CUSTOMER_BOOKS, booked_before=first
    )
    moved = await ledger.account_movements(
        tx=tx, account_id=account_id, books=_CUSTOMER_BOOKS, first=first, after_last=after_last
    )
    texts = await store.texts_of(tx, [(one.source, one.key) for one in moved])
    codes = sorted({code for _, code in opening} | {one.currency.code for one in moved})
    found: list[Statement] = []
    for code in codes:
        balance = start = sum(opening.get((book, code), 0) for book in _CUSTOMER_BOOKS)
        movements: list[Movement] = []
        for one in moved:
            if one.currency.code != code:
                continue
            balance += one.amount_minor
            text = texts.get((one.source, one.key), one.key)
            movements.append(
                Movement(one.entry_id, one.booked_on, one.source, text, one.amount_minor, balance)
            )
        found.append(Statement(currency(code), start, tuple(movements), balance))
    return tuple(found)
