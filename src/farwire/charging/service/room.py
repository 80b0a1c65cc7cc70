"""The credit limit of a postpaid account is what it may owe, unbilled and unpaid: a bill that is paid gives room back.

What a bill has given stands in ``charging.room`` as steps. A step is written before its command goes to the shard, with
a key made of both, so that it moves once however often it is repeated; the next one waits until it has ended.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

from farwire.base.storage import Database, Tx
from farwire.charging.model import CommandKind, EventKind, EventRequest, ResultCode, Service
from farwire.charging.model.accounts import ChargingAccount
from farwire.charging.service.accounts import account_numbered, request_key
from farwire.charging.service.books import moved_by
from farwire.charging.service.client import Client
from farwire.charging.service.commands import busy, command
from farwire.charging.store import room as store
from farwire.kernel.ids import TenantId

ROOM: Final = -2
"""Reason of a top-up or debit of a postpaid account that is no money: what it may owe, given back or taken again."""


class Step(NamedTuple):
    """So much room for an account, by the bill ``document_id``; below 0 it is taken again."""

    document_id: UUID
    account: ChargingAccount
    number: int
    amount: int

    @property
    def key(self) -> str:
        """Return what names its command."""
        return f"charging:room:{self.document_id}:{self.account.number}:{self.number}"


class Taking(NamedTuple):
    """Room that is to be taken again from an account: how much of it is there has to be asked first."""

    account: ChargingAccount


async def lock_room(tx: Tx, *, document_id: UUID) -> None:
    """Let nobody else plan what a bill gives until this transaction ends: lock, then look whether it is paid."""
    await store.lock(tx, document_id)


async def next_step(
    tx: Tx, *, document_id: UUID, wanted: Mapping[int, int], spendable: Mapping[int, int], now: datetime
) -> Step | Taking | None:
    """Return what is to be done next so that the bill has given each account what is ``wanted``, in nano-units.

    ``spendable`` is what accounts have left that are asked to give room up: never more is taken. A new step is written
    here; one that has not ended comes first. Call ``lock_room`` before. Raises ``NotFound``
    (``charging.account_unknown``).
    """
    found = await store.steps(tx, document_id)
    for number, step, amount, moved in found:
        if moved is None:
            return Step(document_id, await account_numbered(tx, number=number), step, amount)
    for number in sorted(wanted):
        own = [(amount, moved or 0) for account, _, amount, moved in found if account == number]
        amount = wanted[number] - sum(moved for _, moved in own)
        if amount > 0 and own and own[-1] == (amount, 0):
            continue  # its shard has refused just that: the account has come to its end
        if amount < 0:
            if number not in spendable:
                return Taking(await account_numbered(tx, number=number))
            amount = -min(-amount, max(spendable[number], 0))
        if amount:
            await store.add_step(tx, document_id, number, len(own) + 1, amount, now)
            return Step(document_id, await account_numbered(tx, number=number), len(own) + 1, amount)
    return None


async def do_step(client: Client, *, db: Database, tenant_id: TenantId, step: Step) -> int:
    """Let the shard do a step; return what moved. Idempotent: its key is kept, and after a day the books know it.

    Raises ``Unavailable`` (``charging.no_answer``, ``charging.busy``).
    """
    async with db.transaction(tenant_id, read_only=True) as tx:
        moved = await moved_by(tx, account=step.account, key=step.key)
    if moved is None:
        kind = CommandKind.TOP_UP if step.amount > 0 else CommandKind.DEBIT
        answer = await command(
            client, account=step.account, kind=kind, key=step.key, amount=abs(step.amount), subject=ROOM
        )
        if answer.result in (ResultCode.TOO_BUSY, ResultCode.UNKNOWN_USER):
            raise busy()
        moved = step.amount if answer.result == ResultCode.SUCCESS else 0
    async with db.transaction(tenant_id) as tx:
        await store.set_moved(tx, step.document_id, step.account.number, step.number, moved)
    return moved


async def spendable(client: Client, *, account: ChargingAccount, key: str) -> int:
    """Return what an account has left to use, in nano-units. Raises ``Unavailable`` (``charging.no_answer``)."""
    request = EventRequest(account.number, *request_key(key), int(EventKind.BALANCE_CHECK), Service("event"))
    answer = await client.ask(account.tenant_number, request)
    if answer.result in (ResultCode.TOO_BUSY, ResultCode.UNKNOWN_USER):
        raise busy()
    return answer.cost


class Astray(NamedTuple):
    """An account on which something else has moved than bills have given, in nano-units."""

    account: int
    currency: str
    given_nano: int
    moved_nano: int


async def room_differences(tx: Tx) -> tuple[Astray, ...]:
    """Return the accounts whose movements are not what bills have given; one with an open step is left out."""
    return tuple(
        one
        for one in (Astray(*row) for row in await store.totals(tx, ROOM))
        if one.given_nano != one.moved_nano
    )
