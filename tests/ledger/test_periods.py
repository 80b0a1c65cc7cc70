"""Months that close, stay closed, and open again only with two people; trial balance and export of each."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime

import asyncpg
import pytest

from farwire.base.audit.service import latest
from farwire.base.clock import MovableClock
from farwire.base.eventbus.service import list_events
from farwire.base.storage import Database
from farwire.kernel.errors import Conflict, FarwireError, Forbidden, Invalid, NotFound
from farwire.kernel.ids import AccountId, EntryId, LegalEntityId, TenantId, uuid7
from farwire.kernel.money import currency
from farwire.kernel.page import PageRequest
from farwire.kernel.tenancy import Actor, ActorKind
from farwire.ledger import service
from farwire.ledger.events import PERIOD_CLOSED
from farwire.ledger.model import Book, Entry, OwnBook, PeriodState, Posting, month_named, open_day
from farwire.tenant import service as tenants
from farwire.tenant.model import Address, LegalEntity

EUR, USD = currency("EUR"), currency("USD")
ANNA, BEN = Actor(ActorKind.OPERATOR, "anna"), Actor(ActorKind.OPERATOR, "ben")
JUNE, JULY, AUGUST = date(2026, 6, 1), date(2026, 7, 1), date(2026, 8, 1)
NOW = datetime(2026, 8, 3, 9, 0, tzinfo=UTC)


@pytest.fixture
async def company(db: Database, clock: MovableClock, tenant_id: TenantId) -> LegalEntity:
    clock.set(NOW)
    return await a_company(db, clock, tenant_id, "NL")


async def a_company(
    db: Database, clock: MovableClock, tenant_id: TenantId, prefix: str, start: int = 1
) -> LegalEntity:
    return await tenants.add_legal_entity(
        db=db,
        clock=clock,
        tenant_id=tenant_id,
        name=prefix,
        vat_id="",
        address=Address("DE", {}),
        country="DE",
        currency_code="EUR",
        zone_name="Europe/Berlin",
        number_prefix=prefix,
        fiscal_year_start=start,
    )


def entry(company: LegalEntity, key: str, on: date, minor: int = 100, unit=EUR) -> Entry:
    return Entry(
        EntryId(uuid7(NOW)),
        company.id,
        on,
        NOW,
        "test",
        key,
        (Posting(Book.BANK, unit, minor), Posting(Book.REVENUE_USAGE, unit, -minor)),
    )


async def post(db: Database, tenant_id: TenantId, *entries: Entry) -> int:
    async with db.transaction(tenant_id) as tx:
        return await service.post_entries(tx=tx, entries=entries)


async def close(db: Database, tenant_id: TenantId, company: LegalEntity, month: date):
    given = {"legal_entity_id": company.id, "month": month, "now": NOW}
    async with db.transaction(tenant_id) as tx:
        await service.begin_closing(tx=tx, **given)
    async with db.transaction(tenant_id) as tx:
        return await service.end_closing(tx=tx, actor=ANNA, **given)


async def booked(db: Database, tenant_id: TenantId) -> dict[str, tuple[date, date | None]]:
    async with db.transaction(tenant_id) as tx:
        rows = await tx.fetch(
            "SELECT key, booked_on, occurred_on FROM ledger.entry WHERE tenant_id = $1", tenant_id
        )
    return {row["key"]: (row["booked_on"], row["occurred_on"]) for row in rows}


async def test_what_is_late_goes_into_the_first_open_month_with_its_own_day(
    db: Database, tenant_id: TenantId, company: LegalEntity
) -> None:
    await post(db, tenant_id, entry(company, "a", date(2026, 6, 10)))
    await close(db, tenant_id, company, JUNE)
    await post(
        db,
        tenant_id,
        entry(company, "late", date(2026, 6, 30)),
        entry(company, "now", date(2026, 7, 2)),
        entry(company, "earlier", date(2026, 5, 31)),
    )
    assert await booked(db, tenant_id) == {
        "a": (date(2026, 6, 10), None),
        "late": (JULY, date(2026, 6, 30)),
        "now": (date(2026, 7, 2), None),
        "earlier": (JULY, date(2026, 5, 31)),
    }
    # Told again, it is the same booking.
    assert await post(db, tenant_id, entry(company, "late", date(2026, 6, 30))) == 0


async def test_from_the_beginning_of_a_closing_only_the_closing_books_into_it(
    db: Database, tenant_id: TenantId, company: LegalEntity
) -> None:
    await post(db, tenant_id, entry(company, "a", JUNE))
    async with db.transaction(tenant_id) as tx:
        await service.begin_closing(tx=tx, legal_entity_id=company.id, month=JUNE, now=NOW)
        await service.post_entries(
            tx=tx, entries=[entry(company, "accrual", date(2026, 6, 30))], into_closing=True
        )
    await post(db, tenant_id, entry(company, "late", date(2026, 6, 30)))
    found = await booked(db, tenant_id)
    assert found["accrual"] == (date(2026, 6, 30), None)
    assert found["late"] == (JULY, date(2026, 6, 30))


async def test_the_database_itself_refuses_a_booking_into_a_closed_month(
    db: Database, tenant_id: TenantId, company: LegalEntity
) -> None:
    await post(db, tenant_id, entry(company, "a", JUNE))
    await close(db, tenant_id, company, JUNE)
    with pytest.raises((asyncpg.CheckViolationError, FarwireError), match="closed"):
        async with db.transaction(tenant_id) as tx:
            await tx.execute(
                "INSERT INTO ledger.entry (tenant_id, entry_id, legal_entity_id, booked_on, recorded_at, source, key) "
                "VALUES ($1, $2, $3, '2026-06-30', now(), 's', 'k')",
                tenant_id,
                uuid7(),
                company.id,
            )


async def test_a_closing_waits_for_who_books_and_who_books_for_a_closing(
    db: Database, tenant_id: TenantId, company: LegalEntity
) -> None:
    await post(db, tenant_id, entry(company, "a", JUNE))
    async with db.transaction(tenant_id) as tx:
        days = await service.booking_days(tx=tx, wanted=[(company.id, date(2026, 6, 20))])
        assert days == {(company.id, date(2026, 6, 20)): date(2026, 6, 20)}
        closing = asyncio.create_task(close(db, tenant_id, company, JUNE))
        await asyncio.sleep(0.2)
        assert not closing.done()
        await service.post_entries(tx=tx, entries=[entry(company, "b", date(2026, 6, 20))])
    await closing
    assert (await booked(db, tenant_id))["b"] == (date(2026, 6, 20), None)


async def test_months_close_in_their_order_and_not_before_they_are_over(
    db: Database, tenant_id: TenantId, company: LegalEntity
) -> None:
    await post(db, tenant_id, entry(company, "a", JUNE))
    for month, code in ((JULY, "ledger.earlier_period_open"), (AUGUST, "ledger.period_not_over")):
        with pytest.raises(Conflict) as refused:
            await close(db, tenant_id, company, month)
        assert refused.value.code == code
    assert (await close(db, tenant_id, company, JUNE)).revision == 1
    assert (await close(db, tenant_id, company, JUNE)).revision == 1
    assert (await close(db, tenant_id, company, JULY)).state is PeriodState.CLOSED
    async with db.transaction(tenant_id) as tx:
        events = await list_events(tx=tx, type_prefix=PERIOD_CLOSED)
    assert [event.data["month"] for _, event in events] == ["2026-06", "2026-07"]


async def test_the_end_of_a_closing_needs_its_beginning(
    db: Database, tenant_id: TenantId, company: LegalEntity
) -> None:
    with pytest.raises(Conflict) as refused:
        async with db.transaction(tenant_id) as tx:
            await service.end_closing(tx=tx, legal_entity_id=company.id, month=JUNE, now=NOW, actor=ANNA)
    assert refused.value.code == "ledger.period_not_closing"


async def test_reopening_needs_a_reason_two_people_and_the_last_closed_month(
    db: Database, tenant_id: TenantId, company: LegalEntity
) -> None:
    await post(db, tenant_id, entry(company, "a", JUNE))
    await close(db, tenant_id, company, JUNE)
    await close(db, tenant_id, company, JULY)
    june = {"legal_entity_id": company.id, "month": JUNE, "now": NOW}
    july = june | {"month": JULY}

    async def refused(code: str, kind: type[FarwireError], act, **given: object) -> None:
        with pytest.raises(kind) as error:
            async with db.transaction(tenant_id) as tx:
                await act(tx=tx, **given)
        assert error.value.code == code

    ask, approve = service.request_reopening, service.approve_reopening
    await refused("ledger.later_period_closed", Conflict, ask, reason="r", actor=ANNA, **june)
    await refused("ledger.reason_missing", Invalid, ask, reason=" ", actor=ANNA, **july)
    await refused("ledger.reopening_not_requested", Conflict, approve, actor=BEN, **july)
    async with db.transaction(tenant_id) as tx:
        asked = await ask(tx=tx, reason="late carrier invoice", actor=ANNA, **july)
    assert (asked.state, asked.reopen_by) == (PeriodState.CLOSED, "operator:anna")
    await refused("authz.four_eyes", Forbidden, approve, actor=ANNA, **july)
    async with db.transaction(tenant_id) as tx:
        assert (await approve(tx=tx, actor=BEN, **july)).state is PeriodState.OPEN
        actions = {found.act.action for found in await latest(tx=tx)}
    assert {"ledger.period_closed", "ledger.reopening_requested", "ledger.period_reopened"} <= actions
    await refused("ledger.period_not_closed", Conflict, ask, reason="r", actor=ANNA, **july)
    await post(db, tenant_id, entry(company, "late", date(2026, 7, 9)))
    assert (await booked(db, tenant_id))["late"] == (date(2026, 7, 9), None)
    assert (await close(db, tenant_id, company, JULY)).revision == 2


async def test_a_company_with_a_fiscal_year_from_april_numbers_its_months(
    db: Database, clock: MovableClock, tenant_id: TenantId
) -> None:
    clock.set(NOW)
    company = await a_company(db, clock, tenant_id, "AP", start=4)
    await post(db, tenant_id, entry(company, "a", date(2026, 3, 31)))
    async with db.transaction(tenant_id) as tx:
        found = await service.list_periods(tx=tx, legal_entity_id=company.id, now=NOW)
    assert [(one.month.month, one.fiscal_year, one.number) for one in found] == [
        (3, 2025, 12),
        (4, 2026, 1),
        (5, 2026, 2),
        (6, 2026, 3),
        (7, 2026, 4),
        (8, 2026, 5),
    ]


async def test_the_trial_balance_of_a_month_opens_with_the_close_of_the_one_before(
    db: Database, tenant_id: TenantId, company: LegalEntity
) -> None:
    await post(
        db,
        tenant_id,
        entry(company, "a", date(2026, 6, 10), 100),
        entry(company, "b", date(2026, 7, 10), 50),
        entry(company, "c", date(2026, 7, 11), -20),
        entry(company, "d", date(2026, 7, 11), 7, USD),
    )
    async with db.transaction(tenant_id) as tx:
        rows = await service.period_balance(tx=tx, first=JULY, after_last=AUGUST, legal_entity_id=company.id)
        with pytest.raises(Invalid):
            await service.period_balance(tx=tx, first=JULY, after_last=JULY)
    bank = next(row for row in rows if row.book is Book.BANK and row.currency == EUR)
    assert (bank.opening_minor, bank.debit_minor, bank.credit_minor, bank.closing_minor) == (100, 50, 20, 130)
    for unit in (EUR, USD):
        own = [row for row in rows if row.currency == unit]
        assert sum(row.opening_minor for row in own) == 0
        assert sum(row.debit_minor - row.credit_minor for row in own) == 0
        assert sum(row.closing_minor for row in own) == 0


async def test_each_company_has_a_balance_and_an_export_of_its_own(
    db: Database, clock: MovableClock, tenant_id: TenantId, company: LegalEntity
) -> None:
    other = await a_company(db, clock, tenant_id, "ZZ")
    await post(
        db, tenant_id, entry(company, "a", JUNE, 100), entry(other, "b", JUNE, 7), entry(other, "c", JULY, 9)
    )
    for one, amount in ((company, 100), (other, 7)):
        given = {"legal_entity_id": one.id, "first": JUNE, "after_last": JULY}
        async with db.transaction(tenant_id) as tx:
            balance = await service.period_balance(tx=tx, **given)
            export = [row async for row in service.general_ledger(tx=tx, **given)]
        assert {row.legal_entity_id for row in balance} == {one.id}
        assert sorted(row.closing_minor for row in balance) == [-amount, amount]
        assert sorted(row.amount_minor for row in export) == [-amount, amount]


async def test_an_export_has_every_posting_once_in_one_order_however_it_is_cut(
    db: Database, clock: MovableClock, tenant_id: TenantId, company: LegalEntity
) -> None:
    other = await a_company(db, clock, tenant_id, "ZZ")
    days = [date(2026, 6, 1 + n % 3) for n in range(20)]
    await post(db, tenant_id, *(entry(company, str(n), day, n + 1) for n, day in enumerate(days)))
    await post(db, tenant_id, entry(other, "other", JUNE), entry(company, "july", JULY))
    given = {"legal_entity_id": company.id, "first": JUNE, "after_last": JULY}
    async with db.transaction(tenant_id) as tx:
        whole = [row async for row in service.general_ledger(tx=tx, **given)]
        for batch in (1, 3, 7, 40, 41):
            assert [row async for row in service.general_ledger(tx=tx, batch=batch, **given)] == whole
        (total,) = await service.control_totals(tx=tx, **given)
        journal = await service.journal(tx=tx, **given)
        page = await service.list_postings(
            tx=tx, first=JUNE, after_last=JULY, legal_entity_id=company.id, page=PageRequest(3, 5)
        )
    assert len(whole) == 40
    assert sorted(whole, key=lambda row: (row.booked_on, row.entry_id, row.number)) == whole
    assert (total.postings, total.debit_minor, total.credit_minor) == (40, 210, 210)
    assert [(row.book, row.debit_minor, row.credit_minor) for row in journal] == [
        (Book.BANK, 210, 0),
        (Book.REVENUE_USAGE, 0, 210),
    ]
    assert (page.total, list(page.items)) == (40, whole[3:8])


async def test_exports_show_the_codes_and_names_of_a_companys_own_accountants(
    db: Database, clock: MovableClock, tenant_id: TenantId, company: LegalEntity
) -> None:
    own = OwnBook(company.id, Book.REVENUE_USAGE, "8400", "Erlöse 19 % USt")
    other = await a_company(db, clock, tenant_id, "ZZ")
    await post(db, tenant_id, entry(company, "a", JUNE), entry(other, "b", JUNE))
    async with db.transaction(tenant_id) as tx:
        for _ in range(2):
            await service.set_own_book(tx=tx, own=own, now=NOW, actor=ANNA)
        rows = await service.period_balance(tx=tx, first=JUNE, after_last=JULY)
    named = {(row.legal_entity_id, row.code, row.name) for row in rows if row.book is Book.REVENUE_USAGE}
    assert named == {(company.id, "8400", "Erlöse 19 % USt"), (other.id, "4200", "Revenue, usage")}
    with pytest.raises(Conflict) as taken:
        async with db.transaction(tenant_id) as tx:
            again = OwnBook(company.id, Book.BANK, "8400", "Bank")
            await service.set_own_book(tx=tx, own=again, now=NOW, actor=ANNA)
    assert taken.value.code == "ledger.own_code_taken"
    for code, name in (("", "x"), ("=1", "x"), ("a", "x"), ("1200", ""), ("1200", "=cmd()"), ("1200", "-x")):
        with pytest.raises(Invalid):
            OwnBook(company.id, Book.BANK, code, name)


async def test_an_entry_is_taken_back_once(db: Database, tenant_id: TenantId, company: LegalEntity) -> None:
    await post(db, tenant_id, entry(company, "a", JUNE))
    given = {"source": "test", "keys": ["a"], "as_source": "test_back", "booked_on": JULY, "now": NOW}
    async with db.transaction(tenant_id) as tx:
        assert await service.reverse_entries(tx=tx, **given) == 1
        assert await service.reverse_entries(tx=tx, **given) == 0
        assert not any(row.amount_minor for row in await service.trial_balance(tx=tx))
        with pytest.raises(NotFound):
            await service.reverse_entries(tx=tx, **(given | {"keys": ["b"]}))
    with pytest.raises((asyncpg.UniqueViolationError, FarwireError)):
        async with db.transaction(tenant_id) as tx:
            await service.reverse_entries(tx=tx, **(given | {"as_source": "again"}))


async def test_another_tenants_company_is_unknown(
    db: Database, tenant_id: TenantId, other_tenant_id: TenantId, company: LegalEntity
) -> None:
    await post(db, tenant_id, entry(company, "a", JUNE))
    async with db.transaction(other_tenant_id) as tx:
        with pytest.raises(NotFound):
            await service.begin_closing(tx=tx, legal_entity_id=company.id, month=JUNE, now=NOW)
        page = await service.list_postings(
            tx=tx, first=JUNE, after_last=JULY, page=PageRequest(), account_id=AccountId(uuid7())
        )
        assert page.total == 0
        assert await service.period_balance(tx=tx, first=JUNE, after_last=JULY) == ()
    with pytest.raises(NotFound):
        async with db.transaction(tenant_id) as tx:
            await service.get_period(tx=tx, legal_entity_id=LegalEntityId(uuid7()), month=JUNE)


@pytest.mark.parametrize("text", ["2026", "2026-13", "2026-6", "0000-01", "9999-01", "June", ""])
def test_what_is_no_month_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        month_named(text)


def test_an_open_day_stays_and_what_is_not_after_the_last_shut_month_moves_behind_it() -> None:
    assert open_day(date(2026, 7, 9), {JUNE}) == date(2026, 7, 9)
    assert open_day(date(2026, 12, 31), {date(2026, 12, 1), date(2027, 1, 1)}) == date(2027, 2, 1)
    assert open_day(date(2026, 5, 9), {date(2026, 6, 1)}) == JULY
    assert open_day(date(2026, 5, 9), set()) == date(2026, 5, 9)
