"""What is earned later, and what is earned and not billed yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime

from farwire.base.storage import Tx
from farwire.billing.model import Bill, LineKind
from farwire.billing.model.revenue import Accrual, Deferral, TimedLine, earned_before
from farwire.kernel.ids import AccountId, BillId, EntryId, LegalEntityId
from farwire.kernel.money import currency
from farwire.kernel.time import Period
from farwire.ledger.model import Book, book_of_revenue


async def lines_to_book(tx: Tx, bill_ids: Sequence[BillId]) -> tuple[TimedLine, ...]:
    """Return the recurring lines of these bills one by one, the others as one sum per bill and kind with number 0."""
    rows = await tx.fetch(
        "SELECT l.bill_id, l.number, l.kind, min(l.period_start) AS since, max(l.period_end) AS until, "
        "sum(l.net_minor)::bigint AS net, sum(l.remainder_nano)::bigint AS nano "
        "FROM unnest($2::uuid[]) AS b (bill_id) CROSS JOIN LATERAL (SELECT bill_id, kind, period_start, period_end, "
        "net_minor, remainder_nano, CASE kind WHEN 'recurring' THEN number ELSE 0 END AS number FROM billing.line "
        "WHERE tenant_id = $1 AND bill_id = b.bill_id OFFSET 0) AS l GROUP BY l.bill_id, l.kind, l.number "
        "ORDER BY l.bill_id, l.kind, l.number",
        tx.tenant_id,
        list(bill_ids),
    )
    return tuple(
        TimedLine(
            BillId(row["bill_id"]),
            row["number"],
            LineKind(row["kind"]),
            Period(row["since"], row["until"]),
            row["net"],
            row["nano"],
        )
        for row in rows
    )


async def add_deferrals(tx: Tx, bills: Mapping[BillId, Bill], deferrals: Sequence[Deferral]) -> None:
    """Write what later months earn, in one statement."""
    if not deferrals:
        return
    await tx.execute(
        "INSERT INTO billing.deferral (tenant_id, bill_id, line, month, legal_entity_id, code, currency, amount_minor, "
        "remainder_nano) SELECT $1, d.* FROM unnest($2::uuid[], $3::integer[], $4::date[], $5::uuid[], $6::text[], "
        "$7::text[], $8::bigint[], $9::bigint[]) AS d",
        tx.tenant_id,
        [one.bill_id for one in deferrals],
        [one.line for one in deferrals],
        [one.share.month for one in deferrals],
        [bills[one.bill_id].legal_entity_id for one in deferrals],
        [one.book.value for one in deferrals],
        [one.currency.code for one in deferrals],
        [one.share.amount_minor for one in deferrals],
        [one.share.remainder_nano for one in deferrals],
    )


async def add_bookings(tx: Tx, bills: Sequence[Bill], booked_on: Mapping[BillId, date]) -> None:
    """Write on which day each of these bills was booked. A bill without a row was booked on its own date."""
    if not bills:
        return
    await tx.execute(
        "INSERT INTO billing.booking (tenant_id, bill_id, legal_entity_id, booked_on) "
        "SELECT $1, b.* FROM unnest($2::uuid[], $3::uuid[], $4::date[]) AS b",
        tx.tenant_id,
        [bill.id for bill in bills],
        [bill.legal_entity_id for bill in bills],
        [booked_on[bill.id] for bill in bills],
    )


async def waiting_currencies(tx: Tx, entity: LegalEntityId, month: date) -> tuple[str, ...]:
    """Return the currencies in which something waits to be earned by the end of ``month``."""
    rows = await tx.fetch(
        "SELECT DISTINCT currency FROM billing.deferral WHERE tenant_id = $1 AND legal_entity_id = $2 AND month <= $3 "
        "AND entry_id IS NULL ORDER BY currency",
        tx.tenant_id,
        entity,
        month,
    )
    return tuple(row["currency"] for row in rows)


async def take_deferrals(
    tx: Tx, entity: LegalEntityId, month: date, code: str, entry_id: EntryId
) -> Mapping[Book, tuple[int, int]]:
    """Mark what waits up to ``month`` in one currency as earned by an entry; return the sums by book."""
    rows = await tx.fetch(
        "WITH taken AS (UPDATE billing.deferral SET entry_id = $5 WHERE tenant_id = $1 AND legal_entity_id = $2 "
        "AND month <= $3 AND currency = $4 AND entry_id IS NULL RETURNING code, amount_minor, remainder_nano) "
        "SELECT code, sum(amount_minor)::bigint AS minor, sum(remainder_nano)::bigint AS nano FROM taken "
        "GROUP BY code ORDER BY code",
        tx.tenant_id,
        entity,
        month,
        code,
        entry_id,
    )
    return {Book(row["code"]): (row["minor"], row["nano"]) for row in rows}


async def waiting_sums(tx: Tx, entity: LegalEntityId) -> Mapping[str, tuple[int, int]]:
    """Return all that waits to be earned, by currency: minor units and nano-units."""
    rows = await tx.fetch(
        "SELECT currency, sum(amount_minor)::bigint AS minor, sum(remainder_nano)::bigint AS nano "
        "FROM billing.deferral WHERE tenant_id = $1 AND legal_entity_id = $2 AND entry_id IS NULL GROUP BY currency",
        tx.tenant_id,
        entity,
    )
    return {row["currency"]: (row["minor"], row["nano"]) for row in rows}


_LATER = (
    "billing.bill b LEFT JOIN billing.booking k ON k.tenant_id = b.tenant_id AND k.bill_id = b.bill_id "
    "JOIN billing.line l ON l.tenant_id = b.tenant_id AND l.bill_id = b.bill_id "
    "WHERE b.tenant_id = $1 AND b.legal_entity_id = $2 AND b.kind = 'bill' "
    "AND (b.state = 'draft' OR coalesce(k.booked_on, b.issue_on) >= $3) AND l.kind <> 'credit' AND l.period_start < $4"
)


async def billed_later(tx: Tx, entity: LegalEntityId, after: date, end: datetime) -> tuple[Accrual, ...]:
    """Return, by account and kind, the lines of bills booked from ``after`` on that are earned before ``end``."""
    rows = await tx.fetch(
        f"SELECT b.account_id, l.kind, b.currency, sum(l.net_minor)::bigint AS minor FROM {_LATER} "
        "AND (l.kind = 'one_off' OR l.period_end <= $4) GROUP BY b.account_id, l.kind, b.currency",
        tx.tenant_id,
        entity,
        after,
        end,
    )
    return tuple(
        Accrual(
            AccountId(row["account_id"]),
            book_of_revenue(row["kind"]),
            currency(row["currency"]),
            row["minor"],
        )
        for row in rows
    )


async def billed_across(tx: Tx, entity: LegalEntityId, after: date, end: datetime) -> tuple[Accrual, ...]:
    """Return the same of the lines that are earned partly before ``end``: that part."""
    rows = await tx.fetch(
        f"SELECT b.account_id, l.kind, b.currency, b.zone, l.net_minor, l.period_start, l.period_end FROM {_LATER} "
        "AND l.kind <> 'one_off' AND l.period_end > $4",
        tx.tenant_id,
        entity,
        after,
        end,
    )
    return tuple(
        Accrual(
            AccountId(row["account_id"]),
            book_of_revenue(row["kind"]),
            currency(row["currency"]),
            earned_before(
                LineKind(row["kind"]),
                row["net_minor"],
                Period(row["period_start"], row["period_end"]),
                end,
                row["zone"],
            ),
        )
        for row in rows
    )


async def accrued(
    tx: Tx, entity: LegalEntityId, month: date, revision: int
) -> Mapping[tuple[Book, str], int]:
    """Return the sums of a revision of a month's accrual by book and currency code; empty where there is none."""
    rows = await tx.fetch(
        "SELECT code, currency, sum(amount_minor)::bigint AS minor FROM billing.accrual WHERE tenant_id = $1 "
        "AND legal_entity_id = $2 AND month = $3 AND revision = $4 GROUP BY code, currency",
        tx.tenant_id,
        entity,
        month,
        revision,
    )
    return {(Book(row["code"]), row["currency"]): row["minor"] for row in rows}


async def add_accruals(
    tx: Tx, entity: LegalEntityId, month: date, revision: int, accruals: Sequence[Accrual]
) -> None:
    """Write the detail of an accrual, streamed."""
    await tx.copy_records(
        "billing.accrual",
        columns=(
            "tenant_id",
            "legal_entity_id",
            "month",
            "revision",
            "account_id",
            "code",
            "currency",
            "amount_minor",
        ),
        records=(
            (
                tx.tenant_id,
                entity,
                month,
                revision,
                one.account_id,
                one.book.value,
                one.currency.code,
                one.amount_minor,
            )
            for one in accruals
        ),
    )
