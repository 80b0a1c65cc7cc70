"""``farwire inventory``: products, services and resources that exist, and what happened to them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated
from uuid import UUID

import typer

from farwire.account import service as accounts
from farwire.base import audit
from farwire.base.storage import Tx
from farwire.catalog import service as catalog
from farwire.cli import inventory_network, inventory_topology
from farwire.cli.shell import (
    ActorOption,
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
from farwire.inventory.model import (
    Product,
    ProductState,
    Resource,
    ResourceKind,
    ResourceState,
    ServiceState,
    history,
    is_personal,
    masked,
    standing_at,
)
from farwire.kernel.ids import AccountId, PlanVersionId, ProductId
from farwire.kernel.page import PageRequest

app = typer.Typer(
    name="inventory",
    no_args_is_help=True,
    help="What customers have, what it runs on and the network below, now and at any time.\n\n"
    "Numbers and SIMs of customers are masked in lists. Who may know asks by the number, and the audit log says so: "
    "farwire inventory history --number 4915112345678 -t acme",
)

AtOption = Annotated[str, typer.Option("--at", help="A day or a time with a zone; default: now.")]
ProductOption = Annotated[UUID | None, typer.Option("--product", help="Only of this product, by its id.")]


def _moment(session: Session, text: str) -> datetime:
    return parse_moment(text, field="at") if text else session.clock.now()


async def _product_rows(tx: Tx, products: Sequence[Product], at: datetime) -> list[dict[str, object]]:
    """Return what a list says of ``products``, with the account and the offering by the names that people use."""
    numbers = await accounts.accounts_by_id(tx=tx, account_ids=list({one.account_id for one in products}))
    offers = await catalog.plan_versions(tx, list({_plan(one, at) for one in products}))
    rows = []
    for one in products:
        named = {"account": numbers[one.account_id].number, "offering": offers[_plan(one, at)].plan.offering}
        rows.append(_product_row(one, at) | named)
    return rows


def _plan(product: Product, at: datetime) -> PlanVersionId:
    """Return the plan version at ``at``; before its life the first one, afterwards the last."""
    held = [change for change in product.plans if change.valid_from <= at]
    return (held[-1] if held else product.plans[0]).plan_version_id


def _product_row(product: Product, at: datetime) -> dict[str, object]:
    standing = standing_at(product, at)
    return {
        "id": product.id,
        "account_id": product.account_id,
        "state": standing.state,
        "started_at": product.started_at,
        "ended_at": product.ended_at,
        "suspended_for": list(standing.suspended_for),
        "place": standing.place,
    }


@app.command("products")
def products(
    tenant: TenantOption,
    account: Annotated[str, typer.Option("--account", help="Only of this account, by its number.")] = "",
    state: Annotated[ProductState | None, typer.Option("--state", help="Only in this state.")] = None,
    at: AtOption = "",
    offset: OffsetOption = 0,
    limit: LimitOption = 50,
    as_json: JsonOption = False,
) -> None:
    """List products by their start, as they stand now or at a time.

    Example: farwire inventory products --account 4711 --at 2026-06-30 --tenant acme
    """

    async def act(session: Session) -> None:
        when = _moment(session, at)
        async with session.db.transaction(await session.tenant(tenant), read_only=True) as tx:
            account_id = await _account(tx, account)
            page = await service.list_products(
                tx, page=PageRequest(offset, limit), at=when, account_id=account_id, state=state
            )
            rows = await _product_rows(tx, page.items, when)
        columns = ("id", "account", "offering", "state", "started_at", "ended_at", "suspended_for", "place")
        empty = f"No such product. Customers come with: farwire account import --tenant {tenant} FILE"
        session.out.rows("Products", columns, rows, empty=empty, total=page.total)

    run(act, as_json)


async def _account(tx: Tx, number: str) -> AccountId | None:
    return (await accounts.account_numbered(tx=tx, number=number)).id if number else None


@app.command("services")
def services(
    tenant: TenantOption,
    product: ProductOption = None,
    state: Annotated[ServiceState | None, typer.Option("--state", help="Only in this state.")] = None,
    offset: OffsetOption = 0,
    limit: LimitOption = 50,
    as_json: JsonOption = False,
) -> None:
    """List services in the order of their making."""

    async def act(session: Session) -> None:
        async with session.db.transaction(await session.tenant(tenant), read_only=True) as tx:
            page = await service.list_services(
                tx,
                page=PageRequest(offset, limit),
                product_id=None if product is None else ProductId(product),
                state=state,
            )
        rows: list[dict[str, object]] = [
            {
                "id": one.id,
                "product_id": one.product_id,
                "specification": one.specification,
                "state": one.state,
                "since": one.changes[-1].valid_from,
                "attributes": dict(one.attributes),
            }
            for one in page.items
        ]
        columns = ("id", "specification", "state", "since")
        empty = "No such service. Orders make them from the catalogue's specifications."
        session.out.rows("Services", columns, rows, empty=empty, total=page.total)

    run(act, as_json)


def _resource_row(one: Resource) -> dict[str, object]:
    return {
        "id": one.id,
        "kind": one.kind,
        "value": masked(one.value) if is_personal(one) else one.value,
        "pool": one.pool,
        "state": one.state,
        "until": one.until,
        "product_id": one.product_id,
    }


@app.command("resources")
def resources(
    tenant: TenantOption,
    pool: Annotated[str, typer.Option("--pool", help="Only of this pool.")] = "",
    state: Annotated[ResourceState | None, typer.Option("--state", help="Only in this state.")] = None,
    product: ProductOption = None,
    offset: OffsetOption = 0,
    limit: LimitOption = 50,
    as_json: JsonOption = False,
) -> None:
    """List resources by kind and value. Numbers and SIMs that somebody has are masked."""

    async def act(session: Session) -> None:
        async with session.db.transaction(await session.tenant(tenant), read_only=True) as tx:
            page = await service.list_resources(
                tx,
                page=PageRequest(offset, limit),
                pool=pool or None,
                state=state,
                product_id=None if product is None else ProductId(product),
            )
        rows = [_resource_row(one) for one in page.items]
        columns = ("kind", "value", "pool", "state", "until", "product_id")
        empty = f"No such resource. See the pools: farwire pool list --tenant {tenant}"
        session.out.rows("Resources", columns, rows, empty=empty, total=page.total)

    run(act, as_json)


@app.command("history")
def show_history(
    tenant: TenantOption,
    product: ProductOption = None,
    number: Annotated[str, typer.Option("--number", help="Who had this number, SIM or port.")] = "",
    kind: Annotated[ResourceKind, typer.Option("--kind", help="What the number is.")] = ResourceKind.MSISDN,
    scope: Annotated[str, typer.Option("--scope", help="The scope of its pool, e.g. a VRF.")] = "",
    at: Annotated[str, typer.Option("--at", help="With --number: only who had it then.")] = "",
    actor: ActorOption = "",
    as_json: JsonOption = False,
) -> None:
    """Show what happened to a product, or who had a number. Asking for a number is written to the audit log.

    Example: farwire inventory history --number 4915112345678 --at 2026-06-15T12:00+02:00 --tenant acme
    """

    async def act(session: Session) -> None:
        async with session.db.transaction(await session.tenant(tenant)) as tx:
            if number:
                rows = await _holders(session, tx, kind, number, scope, at, actor)
            elif product is not None:
                rows = _facts(await service.find_product(tx, ProductId(product)))
            else:
                raise typer.BadParameter("give --product or --number")
        _show(session, rows, "Nobody had it then.")

    run(act, as_json)


async def _holders(
    session: Session, tx: Tx, kind: ResourceKind, number: str, scope: str, at: str, actor: str
) -> Sequence[dict[str, object]]:
    resource = await service.resource_valued(tx, kind=kind, value=number, scope=scope)
    uses = await service.resource_history(tx, resource_id=resource.id)
    if at:
        when = parse_moment(at, field="at")
        one = await service.holder_at(tx, kind=kind, value=number, at=when, scope=scope)
        uses = () if one is None else (one,)
    found = await service.get_products(tx, [use.product_id for use in uses])
    known = await accounts.accounts_by_id(tx=tx, account_ids=[one.account_id for one in found.values()])
    await audit.record(
        tx,
        actor=actor_named(actor),
        action="inventory.trace",
        subject=str(resource.id),
        at=session.clock.now(),
        detail={},
    )
    rows: list[dict[str, object]] = []
    for use in uses:
        account_id = found[use.product_id].account_id
        rows.append(
            {
                "product_id": use.product_id,
                "account": known[account_id].number if account_id in known else account_id,
                "valid_from": use.valid_from,
                "valid_to": use.valid_to,
            }
        )
    return rows


def _facts(product: Product) -> Sequence[dict[str, object]]:
    return [{"at": one.at, "what": one.what, "detail": one.detail} for one in history(product)]


def _show(session: Session, rows: Sequence[dict[str, object]], empty: str) -> None:
    columns = tuple(rows[0]) if rows else ()
    session.out.rows("History", columns, rows, empty=empty)


inventory_network.register(app)
inventory_topology.register(app)
