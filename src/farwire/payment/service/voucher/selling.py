"""Sell vouchers: to dealers, who owe their price, or against money."""

from __future__ import annotations

from datetime import datetime, timedelta

from farwire.account import service as accounts
from farwire.base import audit
from farwire.base.authz import require_four_eyes
from farwire.base.canonical import JSON
from farwire.base.storage import Tx
from farwire.kernel.errors import Conflict, Invalid
from farwire.kernel.ids import AccountId, OpenItemId, uuid7
from farwire.kernel.money import Money
from farwire.kernel.tenancy import Actor
from farwire.ledger import service as ledger
from farwire.payment.model import ItemKind, OpenItem
from farwire.payment.model.voucher import (
    CHANGES,
    Batch,
    Buyer,
    Change,
    Sale,
    SerialRange,
    VoucherState,
    sale_entry,
)
from farwire.payment.service.items import add_open_items
from farwire.payment.service.settling import booking_dates, day_of
from farwire.payment.service.voucher.reading import get_batch
from farwire.payment.store.voucher import batches as store


async def activate(
    tx: Tx, *, batch: str, serials: SerialRange | None, buyer: Buyer, now: datetime, actor: Actor
) -> Sale | None:
    """Sell the vouchers of a batch, or of a range of it: from now on their codes are worth their value.

    A dealer then owes their price as an open item. Vouchers that are sold, blocked or cancelled stay as they are;
    without any left, None: selling again sells nothing. Who made the batch knows its codes, so somebody else sells it.
    Raises ``NotFound`` (``payment.batch_unknown``, ``account.unknown``), ``Forbidden`` (``authz.four_eyes``),
    ``Conflict`` (``payment.not_printed``, ``payment.other_company``, ``payment.voucher_expired``), ``Invalid``
    (``payment.voucher_price``, ``payment.serial_range``).
    """
    found = await get_batch(tx, key=batch)
    _check_sellable(found, now)
    require_four_eyes(requested_by=found.created_by, approved_by=actor)
    await _check_dealer(tx, found, buyer.account_id)
    wanted = within(found, serials)
    sale_id = uuid7(now)
    number = await store.change_vouchers(
        tx,
        batch_id=found.id,
        serials=wanted,
        taken=CHANGES[Change.ACTIVATE],
        to=VoucherState.ACTIVE,
        at=now,
        reason="",
        actor=actor,
        sale_id=sale_id,
    )
    if not number:
        return None
    order = found.order
    value = Money(order.value.amount_minor * number, order.value.currency)
    paid = value if buyer.price is None else buyer.price
    sale = Sale(sale_id, found.id, order.legal_entity_id, wanted, number, value, paid, buyer, now, actor)
    await _book_sale(tx, found, sale)
    detail: dict[str, JSON] = {
        "number": number,
        "sale": str(sale.id),
        "first": wanted.first,
        "last": wanted.last,
    }
    await audit.record(
        tx, actor=actor, action="payment.vouchers_sold", subject=str(found.id), at=now, detail=detail
    )
    return sale


def _check_sellable(batch: Batch, now: datetime) -> None:
    if batch.printed_at is None:
        raise Conflict(
            "the batch has no finished print file",
            code="payment.not_printed",
            field="batch",
            value=batch.order.key,
            fix="run its farwire voucher generate again; where that cannot finish the file, cancel the batch",
        )
    if batch.order.valid_until <= now:
        raise Conflict(
            f"the batch expired on {batch.order.valid_until:%Y-%m-%d}",
            code="payment.voucher_expired",
            field="batch",
            value=batch.order.key,
        )


async def _check_dealer(tx: Tx, batch: Batch, account_id: AccountId | None) -> None:
    if account_id is None:
        return
    dealer = await accounts.account_with_id(tx, account_id)
    order = batch.order
    if (dealer.legal_entity_id, dealer.currency) != (order.legal_entity_id, order.value.currency):
        raise Conflict(
            "the dealer's account has another company or currency than the vouchers",
            code="payment.other_company",
            field="account",
            value=dealer.number,
        )


def within(batch: Batch, serials: SerialRange | None) -> SerialRange:
    """Return the range that is meant, all of it in the batch. Raises ``Invalid`` (``payment.serial_range``)."""
    if serials is None:
        return batch.serials
    if not batch.serials.first <= serials.first <= serials.last <= batch.serials.last:
        raise Invalid(
            f"the batch has the serial numbers {batch.serials.first} to {batch.serials.last}",
            code="payment.serial_range",
            field="serial",
            value=f"{serials.first}-{serials.last}",
        )
    return serials


async def _book_sale(tx: Tx, batch: Batch, sale: Sale) -> None:
    """Keep a sale, book it, and leave what a dealer has to pay."""
    now = sale.sold_at
    await store.add_sale(tx, sale)
    day = day_of(await booking_dates(tx, now), sale.legal_entity_id)
    await ledger.post_entries(tx=tx, entries=[sale_entry(sale, day, now)])
    if sale.buyer.account_id is None:
        return
    item = OpenItem(
        OpenItemId(uuid7(now)),
        sale.buyer.account_id,
        sale.legal_entity_id,
        ItemKind.VOUCHER_SALE,
        sale.id,
        f"{batch.order.key} {sale.serials.first}-{sale.serials.last}",
        day,
        day + timedelta(days=sale.buyer.due_days),
        sale.price.currency,
        sale.price.amount_minor,
        sale.price.amount_minor,
    )
    await add_open_items(tx, [item], now=now)
