"""Orders over the night of 25 October 2026, when Berlin's day has 25 hours: days are days, whatever the clock does.

20.00 a month in advance, 9.90 once; October and December have 31 days, November 30.
"""

import pytest

from farwire.billing import service as billing
from farwire.billing.model.run import Approval
from farwire.inventory.model import EndReason, SuspensionReason
from farwire.kernel.tenancy import SYSTEM
from farwire.kernel.time import instant
from farwire.ordering.model import Action, ItemRequest, OrderState

from .test_billed import cease, lines, run
from .world import World, add, operator

NOVEMBER, DECEMBER = "2026-11-01T00:30+01:00", "2026-12-01T00:30+01:00"


@pytest.fixture
async def world(db, clock, tenant_id):
    """The operator at the end of September; a run issues its bills at once."""
    clock.set(instant("2026-09-30T12:00+02:00"))
    made = await operator(db, clock, tenant_id, since="2026-01-01T00:00:00+01:00")
    async with db.transaction(tenant_id) as tx:
        await billing.set_approval(tx, approval=Approval.NONE, actor=SYSTEM, now=clock.now())
    return made


async def since_october(world: World, offering: str = "flex-m"):
    """A product since 1 October 00:00; its first bill is that of 1 November."""
    order = await world.place(add(offering), at="2026-10-01T00:00+02:00")
    world.clock.set(instant("2026-10-01T00:01+02:00"))
    await world.work()
    return await world.product(order.items[0].product_id)


@pytest.mark.parametrize(
    ("start", "cents"),
    [
        ("2026-10-20T00:00+02:00", 774),  # 20 to 31 October: 20.00 × 12/31 = 7.74
        ("2026-10-24T23:59+02:00", 516),  # from the 24th: 8/31
        ("2026-10-25T00:00+02:00", 452),  # from the 25th: 7/31
        ("2026-10-25T02:30+02:00", 452),  # the first half past two
        ("2026-10-25T02:30+01:00", 452),  # the second
        ("2026-10-26T00:00+01:00", 387),  # from the 26th: 6/31
    ],
)
async def test_a_back_dated_start_counts_the_days_of_its_account(world, start, cents):
    await since_october(world)
    assert lines(await run(world, NOVEMBER)) == [("activation", 990), ("monthly", 2000), ("monthly", 2000)]
    world.clock.set(instant("2026-11-02T10:00+01:00"))
    product = await world.mobile(at=start)
    assert product.started_at == instant(start)
    bill = await run(world, DECEMBER)
    # December of the first; of the second what was left of October, November and December.
    assert sorted(lines(bill)) == [
        *(("activation", 990), ("monthly", cents), ("monthly", 2000), ("monthly", 2000), ("monthly", 2000))
    ]


@pytest.mark.parametrize(
    ("end", "cents"),
    [
        ("2026-10-25T00:00+02:00", 452),  # 25 to 31 October come back: 7/31
        ("2026-10-26T00:00+01:00", 387),  # 26 to 31 October: 6/31
    ],
)
async def test_a_back_dated_cease_gives_the_days_of_its_account_back(world, end, cents):
    product = await since_october(world)
    await run(world, NOVEMBER)
    world.clock.set(instant("2026-11-05T10:00+01:00"))
    await world.done(cease(product), at=end)
    assert (await world.product(product.id)).ended_at == instant(end)
    bill = await run(world, DECEMBER)
    assert bill.net_minor == -cents - 2000, "and November, which was paid in advance"


async def test_a_suspension_of_the_long_day_is_one_day(world):
    product = await since_october(world)
    await run(world, NOVEMBER)
    for action, at in (
        (Action.SUSPEND, "2026-10-25T00:00+02:00"),
        (Action.RESUME, "2026-10-26T00:00+01:00"),
    ):
        world.clock.set(instant("2026-11-05T10:00+01:00"))
        await world.done(
            ItemRequest(action=action, product_id=product.id, reason=SuspensionReason.CUSTOMER), at=at
        )
    bill = await run(world, DECEMBER)
    assert bill.net_minor == 2000 - 65, "20.00 × 1/31 comes back, December is due"


async def test_a_future_suspension_and_its_end_are_done_at_their_local_midnights(world):
    product = await since_october(world)

    async def order(action: Action, at: str) -> None:
        item = ItemRequest(action=action, product_id=product.id, reason=SuspensionReason.CUSTOMER)
        placed = await world.place(item, at=at)
        assert placed.state is OrderState.PENDING
        world.clock.set(instant(at))
        await world.work()
        assert await world.state(placed) is OrderState.COMPLETED

    await order(Action.SUSPEND, "2026-10-22T00:00+02:00")
    await order(Action.RESUME, "2026-10-29T00:00+01:00")
    bill = await run(world, NOVEMBER)
    # 1 to 21 October: 20.00 × 21/31 = 13.55; 29 to 31 October: 3/31 = 1.94; November is due.
    assert sorted(lines(bill)) == [
        ("activation", 990),
        ("monthly", 0),
        ("monthly", 194),
        ("monthly", 1355),
        ("monthly", 2000),
    ]


@pytest.mark.parametrize(
    ("at", "reason"),
    [
        ("2026-11-03T23:59+01:00", EndReason.WITHDRAWAL),  # the fourteenth day
        ("2026-11-04T00:01+01:00", EndReason.CEASE),
    ],
)
async def test_fourteen_days_to_withdraw_are_fourteen_days(world, at, reason):
    world.clock.set(instant("2026-10-20T14:03+02:00"))
    product = await world.mobile("flex-l")
    world.clock.set(instant(at))
    order = await world.place(cease(product))
    if reason is EndReason.CEASE:
        assert order.starts_at == instant("2026-12-04T00:00+01:00"), "after a notice of 30 days"
        world.clock.set(order.starts_at)
    await world.work()
    assert (await world.product(product.id)).end_reason is reason


async def test_thirty_days_of_notice_end_at_a_local_midnight(world):
    product = await since_october(world, "flex-l")
    world.clock.set(instant("2026-10-20T12:00+02:00"))
    order = await world.place(cease(product))
    assert order.starts_at == instant("2026-11-19T00:00+01:00")
    assert order.starts_at - instant("2026-10-20T00:00+02:00") != instant("2026-11-19T00:00Z") - instant(
        "2026-10-20T00:00Z"
    ), "thirty days and an hour"
    await run(world, NOVEMBER)
    world.clock.set(order.starts_at)
    await world.work()
    bill = await run(world, DECEMBER)
    # 19 to 30 November come back: 20.00 × 12/30 = 8.00; the fee for the early end is 50.00.
    assert sorted(lines(bill)) == [("early_termination", 5000), ("monthly", -800)]
