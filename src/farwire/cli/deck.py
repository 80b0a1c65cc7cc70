"""``farwire deck``: import suppliers' price lists, look a number up."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from farwire.cli.shell import ExitCode, JsonOption, Output, Session, TenantOption, parse_moment, run
from farwire.kernel.errors import Invalid
from farwire.kernel.money import nano_to_decimal
from farwire.kernel.page import PageRequest
from farwire.rating import service
from farwire.rating.model.deck_file import FIELDS, DeckFormat
from farwire.rating.service import DeckReport

app = typer.Typer(
    name="deck",
    no_args_is_help=True,
    help="Decks: price lists by number prefix, in dated versions.\n\n"
    'A plan uses a deck by its name (deck = "wholesale"). A new version changes no charge dated before it starts.',
)


def _columns(pairs: list[str]) -> dict[str, str]:
    columns = {}
    for pair in pairs:
        name, equals, column = pair.partition("=")
        if not equals or not column:
            raise Invalid(
                "a column is FIELD=COLUMN",
                code="rating.deck_columns",
                field="column",
                value=pair,
                fix="prefix=Code",
            )
        columns[name] = column
    return columns


@app.command("import")
def import_deck(
    file: Annotated[Path, typer.Argument(help="A price list: CSV with a header.")],
    tenant: TenantOption,
    name: Annotated[str, typer.Option("--name", help="The deck that this is a version of.")],
    currency: Annotated[str, typer.Option("--currency", help="ISO 4217 code of its prices.")],
    valid_from: Annotated[
        str, typer.Option("--valid-from", help="Day, or time with zone, from which it is in force.")
    ],
    column: Annotated[
        list[str] | None,
        typer.Option("--column", help=f"FIELD=COLUMN of the file, repeated. Fields: {', '.join(FIELDS)}."),
    ] = None,
    zone: Annotated[str, typer.Option("--zone", help="The zone of a --valid-from that is a day.")] = "UTC",
    per: Annotated[
        str, typer.Option("--per", help='What a price is for: "1 min", "60 s", "1 message".')
    ] = "1 min",
    delimiter: Annotated[str, typer.Option("--delimiter", help="Between columns.")] = ",",
    encoding: Annotated[str, typer.Option("--encoding", help="Of the file.")] = "utf-8-sig",
    decimal_comma: Annotated[
        bool, typer.Option("--decimal-comma", help="Prices are written 0,0123.")
    ] = False,
    skip_bad_rows: Annotated[
        bool,
        typer.Option("--skip-bad-rows", help="Leave bad rows out; without it one bad row stops the import."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Import a price list as the next version of a deck: all of it or nothing. The same file again changes nothing.

    Example: farwire deck import rates.csv --name wholesale --currency USD --valid-from 2026-06-01
    --column price=cost_per_minute --column increment=increment_seconds --tenant acme
    """

    async def act(session: Session) -> None:
        deck_format = DeckFormat(
            columns=_columns(column or []),
            delimiter=delimiter,
            encoding=encoding,
            decimal_comma=decimal_comma,
            per=per,
        )
        report = await service.import_deck(
            db=session.db,
            tenant_id=await session.tenant(tenant),
            clock=session.clock,
            path=file,
            name=name,
            currency=currency,
            valid_from=parse_moment(valid_from, field="valid_from", zone_name=zone),
            deck_format=deck_format,
            skip_bad_rows=skip_bad_rows,
        )
        _print(report, session.out)
        if report.deck is None:
            raise typer.Exit(ExitCode.INVALID)

    run(act, as_json)


def _print(report: DeckReport, out: Output) -> None:
    facts: dict[str, object] = {
        "deck": None if report.deck is None else f"{report.deck.name}@{report.deck.version}",
        "new": report.new,
        "rows_read": report.read,
        "imported": report.imported,
        "bad": report.bad,
        "duplicates": report.duplicates,
        "expired": report.expired,
        "blank": report.blank,
    }
    noted = [("bad", problem) for problem in report.problems] + [
        ("duplicate", same) for same in report.repeated
    ]
    rows = [
        {"row": p.row, "what": what, "field": p.field, "value": p.value, "message": p.message, "fix": p.fix}
        for what, p in noted
    ]
    if out.as_json:
        out.facts("", {**facts, "rows": rows})
        return
    out.facts("Deck import", facts)
    if rows:
        out.rows("Rows to look at", list(rows[0]), rows[:50], empty="", total=len(rows))
    if report.deck is None:
        out.note("Nothing was imported. Mend the rows, or leave them out with --skip-bad-rows.")
    elif not report.new:
        out.note("The same rows were there already; nothing changed.")


@app.command("list")
def list_decks(
    tenant: TenantOption,
    offset: Annotated[int, typer.Option("--offset", help="Skip so many.")] = 0,
    limit: Annotated[int, typer.Option("--limit", help="At most so many, up to 1000.")] = 50,
    as_json: JsonOption = False,
) -> None:
    """List the decks and their versions."""

    async def act(session: Session) -> None:
        tenant_id = await session.tenant(tenant)
        page = await service.list_decks(db=session.db, tenant_id=tenant_id, page=PageRequest(offset, limit))
        rows = [
            {
                "name": deck.name,
                "version": deck.version,
                "currency": deck.currency,
                "valid_from": deck.valid_from,
                "rows": deck.row_count,
                "imported_at": deck.imported_at,
            }
            for deck in page.items
        ]
        columns = ["name", "version", "currency", "valid_from", "rows", "imported_at"]
        empty = "There is no deck. farwire deck import FILE"
        session.out.rows("Decks", columns, rows, empty=empty, total=page.total, right=["version", "rows"])

    run(act, as_json)


@app.command("lookup")
def lookup(
    name: Annotated[str, typer.Argument(help="The deck.")],
    number: Annotated[str, typer.Argument(help="A number, E.164.")],
    tenant: TenantOption,
    at: Annotated[str, typer.Option("--at", help="Day or time with zone; now where absent.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Show which rows of a deck a number meets. The first is the one that rates.

    Example: farwire deck lookup wholesale 4930123456 --tenant acme
    """

    async def act(session: Session) -> None:
        deck, found = await service.rows_for_number(
            db=session.db,
            tenant_id=await session.tenant(tenant),
            name=name,
            number=number,
            at=parse_moment(at, field="at") if at else session.clock.now(),
        )
        rows = [
            {
                "prefix": row.prefix,
                "name": row.label,
                "price": f"{nano_to_decimal(row.price_nano).normalize():f}",
                "per_units": row.per,
                "increments": f"{row.first}/{row.step}",
                "connect_fee": f"{nano_to_decimal(row.connect_nano).normalize():f}",
            }
            for row in found
        ]
        columns = ["prefix", "name", "price", "per_units", "increments", "connect_fee"]
        empty = f"{deck.name}@{deck.version} knows no prefix of {number}."
        session.out.rows(f"{deck.name}@{deck.version} ({deck.currency})", columns, rows, empty=empty)

    run(act, as_json)


@app.command("ported")
def import_ported(
    file: Annotated[Path, typer.Argument(help="CSV: number,valid_from,operator,rates_as.")],
    tenant: TenantOption,
    as_json: JsonOption = False,
) -> None:
    """Load ported numbers: from then on, calls to a number cost what calls to the prefix rates_as cost.

    An empty rates_as says that the number went back to its own range. The same number and time replaces the row.
    """

    async def act(session: Session) -> None:
        count = await service.import_ported_numbers(
            db=session.db, tenant_id=await session.tenant(tenant), clock=session.clock, path=file
        )
        session.out.facts("Ported numbers", {"rows": count})

    run(act, as_json)
