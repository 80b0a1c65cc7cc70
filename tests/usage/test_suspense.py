"""Suspense: nothing is lost, everything can be tried again, and personal data goes when it must."""

from datetime import timedelta

import pytest
from usage_cases import CALLS, edited, profile

from farwire.base import eventbus
from farwire.base.audit.service import latest
from farwire.kernel.page import PageRequest
from farwire.usage import service
from farwire.usage.model import parse_profile

PAGE = PageRequest()
LINES = (
    "1,4930111,33140,2026-05-01T00:00:00Z,60\n"
    "2,4930222,33140,01.05.2026 08:00,60\n"
    "3,4930333,33140,01.05.2026 09:00,60\n"
    "4,4930444,33140,01.05.2026 09:00,sixty\n"
)
MENDED = CALLS.replace(
    "[quantity]", '[time]\nformat = "%d.%m.%Y %H:%M"\nzone = "Europe/Berlin"\n\n[quantity]'
)


@pytest.fixture
def load(db, tenant_id, clock, tmp_path):
    """Import rows by a profile."""

    async def run(text, its_profile=None, name="calls.csv"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return await service.import_usage(
            db=db, tenant_id=tenant_id, clock=clock, path=path, profile=its_profile or profile()
        )

    return run


@pytest.fixture
def recycle(db, tenant_id, clock):
    """Try suspense again."""

    async def run(**options):
        return await service.recycle(db=db, tenant_id=tenant_id, clock=clock, **options)

    return run


async def proven(db, tenant_id, import_id=None):
    found = await service.verify_totals(db=db, tenant_id=tenant_id, import_id=import_id)
    assert found.ok, found
    return found.kept


async def test_suspense_shows_the_row_its_reason_field_and_value(db, tenant_id, load):
    report = await load(LINES)
    page = await service.suspended_rows(db=db, tenant_id=tenant_id, page=PageRequest(1, 1))
    assert (page.total, len(page.items)) == (3, 1)
    found = page.items[0]
    assert (found.import_id, found.row_number, found.reason, found.field) == (
        report.import_id,
        3,
        "time_malformed",
        "at",
    )
    assert (found.value, found.raw, found.attempts) == (
        "01.05.2026 09:00",
        LINES.splitlines()[2].encode(),
        1,
    )
    page = await service.suspended_rows(db=db, tenant_id=tenant_id, page=PAGE, reason="no_such")
    assert page.total == 0


async def test_a_mended_profile_takes_rows_out_of_suspense_and_moves_the_totals_of_their_import(
    db, tenant_id, load, recycle
):
    report = await load(LINES)
    mended = parse_profile(MENDED, origin="mended.toml")
    done = await recycle(profile=mended)
    assert (done.rows_tried, done.rows_assembled, done.rows_suspended) == (3, 2, 1)
    found = await proven(db, tenant_id, report.import_id)
    assert (found.rows_in, found.rows_assembled, found.rows_suspended, found.usages) == (4, 3, 1, 3)
    assert found.row_reasons == {"suspended:quantity_malformed": 1}
    again = await recycle(profile=mended)
    assert (again.rows_tried, again.rows_assembled) == (1, 0)
    left = (await service.suspended_rows(db=db, tenant_id=tenant_id, page=PAGE)).items[0]
    assert (left.attempts, left.reason) == (3, "quantity_malformed")
    assert await proven(db, tenant_id, report.import_id) == found


async def test_recycling_chooses_by_reason_and_by_import(db, tenant_id, load, recycle):
    first = await load(LINES)
    await load("9,4930999,33140,01.05.2026 09:00,60\n", name="other.csv")
    mended = parse_profile(MENDED, origin="mended.toml")
    assert (await recycle(profile=mended, reason="no_such")).rows_tried == 0
    assert (await recycle(profile=mended, import_id=first.import_id)).rows_assembled == 2
    assert (await proven(db, tenant_id)).rows_suspended == 2


async def test_a_recycled_row_that_came_in_mended_meanwhile_is_a_duplicate(db, tenant_id, load, recycle):
    mended = parse_profile(MENDED, origin="mended.toml")
    await load("2,4930222,33140,01.05.2026 08:00,60\n")
    await load(
        "2,4930222,33140,01.05.2026 08:00,60\nx,4930222,33140,01.05.2026 08:00,60\n", mended, "mended.csv"
    )
    # The same bytes are the same row while nobody understands them, and the same call when somebody does.
    done = await recycle(profile=mended)
    assert (done.rows_tried, done.rows_duplicate) == (1, 1)
    assert (await proven(db, tenant_id)).usages == 2


async def test_rows_in_the_wrong_encoding_come_back_with_the_right_one(db, tenant_id, load, recycle):
    await load("1,Jürgen,33140,2026-05-01T00:00:00Z,60\n".encode("latin-1"))
    assert (await proven(db, tenant_id)).row_reasons == {"suspended:encoding_wrong": 1}
    assert (await recycle(profile=profile(encoding="latin-1"))).rows_assembled == 1


async def test_a_row_that_was_too_long_is_never_understood_by_its_beginning(db, tenant_id, load, recycle):
    await load(b"1,a,b,2026-05-01T00:00:00Z,60" + b" " * 70_000 + b"\n")
    assert (await recycle(profile=profile())).rows_tried == 0
    assert (await proven(db, tenant_id)).row_reasons == {"suspended:row_too_long": 1}


async def test_a_start_in_a_file_whose_end_was_bad_meets_it_when_it_is_mended(db, tenant_id, load, recycle):
    text = (
        CALLS.replace('[quantity]\ncolumns = ["seconds"]\n', "")
        .replace(
            'row_identity = ["id", "from", "to", "at", "seconds"]', 'row_identity = ["id", "at", "seconds"]'
        )
        .replace('usage_identity = ["id"]\n', "")
        + '[roles]\ncolumn = "seconds"\nstart = ["b"]\nstop = ["e"]\n[session]\nkey = ["id"]\nmeasure = "span"\n'
    )
    own = parse_profile(text, origin="sessions.toml")
    await load("7,491,331,2026-05-01T00:00:00Z,b\n7,,,2026-05-01T00:01:00Z,E\n", own)
    assert (await proven(db, tenant_id)).row_reasons == {
        "suspended:awaiting_end": 1,
        "suspended:role_unknown": 1,
    }
    mended = parse_profile(text.replace('stop = ["e"]', 'stop = ["e", "E"]'), origin="mended.toml")
    done = await recycle(profile=mended)
    assert (done.rows_tried, done.rows_assembled) == (1, 2)
    assert (await proven(db, tenant_id)).usages_received == 1


async def test_a_session_without_its_end_closes_after_the_time_of_its_profile(
    db, tenant_id, clock, load, recycle
):
    text = (
        CALLS.replace(
            'row_identity = ["id", "from", "to", "at", "seconds"]', 'row_identity = ["id", "at", "seconds"]'
        )
        .replace('usage_identity = ["id"]\n', "")
        .replace('columns = ["id", "from"', 'columns = ["role", "id", "from"')
        + '[roles]\ncolumn = "role"\ninterim = ["i"]\nstop = ["e"]\n'
        '[session]\nkey = ["id"]\nmeasure = "cumulative"\nstarted = "first"\nclose_after_h = 2\n'
    )
    own = parse_profile(text, origin="sessions.toml")
    await load("i,7,491,331,2026-06-01T00:00:00Z,100\ni,7,491,331,2026-06-01T00:30:00Z,250\n", own)
    assert (await recycle()).sessions_closed == 0
    clock.advance(timedelta(hours=2, minutes=31))
    assert (await recycle()).sessions_closed == 1
    total = await proven(db, tenant_id)
    assert (total.rows_assembled, total.rows_suspended, total.usages_received) == (2, 0, 1)
    # An end that says more comes too late: it is seen, and the usage stays.
    late = await load("e,7,491,331,2026-06-01T03:00:00Z,900\n", own, "late.csv")
    assert late.totals.row_reasons == {"suspended:session_conflict": 1}


async def test_erasing_a_subscriber_destroys_the_rows_that_hold_the_number(
    db, tenant_id, clock, load, recycle
):
    await load(LINES)
    async with db.transaction(tenant_id) as tx:
        assert await service.erase_subscriber_rows(tx, clock=clock, identifiers=["4930222", ""]) == 1
    rows = (await service.suspended_rows(db=db, tenant_id=tenant_id, page=PAGE)).items
    assert not any(b"4930222" in row.raw for row in rows)
    total = await proven(db, tenant_id)
    assert total.row_reasons["filtered:erased"] == 1
    assert (await recycle(profile=parse_profile(MENDED, origin="m.toml"))).rows_assembled == 1


@pytest.mark.parametrize(
    "written", ["0151 1234567", "+49 (151) 123-4567", "00491511234567", "0151/1234567 \xff"]
)
async def test_erasing_finds_a_number_however_its_row_writes_it(db, tenant_id, clock, load, written):
    rows = f"1,{written},33140,yesterday,60\n2,+491511234568,33140,yesterday,60\n"
    await load(rows.encode("latin-1"))
    async with db.transaction(tenant_id) as tx:
        assert await service.erase_subscriber_rows(tx, clock=clock, identifiers=["491511234567"]) == 1
    assert (await proven(db, tenant_id)).row_reasons["filtered:erased"] == 1


async def test_what_suspended_rows_held_is_destroyed_after_the_retention_time(db, tenant_id, clock, load):
    await load(LINES)
    assert await service.expire_suspended_rows(db=db, tenant_id=tenant_id, clock=clock) == 0
    clock.advance(timedelta(days=service.RETENTION_DAYS, seconds=1))
    assert await service.expire_suspended_rows(db=db, tenant_id=tenant_id, clock=clock) == 3
    total = await proven(db, tenant_id)
    assert (total.rows_suspended, total.row_reasons) == (0, {"filtered:expired": 3})


async def test_recycling_is_a_fact_and_is_audited(db, tenant_id, load, recycle):
    await load(LINES)
    await recycle(profile=parse_profile(MENDED, origin="m.toml"))
    async with db.transaction(tenant_id) as tx:
        facts = await eventbus.list_events(tx=tx, type_prefix="farwire.usage.recycled")
        entries = await latest(tx=tx, action_prefix="usage.")
    assert facts[0][1].data["counts"]["rows_assembled"] == 2
    assert entries[0].act.action == "usage.recycle"


async def test_another_tenant_cannot_recycle_or_erase(db, tenant_id, other_tenant_id, clock, load):
    await load(LINES)
    done = await service.recycle(
        db=db, tenant_id=other_tenant_id, clock=clock, profile=parse_profile(MENDED, origin="m.toml")
    )
    assert done.rows_tried == 0
    async with db.transaction(other_tenant_id) as tx:
        assert await service.erase_subscriber_rows(tx, clock=clock, identifiers=["4930222"]) == 0
    assert (await proven(db, tenant_id)).rows_suspended == 3


def test_the_mended_profile_is_the_same_source():
    assert parse_profile(MENDED, origin="m.toml").source_name == profile().source_name
    assert edited("version = 1", "version = 2").source_name == profile().source_name
