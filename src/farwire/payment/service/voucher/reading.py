"""Look at vouchers, and prove that they and the books say the same."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from farwire.base.storage import Tx
from farwire.kernel.errors import NotFound
from farwire.kernel.money import currency
from farwire.kernel.page import Page, PageRequest
from farwire.ledger import service as ledger
from farwire.ledger.model import Book
from farwire.payment.model.voucher import (
    Attempt,
    Batch,
    CreditOrder,
    Guard,
    OpenCredit,
    Sale,
    Voucher,
    VoucherState,
)
from farwire.payment.store.voucher import batches as store
from farwire.payment.store.voucher import redemptions, sums


async def get_batch(tx: Tx, *, key: str) -> Batch:
    """Return a batch by its name. Raises ``NotFound`` (``payment.batch_unknown``)."""
    found = await store.batch_with_key(tx, key)
    if found is None:
        raise NotFound(
            "there is no such batch",
            code="payment.batch_unknown",
            field="batch",
            value=key[:80],
            fix="see: farwire voucher list",
        )
    return found


async def batch_with_id(tx: Tx, batch_id: UUID) -> Batch:
    """Return a batch by its id. Raises ``NotFound`` (``payment.batch_unknown``)."""
    found = await store.batch_with_id(tx, batch_id)
    if found is None:
        raise NotFound("there is no such batch", code="payment.batch_unknown", field="batch", value=batch_id)
    return found


async def list_batches(tx: Tx, *, page: PageRequest) -> Page[Batch]:
    """Return a page of batches, newest first."""
    found, total = await store.list_batches(tx, offset=page.offset, limit=page.limit)
    return Page(found, total, page.offset, page.limit)


@dataclass(frozen=True, slots=True)
class VoucherFacts:
    """All that is known of a voucher."""

    voucher: Voucher
    sale: Sale | None
    order: CreditOrder | None


async def get_voucher(tx: Tx, *, serial: int) -> VoucherFacts:
    """Return a voucher by its serial number, to whom it was sold and who used it.

    Raises ``NotFound`` (``payment.voucher_unknown``).
    """
    found = await store.get_voucher(tx, serial) if 0 < serial < 2**63 else None
    if found is None:
        raise NotFound(
            "there is no such voucher", code="payment.voucher_unknown", field="serial", value=str(serial)[:30]
        )
    sale = None if found.sale_id is None else await store.get_sale(tx, found.sale_id)
    return VoucherFacts(found, sale, await redemptions.order_of(tx, serial))


async def list_vouchers(
    tx: Tx, *, page: PageRequest, batch: str = "", state: VoucherState | None = None
) -> Page[Voucher]:
    """Return a page of vouchers by serial number. Raises ``NotFound`` (``payment.batch_unknown``)."""
    batch_id = (await get_batch(tx, key=batch)).id if batch else None
    found, total = await store.list_vouchers(
        tx, batch_id=batch_id, state=state, offset=page.offset, limit=page.limit
    )
    return Page(found, total, page.offset, page.limit)


async def list_credit_orders(
    tx: Tx, *, page: PageRequest, waiting_only: bool, vouchers: bool = True
) -> Page[CreditOrder]:
    """Return a page of credit orders, oldest first; with ``waiting_only`` those that charging did not confirm.

    Those of vouchers, or, not ``vouchers``, of payments.
    """
    found, total = await redemptions.list_orders(
        tx, vouchers=vouchers, waiting_only=waiting_only, offset=page.offset, limit=page.limit
    )
    return Page(found, total, page.offset, page.limit)


async def open_credits(tx: Tx) -> tuple[OpenCredit, ...]:
    """Return what is on the books for prepaid balances and charging has not confirmed, by company and currency."""
    return await redemptions.open_sums(tx)


async def list_attempts(tx: Tx, *, page: PageRequest, subscriber: str = "") -> Page[Attempt]:
    """Return a page of tries that failed, newest first, with the reason that the outside was not told."""
    found, total = await redemptions.list_attempts(
        tx, subscriber=subscriber, offset=page.offset, limit=page.limit
    )
    return Page(found, total, page.offset, page.limit)


async def list_locked(tx: Tx, *, page: PageRequest, now: datetime) -> Page[Guard]:
    """Return a page of the subscribers whose tries are not looked at now, most failures first."""
    found, total = await redemptions.list_guards(tx, now=now, offset=page.offset, limit=page.limit)
    return Page(found, total, page.offset, page.limit)


@dataclass(frozen=True, slots=True)
class VoucherControl:
    """One comparison of vouchers with the books."""

    name: str
    unit: str
    expected: int
    found: int

    @property
    def ok(self) -> bool:
        """Return whether both are the same."""
        return self.expected == self.found


async def check_vouchers(tx: Tx) -> tuple[VoucherControl, ...]:
    """Return each sum over vouchers beside the same sum in the books, by currency."""
    by_currency = await sums.sums_by_currency(tx)
    booked: dict[tuple[str, str, Book], int] = {}
    for source in ("voucher_sold", "voucher_cancelled", "voucher_redeemed", "voucher_expired"):
        for balance in await ledger.source_balance(tx=tx, source=source):
            place = (source, balance.currency.code, balance.book)
            booked[place] = booked.get(place, 0) + balance.amount_minor
    outstanding: dict[str, int] = {}
    for balance in await ledger.trial_balance(tx=tx):
        if balance.book is Book.VOUCHERS_SOLD:
            code = balance.currency.code
            outstanding[code] = outstanding.get(code, 0) - balance.amount_minor
    controls = [
        VoucherControl(
            "batches with a wrong number of vouchers", "batches", 0, await sums.incomplete_batches(tx)
        )
    ]
    for code in sorted({*by_currency, *outstanding}):
        have = by_currency.get(code, {})
        for name, mine, theirs in (
            (
                "sold = booked as sold",
                "sold",
                -booked.get(("voucher_sold", code, Book.VOUCHERS_SOLD), 0)
                - booked.get(("voucher_cancelled", code, Book.VOUCHERS_SOLD), 0),
            ),
            ("used = booked as prepaid", "used", -booked.get(("voucher_redeemed", code, Book.PREPAID), 0)),
            ("used = credit orders", "used", have.get("ordered", 0)),
            (
                "expired = breakage",
                "expired",
                -booked.get(("voucher_expired", code, Book.VOUCHER_BREAKAGE), 0),
            ),
            ("outstanding = the debt in the books", "outstanding", outstanding.get(code, 0)),
        ):
            controls.append(VoucherControl(name, currency(code).code, have.get(mine, 0), theirs))
    return tuple(controls)


async def count_waiting(tx: Tx) -> int:
    """Return how many vouchers are used and not yet credited."""
    return await sums.waiting_orders(tx)
