"""Where the database of an installation is: the embedded server, started when needed, or an external one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import asyncpg

from farwire.base.config import Settings
from farwire.base.storage import errors
from farwire.base.storage.database import CONNECT_TIMEOUT_S, Database, open_pool
from farwire.base.storage.embedded import DATABASE, DatabaseRole, EmbeddedServer
from farwire.base.storage.migrate import Migration, MigrationState, discover, migrate, migration_state
from farwire.base.storage.roles import ensure_database, ensure_roles
from farwire.kernel.errors import Invalid

if TYPE_CHECKING:
    from asyncpg import Connection


_SETUP_LOCK: Final = 0x6661_7277_6972_6502


@dataclass(frozen=True, slots=True)
class Endpoints:
    """The URLs of one database. ``server`` is set where it is the embedded one."""

    app_url: str
    owner_url: str | None
    relay_url: str | None
    server: EmbeddedServer | None


def endpoints(settings: Settings) -> Endpoints:
    """Return the URLs for these settings, without starting or connecting to anything."""
    if settings.database_url is not None:
        return Endpoints(
            settings.database_url, settings.database_owner_url, settings.database_relay_url, None
        )
    server = EmbeddedServer(settings.data_dir)
    return Endpoints(
        app_url=server.url(DatabaseRole.APP),
        owner_url=server.url(DatabaseRole.OWNER),
        relay_url=server.url(DatabaseRole.RELAY),
        server=server,
    )


async def start_embedded(server: EmbeddedServer) -> bool:
    """Start the embedded server and return whether it was stopped; on first use make roles, database and tables."""
    started = await asyncio.to_thread(server.start)
    if not server.ready_mark.exists():
        async with connect(server.url(DatabaseRole.ADMIN, "postgres")) as conn:
            await conn.execute("SELECT pg_advisory_lock($1)", _SETUP_LOCK)
            await ensure_roles(conn)
            await ensure_database(conn, DATABASE)
            async with connect(server.url(DatabaseRole.OWNER)) as owner:
                await migrate(owner, discover())
        server.ready_mark.touch()
    return started


@asynccontextmanager
async def connect(url: str) -> AsyncIterator[Connection]:
    """Open one plain connection, for administration. Raises ``Unavailable``, ``Forbidden``, ``NotFound``."""
    try:
        conn = await asyncpg.connect(url, timeout=CONNECT_TIMEOUT_S, server_settings={"timezone": "UTC"})
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
        raise errors.why_no_connection(error) from error
    try:
        yield conn
    finally:
        try:
            await conn.close(timeout=CONNECT_TIMEOUT_S)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError):
            conn.terminate()


async def owner_url(settings: Settings) -> str:
    """Return the URL for administration, with the embedded server started. Raises ``Invalid`` (``config.missing``)."""
    found = endpoints(settings)
    if found.server is not None:
        await start_embedded(found.server)
    if found.owner_url is None:
        raise Invalid(
            "an external database needs a second URL for this",
            code="config.missing",
            field="database_owner_url",
            fix="set FARWIRE_DATABASE_OWNER_URL to the same database as farwire_owner (docs/operations.md)",
        )
    return found.owner_url


async def migrate_database(settings: Settings) -> tuple[Migration, ...]:
    """Run the pending migrations and return them; on the embedded server start it first, too."""
    url = await owner_url(settings)
    async with connect(url) as conn:
        if settings.database_url is not None:
            await ensure_roles(conn)
        return await migrate(conn, discover())


async def open_database(settings: Settings) -> Database:
    """Return the pool for work. The embedded server is started, and its schema made, when that is needed.

    Raises ``Unavailable`` (``storage.unavailable``), ``Forbidden`` (``storage.role_refused``), ``Conflict``
    (``storage.migrations_pending``).
    """
    found = endpoints(settings)
    if found.server is not None:
        await start_embedded(found.server)
    db = await _pool(settings, found.app_url, "farwire")
    try:
        await check_schema(db)
    except BaseException:
        await db.close()
        raise
    return db


async def check_schema(db: Database) -> MigrationState:
    """Return the state of the schema; a newer one is fine. Raises ``Conflict`` (``storage.migrations_pending``)."""
    async with db.untenanted(read_only=True) as tx:
        state = await migration_state(tx.conn, discover())
    if state.pending:
        raise errors.MigrationsPending(
            f"the database lacks {len(state.pending)} migrations, the first is {state.pending[0].label}",
            fix="farwire db backup FILE, then farwire db migrate",
        )
    return state


async def open_relay(settings: Settings) -> Database:
    """Return a pool as farwire_relay, which sees the outbox of every tenant and nothing else of theirs."""
    found = endpoints(settings)
    if found.server is not None:
        await start_embedded(found.server)
    if found.relay_url is None:
        raise Invalid(
            "the outbox relay needs its own URL",
            code="config.missing",
            field="database_relay_url",
            fix="set FARWIRE_DATABASE_RELAY_URL to the same database as farwire_relay (docs/operations.md)",
        )
    return await _pool(settings, found.relay_url, "farwire-relay", size=2)


async def _pool(settings: Settings, url: str, application: str, size: int | None = None) -> Database:
    return await open_pool(
        url,
        size=size or settings.database_pool_size,
        acquire_timeout_s=settings.database_acquire_timeout_s,
        statement_timeout_s=settings.database_statement_timeout_s,
        application=application,
    )
