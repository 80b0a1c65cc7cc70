"""``farwire catalog``: publish what is sold and what it costs, see it, launch and retire it, preview a new price."""

from __future__ import annotations

from decimal import Decimal
from importlib import resources
from pathlib import Path
from typing import Annotated

import typer

from farwire.catalog import service
from farwire.catalog.model import Catalogue, Kind, Lifecycle, PricePlan, digest, read_document
from farwire.cli.catalog_view import CodeArgument, KindOption, in_currency, list_offerings, show
from farwire.cli.shell import (
    ActorOption,
    JsonOption,
    LimitOption,
    OffsetOption,
    Output,
    Session,
    TenantOption,
    actor_named,
    errors_as_exit_codes,
    parse_moment,
    run,
)
from farwire.kernel.errors import Invalid, NotFound
from farwire.kernel.money import nano_to_decimal
from farwire.kernel.page import PageRequest
from farwire.kernel.time import Period
from farwire.process.price_impact import Amounts, Impact, last_month, price_impact
from farwire.process.publishing import publish_document
from farwire.rating.service import check_compiles

app = typer.Typer(
    name="catalog",
    no_args_is_help=True,
    help="What is sold, what it is made of, and what it costs.\n\n"
    "A catalogue file holds specifications and offerings: docs/catalog.md, and `farwire catalog example` prints one to "
    "start from. A price plan holds the prices of one offering: docs/rating.md. Both are TOML or JSON. A published "
    "version never changes, and customers keep the version they bought.",
)

FileArgument = Annotated[Path, typer.Argument(help="A catalogue file or a price plan, TOML or JSON.")]
MAX_FILE_OCTETS = 4_000_000


def read_file(path: Path) -> PricePlan | Catalogue:
    """Return the checked document that a file holds."""
    try:
        if path.stat().st_size > MAX_FILE_OCTETS:
            message = f"{path.name} is larger than a plan can be"
            raise Invalid(message, code="catalog.plan_too_large", field="file", value=path.name)
        return read_document(path.read_text(encoding="utf-8-sig"), name=path.name)
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


@app.command("example")
def example(as_json: JsonOption = False) -> None:
    """Print a commented catalogue file to start from.

    Example: farwire catalog example > shop.toml
    """
    text = (resources.files("farwire.catalog") / "example.toml").read_text(encoding="utf-8")
    Output(as_json=as_json).text(text.rstrip("\n"))


@app.command("check")
def check(file: FileArgument, as_json: JsonOption = False) -> None:
    """Check a file without publishing it. Needs no database; exit code 3 if it is not sound.

    Whether what a catalogue file refers to is there, is checked when it is published.

    Example: farwire catalog check flex-m.toml
    """
    out = Output(as_json=as_json)
    with errors_as_exit_codes(out):
        document = read_file(file)
        if isinstance(document, PricePlan):
            check_compiles(document)
        out.facts(f"{file.name} is sound.", {**_summary(document), "digest": digest(document)})


@app.command("publish")
def publish(
    file: FileArgument, tenant: TenantOption, actor: ActorOption = "", as_json: JsonOption = False
) -> None:
    """Publish a catalogue file, all of it or nothing, or a price plan as the next version of its offering.

    The same file again changes nothing. No restart is needed, and nobody's product changes.

    Examples: farwire catalog publish shop.toml --tenant acme

      farwire catalog publish flex-m.toml --tenant acme
    """

    async def act(session: Session) -> None:
        document = read_file(file)
        tenant_id = await session.tenant(tenant)
        async with session.db.transaction(tenant_id) as tx:
            done = await publish_document(
                tx=tx, clock=session.clock, document=document, name=file.name, actor=actor_named(actor)
            )
        if isinstance(document, PricePlan):
            (version,) = done.versions
            session.out.facts(
                f"{document.offering} version {version.number}",
                {
                    "new": done.new,
                    **_summary(document),
                    "plan_version_id": done.plan_version_id,
                    "digest": version.digest,
                },
            )
        else:
            rows = [
                {"kind": v.kind, "code": v.code, "version": v.number, "new": v.new} for v in done.versions
            ]
            columns = ["kind", "code", "version", "new"]
            session.out.rows(file.name, columns, rows, empty="", right=["version"])
        if not done.new:
            session.out.note("The same content was published before; nothing changed.")
        for deck in done.missing_decks:
            session.out.note(
                f"Usage waits in suspense until its deck is there: farwire deck import --name {deck} …"
            )

    run(act, as_json)


app.command("list")(list_offerings)
app.command("show")(show)


def _move(code: str, tenant: str, to: Lifecycle, kind: Kind, actor: str, *, as_json: bool) -> None:
    async def act(session: Session) -> None:
        async with session.db.transaction(await session.tenant(tenant)) as tx:
            entry = await service.change_lifecycle(
                tx=tx, clock=session.clock, code=code, to=to, kind=kind, actor=actor_named(actor)
            )
        facts = {"code": entry.code, "name": entry.name, "lifecycle": entry.lifecycle.value}
        session.out.facts(f"{code} is {entry.lifecycle.value}.", facts)

    run(act, as_json)


@app.command("launch")
def launch(
    code: CodeArgument,
    tenant: TenantOption,
    kind: KindOption = Kind.OFFERING,
    actor: ActorOption = "",
    as_json: JsonOption = False,
) -> None:
    """Put an offering on the market: it is active or retired before.

    Example: farwire catalog launch flex-m --tenant acme
    """
    _move(code, tenant, Lifecycle.LAUNCHED, kind, actor, as_json=as_json)


@app.command("retire")
def retire(
    code: CodeArgument,
    tenant: TenantOption,
    kind: KindOption = Kind.OFFERING,
    actor: ActorOption = "",
    as_json: JsonOption = False,
) -> None:
    """Stop the sales of an offering. Customers who have it keep it, and pay as before.

    Example: farwire catalog retire flex-m --tenant acme
    """
    _move(code, tenant, Lifecycle.RETIRED, kind, actor, as_json=as_json)


@app.command("move")
def move(
    code: CodeArgument,
    to: Annotated[Lifecycle, typer.Argument(help="The state that it comes into.")],
    tenant: TenantOption,
    kind: KindOption = Kind.OFFERING,
    actor: ActorOption = "",
    as_json: JsonOption = False,
) -> None:
    """Move an offering or a specification to any other state of its life: from study over design and test to active.

    Example: farwire catalog move flex-l in_test --tenant acme
    """
    _move(code, tenant, to, kind, actor, as_json=as_json)


@app.command("impact")
def impact(
    file: Annotated[Path, typer.Argument(help="The draft: a price plan of an offering that is sold.")],
    tenant: TenantOption,
    since: Annotated[str, typer.Option("--from", help="First day. Default: the last whole month.")] = "",
    until: Annotated[str, typer.Option("--until", help="The day after the last one.")] = "",
    offset: OffsetOption = 0,
    limit: LimitOption = 50,
    as_json: JsonOption = False,
) -> None:
    """Show who would pay how much more or less under a draft, before it is published. Nothing is saved.

    Every account that has the offering now: its recurring prices for the days of the period and its usage of the
    period, as they are and under the draft. One-off prices are left out: who has the product does not pay them again.

    Example: farwire catalog impact flex-m-2.toml --from 2026-06-01 --until 2026-07-01 --tenant acme
    """

    async def act(session: Session) -> None:
        plan = read_file(file)
        if not isinstance(plan, PricePlan):
            raise Invalid(f"{file.name} is no price plan", code="process.impact_plan", field="file")
        now = session.clock.now()
        period = last_month(plan, now)
        if since or until:
            start = parse_moment(since, field="from", zone_name=plan.zone) if since else period.start
            end = parse_moment(until, field="until", zone_name=plan.zone) if until else period.end
            period = Period(start, end)
        found = await price_impact(
            db=session.db,
            tenant_id=await session.tenant(tenant),
            plan=plan,
            period=period,
            at=now,
            page=PageRequest(offset, limit),
        )
        _show_impact(session.out, found)

    run(act, as_json)


def _show_impact(out: Output, found: Impact) -> None:
    totals = found.totals
    rows = [
        {
            "account": one.account_number,
            "plan": ", ".join(str(number) for number in one.plan_numbers),
            **_amounts(one.amounts, found),
            "unrated": sum(one.unrated.values()),
        }
        for one in found.accounts
    ]
    facts: dict[str, object] = {
        "offering": found.offering,
        "from": found.period.start,
        "until": found.period.end,
        "accounts": totals.accounts,
        "products": totals.products,
        "dearer": totals.dearer,
        "cheaper": totals.cheaper,
        "unchanged": totals.unchanged,
        "usages": totals.records,
        "unrated": dict(totals.unrated),
        "currency": found.currency,
        **_amounts(totals.amounts, found),
    }
    if out.as_json:
        out.document({**facts, "items": rows, "total": totals.accounts})
        return
    out.facts("Under the draft (exact, not rounded to the cent)", facts)
    if not totals.accounts:
        out.note("Nobody has the offering now.")
        return
    columns = list(rows[0]) if rows else []
    out.rows("", columns, rows, empty="No account on this page.", total=totals.accounts, right=columns[2:])


def _amounts(amounts: Amounts, found: Impact) -> dict[str, Decimal]:
    return {
        "recurring_now": in_currency(nano_to_decimal(amounts.recurring_now), found.currency),
        "recurring_then": in_currency(nano_to_decimal(amounts.recurring_then), found.currency),
        "usage_now": in_currency(nano_to_decimal(amounts.usage_now), found.currency),
        "usage_then": in_currency(nano_to_decimal(amounts.usage_then), found.currency),
        "difference": in_currency(nano_to_decimal(amounts.difference), found.currency),
    }


def _summary(document: PricePlan | Catalogue) -> dict[str, object]:
    if isinstance(document, Catalogue):
        return {
            "resource_specifications": len(document.resource_specifications),
            "service_specifications": len(document.service_specifications),
            "product_specifications": len(document.product_specifications),
            "offerings": len(document.offerings),
        }
    plan = document
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
