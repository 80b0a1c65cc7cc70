"""Ways to pay, and what may be kept of them: tokens, never a card number."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from farwire.kernel.errors import Invalid
from farwire.kernel.ids import AccountId

_DIGITS: Final = re.compile(r"(?<![0-9A-Za-z])[0-9](?:[ .\-]?[0-9]){12,18}(?![0-9A-Za-z]|-[0-9a-f]*[a-f])")
_PHONE: Final = re.compile(r"\+[1-9][0-9]{6,14}|[1-9][0-9]{6,12}")
"""A number of ITU-T E.164. With 14 digits or more it needs its plus: cards of today have 14 to 19."""
_LAST4: Final = re.compile(r"[0-9]{4}")


class MethodKind(StrEnum):
    """The ways to pay (TMF670: tokenizedCard, digitalWallet, bankAccountTransfer, cash, bankAccountDebit)."""

    CARD = "card"
    MOBILE_MONEY = "mobile_money"
    BANK_TRANSFER = "bank_transfer"
    CASH = "cash"
    DIRECT_DEBIT = "direct_debit"


def _luhn(digits: str) -> bool:
    """Return whether the last digit is the check digit of ISO/IEC 7812-1 annex B."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if place % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def refuse_card_number(text: str, *, field: str, kind: MethodKind | None = None) -> str:
    """Return ``text`` unless it holds what looks like a card number. Raises ``Invalid`` (``payment.card_number``).

    13 to 19 digits, with spaces, points or hyphens between them, that start as a card does and pass the check of Luhn.
    Digits inside a word, as a hexadecimal name has them, are none, nor is the phone number that is the token of a
    wallet (``kind`` says so). The error does not repeat them.
    """
    if kind is MethodKind.MOBILE_MONEY and _PHONE.fullmatch(text):
        return text
    for found in _DIGITS.finditer(text):
        digits = re.sub(r"[ .\-]", "", found[0])
        if digits[0] in "23456" and _luhn(digits):
            raise Invalid(
                f"{field} looks like a card number",
                code="payment.card_number",
                field=field,
                fix="give the token that the card gateway issued; card numbers are never kept",
            )
    return text


@dataclass(frozen=True, slots=True)
class PaymentMethod:
    """A way in which an account pays by itself. ``token`` is the gateway's name for it; ``expires`` is a month.

    ``last4`` and ``brand`` are what a person recognises it by.
    """

    id: UUID
    account_id: AccountId
    kind: MethodKind
    token: str
    brand: str
    last4: str
    expires: date | None
    preferred: bool
    added_at: datetime
    removed_at: datetime | None = None

    def __post_init__(self) -> None:
        refuse_card_number(self.token, field="token", kind=self.kind)
        refuse_card_number(self.brand, field="brand")
        if not 1 <= len(self.token) <= 200:
            raise Invalid("a token has 1 to 200 characters", code="payment.token", field="token")
        if self.last4 and not _LAST4.fullmatch(self.last4):
            refuse_card_number(self.last4, field="last4")
            raise Invalid("last4 is four digits", code="payment.last4", field="last4", fix="e.g. 4242")

    def usable_on(self, day: date) -> bool:
        """Return whether it can be charged on ``day``: a card works to the end of its month."""
        if self.removed_at is not None:
            return False
        return self.expires is None or (day.year, day.month) <= (self.expires.year, self.expires.month)
