"""Billing accounts, as values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from farwire.kernel.ids import AccountId, LegalEntityId, PartyId
from farwire.kernel.money import Currency
from farwire.kernel.time import BillCycle, zone


class TaxClass(StrEnum):
    """How a customer is taxed."""

    STANDARD = "standard"
    EXEMPT = "exempt"
    REVERSE_CHARGE = "reverse_charge"
    """The customer owes the tax; the invoice says so and shows none."""


class AccountState(StrEnum):
    """The states of a billing account."""

    ACTIVE = "active"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class BillingAccount:
    """Who pays, how and when. ``zone`` is the IANA zone in which the cycle's days begin.

    Prices may differ by ``region`` (ISO 3166-2, of the customer's address when it was opened) and by ``segment``, a
    name of the operator's own such as "business".
    """

    id: AccountId
    number: str
    party_id: PartyId
    legal_entity_id: LegalEntityId
    currency: Currency
    cycle_day: int
    zone: str
    language: str
    tax_class: TaxClass
    opened_at: datetime
    state: AccountState = AccountState.ACTIVE
    closed_at: datetime | None = None
    region: str = ""
    segment: str = ""

    @property
    def cycle(self) -> BillCycle:
        """Return the monthly cycle with its kept anchor day."""
        return BillCycle(self.cycle_day, zone(self.zone))
