"""To the books: what the log of a shard tells becomes movements, entries, usage, notices and events, each once.

A shard serves all tenants, a transaction belongs to one. So each tenant's part of what was read is one transaction
with the tenant's own position, and the position of the shard moves when all of them are done. A crash in between
reads again; who is past it already takes nothing.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import date, datetime
from types import MappingProxyType
from typing import Final, cast

import structlog

from farwire.account import service as accounts
from farwire.account.model import BillingAccount
from farwire.base.clock import Clock
from farwire.base.eventbus.service import publish_many
from farwire.base.storage import Database, Tx
from farwire.charging.events import credited, noticed
from farwire.charging.log import Facts, Log
from farwire.charging.model.accounts import ChargingAccount
from farwire.charging.model.answers import Movement, Notice, Used
from farwire.charging.model.booking import Pair, postings_of, sums_of
from farwire.charging.model.pricing import moment
from farwire.charging.model.state import Unit
from farwire.charging.model.tariffs import BY_AMOUNT
from farwire.charging.model.taxing import Earned
from farwire.charging.service.accounts import request_key
from farwire.charging.service.deferring import DEFERRED, Deferrals
from farwire.charging.service.owing import owe
from farwire.charging.service.taxing import Taxes
from farwire.charging.shard.facts import Fact, unpack
from farwire.charging.store import books as store
from farwire.charging.store import control
from farwire.charging.store.books import Owner, Placed
from farwire.kernel.errors import FarwireError, NotFound
from farwire.kernel.ids import AccountId, EntryId, LegalEntityId, TenantId, uuid7
from farwire.kernel.money import currency
from farwire.kernel.time import local_date, zone
from farwire.ledger import service as ledger
from farwire.ledger.model import Book, Entry
from farwire.rating.model import UsageKind
from farwire.tenant import service as tenants
from farwire.tenant.model import LegalEntity
from farwire.usage import service as usage
from farwire.usage.model.charged import ChargedUsage

SOURCE: Final = "charging"
"""Of ledger entries and usage ids."""
BYTES: Final = 128 << 10
"""Facts that one round takes at most, beyond its first batch: 2,048 records. More would keep a shard on the same event
loop from its requests for too long."""
LONGEST_MS: Final = 60_000
"""Between two tries of books that stand still."""
KINDS: Final = MappingProxyType(
    {
        Unit.MONEY: UsageKind.EVENT,
        Unit.OCTETS: UsageKind.DATA,
        Unit.SECONDS: UsageKind.VOICE,
        Unit.MESSAGES: UsageKind.MESSAGE,
        Unit.EVENTS: UsageKind.EVENT,
    }
)
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Taken:
    """What one round brought to the books. ``last`` is the sequence up to which they hold the shard now."""

    last: int
    movements: int = 0
    usages: int = 0
    events: int = 0
    more: bool = False


@dataclass(frozen=True, slots=True)
class _At:
    """A fact with its place in the log."""

    sequence: int
    place: int
    fact: Fact

    def key(self, shard: int) -> str:
        """Return what names it among the facts of all shards."""
        return f"{shard}:{self.sequence}.{self.place}"


async def take(*, db: Database, log: Log, clock: Clock, most: int = BYTES) -> Taken:
    """Bring the next facts of a shard to the books, about ``most`` bytes of them; return what was new.

    Raises ``NotFound`` (``charging.tenant_unknown``, ``charging.account_unknown``, ``charging.company_missing``): the
    books stand still rather than pass over money. Raises what ``Log.facts`` raises.
    """
    async with db.untenanted(read_only=True) as tx:
        after = await store.shard_position(tx, log.shard)
        known = await control.tenants(tx)
    batches, more = await _read(log, after, most)
    if not batches:
        return Taken(after)
    by_tenant: dict[int, list[_At]] = defaultdict(list)
    for batch in batches:
        for place, (number, fact) in enumerate(unpack(batch.facts)):
            by_tenant[number].append(_At(batch.last, place, fact))
    last = batches[-1].last
    movements = usages = events = 0
    for number, facts in sorted(by_tenant.items()):
        done = await _take_tenant(db, _tenant(known, number), log.shard, last, facts, clock.now())
        movements, usages, events = movements + done[0], usages + done[1], events + done[2]
    async with db.untenanted() as tx:
        await store.save_shard_position(tx, log.shard, last)
    return Taken(last, movements, usages, events, more)


async def take_all(*, db: Database, log: Log, clock: Clock) -> Taken:
    """Bring everything that is durable to the books; return the last round."""
    taken = await take(db=db, log=log, clock=clock)
    while taken.more:
        taken = await take(db=db, log=log, clock=clock)
    return taken


async def follow(
    *, db: Database, log: Log, clock: Clock, pause_ms: int = 500, told: Callable[[Taken], None] | None = None
) -> None:
    """Bring facts to the books as they come, until cancelled. What fails is logged and tried again, ever later.

    ``told`` hears of each round; ``last`` is what ``Log.recycle`` may be told.
    """
    wait = pause_ms
    while True:
        try:
            taken = await take(db=db, log=log, clock=clock)
        except FarwireError as error:
            _log.error("the books stand still", shard=log.shard, code=error.code, reason=str(error))
            wait = min(max(2 * wait, pause_ms), LONGEST_MS)
        else:
            wait = 0 if taken.more else pause_ms
            if told is not None:
                told(taken)
        await asyncio.sleep(wait / 1_000)


async def position(*, db: Database, shard: int) -> int:
    """Return the sequence up to which the books hold a shard: what ``Log.recycle`` may be told at the start."""
    async with db.untenanted(read_only=True) as tx:
        return await store.shard_position(tx, shard)


async def moved_by(tx: Tx, *, account: ChargingAccount, key: str) -> int | None:
    """Return the money that the command ``key`` moved on an account, or None if the books know of none.

    A shard keeps keys for 24 hours, the books for ever: who repeats a command after longer looks here first.
    """
    return await store.movement_with_key(tx, account.number, *request_key(key))


async def _read(log: Log, after: int, most: int) -> tuple[list[Facts], bool]:
    batches: list[Facts] = []
    size = 0
    async with aclosing(log.facts(after)) as found:  # type: ignore[type-var]
        async for batch in found:
            if batches and size + len(batch.facts) > most:
                return batches, True
            batches.append(batch)
            size += len(batch.facts)
    return batches, False


def _tenant(known: Mapping[int, TenantId], number: int) -> TenantId:
    found = known.get(number)
    if found is None:
        raise NotFound(
            f"no tenant has the number {number}",
            code="charging.tenant_unknown",
            field="tenant",
            value=number,
        )
    return found


async def _take_tenant(
    db: Database, tenant_id: TenantId, shard: int, last: int, facts: Sequence[_At], now: datetime
) -> tuple[int, int, int]:
    """Write one tenant's part in one transaction; return how many movements, usages and events were new."""
    async with db.transaction(tenant_id) as tx:
        position = await store.lock_position(tx, shard)
        new = [one for one in facts if one.sequence > position]
        if not new:
            return 0, 0, 0
        owners = await _owners(tx, new)
        placed = await _movements(tx, shard, new)
        await _book(tx, shard, placed, owners, now)
        used = {
            one.key(shard): _charged(tx.tenant_id, shard, one, owners)
            for one in new
            if isinstance(one.fact, Used)
        }
        recorded = await usage.record_charged(tx, usages=list(used.values()), now=now)
        await owe(tx, source=SOURCE, shard=shard, used=used, placed=placed, owners=owners, now=now)
        events = await _tell(tx, shard, new, owners, now) + await _tell_credits(tx, placed, owners, now)
        await store.save_position(tx, shard, last)
    return len(placed), recorded, events


async def _owners(tx: Tx, facts: Sequence[_At]) -> Mapping[int, Owner]:
    wanted = {one.fact.account for one in facts}
    found = await store.owners(tx, wanted)
    if missing := wanted - found.keys():
        raise NotFound(
            f"{len(missing)} accounts are unknown that a shard has charged",
            code="charging.account_unknown",
            field="account",
            value=min(missing),
        )
    return found


async def _movements(tx: Tx, shard: int, facts: Sequence[_At]) -> list[Placed]:
    """Insert the movements that are not there; return them."""
    moved = [one for one in facts if isinstance(one.fact, Movement)]
    if not moved:
        return []
    known = await store.known_places(tx, shard, sorted({one.sequence for one in moved}))
    placed = [
        Placed(one.sequence, one.place, cast("Movement", one.fact), moment(one.fact.at), shard)
        for one in moved
        if (one.sequence, one.place) not in known
    ]
    await store.add_movements(tx, shard, placed)
    return placed


# ---- the ledger


async def _book(
    tx: Tx, shard: int, placed: Sequence[Placed], owners: Mapping[int, Owner], now: datetime
) -> None:
    """Book what moved on prepaid accounts: an entry for each company, currency and local day.

    What offers earn in later months is deferred, and earned by entries of the first days of these months.
    """
    money = [
        one for one in placed if one.movement.unit == Unit.MONEY and not owners[one.movement.account].postpaid
    ]
    if not money:
        return
    groups: dict[tuple[LegalEntityId, str, date], list[Placed]] = defaultdict(list)
    billed = await _billed(tx, owners)
    entities = await entities_of(tx, owners, billed)
    taxes = await Taxes.load(tx, [one.movement for one in money], owners, entities, billed)
    deferrals = await Deferrals.load(tx, money)
    for one in money:
        entity = entities[one.movement.account]
        day = local_date(one.at, zone(entity.zone))
        groups[entity.id, owners[one.movement.account].currency, day].append(one)
    entries: list[Entry] = []
    for (entity_id, code, day), moved in sorted(groups.items()):
        sums = sums_of(one.movement for one in moved)
        for pair, nano in (await _taxed(tx, entity_id, code, moved, taxes)).items():
            sums[pair] = sums.get(pair, 0) + nano
        later = deferrals.later(moved, taxes, day)
        if later:
            sums[DEFERRED] = sum(later.values())
        key = f"{shard}:{moved[0].sequence}.{moved[0].place}"
        planned = [(day, key, sums)]
        planned += [(month, f"{key}/{month:%Y-%m}", {DEFERRED: -nano}) for month, nano in later.items()]
        for booked_on, name, wanted in planned:
            totals = await store.grow(tx, entity_id, code, wanted) if wanted else {}
            postings = postings_of(totals, currency(code))
            if postings:
                entries.append(Entry(EntryId(uuid7(now)), entity_id, booked_on, now, SOURCE, name, postings))
    await ledger.post_entries(tx=tx, entries=entries)


async def _taxed(
    tx: Tx, entity: LegalEntityId, code: str, moved: Sequence[Placed], taxes: Taxes
) -> dict[Pair, int]:
    """Return what of the revenue of some movements is tax: the growth of the tax inside running gross totals."""
    gross: dict[Earned, int] = defaultdict(int)
    for earned, nano in taxes.earned_by(moved):
        gross[earned] += nano
    totals = await store.grow_earned(tx, entity, code, gross) if gross else {}
    sums: dict[Pair, int] = defaultdict(int)
    for (book, tax), (before, after) in totals.items():
        sums[Pair(Book.TAX_PAYABLE, book)] += tax.of(after) - tax.of(before)
    return {pair: nano for pair, nano in sums.items() if nano}


async def _billed(tx: Tx, owners: Mapping[int, Owner]) -> Mapping[AccountId, BillingAccount]:
    wanted = sorted({one.account_id for one in owners.values() if one.account_id is not None})
    return await accounts.accounts_by_id(tx=tx, account_ids=wanted) if wanted else {}


async def entities_of(
    tx: Tx, owners: Mapping[int, Owner], billed: Mapping[AccountId, BillingAccount] | None = None
) -> Mapping[int, LegalEntity]:
    """Return the company that owes each account its balance: the billing account's, else the tenant's oldest.

    Raises ``NotFound`` (``charging.company_missing``).
    """
    companies = await tenants.legal_entities(tx)
    if not companies:
        raise NotFound(
            "the tenant has no company that could owe a balance",
            code="charging.company_missing",
            fix="add one: farwire tenant add-company",
        )
    billed = await _billed(tx, owners) if billed is None else billed
    oldest = next(iter(companies.values()))
    found: dict[int, LegalEntity] = {}
    for number, owner in owners.items():
        account = None if owner.account_id is None else billed.get(owner.account_id)
        found[number] = oldest if account is None else companies[account.legal_entity_id]
    return found


async def company_of(tx: Tx, *, account: ChargingAccount) -> LegalEntityId:
    """Return the company that owes an account its balance. Raises ``NotFound`` (``charging.company_missing``)."""
    return (await entities_of(tx, await store.owners(tx, [account.number])))[account.number].id


# ---- usage and events


def _charged(tenant_id: TenantId, shard: int, one: _At, owners: Mapping[int, Owner]) -> ChargedUsage:
    used = cast("Used", one.fact)
    owner = owners[used.account]
    return ChargedUsage(
        usage_id=usage.charged_usage_id(tenant_id, SOURCE, one.key(shard)),
        kind=KINDS[Unit(used.unit)],
        started_at=moment(used.started_at),
        ended_at=moment(used.at),
        quantity=1 if used.price == BY_AMOUNT.number else used.units,
        subscriber=used.account,
        product_id=owner.product_id,
        rating_group=used.rating_group,
        price=used.price,
        charge_nano=used.charged,
        currency=owner.currency,
    )


async def _tell(tx: Tx, shard: int, facts: Sequence[_At], owners: Mapping[int, Owner], now: datetime) -> int:
    """Keep what is worth telling, and publish it where it is new; return how much that was."""
    found = []
    for one in facts:
        if not isinstance(one.fact, Notice):
            continue
        owner = owners[one.fact.account]
        event = noticed(
            one.fact,
            tenant_id=tx.tenant_id,
            account_id=owner.account_id,
            product_id=owner.product_id,
            currency=owner.currency,
            recorded_at=now,
        )
        if event is not None:
            found.append((one.sequence, one.place, one.fact, event))
    if not found:
        return 0
    told = await store.add_notices(tx, shard, [one[:3] for one in found])
    return await publish_many(tx, [event for at, place, _, event in found if (at, place) in told])


async def _tell_credits(tx: Tx, placed: Sequence[Placed], owners: Mapping[int, Owner], now: datetime) -> int:
    """Publish which balances have more than before; return how many events that are."""
    found = []
    for one in placed:
        owner = owners[one.movement.account]
        event = credited(
            one.movement,
            tenant_id=tx.tenant_id,
            account_id=owner.account_id,
            product_id=owner.product_id,
            currency=owner.currency,
            recorded_at=now,
        )
        if event is not None:
            found.append(event)
    return await publish_many(tx, found) if found else 0
