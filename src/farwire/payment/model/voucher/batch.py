"""Batches of vouchers, their states, and what a person may do to a range of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Final
from uuid import UUID

from farwire.kernel.errors import Invalid
from farwire.kernel.ids import AccountId, LegalEntityId
from farwire.kernel.money import Money, int64, round_half_up
from farwire.kernel.tenancy import Actor
from farwire.payment.model.method import MethodKind
from farwire.payment.model.voucher.code import Alphabet, check_length

MOST_IN_A_BATCH: Final = 1_000_000
_LONGEST_KEY: Final = 80
_LONGEST_EXTRA: Final = 200
_LONGEST_CREDIT: Final = 365


class VoucherState(StrEnum):
    """The states of one voucher. Used, expired and cancelled are ends."""

    GENERATED = "generated"
    """It exists, and is worth nothing yet: not sold."""
    ACTIVE = "active"
    """Sold: who types its code gets its value."""
    USED = "used"
    BLOCKED = "blocked"
    """Lost or in doubt. It comes back to what it was, or is cancelled."""
    EXPIRED = "expired"
    CANCELLED = "cancelled"


class BatchState(StrEnum):
    """Where a batch is; it follows from its print file and its vouchers."""

    GENERATED = "generated"
    """Its print file was not finished: its codes are lost, nothing of it can be activated."""
    PRINTED = "printed"
    """The print file was handed over once."""
    ACTIVE = "active"
    """Some of it is sold."""
    CLOSED = "closed"
    """All of it is used, expired or cancelled."""


class Change(StrEnum):
    """What a person does to vouchers."""

    ACTIVATE = "activate"
    BLOCK = "block"
    UNBLOCK = "unblock"
    CANCEL = "cancel"


CHANGES: Final = MappingProxyType(
    {
        Change.ACTIVATE: frozenset({VoucherState.GENERATED}),
        Change.BLOCK: frozenset({VoucherState.GENERATED, VoucherState.ACTIVE}),
        Change.UNBLOCK: frozenset({VoucherState.BLOCKED}),
        Change.CANCEL: frozenset({VoucherState.GENERATED, VoucherState.BLOCKED}),
    }
)
"""Change → the states that it takes; vouchers in other states stay as they are. What was sold is cancelled only where
that is asked for, by somebody else than who blocked it: its sale is undone."""


@dataclass(frozen=True, slots=True)
class SerialRange:
    """Serial numbers from ``first`` to ``last``, both in it."""

    first: int
    last: int

    def __post_init__(self) -> None:
        if not 1 <= self.first <= self.last:
            raise Invalid(
                "a range of serial numbers goes from a smaller to a larger one",
                code="payment.serial_range",
                field="serial",
                value=f"{self.first}-{self.last}"[:60],
            )
        int64(self.last, field="serial")

    @property
    def count(self) -> int:
        """Return how many serial numbers it holds."""
        return self.last - self.first + 1


@dataclass(frozen=True, slots=True)
class BatchOrder:
    """What is to be made. ``key`` names the batch once; ``extra`` is what comes on top, by its name in the catalogue.

    A voucher can be used in ``[valid_from, valid_until)``.
    """

    key: str
    legal_entity_id: LegalEntityId
    quantity: int
    value: Money
    valid_from: datetime
    valid_until: datetime
    alphabet: Alphabet
    length: int
    extra: str = ""

    def __post_init__(self) -> None:
        check_length(self.alphabet, self.length)
        wrong = {
            "key": not 1 <= len(self.key) <= _LONGEST_KEY
            or not self.key.isprintable()
            or not self.key.strip(),
            "extra": len(self.extra) > _LONGEST_EXTRA or not self.extra.isprintable(),
            "quantity": not 1 <= self.quantity <= MOST_IN_A_BATCH,
            "value": self.value.amount_minor <= 0,
            "valid_until": self.valid_until <= self.valid_from,
        }
        fixes = {
            "key": f"a name of 1 to {_LONGEST_KEY} characters",
            "extra": f"up to {_LONGEST_EXTRA} characters",
            "quantity": f"1 to {MOST_IN_A_BATCH:,}",
            "value": "more than 0",
            "valid_until": "after valid_from",
        }
        for field in (name for name, bad in wrong.items() if bad):
            raise Invalid(
                f"{field} of a batch is wrong", code="payment.batch", field=field, fix=f"give {fixes[field]}"
            )
        int64(self.value.amount_minor * self.quantity, field="value")


@dataclass(frozen=True, slots=True)
class Batch:
    """Vouchers that were made together. ``digest`` is the SHA-256 of the print file, which is not kept.

    ``counts`` tells how many of its vouchers are in which state.
    """

    id: UUID
    order: BatchOrder
    serials: SerialRange
    digest: bytes
    created_by: Actor
    created_at: datetime
    printed_at: datetime | None
    counts: Mapping[VoucherState, int]

    @property
    def state(self) -> BatchState:
        """Return where the batch is."""
        live = {VoucherState.GENERATED, VoucherState.ACTIVE, VoucherState.BLOCKED}
        if self.counts and not any(self.counts.get(one, 0) for one in live):
            return BatchState.CLOSED
        if self.printed_at is None:
            return BatchState.GENERATED
        started = sum(self.counts.values()) > self.counts.get(VoucherState.GENERATED, 0)
        return BatchState.ACTIVE if started else BatchState.PRINTED


@dataclass(frozen=True, slots=True)
class Voucher:
    """One voucher, as the operator sees it. Its code is nowhere."""

    serial: int
    batch_id: UUID
    batch_key: str
    state: VoucherState
    value: Money
    extra: str
    valid_from: datetime
    valid_until: datetime
    activated_at: datetime | None
    sale_id: UUID | None
    changed_at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Buyer:
    """Who buys vouchers: a dealer's account, which owes ``price`` in ``due_days``, or whoever pays by ``method``.

    Without a ``price`` they cost their value.
    """

    account_id: AccountId | None = None
    method: MethodKind | None = None
    price: Money | None = None
    due_days: int = 30

    def __post_init__(self) -> None:
        if (self.account_id is None) == (self.method is None):
            raise Invalid(
                "vouchers are sold to a dealer's account, or against money",
                code="payment.voucher_buyer",
                field="account",
                fix="give the dealer's account, or how the money came",
            )
        if not 0 <= self.due_days <= _LONGEST_CREDIT:
            raise Invalid(
                f"a dealer pays in 0 to {_LONGEST_CREDIT} days",
                code="payment.voucher_buyer",
                field="due_days",
            )


@dataclass(frozen=True, slots=True)
class Sale:
    """Vouchers that were sold together.

    ``price`` is what is paid for them; the vouchers' value less the price is the dealer's commission.
    """

    id: UUID
    batch_id: UUID
    legal_entity_id: LegalEntityId
    serials: SerialRange
    quantity: int
    value: Money
    price: Money
    buyer: Buyer
    sold_at: datetime
    sold_by: Actor

    def __post_init__(self) -> None:
        if (
            not 0 <= self.price.amount_minor <= self.value.amount_minor
            or self.price.currency != self.value.currency
        ):
            raise Invalid(
                f"{self.quantity} vouchers of together {self.value} are not sold for {self.price}",
                code="payment.voucher_price",
                field="price",
                value=str(self.price),
                fix="give 0 up to their value, in their currency",
            )


@dataclass(frozen=True, slots=True)
class Undone:
    """The part of a sale that is undone: vouchers from the serial number ``first`` on, worth ``value``."""

    id: UUID
    first: int
    value: Money
    price: Money
    """What they were sold for."""


def undone(sale: Sale, *, undone_id: UUID, first: int, number: int, before: int) -> Undone:
    """Return the part of ``sale`` that ``number`` vouchers are, where ``before`` were undone already.

    The parts of all its vouchers are its price, to the last minor unit.
    """

    def part(amount: Money) -> Money:
        upto, from_ = (
            round_half_up(amount.amount_minor * count, sale.quantity) for count in (before + number, before)
        )
        return Money(upto - from_, amount.currency)

    return Undone(undone_id, first, part(sale.value), part(sale.price))
