"""What movements are on the books: every sum exact, every entry balanced, whole units never far from the truth."""

from __future__ import annotations

from collections import defaultdict

from hypothesis import given
from hypothesis import strategies as st

from farwire.charging.model import Movement, MovementKind, Unit
from farwire.charging.model.booking import PAID, Pair, is_paid, postings_of, sums_of
from farwire.kernel.money import currency
from farwire.ledger.model import CHART, Book, BookKind

EUR = currency("EUR")
KINDS = st.sampled_from(sorted(set(MovementKind)))
AMOUNTS = st.one_of(st.integers(-(10**10), 10**10), st.integers(-9_999_999, 9_999_999))
MOVEMENTS = st.lists(
    st.builds(
        Movement, st.integers(1, 9), st.integers(0, 3), KINDS, AMOUNTS, st.sampled_from([0, PAID, 7]),
        st.just(0), st.just(0), st.just(0), st.just(0), st.sampled_from([0, 0, 0, 1]),
    ),
    max_size=20,
)  # fmt: skip


@given(st.lists(MOVEMENTS, max_size=12), st.sampled_from(["EUR", "JPY", "KWD"]))
def test_entries_balance_and_their_sums_are_exact_and_never_half_a_minor_unit_away(batches, code) -> None:
    unit = currency(code)
    running: dict[Pair, int] = defaultdict(int)
    booked: dict[Book, list[int]] = defaultdict(lambda: [0, 0])
    exact: dict[Book, int] = defaultdict(int)
    for movements in batches:
        sums = sums_of(movements)
        totals = {pair: (running[pair], running[pair] + nano) for pair, nano in sums.items()}
        postings = postings_of(totals, unit)
        assert sum(one.amount_minor for one in postings) == sum(one.remainder_nano for one in postings) == 0
        for pair, nano in sums.items():
            running[pair] += nano
            exact[pair.own] -= nano
            exact[pair.other] += nano
        for one in postings:
            booked[one.book][0] += one.amount_minor
            booked[one.book][1] += one.remainder_nano
    for book, nano in exact.items():
        minor, rest = booked[book]
        assert minor * unit.nano_per_minor + rest == nano
        pairs = sum(book in pair for pair in running)
        assert 2 * abs(rest) <= pairs * unit.nano_per_minor


@given(MOVEMENTS)
def test_what_is_owed_grows_by_what_balances_of_money_grow_by_less_what_payment_books(movements) -> None:
    sums = sums_of(movements)
    money = [one for one in movements if one.unit == Unit.MONEY]
    own = sum(nano for pair, nano in sums.items() if pair.own is Book.PREPAID)
    assert own == sum(one.amount for one in money if one.balance and not is_paid(one))


def test_a_voucher_and_a_paid_top_up_are_on_the_books_of_payment_only() -> None:
    def moved(kind: MovementKind, reason: int) -> dict[Pair, int]:
        return sums_of([Movement(1, 1, kind, 500, reason, 0, 0, 0, 0)])

    assert moved(MovementKind.VOUCHER, 0) == moved(MovementKind.TOP_UP, PAID) == {}
    assert moved(MovementKind.DEBIT, PAID) == {}
    assert moved(MovementKind.TOP_UP, 0) == {Pair(Book.PREPAID, Book.TOPUPS_TO_ACCOUNT): 500}


def test_a_loan_is_owed_with_its_fee_and_both_are_gone_when_it_is_paid_back() -> None:
    lent = Movement(1, 1, MovementKind.LOAN, 1_000, 100, 0, 0, 0, 0)
    back = Movement(1, 1, MovementKind.LOAN_REPAID, -1_100, 0, 0, 0, 0, 0)
    books: dict[Book, int] = defaultdict(int)
    for pair, nano in sums_of([lent, back]).items():
        books[pair.own] -= nano
        books[pair.other] += nano
    assert {book: nano for book, nano in books.items() if nano} == {
        Book.PREPAID: 100,
        Book.REVENUE_ONE_OFF: -100,
    }


def test_what_a_client_used_beyond_its_quota_is_an_asset_and_revenue() -> None:
    (pair,) = sums_of([Movement(1, 0, MovementKind.OVERRUN, -5, 1, 0, 0, 0, 0)])
    assert pair == (Book.PREPAID_OVERRUN, Book.REVENUE_USAGE)
    assert CHART[pair.own][1] is BookKind.ASSET
