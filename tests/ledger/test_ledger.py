from datetime import UTC, date, datetime

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from farwire.base.storage import Database
from farwire.kernel.errors import Defect, FarwireError
from farwire.kernel.ids import AccountId, EntryId, LegalEntityId, TenantId, uuid7
from farwire.kernel.money import Money, currency
from farwire.ledger import service
from farwire.ledger.model import CHART, Book, Entry, Posting
from farwire.ledger.model.chart import BookKind

EUR = currency("EUR")
ENTITY = LegalEntityId(uuid7())
ACCOUNT = AccountId(uuid7())


def entry(key: str = "b1", minor: int = 5814, nano: int = 3_333_333) -> Entry:
    return Entry(
        EntryId(uuid7()),
        ENTITY,
        date(2026, 7, 1),
        datetime(2026, 6, 30, 22, 30, tzinfo=UTC),
        "bill",
        key,
        (
            Posting(Book.RECEIVABLE, EUR, minor, 0, ACCOUNT),
            Posting(Book.REVENUE_RECURRING, EUR, -minor, -nano),
            Posting(Book.REMAINDER, EUR, 0, nano),
        ),
    )


async def test_a_trial_balance_is_zero_and_shows_the_remainder(db: Database, tenant_id: TenantId) -> None:
    async with db.transaction(tenant_id) as tx:
        assert await service.post_entries(tx=tx, entries=[entry("a"), entry("b", 100, -7)]) == 2
        balances = await service.trial_balance(tx=tx)
    assert sum(balance.amount_minor for balance in balances) == 0
    assert sum(balance.remainder_nano for balance in balances) == 0
    by_book = {balance.book: balance for balance in balances}
    assert by_book[Book.RECEIVABLE].amount_minor == 5914
    assert by_book[Book.REMAINDER].remainder_nano == 3_333_326
    assert by_book[Book.REMAINDER].name == "Remainder of posting"
    async with db.transaction(tenant_id) as tx:
        assert await service.account_balance(tx=tx, account_id=ACCOUNT) == (Money(5914, EUR),)


@pytest.mark.parametrize(
    ("book", "kind"),
    [
        (Book.RECEIVABLE, BookKind.ASSET),
        (Book.UNBILLED, BookKind.ASSET),
        (Book.REMAINDER, BookKind.ASSET),
        (Book.TAX_PAYABLE, BookKind.LIABILITY),
        (Book.DEFERRED_REVENUE, BookKind.LIABILITY),
        (Book.PREPAID, BookKind.LIABILITY),
        (Book.REVENUE_RECURRING, BookKind.REVENUE),
        (Book.REVENUE_ONE_OFF, BookKind.REVENUE),
        (Book.REVENUE_USAGE, BookKind.REVENUE),
    ],
)
async def test_each_book_can_be_booked_and_is_of_its_kind(
    db: Database, tenant_id: TenantId, book: Book, kind: BookKind
) -> None:
    postings = (Posting(Book.BANK, EUR, 1000), Posting(book, EUR, -1000))
    one = Entry(
        EntryId(uuid7()), ENTITY, date(2026, 6, 30), datetime(2026, 6, 30, tzinfo=UTC), "x", "k", postings
    )
    async with db.transaction(tenant_id) as tx:
        await service.post_entries(tx=tx, entries=[one])
        (found,) = [row for row in await service.trial_balance(tx=tx) if row.book is book]
        written = await tx.fetchval(
            "SELECT kind FROM ledger.book_account WHERE tenant_id = $1 AND code = $2", tenant_id, book.value
        )
    assert (found.amount_minor, found.name, written) == (-1000, CHART[book][0], kind.value)


async def test_posting_the_same_key_twice_books_once(db: Database, tenant_id: TenantId) -> None:
    async with db.transaction(tenant_id) as tx:
        assert await service.post_entries(tx=tx, entries=[entry("a")]) == 1
    async with db.transaction(tenant_id) as tx:
        assert await service.post_entries(tx=tx, entries=[entry("a"), entry("b")]) == 1
        assert (
            sum(b.amount_minor for b in await service.trial_balance(tx=tx) if b.book is Book.RECEIVABLE)
            == 2 * 5814
        )


async def test_the_same_key_with_another_amount_is_refused(db: Database, tenant_id: TenantId) -> None:
    async with db.transaction(tenant_id) as tx:
        await service.post_entries(tx=tx, entries=[entry("a")])
    with pytest.raises(service.KeyReused):
        async with db.transaction(tenant_id) as tx:
            await service.post_entries(tx=tx, entries=[entry("a", minor=1)])


def test_an_entry_that_does_not_sum_to_zero_cannot_be_made() -> None:
    with pytest.raises(Defect):
        Entry(
            EntryId(uuid7()),
            ENTITY,
            date(2026, 7, 1),
            datetime.now(UTC),
            "bill",
            "x",
            (Posting(Book.RECEIVABLE, EUR, 1), Posting(Book.TAX_PAYABLE, currency("USD"), -1)),
        )


@given(st.lists(st.integers(-(10**12), 10**12), min_size=1, max_size=5))
def test_any_postings_with_their_counterpart_make_an_entry(amounts: list[int]) -> None:
    postings = [Posting(Book.REVENUE_USAGE, EUR, amount) for amount in amounts]
    whole = (*postings, Posting(Book.RECEIVABLE, EUR, -sum(amounts)))
    assert Entry(EntryId(uuid7()), ENTITY, date(2026, 7, 1), datetime.now(UTC), "t", "k", whole)
    if sum(amounts):
        with pytest.raises(Defect):
            Entry(EntryId(uuid7()), ENTITY, date(2026, 7, 1), datetime.now(UTC), "t", "k", tuple(postings))


@pytest.mark.parametrize(("minor", "nano"), [(1, 0), (0, 1)])
async def test_the_database_itself_refuses_an_imbalance(
    db: Database, tenant_id: TenantId, minor: int, nano: int
) -> None:
    async with db.transaction(tenant_id) as tx:
        await service.post_entries(tx=tx, entries=[entry("a")])
    with pytest.raises((asyncpg.CheckViolationError, FarwireError), match="sum to 0"):
        async with db.transaction(tenant_id) as tx:
            await tx.execute(
                "INSERT INTO ledger.posting SELECT tenant_id, entry_id, 99, legal_entity_id, code, account_id, "
                "currency, $2, $3 FROM ledger.posting WHERE tenant_id = $1 AND number = 0",
                tenant_id,
                minor,
                nano,
            )


@pytest.mark.parametrize(
    ("entry_id", "entity", "code"),
    [
        ("$2", "legal_entity_id", "code"),
        ("entry_id", "$2", "code"),
        ("entry_id", "legal_entity_id", "$2::text"),
    ],
)
async def test_the_database_itself_refuses_a_posting_without_its_entry_company_or_book(
    db: Database, tenant_id: TenantId, entry_id: str, entity: str, code: str
) -> None:
    async with db.transaction(tenant_id) as tx:
        await service.post_entries(tx=tx, entries=[entry("a")])
    stray = (
        f"INSERT INTO ledger.posting SELECT tenant_id, {entry_id}, number + 50, {entity}, {code}, account_id, "
        "currency, amount_minor, remainder_nano FROM ledger.posting WHERE tenant_id = $1"
    )
    with pytest.raises((asyncpg.ForeignKeyViolationError, FarwireError)):
        async with db.transaction(tenant_id) as tx:
            await tx.execute(stray, tenant_id, "unknown" if "text" in code else uuid7())


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ledger.posting SET amount_minor = 0",
        "DELETE FROM ledger.posting",
        "UPDATE ledger.entry SET key = 'x'",
        "DELETE FROM ledger.entry",
    ],
)
async def test_the_past_cannot_be_changed(db: Database, tenant_id: TenantId, statement: str) -> None:
    with pytest.raises((asyncpg.InsufficientPrivilegeError, FarwireError)):
        async with db.transaction(tenant_id) as tx:
            await tx.execute(statement)


async def test_one_tenant_neither_reads_nor_writes_the_books_of_another(
    db: Database, tenant_id: TenantId, other_tenant_id: TenantId
) -> None:
    async with db.transaction(tenant_id) as tx:
        await service.post_entries(tx=tx, entries=[entry("a")])
    async with db.transaction(other_tenant_id) as tx:
        assert await service.trial_balance(tx=tx) == ()
        assert await service.account_balance(tx=tx, account_id=ACCOUNT) == ()
        assert await tx.fetch("SELECT * FROM ledger.posting WHERE tenant_id = $1", tenant_id) == []
        assert await service.post_entries(tx=tx, entries=[entry("a")]) == 1
    with pytest.raises((asyncpg.InsufficientPrivilegeError, FarwireError)):
        async with db.transaction(other_tenant_id) as tx:
            await tx.execute(
                "INSERT INTO ledger.entry VALUES ($1, $2, $3, '2026-07-01', now(), 's', 'k')",
                tenant_id,
                uuid7(),
                ENTITY,
            )
