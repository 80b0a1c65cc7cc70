"""Tariffs from published plans and stored decks, kept compiled; counters and ported numbers of a batch."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Iterable, Sequence
from datetime import date
from typing import Final, Generic, TypeVar
from uuid import UUID

from farwire.base.storage import Tx
from farwire.catalog import service as catalog
from farwire.catalog.model import PricePlan
from farwire.country.service import load_pack, public_holidays
from farwire.kernel.ids import DeckId, PlanVersionId, ProductId, TenantId
from farwire.rating import store
from farwire.rating.model import (
    CounterBook,
    Deck,
    DeckVersion,
    Portability,
    Tariff,
    UsageOverride,
    compile_tariff,
)

HOLIDAY_YEARS: Final = range(2000, 2061)
MAX_TARIFFS: Final = 512
MAX_DECKS: Final = 64
"""Compiled deck versions kept in memory; one of 36,000 prefixes takes about 20 MB."""

K = TypeVar("K")
V = TypeVar("V")


class _Kept(Generic[K, V]):
    """A bounded memo of immutable things; the least recently used goes first."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._items: OrderedDict[K, V] = OrderedDict()

    def get(self, key: K) -> V | None:
        found = self._items.get(key)
        if found is not None:
            self._items.move_to_end(key)
        return found

    def put(self, key: K, value: V) -> V:
        self._items[key] = value
        if len(self._items) > self._size:
            self._items.popitem(last=False)
        return value


# Everything kept is immutable and keyed by tenant and version, so a memo can never be stale.
_TARIFFS: Final[_Kept[tuple[UUID, UUID, tuple[UUID, ...], tuple[UsageOverride, ...]], Tariff]] = _Kept(
    MAX_TARIFFS
)
_DECKS: Final[_Kept[tuple[TenantId, DeckId], DeckVersion]] = _Kept(MAX_DECKS)


def check_compiles(plan: PricePlan) -> None:
    """Refuse a plan that could not become a tariff, whatever its decks say.

    Raises as ``compile_tariff`` and ``holidays_of`` do.
    """
    names = {price.deck for price in plan.usage if price.deck}
    decks = {name: Deck.of(name, ()) for name in names}
    compile_tariff(plan, decks=decks, holidays=holidays_of(plan))


def holidays_of(plan: PricePlan) -> Collection[date]:
    """Return the public holidays of the calendar that ``plan`` names ("DE-BE"), none where it names none.

    Raises ``NotFound`` (``country.unknown``, ``country.holidays_unknown``).
    """
    if not plan.holidays:
        return ()
    country, _, subdivision = plan.holidays.partition("-")
    return public_holidays(load_pack(country), HOLIDAY_YEARS, subdivision or None)


async def tariff_for(
    *, tx: Tx, plan_version_id: PlanVersionId, overrides: Collection[UsageOverride] = ()
) -> Tariff:
    """Return the tariff of a plan version with the decks as they are now. Compiled once per plan and deck versions.

    ``overrides`` are negotiated prices; those of other than its usage prices change nothing.
    Raises ``NotFound`` (``catalog.plan_unknown``) and what ``compile_tariff`` and ``holidays_of`` raise.
    """
    version = (await catalog.plan_versions(tx, [plan_version_id]))[plan_version_id]
    usage = {price.id for price in version.plan.usage} if overrides else set()
    own = tuple(sorted((one for one in overrides if one.price_id in usage), key=lambda one: one.price_id))
    records = await _decks_of(tx, version.plan)
    key = (tx.tenant_id, plan_version_id, tuple(record.id for record in records), own)
    kept = _TARIFFS.get(key)
    if kept is not None:
        return kept
    return _TARIFFS.put(key, await _compiled(tx, version.plan, records, str(version.number), own))


async def draft_tariff(*, tx: Tx, plan: PricePlan, overrides: Sequence[UsageOverride] = ()) -> Tariff:
    """Return the tariff of a plan that is not published, with the decks as they are now and negotiated prices of it.

    Raises what ``compile_tariff`` and ``holidays_of`` raise.
    """
    return await _compiled(tx, plan, await _decks_of(tx, plan), "draft", overrides)


async def _decks_of(tx: Tx, plan: PricePlan) -> Sequence[store.DeckRecord]:
    names = sorted({price.deck for price in plan.usage if price.deck})
    return await store.decks(tx, names) if names else []


async def _compiled(
    tx: Tx,
    plan: PricePlan,
    records: Sequence[store.DeckRecord],
    version: str,
    overrides: Sequence[UsageOverride] = (),
) -> Tariff:
    versions: dict[str, list[DeckVersion]] = {}
    for record in records:
        versions.setdefault(record.name, []).append(await _deck_version(tx, record))
    decks = {name: Deck.of(name, found) for name, found in versions.items()}
    return compile_tariff(plan, decks=decks, holidays=holidays_of(plan), version=version, overrides=overrides)


async def _deck_version(tx: Tx, record: store.DeckRecord) -> DeckVersion:
    key = (tx.tenant_id, record.id)
    kept = _DECKS.get(key)
    if kept is not None:
        return kept
    rows = await store.deck_rows(tx, record)
    compiled = DeckVersion(
        name=record.name,
        version=record.version,
        currency=record.currency,
        valid_from=record.valid_from,
        rows=rows,
        digest=record.digest,
    )
    return _DECKS.put(key, compiled)


async def load_counters(tx: Tx, product_ids: Collection[ProductId]) -> CounterBook:
    """Return the counters of ``product_ids``. Other batches of the tenant wait until this transaction ends."""
    await store.lock_counters(tx)
    return CounterBook.of(await store.counters(tx, sorted(product_ids)) if product_ids else ())


async def save_counters(tx: Tx, book: CounterBook) -> None:
    """Write what charges have moved in ``book``, in the transaction that loaded it."""
    rows = list(book.changed())
    if rows:
        await store.save_counters(tx, rows)


async def load_portability(tx: Tx, numbers: Iterable[str]) -> Portability:
    """Return who the ported ones of ``numbers`` belonged to, and when."""
    wanted = sorted({number for number in numbers if number})
    return Portability.of(await store.ported(tx, wanted) if wanted else ())
