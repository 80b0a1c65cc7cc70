"""What people do to charging accounts: each command has a key, and shows what the account has afterwards."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated

import typer

from farwire.charging import service
from farwire.charging.model import Account, Answer, CommandKind
from farwire.charging.model.state import MAIN
from farwire.charging.service import ChargingAccount, Client, Wish
from farwire.charging.service.wording import money
from farwire.cli.charging_options import (
    AccountArgument,
    KeyOption,
    ShardOption,
    SocketOption,
    account_named,
    amount_in,
    amount_of,
    charging_client,
    key_or_new,
    state_name,
    state_of,
)
from farwire.cli.shell import (
    ActorOption,
    JsonOption,
    Session,
    TenantOption,
    actor_named,
    run,
)

AmountArgument = Annotated[str, typer.Argument(help="Money in the account's currency, e.g. 10.00.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("topup")(top_up)
    app.command("transfer")(transfer)
    app.command("buy")(buy)
    app.command("auto-renew")(auto_renew)
    app.command("loan")(loan)
    app.command("adjust")(adjust)
    app.command("bar")(bar)
    app.command("unbar")(unbar)


Prepare = Callable[[Session, Client, ChargingAccount], Awaitable[Wish]]
"""Returns what is wanted of an account, where that has to be looked up."""


def give(
    tenant: str, account: str, wanted: Wish | Prepare, key: str, actor: str, where: tuple[str, int], *, as_json: bool
) -> None:  # fmt: skip
    """Give a command to an account, and show what it has afterwards. Exit code 5 where it is refused."""

    async def act(session: Session) -> None:
        found, now = await account_named(session, tenant, account), session.clock.now()
        async with charging_client(session, *where) as client:
            wish = wanted if isinstance(wanted, Wish) else await wanted(session, client, found)
            asked = key_or_new(key, now)
            answer = await service.person_commands(
                client,
                db=session.db,
                tenant_id=await session.tenant(tenant),
                account=found,
                wish=wish,
                key=asked,
                actor=actor_named(actor),
                now=now,
            )
            state = await state_of(client, found)
        service.check_done(answer, wish.kind, state)
        session.out.facts("Done.", {**_after(found, state, answer), "key": asked})

    run(act, as_json)


def _after(found: ChargingAccount, state: Account, answer: Answer) -> dict[str, object]:
    balance, left = service.main_balance(state)
    return {
        "account": found.number,
        "moved": money(answer.cost, found.currency),
        "balance": money(balance, found.currency),
        "can_be_spent": money(left, found.currency),
        "state": state_name(state),
    }


def top_up(
    tenant: TenantOption,
    account: AccountArgument,
    amount: AmountArgument,
    key: KeyOption = "",
    socket: SocketOption = "",
    shard: ShardOption = 0,
    actor: ActorOption = "",
    as_json: JsonOption = False,
) -> None:
    """Put money on the main balance. A loan is paid back from it first; the account stays active longer.

    For money that has been paid in: farwire payment. This command books it without a payment.

    Example: farwire charging account topup 4915112345678 10.00 --tenant acme
    """

    async def prepare(_: Session, __: Client, found: ChargingAccount) -> Wish:
        service.check_may_top_up(found, field="account")
        return Wish(CommandKind.TOP_UP, amount_of(amount, found.currency))

    give(tenant, account, prepare, key, actor, (socket, shard), as_json=as_json)


def transfer(
    tenant: TenantOption,
    account: AccountArgument,
    to: Annotated[str, typer.Argument(help="Who gets it: an identity or a number.")],
    amount: AmountArgument,
    key: KeyOption = "",
    socket: SocketOption = "",
    shard: ShardOption = 0,
    actor: ActorOption = "",
    as_json: JsonOption = False,
) -> None:
    """Move money to another account in the same currency, all or nothing.

    Where it lives does not matter. When no answer comes, a worker carries the transfer on, or give the same --key
    again; farwire charging account transfers shows how far it is.

    Example: farwire charging account transfer 4915112345678 4915187654321 2.50 --tenant acme
    """

    async def prepare(session: Session, _: Client, found: ChargingAccount) -> Wish:
        other = await account_named(session, tenant, to)
        service.check_may_transfer(found, other, field="to")
        return Wish(CommandKind.TRANSFER, amount_of(amount, found.currency), other.number)

    give(tenant, account, prepare, key, actor, (socket, shard), as_json=as_json)


def buy(
    tenant: TenantOption,
    account: AccountArgument,
    offering: Annotated[str, typer.Argument(help="The offer, by its code.")],
    renews: Annotated[bool, typer.Option("--renews", help="Buy it again when it ends.")] = False,
    key: KeyOption = "",
    socket: SocketOption = "",
    shard: ShardOption = 0,
    actor: ActorOption = "",
    as_json: JsonOption = False,
) -> None:
    """Buy an offer from the balance.

    Example: farwire charging account buy 4915112345678 go-5 --tenant acme
    """

    async def prepare(session: Session, _: Client, __: ChargingAccount) -> Wish:
        async with session.db.transaction(await session.tenant(tenant)) as tx:
            offer = await service.offer_number(tx, offering=offering, now=session.clock.now())
        return Wish(CommandKind.PURCHASE, int(renews), offer)

    give(tenant, account, prepare, key, actor, (socket, shard), as_json=as_json)


def auto_renew(
    tenant: TenantOption,
    account: AccountArgument,
    offering: Annotated[str, typer.Argument(help="The offer, by its code.")],
    off: Annotated[bool, typer.Option("--off", help="No longer: it lasts until its end.")] = False,
    key: KeyOption = "",
    socket: SocketOption = "",
    shard: ShardOption = 0,
    actor: ActorOption = "",
    as_json: JsonOption = False,
) -> None:
    """Let an offer that the account has be bought again when it ends, or no longer.

    Example: farwire charging account auto-renew 4915112345678 go-5 --off --tenant acme
    """

    async def prepare(session: Session, client: Client, found: ChargingAccount) -> Wish:
        state = await state_of(client, found)
        async with session.db.transaction(await session.tenant(tenant)) as tx:
            offer = await service.offer_held(tx, state=state, offering=offering)
        return Wish(CommandKind.AUTO_RENEW, int(not off), offer)

    give(tenant, account, prepare, key, actor, (socket, shard), as_json=as_json)


def loan(
    tenant: TenantOption,
    account: AccountArgument,
    key: KeyOption = "",
    socket: SocketOption = "",
    shard: ShardOption = 0,
    actor: ActorOption = "",
    as_json: JsonOption = False,
) -> None:
    """Lend the plan's emergency credit; the next top-up pays it back."""
    give(tenant, account, Wish(CommandKind.LOAN), key, actor, (socket, shard), as_json=as_json)


def adjust(
    tenant: TenantOption,
    account: AccountArgument,
    by: Annotated[str, typer.Option("--by", help="What is added: 1.50, --by=-1.50, or units: 500 MB.")],
    balance: Annotated[int, typer.Option("--balance", min=1, help="The number of the balance.")] = MAIN,
    key: KeyOption = "",
    socket: SocketOption = "",
    shard: ShardOption = 0,
    actor: ActorOption = "",
    as_json: JsonOption = False,
) -> None:
    """Correct a balance. It never goes below what sessions hold.

    Example: farwire charging account adjust 4915112345678 --by=-1.50 --tenant acme
    """

    async def prepare(_: Session, client: Client, found: ChargingAccount) -> Wish:
        unit = service.balance_numbered(await state_of(client, found), balance).unit
        return Wish(CommandKind.ADJUST, amount_in(by, unit, found.currency, field="by"), balance)

    give(tenant, account, prepare, key, actor, (socket, shard), as_json=as_json)


def bar(
    tenant: TenantOption,
    account: AccountArgument,
    key: KeyOption = "",
    socket: SocketOption = "",
    shard: ShardOption = 0,
    actor: ActorOption = "",
    as_json: JsonOption = False,
) -> None:
    """Stop all use and purchases. Credits still arrive; emergency calls are never stopped."""
    give(tenant, account, Wish(CommandKind.BAR, 1), key, actor, (socket, shard), as_json=as_json)


def unbar(
    tenant: TenantOption,
    account: AccountArgument,
    key: KeyOption = "",
    socket: SocketOption = "",
    shard: ShardOption = 0,
    actor: ActorOption = "",
    as_json: JsonOption = False,
) -> None:
    """Let the account be used again."""
    give(tenant, account, Wish(CommandKind.BAR, 0), key, actor, (socket, shard), as_json=as_json)
