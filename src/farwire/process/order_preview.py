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
from farwire.billing.model.once import EARLY_TERMINATION
from farwire.inventory import service as inventory
from farwire.inventory.model import EndReason, Product
from farwire.kernel.ids import ProductId
from farwire.kernel.time import Period
from farwire.ordering import service as ordering
from farwire.ordering.model import (
    Action,
    OrderRequest,
    Refusal,
    earliest_cease,
    end_reason,
    products_after,
    withdrawal_end,
)


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
class CeaseTerms:
    """What was agreed for a product that the order would end.

    It cannot be ceased before ``earliest_cease``, as notice was agreed; it can be withdrawn from before
    ``withdrawal_until``. Ending it before ``committed_until`` costs ``fee_minor`` (minor units, before tax unless
    prices include it), which is among the lines of the first bill.
    """

    product_id: ProductId
    ends_as: EndReason
    earliest_cease: datetime
    committed_until: datetime | None = None
    withdrawal_until: datetime | None = None
    fee_minor: int = 0


@dataclass(frozen=True, slots=True)
class OrderPreview:
    """What an order would lead to.

    With ``refusals`` it would not be taken, and there is no price. ``starts_at`` is from when it would count, ``terms``
    what was agreed for the products that it ends.
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
    terms: tuple[CeaseTerms, ...] = ()


async def preview_order(*, tx: Tx, clock: Clock, request: OrderRequest) -> OrderPreview:
    """Return what the order would cost, or every reason against it. Raises ``NotFound`` (``account.unknown``)."""
    now = clock.now()
    checked = await ordering.check(tx=tx, clock=clock, request=request)
    account = checked.known.situation.account
    if checked.refusals:
        return OrderPreview(
            checked.refusals, checked.starts_at, account, terms=_terms(request, checked, None)
        )
    items = await ordering.draft_items(tx=tx, clock=clock, checked=checked, request=request)
    before = (await inventory.products_by_account(tx, [account.id])).get(account.id, ())
    after = products_after(before, items, account, at=checked.starts_at, now=now)
    period = await billing.first_cycle(tx, account=account, at=checked.starts_at)
    following = account.cycle.next(period)

    async def bill(products: Sequence[Product], cycle: Period, earlier: Calculated | None) -> Calculated:
        return await billing.preview_products(
            tx, account=account, products=products, period=cycle, earlier=earlier
        )

    without, with_it = await bill(before, period, None), await bill(after, period, None)
    first = difference(without, with_it)
    then = difference(await bill(before, following, without), await bill(after, following, with_it))
    return OrderPreview(
        *((), checked.starts_at, account, period, with_it, first, then),
        _terms(request, checked, first),
    )


def _terms(request: OrderRequest, checked: ordering.Checked, first: Change | None) -> tuple[CeaseTerms, ...]:
    """Return what was agreed for each product that the order ceases, as far as it is known."""
    known = checked.known.situation
    found = []
    for item in request.items:
        held = None if item.product_id is None else known.held.get(item.product_id)
        if item.action is not Action.CEASE or held is None:
            continue
        product, term = held.product, held.product.commitment
        fees = [
            line.net_minor
            for line in (first.added if first is not None else ())
            if line.item.product_id == product.id and line.item.price_id == EARLY_TERMINATION
        ]
        found.append(
            CeaseTerms(
                product.id,
                end_reason(product, checked.starts_at, item.withdrawal, known.tz),
                earliest_cease(term, known.now, known.tz),
                term.ends_at if term is not None and term.ends_at > term.starts_at else None,
                withdrawal_end(term, known.tz) if term is not None and term.withdrawal_days else None,
                sum(fees),
            )
        )
    return tuple(found)


def difference(without: Calculated, with_it: Calculated) -> Change:
    """Return what is only on one of two bills."""
    return Change(
        _only(with_it.lines, without.lines),
        _only(without.lines, with_it.lines),
        with_it.net_minor - without.net_minor,
        with_it.tax_minor - without.tax_minor,
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
