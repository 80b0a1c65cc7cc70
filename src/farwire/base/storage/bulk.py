"""Many rows at once. COPY does not work under row-level security, so rows go through a temporary table."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

from farwire.kernel.errors import check

if TYPE_CHECKING:
    from asyncpg import Record
    from asyncpg.pool import PoolConnectionProxy

_NAME: Final = re.compile(r"[a-z_][a-z0-9_]*")
_STAGE: Final = "farwire_stage"


async def insert_records(
    conn: PoolConnectionProxy[Record],
    table: str,
    *,
    columns: Sequence[str],
    records: Iterable[Sequence[object]],
    timeout_s: float,
) -> int:
    """Insert ``records`` into ``schema.table`` and return how many.

    PostgreSQL refuses COPY into a table under row-level security. COPY into a temporary table of the same columns
    and one INSERT … SELECT keeps most of its speed, and the policy still checks every row. ``records`` may be a
    generator: it is streamed. ``columns`` must name ``tenant_id`` where the table has it.
    """
    schema, _, name = table.partition(".")
    for part in (schema, name, *columns):
        check(_NAME.fullmatch(part), "storage.name_unsafe", f"not a plain SQL name: {part!r}")
    listed = ", ".join(columns)
    await conn.execute(
        f"CREATE TEMPORARY TABLE {_STAGE} ON COMMIT DROP AS SELECT {listed} FROM {table} WITH NO DATA",
        timeout=timeout_s,
    )
    await conn.copy_records_to_table(
        _STAGE, schema_name="pg_temp", columns=list(columns), records=records, timeout=timeout_s
    )
    tag = await conn.execute(
        f"INSERT INTO {table} ({listed}) SELECT {listed} FROM pg_temp.{_STAGE}; DROP TABLE pg_temp.{_STAGE}",
        timeout=timeout_s,
    )
    check(tag == "DROP TABLE", "storage.copy", tag)
    return 0
