"""``farwire usage`` and ``farwire rate``: files in, suspense, totals, and the rate run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from farwire.cli.shell import ExitCode, JsonOption, Output, Session, TenantOption, errors_as_exit_codes, run
from farwire.kernel.ids import ImportId, TenantId, parse_id
from farwire.kernel.money import nano_to_decimal
from farwire.kernel.page import PageRequest
from farwire.kernel.tenancy import Actor, ActorKind
from farwire.usage import service
from farwire.usage.model import SuspendedRow, SuspendedUsage, Totals

OPERATOR = Actor(ActorKind.OPERATOR, "command-line")

app = typer.Typer(
    name="usage",
    no_args_is_help=True,
    help="Usage records: import files, look at suspense, try it again, prove the totals.\n\n"
    "A file is read by an import profile, a small TOML file; docs/usage.md teaches how to write one. Rows that "
    "cannot be understood and usages that cannot be rated are never lost: they wait in suspense under a reason.",
)

ImportOption = Annotated[str, typer.Option("--import", help="Only this import, by its id.")]
ReasonOption = Annotated[str, typer.Option("--reason", help="Only this reason, e.g. destination_unknown.")]


def _import_id(text: str) -> ImportId | None:
    return ImportId(parse_id(text, field="import")) if text else None


def _show_totals(out: Output, title: str, totals: Totals, **more: object) -> None:
    out.facts(title, {**more, **msgspec.to_builtins(totals)})


@app.command("import")
def import_file(
    files: Annotated[list[Path], typer.Argument(help="Files, plain or gzip.")],
    tenant: TenantOption,
    profile: Annotated[
        str,
        typer.Option("--profile", "-p", help="A built-in profile by name, or your own by its path (.toml)."),
    ],
    again: Annotated[
        bool,
        typer.Option("--again", help="Read a file anew that was imported before; known rows are duplicates."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Import files of usage records. A stopped import goes on where it stopped; a finished one is not repeated.

    Example: farwire usage import calls.csv --profile generic-csv --tenant acme
    """

    async def act(session: Session) -> None:
        tenant_id = await session.tenant(tenant)
        chosen = service.load_profile(profile)
        damaged = False
        reports = []
        for path in files:
            with session.out.progress(f"Importing {path.name}") as progress:
                report = await service.import_usage(
                    db=session.db,
                    tenant_id=tenant_id,
                    clock=session.clock,
                    path=path,
                    profile=chosen,
                    again=again,
                    progress=progress,
                )
            damaged = damaged or bool(report.damage)
            reports.append(report)
        _show_reports(session.out, reports)
        if damaged:
            raise typer.Exit(ExitCode.DIFFERENCE)

    run(act, as_json)


def _show_reports(out: Output, reports: list[service.ImportReport]) -> None:
    if out.as_json:
        rows = [msgspec.to_builtins(report) for report in reports]
        out.rows("Imports", (), rows, empty="")
        return
    for report in reports:
        title = f"{report.file_name} by {report.profile}"
        if report.repeated:
            title += ", imported before: nothing done (--again reads it anew)"
        _show_totals(out, title, report.totals, **{"import": report.import_id})
        if report.damage:
            out.note(
                f"The file is damaged: {report.damage}. Fetch it again and import it; what is known is not repeated."
            )
        if report.totals.rows_suspended:
            out.note("Rows are in suspense: farwire usage suspense")


@app.command()
def suspense(
    tenant: TenantOption,
    reason: ReasonOption = "",
    import_id: ImportOption = "",
    usages: Annotated[
        bool, typer.Option("--usages", help="Usages that could not be rated, instead of rows.")
    ] = False,
    raw: Annotated[
        bool,
        typer.Option("--raw", help="Show what the file held, with --usages whose they are: personal data."),
    ] = False,
    offset: Annotated[int, typer.Option(min=0, help="Skip this many.")] = 0,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most this many.")] = 50,
    as_json: JsonOption = False,
) -> None:
    """List what is in suspense: rows that nobody understands yet, or with --usages what could not be rated.

    Example: farwire usage suspense --usages --reason destination_unknown --tenant acme
    """

    async def act(session: Session) -> None:
        tenant_id = await session.tenant(tenant)
        page = PageRequest(offset, limit)
        its_import = _import_id(import_id)
        if usages:
            await _show_usages(session, tenant_id, page, reason or None, its_import, raw=raw)
            return
        found = await service.suspended_rows(
            db=session.db, tenant_id=tenant_id, page=page, reason=reason or None, import_id=its_import
        )
        shown = [_row_row(item, raw=raw) for item in found.items]
        names = ("reason", "field", "value", "row", "attempts", "import", *(("raw",) if raw else ()))
        session.out.rows("Rows in suspense", names, shown, empty="No row is in suspense.", total=found.total)

    run(act, as_json)


async def _show_usages(
    session: Session,
    tenant_id: TenantId,
    page: PageRequest,
    reason: str | None,
    import_id: ImportId | None,
    *,
    raw: bool,
) -> None:
    waiting = await service.suspended_usages(
        db=session.db, tenant_id=tenant_id, page=page, reason=reason, import_id=import_id
    )
    rows = [_usage_row(item) for item in waiting.items]
    columns = ["reason", "detail", "destination", "started_at", "quantity", "attempts", "usage_id"]
    if raw:
        names = await service.identifiers_of_usages(
            db=session.db, tenant_id=tenant_id, usage_ids=[item.usage_id for item in waiting.items]
        )
        rows = [{"subscriber": names.get(item.usage_id)} | _usage_row(item) for item in waiting.items]
        columns.insert(0, "subscriber")
    session.out.rows(
        "Usages in suspense", columns, rows, empty="No usage is in suspense.", total=waiting.total
    )


def _usage_row(item: SuspendedUsage) -> dict[str, object]:
    return {name: getattr(item, name) for name in SuspendedUsage.__struct_fields__}


def _row_row(item: SuspendedRow, *, raw: bool) -> dict[str, object]:
    row: dict[str, object] = {
        "reason": item.reason,
        "field": item.field,
        "value": item.value,
        "row": item.row_number,
        "attempts": item.attempts,
        "import": item.import_id,
        "suspended_at": item.suspended_at,
    }
    return {**row, "raw": item.raw.decode("utf-8", "backslashreplace")} if raw else row


@app.command()
def recycle(
    tenant: TenantOption,
    profile: Annotated[
        str, typer.Option("--profile", "-p", help="A mended profile; else each row's own built-in one.")
    ] = "",
    reason: ReasonOption = "",
    import_id: ImportOption = "",
    rate_after: Annotated[bool, typer.Option("--rate/--no-rate", help="Rate at once what came out.")] = True,
    as_json: JsonOption = False,
) -> None:
    """Try again what is in suspense, after a profile was mended, a deck was loaded or a subscriber was added.

    Example: farwire usage recycle --reason destination_unknown --tenant acme
    """

    async def act(session: Session) -> None:
        tenant_id = await session.tenant(tenant)
        before = await service.totals(db=session.db, tenant_id=tenant_id)
        report = await service.recycle(
            db=session.db,
            tenant_id=tenant_id,
            clock=session.clock,
            profile=service.load_profile(profile) if profile else None,
            reason=reason or None,
            import_id=_import_id(import_id),
            actor=OPERATOR,
        )
        rated = 0
        if rate_after:
            rated = (await service.rate_usage(db=session.db, tenant_id=tenant_id, clock=session.clock)).rated
        after = await service.totals(db=session.db, tenant_id=tenant_id)
        facts = {
            "rows_suspended_before": before.rows_suspended,
            "rows_suspended_after": after.rows_suspended,
            "usages_suspended_before": before.usages_suspended,
            "usages_suspended_after": after.usages_suspended,
            **msgspec.to_builtins(report),
            "rated": rated,
        }
        session.out.facts("Recycled", facts)

    run(act, as_json)


@app.command()
def totals(
    tenant: TenantOption,
    import_id: ImportOption = "",
    verify: Annotated[
        bool, typer.Option("--verify", help="Count all rows and usages anew; exit 1 where a total differs.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Show the control totals: rows in = assembled + filtered + duplicate + suspended, and the same for usages."""

    async def act(session: Session) -> None:
        tenant_id = await session.tenant(tenant)
        its_import = _import_id(import_id)
        if not verify:
            found = await service.totals(db=session.db, tenant_id=tenant_id, import_id=its_import)
            _show_totals(session.out, "Control totals", found)
            return
        proof = await service.verify_totals(db=session.db, tenant_id=tenant_id, import_id=its_import)
        if session.out.as_json:
            session.out.facts("", msgspec.to_builtins(proof))
        else:
            kept, counted = msgspec.to_builtins(proof.kept), msgspec.to_builtins(proof.counted)
            rows = [{"total": name, "kept": kept[name], "counted": counted[name]} for name in kept]
            session.out.rows("Control totals", ("total", "kept", "counted"), rows, empty="")
            session.out.text("The totals are proven." if proof.ok else "The totals DIFFER.")
        if not proof.ok:
            raise typer.Exit(ExitCode.DIFFERENCE)

    run(act, as_json)


@app.command()
def profiles(
    show: Annotated[
        str, typer.Option("--show", help="Print this built-in profile, to start your own from.")
    ] = "",
    check: Annotated[
        Path | None, typer.Option("--check", help="Say whether your own profile is sound.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """List the built-in import profiles, print one, or check one of your own. Needs no database."""
    out = Output(as_json=as_json)
    with errors_as_exit_codes(out):
        if show:
            out.text(service.profile_text(show).rstrip())
            return
        found = (service.load_profile(str(check)),) if check is not None else service.built_in_profiles()
        rows: list[dict[str, object]] = [
            {
                "name": profile.name,
                "version": profile.version,
                "format": profile.format.value,
                "kind": profile.kind.value,
                "description": profile.description,
            }
            for profile in found
        ]
        out.rows("Import profiles", ("name", "version", "format", "kind", "description"), rows, empty="")


def rate(tenant: TenantOption, as_json: JsonOption = False) -> None:
    """Rate all usage that waits: find its product, price it, move allowances. A stopped run goes on where it stopped.

    What cannot be rated goes to suspense: farwire usage suspense --usages. Example: farwire rate --tenant acme
    """

    async def act(session: Session) -> None:
        tenant_id = await session.tenant(tenant)
        waiting = await service.queued_usages(db=session.db, tenant_id=tenant_id)
        with session.out.progress("Rating", waiting) as progress:
            report = await service.rate_usage(
                db=session.db, tenant_id=tenant_id, clock=session.clock, progress=progress
            )
        charged = {code: str(nano_to_decimal(nano)) for code, nano in report.charged_nano.items()}
        facts = {
            "rated": report.rated,
            "unrated": report.unrated,
            "suspended": report.suspended,
            "charged": charged,
        }
        session.out.facts("Rated", facts)
        if report.suspended:
            session.out.note("Usages are in suspense: farwire usage suspense --usages")

    run(act, as_json)
