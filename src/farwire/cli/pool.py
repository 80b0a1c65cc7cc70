"""``farwire pool``: numbers, SIMs, addresses and ports that are given out one by one."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from farwire.base import audit
from farwire.base.storage import Tx
from farwire.cli import pool_ranges
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
from farwire.inventory import service
from farwire.inventory.model import (
    COUNTED,
    NewResource,
    PoolCount,
    PoolPolicy,
    ResourceKind,
    ResourceState,
    number_range,
)
from farwire.kernel.errors import Conflict, Invalid
from farwire.kernel.page import PageRequest

app = typer.Typer(
    name="pool",
    no_args_is_help=True,
    help="Pools of numbers, SIMs, addresses and ports. Each is given out once; what comes back rests first.\n\n"
    "Example:\n\n"
    "  farwire pool create mobile --kind msisdn --quarantine-days 90 -t acme\n\n"
    "  farwire pool fill mobile --first 4915100000000 --last 4915100999999 -t acme\n\n"
    "  farwire pool free mobile --pattern '*777' -t acme\n\n"
    "  farwire pool create cpe --kind ipv4 -t acme\n\n"
    "  farwire pool range cpe 10.0.0.0/8 --gateway 10.0.0.1 -t acme",
)
pool_ranges.register(app)

PoolArgument = Annotated[str, typer.Argument(help="The pool's name.")]


def _row(counted: PoolCount) -> dict[str, object]:
    pool = counted.pool
    counts = {state.value: counted.counts.get(state, 0) for state in ResourceState}
    return {
        "name": pool.name,
        "kind": pool.kind,
        "quarantine_days": pool.quarantine_days,
        **({"scope": pool.scope} if pool.scope else {}),
        **({"policy": pool.policy.value} if pool.policy is not PoolPolicy.LOWEST else {}),
        **({"prefix_length": pool.prefix_length} if pool.prefix_length else {}),
        "total": counted.total,
        **counts,
        "used_percent": counted.used_percent,
    }


async def _record(
    session: Session, tx: Tx, name: str, action: str, pool: str, detail: dict[str, str | int]
) -> None:
    await audit.record(
        tx, actor=actor_named(name), action=action, subject=pool, at=session.clock.now(), detail=detail
    )


@app.command("create")
def create(
    tenant: TenantOption,
    name: Annotated[str, typer.Argument(help="Letters, digits, dots and dashes; the catalogue names it.")],
    kind: Annotated[ResourceKind, typer.Option("--kind", help="What it holds.")],
    quarantine_days: Annotated[
        int, typer.Option("--quarantine-days", min=0, max=3650, help="How long a returned one rests.")
    ] = 0,
    scope: Annotated[
        str, typer.Option("--scope", help="A VRF or VPN, in which its values are given once.")
    ] = "",
    policy: Annotated[
        PoolPolicy, typer.Option("--policy", help="Which is given next; not of SIMs, ports and prefixes.")
    ] = PoolPolicy.LOWEST,
    length: Annotated[
        int, typer.Option("--length", help="Of prefixes: how long one usually is, e.g. 29.")
    ] = 0,
    warn: Annotated[int, typer.Option("--warn", help="How many per cent in use are told as an event.")] = 80,
    actor: ActorOption = "",
    as_json: JsonOption = False,
) -> None:
    """Make a pool. The same command again changes nothing."""

    async def act(session: Session) -> None:
        async with session.db.transaction(await session.tenant(tenant)) as tx:
            now = session.clock.now()
            await service.create_pool(
                tx,
                name=name,
                kind=kind,
                quarantine_days=quarantine_days,
                now=now,
                scope=scope,
                policy=policy,
                prefix_length=length,
                warn_percent=warn,
            )
            await _record(session, tx, actor, "inventory.create_pool", name, {"kind": kind.value})
            counted = await service.count_pool(tx, pool=name)
        session.out.facts(f"Pool {name}", _row(counted))
        if not counted.total:
            how = f"range {name} RANGE" if kind in COUNTED else f"fill {name} --file FILE"
            session.out.note(f"Fill it: farwire pool {how} --tenant {tenant}")

    run(act, as_json)


def _listed(file: Path) -> Iterator[NewResource]:
    """Yield the rows of a CSV file: the column value, and any other column as an attribute."""
    with file.open(encoding="utf-8-sig", newline="") as opened:
        reader = csv.DictReader(opened, strict=True)
        if "value" not in (reader.fieldnames or ()):
            raise Invalid(
                "the file has no column value",
                code="inventory.file_header",
                field="value",
                fix="name the columns in the first row, e.g. value,imsi,matching_id",
            )
        try:
            for row in reader:
                cells = {name: text for name, text in row.items() if name and isinstance(text, str) and text}
                yield NewResource(cells.pop("value", ""), cells)
        except (csv.Error, UnicodeDecodeError) as error:
            raise Invalid(
                f"the file is no CSV in UTF-8: {error}", code="inventory.file_malformed", field="file"
            ) from None


@app.command("fill")
def fill(
    tenant: TenantOption,
    name: PoolArgument,
    first: Annotated[str, typer.Option("--first", help="The first number of a range.")] = "",
    last: Annotated[str, typer.Option("--last", help="Its last number, with as many digits.")] = "",
    file: Annotated[
        Path | None,
        typer.Option(
            "--file",
            exists=True,
            dir_okay=False,
            readable=True,
            help="CSV with the column value; other columns (imsi, matching_id) are what belongs to it.",
        ),
    ] = None,
    ports: Annotated[
        str, typer.Option("--ports", help="An element of the network: the ports in it, at any depth.")
    ] = "",
    actor: ActorOption = "",
    as_json: JsonOption = False,
) -> None:
    """Put a range of numbers, a list from a file or the ports of an element into a pool.

    All of it, or nothing where a row is wrong. What the pool has already stays as it is, so a longer file may be sent
    again.

    Example: farwire pool fill esim --file profiles.csv --tenant acme
    """

    async def act(session: Session) -> None:
        ranged = bool(first) and bool(last)
        if ranged + (file is not None) + bool(ports) != 1 or bool(first) != bool(last):
            raise Invalid(
                "give a range, a file or an element",
                code="inventory.fill_source",
                field="file",
                fix="either --first and --last, or --file, or --ports",
            )
        async with session.db.transaction(await session.tenant(tenant)) as tx:
            if ports:
                now = session.clock.now()
                added = await service.pool_ports(tx, pool=name, element=ports, now=now)
            else:
                values = _listed(file) if file is not None else number_range(first, last)
                added = await service.fill_pool(tx, pool=name, values=values)
            await _record(session, tx, actor, "inventory.fill_pool", name, {"added": added})
            counted = await service.count_pool(tx, pool=name)
        session.out.facts(f"Pool {name}", {"added": added, **_row(counted)})

    run(act, as_json)


@app.command("list")
def list_pools(
    tenant: TenantOption, offset: OffsetOption = 0, limit: LimitOption = 50, as_json: JsonOption = False
) -> None:
    """List pools by name, with how much of each is left."""

    async def act(session: Session) -> None:
        async with session.db.transaction(await session.tenant(tenant), read_only=True) as tx:
            page = await service.list_pools(tx, page=PageRequest(offset, limit))
        rows = [_row(one) for one in page.items]
        columns = (
            "name",
            "kind",
            "total",
            "available",
            "reserved",
            "assigned",
            "quarantined",
            "used_percent",
        )
        empty = f"No pool yet: farwire pool create NAME --kind msisdn --tenant {tenant}"
        session.out.rows("Pools", columns, rows, empty=empty, total=page.total, right=columns[2:])

    run(act, as_json)


@app.command("show")
def show(tenant: TenantOption, name: PoolArgument, as_json: JsonOption = False) -> None:
    """Show one pool."""

    async def act(session: Session) -> None:
        async with session.db.transaction(await session.tenant(tenant), read_only=True) as tx:
            counted = await service.count_pool(tx, pool=name)
        session.out.facts(f"Pool {name}", {"id": counted.pool.id, **_row(counted)})

    run(act, as_json)


@app.command("free")
def free(
    tenant: TenantOption,
    name: PoolArgument,
    pattern: Annotated[
        str,
        typer.Option("--pattern", help="'*' is any text, '?' one character; without either, text anywhere."),
    ] = "",
    offset: OffsetOption = 0,
    limit: LimitOption = 50,
    as_json: JsonOption = False,
) -> None:
    """Search what can be had.

    Example: farwire pool free mobile --pattern '49151*777' --tenant acme
    """

    async def act(session: Session) -> None:
        async with session.db.transaction(await session.tenant(tenant), read_only=True) as tx:
            page = await service.free_resources(
                tx, pool=name, pattern=pattern, page=PageRequest(offset, limit)
            )
        rows: list[dict[str, object]] = [{"value": one.value, **one.attributes} for one in page.items]
        columns = tuple(dict.fromkeys(column for row in rows for column in row))
        empty = f"Nothing free like that: farwire pool fill {name} --tenant {tenant}"
        session.out.rows(f"Free in {name}", columns, rows, empty=empty, total=page.total)

    run(act, as_json)


@app.command("release")
def release(
    tenant: TenantOption,
    key: Annotated[str, typer.Argument(help="The reservation's key.")],
    actor: ActorOption = "",
    as_json: JsonOption = False,
) -> None:
    """Free what is reserved under a key and not in use. Reservations that nobody uses in time are freed anyway."""

    async def act(session: Session) -> None:
        async with session.db.transaction(await session.tenant(tenant)) as tx:
            held = await service.reserved(tx, key=key)
            freed = await service.release(tx, key=key)
            if held and not freed:
                raise Conflict(
                    "a product has it already",
                    code="inventory.assigned",
                    field="key",
                    value=key,
                    fix="it comes back when the product gives it up",
                )
            pool = held[0].pool if held else ""
            if freed:
                await _record(session, tx, actor, "inventory.release", pool, {"freed": freed})
        session.out.facts(f"Reservation {key}", {"freed": freed, "pool": pool})

    run(act, as_json)
