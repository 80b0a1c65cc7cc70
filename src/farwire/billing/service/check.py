"""The control of a tenant's bills: Σ lines = Σ bills = Σ ledger, numbers without gaps, usage on exactly one bill."""

from __future__ import annotations

from dataclasses import dataclass

from farwire.base.storage import Database, Isolation
from farwire.billing.model.revenue import NET_BOOKS, SOURCE
from farwire.billing.store import checks
from farwire.billing.store.checks import CurrencySums, SeriesSums
from farwire.kernel.ids import TenantId
from farwire.ledger import service as ledger
from farwire.ledger.model import Book


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """What was compared, and every difference in words; none means that the books agree."""

    currencies: tuple[CurrencySums, ...]
    series: tuple[SeriesSums, ...]
    differences: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Return whether nothing differs."""
        return not self.differences


def _differences(sums: CurrencySums, booked: dict[Book, int], booked_nano: dict[Book, int]) -> list[str]:
    compared = (
        ("lines", sums.line_net_minor, "bills' net", sums.net_minor),
        ("taxes", sums.tax_row_minor, "bills' tax", sums.tax_minor),
        ("bills' total", sums.total_minor, "receivables booked", booked.get(Book.RECEIVABLE, 0)),
        ("bills' net", sums.net_minor, "revenue booked", -sum(booked.get(book, 0) for book in NET_BOOKS)),
        ("bills' tax", sums.tax_minor, "tax booked", -booked.get(Book.TAX_PAYABLE, 0)),
        ("remainder of lines", sums.remainder_nano, "remainder booked", booked_nano.get(Book.REMAINDER, 0)),
        ("exact charges", sums.exact_nano, "lines and remainder", sums.posted_nano + sums.remainder_nano),
    )
    return [
        f"{sums.currency}: {left} {left_sum} ≠ {right} {right_sum}"
        for left, left_sum, right, right_sum in compared
        if left_sum != right_sum
    ]


async def reconcile(*, db: Database, tenant_id: TenantId) -> Reconciliation:
    """Compare all issued bills with their lines, taxes, bookings and numbers, at one moment."""
    async with db.transaction(
        tenant_id, isolation=Isolation.REPEATABLE_READ, read_only=True, statement_timeout_s=600
    ) as tx:
        currencies = await checks.sums_by_currency(tx)
        series = await checks.sums_by_series(tx)
        balances = await ledger.source_balance(tx=tx, source=SOURCE)
    differences: list[str] = []
    for sums in currencies:
        own = [balance for balance in balances if balance.currency == sums.currency]
        booked: dict[Book, int] = {}
        booked_nano: dict[Book, int] = {}
        for balance in own:
            booked[balance.book] = booked.get(balance.book, 0) + balance.amount_minor
            booked_nano[balance.book] = booked_nano.get(balance.book, 0) + balance.remainder_nano
        differences.extend(_differences(sums, booked, booked_nano))
    differences.extend(
        f"series {one.legal_entity_id} {one.fiscal_year} {one.kind}: {one.bills} bills, "
        f"numbers {one.first} to {one.last}, {one.last_given} given"
        for one in series
        if not one.whole
    )
    return Reconciliation(currencies, series, tuple(differences))
