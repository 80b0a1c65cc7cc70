"""``farwire charging account``: open accounts, see and change their balances."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from farwire.account import service as billing_accounts
from farwire.charging import service
from farwire.charging.model import Account, Flag
from farwire.charging.service import ChargingAccount, Identity, IdentityKind
from farwire.charging.service.wording import money, quantity
from farwire.cli import charging_acts, charging_limits, charging_trace
from farwire.cli.charging_options import (
    AccountArgument,
    KeyOption,
    ShardOption,
    SocketOption,
    account_named,
    charging_client,
    key_or_new,
    state_name,
    state_of,
    time_or_none,
)
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
from farwire.kernel.errors import Unavailable
from farwire.kernel.ids import ProductId, parse_id
from farwire.kernel.money import nano
from farwire.kernel.page import PageRequest

app = typer.Typer(
    no_args_is_help=True,
    help="Charging accounts: what a subscriber may still use.\n\n"
    "  farwire charging account open --offering go-5 --msisdn 4915112345678 --tenant acme\n\n"
    "  farwire charging account topup 4915112345678 10.00 --tenant acme\n\n"
    "  farwire charging account buy 4915112345678 go-5 --tenant acme\n\n"
    "  farwire charging account why 4915112345678 --tenant acme",
)
_ACCOUNT_KEY: Final = "account:"


@app.command("open")
def open_one(
    tenant: TenantOption,
    offering: Annotated[str, typer.Option("--offering", help="Whose usage prices it has, e.g. go-5.")],
    msisdn: Annotated[list[str] | None, typer.Option("--msisdn", help="A phone number, as in usage.")] = None,
    imsi: Annotated[list[str] | None, typer.Option("--imsi", help="An IMSI.")] = None,
    name: Annotated[list[str] | None, typer.Option("--name", help="Any other name.")] = None,
    account: Annotated[
        str, typer.Option("--account", help="The number of the billing account, for the books.")
    ] = "",
    product: Annotated[
        str, typer.Option("--product", help="The id of the product whose bill collects what is used.")
    ] = "",
    cycle_day: Annotated[
        int, typer.Option("--cycle-day", min=1, max=31, help="Day of tiers and limits.")
    ] = 1,
    postpaid: Annotated[
        bool, typer.Option("--postpaid", help="It is billed, and may owe its credit limit.")
    ] = False,
    credit_limit: Annotated[str, typer.Option("--credit-limit", help="What it may owe, e.g. 50.00.")] = "0",
    circle: Annotated[str, typer.Option("--circle", help="Accounts of one circle can share balances.")] = "",
    key: KeyOption = "",
    socket: SocketOption = "",
    shard: ShardOption = 0,
    actor: ActorOption = "",
    as_json: JsonOption = False,
) -> None:
    """Open a charging account. The same --key again shows the one that is there.

    It is on the shelf until its first top-up or use. A running shard takes it at once, another one when it starts.

    Example: farwire charging account open --offering go-5 --msisdn 4915112345678 --tenant acme
    """

    async def act(session: Session) -> None:
        tenant_id, now = await session.tenant(tenant), session.clock.now()
        kinds = ((IdentityKind.MSISDN, msisdn), (IdentityKind.IMSI, imsi), (IdentityKind.NAME, name))
        async with session.db.transaction(tenant_id) as tx:
            billed = await billing_accounts.account_numbered(tx=tx, number=account) if account else None
            opened = await service.open_account(
                tx,
                offering=offering,
                key=_ACCOUNT_KEY + key_or_new(key, now),
                now=now,
                actor=actor_named(actor),
                identities=[Identity(kind, value) for kind, values in kinds for value in values or ()],
                account_id=None if billed is None else billed.id,
                product_id=ProductId(parse_id(product, field="product")) if product else None,
                cycle_day=cycle_day,
                credit_limit=int(nano(credit_limit, field="credit_limit")),
                postpaid=postpaid,
                circle=circle,
            )
        facts = _facts(opened)
        try:
            async with charging_client(session, socket, shard) as client:
                await service.make_live(client, db=session.db, tenant_id=tenant_id, account=opened, now=now)
        except Unavailable:
            session.out.note(
                "No shard answers now; the next one that starts takes the account: farwire charging serve"
            )
        session.out.facts(f"Charging account {opened.number}", facts)

    run(act, as_json)


def _facts(one: ChargingAccount) -> dict[str, object]:
    return {
        "number": one.number,
        "offering": one.offering,
        "plan": one.plan,
        "currency": one.currency,
        "postpaid": one.postpaid,
        "cycle_day": one.cycle_day,
        "credit_limit": money(one.credit_limit, one.currency),
        "opened_at": one.opened_at,
    }


@app.command("list")
def list_accounts(
    tenant: TenantOption, offset: OffsetOption = 0, limit: LimitOption = 50, as_json: JsonOption = False
) -> None:
    """List charging accounts and who they belong to."""

    async def act(session: Session) -> None:
        async with session.db.transaction(await session.tenant(tenant), read_only=True) as tx:
            found = await service.list_accounts(tx, page=PageRequest(offset, limit))
            known = await service.identities_of(tx, numbers=[one.number for one in found.items])
        rows = [
            {
                "number": one.number,
                "offering": one.offering,
                "identities": " ".join(f"{i.kind.value}:{i.value}" for i in known.get(one.number, ())),
                "currency": one.currency,
                "live": one.live_at is not None,
                "opened_at": one.opened_at,
            }
            for one in found.items
        ]
        columns = ("number", "offering", "identities", "currency", "live", "opened_at")
        empty = (
            f"None. Open one: farwire charging account open --tenant {tenant} --offering CODE --msisdn NUMBER"
        )
        session.out.rows(
            "Charging accounts", columns, rows, empty=empty, total=found.total, right=("number",)
        )

    run(act, as_json)


@app.command("show")
def show(
    tenant: TenantOption,
    account: AccountArgument,
    socket: SocketOption = "",
    shard: ShardOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Show an account as its shard has it now: its state, balances, offers, limits.

    Example: farwire charging account show 4915112345678 --tenant acme
    """

    async def act(session: Session) -> None:
        found = await account_named(session, tenant, account)
        async with charging_client(session, socket, shard) as client:
            state = await state_of(client, found)
        await _show(session, tenant, found, state)

    run(act, as_json)


app.command("balance", help="The same as show.", hidden=True)(show)


async def _show(session: Session, tenant: str, found: ChargingAccount, state: Account) -> None:
    coin = found.currency
    async with session.db.transaction(await session.tenant(tenant), read_only=True) as tx:
        names = await service.offerings_of_offers(tx, numbers=[one.offer for one in state.holdings])
    facts = _standing(found, state)
    rows = [
        {
            "balance": one.number,
            "amount": quantity(one.amount, one.unit, coin),
            "held": quantity(one.reserved, one.unit, coin),
            "until": time_or_none(one.valid_to),
            "offer": names.get(one.offer) or (one.offer or None),
            "shared": bool(one.shared),
        }
        for one in state.balances
    ]
    offers = [
        {"offer": names.get(one.offer), "until": time_or_none(one.ends_at), "renews": bool(one.renews)}
        for one in state.holdings
    ]
    limits, shares = charging_limits.rows_of(state, coin)
    if session.out.as_json:
        document = {**facts, "balances": rows, "offers": offers, "limits": limits, "shares": shares}
        session.out.facts("", document)
        return
    session.out.facts(f"Charging account {found.number}", facts)
    session.out.rows(
        "Balances", ("balance", "amount", "held", "until", "offer"), rows, empty="", right=("amount",)
    )
    for title, found_rows in (("Offers", offers), ("Limits", limits), ("Draws on", shares)):
        if found_rows:
            session.out.rows(title, tuple(found_rows[0]), found_rows, empty="", right=("used",))


def _standing(found: ChargingAccount, state: Account) -> dict[str, object]:
    balance, left = service.main_balance(state)
    coin = found.currency
    facts: dict[str, object] = {
        "number": found.number,
        "offering": found.offering,
        "state": state_name(state),
        "barred": bool(state.flags & Flag.BARRED),
        "active_until": time_or_none(state.active_until),
        "balance": money(balance, coin),
        "can_be_spent": money(left, coin),
        "sessions": sum(1 for one in state.sessions if not one.ended),
    }
    if state.overrun:
        facts["overrun"] = money(state.overrun, coin)
    if state.loan_owed:
        facts["loan_owed"] = money(state.loan_owed, coin)
    return facts


@app.command("forget")
def forget(
    tenant: TenantOption, account: AccountArgument, actor: ActorOption = "", as_json: JsonOption = False
) -> None:
    """Erase who the account belongs to. Its balances and what was charged stay, under its number."""

    async def act(session: Session) -> None:
        found = await account_named(session, tenant, account)
        async with session.db.transaction(await session.tenant(tenant)) as tx:
            count = await service.erase_identities(
                tx, number=found.number, now=session.clock.now(), actor=actor_named(actor)
            )
        session.out.facts(f"Charging account {found.number}", {"number": found.number, "erased": count})

    run(act, as_json)


charging_acts.add_to(app)
charging_limits.add_to(app)
charging_trace.add_to(app)
