"""Options that the commands of ``farwire charging`` share, and the client that they open."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Annotated

import typer

from farwire.charging import service
from farwire.charging.model import Account, Lifecycle, Unit
from farwire.charging.model.pricing import moment
from farwire.charging.model.state import NEVER
from farwire.charging.service.wording import COUNTED
from farwire.cli.shell import Session
from farwire.kernel.errors import Invalid, NotFound
from farwire.kernel.ids import uuid7
from farwire.kernel.money import currency, nano
from farwire.kernel.quantity import Quantity

AccountArgument = Annotated[
    str, typer.Argument(help="Who: an identity, such as 4915112345678, or the account's number.")
]
SocketOption = Annotated[
    str,
    typer.Option(
        "--socket", help="Where the shard listens: a path, or host:port. Default: in the data folder."
    ),
]
ShardOption = Annotated[
    int, typer.Option("--shard", min=0, help="The shard to ask first; it says where an account lives.")
]
KeyOption = Annotated[
    str,
    typer.Option("--key", help="Names this wish: the same key moves nothing twice. A new one by default."),
]


@asynccontextmanager
async def charging_client(session: Session, socket: str, shard: int) -> AsyncIterator[service.Client]:
    """Yield a client of the running shards."""
    folder = session.settings.data_dir
    given = service.Address.parse(socket) if socket else None
    client = service.SocketClient(
        lambda wanted: given if given and wanted == shard else service.shard_address(folder, wanted),
        shard=shard,
    )
    try:
        yield client
    finally:
        await client.close()


async def account_named(session: Session, tenant: str, name: str) -> service.ChargingAccount:
    """Return the account that an argument means. Raises ``NotFound`` (``charging.account_unknown``)."""
    async with session.db.transaction(await session.tenant(tenant), read_only=True) as tx:
        return await service.find_account(tx, name=name)


async def state_of(client: service.Client, account: service.ChargingAccount) -> Account:
    """Return an account as its shard has it. Raises ``NotFound`` (``charging.account_not_live``)."""
    seen = await service.inspect(client, account=account)
    if seen.seen is None:
        raise NotFound(
            "the shard does not have the account yet",
            code="charging.account_not_live",
            field="account",
            value=account.number,
            fix="it asks for new accounts every half second; try again",
        )
    return seen.seen


def key_or_new(key: str, now: datetime) -> str:
    """Return the key that was given, or a new one."""
    return key or str(uuid7(now))


def amount_of(text: str, code: str) -> int:
    """Return nano-units of an amount in a currency. Raises ``Invalid`` (``money.*``)."""
    currency(code)
    return int(nano(text, field="amount"))


def amount_in(text: str, unit: int, code: str, *, field: str) -> int:
    """Return an amount in the unit of a balance: money, or "500 MB". Raises ``Invalid``."""
    counted = COUNTED.get(Unit(unit))
    if counted is None:
        return amount_of(text, code)
    found = Quantity.parse(text, field=field)
    if found.unit is not counted:
        raise Invalid(
            f"the balance counts {counted.value}s",
            code="charging.unit_differs",
            field=field,
            value=text,
            fix="see: farwire charging account show",
        )
    return found.amount


def time_or_none(at: int) -> datetime | None:
    """Return a time of the model; None for never."""
    return None if at >= NEVER else moment(at)


def state_name(account: Account) -> str:
    """Return the state of an account in a word."""
    return Lifecycle(account.lifecycle).name.lower()
