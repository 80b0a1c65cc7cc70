"""What goes on with one subscriber: sessions, refusals in words, movements."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from farwire.charging import service
from farwire.charging.model import ResultCode
from farwire.charging.model import Session as SessionState
from farwire.charging.model.answers import MovementKind
from farwire.charging.model.state import OVERRUN
from farwire.charging.service.meter import result_name
from farwire.charging.service.movements import Placed, list_movements
from farwire.charging.service.tracing import trace_of
from farwire.charging.service.wording import key_text, money, quantity
from farwire.cli.charging_options import (
    AccountArgument,
    ShardOption,
    SocketOption,
    account_named,
    charging_client,
    state_name,
    state_of,
    time_or_none,
)
from farwire.cli.shell import JsonOption, LimitOption, OffsetOption, Session, TenantOption, run
from farwire.kernel.page import PageRequest


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("sessions")(sessions)
    app.command("why")(why)
    app.command("movements")(movements)
    app.command("transfers")(transfers)
    app.command("trace")(trace)


def sessions(
    tenant: TenantOption,
    account: AccountArgument,
    socket: SocketOption = "",
    shard: ShardOption = 0,
    as_json: JsonOption = False,
) -> None:
    """List the sessions of an account and what each rating group has been granted; ended ones for 10 minutes.

    Example: farwire charging account sessions 4915112345678 --tenant acme
    """

    async def act(session: Session) -> None:
        found = await account_named(session, tenant, account)
        async with charging_client(session, socket, shard) as client:
            state = await state_of(client, found)
        rows = [row for one in state.sessions for row in _rows_of(one, found.currency)]
        columns = (
            "session",
            "request",
            "ended",
            "group",
            "result",
            "used",
            "granted",
            "charged",
            "until",
            "last",
        )
        empty = "No session is open, and none has ended in the last ten minutes."
        session.out.rows("Sessions", columns, rows, empty=empty, right=("used", "granted", "charged"))

    run(act, as_json)


def _rows_of(one: SessionState, coin: str) -> list[dict[str, object]]:
    """Return a row for each rating group of a session, or one for the session alone."""
    base: dict[str, object] = {
        "session": key_text(one.id_hi, one.id_lo),
        "request": one.number,
        "ended": bool(one.ended),
        "result": result_name(one.result),
    }
    groups = [
        {
            **base,
            "group": group.rating_group,
            "result": result_name(group.result),
            "used": quantity(group.used, group.unit, coin),
            "granted": quantity(group.granted, group.unit, coin),
            "charged": money(group.charged, coin),
            "until": time_or_none(group.valid_until) if group.granted else None,
            "last": group.final >= 0,
        }
        for group in one.groups
    ]
    return groups or [base]


def why(
    tenant: TenantOption,
    account: AccountArgument,
    socket: SocketOption = "",
    shard: ShardOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Say why an account was refused something, the newest first, and what to do about it.

    Example: farwire charging account why 4915112345678 --tenant acme
    """

    async def act(session: Session) -> None:
        found = await account_named(session, tenant, account)
        async with charging_client(session, socket, shard) as client:
            seen = await service.inspect(client, account=found)
        rows = [
            {
                "at": one.at,
                "what": one.what,
                "group": one.rating_group,
                "result": f"{result_name(one.result)} ({one.result})",
                "why": one.reason,
                "fix": one.fix or None,
            }
            for one in service.refusals(seen)
        ]
        if seen.seen is None:
            reason, fix = service.words(ResultCode.UNKNOWN_USER)
            session.out.note(f"{reason}; {fix}")
        empty = "Nothing was refused lately."
        if seen.seen is not None:
            balance, left = service.main_balance(seen.seen)
            empty += f" It is {state_name(seen.seen)}, with {money(balance, found.currency)}; "
            empty += f"{money(left, found.currency)} can be spent."
        session.out.rows("Refused", ("at", "what", "group", "result", "why", "fix"), rows, empty=empty)

    run(act, as_json)


def movements(
    tenant: TenantOption,
    account: AccountArgument,
    offset: OffsetOption = 0,
    limit: LimitOption = 50,
    as_json: JsonOption = False,
) -> None:
    """List what moved on the balances of an account, the newest first, as the books have it.

    Example: farwire charging account movements 4915112345678 --tenant acme
    """

    async def act(session: Session) -> None:
        found = await account_named(session, tenant, account)
        async with session.db.transaction(await session.tenant(tenant), read_only=True) as tx:
            moved = await list_movements(tx, account=found.number, page=PageRequest(offset, limit))
        rows = [_row_of(one, found.currency) for one in moved.items]
        columns = ("at", "kind", "balance", "amount", "reason", "key")
        empty = "Nothing has moved, or the books have not read it yet: a running shard feeds them."
        session.out.rows(
            "Movements", columns, rows, empty=empty, total=moved.total, right=("amount", "reason")
        )

    run(act, as_json)


def _row_of(placed: Placed, coin: str) -> dict[str, object]:
    one = placed.movement
    return {
        "at": placed.at,
        "kind": MovementKind(one.kind).name.lower(),
        "balance": "overrun" if one.balance == OVERRUN else one.balance,
        "amount": quantity(one.amount, one.unit, coin),
        "reason": one.reason or None,
        "key": key_text(one.key_hi, one.key_lo),
    }


def transfers(
    tenant: TenantOption,
    account: Annotated[str, typer.Argument(help="Only to and from this one.", show_default=False)] = "",
    under_way: Annotated[bool, typer.Option("--under-way", help="Only those that have not ended.")] = False,
    offset: OffsetOption = 0,
    limit: LimitOption = 50,
    as_json: JsonOption = False,
) -> None:
    """List transfers of money between accounts outside of one circle, the newest first.

    asked, taken, done; refused by who pays; returning, returned where who is paid could not take it.

    [bold]Examples[/bold]

      farwire charging account transfers --under-way --tenant acme

      farwire charging account transfers 4915112345678 --tenant acme
    """

    async def act(session: Session) -> None:
        found = await account_named(session, tenant, account) if account else None
        async with session.db.transaction(await session.tenant(tenant), read_only=True) as tx:
            page = await service.list_transfers(
                tx, page=PageRequest(offset, limit), account=found, only_under_way=under_way
            )
            payers = await service.accounts_numbered(tx, numbers=[one.payer for one in page.items])
        rows = [
            {
                "asked": one.asked_at,
                "from": one.payer,
                "to": one.payee,
                "amount": money(one.amount, payers[one.payer].currency),
                "state": one.state.value,
                "why": service.words(one.result)[0] if one.result else None,
            }
            for one in page.items
        ]
        columns = ("asked", "from", "to", "amount", "state", "why")
        empty = "None." if under_way else "None. Transfer money: farwire charging account transfer"
        session.out.rows("Transfers", columns, rows, empty=empty, total=page.total, right=("amount",))

    run(act, as_json)


def trace(
    tenant: TenantOption,
    account: AccountArgument,
    socket: SocketOption = "",
    shard: ShardOption = 0,
    limit: LimitOption = 50,
    as_json: JsonOption = False,
) -> None:
    """Follow one subscriber: what moved, was told, used, bought and refused, in order, the newest last.

    Example: farwire charging account trace 4915112345678 --tenant acme
    """

    async def act(session: Session) -> None:
        found = await account_named(session, tenant, account)
        async with charging_client(session, socket, shard) as client:
            seen = await service.inspect(client, account=found)
        async with session.db.transaction(await session.tenant(tenant), read_only=True) as tx:
            lines = await trace_of(tx, account=found, seen=seen, most=limit)
        rows = [asdict(one) for one in reversed(lines)]
        session.out.rows("Trace", ("at", "what", "text"), rows, empty="Nothing has happened yet.")

    run(act, as_json)
