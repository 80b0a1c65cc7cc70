"""Commands of people, vouchers and payments to an account, and reading it as its shard has it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from farwire.base.storage import Database
from farwire.charging.model import Answer, Command, CommandKind, ResultCode
from farwire.charging.model.accounts import ChargingAccount
from farwire.charging.service.accounts import request_key, set_live
from farwire.charging.service.client import Client
from farwire.charging.shard.asks import Open
from farwire.charging.shard.reading import Inspect, Seen
from farwire.kernel.errors import Unavailable, check
from farwire.kernel.ids import TenantId


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants done to an account: a ``Command`` without its key."""

    kind: CommandKind
    amount: int = 0
    subject: int = 0
    scope: int = 0
    period: int = 0
    unit: int = 0
    balance: int = 0
    priority: int = 0

    def keyed(self, account: ChargingAccount, key: str) -> Command:
        """Return the command to ``account`` that ``key`` names."""
        return Command(
            *(account.number, *request_key(key), int(self.kind), self.amount, self.subject),
            *(self.scope, self.period, self.unit, self.balance, self.priority),
        )


async def command(
    client: Client,
    *,
    account: ChargingAccount,
    kind: CommandKind,
    key: str,
    amount: int = 0,
    subject: int = 0,
) -> Answer:
    """Give a command and return its durable answer; the same ``key`` again moves nothing and has the same answer.

    Keys are kept for 24 hours. Money is in nano-units. Raises ``Unavailable`` (``charging.no_answer``).
    """
    return await client.ask(account.tenant_number, Wish(kind, amount, subject).keyed(account, key))


def busy() -> Unavailable:
    """Return what is raised where a shard has too much to do, or an account is at a bound (``charging.busy``)."""
    return Unavailable("the shard is too busy", code="charging.busy", fix="try again", retry_after_s=1)


async def inspect(client: Client, *, account: ChargingAccount) -> Seen:
    """Return the account as its shard has it. Raises ``Unavailable`` (``charging.no_answer``)."""
    found = await client.ask(account.tenant_number, Inspect(account.number))
    if not isinstance(found, Seen):
        raise busy()
    return found


async def make_live(
    client: Client, *, db: Database, tenant_id: TenantId, account: ChargingAccount, now: datetime
) -> None:
    """Tell its shard of an account that has been opened and committed. Safe to repeat.

    Raises ``Unavailable`` (``charging.no_answer``, ``charging.busy``): the shard will ask for it by itself.
    """
    answer = await client.ask(account.tenant_number, Open(account.first_state()))
    if answer.result == ResultCode.TOO_BUSY:
        raise busy()
    check(answer.result == ResultCode.SUCCESS, "charging.account_refused", f"the shard says {answer.result}")
    async with db.transaction(tenant_id) as tx:
        await set_live(tx, numbers=[account.number], now=now)
