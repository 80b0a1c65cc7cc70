"""Import of a network from two CSV files: resources and services, then their links, with an error per bad row.

What is right goes in, what is wrong is named and left out. Idempotent: a row that says what is there changes nothing,
so that a file can be sent again after it was mended, or after the import was killed: it goes on where it was. A row
that says something else of a known element or link is refused: commands change the inventory, and keep its history.
``BATCH`` rows are one transaction; memory is bounded by that, and by the longest name and 32 octets for each element
while links are judged.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from farwire.base import audit, eventbus
from farwire.base.clock import Clock
from farwire.base.collecting import rarely_collecting
from farwire.base.storage import Database, Tx, plan_as_lookups
from farwire.inventory import events
from farwire.inventory.model import LinkKind
from farwire.inventory.model.containment import Containment, Why
from farwire.inventory.model.naming import UNKNOWN, Naming, Whole
from farwire.inventory.service.network_rows import FileReport, Part, element_parts, link_parts
from farwire.inventory.store import network as store
from farwire.inventory.store import network_import as bulk
from farwire.kernel.errors import Conflict, FarwireError, NotFound
from farwire.kernel.ids import TenantId
from farwire.kernel.tenancy import SYSTEM, Actor

BATCH: Final = 100_000
STATEMENT_TIMEOUT_S: Final = 600.0


@dataclass(slots=True)
class NetworkReport:
    """What an import did, file by file."""

    resources: FileReport = field(default_factory=FileReport)
    links: FileReport = field(default_factory=FileReport)

    @property
    def rows(self) -> int:
        """Return how many rows were read."""
        return self.resources.rows + self.links.rows

    @property
    def refused(self) -> int:
        """Return how many rows were left out."""
        return self.resources.refused + self.links.refused


@dataclass(slots=True)
class _Known:
    """Names, and what contains what, as of the change ``sequence``; read anew when somebody else made one."""

    sequence: int = -1
    naming: Naming | None = None
    containment: Containment | None = None


async def import_network(
    *,
    db: Database,
    tenant_id: TenantId,
    clock: Clock,
    resources: Path | None,
    links: Path | None,
    actor: Actor = SYSTEM,
    progress: Callable[[int], None] = lambda _: None,
    batch: int = BATCH,
) -> NetworkReport:
    """Import the files (UTF-8, header row) and return what became of their rows; ``progress`` hears how many are done.

    Columns: name, layer, kind, state, place; and from, to, kind, protection. Publishes ``network_imported`` per batch.
    Raises ``Invalid`` (``inventory.import_header``, ``inventory.import_encoding``, ``inventory.import_malformed``);
    batches before an error stay.
    """
    report = NetworkReport()
    known = _Known()
    with rarely_collecting():
        if resources is not None:
            async for part in _read_ahead(element_parts(resources, batch)):
                await _elements(db, tenant_id, clock.now(), part, report.resources)
                progress(report.rows)
        if links is not None:
            async for part in _read_ahead(link_parts(links, batch)):
                await _links(db, tenant_id, clock.now(), part, report.links, known)
                progress(report.rows)
    for one in (report.resources, report.links):
        one.errors.sort(key=lambda error: error.row)
    detail = {
        "resources": report.resources.added,
        "links": report.links.added,
        "rows": report.rows,
        "refused": report.refused,
    }
    async with db.transaction(tenant_id) as tx:
        await audit.record(
            tx,
            actor=actor,
            action="inventory.import_network",
            subject=str(tenant_id),
            at=clock.now(),
            detail=detail,
        )
    return report


async def _read_ahead(parts: Iterator[Part]) -> AsyncIterator[Part]:
    """Yield the parts; the next one is read in a thread while PostgreSQL works on this one."""
    coming = asyncio.create_task(asyncio.to_thread(next, parts, None))
    try:
        while (part := await coming) is not None:
            coming = asyncio.create_task(asyncio.to_thread(next, parts, None))
            yield part
    finally:
        await asyncio.wait([coming])


async def _elements(db: Database, tenant_id: TenantId, now: datetime, part: Part, report: FileReport) -> None:
    report.rows += part.rows
    for row, error in part.bad:
        report.refuse(row, error)
    if not part.good:
        return
    async with db.transaction(tenant_id, statement_timeout_s=STATEMENT_TIMEOUT_S) as tx:
        await store.lock_network(tx)
        added = await bulk.insert_elements(tx, part.columns, now)
        differing: list[tuple[int, str, str]] = []
        if added < part.good:
            await plan_as_lookups(tx)
            differing = await bulk.differing_elements(tx, part.columns)
        await _tell(tx, added, 0, now)
    report.added += added
    for at, name, said in differing:
        report.refuse(part.numbers[at], _differs(name, said))


async def _tell(tx: Tx, elements: int, links: int, now: datetime) -> int | None:
    if not elements and not links:
        return None
    sequence = await store.next_sequence(tx)
    await eventbus.publish(tx, events.network_imported(tx.tenant_id, sequence, elements, links, now))
    return sequence


def _differs(name: str, said: str) -> FarwireError:
    return Conflict(
        f"the inventory says {said!r} of this element",
        code="inventory.element_differs",
        field=name,
        value=said,
        fix="farwire inventory change NAME, or another name: a name is given once",
    )


async def _links(
    db: Database, tenant_id: TenantId, now: datetime, part: Part, report: FileReport, known: _Known
) -> None:
    report.rows += part.rows
    for row, error in part.bad:
        report.refuse(row, error)
    if not part.good:
        return
    async with db.transaction(tenant_id, statement_timeout_s=STATEMENT_TIMEOUT_S) as tx:
        sequence = await store.lock_network(tx)
        if known.sequence != sequence:
            known.naming = known.containment = None
        pairs = await _pairs(tx, part, known)
        refused = [(row, _loose(name)) for row, name in pairs.loose]
        pairs, misplaced = await _misplaced(tx, pairs, known)
        refused += misplaced
        columns = (pairs.starts, pairs.ends, pairs.kinds.tolist(), pairs.protections.tolist())
        added = await bulk.insert_links(tx, *columns, now)
        if added < len(pairs.rows):
            await plan_as_lookups(tx)
            differing = await bulk.differing_links(tx, *columns)
            refused += [(int(pairs.rows[at]), _held(name)) for at, name in differing]
        told = await _tell(tx, 0, added, now)
    known.sequence = sequence if told is None else told
    report.added += added
    for row, error in refused:
        report.refuse(row, error)


@dataclass(frozen=True, slots=True)
class _Pairs:
    """Links between elements by their ids, by the table's key; ``loose``: rows and fields of other ends."""

    rows: Whole
    starts: Whole
    ends: Whole
    kinds: NDArray[np.object_]
    protections: NDArray[np.object_]
    loose: Sequence[tuple[int, str]] = ()

    def among(self, chosen: Whole | NDArray[np.bool_]) -> _Pairs:
        return _Pairs(
            *(self.rows[chosen], self.starts[chosen], self.ends[chosen]),
            *(self.kinds[chosen], self.protections[chosen]),
            self.loose,
        )


async def _pairs(tx: Tx, part: Part, known: _Known) -> _Pairs:
    if known.naming is None:
        known.naming = Naming(*(await bulk.elements_by_name(tx)))
    return await asyncio.to_thread(_paired, part, known.naming)


def _paired(part: Part, naming: Naming) -> _Pairs:
    start_names, end_names, kinds, protections = part.columns
    rows, kind = np.array(part.numbers, np.int64), np.array(kinds, object)
    start, end = naming.ids(start_names), naming.ids(end_names)
    there = (start != UNKNOWN) & (end != UNKNOWN)
    loose = [
        (int(rows[at]), "from" if start[at] == UNKNOWN else "to") for at in np.flatnonzero(~there).tolist()
    ]
    turned = (kind == LinkKind.CONNECTS.value) & (start > end)
    starts, ends = np.where(turned, end, start), np.where(turned, start, end)
    order = np.lexsort((rows, ends, starts))
    found = _Pairs(rows, starts, ends, kind, np.array(protections, object), loose)
    return found.among(order[there[order]])


async def _misplaced(tx: Tx, pairs: _Pairs, known: _Known) -> tuple[_Pairs, list[tuple[int, FarwireError]]]:
    """Leave out the containments that cannot be, judged in the order of their rows; return them with their reasons."""
    containing = np.flatnonzero(pairs.kinds == LinkKind.CONTAINS.value)
    if not len(containing):
        return pairs, []
    containing = containing[np.argsort(pairs.rows[containing])]
    if known.containment is None:
        known.containment = Containment(await bulk.element_ids(tx), *(await bulk.containments(tx)))
    refused = known.containment.add(pairs.starts[containing], pairs.ends[containing])
    keep = np.ones(len(pairs.rows), bool)
    keep[containing[[one.position for one in refused]]] = False
    reasons: list[tuple[int, FarwireError]] = [
        (int(pairs.rows[containing[one.position]]), _CANNOT[one.why]) for one in refused
    ]
    return pairs.among(keep) if refused else pairs, reasons


_CANNOT: Final = {
    Why.CONTAINED: Conflict(
        "another element contains it",
        code="inventory.contained",
        field="to",
        fix="a thing is in one place: end the other link first, or leave this one out",
    ),
    Why.LOOPS: Conflict(
        "it would contain itself",
        code="inventory.contains_itself",
        field="to",
        fix="the second contains the first already, directly or not",
    ),
}


def _loose(name: str) -> FarwireError:
    return NotFound(
        "there is no such element of the network",
        code="inventory.element_unknown",
        field=name,
        fix="import the resources first",
    )


def _held(protection: str) -> FarwireError:
    return Conflict(
        f"the link holds, with the protection {protection!r}",
        code="inventory.link_differs",
        field="protection",
        value=protection,
        fix="end it first",
    )
