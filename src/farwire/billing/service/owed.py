"""What accounts owe besides usage: the facts behind it, loaded at once, and the charges of one account."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from farwire.account import service as accounts
from farwire.account.model import BillingAccount, ChargeKind, ChargeRoute
from farwire.base.storage import Tx
from farwire.billing.model import Charged, ChargedKey, Market, ProductCharges, Shares, charges_of
from farwire.billing.store import charged as charged_store
from farwire.catalog import service as catalog
from farwire.catalog.model import PlanVersion, PricePlan
from farwire.inventory import service as inventory
from farwire.inventory.model import Product
from farwire.kernel.errors import NotFound
from farwire.kernel.ids import AccountId, PlanVersionId
from farwire.kernel.time import Period


@dataclass(frozen=True, slots=True)
class Facts:
    """All that the charges of some accounts need.

    ``products`` are their own, ``paid_for`` the accounts of which each pays a part. ``routes`` are by the account whose
    charges they route.
    """

    products: Mapping[AccountId, tuple[Product, ...]]
    paid_for: Mapping[AccountId, tuple[BillingAccount, ...]]
    routes: Mapping[AccountId, tuple[ChargeRoute, ...]]
    versions: Mapping[PlanVersionId, PlanVersion]
    charged: Mapping[ChargedKey, Charged]


async def load_facts(
    tx: Tx, held: Sequence[BillingAccount], products: Mapping[AccountId, tuple[Product, ...]] | None = None
) -> Facts:
    """Load what the charges of ``held`` need. ``products`` are looked at instead of those that the accounts have."""
    account_ids = [account.id for account in held]
    routed = await accounts.routes_to(tx, account_ids)
    children = sorted({route.account_id for found in routed.values() for route in found})
    known = await accounts.accounts_by_id(tx=tx, account_ids=children) if children else {}
    routes = await accounts.routes_of(tx, [*account_ids, *children])
    if products is None:
        products = await inventory.products_by_account(tx, [*account_ids, *children])
    paid_for = {
        payer: tuple(known[child] for child in sorted({route.account_id for route in found}))
        for payer, found in routed.items()
    }
    plan_ids = {
        change.plan_version_id for found in products.values() for one in found for change in one.plans
    }
    keys: list[ChargedKey] = [
        (one.id, None) for account_id in account_ids for one in products.get(account_id, ())
    ]
    keys += [
        (one.id, payer)
        for payer, found in paid_for.items()
        for child in found
        for one in products.get(child.id, ())
    ]
    return Facts(
        products,
        paid_for,
        routes,
        await known_versions(tx, sorted(plan_ids)),
        await charged_store.charged(tx, keys),
    )


def charges_owed(account: BillingAccount, cycle: Period, facts: Facts) -> Mapping[ChargedKey, ProductCharges]:
    """Return the charges of ``account`` for ``cycle``: of its own products, and its share of those of others.

    Raises ``NotFound`` (``billing.plan_unknown``) and what ``charges_of`` raises.
    """
    found: dict[ChargedKey, ProductCharges] = {}
    for owner in (account, *facts.paid_for.get(account.id, ())):
        own = owner.id == account.id
        payer = None if own else account.id
        routes = facts.routes.get(owner.id, ())
        if payer is not None and not any(_shares_days(route, payer) for route in routes):
            continue
        shares = Shares(routes, payer)
        for product in facts.products.get(owner.id, ()):
            found[product.id, payer] = charges_of(
                product,
                _plans(product, facts.versions),
                cycle=owner.cycle,
                bill_period=cycle,
                charged=facts.charged.get((product.id, payer), ()),
                customer=Market.of(owner),
                shares=shares,
                for_account="" if own else owner.number,
            )
    return found


def _shares_days(route: ChargeRoute, payer: AccountId) -> bool:
    """Return whether ``payer`` pays by ``route`` anything besides usage."""
    return route.payer_account_id == payer and route.kinds != {ChargeKind.USAGE}


async def known_versions(tx: Tx, ids: Sequence[PlanVersionId]) -> Mapping[PlanVersionId, PlanVersion]:
    """Return the versions that exist; an account whose plan does not exist fails by itself."""
    try:
        return await catalog.plan_versions(tx, ids)
    except NotFound:
        found: dict[PlanVersionId, PlanVersion] = {}
        for version_id in ids:
            with suppress(NotFound):
                found |= await catalog.plan_versions(tx, [version_id])
        return found


def _plans(
    product: Product, versions: Mapping[PlanVersionId, PlanVersion]
) -> Mapping[PlanVersionId, PricePlan]:
    ids = [change.plan_version_id for change in product.plans]
    if any(version_id not in versions for version_id in ids):
        raise NotFound(
            "the product has a price plan that does not exist",
            code="billing.plan_unknown",
            field="product",
            value=product.id,
        )
    return {version_id: versions[version_id].plan for version_id in ids}
