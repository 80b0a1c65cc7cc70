"""``farwire ledger export``: the general ledger as a file, streamed, with control totals."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated, TextIO

import typer

from farwire.base.storage import Isolation, Tx
from farwire.cli.ledger_options import CompanyOption, company_of
from farwire.cli.shell import JsonOption, Session, TenantOption, as_plain, run
from farwire.kernel.ids import LegalEntityId
from farwire.kernel.money import Money
from farwire.ledger import service
from farwire.ledger.model import CHART, ControlTotal, JournalRow, LedgerRow, OwnBook, month_named, next_month
from farwire.tenant.model import LegalEntity

EXPORT_TIMEOUT_S = 3600.0


class Form(StrEnum):
    """The forms of an export."""

    CSV = "csv"
    JSONL = "jsonl"


def chart_rows(entities: Sequence[LegalEntity], own: Sequence[OwnBook]) -> list[dict[str, object]]:
    """Return every book of every company with the code and name that exports show."""
    named = {(one.legal_entity_id, one.book): one for one in own}
    rows: list[dict[str, object]] = []
    for entity in entities:
        for book, (name, kind) in CHART.items():
            mine = named.get((entity.id, book))
            rows.append(
                {
                    "company": entity.number_prefix,
                    "book": book,
                    "code": mine.code if mine else book,
                    "name": mine.name if mine else name,
                    "kind": kind,
                }
            )
    return rows


def _posting(row: LedgerRow) -> dict[str, object]:
    amount = Money(abs(row.amount_minor), row.currency).to_decimal()
    return {
        "booked_on": row.booked_on,
        "occurred_on": row.occurred_on,
        "entry": row.entry_id,
        "number": row.number,
        "source": row.source,
        "key": row.key,
        "code": row.code,
        "name": row.name,
        "account": row.account_id,
        "currency": row.currency.code,
        "debit": amount if row.amount_minor > 0 else "",
        "credit": amount if row.amount_minor < 0 else "",
        "remainder_nano": row.remainder_nano,
    }


def _journal(row: JournalRow) -> dict[str, object]:
    return {
        "month": f"{row.month:%Y-%m}",
        "source": row.source,
        "code": row.code,
        "name": row.name,
        "currency": row.currency.code,
        "postings": row.postings,
        "debit": Money(row.debit_minor, row.currency).to_decimal(),
        "credit": Money(row.credit_minor, row.currency).to_decimal(),
        "remainder_nano": row.remainder_nano,
    }


def _total(total: ControlTotal) -> dict[str, object]:
    return {
        "currency": total.currency.code,
        "postings": total.postings,
        "debit": Money(total.debit_minor, total.currency),
        "credit": Money(total.credit_minor, total.currency),
        "remainder_nano": total.remainder_nano,
    }


Write = Callable[[dict[str, object]], None]


@contextmanager
def _target(out: Path | None) -> Iterator[TextIO]:
    if out is None:
        yield sys.stdout
        return
    with out.open("w", encoding="utf-8", newline="") as file:
        yield file


def _writer(file: TextIO, form: Form) -> Write:
    if form is Form.JSONL:
        return lambda row: print(json.dumps(as_plain(row), ensure_ascii=False), file=file)
    table = csv.writer(file, lineterminator="\n")
    headed = False

    def write(row: dict[str, object]) -> None:
        nonlocal headed
        plain = as_plain(row)
        if not isinstance(plain, dict):
            return
        if not headed:
            table.writerow(plain)
            headed = True
        table.writerow("" if value is None else value for value in plain.values())

    return write


def export(
    tenant: TenantOption,
    month: Annotated[str, typer.Option("--month", help="The month, e.g. 2026-06.")],
    company: CompanyOption = "",
    out: Annotated[
        Path | None, typer.Option("--out", help="The file; standard output by default.", dir_okay=False)
    ] = None,
    form: Annotated[Form, typer.Option("--form", help="CSV, or one JSON object a line.")] = Form.CSV,
    summary: Annotated[
        bool, typer.Option("--summary", help="Sums by source and book instead of every posting.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Write the general ledger of a month: one row per posting, in the order of day, entry and number.

    The order and the rows of a closed month never change. Control totals are shown beside the file: compare them with
    what the other system says after its import.
    """

    async def act(session: Session) -> None:
        operator, entity = await company_of(session, tenant, company)
        async with session.db.transaction(
            operator.id,
            isolation=Isolation.REPEATABLE_READ,
            read_only=True,
            statement_timeout_s=EXPORT_TIMEOUT_S,
        ) as tx:
            with _target(out) as file:
                count = await _write(tx, entity.id, month, _writer(file, form), summary=summary)
            first = month_named(month)
            totals = await service.control_totals(
                tx=tx, legal_entity_id=entity.id, first=first, after_last=next_month(first)
            )
        if out is not None:
            facts = {"file": out, "rows": count, "totals": [_total(one) for one in totals]}
            session.out.facts("Exported", facts)

    run(act, as_json)


async def _write(tx: Tx, entity: LegalEntityId, month: str, write: Write, *, summary: bool) -> int:
    first = month_named(month)
    after_last = next_month(first)
    count = 0
    if summary:
        for line in await service.journal(tx=tx, legal_entity_id=entity, first=first, after_last=after_last):
            write(_journal(line))
            count += 1
        return count
    async for row in service.general_ledger(
        tx=tx, legal_entity_id=entity, first=first, after_last=after_last
    ):
        write(_posting(row))
        count += 1
    return count
