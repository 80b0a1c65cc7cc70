"""Vouchers and payments reach prepaid balances: what ``payment`` orders ``charging`` carries out, once, and says so.

The key of a command comes from the order, so that a repeat moves nothing: the shard keeps keys for 24 hours, the books
for ever. An order is confirmed after its answer. A crash in between repeats the command and gets the same answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from farwire.base.clock import Clock
from farwire.base.eventbus import Event
from farwire.base.eventbus.delivery import Subscriber
from farwire.base.storage import Database, Tx
from farwire.charging import service as charging
from farwire.charging.model import Answer, CommandKind, EventKind, EventRequest, ResultCode, Service
from farwire.charging.model.booking import PAID
from farwire.charging.service.books import SOURCE, company_of, moved_by
from farwire.charging.service.reach import REACH
from farwire.charging.service.reconciling import Purse, Reconciled, reconcile
from farwire.charging.service.room import Astray, room_differences
from farwire.kernel.errors import Conflict, NotFound, Unavailable
from farwire.kernel.money import Money
from farwire.ledger import service as ledger
from farwire.ledger.model import Book
from farwire.payment import service as payments
from farwire.payment.events import TOPUP_PAID, TOPUP_REVERSED, VOUCHER_REDEEMED
from farwire.payment.model.voucher import CreditOrder
from farwire.payment.service import voucher as vouchers
from farwire.process.shards import RETRY, ClientOf

NAME: Final = "prepaid"
TYPES: Final = (VOUCHER_REDEEMED, TOPUP_PAID, TOPUP_REVERSED)
TRIES: Final = 8
"""A balance that is spent while it is taken back is asked again so often; then nothing more is taken."""

_DONE: Final = int(ResultCode.SUCCESS)
_NOTHING_LEFT: Final = frozenset(
    {int(ResultCode.CREDIT_LIMIT_REACHED), int(ResultCode.END_USER_DENIED), int(ResultCode.INVALID)}
)


def subscribers(*, db: Database, clock: Clock) -> tuple[Subscriber, ...]:
    """Return what carries credit orders out at the shards of this installation."""
    return (subscriber(db=db, clock=clock, client_of=REACH.client),)


def subscriber(*, db: Database, clock: Clock, client_of: ClientOf) -> Subscriber:
    """Return the same with another way to the shards."""

    async def handle(event: Event) -> None:
        await carry_out(db=db, clock=clock, client=client_of(), event=event)

    return Subscriber(NAME, handle, types=TYPES, retry=RETRY)


async def carry_out(*, db: Database, clock: Clock, client: charging.Client, event: Event) -> None:
    """Do what an event of ``payment`` asks of a balance, and confirm it. Idempotent.

    Raises ``NotFound`` (``charging.account_unknown``), ``Unavailable`` (``charging.no_answer``), ``Conflict``
    (``prepaid.refused``, ``prepaid.currency``, ``prepaid.not_prepaid``, ``prepaid.not_credited``): the event is tried
    again.
    """
    async with db.transaction(event.tenant_id) as tx:
        order = await payments.get_credit_order(tx, key=str(event.data["key"]))
        known = order.short_minor if event.type == TOPUP_REVERSED else order.credited_at
        if known is not None:
            return
        account = await _account(tx, order)
        if order.value.currency.code != account.currency:
            raise Conflict(
                f"the balance is in {account.currency}, the credit in {order.value.currency}",
                code="prepaid.currency",
                field="currency",
                value=order.value.currency.code,
            )
        if event.type != TOPUP_REVERSED:
            _check_prepaid(order, account)
            # Whatever becomes of the number and of the answer: this is the account from now on.
            order = await payments.credit_addressed(tx, key=order.key, account_ref=str(account.number))
            account = await _account(tx, order)
    desk = _Desk(db, clock, client, event, order, account)
    if event.type == TOPUP_REVERSED:
        await desk.take_back()
    else:
        await desk.credit()


def _check_prepaid(order: CreditOrder, account: charging.ChargingAccount) -> None:
    """Raise ``Conflict`` (``prepaid.not_prepaid``) for a postpaid account: its bill would collect the money again."""
    if account.postpaid:
        raise Conflict(
            "the account is postpaid: it has a credit limit, and no money",
            code="prepaid.not_prepaid",
            field="key",
            value=order.key,
            fix="see: farwire voucher list --uncredited",
        )


async def _account(tx: Tx, order: CreditOrder) -> charging.ChargingAccount:
    """Return the account that the order is for, whoever has the subscriber's name now; at first who has the name."""
    if order.account_ref:
        return await charging.account_numbered(tx, number=int(order.account_ref))
    try:
        return await charging.find_account(tx, name=order.asked.subscriber)
    except (NotFound, Conflict) as error:
        # What fails is kept with its reason until somebody has looked at it: it names the order, not the person.
        raise type(error)(
            error.message,
            code=error.code,
            field="key",
            value=order.key,
            fix="see: farwire voucher list --uncredited",
        ) from None


@dataclass(frozen=True, slots=True)
class _Desk:
    """One order and the account that it is for."""

    db: Database
    clock: Clock
    client: charging.Client
    event: Event
    order: CreditOrder
    account: charging.ChargingAccount

    async def credit(self) -> None:
        """Put the value of the order on the balance, and the offer that a voucher brings beside it."""
        if self.account.live_at is None:
            await charging.make_live(
                self.client,
                db=self.db,
                tenant_id=self.event.tenant_id,
                account=self.account,
                now=self.clock.now(),
            )
        kind = CommandKind.TOP_UP if self.order.serial is None else CommandKind.VOUCHER
        subject = PAID if kind is CommandKind.TOP_UP else 0
        await self._must("", kind, self.order.value.to_nano(), subject)
        if self.order.extra:
            async with self.db.transaction(self.event.tenant_id) as tx:
                offer = await charging.offer_number(tx, offering=self.order.extra, now=self.clock.now())
            await self._must(":extra", CommandKind.VOUCHER, 0, offer)
        async with self.db.transaction(self.event.tenant_id) as tx:
            await payments.credit_confirmed(
                tx,
                key=self.order.key,
                at=self.clock.now(),
                account_ref=str(self.account.number),
                company=await company_of(tx, account=self.account),
            )

    async def take_back(self) -> None:
        """Take from the balance what it still has of a top-up; what was spent is a debt."""
        if self.order.credited_at is None:
            raise Conflict(
                "what was not credited cannot be taken back yet",
                code="prepaid.not_credited",
                field="key",
                value=self.order.key,
            )
        taken = await self._taken_before()
        if taken is None:
            taken = await self._take()
        value = self.order.value
        short = Money(value.amount_minor - taken // value.currency.nano_per_minor, value.currency)
        async with self.db.transaction(self.event.tenant_id) as tx:
            company = await company_of(tx, account=self.account)
            await payments.topup_taken_back(
                tx, key=self.order.key, short=short, now=self.clock.now(), company=company
            )

    async def _taken_before(self) -> int | None:
        """Return what an earlier attempt took that the books know of: its key may be forgotten by the shard."""
        async with self.db.transaction(self.event.tenant_id, read_only=True) as tx:
            for attempt in range(TRIES):
                moved = await moved_by(tx, account=self.account, key=self._key(f":back{attempt}"))
                if moved is not None:
                    return -moved
        return None

    async def _take(self) -> int:
        """Return what could be taken, in nano-units. Each attempt has its key: a repeat hears what the first took."""
        amount = self.order.value.to_nano()
        for attempt in range(TRIES):
            answer = await self._ask(f":back{attempt}", CommandKind.DEBIT, amount, PAID)
            if answer.result == _DONE:
                return answer.cost
            self._check(answer, _NOTHING_LEFT)
            if answer.result != ResultCode.CREDIT_LIMIT_REACHED:
                return 0
            amount = min(amount, await self._spendable())
        return 0

    async def _spendable(self) -> int:
        """Return what the main balance can give, in whole minor units."""
        hi, lo = charging.request_key(self._key(":look"))
        request = EventRequest(self.account.number, hi, lo, int(EventKind.BALANCE_CHECK), Service("event"))
        found = await self.client.ask(self.account.tenant_number, request)
        self._check(found, frozenset())
        minor = self.order.value.currency.nano_per_minor
        return max(found.cost, 0) // minor * minor

    async def _must(self, suffix: str, kind: CommandKind, amount: int, subject: int) -> None:
        """Give a command that has to succeed, unless the books know that it did."""
        async with self.db.transaction(self.event.tenant_id, read_only=True) as tx:
            moved = await moved_by(tx, account=self.account, key=self._key(suffix))
        if moved is None:
            self._check(await self._ask(suffix, kind, amount, subject), frozenset())

    async def _ask(self, suffix: str, kind: CommandKind, amount: int, subject: int) -> Answer:
        return await charging.command(
            self.client,
            account=self.account,
            kind=kind,
            key=self._key(suffix),
            amount=amount,
            subject=subject,
        )

    def _key(self, suffix: str) -> str:
        return f"payment:{self.order.key}{suffix}"

    def _check(self, answer: Answer, allowed: frozenset[int]) -> None:
        if answer.result == _DONE or answer.result in allowed:
            return
        if answer.result in (ResultCode.TOO_BUSY, ResultCode.UNKNOWN_USER):
            raise Unavailable("charging cannot do it now", code="charging.busy", retry_after_s=1)
        raise Conflict(
            f"charging refuses it: {answer.result}",
            code="prepaid.refused",
            field="key",
            value=self.order.key,
            fix="see: farwire charging account why",
        )


# ---- proof


@dataclass(frozen=True, slots=True)
class Credits:
    """What came onto prepaid balances by ``payment``: its books, and what charging moved, in nano-units."""

    purse: Purse
    booked_nano: int
    """Owed to balances by vouchers and top-ups, less what was taken back."""
    moved_nano: int
    waiting_nano: int
    """Booked and not confirmed by charging (below 0: taken back in the books only)."""

    @property
    def difference(self) -> int:
        """Return what the books of payment have too much."""
        return self.booked_nano - self.waiting_nano - self.moved_nano


@dataclass(frozen=True, slots=True)
class Proof:
    """Charging, payment and ledger compared."""

    charging: Reconciled
    credits: tuple[Credits, ...]
    rooms: tuple[Astray, ...]
    """Postpaid accounts that got something else back of what they may owe than their bills gave."""

    @property
    def sound(self) -> bool:
        """Return whether nothing differs."""
        apart = [one.difference for one in self.credits] + [one.difference for one in self.charging.postpaid]
        apart += [one.difference for one in self.charging.under_way]
        return not (self.charging.differences or self.charging.untaxed or self.rooms or any(apart))


async def prove(tx: Tx) -> Proof:
    """Prove that every prepaid balance is in the ledger once, from its credit to its use. Take one snapshot for it."""
    done = await reconcile(tx)
    booked: dict[Purse, int] = {}
    for sign, rows in (
        (-1, await ledger.trial_balance(tx=tx)),
        (1, await ledger.source_balance(tx=tx, source=SOURCE)),
    ):
        for row in rows:
            if row.book is Book.PREPAID:
                purse = Purse(row.legal_entity_id, row.currency.code)
                nano = row.amount_minor * row.currency.nano_per_minor + row.remainder_nano
                booked[purse] = booked.get(purse, 0) + sign * nano
    waiting = await _waiting(tx)
    found = [
        Credits(
            purse,
            booked.get(purse, 0),
            done.held[purse].paid if purse in done.held else 0,
            waiting.get(purse, 0),
        )
        for purse in sorted(booked.keys() | waiting.keys() | done.held.keys())
    ]
    return Proof(done, tuple(found), await room_differences(tx))


async def _waiting(tx: Tx) -> Mapping[Purse, int]:
    return {
        Purse(one.legal_entity_id, one.currency.code): one.currency.nano_per_minor
        * (one.waiting_minor - one.taking_back_minor)
        for one in await vouchers.open_credits(tx)
    }
