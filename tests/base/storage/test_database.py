"""Transactions, bounds and the meaning of what goes wrong in them. A real PostgreSQL says it."""

import asyncio
import re
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote

import asyncpg
import pytest

from farwire.base.storage import Database, Isolation, on_violation
from farwire.base.storage import errors as storage_errors
from farwire.base.storage.database import open_pool
from farwire.base.storage.embedded import DatabaseRole
from farwire.base.storage.endpoints import connect
from farwire.kernel.errors import Conflict, Defect, FarwireError, Unavailable
from farwire.kernel.ids import TenantId

COLUMNS = ["tenant_id", "item_id", "note"]
COUNT = "SELECT count(*) FROM probe.item WHERE tenant_id = $1"


async def test_a_transaction_knows_its_tenant(
    db: Database, tenant_id: TenantId, other_tenant_id: TenantId
) -> None:
    for tenant in (tenant_id, other_tenant_id):
        async with db.transaction(tenant) as tx:
            assert tx.tenant_id == tenant
            assert await tx.fetchval("SELECT base.current_tenant()") == tenant


async def test_a_block_that_raises_keeps_nothing(probe: Database, mine: TenantId) -> None:
    with pytest.raises(ZeroDivisionError):
        async with probe.transaction(mine) as tx:
            await tx.execute("INSERT INTO probe.item VALUES ($1, 1, 'x')", mine)
            raise ZeroDivisionError
    async with probe.transaction(mine) as tx:
        assert await tx.fetchval(COUNT, mine) == 0


async def test_swallowing_a_failed_statement_is_a_defect_and_not_a_silent_rollback(
    probe: Database, mine: TenantId
) -> None:
    with pytest.raises(Defect) as caught:
        async with probe.transaction(mine) as tx:
            with pytest.raises(asyncpg.DivisionByZeroError):
                await tx.fetchval("SELECT 1 / 0")
    assert caught.value.code == "storage.commit_lost"


async def test_a_violation_gets_the_meaning_that_its_store_gives_it(probe: Database, mine: TenantId) -> None:
    taken = Conflict("the item exists", code="probe.item_exists")
    with pytest.raises(Conflict) as caught:
        async with probe.transaction(mine) as tx:
            for _ in range(2):
                with on_violation({"item_pkey": taken}):
                    await tx.execute("INSERT INTO probe.item VALUES ($1, 1, 'x')", mine)
    assert caught.value is taken


async def test_a_violation_that_no_store_named_passes_unchanged(probe: Database, mine: TenantId) -> None:
    with pytest.raises(asyncpg.CheckViolationError):
        async with probe.transaction(mine) as tx:
            with on_violation({"item_pkey": Conflict("the item exists")}):
                await tx.execute("INSERT INTO probe.item VALUES ($1, 1, '')", mine)


@pytest.mark.parametrize("size", [0, 1, 999, 1000, 2500])
async def test_bulk_insert_keeps_every_row_whatever_their_number(
    probe: Database, mine: TenantId, size: int
) -> None:
    rows = ((mine, number, f"n{number}") for number in range(size))
    async with probe.transaction(mine) as tx:
        assert await tx.copy_records("probe.item", columns=COLUMNS, records=rows) == size
        more = [(mine, size + number, "more") for number in range(1200)]
        assert await tx.copy_records("probe.item", columns=COLUMNS, records=more) == 1200
    async with probe.transaction(mine) as tx:
        assert await tx.fetchval(COUNT, mine) == size + 1200


@pytest.mark.parametrize("size", [3, 1200])
async def test_bulk_insert_can_leave_out_rows_that_are_there_and_says_how_many_went_in(
    probe: Database, mine: TenantId, size: int
) -> None:
    rows = [(mine, number, "x") for number in range(size)]
    async with probe.transaction(mine) as tx:
        assert await tx.copy_records("probe.item", columns=COLUMNS, records=rows[:2]) == 2
        added = await tx.copy_records("probe.item", columns=COLUMNS, records=rows, skip_duplicates=True)
        assert added == size - 2


async def test_bulk_insert_refuses_names_that_are_not_plain(probe: Database, mine: TenantId) -> None:
    with pytest.raises(Defect):
        async with probe.transaction(mine) as tx:
            await tx.copy_records("probe.item; DROP TABLE x", columns=COLUMNS, records=[(mine, 1, "x")])


async def test_two_serializable_transactions_that_meet_are_a_conflict_to_repeat(
    probe: Database, mine: TenantId
) -> None:
    async def read_then_write(number: int, met: asyncio.Barrier) -> None:
        async with probe.transaction(mine, isolation=Isolation.SERIALIZABLE) as tx:
            await tx.fetchval("SELECT count(*) FROM probe.item")
            await met.wait()
            await tx.execute("INSERT INTO probe.item VALUES ($1, $2, 'x')", mine, number)

    met = asyncio.Barrier(2)
    results = await asyncio.gather(*(read_then_write(n, met) for n in (1, 2)), return_exceptions=True)
    lost = [result for result in results if result is not None]
    assert [type(error) for error in lost] == [storage_errors.SerializationFailure]


async def test_a_read_only_transaction_writes_nothing(probe: Database, mine: TenantId) -> None:
    with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
        async with probe.transaction(mine, read_only=True) as tx:
            await tx.execute("INSERT INTO probe.item VALUES ($1, 1, 'x')", mine)


async def test_a_statement_that_runs_too_long_is_stopped_by_the_server(
    probe: Database, mine: TenantId
) -> None:
    with pytest.raises(Unavailable) as caught:
        async with probe.transaction(mine, statement_timeout_s=0.1) as tx:
            await tx.execute("SELECT pg_sleep(5)")
    assert caught.value.code == "storage.statement_timeout"
    async with probe.transaction(mine) as tx:
        assert await tx.fetchval("SHOW statement_timeout") == "10s"


async def test_a_full_pool_says_busy_and_when_to_come_back(probe: Database, mine: TenantId) -> None:
    async with probe.transaction(mine), probe.transaction(mine):
        with pytest.raises(Unavailable) as caught:
            async with probe.transaction(mine):
                pass
    assert caught.value.code == "storage.busy"
    assert caught.value.retry_after_s > 0


async def test_a_cancelled_task_gives_its_connection_back_without_its_transaction(
    probe: Database, mine: TenantId
) -> None:
    async def work() -> None:
        async with probe.transaction(mine) as tx:
            await tx.execute("INSERT INTO probe.item VALUES ($1, 1, 'x')", mine)
            await tx.execute("SELECT pg_sleep(60)")

    for _ in range(3):  # more than the pool has connections
        task = asyncio.create_task(work())
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    async with probe.transaction(mine) as tx:
        assert await tx.fetchval(COUNT, mine) == 0


async def test_a_connection_that_the_server_cut_is_unavailable_and_the_next_one_works(
    probe: Database, probe_urls: dict[DatabaseRole, str], mine: TenantId
) -> None:
    with pytest.raises(Unavailable) as caught:
        async with probe.transaction(mine) as tx:
            async with connect(probe_urls[DatabaseRole.ADMIN]) as admin:
                await admin.execute(
                    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND usename = 'farwire_app'"
                )
            await tx.fetchval("SELECT 1")
    assert caught.value.code == "storage.unavailable"
    assert caught.value.retry_after_s > 0
    async with probe.transaction(mine) as tx:
        assert await tx.fetchval("SELECT 1") == 1


class Relay:
    """Stands between the driver and the server, and does not pass on that the server has hung up."""

    def __init__(self, url: str, folder: Path) -> None:
        self.there = Path(unquote(re.sub("^.*host=([^&]*).*$", r"\1", url))) / ".s.PGSQL.5432"
        self.here = folder / ".s.PGSQL.5432"
        self.url = re.sub("host=[^&]*", f"host={folder}", url)
        self.hung_up = asyncio.Event()
        self.silent = True

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        theirs, ours = await asyncio.open_unix_connection(str(self.there))

        async def pass_on(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            with suppress(OSError):
                while piece := await source.read(1 << 16):
                    sink.write(piece)

        async def answer() -> None:
            await pass_on(theirs, writer)
            self.hung_up.set()
            if not self.silent:
                writer.close()

        await asyncio.gather(answer(), pass_on(reader, ours))
        writer.close()
        ours.close()


@pytest.mark.parametrize("when", ["before", "statement", "commit"])
async def test_a_server_whose_last_word_has_come_but_not_its_end_is_unavailable_and_the_next_one_works(
    probe_urls: dict[DatabaseRole, str], mine: TenantId, tmp_path: Path, when: str
) -> None:
    relay = Relay(probe_urls[DatabaseRole.APP], tmp_path)

    async def terminate() -> None:
        async with connect(probe_urls[DatabaseRole.ADMIN]) as admin:
            await admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND usename = 'farwire_app'"
            )
        await relay.hung_up.wait()
        await asyncio.sleep(0.05)  # the driver reads what was passed on

    async with await asyncio.start_unix_server(relay.serve, relay.here):
        database = await open_pool(relay.url, size=2)
        if when == "before":
            await terminate()
        else:
            with pytest.raises(Unavailable):
                async with database.transaction(mine) as tx:
                    await terminate()
                    if when == "statement":
                        await tx.fetchval("SELECT 1")
        async with database.transaction(mine) as tx:
            assert await tx.fetchval("SELECT 1") == 1
        relay.silent = False
        await database.close()


async def test_an_error_of_a_file_inside_a_transaction_is_not_blamed_on_the_database(
    probe: Database, mine: TenantId
) -> None:
    with pytest.raises(FileNotFoundError):
        async with probe.transaction(mine):
            raise FileNotFoundError("records.csv")


@pytest.mark.parametrize(
    ("state", "code"),
    [
        ("53100", "storage.disk_full"),
        ("53200", "storage.busy"),
        ("40001", "storage.serialization_failure"),
        ("40P01", "storage.serialization_failure"),
        ("55P03", "storage.busy"),
        ("57014", "storage.statement_timeout"),
        ("57P01", "storage.unavailable"),
        ("42501", "storage.tenant_crossed"),
    ],
)
async def test_the_state_that_the_server_reports_gets_its_kind(
    probe: Database, mine: TenantId, state: str, code: str
) -> None:
    with pytest.raises(FarwireError) as caught:
        async with probe.transaction(mine) as tx:
            await tx.execute(f"DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '{state}'; END $$")
    assert caught.value.code == code


async def test_an_error_at_commit_gets_its_kind_too(
    probe: Database, probe_urls: dict[DatabaseRole, str], mine: TenantId
) -> None:
    async with connect(probe_urls[DatabaseRole.OWNER]) as owner:
        await owner.execute(
            "ALTER TABLE probe.journal DROP CONSTRAINT journal_tenant_id_item_id_fkey, ADD CONSTRAINT late "
            "FOREIGN KEY (tenant_id, item_id) REFERENCES probe.item DEFERRABLE INITIALLY DEFERRED"
        )
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        async with probe.transaction(mine) as tx:
            await tx.execute("INSERT INTO probe.journal VALUES ($1, 9)", mine)


async def test_the_schema_may_change_under_an_open_pool(
    probe: Database, probe_urls: dict[DatabaseRole, str], mine: TenantId
) -> None:
    async def read() -> None:
        async with probe.transaction(mine) as tx:
            await tx.fetch("SELECT * FROM probe.item WHERE tenant_id = $1", mine)

    await read()
    async with connect(probe_urls[DatabaseRole.OWNER]) as owner:
        await owner.execute("ALTER TABLE probe.item ADD COLUMN colour text")
    with pytest.raises(Unavailable) as caught:
        await read()
    assert caught.value.code == "storage.busy"
    await read()


async def test_a_server_that_is_not_there_is_unavailable() -> None:
    with pytest.raises(Unavailable) as caught:
        await open_pool("postgresql://farwire_app@/farwire?host=/nonexistent")
    assert caught.value.code == "storage.unavailable"
    assert "farwire db start" in str(caught.value)


async def test_a_database_that_does_not_exist_says_so(probe_urls: dict[DatabaseRole, str]) -> None:
    with pytest.raises(FarwireError) as caught:
        await open_pool(probe_urls[DatabaseRole.APP].replace("/scratch_", "/absent_"))
    assert caught.value.code == "storage.database_missing"
