"""What a product owes besides usage when its life has several plans: pure, from products and plans as values."""

from __future__ import annotations

from uuid import UUID

from farwire.billing.model import Charged, ChargedStretch, ProductCharges, charges_of, usage_item
from farwire.catalog.model import PlanVersion, PricePlan, read_plan
from farwire.inventory.model import PlanChange, Product
from farwire.kernel.ids import AccountId, OfferingId, PlanVersionId, ProductId
from farwire.kernel.time import BillCycle, Period, instant, zone
from farwire.rating.model import UsageKind
from farwire.usage.model import RatedTotal

PLAN = """
offering = "flex-m"
name = "Flex M"
valid_from = 2026-06-01T00:00:00+02:00
currency = "EUR"
zone = "Europe/Berlin"
prices_include_tax = false
recurring = [{ id = "monthly", price = 30, in_advance = true }]
one_off = [{ id = "leaving", price = 5, on = "cease" }]
"""
CYCLE = BillCycle(1, zone("Europe/Berlin"))
JUNE = CYCLE.containing(instant("2026-06-11T00:00:00Z"))
OLD, NEW = PlanVersionId(UUID(int=1)), PlanVersionId(UUID(int=2))
NOTHING: Charged = ()


def product(*changes: tuple[str, PlanVersionId], end: str | None = None) -> Product:
    plans = tuple(PlanChange(instant(at), plan) for at, plan in changes)
    return Product(
        ProductId(UUID(int=9)),
        AccountId(UUID(int=8)),
        OfferingId(UUID(int=7)),
        plans[0].valid_from,
        plans,
        None if end is None else instant(end),
    )


def owed(
    held: Product, old: str, new: str, period: Period, charged: Charged = NOTHING
) -> tuple[dict[str, int], ProductCharges]:
    """What is owed by price, in nano-units, and the charges themselves."""
    plans: dict[PlanVersionId, PricePlan] = {OLD: read_plan(old), NEW: read_plan(new)}
    found = charges_of(held, plans, cycle=CYCLE, bill_period=period, charged=charged)
    sums: dict[str, int] = {}
    for item in found.items:
        sums[item.price_id] = sums.get(item.price_id, 0) + item.exact_nano
    return sums, found


def test_a_product_that_ends_before_its_planned_change_pays_until_its_end_on_the_plan_that_it_had() -> None:
    other = PLAN.replace("price = 30", "price = 60").replace("price = 5", "price = 9")
    changes = (("2026-06-01T00:00:00+02:00", OLD), ("2026-06-20T00:00:00+02:00", NEW))
    found, _ = owed(product(*changes, end="2026-06-11T00:00:00+02:00"), PLAN, other, JUNE)
    assert found == {"monthly": 10 * 10**9, "leaving": 5 * 10**9}


def test_what_was_paid_for_a_planned_change_comes_back_when_the_product_ends_before_it() -> None:
    other = PLAN.replace("price = 30", "price = 60")
    changes = (("2026-06-01T00:00:00+02:00", OLD), ("2026-07-01T00:00:00+02:00", NEW))
    june, charges = owed(product(*changes), PLAN, other, JUNE)
    assert june == {"monthly": 30 * 10**9}
    july, _ = owed(
        product(*changes, end="2026-06-16T00:00:00+02:00"), PLAN, other, CYCLE.next(JUNE), charges.charged
    )
    assert july == {"monthly": -15 * 10**9, "leaving": 5 * 10**9}


def test_a_plan_change_pays_each_day_once_whatever_a_new_customer_pays_for_the_first_days() -> None:
    changes = (("2026-06-01T00:00:00+02:00", OLD), ("2026-06-16T00:00:00+02:00", NEW))
    for rule in ("free", "full"):
        text = PLAN.replace("in_advance = true", f'first_period = "{rule}"')
        found, _ = owed(product(*changes), text, text, JUNE)
        assert found == {"monthly": 30 * 10**9}, rule


def test_the_first_months_of_a_discount_are_those_of_the_product_not_of_its_newest_plan() -> None:
    text = PLAN.replace("in_advance = true", "in_advance = false") + (
        '[[discounts]]\nid = "welcome"\npercent = 50\nprices = ["monthly"]\nmonths = 1\n'
    )
    changes = (("2026-05-01T00:00:00+02:00", OLD), ("2026-06-01T00:00:00+02:00", NEW))
    done = (
        ChargedStretch(instant("2026-05-01T00:00:00+02:00"), "monthly", instant("2026-06-01T00:00:00+02:00")),
    )
    found, _ = owed(product(*changes), text, text, JUNE, done)
    assert found == {"monthly": 30 * 10**9}


def test_an_event_is_billed_in_the_unit_that_its_price_counts() -> None:
    plan = PLAN + '[[usage]]\nid = "vm"\nkind = "event"\nprice = "0.112"\nper = "1 h"\n'
    version = PlanVersion(NEW, OfferingId(UUID(int=7)), 1, "", read_plan(plan), JUNE.start)
    total = RatedTotal(
        ProductId(UUID(int=9)), "vm", "vm", UsageKind.EVENT, "EUR", NEW, 2_576_000_000, 82_800, 82_800, 1,
        JUNE.start, JUNE.start, late=False,
    )  # fmt: skip
    assert usage_item(total, JUNE, {NEW: version}).unit == "second"
