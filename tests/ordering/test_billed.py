"""From the order over its work to the bill, every amount worked out here: 9.90 once, 20.00 a month in advance."""

from datetime import timedelta
from decimal import Decimal

import pytest

from farwire.activation.model import FaultKind
from farwire.activation.simulator import plant_fault
from farwire.billing import service as billing
from farwire.billing.model import Bill
from farwire.billing.model.run import Approval
from farwire.catalog import service as catalog
from farwire.catalog.model import read_plan
from farwire.inventory.model import EndReason, SuspensionReason
from farwire.kernel.page import PageRequest
from farwire.kernel.tenancy import SYSTEM
from farwire.kernel.time import instant
from farwire.ordering import service as ordering
from farwire.ordering.model import Action, ItemRequest, OrderState, PriceChange
from farwire.process.order_preview import OrderPreview, preview_order

from .world import PLAN, World, add, operator

JULY, AUGUST, SEPTEMBER = (f"2026-{month}-01T00:30+02:00" for month in ("07", "08", "09"))


@pytest.fixture
async def world(db, clock, tenant_id):
    """The operator at 11 June 14:03 in Berlin; a run issues its bills at once."""
    clock.set(instant("2026-06-11T14:03+02:00"))
    made = await operator(db, clock, tenant_id)
    async with db.transaction(tenant_id) as tx:
        await billing.set_approval(tx, approval=Approval.NONE, actor=SYSTEM, now=clock.now())
    return made


async def run(world: World, at: str) -> Bill | None:
    """Bill at ``at``; return the bill that is new, None where there is none."""
    world.clock.set(instant(at))

    async def numbers() -> set[str]:
        page = await billing.list_bills(db=world.db, tenant_id=world.tenant_id, page=PageRequest())
        return {str(one.id) for one in page.items}

    before = await numbers()
    report = await billing.run_bills(
        db=world.db, tenant_id=world.tenant_id, clock=world.clock, until=instant(at)
    )
    assert report.failed == 0
    new = await numbers() - before
    assert len(new) <= 1
    return await billing.get_bill(db=world.db, tenant_id=world.tenant_id, key=new.pop()) if new else None


def lines(bill: Bill | None) -> list[tuple[str, int]]:
    """Return what each line is for and its net amount in cents."""
    assert bill is not None
    return [(one.item.price_id, one.net_minor) for one in bill.lines]


async def preview(world: World, *items: ItemRequest, at: str | None = None) -> OrderPreview:
    async with world.db.transaction(world.tenant_id) as tx:
        return await preview_order(tx=tx, clock=world.clock, request=world.request(*items, at=at))


async def stuck(world: World, offering: str = "flex-m"):
    """An order whose product is there and whose last step in the network was refused."""
    async with world.db.transaction(world.tenant_id) as tx:
        await plant_fault(tx, adapter="charging", kind=FaultKind.REFUSE, count=1)
    order = await world.place(add(offering))
    await world.work()
    assert await world.state(order) is OrderState.HELD
    return order


def cease(product, **fields: object) -> ItemRequest:
    return ItemRequest(action=Action.CEASE, product_id=product.id, **fields)  # type: ignore[arg-type]


async def test_an_order_that_is_cancelled_midway_is_charged_nothing(world):
    order = await stuck(world)
    world.clock.advance(timedelta(days=2))
    await world.cancel(order)
    await world.work()
    assert await world.state(order) is OrderState.CANCELLED
    assert await run(world, JULY) is None
    assert await run(world, AUGUST) is None


async def test_an_order_that_is_cancelled_after_its_bill_gets_everything_back(world):
    order = await stuck(world, "flex-l")
    first = await run(world, JULY)
    assert lines(first) == [("activation", 990), ("monthly", 1333), ("monthly", 2000)]
    await world.cancel(order)
    await world.work()
    second = await run(world, AUGUST)
    assert second.net_minor == -(990 + 1333 + 2000), "the fee for the early end is not asked either"
    assert (second.tax_minor, second.total_minor) == (-821, -5144)
    assert first.total_minor + second.total_minor == 0
    assert await run(world, SEPTEMBER) is None


async def test_a_withdrawal_pays_the_days_and_nothing_once(world):
    product = await world.mobile("flex-l")
    world.clock.set(instant("2026-06-21T10:00+02:00"))
    await world.done(cease(product))
    bill = await run(world, JULY)
    # 11 to 20 June are ten of thirty days: 20.00 × 10/30 = 6.67; VAT 1.27.
    assert lines(bill) == [("monthly", 667)]
    assert bill.total_minor == 794


async def test_a_withdrawal_after_the_bill_gives_the_activation_and_the_rest_back(world):
    world.clock.set(instant("2026-06-25T10:00+02:00"))
    product = await world.mobile("flex-l")
    first = await run(world, JULY)
    # 25 to 30 June are six of thirty days: 4.00.
    assert lines(first) == [("activation", 990), ("monthly", 400), ("monthly", 2000)]
    world.clock.set(instant("2026-07-05T10:00+02:00"))
    await world.done(cease(product))
    assert (await world.product(product.id)).end_reason is EndReason.WITHDRAWAL
    second = await run(world, AUGUST)
    # 1 to 4 July stay: 20.00 × 4/31 = 2.58; 20.00 − 2.58 = 17.42 come back, and the activation. VAT −5.19.
    assert sorted(lines(second)) == [("activation", -990), ("monthly", -1742)]
    assert second.total_minor == -2732 - 519


async def test_a_withdrawal_counts_when_it_is_declared_however_late_the_work_is_done(world):
    product = await world.mobile("flex-l")
    world.clock.set(instant("2026-06-25T23:59+02:00"))  # the fourteenth day
    order = await world.place(cease(product))
    world.clock.set(instant("2026-06-26T09:00+02:00"))
    await world.work()
    assert await world.state(order) is OrderState.COMPLETED
    assert (await world.product(product.id)).end_reason is EndReason.WITHDRAWAL
    bill = await run(world, JULY)
    assert lines(bill) == [("monthly", 1000)], "11 to 25 June, fifteen of thirty days, and no fee"


async def test_an_early_end_pays_the_fee_with_the_next_bill_and_the_preview_says_so(world):
    product = await world.mobile("flex-l")
    await run(world, JULY)
    world.clock.set(instant("2026-07-10T12:00+02:00"))
    seen = await preview(world, cease(product))
    (term,) = seen.terms
    assert (term.ends_as, term.earliest_cease) == (EndReason.CEASE, instant("2026-08-09T00:00+02:00"))
    assert term.committed_until == instant("2028-06-11T00:00+02:00")
    assert term.fee_minor == 5000
    # On the bill for August: 1 to 8 August, 20.00 × 8/31 = 5.16, and the fee, in place of August and September.
    assert (seen.bill.net_minor, seen.first.net_minor) == (5516, 5516 - 4000)
    order = await world.place(cease(product))
    assert order.starts_at == term.earliest_cease
    august = await run(world, AUGUST)
    assert lines(august) == [("monthly", 2000)], "it still runs"
    world.clock.set(instant("2026-08-09T00:01+02:00"))
    await world.work()
    september = await run(world, SEPTEMBER)
    # 23 of 31 days come back: 14.84; the fee 50.00.
    assert sorted(lines(september)) == [("early_termination", 5000), ("monthly", -1484)]
    assert (september.net_minor, september.total_minor) == (3516, 4184)


async def test_a_preview_of_a_withdrawal_says_that_it_is_one_and_costs_no_fee(world):
    product = await world.mobile("flex-l")
    seen = await preview(world, cease(product))
    (term,) = seen.terms
    assert (term.ends_as, term.fee_minor) == (EndReason.WITHDRAWAL, 0)
    assert term.withdrawal_until == instant("2026-06-26T00:00+02:00")
    assert seen.bill.net_minor == 0


async def test_a_preview_of_a_cease_that_is_too_early_says_when_it_can_be(world):
    product = await world.mobile("flex-l")
    seen = await preview(world, cease(product, withdrawal=False), at="2026-06-20T00:00+02:00")
    assert [one.code for one in seen.refusals] == ["ordering.notice"]
    (term,) = seen.terms
    assert term.earliest_cease == instant("2026-07-11T00:00+02:00")


async def test_a_back_dated_start_is_billed_with_the_next_bill(world):
    await world.mobile()
    assert (await run(world, JULY)).net_minor == 990 + 1333 + 2000
    world.clock.set(instant("2026-07-05T10:00+02:00"))
    await world.mobile(at="2026-06-21T00:00+02:00")
    bill = await run(world, AUGUST)
    # 21 to 30 June: ten of thirty days, 6.67; July whole; August in advance for both.
    assert sorted(lines(bill)) == [
        *(("activation", 990), ("monthly", 667), ("monthly", 2000), ("monthly", 2000), ("monthly", 2000))
    ]


async def test_a_back_dated_cease_gives_back_what_was_billed(world):
    product = await world.mobile()
    await run(world, JULY)
    world.clock.set(instant("2026-07-05T10:00+02:00"))
    order = await world.done(cease(product), at="2026-06-21T00:00+02:00")
    assert (await world.product(product.id)).ended_at == instant("2026-06-21T00:00+02:00")
    assert order.items[0].effective_at == instant("2026-06-21T00:00+02:00")
    bill = await run(world, AUGUST)
    # 21 to 30 June come back, 20.00 × 10/30 = 6.67, and July whole.
    assert bill.net_minor == -667 - 2000
    assert all(amount < 0 for _, amount in lines(bill))


async def test_a_back_dated_price_gives_the_difference_back_and_leaves_the_bill_as_it_was(world):
    product = await world.mobile()
    first = await run(world, JULY)
    world.clock.set(instant("2026-07-05T10:00+02:00"))
    price = PriceChange(price_id="monthly", price=Decimal("15.00"), reason="goodwill")
    item = ItemRequest(action=Action.MODIFY, product_id=product.id, overrides=(price,))
    await world.done(item, at="2026-06-21T00:00+02:00")
    bill = await run(world, AUGUST)
    # Of ten days of June 6.67 go back and 5.00 come, of July 20.00 and 15.00; August costs 15.00.
    assert bill.net_minor == 1500 - 167 - 500
    assert await billing.get_bill(db=world.db, tenant_id=world.tenant_id, key=str(first.id)) == first


async def test_a_back_dated_change_of_plan_asks_the_difference_and_leaves_the_bill_as_it_was(world):
    text = PLAN.format(code="dear", start="2026-05-01T00:00:00+02:00", currency="EUR", price="30.00")
    async with world.db.transaction(world.tenant_id) as tx:
        await catalog.publish_plan(tx=tx, clock=world.clock, plan=read_plan(text))
    product = await world.mobile()
    first = await run(world, JULY)
    world.clock.set(instant("2026-07-05T10:00+02:00"))
    item = ItemRequest(action=Action.CHANGE, product_id=product.id, offering="dear")
    await world.done(item, at="2026-06-21T00:00+02:00")
    bill = await run(world, AUGUST)
    # Its day is of the new plan: of ten days of June 6.67 go back and 10.00 come, of July 20.00 and 30.00.
    assert bill.net_minor == 3000 + 333 + 1000
    assert await billing.get_bill(db=world.db, tenant_id=world.tenant_id, key=str(first.id)) == first


async def test_a_back_dated_suspension_gives_its_part_back(world):
    product = await world.mobile()
    await run(world, JULY)
    world.clock.set(instant("2026-07-16T10:00+02:00"))
    suspended = ItemRequest(action=Action.SUSPEND, product_id=product.id, reason=SuspensionReason.CUSTOMER)
    await world.done(suspended, at="2026-06-21T00:00+02:00")
    await world.done(
        ItemRequest(action=Action.RESUME, product_id=product.id, reason=SuspensionReason.CUSTOMER)
    )
    bill = await run(world, AUGUST)
    # Ten days of June (6.67) and 1 to 15 July (20.00 × 15/31 = 9.68) come back; August is due.
    assert bill.net_minor == 2000 - 667 - 968


async def test_two_reasons_charge_the_least_and_the_line_serves_when_none_is_left(world):
    product = await world.mobile()
    await run(world, JULY)

    async def order(day: int, action: Action, reason: SuspensionReason, percent: int | None = None) -> None:
        world.clock.set(instant(f"2026-07-{day:02}T10:00+02:00"))
        await world.done(
            ItemRequest(action=action, product_id=product.id, reason=reason, recurring_percent=percent)
        )

    await order(6, Action.SUSPEND, SuspensionReason.DUNNING, 50)
    await order(11, Action.SUSPEND, SuspensionReason.FRAUD, 10)
    await order(21, Action.RESUME, SuspensionReason.FRAUD)
    await order(26, Action.RESUME, SuspensionReason.DUNNING)
    bill = await run(world, AUGUST)
    # July by days of 31: 1–5 whole, 6–10 half, 11–20 a tenth, 21–25 half, 26–31 whole:
    # 5 + 2.5 + 1 + 2.5 + 6 = 17 days are paid, 14 come back: 20.00 × 14/31 = 9.03.
    assert bill.net_minor == 2000 - 903
    assert bill.net_minor == sum(one.net_minor for one in bill.lines)


@pytest.mark.parametrize(
    ("day", "start", "monthly"),
    [
        # The days on which the clocks change have 23 and 25 hours, and are one day each.
        ("2027-03-28", "2027-03-27T23:00:00Z", Decimal("20.00") * 4 / 31),
        ("2026-10-25", "2026-10-24T22:00:00Z", Decimal("20.00") * 7 / 31),
    ],
)
async def test_a_future_order_starts_at_the_local_midnight_of_its_account(
    db, clock, tenant_id, day, start, monthly
):
    clock.set(instant(f"{day[:8]}02T10:00Z"))
    world = await operator(db, clock, tenant_id, since="2026-01-01T00:00:00+01:00")
    async with db.transaction(tenant_id) as tx:
        await billing.set_approval(tx, approval=Approval.NONE, actor=SYSTEM, now=clock.now())
    order = await world.place(add(), at=start)
    assert order.state is OrderState.PENDING
    clock.set(instant(start) - timedelta(seconds=1))
    assert (await world.work()).attempts == 0
    clock.set(instant(start) + timedelta(hours=5))
    await world.work()
    product = await world.product(order.items[0].product_id)
    assert product.started_at == instant(start)
    year, month = int(day[:4]), int(day[5:7])
    bill = await run(world, f"{year}-{month + 1:02}-01T12:00Z")
    due = int((monthly * 100).quantize(Decimal(1)))
    assert lines(bill) == [("activation", 990), ("monthly", due), ("monthly", 2000)]


async def test_an_amendment_is_an_event(world):
    order = await world.place(add(), at="2026-06-20T00:00+02:00")
    async with world.db.transaction(world.tenant_id) as tx:
        await ordering.amend_order(
            tx=tx, clock=world.clock, order_id=order.id, request=world.request(add("flex-l"))
        )
    assert await world.events(order) == ["order_placed", "order_amended"]
