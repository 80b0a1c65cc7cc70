"""What is done to a charging account over HTTP. The body's key makes each command idempotent, in the shard itself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec

from farwire.base.authz import Permission
from farwire.base.web import AnyRoute, Call, Method, MoneyDocument, Nothing, Reply, Route
from farwire.charging import service
from farwire.charging.api.accounts import TAG, ByName
from farwire.charging.api.desk import check_amount, done, nano_of, state_of
from farwire.charging.api.documents import BASE, Code, CommandReply, Key, Number, Text, Units, shown
from farwire.charging.model import CommandKind, Unit
from farwire.charging.model.state import Balance
from farwire.charging.service import ChargingAccount, main_balance
from farwire.charging.service.reach import REACH
from farwire.kernel.errors import Conflict, Invalid, NotFound


class TopUpCreate(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """Money onto the main balance; a loan is paid back from it first, and validity is extended."""

    key: Key
    amount: MoneyDocument


class AdjustmentCreate(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """A correction of one balance, also a negative one: ``amount`` of a balance of money, ``units`` of another."""

    key: Key
    balance: Number
    amount: MoneyDocument | None = None
    units: Units | None = None


class TransferCreate(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """Money from the main balance to that of another account of the same circle."""

    key: Key
    to: Text
    amount: MoneyDocument


class LoanCreate(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """The plan's emergency credit."""

    key: Key


class PurchaseCreate(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """An offer, paid from the main balance."""

    key: Key
    offering: Code
    renews: bool = False


class RenewalCreate(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """The renewal, now, of an offer that the account has."""

    key: Key
    offering: Code


class BarCreate(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """A bar of the account, or its end. What is barred uses and buys nothing; credits still arrive."""

    key: Key
    barred: bool


class ConsentCreate(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """Whether a limit no longer stops usage, as its customer wants it."""

    key: Key
    limit: Number
    opted_on: bool


async def _account(call: Call[ByName, Nothing, Any], name: str) -> ChargingAccount:
    async with call.transaction() as tx:
        return await service.find_account(tx, name=name)


async def _do(
    call: Call[ByName, Nothing, Any],
    account: ChargingAccount,
    kind: CommandKind,
    amount: int = 0,
    subject: int = 0,
) -> Reply:
    """Write down who wants what, let the shard do it, and say how the account stands."""
    await state_of(account)  # a shard that does not know it yet hears of it before anything is written down
    answer = await service.person_commands(
        REACH.client(), db=call.database, tenant_id=call.principal.tenant_id, account=account, kind=kind,
        key=f"{kind.name}/{call.body.key}", actor=call.principal.actor, now=call.now(), amount=amount, subject=subject,
    )  # fmt: skip
    await done(account, kind, answer)
    left = main_balance(await state_of(account))[1]
    moved = shown(answer.cost, account.currency) if answer.cost and kind is not CommandKind.ADJUST else None
    return Reply(CommandReply(str(account.number), "success", shown(left, account.currency), moved))


async def top_up(call: Call[ByName, Nothing, TopUpCreate]) -> Reply:
    """Top an account up."""
    account = await _account(call, call.path.id)
    amount = nano_of(call.body.amount.to_money(), account, field="amount")
    return await _do(call, account, CommandKind.TOP_UP, amount)


async def adjust(call: Call[ByName, Nothing, AdjustmentCreate]) -> Reply:
    """Correct one balance."""
    body, account = call.body, await _account(call, call.path.id)
    balance = await _balance(account, body.balance)
    wanted, other = ("amount", body.units) if balance.unit == Unit.MONEY else ("units", body.amount)
    if getattr(body, wanted) is None or other is not None:
        raise Invalid(
            f"this balance is corrected by {wanted}",
            code="charging.adjustment",
            field=wanted,
            fix=f"give {wanted}, and nothing else beside key and balance",
        )
    if body.amount is not None:
        amount = nano_of(body.amount.to_money(), account, field="amount", signed=True)
    else:
        amount = body.units or 0
        check_amount(amount, field="units", signed=True)
    return await _do(call, account, CommandKind.ADJUST, amount, body.balance)


async def _balance(account: ChargingAccount, number: int) -> Balance:
    found = next((one for one in (await state_of(account)).balances if one.number == number), None)
    if found is None:
        raise NotFound(
            "the account has no such balance",
            code="charging.balance_unknown",
            field="balance",
            value=number,
            fix="see the balances of the account",
        )
    return found


async def transfer(call: Call[ByName, Nothing, TransferCreate]) -> Reply:
    """Transfer money within a circle."""
    account, to = await _account(call, call.path.id), await _account(call, call.body.to)
    amount = nano_of(call.body.amount.to_money(), account, field="amount")
    await state_of(to)
    return await _do(call, account, CommandKind.TRANSFER, amount, to.number)


async def lend(call: Call[ByName, Nothing, LoanCreate]) -> Reply:
    """Lend the plan's emergency credit."""
    return await _do(call, await _account(call, call.path.id), CommandKind.LOAN)


async def purchase(call: Call[ByName, Nothing, PurchaseCreate]) -> Reply:
    """Buy an offer from the main balance."""
    account = await _account(call, call.path.id)
    async with call.transaction() as tx:
        offer = await service.offer_number(tx, offering=call.body.offering, now=call.now())
    return await _do(call, account, CommandKind.PURCHASE, int(call.body.renews), offer)


async def renew(call: Call[ByName, Nothing, RenewalCreate]) -> Reply:
    """Renew an offer now."""
    account, wanted = await _account(call, call.path.id), call.body.offering
    held = [one.offer for one in (await state_of(account)).holdings]
    async with call.transaction() as tx:
        offerings = await service.offerings_of_offers(tx, numbers=held)
    found = [one for one in held if offerings.get(one) == wanted]
    if not found:
        raise Conflict(
            "the account does not have this offer",
            code="charging.offer_not_held",
            field="offering",
            value=wanted,
            fix="buy it",
        )
    return await _do(call, account, CommandKind.RENEW, 0, found[-1])


async def bar(call: Call[ByName, Nothing, BarCreate]) -> Reply:
    """Bar an account, or end that."""
    return await _do(call, await _account(call, call.path.id), CommandKind.BAR, int(call.body.barred))


async def consent(call: Call[ByName, Nothing, ConsentCreate]) -> Reply:
    """Let usage go on beyond a limit, or stop at it again."""
    body, account = call.body, await _account(call, call.path.id)
    return await _do(call, account, CommandKind.OPT_ON, int(body.opted_on), body.limit)


def _command(
    path: str,
    handler: Callable[[Call[Any, Any, Any]], Awaitable[Reply]],
    summary: str,
    body: Any,
    permission: Permission,
) -> AnyRoute:
    return Route(
        method=Method.POST,
        path=f"{BASE}/{{id}}/{path}",
        handler=handler,
        summary=summary,
        tag=TAG,
        permission=permission,
        response=CommandReply,
        path_type=ByName,
        body_type=body,
        errors=("404", "409"),
        description=(
            "The body's key makes it idempotent for 24 hours, also across a crash: the same again moves nothing and "
            "has the same answer. What is refused moves nothing either (409, with the reason). 503: no shard answered."
        ),
    )


_MONEY: Final = Permission.BALANCE_WRITE
ROUTES: Final[tuple[AnyRoute, ...]] = (
    _command("topUps", top_up, "Top up", TopUpCreate, _MONEY),
    _command("adjustments", adjust, "Correct a balance", AdjustmentCreate, _MONEY),
    _command("transfers", transfer, "Transfer money", TransferCreate, _MONEY),
    _command("loans", lend, "Lend an emergency credit", LoanCreate, _MONEY),
    _command("purchases", purchase, "Buy an offer", PurchaseCreate, _MONEY),
    _command("renewals", renew, "Renew an offer", RenewalCreate, _MONEY),
    _command("bars", bar, "Bar an account, or end that", BarCreate, Permission.CHARGING_WRITE),
    _command("limitConsents", consent, "Opt on beyond a limit", ConsentCreate, Permission.CHARGING_WRITE),
)
