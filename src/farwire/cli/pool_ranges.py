"""``farwire pool``: ranges, what of them is withheld, and reservations by hand."""

from __future__ import annotations

from typing import Annotated

import typer

from farwire.base import audit
from farwire.base.storage import Tx
from farwire.cli.shell import ActorOption, JsonOption, Session, TenantOption, actor_named, parse_moment, run
from farwire.inventory import service
from farwire.inventory.model import shown
from farwire.inventory.service import PoolRanges

PoolArgument = Annotated[str, typer.Argument(help="The pool's name.")]
RangeArgument = Annotated[
    str,
    typer.Argument(metavar="RANGE", help="A prefix (10.0.0.0/8), first and last (100-199), or one value."),
]


def register(app: typer.Typer) -> None:
    """Add these commands to ``farwire pool``."""
    app.command("range")(add_range)
    app.command("ranges")(list_ranges)
    app.command("withhold")(withhold)
    app.command("offer")(offer)
    app.command("reserve")(reserve)


async def _record(session: Session, tx: Tx, name: str, action: str, pool: str, text: str) -> None:
    await audit.record(
        tx,
        actor=actor_named(name),
        action=f"inventory.{action}",
        subject=pool,
        at=session.clock.now(),
        detail={"range": text},
    )


def _show(session: Session, found: PoolRanges, tenant: str) -> None:
    kind, name = found.pool.kind, found.pool.name
    rows: list[dict[str, object]] = [
        *({"range": shown(kind, one), "size": one.size, "withheld_for": "–"} for one in found.ranges),
        *(
            {"range": shown(kind, one.span), "size": one.span.size, "withheld_for": one.reason}
            for one in found.withheld
        ),
    ]
    columns = ("range", "size", "withheld_for")
    empty = f"No range yet: farwire pool range {name} RANGE --tenant {tenant}"
    session.out.rows(f"Ranges of {name}", columns, rows, empty=empty, right=("size",))


def add_range(
    tenant: TenantOption,
    name: PoolArgument,
    text: RangeArgument,
    gateway: Annotated[str, typer.Option("--gateway", help="Its address, which is given to nobody.")] = "",
    actor: ActorOption = "",
    as_json: JsonOption = False,
) -> None:
    """Let a pool have all values of a range. Network and broadcast addresses of a prefix are withheld.

    Example: farwire pool range cpe 10.0.0.0/8 --gateway 10.0.0.1 --tenant acme
    """

    async def act(session: Session) -> None:
        async with session.db.transaction(await session.tenant(tenant)) as tx:
            pool = await service.pool_named(tx, name)
            found = await service.add_range(tx, pool=pool, text=text, gateway=gateway)
            await _record(session, tx, actor, "add_range", name, text)
        _show(session, found, tenant)

    run(act, as_json)


def list_ranges(tenant: TenantOption, name: PoolArgument, as_json: JsonOption = False) -> None:
    """Show what a pool spans, and what of it is given to nobody."""

    async def act(session: Session) -> None:
        async with session.db.transaction(await session.tenant(tenant), read_only=True) as tx:
            found = await service.pool_ranges(tx, pool=await service.pool_named(tx, name))
        _show(session, found, tenant)

    run(act, as_json)


def withhold(
    tenant: TenantOption,
    name: PoolArgument,
    text: RangeArgument,
    reason: Annotated[str, typer.Option("--reason", help="Why.")],
    actor: ActorOption = "",
    as_json: JsonOption = False,
) -> None:
    """Give a part of a pool's ranges to nobody, until it is offered again.

    Example: farwire pool withhold cpe 10.0.0.2-10.0.0.9 --reason printers --tenant acme
    """

    async def act(session: Session) -> None:
        async with session.db.transaction(await session.tenant(tenant)) as tx:
            pool = await service.pool_named(tx, name)
            await service.withhold(tx, pool=pool, text=text, reason=reason)
            await _record(session, tx, actor, "withhold", name, text)
            found = await service.pool_ranges(tx, pool=pool)
        _show(session, found, tenant)

    run(act, as_json)


def offer(
    tenant: TenantOption,
    name: PoolArgument,
    text: RangeArgument,
    actor: ActorOption = "",
    as_json: JsonOption = False,
) -> None:
    """Let what was withheld be had again."""

    async def act(session: Session) -> None:
        async with session.db.transaction(await session.tenant(tenant)) as tx:
            pool = await service.pool_named(tx, name)
            await service.offer(tx, pool=pool, text=text)
            await _record(session, tx, actor, "offer", name, text)
            found = await service.pool_ranges(tx, pool=pool)
        _show(session, found, tenant)

    run(act, as_json)


def reserve(
    tenant: TenantOption,
    name: PoolArgument,
    key: Annotated[str, typer.Option("--key", help="Yours; the same key gets the same.")],
    count: Annotated[int, typer.Option("--count", min=1, max=1000, help="How many, all or none.")] = 1,
    length: Annotated[
        int | None, typer.Option("--length", help="Of a prefix. Default: the pool's usual one.")
    ] = None,
    value: Annotated[
        list[str] | None, typer.Option("--value", help="This very one. Repeat it for more.")
    ] = None,
    within: Annotated[
        str, typer.Option("--within", help="Of ports: a free one in this element of the network.")
    ] = "",
    until: Annotated[
        str, typer.Option("--until", help="A day or a time with a zone. Default: a day on.")
    ] = "",
    actor: ActorOption = "",
    as_json: JsonOption = False,
) -> None:
    """Reserve what a pool gives next, or the very ones that are named. What nobody uses in time is freed.

    Example: farwire pool reserve nets --key order-7 --length 29 --tenant acme
    """

    async def act(session: Session) -> None:
        ends = parse_moment(until, field="until") if until else None
        now = session.clock.now()
        async with session.db.transaction(await session.tenant(tenant)) as tx:
            if value:
                held = await service.reserve_chosen(tx, pool=name, key=key, values=value, now=now, until=ends)
            else:
                inside = (await service.element_named(tx, name=within, at=now)).id if within else None
                held = await service.reserve(
                    tx, pool=name, key=key, count=count, now=now, until=ends, length=length, within=inside
                )
            await audit.record(
                tx,
                actor=actor_named(actor),
                action="inventory.reserve",
                subject=name,
                at=now,
                detail={"count": len(held)},
            )
        rows: list[dict[str, object]] = [
            {"value": one.value, "state": one.state.value, "until": one.until} for one in held
        ]
        session.out.rows(f"Reservation {key}", ("value", "state", "until"), rows, empty="")

    run(act, as_json)
