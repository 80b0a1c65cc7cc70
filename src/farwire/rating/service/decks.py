"""Decks: import a supplier's price list, list what is there, look a number up."""

from __future__ import annotations

import asyncio
import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, TextIO

from farwire.base import audit
from farwire.base.clock import Clock
from farwire.base.eventbus import publish
from farwire.base.storage import Database, Tx
from farwire.catalog.model import PricePlan
from farwire.kernel.errors import Conflict, Invalid, NotFound
from farwire.kernel.ids import DeckId, TenantId, uuid7
from farwire.kernel.money import currency as known_currency
from farwire.kernel.page import Page, PageRequest
from farwire.kernel.tenancy import Actor, ActorKind
from farwire.kernel.time import as_utc
from farwire.rating import store
from farwire.rating.events import deck_imported
from farwire.rating.model import DeckRow
from farwire.rating.model.deck_file import (
    DeckFormat,
    DeckReading,
    RowProblem,
    column_positions,
    read_rows,
    rows_digest,
)
from farwire.rating.store import DeckRecord

OPERATOR: Final = Actor(ActorKind.OPERATOR, "command-line")
FIRST_PAGE: Final = PageRequest()
MAX_LINE: Final = 64_000
PLAIN: Final = DeckFormat()
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True)
class DeckReport:
    """The outcome of an import: ``read`` = ``imported`` + ``bad`` + ``duplicates`` + ``expired`` + ``blank``."""

    deck: DeckRecord | None
    """None: nothing was imported, because rows were bad."""
    new: bool
    """False: the same rows were there already."""
    read: int
    imported: int
    bad: int
    duplicates: int
    expired: int
    blank: int
    problems: tuple[RowProblem, ...]
    """The first bad rows, each with its field, value and fix."""
    repeated: tuple[RowProblem, ...]


async def import_deck(
    *,
    db: Database,
    tenant_id: TenantId,
    clock: Clock,
    path: Path,
    name: str,
    currency: str,
    valid_from: datetime,
    deck_format: DeckFormat = PLAIN,
    skip_bad_rows: bool = False,
    actor: Actor = OPERATOR,
) -> DeckReport:
    """Import the price list ``path`` as the next version of the deck ``name``, in force from ``valid_from``.

    All or nothing: with bad rows nothing is stored, unless ``skip_bad_rows`` leaves them out. Idempotent: the same
    rows with the same time again change nothing. Charges dated before ``valid_from`` do not change.
    Raises ``Invalid`` (``rating.deck_name``, ``rating.deck_columns``, ``rating.deck_unreadable``,
    ``rating.deck_empty``, ``money.currency_unknown``) and ``Conflict`` (``rating.deck_overlap``).
    """
    _check_name(name)
    known_currency(currency)
    start = as_utc(valid_from, field="valid_from")
    reading = await asyncio.to_thread(read_deck_file, path, deck_format, start)
    if reading.bad and not skip_bad_rows:
        return _report(reading, None, new=False)
    if not reading.rows:
        raise Invalid(
            f"{path.name} has no row to import", code="rating.deck_empty", field="file", value=path.name
        )
    digest = await asyncio.to_thread(rows_digest, reading.rows, currency)
    async with db.transaction(tenant_id, statement_timeout_s=600) as tx:
        await store.lock_deck(tx, name)
        versions = await store.decks(tx, [name])
        same = _same_start(versions, start, digest)
        if same is not None:
            return _report(reading, same, new=False)
        now = clock.now()
        number = max((deck.version for deck in versions), default=0) + 1
        deck = DeckRecord(DeckId(uuid7(now)), name, number, currency, start, digest, len(reading.rows), now)
        await store.add_deck(tx, deck, reading.rows)
        await _announce(tx, deck, actor)
    return _report(reading, deck, new=True)


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise Invalid(
            "a deck's name is small letters, digits and . _ -",
            code="rating.deck_name",
            field="name",
            value=name,
        )


async def _announce(tx: Tx, deck: DeckRecord, actor: Actor) -> None:
    fact = deck_imported(
        tx.tenant_id,
        deck_id=deck.id,
        name=deck.name,
        version=deck.version,
        valid_from=deck.valid_from,
        rows=deck.row_count,
        now=deck.imported_at,
    )
    await publish(tx, fact)
    await audit.record(
        tx,
        actor=actor,
        action="rating.deck_import",
        subject=str(deck.id),
        at=deck.imported_at,
        detail={"deck": deck.name, "version": deck.version, "rows": deck.row_count, "digest": deck.digest},
    )


def _same_start(versions: Sequence[DeckRecord], start: datetime, digest: str) -> DeckRecord | None:
    for deck in versions:
        if deck.valid_from != start:
            continue
        if deck.digest == digest:
            return deck
        raise Conflict(
            f"version {deck.version} of {deck.name} already starts then, with other rows",
            code="rating.deck_overlap",
            field="valid_from",
            value=start.isoformat(),
            fix="a version never changes: import with another start",
        )
    return None


def _report(reading: DeckReading, deck: DeckRecord | None, *, new: bool) -> DeckReport:
    return DeckReport(
        deck=deck,
        new=new,
        read=reading.read,
        imported=0 if deck is None else len(reading.rows),
        bad=reading.bad,
        duplicates=reading.repeated,
        expired=reading.expired,
        blank=reading.blank,
        problems=tuple(reading.problems),
        repeated=tuple(reading.duplicates),
    )


def read_deck_file(path: Path, deck_format: DeckFormat, start: datetime) -> DeckReading:
    """Return what the price list at ``path`` says. Reads line by line; only deck rows stay in memory.

    Raises ``Invalid`` (``rating.deck_unreadable``, ``rating.deck_columns``) and ``NotFound`` (``rating.file_missing``).
    """
    try:
        with path.open(encoding=deck_format.encoding, newline="") as file:
            records = csv.reader(_lines(file), delimiter=deck_format.delimiter, strict=True)
            header = next(records, None)
            if header is None:
                raise Invalid(
                    f"{path.name} is empty", code="rating.deck_empty", field="file", value=path.name
                )
            positions = column_positions(header, deck_format)
            return read_rows(records, positions, deck_format, width=len(header), start=start)
    except OSError as error:
        raise NotFound(
            f"{path} cannot be read: {error.strerror}",
            code="rating.file_missing",
            field="file",
            value=str(path),
        ) from None
    except (UnicodeError, LookupError) as error:
        raise Invalid(
            f"{path.name} is not {deck_format.encoding}: {error}",
            code="rating.deck_unreadable",
            field="encoding",
            value=deck_format.encoding,
            fix="say which: --encoding latin-1, utf-16, cp1252 …",
        ) from None
    except (csv.Error, TypeError) as error:
        raise Invalid(
            f"{path.name} is not a table: {error}",
            code="rating.deck_unreadable",
            field="file",
            value=path.name,
            fix="check --delimiter and quotes",
        ) from None


def _lines(file: TextIO) -> Iterator[str]:
    """Yield the lines, none longer than a row can sensibly be: a binary file would be one line of gigabytes."""
    while line := file.readline(MAX_LINE):
        if len(line) >= MAX_LINE:
            raise csv.Error(f"a line is longer than {MAX_LINE} characters")
        yield line


async def list_decks(
    *, db: Database, tenant_id: TenantId, page: PageRequest = FIRST_PAGE
) -> Page[DeckRecord]:
    """Return one page of the tenant's deck versions, by name, the newest first."""
    async with db.transaction(tenant_id, read_only=True) as tx:
        items, total = await store.list_decks(tx, offset=page.offset, limit=page.limit)
    return Page(items, total, page.offset, page.limit)


async def rows_for_number(
    *, db: Database, tenant_id: TenantId, name: str, number: str, at: datetime
) -> tuple[DeckRecord, tuple[DeckRow, ...]]:
    """Return the deck version in force at ``at`` and its rows for the prefixes of ``number``, the longest first.

    Raises ``NotFound`` (``rating.deck_not_in_force``).
    """
    async with db.transaction(tenant_id, read_only=True) as tx:
        started = [deck for deck in await store.decks(tx, [name]) if deck.valid_from <= at]
        if not started:
            raise NotFound(
                f"no version of {name} is in force at {at.isoformat()}",
                code="rating.deck_not_in_force",
                field="name",
                value=name,
                fix="farwire deck list",
            )
        deck = max(started, key=lambda record: record.valid_from)
        rows = await store.rows_for(tx, deck, number.removeprefix("+"))
    return deck, tuple(row for row in rows if row.in_force(at))


async def missing_decks(*, tx: Tx, plan: PricePlan) -> tuple[str, ...]:
    """Return the decks that ``plan`` uses and nobody has imported yet: its usage would wait in suspense.

    Raises ``Invalid`` (``rating.deck_currency``) where a deck that is there has another currency than the plan.
    """
    names = sorted({price.deck for price in plan.usage if price.deck})
    found = await store.decks(tx, names)
    for deck in found:
        if deck.currency != plan.currency:
            raise Invalid(
                f"the deck {deck.name} version {deck.version} is in {deck.currency}, the plan in {plan.currency}",
                code="rating.deck_currency",
                field="deck",
                value=deck.name,
                fix="import the deck in the plan's currency under another name",
            )
    return tuple(name for name in names if name not in {deck.name for deck in found})
