"""``farwire inventory``: what fails with what, and which way leads from here to there."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from farwire.cli.inventory_network import AtOption, FromArgument, LayerOption, ToArgument, element_row
from farwire.cli.shell import (
    JsonOption,
    LimitOption,
    OffsetOption,
    Session,
    TenantOption,
    parse_moment,
    run,
)
from farwire.inventory import service
from farwire.inventory.model import Element, LinkKind
from farwire.kernel.page import PageRequest

if TYPE_CHECKING:
    from farwire.inventory.service.topology import Impact


def register(app: typer.Typer) -> None:
    """Add these commands to ``farwire inventory``."""
    app.command("impact")(show_impact)
    app.command("needs")(show_needs)
    app.command("path")(show_path)
    app.command("trace")(show_trace)
    app.command("ports")(show_ports)


def _show_impact(session: Session, title: str, found: Impact, empty: str) -> None:
    rows = [{**element_row(one.element), "product_id": one.product_id} for one in found.page.items]
    if session.out.as_json:
        session.out.document({"items": rows, "total": found.page.total, "layers": dict(found.layers)})
        return
    columns = ("name", "layer", "kind", "state", "place", "product_id")
    counts = ", ".join(f"{count} {layer}" for layer, count in sorted(found.layers.items()))
    session.out.rows(f"{title}: {counts}", columns, rows, empty=empty, total=found.page.total)


NamesArgument = Annotated[list[str], typer.Argument(metavar="NAME…", help="Elements, by their names.")]


def show_impact(
    tenant: TenantOption,
    names: NamesArgument,
    layer: LayerOption = None,
    unprotected: Annotated[
        bool, typer.Option("--unprotected", help="What still works, and has lost some of its protection.")
    ] = False,
    at: AtOption = "",
    offset: OffsetOption = 0,
    limit: LimitOption = 50,
    as_json: JsonOption = False,
) -> None:
    """Show what is hit when these elements fail, themselves included.

    What has a working second path is not hit.

    Example: farwire inventory impact cable-17 --layer service --tenant acme
    """
    from farwire.inventory.service import topology

    async def act(session: Session) -> None:
        async with session.db.transaction(await session.tenant(tenant)) as tx:
            found = await topology.impact(
                tx,
                failed=names,
                page=PageRequest(offset, limit),
                now=session.clock.now(),
                at=_past(at),
                layer=layer,
                unprotected=unprotected,
            )
        title = "Unprotected" if unprotected else "Hit"
        _show_impact(session, title, found, "Nothing.")

    run(act, as_json)


def show_needs(
    tenant: TenantOption,
    names: NamesArgument,
    layer: LayerOption = None,
    at: AtOption = "",
    offset: OffsetOption = 0,
    limit: LimitOption = 50,
    as_json: JsonOption = False,
) -> None:
    """Show all that these elements depend on, working path and protection alike."""
    from farwire.inventory.service import topology

    async def act(session: Session) -> None:
        async with session.db.transaction(await session.tenant(tenant)) as tx:
            found = await topology.needs(
                tx,
                names=names,
                page=PageRequest(offset, limit),
                now=session.clock.now(),
                at=_past(at),
                layer=layer,
            )
        _show_impact(session, "Needed", found, "They need nothing.")

    run(act, as_json)


def _past(text: str) -> datetime | None:
    return parse_moment(text, field="at") if text else None


def show_path(
    tenant: TenantOption,
    start: FromArgument,
    end: ToArgument,
    over: Annotated[
        list[LinkKind] | None, typer.Option("--over", help="Kinds of links to go over. Default: connects.")
    ] = None,
    without: Annotated[
        list[str] | None, typer.Option("--without", help="Past this element. Repeat it for more.")
    ] = None,
    at: AtOption = "",
    as_json: JsonOption = False,
) -> None:
    """Show a shortest path between two elements.

    Example: farwire inventory path hh-r1 m-r2 --without b-r1 --tenant acme
    """
    from farwire.inventory.service import topology

    async def act(session: Session) -> None:
        async with session.db.transaction(await session.tenant(tenant)) as tx:
            found: Sequence[Element] = await topology.path(
                tx,
                start=start,
                end=end,
                now=session.clock.now(),
                at=_past(at),
                over=over or (LinkKind.CONNECTS,),
                without=without or (),
            )
        rows: list[dict[str, object]] = [{"step": step, **element_row(one)} for step, one in enumerate(found)]
        columns = ("step", "name", "layer", "kind", "state", "place")
        session.out.rows(f"Path over {len(found) - 1} links", columns, rows, empty="", right=("step",))

    run(act, as_json)


def show_trace(
    tenant: TenantOption,
    start: FromArgument,
    end: Annotated[str, typer.Argument(metavar="TO", help="The element to get to.")] = "",
    kind: Annotated[
        str, typer.Option("--kind", help="Instead of TO: the nearest element of this kind.")
    ] = "",
    without: Annotated[
        list[str] | None, typer.Option("--without", help="Past this element. Repeat it for more.")
    ] = None,
    at: AtOption = "",
    as_json: JsonOption = False,
) -> None:
    """Show how a service gets to the core, and the second way that is left when the first one fails.

    What both ways pass is marked as shared: when that fails, neither is left.

    Example: farwire inventory trace acme-line --kind core_router --tenant acme
    """
    from farwire.inventory.service import topology

    async def act(session: Session) -> None:
        async with session.db.transaction(await session.tenant(tenant)) as tx:
            found = await topology.trace(
                tx,
                start=start,
                end=end,
                kind=kind,
                now=session.clock.now(),
                at=_past(at),
                without=without or (),
            )
        rows: list[dict[str, object]] = [
            {"way": way, "step": step, **element_row(one), "shared": one.id in found.shared}
            for way, elements in (("first", found.first), ("second", found.second))
            for step, one in enumerate(elements)
        ]
        columns = ("way", "step", "name", "layer", "kind", "state", "place", "shared")
        session.out.rows(f"Trace of {start}", columns, rows, empty="", right=("step",))
        if not found.second and not as_json:
            session.out.note("There is no second way.")

    run(act, as_json)


def show_ports(
    tenant: TenantOption,
    names: NamesArgument,
    kind: Annotated[str, typer.Option("--kind", help="The kind of element that a port is.")] = "port",
    as_json: JsonOption = False,
) -> None:
    """Show how many ports are in these elements, at any depth, how many of them are free, and the first free one.

    Example: farwire inventory ports olt-7 --tenant acme
    """

    async def act(session: Session) -> None:
        now = session.clock.now()
        async with session.db.transaction(await session.tenant(tenant), read_only=True) as tx:
            asked = [await service.element_named(tx, name=name, at=now) for name in names]
            found = await service.free_ports(tx, element_ids=[one.id for one in asked], kind=kind, now=now)
        rows: list[dict[str, object]] = []
        for one in asked:
            ports = found[one.id]
            first = ports.first[0].element.name if ports.first else None
            rows.append({"name": one.name, "ports": ports.total, "free": ports.free, "first_free": first})
        columns = ("name", "ports", "free", "first_free")
        session.out.rows("Ports", columns, rows, empty="", right=("ports", "free"))

    run(act, as_json)
