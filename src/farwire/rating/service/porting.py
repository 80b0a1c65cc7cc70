"""Ported numbers: import a list of who got which number when."""

from __future__ import annotations

import asyncio
import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from farwire.base import audit
from farwire.base.clock import Clock
from farwire.base.storage import Database
from farwire.kernel.errors import FarwireError, Invalid, NotFound
from farwire.kernel.ids import TenantId
from farwire.kernel.tenancy import Actor
from farwire.kernel.time import instant
from farwire.rating import store
from farwire.rating.model import PortedNumber
from farwire.rating.service.decks import OPERATOR

COLUMNS: Final = ("number", "valid_from", "operator", "rates_as")
MAX_ROWS: Final = 2_000_000
BATCH: Final = 10_000


async def import_ported_numbers(
    *, db: Database, tenant_id: TenantId, clock: Clock, path: Path, actor: Actor = OPERATOR
) -> int:
    """Import the CSV file at ``path`` (UTF-8, columns ``COLUMNS``) and return how many rows it has.

    All or nothing. A row with the same number and time replaces the one that is there, so that sending a file again is
    harmless. Raises ``Invalid`` (``rating.ported_file``, ``rating.ported_number``, ``time.zone_missing`` …, each with
    its row) and ``NotFound`` (``rating.file_missing``).
    """
    numbers = await asyncio.to_thread(_read, path)
    async with db.transaction(tenant_id, statement_timeout_s=600) as tx:
        for start in range(0, len(numbers), BATCH):
            await store.add_ported(tx, numbers[start : start + BATCH])
        await audit.record(
            tx,
            actor=actor,
            action="rating.ported_import",
            subject=str(tenant_id),
            at=clock.now(),
            detail={"rows": len(numbers)},
        )
    return len(numbers)


def _read(path: Path) -> list[PortedNumber]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file, strict=True)
            if sorted(rows.fieldnames or ()) != sorted(COLUMNS):
                raise _wrong("the columns are others", f"use {','.join(COLUMNS)}")
            found: dict[tuple[str, object], PortedNumber] = {}
            for number, row in enumerate(rows, start=1):
                if number > MAX_ROWS:
                    raise _wrong(f"a list has at most {MAX_ROWS} rows", "send it in parts")
                ported = _ported(number, row)
                found[ported.number, ported.valid_from] = ported
    except OSError as error:
        raise NotFound(
            f"{path} cannot be read: {error.strerror}", code="rating.file_missing", field="file", value=path
        ) from None
    except (UnicodeError, csv.Error) as error:
        raise _wrong(f"the file is no CSV in UTF-8: {error}", "check encoding and quotes") from None
    return list(found.values())


def _ported(number: int, row: Mapping[str, str]) -> PortedNumber:
    if None in row.values() or None in row:
        raise _wrong(f"row {number} has another number of columns than the header", "check quotes")
    try:
        return PortedNumber(
            row["number"].strip().removeprefix("+"),
            instant(row["valid_from"].strip(), field="valid_from"),
            row["operator"].strip(),
            row["rates_as"].strip().removeprefix("+"),
        )
    except FarwireError as error:
        raise Invalid(
            f"row {number}: {error.message}", code=error.code, field=error.field, fix=error.fix
        ) from None


def _wrong(message: str, fix: str) -> Invalid:
    return Invalid(message, code="rating.ported_file", field="file", fix=fix)
