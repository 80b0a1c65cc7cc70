"""A person in what is prepaid: charging accounts with what moved on them, vouchers, top-ups. Read it, and erase it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from farwire.base.storage import Tx
from farwire.charging import service as charging
from farwire.charging.model import MovementKind, Unit
from farwire.charging.model.answers import NoticeKind
from farwire.charging.model.pricing import moment
from farwire.charging.service.movements import list_movements, list_notices
from farwire.kernel.ids import AccountId, ProductId
from farwire.kernel.tenancy import Actor
from farwire.payment import service as payments
from farwire.process.paging import all_of


@dataclass(frozen=True, slots=True)
class PrepaidPerson:
    """What leads to a person's prepaid data. ``names`` are the identities that nobody else has."""

    account_ids: tuple[AccountId, ...]
    accounts: tuple[charging.ChargingAccount, ...]
    identities: Mapping[int, tuple[charging.Identity, ...]]
    names: tuple[str, ...]
    top_ups: payments.TopUps


async def prepaid_person(
    tx: Tx,
    *,
    account_ids: Sequence[AccountId],
    product_ids: Sequence[ProductId],
    numbers: Sequence[str],
    of_others: Sequence[str],
) -> PrepaidPerson:
    """Return what is prepaid behind billing accounts and products.

    ``numbers`` are those that only this person ever had, ``of_others`` those that somebody else has or had too: what
    was topped up for one of these is not known to be his.
    """
    held = await charging.accounts_behind(tx, account_ids=account_ids, product_ids=product_ids)
    identities = await charging.identities_of(tx, numbers=[one.number for one in held])
    own = [identity.value for values in identities.values() for identity in values]
    foreign = frozenset(of_others)
    names = tuple(dict.fromkeys(name for name in [*numbers, *own] if name not in foreign))
    return PrepaidPerson(
        tuple(account_ids),
        held,
        identities,
        names,
        await payments.top_ups_of(tx, account_ids=account_ids, names=names),
    )


async def charging_of(tx: Tx, person: PrepaidPerson) -> object:
    """Return his charging accounts for an export, each with its identities and everything that moved on it."""
    closed = await charging.closed_at(tx, numbers=[one.number for one in person.accounts])
    return [
        {
            "number": one.number,
            "offering": one.offering,
            "currency": one.currency,
            "postpaid": one.postpaid,
            "opened_at": one.opened_at,
            "closed_at": closed.get(one.number),
            "identities": person.identities.get(one.number, ()),
            "movements": await _movements(tx, one.number),
            "notices": await _notices(tx, one.number),
        }
        for one in person.accounts
    ]


async def _movements(tx: Tx, number: int) -> list[Mapping[str, object]]:
    found = await all_of(lambda page: list_movements(tx, account=number, page=page))
    return [
        {
            "at": one.at,
            "balance": one.movement.balance,
            "kind": MovementKind(one.movement.kind).name.lower(),
            "unit": Unit(one.movement.unit).name.lower(),
            "amount": one.movement.amount,
        }
        for one in found
    ]


async def _notices(tx: Tx, number: int) -> list[Mapping[str, object]]:
    found = await all_of(lambda page: list_notices(tx, account=number, page=page))
    return [{"at": moment(one.at), "kind": NoticeKind(one.kind).name.lower()} for one in found]


def top_ups_of(person: PrepaidPerson) -> object:
    """Return his vouchers, top-ups, failed tries and charges for an export. Names of others are left out."""
    own, accounts = frozenset(person.names), frozenset(person.account_ids)

    def mine(name: str) -> str:
        return name if name in own else ""

    return {
        "credited": [
            {
                "key": one.key,
                "subscriber": mine(one.asked.subscriber),
                "account_id": one.asked.account_id if one.asked.account_id in accounts else None,
                "voucher": one.serial,
                "currency": one.value.currency.code,
                "amount_minor": one.value.amount_minor,
                "ordered_at": one.redeemed_at,
                "credited_at": one.credited_at,
                "reversed_at": one.reversed_at,
                "short_minor": one.short_minor,
            }
            for one in person.top_ups.orders
        ],
        "tries": [
            {"subscriber": mine(one.asked.subscriber), "at": one.at, "outcome": one.outcome}
            for one in person.top_ups.attempts
        ],
        "asked": [
            {
                "method": one.method,
                "token": one.token if one.account_id in accounts else "",
                "topup_for": mine(one.topup_for),
                "currency": one.currency.code,
                "amount_minor": one.amount_minor,
                "state": one.state,
                "asked_at": one.created_at,
            }
            for one in person.top_ups.charges
        ],
    }


async def erase_prepaid(tx: Tx, person: PrepaidPerson, *, now: datetime, actor: Actor) -> tuple[int, int]:
    """Forget who he is to charging and for whom was topped up; return how many identities, and rows of top-ups.

    Movements, credits and debts stay under the number of the account. A top-up that is taken back later finds it.
    """
    known = await charging.numbers_named(tx, names=[*person.names, *person.top_ups.subscribers])
    rows = await payments.erase_top_ups(
        tx,
        account_ids=person.account_ids,
        names=person.names,
        pseudonyms={name: str(number) for name, number in known.items()},
    )
    identities = 0
    for one in person.accounts:
        identities += await charging.erase_account(tx, number=one.number, now=now, actor=actor)
    return identities, rows
