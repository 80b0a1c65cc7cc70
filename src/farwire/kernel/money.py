"""Money: integers of minor units when posted, int64 nano-units while rated, one named rounding between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation, localcontext
from typing import Final, NewType

from farwire.kernel.errors import Invalid, check
from farwire.kernel.iso4217 import MINOR_DIGITS

Nano = NewType("Nano", int)
"""An amount of 10⁻⁹ of the major unit of some currency, in int64."""

NANO: Final = 10**9
INT64_MAX: Final = 2**63 - 1
INT64_MIN: Final = -(2**63)


@dataclass(frozen=True, slots=True)
class Currency:
    """A currency of ISO 4217. ``exponent`` is its number of minor digits: EUR 2, JPY 0, KWD 3."""

    code: str
    exponent: int

    @property
    def minor_per_major(self) -> int:
        """Return how many minor units make one major unit."""
        return int(10**self.exponent)

    @property
    def nano_per_minor(self) -> int:
        """Return how many nano-units make one minor unit."""
        return NANO // self.minor_per_major

    def __str__(self) -> str:
        return self.code


_CURRENCIES: Final = {code: Currency(code, digits) for code, digits in MINOR_DIGITS.items()}


def currency(code: str, *, field: str = "currency") -> Currency:
    """Return the ISO 4217 currency ``code``. Raises ``Invalid`` (``money.currency_unknown``)."""
    found = _CURRENCIES.get(code)
    if found is None:
        raise Invalid(
            f"currency {code!r} is unknown",
            code="money.currency_unknown",
            field=field,
            value=code,
            fix="use a code of ISO 4217 in capitals, e.g. EUR",
        )
    return found


def int64(value: int, *, field: str = "amount") -> int:
    """Return ``value`` if it fits in 64 bits. Raises ``Invalid`` (``money.overflow``): money never wraps round."""
    if INT64_MIN <= value <= INT64_MAX:
        return value
    raise Invalid(f"{field} does not fit in 64 bits", code="money.overflow", field=field, value=value)


def round_half_up(numerator: int, denominator: int) -> int:
    """Return ``numerator / denominator`` rounded to a whole number, a half away from zero. Exact for any size."""
    if denominator < 0:
        numerator, denominator = -numerator, -denominator
    quotient = (2 * abs(numerator) + denominator) // (2 * denominator)
    return quotient if numerator >= 0 else -quotient


def _decimal(value: str | int | Decimal, field: str) -> Decimal:
    # Decimal also takes "1_000" and the digits of other scripts: in a price list both are mistakes.
    strange = isinstance(value, str) and ("_" in value or not value.isascii())
    try:
        number = Decimal("NaN" if strange else value)
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite():
        raise Invalid(
            f"{field} is not a number",
            code="money.malformed",
            field=field,
            value=value,
            fix="write digits with a point, e.g. 12.34",
        )
    return number


def _scaled(value: str | int | Decimal, scale: int, field: str, fix: str) -> int:
    """Return ``value × scale`` if it is whole, else raise; sizes beyond int64 are refused before they are computed."""
    number = _decimal(value, field)
    # An exponent of millions would make the exact product a number of megabytes.
    if number.adjusted() > 30 or number.as_tuple().exponent < -60:  # type: ignore[operator]
        raise Invalid(f"{field} is out of range", code="money.overflow", field=field, value=str(value)[:60])
    with localcontext(prec=120):
        product = number * scale
        if product != product.to_integral_value():
            raise Invalid(
                f"{field} has too many decimals", code="money.precision", field=field, value=value, fix=fix
            )
        return int64(int(product), field=field)


def nano(value: str | int | Decimal, *, field: str = "amount") -> Nano:
    """Return ``value`` major units as nano-units, exactly.

    Raises ``Invalid``: ``money.malformed``, ``money.precision`` (more than nine decimals), ``money.overflow``.
    """
    return Nano(_scaled(value, NANO, field, "use at most 9 decimals"))


def nano_to_decimal(amount: int) -> Decimal:
    """Return nano-units as a decimal of major units, exactly."""
    with localcontext(prec=60):
        return Decimal(amount).scaleb(-9)


@dataclass(frozen=True, slots=True)
class Money:
    """A posted amount: whole minor units of one currency."""

    amount_minor: int
    currency: Currency

    @classmethod
    def of(cls, value: str | int | Decimal, code: str) -> Money:
        """Return ``value`` major units of the currency ``code``, exactly. Raises ``Invalid`` as ``nano`` does."""
        unit = currency(code)
        fix = f"{code} has {unit.exponent} decimals"
        return cls(_scaled(value, unit.minor_per_major, "amount", fix), unit)

    def _same_currency(self, other: Money) -> None:
        if self.currency != other.currency:
            raise Invalid(
                f"{self.currency} and {other.currency} do not mix",
                code="money.currency_mismatch",
                field="currency",
                value=other.currency.code,
                fix="convert with a dated exchange rate first",
            )

    def __add__(self, other: Money) -> Money:
        self._same_currency(other)
        return Money(self.amount_minor + other.amount_minor, self.currency)

    def __sub__(self, other: Money) -> Money:
        self._same_currency(other)
        return Money(self.amount_minor - other.amount_minor, self.currency)

    def __neg__(self) -> Money:
        return Money(-self.amount_minor, self.currency)

    def __lt__(self, other: Money) -> bool:
        self._same_currency(other)
        return self.amount_minor < other.amount_minor

    def __le__(self, other: Money) -> bool:
        self._same_currency(other)
        return self.amount_minor <= other.amount_minor

    def __bool__(self) -> bool:
        return self.amount_minor != 0

    def to_decimal(self) -> Decimal:
        """Return the amount in major units with the currency's own number of decimals."""
        with localcontext(prec=60):
            return Decimal(self.amount_minor).scaleb(-self.currency.exponent)

    def to_nano(self) -> int:
        """Return the amount in nano-units, unbounded."""
        return self.amount_minor * self.currency.nano_per_minor

    def __str__(self) -> str:
        return f"{self.to_decimal():f} {self.currency.code}"


@dataclass(frozen=True, slots=True)
class Posted:
    """The outcome of posting: ``money`` and the ``remainder_nano`` that the rounding left out (exact − posted)."""

    money: Money
    remainder_nano: int


def post(total_nano: int, unit: Currency) -> Posted:
    """Return ``total_nano`` rounded half-up to minor units, with its remainder. The only rounding of posted money.

    ``total_nano`` is an unbounded sum; ``posted + remainder`` is always exactly the total.
    """
    money = Money(round_half_up(total_nano, unit.nano_per_minor), unit)
    return Posted(money, total_nano - money.to_nano())


def split(amount: int, weights: Sequence[int]) -> tuple[int, ...]:
    """Return ``amount`` shared in proportion to ``weights`` (≥ 0, not all 0). The shares sum to ``amount`` exactly.

    What does not divide goes one unit at a time to the largest remainders, the earlier weight first.
    """
    total = sum(weights)
    check(total > 0 and min(weights) >= 0, "money.split_weights", "weights are not negative and not all zero")
    sign = -1 if amount < 0 else 1
    shares = [abs(amount) * weight // total for weight in weights]
    left = abs(amount) - sum(shares)
    by_remainder = sorted(range(len(weights)), key=lambda i: (-(abs(amount) * weights[i] % total), i))
    for i in by_remainder[:left]:
        shares[i] += 1
    return tuple(sign * share for share in shares)


@dataclass(frozen=True, slots=True)
class ExchangeRate:
    """One unit of ``base`` is ``rate`` units of ``quote`` on the day ``on``, as ``source`` published it."""

    base: Currency
    quote: Currency
    rate: Decimal
    on: date
    source: str

    def __post_init__(self) -> None:
        if not (self.rate.is_finite() and self.rate > 0):
            raise Invalid("an exchange rate is positive", code="money.rate", field="rate", value=self.rate)


def convert(money: Money, rate: ExchangeRate, on: date) -> Money:
    """Return ``money`` in the other currency of ``rate``, rounded half-up once.

    ``on`` is the day of the document. Raises ``Invalid`` if the rate is of another day (``money.rate_day``) or
    of other currencies (``money.currency_mismatch``).
    """
    if rate.on != on:
        raise Invalid(
            f"the rate is of {rate.on}, the document of {on}",
            code="money.rate_day",
            field="on",
            value=rate.on,
            fix="use the rate of the document's date",
        )
    if money.currency not in (rate.base, rate.quote):
        raise Invalid(
            f"a rate {rate.base}/{rate.quote} does not convert {money.currency}",
            code="money.currency_mismatch",
        )
    top, bottom = rate.rate.as_integer_ratio()
    target = rate.quote
    if money.currency == rate.quote:
        top, bottom, target = bottom, top, rate.base
    minor = round_half_up(
        money.amount_minor * top * target.minor_per_major, bottom * money.currency.minor_per_major
    )
    return Money(minor, target)
