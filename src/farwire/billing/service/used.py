"""Which usage goes on whose bill: the usage of an account's own products, and of those whose usage it pays.

The times of a product's usage are cut where another account begins to pay it, and where the one that pays moves to
another tax, so that each line has one payer and one place.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from farwire.account.model import BillingAccount
from farwire.billing.model.routes import usage_times
from farwire.billing.service.owed import Facts
from farwire.inventory.model import Product
from farwire.kernel.ids import AccountId, BillId
from farwire.kernel.time import Period
from farwire.usage.model import RatedTotal, UsageSpan


@dataclass(frozen=True, slots=True)
class Taken:
    """Usage that the bill of ``account_id`` takes; ``for_account`` is whose product it is where that is another."""

    account_id: AccountId
    span: UsageSpan
    product: Product
    for_account: str = ""

    def period(self, total: RatedTotal, cycle: Period) -> Period:
        """Return what the line of ``total`` is for: the part of the cycle, or the time of what came late."""
        if total.late:
            return Period(total.first_at, total.last_at + timedelta.resolution)
        first = max(cycle.start, min(self.product.started_at, total.first_at), self.span.since or cycle.start)
        return Period(first, min(self.span.until or cycle.end, cycle.end))


def usage_of(
    account: BillingAccount,
    cycle: Period,
    facts: Facts,
    cuts: Sequence[datetime] = (),
    bill_id: BillId | None = None,
) -> Iterator[Taken]:
    """Yield the usage that the bill of ``account`` for ``cycle`` takes, cut at ``cuts``, which rise."""
    for owner in (account, *facts.paid_for.get(account.id, ())):
        own = owner.id == account.id
        times = usage_times(facts.routes.get(owner.id, ()), None if own else account.id)
        pieces = [piece for since, until in times for piece in _pieces(since, until, cuts)]
        for product in facts.products.get(owner.id, ()):
            for since, until in pieces:
                if since is None or since < cycle.end:
                    span = UsageSpan(product.id, cycle, bill_id, since, until)
                    yield Taken(account.id, span, product, "" if own else owner.number)


def _pieces(
    since: datetime | None, until: datetime | None, cuts: Sequence[datetime]
) -> Iterator[tuple[datetime | None, datetime | None]]:
    for cut in cuts:
        if (since is None or since < cut) and (until is None or cut < until):
            yield since, cut
            since = cut
    yield since, until
