"""The third-party samples: exact totals per file, suspense with its reason, mended, rated to the nano."""

from datetime import UTC, datetime

import pytest
from usage_world import deck, operator, subscribers

from farwire.base.clock import MovableClock
from farwire.kernel.page import PageRequest
from farwire.usage import service
from farwire.usage.model import Totals, UsageState

PAGE = PageRequest(limit=1000)
SAMPLES = {
    "voip/freeswitch_mod_json_cdr.json": (
        "freeswitch-json",
        Totals(rows_in=1, rows_assembled=1, usages=1, usages_received=1),
    ),
    "voip/opensips_flatstore_acc_1.log": (
        "opensips-flatstore",
        Totals(rows_in=8, rows_assembled=8, usages=4, usages_received=4),
    ),
    "voip/opensips_flatstore_acc_missed.log": (
        "opensips-flatstore",
        Totals(rows_in=3, rows_filtered=3, row_reasons={"filtered:not_answered": 3}),
    ),
    "voip/opensips_flatstore_acc_partial.log": (
        "opensips-flatstore",
        Totals(rows_in=2, rows_suspended=2, row_reasons={"suspended:awaiting_end": 2}),
    ),
    "voip/kamailio_flatstore_csv.csv": (
        "kamailio-flatstore",
        Totals(
            rows_in=7,
            rows_assembled=4,
            rows_filtered=3,
            usages=2,
            usages_received=2,
            row_reasons={"filtered:ack": 2, "filtered:cancelled": 1},
        ),
    ),
    "voip/partial_cdr.csv": (
        "partial-csv",
        Totals(
            rows_in=2,
            rows_assembled=1,
            rows_suspended=1,
            usages=1,
            usages_received=1,
            row_reasons={"suspended:awaiting_end": 1},
        ),
    ),
    "freeradius_3.2.1_detail.txt": (
        "radius-detail",
        Totals(
            rows_in=9,
            rows_assembled=7,
            rows_filtered=2,
            usages=2,
            usages_received=2,
            row_reasons={"filtered:accounting_on_off": 2},
        ),
    ),
}


@pytest.fixture
def clock():
    """The day after the latest record of the samples."""
    return MovableClock(datetime(2026, 11, 23, 12, tzinfo=UTC))


async def import_all(db, tenant_id, clock, folder):
    found = {}
    for name, (profile, _) in SAMPLES.items():
        report = await service.import_usage(
            db=db, tenant_id=tenant_id, clock=clock, path=folder / name, profile=service.load_profile(profile)
        )
        found[name] = report.totals
    return found


async def proven(db, tenant_id):
    proof = await service.verify_totals(db=db, tenant_id=tenant_id)
    assert proof.ok, proof
    return proof.kept


async def rate(db, tenant_id, clock):
    return await service.rate_usage(db=db, tenant_id=tenant_id, clock=clock, batch=3)


@pytest.mark.shared
async def test_each_sample_file_has_exactly_the_totals_that_a_person_counts(
    db, tenant_id, clock, shared_data
):
    found = await import_all(db, tenant_id, clock, shared_data / "cdr")
    assert found == {name: totals for name, (_, totals) in SAMPLES.items()}
    assert (await proven(db, tenant_id)).rows_in == 32


@pytest.mark.shared
async def test_the_samples_become_these_usages(db, tenant_id, clock, shared_data):
    await import_all(db, tenant_id, clock, shared_data / "cdr")
    async with db.transaction(tenant_id) as tx:
        found = (await service.usage_records(tx, page=PAGE)).items
    assert [(str(u.started_at)[:19], u.kind.value, u.destination, u.quantity) for u in found] == [
        ("2015-07-09 15:06:48", "voice", "1002", 2),
        ("2015-07-09 15:10:47", "voice", "1001", 4),
        ("2015-07-09 15:10:57", "voice", "1002", 4),
        ("2015-07-09 15:11:30", "voice", "1002", 2),
        ("2016-07-04 18:58:55", "voice", "4986517174963", 74),
        ("2018-01-11 10:25:47", "voice", "1002", 68),
        ("2021-06-01 00:00:09", "voice", "1002", 28),
        ("2021-06-01 00:00:10", "voice", "1004", 40),
        ("2026-11-23 03:20:00", "data", "internet", 2 * 2**33 // 2 + 1000 + 2097152),
        ("2026-11-23 03:39:39", "data", "internet", 0),
    ]


@pytest.mark.shared
async def test_what_no_deck_knows_waits_in_suspense_and_rates_to_the_nano_when_it_is_mended(
    db, tenant_id, clock, shared_data, tmp_path
):
    await operator(db, tenant_id, clock)
    callers = ["msisdn:1001", "msisdn:1002", "msisdn:4986517174964", "user:isp-cust-0001@example.net"]
    await subscribers(db, tenant_id, clock, tmp_path, callers)
    await deck(db, tenant_id, clock, tmp_path, "internal", "prefix,price,increment\n20,0.01,1\n")
    # The wholesale deck of the samples: 49, Germany, 0.01010 a minute in steps of 6 s.
    await deck(db, tenant_id, clock, tmp_path, "wholesale", "prefix,price,increment\n49,0.01010,6\n")
    await import_all(db, tenant_id, clock, shared_data / "cdr")

    first = await rate(db, tenant_id, clock)
    assert first.rated == 2
    assert first.unrated == {"zero_quantity": 1}
    assert first.suspended == {"subscriber_unknown": 1, "destination_unknown": 6}
    # 74 s → 78 s of 0.01010 a minute, and 8,592,032,744 octets of 0.05 for 10⁹.
    germany, internet = 13_130_000, 429_601_637
    assert first.charged_nano == {"EUR": germany + internet}
    waiting = await service.suspended_usages(
        db=db, tenant_id=tenant_id, page=PAGE, reason="destination_unknown"
    )
    assert {item.destination for item in waiting.items} == {"1001", "1002"}
    total = await proven(db, tenant_id)
    assert (total.usages, total.usages_rated, total.usages_unrated, total.usages_suspended) == (10, 2, 1, 7)

    # Recycling before anything is mended changes nothing but the attempts.
    await service.recycle(db=db, tenant_id=tenant_id, clock=clock, reason="destination_unknown")
    assert (await rate(db, tenant_id, clock)).suspended == {"destination_unknown": 6}
    assert await proven(db, tenant_id) == total

    # The internal deck learns the extensions, and the caller 1003 becomes a subscriber.
    await deck(
        db,
        tenant_id,
        clock,
        tmp_path,
        "internal",
        "prefix,price,increment\n10,0.01,1\n",
        "2015-02-01T00:00:00Z",
    )
    await subscribers(db, tenant_id, clock, tmp_path, [*callers, "msisdn:1003"])
    report = await service.recycle(db=db, tenant_id=tenant_id, clock=clock)
    # The part of a call that never ended is older than its profile waits, so it closes with what is known.
    assert (report.usages_requeued, report.sessions_closed) == (7, 1)
    last = await rate(db, tenant_id, clock)
    assert (last.rated, last.suspended) == (7, {"subscriber_unknown": 1})
    async with db.transaction(tenant_id) as tx:
        rated = (await service.usage_records(tx, page=PAGE, state=UsageState.RATED)).items
    internal = {u.quantity: u.charge_nano for u in rated if u.destination.startswith("10")}
    # 0.01 a minute by the second: 0.01 × s / 60, half-up at 10⁻⁹.
    assert internal == {2: 333_333, 4: 666_667, 68: 11_333_333, 28: 4_666_667, 40: 6_666_667}
    assert all(u.explanation and u.tariff_version and u.rated_at for u in rated)
    end = await proven(db, tenant_id)
    assert (end.usages, end.usages_rated, end.usages_unrated, end.usages_suspended) == (11, 9, 1, 1)
    assert (end.rows_in, end.rows_suspended) == (32, 2)
