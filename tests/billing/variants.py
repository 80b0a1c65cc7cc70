"""Steps that the variants of day A share: amounts of bills, and the control after them."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from farwire.account import service as accounts
from farwire.account.model import BillingAccount, ChargeKind, ChargeRoute, TermsChange
from farwire.billing.model import Bill
from farwire.inventory import service as inventory
from farwire.inventory.model import (
    Commitment,
    EndReason,
    PriceOverride,
    Product,
    SuspensionReason,
)
from farwire.kernel.ids import OverrideId, PlanVersionId, uuid7
from farwire.kernel.time import instant
from farwire.ledger import service as ledger

from .world import World


def amounts(bill: Bill) -> list[tuple[str, int]]:
    """The lines as (price, minor units), in a stable order."""
    return sorted((line.item.price_id, line.amount_minor) for line in bill.lines)


def totals(bill: Bill) -> tuple[int, int, int]:
    """Net, tax and total in minor units."""
    return bill.net_minor, bill.tax_minor, bill.total_minor


async def sound(world: World) -> None:
    """Fail unless lines, bills, ledger and numbers agree, and the books balance per company and currency."""
    await world.sound()
    minor: Counter[object] = Counter()
    nano: Counter[object] = Counter()
    async with world.db.transaction(world.tenant_id) as tx:
        for balance in await ledger.trial_balance(tx=tx):
            minor[balance.legal_entity_id, balance.currency] += balance.amount_minor
            nano[balance.legal_entity_id, balance.currency] += balance.remainder_nano
    assert not any(minor.values())
    assert not any(nano.values())


async def suspend(
    world: World,
    product: Product,
    at: str,
    percent: int,
    reason: SuspensionReason = SuspensionReason.CUSTOMER,
) -> None:
    async with world.db.transaction(world.tenant_id) as tx:
        await inventory.suspend_product(
            tx, product_id=product.id, reason=reason, at=instant(at), recurring_percent=percent
        )


async def resume(
    world: World, product: Product, at: str, reason: SuspensionReason = SuspensionReason.CUSTOMER
) -> None:
    async with world.db.transaction(world.tenant_id) as tx:
        await inventory.resume_product(tx, product_id=product.id, reason=reason, at=instant(at))


async def override(
    world: World,
    product: Product,
    price_id: str,
    at: str,
    *,
    price: str | None = None,
    percent: str | None = None,
    reason: str = "agreed by phone",
) -> PriceOverride:
    one = PriceOverride(
        OverrideId(uuid7()),
        price_id,
        instant(at),
        None,
        None if price is None else Decimal(price),
        None if percent is None else Decimal(percent),
        reason,
    )
    async with world.db.transaction(world.tenant_id) as tx:
        await inventory.add_override(tx, product_id=product.id, override=one)
    return one


async def end(world: World, product: Product, at: str, reason: EndReason = EndReason.CEASE) -> None:
    async with world.db.transaction(world.tenant_id) as tx:
        await inventory.end_product(tx, product_id=product.id, at=instant(at), reason=reason)


async def change(world: World, product: Product, version_id: PlanVersionId, at: str) -> None:
    async with world.db.transaction(world.tenant_id) as tx:
        await inventory.change_plan(tx, product_id=product.id, plan_version_id=version_id, at=instant(at))


async def commit(world: World, product: Product, until: str, **cost: str) -> None:
    async with world.db.transaction(world.tenant_id) as tx:
        await inventory.set_commitment(
            tx,
            product_id=product.id,
            commitment=Commitment(
                product.started_at,
                instant(until),
                withdrawal_days=14,
                **{name: Decimal(value) for name, value in cost.items()},  # type: ignore[arg-type]
            ),
        )


async def route(
    world: World,
    child: BillingAccount,
    payer: BillingAccount,
    percent: str,
    since: str,
    until: str | None = None,
    kind: ChargeKind = ChargeKind.RECURRING,
) -> None:
    end_at = None if until is None else instant(until)
    one = ChargeRoute(child.id, frozenset({kind}), payer.id, Decimal(percent), instant(since), end_at)
    async with world.db.transaction(world.tenant_id) as tx:
        await accounts.add_route(tx, route=one, now=world.clock.now())


async def purchase_order(world: World, account: BillingAccount, number: str, since: str) -> None:
    async with world.db.transaction(world.tenant_id) as tx:
        await accounts.change_terms(
            tx,
            account_id=account.id,
            change=TermsChange(purchase_order=number),
            valid_from=instant(since),
            now=world.clock.now(),
        )


def later(product: Product, started_at: datetime) -> Product:
    """The product as it would be with another start."""
    change = replace(product.plans[0], valid_from=started_at)
    return replace(product, started_at=started_at, plans=(change,))
