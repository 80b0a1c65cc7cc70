"""What people, vouchers and payments do to an account. Each command is all or nothing and has a key.

A transfer and a share need both accounts in the circle. Between virtual shards a transfer is three commands: money goes
out of one account and into the other, or back (``transfers.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from msgspec.structs import replace

from farwire.charging.model import limits, sharing
from farwire.charging.model.answers import Answer, MovementKind, NoticeKind, ResultCode
from farwire.charging.model.lifecycle import activate
from farwire.charging.model.renewal import buy, renew, spendable
from farwire.charging.model.requests import Command, CommandKind
from farwire.charging.model.state import AMOUNT_MAX, Flag, Lifecycle, Share
from farwire.charging.model.work import Book, Work

_OF_EXPIRED: Final = frozenset({int(CommandKind.ADJUST), int(CommandKind.TRANSFER_BACK)})
"""What is still done to an account that has expired."""
_OK: Final = int(ResultCode.SUCCESS)
_INVALID: Final = int(ResultCode.INVALID)
_DENIED: Final = int(ResultCode.END_USER_DENIED)
_NO_CREDIT: Final = int(ResultCode.CREDIT_LIMIT_REACHED)


def on_command(work: Work, book: Book, command: Command) -> Answer:
    """Do ``command``, whose key is new, and answer with the money that it moved."""
    act = _ACTS.get(command.kind)
    if act is None or not -AMOUNT_MAX <= command.amount <= AMOUNT_MAX:
        return Answer(_INVALID)
    if book.account.lifecycle == Lifecycle.EXPIRED and command.kind not in _OF_EXPIRED:
        return Answer(_DENIED)
    return act(work, book, command)


def _top_up(work: Work, book: Book, command: Command) -> Answer:
    return _credit(work, book, command, MovementKind.TOP_UP)


def _credit(work: Work, book: Book, command: Command, kind: MovementKind) -> Answer:
    """Credit the main balance, pay a loan back from it, and keep the account alive."""
    if command.amount <= 0 or not work.post(book, book.main(), kind, command.amount, command.subject):
        return Answer(_INVALID)
    owed = min(book.account.loan_owed, command.amount)
    if owed:
        work.post(book, book.main(), MovementKind.LOAN_REPAID, -owed)
        book.set(loan_owed=book.account.loan_owed - owed)
    activate(work, book)
    return Answer(_OK, (), command.amount)


def _voucher(work: Work, book: Book, command: Command) -> Answer:
    """Credit what a voucher is worth: money, or the offer ``subject`` as a gift."""
    if not command.subject:
        return _credit(work, book, command, MovementKind.VOUCHER)
    offer = work.tariffs.offer(command.subject)
    if offer is None:
        return Answer(_INVALID)
    done = buy(work, book, replace(offer, price=0), work.now, renews=False)
    if done == _OK:
        activate(work, book)
    return Answer(done)


def _transfer(work: Work, book: Book, command: Command) -> Answer:
    to = work.book(command.subject)
    if to is None:
        return Answer(ResultCode.UNKNOWN_USER)
    if command.amount <= 0 or to is book or to.account.tenant != book.account.tenant:
        return Answer(_INVALID)
    if to.account.lifecycle == Lifecycle.EXPIRED:
        return Answer(_DENIED)
    if (refused := _may_not_give(book, command.amount)) is not None:
        return Answer(refused)
    if to.main().amount + command.amount > AMOUNT_MAX:
        return Answer(_INVALID)
    work.post(book, book.main(), MovementKind.TRANSFER_OUT, -command.amount, command.subject)
    work.post(to, to.main(), MovementKind.TRANSFER_IN, command.amount, book.account.number)
    return Answer(_OK, (), command.amount)


def _may_not_give(book: Book, amount: int) -> int | None:
    """Return why an account may not give so much money to another one, or None."""
    if book.account.flags & Flag.BARRED:
        return _DENIED
    return _NO_CREDIT if book.account.loan_owed or amount > spendable(book) else None


def _transfer_out(work: Work, book: Book, command: Command) -> Answer:
    if command.amount <= 0:
        return Answer(_INVALID)
    if (refused := _may_not_give(book, command.amount)) is not None:
        return Answer(refused)
    work.post(book, book.main(), MovementKind.TRANSFER_OUT, -command.amount, command.subject)
    return Answer(_OK, (), command.amount)


def _transfer_in(work: Work, book: Book, command: Command) -> Answer:
    """Take what is given. What does not fit is denied: the giver gets it back, and a repeat hears the same."""
    done = command.amount > 0 and work.post(
        book, book.main(), MovementKind.TRANSFER_IN, command.amount, command.subject
    )
    return Answer(_OK, (), command.amount) if done else Answer(_DENIED)


def _transfer_back(work: Work, book: Book, command: Command) -> Answer:
    done = command.amount > 0 and work.post(
        book, book.main(), MovementKind.TRANSFER_BACK, command.amount, command.subject
    )
    return Answer(_OK, (), command.amount) if done else Answer(_INVALID)


def _loan(work: Work, book: Book, _command: Command) -> Answer:
    """Lend the plan's emergency credit to who is active, has little left and owes nothing."""
    terms = work.tariffs.plan(book.account.plan)
    if terms is None or terms.loan_amount <= 0:
        return Answer(ResultCode.NOT_APPLICABLE)
    if not book.account.in_use or book.account.loan_owed:
        return Answer(_DENIED)
    if spendable(book) >= terms.loan_below:
        return Answer(_DENIED)
    if not work.post(book, book.main(), MovementKind.LOAN, terms.loan_amount, terms.loan_fee):
        return Answer(_INVALID)
    book.set(loan_owed=terms.loan_amount + terms.loan_fee)
    return Answer(_OK, (), terms.loan_amount)


def _may_buy(book: Book) -> bool:
    """Tell whether offers are sold to an account: its first one takes it off the shelf."""
    return not book.account.flags & Flag.BARRED and book.account.lifecycle != Lifecycle.GRACE


def _purchase(work: Work, book: Book, command: Command) -> Answer:
    offer = work.tariffs.offer(command.subject)
    if offer is None:
        return Answer(_INVALID)
    if not _may_buy(book):
        return Answer(_DENIED)
    done = buy(work, book, offer, work.now, renews=command.amount == 1)
    if done == _OK and book.account.lifecycle == Lifecycle.POOL:
        activate(work, book)
    return Answer(done, (), offer.price if done == _OK else 0)


def _renew(work: Work, book: Book, command: Command) -> Answer:
    holding = next((one for one in book.account.holdings if one.offer == command.subject), None)
    offer = work.tariffs.offer(command.subject)
    if holding is None or offer is None:
        return Answer(_INVALID)
    if not _may_buy(book):
        return Answer(_DENIED)
    done = renew(work, book, holding, offer, work.now)
    return Answer(done, (), offer.price if done == _OK else 0)


def _auto_renew(_work: Work, book: Book, command: Command) -> Answer:
    before = book.account.holdings
    renews = 1 if command.amount else 0
    book.set(
        holdings=tuple(replace(one, renews=renews) if one.offer == command.subject else one for one in before)
    )
    return Answer(_OK if any(one.offer == command.subject for one in before) else _INVALID)


def _adjust(work: Work, book: Book, command: Command) -> Answer:
    """Correct a balance; never below what is held."""
    balance = book.balance(command.subject)
    if balance is None:
        return Answer(_INVALID)
    if balance.amount + command.amount - balance.reserved < balance.floor and command.amount < 0:
        return Answer(_NO_CREDIT)
    done = work.post(book, balance, MovementKind.ADJUSTMENT, command.amount)
    return Answer(_OK if done else _INVALID, (), command.amount if done else 0)


def _refund(work: Work, book: Book, command: Command) -> Answer:
    if command.amount <= 0 or not work.post(
        book, book.main(), MovementKind.REFUND, command.amount, command.subject
    ):
        return Answer(_INVALID)
    return Answer(_OK, (), command.amount)


def _debit(work: Work, book: Book, command: Command) -> Answer:
    if command.amount <= 0:
        return Answer(_INVALID)
    if command.amount > spendable(book):
        return Answer(_NO_CREDIT)
    work.post(book, book.main(), MovementKind.DEBIT, -command.amount, command.subject)
    return Answer(_OK, (), command.amount)


def _bar(work: Work, book: Book, command: Command) -> Answer:
    flags = book.account.flags
    after = flags | Flag.BARRED if command.amount else flags & ~int(Flag.BARRED)
    if after != flags:
        work.tell(book.account.number, NoticeKind.BARRED if command.amount else NoticeKind.UNBARRED, 0)
    book.set(flags=after)
    return Answer(_OK)


def _opt_on(work: Work, book: Book, command: Command) -> Answer:
    found = [index for index, limit in enumerate(book.limits) if limit.number == command.subject]
    for index in found:
        book.limits[index] = replace(book.limits[index], opted_on=1 if command.amount else 0)
        book.touched = True
        _changed(work, book, command.subject, book.limits[index].cap)
    return Answer(_OK if found else _INVALID)


def _limit(work: Work, book: Book, command: Command) -> Answer:
    done = limits.put(work, book, command.scope, command.period, command.amount)
    if done:
        _changed(work, book, limits.number_of(command.scope, command.period), command.amount)
    return Answer(_OK if done else _INVALID)


def _end_limit(work: Work, book: Book, command: Command) -> Answer:
    if not limits.end(book, command.subject):
        return Answer(_INVALID)
    _changed(work, book, command.subject, -1)
    return Answer(_OK)


def _changed(work: Work, book: Book, limit: int, cap: int) -> None:
    """Tell of another limit: who has quotas by the old one should ask anew."""
    work.tell(book.account.number, NoticeKind.LIMIT_CHANGED, limit, cap)


def _share(work: Work, book: Book, command: Command) -> Answer:
    owner = work.book(command.subject)
    if owner is None:
        return Answer(ResultCode.UNKNOWN_USER)
    share = Share(command.subject, 0, command.priority, command.amount, 0, 0, command.period, 0)
    return Answer(sharing.put(work, book, owner, share, command.balance))


def _end_share(_work: Work, book: Book, command: Command) -> Answer:
    if command.subject != book.account.number:
        return Answer(_OK if sharing.end(book, command.subject, command.unit) else _INVALID)
    balance = book.balance(command.balance)
    if balance is None:
        return Answer(_INVALID)
    sharing.mark(book, balance, shared=0)
    return Answer(_OK)


_ACTS: Final[Mapping[int, Callable[[Work, Book, Command], Answer]]] = {
    CommandKind.TOP_UP: _top_up,
    CommandKind.VOUCHER: _voucher,
    CommandKind.TRANSFER: _transfer,
    CommandKind.LOAN: _loan,
    CommandKind.PURCHASE: _purchase,
    CommandKind.RENEW: _renew,
    CommandKind.ADJUST: _adjust,
    CommandKind.REFUND: _refund,
    CommandKind.DEBIT: _debit,
    CommandKind.BAR: _bar,
    CommandKind.OPT_ON: _opt_on,
    CommandKind.LIMIT: _limit,
    CommandKind.END_LIMIT: _end_limit,
    CommandKind.SHARE: _share,
    CommandKind.END_SHARE: _end_share,
    CommandKind.TRANSFER_OUT: _transfer_out,
    CommandKind.TRANSFER_IN: _transfer_in,
    CommandKind.TRANSFER_BACK: _transfer_back,
    CommandKind.AUTO_RENEW: _auto_renew,
}
