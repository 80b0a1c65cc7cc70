"""No statement crosses tenants, whatever its WHERE says. PostgreSQL is the second lock, tested without the first."""

import asyncpg
import pytest

from farwire.base.storage import Database
from farwire.base.storage.database import open_pool
from farwire.base.storage.embedded import DatabaseRole
from farwire.base.storage.endpoints import connect
from farwire.base.storage.errors import RoleRefused, TenantCrossed
from farwire.kernel.ids import TenantId


async def add(db: Database, tenant: TenantId, number: int = 1, note: str = "a") -> None:
    async with db.transaction(tenant) as tx:
        await tx.execute("INSERT INTO probe.item VALUES ($1, $2, $3)", tenant, number, note)


async def test_a_tenant_sees_none_of_anothers_rows_even_without_a_where(
    probe: Database, mine: TenantId, theirs: TenantId
) -> None:
    await add(probe, theirs)
    await add(probe, mine)
    async with probe.transaction(mine) as tx:
        assert await tx.fetchval("SELECT count(*) FROM probe.item") == 1
        assert await tx.fetchval("SELECT count(*) FROM probe.item WHERE tenant_id = $1", theirs) == 0


async def test_a_tenant_changes_and_deletes_none_of_anothers_rows(
    probe: Database, mine: TenantId, theirs: TenantId
) -> None:
    await add(probe, theirs)
    async with probe.transaction(mine) as tx:
        assert (
            await tx.execute("UPDATE probe.item SET note = 'stolen' WHERE tenant_id = $1", theirs)
            == "UPDATE 0"
        )
        assert await tx.execute("DELETE FROM probe.item") == "DELETE 0"
    async with probe.transaction(theirs) as tx:
        assert await tx.fetchval("SELECT note FROM probe.item") == "a"


@pytest.mark.parametrize("size", [1, 1500])
async def test_rows_with_anothers_id_are_refused_one_by_one_and_in_bulk(
    probe: Database, mine: TenantId, theirs: TenantId, size: int
) -> None:
    rows = [(mine, number, "x") for number in range(size - 1)] + [(theirs, size, "x")]
    with pytest.raises(TenantCrossed):
        async with probe.transaction(mine) as tx:
            await tx.copy_records("probe.item", columns=["tenant_id", "item_id", "note"], records=rows)
    for tenant in (mine, theirs):
        async with probe.transaction(tenant) as tx:
            assert await tx.fetchval("SELECT count(*) FROM probe.item") == 0


async def test_a_row_cannot_be_handed_to_another_tenant(
    probe: Database, mine: TenantId, theirs: TenantId
) -> None:
    await add(probe, mine)
    with pytest.raises(TenantCrossed):
        async with probe.transaction(mine) as tx:
            await tx.execute("UPDATE probe.item SET tenant_id = $1", theirs)


async def test_a_key_of_another_tenant_can_be_taken_and_is_not_revealed(
    probe: Database, mine: TenantId, theirs: TenantId
) -> None:
    await add(probe, theirs, 7)
    await add(probe, mine, 7)


async def test_without_a_tenant_tenanted_tables_look_empty_and_refuse_rows(
    probe: Database, mine: TenantId
) -> None:
    await add(probe, mine)
    async with probe.untenanted() as tx:
        assert await tx.fetchval("SELECT count(*) FROM probe.item") == 0
    with pytest.raises(TenantCrossed):
        async with probe.untenanted() as tx:
            await tx.execute("INSERT INTO probe.item VALUES ($1, 1, 'x')", mine)


async def test_the_tenant_ends_with_its_transaction(probe: Database, mine: TenantId) -> None:
    await add(probe, mine)
    async with probe._pool.acquire() as bare:
        assert not await bare.fetchval("SELECT current_setting('farwire.tenant_id', true)")
        assert await bare.fetchval("SELECT count(*) FROM probe.item") == 0


async def test_a_tenant_set_for_the_session_does_not_reach_the_next_transaction(
    probe: Database, mine: TenantId, theirs: TenantId
) -> None:
    await add(probe, theirs)
    async with probe.transaction(mine) as tx:
        await tx.execute(f"SET farwire.tenant_id TO '{theirs}'")
    async with probe.untenanted() as tx:
        assert await tx.fetchval("SELECT count(*) FROM probe.item") == 0
    async with probe.transaction(mine) as tx:
        assert await tx.fetchval("SELECT count(*) FROM probe.item") == 0


async def test_an_append_only_table_takes_rows_and_changes_none(probe: Database, mine: TenantId) -> None:
    await add(probe, mine)
    async with probe.transaction(mine) as tx:
        await tx.execute("INSERT INTO probe.journal VALUES ($1, 1)", mine)
    for statement in ("UPDATE probe.journal SET item_id = 2", "DELETE FROM probe.journal"):
        with pytest.raises(TenantCrossed):
            async with probe.transaction(mine) as tx:
                await tx.execute(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "TRUNCATE probe.item",
        "ALTER TABLE probe.item DISABLE ROW LEVEL SECURITY",
        "DROP POLICY tenant_scope ON probe.item",
        "SET ROLE farwire_owner",
        "CREATE TABLE probe.mine (id int)",
        "SELECT base.untenanted_table('probe', 'item', 'because I want to see it all')",
        "UPDATE base.migration SET checksum = ''",
    ],
)
async def test_the_application_cannot_open_the_lock(probe: Database, mine: TenantId, statement: str) -> None:
    with pytest.raises(TenantCrossed):
        async with probe.transaction(mine) as tx:
            await tx.execute(statement)


async def test_row_security_cannot_be_switched_off_to_see_more(
    probe: Database, mine: TenantId, theirs: TenantId
) -> None:
    await add(probe, theirs)
    with pytest.raises(TenantCrossed):
        async with probe.transaction(mine) as tx:
            await tx.execute("SET LOCAL row_security TO off")
            await tx.fetch("SELECT * FROM probe.item")


async def test_a_foreign_key_does_not_reach_into_another_tenant(
    probe: Database, mine: TenantId, theirs: TenantId
) -> None:
    await add(probe, theirs, 5)
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        async with probe.transaction(mine) as tx:
            await tx.execute("INSERT INTO probe.journal VALUES ($1, 5)", mine)


@pytest.mark.parametrize("role", [DatabaseRole.ADMIN, DatabaseRole.OWNER])
async def test_work_as_superuser_or_owner_is_refused(
    probe_urls: dict[DatabaseRole, str], role: DatabaseRole
) -> None:
    with pytest.raises(RoleRefused) as caught:
        await open_pool(probe_urls[role])
    assert caught.value.code == "storage.role_refused"


async def test_a_role_that_is_only_a_member_of_the_application_role_works_and_is_scoped(
    probe: Database, probe_urls: dict[DatabaseRole, str], mine: TenantId, theirs: TenantId
) -> None:
    await add(probe, theirs)
    async with connect(probe_urls[DatabaseRole.ADMIN]) as admin:
        await admin.execute("DROP ROLE IF EXISTS acme; CREATE ROLE acme LOGIN IN ROLE farwire_app")
        try:
            db = await open_pool(probe_urls[DatabaseRole.APP].replace("farwire_app", "acme"))
            async with db.transaction(mine) as tx:
                assert await tx.fetchval("SELECT count(*) FROM probe.item") == 0
            async with db.transaction(theirs) as tx:
                assert await tx.fetchval("SELECT count(*) FROM probe.item") == 1
            await db.close()
        finally:
            await admin.execute("DROP ROLE acme")


async def test_the_relay_sees_no_table_that_was_not_given_to_it(
    probe: Database, probe_urls: dict[DatabaseRole, str], mine: TenantId
) -> None:
    await add(probe, mine)
    relay = await open_pool(probe_urls[DatabaseRole.RELAY])
    with pytest.raises(TenantCrossed):
        async with relay.untenanted() as tx:
            await tx.fetch("SELECT * FROM probe.item")
    await relay.close()


async def test_the_relay_sees_across_tenants_what_was_given_to_it(
    probe: Database, probe_urls: dict[DatabaseRole, str], mine: TenantId, theirs: TenantId
) -> None:
    async with connect(probe_urls[DatabaseRole.OWNER]) as owner:
        await owner.execute("SELECT base.relay_table('probe', 'item', 'SELECT')")
    await add(probe, mine)
    await add(probe, theirs)
    relay = await open_pool(probe_urls[DatabaseRole.RELAY])
    async with relay.untenanted() as tx:
        assert await tx.fetchval("SELECT count(*) FROM probe.item") == 2
    with pytest.raises(TenantCrossed):
        async with relay.untenanted() as tx:
            await tx.execute("DELETE FROM probe.item")
    await relay.close()


async def test_a_table_without_the_tenant_first_in_its_key_is_refused_by_the_migration(
    probe_urls: dict[DatabaseRole, str],
) -> None:
    async with connect(probe_urls[DatabaseRole.OWNER]) as owner:
        await owner.execute("CREATE TABLE probe.loose (id bigint PRIMARY KEY, tenant_id uuid NOT NULL)")
        with pytest.raises(asyncpg.RaiseError, match="tenant_id is not first"):
            await owner.execute("SELECT base.tenant_table('probe', 'loose')")


async def test_an_untenanted_table_needs_a_reason(probe_urls: dict[DatabaseRole, str]) -> None:
    async with connect(probe_urls[DatabaseRole.OWNER]) as owner:
        await owner.execute("CREATE TABLE probe.registry (id bigint PRIMARY KEY)")
        with pytest.raises(asyncpg.CheckViolationError):
            await owner.execute("SELECT base.untenanted_table('probe', 'registry', 'because')")
