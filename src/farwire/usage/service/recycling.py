"""Recycling: suspended rows are mapped again, endless sessions closed, suspended usages rated again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import msgspec

from farwire.base import audit, eventbus
from farwire.base.clock import Clock
from farwire.base.storage import Database, Tx
from farwire.inventory import service as inventory
from farwire.kernel.errors import FarwireError
from farwire.kernel.ids import ImportId, TenantId, UsageId
from farwire.kernel.page import Page, PageRequest
from farwire.kernel.tenancy import SYSTEM, Actor
from farwire.usage import events
from farwire.usage.model import (
    Bad,
    Deltas,
    Fragment,
    Mapper,
    Profile,
    RowOutcome,
    SuspendedRow,
    SuspendedUsage,
    UsageOutcome,
    assembly_rule,
    mapper,
)
from farwire.usage.model.assembly import AWAITING_END
from farwire.usage.readers import ROW_TOO_LONG, ROW_TRUNCATED
from farwire.usage.service.placing import MappedRow, Placing, close_sessions
from farwire.usage.service.profiles import built_in_profiles
from farwire.usage.store import imports as imports_store
from farwire.usage.store import rows as rows_store
from farwire.usage.store import suspense as store
from farwire.usage.store.suspense import WaitingRow

BATCH = 5_000


class RecycleReport(msgspec.Struct, frozen=True):
    """What recycling did: rows, sessions closed, usages back in the queue of the rate run.

    The row counts are the moves of the control totals: a mended end takes the waiting start along.
    """

    rows_tried: int
    rows_assembled: int
    rows_filtered: int
    rows_duplicate: int
    rows_suspended: int
    sessions_closed: int
    usages_requeued: int


async def recycle(
    *,
    db: Database,
    tenant_id: TenantId,
    clock: Clock,
    profile: Profile | None = None,
    reason: str | None = None,
    import_id: ImportId | None = None,
    actor: Actor = SYSTEM,
) -> RecycleReport:
    """Try again what is in suspense, in batches; the control totals of the original imports move accordingly.

    Rows are mapped by ``profile``, or by the built-in profile of their import. ``reason`` and ``import_id`` choose.
    Repeating it is harmless: what still cannot be understood stays, with one attempt more. Usages go to
    ``recycled`` and are rated by the next ``rate_usage``.
    """
    counts: Counter[str] = Counter()
    await _retry_rows(db, tenant_id, clock, _Profiles(tenant_id, profile), reason, import_id, counts)
    if reason in (None, AWAITING_END) and import_id is None:
        counts["sessions_closed"] = await close_stale_sessions(db=db, tenant_id=tenant_id, clock=clock)
    counts["usages_requeued"] = await _requeue_usages(db, tenant_id, clock, reason, import_id)
    report = RecycleReport(**{name: counts[name] for name in RecycleReport.__struct_fields__})
    if any(counts.values()):
        async with db.transaction(tenant_id) as tx:
            plain = {name: counts[name] for name in RecycleReport.__struct_fields__}
            await eventbus.publish(tx, events.recycled(tenant_id, plain, clock.now()))
            await audit.record(
                tx, actor=actor, action="usage.recycle", subject="usage", at=clock.now(), detail=plain
            )
    return report


class _Profiles:
    """The compiled profile for each row: the one that was given, or the built-in one of the row's import."""

    def __init__(self, tenant_id: TenantId, given: Profile | None) -> None:
        self._tenant_id = tenant_id
        self._given = given
        self._by_name = (
            {} if given is not None else {profile.name: profile for profile in built_in_profiles()}
        )
        self._compiled: dict[tuple[str, str], Mapper | None] = {}

    def mapper_of(self, row: WaitingRow) -> Mapper | None:
        """Return the mapper for ``row``, or None where no profile is at hand or the profile does not fit the file."""
        profile = self._given or self._by_name.get(row.profile_name)
        if profile is None or row.reason == ROW_TOO_LONG:
            return None
        if row.reason == ROW_TRUNCATED and profile.final_newline == "required":
            return None
        key = (profile.name, row.header)
        if key not in self._compiled:
            try:
                self._compiled[key] = mapper(profile, self._tenant_id, row.header.split("\x1f"))
            except FarwireError:
                self._compiled[key] = None
        return self._compiled[key]


async def _retry_rows(
    db: Database,
    tenant_id: TenantId,
    clock: Clock,
    profiles: _Profiles,
    reason: str | None,
    import_id: ImportId | None,
    counts: Counter[str],
) -> None:
    after = b""
    while True:
        async with db.transaction(tenant_id) as tx:
            await imports_store.lock_tenant(tx)
            waiting = await store.rows_to_retry(
                tx, after=after, limit=BATCH, reason=reason, import_id=import_id
            )
            if not waiting:
                return
            deltas = await _retry_batch(tx, clock, profiles, waiting)
        after = waiting[-1].identity
        # Counted after the commit, so that the report never claims what was rolled back.
        for outcome, count in deltas.items():
            counts[outcome] += count


async def _retry_batch(tx: Tx, clock: Clock, profiles: _Profiles, waiting: list[WaitingRow]) -> Counter[str]:
    by_profile: dict[str, tuple[Mapper, list[MappedRow]]] = {}
    deltas, tried = Deltas(), []
    for row in waiting:
        compiled = profiles.mapper_of(row)
        if compiled is None:
            continue
        tried.append(row)
        meaning = compiled.map(row.raw)
        identity = meaning.identity if isinstance(meaning, Fragment) else row.identity
        raw = row.raw if isinstance(meaning, Bad) else b""
        mapped = MappedRow(identity, row.import_id, row.row_number, meaning, raw, row.attempts + 1)
        by_profile.setdefault(compiled.profile.name, (compiled, []))[1].append(mapped)
        deltas.row(row.import_id, RowOutcome.SUSPENDED, row.reason, by=-1)
    await store.take_rows(tx, [row.identity for row in tried])
    placed = Deltas()
    for compiled, mapped_rows in by_profile.values():
        rule, kind = assembly_rule(compiled.profile), compiled.profile.kind
        await Placing(tx, kind=kind, rule=rule, deltas=placed, at=clock.now()).place(mapped_rows)
    counts: Counter[str] = Counter({"rows_tried": len(tried)})
    for (_, stage, outcome, _), count in placed.counts.items():
        if stage == "row":
            counts[f"rows_{outcome}"] += count
    deltas.counts.update(placed.counts)
    await imports_store.apply_deltas(tx, deltas)
    return counts


async def close_stale_sessions(*, db: Database, tenant_id: TenantId, clock: Clock) -> int:
    """Close sessions whose profile says that they end by age, with the last quantity known; return how many usages
    that made.
    """
    closed = 0
    while True:
        async with db.transaction(tenant_id) as tx:
            await imports_store.lock_tenant(tx)
            now = clock.now()
            keys = await rows_store.sessions_to_close(tx, now, BATCH)
            if not keys:
                return closed
            deltas = Deltas()
            done = await close_sessions(tx, keys, deltas, now)
            await imports_store.apply_deltas(tx, deltas)
        closed += done


async def _requeue_usages(
    db: Database, tenant_id: TenantId, clock: Clock, reason: str | None, import_id: ImportId | None
) -> int:
    requeued = 0
    while True:
        async with db.transaction(tenant_id) as tx:
            await imports_store.lock_tenant(tx)
            moved = await store.recycle_usages(
                tx, limit=BATCH, reason=reason, import_id=import_id, before=clock.now()
            )
            if not moved:
                return requeued
            deltas = Deltas()
            for its_import, former in moved:
                deltas.usage(its_import, UsageOutcome.SUSPENDED, former, by=-1)
                deltas.usage(its_import, UsageOutcome.RECEIVED)
            await imports_store.apply_deltas(tx, deltas)
        requeued += len(moved)


async def suspended_rows(
    *,
    db: Database,
    tenant_id: TenantId,
    page: PageRequest,
    reason: str | None = None,
    import_id: ImportId | None = None,
) -> Page[SuspendedRow]:
    """Return rows in suspense, those that wait for their other half too."""
    async with db.transaction(tenant_id) as tx:
        return await store.page_rows(tx, page, reason=reason, import_id=import_id)


async def suspended_usages(
    *,
    db: Database,
    tenant_id: TenantId,
    page: PageRequest,
    reason: str | None = None,
    import_id: ImportId | None = None,
) -> Page[SuspendedUsage]:
    """Return usages in suspense."""
    async with db.transaction(tenant_id) as tx:
        return await store.page_usages(tx, page, reason=reason, import_id=import_id)


async def identifiers_of_usages(
    *, db: Database, tenant_id: TenantId, usage_ids: Sequence[UsageId]
) -> Mapping[UsageId, str]:
    """Return the identifier, such as a number, from which each usage came: personal data. Who is erased has none."""
    async with db.transaction(tenant_id) as tx:
        keys = await store.subscribers_of(tx, usage_ids)
        names = await inventory.identifiers_of(tx, tuple(set(keys.values())))
    return {usage_id: names[key] for usage_id, key in keys.items() if key in names}
