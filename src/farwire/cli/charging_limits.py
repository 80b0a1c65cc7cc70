"""What an account may spend, and whose balances it may draw on."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final

import typer

from farwire.charging import service
from farwire.charging.model import Account, CommandKind, Unit
from farwire.charging.model.limits import EVERYWHERE
from farwire.charging.model.sharing import PAYS_LAST
from farwire.charging.model.state import MAIN, Period, Scope
from farwire.charging.model.terms import LimitPeriod
from farwire.charging.service import ChargingAccount, Client, Wish
from farwire.charging.service.wording import money, quantity
from farwire.cli.charging_acts import AmountArgument, give
from farwire.cli.charging_options import (
    AccountArgument,
    KeyOption,
    ShardOption,
    SocketOption,
    account_named,
    amount_in,
    amount_of,
    state_of,
    time_or_none,
)
from farwire.cli.shell import ActorOption, JsonOption, Session, TenantOption

PeriodOption = Annotated[
    LimitPeriod,
    typer.Option("--period", help="When it starts anew: each day, with the account's cycle day, never."),
]
LimitArgument = Annotated[int, typer.Argument(min=0, max=30_000, help="The number of the limit, as shown.")]
OwnerArgument = Annotated[
    str, typer.Argument(help="Whose balance: an identity or a number, of the same circle.")
]


class Kind(StrEnum):
    """What a share is of, as people call it."""

    MONEY = "money"
    DATA = "data"
    VOICE = "voice"
    MESSAGE = "message"
    EVENT = "event"


_UNITS: Final = dict(zip(Kind, Unit, strict=True))


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("limit")(limit)
    app.command("unlimit")(unlimit)
    app.command("opt-on")(opt_on)
    app.command("opt-off")(opt_off)
    app.command("share")(share)
    app.command("unshare")(unshare)
    app.command("close-balance")(close_balance)


def rows_of(state: Account, coin: str) -> tuple[list[dict[str, object]], list[dict[str, object]]]:
    """Return the limits and the shares of an account, as they are shown."""
    limits: list[dict[str, object]] = [
        {
            "limit": one.number,
            "of": "roaming" if one.scope == Scope.ROAMING else "all",
            "amount": money(one.cap, coin),
            "used": money(one.used, coin),
            "period": Period(one.period).name.lower(),
            "until": time_or_none(one.ends_at),
            "opted_on": bool(one.opted_on),
        }
        for one in state.limits
    ]
    shares: list[dict[str, object]] = [
        {
            "owner": one.owner,
            "of": next(kind.value for kind, unit in _UNITS.items() if unit == one.unit),
            "cap": quantity(one.cap, one.unit, coin),
            "used": quantity(one.used, one.unit, coin),
            "period": Period(one.period).name.lower(),
            "until": time_or_none(one.ends_at),
            "priority": one.priority,
        }
        for one in state.shares
    ]
    return limits, shares


def limit(
    tenant: TenantOption,
    account: AccountArgument,
    amount: AmountArgument,
    period: PeriodOption = LimitPeriod.CYCLE,
    roaming_only: Annotated[bool, typer.Option("--roaming-only", help="Count usage abroad alone.")] = False,
    key: KeyOption = "",
    socket: SocketOption = "",
    shard: ShardOption = 0,
    actor: ActorOption = "",
    as_json: JsonOption = False,
) -> None:
    """Limit what may be spent. It is told at 80 %; at the limit usage stops, unless the customer opts on.

    A limit of the same period and usage is changed. A new one counts from now on.

    Example: farwire charging account limit 4915112345678 50.00 --roaming-only --tenant acme
    """
    scope = int(Scope.ROAMING) if roaming_only else EVERYWHERE

    async def prepare(_: Session, __: Client, found: ChargingAccount) -> Wish:
        most = amount_of(amount, found.currency)
        return Wish(CommandKind.LIMIT, most, scope=scope, period=Period[period.name])

    give(tenant, account, prepare, key, actor, (socket, shard), as_json=as_json)


def unlimit(
    tenant: TenantOption,
    account: AccountArgument,
    number: LimitArgument,
    key: KeyOption = "",
    socket: SocketOption = "",
    shard: ShardOption = 0,
    actor: ActorOption = "",
    as_json: JsonOption = False,
) -> None:
    """Take a limit away.

    Example: farwire charging account unlimit 4915112345678 22 --tenant acme
    """
    give(
        tenant, account, Wish(CommandKind.END_LIMIT, 0, number), key, actor, (socket, shard), as_json=as_json
    )


def opt_on(
    tenant: TenantOption,
    account: AccountArgument,
    number: LimitArgument,
    key: KeyOption = "",
    socket: SocketOption = "",
    shard: ShardOption = 0,
    actor: ActorOption = "",
    as_json: JsonOption = False,
) -> None:
    """Let usage go on beyond a limit, as its customer has asked for. It is still counted and told.

    Example: farwire charging account opt-on 4915112345678 22 --tenant acme
    """
    give(tenant, account, Wish(CommandKind.OPT_ON, 1, number), key, actor, (socket, shard), as_json=as_json)


def opt_off(
    tenant: TenantOption,
    account: AccountArgument,
    number: LimitArgument,
    key: KeyOption = "",
    socket: SocketOption = "",
    shard: ShardOption = 0,
    actor: ActorOption = "",
    as_json: JsonOption = False,
) -> None:
    """Let a limit stop usage again."""
    give(tenant, account, Wish(CommandKind.OPT_ON, 0, number), key, actor, (socket, shard), as_json=as_json)


def share(
    tenant: TenantOption,
    account: AccountArgument,
    owner: OwnerArgument,
    cap: Annotated[str, typer.Option("--cap", help="The most in a period: 20.00, or units: 5 GB.")],
    balance: Annotated[
        int, typer.Option("--balance", min=1, help="The number of the owner's balance.")
    ] = MAIN,
    period: PeriodOption = LimitPeriod.CYCLE,
    priority: Annotated[
        int,
        typer.Option(
            "--priority",
            min=0,
            max=30_000,
            help="The lowest is used first; own offers have 10, own money 100. 1: the owner pays first.",
        ),
    ] = PAYS_LAST,
    key: KeyOption = "",
    socket: SocketOption = "",
    shard: ShardOption = 0,
    actor: ActorOption = "",
    as_json: JsonOption = False,
) -> None:
    """Let an account draw on a balance of another one of its circle, up to a cap in each period.

    Of several owners that with the lowest priority pays first: a company before a department before the person.
    Given again, cap, period and priority change; what was used counts.

    Example: farwire charging account share 4915112345678 4915187654321 --cap 20.00 --priority 1 --tenant acme
    """

    async def prepare(session: Session, client: Client, found: ChargingAccount) -> Wish:
        other = await account_named(session, tenant, owner)
        unit = service.balance_numbered(await state_of(client, other), balance).unit
        service.check_may_share(found, other, unit, field="owner")
        return Wish(
            CommandKind.SHARE,
            amount_in(cap, unit, other.currency, field="cap"),
            other.number,
            period=Period[period.name],
            balance=balance,
            priority=priority,
        )

    give(tenant, account, prepare, key, actor, (socket, shard), as_json=as_json)


def unshare(
    tenant: TenantOption,
    account: AccountArgument,
    owner: OwnerArgument,
    of: Annotated[Kind, typer.Option("--of", help="What it drew on.")] = Kind.MONEY,
    key: KeyOption = "",
    socket: SocketOption = "",
    shard: ShardOption = 0,
    actor: ActorOption = "",
    as_json: JsonOption = False,
) -> None:
    """Let an account draw no longer on the balances of another one. What its open quotas hold stays its own.

    Example: farwire charging account unshare 4915112345678 4915187654321 --of data --tenant acme
    """

    async def prepare(session: Session, _: Client, __: ChargingAccount) -> Wish:
        other = await account_named(session, tenant, owner)
        return Wish(CommandKind.END_SHARE, 0, other.number, unit=_UNITS[of])

    give(tenant, account, prepare, key, actor, (socket, shard), as_json=as_json)


def close_balance(
    tenant: TenantOption,
    account: AccountArgument,
    balance: Annotated[int, typer.Option("--balance", min=1, help="The number of the balance.")] = MAIN,
    key: KeyOption = "",
    socket: SocketOption = "",
    shard: ShardOption = 0,
    actor: ActorOption = "",
    as_json: JsonOption = False,
) -> None:
    """Let nobody else draw on a balance any more.

    Example: farwire charging account close-balance 4915187654321 --balance 2 --tenant acme
    """

    async def prepare(_: Session, __: Client, found: ChargingAccount) -> Wish:
        return Wish(CommandKind.END_SHARE, 0, found.number, balance=balance)

    give(tenant, account, prepare, key, actor, (socket, shard), as_json=as_json)
