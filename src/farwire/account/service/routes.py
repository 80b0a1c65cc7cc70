"""Say who pays which part of an account's charges, and read it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from farwire.account.events import charges_routed
from farwire.account.model import BillingAccount, ChargeKind, ChargeRoute, check_route
from farwire.account.service.accounts import lock_accounts
from farwire.account.store import accounts as account_store
from farwire.account.store import routes as store
from farwire.base import audit, eventbus
from farwire.base.canonical import JSON
from farwire.base.storage import Tx
from farwire.kernel.errors import Conflict, Invalid, NotFound
from farwire.kernel.ids import AccountId
from farwire.kernel.tenancy import SYSTEM, Actor


async def routes_of(tx: Tx, account_ids: Sequence[AccountId]) -> Mapping[AccountId, tuple[ChargeRoute, ...]]:
    """Return the routes by account, oldest first, the ended ones included; an account without any is left out."""
    found: dict[AccountId, tuple[ChargeRoute, ...]] = {}
    for route in await store.routes_of(tx, account_ids):
        found[route.account_id] = (*found.get(route.account_id, ()), route)
    return found


async def routes_to(tx: Tx, payer_ids: Sequence[AccountId]) -> Mapping[AccountId, tuple[ChargeRoute, ...]]:
    """Return the routes by payer, oldest first, the ended ones included; who pays for nobody is left out."""
    found: dict[AccountId, tuple[ChargeRoute, ...]] = {}
    for route in await store.routes_to(tx, payer_ids):
        found[route.payer_account_id] = (*found.get(route.payer_account_id, ()), route)
    return found


async def add_route(tx: Tx, *, route: ChargeRoute, now: datetime, actor: Actor = SYSTEM) -> ChargeRoute:
    """Let another account pay a part from ``route.valid_from`` on and return the route. The same again is harmless.

    A start in the past counts from the next bill on; bills that were issued stay. Raises ``NotFound``
    (``account.unknown``) and what ``check_route`` raises; ``Conflict`` (``account.route_taken``).
    """
    await account_store.lock_hierarchy(tx)
    ids = [route.account_id, route.payer_account_id]
    accounts = await lock_accounts(tx, sorted(set(ids)))
    known = [*await store.routes_of(tx, ids), *await store.routes_to(tx, ids)]
    if route in known:
        return route
    check_route(route, accounts[route.account_id], accounts[route.payer_account_id], dict.fromkeys(known))
    if not await store.save_route(tx, route):
        raise Conflict(
            "this payer has another share of the same kinds from the same time on",
            code="account.route_taken",
            field="valid_from",
            value=route.valid_from.isoformat(),
            fix="end that route first",
        )
    await _note(tx, route, accounts[route.account_id], "account.route_added", now, actor)
    return route


async def end_route(
    tx: Tx,
    *,
    account_id: AccountId,
    payer_account_id: AccountId,
    at: datetime,
    now: datetime,
    kinds: frozenset[ChargeKind] = frozenset(),
    actor: Actor = SYSTEM,
) -> ChargeRoute:
    """End the route that holds at ``at`` and return it. Idempotent. ``kinds`` tell two routes to one payer apart.

    Raises ``NotFound`` (``account.unknown``, ``account.route_unknown``), ``Conflict`` (``account.route_several``),
    ``Invalid`` (``account.route_period``).
    """
    await account_store.lock_hierarchy(tx)
    accounts = await lock_accounts(tx, [account_id])
    own = [
        route
        for route in await store.routes_of(tx, [account_id])
        if route.payer_account_id == payer_account_id and kinds in (frozenset(), route.kinds)
    ]
    # A route that begins at that moment follows the one that ended then.
    ended = next((route for route in own if route.valid_to == at), None)
    holding = [route for route in own if route.holds(at) and (route.valid_from < at or ended is None)]
    if ended is not None and not holding:
        return ended
    running = _only(holding, payer_account_id)
    if at <= running.valid_from:
        raise Invalid(
            "a route ends after it starts", code="account.route_period", field="at", value=at.isoformat()
        )
    route = replace(running, valid_to=at)
    await store.save_route(tx, route)
    await _note(tx, route, accounts[account_id], "account.route_ended", now, actor)
    return route


def _only(holding: Sequence[ChargeRoute], payer: AccountId) -> ChargeRoute:
    if len(holding) > 1:
        raise Conflict(
            "that account pays by several routes at that time",
            code="account.route_several",
            field="kinds",
            value=payer,
            fix="name the kinds of the one that ends",
        )
    if not holding:
        raise NotFound(
            "that account pays nothing for it at that time",
            code="account.route_unknown",
            field="payer",
            value=payer,
            fix="see: farwire account routes NUMBER",
        )
    return holding[0]


async def _note(
    tx: Tx, route: ChargeRoute, account: BillingAccount, action: str, now: datetime, actor: Actor
) -> None:
    await eventbus.publish(tx, charges_routed(route, account, tenant_id=tx.tenant_id, at=now))
    detail: Mapping[str, JSON] = {
        "payer": str(route.payer_account_id),
        "kinds": sorted(kind.value for kind in route.kinds),
        "percent": f"{route.percent:.2f}",
    }
    await audit.record(tx, actor=actor, action=action, subject=str(account.id), at=now, detail=detail)
