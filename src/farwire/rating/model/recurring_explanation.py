"""Why a recurring or one-off charge is what it is, as data, so that anyone can add it up again."""

from __future__ import annotations

from datetime import date, timedelta

import msgspec

from farwire.kernel.errors import check
from farwire.kernel.money import Nano, currency, int64, round_half_up
from farwire.rating.model.explanation import Factor
from farwire.rating.model.terms import share_of


class RecurringExplanation(msgspec.Struct, frozen=True, omit_defaults=True):
    """``total_nano`` = half-up of price × days / of_days × Π factors, negative where it gives back.

    Of several payers it is the own share of that.
    """

    offering: str
    price_id: str
    currency: str
    price_nano: int
    first_day: str
    """The first local day that the charge is for, ISO 8601."""
    after_last_day: str
    days: int = 0
    of_days: int = 0
    """The local days of the whole period; 0 for a one-off charge."""
    sign: int = 1
    factors: tuple[Factor, ...] = ()
    """Discounts, and "override" and "suspension" for what was negotiated and what a suspension leaves."""
    trigger: str = ""
    total_nano: Nano = Nano(0)
    shares: tuple[int, ...] = ()
    """The weights of all payers where there are several; ``own_share`` is the place of this one."""
    own_share: int = 0
    override: str = ""
    """Why the price is not the plan's: the reason or the agreement."""
    for_account: str = ""
    """The number of the account whose product it is, where another one pays."""

    @property
    def last_day(self) -> str:
        """Return the last local day that the charge is for, ISO 8601."""
        return (date.fromisoformat(self.after_last_day) - timedelta(days=1)).isoformat()


def total_of(price_nano: int, share: tuple[int, int], sign: int, factors: tuple[Factor, ...]) -> Nano:
    """Return price × share × Π factors in nano-units, half-up. The share of a one-off charge is (0, 0): all of it."""
    days, of_days = share if share[1] else (1, 1)
    numerator, denominator = sign * price_nano * days, of_days
    for factor in factors:
        numerator *= factor.numerator
        denominator *= factor.denominator
    return Nano(int64(round_half_up(numerator, denominator)))


def verify_recurring(explanation: RecurringExplanation) -> Nano:
    """Return the charge that ``explanation`` adds up to. Raises ``Defect`` (``rating.explanation``) if it does not."""
    share = (explanation.days, explanation.of_days)
    total = total_of(explanation.price_nano, share, explanation.sign, explanation.factors)
    if explanation.shares:
        unit = currency(explanation.currency)
        total = Nano(share_of(total, explanation.shares, explanation.own_share, unit))
    check(total == explanation.total_nano, "rating.explanation", "the parts do not add up to the total")
    return total
