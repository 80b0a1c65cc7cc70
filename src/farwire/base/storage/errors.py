"""Errors of storage, and the one translation of what the driver raises into Farwire's kinds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

import asyncpg

from farwire.kernel.errors import (
    Conflict,
    Defect,
    Exhausted,
    FarwireError,
    Forbidden,
    Invalid,
    NotFound,
    Unavailable,
)

RETRY_AFTER_S: Final = 2


class StorageUnavailable(Unavailable):
    """The database does not answer. Nothing of the transaction was kept."""

    default_code = "storage.unavailable"


class CommitUnknown(Unavailable):
    """The connection broke while committing: the transaction may be kept or not. Repeat it idempotently."""

    default_code = "storage.commit_unknown"


class StorageBusy(Unavailable):
    """No connection, or no lock, became free in time."""

    default_code = "storage.busy"


class StatementTimeout(Unavailable):
    """A statement ran longer than it may."""

    default_code = "storage.statement_timeout"


class SerializationFailure(Conflict):
    """Two transactions met. Nothing was kept; the caller may run its whole transaction again."""

    default_code = "storage.serialization_failure"


class DiskFull(Exhausted):
    """The disk of the database is full. Nothing of the transaction was kept."""

    default_code = "storage.disk_full"


class TenantCrossed(Defect):
    """A statement tried to write a row of another tenant, or to use a table it has no right to."""

    default_code = "storage.tenant_crossed"


class CommitLost(Defect):
    """A failed statement was swallowed, so PostgreSQL rolled back where the code meant to commit."""

    default_code = "storage.commit_lost"


class RoleRefused(Forbidden):
    """The role of the URL could bypass row-level security, or is not a member of farwire_app."""

    default_code = "storage.role_refused"


class MigrationsPending(Conflict):
    """The schema is older than this version of Farwire needs."""

    default_code = "storage.migrations_pending"


class EmbeddedServerFailed(Unavailable):
    """The embedded server could not be started or stopped."""

    default_code = "storage.embedded_failed"


class EmbeddedMissing(NotFound):
    """The PostgreSQL binaries are not installed for this platform."""

    default_code = "storage.embedded_missing"


class EmbeddedVersionMismatch(Conflict):
    """The data folder was written by another major version of PostgreSQL."""

    default_code = "storage.version_mismatch"


class PlaceRefused(Invalid):
    """The data folder cannot be used as it is."""

    default_code = "storage.place_refused"


_START: Final = "farwire db status, farwire db start"
_LOST: Final = (
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.InternalClientError,  # the server's last word has come, its end has not: the driver sends nothing more
)


def unavailable(reason: object = None) -> StorageUnavailable:
    """Return the error for a database that does not answer; ``reason`` is for people."""
    return StorageUnavailable(
        f"the database does not answer{f' ({reason})' if reason else ''}",
        fix=_START,
        retry_after_s=RETRY_AFTER_S,
    )


def commit_unknown(error: BaseException) -> CommitUnknown:
    """Return what to say of a commit whose answer did not come, and why it did not come where that is known."""
    if _disk_full(error):
        return CommitUnknown(
            "the disk of the database became full while committing: the transaction may be kept or not",
            fix="free space, then run the same command again: it is idempotent",
        )
    return CommitUnknown(
        "the connection broke while committing", fix="run the same command again: it is idempotent"
    )


def _disk_full(error: BaseException) -> bool:
    """Tell whether a full disk is the cause: under the write-ahead log it ends the server and so the connection."""
    return any(isinstance(one, asyncpg.DiskFullError) for one in (error, error.__cause__))


def translate(error: BaseException) -> FarwireError | None:
    """Return Farwire's error for what the driver raised, or ``None`` where it has no general meaning.

    Constraint violations have none here: only the store that wrote the statement knows what they mean, see
    ``on_violation``.
    """
    if isinstance(error, asyncpg.TooManyConnectionsError):
        return StorageBusy(
            "the database has no free connection", fix="lower database_pool_size or raise max_connections"
        )
    if _disk_full(error):
        return DiskFull(
            "the disk of the database is full", fix="free space, then try again; nothing was half-written"
        )
    if isinstance(error, asyncpg.OutOfMemoryError):
        return StorageBusy("the database is out of memory", fix="lower work_mem or database_pool_size")
    if isinstance(error, asyncpg.SerializationError | asyncpg.DeadlockDetectedError):
        return SerializationFailure("two transactions met", fix="run the transaction again")
    if isinstance(error, asyncpg.LockNotAvailableError):
        return StorageBusy("a lock did not become free in time", fix="try again")
    if isinstance(error, asyncpg.QueryCanceledError):
        return StatementTimeout(
            "a statement ran too long", fix="ask for less, or raise database_statement_timeout_s"
        )
    if isinstance(error, asyncpg.InvalidCachedStatementError):
        return StorageBusy("the schema changed under this connection", fix="try again")
    if isinstance(error, asyncpg.InsufficientPrivilegeError):
        return TenantCrossed(f"PostgreSQL refused a statement: {error.args[0] if error.args else ''}")
    if isinstance(error, _LOST):
        return unavailable(type(error).__name__)
    return None


def why_no_connection(error: BaseException) -> FarwireError:
    """Return Farwire's error for a connection that was not made."""
    if isinstance(error, asyncpg.InvalidAuthorizationSpecificationError):
        return RoleRefused(
            "the database refused the login", fix="check user and password of the database URL"
        )
    if isinstance(error, asyncpg.InvalidCatalogNameError):
        return NotFound(
            "the database does not exist", code="storage.database_missing", fix="farwire db migrate"
        )
    if isinstance(error, ValueError):  # also what asyncpg says about its configuration
        # Its text is not shown: it may repeat the password.
        return Invalid(
            "the database URL cannot be read",
            code="storage.url_malformed",
            field="database_url",
            fix="write postgresql://USER:PASSWORD@HOST/DATABASE",
        )
    return translate(error) or unavailable(type(error).__name__)


@contextmanager
def on_violation(meanings: Mapping[str, FarwireError]) -> Iterator[None]:
    """Give constraint violations their meaning: ``{constraint name: error to raise}``.

    The transaction is lost afterwards, so the error is for the caller; a store that goes on uses ``ON CONFLICT``.
    A constraint that is not named passes through unchanged.
    """
    try:
        yield
    except asyncpg.IntegrityConstraintViolationError as violation:
        meaning = meanings.get(violation.constraint_name or "")
        if meaning is None:
            raise
        raise meaning from violation
