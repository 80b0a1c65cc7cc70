"""Importing a file in batches. Each is one transaction with its progress, so that a restart goes on exactly."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import msgspec

from farwire.base import eventbus
from farwire.base.clock import Clock
from farwire.base.collecting import rarely_collecting
from farwire.base.storage import Database, Tx
from farwire.kernel.errors import NotFound, check
from farwire.kernel.ids import ImportId, TenantId, uuid7
from farwire.usage import events
from farwire.usage.model import (
    AssemblyRule,
    Bad,
    Deltas,
    Fragment,
    ImportRecord,
    Mapper,
    Profile,
    Totals,
    assembly_rule,
    mapper,
    totals_of,
)
from farwire.usage.readers import FileDamaged, RawRow, SourceFile, check_unchanged, open_rows, open_source
from farwire.usage.service.placing import MappedRow, Placing
from farwire.usage.store import imports as store

BATCH_ROWS = 10_000
MAX_BATCH_ROWS = 50_000
KEPT_RAW_OCTETS = 65_536
"""A suspended row is kept up to this size; longer JSON objects are kept cut and cannot be recycled."""
Progress = Callable[[int], None]


class ImportReport(msgspec.Struct, frozen=True):
    """How an import ended. ``repeated``: the same file and profile were imported before, and nothing was done."""

    import_id: ImportId
    file_name: str
    profile: str
    totals: Totals
    repeated: bool
    damage: str


async def import_usage(
    *,
    db: Database,
    tenant_id: TenantId,
    clock: Clock,
    path: Path,
    profile: Profile,
    again: bool = False,
    progress: Progress | None = None,
    batch_rows: int = BATCH_ROWS,
) -> ImportReport:
    """Import the file at ``path`` by ``profile`` and return its control totals.

    Idempotent by the file's content and the profile's: a finished import answers its totals anew (``repeated``)
    unless ``again``; an interrupted one goes on where it stopped; two at once share the work. Memory is bounded by
    ``batch_rows`` rows. ``progress`` is told the rows applied so far. Raises what ``open_source``, ``open_rows``
    and ``mapper`` raise.
    """
    check(0 < batch_rows <= MAX_BATCH_ROWS, "usage.batch_rows")
    source = await asyncio.to_thread(open_source, path)
    with open_rows(path, profile) as (header, rows), rarely_collecting():
        compiled = mapper(profile, tenant_id, header)
        record = await _begin(
            db, tenant_id, clock, source, profile, header, again=again, batch_rows=batch_rows
        )
        if record.finished_at is not None:
            return await _report(db, tenant_id, record, repeated=True)
        run = _Run(db, clock, compiled, record, progress)
        damage = await run.all_rows(rows)
    check_unchanged(source)
    await _finish(db, tenant_id, clock, record.import_id, damage)
    return await _report(db, tenant_id, record, repeated=False)


async def _begin(
    db: Database,
    tenant_id: TenantId,
    clock: Clock,
    source: SourceFile,
    profile: Profile,
    header: list[str],
    *,
    again: bool,
    batch_rows: int,
) -> ImportRecord:
    """Return the import to run or to go on with, or a finished one where there is nothing to do."""
    async with db.transaction(tenant_id) as tx:
        await store.lock_tenant(tx)
        last = await store.latest_import(tx, source.digest, profile.digest())
        if last is not None and not (again and last.finished_at is not None):
            return last
        now = clock.now()
        record = ImportRecord(
            import_id=ImportId(uuid7()),
            file_name=source.path.name,
            file_digest=source.digest,
            file_octets=source.octets,
            profile_name=profile.name,
            profile_version=profile.version,
            profile_digest=profile.digest(),
            generation=1 if last is None else last.generation + 1,
            header="\x1f".join(header),
            batch_rows=batch_rows,
            started_at=now,
        )
        await store.add_import(tx, record)
        return record


class _Run:
    """The batches of one import, from where it stands."""

    def __init__(
        self, db: Database, clock: Clock, compiled: Mapper, record: ImportRecord, progress: Progress | None
    ) -> None:
        self._db = db
        self._clock = clock
        self._mapper = compiled
        self._record = record
        self._progress = progress
        self._rule = assembly_rule(compiled.profile)
        self._damage = ""

    async def all_rows(self, rows: Iterator[RawRow]) -> str:
        """Apply every row not yet applied; return the damage of the file, or "".

        One batch is mapped while one is written.
        """
        done = self._record.rows_in
        whole = self._undamaged(rows)
        await asyncio.to_thread(_skip, whole, done)
        writing: asyncio.Task[None] | None = None
        try:
            while batch := await asyncio.to_thread(self._map, whole, done):
                await self._written(writing, done)
                writing = asyncio.create_task(self._apply(batch, done))
                done += len(batch)
            await self._written(writing, done)
        finally:
            if writing is not None and not writing.done():
                await asyncio.gather(writing, return_exceptions=True)
        return self._damage

    async def _written(self, writing: asyncio.Task[None] | None, done: int) -> None:
        if writing is not None:
            await writing
            if self._progress is not None:
                self._progress(done)

    def _undamaged(self, rows: Iterator[RawRow]) -> Iterator[RawRow]:
        """Yield the rows, and note damage where the file ends early because of it."""
        try:
            yield from rows
        except FileDamaged as error:
            self._damage = str(error)

    def _map(self, rows: Iterator[RawRow], done: int) -> list[MappedRow]:
        import_id, mapped = self._record.import_id, self._mapper
        batch = []
        for number, (raw, error) in enumerate(islice(rows, self._record.batch_rows), start=done + 1):
            meaning = Bad(error, "row") if error else mapped.map(raw)
            if type(meaning) is Fragment:
                batch.append(MappedRow(meaning.identity, import_id, number, meaning))
            else:
                kept = raw[:KEPT_RAW_OCTETS] if type(meaning) is Bad else b""
                batch.append(MappedRow(mapped.raw_identity(raw), import_id, number, meaning, kept))
        return batch

    async def _apply(self, batch: list[MappedRow], first: int) -> None:
        """Write one batch, unless another run of the same import was faster."""
        async with self._db.transaction(self._mapper.tenant_id) as tx:
            await store.lock_tenant(tx)
            stands = await _current(tx, self._record.import_id)
            if stands.rows_in >= first + len(batch):
                return
            check(
                stands.rows_in == first, "usage.import_position", "the import does not stand at a batch's end"
            )
            deltas = Deltas()
            await self._placing(tx, deltas).place(batch)
            await store.apply_deltas(tx, deltas)

    def _placing(self, tx: Tx, deltas: Deltas) -> Placing:
        rule: AssemblyRule | None = self._rule
        kind = self._mapper.profile.kind
        return Placing(tx, kind=kind, rule=rule, deltas=deltas, at=self._clock.now())


def _skip(rows: Iterator[RawRow], count: int) -> None:
    """Read over ``count`` rows."""
    next(islice(rows, count, count), None)


async def _current(tx: Tx, import_id: ImportId) -> ImportRecord:
    record = await store.get_import(tx, import_id)
    if record is None:
        raise NotFound(
            "there is no such import", code="usage.import_unknown", field="import", value=import_id
        )
    return record


async def _finish(db: Database, tenant_id: TenantId, clock: Clock, import_id: ImportId, damage: str) -> None:
    async with db.transaction(tenant_id) as tx:
        await store.lock_tenant(tx)
        now = clock.now()
        if not await store.finish_import(tx, import_id, now, damage):
            return
        totals = totals_of(await store.load_totals(tx, import_id))
        facts = [events.imported(tenant_id, import_id, totals, now)]
        if totals.rows_suspended:
            facts.append(events.suspended(tenant_id, import_id, totals, now))
        await eventbus.publish_many(tx, facts)


async def _report(db: Database, tenant_id: TenantId, record: ImportRecord, *, repeated: bool) -> ImportReport:
    async with db.transaction(tenant_id) as tx:
        current = await _current(tx, record.import_id)
        totals = totals_of(await store.load_totals(tx, record.import_id))
    return ImportReport(
        import_id=record.import_id,
        file_name=current.file_name,
        profile=f"{current.profile_name} {current.profile_version}",
        totals=totals,
        repeated=repeated,
        damage=current.damage,
    )
