"""Entries and postings. Everything is inserted, nothing is changed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from farwire.base.storage import Tx
from farwire.kernel.ids import AccountId, EntryId, LegalEntityId
from farwire.kernel.money import currency
from farwire.ledger.model import CHART, Balance, Book, Entry, Posting


async def add_chart(tx: Tx, legal_entity_ids: Sequence[LegalEntityId]) -> None:
    """Insert what is missing of the charts of these legal entities."""
    rows = [(entity, book) for entity in legal_entity_ids for book in CHART]
    await tx.execute(
        "INSERT INTO ledger.book_account (tenant_id, legal_entity_id, code, name, kind) "
        "SELECT $1, b.* FROM unnest($2::uuid[], $3::text[], $4::text[], $5::text[]) AS b ON CONFLICT DO NOTHING",
        tx.tenant_id,
        [entity for entity, _ in rows],
        [book.value for _, book in rows],
        [CHART[book][0] for _, book in rows],
        [CHART[book][1].value for _, book in rows],
    )


async def add_entries(tx: Tx, entries: Sequence[Entry]) -> set[EntryId]:
    """Insert the heads of entries; return the ids of those whose (source, key) is new."""
    rows = await tx.fetch(
        "INSERT INTO ledger.entry (tenant_id, entry_id, legal_entity_id, booked_on, recorded_at, source, key, "
        "occurred_on, reverses) SELECT $1, e.* FROM unnest($2::uuid[], $3::uuid[], $4::date[], $5::timestamptz[], "
        "$6::text[], $7::text[], $8::date[], $9::uuid[]) AS e "
        "ON CONFLICT (tenant_id, source, key) DO NOTHING RETURNING entry_id",
        tx.tenant_id,
        [entry.id for entry in entries],
        [entry.legal_entity_id for entry in entries],
        [entry.booked_on for entry in entries],
        [entry.recorded_at for entry in entries],
        [entry.source for entry in entries],
        [entry.key for entry in entries],
        [entry.occurred_on for entry in entries],
        [entry.reverses for entry in entries],
    )
    return {EntryId(row["entry_id"]) for row in rows}


async def add_postings(tx: Tx, entries: Sequence[Entry]) -> None:
    """Insert the postings of entries in one statement, which the trigger checks as a whole."""
    rows = [(entry, n, posting) for entry in entries for n, posting in enumerate(entry.postings)]
    await tx.execute(
        "INSERT INTO ledger.posting (tenant_id, entry_id, number, legal_entity_id, code, account_id, currency, "
        "amount_minor, remainder_nano) SELECT $1, p.* FROM unnest($2::uuid[], $3::smallint[], $4::uuid[], $5::text[], "
        "$6::uuid[], $7::text[], $8::bigint[], $9::bigint[]) AS p",
        tx.tenant_id,
        [entry.id for entry, _, _ in rows],
        [n for _, n, _ in rows],
        [entry.legal_entity_id for entry, _, _ in rows],
        [posting.book.value for _, _, posting in rows],
        [posting.account_id for _, _, posting in rows],
        [posting.currency.code for _, _, posting in rows],
        [posting.amount_minor for _, _, posting in rows],
        [posting.remainder_nano for _, _, posting in rows],
    )


async def postings_by_key(tx: Tx, source: str, keys: Sequence[str]) -> dict[str, tuple[Posting, ...]]:
    """Return the postings of the entries of ``source`` with these keys."""
    rows = await tx.fetch(
        "SELECT e.key, p.code, p.account_id, p.currency, p.amount_minor, p.remainder_nano FROM ledger.entry e "
        "JOIN ledger.posting p ON p.tenant_id = e.tenant_id AND p.entry_id = e.entry_id "
        "WHERE e.tenant_id = $1 AND e.source = $2 AND e.key = ANY($3::text[]) ORDER BY e.key, p.number",
        tx.tenant_id,
        source,
        list(keys),
    )
    found: dict[str, list[Posting]] = defaultdict(list)
    for row in rows:
        account_id = None if row["account_id"] is None else AccountId(row["account_id"])
        found[row["key"]].append(
            Posting(
                Book(row["code"]),
                currency(row["currency"]),
                row["amount_minor"],
                row["remainder_nano"],
                account_id,
            )
        )
    return {key: tuple(postings) for key, postings in found.items()}


async def trial_balance(tx: Tx, source: str | None) -> tuple[Balance, ...]:
    """Return the sum of every book account by currency; of the entries of one ``source``, where it is given."""
    rows = await tx.fetch(
        "SELECT p.legal_entity_id, p.code, b.name, p.currency, sum(p.amount_minor)::numeric AS minor, "
        "sum(p.remainder_nano)::numeric AS nano FROM ledger.posting p JOIN ledger.book_account b "
        "ON b.tenant_id = p.tenant_id AND b.legal_entity_id = p.legal_entity_id AND b.code = p.code "
        "WHERE p.tenant_id = $1 AND ($2::text IS NULL OR EXISTS (SELECT FROM ledger.entry e "
        "WHERE e.tenant_id = p.tenant_id AND e.entry_id = p.entry_id AND e.source = $2)) "
        "GROUP BY p.legal_entity_id, p.code, b.name, p.currency ORDER BY p.legal_entity_id, p.currency, p.code",
        tx.tenant_id,
        source,
    )
    return tuple(
        Balance(
            LegalEntityId(row["legal_entity_id"]),
            Book(row["code"]),
            row["name"],
            currency(row["currency"]),
            int(row["minor"]),
            int(row["nano"]),
        )
        for row in rows
    )


async def account_balance(tx: Tx, account_id: AccountId) -> dict[str, int]:
    """Return what a billing account owes, in minor units by currency code."""
    rows = await tx.fetch(
        "SELECT currency, sum(amount_minor)::numeric AS minor FROM ledger.posting "
        "WHERE tenant_id = $1 AND account_id = $2 AND code = $3 GROUP BY currency ORDER BY currency",
        tx.tenant_id,
        account_id,
        Book.RECEIVABLE.value,
    )
    return {row["currency"]: int(row["minor"]) for row in rows}


async def entries_by_key(tx: Tx, source: str, keys: Sequence[str]) -> tuple[Entry, ...]:
    """Return the entries of ``source`` with these keys, with their postings."""
    rows = await tx.fetch(
        "SELECT entry_id, legal_entity_id, booked_on, recorded_at, key, occurred_on, reverses FROM ledger.entry "
        "WHERE tenant_id = $1 AND source = $2 AND key = ANY($3::text[]) ORDER BY key",
        tx.tenant_id,
        source,
        list(keys),
    )
    postings = await postings_by_key(tx, source, keys)
    return tuple(
        Entry(
            EntryId(row["entry_id"]),
            LegalEntityId(row["legal_entity_id"]),
            row["booked_on"],
            row["recorded_at"],
            source,
            row["key"],
            postings.get(row["key"], ()),
            row["occurred_on"],
            None if row["reverses"] is None else EntryId(row["reverses"]),
        )
        for row in rows
    )
