"""What a backup says about itself, and what a restore must find again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Final

import msgspec

from farwire.kernel.errors import Defect, Invalid

if TYPE_CHECKING:
    from pathlib import Path

    from asyncpg import Connection

FORMAT: Final = 1


class TableTotal(msgspec.Struct, frozen=True):
    """The rows of one table: how many, and a sum over a hash of each, which no order changes."""

    rows: int
    digest: str


class MigrationMark(msgspec.Struct, frozen=True):
    """A migration that the database had run."""

    context: str
    number: int
    name: str
    checksum: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The file beside a dump. ``totals`` are the registered control totals: name → key → value."""

    format: int = FORMAT
    farwire: str
    made_at: datetime
    server_version: str
    dump_bytes: int
    dump_sha256: str
    migrations: tuple[MigrationMark, ...]
    tables: Mapping[str, TableTotal]
    totals: Mapping[str, Mapping[str, str]]


class Contents(msgspec.Struct, frozen=True):
    """What is in a database at one instant."""

    migrations: tuple[MigrationMark, ...]
    tables: Mapping[str, TableTotal]
    totals: Mapping[str, Mapping[str, str]]


class Check(msgspec.Struct, frozen=True):
    """One line of the proof."""

    name: str
    expected: str
    found: str

    @property
    def ok(self) -> bool:
        """Tell whether both are equal."""
        return self.expected == self.found


def compare(manifest: Manifest, found: Contents) -> Iterator[Check]:
    """Yield one check for the migrations, for each table and for each control total, on either side."""
    yield Check("migrations", _marks(manifest.migrations), _marks(found.migrations))
    for name in sorted({*manifest.tables, *found.tables}):
        yield Check(f"rows of {name}", _table(manifest.tables.get(name)), _table(found.tables.get(name)))
    for name in sorted({*manifest.totals, *found.totals}):
        expected, actual = manifest.totals.get(name, {}), found.totals.get(name, {})
        for key in sorted({*expected, *actual}):
            yield Check(f"{name} {key}".rstrip(), expected.get(key, "absent"), actual.get(key, "absent"))


def _marks(marks: tuple[MigrationMark, ...]) -> str:
    return f"{len(marks)}, {sum(int(mark.checksum[:8], 16) for mark in marks):x}"


def _table(total: TableTotal | None) -> str:
    return "absent" if total is None else f"{total.rows}, {total.digest}"


def read_manifest(file: Path) -> Manifest:
    """Return the manifest in ``file``. Raises ``Invalid`` (``storage.manifest_invalid``)."""
    try:
        manifest = msgspec.json.decode(file.read_bytes(), type=Manifest)
    except FileNotFoundError as error:
        raise Invalid(
            "the backup has no manifest beside it",
            code="storage.manifest_invalid",
            field="file",
            value=str(file),
            fix="copy both files of the backup; without its manifest a restore proves nothing",
        ) from error
    except msgspec.DecodeError as error:
        raise Invalid(
            f"the manifest is damaged: {error}",
            code="storage.manifest_invalid",
            field="file",
            value=str(file),
        ) from error
    if manifest.format != FORMAT:
        raise Invalid(
            f"the manifest has format {manifest.format}, this Farwire reads {FORMAT}",
            code="storage.manifest_invalid",
            field="format",
            fix="restore with the version of Farwire that made the backup",
        )
    return manifest


_TABLES_SQL: Final = """
SELECT format('%I.%I', n.nspname, c.relname) AS name,
       c.relrowsecurity AND NOT EXISTS (
           SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND p.polpermissive
                                     AND 'farwire_owner'::regrole = ANY (p.polroles)) AS hidden
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND n.nspowner = 'farwire_owner'::regrole
 ORDER BY 1
"""

_SESSION_SQL: Final = (
    "SET LOCAL TimeZone TO 'UTC'; SET LOCAL DateStyle TO 'ISO'; SET LOCAL IntervalStyle TO 'postgres'; "
    "SET LOCAL bytea_output TO 'hex'; SET LOCAL extra_float_digits TO 1; SET LOCAL statement_timeout TO 0"
)


async def contents(conn: Connection) -> Contents:
    """Return what the database holds, read as farwire_owner inside the caller's transaction. Reads every row."""
    await conn.execute(_SESSION_SQL)
    tables: dict[str, TableTotal] = {}
    for name, hidden in await conn.fetch(_TABLES_SQL):
        if hidden:
            raise Defect(
                f"the owner cannot see all rows of {name}: use base.tenant_table", code="storage.hidden_rows"
            )
        # The digest leaves out nothing: a row's text holds all its columns.
        sql = f"SELECT count(*), coalesce(sum(hashtextextended(t::text, 0)::numeric), 0)::text FROM {name} t"  # noqa: S608
        rows, digest = await conn.fetchrow(sql)
        tables[name] = TableTotal(rows, digest)
    return Contents(await _marks_of(conn, tables), tables, await _totals(conn, tables))


async def _marks_of(conn: Connection, tables: Mapping[str, TableTotal]) -> tuple[MigrationMark, ...]:
    if "base.migration" not in tables:
        return ()
    rows = await conn.fetch("SELECT context, number, name, checksum FROM base.migration ORDER BY 1, 2")
    return tuple(MigrationMark(*row) for row in rows)


async def _totals(conn: Connection, tables: Mapping[str, TableTotal]) -> Mapping[str, Mapping[str, str]]:
    if "base.control_total" not in tables:
        return {}
    totals = {}
    for name, query in await conn.fetch("SELECT name, query FROM base.control_total ORDER BY 1"):
        sql = f"SELECT key::text, value::text FROM ({query}) AS total (key, value)"  # noqa: S608 - a migration's own text
        totals[name] = {key or "": value or "0" for key, value in await conn.fetch(sql)}
    return totals
