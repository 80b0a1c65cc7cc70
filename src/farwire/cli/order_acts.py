"""``farwire order``: cancel, hold, release, reject, work, and decide about what failed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated

import typer

from farwire.base.storage import Tx
from farwire.cli.order_options import OrderArgument, WhyOption, order_row
from farwire.cli.shell import (
    COMMAND_LINE,
    ActorOption,
    JsonOption,
    LimitOption,
    OffsetOption,
    Session,
    TenantOption,
    actor_named,
    run,
)
from farwire.kernel.ids import OrderId, TaskId, parse_id
from farwire.kernel.page import PageRequest
from farwire.ordering import service
from farwire.ordering.model import HoldReason, ProductOrder
from farwire.ordering.service import Decision

acts = typer.Typer()
fallout = typer.Typer(name="fallout", no_args_is_help=True, help="Tasks that failed and wait for a decision.")
TaskArgument = Annotated[str, typer.Argument(help="The task's id, as `farwire order fallout list` shows it.")]
Act = Callable[[Session, Tx, OrderId], Awaitable[ProductOrder]]


def _on_order(tenant: str, order: str, act: Act, as_json: bool) -> None:
    """Do something to one order and show it."""

    async def acted(session: Session) -> None:
        async with session.db.transaction(await session.tenant(tenant)) as tx:
            found = await service.find_order(tx=tx, name=order)
            after = await act(session, tx, found.order.id)
        session.out.facts(f"Order {after.id}", order_row(after))

    run(acted, as_json)


@acts.command("cancel")
def cancel(
    tenant: TenantOption,
    order: OrderArgument,
    why: WhyOption = "",
    actor: ActorOption = COMMAND_LINE,
    as_json: JsonOption = False,
) -> None:
    """Give an order up. What was done is undone by the next work, the last first."""

    async def act(session: Session, tx: Tx, order_id: OrderId) -> ProductOrder:
        return await service.cancel_order(
            tx=tx, clock=session.clock, order_id=order_id, reason=why, actor=actor_named(actor)
        )

    _on_order(tenant, order, act, as_json)


@acts.command("hold")
def hold(
    tenant: TenantOption,
    order: OrderArgument,
    why: WhyOption = "",
    actor: ActorOption = COMMAND_LINE,
    as_json: JsonOption = False,
) -> None:
    """Let an order that has not begun wait until it is released."""

    async def act(session: Session, tx: Tx, order_id: OrderId) -> ProductOrder:
        return await service.hold_order(
            tx=tx, clock=session.clock, order_id=order_id, reason=why, actor=actor_named(actor)
        )

    _on_order(tenant, order, act, as_json)


@acts.command("release")
def release(
    tenant: TenantOption,
    order: OrderArgument,
    hold: Annotated[
        HoldReason | None, typer.Option("--hold", help="Only this reason. Default: all that may go.")
    ] = None,
    actor: ActorOption = COMMAND_LINE,
    as_json: JsonOption = False,
) -> None:
    """Let an order that was held by hand go on. One that waits for a verification goes on by that, and only by that."""

    async def act(session: Session, tx: Tx, order_id: OrderId) -> ProductOrder:
        return await service.release_order(
            tx=tx, clock=session.clock, order_id=order_id, reason=hold, actor=actor_named(actor)
        )

    _on_order(tenant, order, act, as_json)


@acts.command("reject")
def reject(
    tenant: TenantOption,
    order: OrderArgument,
    why: Annotated[str, typer.Option("--why", help="The reason.")],
    actor: ActorOption = COMMAND_LINE,
    as_json: JsonOption = False,
) -> None:
    """Refuse an order that has not begun."""

    async def act(session: Session, tx: Tx, order_id: OrderId) -> ProductOrder:
        return await service.reject_order(
            tx=tx, clock=session.clock, order_id=order_id, reason=why, actor=actor_named(actor)
        )

    _on_order(tenant, order, act, as_json)


@acts.command("work")
def work(
    tenant: TenantOption,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many tasks.")] = service.LIMIT,
    as_json: JsonOption = False,
) -> None:
    """Carry out what is due now. `farwire worker` does it every minute; this does it at once."""

    async def act(session: Session) -> None:
        tenant_id = await session.tenant(tenant)
        worked = await service.work(db=session.db, tenant_id=tenant_id, clock=session.clock, limit=limit)
        async with session.db.transaction(tenant_id, read_only=True) as tx:
            due: datetime | None = await service.next_due(tx=tx)
        facts = {
            "done": worked.done,
            "failed": worked.failed,
            "fallout": worked.fallout,
            "next_due": due,
        }
        session.out.facts("Work", facts)
        if worked.fallout:
            session.out.note(f"Decide: farwire order fallout list --tenant {tenant}")

    run(act, as_json)


@fallout.command("list")
def list_fallout(
    tenant: TenantOption, offset: OffsetOption = 0, limit: LimitOption = 50, as_json: JsonOption = False
) -> None:
    """List the tasks that wait for a decision, the oldest first."""

    async def act(session: Session) -> None:
        async with session.db.transaction(await session.tenant(tenant), read_only=True) as tx:
            page = await service.list_fallout(tx=tx, page=PageRequest(offset, limit))
        rows = [
            {"task": one.id, "order": one.order_id, "name": one.step.name, "attempts": one.attempts}
            | {"error": one.error}
            for one in page.items
        ]
        columns = ("task", "order", "name", "attempts", "error")
        session.out.rows("Fallout", columns, rows, empty="Nothing waits for a decision.", total=page.total)

    run(act, as_json)


def _decide(tenant: str, task: str, decision: Decision, why: str, actor: str, as_json: bool) -> None:
    async def act(session: Session) -> None:
        async with session.db.transaction(await session.tenant(tenant)) as tx:
            order = await service.decide_fallout(
                tx=tx,
                clock=session.clock,
                task_id=TaskId(parse_id(task, field="task")),
                decision=decision,
                reason=why,
                actor=actor_named(actor),
            )
        session.out.facts(f"Order {order.id}", order_row(order))

    run(act, as_json)


@fallout.command("retry")
def retry(
    tenant: TenantOption,
    task: TaskArgument,
    why: WhyOption = "",
    actor: ActorOption = COMMAND_LINE,
    as_json: JsonOption = False,
) -> None:
    """Try the task again, with all its attempts."""
    _decide(tenant, task, Decision.RETRY, why, actor, as_json)


@fallout.command("skip")
def skip(
    tenant: TenantOption,
    task: TaskArgument,
    why: WhyOption = "",
    actor: ActorOption = COMMAND_LINE,
    as_json: JsonOption = False,
) -> None:
    """Go on without the task: it was done by hand, or is not needed."""
    _decide(tenant, task, Decision.SKIP, why, actor, as_json)


@fallout.command("rollback")
def rollback(
    tenant: TenantOption,
    task: TaskArgument,
    why: WhyOption = "",
    actor: ActorOption = COMMAND_LINE,
    as_json: JsonOption = False,
) -> None:
    """Undo what was done for the item of this task; the item fails."""
    _decide(tenant, task, Decision.ROLLBACK, why, actor, as_json)


@fallout.command("abort")
def abort(
    tenant: TenantOption,
    task: TaskArgument,
    why: WhyOption = "",
    actor: ActorOption = COMMAND_LINE,
    as_json: JsonOption = False,
) -> None:
    """Give the item of this task up and leave what was done as it is."""
    _decide(tenant, task, Decision.ABORT, why, actor, as_json)
