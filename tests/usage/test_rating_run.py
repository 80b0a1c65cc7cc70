"""The rate run: every usage is rated once, in the order of time, whoever runs it and how often."""

import asyncio
from datetime import UTC, datetime

import pytest
from usage_cases import profile
from usage_world import PLAN, deck, operator, subscribers

from farwire.base import eventbus
from farwire.inventory.service import products_by_subscriber, subscriber_keys
from farwire.kernel.errors import NotFound
from farwire.kernel.ids import BillId, UsageId, uuid7
from farwire.kernel.page import PageRequest
from farwire.kernel.time import Period
from farwire.rating.service import import_ported_numbers
from farwire.usage import service
from farwire.usage.model import UsageSpan, UsageState

PAGE = PageRequest(limit=1000)
FREE = PLAN + '\n[[allowances]]\nid = "free"\namount = "10 min"\nprices = ["calls"]\n'


def call(number, caller="49151", called="4930", at="2026-05-01T00:00:00Z", seconds=60):
    return f"{number},{caller},{called},{at},{seconds}\n"


@pytest.fixture
async def sold(db, tenant_id, clock, tmp_path):
    """Two subscribers on a plan with 10 minutes free, national calls at 0.60 a minute by the second."""
    await operator(db, tenant_id, clock, FREE)
    await subscribers(db, tenant_id, clock, tmp_path, ["msisdn:49151", "msisdn:49152"])
    await deck(db, tenant_id, clock, tmp_path, "wholesale", "prefix,price,increment\n49,0.60,1\n")
    await deck(db, tenant_id, clock, tmp_path, "internal", "prefix,price,increment\n10,0.01,1\n")


@pytest.fixture
def load(db, tenant_id, clock, tmp_path):
    """Import calls."""

    async def run(text, name="calls.csv"):
        path = tmp_path / name
        path.write_text(text)
        return await service.import_usage(
            db=db, tenant_id=tenant_id, clock=clock, path=path, profile=profile()
        )

    return run


@pytest.fixture
def rate(db, tenant_id, clock):
    """Rate what waits."""

    async def run(**options):
        return await service.rate_usage(db=db, tenant_id=tenant_id, clock=clock, **options)

    return run


@pytest.fixture
def records(db, tenant_id):
    """Return all usages by start."""

    async def run(state=None):
        async with db.transaction(tenant_id) as tx:
            return (await service.usage_records(tx, page=PAGE, state=state)).items

    return run


def until(end: datetime) -> Period:
    return Period(datetime(2026, 1, 1, tzinfo=UTC), end)


async def product_of(tx, identifier):
    key = (await subscriber_keys(tx, [identifier]))[identifier]
    return (await products_by_subscriber(tx, [key]))[key][0].id


async def proven(db, tenant_id):
    found = await service.verify_totals(db=db, tenant_id=tenant_id)
    assert found.ok, found
    return found.kept


@pytest.mark.usefixtures("sold")
async def test_free_minutes_are_used_in_the_order_of_time_whatever_the_batches(load, rate, records):
    late_first = [call(n, at=f"2026-05-{20 - n:02d}T00:00:00Z", seconds=120) for n in range(8)]
    await load("".join(late_first))
    report = await rate(batch=3)
    assert report.rated == 8
    charges = [record.charge_nano for record in await records()]
    assert charges == [0] * 5 + [1_200_000_000] * 3
    assert report.charged_nano == {"EUR": 3_600_000_000}


@pytest.mark.usefixtures("sold")
async def test_a_ported_number_costs_what_its_operator_costs_from_that_day_on(
    db, tenant_id, clock, tmp_path, load, rate, records
):
    path = tmp_path / "ported.csv"
    path.write_text("number,valid_from,operator,rates_as\n4930,2026-05-10T00:00:00Z,other,1099\n")
    assert await import_ported_numbers(db=db, tenant_id=tenant_id, clock=clock, path=path) == 1
    await load(call(1, at="2026-05-09T00:00:00Z", seconds=660) + call(2, at="2026-05-10T00:00:00Z"))
    await rate()
    charged = [(record.price_id, record.charge_nano) for record in await records()]
    assert charged == [("calls", 600_000_000), ("internal", 10_000_000)]


@pytest.mark.usefixtures("sold")
async def test_runs_at_the_same_time_rate_nothing_twice_and_lose_no_counter(
    db, tenant_id, load, rate, records
):
    await load(
        "".join(
            call(n, caller=f"4915{1 + n % 2}", at=f"2026-05-01T00:{n // 60:02d}:{n % 60:02d}Z")
            for n in range(200)
        )
    )
    reports = await asyncio.gather(*(rate(batch=7) for _ in range(4)))
    assert sum(report.rated for report in reports) == 200
    # Each of the two has 10 minutes free and 90 to pay.
    assert sum(record.charge_nano for record in await records()) == 2 * 90 * 600_000_000
    assert (await proven(db, tenant_id)).usages_rated == 200


@pytest.mark.usefixtures("sold")
async def test_what_cannot_be_rated_says_why(db, tenant_id, load, rate, records):
    await load(
        call(1, called="33140")
        + call(2, caller="49159")
        + call(3, at="2014-05-01T00:00:00Z")
        + call(4, seconds=0)
        + call(5)
    )
    report = await rate()
    assert report.suspended == {"destination_unknown": 1, "subscriber_unknown": 1, "product_inactive": 1}
    assert report.unrated == {"zero_quantity": 1}
    assert report.rated == 1
    total = await proven(db, tenant_id)
    assert total.usage_reasons == {
        "suspended:destination_unknown": 1,
        "suspended:product_inactive": 1,
        "suspended:subscriber_unknown": 1,
        "unrated:zero_quantity": 1,
    }
    assert (await rate()).rated == 0


async def test_a_plan_whose_deck_is_missing_suspends_until_it_is_there(
    db, tenant_id, clock, tmp_path, load, rate
):
    await operator(db, tenant_id, clock)
    await subscribers(db, tenant_id, clock, tmp_path, ["msisdn:49151"])
    await load(call(1))
    assert (await rate()).suspended == {"tariff_missing": 1}
    for name in ("wholesale", "internal"):
        await deck(db, tenant_id, clock, tmp_path, name, "prefix,price,increment\n49,0.60,1\n")
    done = await service.recycle(db=db, tenant_id=tenant_id, clock=clock, reason="tariff_missing")
    assert done.usages_requeued == 1
    assert (await rate()).charged_nano == {"EUR": 600_000_000}
    await proven(db, tenant_id)


async def test_a_plan_in_another_currency_than_the_account_is_a_mismatch(
    db, tenant_id, clock, tmp_path, load, rate
):
    await operator(db, tenant_id, clock)
    await subscribers(db, tenant_id, clock, tmp_path, ["msisdn:49151"])
    async with db.transaction(tenant_id) as tx:
        await tx.execute("UPDATE account.account SET currency = 'USD' WHERE tenant_id = $1", tenant_id)
    for name in ("wholesale", "internal"):
        await deck(db, tenant_id, clock, tmp_path, name, "prefix,price,increment\n49,0.60,1\n")
    await load(call(1))
    assert (await rate()).suspended == {"currency_mismatch": 1}


@pytest.mark.usefixtures("sold")
async def test_a_cancelled_run_keeps_what_is_done_and_the_next_one_goes_on(db, tenant_id, load, rate):
    await load("".join(call(n, at=f"2026-05-01T00:00:{n:02d}Z") for n in range(30)))
    steps = []
    part = await rate(batch=10, progress=steps.append, cancelled=lambda: len(steps) >= 5)
    assert (part.cancelled, part.rated) == (True, 20)
    await proven(db, tenant_id)
    rest = await rate(batch=10)
    assert (rest.cancelled, rest.rated) == (False, 10)
    assert part.charged_nano["EUR"] + rest.charged_nano["EUR"] == 20 * 600_000_000


@pytest.mark.usefixtures("sold")
async def test_a_bill_takes_exactly_the_usage_before_its_end_and_late_usage_comes_on_the_next(
    db, tenant_id, clock, load, rate, records
):
    await load(
        call(1, seconds=660) + call(2, at="2026-06-15T00:00:00Z", seconds=700) + call(3, caller="49152")
    )
    await rate()
    first, second = BillId(uuid7()), BillId(uuid7())
    april, may, june = (
        Period(datetime(2026, month, 1, tzinfo=UTC), datetime(2026, month + 1, 1, tzinfo=UTC))
        for month in (4, 5, 6)
    )
    async with db.transaction(tenant_id) as tx:
        product = await product_of(tx, "49151")
        marked = await service.mark_billed(tx, spans=[UsageSpan(product, may, first)], at=clock.now())
    assert [(t.nano, t.quantity, t.count, t.currency, t.price_id) for t in marked] == [
        (600_000_000, 660, 1, "EUR", "calls")
    ]
    await load(call(9, at="2026-05-02T00:00:00Z", seconds=60), "late.csv")
    await rate()
    async with db.transaction(tenant_id) as tx:
        assert not await service.mark_billed(tx, spans=[UsageSpan(product, april, first)], at=clock.now())
        late, total = sorted(
            await service.mark_billed(tx, spans=[UsageSpan(product, june, second)], at=clock.now()),
            key=lambda total: total.first_at,
        )
        page = await service.rated_records(
            tx,
            bill_id=second,
            page=PAGE,
            product_id=product,
            plan_version_id=total.plan_version_id,
            price_id="calls",
            label=total.label,
            first_at=total.first_at,
            last_at=total.last_at,
        )
    assert [(t.late, t.count, t.quantity) for t in (late, total)] == [(True, 1, 60), (False, 1, 700)]
    assert late.nano + total.nano == 600_000_000 + 1_000_000_000
    assert [record.quantity for record in page.items] == [700]
    assert all(record.explanation for record in page.items)
    assert (await proven(db, tenant_id)).usages_rated == 4


@pytest.mark.usefixtures("sold")
async def test_usage_of_a_bill_that_is_given_up_is_free_for_the_next(
    db, tenant_id, clock, load, rate, records
):
    await load(call(1))
    await rate()
    bill = BillId(uuid7())
    async with db.transaction(tenant_id) as tx:
        product = await product_of(tx, "49151")
        await service.mark_billed(tx, spans=[UsageSpan(product, until(clock.now()), bill)], at=clock.now())
        assert await service.unmark_billed(tx, bill_id=bill, at=clock.now()) == 1
    assert [record.state for record in await records()] == [UsageState.RATED]


@pytest.mark.usefixtures("sold")
async def test_another_tenant_neither_sees_nor_bills_nor_rates_the_usage(
    db, tenant_id, other_tenant_id, clock, load, rate, records
):
    await load(call(1))
    assert (await service.rate_usage(db=db, tenant_id=other_tenant_id, clock=clock)).rated == 0
    await rate()
    usage_id = (await records())[0].usage_id
    async with db.transaction(tenant_id) as tx:
        product = await product_of(tx, "49151")
    async with db.transaction(other_tenant_id) as tx:
        with pytest.raises(NotFound):
            await service.usage_record(tx, usage_id=usage_id)
        taken = [UsageSpan(product, until(clock.now()), BillId(uuid7()))]
        assert not await service.mark_billed(tx, spans=taken, at=clock.now())
    async with db.transaction(tenant_id) as tx:
        assert (await service.usage_record(tx, usage_id=usage_id)).state is UsageState.RATED
        with pytest.raises(NotFound, match="no such usage"):
            await service.usage_record(tx, usage_id=UsageId(uuid7()))


@pytest.mark.usefixtures("sold")
async def test_each_batch_that_rates_is_a_fact_with_counts(db, tenant_id, load, rate):
    await load(call(1) + call(2, seconds=0) + call(3, caller="49159"))
    await rate()
    async with db.transaction(tenant_id) as tx:
        facts = [event for _, event in await eventbus.list_events(tx=tx, type_prefix="farwire.usage.rated")]
    counted: dict[str, int] = {}
    for fact in facts:
        for name, count in fact.data["counts"].items():
            counted[name] = counted.get(name, 0) + count
    assert counted == {"rated": 1, "unrated:zero_quantity": 1, "suspended:subscriber_unknown": 1}


@pytest.mark.usefixtures("sold")
async def test_usage_that_arrives_behind_the_place_of_a_run_is_rated_by_the_same_run(
    db, tenant_id, load, rate
):
    """One arrives for each of two subscribers: the run, which goes by subscriber, has passed at least one of them."""
    await load(
        "".join(call(n, caller=f"4915{1 + n % 2}", at=f"2026-05-01T00:00:{n % 60:02d}Z") for n in range(120))
    )
    steps, past_the_first = [], asyncio.Event()

    def tell(done):
        steps.append(done)
        if len(steps) == 90:
            past_the_first.set()

    run = asyncio.create_task(rate(batch=1, progress=tell))
    await past_the_first.wait()
    await load(call(901) + call(902, caller="49152"), "late.csv")
    assert len(steps) < 120, "the import came too late for this test"
    assert (await run).rated == 122
    assert (await proven(db, tenant_id)).usages_rated == 122


@pytest.mark.parametrize("queue", ["waiting", "guided"])
@pytest.mark.usefixtures("sold")
async def test_a_usage_that_falls_out_of_its_queue_breaks_the_proof(db, tenant_id, load, rate, queue):
    await load("".join(call(n) for n in range(20)))
    if queue == "guided":
        steps = []
        await rate(batch=10, progress=steps.append, cancelled=lambda: len(steps) >= 2)
    await proven(db, tenant_id)
    async with db.transaction(tenant_id) as tx:
        lost = await tx.execute(f"DELETE FROM usage.{queue} WHERE tenant_id = $1", tenant_id)
    assert lost == "DELETE 20"
    found = await service.verify_totals(db=db, tenant_id=tenant_id)
    assert not found.ok
    assert (found.kept.usages_received, found.counted.usages_received) == (20, 0)
