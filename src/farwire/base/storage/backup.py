"""Backup and restore with PostgreSQL's own programs, and the proof that what came back is what went in."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit, urlunsplit

import msgspec

from farwire.base.config import Settings
from farwire.base.storage import errors
from farwire.base.storage.binaries import MAJOR, find_binaries
from farwire.base.storage.endpoints import connect, owner_url
from farwire.base.storage.manifest import Check, Manifest, compare, contents, read_manifest
from farwire.base.storage.roles import OWNER, ensure_roles
from farwire.kernel.errors import Conflict, Defect, FarwireError, Invalid

if TYPE_CHECKING:
    from asyncpg import Connection

_CHUNK: Final = 1 << 20
_HEADER_LINES: Final = 20
_LOCK_WAIT: Final = "30s"
_MANIFEST_SUFFIX: Final = ".manifest.json"


class TargetNotEmpty(Conflict):
    """The database to restore into holds tenants' rows."""

    default_code = "storage.restore_target_not_empty"


class DumpDamaged(Invalid):
    """The dump is not the file that its manifest describes."""

    default_code = "storage.dump_damaged"


class ProgramFailed(Defect):
    """One of PostgreSQL's programs failed."""

    default_code = "storage.program_failed"


@dataclass(frozen=True, slots=True)
class Backup:
    """A finished backup: two files that belong together."""

    dump: Path
    manifest_file: Path
    manifest: Manifest


def manifest_of(dump: Path) -> Path:
    """Return where the manifest of ``dump`` is."""
    return dump.with_name(dump.name + _MANIFEST_SUFFIX)


async def back_up(settings: Settings, dump: Path, *, at: datetime) -> Backup:
    """Write ``dump`` and its manifest from one snapshot, while work goes on, and return what was written.

    Never overwrites a file. Raises ``Conflict`` (``storage.backup_exists``), ``Exhausted`` (``storage.disk_full``),
    ``Unavailable`` (``storage.unavailable``).
    """
    for file in (dump, manifest_of(dump)):
        if file.exists():
            raise Conflict(
                "the backup file exists",
                code="storage.backup_exists",
                field="file",
                value=str(file),
                fix="choose a new name",
            )
    url = await owner_url(settings)
    partial = dump.with_name(dump.name + ".partial")
    try:
        with _disk_errors(partial):
            partial.touch(mode=0o600)
        manifest = await _dump(url, partial, at)
        with _disk_errors(dump):
            manifest_of(partial).write_bytes(msgspec.json.format(msgspec.json.encode(manifest)) + b"\n")
            manifest_of(partial).chmod(0o600)
            manifest_of(partial).rename(manifest_of(dump))
            partial.rename(dump)
    finally:
        partial.unlink(missing_ok=True)
        manifest_of(partial).unlink(missing_ok=True)
    return Backup(dump, manifest_of(dump), manifest)


async def _dump(url: str, partial: Path, at: datetime) -> Manifest:
    async with connect(url) as conn, conn.transaction(isolation="repeatable_read", readonly=True):
        await conn.execute(f"SET LOCAL ROLE {OWNER}")
        version = await conn.fetchval("SHOW server_version")
        snapshot = await conn.fetchval("SELECT pg_export_snapshot()")
        found = await contents(conn)
        command = [
            await _program(conn, "pg_dump"),
            "--format=custom",
            "--compress=gzip:2",
            "--enable-row-security",
        ]
        command += [f"--role={OWNER}", f"--snapshot={snapshot}", f"--file={partial}"]
        command += [f"--schema={schema}" for schema in await _schemas(conn)]
        await _run(command, url)
    size, digest = await asyncio.to_thread(_measure, partial)
    return Manifest(
        farwire=metadata.version("farwire"),
        made_at=at,
        server_version=version,
        dump_bytes=size,
        dump_sha256=digest,
        migrations=found.migrations,
        tables=found.tables,
        totals=found.totals,
    )


async def restore(settings: Settings, dump: Path, *, replace: bool = False) -> tuple[Check, ...]:
    """Restore ``dump`` in one transaction and return the proof: every table and control total against the manifest.

    A failure leaves the database as it was. ``replace`` allows a database that holds tenants' rows: they are lost.
    Raises ``Invalid`` (``storage.dump_damaged``, ``storage.manifest_invalid``), ``Conflict``
    (``storage.restore_target_not_empty``), ``Exhausted`` (``storage.disk_full``).
    """
    manifest = read_manifest(manifest_of(dump))
    await _check_dump(dump, manifest)
    url = await owner_url(settings)
    async with connect(url) as conn:
        if settings.database_url is not None:
            await ensure_roles(conn)
        await conn.execute(f"SET ROLE {OWNER}")
        if not replace:
            await _refuse_rows(conn)
        schemas = await _schemas(conn)
        major = int(await conn.fetchval("SHOW server_version_num")) // 10_000
        reader, writer = await _program(conn, "pg_restore"), await _program(conn, "psql")
        await conn.execute("RESET ROLE")
    await _pour([reader, "--file=-", "--no-owner", str(dump)], [writer], url, _prologue(schemas), major)
    async with connect(url) as conn:
        await conn.execute(f"SET ROLE {OWNER}; SET statement_timeout TO 0")
        await conn.execute("ANALYZE (SKIP_LOCKED)")
        async with conn.transaction(isolation="repeatable_read", readonly=True):
            return tuple(compare(manifest, await contents(conn)))


async def _check_dump(dump: Path, manifest: Manifest) -> None:
    try:
        size, digest = await asyncio.to_thread(_measure, dump)
    except OSError as error:
        raise DumpDamaged(
            f"the backup file cannot be read: {error.strerror}", field="file", value=str(dump)
        ) from error
    if (size, digest) != (manifest.dump_bytes, manifest.dump_sha256):
        raise DumpDamaged(
            f"the dump has {size} bytes, sha256 {digest[:12]}…; its manifest says {manifest.dump_bytes} bytes, "
            f"{manifest.dump_sha256[:12]}…",
            field="file",
            value=str(dump),
            fix="copy it again from where the backup was made",
        )


async def _schemas(conn: Connection) -> list[str]:
    rows = await conn.fetch(
        "SELECT nspname FROM pg_namespace WHERE nspowner = 'farwire_owner'::regrole ORDER BY 1"
    )
    return [row["nspname"] for row in rows]


_HOLDERS_SQL: Final = """
SELECT format('%I.%I', n.nspname, c.relname) AS name
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND n.nspowner = 'farwire_owner'::regrole
   AND (c.relrowsecurity OR n.nspname <> 'base')
 ORDER BY 1
"""


async def _refuse_rows(conn: Connection) -> None:
    """Refuse a database with rows of tenants. A freshly migrated one has none and counts as empty."""
    for (name,) in await conn.fetch(_HOLDERS_SQL):
        if await conn.fetchval(f"SELECT EXISTS (SELECT FROM {name})"):  # noqa: S608 - a name that PostgreSQL quoted
            raise TargetNotEmpty(
                f"the database holds rows, e.g. in {name}",
                fix="restore into an empty database, or add --replace to lose what this one holds",
            )


def _prologue(schemas: Sequence[str]) -> bytes:
    """Return what runs first in the transaction of a restore: what is there makes room."""
    drops = "".join(f'DROP SCHEMA "{schema}" CASCADE;\n' for schema in schemas)
    first = f"SET ROLE {OWNER};\nSET lock_timeout TO '{_LOCK_WAIT}';\nSET client_min_messages TO warning;\n"
    return (first + drops).encode()


async def _program(conn: Connection, name: str) -> str:
    """Return a client program that suits the server: ours, or the system's where the server is newer than ours."""
    major = int(await conn.fetchval("SHOW server_version_num")) // 10_000
    if major <= MAJOR:
        with suppress(errors.EmbeddedMissing):
            return find_binaries().program(name)
    found = shutil.which(name)
    if found is None:
        raise errors.EmbeddedMissing(
            f"the program {name} of PostgreSQL {major} is not on the PATH",
            fix=f"install the client package of PostgreSQL {major}",
        )
    return found


def _access(url: str) -> tuple[str, dict[str, str]]:
    """Return the URL without its password, and the environment with it: arguments are visible to everybody."""
    parts = urlsplit(url)
    env = {
        "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
        "LC_ALL": "C",
        "PGTZ": "UTC",
        "PGCONNECT_TIMEOUT": "10",
    }
    env |= {
        name: value for name, value in os.environ.items() if name in ("HOME", "PGPASSFILE", "PGSSLROOTCERT")
    }
    pairs = parts.query.split("&") if parts.query else []
    hidden = [pair.partition("=")[2] for pair in pairs if pair.startswith("password=")]
    query = "&".join(pair for pair in pairs if not pair.startswith("password="))
    user, at, host = parts.netloc.rpartition("@")
    secret = parts.password or (hidden[0] if hidden else None)
    if secret is not None:
        env["PGPASSWORD"] = unquote(secret)
    return urlunsplit(parts._replace(netloc=f"{user.partition(':')[0]}{at}{host}", query=query)), env


async def _run(command: Sequence[str], url: str) -> None:
    target, env = _access(url)
    process = await asyncio.create_subprocess_exec(
        *command,
        f"--dbname={target}",
        "--no-password",
        env=env,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        _, complaint = await process.communicate()
    finally:
        _end(process)
    if process.returncode != 0:
        raise _failed(command[0], complaint)


async def _pour(source: Sequence[str], sink: Sequence[str], url: str, prologue: bytes, major: int) -> None:
    """Run ``source`` into ``sink`` (psql) as one transaction; it commits only if ``source`` ended well."""
    target, env = _access(url)
    options = [
        f"--dbname={target}",
        "--no-password",
        "--no-psqlrc",
        "--quiet",
        "--set=ON_ERROR_STOP=1",
        "--output=/dev/null",
    ]
    pipe = asyncio.subprocess.PIPE
    reader = await asyncio.create_subprocess_exec(*source, env=env, stdout=pipe, stderr=pipe, limit=_CHUNK)
    writer = await asyncio.create_subprocess_exec(*sink, *options, env=env, stdin=pipe, stderr=pipe)
    complaints = asyncio.gather(_all(reader.stderr), _all(writer.stderr))
    try:
        broken = await _relay(reader, writer, prologue, old=major < 17)
        await reader.wait()
        if reader.returncode == 0 and not broken:
            await _send(writer, b"\nCOMMIT;\n")
        else:
            await _send(writer, b"\n\\q\n")
        if writer.stdin is not None:
            writer.stdin.close()
        await writer.wait()
        reading, writing = await complaints
    finally:
        complaints.cancel()
        _end(reader)
        _end(writer)
    if writer.returncode != 0 or broken:
        raise _failed(sink[0], writing)
    if reader.returncode != 0:
        raise _failed(source[0], reading)


async def _relay(
    reader: asyncio.subprocess.Process, writer: asyncio.subprocess.Process, prologue: bytes, *, old: bool
) -> bool:
    """Pass everything on and return whether the writer stopped listening."""
    broken = await _send(writer, b"BEGIN;\n" + prologue)
    stream = reader.stdout
    if stream is None:
        return True
    for _ in range(_HEADER_LINES):
        line = await stream.readline()
        # A dump's header names a setting that servers before 17 do not know.
        if not (old and line == b"SET transaction_timeout = 0;\n"):
            broken = broken or await _send(writer, line)
    while chunk := await stream.read(_CHUNK):
        broken = broken or await _send(writer, chunk)
    return broken


async def _send(process: asyncio.subprocess.Process, data: bytes) -> bool:
    if process.stdin is None:
        return True
    try:
        process.stdin.write(data)
        await process.stdin.drain()
    except (BrokenPipeError, ConnectionResetError):
        return True
    return False


async def _all(stream: asyncio.StreamReader | None) -> bytes:
    return b"" if stream is None else await stream.read()


def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        with suppress(ProcessLookupError):
            process.kill()


def _failed(program: str, complaint: bytes) -> FarwireError:
    text = complaint.decode(errors="replace").strip()
    name = Path(program).name
    if "No space left on device" in text or "could not extend file" in text:
        return errors.DiskFull(
            f"{name}: the disk is full", fix="free space, then try again; nothing was changed"
        )
    if "could not connect" in text or "connection to server" in text:
        return errors.unavailable(f"{name}: {text[-300:]}")
    return ProgramFailed(f"{name} failed: {text[-1500:]}")


@contextmanager
def _disk_errors(file: Path) -> Iterator[None]:
    """Give the errors of writing a file their meaning."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise errors.DiskFull("the disk is full", field="file", value=str(file)) from error
        raise Invalid(
            f"the file cannot be written: {error.strerror}",
            code="storage.backup_unwritable",
            field="file",
            value=str(file),
        ) from error


def _measure(file: Path) -> tuple[int, str]:
    with file.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return file.stat().st_size, digest
