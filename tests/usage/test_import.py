"""Importing: every row is counted in exactly one place, now and after any interruption."""

import asyncio
import gzip
import random

import pytest
from usage_cases import CALLS, edited, profile

from farwire.base.storage import Database
from farwire.kernel.errors import Invalid
from farwire.kernel.ids import ImportId, uuid7
from farwire.kernel.page import PageRequest
from farwire.usage import service
from farwire.usage.model import Totals

PAGE = PageRequest()
SESSIONS = (
    CALLS.replace('"at", "seconds"]\n\n[q', '"at", "seconds", "role"]\n\n[q')
    .replace('row_identity = ["id", "from", "to", "at", "seconds"]', 'row_identity = ["id", "at", "role"]')
    .replace('usage_identity = ["id"]\n', "")
    .replace('[quantity]\ncolumns = ["seconds"]\n', "")
    + '[roles]\ncolumn = "role"\nstart = ["b"]\nstop = ["e"]\n[session]\nkey = ["id"]\nmeasure = "span"\n'
)


def call(number, seconds=61, caller="491", called="33140"):
    return f"{number},{caller},{called},2026-06-01T00:00:{number % 60:02d}Z,{seconds}\n"


@pytest.fixture
def file(tmp_path):
    """Write a file of rows and return its path."""

    def write(text, name="calls.csv"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


@pytest.fixture
def load(db, tenant_id, clock):
    """Import a file."""

    async def run(path, its_profile=None, **options):
        return await service.import_usage(
            db=db, tenant_id=tenant_id, clock=clock, path=path, profile=its_profile or profile(), **options
        )

    return run


async def verified(db, tenant_id):
    """Return the tenant's totals after proving them from the rows."""
    found = await service.verify_totals(db=db, tenant_id=tenant_id)
    assert found.kept == found.counted
    assert found.ok
    return found.kept


async def test_each_row_is_counted_once_by_what_became_of_it(db, tenant_id, load, file):
    text = (
        call(1)
        + call(2)
        + call(1)
        + "rubbish\n"
        + call(3, seconds=-4)
        + "1,491,33140,2026-06-01T00:00:01Z,62\n"
    )
    report = await load(file(text))
    assert report.totals == Totals(
        rows_in=6,
        rows_assembled=3,
        rows_duplicate=1,
        rows_suspended=2,
        usages=3,
        usages_received=2,
        usages_duplicate=1,
        row_reasons={"suspended:columns_missing": 1, "suspended:quantity_negative": 1},
    )
    assert await verified(db, tenant_id) == report.totals


async def test_usage_holds_a_pseudonym_and_never_the_callers_number(db, tenant_id, load, file):
    await load(file(call(1, caller="4930555")))
    async with db.transaction(tenant_id) as tx:
        found = (await service.usage_records(tx, page=PAGE)).items[0]
    assert found.quantity == 61
    assert found.destination == "33140"
    assert "4930555" not in str(found)


async def test_the_same_file_again_answers_the_earlier_totals_and_says_so(load, file):
    path = file(call(1) + call(2))
    first = await load(path)
    again = await load(path)
    assert (first.repeated, again.repeated) == (False, True)
    assert (again.import_id, again.totals) == (first.import_id, first.totals)


async def test_a_file_read_anew_is_nothing_but_duplicates(db, tenant_id, load, file):
    path = file(call(1) + call(2) + "rubbish\n")
    await load(path)
    anew = await load(path, again=True)
    assert anew.totals == Totals(rows_in=3, rows_duplicate=3)
    assert (await verified(db, tenant_id)).rows_in == 6


async def test_duplicates_are_found_in_other_files_and_other_batches(load, file):
    await load(file(call(1) + call(2)), batch_rows=1)
    second = await load(file(call(2) + call(3) + call(3), "other.csv"), batch_rows=2)
    assert (second.totals.rows_duplicate, second.totals.usages_received) == (2, 1)


async def test_the_same_call_told_otherwise_in_another_file_is_a_duplicate_usage(db, tenant_id, load, file):
    await load(file(call(1)))
    second = await load(file(call(1, seconds=999) + call(2), "other.csv"))
    assert (second.totals.rows_assembled, second.totals.usages_duplicate) == (2, 1)
    async with db.transaction(tenant_id) as tx:
        found = (await service.usage_records(tx, page=PAGE)).items
    assert [record.quantity for record in found] == [61, 61]
    await verified(db, tenant_id)


async def test_a_filtered_row_is_left_out_under_its_reason(load, file):
    own = edited("[phone]", '[phone]\n[[filter]]\nreason = "free"\ncolumn = "seconds"\nvalues = ["0"]')
    report = await load(file(call(1, seconds=0) + call(2)), own)
    assert report.totals.row_reasons == {"filtered:free": 1}


async def test_halves_of_a_call_meet_across_files_in_either_order(db, tenant_id, load, file):
    own = profile(SESSIONS)
    first = await load(file("x,491,331,2026-06-01T00:00:00Z,,b\ny,491,331,2026-06-01T00:09:00Z,,e\n"), own)
    assert first.totals.row_reasons == {"suspended:awaiting_end": 1, "suspended:awaiting_start": 1}
    second = await load(
        file("x,,,2026-06-01T00:01:30Z,,e\ny,491,331,2026-06-01T00:00:00Z,,b\n", "later.csv"), own
    )
    assert (second.totals.rows_assembled, second.totals.usages_received) == (2, 2)
    total = await verified(db, tenant_id)
    assert (total.rows_in, total.rows_assembled, total.rows_suspended) == (4, 4, 0)
    async with db.transaction(tenant_id) as tx:
        found = (await service.usage_records(tx, page=PAGE)).items
    assert sorted(record.quantity for record in found) == [90, 540]


async def test_rows_after_a_closed_session_confirm_it_or_are_suspended(db, tenant_id, load, file):
    own = profile(SESSIONS)
    await load(file("x,491,331,2026-06-01T00:00:00Z,,b\nx,,,2026-06-01T00:01:30Z,,e\n"), own)
    late = await load(
        file(
            "x,,,2026-06-01T00:01:31Z,,e\nx,,,2026-06-01T00:00:30Z,,e\nx,491,331,2026-06-01T09:00:00Z,,b\n",
            "l.csv",
        ),
        own,
    )
    # One second later confirms the end; an earlier end and a start hours later contradict it.
    assert (late.totals.rows_assembled, late.totals.row_reasons) == (1, {"suspended:session_conflict": 2})
    alone = await load(file("x,,,2026-06-01T00:01:32Z,,e\n", "m.csv"), own)
    assert alone.totals.rows_assembled == 1
    assert (await verified(db, tenant_id)).usages == 1


async def test_the_order_of_rows_files_and_batches_never_changes_the_usage(
    db, tenant_id, other_tenant_id, clock, file
):
    own = profile(SESSIONS)
    lines = [f"s{n},491,331,2026-06-01T00:00:{n:02d}Z,,b\n" for n in range(20)]
    lines += [f"s{n},,,2026-06-01T01:00:{n * 2:02d}Z,,e\n" for n in range(20)]
    shuffled = lines + lines[::3]
    random.Random(4).shuffle(shuffled)
    results = []
    for tenant, text, batch in ((tenant_id, lines, 100), (other_tenant_id, shuffled, 3)):
        halves = ("".join(text[: len(text) // 2]), "".join(text[len(text) // 2 :]))
        for number, half in enumerate(halves):
            path = file(half, f"{batch}-{number}.csv")
            await service.import_usage(
                db=db, tenant_id=tenant, clock=clock, path=path, profile=own, batch_rows=batch
            )
        async with db.transaction(tenant) as tx:
            found = (await service.usage_records(tx, page=PAGE)).items
        results.append([(record.started_at, record.quantity, record.destination) for record in found])
        assert (await verified(db, tenant)).usages_received == 20
    assert results[0] == results[1]


async def test_two_imports_of_one_file_at_once_share_the_work(db, tenant_id, load, file):
    path = file("".join(call(n) for n in range(500)))
    reports = await asyncio.gather(*(load(path, batch_rows=20) for _ in range(3)))
    assert {report.import_id for report in reports} == {reports[0].import_id}
    assert all(report.totals.rows_in == report.totals.usages_received == 500 for report in reports)
    await verified(db, tenant_id)


async def test_an_import_that_fails_in_the_middle_goes_on_where_it_stopped(db, tenant_id, load, file):
    path = file("".join(call(n) for n in range(100)))

    class Broken(Exception):
        pass

    def stop(done):
        if done >= 40:
            raise Broken

    with pytest.raises(Broken):
        await load(path, batch_rows=20, progress=stop)
    middle = await verified(db, tenant_id)
    assert 40 <= middle.rows_in < 100
    steps = []
    report = await load(path, batch_rows=7, progress=steps.append)
    # The batch size is the import's own, whatever the restart says.
    assert steps[0] in (60, 80)
    assert report.totals == Totals(rows_in=100, rows_assembled=100, usages=100, usages_received=100)
    assert await verified(db, tenant_id) == report.totals


async def test_a_cut_gzip_gives_its_rows_and_reports_the_damage(load, file):
    rng = random.Random(1)
    packed = gzip.compress("".join(call(n, seconds=rng.randrange(10**6)) for n in range(20_000)).encode())
    report = await load(file(packed[: len(packed) // 2], "calls.csv.gz"))
    assert report.damage
    assert report.totals.row_reasons == {"suspended:row_truncated": 1}
    assert report.totals.rows_assembled > 5000


async def test_a_file_that_cannot_be_read_leaves_no_trace(db, tenant_id, load, file):
    own = edited('columns = ["id", "from", "to", "at", "seconds"]', "")
    for text in (b"", b"\xff\xfei\x00d\x00", b"id,from\n1,2\n"):
        with pytest.raises(Invalid):
            await load(file(text), own)
    page = await service.imports(db=db, tenant_id=tenant_id, page=PAGE)
    assert page.total == 0


async def test_another_tenant_sees_nothing_and_has_its_own_duplicates(
    db, tenant_id, other_tenant_id, clock, load, file
):
    path = file(call(1) + "rubbish\n")
    mine = await load(path)
    nothing = await service.totals(db=db, tenant_id=other_tenant_id, import_id=mine.import_id)
    assert nothing == Totals()
    rows = await service.suspended_rows(db=db, tenant_id=other_tenant_id, page=PAGE)
    assert rows.total == 0
    theirs = await service.import_usage(
        db=db, tenant_id=other_tenant_id, clock=clock, path=path, profile=profile()
    )
    assert theirs.totals == mine.totals
    assert not theirs.repeated


async def test_the_database_itself_refuses_totals_that_do_not_balance(db: Database, tenant_id, load, file):
    await load(file(call(1)))
    for change in ("rows_in = rows_in + 1", "usages = usages + 1", "rows_filtered = -1, rows_in = 0"):
        with pytest.raises(Exception, match="check"):
            async with db.transaction(tenant_id) as tx:
                await tx.execute(f"UPDATE usage.import SET {change} WHERE tenant_id = $1", tenant_id)


async def test_a_lost_row_is_found_by_verification(db: Database, tenant_id, load, file):
    await load(file(call(1) + call(2)))
    async with db.transaction(tenant_id) as tx:
        await tx.execute("DELETE FROM usage.row WHERE tenant_id = $1 AND row_number = 2", tenant_id)
    found = await service.verify_totals(db=db, tenant_id=tenant_id)
    assert (found.ok, found.kept.rows_in, found.counted.rows_in) == (False, 2, 1)


async def test_a_finished_import_is_a_fact_with_totals_and_without_numbers(db, tenant_id, load, file):
    from farwire.base import eventbus

    report = await load(file(call(1, caller="4930555") + "rubbish\n"))
    async with db.transaction(tenant_id) as tx:
        facts = [event for _, event in await eventbus.list_events(tx=tx, type_prefix="farwire.usage")]
    assert [fact.type for fact in facts] == ["farwire.usage.imported.v1", "farwire.usage.suspended.v1"]
    assert facts[0].subject == str(report.import_id)
    assert facts[0].data["totals"]["rows_in"] == 2
    assert "4930555" not in str(facts)


async def test_an_import_of_nobody_has_no_totals(db, tenant_id):
    found = await service.totals(db=db, tenant_id=tenant_id, import_id=ImportId(uuid7()))
    assert found == Totals()
