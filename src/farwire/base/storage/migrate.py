"""Numbered, forward-only migrations of every context, in layer order, each in one transaction.

Expand, then contract: a migration only adds what version N needs, and a later release removes what version N-1
still used, so that both run against the same schema during an upgrade.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import asyncpg

from farwire.base.storage import errors, roles
from farwire.kernel.errors import Conflict, Defect, Unavailable

if TYPE_CHECKING:
    from asyncpg import Connection

CONTEXTS: Final = (
    "base", "country", "tenant", "communication", "party", "location", "catalog", "account", "ledger", "agreement",
    "inventory", "rating", "usage", "charging", "payment", "activation", "assurance", "qualification", "workforce",
    "iot", "city", "ordering", "billing", "ticket", "collection", "analytics", "process", "gateway",
)  # fmt: skip
"""Every context that may keep tables, lowest layer first. One without a migrations folder is skipped."""

PACKAGE: Final = Path(__file__).resolve().parent.parent.parent
_FILE: Final = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql")
_LOCK_KEY: Final = 0x6661_7277_6972_6501  # "farwire", 1
_LOCK_WAIT: Final = "60s"
_TABLE_LOCK_WAIT: Final = "10s"


class MigrationChanged(Conflict):
    """A migration that a database has run is not the one in this version of Farwire."""

    default_code = "storage.migration_changed"


class MigrationGap(Defect):
    """The numbers of a context's migrations have a hole, or two files share one."""

    default_code = "storage.migration_gap"


class MigrationFailed(Defect):
    """A migration raised an error. It was rolled back; those before it are kept."""

    default_code = "storage.migration_failed"


class MigrationBlocked(Unavailable):
    """Another migration, or traffic on a table, kept a lock for too long."""

    default_code = "storage.migration_blocked"


@dataclass(frozen=True, slots=True)
class Migration:
    """One SQL file of one context."""

    context: str
    number: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """Return the SHA-256 of the text, line ends aside."""
        return hashlib.sha256(self.sql.replace("\r\n", "\n").encode()).hexdigest()

    @property
    def label(self) -> str:
        """Return how people name it, e.g. ``usage/0002_suspense``."""
        return f"{self.context}/{self.number:04}_{self.name}"


@dataclass(frozen=True, slots=True)
class Applied:
    """What a database says about a migration that it has run."""

    context: str
    number: int
    name: str
    checksum: str
    applied_at: datetime


@dataclass(frozen=True, slots=True)
class MigrationState:
    """``ahead`` are migrations that the database has and this version does not know: a newer version made them."""

    applied: tuple[Applied, ...]
    pending: tuple[Migration, ...]
    ahead: tuple[Applied, ...]


def discover(package: Path = PACKAGE, contexts: Sequence[str] = CONTEXTS) -> tuple[Migration, ...]:
    """Return all migrations in the order in which they run. Raises ``Defect`` (``storage.migration_gap``)."""
    strangers = {folder.parent.name for folder in package.glob("*/migrations")} - set(contexts)
    if strangers:
        raise MigrationGap(f"not in storage.migrate.CONTEXTS: {', '.join(sorted(strangers))}")
    found: list[Migration] = []
    for context in contexts:
        found += _of_context(context, package / context / "migrations")
    return tuple(found)


def _of_context(context: str, folder: Path) -> list[Migration]:
    if not folder.is_dir():
        return []
    found = []
    for file in sorted(folder.glob("*.sql")):
        match = _FILE.fullmatch(file.name)
        if match is None:
            raise MigrationGap(f"{context}/migrations/{file.name} is not named NNNN_name.sql")
        found.append(Migration(context, int(match[1]), match[2], file.read_text(encoding="utf-8")))
    numbers = [migration.number for migration in found]
    if numbers != list(range(1, len(found) + 1)):
        raise MigrationGap(f"the migrations of {context} are not 0001, 0002, … without a hole: {numbers}")
    return found


def compare(known: Sequence[Migration], applied: Sequence[Applied]) -> MigrationState:
    """Return what is pending.

    Raises ``Conflict`` (``storage.migration_changed``) and ``Defect`` (``storage.migration_gap``).
    """
    by_key: Mapping[tuple[str, int], Migration] = {(item.context, item.number): item for item in known}
    done = {(item.context, item.number) for item in applied}
    for item in applied:
        mine = by_key.get((item.context, item.number))
        if mine is not None and mine.checksum != item.checksum:
            raise MigrationChanged(
                f"{mine.label} was changed after this database ran it on {item.applied_at:%Y-%m-%d}",
                field="checksum",
                value=mine.checksum[:12],
                fix="put the file back as it was, and make the change in a new migration",
            )
    highest: dict[str, int] = {}
    for context, number in done:
        highest[context] = max(number, highest.get(context, 0))
    pending = tuple(item for item in known if (item.context, item.number) not in done)
    for missed in pending:
        if missed.number < highest.get(missed.context, 0):
            raise MigrationGap(
                f"the database ran a later migration of {missed.context}, but not {missed.label}"
            )
    ahead = tuple(item for item in applied if (item.context, item.number) not in by_key)
    return MigrationState(tuple(applied), pending, ahead)


async def migration_state(conn: Connection, known: Sequence[Migration]) -> MigrationState:
    """Return what the database has run and what it lacks. Changes nothing."""
    if await conn.fetchval("SELECT to_regclass('base.migration')") is None:
        return MigrationState((), tuple(known), ())
    rows = await conn.fetch(
        "SELECT context, number, name, checksum, applied_at FROM base.migration ORDER BY 5, 1, 2"
    )
    return compare(known, [Applied(*row) for row in rows])


async def migrate(conn: Connection, known: Sequence[Migration]) -> tuple[Migration, ...]:
    """Run the pending migrations on ``conn`` as farwire_owner and return them. Safe to call from many at once.

    Raises ``Conflict`` (``storage.migration_changed``), ``Defect`` (``storage.migration_failed``, ``…_gap``),
    ``Unavailable`` (``storage.migration_blocked``), ``Forbidden`` (``storage.role_refused``).
    """
    await conn.execute(f"SET lock_timeout TO '{_LOCK_WAIT}'")
    try:
        await conn.execute("SELECT pg_advisory_lock($1)", _LOCK_KEY)
    except asyncpg.LockNotAvailableError as error:
        raise MigrationBlocked(
            "another migration has run for a minute", fix="wait for it, then try again"
        ) from error
    try:
        await _become_owner(conn)
        await conn.execute(f"SET lock_timeout TO '{_TABLE_LOCK_WAIT}'; SET statement_timeout TO 0")
        await _ensure_table(conn)
        state = await migration_state(conn, known)
        for migration in state.pending:
            await _apply(conn, migration)
        return state.pending
    finally:
        if not conn.is_closed():
            await conn.execute("RESET ROLE")
            await conn.execute("SELECT pg_advisory_unlock($1)", _LOCK_KEY)


async def _become_owner(conn: Connection) -> None:
    missing = await roles.missing_roles(conn)
    if missing:
        raise errors.RoleRefused(
            f"the server has no role {', '.join(missing)}",
            field="database_owner_url",
            fix="ask the administrator to run:\n" + roles.SETUP_SQL,
        )
    try:
        await conn.execute(f"SET ROLE {roles.OWNER}")
    except asyncpg.InsufficientPrivilegeError as error:
        raise errors.RoleRefused(
            "migrations run as farwire_owner, and this login is not a member of it",
            field="database_owner_url",
            fix="set FARWIRE_DATABASE_OWNER_URL to a login that is farwire_owner or a member of it",
        ) from error


async def _ensure_table(conn: Connection) -> None:
    if await conn.fetchval("SELECT to_regclass('base.migration')") is not None:
        return
    async with conn.transaction():
        await conn.execute("CREATE SCHEMA IF NOT EXISTS base")
        await conn.execute(
            """CREATE TABLE base.migration (
                   context    text NOT NULL,
                   number     integer NOT NULL,
                   name       text NOT NULL,
                   checksum   text NOT NULL,
                   applied_at timestamptz NOT NULL,
                   PRIMARY KEY (context, number))"""
        )


async def _apply(conn: Connection, migration: Migration) -> None:
    """Run one file in one transaction. The schema of a context is made with its first migration."""
    try:
        async with conn.transaction():
            before = await conn.fetchval("SELECT pg_current_xact_id()::text")
            if migration.number == 1 and migration.context != "base":
                await conn.execute(f"CREATE SCHEMA IF NOT EXISTS {migration.context}")
            await conn.execute(migration.sql)
            if await conn.fetchval("SELECT pg_current_xact_id()::text") != before:
                raise MigrationFailed(f"{migration.label} ends the transaction that it runs in")
            await conn.execute(
                "INSERT INTO base.migration VALUES ($1, $2, $3, $4, clock_timestamp())",
                migration.context,
                migration.number,
                migration.name,
                migration.checksum,
            )
    except asyncpg.LockNotAvailableError as error:
        raise MigrationBlocked(
            f"{migration.label} waited {_TABLE_LOCK_WAIT} for a table that is in use",
            fix="try again when there is less traffic",
        ) from error
    except asyncpg.PostgresError as error:
        translated = errors.translate(error)
        if isinstance(translated, errors.DiskFull | errors.StorageUnavailable):
            raise translated from error
        raise MigrationFailed(_where(migration, error)) from error


def _where(migration: Migration, error: asyncpg.PostgresError) -> str:
    """Say which line of which file PostgreSQL complains about."""
    position = getattr(error, "position", None)
    line = f" line {migration.sql.count(chr(10), 0, int(position)) + 1}" if position else ""
    hint = getattr(error, "hint", None)
    return f"{migration.label}.sql{line}: {error}{f' ({hint})' if hint else ''}"
