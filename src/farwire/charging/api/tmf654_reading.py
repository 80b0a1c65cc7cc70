"""What TMF654 shows: buckets and their sums as the shards have them, and what was done to them as the books have it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from farwire.base.canonical import stored_time
from farwire.base.storage import Tx
from farwire.base.tmf import Behaviour, Document, Wanted
from farwire.charging import service
from farwire.charging.api.buckets import (
    NUMBER,
    PARTY_ACCOUNT,
    PRODUCT,
    USAGE_TYPES,
    Standing,
    account_or_none,
    behind,
    bucket_key,
    buckets_of,
    parsed,
    quantity,
    standing,
    wanted_accounts,
    wanted_numbers,
)
from farwire.charging.model import MovementKind, Unit
from farwire.charging.model.pricing import microseconds
from farwire.charging.service import ChargingAccount
from farwire.charging.service.movements import Placed, find_action, list_actions
from farwire.charging.service.wording import word
from farwire.kernel.page import Page, PageRequest

NATIVE: Final = frozenset({PARTY_ACCOUNT, PRODUCT, NUMBER})
_PLACE: Final = re.compile(r"(\d{1,9})-(\d{1,18})-(\d{1,9})")
_MOST: Final = 2**31 - 1


async def find_bucket(tx: Tx, key: str, now: datetime) -> Document | None:
    """Return the bucket of a balance."""
    own = parsed(key)
    account = None if own is None else await account_or_none(tx, own[0])
    if account is None:
        return None
    (one,) = await standing(tx, [account])
    return next((bucket for bucket in buckets_of(one, microseconds(now)) if bucket["id"] == key), None)


async def page_buckets(tx: Tx, wanted: Wanted) -> Page[Document]:
    """Return a page of buckets, by account and balance."""
    standings = await standing(tx, await wanted_accounts(tx, wanted.equal))
    found = [bucket for one in standings for bucket in buckets_of(one, microseconds(wanted.now))]
    part = found[wanted.offset : wanted.offset + wanted.limit]
    return Page(tuple(part), len(found), wanted.offset, wanted.limit)


def _accumulated(one: Standing) -> Document:
    money = sum(balance.amount for balance in one.state.balances if balance.unit == Unit.MONEY)
    document: Document = {
        "id": str(one.account.number),
        "@type": "AccumulatedBalance",
        "name": f"balances of {one.account.number}",
        "description": "what its balances of money hold; units are in the buckets",
        "totalBalance": quantity(money, Unit.MONEY, one.account.currency),
        "bucket": [
            {
                "id": bucket_key(one.account.number, balance.number),
                "name": USAGE_TYPES.get(balance.unit, "other"),
            }
            for balance in sorted(one.state.balances, key=lambda balance: balance.number)
        ],
        **behind(one.account, one.identities),
    }
    if "logicalResource" in document:
        document["logicalResource"] = document["logicalResource"][0]
    return document


async def find_accumulated(tx: Tx, key: str, _now: datetime) -> Document | None:
    """Return the sum of an account's balances of money."""
    account = (
        await account_or_none(tx, int(key)) if key.isascii() and key.isdigit() and len(key) < 19 else None
    )
    return None if account is None else _accumulated((await standing(tx, [account]))[0])


async def page_accumulated(tx: Tx, wanted: Wanted) -> Page[Document]:
    """Return a page of sums, by account."""
    numbers = await wanted_numbers(tx, wanted.equal)
    if numbers is None:
        page = await service.list_accounts(tx, page=PageRequest(wanted.offset, wanted.limit))
    else:
        part = numbers[wanted.offset : wanted.offset + wanted.limit]
        accounts = await service.accounts_numbered(tx, numbers=part)
        page = Page(tuple(accounts.values()), len(numbers), wanted.offset, wanted.limit)
    standings = await standing(tx, page.items)
    return Page(tuple(map(_accumulated, standings)), page.total, page.offset, page.limit)


def _action(one: Placed, account: ChargingAccount) -> Document:
    moved, at = one.movement, stored_time(one.at)
    document: Document = {
        "id": f"{one.shard}-{one.sequence}-{one.place}",
        "@type": "BalanceActionHistory",
        "status": "completed",
        "amount": quantity(moved.amount, moved.unit, account.currency),
        "usageType": USAGE_TYPES.get(moved.unit, "other"),
        "reason": word(moved.kind, MovementKind),
        "bucket": {"id": bucket_key(moved.account, moved.balance)},
        "requestedDate": at,
        "confirmationDate": at,
    }
    return document | behind(account, ())


async def _actions(tx: Tx, found: Sequence[Placed]) -> list[Document]:
    accounts = await service.accounts_numbered(tx, numbers=[one.movement.account for one in found])
    return [_action(one, accounts[one.movement.account]) for one in found]


async def find_action_document(tx: Tx, key: str, _now: datetime) -> Document | None:
    """Return what was done to a balance."""
    place = _PLACE.fullmatch(key)
    if place is None or int(place[1]) > _MOST or int(place[3]) > _MOST:
        return None
    found = await find_action(tx, shard=int(place[1]), sequence=int(place[2]), place=int(place[3]))
    return None if found is None else (await _actions(tx, [found]))[0]


async def page_actions(tx: Tx, wanted: Wanted) -> Page[Document]:
    """Return a page of what was done to balances, in the order of the logs."""
    numbers = await wanted_numbers(tx, wanted.equal)
    page = await list_actions(tx, accounts=numbers, page=PageRequest(wanted.offset, wanted.limit))
    return Page(tuple(await _actions(tx, page.items)), page.total, page.offset, page.limit)


BUCKETS: Final = Behaviour(find_bucket, page_buckets, native=NATIVE)
ACCUMULATED: Final = Behaviour(find_accumulated, page_accumulated, native=NATIVE)
HISTORY: Final = Behaviour(find_action_document, page_actions, native=NATIVE)
