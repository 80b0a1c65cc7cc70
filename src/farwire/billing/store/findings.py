"""What the checks need to know of drafts, and what they found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from farwire.base.storage import Tx
from farwire.billing.model import Finding, Severity
from farwire.kernel.ids import AccountId, BillId, BillRunId, LegalEntityId, ProductId
from farwire.kernel.money import Currency, currency


@dataclass(frozen=True, slots=True)
class DraftSums:
    """Sums over one draft's rows, and those of the account's bill before. Amounts in minor units."""

    bill_id: BillId
    account_id: AccountId
    cycle_end: datetime
    legal_entity_id: LegalEntityId
    currency: Currency
    net_minor: int
    tax_minor: int
    total_minor: int
    customer: str
    lines_minor: int
    usages: int
    products: tuple[ProductId, ...]
    taxes_minor: int
    tax_rows: int
    untaxed_rows: int
    last_total_minor: int | None
    last_usages: int | None


Place = tuple[datetime, str]
"""Where a pass over the drafts of a run is: end of the cycle, account number."""


# Key by key (storage.lookups): to join the lines of a batch to its drafts was a third of a bill run.
_DRAFT_SUMS: Final = """
WITH drafts AS MATERIALIZED (
    SELECT bill_id, account_id, account_number, cycle_end, legal_entity_id, currency, net_minor, tax_minor,
           total_minor, customer
    FROM billing.bill WHERE tenant_id = $1 AND run_id = $2 AND state = 'draft'
      AND (cycle_end, account_number) > (coalesce($3::timestamptz, '-infinity'), coalesce($4::text, ''))
      AND ($6::uuid IS NULL OR account_id = $6)
    ORDER BY cycle_end, account_number LIMIT $5)
SELECT d.*, coalesce(l.net, 0) AS lines_minor, coalesce(l.usages, 0) AS usages, l.products,
       coalesce(t.tax, 0) AS taxes_minor, coalesce(t.n, 0) AS tax_rows,
       coalesce(t.untaxed, 0) AS untaxed_rows,
       last.total_minor AS last_total, last.usages AS last_usages
FROM drafts d
CROSS JOIN LATERAL (
    SELECT sum(net_minor)::bigint AS net, sum(records)::bigint AS usages,
           array_agg(DISTINCT product_id) FILTER (WHERE product_id IS NOT NULL) AS products
    FROM (SELECT net_minor, records, product_id FROM billing.line
          WHERE tenant_id = $1 AND bill_id = d.bill_id OFFSET 0) AS one) AS l
CROSS JOIN LATERAL (
    SELECT sum(tax_minor)::bigint AS tax, count(*) AS n,
           count(*) FILTER (WHERE code = 'S' AND rate_percent = 0 AND base_minor <> 0) AS untaxed
    FROM (SELECT tax_minor, code, rate_percent, base_minor FROM billing.tax
          WHERE tenant_id = $1 AND bill_id = d.bill_id OFFSET 0) AS one) AS t
LEFT JOIN LATERAL (
    SELECT b.total_minor, (SELECT sum(x.records)::bigint FROM billing.line x
                           WHERE x.tenant_id = $1 AND x.bill_id = b.bill_id) AS usages
    FROM billing.bill b
    WHERE b.tenant_id = $1 AND b.account_id = d.account_id AND b.cycle_end < d.cycle_end AND b.kind = 'bill'
    ORDER BY b.cycle_end DESC LIMIT 1) AS last ON true
ORDER BY d.cycle_end, d.account_number
"""


async def draft_sums(
    tx: Tx,
    run_id: BillRunId,
    *,
    after: Place | None,
    limit: int,
    account_id: AccountId | None = None,
) -> tuple[tuple[DraftSums, ...], Place | None]:
    """Return the sums of the next drafts of a run in their order, and the place after them; None at the end."""
    place = after or (None, None)
    rows = await tx.fetch(_DRAFT_SUMS, tx.tenant_id, run_id, *place, limit, account_id)
    sums = tuple(
        DraftSums(
            BillId(row["bill_id"]),
            AccountId(row["account_id"]),
            row["cycle_end"],
            LegalEntityId(row["legal_entity_id"]),
            currency(row["currency"]),
            row["net_minor"],
            row["tax_minor"],
            row["total_minor"],
            row["customer"],
            row["lines_minor"],
            row["usages"],
            tuple(ProductId(product) for product in row["products"] or ()),
            row["taxes_minor"],
            row["tax_rows"],
            row["untaxed_rows"],
            row["last_total"],
            row["last_usages"],
        )
        for row in rows
    )
    if not rows:
        return sums, None
    return sums, (rows[-1]["cycle_end"], rows[-1]["account_number"])


async def replace_findings(
    tx: Tx, run_id: BillRunId, bill_ids: Sequence[BillId], findings: Sequence[Finding]
) -> None:
    """Write what was found in these drafts, in place of what was found there before."""
    await delete_findings(tx, run_id, bill_ids)
    await tx.copy_records(
        "billing.finding",
        columns=(
            "tenant_id",
            "run_id",
            "bill_id",
            "code",
            "account_id",
            "cycle_end",
            "severity",
            "message",
        ),
        records=[
            (
                tx.tenant_id,
                run_id,
                one.bill_id,
                one.code,
                one.account_id,
                one.cycle_end,
                one.severity.value,
                one.message,
            )
            for one in findings
        ],
    )


async def delete_findings(tx: Tx, run_id: BillRunId, bill_ids: Sequence[BillId]) -> None:
    """Forget what was found in drafts that are given up or checked again."""
    await tx.execute(
        "DELETE FROM billing.finding WHERE tenant_id = $1 AND run_id = $2 AND bill_id = ANY($3::uuid[])",
        tx.tenant_id,
        run_id,
        list(bill_ids),
    )


async def count_findings(tx: Tx, run_id: BillRunId) -> Mapping[Severity, int]:
    """Return how many findings of each severity a run has."""
    rows = await tx.fetch(
        "SELECT severity, count(*) AS n FROM billing.finding WHERE tenant_id = $1 AND run_id = $2 GROUP BY severity",
        tx.tenant_id,
        run_id,
    )
    return {Severity(row["severity"]): row["n"] for row in rows}


async def list_findings(
    tx: Tx, run_id: BillRunId, *, offset: int, limit: int
) -> tuple[tuple[Finding, ...], int]:
    """Return one page of the findings of a run, errors first, and how many there are."""
    total: int = await tx.fetchval(
        "SELECT count(*) FROM billing.finding WHERE tenant_id = $1 AND run_id = $2", tx.tenant_id, run_id
    )
    rows = await tx.fetch(
        "SELECT bill_id, account_id, cycle_end, code, severity, message FROM billing.finding "
        "WHERE tenant_id = $1 AND run_id = $2 ORDER BY severity, code, account_id, cycle_end OFFSET $3 LIMIT $4",
        tx.tenant_id,
        run_id,
        offset,
        limit,
    )
    return tuple(
        Finding(
            BillId(row["bill_id"]),
            AccountId(row["account_id"]),
            row["cycle_end"],
            row["code"],
            Severity(row["severity"]),
            row["message"],
        )
        for row in rows
    ), total


async def errors_of(tx: Tx, run_id: BillRunId, account_ids: Sequence[AccountId]) -> tuple[Finding, ...]:
    """Return the errors found in drafts of these accounts, the earliest cycle last."""
    rows = await tx.fetch(
        "SELECT bill_id, account_id, cycle_end, code, severity, message FROM billing.finding WHERE tenant_id = $1 "
        "AND run_id = $2 AND severity = 'error' AND account_id = ANY($3::uuid[]) ORDER BY cycle_end DESC, code DESC",
        tx.tenant_id,
        run_id,
        list(account_ids),
    )
    return tuple(
        Finding(
            BillId(row["bill_id"]),
            AccountId(row["account_id"]),
            row["cycle_end"],
            row["code"],
            Severity(row["severity"]),
            row["message"],
        )
        for row in rows
    )
