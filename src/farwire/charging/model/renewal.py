"""Offers: bought, renewed by themselves, and what a renewal carries over."""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from farwire.charging.model.answers import MovementKind, NoticeKind, ResultCode
from farwire.charging.model.state import AMOUNT_MAX, MAIN, Balance, Holding
from farwire.charging.model.tariffs import Grant, OfferTerms
from farwire.charging.model.work import Book, Work

RENEWALS_MAX: Final = 500
"""So many missed renewals are caught up with at once; an account that nobody looked at for longer stops renewing."""
BALANCES_MAX: Final = 256


def spendable(book: Book) -> int:
    """Return the money on the main balance that is neither held nor below its floor."""
    main = book.main()
    return main.amount - main.reserved - main.floor


def buy(work: Work, book: Book, offer: OfferTerms, start: int, *, renews: bool) -> int:
    """Debit the price of ``offer`` and give what it gives from ``start``; return a result code.

    Buying an offer that still runs adds a second set of balances. All or nothing.
    """
    ends_at = work.tariffs.offer_end(offer.number, start)
    if offer.price > spendable(book):
        return ResultCode.CREDIT_LIMIT_REACHED
    if len(book.balances) + len(offer.grants) > BALANCES_MAX:
        return ResultCode.TOO_BUSY
    if not all(0 <= grant.amount <= AMOUNT_MAX for grant in offer.grants):
        return ResultCode.INVALID
    work.post(book, book.main(), MovementKind.PURCHASE, -offer.price, offer.number)
    for grant in offer.grants:
        _give(work, book, offer, grant, (start, ends_at), 0)
    _hold(book, Holding(offer.number, start, ends_at, int(renews)))
    return ResultCode.SUCCESS


def renew(work: Work, book: Book, holding: Holding, offer: OfferTerms, start: int) -> ResultCode:
    """Buy ``offer`` again from ``start``; what is left rolls over up to the cap, the rest is forfeited."""
    if offer.price > spendable(book):
        return ResultCode.CREDIT_LIMIT_REACHED
    ends_at = work.tariffs.offer_end(offer.number, start)
    work.post(book, book.main(), MovementKind.PURCHASE, -offer.price, offer.number)
    for grant in offer.grants:
        left, shared = _close_out(work, book, offer, grant, start)
        grant = replace(grant, shared=max(grant.shared, shared))  # noqa: PLW2901
        _give(work, book, offer, grant, (start, ends_at), min(left, grant.rollover_cap))
    kept = tuple(one for one in book.account.holdings if one is not holding)
    book.set(holdings=kept)
    _hold(book, Holding(offer.number, start, ends_at, holding.renews))
    work.tell(book.account.number, NoticeKind.RENEWED, offer.number, ends_at)
    return ResultCode.SUCCESS


def renew_due(work: Work, book: Book) -> None:
    """Renew what renews by itself, each at its own end, however late the sweep is; drop what has ended."""
    now = work.now
    for _ in range(RENEWALS_MAX):
        due = min((h for h in book.account.holdings if h.ends_at <= now), key=_end, default=None)
        if due is None:
            return
        offer = work.tariffs.offer(due.offer)
        if due.renews and offer is not None:
            work.now = due.ends_at
            result = ResultCode.END_USER_DENIED
            if _may_renew(book, due):
                result = renew(work, book, due, offer, due.ends_at)
            work.now = now
            if result == ResultCode.SUCCESS:
                continue
            work.tell(book.account.number, NoticeKind.RENEWAL_FAILED, due.offer, result)
        book.set(holdings=tuple(one for one in book.account.holdings if one is not due))


def _may_renew(book: Book, due: Holding) -> bool:
    """Tell whether the account was in use when ``due`` ended: nobody pays for what may not be used."""
    return book.account.in_use and due.started_at < due.ends_at < book.account.active_until


def _end(holding: Holding) -> int:
    return holding.ends_at


def _give(
    work: Work, book: Book, offer: OfferTerms, grant: Grant, valid: tuple[int, int], carried: int
) -> None:
    """Add a balance of ``grant``; what is carried over comes on top as a movement of its own."""
    number = book.account.serial + 1
    book.set(serial=number)
    book.due(valid[1])
    balance = Balance(
        number, grant.unit, grant.scope, grant.priority, grant.shared, offer.number, 0, 0, 0, *valid
    )
    book.balances.append(balance)
    book.sort()
    work.post(book, balance, MovementKind.GRANT, grant.amount, offer.number)
    work.post(book, balance, MovementKind.ROLLED_OVER, carried, offer.number)


def _close_out(work: Work, book: Book, offer: OfferTerms, grant: Grant, at: int) -> tuple[int, int]:
    """Take what the balances that ``grant`` gave before have left; return it, and whether one was shared."""
    total = shared = 0
    for balance in tuple(book.balances):
        if (
            balance.number != MAIN
            and balance.offer == offer.number
            and (balance.unit, balance.scope) == (grant.unit, grant.scope)
            and balance.valid_from < at
        ):
            left, shared = balance.amount - balance.reserved, max(shared, balance.shared)
            if left > 0:
                total += left
                work.post(book, balance, MovementKind.FORFEITED, -left, offer.number)
            book.balances = [
                replace(one, valid_to=min(one.valid_to, at)) if one.number == balance.number else one
                for one in book.balances
            ]
    return total, shared


def _hold(book: Book, holding: Holding) -> None:
    book.set(holdings=(*book.account.holdings, holding))
    book.due(holding.ends_at)
