"""``farwire order policy``: the tenant's rules for orders, as one document."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from farwire.cli.shell import COMMAND_LINE, ActorOption, JsonOption, Session, TenantOption, actor_named, run
from farwire.inventory.model import SuspensionReason
from farwire.ordering import service
from farwire.ordering.model import DUE_HOURS, Action, Policy, read_policy

policy = typer.Typer(
    name="policy",
    no_args_is_help=True,
    help="The tenant's rules for orders: dates, attempts, due dates, and what becomes of tasks that fail.",
)


@policy.command("set")
def set_policy(
    tenant: TenantOption,
    file: Annotated[
        Path, typer.Argument(help="The rules, TOML or JSON.", exists=True, dir_okay=False, readable=True)
    ],
    actor: ActorOption = COMMAND_LINE,
    as_json: JsonOption = False,
) -> None:
    """Set all of the rules: what the file does not name has its usual value.

    They decide about what happens from now on; tasks that wait already and dates that were promised stay.

    Example: farwire order policy set orders.toml --tenant acme
    """

    async def act(session: Session) -> None:
        rules = read_policy(file.read_bytes(), name=file.name)
        async with session.db.transaction(await session.tenant(tenant)) as tx:
            await service.set_policy(tx=tx, clock=session.clock, policy=rules, actor=actor_named(actor))
        _show(session, rules)

    run(act, as_json)


@policy.command("show")
def show_policy(tenant: TenantOption, as_json: JsonOption = False) -> None:
    """Show the rules, with every value that was not set."""

    async def act(session: Session) -> None:
        async with session.db.transaction(await session.tenant(tenant), read_only=True) as tx:
            rules = await service.policy_of(tx=tx)
        _show(session, rules)

    run(act, as_json)


def _show(session: Session, rules: Policy) -> None:
    facts: dict[str, object] = {
        "back_dated_days": rules.back_dated_days,
        "ahead_days": rules.ahead_days,
        "max_attempts": rules.max_attempts,
        "warning_hours": rules.warning_hours,
        "due_hours": f"{DUE_HOURS}",
    }
    facts |= {f"due_hours.{one}": rules.hours(one) for one in Action if one in rules.due_hours}
    facts |= {f"suspension_percent.{one}": rules.percent(one) for one in SuspensionReason}
    rows = [
        {
            "rule": number,
            "kind": rule.kind,
            "adapter": rule.adapter,
            "error": rule.error,
            "attempts": rule.attempts,
            "decision": rule.decision,
            "after_seconds": rule.after_seconds,
        }
        for number, rule in enumerate(rules.fallout, 1)
    ]
    if session.out.as_json:
        session.out.document(facts | {"fallout": rows})
        return
    session.out.facts("Rules for orders", facts)
    columns = ("rule", "kind", "adapter", "error", "attempts", "decision", "after_seconds")
    session.out.rows("Fallout", columns, rows, empty="No rule: a person decides about each task that fails.")
