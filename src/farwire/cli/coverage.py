"""``farwire coverage``: what there is at which places, which the rules of the catalogue ask for."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from farwire.cli.shell import (
    ActorOption,
    JsonOption,
    LimitOption,
    OffsetOption,
    Session,
    TenantOption,
    actor_named,
    run,
)
from farwire.kernel.page import PageRequest
from farwire.qualification import service

app = typer.Typer(
    name="coverage",
    no_args_is_help=True,
    help="What there is at a place: facts that rules of the catalogue ask for (place.fibre, place.olt).\n\n"
    "  farwire coverage import coverage.csv --tenant acme\n\n"
    "  farwire coverage show '20457 Hamburg, Hafen 1' --tenant acme\n\n"
    "docs/catalog.md, Rules, tells how they are used.",
)
PlaceArgument = Annotated[str, typer.Argument(help="The place, as orders name it.")]


@app.command("import")
def import_file(
    file: Annotated[
        Path,
        typer.Argument(help="CSV with the column place and one for each fact.", exists=True, dir_okay=False),
    ],
    tenant: TenantOption,
    actor: ActorOption = "",
    as_json: JsonOption = False,
) -> None:
    """Let places have these facts, all of each; a place without any is forgotten. All of the file or nothing.

    A place that ends in * stands for all that begin so; the narrower one wins.

    Example: farwire coverage import coverage.csv --tenant acme
    """

    async def act(session: Session) -> None:
        with file.open(encoding="utf-8", newline="") as lines:
            async with session.db.transaction(await session.tenant(tenant)) as tx:
                seen, changed = await service.import_coverage(
                    tx, lines=lines, now=session.clock.now(), actor=actor_named(actor)
                )
        session.out.facts(f"Coverage of {tenant}", {"places": seen, "changed": changed})

    run(act, as_json)


@app.command("show")
def show(place: PlaceArgument, tenant: TenantOption, as_json: JsonOption = False) -> None:
    """Show what is known of a place, from all rows that it lies in.

    Example: farwire coverage show '20457 Hamburg, Hafen 1' --tenant acme
    """

    async def act(session: Session) -> None:
        async with session.db.transaction(await session.tenant(tenant), read_only=True) as tx:
            found = (await service.facts_at(tx, [place])).get(place, {})
        session.out.facts(place, dict(found) or {"known": "nothing: farwire coverage import"})

    run(act, as_json)


@app.command("list")
def list_places(
    tenant: TenantOption,
    begins: Annotated[str, typer.Option("--begins", help="Only places whose names begin so.")] = "",
    offset: OffsetOption = 0,
    limit: LimitOption = 50,
    as_json: JsonOption = False,
) -> None:
    """List the rows, by place.

    Example: farwire coverage list --begins '20457' --tenant acme
    """

    async def act(session: Session) -> None:
        async with session.db.transaction(await session.tenant(tenant), read_only=True) as tx:
            page = await service.list_coverage(tx, page=PageRequest(offset, limit), begins=begins)
        rows: list[dict[str, object]] = [
            {"place": place, "facts": ", ".join(f"{name} {text}" for name, text in facts.items())}
            for place, facts in page.items
        ]
        empty = "Nothing is known of any place: farwire coverage import FILE"
        session.out.rows("Places", ("place", "facts"), rows, empty=empty, total=page.total)

    run(act, as_json)
