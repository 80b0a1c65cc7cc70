"""Any order of runs, decisions, holds, credits and notes keeps the books whole; Hypothesis drives the services."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Coroutine
from datetime import date, timedelta
from typing import Any, TypeVar

import pytest
from hypothesis import Phase
from hypothesis import seed as hypothesis_seed
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from farwire.base.clock import MovableClock
from farwire.base.config import Settings
from farwire.base.storage import Database
from farwire.base.storage.database import open_pool
from farwire.billing import service as billing
from farwire.billing.model import Approval, Bill, BillKind, BillState, LineKind, Part, RunReport, RunState
from farwire.billing.service.explain import explain_lines
from farwire.inventory.model import Product
from farwire.kernel.errors import FarwireError
from farwire.kernel.ids import AccountId, BillId, CreditId, TenantId, uuid7
from farwire.kernel.money import Money
from farwire.kernel.page import PageRequest
from farwire.kernel.time import add_months, local_midnight, zone

from .test_approval import ANNA, BERT
from .world import World

T = TypeVar("T")
ACCOUNTS = 3
MONTHS = 5
ANCHOR = date(2026, 6, 1)
BERLIN = zone("Europe/Berlin")
who = st.integers(0, ACCOUNTS - 1)
ALL = PageRequest(limit=1000)


class Billing(RuleBasedStateMachine):
    """An operator with a few accounts, over a few months."""

    db: Database
    loop: asyncio.AbstractEventLoop

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)

    @initialize()
    def open(self) -> None:
        self.clock = MovableClock(local_midnight(add_months(ANCHOR, 0, 1), BERLIN))
        tenant_id = TenantId(uuid7())
        self.world = World(self.db, self.clock, tenant_id)
        self.month, self.keys, self.used = 0, 0, 0
        self.report: RunReport | None = None
        self.held: set[AccountId] = set()
        self.credits: list[CreditId] = []
        self.notes: list[BillId] = []
        self.do(self._build(tenant_id))

    async def _build(self, tenant_id: TenantId) -> None:
        async with self.db.untenanted() as tx:
            await tx.execute(
                "INSERT INTO tenant.tenant (tenant_id, name, display_name, country, zone, state, created_at) "
                "VALUES ($1, $2, $2, 'DE', 'Europe/Berlin', 'active', now())",
                tenant_id,
                f"t{tenant_id.hex}"[:39],
            )
        plan = await self.world.plan()
        self.accounts = [await self.world.account(f"{n}") for n in range(ACCOUNTS)]
        self.products: list[Product] = [await self.world.product(one, plan) for one in self.accounts]

    @property
    def tenant_id(self) -> TenantId:
        return self.world.tenant_id

    @precondition(lambda self: self.report is None and self.month < MONTHS)
    @rule(two=st.booleans())
    def run(self, two: bool) -> None:
        """A month goes by, or two, and a run comes to its approval."""
        self.month = min(self.month + 1 + two, MONTHS)
        until = local_midnight(add_months(ANCHOR, self.month, 1), BERLIN)
        report = self.do(self.world.run(until.isoformat(), approval=Approval.FOUR_EYES, actor=ANNA, batch=2))
        assert report.run.state is RunState.AWAITING_APPROVAL
        self.report = report

    async def _decide(self, *, approve: bool) -> RunReport:
        assert self.report is not None
        run_id, now = self.report.run.id, self.clock.now()
        async with self.db.transaction(self.tenant_id) as tx:
            if approve:
                await billing.approve_run(tx, run_id=run_id, actor=BERT, now=now)
            else:
                await billing.reject_run(tx, run_id=run_id, reason="no", actor=BERT, now=now)
        return await billing.advance_run(
            db=self.db, tenant_id=self.tenant_id, clock=self.clock, run_id=run_id, batch=2
        )

    @precondition(lambda self: self.report is not None)
    @rule()
    def approve(self) -> None:
        assert self.do(self._decide(approve=True)).run.state is RunState.COMPLETED
        self.report = None

    @precondition(lambda self: self.report is not None)
    @rule()
    def reject(self) -> None:
        assert self.do(self._decide(approve=False)).run.state is RunState.REJECTED
        self.report = None

    @precondition(lambda self: self.report is not None)
    @rule(n=who)
    def rerun(self, n: int) -> None:
        async def act() -> None:
            assert self.report is not None
            async with self.db.transaction(self.tenant_id) as tx:
                await billing.rerun_account(
                    tx,
                    run_id=self.report.run.id,
                    account_id=self.accounts[n].id,
                    actor=ANNA,
                    now=self.clock.now(),
                )

        self.do(act())

    @rule(n=who, days=st.integers(0, 40), minutes=st.integers(1, 9))
    def use(self, n: int, days: int, minutes: int) -> None:
        """A call is rated, some of them late for a month that is billed."""
        first = self.products[n].started_at
        at = max(first, self.clock.now() - timedelta(days=days, hours=1))
        amount = f"{minutes * 9 / 100:.2f}"
        self.do(self.world.rated(self.products[n], "other", amount, at=at.isoformat()))
        self.used += 1

    @rule(n=who)
    def hold_or_release(self, n: int) -> None:
        account_id = self.accounts[n].id

        async def act() -> None:
            async with self.db.transaction(self.tenant_id) as tx:
                now = self.clock.now()
                if account_id in self.held:
                    await billing.release_account(tx, account_id=account_id, actor=ANNA, now=now)
                else:
                    await billing.hold_account(tx, account_id=account_id, reason="r", actor=ANNA, now=now)

        self.do(act())
        self.held ^= {account_id}

    @rule(n=who, net=st.integers(1, 9_000))
    def ask_credit(self, n: int, net: int) -> None:
        async def act() -> CreditId:
            async with self.db.transaction(self.tenant_id) as tx:
                return await billing.add_credit(
                    tx,
                    account_id=self.accounts[n].id,
                    product_id=None,
                    net=Money(net, self.accounts[n].currency),
                    reason="r",
                    label="l",
                    tax_category="standard",
                    key=self._key(),
                    requested_by=ANNA,
                    now=self.clock.now(),
                )

        self.credits.append(self.do(act()))

    def _key(self) -> str:
        self.keys += 1
        return str(self.keys)

    @precondition(lambda self: self.credits)
    @rule(yes=st.booleans())
    def decide_credit(self, yes: bool) -> None:
        credit_id = self.credits.pop(0)

        async def act() -> None:
            async with self.db.transaction(self.tenant_id) as tx:
                await billing.decide_on_credit(
                    tx, credit_id=credit_id, approve=yes, actor=BERT, now=self.clock.now()
                )

        self.do(act())

    @rule(n=st.integers(0, 20), line=st.integers(0, 4), percent=st.integers(1, 100))
    def ask_note(self, n: int, line: int, percent: int) -> None:
        """Ask for a part of a line of some issued bill, or for all of it (line 0)."""
        bills = [
            bill for bill in self.bills() if bill.state is BillState.ISSUED and bill.kind is BillKind.BILL
        ]
        if not bills:
            return
        bill = bills[n % len(bills)]
        parts: tuple[Part, ...] = ()
        if 0 < line <= len(bill.lines):
            amount = bill.lines[line - 1].amount_minor * percent // 100
            parts = (Part(line, amount),) if amount else ()

        async def act() -> Bill:
            async with self.db.transaction(self.tenant_id) as tx:
                return await billing.request_note(
                    tx,
                    bill_id=bill.id,
                    reason="r",
                    key=self._key(),
                    actor=ANNA,
                    now=self.clock.now(),
                    parts=parts,
                )

        try:
            self.notes.append(self.do(act()).id)
        except FarwireError as error:
            if error.code not in (
                "billing.note_nothing_left",
                "billing.note_amount",
                "billing.note_too_much",
            ):
                raise

    @precondition(lambda self: self.notes)
    @rule(yes=st.booleans())
    def decide_note(self, yes: bool) -> None:
        note_id = self.notes.pop(0)

        async def act() -> None:
            async with self.db.transaction(self.tenant_id) as tx:
                decide = billing.approve_note if yes else billing.reject_note
                await decide(tx, note_id=note_id, actor=BERT, now=self.clock.now())

        self.do(act())

    def bills(self) -> list[Bill]:
        return self.do(self.world.bills())

    @invariant()
    def lines_are_bills_are_ledger_and_no_number_is_missing(self) -> None:
        if hasattr(self, "products"):
            self.do(self.world.sound())

    @invariant()
    def every_usage_is_on_one_bill_at_most_and_every_credit_applied_or_open(self) -> None:
        if not hasattr(self, "products"):
            return
        bills = [bill for bill in self.bills() if bill.kind is BillKind.BILL]
        on_bills = sum(line.item.records for bill in bills for line in bill.lines)
        assert self.do(self._states()).get("billed", 0) == on_bills <= self.used
        given = -sum(
            line.net_minor for bill in bills for line in bill.lines if line.item.kind is LineKind.CREDIT
        )
        page = self.do(billing.list_credits(db=self.db, tenant_id=self.tenant_id, page=ALL))
        assert sum(one.applied_minor for one in page.items) == given
        for one in page.items:
            assert one.open_minor in (0, one.net_minor - one.applied_minor)
            assert 0 <= one.applied_minor <= one.net_minor

    @invariant()
    def no_bill_gives_back_more_than_it_is(self) -> None:
        if not hasattr(self, "products"):
            return
        bills = self.bills()
        notes: dict[BillId, int] = defaultdict(int)
        for bill in bills:
            if bill.corrects is not None:
                notes[bill.corrects.bill_id] += bill.total_minor
        for bill in bills:
            left = bill.total_minor + notes[bill.id]
            assert min(0, bill.total_minor) <= left <= max(0, bill.total_minor)

    async def _states(self) -> dict[str, int]:
        async with self.db.transaction(self.tenant_id) as tx:
            found = await tx.fetch(
                "SELECT state, count(*) AS n FROM usage.record WHERE tenant_id = $1 GROUP BY state",
                self.tenant_id,
            )
        return {row["state"]: row["n"] for row in found}

    def teardown(self) -> None:
        """Whatever happened: in the end every cycle of every account has its bill, and all usage is on one."""
        if not hasattr(self, "products"):
            return
        if self.report is not None:
            self.do(self._decide(approve=True))
        for n, account in enumerate(self.accounts):
            if account.id in self.held:
                self.hold_or_release(n)
        last = local_midnight(add_months(ANCHOR, MONTHS + 2, 1), BERLIN)
        report = self.do(self.world.run(last.isoformat()))
        assert report.ok, report
        self.lines_are_bills_are_ledger_and_no_number_is_missing()
        bills = [bill for bill in self.bills() if bill.kind is BillKind.BILL]
        for account in self.accounts:
            ends = sorted(bill.cycle.end for bill in bills if bill.account_id == account.id)
            assert len(set(ends)) == len(ends) == MONTHS + 2
            prices = [
                line.amount_minor
                for bill in bills
                for line in bill.lines
                if bill.account_id == account.id and line.item.kind in (LineKind.ONE_OFF, LineKind.RECURRING)
            ]
            # Activation, 20 of June's 30 days, and 20.00 in advance with each bill: no day twice, none left out.
            assert sum(prices) == 990 + 1333 + 2000 * (MONTHS + 2)
        assert self.do(self._states()).get("billed", 0) == self.used
        self.do(self._no_charge_without_a_reason())

    async def _no_charge_without_a_reason(self) -> None:
        for bill in await self.world.bills():
            for one in await explain_lines(db=self.db, tenant_id=self.tenant_id, bill=bill, page=ALL):
                line, facts = one.explained.line, one.facts
                assert facts.interval.first_day <= facts.interval.last_day
                assert len(facts.usage_ids) == line.item.records
                if line.item.kind is LineKind.CREDIT:
                    assert line.item.detail["reason"]
                else:
                    assert facts.price is not None
                    assert (facts.price.offering, facts.price.version) == ("flex-m", 1)
                    assert one.proven is True or bill.corrects is not None
            assert bill.corrects is None or bill.corrects.reason


@pytest.mark.sim
def test_any_order_of_acts_keeps_the_books_whole(settings: Settings, seed: int) -> None:
    loop = asyncio.new_event_loop()
    db = loop.run_until_complete(open_pool(str(settings.database_url)))

    machine: Any = hypothesis_seed(seed)(type("Seeded", (Billing,), {"db": db, "loop": loop}))
    try:
        run_state_machine_as_test(
            machine,
            settings=hypothesis_settings(
                max_examples=8,
                stateful_step_count=20,
                deadline=None,
                derandomize=False,
                database=None,
                phases=(Phase.generate,),  # shrinking would replay hundreds of months against PostgreSQL
            ),
        )
    finally:
        loop.run_until_complete(db.close())
        loop.close()
