"""Migrations: their order, their checksums, and what happens when several try at once."""

import asyncio
from pathlib import Path

import pytest

from farwire.base.storage.embedded import DatabaseRole
from farwire.base.storage.endpoints import connect
from farwire.base.storage.errors import RoleRefused
from farwire.base.storage.migrate import (
    CONTEXTS,
    Applied,
    Migration,
    MigrationBlocked,
    MigrationChanged,
    MigrationFailed,
    MigrationGap,
    compare,
    discover,
    migrate,
    migration_state,
)

ITEM = "CREATE TABLE probe2.item (tenant_id uuid, id int, PRIMARY KEY (tenant_id, id));\n"


def package(tmp_path: Path, **files: str) -> Path:
    for name, sql in files.items():
        context, _, file = name.partition("__")
        folder = tmp_path / context / "migrations"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{file}.sql").write_text(sql)
    return tmp_path


@pytest.fixture
async def owner(scratch_database):
    """A connection as farwire_owner to a migrated database of its own."""
    async with connect(scratch_database.url(DatabaseRole.OWNER)) as conn:
        yield conn


def with_own(*own: Migration) -> tuple[Migration, ...]:
    return (*discover(), *own)


def test_contexts_run_in_the_order_of_their_layers_and_files_by_number(tmp_path: Path) -> None:
    root = package(tmp_path, usage__0002_b="", usage__0001_a="", base__0001_x="", tenant__0001_t="")
    assert [item.label for item in discover(root)] == [
        "base/0001_x",
        "tenant/0001_t",
        "usage/0001_a",
        "usage/0002_b",
    ]


def test_the_contexts_in_the_tree_are_all_known_and_without_holes() -> None:
    found = discover()
    assert {item.context for item in found} <= set(CONTEXTS)
    assert found[0].label.startswith("base/0001")


@pytest.mark.parametrize(
    "files",
    [
        {"usage__0001_a": "", "usage__0003_c": ""},
        {"usage__0002_b": ""},
        {"usage__0001_a": "", "usage__0001_b": ""},
        {"usage__1_a": ""},
        {"usage__0001-a": ""},
        {"stranger__0001_a": ""},
    ],
)
def test_a_hole_a_double_a_bad_name_and_an_unknown_context_are_refused(
    tmp_path: Path, files: dict[str, str]
) -> None:
    with pytest.raises(MigrationGap):
        discover(package(tmp_path, **files))


def test_line_ends_do_not_change_a_checksum_and_text_does() -> None:
    one = Migration("usage", 1, "a", "SELECT 1;\nSELECT 2;\n")
    assert one.checksum == Migration("usage", 1, "a", "SELECT 1;\r\nSELECT 2;\r\n").checksum
    assert one.checksum != Migration("usage", 1, "a", "SELECT 1;\n").checksum


async def test_migrating_twice_runs_nothing_the_second_time(owner) -> None:
    own = Migration("probe2", 1, "item", ITEM + "SELECT base.tenant_table('probe2', 'item');")
    assert await migrate(owner, with_own(own)) == (own,)
    assert await migrate(owner, with_own(own)) == ()
    state = await migration_state(owner, with_own(own))
    assert [item.name for item in state.applied if item.context == "probe2"] == ["item"]


async def test_a_changed_migration_is_refused_and_names_its_file(owner) -> None:
    await migrate(owner, with_own(Migration("probe2", 1, "item", ITEM)))
    with pytest.raises(MigrationChanged, match="probe2/0001_item"):
        await migrate(owner, with_own(Migration("probe2", 1, "item", ITEM + "-- better")))


async def test_a_number_below_one_that_has_run_is_refused(owner) -> None:
    second = Migration("probe2", 2, "b", "SELECT 1")
    await owner.execute("CREATE SCHEMA probe2")
    await migrate(owner, with_own(second))
    with pytest.raises(MigrationGap, match="probe2/0001_a"):
        await migrate(owner, with_own(Migration("probe2", 1, "a", ITEM), second))


async def test_a_failing_migration_keeps_those_before_it_and_nothing_of_itself(owner) -> None:
    good = Migration("probe2", 1, "item", ITEM)
    bad = Migration("probe2", 2, "bad", "CREATE TABLE probe2.half (id int);\nSELECT nonsense;")
    with pytest.raises(MigrationFailed, match=r"probe2/0002_bad\.sql line 2.*nonsense"):
        await migrate(owner, with_own(good, bad))
    assert await owner.fetchval("SELECT to_regclass('probe2.item')") is not None
    assert await owner.fetchval("SELECT to_regclass('probe2.half')") is None
    mended = Migration("probe2", 2, "bad", "CREATE TABLE probe2.half (id int);")
    assert await migrate(owner, with_own(good, mended)) == (mended,)


async def test_a_migration_that_ends_its_transaction_is_refused(owner) -> None:
    with pytest.raises(MigrationFailed, match="ends the transaction"):
        await migrate(owner, with_own(Migration("probe2", 1, "item", "SELECT 1; COMMIT; BEGIN;")))


async def test_several_at_once_run_each_migration_once(scratch_database) -> None:
    own = Migration("probe2", 1, "slow", ITEM + "SELECT pg_sleep(0.2)")

    async def one() -> int:
        async with connect(scratch_database.url(DatabaseRole.OWNER)) as conn:
            return len(await migrate(conn, with_own(own)))

    assert sorted(await asyncio.gather(*(one() for _ in range(4)))) == [0, 0, 0, 1]


async def test_traffic_on_a_table_blocks_a_migration_only_for_a_bounded_time(owner, scratch_database) -> None:
    await migrate(owner, with_own(item := Migration("probe2", 1, "item", ITEM)))
    async with connect(scratch_database.url(DatabaseRole.OWNER)) as busy, busy.transaction():
        await busy.execute("LOCK TABLE probe2.item IN ACCESS SHARE MODE")
        blocked = Migration(
            "probe2", 2, "c", "SET LOCAL lock_timeout TO '100ms'; ALTER TABLE probe2.item ADD c int"
        )
        with pytest.raises(MigrationBlocked) as caught:
            await migrate(owner, with_own(item, blocked))
    assert caught.value.retry_after_s > 0


async def test_a_newer_schema_is_no_obstacle_for_the_version_before(owner) -> None:
    await migrate(owner, with_own(Migration("probe2", 1, "item", ITEM)))
    assert await migrate(owner, discover()) == ()
    state = await migration_state(owner, discover())
    assert [item.context for item in state.ahead] == ["probe2"]
    assert state.pending == ()


async def test_the_application_may_not_migrate(scratch_database) -> None:
    async with connect(scratch_database.url(DatabaseRole.APP)) as conn:
        with pytest.raises(RoleRefused) as caught:
            await migrate(conn, discover())
    assert "FARWIRE_DATABASE_OWNER_URL" in str(caught.value.fix)


async def test_tables_belong_to_the_owner_even_when_an_administrator_migrates(scratch_database) -> None:
    async with connect(scratch_database.url(DatabaseRole.ADMIN)) as admin:
        await migrate(admin, with_own(Migration("probe2", 1, "item", ITEM)))
        owned_by = await admin.fetchval(
            "SELECT relowner::regrole::text FROM pg_class WHERE oid = 'probe2.item'::regclass"
        )
    assert owned_by == "farwire_owner"


def test_comparing_an_empty_database_finds_everything_pending() -> None:
    known = (Migration("base", 1, "a", ""), Migration("base", 2, "b", ""))
    state = compare(known, [])
    assert (state.pending, state.applied, state.ahead) == (known, (), ())


def test_comparing_knows_what_a_newer_version_did(clock) -> None:
    known = (Migration("base", 1, "a", ""),)
    applied = [
        Applied("base", 1, "a", known[0].checksum, clock.now()),
        Applied("base", 2, "b", "x", clock.now()),
    ]
    assert compare(known, applied).ahead == (applied[1],)
