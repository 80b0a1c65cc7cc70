"""What is done to a charging account over HTTP. The body's key makes each command idempotent, in the shard itself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final

import msgspec

from farwire.base.authz import Permission
from farwire.base.web import AnyRoute, Call, Method, MoneyDocument, Nothing, Reply, Route
from farwire.charging import service
from farwire.charging.api.accounts import TAG, ByName
from farwire.charging.api.desk import check_amount, done, nano_of, state_of
from farwire.charging.api.documents import (
    BASE,
    Code,
    CommandReply,
    Key,
    Number,
    Text,
    UnitName,
    Units,
    shown,
)
from farwire.charging.model import CommandKind, Unit
from farwire.charging.model.limits import EVERYWHERE
from farwire.charging.model.sharing import PAYS_LAST
from farwire.charging.model.state import Balance, Period, Scope
from farwire.charging.model.terms import LimitPeriod
from farwire.charging.service import ChargingAccount, Wish, balance_numbered, main_balance
from farwire.charging.service.reach import REACH
from farwire.kernel.errors import Invalid


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
    """Money from the main balance to that of another account in the same currency."""

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


class AutoRenewalSet(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """Whether an offer that the account has is bought again when it ends. What was paid lasts until then."""

    key: Key
    offering: Code
    renews: bool


class BarCreate(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """A bar of the account, or its end. What is barred uses and buys nothing; credits still arrive."""

    key: Key
    barred: bool


class ConsentCreate(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """Whether a limit no longer stops usage, as its customer wants it."""

    key: Key
    limit: Number
    opted_on: bool


class LimitSet(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """The most that may be spent in a period, abroad or in all. One of the same period and usage is changed."""

    key: Key
    amount: MoneyDocument
    period: LimitPeriod = LimitPeriod.CYCLE
    roaming_only: bool = False


class LimitRemoval(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """A limit that is no more."""

    key: Key
    limit: Number


class ShareSet(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """The right to draw on a balance of ``owner``, an account of the same circle: so much money or units in a period.

    ``priority`` stands beside those of the own balances (offers 10, money 100), the lowest is used first: 1 lets the
    owner pay first, 200 lets him help out when nothing else is left.
    """

    key: Key
    owner: Text
    balance: Number
    amount: MoneyDocument | None = None
    units: Units | None = None
    period: LimitPeriod = LimitPeriod.CYCLE
    priority: Annotated[int, msgspec.Meta(ge=0, le=30_000)] = PAYS_LAST


class ShareRemoval(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """A share that ends: that of ``owner`` in ``unit``; or, of the owner himself, all that draw on ``balance``."""

    key: Key
    owner: Text | None = None
    unit: UnitName | None = None
    balance: Number | None = None


async def _account(call: Call[ByName, Nothing, Any], name: str) -> ChargingAccount:
    async with call.transaction() as tx:
        return await service.find_account(tx, name=name)


async def _do(
    call: Call[ByName, Nothing, Any],
    account: ChargingAccount,
    wish: Wish,
) -> Reply:
    """Write down who wants what, let the shard do it, and say how the account stands."""
    await state_of(account)  # a shard that does not know it yet hears of it before anything is written down
    answer = await service.person_commands(
        REACH.client(), db=call.database, tenant_id=call.principal.tenant_id, account=account, wish=wish,
        key=f"{wish.kind.name}/{call.body.key}", actor=call.principal.actor, now=call.now(),
    )  # fmt: skip
    await done(account, wish.kind, answer)
    left = main_balance(await state_of(account))[1]
    moved = (
        shown(answer.cost, account.currency) if answer.cost and wish.kind is not CommandKind.ADJUST else None
    )
    return Reply(CommandReply(str(account.number), "success", shown(left, account.currency), moved))


async def top_up(call: Call[ByName, Nothing, TopUpCreate]) -> Reply:
    """Top an account up."""
    account = await _account(call, call.path.id)
    amount = nano_of(call.body.amount.to_money(), account, field="amount")
    service.check_may_top_up(account, field="id")
    return await _do(call, account, Wish(CommandKind.TOP_UP, amount))


async def adjust(call: Call[ByName, Nothing, AdjustmentCreate]) -> Reply:
    """Correct one balance."""
    body, account = call.body, await _account(call, call.path.id)
    balance = balance_numbered(await state_of(account), body.balance)
    amount = _counted(body, balance, account, signed=True)
    return await _do(call, account, Wish(CommandKind.ADJUST, amount, body.balance))


def _counted(
    body: AdjustmentCreate | ShareSet, balance: Balance, account: ChargingAccount, *, signed: bool = False
) -> int:
    """Return the ``amount`` or the ``units`` of a body, whichever its balance counts in."""
    wanted, other = ("amount", body.units) if balance.unit == Unit.MONEY else ("units", body.amount)
    if getattr(body, wanted) is None or other is not None:
        raise Invalid(
            f"this balance is counted by {wanted}",
            code="charging.adjustment",
            field=wanted,
            fix=f"give {wanted}, and not the other",
        )
    if body.amount is not None:
        return nano_of(body.amount.to_money(), account, field="amount", signed=signed)
    amount = body.units or 0
    check_amount(amount, field="units", signed=signed)
    return amount


async def transfer(call: Call[ByName, Nothing, TransferCreate]) -> Reply:
    """Transfer money to another account."""
    account, to = await _account(call, call.path.id), await _account(call, call.body.to)
    amount = nano_of(call.body.amount.to_money(), account, field="amount")
    service.check_may_transfer(account, to, field="to")
    await state_of(to)
    return await _do(call, account, Wish(CommandKind.TRANSFER, amount, to.number))


async def lend(call: Call[ByName, Nothing, LoanCreate]) -> Reply:
    """Lend the plan's emergency credit."""
    return await _do(call, await _account(call, call.path.id), Wish(CommandKind.LOAN))


async def purchase(call: Call[ByName, Nothing, PurchaseCreate]) -> Reply:
    """Buy an offer from the main balance."""
    account = await _account(call, call.path.id)
    async with call.transaction() as tx:
        offer = await service.offer_number(tx, offering=call.body.offering, now=call.now())
    return await _do(call, account, Wish(CommandKind.PURCHASE, int(call.body.renews), offer))


async def renew(call: Call[ByName, Nothing, RenewalCreate]) -> Reply:
    """Renew an offer now."""
    account = await _account(call, call.path.id)
    return await _do(
        call, account, Wish(CommandKind.RENEW, 0, await _held(call, account, call.body.offering))
    )


async def auto_renew(call: Call[ByName, Nothing, AutoRenewalSet]) -> Reply:
    """Let an offer renew by itself, or no longer."""
    body, account = call.body, await _account(call, call.path.id)
    offer = await _held(call, account, body.offering)
    return await _do(call, account, Wish(CommandKind.AUTO_RENEW, int(body.renews), offer))


async def _held(call: Call[ByName, Nothing, Any], account: ChargingAccount, offering: str) -> int:
    state = await state_of(account)
    async with call.transaction() as tx:
        return await service.offer_held(tx, state=state, offering=offering)


async def bar(call: Call[ByName, Nothing, BarCreate]) -> Reply:
    """Bar an account, or end that."""
    wish = Wish(CommandKind.BAR, int(call.body.barred))
    return await _do(call, await _account(call, call.path.id), wish)


async def consent(call: Call[ByName, Nothing, ConsentCreate]) -> Reply:
    """Let usage go on beyond a limit, or stop at it again."""
    body, account = call.body, await _account(call, call.path.id)
    return await _do(call, account, Wish(CommandKind.OPT_ON, int(body.opted_on), body.limit))


async def limit(call: Call[ByName, Nothing, LimitSet]) -> Reply:
    """Set what may be spent in a period."""
    body, account = call.body, await _account(call, call.path.id)
    amount = nano_of(body.amount.to_money(), account, field="amount", nothing=True)
    scope = int(Scope.ROAMING) if body.roaming_only else EVERYWHERE
    return await _do(
        call, account, Wish(CommandKind.LIMIT, amount, scope=scope, period=Period[body.period.name])
    )


async def end_limit(call: Call[ByName, Nothing, LimitRemoval]) -> Reply:
    """Take a limit away."""
    account = await _account(call, call.path.id)
    return await _do(call, account, Wish(CommandKind.END_LIMIT, 0, call.body.limit))


async def share(call: Call[ByName, Nothing, ShareSet]) -> Reply:
    """Let the account draw on a balance of another one of its circle."""
    body, account = call.body, await _account(call, call.path.id)
    owner = await _account(call, body.owner)
    balance = balance_numbered(await state_of(owner), body.balance)
    service.check_may_share(account, owner, balance.unit, field="owner")
    wish = Wish(
        CommandKind.SHARE,
        _counted(body, balance, owner),
        owner.number,
        period=Period[body.period.name],
        balance=body.balance,
        priority=body.priority,
    )
    return await _do(call, account, wish)


async def end_share(call: Call[ByName, Nothing, ShareRemoval]) -> Reply:
    """Take a share away, or close a balance to all that draw on it."""
    body, account = call.body, await _account(call, call.path.id)
    if (body.owner is None) is not (body.unit is None) or (body.owner is None) is (body.balance is None):
        raise Invalid(
            "what ends is a share, by owner and unit, or all shares of one balance",
            code="charging.share",
            field="owner",
            fix="give owner and unit, or balance alone",
        )
    if body.owner is None or body.unit is None:
        return await _do(
            call, account, Wish(CommandKind.END_SHARE, 0, account.number, balance=body.balance or 0)
        )
    owner = await _account(call, body.owner)
    return await _do(call, account, Wish(CommandKind.END_SHARE, 0, owner.number, unit=Unit[body.unit.name]))


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
    _command("autoRenewals", auto_renew, "Let an offer renew by itself, or not", AutoRenewalSet, _MONEY),
    _command("bars", bar, "Bar an account, or end that", BarCreate, Permission.CHARGING_WRITE),
    _command("spendLimits", limit, "Limit what may be spent", LimitSet, Permission.CHARGING_WRITE),
    _command("limitRemovals", end_limit, "Take a limit away", LimitRemoval, Permission.CHARGING_WRITE),
    _command("shares", share, "Draw on another's balance", ShareSet, Permission.CHARGING_WRITE),
    _command("shareRemovals", end_share, "Draw on it no longer", ShareRemoval, Permission.CHARGING_WRITE),
    _command("limitConsents", consent, "Opt on beyond a limit", ConsentCreate, Permission.CHARGING_WRITE),
)
