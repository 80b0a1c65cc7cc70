"""Who would pay more and who less: each amount is worked out by hand."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

import pytest

from farwire.account import service as accounts
from farwire.base.clock import MovableClock
from farwire.base.storage import Database
from farwire.billing import service as billing
from farwire.catalog import service as catalog
from farwire.catalog.model import PricePlan, read_plan
from farwire.inventory import service as inventory
from farwire.inventory.model import PriceOverride
from farwire.inventory.service.subscriber_import import import_subscribers
from farwire.kernel.errors import Exhausted, Invalid, NotFound
from farwire.kernel.ids import OverrideId, TenantId, uuid7
from farwire.kernel.page import PageRequest
from farwire.kernel.time import Period, instant
from farwire.process.price_impact import AccountImpact, Impact, last_month, price_impact
from farwire.tenant import service as tenants
from farwire.tenant.model import Address
from farwire.usage import service as usage

PLAN = """
offering = "talk"
name = "Talk"
valid_from = 2026-01-01T00:00:00+01:00
currency = "EUR"
zone = "Europe/Berlin"
prices_include_tax = false

[[recurring]]
id = "monthly"
price = "20.00"
in_advance = true

[[one_off]]
id = "activation"
price = "9.90"

[[usage]]
id = "calls"
kind = "voice"
price = "0.10"
per = "1 min"
increments = ["60 s", "60 s"]

[[allowances]]
id = "free"
amount = "10 min"
prices = ["calls"]
"""
# 5.00 a month less; 0.12 a minute by the second, with half of the free minutes.
DRAFT = (
    PLAN.replace("2026-01-01T00:00:00+01:00", "2026-08-01T00:00:00+02:00")
    .replace('"20.00"', '"15.00"')
    .replace('"0.10"', '"0.12"')
    .replace('["60 s", "60 s"]', '["1 s"]')
    .replace('"10 min"', '"5 min"')
)
JUNE = Period(instant("2026-06-01T00:00:00+02:00"), instant("2026-07-01T00:00:00+02:00"))
SUBSCRIBERS = (
    ("A-1", "2026-01-01T00:00:00+01:00", "49151"),
    ("A-2", "2026-06-16T08:00:00+02:00", "49152"),
    ("A-3", "2026-01-01T00:00:00+01:00", "49153"),
)
CALLS = (
    ("49151", "2026-06-02T10:00:00+02:00", 480),
    ("49151", "2026-06-20T10:00:00+02:00", 330),
    ("49152", "2026-07-03T10:00:00+02:00", 3_600),
    ("49153", "2026-06-03T10:00:00+02:00", 60_000),
)


class Operator:
    """A tenant with the plan, three customers and their rated calls."""

    def __init__(self, db: Database, tenant_id: TenantId, clock: MovableClock, folder: Path) -> None:
        self.db, self.tenant_id, self.clock, self.folder = db, tenant_id, clock, folder

    async def set_up(self) -> None:
        await tenants.add_legal_entity(
            db=self.db,
            clock=self.clock,
            tenant_id=self.tenant_id,
            name="Nordlicht GmbH",
            vat_id="DE123456789",
            address=Address("DE", {"street": "Nordstr. 1", "postcode": "20095", "city": "Hamburg"}),
            country="DE",
            currency_code="EUR",
            zone_name="Europe/Berlin",
            number_prefix="N",
        )
        await self.publish(PLAN)
        path = self.folder / "subscribers.csv"
        header = "account,name,offering,activated_at,identifiers,street,postcode,city,country"
        rows = [
            f"{account},Person,talk,{since},msisdn:{number},Weg 1,20095,Hamburg,DE"
            for account, since, number in SUBSCRIBERS
        ]
        path.write_text("\n".join([header, *rows]) + "\n")
        report = await import_subscribers(db=self.db, tenant_id=self.tenant_id, clock=self.clock, path=path)
        assert not report.refused, report.errors
        await self.calls("calls.csv", CALLS)

    async def publish(self, text: str) -> None:
        async with self.db.transaction(self.tenant_id) as tx:
            await catalog.publish_plan(tx=tx, clock=self.clock, plan=read_plan(text))

    async def calls(self, name: str, calls: tuple[tuple[str, str, int], ...]) -> None:
        rows = [f"{name}-{n},{caller},4930,{at},{seconds}" for n, (caller, at, seconds) in enumerate(calls)]
        path = self.folder / name
        path.write_text("id,caller,called,started_at,seconds\n" + "\n".join(rows) + "\n")
        profile = usage.load_profile("generic-csv")
        shared = {"db": self.db, "tenant_id": self.tenant_id, "clock": self.clock}
        await usage.import_usage(**shared, path=path, profile=profile)
        report = await usage.rate_usage(**shared)
        assert (report.suspended, report.unrated) == ({}, {})

    async def impact(
        self, draft: str = DRAFT, period: Period = JUNE, at: str = "2026-08-01T00:00:00+02:00", **more: object
    ) -> Impact:
        return await price_impact(
            db=self.db,
            tenant_id=self.tenant_id,
            plan=read_plan(draft),
            period=period,
            at=instant(at),
            **more,  # type: ignore[arg-type]
        )


@pytest.fixture
async def operator(db: Database, tenant_id: TenantId, clock: MovableClock, tmp_path: Path) -> Operator:
    operator = Operator(db, tenant_id, clock, tmp_path)
    await operator.set_up()
    return operator


def by_account(impact: Impact) -> Mapping[str, AccountImpact]:
    return {one.account_number: one for one in impact.accounts}


def cents(text: str) -> int:
    """Return an amount with two decimals in nano-units."""
    return int(text.replace(".", "")) * 10**7


async def test_each_account_is_shown_what_it_pays_now_and_then(operator: Operator) -> None:
    found = by_account(await operator.impact())
    one, two, three = (found[name].amounts for name in ("A-1", "A-2", "A-3"))
    # A-1 now: 8 of 10 minutes are free, then 6 begun minutes of which 2 are free: 4 × 0.10.
    # Then: of 480 s 300 are free, 180 s × 0.12 / 60 = 0.36; 330 s × 0.12 / 60 = 0.66.
    assert (one.recurring_now, one.recurring_then) == (cents("20.00"), cents("15.00"))
    assert (one.usage_now, one.usage_then, one.difference) == (cents("0.40"), cents("1.02"), cents("-4.38"))
    # A-2 began on 16 June: 15 of 30 days. Its call is in July.
    assert (two.recurring_now, two.recurring_then) == (cents("10.00"), cents("7.50"))
    assert (two.usage_now, two.usage_then, two.difference) == (0, 0, cents("-2.50"))
    # A-3 now: 1,000 − 10 minutes × 0.10; then 1,000 − 5 minutes × 0.12.
    assert (three.usage_now, three.usage_then) == (cents("99.00"), cents("119.40"))
    assert three.difference == cents("15.40")
    assert [found[name].records for name in ("A-1", "A-2", "A-3")] == [2, 0, 1]


async def test_the_totals_are_of_all_whatever_the_page(operator: Operator) -> None:
    whole = await operator.impact()
    totals = whole.totals
    assert (totals.accounts, totals.products, totals.records) == (3, 3, 3)
    assert (totals.dearer, totals.cheaper, totals.unchanged) == (1, 2, 0)
    assert totals.amounts.recurring_now == cents("50.00")
    assert totals.amounts.recurring_then == cents("37.50")
    assert totals.amounts.difference == cents("8.52") == sum(one.amounts.difference for one in whole.accounts)
    pages = [await operator.impact(page=PageRequest(offset, 1)) for offset in range(4)]
    assert [page.totals for page in pages] == [totals] * 4
    assert [one for page in pages for one in page.accounts] == list(whole.accounts)


async def test_the_same_plan_changes_nothing(operator: Operator) -> None:
    impact = await operator.impact(PLAN)
    assert {one.amounts.difference for one in impact.accounts} == {0}
    assert impact.totals.unchanged == 3
    assert {one.plan_numbers for one in impact.accounts} == {(1,)}


async def test_free_minutes_that_were_used_before_the_period_are_not_given_again(operator: Operator) -> None:
    period = Period(instant("2026-06-15T00:00:00+02:00"), instant("2026-07-15T00:00:00+02:00"))
    found = by_account(await operator.impact(period=period))
    one = found["A-1"].amounts
    # The call of 2 June has used the 5 minutes of June: 330 s × 0.12 / 60, by the second.
    assert (one.usage_now, one.usage_then) == (cents("0.40"), cents("0.66"))
    # 16 of 30 days of June and 14 of 31 days of July, each half-up at the ninth decimal.
    assert one.recurring_now == 10_666_666_667 + 9_032_258_065
    assert one.recurring_then == 8_000_000_000 + 6_774_193_548
    # A-2 calls for an hour on 3 July: 50 minutes × 0.10, then 55 × 0.12.
    assert (found["A-2"].amounts.usage_now, found["A-2"].amounts.usage_then) == (cents("5.00"), cents("6.60"))


async def test_usage_that_the_draft_has_no_price_for_is_counted(operator: Operator) -> None:
    draft = DRAFT.replace('kind = "voice"', 'kind = "voice"\ndestinations = ["33"]')
    impact = await operator.impact(draft)
    assert dict(impact.totals.unrated) == {"destination_unknown": 3}
    assert impact.totals.amounts.usage_then == 0


async def test_who_has_ended_is_not_moved(operator: Operator) -> None:
    async with operator.db.transaction(operator.tenant_id) as tx:
        account = await accounts.account_numbered(tx=tx, number="A-3")
        (product,) = (await inventory.products_by_account(tx, [account.id]))[account.id]
        await inventory.end_product(tx, product_id=product.id, at=instant("2026-07-20T00:00:00+02:00"))
    assert sorted(by_account(await operator.impact())) == ["A-1", "A-2"]
    assert "A-3" in by_account(await operator.impact(at="2026-07-19T00:00:00+02:00"))


async def test_what_was_negotiated_is_kept_under_the_draft(operator: Operator) -> None:
    since = instant("2026-01-01T00:00:00+01:00")
    async with operator.db.transaction(operator.tenant_id) as tx:
        account = await accounts.account_numbered(tx=tx, number="A-3")
        (product,) = (await inventory.products_by_account(tx, [account.id]))[account.id]
        for price_id in ("monthly", "calls"):
            half = PriceOverride(OverrideId(uuid7()), price_id, since, percent=Decimal(50))
            await inventory.add_override(tx, product_id=product.id, override=half)
    amounts = by_account(await operator.impact())["A-3"].amounts
    assert (amounts.recurring_now, amounts.recurring_then) == (cents("10.00"), cents("7.50"))
    # 995 minutes × 0.06. What was charged before the override came is what it was.
    assert (amounts.usage_now, amounts.usage_then) == (cents("99.00"), cents("59.70"))


async def test_a_preview_saves_nothing(operator: Operator) -> None:
    async def rows() -> list[int]:
        tables = (
            "catalog.price_plan",
            "rating.counter",
            "inventory.product_plan",
            "base.outbox",
            "base.audit_entry",
        )
        async with operator.db.transaction(operator.tenant_id) as tx:
            return [
                await tx.fetchval(f"SELECT count(*) FROM {table} WHERE tenant_id = $1", tx.tenant_id)
                for table in tables
            ]

    before = await rows()
    await operator.impact()
    assert await rows() == before


async def test_publishing_version_two_leaves_who_has_version_one_alone(operator: Operator) -> None:
    august = Period(instant("2026-08-01T00:00:00+02:00"), instant("2026-09-01T00:00:00+02:00"))

    async def owed() -> int:
        async with operator.db.transaction(operator.tenant_id) as tx:
            account = await accounts.account_numbered(tx=tx, number="A-1")
            products = (await inventory.products_by_account(tx, [account.id]))[account.id]
            preview = await billing.preview_products(tx, account=account, products=products, period=august)
            return preview.net_minor

    before = await owed()
    await operator.publish(DRAFT)
    assert await owed() == before
    # 20 minutes on 2 August: 10 are free, 10 × 0.10 by version 1, not 15 × 0.12 by version 2.
    await operator.calls("august.csv", (("49151", "2026-08-02T10:00:00+02:00", 1_200),))
    found = by_account(await operator.impact(period=august))["A-1"]
    assert (found.amounts.usage_now, found.plan_numbers) == (cents("1.00"), (1,))
    assert found.amounts.usage_then == cents("1.80")


async def test_what_cannot_be_previewed_is_refused(operator: Operator, other_tenant_id: TenantId) -> None:
    with pytest.raises(Invalid) as currency:
        await operator.impact(DRAFT.replace('"EUR"', '"USD"'))
    assert currency.value.code == "process.impact_currency"
    with pytest.raises(Invalid) as period:
        await operator.impact(period=Period(JUNE.start, instant("2026-06-30T23:00:00+02:00")))
    assert (period.value.code, period.value.field) == ("process.impact_period", "until")
    with pytest.raises(NotFound):
        await operator.impact(DRAFT.replace('"talk"', '"none"'))
    with pytest.raises(Exhausted):
        await operator.impact(most=2)
    operator.tenant_id = other_tenant_id
    with pytest.raises(NotFound):
        await operator.impact()


def test_the_last_month_is_one_of_the_plan_s_zone() -> None:
    plan: PricePlan = read_plan(DRAFT)
    assert last_month(plan, instant("2026-06-30T23:30:00Z")) == JUNE
    assert last_month(plan, instant("2026-07-31T21:59:59Z")) == JUNE
