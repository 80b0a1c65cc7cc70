"""Money to an account of another virtual shard, which may be in another process: asked, taken, given, or given back.

What is wanted is written down first; then each step is a command with a key of its own and a change of the row. Who
carries a transfer on may die between any two of them: the next one, another request with the same key or the job,
repeats the last command and hears the same answer. So money is never in both accounts, and never in neither for good.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog

from farwire.base import audit
from farwire.base.canonical import JSON
from farwire.base.eventbus.service import publish
from farwire.base.storage import Database, Tx
from farwire.charging.events import transfer_ended
from farwire.charging.model import Answer, CommandKind, ResultCode
from farwire.charging.model.accounts import ChargingAccount
from farwire.charging.model.state import AMOUNT_MAX
from farwire.charging.model.transfers import SURE, Transfer, TransferState, after, commands_of, next_command
from farwire.charging.service.accounts import account_numbered, check_may_transfer, request_key
from farwire.charging.service.client import Client
from farwire.charging.service.commands import Wish, busy, make_live
from farwire.charging.service.wording import key_tail
from farwire.charging.shard.homes import vshard_of
from farwire.charging.store import books
from farwire.charging.store import transfers as store
from farwire.kernel.errors import Conflict, FarwireError, Invalid, check
from farwire.kernel.ids import TenantId, uuid7
from farwire.kernel.page import Page, PageRequest
from farwire.kernel.tenancy import Actor

QUIET: Final = timedelta(seconds=5)
"""A transfer that has not changed for so long is carried on by the job: whoever began it has gone."""
_AT_ONCE: Final = 200
_log = structlog.get_logger(__name__)


def is_far(account: ChargingAccount, wish: Wish) -> bool:
    """Tell whether a wish is a transfer to another virtual shard. It never becomes a near one, wherever both live."""
    return wish.kind is CommandKind.TRANSFER and vshard_of(wish.subject) != vshard_of(account.number)


async def ask_transfer(
    tx: Tx, *, account: ChargingAccount, wish: Wish, key: str, actor: Actor, now: datetime
) -> Transfer:
    """Write down that money is to go to ``wish.subject``; the same ``key`` again returns the transfer that is there.

    Raises ``NotFound`` (``charging.account_unknown``), ``Invalid`` (``charging.amount``,
    ``charging.currencies_differ``, ``charging.not_prepaid``), ``Conflict`` (``charging.key_reused``).
    """
    words = request_key(key)
    payee = await account_numbered(tx, number=wish.subject)
    check_may_transfer(account, payee, field="to")
    if not 0 < wish.amount <= AMOUNT_MAX // 2:
        raise Invalid("the amount is nothing, negative or too large", code="charging.amount", field="amount")
    new = await store.add(
        tx,
        transfer_id=uuid7(now),
        payer=account.number,
        key=words,
        payee=payee.number,
        amount=wish.amount,
        at=now,
    )
    found = await store.with_key(tx, account.number, words)
    check(found is not None, "charging.transfer_asked")
    if found is None or (found.payee, found.amount) != (payee.number, wish.amount):
        raise Conflict(
            "another transfer was asked with this key",
            code="charging.key_reused",
            field="key",
            fix="use a key of its own for each transfer",
        )
    if new:
        detail: dict[str, JSON] = {
            "amount": wish.amount,
            "subject": wish.subject,
            "key": key_tail(words[1]),
        }
        await audit.record(
            tx, actor=actor, action="charging.transfer", subject=str(account.number), at=now, detail=detail
        )
    return found


async def transfer_with_key(tx: Tx, *, account: ChargingAccount, key: str) -> Transfer | None:
    """Return the transfer that ``account`` was asked for with ``key``."""
    return await store.with_key(tx, account.number, request_key(key))


async def carry_on(
    client: Client, *, db: Database, tenant_id: TenantId, transfer: Transfer, now: datetime
) -> Transfer:
    """Do what is left of a transfer; return it ended.

    Raises ``Unavailable`` (``charging.no_answer``, ``charging.busy``): the job carries it on.
    """
    while (command := next_command(transfer)) is not None:
        async with db.transaction(tenant_id, read_only=True) as tx:
            account = await account_numbered(tx, number=command.account)
            moved = now - transfer.asked_at > SURE and await books.movement_with_key(
                tx, command.account, command.key_hi, command.key_lo
            )
        result = int(ResultCode.SUCCESS)
        if not moved:
            if account.live_at is None:
                await make_live(client, db=db, tenant_id=tenant_id, account=account, now=now)
            result = (await client.ask(account.tenant_number, command)).result
        state = after(transfer, result)
        if state is None:
            raise busy()
        transfer = await _advance(db, tenant_id, transfer, state, result, now)
    return transfer


async def _advance(
    db: Database, tenant_id: TenantId, transfer: Transfer, state: TransferState, result: int, now: datetime
) -> Transfer:
    """Write the next state, unless somebody else has; return the transfer as it stands."""
    refused = 0 if result == ResultCode.SUCCESS else result
    async with db.transaction(tenant_id) as tx:
        mine = await store.advance(tx, transfer.id, transfer.state, state, result=refused, at=now)
        found = await store.get(tx, transfer.id)
        check(found is not None, "charging.transfer_asked")
        if found is not None and mine and found.ended:
            await publish(tx, transfer_ended(found, tenant_id=tenant_id, at=now))
    return found or transfer


def answer_of(transfer: Transfer) -> Answer:
    """Return what the payer is told of a transfer that has ended.

    Raises ``Conflict`` (``charging.payee_refused``): it has its money back.
    """
    if transfer.state is TransferState.RETURNED:
        raise Conflict(
            "refused: the account that should get it cannot take it; the money is back",
            code="charging.payee_refused",
            field="to",
            value=transfer.payee,
            fix="see why: farwire charging account why",
        )
    if transfer.state is TransferState.REFUSED:
        return Answer(transfer.result)
    return Answer(int(ResultCode.SUCCESS), (), transfer.amount)


async def finish_transfers(client: Client, *, db: Database, tenant_id: TenantId, now: datetime) -> int:
    """Carry on the transfers that nobody carries on; return how many have ended. What cannot be done now stays."""
    async with db.transaction(tenant_id, read_only=True) as tx:
        found = await store.under_way(tx, unchanged_since=now - QUIET, limit=_AT_ONCE)
    count = 0
    for transfer in found:
        try:
            await carry_on(client, db=db, tenant_id=tenant_id, transfer=transfer, now=now)
        except FarwireError as error:
            _log.warning(
                "a transfer waits", transfer=str(transfer.id), state=transfer.state, reason=str(error)
            )
        else:
            count += 1
    return count


@dataclass(frozen=True, slots=True)
class UnderWay:
    """Money that transfers between virtual shards have taken and not given yet, in one currency, as 1060 has it."""

    currency: str
    moved_nano: int
    """By all movements of such transfers: below 0 while money is under way."""
    known_nano: int
    """By the movements of the transfers that are, or a moment ago were, under way."""
    count: int
    """Transfers that have not ended."""

    @property
    def difference(self) -> int:
        """Return what the transfers that are known do not explain."""
        return self.known_nano - self.moved_nano


async def money_under_way(tx: Tx) -> tuple[UnderWay, ...]:
    """Return what is under way by currency, as the books have it; a currency without any is absent."""
    moved = await store.moved_between(tx)
    found = await store.unsettled(tx)
    done = await store.moved_by(tx, [one for _, transfer in found for one in commands_of(transfer)])
    known: Counter[str] = Counter()
    count: Counter[str] = Counter()
    for code, transfer in found:
        known[code] += sum(done.get((one.key_hi, one.key_lo), 0) for one in commands_of(transfer))
        count[code] += not transfer.ended
    told = (
        UnderWay(code, moved.get(code, 0), known[code], count[code])
        for code in sorted(moved.keys() | known.keys())
    )
    return tuple(one for one in told if one.moved_nano or one.known_nano)


async def list_transfers(
    tx: Tx, *, page: PageRequest, account: ChargingAccount | None = None, only_under_way: bool = False
) -> Page[Transfer]:
    """Return a page of transfers between virtual shards, the newest first: of all accounts, or to and from one."""
    accounts = None if account is None else [account.number]
    found, total = await store.page(
        tx, accounts=accounts, only_under_way=only_under_way, offset=page.offset, limit=page.limit
    )
    return Page(tuple(found), total, page.offset, page.limit)
