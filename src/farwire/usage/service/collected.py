"""Imports without a file: each collects, under the name of its source, what came in on one UTC day."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Final

from farwire.base.storage import Tx
from farwire.kernel.ids import ImportId, uuid7
from farwire.usage.model import ImportRecord
from farwire.usage.store import imports as store

VERSION: Final = 1


def profile_digest(source: str) -> bytes:
    """Return what stands for the profile of the imports of ``source``."""
    return hashlib.sha256(f"{source}/{VERSION}".encode()).digest()


async def import_of(tx: Tx, source: str, now: datetime) -> ImportRecord:
    """Return the import that collects what ``source`` brings on the UTC day of ``now``. Under the tenant's lock."""
    day = now.astimezone(UTC).date().isoformat()
    file_digest = hashlib.sha256(f"{source}/{day}".encode()).digest()
    found = await store.latest_import(tx, file_digest, profile_digest(source))
    if found is not None:
        return found
    record = ImportRecord(
        import_id=ImportId(uuid7()),
        file_name=f"{source} {day}",
        file_digest=file_digest,
        file_octets=0,
        profile_name=source,
        profile_version=VERSION,
        profile_digest=profile_digest(source),
        generation=1,
        header="",
        batch_rows=1,
        started_at=now,
    )
    await store.add_import(tx, record)
    return record
