"""The price preview of an order over HTTP."""

from __future__ import annotations

from typing import Final

import msgspec

from farwire.base.authz import Permission
from farwire.base.web import AnyRoute, Call, Method, MoneyDocument, Nothing, Reply, Route, timestamp
from farwire.billing.model import BillLine, LineKind
from farwire.inventory.model import EndReason
from farwire.kernel.money import Currency
from farwire.ordering.model import OrderRequest
from farwire.process.order_preview import CeaseTerms, Change, OrderPreview, preview_order

PREVIEWS: Final = "/farwire/v1/orderPreviews"


class ReasonDocument(msgspec.Struct, frozen=True, rename="camel"):
    """One reason for which the order would be refused."""

    code: str
    message: str
    field: str
    value: str
    fix: str


class PreviewLineDocument(msgspec.Struct, frozen=True, rename="camel"):
    """A line that a bill would get; ``amount`` is before tax unless prices include it, negative where it goes."""

    product_id: str | None
    kind: LineKind
    price_id: str
    label: str
    period_start: str
    period_end: str
    amount: MoneyDocument


class PreviewChangeDocument(msgspec.Struct, frozen=True, rename="camel"):
    """What the order makes of one bill."""

    lines: list[PreviewLineDocument]
    net: MoneyDocument
    tax: MoneyDocument
    total: MoneyDocument


class CeaseTermsDocument(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """What was agreed for a product that the order ends; ``fee`` is what ending it before ``committedUntil`` costs."""

    product_id: str
    ends_as: EndReason
    earliest_cease: str
    fee: MoneyDocument
    committed_until: str | None = None
    withdrawal_until: str | None = None


class OrderPreviewDocument(
    msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, tag_field="@type", tag="OrderPreview"
):
    """What an order would cost besides usage: ``firstBill`` for the cycle in which it counts, ``then`` the next one.

    With ``reasons`` it would be refused and there is no price.
    """

    starts_at: str
    reasons: list[ReasonDocument] = []
    bill_period_start: str | None = None
    bill_period_end: str | None = None
    first_bill: PreviewChangeDocument | None = None
    then: PreviewChangeDocument | None = None
    terms: list[CeaseTermsDocument] = []


def _line(line: BillLine, sign: int, unit: Currency) -> PreviewLineDocument:
    item = line.item
    return PreviewLineDocument(
        product_id=None if item.product_id is None else str(item.product_id),
        kind=item.kind,
        price_id=item.price_id,
        label=item.label,
        period_start=timestamp(item.period.start),
        period_end=timestamp(item.period.end),
        amount=MoneyDocument.of(sign * line.net_minor, unit),
    )


def _change(change: Change | None, unit: Currency) -> PreviewChangeDocument | None:
    if change is None:
        return None
    return PreviewChangeDocument(
        lines=[_line(one, 1, unit) for one in change.added]
        + [_line(one, -1, unit) for one in change.removed],
        net=MoneyDocument.of(change.net_minor, unit),
        tax=MoneyDocument.of(change.tax_minor, unit),
        total=MoneyDocument.of(change.total_minor, unit),
    )


def to_preview(seen: OrderPreview) -> OrderPreviewDocument:
    """Return a preview as the API shows it."""
    unit, period = seen.account.currency, seen.period
    return OrderPreviewDocument(
        starts_at=timestamp(seen.starts_at),
        reasons=[ReasonDocument(r.code, r.message, r.field, r.value, r.fix) for r in seen.refusals],
        bill_period_start=None if period is None else timestamp(period.start),
        bill_period_end=None if period is None else timestamp(period.end),
        first_bill=_change(seen.first, unit),
        then=_change(seen.then, unit),
        terms=[_terms(one, unit) for one in seen.terms],
    )


def _terms(one: CeaseTerms, unit: Currency) -> CeaseTermsDocument:
    until, withdrawal = one.committed_until, one.withdrawal_until
    return CeaseTermsDocument(
        product_id=str(one.product_id),
        ends_as=one.ends_as,
        earliest_cease=timestamp(one.earliest_cease),
        fee=MoneyDocument.of(one.fee_minor, unit),
        committed_until=None if until is None else timestamp(until),
        withdrawal_until=None if withdrawal is None else timestamp(withdrawal),
    )


async def preview_product_order(call: Call[Nothing, Nothing, OrderRequest]) -> Reply:
    """Calculate what an order would cost; nothing is kept of it."""
    async with call.transaction() as tx:
        return Reply(to_preview(await preview_order(tx=tx, clock=call.clock, request=call.body)))


ROUTES: Final[tuple[AnyRoute, ...]] = (
    Route(
        method=Method.POST,
        path=PREVIEWS,
        handler=preview_product_order,
        summary="Preview an order",
        tag="Product orders",
        permission=Permission.ORDER_READ,
        response=OrderPreviewDocument,
        body_type=OrderRequest,
        errors=("404", "409"),
        description="Its price with pro-rata, taxes, credits and fees before anybody confirms it. Nothing is saved.",
    ),
)
