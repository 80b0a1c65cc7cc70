"""``farwire payment``: money that tops balances up, debts of payments that were taken back, a provider to play with."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Final

import msgspec
import typer

from farwire.account import service as accounts
from farwire.base.storage import Tx
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
from farwire.kernel.errors import Invalid, NotFound
from farwire.kernel.ids import PaymentId, parse_id
from farwire.kernel.money import Money
from farwire.kernel.page import PageRequest
from farwire.payment import service
from farwire.payment.model import ItemKind, MethodKind, Notice, signature_of
from farwire.payment.model.voucher import CreditOrder
from farwire.payment.service import voucher
from farwire.payment.simulator import MOBILE_MONEY

METHOD: Final = MethodKind.MOBILE_MONEY


class Act(StrEnum):
    """What the simulated payer or provider does."""

    PAY = "pay"
    CONFIRM = "confirm"
    DECLINE = "decline"
    REVERSE = "reverse"


def _facts(order: CreditOrder) -> dict[str, object]:
    return {
        "key": order.key,
        "payment": order.payment_id,
        "subscriber": order.asked.subscriber,
        "value": order.value,
        "ordered_at": order.redeemed_at,
        "credited_at": order.credited_at,
        "reversed_at": order.reversed_at,
        "spent": None if order.short_minor is None else Money(order.short_minor, order.value.currency),
    }


def topup(
    tenant: TenantOption,
    payment: Annotated[str, typer.Argument(help="The payment's id, from farwire payment list.")],
    subscriber: Annotated[str, typer.Option("--subscriber", help="Whose balance, as charging names him.")],
    actor: ActorOption = "",
    as_json: JsonOption = False,
) -> None:
    """Put what is left of a payment on a prepaid balance, once. Again changes nothing."""

    async def act(session: Session) -> None:
        async with session.db.transaction(await session.tenant(tenant)) as tx:
            order = await service.top_up(
                tx,
                payment_id=PaymentId(parse_id(payment, field="payment")),
                subscriber=subscriber,
                now=session.clock.now(),
                actor=actor_named(actor),
            )
        session.out.facts("Top-up", _facts(order))

    run(act, as_json)


def topups(
    tenant: TenantOption,
    waiting: Annotated[bool, typer.Option("--waiting", help="Only those that are not credited yet.")] = False,
    offset: OffsetOption = 0,
    limit: LimitOption = 50,
    as_json: JsonOption = False,
) -> None:
    """List payments that top prepaid balances up, oldest first."""

    async def act(session: Session) -> None:
        async with session.db.transaction(await session.tenant(tenant), read_only=True) as tx:
            page = await voucher.list_credit_orders(
                tx, page=PageRequest(offset, limit), waiting_only=waiting, vouchers=False
            )
        columns = ("payment", "subscriber", "value", "ordered_at", "credited_at", "reversed_at", "spent")
        empty = f"No top-up: farwire payment topup PAYMENT --subscriber NAME --tenant {tenant}"
        rows = [_facts(one) for one in page.items]
        session.out.rows("Top-ups", columns, rows, empty=empty, total=page.total, right=("value", "spent"))

    run(act, as_json)


def debts(
    tenant: TenantOption, offset: OffsetOption = 0, limit: LimitOption = 50, as_json: JsonOption = False
) -> None:
    """List debts: what was refunded or spent of payments before their provider took them back."""

    async def act(session: Session) -> None:
        async with session.db.transaction(await session.tenant(tenant), read_only=True) as tx:
            page = await service.list_open_items(tx, page=PageRequest(offset, limit), kind=ItemKind.DEBT)
            owners = await accounts.accounts_by_id(tx=tx, account_ids=[one.account_id for one in page.items])
        rows = [
            {
                "account": owners[one.account_id].number if one.account_id in owners else one.account_id,
                "since": one.issued_on,
                "amount": Money(one.amount_minor, one.currency),
                "open": Money(one.open_minor, one.currency),
                "number": one.number,
            }
            for one in page.items
        ]
        columns = ("account", "since", "amount", "open", "number")
        session.out.rows("Debts", columns, rows, empty="No debt.", total=page.total, right=("amount", "open"))

    run(act, as_json)


def simulate(
    tenant: TenantOption,
    what: Annotated[
        Act, typer.Argument(help="pay by oneself, confirm or decline a push, or reverse a payment.")
    ],
    key: Annotated[
        str, typer.Option("--key", help="Of the charge, from farwire payment take; for pay a new name.")
    ],
    amount: Annotated[str, typer.Option("--amount", help="For pay: e.g. 5.00.")] = "",
    currency: Annotated[str, typer.Option("--currency", help="For pay.")] = "EUR",
    account: Annotated[
        str, typer.Option("--account", help="For pay: the account as the payer writes it.")
    ] = "",
    topup_for: Annotated[str, typer.Option("--topup", help="For pay: whose balance it tops up.")] = "",
    silent: Annotated[
        bool, typer.Option("--silent", help="The notice is lost on its way: nobody hears it.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Play the payer or the provider of the mobile-money simulator, and hear the signed notice.

    The same again is the same notice: however often it comes, it counts once. What is silent, the worker asks for.

    Example: farwire payment simulate pay --key mm-1 --amount 5.00 --account 100001 --topup 4915112345678
    """

    async def act(session: Session) -> None:
        now = session.clock.now()
        tenant_id = await session.tenant(tenant)
        async with session.db.transaction(tenant_id) as tx:
            notice = await _played(tx, what, key, amount, currency, account, now)
            if topup_for:
                notice = msgspec.structs.replace(notice, topup=topup_for)
            secret = await service.gateway_secret(tx, method=METHOD)
        payload = msgspec.json.encode(notice).decode()
        signature = signature_of(payload, secret)
        payment = None
        if not silent:
            async with session.db.transaction(tenant_id) as tx:
                payment = await service.hear_notice(
                    tx, method=METHOD, payload=payload, signature=signature, now=now, actor=actor_named("")
                )
        facts: dict[str, object] = {
            "payload": payload,
            "signature": signature,
            "payment": None if payment is None else payment.id,
            "state": None if payment is None else payment.state,
        }
        session.out.facts("Notice", facts)

    run(act, as_json)


async def _played(
    tx: Tx, what: Act, key: str, amount: str, currency: str, account: str, now: datetime
) -> Notice:
    """Return the notice of what the payer or the provider did."""
    if what is Act.CONFIRM:
        return await MOBILE_MONEY.confirm(tx, key=key, at=now)
    if what is Act.DECLINE:
        return await MOBILE_MONEY.decline(tx, key=key, at=now)
    if what is Act.PAY:
        if not amount:
            raise Invalid("how much?", code="payment.amount", field="amount", fix="give --amount")
        money = Money.of(amount, currency)
        return await MOBILE_MONEY.pay_by_oneself(tx, reference=key, account=account, amount=money, at=now)
    try:
        return await MOBILE_MONEY.take_back(tx, key=key, at=now)
    except NotFound:
        return await MOBILE_MONEY.take_back(tx, key=f"unasked {key}", at=now)
