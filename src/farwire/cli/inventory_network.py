"""``farwire inventory``: the network, its elements and their links."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from farwire.base import audit
from farwire.base.storage import Tx
from farwire.cli.shell import (
    ActorOption,
    ExitCode,
    JsonOption,
    LimitOption,
    OffsetOption,
    Session,
    TenantOption,
    actor_named,
    parse_moment,
    run,
)
from farwire.inventory import service
from farwire.inventory.model import Element, ElementState, Layer, Link, LinkKind, NewElement, NewLink
from farwire.kernel.ids import ServiceId
from farwire.kernel.page import PageRequest

if TYPE_CHECKING:
    from farwire.inventory.service.network_import import NetworkReport

NameArgument = Annotated[str, typer.Argument(help="The element's name.")]
AtOption = Annotated[str, typer.Option("--at", help="A day or a time with a zone; default: now.")]
LayerOption = Annotated[Layer | None, typer.Option("--layer", help="Only of this layer.")]
KindArgument = Annotated[LinkKind, typer.Argument(help="What the link says.")]
FromArgument = Annotated[str, typer.Argument(metavar="FROM", help="The first end, by its name.")]
ToArgument = Annotated[str, typer.Argument(metavar="TO", help="The second end, by its name.")]


def register(app: typer.Typer) -> None:
    """Add these commands to ``farwire inventory``."""
    app.command("import")(import_files)
    app.command("elements")(list_elements)
    app.command("element")(show_element)
    app.command("add")(add_element)
    app.command("change")(change_element)
    app.command("end")(end_element)
    app.command("links")(list_links)
    app.command("link")(add_link)
    app.command("unlink")(end_link)


def _time(session: Session, text: str) -> datetime:
    return parse_moment(text, field="at") if text else session.clock.now()


def element_row(one: Element) -> dict[str, object]:
    """Return what a list says of an element."""
    return {
        "name": one.name,
        "layer": one.layer,
        "kind": one.kind,
        "state": one.state,
        "place": one.place,
        "since": one.since,
    }


def _link_row(one: Link) -> dict[str, object]:
    return {
        "from": one.start_name,
        "kind": one.kind,
        "to": one.end_name,
        "protection": one.protection,
        "valid_from": one.valid_from,
        "valid_to": one.valid_to,
    }


async def _record(session: Session, tx: Tx, actor: str, action: str, subject: str) -> None:
    await audit.record(
        tx,
        actor=actor_named(actor),
        action=f"inventory.{action}",
        subject=subject,
        at=session.clock.now(),
        detail={},
    )


def import_files(
    tenant: TenantOption,
    resources: Annotated[
        Path,
        typer.Argument(
            help="CSV: name, layer, kind; state and place if known.",
            exists=True,
            dir_okay=False,
            readable=True,
        ),
    ],
    links: Annotated[
        Path | None,
        typer.Argument(
            help="CSV: from, to, kind; protection if any.", exists=True, dir_okay=False, readable=True
        ),
    ] = None,
    actor: ActorOption = "",
    as_json: JsonOption = False,
) -> None:
    """Import a network from two files, with an error per bad row.

    Exit code 1 if any row was refused. The good rows are kept; sending the mended files again, or those of an import
    that was broken off, adds the others.

    Example: farwire inventory import resources.csv links.csv --tenant acme
    """
    from farwire.inventory.service.network_import import import_network

    async def act(session: Session) -> None:
        tenant_id = await session.tenant(tenant)
        with session.out.progress("Importing rows") as progress:
            report = await import_network(
                db=session.db,
                tenant_id=tenant_id,
                clock=session.clock,
                resources=resources,
                links=links,
                actor=actor_named(actor),
                progress=progress,
            )
        _show_report(session, report)

    run(act, as_json)


def _show_report(session: Session, report: NetworkReport) -> None:
    files = {"resources": report.resources, "links": report.links}
    if session.out.as_json:
        session.out.document(
            {
                name: {
                    "rows": one.rows,
                    "added": one.added,
                    "unchanged": one.unchanged,
                    "refused": one.refused,
                    "errors": [asdict(error) for error in one.errors],
                }
                for name, one in files.items()
            }
        )
    else:
        counted: list[dict[str, object]] = [
            {
                "file": name,
                "rows": one.rows,
                "added": one.added,
                "unchanged": one.unchanged,
                "refused": one.refused,
            }
            for name, one in files.items()
        ]
        columns = ("file", "rows", "added", "unchanged", "refused")
        session.out.rows("Import", columns, counted, empty="", right=columns[1:])
        errors: list[dict[str, object]] = [
            {"file": name, **asdict(error)} for name, one in files.items() for error in one.errors
        ]
        if errors:
            columns = ("file", "row", "field", "message", "fix")
            session.out.rows("Refused rows", columns, errors, empty="", total=report.refused, right=("row",))
    if report.refused:
        raise typer.Exit(ExitCode.DIFFERENCE)


def list_elements(
    tenant: TenantOption,
    layer: LayerOption = None,
    kind: Annotated[str, typer.Option("--kind", help="Only of this kind, e.g. router.")] = "",
    prefix: Annotated[str, typer.Option("--prefix", help="Only those whose names begin so.")] = "",
    at: AtOption = "",
    offset: OffsetOption = 0,
    limit: LimitOption = 50,
    as_json: JsonOption = False,
) -> None:
    """List the elements of the network by name, as they stand now or stood at a time."""

    async def act(session: Session) -> None:
        async with session.db.transaction(await session.tenant(tenant), read_only=True) as tx:
            page = await service.list_elements(
                tx,
                page=PageRequest(offset, limit),
                at=_time(session, at),
                layer=layer,
                kind=kind or None,
                prefix=prefix,
            )
        rows = [element_row(one) for one in page.items]
        columns = ("name", "layer", "kind", "state", "place", "since")
        empty = f"No such element. A network comes with: farwire inventory import --tenant {tenant} FILE FILE"
        session.out.rows("Elements", columns, rows, empty=empty, total=page.total)

    run(act, as_json)


def show_element(tenant: TenantOption, name: NameArgument, as_json: JsonOption = False) -> None:
    """Show how an element stands, and how it stood before."""

    async def act(session: Session) -> None:
        now = session.clock.now()
        async with session.db.transaction(await session.tenant(tenant), read_only=True) as tx:
            one = await service.element_named(tx, name=name, at=now)
            history = await service.element_history(tx, element=one, now=now)
        facts = {"id": one.id, **element_row(one), "started_at": one.started_at, "ended_at": one.ended_at}
        if session.out.as_json:
            session.out.document({**facts, "history": [asdict(each) for each in history]})
            return
        session.out.facts(name, facts)
        columns = ("valid_from", "valid_to", "state", "place")
        session.out.rows("History", columns, [asdict(each) for each in history], empty="")

    run(act, as_json)


def add_element(
    tenant: TenantOption,
    name: NameArgument,
    layer: Annotated[Layer, typer.Option("--layer", help="What it is.")],
    kind: Annotated[str, typer.Option("--kind", help="Your word for it: router, cable, port.")],
    state: Annotated[ElementState, typer.Option("--state", help="How it stands.")] = ElementState.IN_SERVICE,
    place: Annotated[str, typer.Option("--place", help="Where it is.")] = "",
    service_id: Annotated[
        UUID | None, typer.Option("--service", help="The service of a product that it is.")
    ] = None,
    at: AtOption = "",
    actor: ActorOption = "",
    as_json: JsonOption = False,
) -> None:
    """Add an element to the network.

    Example: farwire inventory add hh-r1 --layer physical --kind router --place Hamburg --tenant acme
    """

    async def act(session: Session) -> None:
        new = NewElement(
            name, layer, kind, state, place, None, None if service_id is None else ServiceId(service_id)
        )
        async with session.db.transaction(await session.tenant(tenant)) as tx:
            one = await service.add_element(tx, new=new, at=_time(session, at), now=session.clock.now())
            await _record(session, tx, actor, "add_element", name)
        session.out.facts(name, element_row(one))

    run(act, as_json)


def change_element(
    tenant: TenantOption,
    name: NameArgument,
    state: Annotated[ElementState | None, typer.Option("--state", help="How it stands now.")] = None,
    place: Annotated[str | None, typer.Option("--place", help="Where it is now.")] = None,
    at: AtOption = "",
    actor: ActorOption = "",
    as_json: JsonOption = False,
) -> None:
    """Change how an element stands, or where; how it stood before is kept."""

    async def act(session: Session) -> None:
        async with session.db.transaction(await session.tenant(tenant)) as tx:
            one = await service.change_element(
                tx, name=name, state=state, place=place, at=_time(session, at), now=session.clock.now()
            )
            await _record(session, tx, actor, "change_element", name)
        session.out.facts(name, element_row(one))

    run(act, as_json)


def end_element(
    tenant: TenantOption,
    name: NameArgument,
    at: AtOption = "",
    actor: ActorOption = "",
    as_json: JsonOption = False,
) -> None:
    """End an element, and every link of it. Its name is not given again."""

    async def act(session: Session) -> None:
        async with session.db.transaction(await session.tenant(tenant)) as tx:
            one = await service.end_element(tx, name=name, at=_time(session, at), now=session.clock.now())
            await _record(session, tx, actor, "end_element", name)
        session.out.facts(name, {**element_row(one), "ended_at": one.ended_at})

    run(act, as_json)


def list_links(
    tenant: TenantOption,
    name: NameArgument,
    kind: Annotated[LinkKind | None, typer.Option("--kind", help="Only of this kind.")] = None,
    at: AtOption = "",
    offset: OffsetOption = 0,
    limit: LimitOption = 50,
    as_json: JsonOption = False,
) -> None:
    """List the links of an element, as they hold now or held at a time."""

    async def act(session: Session) -> None:
        when = _time(session, at)
        async with session.db.transaction(await session.tenant(tenant), read_only=True) as tx:
            one = await service.element_named(tx, name=name, at=when)
            page = await service.list_links(
                tx, page=PageRequest(offset, limit), element=one, at=when, kind=kind
            )
        rows = [_link_row(each) for each in page.items]
        columns = ("from", "kind", "to", "protection", "valid_from", "valid_to")
        empty = f"No such link. Add one: farwire inventory link {name} carries OTHER --tenant {tenant}"
        session.out.rows(f"Links of {name}", columns, rows, empty=empty, total=page.total)

    run(act, as_json)


def add_link(
    tenant: TenantOption,
    start: FromArgument,
    kind: KindArgument,
    end: ToArgument,
    protection: Annotated[
        str, typer.Option("--protection", help="The group of which any one member is enough.")
    ] = "",
    at: AtOption = "",
    actor: ActorOption = "",
    as_json: JsonOption = False,
) -> None:
    """Link two elements. The same command again changes nothing.

    Example: farwire inventory link fibre-7 carries circuit-12 --protection ring --tenant acme
    """

    async def act(session: Session) -> None:
        new = NewLink(start, end, kind, protection)
        async with session.db.transaction(await session.tenant(tenant)) as tx:
            one = await service.add_link(tx, new=new, at=_time(session, at), now=session.clock.now())
            await _record(session, tx, actor, "add_link", f"{one.start}-{one.end}")
        session.out.facts("Link", _link_row(one))

    run(act, as_json)


def end_link(
    tenant: TenantOption,
    start: FromArgument,
    kind: KindArgument,
    end: ToArgument,
    at: AtOption = "",
    actor: ActorOption = "",
    as_json: JsonOption = False,
) -> None:
    """End a link; that it held is kept."""

    async def act(session: Session) -> None:
        async with session.db.transaction(await session.tenant(tenant)) as tx:
            one = await service.end_link(
                tx, link=NewLink(start, end, kind), at=_time(session, at), now=session.clock.now()
            )
            await _record(session, tx, actor, "end_link", f"{one.start}-{one.end}")
        session.out.facts("Link", _link_row(one))

    run(act, as_json)
