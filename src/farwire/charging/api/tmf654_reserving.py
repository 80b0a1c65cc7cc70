"""Reservations of TMF654: the shard holds money of a bucket of ours until it is charged, freed, or its time is over.

The shard holds it by a session that is named by the reservation's id, and the id follows from the idempotency key: a
request that is repeated after a crash between the shard and the database finds what it holds.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import NAMESPACE_OID, uuid5

from farwire.base.canonical import stored_time
from farwire.base.storage import Tx
from farwire.base.tmf import Act, Document, Target
from farwire.base.tmf.documents import load
from farwire.base.tmf_tasks import Task
from farwire.base.tmf_work import change_documents, served
from farwire.charging.api import tmf654_doing as doing
from farwire.charging.api.tmf654_doing import Own, amount_of, completed, main_only, own_bucket, wrong
from farwire.charging.model.pricing import moment
from farwire.charging.service.reach import REACH
from farwire.charging.service.reserving import charge_held, free, hold
from farwire.kernel.errors import Conflict

TARGET: Final = Target("654", "ReserveBalance")
LASTS: Final = timedelta(hours=1)
"""Without an end of its own."""
LONGEST: Final = timedelta(days=1)
_CREATED, _COMPLETED, _CANCELLED = "created", "completed", "cancelled"
_HELD: Final = ("amount", "bucket", "usageType", "validFor")
"""What says what is held: it stays as it was done."""


def ends(document: Document) -> str | None:
    """Return when a reservation is over by itself."""
    found: str | None = (document.get("validFor") or {}).get("endDateTime")
    return found


def _end(document: Document, now: datetime) -> datetime:
    period: dict[str, Any] = document.get("validFor") or {}
    start, given = period.get("startDateTime"), period.get("endDateTime")
    if start is not None and datetime.fromisoformat(start) > now:
        raise wrong("$.validFor.startDateTime", "it is held from now on", value=start, fix="leave it out")
    end = now + LASTS if given is None else datetime.fromisoformat(given)
    if not now < end <= now + LONGEST:
        raise wrong(
            "$.validFor.endDateTime",
            "it is held for a day at most",
            value=given,
            fix="name a time within a day",
        )
    return end


def _key(document: Document) -> str:
    return f"TMF654/reserveBalance/{document['id']}"


async def reserve(tx: Tx, document: Document, act: Act) -> Document:
    """Hold money of the account of a bucket of ours."""
    own = await own_bucket(tx, document)
    if own is None:
        return document
    main_only(own, "bucket")
    amount, end = amount_of(document, own), _end(document, act.now)
    if act.key:
        document = {**document, "id": str(uuid5(NAMESPACE_OID, f"TMF654/reserveBalance/{act.key}"))}
    until = await hold(REACH.client(), account=own.account, key=_key(document), amount=amount)
    times = {"startDateTime": stored_time(act.now), "endDateTime": stored_time(min(end, moment(until)))}
    return completed({**document, "validFor": {**(document.get("validFor") or {}), **times}}, act)


async def over(tx: Tx, document: Document, _act: Act) -> Document:
    """Free what a reservation holds at its end."""
    own = await own_bucket(tx, document)
    if own is None:
        return document
    await _free(own, document)
    return {**document, "status": _CANCELLED}


async def _free(own: Own, document: Document) -> None:
    await free(REACH.client(), account=own.account, key=_key(document))


@dataclass(frozen=True, slots=True)
class _Reservations(Task):
    """What is somebody else's is kept as it is written; a worker looks after the end of what is ours."""

    async def __call__(self, tx: Tx, document: Document, act: Act) -> Document:
        """Hold, and let a worker free it at its end."""
        made = await self.work(tx, document, act)
        if made["status"] == _COMPLETED:
            await self.watch(tx, made, act)
        return made


RESERVATIONS: Final = _Reservations(
    TARGET, reserve, "status", until=ends, over=over, words=(_CREATED, _COMPLETED, "failed")
)


async def changed(tx: Tx, before: Document, after: Document, _act: Act) -> Document:
    """Free what is cancelled; what is held is not rewritten."""
    own = await own_bucket(tx, before)
    if own is None or before.get("status") != _COMPLETED:
        return after
    for name in _HELD:
        if before.get(name) != after.get(name):
            raise wrong(f"$.{name}", "it is held as it stands", fix="cancel it, and make another one")
    if after.get("status") == _CANCELLED:
        await _free(own, before)
    return after


async def removed(tx: Tx, document: Document, _act: Act) -> None:
    """Free what a deleted reservation holds."""
    own = await own_bucket(tx, document)
    if own is not None and document.get("status") == _COMPLETED:
        await _free(own, document)


async def adjust(tx: Tx, document: Document, act: Act) -> Document:
    """Correct a balance, or charge what a reservation holds."""
    named: Document | None = document.get("reserveBalance")
    own = await own_bucket(tx, document) if named else None
    if named is None or own is None:
        return await doing.adjust(tx, document, act)
    held = await _held(tx, str(named.get("id", "")), document, act)
    amount, most = -amount_of(document, own, signed=True), amount_of(held, own)
    if not 0 < amount <= most:
        raise wrong(
            "$.amount.amount",
            "it is no part of what is reserved",
            fix="name what is taken, as an amount below 0",
        )
    await charge_held(REACH.client(), account=own.account, key=_key(held), amount=amount)
    api, resource = served(TARGET)
    await change_documents(tx, api, resource, [held["id"]], lambda one: {**one, "status": _CANCELLED}, act)
    return completed(document, act)


async def _held(tx: Tx, key: str, document: Document, act: Act) -> Document:
    """Return the reservation ``key`` of the bucket of ``document``, locked, while it holds something."""
    held = await load(tx, TARGET, key, lock=True)
    if held is None or held["bucket"].get("id") != document["bucket"].get("id"):
        raise wrong("$.reserveBalance.id", "the bucket has no such reservation", value=key)
    end = ends(held)
    if held["status"] != _COMPLETED or end is None or datetime.fromisoformat(end) <= act.now:
        raise Conflict(
            "the reservation is over: it holds nothing",
            code="charging.reservation_over",
            field="$.reserveBalance.id",
            value=key,
            fix="make another one",
        )
    return held
