"""``farwire payment refund`` and its like: one person asks, another approves."""

from __future__ import annotations

from typing import Annotated

import typer

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
from farwire.kernel.ids import PaymentId, RefundId, parse_id
from farwire.kernel.money import Money
from farwire.kernel.page import PageRequest
from farwire.payment import service
from farwire.payment.model import Refund, RefundState

RefundArgument = Annotated[str, typer.Argument(help="The refund's id, from farwire payment refunds.")]


def _facts(refund: Refund) -> dict[str, object]:
    return {
        "id": refund.id,
        "state": refund.state,
        "amount": refund.amount,
        "method": refund.method,
        "payment": refund.payment_id,
        "reason": refund.reason,
        "requested_by": refund.requested_by.id,
        "decided_by": None if refund.decided_by is None else refund.decided_by.id,
        "external": refund.external_reference,
    }


def refund(
    tenant: TenantOption,
    payment: Annotated[str, typer.Argument(help="The payment's id.")],
    amount: Annotated[str, typer.Argument(help="In the payment's currency, e.g. 10.00.")],
    reason: Annotated[str, typer.Option("--reason", help="Why.")],
    actor: ActorOption = "",
    as_json: JsonOption = False,
) -> None:
    """Ask that a part of what is left of a payment goes back; a second person approves it.

    farwire payment refund PAYMENT 10.00 --reason "moved away" --as 17
    """

    async def act(session: Session) -> None:
        async with session.db.transaction(await session.tenant(tenant)) as tx:
            found = await service.get_payment(tx, payment_id=PaymentId(parse_id(payment, field="payment")))
            asked = await service.request_refund(
                tx,
                payment_id=found.id,
                amount=Money.of(amount, found.currency.code),
                reason=reason,
                now=session.clock.now(),
                actor=actor_named(actor),
            )
        session.out.facts("Refund", _facts(asked))
        command = f"farwire payment approve-refund {asked.id} --as NAME --tenant {tenant}"
        session.out.note(f"A second person approves it: {command}")

    run(act, as_json)


def approve(
    tenant: TenantOption,
    refund: RefundArgument,
    external: Annotated[
        str, typer.Option("--external", help="The bank's or the till's name for it; gateways give their own.")
    ] = "",
    actor: ActorOption = "",
    as_json: JsonOption = False,
) -> None:
    """Pay a refund out, as another person than the one who asked."""

    async def act(session: Session) -> None:
        async with session.db.transaction(await session.tenant(tenant)) as tx:
            paid = await service.approve_refund(
                tx,
                refund_id=RefundId(parse_id(refund, field="refund")),
                now=session.clock.now(),
                actor=actor_named(actor),
                external_reference=external,
            )
        session.out.facts("Refund", _facts(paid))

    run(act, as_json)


def deny(
    tenant: TenantOption, refund: RefundArgument, actor: ActorOption = "", as_json: JsonOption = False
) -> None:
    """Refuse or withdraw a refund: what was set aside is the customer's credit again."""

    async def act(session: Session) -> None:
        async with session.db.transaction(await session.tenant(tenant)) as tx:
            denied = await service.deny_refund(
                tx,
                refund_id=RefundId(parse_id(refund, field="refund")),
                now=session.clock.now(),
                actor=actor_named(actor),
            )
        session.out.facts("Refund", _facts(denied))

    run(act, as_json)


def refunds(
    tenant: TenantOption,
    state: Annotated[RefundState | None, typer.Option("--state", help="Only in this state.")] = None,
    offset: OffsetOption = 0,
    limit: LimitOption = 50,
    as_json: JsonOption = False,
) -> None:
    """List refunds, newest first."""

    async def act(session: Session) -> None:
        async with session.db.transaction(await session.tenant(tenant)) as tx:
            page = await service.list_refunds(tx, page=PageRequest(offset, limit), state=state)
        rows = [_facts(one) for one in page.items]
        columns = ("id", "state", "amount", "reason", "requested_by", "decided_by")
        session.out.rows(
            "Refunds", columns, rows, empty="No refund yet.", total=page.total, right=("amount",)
        )

    run(act, as_json)
