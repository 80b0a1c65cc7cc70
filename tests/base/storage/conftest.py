"""A table of its own, so that the storage is tested without any context."""

import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from farwire.base.storage import Database
from farwire.base.storage.database import open_pool
from farwire.base.storage.embedded import DatabaseRole, EmbeddedServer
from farwire.base.storage.endpoints import connect
from farwire.base.storage.ephemeral import Run, more_room
from farwire.kernel.ids import TenantId, uuid7

PROBE_SQL = """
CREATE SCHEMA probe;
CREATE TABLE probe.item (
    tenant_id uuid NOT NULL,
    item_id   bigint NOT NULL,
    note      text NOT NULL CONSTRAINT item_note_not_empty CHECK (note <> ''),
    PRIMARY KEY (tenant_id, item_id)
);
SELECT base.tenant_table('probe', 'item');
CREATE TABLE probe.journal (
    tenant_id uuid NOT NULL,
    item_id   bigint NOT NULL,
    PRIMARY KEY (tenant_id, item_id),
    FOREIGN KEY (tenant_id, item_id) REFERENCES probe.item
);
SELECT base.tenant_table('probe', 'journal', append_only => true);
"""


@pytest.fixture
async def probe_urls(scratch_database) -> dict[DatabaseRole, str]:
    """The URLs of a migrated database that also has the probe tables."""
    async with connect(scratch_database.url(DatabaseRole.OWNER)) as owner:
        await owner.execute(PROBE_SQL)
    return {role: scratch_database.url(role) for role in DatabaseRole}


@pytest.fixture
async def probe(probe_urls: dict[DatabaseRole, str]) -> AsyncIterator[Database]:
    """A small pool as farwire_app on the probe tables."""
    database = await open_pool(
        probe_urls[DatabaseRole.APP], size=2, acquire_timeout_s=2, statement_timeout_s=10
    )
    yield database
    await database.close()


@pytest.fixture
def mine() -> TenantId:
    """A tenant."""
    return TenantId(uuid7())


@pytest.fixture
def theirs() -> TenantId:
    """Another tenant."""
    return TenantId(uuid7())


@pytest.fixture
def place() -> Iterator[Path]:
    """A fresh data folder that the server's user can reach and that ends with the run."""
    run = Run.parse(os.environ["FARWIRE_TEST_RUN"])
    folder = Path(tempfile.mkdtemp(prefix="s", dir=more_room(run)))
    folder.chmod(0o755)
    yield folder
    EmbeddedServer(folder).stop(immediate=True)
    shutil.rmtree(folder)
