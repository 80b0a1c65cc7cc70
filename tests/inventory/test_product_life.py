"""Any sequence of commands, in any order of times, against a model that keeps one row per day."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from farwire.base.config import Settings
from farwire.base.storage import Database
from farwire.base.storage.database import open_pool
from farwire.inventory import service
from farwire.inventory.model import (
    EndReason,
    PriceOverride,
    Product,
    ProductState,
    SuspensionReason,
    history,
    standing_at,
)
from farwire.kernel.errors import Conflict
from farwire.kernel.ids import OverrideId, PlanVersionId, TenantId, uuid7

from .products import JUNE, a_product, added, loaded

DAYS = 8
REASONS = st.sampled_from([SuspensionReason.DUNNING, SuspensionReason.FRAUD])
DAY = st.integers(0, DAYS - 1)


def at(day: int):
    return JUNE + timedelta(days=day)


class Life(RuleBasedStateMachine):
    """The oracle: what holds on each day, written over day by day."""

    url = ""

    @initialize()
    def begin(self) -> None:
        self.runner = asyncio.Runner()
        self.db = self.runner.run(open_pool(self.url))
        self.tenant = TenantId(uuid7())
        self.product = a_product(at(1))
        self.alive = {day: day >= 1 for day in range(DAYS)}
        self.ended: int | None = None
        self.changes = {1: self.product.plans[0].plan_version_id}
        self.held: list[dict[SuspensionReason, int]] = [{} for _ in range(DAYS)]
        self.prices: list[PriceOverride | None] = [None] * DAYS
        self.records = 0
        self._do(service.add_products, [self.product])

    def teardown(self) -> None:
        if hasattr(self, "runner"):
            self.runner.run(self.db.close())
            self.runner.close()

    def _do(self, act, *args, **named):
        async def within():
            async with self.db.transaction(self.tenant) as tx:
                return await act(tx, *args, **named)

        return self.runner.run(within())

    def _refused(self, code: str, act, **named) -> None:
        with pytest.raises(Conflict) as refused:
            self._do(act, **named)
        assert refused.value.code == code

    @rule(reason=REASONS, day=DAY, percent=st.sampled_from([0, 50, 100]))
    def suspend(self, reason: SuspensionReason, day: int, percent: int) -> None:
        given = {
            "product_id": self.product.id,
            "reason": reason,
            "at": at(day),
            "recurring_percent": percent,
        }
        if not self.alive[day]:
            self._refused("inventory.not_active", service.suspend_product, **given)
            return
        before = self.held[day].get(reason)
        if before not in (None, percent):
            self._refused("inventory.suspended_otherwise", service.suspend_product, **given)
            return
        assert self._do(service.suspend_product, **given) is (before is None)
        for later in range(day, DAYS):
            if reason in self.held[later] or not self.alive[later]:
                break
            self.held[later].setdefault(reason, percent)

    @rule(reason=REASONS, day=DAY)
    def resume(self, reason: SuspensionReason, day: int) -> None:
        given = {"product_id": self.product.id, "reason": reason, "at": at(day)}
        if not self.alive[day]:
            self._refused("inventory.not_active", service.resume_product, **given)
            return
        serves = self._do(service.resume_product, **given)
        for later in range(day, DAYS):
            if self.held[later].pop(reason, None) is None:
                break
        assert serves is (not self.held[day])

    @rule(day=DAY)
    def change_plan(self, day: int) -> None:
        plan = PlanVersionId(uuid7())
        given = {"product_id": self.product.id, "plan_version_id": plan, "at": at(day)}
        if not self.alive[day]:
            self._refused("inventory.not_active", service.change_plan, **given)
        elif day in self.changes:
            self._refused("inventory.plan_changed_then", service.change_plan, **given)
        else:
            self._do(service.change_plan, **given)
            self._do(service.change_plan, **given)
            self.changes[day] = plan

    @rule(day=DAY, days=st.integers(1, DAYS), percent=st.integers(0, 200))
    def override(self, day: int, days: int, percent: int) -> None:
        one = PriceOverride(OverrideId(uuid7()), "monthly", at(day), at(day + days), percent=Decimal(percent))
        if not self.alive[day]:
            self._refused(
                "inventory.not_active", service.add_override, product_id=self.product.id, override=one
            )
            return
        self._do(service.add_override, product_id=self.product.id, override=one)
        self._do(service.add_override, product_id=self.product.id, override=one)
        for later in range(day, min(day + days, DAYS)):
            self.prices[later] = one

    @rule(day=DAY, reason=st.sampled_from(EndReason), early=st.booleans())
    def end(self, day: int, reason: EndReason, early: bool) -> None:
        day = day if early else DAYS - 1
        given = {"product_id": self.product.id, "at": at(day), "reason": reason}
        if self.ended is not None or day < 1:
            if (self.ended, self.end_reason if self.ended is not None else None) != (day, reason):
                self._refused("inventory.ended", service.end_product, **given)
            return
        self._do(service.end_product, **given)
        self._do(service.end_product, **given)
        self.ended, self.end_reason = day, reason
        for later in range(day, DAYS):
            self.alive[later] = False
            self.held[later].clear()

    @invariant()
    def every_day_is_as_the_model_says(self) -> None:
        found: Product = self._do(service.get_products, [self.product.id])[self.product.id]
        for day in range(DAYS):
            standing = standing_at(found, at(day))
            assert standing.suspended_for == tuple(sorted(self.held[day])), day
            assert standing.recurring_percent == min(self.held[day].values(), default=100), day
            assert standing.state is self._state(day), day
            if self.alive[day]:
                plan = self.changes[max(change for change in self.changes if change <= day)]
                assert found.plan_at(at(day)) == plan, day
                assert standing.overrides == ((self.prices[day],) if self.prices[day] else ()), day
            else:
                assert (found.plan_at(at(day)), standing.overrides) == (None, ()), day
        if found.ended_at is not None:
            held = [one.valid_to for one in found.suspensions if not one.is_empty]
            assert all(until is not None and until <= found.ended_at for until in held)
        facts = history(found)
        assert list(facts) == sorted(facts, key=lambda fact: fact.at)
        records = len(found.plans) + len(found.suspensions) + len(found.overrides)
        assert records >= self.records, "a record was removed"
        self.records = records

    def _state(self, day: int) -> ProductState:
        if day < 1:
            return ProductState.PENDING_ACTIVE
        if not self.alive[day]:
            return ProductState.TERMINATED
        return ProductState.SUSPENDED if self.held[day] else ProductState.ACTIVE


def test_every_order_of_commands_leaves_the_product_as_the_model_says(settings: Settings) -> None:
    Life.url = str(settings.database_url)
    run_state_machine_as_test(
        Life,
        settings=hypothesis_settings(
            max_examples=30, stateful_step_count=16, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )


async def test_resuming_ends_what_a_back_dated_suspension_and_the_one_after_it_make_together(
    db: Database, tenant_id: TenantId
) -> None:
    product = a_product(at(1))
    await added(db, tenant_id, product)
    reason = SuspensionReason.FRAUD
    async with db.transaction(tenant_id) as tx:
        for day, percent in ((5, 0), (3, 50)):
            await service.suspend_product(
                tx, product_id=product.id, reason=reason, at=at(day), recurring_percent=percent
            )
        assert await service.resume_product(tx, product_id=product.id, reason=reason, at=at(4))
    found = await loaded(db, tenant_id, product.id)
    assert [found.recurring_percent_at(at(day)) for day in range(2, 7)] == [100, 50, 100, 100, 100]
    assert len(found.suspensions) == 2
