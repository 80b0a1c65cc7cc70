"""Balances as the buckets of the TMF APIs, and the accounts that a client asks for by what stands behind them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import Final
from uuid import UUID

from farwire.base.storage import Tx
from farwire.base.tmf import Document
from farwire.charging import service
from farwire.charging.api.desk import state_of
from farwire.charging.api.documents import when
from farwire.charging.model import Account, Flag, Lifecycle, Unit
from farwire.charging.model.state import MAIN, Balance
from farwire.charging.service import ChargingAccount, Identity
from farwire.charging.service.movements import numbers_behind
from farwire.charging.service.wording import word
from farwire.kernel.errors import Invalid, NotFound
from farwire.kernel.money import nano_to_decimal
from farwire.kernel.page import PageRequest

MOST: Final = 1_000
"""Accounts whose shards are asked for one list."""
USAGE_TYPES: Final[Mapping[int, str]] = MappingProxyType(
    {
        Unit.MONEY: "monetary",
        Unit.OCTETS: "data",
        Unit.SECONDS: "voice",
        Unit.MESSAGES: "sms",
        Unit.EVENTS: "other",
    }
)
UNITS: Final[Mapping[int, str]] = MappingProxyType(
    {Unit.OCTETS: "byte", Unit.SECONDS: "second", Unit.MESSAGES: "message", Unit.EVENTS: "event"}
)
PARTY_ACCOUNT, PRODUCT, NUMBER = "partyAccount.id", "product.id", "logicalResource.id"
_ID: Final = re.compile(r"([1-9][0-9]{0,17})-([1-9][0-9]{0,4})")


@dataclass(frozen=True, slots=True)
class Standing:
    """An account as it stands, and who it is."""

    account: ChargingAccount
    state: Account
    identities: tuple[Identity, ...]
    offerings: Mapping[int, str]


def bucket_key(account: int, balance: int) -> str:
    """Return the id of the bucket of a balance."""
    return f"{account}-{balance}"


def parsed(key: str) -> tuple[int, int] | None:
    """Return account and balance of a bucket's id; None for one that is not ours."""
    found = _ID.fullmatch(key)
    return None if found is None else (int(found[1]), int(found[2]))


async def account_or_none(tx: Tx, number: int) -> ChargingAccount | None:
    """Return an account of the tenant, or None."""
    try:
        return await service.account_numbered(tx, number=number)
    except NotFound:
        return None


async def standing(tx: Tx, accounts: Sequence[ChargingAccount]) -> list[Standing]:
    """Return how accounts stand, as their shards have them now."""
    states = await asyncio.gather(*map(state_of, accounts))
    named = await service.identities_of(tx, numbers=[one.number for one in accounts])
    offers = {balance.offer for state in states for balance in state.balances if balance.offer}
    found = await service.offerings_of_offers(tx, numbers=offers)
    return [
        Standing(account, state, named.get(account.number, ()), found)
        for account, state in zip(accounts, states, strict=True)
    ]


async def wanted_numbers(tx: Tx, equal: Mapping[str, Iterable[str]]) -> list[int] | None:
    """Return the numbers of the accounts that filters name; None where none is named.

    ``partyAccount.id`` is the billing account, ``product.id`` the product, ``logicalResource.id`` an identity.
    """
    parts: list[set[int]] = []
    if PARTY_ACCOUNT in equal:
        parts.append(set(await numbers_behind(tx, billing_accounts=uuids(equal[PARTY_ACCOUNT]))))
    if PRODUCT in equal:
        parts.append(set(await numbers_behind(tx, products=uuids(equal[PRODUCT]))))
    if NUMBER in equal:
        parts.append({number for value in equal[NUMBER] for number in await _of_identity(tx, value)})
    return sorted(set.intersection(*parts)) if parts else None


def uuids(texts: Iterable[str]) -> list[UUID]:
    """Return those of the texts that are UUIDs."""
    found = []
    for text in texts:
        try:
            found.append(UUID(text))
        except ValueError:
            continue  # nothing has it
    return found


async def _of_identity(tx: Tx, value: str) -> list[int]:
    try:
        account = await service.find_account(tx, name=value)
    except NotFound:
        return []
    named = (await service.identities_of(tx, numbers=[account.number])).get(account.number, ())
    return [account.number] if any(one.value == value for one in named) else []


async def wanted_accounts(tx: Tx, equal: Mapping[str, Iterable[str]]) -> list[ChargingAccount]:
    """Return the accounts that filters name, or all where there are few. Raises ``Invalid`` (``tmf.too_many``)."""
    numbers = await wanted_numbers(tx, equal)
    if numbers is not None and len(numbers) <= MOST:
        return list((await service.accounts_numbered(tx, numbers=numbers)).values())
    page = await service.list_accounts(tx, page=PageRequest(0, MOST))
    check_few(MOST + 1 if numbers is not None else page.total)
    return list(page.items)


def check_few(count: int) -> None:
    """Raise ``Invalid`` (``tmf.too_many``) where the shards would have to be asked for too many accounts."""
    if count > MOST:
        raise Invalid(
            f"more than {MOST} accounts would have to be asked for",
            code="tmf.too_many",
            field="filter",
            fix=f"filter by {NUMBER}, {PRODUCT}, {PARTY_ACCOUNT}",
        )


def quantity(amount: int, unit: int, code: str) -> Document:
    """Return an amount of a balance as TMF's Quantity: money in major units, units in base units."""
    if unit == Unit.MONEY:
        return {"amount": _plain(nano_to_decimal(amount)), "units": code}
    return {"amount": amount, "units": UNITS.get(unit, str(unit))}


def _plain(value: Decimal) -> Decimal | int:
    return int(value) if value == value.to_integral_value() else value.normalize()


def behind(account: ChargingAccount, identities: Iterable[Identity]) -> Document:
    """Return what stands behind an account: identities, billing account, product."""
    found: Document = {}
    named = [
        {"id": one.value, "name": one.value, "@referredType": one.kind.value.upper()} for one in identities
    ]
    if named:
        found["logicalResource"] = named
    if account.account_id is not None:
        found["partyAccount"] = {
            "id": str(account.account_id),
            "name": f"billing account of {account.number}",
        }
    if account.product_id is not None:
        found["product"] = [{"id": str(account.product_id), "name": account.offering}]
    return found


def buckets_of(one: Standing, now: int) -> list[Document]:
    """Return the balances of an account as buckets, by number."""
    balances = sorted(one.state.balances, key=lambda balance: balance.number)
    return [_bucket(one, balance, now) for balance in balances]


def _bucket(one: Standing, balance: Balance, now: int) -> Document:
    name = "main balance" if balance.number == MAIN else one.offerings.get(balance.offer, "balance")
    remaining = quantity(balance.amount, balance.unit, one.account.currency)
    document: Document = {
        "id": bucket_key(one.account.number, balance.number),
        "@type": "Bucket",
        "name": name,
        "status": _status(one.state, balance, now),
        "usageType": USAGE_TYPES.get(balance.unit, word(balance.unit, Unit)),
        "isShared": bool(balance.shared),
        "remainingValue": remaining,
        "remainingValueName": f"{remaining['amount']} {remaining['units']}",
        "reservedValue": quantity(balance.reserved, balance.unit, one.account.currency),
    }
    period = {
        "startDateTime": when(balance.valid_from) if balance.valid_from else "",
        "endDateTime": when(balance.valid_to),
    }
    shown = {name: at for name, at in period.items() if at}
    return document | ({"validFor": shown} if shown else {}) | behind(one.account, one.identities)


def _status(state: Account, balance: Balance, now: int) -> str:
    if state.lifecycle == Lifecycle.EXPIRED or balance.valid_to <= now:
        return "expired"
    return "suspended" if state.lifecycle == Lifecycle.GRACE or state.flags & Flag.BARRED else "active"
