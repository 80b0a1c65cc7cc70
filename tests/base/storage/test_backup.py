"""A backup proves itself when it is restored; whatever goes wrong leaves the target as it was."""

import asyncio
import json
import os
from contextlib import suppress
from pathlib import Path

import pytest

from farwire.base.clock import MovableClock
from farwire.base.config import Settings
from farwire.base.storage import backup as backups
from farwire.base.storage.binaries import find_binaries
from farwire.base.storage.database import open_pool
from farwire.base.storage.embedded import DatabaseRole
from farwire.base.storage.endpoints import connect
from farwire.base.storage.ephemeral import clone_template
from farwire.base.storage.errors import DiskFull, TenantCrossed
from farwire.base.storage.manifest import contents
from farwire.kernel.errors import Conflict, FarwireError, Invalid
from farwire.kernel.ids import TenantId

SUM = "SELECT base.control_total('probe.items', 'SELECT tenant_id::text, count(*)::text FROM probe.item GROUP BY 1')"


def at(urls: dict[DatabaseRole, str], tmp_path: Path) -> Settings:
    return Settings(
        data_dir=tmp_path, database_url=urls[DatabaseRole.APP], database_owner_url=urls[DatabaseRole.OWNER]
    )


@pytest.fixture
async def source(probe, probe_urls, mine: TenantId, theirs: TenantId, tmp_path: Path) -> Settings:
    """A database with 1,000 rows of one tenant, one of another, and a control total."""
    async with connect(probe_urls[DatabaseRole.OWNER]) as owner:
        await owner.execute(SUM)
    for tenant, count in ((mine, 1000), (theirs, 1)):
        async with probe.transaction(tenant) as tx:
            await tx.copy_records(
                "probe.item",
                columns=["tenant_id", "item_id", "note"],
                records=[(tenant, n, "å\t\\N\n") for n in range(count)],
            )
    return at(probe_urls, tmp_path)


@pytest.fixture
async def target_urls(server, worker_id: str) -> dict[DatabaseRole, str]:
    """A freshly migrated database, which counts as empty."""
    name = f"target_{worker_id}"
    await asyncio.to_thread(clone_template, server, name)
    return {role: server.url(role, name) for role in DatabaseRole}


@pytest.fixture
def target(target_urls: dict[DatabaseRole, str], tmp_path: Path) -> Settings:
    return at(target_urls, tmp_path)


async def count_items(urls: dict[DatabaseRole, str]) -> int:
    async with connect(urls[DatabaseRole.OWNER]) as owner:
        return await owner.fetchval("SELECT count(*) FROM probe.item")


async def test_what_comes_back_is_what_went_in_and_every_figure_says_so(
    source: Settings, target: Settings, target_urls, mine: TenantId, tmp_path: Path, clock: MovableClock
) -> None:
    done = await backups.back_up(source, tmp_path / "b.dump", at=clock.now())
    assert done.manifest.made_at == clock.now()
    assert done.manifest.tables["probe.item"].rows == 1001
    checks = await backups.restore(target, done.dump)
    assert all(check.ok for check in checks), [check for check in checks if not check.ok]
    names = {check.name for check in checks}
    assert {"migrations", "rows of probe.item", f"probe.items {mine}"} <= names
    assert await count_items(target_urls) == 1001


async def test_after_a_restore_tenants_are_as_separate_as_before(
    source: Settings,
    target: Settings,
    target_urls,
    mine: TenantId,
    theirs: TenantId,
    tmp_path: Path,
    clock: MovableClock,
) -> None:
    await backups.back_up(source, tmp_path / "b.dump", at=clock.now())
    await backups.restore(target, tmp_path / "b.dump")
    db = await open_pool(target_urls[DatabaseRole.APP])
    async with db.transaction(theirs) as tx:
        assert await tx.fetchval("SELECT count(*) FROM probe.item") == 1
        await tx.execute("INSERT INTO probe.journal VALUES ($1, 0)", theirs)
    for statement in (
        f"INSERT INTO probe.item VALUES ('{mine}', -1, 'x')",
        "TRUNCATE probe.item",
        "DELETE FROM probe.journal",
    ):
        with pytest.raises(TenantCrossed):
            async with db.transaction(theirs) as tx:
                await tx.execute(statement)
    await db.close()


async def test_work_goes_on_during_a_backup_and_is_not_in_it(
    source: Settings, probe, target: Settings, mine: TenantId, tmp_path: Path, clock: MovableClock
) -> None:
    stop = asyncio.Event()

    async def work() -> int:
        number = 10_000
        while not stop.is_set():
            async with probe.transaction(mine) as tx:
                await tx.execute("INSERT INTO probe.item VALUES ($1, $2, 'later')", mine, number)
            number += 1
        return number - 10_000

    working = asyncio.create_task(work())
    await backups.back_up(source, tmp_path / "b.dump", at=clock.now())
    stop.set()
    assert await working > 0
    assert all(check.ok for check in await backups.restore(target, tmp_path / "b.dump"))


async def test_a_difference_is_found_and_named(
    source: Settings, target: Settings, tmp_path: Path, clock: MovableClock
) -> None:
    done = await backups.back_up(source, tmp_path / "b.dump", at=clock.now())
    manifest = json.loads(done.manifest_file.read_text())
    manifest["tables"]["probe.item"]["rows"] += 1
    manifest["totals"]["probe.items"]["someone"] = "7"
    done.manifest_file.write_text(json.dumps(manifest))
    wrong = {check.name: check for check in await backups.restore(target, done.dump) if not check.ok}
    assert set(wrong) == {"rows of probe.item", "probe.items someone"}
    assert wrong["probe.items someone"].found == "absent"


async def test_a_changed_value_with_the_same_count_is_found(
    source: Settings, probe_urls, tmp_path: Path
) -> None:
    async with connect(probe_urls[DatabaseRole.OWNER]) as owner, owner.transaction():
        before = await contents(owner)
        await owner.execute("UPDATE probe.item SET note = note || 'x' WHERE item_id = 500")
        after = await contents(owner)
    assert before.tables["probe.item"].rows == after.tables["probe.item"].rows
    assert before.tables["probe.item"].digest != after.tables["probe.item"].digest


async def test_a_database_with_rows_is_refused_and_untouched(
    source: Settings, probe_urls, tmp_path: Path, clock: MovableClock
) -> None:
    await backups.back_up(source, tmp_path / "b.dump", at=clock.now())
    with pytest.raises(Conflict) as caught:
        await backups.restore(source, tmp_path / "b.dump")
    assert caught.value.code == "storage.restore_target_not_empty"
    assert "--replace" in str(caught.value.fix)
    assert await count_items(probe_urls) == 1001


async def test_replace_brings_back_the_state_of_the_backup(
    source: Settings, probe, probe_urls, theirs: TenantId, tmp_path: Path, clock: MovableClock
) -> None:
    await backups.back_up(source, tmp_path / "b.dump", at=clock.now())
    async with probe.transaction(theirs) as tx:
        await tx.execute("DELETE FROM probe.item")
    assert await count_items(probe_urls) == 1000
    assert all(check.ok for check in await backups.restore(source, tmp_path / "b.dump", replace=True))
    assert await count_items(probe_urls) == 1001


@pytest.mark.parametrize("damage", ["truncated", "changed", "absent"])
async def test_a_damaged_dump_is_refused_before_anything_is_touched(
    source: Settings, probe_urls, tmp_path: Path, clock: MovableClock, damage: str
) -> None:
    dump = (await backups.back_up(source, tmp_path / "b.dump", at=clock.now())).dump
    data = dump.read_bytes()
    if damage == "absent":
        dump.unlink()
    else:
        dump.write_bytes(data[:-100] if damage == "truncated" else data[:-100] + bytes(100))
    with pytest.raises(Invalid) as caught:
        await backups.restore(source, dump, replace=True)
    assert caught.value.code == "storage.dump_damaged"
    assert await count_items(probe_urls) == 1001


async def test_a_restore_that_fails_half_way_leaves_the_database_as_it_was(
    source: Settings, probe_urls, tmp_path: Path, clock: MovableClock
) -> None:
    done = await backups.back_up(source, tmp_path / "b.dump", at=clock.now())
    # A dump that is cut, with a manifest that believes it: the programs themselves must notice.
    done.dump.write_bytes(done.dump.read_bytes()[:-5000])
    manifest = json.loads(done.manifest_file.read_text())
    size, digest = backups._measure(done.dump)
    done.manifest_file.write_text(json.dumps(manifest | {"dump_bytes": size, "dump_sha256": digest}))
    with pytest.raises(FarwireError) as caught:
        await backups.restore(source, done.dump, replace=True)
    assert caught.value.code == "storage.program_failed"
    assert await count_items(probe_urls) == 1001


async def test_what_a_failing_program_wrote_before_it_failed_is_not_kept(
    probe_urls: dict[DatabaseRole, str],
) -> None:
    url, psql = probe_urls[DatabaseRole.OWNER], find_binaries().program("psql")
    for end, kept in (("exit 1", None), ("exit 0", "probe.half")):
        source = ["/bin/sh", "-c", f"echo 'CREATE TABLE probe.half (id int);'; {end}"]
        with suppress(FarwireError):
            await backups._pour(source, [psql], url, b"", 18)
        async with connect(url) as owner:
            assert await owner.fetchval("SELECT to_regclass('probe.half')::text") == kept


async def test_a_statement_that_fails_is_told_and_ends_the_restore(
    probe_urls: dict[DatabaseRole, str],
) -> None:
    url, psql = probe_urls[DatabaseRole.OWNER], find_binaries().program("psql")
    source = ["/bin/sh", "-c", "echo 'SELECT nonsense;'; yes 'SELECT 1;' | head -n 100000"]
    with pytest.raises(FarwireError, match="nonsense"):
        await backups._pour(source, [psql], url, b"", 18)


@pytest.mark.parametrize("text", ["", "{}", '{"format": 99}', "[]"])
async def test_a_manifest_that_is_not_one_is_refused(target: Settings, tmp_path: Path, text: str) -> None:
    (tmp_path / "b.dump").write_bytes(b"x")
    (tmp_path / "b.dump.manifest.json").write_text(text)
    with pytest.raises(Invalid) as caught:
        await backups.restore(target, tmp_path / "b.dump")
    assert caught.value.code == "storage.manifest_invalid"


async def test_a_backup_without_its_manifest_is_refused(target: Settings, tmp_path: Path) -> None:
    (tmp_path / "b.dump").write_bytes(b"x")
    with pytest.raises(Invalid) as caught:
        await backups.restore(target, tmp_path / "b.dump")
    assert caught.value.code == "storage.manifest_invalid"


async def test_a_backup_overwrites_nothing_and_only_its_owner_can_read_it(
    source: Settings, tmp_path: Path, clock: MovableClock
) -> None:
    done = await backups.back_up(source, tmp_path / "b.dump", at=clock.now())
    assert {file.stat().st_mode & 0o777 for file in (done.dump, done.manifest_file)} == {0o600}
    with pytest.raises(Conflict) as caught:
        await backups.back_up(source, tmp_path / "b.dump", at=clock.now())
    assert caught.value.code == "storage.backup_exists"


async def test_a_folder_that_is_not_there_leaves_nothing_behind(
    source: Settings, tmp_path: Path, clock: MovableClock
) -> None:
    with pytest.raises(Invalid) as caught:
        await backups.back_up(source, tmp_path / "absent" / "b.dump", at=clock.now())
    assert caught.value.code == "storage.backup_unwritable"
    assert os.listdir(tmp_path) == []  # noqa: PTH208 - one look, at the end


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
async def test_a_full_disk_is_said(probe_urls: dict[DatabaseRole, str]) -> None:
    command = [find_binaries().program("pg_dump"), "--format=custom", "--schema=base", "--file=/dev/full"]
    with pytest.raises(DiskFull):
        await backups._run(command, probe_urls[DatabaseRole.ADMIN])


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://farwire_owner:s%40cret@db:5432/farwire?sslmode=require",
        "postgresql://farwire_owner@db:5432/farwire?password=s%40cret&sslmode=require",
    ],
)
async def test_a_password_is_not_in_the_arguments_that_everybody_can_list(url: str) -> None:
    target, env = backups._access(url)
    assert target == "postgresql://farwire_owner@db:5432/farwire?sslmode=require"
    assert env["PGPASSWORD"] == "s@cret"
