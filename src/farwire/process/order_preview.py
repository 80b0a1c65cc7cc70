"""What an order would cost, before anybody confirms it: the bill without it and with it, besides usage.

The products are as the order's tasks would leave them, and the bill is calculated by the same function as the bill run
uses, so that what is previewed is what is billed. Nothing is saved.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from farwire.account.model import BillingAccount
from farwire.base.clock import Clock
from farwire.base.storage import Tx
from farwire.billing import service as billing
from farwire.billing.model import BillLine, Calculated
from farwire.inventory import service as inventory
from farwire.inventory.model import Product
from farwire.kernel.time import Period
from farwire.ordering import service as ordering
from farwire.ordering.model import OrderRequest, Refusal, products_after


@dataclass(frozen=True, slots=True)
class Change:
    """What an order adds to a bill and takes from it. Amounts in minor units; ``tax_minor`` is the difference of taxes.

    ``added`` are lines that are only on the bill with the order, ``removed`` those only on the one without it.
    """

    added: tuple[BillLine, ...]
    removed: tuple[BillLine, ...]
    net_minor: int
    tax_minor: int

    @property
    def total_minor(self) -> int:
        """Return what the customer pays more; negative where he pays less."""
        return self.net_minor + self.tax_minor


@dataclass(frozen=True, slots=True)
class OrderPreview:
    """What an order would lead to.

    With ``refusals`` there is nothing else: it would not be taken. ``starts_at`` is from when it would count.
    ``bill`` is the account's bill for ``period`` besides usage, with the order; ``first`` is what the order makes of
    it, ``then`` what it makes of the next bill, and of those that follow where nothing else changes.
    """

    refusals: tuple[Refusal, ...]
    starts_at: datetime
    account: BillingAccount
    period: Period | None = None
    bill: Calculated | None = None
    first: Change | None = None
    then: Change | None = None


async def preview_order(*, tx: Tx, clock: Clock, request: OrderRequest) -> OrderPreview:
    """Return what the order would cost, or every reason against it. Raises ``NotFound`` (``account.unknown``)."""
    now = clock.now()
    checked = await ordering.check(tx=tx, clock=clock, request=request)
    account = checked.known.situation.account
    if checked.refusals:
        return OrderPreview(checked.refusals, checked.starts_at, account)
    items = await ordering.draft_items(tx=tx, clock=clock, checked=checked, request=request)
    before = (await inventory.products_by_account(tx, [account.id])).get(account.id, ())
    after = products_after(before, items, account, at=checked.starts_at, now=now)
    period = account.cycle.containing(max(now, checked.starts_at))
    following = account.cycle.next(period)

    async def bill(products: Sequence[Product], cycle: Period) -> Calculated:
        return await billing.preview_products(tx, account=account, products=products, period=cycle, now=now)

    without, with_it = await bill(before, period), await bill(after, period)
    next_without, next_with = await bill(before, following), await bill(after, following)
    first = difference(without, with_it)
    both = difference(next_without, next_with)
    return OrderPreview((), checked.starts_at, account, period, with_it, first, _less(both, first))


def difference(without: Calculated, with_it: Calculated) -> Change:
    """Return what is only on one of two bills."""
    return Change(
        _only(with_it.lines, without.lines),
        _only(without.lines, with_it.lines),
        with_it.net_minor - without.net_minor,
        with_it.tax_minor - without.tax_minor,
    )


def _less(both: Change, first: Change) -> Change:
    """Return what ``both`` bills together change without what the ``first`` does.

    A bill holds all that is not billed yet: that of the next cycle would hold the first one's lines, too.
    """
    return Change(
        _only(both.added, first.added),
        _only(both.removed, first.removed),
        both.net_minor - first.net_minor,
        both.tax_minor - first.tax_minor,
    )


def _key(line: BillLine) -> tuple[object, ...]:
    item = line.item
    return (item.product_id, item.kind, item.price_id, item.period, item.exact_nano, item.label)


def _only(lines: Sequence[BillLine], others: Sequence[BillLine]) -> tuple[BillLine, ...]:
    left = Counter(map(_key, others))
    found = []
    for line in lines:
        if left[_key(line)]:
            left[_key(line)] -= 1
        else:
            found.append(line)
    return tuple(found)
