"""``farwire order``: take, preview, carry out and undo orders."""

from __future__ import annotations

from typing import Annotated

import typer

from farwire.account import service as accounts
from farwire.cli.order_acts import acts, fallout
from farwire.cli.order_decompose import decompose
from farwire.cli.order_options import (
    AccountOption,
    ActionOption,
    AtOption,
    ChannelOption,
    CharacteristicOption,
    FileOption,
    NumberOption,
    OfferingOption,
    OrderArgument,
    PercentOption,
    PlaceOption,
    PriceOption,
    ProductOption,
    ReasonOption,
    WhyOption,
    characteristics_of,
    items_of,
    order_row,
    prices_of,
    request_of,
)
from farwire.cli.order_policy import policy
from farwire.cli.order_preview import show_preview, show_terms
from farwire.cli.shell import (
    COMMAND_LINE,
    ActorOption,
    ExitCode,
    JsonOption,
    LimitOption,
    OffsetOption,
    Session,
    TenantOption,
    actor_named,
    run,
)
from farwire.kernel.page import PageRequest
from farwire.ordering import service
from farwire.ordering.model import (
    Action,
    HoldReason,
    ItemRequest,
    Jeopardy,
    OrderItem,
    OrderRefused,
    OrderState,
    ProductOrder,
    Refusal,
    Task,
)
from farwire.ordering.service import OrderView, Placed
from farwire.process.order_preview import preview_order

app = typer.Typer(
    name="order",
    no_args_is_help=True,
    help="Orders: add, change, move, suspend, resume and cease products.\n\n"
    "  farwire order preview --tenant acme --account 100001 --offering flex-m\n\n"
    "  farwire order add --tenant acme --account 100001 --offering flex-m --at 2026-06-11T14:03+02:00\n\n"
    "  farwire order add --tenant acme --account 100001 --action cease --product ID\n\n"
    "  farwire order work --tenant acme\n\n"
    "An order that cannot be taken is refused with every reason at once. docs/ordering.md tells all of it.",
)


def _refused(session: Session, refusals: tuple[Refusal, ...]) -> None:
    rows = [
        {"code": r.code, "field": r.field, "value": r.value, "message": r.message, "fix": r.fix}
        for r in refusals
    ]
    session.out.rows("Refused", ("code", "field", "message", "fix"), rows, empty="")


def _next_step(order: ProductOrder, tenant: str) -> str:
    if HoldReason.KYC in order.holds:
        return "It waits until the customer is verified, and then goes on: farwire party submit, farwire party verify"
    if order.holds:
        return (
            f"It waits ({', '.join(sorted(order.holds))}). farwire order release {order.id} --tenant {tenant}"
        )
    if order.state is OrderState.PENDING:
        return f"Its work is due at {order.starts_at.isoformat()}; a worker does it then."
    return f"Carry it out: farwire order work --tenant {tenant}"


@app.command("add")
def add(
    tenant: TenantOption,
    account: AccountOption,
    action: ActionOption = Action.ADD,
    offering: OfferingOption = None,
    product: ProductOption = "",
    at: AtOption = "",
    number: NumberOption = "",
    place: PlaceOption = "",
    reason: ReasonOption = None,
    percent: PercentOption = None,
    characteristic: CharacteristicOption = None,
    price: PriceOption = None,
    why: WhyOption = "",
    channel: ChannelOption = "care",
    file: FileOption = None,
    key: Annotated[
        str, typer.Option("--key", help="Idempotency key. Default: made of the content, and printed.")
    ] = "",
    actor: ActorOption = COMMAND_LINE,
    as_json: JsonOption = False,
) -> None:
    """Place an order. The same key again returns the same order; exit code 5 and every reason where it is refused."""
    base = ItemRequest(
        number=number, place=place, reason=reason, recurring_percent=percent,
        characteristics=characteristics_of(characteristic), overrides=prices_of(price, why),
    )  # fmt: skip

    async def act(session: Session) -> None:
        items = items_of(action, offering, product, file, base)
        try:
            async with session.db.transaction(await session.tenant(tenant)) as tx:
                placed = await service.place_order(
                    tx=tx,
                    clock=session.clock,
                    request=await request_of(tx, account, items, at, channel),
                    key=key,
                    actor=actor_named(actor),
                )
        except OrderRefused as refused:
            _refused(session, refused.refusals)
            raise typer.Exit(ExitCode.CONFLICT) from None
        _show_placed(session, placed, tenant)

    run(act, as_json)


def _show_placed(session: Session, placed: Placed, tenant: str) -> None:
    order = placed.order
    facts = order_row(order) | {"key": order.key, "new": placed.new, "version": order.version}
    facts["products"] = [str(item.product_id) for item in order.items[:20]]
    session.out.facts("Order", facts)
    if placed.new:
        session.out.note(_next_step(order, tenant))
    elif order.version == 1:
        session.out.note("This order was there already. To order the same again, give another --key.")


@app.command("amend")
def amend(
    tenant: TenantOption,
    order: OrderArgument,
    account: AccountOption,
    action: ActionOption = Action.ADD,
    offering: OfferingOption = None,
    product: ProductOption = "",
    at: AtOption = "",
    number: NumberOption = "",
    place: PlaceOption = "",
    price: PriceOption = None,
    why: WhyOption = "",
    channel: ChannelOption = "care",
    file: FileOption = None,
    actor: ActorOption = COMMAND_LINE,
    as_json: JsonOption = False,
) -> None:
    """Replace the items and the date of an order that has not begun."""
    base = ItemRequest(number=number, place=place, overrides=prices_of(price, why))

    async def act(session: Session) -> None:
        items = items_of(action, offering, product, file, base)
        try:
            async with session.db.transaction(await session.tenant(tenant)) as tx:
                amended = await service.amend_order(
                    tx=tx,
                    clock=session.clock,
                    order_id=(await service.find_order(tx=tx, name=order)).order.id,
                    request=await request_of(tx, account, items, at, channel),
                    actor=actor_named(actor),
                )
        except OrderRefused as refused:
            _refused(session, refused.refusals)
            raise typer.Exit(ExitCode.CONFLICT) from None
        _show_placed(session, Placed(amended, new=False), tenant)

    run(act, as_json)


@app.command("preview")
def preview(
    tenant: TenantOption,
    account: AccountOption,
    action: ActionOption = Action.ADD,
    offering: OfferingOption = None,
    product: ProductOption = "",
    at: AtOption = "",
    price: PriceOption = None,
    why: WhyOption = "preview",
    reason: ReasonOption = None,
    percent: PercentOption = None,
    characteristic: CharacteristicOption = None,
    channel: ChannelOption = "care",
    file: FileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what an order would cost on the next bill and afterwards, besides usage. Nothing is saved."""
    base = ItemRequest(
        reason=reason, recurring_percent=percent, overrides=prices_of(price, why),
        characteristics=characteristics_of(characteristic),
    )  # fmt: skip

    async def act(session: Session) -> None:
        items = items_of(action, offering, product, file, base)
        async with session.db.transaction(await session.tenant(tenant), read_only=True) as tx:
            request = await request_of(tx, account, items, at, channel)
            seen = await preview_order(tx=tx, clock=session.clock, request=request)
        if seen.refusals:
            _refused(session, seen.refusals)
            if not session.out.as_json:
                show_terms(session, seen)
            raise typer.Exit(ExitCode.CONFLICT)
        show_preview(session, seen)

    run(act, as_json)


app.command("decompose")(decompose)


@app.command("list")
def list_orders(
    tenant: TenantOption,
    state: Annotated[OrderState | None, typer.Option("--state", help="Only orders in this state.")] = None,
    account: Annotated[str, typer.Option("--account", "-a", help="Only of this account.")] = "",
    jeopardy: Annotated[
        Jeopardy | None,
        typer.Option("--jeopardy", help="Only those to be done that will miss, or missed, their date."),
    ] = None,
    offset: OffsetOption = 0,
    limit: LimitOption = 50,
    as_json: JsonOption = False,
) -> None:
    """List orders, the newest first."""

    async def act(session: Session) -> None:
        async with session.db.transaction(await session.tenant(tenant), read_only=True) as tx:
            payer = await accounts.account_numbered(tx=tx, number=account) if account else None
            page = await service.list_orders(
                tx=tx,
                page=PageRequest(offset, limit),
                state=state,
                account_id=None if payer is None else payer.id,
                jeopardy=jeopardy,
            )
        empty = f"No order yet: farwire order add --tenant {tenant} --account NUMBER --offering CODE"
        columns = ("id", "state", "items", "starts_at", "holds", "due_by", "jeopardy")
        rows = [order_row(one) for one in page.items]
        session.out.rows("Orders", columns, rows, empty=empty, total=page.total)

    run(act, as_json)


def _task_row(task: Task) -> dict[str, object]:
    return {
        "task": task.id,
        "number": task.number,
        "name": task.step.name,
        "state": task.state,
        "attempts": task.attempts,
        "error": task.error,
    }


def _item_row(item: OrderItem) -> dict[str, object]:
    return {
        "number": item.number,
        "action": item.request.action,
        "offering": item.request.offering,
        "place": item.request.place,
        "state": item.state,
        "effective_at": item.effective_at,
        "product": item.product_id,
    }


def _show_view(session: Session, view: OrderView) -> None:
    facts = order_row(view.order) | {"key": view.order.key, "version": view.order.version}
    facts |= {
        "reason": view.order.reason,
        "started_at": view.order.started_at,
        "ended_at": view.order.ended_at,
    }
    tasks = [_task_row(task) for task in view.tasks]
    items = [_item_row(item) for item in view.order.items]
    journal = [
        {
            "at": e.recorded_at,
            "act": e.act,
            "item": e.item_number,
            "task": e.task_number,
            "attempt": e.attempt,
            "by": e.actor,
        }
        for e in view.journal
    ]
    if session.out.as_json:
        session.out.document(facts | {"lines": items, "tasks": tasks, "journal": journal})
        return
    session.out.facts(f"Order {view.order.id}", facts)
    columns = ("number", "action", "offering", "place", "state", "effective_at")
    session.out.rows("Items", columns, items, empty="")
    session.out.rows("Tasks", ("number", "name", "state", "attempts", "error"), tasks, empty="No task.")
    session.out.rows("Journal", ("at", "act", "item", "task", "attempt"), journal, empty="")


@app.command("show")
def show(tenant: TenantOption, order: OrderArgument, as_json: JsonOption = False) -> None:
    """Show an order with its plan and its journal."""

    async def act(session: Session) -> None:
        async with session.db.transaction(await session.tenant(tenant), read_only=True) as tx:
            view = await service.find_order(tx=tx, name=order)
        _show_view(session, view)

    run(act, as_json)


app.registered_commands += acts.registered_commands
app.add_typer(fallout)
app.add_typer(policy)
