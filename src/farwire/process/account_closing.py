"""Close a billing account when nothing is left to do on it: no product, no order, no bill to come, nothing owed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from farwire.account import service as accounts
from farwire.account.model import AccountState, BillingAccount
from farwire.base.storage import Database, Tx
from farwire.billing import service as billing
from farwire.billing.model import Outcome
from farwire.inventory import service as inventory
from farwire.inventory.model import Product
from farwire.kernel.errors import Conflict
from farwire.kernel.ids import AccountId, TenantId
from farwire.kernel.page import MAX_LIMIT, PageRequest
from farwire.kernel.tenancy import SYSTEM, Actor
from farwire.ledger import service as ledger
from farwire.ordering.service.read import list_orders
from farwire.payment import service as payments
from farwire.process.paging import all_of

_ALL: Final = PageRequest(limit=MAX_LIMIT)
_SETTLED: Final = frozenset({Outcome.BILLED, Outcome.EMPTY})


@dataclass(frozen=True, slots=True)
class Obstacle:
    """One thing that must end first: a stable code, what it is, and what to do about it."""

    code: str
    message: str
    fix: str


def _running(products: Sequence[Product], now: datetime) -> Iterator[Obstacle]:
    for product in products:
        if product.ended_at is None or product.ended_at > now:
            until = "" if product.ended_at is None else f" until {product.ended_at.isoformat()}"
            yield Obstacle(
                "product_running", f"product {product.id} runs{until}", "cease it, or wait for its end"
            )


async def _orders(tx: Tx, account: BillingAccount) -> list[Obstacle]:
    orders = await all_of(lambda page: list_orders(tx=tx, page=page, account_id=account.id))
    return [
        Obstacle("order_open", f"order {order.key} is {order.state}", "let it end, or cancel it")
        for order in orders
        if not order.state.ended
    ]


async def _money(tx: Tx, account: BillingAccount) -> Iterator[Obstacle]:
    unpaid = await payments.list_open_items(tx, page=_ALL, account_id=account.id)
    found = [
        Obstacle("item_open", f"bill {item.number} is not paid", "take its payment") for item in unpaid.items
    ]
    for money in await ledger.account_balance(tx=tx, account_id=account.id):
        if money.amount_minor < 0:
            found.append(Obstacle("credit_left", f"{-money} belong to the customer", "refund them"))
        elif money.amount_minor > 0 and not found:
            found.append(Obstacle("item_open", f"{money} are owed", "take the payment"))
    return iter(found)


async def _unbilled(tx: Tx, account: BillingAccount, now: datetime) -> Iterator[Obstacle]:
    try:
        bill = await billing.preview_bill(tx, account_id=account.id, now=now)
    except Conflict as error:
        return iter([Obstacle("unbilled", f"its next bill fails: {error.message}", "mend that and bill it")])
    if bill is None:
        return iter(())
    return iter(
        [Obstacle("unbilled", "it has charges that no bill has yet", "run billing and issue the bill")]
    )


async def _last_cycle(
    db: Database, tenant_id: TenantId, account: BillingAccount, products: Sequence[Product]
) -> Iterator[Obstacle]:
    """Look for the cycle in which the last product ended among those that runs have settled and issued."""
    ends = [product.ended_at for product in products if product.ended_at is not None]
    drafts = await billing.list_bills(db=db, tenant_id=tenant_id, page=_ALL, account_id=account.id)
    waiting = [bill for bill in drafts.items if bill.number is None]
    if waiting:
        return iter([Obstacle("bill_draft", "a bill of it waits to be issued", "approve and issue its run")])
    if not ends:
        return iter(())
    # The end is exclusive: who leaves at a boundary was served in the cycle before it.
    last = account.cycle.containing(max(*ends, account.opened_at))
    wanted = last.start if last.start == max(ends) else last.end
    journal = await billing.account_journal(db=db, tenant_id=tenant_id, account_id=account.id, page=_ALL)
    if any(line.entry.outcome in _SETTLED and line.entry.cycle_end >= wanted for line in journal.items):
        return iter(())
    text = f"its last cycle, to {wanted.date()}, is not billed"
    return iter([Obstacle("cycle_unbilled", text, "run billing for it")])


async def closing_obstacles(
    tx: Tx, *, db: Database, account: BillingAccount, now: datetime
) -> tuple[Obstacle, ...]:
    """Return what is left to do before ``account`` can close; empty when it can. One page of each kind is named."""
    products = (await inventory.products_by_account(tx, [account.id])).get(account.id, ())
    found = [*_running(products, now), *await _orders(tx, account), *await _money(tx, account)]
    paid_for = (await accounts.routes_to(tx, [account.id])).get(account.id, ())
    if any(route.valid_to is None or route.valid_to > now for route in paid_for):
        found.append(Obstacle("pays_for_others", "it pays for another account", "end those routes"))
    if not found:
        found.extend(await _unbilled(tx, account, now))
    if not found:
        found.extend(await _last_cycle(db, tx.tenant_id, account, products))
    return tuple(found)


async def close_account(
    tx: Tx, *, db: Database, account_id: AccountId, now: datetime, actor: Actor = SYSTEM
) -> BillingAccount:
    """Close an account now and return it. Idempotent.

    The account is locked first: an order, or a route to it, that comes meanwhile waits and is then refused. Bills are
    read through ``db``. Raises ``NotFound`` (``account.unknown``), ``Conflict`` (``account.not_finished``, naming
    everything that is left; ``account.has_children``).
    """
    account = await accounts.lock_account(tx, account_id)
    if account.state is AccountState.CLOSED:
        return account
    obstacles = await closing_obstacles(tx, db=db, account=account, now=now)
    if obstacles:
        raise Conflict(
            "; ".join(one.message for one in obstacles),
            code="account.not_finished",
            field="account",
            value=account.number,
            fix="; ".join(dict.fromkeys(one.fix for one in obstacles)),
        )
    return await accounts.close_account(tx, account_id=account_id, at=now, now=now, actor=actor)
