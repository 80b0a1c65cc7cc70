"""Any order of bills, payments, allocations, reversals and refunds: items − allocations = ledger, nothing too much."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime

from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from farwire.base.clock import MovableClock
from farwire.base.config import Settings
from farwire.base.storage.database import open_pool
from farwire.kernel.errors import Conflict, Invalid
from farwire.kernel.ids import uuid7
from farwire.kernel.money import Money, currency
from farwire.ledger.model import Book
from farwire.payment import service as payments
from farwire.payment.model import PaymentState, RefundState
from farwire.tenant import service as tenants

from .till import ANNA, BEN, EVERYTHING, Till

EUR = currency("EUR")
START = datetime(2026, 6, 1, tzinfo=UTC)
AMOUNT = st.integers(1, 60)
PICK = st.integers(0, 9)
WHO = st.sampled_from(["100001", "100002"])


def expect(refused: Conflict | Invalid, code: str) -> None:
    assert refused.code == code


class Tills(RuleBasedStateMachine):
    """What must hold after every act, whatever came before."""

    url = ""

    @initialize()
    def begin(self) -> None:
        self.runner = asyncio.Runner()
        self.db = self.runner.run(open_pool(self.url))
        clock = MovableClock(START)
        operator = self.runner.run(
            tenants.create_tenant(db=self.db, clock=clock, name=f"t-{uuid7().hex[-12:]}")
        )
        self.till = Till(self.db, clock, operator.id)
        for number in ("100001", "100002"):
            self.runner.run(self.till.account(number))
        self.told: list[tuple[str | None, int, str]] = []
        self.received: list = []
        self.refunds: list = []
        self.billed = 0
        self.cash = 0

    def teardown(self) -> None:
        if hasattr(self, "runner"):
            self.runner.run(self.db.close())
            self.runner.close()

    def _do(self, act, **named):
        async def within():
            async with self.db.transaction(self.till.tenant_id) as tx:
                return await act(tx, now=self.till.clock.now(), **named)

        return self.runner.run(within())

    @rule(who=WHO, minor=st.integers(-60, 60).filter(bool), use=st.booleans(), day=st.integers(1, 28))
    def bill(self, who: str, minor: int, use: bool, day: int) -> None:
        amount = str(Money(minor, EUR).to_decimal())
        account = self.till.accounts[who]
        self.runner.run(self.till.bill(account, amount, on=date(2026, 6, day), use_credit=use))
        self.billed += minor

    @rule(who=st.one_of(st.none(), WHO), minor=AMOUNT)
    def pay(self, who: str | None, minor: int) -> None:
        self._tell((who, minor, f"tx-{len(self.told)}"))
        self.cash += minor

    @rule(pick=PICK)
    def tell_again(self, pick: int) -> None:
        if self.told:
            self._tell(self.told[pick % len(self.told)], again=True)

    def _tell(self, one: tuple[str | None, int, str], *, again: bool = False) -> None:
        who, minor, external = one
        account = self.till.accounts[who] if who else None
        paid = self.runner.run(self.till.pay(account, str(Money(minor, EUR).to_decimal()), external))
        if again:
            assert paid.id in {other.id for other in self.received}
        else:
            self.told.append(one)
            self.received.append(paid)

    @rule(pick=PICK, who=WHO)
    def assign(self, pick: int, who: str) -> None:
        if not self.received:
            return
        payment = self.received[pick % len(self.received)]
        try:
            self._do(
                payments.assign_payment,
                payment_id=payment.id,
                account_id=self.till.accounts[who].id,
                actor=ANNA,
            )
        except Conflict as refused:
            going_back = self._state(payment) is PaymentState.UNMATCHED
            expect(refused, "payment.refunded" if going_back else "payment.not_in_suspense")

    @rule(pick=PICK)
    def allocate(self, pick: int) -> None:
        if not self.received:
            return
        payment = self.received[pick % len(self.received)]
        try:
            self._do(payments.allocate_payment, payment_id=payment.id, actor=ANNA)
        except Conflict as refused:
            expect(refused, "payment.in_suspense")

    @rule(pick=PICK)
    def reverse(self, pick: int) -> None:
        if not self.received:
            return
        payment = self.received[pick % len(self.received)]
        state = self._state(payment)
        try:
            self._do(payments.reverse_payment, payment_id=payment.id, reason="r", actor=ANNA)
        except Conflict as refused:
            expect(refused, "payment.refunded")
        else:
            if state is not PaymentState.REVERSED:
                self.cash -= payment.amount_minor

    def _state(self, payment) -> PaymentState:
        async def within():
            async with self.db.transaction(self.till.tenant_id) as tx:
                return (await payments.get_payment(tx, payment_id=payment.id)).state

        return self.runner.run(within())

    @rule(pick=PICK, minor=AMOUNT)
    def ask_refund(self, pick: int, minor: int) -> None:
        if not self.received:
            return
        payment = self.received[pick % len(self.received)]
        try:
            refund = self._do(
                payments.request_refund,
                payment_id=payment.id,
                amount=Money(minor, EUR),
                reason="r",
                actor=ANNA,
            )
        except Conflict as refused:
            expect(refused, "payment.refund_too_large")
        except Invalid as refused:
            expect(refused, "payment.amount")
            assert self._state(payment) is PaymentState.UNMATCHED  # what is in suspense goes back as a whole
            assert minor < payment.amount_minor
        else:
            self.refunds.append(refund)

    @rule(pick=PICK, yes=st.booleans())
    def decide_refund(self, pick: int, yes: bool) -> None:
        if not self.refunds:
            return
        refund = self.refunds[pick % len(self.refunds)]
        act = payments.approve_refund if yes else payments.deny_refund
        before = self._refund(refund).state
        try:
            self._do(act, refund_id=refund.id, actor=BEN)
        except Conflict as refused:
            expect(refused, "payment.refund_decided")
        else:
            if yes and before is RefundState.REQUESTED:
                self.cash -= refund.amount_minor

    def _refund(self, refund):
        async def within():
            async with self.db.transaction(self.till.tenant_id) as tx:
                return await payments.get_refund(tx, refund_id=refund.id)

        return self.runner.run(within())

    @invariant()
    def money_is_neither_made_nor_lost(self) -> None:
        if not hasattr(self, "told"):
            return
        self.runner.run(self.till.sound())
        books = self.runner.run(self.till.books())
        assert books.get(Book.BANK, 0) == self.cash
        assert books.get(Book.REVENUE_RECURRING, 0) == -self.billed

    @invariant()
    def nothing_is_put_where_nothing_is_open(self) -> None:
        if not hasattr(self, "told"):
            return

        async def look():
            async with self.db.transaction(self.till.tenant_id) as tx:
                items = await payments.list_open_items(tx, page=EVERYTHING, only_open=False)
                rows = await tx.fetch(
                    "SELECT open_item_id, credit_kind, credit_id, sum(amount_minor)::bigint AS minor "
                    "FROM payment.allocation WHERE tenant_id = $1 GROUP BY 1, 2, 3",
                    tx.tenant_id,
                )
            return items.items, rows

        items, rows = self.runner.run(look())
        assert all(row["minor"] >= 0 for row in rows)
        for item in items:
            paid = sum(row["minor"] for row in rows if row["open_item_id"] == item.id)
            spent = sum(row["minor"] for row in rows if row["credit_id"] == item.id)
            assert item.open_minor == item.amount_minor - paid + spent
            assert min(item.amount_minor, 0) <= item.open_minor <= max(item.amount_minor, 0)


def test_every_order_of_acts_keeps_every_cent(settings: Settings) -> None:
    Tills.url = str(settings.database_url)
    run_state_machine_as_test(
        Tills,
        settings=hypothesis_settings(
            max_examples=15, stateful_step_count=16, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
