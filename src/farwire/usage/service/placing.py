"""Putting mapped rows where they belong: duplicates, suspense, sessions, usages. Import and recycle share it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from farwire.base.storage import Tx
from farwire.inventory import service as inventory
from farwire.kernel.ids import ImportId, SubscriberKey, UsageId
from farwire.rating.model import UsageKind
from farwire.usage.model import (
    Assembly,
    AssemblyRule,
    Bad,
    Deltas,
    Filtered,
    Fragment,
    Role,
    RowOutcome,
    Usage,
    UsageOutcome,
    assemble,
    single_usage,
)
from farwire.usage.model.assembly import SESSION_CONFLICT
from farwire.usage.store import rows as store
from farwire.usage.store.rows import NewRow, OpenSession, Part, Suspension


class MappedRow(msgspec.Struct, frozen=True, gc=False):
    """A row with what it means.

    ``raw`` is empty unless the row is bad; ``attempts`` counts how often it was tried.
    """

    identity: bytes
    import_id: ImportId
    row_number: int
    meaning: Fragment | Filtered | Bad
    raw: bytes = b""
    attempts: int = 1


class Placing:
    """The writes of one transaction, collected in memory and made in one statement per table."""

    def __init__(
        self, tx: Tx, *, kind: UsageKind, rule: AssemblyRule | None, deltas: Deltas, at: datetime
    ) -> None:
        self._tx = tx
        self._kind = kind
        self._rule = rule
        self._deltas = deltas
        self._at = at
        self._rows: list[NewRow] = []
        self._suspensions: list[Suspension] = []
        self._usages: list[tuple[Usage, ImportId, int]] = []

    async def place(self, mapped: Sequence[MappedRow]) -> None:
        """Write ``mapped``: every row ends in exactly one place and is counted there."""
        fresh = await self._without_duplicates(mapped)
        keys = await self._subscriber_keys(fresh)
        parts: list[Part] = []
        for row in fresh:
            meaning = row.meaning
            if isinstance(meaning, Fragment):
                caller = str(keys[meaning.caller]) if meaning.caller else ""
                meaning = msgspec.structs.replace(meaning, caller=caller)
                if meaning.role is Role.SINGLE:
                    self._put(row.identity, row.import_id, row.row_number, RowOutcome.ASSEMBLED, "")
                    self._usages.append((single_usage(meaning, self._kind), row.import_id, row.row_number))
                else:
                    parts.append(Part(meaning, row.import_id, row.row_number, None, ""))
            elif isinstance(meaning, Filtered):
                self._put(row.identity, row.import_id, row.row_number, RowOutcome.FILTERED, meaning.reason)
            else:
                self._put(row.identity, row.import_id, row.row_number, RowOutcome.SUSPENDED, meaning.reason)
                self._suspensions.append(
                    Suspension(row.identity, meaning.field, meaning.value, row.raw, row.attempts)
                )
        await self._settle_and_write(parts)

    async def _without_duplicates(self, mapped: Sequence[MappedRow]) -> list[MappedRow]:
        known = await store.known_rows(self._tx, [row.identity for row in mapped])
        fresh: list[MappedRow] = []
        again: list[tuple[ImportId, int, bytes]] = []
        for row in mapped:
            if row.identity in known:
                again.append((row.import_id, row.row_number, row.identity))
                self._deltas.row(row.import_id, RowOutcome.DUPLICATE)
            else:
                known.add(row.identity)
                fresh.append(row)
        if again:
            await store.add_duplicate_rows(self._tx, again)
        return fresh

    async def _subscriber_keys(self, fresh: Iterable[MappedRow]) -> dict[str, SubscriberKey]:
        callers = {row.meaning.caller for row in fresh if isinstance(row.meaning, Fragment)} - {""}
        return dict(await inventory.ensure_subscriber_keys(self._tx, sorted(callers))) if callers else {}

    def _put(
        self, identity: bytes, import_id: ImportId, row_number: int, outcome: RowOutcome, reason: str
    ) -> None:
        self._rows.append(NewRow(identity, import_id, row_number, outcome, reason))
        self._deltas.row(import_id, outcome, reason)

    async def _settle_and_write(self, parts: list[Part]) -> None:
        tx = self._tx
        settled = await self._settle(parts) if parts and self._rule is not None else None
        if self._rows:
            await store.add_rows(tx, self._rows)
        if self._suspensions:
            await store.add_suspensions(tx, self._suspensions, self._at)
        if settled is not None:
            await self._write_sessions(settled)
        await add_usages(tx, self._usages, self._deltas, self._at)

    async def _settle(self, parts: list[Part]) -> _Settled:
        """Decide what the sessions say now that ``parts`` are there."""
        by_key: dict[bytes, list[Part]] = defaultdict(list)
        for part in parts:
            by_key[part.fragment.usage].append(part)
        keys = sorted(by_key)
        rule = self._rule
        if rule is None:  # pragma: no cover - rows of sessions come from profiles with a rule
            return _Settled()
        sessions = await store.open_sessions(self._tx, keys, rule)
        before: dict[bytes, list[Part]] = defaultdict(list)
        for part in await store.load_parts(self._tx, keys):
            before[part.fragment.usage].append(part)
        settled = _Settled()
        for key in keys:
            settled.session(sessions[key], before[key], by_key[key], closing=False)
        return settled

    async def _write_sessions(self, settled: _Settled) -> None:
        for part, outcome, reason in settled.placed:
            self._put(part.fragment.identity, part.import_id, part.row_number, outcome, reason)
        await store.add_rows(self._tx, self._rows[-len(settled.placed) :])
        await store.add_fragments(self._tx, [part.fragment for part, _, _ in settled.placed])
        await settled.write_known(self._tx, self._deltas)
        self._usages += settled.usages


class _Settled:
    """What became of the rows of some sessions."""

    def __init__(self) -> None:
        self.placed: list[tuple[Part, RowOutcome, str]] = []
        self.moved: list[tuple[Part, RowOutcome, str]] = []
        self.usages: list[tuple[Usage, ImportId, int]] = []
        self.sessions: list[tuple[bytes, UsageId | None, datetime | None]] = []

    def session(self, session: OpenSession, old: list[Part], new: list[Part], *, closing: bool) -> None:
        """Settle one session."""
        if session.usage_id is not None:
            self._late(session, old, new)
            return
        rule, parts = session.rule, old + new
        result = assemble([part.fragment for part in parts], rule, closing=closing)
        for part in parts:
            outcome, reason = _place(result, part.fragment.identity)
            if part.outcome is None:
                self.placed.append((part, outcome, reason))
            elif (part.outcome, part.reason) != (outcome, reason):
                self.moved.append((part, outcome, reason))
        if result.usage is None:
            last = max(part.fragment.at for part in parts)
            close_at = None if rule.close_after_s is None else last + timedelta(seconds=rule.close_after_s)
            self.sessions.append((session.session_key, None, close_at))
        else:
            # The usage counts in the import whose row completed it.
            cause = (new or old)[-1]
            self.usages.append((result.usage, cause.import_id, cause.row_number))
            self.sessions.append((session.session_key, result.usage.usage_id, None))

    def _late(self, session: OpenSession, old: list[Part], new: list[Part]) -> None:
        """Settle rows that come after their session closed: they may confirm its usage, never change it."""
        inside = [part.fragment for part in old if part.outcome is RowOutcome.ASSEMBLED]
        closed_by_age = not any(fragment.role is Role.STOP for fragment in inside)
        usage = assemble(inside, session.rule, closing=closed_by_age).usage
        # One by one, so that it does not matter which of them came in one batch.
        for part in sorted(new, key=lambda found: (found.fragment.at, found.fragment.identity)):
            with_it = assemble([*inside, part.fragment], session.rule, closing=closed_by_age)
            if with_it.usage == usage and part.fragment.identity not in with_it.conflicting:
                inside.append(part.fragment)
                self.placed.append((part, RowOutcome.ASSEMBLED, ""))
            else:
                self.placed.append((part, RowOutcome.SUSPENDED, SESSION_CONFLICT))

    async def write_known(self, tx: Tx, deltas: Deltas) -> None:
        """Move the rows that were there before, and save the sessions."""
        for part, outcome, reason in self.moved:
            if part.outcome is not None:
                deltas.row(part.import_id, part.outcome, part.reason, by=-1)
            deltas.row(part.import_id, outcome, reason)
        if self.moved:
            moves = [(part.fragment.identity, outcome, reason) for part, outcome, reason in self.moved]
            await store.move_rows(tx, moves)
        if self.sessions:
            await store.save_sessions(tx, self.sessions)


def _place(result: Assembly, identity: bytes) -> tuple[RowOutcome, str]:
    if identity in result.conflicting:
        return RowOutcome.SUSPENDED, SESSION_CONFLICT
    if result.usage is None:
        return RowOutcome.SUSPENDED, result.reason
    return RowOutcome.ASSEMBLED, ""


async def add_usages(
    tx: Tx, usages: Sequence[tuple[Usage, ImportId, int]], deltas: Deltas, at: datetime
) -> None:
    """Write new usages; one that is known under another row is a duplicate and is counted as such."""
    if not usages:
        return
    known = await store.known_usages(tx, [usage.usage_id for usage, _, _ in usages])
    new: list[tuple[Usage, ImportId, SubscriberKey]] = []
    again = []
    keys = {caller: SubscriberKey(UUID(caller)) for caller in {usage.caller for usage, _, _ in usages}}
    for usage, import_id, row_number in usages:
        if usage.usage_id in known:
            again.append((import_id, row_number, usage.usage_id))
            deltas.usage(import_id, UsageOutcome.DUPLICATE)
        else:
            known.add(usage.usage_id)
            new.append((usage, import_id, keys[usage.caller]))
            deltas.usage(import_id, UsageOutcome.RECEIVED)
    if new:
        await store.add_usages(tx, new, at)
    if again:
        await store.add_duplicate_usages(tx, again)


async def close_sessions(tx: Tx, keys: Sequence[bytes], deltas: Deltas, at: datetime) -> int:
    """Close sessions whose end never came with what is known of them; return how many usages that made."""
    sessions = await store.load_sessions(tx, keys)
    parts: dict[bytes, list[Part]] = defaultdict(list)
    for part in await store.load_parts(tx, keys):
        parts[part.fragment.usage].append(part)
    settled = _Settled()
    for key in keys:
        settled.session(sessions[key], sorted(parts[key], key=_by_place), [], closing=True)
    # One that cannot close, because its caller is unknown, waits for ever instead of being tried in every run.
    settled.sessions = [(key, usage_id, None) for key, usage_id, _ in settled.sessions]
    await settled.write_known(tx, deltas)
    await add_usages(tx, settled.usages, deltas, at)
    return len(settled.usages)


def _by_place(part: Part) -> tuple[ImportId, int]:
    return part.import_id, part.row_number
