"""Suspensions, overrides, commitments: kept as they were given, in whatever order they come."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal

import pytest

from farwire.base.eventbus import list_events
from farwire.base.storage import Database
from farwire.inventory import service
from farwire.inventory.model import (
    Commitment,
    EndReason,
    PriceOverride,
    ProductState,
    Suspension,
    SuspensionReason,
    history,
)
from farwire.kernel.errors import Conflict, Invalid, NotFound
from farwire.kernel.ids import AgreementId, OrderId, OverrideId, PlanVersionId, ProductId, TenantId, uuid7
from farwire.kernel.page import PageRequest

from .products import AUGUST, JULY, JUNE, a_product, added, loaded

DAY = timedelta(days=1)
HALF = PriceOverride(
    OverrideId(uuid7()), "monthly", JUNE, JULY, percent=Decimal("50.5"), agreement_id=AgreementId(uuid7())
)
TEN = PriceOverride(OverrideId(uuid7()), "monthly", JUNE + DAY, price=Decimal("10.125"), reason="goodwill")
TERM = Commitment(JUNE, JUNE + 730 * DAY, 30, 14, remaining_percent=Decimal(50))
FRAUD, DUNNING = SuspensionReason.FRAUD, SuspensionReason.DUNNING


async def test_a_product_comes_back_with_everything_that_it_was_added_with(
    db: Database, tenant_id: TenantId, other_tenant_id: TenantId
) -> None:
    bundle = a_product()
    full = a_product(
        account_id=bundle.account_id,
        suspensions=(Suspension(FRAUD, JUNE, JULY, 0), Suspension(DUNNING, JUNE, JUNE)),
        overrides=(HALF, TEN),
        commitment=TERM,
        ended_at=AUGUST,
        end_reason=EndReason.WITHDRAWAL,
        parent_id=bundle.id,
        order_id=OrderId(uuid7()),
    )
    await added(db, tenant_id, bundle, full)
    assert await loaded(db, tenant_id, full.id) == full
    async with db.transaction(tenant_id) as tx:
        assert set((await service.products_by_account(tx, [full.account_id]))[full.account_id]) == {
            bundle,
            full,
        }
    async with db.transaction(other_tenant_id) as tx:
        assert await service.get_products(tx, [full.id]) == {}
        for act in (
            service.suspend_product(tx, product_id=full.id, reason=FRAUD, at=JUNE, recurring_percent=0),
            service.resume_product(tx, product_id=full.id, reason=FRAUD, at=JUNE),
            service.add_override(tx, product_id=full.id, override=TEN),
            service.close_override(tx, product_id=full.id, override_id=TEN.id, at=JULY),
            service.set_commitment(tx, product_id=full.id, commitment=TERM),
            service.change_plan(tx, product_id=full.id, plan_version_id=PlanVersionId(uuid7()), at=JUNE),
            service.end_product(tx, product_id=full.id, at=JULY),
        ):
            with pytest.raises(NotFound):
                await act


async def test_a_product_serves_again_when_no_reason_is_left(db: Database, tenant_id: TenantId) -> None:
    one = a_product()
    await added(db, tenant_id, one)
    async with db.transaction(tenant_id) as tx:
        for reason, percent in ((FRAUD, 0), (DUNNING, 50), (FRAUD, 0)):
            await service.suspend_product(
                tx, product_id=one.id, reason=reason, at=JULY, recurring_percent=percent
            )
        assert not await service.resume_product(tx, product_id=one.id, reason=FRAUD, at=JULY + DAY)
        assert not await service.resume_product(tx, product_id=one.id, reason=FRAUD, at=JULY + DAY)
        assert await service.resume_product(tx, product_id=one.id, reason=DUNNING, at=AUGUST)
        assert await service.resume_product(tx, product_id=one.id, reason=DUNNING, at=AUGUST)
        events = [event for _, event in await list_events(tx=tx, subject=str(one.id))]
    found = await loaded(db, tenant_id, one.id)
    assert [found.recurring_percent_at(at) for at in (JUNE, JULY, JULY + DAY, AUGUST)] == [100, 0, 50, 100]
    assert [found.state_at(at) for at in (JULY, AUGUST)] == [ProductState.SUSPENDED, ProductState.ACTIVE]
    assert [(event.type.split(".")[2], event.data.get("serves")) for event in events] == [
        ("product_added", None),
        ("product_suspended", None),
        ("product_suspended", None),
        ("product_resumed", False),
        ("product_resumed", True),
    ]
    assert [fact.what for fact in history(found)][-2:] == ["resumed", "resumed"]


async def test_reasons_that_come_at_once_are_each_kept_once(db: Database, tenant_id: TenantId) -> None:
    one = a_product()
    await added(db, tenant_id, one)

    async def suspend(reason: SuspensionReason) -> bool:
        async with db.transaction(tenant_id) as tx:
            return await service.suspend_product(
                tx, product_id=one.id, reason=reason, at=JULY, recurring_percent=0
            )

    new = await asyncio.gather(*(suspend(reason) for reason in [*SuspensionReason] * 3))
    assert sum(new) == len(SuspensionReason)
    found = await loaded(db, tenant_id, one.id)
    assert found.suspended_for(JULY) == frozenset(SuspensionReason)
    assert len(found.suspensions) == len(SuspensionReason)


async def test_of_overlapping_overrides_the_last_added_holds_and_closing_it_brings_the_other_back(
    db: Database, tenant_id: TenantId
) -> None:
    one = a_product()
    await added(db, tenant_id, one)

    async def held_at(at: object) -> PriceOverride | None:
        return (await loaded(db, tenant_id, one.id)).override_at("monthly", at)  # type: ignore[arg-type]

    async with db.transaction(tenant_id) as tx:
        await service.add_override(tx, product_id=one.id, override=HALF)
        await service.add_override(tx, product_id=one.id, override=TEN)
    assert (await held_at(JUNE), await held_at(JUNE + DAY)) == (HALF, TEN)
    async with db.transaction(tenant_id) as tx:
        for _ in range(2):
            await service.close_override(tx, product_id=one.id, override_id=TEN.id, at=JUNE + 5 * DAY)
        with pytest.raises(Conflict):
            await service.close_override(tx, product_id=one.id, override_id=TEN.id, at=JULY)
        with pytest.raises(NotFound):
            await service.close_override(tx, product_id=one.id, override_id=OverrideId(uuid7()), at=JULY)
    assert await held_at(JUNE + 5 * DAY) == HALF
    async with db.transaction(tenant_id) as tx:
        await service.close_override(tx, product_id=one.id, override_id=TEN.id, at=JUNE)
    assert await held_at(JUNE + DAY) == HALF
    assert len((await loaded(db, tenant_id, one.id)).overrides) == 2


@pytest.mark.parametrize(
    "bad",
    [
        {"percent": None},
        {"price": Decimal(1)},
        {"valid_to": JUNE},
        {"price_id": ""},
        {"percent": Decimal(-1)},
        {"percent": Decimal("NaN")},
    ],
)
async def test_an_override_that_makes_no_sense_is_refused(
    db: Database, tenant_id: TenantId, bad: dict[str, object]
) -> None:
    one = a_product()
    await added(db, tenant_id, one)
    facts = {name: getattr(HALF, name) for name in HALF.__slots__} | bad
    with pytest.raises(Invalid):
        async with db.transaction(tenant_id) as tx:
            await service.add_override(tx, product_id=one.id, override=PriceOverride(**facts))
    with pytest.raises(Conflict):
        async with db.transaction(tenant_id) as tx:
            other = PriceOverride(HALF.id, "other", JUNE, percent=Decimal(1))
            await service.add_override(tx, product_id=one.id, override=HALF)
            await service.add_override(tx, product_id=one.id, override=other)


async def test_a_later_commitment_holds_and_the_earlier_one_stays_on_record(
    db: Database, tenant_id: TenantId
) -> None:
    one = a_product()
    await added(db, tenant_id, one)
    longer = Commitment(JULY, JULY + 365 * DAY, fee=Decimal("99.90"))
    async with db.transaction(tenant_id) as tx:
        for commitment in (TERM, TERM, longer):
            await service.set_commitment(tx, product_id=one.id, commitment=commitment)
        kept = await tx.fetchval("SELECT count(*) FROM inventory.commitment WHERE tenant_id = $1", tenant_id)
        for bad in (
            Commitment(JULY, JUNE),
            Commitment(JUNE, JULY, notice_days=-1),
            Commitment(JUNE, JULY, fee=Decimal(1), remaining_percent=Decimal(1)),
        ):
            with pytest.raises(Invalid):
                await service.set_commitment(tx, product_id=one.id, commitment=bad)
    assert ((await loaded(db, tenant_id, one.id)).commitment, kept) == (longer, 2)


async def test_products_are_listed_by_account_and_state(db: Database, tenant_id: TenantId) -> None:
    running, ended = a_product(), a_product(ended_at=JULY)
    coming, barred = a_product(AUGUST), a_product(suspensions=(Suspension(FRAUD, JUNE),))
    await added(db, tenant_id, running, ended, coming, barred)

    async def listed(**given: object) -> list[ProductId]:
        async with db.transaction(tenant_id) as tx:
            page = await service.list_products(tx, page=PageRequest(), at=JULY, **given)  # type: ignore[arg-type]
        assert page.total == len(page.items)
        return [one.id for one in page.items]

    assert await listed(state=ProductState.ACTIVE) == [running.id]
    assert await listed(state=ProductState.TERMINATED) == [ended.id]
    assert await listed(state=ProductState.PENDING_ACTIVE) == [coming.id]
    assert await listed(state=ProductState.SUSPENDED) == [barred.id]
    assert await listed(account_id=coming.account_id) == [coming.id]
    assert len(await listed()) == 4
