"""``farwire payment``: take, list, allocate, refund and take back payments."""

from __future__ import annotations

from typing import Annotated
from uuid import uuid4

import typer

from farwire.account import service as accounts
from farwire.account.model import BillingAccount
from farwire.base.storage import Tx
from farwire.cli import payment_gateways, payment_methods, payment_mobile, payment_refunds
from farwire.cli.shell import (
    ActorOption,
    ExitCode,
    JsonOption,
    LimitOption,
    OffsetOption,
    Session,
    TenantOption,
    actor_named,
    parse_moment,
    run,
)
from farwire.kernel.errors import Invalid, NotFound
from farwire.kernel.ids import AccountId, PaymentId, parse_id
from farwire.kernel.money import Money
from farwire.kernel.page import PageRequest
from farwire.payment import service
from farwire.payment.model import ChargeState, MethodKind, OpenItem, Payment, PaymentState

app = typer.Typer(
    name="payment",
    no_args_is_help=True,
    help="Payments: take them in, put them against bills, give them back.\n\n"
    "  farwire payment take 58.14 --account 100001 --method bank_transfer --external BANK-4711\n\n"
    "  farwire payment take 58.14 --account 100001 --method card --token tok_visa\n\n"
    "A payment pays the bill that --reference numbers, then the oldest due; what is left stays as credit. What nobody "
    "can be found for waits in suspense.",
)
app.add_typer(payment_methods.app, name="methods")
app.add_typer(payment_gateways.app, name="gateway")
app.command("refund")(payment_refunds.refund)
app.command("refunds")(payment_refunds.refunds)
app.command("approve-refund")(payment_refunds.approve)
app.command("deny-refund")(payment_refunds.deny)
app.command("topup")(payment_mobile.topup)
app.command("topups")(payment_mobile.topups)
app.command("debts")(payment_mobile.debts)
app.command("simulate")(payment_mobile.simulate)

PaymentArgument = Annotated[str, typer.Argument(help="The payment's id, from farwire payment list.")]
MethodOption = Annotated[MethodKind, typer.Option("--method", help="How the money came.")]


async def account_numbered(tx: Tx, number: str) -> BillingAccount:
    """Return the account ``number``. Raises ``NotFound`` (``account.unknown``)."""
    return await accounts.account_numbered(tx=tx, number=number)


def payment_id(text: str) -> PaymentId:
    """Return the id that ``text`` spells."""
    return PaymentId(parse_id(text, field="payment"))


async def facts_of(tx: Tx, payment: Payment) -> dict[str, object]:
    """Return what people want to know of a payment."""
    parts = await service.payment_items(tx, payment_id=payment.id)
    owner = None
    if payment.account_id is not None:
        found = await accounts.accounts_by_id(tx=tx, account_ids=[payment.account_id])
        owner = found[payment.account_id].number if payment.account_id in found else payment.account_id
    return {
        "id": payment.id,
        "account": owner,
        "state": payment.state,
        "method": payment.method,
        "external": payment.external_reference,
        "reference": payment.reference,
        "amount": payment.amount,
        "left": Money(payment.left_minor, payment.currency),
        "pays": [_part(item, minor) for item, minor in parts],
        "received_at": payment.received_at,
        "reason": payment.reason,
    }


def _part(item: OpenItem, minor: int) -> str:
    return f"{item.number} {Money(minor, item.currency)}"


@app.command("take")
def take(
    tenant: TenantOption,
    amount: Annotated[str, typer.Argument(help="In the account's currency, e.g. 58.14.")],
    method: MethodOption,
    account: Annotated[str, typer.Option("--account", help="The account's number.")] = "",
    external: Annotated[
        str, typer.Option("--external", help="The name that the bank or the till gave it; it counts once.")
    ] = "",
    reference: Annotated[str, typer.Option("--reference", help="A bill's number.")] = "",
    token: Annotated[
        str, typer.Option("--token", help="Charge this card or wallet through its gateway.")
    ] = "",
    topup_for: Annotated[
        str,
        typer.Option("--topup", help="With --token: the balance it tops up, as charging names its owner."),
    ] = "",
    currency: Annotated[str, typer.Option("--currency", help="Where no account is known; EUR, NGN, …")] = "",
    received: Annotated[
        str, typer.Option("--received", help="A day or a time with a zone; now by default.")
    ] = "",
    actor: ActorOption = "",
    as_json: JsonOption = False,
) -> None:
    """Take in money that came, or with --token charge a card or a wallet.

    Exit code 1 if a gateway denied it; a pending charge is decided by the gateway's notice.
    """

    async def act(session: Session) -> None:
        tenant_id = await session.tenant(tenant)
        now = session.clock.now()
        async with session.db.transaction(tenant_id) as tx:
            found = await account_numbered(tx, account) if account else None
            code = currency or (found.currency.code if found else "")
            if not code:
                raise Invalid(
                    "which currency?",
                    code="payment.currency",
                    field="currency",
                    fix="name the account, or give --currency",
                )
            money = Money.of(amount, code)
            if token:
                denied = await _charge(session, tx, found, method, token, money, reference, actor, topup_for)
            else:
                payment = await service.receive_payment(
                    tx,
                    method=method,
                    external_reference=external or f"counter-{uuid4().hex}",
                    amount=money,
                    received_at=parse_moment(received, field="received") if received else now,
                    now=now,
                    actor=actor_named(actor),
                    account_id=found.id if found else None,
                    reference=reference,
                )
                session.out.facts("Payment", await facts_of(tx, payment))
                denied = False
        if denied:
            raise typer.Exit(ExitCode.DIFFERENCE)

    run(act, as_json)


async def _charge(
    session: Session,
    tx: Tx,
    account: BillingAccount | None,
    method: MethodKind,
    token: str,
    amount: Money,
    reference: str,
    actor: str,
    topup_for: str,
) -> bool:
    """Charge a token, show how it went, and return whether it was denied."""
    if account is None:
        raise NotFound("a charge needs an account", code="account.unknown", field="account")
    charge = await service.take_payment(
        tx,
        account_id=account.id,
        method=method,
        token=token,
        amount=amount,
        now=session.clock.now(),
        actor=actor_named(actor),
        reference=reference,
        topup_for=topup_for,
    )
    facts: dict[str, object] = {
        "charge": charge.id,
        "key": charge.key,
        "state": charge.state,
        "amount": amount,
        "reason": charge.reason,
        "payment": charge.payment_id,
    }
    session.out.facts("Charge", facts)
    return charge.state is ChargeState.DENIED


@app.command("list")
def list_payments(
    tenant: TenantOption,
    account: Annotated[str, typer.Option("--account", help="Only of this account number.")] = "",
    state: Annotated[PaymentState | None, typer.Option("--state", help="Only in this state.")] = None,
    offset: OffsetOption = 0,
    limit: LimitOption = 50,
    as_json: JsonOption = False,
) -> None:
    """List payments, newest first."""
    _list(tenant, account, state, PageRequest(offset, limit), as_json=as_json)


def _list(tenant: str, account: str, state: PaymentState | None, page: PageRequest, *, as_json: bool) -> None:
    async def act(session: Session) -> None:
        async with session.db.transaction(await session.tenant(tenant)) as tx:
            owner: AccountId | None = (await account_numbered(tx, account)).id if account else None
            found = await service.list_payments(tx, page=page, account_id=owner, state=state)
        rows = [
            {
                "id": one.id,
                "received_at": one.received_at,
                "method": one.method,
                "external": one.external_reference,
                "state": one.state,
                "amount": one.amount,
                "left": Money(one.left_minor, one.currency),
                "reason": one.reason,
            }
            for one in found.items
        ]
        suspense = state is PaymentState.UNMATCHED
        columns = ("id", "external", "amount", *(("reason",) if suspense else ("left", "state")))
        empty = (
            "Nothing is in suspense."
            if suspense
            else f"No payment yet: farwire payment take AMOUNT --method cash --account NUMBER --tenant {tenant}"
        )
        title = "In suspense" if suspense else "Payments"
        session.out.rows(title, columns, rows, empty=empty, total=found.total, right=("amount", "left"))

    run(act, as_json)


@app.command("show")
def show(tenant: TenantOption, payment: PaymentArgument, as_json: JsonOption = False) -> None:
    """Show a payment and what it pays."""

    async def act(session: Session) -> None:
        async with session.db.transaction(await session.tenant(tenant)) as tx:
            found = await service.get_payment(tx, payment_id=payment_id(payment))
            session.out.facts("Payment", await facts_of(tx, found))

    run(act, as_json)


@app.command("allocate")
def allocate(
    tenant: TenantOption,
    payment: PaymentArgument,
    bill: Annotated[
        str, typer.Option("--bill", help="Only against this bill's number; else the oldest due.")
    ] = "",
    actor: ActorOption = "",
    as_json: JsonOption = False,
) -> None:
    """Put what is left of a payment against open bills."""

    async def act(session: Session) -> None:
        async with session.db.transaction(await session.tenant(tenant)) as tx:
            wanted = payment_id(payment)
            await service.allocate_payment(
                tx,
                payment_id=wanted,
                now=session.clock.now(),
                actor=actor_named(actor),
                number=bill,
            )
            found = await service.get_payment(tx, payment_id=wanted)
            session.out.facts("Payment", await facts_of(tx, found))

    run(act, as_json)


@app.command("reverse")
def reverse(
    tenant: TenantOption,
    payment: PaymentArgument,
    reason: Annotated[str, typer.Option("--reason", help="Why: returned debit, chargeback, a mistake.")],
    actor: ActorOption = "",
    as_json: JsonOption = False,
) -> None:
    """Take a payment back: what it paid is open again. Again changes nothing."""

    async def act(session: Session) -> None:
        async with session.db.transaction(await session.tenant(tenant)) as tx:
            found = await service.reverse_payment(
                tx,
                payment_id=payment_id(payment),
                reason=reason,
                now=session.clock.now(),
                actor=actor_named(actor),
            )
            session.out.facts("Payment", await facts_of(tx, found))

    run(act, as_json)


@app.command("suspense")
def suspense(
    tenant: TenantOption,
    assign: Annotated[str, typer.Option("--assign", help="Give this payment an account.")] = "",
    account: Annotated[str, typer.Option("--account", help="The account's number.")] = "",
    offset: OffsetOption = 0,
    limit: LimitOption = 50,
    actor: ActorOption = "",
    as_json: JsonOption = False,
) -> None:
    """List payments that nobody is known for; with --assign PAYMENT --account NUMBER give one its account."""
    if not assign:
        _list(tenant, "", PaymentState.UNMATCHED, PageRequest(offset, limit), as_json=as_json)
        return

    async def act(session: Session) -> None:
        async with session.db.transaction(await session.tenant(tenant)) as tx:
            owner = await account_numbered(tx, account)
            found = await service.assign_payment(
                tx,
                payment_id=payment_id(assign),
                account_id=owner.id,
                now=session.clock.now(),
                actor=actor_named(actor),
            )
            session.out.facts("Payment", await facts_of(tx, found))

    run(act, as_json)
