"""Sums over all issued bills, for the control."""

from __future__ import annotations

from dataclasses import dataclass

from farwire.base.storage import Tx
from farwire.billing.model import BillKind
from farwire.kernel.ids import LegalEntityId
from farwire.kernel.money import Currency, currency


@dataclass(frozen=True, slots=True)
class CurrencySums:
    """Sums over all issued bills of one currency: of the bills, of their lines, of their taxes. Unbounded integers."""

    currency: Currency
    bills: int
    net_minor: int
    tax_minor: int
    total_minor: int
    line_net_minor: int
    exact_nano: int
    posted_nano: int
    remainder_nano: int
    tax_row_minor: int


@dataclass(frozen=True, slots=True)
class SeriesSums:
    """A number series: how many documents it has, their first and last number, and the last number that was given."""

    legal_entity_id: LegalEntityId
    fiscal_year: int
    kind: BillKind
    bills: int
    first: int
    last: int
    last_given: int

    @property
    def whole(self) -> bool:
        """Return whether no number is missing or given twice."""
        return self.first == 1 and self.last == self.bills == self.last_given


async def sums_by_currency(tx: Tx) -> tuple[CurrencySums, ...]:
    """Return the sums over all issued bills, by currency."""
    rows = await tx.fetch(
        """
        WITH issued AS (
            SELECT bill_id, currency, net_minor, tax_minor, total_minor FROM billing.bill
            WHERE tenant_id = $1 AND state = 'issued'),
        bills AS (
            SELECT currency, count(*) AS bills, sum(net_minor)::numeric AS net, sum(tax_minor)::numeric AS tax,
                   sum(total_minor)::numeric AS total FROM issued GROUP BY currency),
        lines AS (
            SELECT i.currency, sum(l.net_minor)::numeric AS net, sum(l.exact_nano) AS exact,
                   sum(l.amount_minor)::numeric AS amount, sum(l.remainder_nano)::numeric AS remainder
            FROM billing.line l JOIN issued i USING (bill_id) WHERE l.tenant_id = $1 GROUP BY i.currency),
        taxes AS (
            SELECT i.currency, sum(t.tax_minor)::numeric AS tax
            FROM billing.tax t JOIN issued i USING (bill_id) WHERE t.tenant_id = $1 GROUP BY i.currency)
        SELECT b.currency, b.bills, b.net, b.tax, b.total, l.net AS line_net, l.exact, l.amount, l.remainder,
               t.tax AS tax_rows
        FROM bills b LEFT JOIN lines l USING (currency) LEFT JOIN taxes t USING (currency) ORDER BY b.currency
        """,
        tx.tenant_id,
    )
    found: list[CurrencySums] = []
    for row in rows:
        unit = currency(row["currency"])
        found.append(
            CurrencySums(
                unit,
                row["bills"],
                int(row["net"]),
                int(row["tax"]),
                int(row["total"]),
                int(row["line_net"] or 0),
                int(row["exact"] or 0),
                int(row["amount"] or 0) * unit.nano_per_minor,
                int(row["remainder"] or 0),
                int(row["tax_rows"] or 0),
            )
        )
    return tuple(found)


async def sums_by_series(tx: Tx) -> tuple[SeriesSums, ...]:
    """Return every number series with what is in it."""
    rows = await tx.fetch(
        """
        SELECT legal_entity_id, fiscal_year, kind, count(b.bill_id) AS bills, coalesce(min(b.sequence), 0) AS first,
               coalesce(max(b.sequence), 0) AS last, s.last_number AS last_given
        FROM billing.number_series s
        LEFT JOIN billing.bill b USING (tenant_id, legal_entity_id, fiscal_year, kind)
        WHERE s.tenant_id = $1 AND (b.state = 'issued' OR b.state IS NULL)
        GROUP BY legal_entity_id, fiscal_year, kind, s.last_number ORDER BY legal_entity_id, fiscal_year, kind
        """,
        tx.tenant_id,
    )
    return tuple(
        SeriesSums(
            LegalEntityId(row["legal_entity_id"]),
            row["fiscal_year"],
            BillKind(row["kind"]),
            row["bills"],
            row["first"],
            row["last"],
            row["last_given"],
        )
        for row in rows
    )
