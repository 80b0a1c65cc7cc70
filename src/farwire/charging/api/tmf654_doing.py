"""What TMF654 does: a top-up, correction or transfer of a bucket of ours is carried out by its shard before it is kept.

The command's key is the request's idempotency key, else the id of the document: a request that is repeated after a
crash between the shard and the database moves nothing again. A bucket that is not ours is somebody else's: what is done
to it is kept as a document, as ``created``.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

from farwire.base.canonical import stored_time
from farwire.base.storage import Tx
from farwire.base.tmf import Act, Document, Target
from farwire.base.tmf_tasks import Task
from farwire.charging.api.buckets import UNITS, USAGE_TYPES, account_or_none, parsed
from farwire.charging.api.desk import check_amount, give, nano_of, state_of
from farwire.charging.model import CommandKind, Unit
from farwire.charging.model.state import MAIN, Balance
from farwire.charging.service import (
    ChargingAccount,
    Wish,
    answer_of,
    ask_transfer,
    check_done,
    check_may_top_up,
    check_may_transfer,
    is_far,
    transfer_with_key,
)
from farwire.kernel.errors import Conflict, Invalid, Unavailable
from farwire.kernel.money import Money

_CREATED: Final = "created"
_LOOK_S: Final = 15
"""After so many seconds a worker looks how a far transfer has ended."""
_MOVED: Final = (
    *("amount", "bucket", "usageType", "receiverBucket", "receiverBucketUsageType", "reserveBalance"),
)
"""What says what was moved: it stays as it was done."""
_LATER: Final = ("isAutoTopup", "numberOfPeriods", "recurringPeriod", "voucher", "transferCost", "costOwner")
"""What would have to be done beside the one act: it is not, so it is refused."""


@dataclass(frozen=True, slots=True)
class Own:
    """A balance of ours that a document names."""

    account: ChargingAccount
    balance: Balance


def wrong(path: str, message: str, *, value: object = None, fix: str | None = None) -> Invalid:
    """Return the refusal of a part of what a client wants done."""
    return Invalid(message, code="charging.given", field=path, value=value, fix=fix)


async def own_bucket(tx: Tx, document: Document, name: str = "bucket") -> Own | None:
    """Return the balance that a document names, or None where its bucket is not ours."""
    key = str((document.get(name) or {}).get("id", ""))
    place = parsed(key)
    account = None if place is None else await account_or_none(tx, place[0])
    if account is None or place is None:
        return None
    state = await state_of(account)
    balance = state.balance(place[1])
    if balance is None:
        raise wrong(f"$.{name}.id", "the account has no such balance", value=key, fix="list its buckets")
    _check_behind(document, account)
    return Own(account, balance)


def _check_behind(document: Document, account: ChargingAccount) -> None:
    given = (document.get("partyAccount") or {}).get("id")
    if given is not None and account.account_id is not None and given != str(account.account_id):
        fix = f"leave it out, or name {account.account_id}"
        raise wrong("$.partyAccount.id", "the bucket is another account's", value=given, fix=fix)


def amount_of(document: Document, own: Own, *, signed: bool = False) -> int:
    """Return the amount of a document in nano-units, or units of its balance. Raises ``Invalid``."""
    kind = USAGE_TYPES.get(own.balance.unit)
    if document.get("usageType") not in (None, kind):
        raise wrong("$.usageType", f"the bucket is {kind}", value=document["usageType"], fix=f"give {kind}")
    given: dict[str, Any] = document.get("amount") or {}
    number, units = given.get("amount"), given.get("units")
    if number is None or units is None:
        raise wrong("$.amount", "an amount has amount and units")
    exact = Decimal(str(number))
    if own.balance.unit == Unit.MONEY:
        return nano_of(Money.of(exact, str(units)), own.account, field="$.amount.units", signed=signed)
    unit = UNITS.get(own.balance.unit)
    if units != unit:
        raise wrong("$.amount.units", f"the bucket counts in {unit}", value=units, fix=f"give {unit}")
    if exact != exact.to_integral_value():
        raise wrong(
            "$.amount.amount", f"a {unit} is not divided", value=str(exact), fix="give a whole number"
        )
    check_amount(int(exact), field="$.amount.amount", signed=signed)
    return int(exact)


def main_only(own: Own, name: str) -> None:
    """Raise ``Invalid`` (``charging.given``) for another balance than the main one."""
    if own.balance.number != MAIN:
        fix = f"name {own.account.number}-{MAIN}, or adjust this one"
        raise wrong(f"$.{name}.id", "only the main balance takes this", fix=fix)


def _no_more(document: Document) -> None:
    for name in _LATER:
        if document.get(name) not in (None, False, "", 1):
            raise wrong(f"$.{name}", f"{name} is not carried out here", fix="leave it out")


def _key(path: str, document: Document, act: Act) -> str:
    return f"TMF654/{path}/{act.key or document['id']}"


def completed(document: Document, act: Act) -> Document:
    """Return a document whose act is done."""
    now = stored_time(act.now)
    return {"requestedDate": now, **document, "status": "completed", "confirmationDate": now}


async def top_up(tx: Tx, document: Document, act: Act) -> Document:
    """Top the main balance of an account up."""
    own = await own_bucket(tx, document)
    if own is None:
        return document
    main_only(own, "bucket")
    check_may_top_up(own.account, field="$.bucket.id")
    _no_more(document)
    await give(
        own.account, CommandKind.TOP_UP, _key("topupBalance", document, act), amount=amount_of(document, own)
    )
    return completed(document, act)


async def adjust(tx: Tx, document: Document, act: Act) -> Document:
    """Correct a balance."""
    own = await own_bucket(tx, document)
    if own is None:
        return document
    amount = amount_of(document, own, signed=True)
    key = _key("adjustBalance", document, act)
    await give(own.account, CommandKind.ADJUST, key, amount=amount, subject=own.balance.number)
    return completed(document, act)


async def transfer(tx: Tx, document: Document, act: Act) -> Document:
    """Move money between two main balances. One that is far is only asked for here, and stays ``created``."""
    own, to = await own_bucket(tx, document), await own_bucket(tx, {"bucket": document.get("receiverBucket")})
    if own is None and to is None:
        return {**document, "status": _CREATED}
    if own is None or to is None:
        name = "bucket" if own is None else "receiverBucket"
        raise wrong(
            f"$.{name}.id", "money is transferred between buckets of this operator", fix="name another one"
        )
    main_only(own, "bucket")
    main_only(to, "receiverBucket")
    _no_more(document)
    check_may_transfer(own.account, to.account, field="$.receiverBucket.id")
    wish = Wish(CommandKind.TRANSFER, amount_of(document, own), to.account.number)
    if is_far(own.account, wish):
        key = _far_key(document)
        await ask_transfer(tx, account=own.account, wish=wish, key=key, actor=act.actor, now=act.now)
        return {**document, "status": _CREATED, "requestedDate": stored_time(act.now)}
    key = _key("transferBalance", document, act)
    await give(own.account, CommandKind.TRANSFER, key, amount=wish.amount, subject=wish.subject)
    return completed(document, act)


def _far_key(document: Document) -> str:
    return f"TMF654/transferBalance/{document['id']}"


async def transferred(tx: Tx, document: Document, act: Act) -> Document:
    """Return a far transfer as it has ended. Raises ``Conflict`` (it is refused), ``Unavailable`` (it is under way)."""
    own = await own_bucket(tx, document)
    found = own and await transfer_with_key(tx, account=own.account, key=_far_key(document))
    if not found:
        return document
    if not found.ended:
        raise Unavailable("the transfer is under way", code="charging.under_way", retry_after_s=_LOOK_S)
    check_done(answer_of(found), CommandKind.TRANSFER)
    return completed(document, act)


@dataclass(frozen=True, slots=True)
class _Transfers(Task):
    """A transfer is done in its request, or, between virtual shards, by the job of charging; then a worker says so."""

    async def __call__(self, tx: Tx, document: Document, act: Act) -> Document:
        """Do it, or ask for it and let a worker look after it."""
        made = await transfer(tx, document, act)
        if made.get("requestedDate") and made["status"] == _CREATED:
            return await self.wait(tx, made, act, stored_time(act.now + timedelta(seconds=_LOOK_S)))
        return made


TRANSFERS: Final = _Transfers(
    Target("654", "TransferBalance"), transferred, "status", words=(_CREATED, "completed", "failed")
)


async def changed(tx: Tx, before: Document, after: Document, _act: Act) -> Document:
    """Take back what is cancelled; what was done is not rewritten."""
    own = await own_bucket(tx, before)
    if own is None:
        return after
    if await transfer_with_key(tx, account=own.account, key=_far_key(before)) is not None:
        raise Conflict(
            "the other account's shard is asked for this money: it cannot be called back",
            code="charging.under_way",
            field="$.status",
            fix="make a transfer the other way",
        )
    if before.get("status") != "completed":
        return after
    for name in _MOVED:
        if before.get(name) != after.get(name):
            raise wrong(f"$.{name}", "it was done as it stood", fix="cancel it, and make another one")
    if after.get("status") == "cancelled":
        await _take_back(tx, before)
    return after


async def _take_back(tx: Tx, document: Document) -> None:
    """Undo a completed act; what is spent meanwhile cannot be taken back (409)."""
    own, to = await own_bucket(tx, document), await own_bucket(tx, {"bucket": document.get("receiverBucket")})
    if own is None:
        return
    amount, key = amount_of(document, own, signed=True), f"TMF654/cancel/{document['id']}"
    if to is not None:
        await give(to.account, CommandKind.TRANSFER, key, amount=amount, subject=own.account.number)
    else:
        await give(own.account, CommandKind.ADJUST, key, amount=-amount, subject=own.balance.number)
