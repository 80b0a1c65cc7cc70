"""``farwire payment methods``: the tokens by which accounts pay."""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated

import typer

from farwire.account import service as accounts
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
from farwire.kernel.errors import Invalid
from farwire.kernel.ids import parse_id
from farwire.kernel.page import PageRequest
from farwire.payment import service
from farwire.payment.model import MethodKind, PaymentMethod

app = typer.Typer(
    name="methods",
    no_args_is_help=True,
    help="Ways in which accounts pay by themselves: tokens of a gateway, never card numbers.\n\n"
    "  farwire payment methods add --account 100001 --kind card --token tok_visa --brand visa --last4 4242",
)


def _row(method: PaymentMethod) -> dict[str, object]:
    return {
        "id": method.id,
        "kind": method.kind,
        "brand": method.brand,
        "last4": method.last4,
        "expires": None if method.expires is None else f"{method.expires:%Y-%m}",
        "preferred": method.preferred,
        "removed_at": method.removed_at,
    }


def _month(text: str) -> date | None:
    if not text:
        return None
    if not re.fullmatch(r"20[0-9]{2}-(0[1-9]|1[0-2])", text):
        raise Invalid("not a month", code="payment.expires", field="expires", value=text, fix="write YYYY-MM")
    return date.fromisoformat(f"{text}-01")


@app.command("add")
def add(
    tenant: TenantOption,
    account: Annotated[str, typer.Option("--account", help="The account's number.")],
    kind: Annotated[MethodKind, typer.Option("--kind", help="What it is.")],
    token: Annotated[str, typer.Option("--token", help="The gateway's name for it.")],
    brand: Annotated[str, typer.Option("--brand", help="e.g. visa")] = "",
    last4: Annotated[str, typer.Option("--last4", help="The last four digits.")] = "",
    expires: Annotated[str, typer.Option("--expires", help="The last month, e.g. 2028-06.")] = "",
    preferred: Annotated[bool, typer.Option("--preferred/--other", help="Charge it first.")] = True,
    actor: ActorOption = "",
    as_json: JsonOption = False,
) -> None:
    """Keep a token for an account."""

    async def act(session: Session) -> None:
        async with session.db.transaction(await session.tenant(tenant)) as tx:
            owner = await accounts.account_numbered(tx=tx, number=account)
            method = await service.add_method(
                tx,
                account_id=owner.id,
                kind=kind,
                token=token,
                now=session.clock.now(),
                actor=actor_named(actor),
                brand=brand,
                last4=last4,
                expires=_month(expires),
                preferred=preferred,
            )
        session.out.facts("Payment method", _row(method))

    run(act, as_json)


@app.command("list")
def list_methods(
    tenant: TenantOption,
    account: Annotated[str, typer.Option("--account", help="Only of this account number.")] = "",
    offset: OffsetOption = 0,
    limit: LimitOption = 50,
    as_json: JsonOption = False,
) -> None:
    """List the methods in use. Tokens are never shown."""

    async def act(session: Session) -> None:
        async with session.db.transaction(await session.tenant(tenant)) as tx:
            owner = (await accounts.account_numbered(tx=tx, number=account)).id if account else None
            page = await service.list_methods(tx, page=PageRequest(offset, limit), account_id=owner)
        columns = ("id", "kind", "brand", "last4", "expires", "preferred")
        empty = "No payment method yet: farwire payment methods add --help"
        session.out.rows(
            "Payment methods", columns, [_row(one) for one in page.items], empty=empty, total=page.total
        )

    run(act, as_json)


@app.command("remove")
def remove(
    tenant: TenantOption,
    method: Annotated[str, typer.Argument(help="The method's id.")],
    actor: ActorOption = "",
    as_json: JsonOption = False,
) -> None:
    """Stop using a method and forget its token."""

    async def act(session: Session) -> None:
        async with session.db.transaction(await session.tenant(tenant)) as tx:
            removed = await service.remove_method(
                tx,
                method_id=parse_id(method, field="method"),
                now=session.clock.now(),
                actor=actor_named(actor),
            )
        session.out.facts("Removed", _row(removed))

    run(act, as_json)
