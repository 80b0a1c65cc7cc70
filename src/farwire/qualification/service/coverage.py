"""What there is at a place, as data: kept by the operator, asked for by the rules of the catalogue."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Final

from farwire.base import audit
from farwire.base.canonical import JSON
from farwire.base.storage import Tx
from farwire.kernel.errors import Invalid
from farwire.kernel.page import Page, PageRequest
from farwire.kernel.tenancy import SYSTEM, Actor
from farwire.qualification.store import coverage as store

MAX_FACTS: Final = 50
MAX_PLACES: Final = 10_000
"""Places of one call."""
BATCH: Final = 5_000
EVERY: Final = "*"
_PLACE: Final = re.compile(r"[^\x00-\x1f\x7f]{1,200}")
_FACT: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")
Facts = Mapping[str, str]


async def facts_at(tx: Tx, places: Iterable[str]) -> Mapping[str, Facts]:
    """Return what is known of each place: what is said of every place that it lies in, the narrower one winning.

    One statement; a place of which nothing is known has no facts.
    """
    wanted = sorted({one for one in places if one})
    if not wanted:
        return {}
    wider = {one: [one[:end] + EVERY for end in range(len(one) + 1)] for one in wanted}
    known = await store.facts_of(tx, sorted({*wanted, *(name for names in wider.values() for name in names)}))
    found: dict[str, Facts] = {}
    for one in wanted:
        facts: dict[str, str] = {}
        for name in (*wider[one], one):
            facts |= known.get(name, {})
        found[one] = {name: text for name, text in facts.items() if text}
    return found


async def set_coverage(tx: Tx, *, facts: Mapping[str, Facts], now: datetime, actor: Actor = SYSTEM) -> int:
    """Let places have these facts, all of each; return how many changed. No fact at all forgets the place.

    A place that ends in ``*`` stands for all that begin so; an empty text takes a fact of a wider place away. Raises
    ``Invalid`` (``qualification.coverage``).
    """
    _check(facts)
    kept = {place: one for place, one in facts.items() if one}
    changed = await store.save(tx, kept, now) if kept else 0
    gone = [place for place, one in facts.items() if not one]
    changed += await store.remove(tx, gone) if gone else 0
    if changed:
        detail: dict[str, JSON] = {"places": changed}
        await audit.record(
            tx,
            actor=actor,
            action="qualification.set_coverage",
            subject=str(tx.tenant_id),
            at=now,
            detail=detail,
        )
    return changed


async def import_coverage(
    tx: Tx, *, lines: Iterable[str], now: datetime, actor: Actor = SYSTEM
) -> tuple[int, int]:
    """Read a CSV with the column ``place`` and one for each fact; return how many places it has, and how many changed.

    All of it or nothing. Raises ``Invalid`` (``qualification.coverage``) with the row.
    """
    rows = csv.DictReader(lines)
    if "place" not in (rows.fieldnames or ()):
        raise _wrong(
            "columns", ",".join(rows.fieldnames or ()), "the first row names the columns: place,fibre,olt"
        )
    seen = changed = 0
    while batch := list(islice(rows, BATCH)):
        facts: dict[str, dict[str, str]] = {}
        for number, row in enumerate(batch, seen + 2):
            place = (row.pop("place") or "").strip()
            if None in row or None in row.values():
                raise _wrong(f"row {number}", place, "as many values as there are columns")
            facts[place] = {name: text.strip() for name, text in row.items() if text.strip()}
        changed += await set_coverage(tx, facts=facts, now=now, actor=actor)
        seen += len(batch)
    return seen, changed


async def list_coverage(tx: Tx, *, page: PageRequest, begins: str = "") -> Page[tuple[str, Facts]]:
    """Return a page of the places whose names begin so, with what is said of them."""
    found, total = await store.page(tx, begins, page.offset, page.limit)
    items: Sequence[tuple[str, Facts]] = found
    return Page(tuple(items), total, page.offset, page.limit)


def _check(facts: Mapping[str, Facts]) -> None:
    if len(facts) > MAX_PLACES:
        raise _wrong("places", str(len(facts)), f"at most {MAX_PLACES:,} places at once")
    for place, one in facts.items():
        if _PLACE.fullmatch(place) is None or EVERY in place[:-1]:
            raise _wrong("place", place[:200], "1 to 200 printable characters; a * at the end only")
        if len(one) > MAX_FACTS:
            raise _wrong(place, str(len(one)), f"at most {MAX_FACTS} facts")
        for name, text in one.items():
            if _FACT.fullmatch(name) is None or len(text) > 100 or (text and not text.isprintable()):
                raise _wrong(
                    place, name[:100], "a fact is a name in small letters, and at most 100 characters"
                )


def _wrong(field: str, value: str, fix: str) -> Invalid:
    message = "this is no coverage of a place"
    return Invalid(message, code="qualification.coverage", field=field, value=value, fix=fix)
