"""Quantities: service units, and money as RFC 8506 writes it (a number, an exponent, a currency's number)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from farwire.charging.model import Unit
from farwire.gateway.diameter.codec import Avps, Refusal, encode_avp, encode_avps, group_of, number_of
from farwire.gateway.diameter.dictionary import Result, key_of

CURRENCIES: Final[Mapping[int, str]] = {
    36: "AUD", 124: "CAD", 156: "CNY", 203: "CZK", 208: "DKK", 344: "HKD", 348: "HUF", 356: "INR", 360: "IDR",
    392: "JPY", 404: "KES", 414: "KWD", 458: "MYR", 484: "MXN", 554: "NZD", 566: "NGN", 578: "NOK", 702: "SGD",
    710: "ZAR", 752: "SEK", 756: "CHF", 784: "AED", 800: "UGX", 818: "EGP", 826: "GBP", 834: "TZS", 840: "USD",
    936: "GHS", 950: "XAF", 952: "XOF", 978: "EUR", 985: "PLN", 986: "BRL",
}  # fmt: skip
"""ISO 4217 numbers of currencies."""
NUMBERS: Final[Mapping[str, int]] = {code: number for number, code in CURRENCIES.items()}
_EXPONENTS: Final = range(-18, 19)
_NANO: Final = 9
_AMOUNT_MAX: Final = 2**62
_TIME: Final = key_of("CC-Time")
_TOTAL: Final = key_of("CC-Total-Octets")
_INPUT: Final = key_of("CC-Input-Octets")
_OUTPUT: Final = key_of("CC-Output-Octets")
_SPECIFIC: Final = key_of("CC-Service-Specific-Units")
_MONEY: Final = key_of("CC-Money")
_VALUE: Final = key_of("Unit-Value")
_DIGITS: Final = key_of("Value-Digits")
_EXPONENT: Final = key_of("Exponent")
_CURRENCY: Final = key_of("Currency-Code")
_U32_MAX: Final = 2**32 - 1
_U64_MAX: Final = 2**64 - 1


class Money(msgspec.Struct, frozen=True):
    """An amount in nano-units; the currency is empty where the message names none."""

    nano: int
    currency: str = ""


class Units(msgspec.Struct, frozen=True):
    """A service unit as it came: what is None was not named."""

    seconds: int | None = None
    octets: int | None = None
    specific: int | None = None
    money: Money | None = None

    def of(self, kind: str) -> int | None:
        """Return the quantity that usage of a kind is counted in, or None where it is not named."""
        if kind == "data":
            return self.octets
        return self.seconds if kind == "voice" else self.specific

    @property
    def names_any(self) -> bool:
        """Tell whether there is any quantity above 0."""
        return bool(self.seconds or self.octets or self.specific or self.money)

    def plus(self, other: Units) -> Units:
        """Return both together: usage before and after a change of tariff, for example."""
        return Units(
            _sum(self.seconds, other.seconds),
            _sum(self.octets, other.octets),
            _sum(self.specific, other.specific),
            _sum_of_money(self.money, other.money),
        )


NO_UNITS: Final = Units()


def _sum(one: int | None, other: int | None) -> int | None:
    return other if one is None else one if other is None else one + other


def _sum_of_money(one: Money | None, other: Money | None) -> Money | None:
    if one is None or other is None:
        return one or other
    if one.currency != other.currency:
        failed = encode_avp(_MONEY, money_avps(min(other.nano, _AMOUNT_MAX), other.currency))
        raise Refusal(Result.INVALID_AVP_VALUE, "two currencies in one sum", failed=failed)
    return Money(one.nano + other.nano, one.currency)


def read_units(avps: Avps) -> Units:
    """Return the content of a Requested- or Used-Service-Unit.

    Octets are the total, or both directions together. Raises ``Refusal`` (5004) for money that is no amount.
    """
    octets = number_of(avps, _TOTAL)
    if octets is None:
        octets = _sum(number_of(avps, _INPUT), number_of(avps, _OUTPUT))
    money = read_money(group_of(avps, _MONEY)) if _MONEY in avps else None
    return Units(number_of(avps, _TIME), octets, number_of(avps, _SPECIFIC), money)


def read_money(avps: Avps) -> Money:
    """Return what a CC-Money says. Raises ``Refusal`` (5004): negative, beyond int64, finer than nano-units."""
    value = group_of(avps, _VALUE)
    digits, exponent = number_of(value, _DIGITS) or 0, number_of(value, _EXPONENT) or 0
    number = number_of(avps, _CURRENCY)
    if exponent not in _EXPONENTS:
        raise _no_amount(avps)
    power = exponent + _NANO
    nano, rest = (digits * 10**power, 0) if power >= 0 else divmod(digits, 10**-power)
    if rest or not 0 <= nano <= _AMOUNT_MAX or (number is not None and number not in CURRENCIES):
        raise _no_amount(avps)
    return Money(nano, "" if number is None else CURRENCIES[number])


def _no_amount(avps: Avps) -> Refusal:
    return Refusal(
        Result.INVALID_AVP_VALUE, "CC-Money is no amount that can be moved", failed=encode_avp(_MONEY, avps)
    )


def money_avps(nano: int, currency: str) -> Avps:
    """Return an amount as Unit-Value and Currency-Code, with as few digits as it has."""
    exponent = -_NANO
    while nano and nano % 10 == 0 and exponent < 0:
        nano, exponent = nano // 10, exponent + 1
    if not nano:
        exponent = 0
    value: Avps = {_DIGITS: [nano]}
    if exponent:
        value[_EXPONENT] = [exponent]
    found: Avps = {_VALUE: [value]}
    if currency in NUMBERS:
        found[_CURRENCY] = [NUMBERS[currency]]
    return found


def named_octets(units: Units) -> bytes:
    """Return what a service unit names, as the content of a Failed-AVP."""
    named: Avps = {}
    if units.seconds is not None:
        named[_TIME] = [min(units.seconds, _U32_MAX)]
    if units.octets is not None:
        named[_TOTAL] = [min(units.octets, _U64_MAX)]
    if units.specific is not None:
        named[_SPECIFIC] = [min(units.specific, _U64_MAX)]
    if units.money is not None:
        named[_MONEY] = [money_avps(min(units.money.nano, _AMOUNT_MAX), units.money.currency)]
    return encode_avps(named)


def units_avps(unit: int, quantity: int, currency: str = "") -> Avps:
    """Return a granted quantity in a unit of charging as the content of a Granted-Service-Unit."""
    if unit == Unit.MONEY:
        return {_MONEY: [money_avps(quantity, currency)]}
    if unit == Unit.SECONDS:
        return {_TIME: [min(quantity, _U32_MAX)]}
    if unit == Unit.OCTETS:
        return {_TOTAL: [quantity]}
    return {_SPECIFIC: [quantity]}
