"""A voucher that was used, or was not: what the caller is told, and what the operator sees."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from farwire.kernel.errors import Invalid
from farwire.kernel.ids import AccountId, LegalEntityId, PaymentId
from farwire.kernel.money import Currency, Money

LONGEST_NAME: Final = 80


class Outcome(StrEnum):
    """How an attempt ended, as the operator sees it."""

    ACCEPTED = "accepted"
    UNKNOWN = "unknown"
    NOT_ACTIVE = "not_active"
    USED = "used"
    BLOCKED = "blocked"
    EXPIRED = "expired"
    NOT_YET = "not_yet"
    """Its first day is to come."""
    CANCELLED = "cancelled"
    LOCKED = "locked"
    """Not looked at: too many failures before."""


class Told(StrEnum):
    """How an attempt ended, as the outside is told: nothing of a voucher that is not one's own."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    LOCKED = "locked"


def told_of(outcome: Outcome) -> Told:
    """Return what the outside is told: unknown, used, blocked and expired are the same to it."""
    if outcome in (Outcome.ACCEPTED, Outcome.LOCKED):
        return Told(outcome.value)
    return Told.REFUSED


def check_name(field: str, text: str) -> None:
    """Return if ``text`` names something. Raises ``Invalid`` (``payment.redemption``)."""
    if not 1 <= len(text) <= LONGEST_NAME or not text.isprintable() or not text.strip():
        raise Invalid(f"{field} has 1 to {LONGEST_NAME} characters", code="payment.redemption", field=field)


@dataclass(frozen=True, slots=True)
class Asked:
    """Who wants to use a voucher. (``client``, ``key``) names the wish once; ``subscriber`` is charging's name of him.

    ``client`` is the program that asks; ``account_id`` is the billing account, where there is one.
    """

    client: str
    key: str
    subscriber: str
    account_id: AccountId | None = None

    def __post_init__(self) -> None:
        for field in ("client", "key", "subscriber"):
            check_name(field, getattr(self, field))


@dataclass(frozen=True, slots=True)
class CreditOrder:
    """What charging owes a subscriber, once: the value of the voucher ``serial``, or the money of a payment.

    ``id`` is the key of the credit. ``credited_at`` is when charging confirmed it. ``reversed_at`` is when the payment
    was taken back, ``short_minor`` what of it charging could not take from the balance; None until it says.
    ``account_ref`` is what charging calls the account that it is for, from the first attempt on; it means nothing here.
    """

    id: UUID
    asked: Asked
    serial: int | None
    batch_id: UUID | None
    legal_entity_id: LegalEntityId
    value: Money
    extra: str
    redeemed_at: datetime
    credited_at: datetime | None = None
    payment_id: PaymentId | None = None
    reversed_at: datetime | None = None
    short_minor: int | None = None
    account_ref: str = ""

    @property
    def key(self) -> str:
        """Return the name under which charging carries it out exactly once."""
        return str(self.id)


@dataclass(frozen=True, slots=True)
class OpenCredit:
    """What a company's books say of prepaid balances and charging has not confirmed yet, in one currency."""

    legal_entity_id: LegalEntityId
    currency: Currency
    waiting_minor: int
    """Owed to balances, not credited."""
    taking_back_minor: int
    """Taken back with its payment, still on the balance as far as is known."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try to use a voucher. ``serial`` is there where the code was that of a voucher."""

    id: UUID
    asked: Asked
    at: datetime
    outcome: Outcome
    serial: int | None
    retry_at: datetime | None


@dataclass(frozen=True, slots=True)
class Answer:
    """What the caller is told: the credit that is on its way, or a refusal, or when to come again."""

    told: Told
    order: CreditOrder | None = None
    retry_at: datetime | None = None
