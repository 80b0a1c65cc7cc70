"""``farwire bill``: accounts that are not billed for a while, what runs did with an account, who must approve."""

from __future__ import annotations

from typing import Annotated

import typer

from farwire.account import service as accounts
from farwire.billing import service
from farwire.billing.model import Approval
from farwire.cli.bill_run import AccountArgument, ReasonOption, account_id_of
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
from farwire.kernel.errors import NotFound
from farwire.kernel.page import PageRequest
from farwire.kernel.tenancy import Actor
from farwire.tenant import service as tenants


def hold(
    tenant: TenantOption,
    account: AccountArgument,
    reason: ReasonOption,
    until: Annotated[str, typer.Option("--until", help="Only until this day or time.")] = "",
    actor: ActorOption = "",
    as_json: JsonOption = False,
) -> None:
    """Bill an account no more until it is released. What is due meanwhile is billed afterwards."""

    async def act(session: Session) -> None:
        operator = await tenants.tenant_by_name(db=session.db, name=tenant)
        account_id = await account_id_of(session, operator.id, account)
        async with session.db.transaction(operator.id) as tx:
            held = await service.hold_account(
                tx,
                account_id=account_id,
                reason=reason,
                actor=actor_named(actor),
                now=session.clock.now(),
                until=parse_moment(until, field="until", zone_name=operator.zone) if until else None,
            )
        session.out.facts("Hold", {"account": account, "reason": held.reason, "until": held.until})

    run(act, as_json)


def release(
    tenant: TenantOption, account: AccountArgument, actor: ActorOption = "", as_json: JsonOption = False
) -> None:
    """Let an account be billed again: the next run bills what is due."""

    async def act(session: Session) -> None:
        tenant_id = await session.tenant(tenant)
        account_id = await account_id_of(session, tenant_id, account)
        async with session.db.transaction(tenant_id) as tx:
            await service.release_account(
                tx, account_id=account_id, actor=actor_named(actor), now=session.clock.now()
            )
        session.out.facts("Release", {"account": account})

    run(act, as_json)


def holds(
    tenant: TenantOption, offset: OffsetOption = 0, limit: LimitOption = 50, as_json: JsonOption = False
) -> None:
    """List the accounts that are on hold, the longest held first."""

    async def act(session: Session) -> None:
        tenant_id = await session.tenant(tenant)
        page = await service.list_holds(
            db=session.db, tenant_id=tenant_id, now=session.clock.now(), page=PageRequest(offset, limit)
        )
        async with session.db.transaction(tenant_id) as tx:
            owners = await accounts.accounts_by_id(tx=tx, account_ids=[one.account_id for one in page.items])
        rows = [
            {
                "account": owners[one.account_id].number if one.account_id in owners else one.account_id,
                "reason": one.reason,
                "since": one.held_at,
                "until": one.until,
                "by": one.held_by.id,
            }
            for one in page.items
        ]
        columns = ("account", "reason", "since", "until", "by")
        session.out.rows("On hold", columns, rows, empty="No account is on hold.", total=page.total)

    run(act, as_json)


def journal(
    tenant: TenantOption,
    account: AccountArgument,
    offset: OffsetOption = 0,
    limit: LimitOption = 24,
    as_json: JsonOption = False,
) -> None:
    """Show what runs did with each cycle of an account, newest first."""

    async def act(session: Session) -> None:
        tenant_id = await session.tenant(tenant)
        account_id = await account_id_of(session, tenant_id, account)
        page = await service.account_journal(
            db=session.db, tenant_id=tenant_id, account_id=account_id, page=PageRequest(offset, limit)
        )
        rows = [
            {
                "cycle_end": line.entry.cycle_end,
                "outcome": line.entry.outcome,
                "code": line.entry.code,
                "message": line.entry.message,
                "run": line.run_id,
            }
            for line in page.items
        ]
        columns = ("cycle_end", "outcome", "code", "message")
        session.out.rows("Journal", columns, rows, empty="No run has looked at it yet.", total=page.total)

    run(act, as_json)


def policy(
    tenant: TenantOption,
    approval: Annotated[Approval, typer.Option("--approval", help="Who must approve from now on.")],
    company: Annotated[
        str, typer.Option("--company", help="Only for the company with this number prefix.")
    ] = "",
    actor: ActorOption = "",
    as_json: JsonOption = False,
) -> None:
    """Decide whether bill runs, credits and credit notes need a second person (four_eyes, the default) or not."""

    async def act(session: Session) -> None:
        tenant_id = await session.tenant(tenant)
        who: Actor = actor_named(actor)
        async with session.db.transaction(tenant_id) as tx:
            now = session.clock.now()
            if company:
                entities = await tenants.legal_entities(tx)
                found = next((one for one in entities.values() if one.number_prefix == company), None)
                if found is None:
                    raise NotFound(
                        "there is no such company",
                        code="tenant.legal_entity_unknown",
                        field="company",
                        value=company,
                        fix=f"see: farwire tenant show {tenant}",
                    )
                await service.set_approval(tx, approval=approval, actor=who, now=now, entity_id=found.id)
            else:
                await service.set_approval(tx, approval=approval, actor=who, now=now)
        session.out.facts("Policy", {"approval": approval, "company": company or "all"})

    run(act, as_json)
