"""``farwire country``: which countries Farwire knows, what it knows of one, and whether a pack of your own is sound."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from farwire.cli.shell import ExitCode, JsonOption, Output, errors_as_exit_codes
from farwire.country import service
from farwire.country.model import CountryPack, TaxRate
from farwire.kernel.errors import Invalid

app = typer.Typer(
    name="country",
    no_args_is_help=True,
    help="Countries: currency, taxes, numbers, addresses, rules.\n\n"
    "A country is a TOML file. Put your own into the folder country-packs of the data folder: a new code adds a "
    "country, a known one replaces the shipped pack. No code is needed. docs/country-packs.md explains the fields.",
)

FolderOption = Annotated[
    Path | None,
    typer.Option(
        "--folder", help="Your own packs, instead of country-packs in the data folder.", file_okay=False
    ),
]


def _folders(folder: Path | None) -> tuple[Path, ...] | None:
    return None if folder is None else (folder,)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise Invalid(
            "not a day", code="country.day", field="on", value=text, fix="write YYYY-MM-DD"
        ) from None


@app.command("list")
def list_packs(folder: FolderOption = None, as_json: JsonOption = False) -> None:
    """List the countries that Farwire knows, your own included."""
    out = Output(as_json=as_json)
    with errors_as_exit_codes(out):
        folders = _folders(folder)
        packs = [service.load_pack(code, folders=folders) for code in service.pack_codes(folders=folders)]
        rows = [
            {
                "code": pack.code,
                "country": pack.name,
                "currency": pack.money.currency,
                "tax": pack.tax.system,
                "zone": pack.locale.default_time_zone,
                "numbers": f"+{pack.numbers.country_code}",
                "emergency": " ".join(entry.number for entry in pack.emergency.numbers),
            }
            for pack in packs
        ]
        out.rows("Countries", list(rows[0]) if rows else [], rows, empty="There is no pack.")
        out.note("Each fact has its source and day: farwire country show CODE")


@app.command("show")
def show(
    code: Annotated[str, typer.Argument(help="ISO 3166-1 code, e.g. DE.")],
    on: Annotated[
        str, typer.Option("--on", help="Show the taxes of this day (YYYY-MM-DD) instead of all.")
    ] = "",
    folder: FolderOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show everything that Farwire knows of a country: facts, sources, days, and what is unknown.

    Example: farwire country show DE --on 2020-09-01
    """
    out = Output(as_json=as_json)
    with errors_as_exit_codes(out):
        pack = service.load_pack(code, folders=_folders(folder))
        rates = pack.tax.rates
        if on:
            day = _day(on)
            rates = tuple(rate for rate in rates if rate.in_force(day))
        if as_json:
            kept = msgspec.structs.replace(pack, tax=msgspec.structs.replace(pack.tax, rates=rates))
            out.facts(pack.name, msgspec.to_builtins(kept))
            return
        _print(pack, rates, out)


def _print(pack: CountryPack, rates: tuple[TaxRate, ...], out: Output) -> None:
    for group in (
        "money",
        "locale",
        "numbers",
        "emergency",
        "address",
        "invoice",
        "kyc",
        "outage",
        "holidays",
    ):
        facts: Mapping[str, object] = msgspec.to_builtins(getattr(pack, group))
        out.facts(f"\n{pack.code} {group}", {k: v for k, v in facts.items() if v not in ("", None, [])})
    rows = [
        {
            "tax": rate.label,
            "percent": _percent(rate),
            "on": " ".join(rate.categories),
            "from": rate.valid_from,
            "before": rate.valid_to,
            "where": _where(rate),
        }
        for rate in rates
    ]
    empty = f"No tax rates: {pack.tax.source}."
    out.rows(f"\n{pack.code} tax ({pack.tax.system})", list(rows[0]) if rows else [], rows, empty=empty)
    for source in dict.fromkeys(rate.source for rate in rates):
        out.text(f"Source: {source}")
    if pack.tax.note:
        out.text(pack.tax.note)
    for notice in pack.unknown:
        out.text(f"Unknown ({notice.topic}): {notice.text}")


def _percent(rate: TaxRate) -> str:
    if rate.base_denominator == 1:
        return f"{rate.rate_percent}"
    return f"{rate.rate_percent} of {rate.base_numerator}/{rate.base_denominator}"


def _where(rate: TaxRate) -> str:
    parts = [] if rate.applies == "always" else [rate.applies.value.replace("_", " ")]
    if rate.regions:
        parts.append(" ".join(rate.regions))
    if rate.except_regions:
        parts.append("not " + " ".join(rate.except_regions))
    return ", ".join(parts) or "everywhere"


@app.command("check")
def check(
    file: Annotated[Path, typer.Argument(help="A pack, e.g. zz.toml.")],
    as_json: JsonOption = False,
) -> None:
    """Check a pack file before you use it. Every problem names the field, its value and the way to mend it.

    Exit code 0 if the pack is sound, 3 if it is not.
    """
    out = Output(as_json=as_json)
    problems = service.pack_file_problems(file)
    rows = [
        {
            "field": p.field,
            "value": None if p.value is None else str(p.value),
            "problem": p.message,
            "fix": p.fix,
        }
        for p in problems
    ]
    if as_json or rows:
        out.rows(
            f"{file.name}: problems found: {len(rows)}", ["field", "value", "problem", "fix"], rows, empty=""
        )
    if rows:
        raise typer.Exit(ExitCode.INVALID)
    out.note(f"{file.name} is sound.")
