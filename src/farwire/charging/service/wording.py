"""Numbers of the model as people read them."""

from __future__ import annotations

from decimal import Decimal
from enum import IntEnum
from types import MappingProxyType
from typing import Final

from farwire.charging.model import Unit
from farwire.charging.model.pricing import moment
from farwire.charging.model.state import NEVER
from farwire.kernel.money import currency, nano_to_decimal
from farwire.kernel.quantity import Unit as Counted
from farwire.kernel.quantity import format_amount

COUNTED: Final = MappingProxyType(
    {
        Unit.OCTETS: Counted.OCTET,
        Unit.SECONDS: Counted.SECOND,
        Unit.MESSAGES: Counted.MESSAGE,
        Unit.EVENTS: Counted.EVENT,
    }
)
"""What each unit of a balance but money counts."""


def money(amount: int, code: str) -> str:
    """Return nano-units as people read them: at least the decimals of the currency, more where there are more."""
    exact = nano_to_decimal(amount)
    places = max(currency(code).exponent, -int(exact.normalize().as_tuple().exponent))
    return f"{exact.quantize(Decimal(1).scaleb(-places)):f} {code}"


def quantity(amount: int, unit: int, code: str) -> str:
    """Return an amount of a balance as people read it."""
    counted = COUNTED.get(Unit(unit))
    return money(amount, code) if counted is None else format_amount(amount, counted)


def time_text(us: int) -> str:
    """Return a time of the model in UTC, to the second; "no end" for one that does not come."""
    return "no end" if us >= NEVER else f"{moment(us):%Y-%m-%dT%H:%M:%SZ}"


def word(code: int, names: type[IntEnum]) -> str:
    """Return the name of a number of the model in lower case; the number itself where it has none."""
    try:
        return names(code).name.lower()
    except ValueError:
        return str(code)


def key_text(hi: int, lo: int) -> str:
    """Return a 128-bit key in hexadecimal, as people copy it."""
    return key_tail(hi) + key_tail(lo)


def key_tail(lo: int) -> str:
    """Return the second half of a key, by which the audit log names a command."""
    return f"{lo & 2**64 - 1:016x}"
