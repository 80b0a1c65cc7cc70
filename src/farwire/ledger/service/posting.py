"""Post entries, each once and into an open period; take entries back; say what is on the books."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Final

from farwire.base.storage import Tx
from farwire.kernel.errors import Conflict, NotFound
from farwire.kernel.ids import AccountId, LegalEntityId
from farwire.kernel.money import Money, currency
from farwire.ledger.model import Balance, Entry, PeriodState, open_day, reversed_entry
from farwire.ledger.store import entries as store
from farwire.ledger.store import periods as period_store

_FOR_ALL: Final = (PeriodState.CLOSING, PeriodState.CLOSED)
_FOR_CLOSING: Final = (PeriodState.CLOSED,)


class KeyReused(Conflict):
    """An entry exists under the same (source, key) with other postings."""

    default_code = "ledger.key_reused"


async def booking_days(
    *, tx: Tx, wanted: Iterable[tuple[LegalEntityId, date]], into_closing: bool = False
) -> Mapping[tuple[LegalEntityId, date], date]:
    """Return for each legal entity and day the day on which a fact of that day is booked, and hold the periods so.

    It is the day itself while its month is open, else the first day of the first later month that is. The answer
    stays true until the end of the transaction: who closes a period waits for it. ``into_closing`` is for the
    closing itself.
    """
    asked = set(wanted)
    entities = sorted({entity for entity, _ in asked})
    await period_store.share_books(tx, entities)
    shut = await period_store.shut_months(tx, entities, _FOR_CLOSING if into_closing else _FOR_ALL)
    return {(entity, day): open_day(day, shut.get(entity, set())) for entity, day in asked}


async def post_entries(*, tx: Tx, entries: Sequence[Entry], into_closing: bool = False) -> int:
    """Book entries, each once; return how many were new. Idempotent by (source, key).

    An entry of a closed month is booked into the first open one, with its own day as ``occurred_on``. Five statements
    for any number. Raises ``KeyReused`` where a key exists with other postings.
    """
    if not entries:
        return 0
    days = await booking_days(
        tx=tx,
        wanted=((entry.legal_entity_id, entry.booked_on) for entry in entries),
        into_closing=into_closing,
    )
    await store.add_chart(tx, sorted({entry.legal_entity_id for entry in entries}))
    placed = [entry.moved_to(days[entry.legal_entity_id, entry.booked_on]) for entry in entries]
    new = await store.add_entries(tx, placed)
    if new:
        await store.add_postings(tx, [entry for entry in placed if entry.id in new])
    await _check_repeated(tx, [entry for entry in placed if entry.id not in new])
    return len(new)


async def _check_repeated(tx: Tx, entries: Sequence[Entry]) -> None:
    by_source: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        by_source[entry.source].append(entry)
    for source, repeated in by_source.items():
        found = await store.postings_by_key(tx, source, [entry.key for entry in repeated])
        for entry in repeated:
            if found.get(entry.key, ()) != entry.postings:
                raise KeyReused(
                    f"the ledger has another entry {source} {entry.key}", field="key", value=entry.key
                )


async def reverse_entries(
    *,
    tx: Tx,
    source: str,
    keys: Sequence[str],
    as_source: str,
    booked_on: date,
    now: datetime,
    into_closing: bool = False,
) -> int:
    """Take back the entries (``source``, key) by entries (``as_source``, key); return how many were new.

    Idempotent: an entry is taken back at most once. Raises ``NotFound`` (``ledger.entry_unknown``).
    """
    found = await store.entries_by_key(tx, source, keys)
    missing = sorted(set(keys) - {entry.key for entry in found})
    if missing:
        raise NotFound(
            f"the ledger has no entry {source} {missing[0]}",
            code="ledger.entry_unknown",
            field="key",
            value=missing[0],
        )
    back = [
        reversed_entry(entry, source=as_source, key=entry.key, booked_on=booked_on, at=now) for entry in found
    ]
    return await post_entries(tx=tx, entries=back, into_closing=into_closing)


async def trial_balance(*, tx: Tx) -> tuple[Balance, ...]:
    """Return the sum of every book account by currency. Per legal entity and currency they sum to 0."""
    return await store.trial_balance(tx, None)


async def source_balance(*, tx: Tx, source: str) -> tuple[Balance, ...]:
    """Return the same sums over the entries of one source only, e.g. all bills; for its control."""
    return await store.trial_balance(tx, source)


async def account_balance(*, tx: Tx, account_id: AccountId) -> tuple[Money, ...]:
    """Return what a billing account owes, one amount per currency; negative is a credit."""
    found = await store.account_balance(tx, account_id)
    return tuple(Money(minor, currency(code)) for code, minor in found.items())
