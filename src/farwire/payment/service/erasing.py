"""What payment knows of a person beside his payments: read it for an export, and erase it.

Amounts stay: what was sold, credited and owed is in the books. Who it was for becomes a pseudonym.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from farwire.base.storage import Tx
from farwire.kernel.ids import AccountId
from farwire.payment.model import Charge, ChargeState
from farwire.payment.model.voucher import Attempt, CreditOrder
from farwire.payment.store import erasing as store


@dataclass(frozen=True, slots=True)
class TopUps:
    """Vouchers and top-ups of a person, his tries that failed, and what gateways were asked for."""

    orders: tuple[CreditOrder, ...]
    attempts: tuple[Attempt, ...]
    charges: tuple[Charge, ...]

    @property
    def unsettled(self) -> tuple[str, ...]:
        """Return in words what charging or a gateway has still to answer."""
        found = [
            f"top-up {one.key} is not settled with its balance"
            for one in self.orders
            if one.credited_at is None or (one.reversed_at is not None and one.short_minor is None)
        ]
        found += [
            f"a top-up by {one.method} waits for its payer"
            for one in self.charges
            if one.topup_for and one.state is ChargeState.PENDING
        ]
        return tuple(found)

    @property
    def subscribers(self) -> tuple[str, ...]:
        """Return every name under which charging was to credit something."""
        names = [one.asked.subscriber for one in self.orders]
        return tuple(dict.fromkeys([*names, *(one.topup_for for one in self.charges if one.topup_for)]))


async def top_ups_of(tx: Tx, *, account_ids: Sequence[AccountId], names: Sequence[str]) -> TopUps:
    """Return what is kept of these billing accounts and of these names of subscribers."""
    return TopUps(
        await store.orders_of_person(tx, account_ids, names),
        await store.attempts_of_person(tx, account_ids, names),
        await store.charges_of_person(tx, account_ids, names),
    )


async def erase_top_ups(
    tx: Tx, *, account_ids: Sequence[AccountId], names: Sequence[str], pseudonyms: Mapping[str, str]
) -> int:
    """Forget who topped up and for whom; return how many orders, tries and charges that were. Idempotent.

    A subscriber becomes what ``pseudonyms`` calls him, so that money which a provider takes back later still finds its
    balance; without one he is "erased".
    """
    orders = await store.blank_orders(tx, account_ids, names, pseudonyms)
    tries = await store.delete_attempts(tx, account_ids, names)
    charges = await store.blank_charges(tx, account_ids, names, pseudonyms)
    return orders + tries + charges
