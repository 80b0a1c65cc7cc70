"""The pool and its transactions. One transaction belongs to one tenant; PostgreSQL enforces it a second time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from enum import StrEnum
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import asyncpg

from farwire.base.storage import errors
from farwire.base.storage.bulk import insert_records
from farwire.base.storage.roles import check_work_role
from farwire.kernel.ids import TenantId

if TYPE_CHECKING:
    from asyncpg import Connection, Pool, Record

CONNECT_TIMEOUT_S: Final = 5.0
CLIENT_GRACE_S: Final = 5.0
"""The client waits this much longer than the server's statement timeout, so that the server answers first."""
IDLE_IN_TRANSACTION_S: Final = 300
_DRIVER: Final = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)


class Isolation(StrEnum):
    """How much of other transactions one sees (PostgreSQL §13.2)."""

    READ_COMMITTED = "READ COMMITTED"
    REPEATABLE_READ = "REPEATABLE READ"
    SERIALIZABLE = "SERIALIZABLE"


class Session:
    """One transaction. Errors of the driver become Farwire's when the transaction ends."""

    __slots__ = ("_timeout", "conn")

    def __init__(self, conn: Connection, timeout_s: float) -> None:
        self.conn = conn
        self._timeout = timeout_s

    async def fetch(self, sql: str, *args: object) -> list[Record]:
        """Return all rows. Bound the result in the statement: it is held in memory."""
        with self._answers():
            rows: list[Record] = await self.conn.fetch(sql, *args, timeout=self._timeout)
        return rows

    async def fetchrow(self, sql: str, *args: object) -> Record | None:
        """Return the first row, or ``None``."""
        with self._answers():
            return await self.conn.fetchrow(sql, *args, timeout=self._timeout)

    async def fetchval(self, sql: str, *args: object) -> Any:
        """Return the first column of the first row, or ``None``."""
        with self._answers():
            return await self.conn.fetchval(sql, *args, timeout=self._timeout)

    async def execute(self, sql: str, *args: object) -> str:
        """Run a statement and return its command tag, e.g. ``UPDATE 1``."""
        with self._answers():
            tag: str = await self.conn.execute(sql, *args, timeout=self._timeout)
        return tag

    async def executemany(self, sql: str, args: Iterable[Sequence[object]]) -> None:
        """Run one statement for each row of ``args``, pipelined."""
        with self._answers():
            await self.conn.executemany(sql, args, timeout=self._timeout)

    @contextmanager
    def _answers(self) -> Iterator[None]:
        """Tell a server that has gone silent: it would have stopped the statement itself before we lose patience."""
        try:
            yield
        except TimeoutError as error:
            raise errors.unavailable(f"no answer in {self._timeout:g} s") from error

    async def copy_records(
        self,
        table: str,
        *,
        columns: Sequence[str],
        records: Iterable[Sequence[object]],
        skip_duplicates: bool = False,
    ) -> int:
        """Insert many rows, streamed, into ``schema.table`` and return how many went in; see ``storage.bulk``."""
        with self._answers():
            return await insert_records(
                self.conn,
                table,
                columns=columns,
                records=records,
                skip_duplicates=skip_duplicates,
                timeout_s=self._timeout,
            )

    async def copy_text(self, table: str, *, columns: Sequence[str], text: bytes) -> None:
        """Fill a temporary table by COPY from lines with tabs between columns; row-level security allows no other."""
        with self._answers():
            await self.conn.copy_to_table(
                table,
                schema_name="pg_temp",
                columns=list(columns),
                source=BytesIO(text),
                timeout=self._timeout,
            )

    async def copy_binary(self, sql: str, *args: object) -> bytes:
        """Return what a query finds in the binary format of COPY: for arrays, much cheaper than rows."""
        parts: list[bytes] = []

        async def take(part: bytes) -> None:
            parts.append(part)

        with self._answers():
            await self.conn.copy_from_query(sql, *args, output=take, format="binary", timeout=self._timeout)
        return b"".join(parts)


class Tx(Session):
    """One transaction of one tenant. Stores take it first and scope every statement by ``tenant_id``."""

    __slots__ = ("tenant_id",)

    def __init__(self, conn: Connection, tenant_id: TenantId, timeout_s: float) -> None:
        super().__init__(conn, timeout_s)
        self.tenant_id = tenant_id


class UntenantedTx(Session):
    """One transaction without a tenant: tenanted tables look empty and refuse rows."""

    __slots__ = ()


class Database:
    """A bounded pool of connections as a role that can neither own tables nor bypass row-level security."""

    def __init__(self, pool: Pool, *, acquire_timeout_s: float, statement_timeout_s: float) -> None:
        self._pool = pool
        self._acquire_timeout_s = acquire_timeout_s
        self._statement_timeout_s = statement_timeout_s

    @asynccontextmanager
    async def transaction(
        self,
        tenant_id: TenantId,
        *,
        isolation: Isolation = Isolation.READ_COMMITTED,
        read_only: bool = False,
        statement_timeout_s: float | None = None,
    ) -> AsyncIterator[Tx]:
        """Open a transaction of ``tenant_id``: commit at the end of the block, roll back if it raises.

        ``statement_timeout_s`` replaces the setting for a long job. Raises ``Unavailable`` (``storage.unavailable``,
        ``storage.busy``, ``storage.statement_timeout``), ``Conflict`` (``storage.serialization_failure``),
        ``Exhausted`` (``storage.disk_full``).
        """
        # UUID() also proves that what is put into the statement is a UUID and nothing else.
        tenant = str(UUID(bytes=tenant_id.bytes))
        begin = _begin(tenant, isolation, read_only=read_only, timeout_s=statement_timeout_s)
        async with self._transaction(begin) as conn:
            yield Tx(conn, tenant_id, self._client_timeout(statement_timeout_s))

    @asynccontextmanager
    async def untenanted(
        self,
        *,
        isolation: Isolation = Isolation.READ_COMMITTED,
        read_only: bool = False,
        statement_timeout_s: float | None = None,
    ) -> AsyncIterator[UntenantedTx]:
        """Open a transaction without a tenant, for the few tables in ``base.untenanted``."""
        begin = _begin("", isolation, read_only=read_only, timeout_s=statement_timeout_s)
        async with self._transaction(begin) as conn:
            yield UntenantedTx(conn, self._client_timeout(statement_timeout_s))

    async def close(self) -> None:
        """Close the pool; connections still in use after 10 s are cut."""
        try:
            await asyncio.wait_for(self._pool.close(), timeout=10)
        except TimeoutError:
            self._pool.terminate()

    def _client_timeout(self, statement_timeout_s: float | None) -> float:
        return (statement_timeout_s or self._statement_timeout_s) + CLIENT_GRACE_S

    @asynccontextmanager
    async def _transaction(self, begin: str) -> AsyncIterator[Connection]:
        conn = await self._acquire(begin)
        try:
            try:
                yield conn
            except BaseException as error:
                await _roll_back(conn)
                _raise_translated(error, conn)
                raise
            await _commit(conn, self._client_timeout(None))
        finally:
            await self._pool.release(conn, timeout=CONNECT_TIMEOUT_S)

    async def _acquire(self, begin: str) -> Connection:
        """Return a connection inside the begun transaction. One stale connection of the pool is replaced silently."""
        for attempt in (1, 2):
            conn = await self._connection()
            try:
                await conn.execute(begin, timeout=CONNECT_TIMEOUT_S)
            except (*_DRIVER, OSError, TimeoutError) as error:
                lost = _lost(conn) or isinstance(error, asyncpg.InternalClientError)
                await _discard(self._pool, conn)
                if lost and attempt == 1:
                    await self._pool.expire_connections()  # The others are as old: the server was restarted.
                    continue
                raise errors.translate(error) or errors.unavailable(type(error).__name__) from error
            except BaseException:
                await _discard(self._pool, conn)
                raise
            return conn
        raise errors.unavailable()

    async def _connection(self) -> Connection:
        try:
            return await self._pool.acquire(timeout=self._acquire_timeout_s)
        except TimeoutError as error:
            raise errors.StorageBusy(
                f"no database connection became free in {self._acquire_timeout_s:g} s",
                fix="try again, or raise database_pool_size",
                retry_after_s=errors.RETRY_AFTER_S,
            ) from error
        except (*_DRIVER, OSError) as error:
            raise errors.translate(error) or errors.unavailable(type(error).__name__) from error


def _begin(tenant: str, isolation: Isolation, *, read_only: bool, timeout_s: float | None) -> str:
    """Return the statements that begin a transaction: one round trip. The tenant ends with the transaction."""
    mode = " READ ONLY" if read_only else ""
    level = "" if isolation is Isolation.READ_COMMITTED else f" ISOLATION LEVEL {isolation.value}"
    limit = "" if timeout_s is None else f"; SET LOCAL statement_timeout TO {int(timeout_s * 1000)}"
    return f"BEGIN{level}{mode}; SET LOCAL farwire.tenant_id TO '{tenant}'{limit}"


async def _commit(conn: Connection, timeout_s: float) -> None:
    try:
        tag = await conn.execute("COMMIT", timeout=timeout_s)
    except (OSError, TimeoutError, asyncpg.PostgresConnectionError, asyncpg.InterfaceError) as error:
        raise errors.commit_unknown(error) from error
    except (asyncpg.PostgresError, asyncpg.InternalClientError) as error:
        if isinstance(error, asyncpg.InternalClientError):
            _cut(conn)
        translated = errors.translate(error)
        if translated is None:
            raise
        raise translated from error
    if tag != "COMMIT":
        raise errors.CommitLost("a failed statement was swallowed inside a transaction")


def _lost(conn: Connection) -> bool:
    """Tell whether the connection is gone; the driver also takes a broken one away from its holder."""
    try:
        return bool(conn.is_closed())
    except asyncpg.InterfaceError:
        return True


async def _roll_back(conn: Connection) -> None:
    if _lost(conn):
        return
    try:
        if conn.is_in_transaction():
            await conn.execute("ROLLBACK", timeout=CONNECT_TIMEOUT_S)
    except (*_DRIVER, OSError, TimeoutError):
        _cut(conn)  # The server rolls back what it cannot hear about any more.


def _cut(conn: Connection) -> None:
    if not _lost(conn):
        conn.terminate()


def _raise_translated(error: BaseException, conn: Connection) -> None:
    translated = errors.translate(error)
    if translated is None and isinstance(error, asyncpg.InterfaceError | OSError) and _lost(conn):
        translated = errors.unavailable(type(error).__name__)
    if translated is not None:
        raise translated from error


async def _discard(pool: Pool, conn: Connection) -> None:
    _cut(conn)
    await pool.release(conn)


async def _keep_session(_: object) -> None:
    """Skip the driver's reset: a transaction leaves no session state (SET LOCAL, locks that end with it)."""


async def open_pool(
    url: str,
    *,
    size: int = 10,
    acquire_timeout_s: float = 5.0,
    statement_timeout_s: float = 30.0,
    application: str = "farwire",
) -> Database:
    """Return a ``Database`` on ``url`` after checking that its role is a safe one.

    Raises ``Unavailable`` (``storage.unavailable``) and ``Forbidden`` (``storage.role_refused``).
    """
    pool: Pool = asyncpg.create_pool(
        url,
        min_size=1,
        max_size=size,
        timeout=CONNECT_TIMEOUT_S,
        reset=_keep_session,
        statement_cache_size=500,
        server_settings={
            "application_name": application,
            "timezone": "UTC",
            "statement_timeout": str(int(statement_timeout_s * 1000)),
            "idle_in_transaction_session_timeout": str(IDLE_IN_TRANSACTION_S * 1000),
        },
    )
    try:
        await pool
        async with pool.acquire() as conn:
            await check_work_role(conn)
    except (*_DRIVER, OSError, TimeoutError, ValueError) as error:
        pool.terminate()
        raise errors.why_no_connection(error) from error
    except BaseException:
        pool.terminate()
        raise
    return Database(pool, acquire_timeout_s=acquire_timeout_s, statement_timeout_s=statement_timeout_s)
