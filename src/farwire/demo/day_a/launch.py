"""Step 1, Monday 1 June, 09:00: the operator, what it sells, and the numbers and SIMs that it has to give."""

from __future__ import annotations

from typing import Final

from farwire.base.clock import MovableClock
from farwire.base.storage import Tx
from farwire.catalog import service as catalog
from farwire.catalog.model import PricePlan, read_document
from farwire.charging import service as charging
from farwire.charging.model.terms import OfferDocument, PlanDocument
from farwire.demo.checklist import Checklist
from farwire.demo.day_a.stage import DATA, PRODUCT_MANAGER, House, Stage
from farwire.demo.day_a.story import Twin
from farwire.inventory import service as inventory
from farwire.inventory.model import NewResource, ResourceKind
from farwire.tenant import service as tenants
from farwire.tenant.model import Address

NUMBERS: Final = 20
QUARANTINE_DAYS: Final = 90


async def launch(*, house: House, twin: Twin, checks: Checklist) -> Stage:
    """Make the operator, publish its offer, fill its pools; return the stage for the steps that follow."""
    stage = await _operator(house, twin, checks)
    stage.say(f"publishing {twin.offering}, filling the pools of numbers and SIMs")
    async with stage.db.transaction(stage.tenant_id) as tx:
        prepaid = twin.prepaid
        files = ("catalogue/mobile.toml", f"catalogue/{twin.offers_file}", twin.plan_file, prepaid.plan_file)
        for name in files:
            await _publish(tx, stage, name)
        await _charge_online(tx, stage, prepaid.offering)
        await _fill_pools(tx, stage)
        sold = await catalog.offering_to_sell(
            tx, code=twin.offering, at=twin.launch, region=twin.country, channel="shop"
        )
    stage.check("1 June: on sale in the shop", twin.offering, sold.offering.code)
    return stage


async def _operator(house: House, twin: Twin, checks: Checklist) -> Stage:
    clock = MovableClock(twin.launch)
    tenant = await tenants.create_tenant(
        db=house.db,
        clock=clock,
        name=twin.tenant,
        display_name=twin.operator,
        country=twin.country,
        zone_name=twin.zone,
    )
    entity = await tenants.add_legal_entity(
        db=house.db,
        clock=clock,
        tenant_id=tenant.id,
        name=twin.company,
        vat_id=twin.vat_id,
        address=Address(twin.country, twin.seller_address),
        country=twin.country,
        currency_code=twin.currency,
        zone_name=twin.zone,
        number_prefix=twin.number_prefix,
        bank_account=twin.bank_account,
    )
    return Stage(house, clock, twin, checks, tenant.id, entity.id)


async def _publish(tx: Tx, stage: Stage, name: str) -> None:
    document = read_document((DATA / name).read_text(encoding="utf-8"), name=name)
    if isinstance(document, PricePlan):
        await catalog.publish_plan(tx=tx, clock=stage.clock, plan=document, actor=PRODUCT_MANAGER)
    else:
        await catalog.publish_catalogue(
            tx=tx, clock=stage.clock, file=document, name=name, actor=PRODUCT_MANAGER
        )


async def _charge_online(tx: Tx, stage: Stage, offering: str) -> None:
    """Let prepaid accounts have the offering's prices, and buy it; all that its price plan leaves open is as usual."""
    now = stage.clock.now()
    plan, offer = PlanDocument(offering=offering), OfferDocument(offering=offering)
    await charging.set_plan_terms(tx, document=plan, now=now, actor=PRODUCT_MANAGER)
    await charging.set_offer_terms(tx, document=offer, now=now, actor=PRODUCT_MANAGER)


async def _fill_pools(tx: Tx, stage: Stage) -> None:
    first, now = stage.twin.first_number, stage.clock.now()
    await inventory.create_pool(
        tx, name="msisdn", kind=ResourceKind.MSISDN, quarantine_days=QUARANTINE_DAYS, now=now
    )
    await inventory.fill_pool(tx, pool="msisdn", values=[str(first + index) for index in range(NUMBERS)])
    await inventory.create_pool(tx, name="esim", kind=ResourceKind.ESIM_PROFILE, quarantine_days=0, now=now)
    await inventory.fill_pool(tx, pool="esim", values=[_profile(index) for index in range(NUMBERS)])


def _profile(index: int) -> NewResource:
    """Return an eSIM profile of the test network 001-01."""
    attributes = {"imsi": f"0010100000{index:05d}", "matching_id": f"FARWIRE-{index:04d}"}
    return NewResource(f"89001012345678{index:05d}", attributes)
