"""Use cases of the books."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from farwire.base.storage import Tx
from farwire.kernel.errors import Conflict
from farwire.kernel.ids import AccountId
from farwire.kernel.money import Money, currency
from farwire.ledger import store
from farwire.ledger.model import Balance, Entry


class KeyReused(Conflict):
    """An entry exists under the same (source, key) with other postings."""

    default_code = "ledger.key_reused"


async def post_entries(*, tx: Tx, entries: Sequence[Entry]) -> int:
    """Book entries, each once; return how many were new. Idempotent by (source, key).

    Three statements for any number. Raises ``KeyReused`` where a key exists with other postings.
    """
    if not entries:
        return 0
    await store.add_chart(tx, sorted({entry.legal_entity_id for entry in entries}))
    new = await store.add_entries(tx, entries)
    if new:
        await store.add_postings(tx, [entry for entry in entries if entry.id in new])
    await _check_repeated(tx, [entry for entry in entries if entry.id not in new])
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
