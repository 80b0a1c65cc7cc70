"""Any order of posting, taking back, closing and reopening leaves books that agree with a model of them."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from farwire.base.clock import MovableClock
from farwire.base.config import Settings
from farwire.base.storage.database import open_pool
from farwire.kernel.errors import Conflict, NotFound
from farwire.kernel.ids import EntryId, TenantId, uuid7
from farwire.kernel.money import currency
from farwire.kernel.tenancy import Actor, ActorKind
from farwire.ledger import service
from farwire.ledger.model import Book, Entry, PeriodState, Posting, open_day
from farwire.tenant import service as tenants
from farwire.tenant.model import Address

EUR = currency("EUR")
ANNA, BEN = Actor(ActorKind.OPERATOR, "anna"), Actor(ActorKind.OPERATOR, "ben")
MONTHS = [date(2026, month, 1) for month in range(1, 7)]
NOW = datetime(2026, 7, 15, tzinfo=UTC)
DAY = st.integers(0, 180).map(lambda n: date(2026, 1, 1) + timedelta(days=n))
BOOKS = st.sampled_from([Book.BANK, Book.RECEIVABLE, Book.TAX_PAYABLE, Book.REVENUE_USAGE])


class Books(RuleBasedStateMachine):
    """The oracle: entries as (day, postings), the set of closed months."""

    url = ""

    @initialize()
    def begin(self) -> None:
        self.runner = asyncio.Runner()
        self.db = self.runner.run(open_pool(self.url))
        self.clock = MovableClock(NOW)
        self.tenant = self.runner.run(
            tenants.create_tenant(db=self.db, clock=self.clock, name=f"t-{uuid7().hex[-12:]}")
        ).id
        self.company = self.runner.run(
            tenants.add_legal_entity(
                db=self.db,
                clock=self.clock,
                tenant_id=TenantId(self.tenant),
                name="N",
                vat_id="",
                address=Address("DE", {}),
                country="DE",
                currency_code="EUR",
                zone_name="Europe/Berlin",
                number_prefix="N",
            )
        )
        self.entries: dict[tuple[str, str], tuple[date, dict[Book, int]]] = {}
        self.closed: set[date] = set()
        self.frozen: dict[date, object] = {}

    def teardown(self) -> None:
        if hasattr(self, "runner"):
            self.runner.run(self.db.close())
            self.runner.close()

    def _do(self, act, **named):
        async def within():
            async with self.db.transaction(self.tenant) as tx:
                return await act(tx=tx, **named)

        return self.runner.run(within())

    @rule(key=st.integers(0, 8), day=DAY, book=BOOKS, other=BOOKS, minor=st.integers(-500, 500))
    def post(self, key: int, day: date, book: Book, other: Book, minor: int) -> None:
        name = ("test", str(key))
        entry = Entry(
            EntryId(uuid7(NOW)),
            self.company.id,
            day,
            NOW,
            *name,
            (Posting(book, EUR, minor), Posting(other, EUR, -minor)),
        )
        change = {book: minor}
        change[other] = change.get(other, 0) - minor
        if name in self.entries:
            with suppress(service.KeyReused):
                assert self._do(service.post_entries, entries=[entry]) == 0
            return
        assert self._do(service.post_entries, entries=[entry]) == 1
        self.entries[name] = (open_day(day, self.closed), change)

    @rule(key=st.integers(0, 8), day=DAY)
    def take_back(self, key: int, day: date) -> None:
        given = {"source": "test", "keys": [str(key)], "as_source": "back", "booked_on": day, "now": NOW}
        if ("test", str(key)) not in self.entries:
            with pytest.raises(NotFound):
                self._do(service.reverse_entries, **given)
            return
        fresh = ("back", str(key)) not in self.entries
        assert self._do(service.reverse_entries, **given) == int(fresh)
        if fresh:
            _, change = self.entries["test", str(key)]
            back = {book: -minor for book, minor in change.items()}
            self.entries["back", str(key)] = (open_day(day, self.closed), back)

    @rule(month=st.sampled_from(MONTHS))
    def close(self, month: date) -> None:
        given = {"legal_entity_id": self.company.id, "month": month, "now": NOW}
        first = min((day.replace(day=1) for day, _ in self.entries.values()), default=month)
        earlier = [one for one in MONTHS if first <= one < month]
        if month not in self.closed and any(one not in self.closed for one in earlier):
            with pytest.raises(Conflict):
                self._do(service.begin_closing, **given)
            return
        self._do(service.begin_closing, **given)
        assert self._do(service.end_closing, actor=ANNA, **given).state is PeriodState.CLOSED
        if month not in self.closed:
            self.closed.add(month)
            self.frozen[month] = self._month(month)

    @rule(month=st.sampled_from(MONTHS))
    def reopen(self, month: date) -> None:
        given = {"legal_entity_id": self.company.id, "month": month, "now": NOW}
        if month not in self.closed or month != max(self.closed):
            with pytest.raises(Conflict):
                self._do(service.request_reopening, reason="r", actor=ANNA, **given)
            return
        self._do(service.request_reopening, reason="r", actor=ANNA, **given)
        self._do(service.approve_reopening, actor=BEN, **given)
        self.closed.discard(month)
        self.frozen.pop(month)

    def _month(self, month: date):
        after = (month + timedelta(days=32)).replace(day=1)
        return self._do(service.period_balance, first=month, after_last=after)

    @invariant()
    def the_books_agree_with_the_model(self) -> None:
        if not hasattr(self, "entries"):
            return
        expected: dict[Book, int] = {}
        for _, change in self.entries.values():
            for book, minor in change.items():
                expected[book] = expected.get(book, 0) + minor
        found = {row.book: row.amount_minor for row in self._do(service.trial_balance)}
        assert {book: minor for book, minor in expected.items() if minor} == {
            book: minor for book, minor in found.items() if minor
        }
        assert sum(found.values()) == 0

    @invariant()
    def each_month_has_its_own_movements_and_a_closed_one_never_changes_nor_its_opening(self) -> None:
        if not hasattr(self, "entries"):
            return
        for month in MONTHS:
            rows = self._month(month)
            assert sum(row.opening_minor for row in rows) == 0
            assert sum(row.debit_minor - row.credit_minor for row in rows) == 0
            for row in rows:
                moved = sum(
                    change.get(row.book, 0)
                    for day, change in self.entries.values()
                    if day.replace(day=1) == month
                )
                assert row.debit_minor - row.credit_minor == moved
            if month in self.frozen:
                assert rows == self.frozen[month]


def test_every_order_of_acts_leaves_books_that_agree(settings: Settings) -> None:
    Books.url = str(settings.database_url)
    run_state_machine_as_test(
        Books,
        settings=hypothesis_settings(
            max_examples=15, stateful_step_count=14, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
