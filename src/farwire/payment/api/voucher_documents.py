"""Vouchers as JSON. No document has a code."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

from farwire.base.web import MoneyDocument, timestamp
from farwire.kernel.money import Money
from farwire.payment.model import MethodKind
from farwire.payment.model.voucher import Answer, Attempt, Batch, CreditOrder, Voucher

BATCHES: Final = "/farwire/v1/voucherBatches"
VOUCHERS: Final = "/farwire/v1/vouchers"
REDEMPTIONS: Final = "/farwire/v1/voucherRedemptions"
ATTEMPTS: Final = "/farwire/v1/voucherAttempts"
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=80, pattern=r"\S")]
Serial = Annotated[int, msgspec.Meta(ge=1, le=2**53)]


class BatchDocument(
    msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, tag_field="@type", tag="VoucherBatch"
):
    """Vouchers that were made together; ``vouchers`` counts them by state."""

    id: str
    href: str
    key: str
    state: str
    value: MoneyDocument
    first_serial: int
    last_serial: int
    valid_from: str
    valid_until: str
    vouchers: dict[str, int]
    created_at: str
    printed_at: str | None = None
    extra: str = ""


class VoucherDocument(
    msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, tag_field="@type", tag="Voucher"
):
    """One voucher by its serial number."""

    id: str
    href: str
    batch_id: str
    state: str
    value: MoneyDocument
    valid_until: str
    changed_at: str
    activated_at: str | None = None
    extra: str = ""
    reason: str = ""


class RedemptionCreate(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """A wish to use a voucher. The same key again gets the same answer; ``subscriber`` is charging's name of him."""

    code: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    key: Name
    subscriber: Name
    account_id: str | None = None


class RedemptionReply(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """accepted, with the voucher's value; refused, without a reason; or locked: not looked at before ``retryAt``."""

    state: str
    id: str | None = None
    value: MoneyDocument | None = None
    serial: int | None = None
    extra: str = ""
    retry_at: str | None = None


class RedemptionDocument(
    msgspec.Struct,
    frozen=True,
    rename="camel",
    omit_defaults=True,
    tag_field="@type",
    tag="VoucherRedemption",
):
    """A voucher that was used: what charging credits under ``id``. Without ``creditedAt`` it is not credited yet."""

    id: str
    subscriber: str
    serial: int | None
    value: MoneyDocument
    redeemed_at: str
    credited_at: str | None = None
    account_id: str | None = None
    extra: str = ""


class AttemptDocument(
    msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, tag_field="@type", tag="VoucherAttempt"
):
    """A try that failed, with the reason that the outside was not told."""

    id: str
    subscriber: str
    outcome: str
    at: str
    serial: int | None = None
    retry_at: str | None = None


class ActivationCreate(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """Who buys: a dealer's account, who then owes the price, or anybody, by a method. All of the batch by default."""

    account_id: str | None = None
    method: MethodKind | None = None
    price: MoneyDocument | None = None
    first_serial: Serial | None = None
    last_serial: Serial | None = None
    due_days: Annotated[int, msgspec.Meta(ge=0, le=365)] = 30


class ActivationReply(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """How many vouchers were sold, for what; 0 where all of them were sold before."""

    sold: int
    batch: BatchDocument
    value: MoneyDocument | None = None
    price: MoneyDocument | None = None


class ChangeCreate(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """Which of a batch, all by default, and why. ``sold``, of cancel only: undo the sale of what is blocked."""

    reason: Annotated[str, msgspec.Meta(max_length=200)] = ""
    first_serial: Serial | None = None
    last_serial: Serial | None = None
    sold: bool = False


class ChangeReply(msgspec.Struct, frozen=True, rename="camel"):
    """How many vouchers changed."""

    changed: int
    batch: BatchDocument


def money_of(money: Money) -> MoneyDocument:
    """Return the document of an amount."""
    return MoneyDocument.of(money.amount_minor, money.currency)


def to_batch(batch: Batch) -> BatchDocument:
    """Return the document of a batch."""
    order = batch.order
    return BatchDocument(
        id=str(batch.id),
        href=f"{BATCHES}/{batch.id}",
        key=order.key,
        state=batch.state.value,
        value=money_of(order.value),
        first_serial=batch.serials.first,
        last_serial=batch.serials.last,
        valid_from=timestamp(order.valid_from),
        valid_until=timestamp(order.valid_until),
        vouchers={state.value: number for state, number in batch.counts.items()},
        created_at=timestamp(batch.created_at),
        printed_at=None if batch.printed_at is None else timestamp(batch.printed_at),
        extra=order.extra,
    )


def to_voucher(voucher: Voucher) -> VoucherDocument:
    """Return the document of a voucher."""
    return VoucherDocument(
        id=str(voucher.serial),
        href=f"{VOUCHERS}/{voucher.serial}",
        batch_id=str(voucher.batch_id),
        state=voucher.state.value,
        value=money_of(voucher.value),
        valid_until=timestamp(voucher.valid_until),
        changed_at=timestamp(voucher.changed_at),
        activated_at=None if voucher.activated_at is None else timestamp(voucher.activated_at),
        extra=voucher.extra,
        reason=voucher.reason,
    )


def to_reply(answer: Answer) -> RedemptionReply:
    """Return what the outside is told."""
    order = answer.order
    retry = None if answer.retry_at is None else timestamp(answer.retry_at)
    if order is None:
        return RedemptionReply(answer.told.value, retry_at=retry)
    value = money_of(order.value)
    return RedemptionReply(answer.told.value, order.key, value, order.serial, order.extra, retry)


def to_redemption(order: CreditOrder) -> RedemptionDocument:
    """Return the document of a voucher that was used."""
    account = order.asked.account_id
    return RedemptionDocument(
        id=order.key,
        subscriber=order.asked.subscriber,
        serial=order.serial,
        value=money_of(order.value),
        redeemed_at=timestamp(order.redeemed_at),
        credited_at=None if order.credited_at is None else timestamp(order.credited_at),
        account_id=None if account is None else str(account),
        extra=order.extra,
    )


def to_attempt(attempt: Attempt) -> AttemptDocument:
    """Return the document of a try that failed."""
    return AttemptDocument(
        id=str(attempt.id),
        subscriber=attempt.asked.subscriber,
        outcome=attempt.outcome.value,
        at=timestamp(attempt.at),
        serial=attempt.serial,
        retry_at=None if attempt.retry_at is None else timestamp(attempt.retry_at),
    )
