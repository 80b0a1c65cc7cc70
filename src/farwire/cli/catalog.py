"""``farwire catalog``: publish price plans, see what is sold."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from farwire.catalog import service
from farwire.catalog.model import PlanVersion, PricePlan, digest, in_force, read_plan, to_document
from farwire.cli.shell import (
    JsonOption,
    Output,
    Session,
    TenantOption,
    errors_as_exit_codes,
    parse_moment,
    run,
)
from farwire.kernel.errors import Invalid, NotFound
from farwire.kernel.page import PageRequest
from farwire.rating.service import check_compiles, missing_decks

app = typer.Typer(
    name="catalog",
    no_args_is_help=True,
    help="Offerings and their price plans.\n\n"
    "A price plan is a TOML or JSON file: recurring, one-off and usage prices, allowances, discounts. docs/rating.md "
    "teaches it with examples. A published version never changes, and customers keep the version they bought.",
)

FileArgument = Annotated[Path, typer.Argument(help="A price plan, TOML or JSON.")]
MAX_PLAN_OCTETS = 4_000_000


def _read(path: Path) -> PricePlan:
    try:
        if path.stat().st_size > MAX_PLAN_OCTETS:
            message = f"{path.name} is larger than a plan can be"
            raise Invalid(message, code="catalog.plan_too_large", field="file", value=path.name)
        return read_plan(path.read_text(encoding="utf-8-sig"), name=path.name)
    except OSError as error:
        raise NotFound(
            f"{path} cannot be read: {error.strerror}",
            code="catalog.file_missing",
            field="file",
            value=str(path),
        ) from None
    except UnicodeDecodeError:
        raise Invalid(
            f"{path.name} is not UTF-8", code="catalog.plan_syntax", field="file", value=path.name
        ) from None


@app.command("check")
def check(file: FileArgument, as_json: JsonOption = False) -> None:
    """Check a plan file without publishing it. Needs no database; exit code 3 if it is not sound.

    Example: farwire catalog check flex-m.toml
    """
    out = Output(as_json=as_json)
    with errors_as_exit_codes(out):
        plan = _read(file)
        check_compiles(plan)
        out.facts(f"{file.name} is sound.", {**_summary(plan), "digest": digest(plan)})


@app.command("publish")
def publish(file: FileArgument, tenant: TenantOption, as_json: JsonOption = False) -> None:
    """Publish a plan as the next version of its offering. The same file again changes nothing.

    Example: farwire catalog publish flex-m.toml --tenant acme
    """

    async def act(session: Session) -> None:
        plan = _read(file)
        check_compiles(plan)
        tenant_id = await session.tenant(tenant)
        async with session.db.transaction(tenant_id) as tx:
            missing = await missing_decks(tx=tx, plan=plan)
            published = await service.publish_plan(tx=tx, clock=session.clock, plan=plan)
        version = published.version
        session.out.facts(
            f"{plan.offering} version {version.number}",
            {"new": published.new, **_summary(plan), "plan_version_id": version.id, "digest": version.digest},
        )
        if not published.new:
            session.out.note("The same content was published before; nothing changed.")
        for deck in missing:
            session.out.note(
                f"Usage waits in suspense until its deck is there: farwire deck import --name {deck} …"
            )

    run(act, as_json)


@app.command("list")
def list_offerings(
    tenant: TenantOption,
    offset: Annotated[int, typer.Option("--offset", help="Skip so many.")] = 0,
    limit: Annotated[int, typer.Option("--limit", help="At most so many, up to 1000.")] = 50,
    as_json: JsonOption = False,
) -> None:
    """List the offerings with the plan version that is sold now."""

    async def act(session: Session) -> None:
        tenant_id = await session.tenant(tenant)
        page = await service.list_offerings(
            db=session.db, tenant_id=tenant_id, page=PageRequest(offset, limit)
        )
        async with session.db.transaction(tenant_id, read_only=True) as tx:
            versions = await service.versions_by_code(tx, [item.code for item in page.items])
        rows = []
        for item in page.items:
            known = versions.get(item.code, ())
            sold = in_force(known, session.clock.now())
            rows.append(
                {
                    "code": item.code,
                    "name": item.name,
                    "lifecycle": item.lifecycle.value,
                    "versions": len(known),
                    "sold_now": None if sold is None else sold.number,
                    "currency": None if sold is None else sold.plan.currency,
                }
            )
        columns = ["code", "name", "lifecycle", "versions", "sold_now", "currency"]
        empty = "Nothing is published. farwire catalog publish FILE"
        session.out.rows(
            "Offerings", columns, rows, empty=empty, total=page.total, right=["versions", "sold_now"]
        )

    run(act, as_json)


@app.command("show")
def show(
    code: Annotated[str, typer.Argument(help="The code of the offering, e.g. flex-m.")],
    tenant: TenantOption,
    at: Annotated[str, typer.Option("--at", help="Show the version sold at this day or time, not all.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Show the versions of an offering, or with --at the whole plan that is sold then.

    Example: farwire catalog show flex-m --at 2026-07-01 --tenant acme
    """

    async def act(session: Session) -> None:
        tenant_id = await session.tenant(tenant)
        async with session.db.transaction(tenant_id, read_only=True) as tx:
            offering = await service.offering(tx=tx, code=code)
            if at:
                version = await service.version_in_force(tx, code=code, at=parse_moment(at, field="at"))
                session.out.facts(f"{code} version {version.number}", dict(to_document(version.plan)))
                return
            versions = (await service.versions_by_code(tx, [code])).get(code, ())
        rows = [_version_row(version) for version in versions]
        session.out.rows(
            f"{offering.name}: versions", list(rows[0]) if rows else [], rows, empty="No version."
        )

    run(act, as_json)


def _version_row(version: PlanVersion) -> dict[str, object]:
    return {
        "number": version.number,
        "valid_from": version.plan.valid_from,
        "valid_to": version.plan.valid_to,
        "currency": version.plan.currency,
        "published_at": version.published_at,
        "plan_version_id": version.id,
    }


def _summary(plan: PricePlan) -> dict[str, object]:
    return {
        "offering": plan.offering,
        "name": plan.name,
        "currency": plan.currency,
        "zone": plan.zone,
        "prices_include_tax": plan.prices_include_tax,
        "valid_from": plan.valid_from,
        "valid_to": plan.valid_to,
        "recurring": len(plan.recurring),
        "one_off": len(plan.one_off),
        "usage": len(plan.usage),
        "allowances": len(plan.allowances),
        "discounts": len(plan.discounts),
    }
