"""Quantities: whole numbers of a base unit. 1 MB is 10⁶ octets (days.md, money rules)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal, localcontext
from enum import StrEnum
from typing import Final

from farwire.kernel.errors import Invalid


class Unit(StrEnum):
    """The base units that usage is counted in."""

    SECOND = "second"
    OCTET = "octet"
    MESSAGE = "message"
    EVENT = "event"
    PIECE = "piece"


_SCALES: Final[dict[str, tuple[Unit, int]]] = {
    "s": (Unit.SECOND, 1),
    "min": (Unit.SECOND, 60),
    "h": (Unit.SECOND, 3600),
    "octet": (Unit.OCTET, 1),
    "B": (Unit.OCTET, 1),
    "kB": (Unit.OCTET, 10**3),
    "MB": (Unit.OCTET, 10**6),
    "GB": (Unit.OCTET, 10**9),
    "TB": (Unit.OCTET, 10**12),
    "KiB": (Unit.OCTET, 2**10),
    "MiB": (Unit.OCTET, 2**20),
    "GiB": (Unit.OCTET, 2**30),
    "TiB": (Unit.OCTET, 2**40),
    "message": (Unit.MESSAGE, 1),
    "event": (Unit.EVENT, 1),
    "piece": (Unit.PIECE, 1),
}
_TEXT: Final = re.compile(r"\s*(-?[0-9]{1,18}(?:\.[0-9]{1,18})?)?\s*([A-Za-z]+)\s*")


@dataclass(frozen=True, slots=True)
class Quantity:
    """``amount`` whole base units. Quantities of different units do not add."""

    amount: int
    unit: Unit

    @classmethod
    def parse(cls, text: str, *, field: str = "quantity") -> Quantity:
        """Return the quantity that ``text`` spells ("10 GB", "60 s", "MB" for one megabyte), exactly.

        Raises ``Invalid`` (``quantity.malformed``) for an unknown unit or a part of a base unit.
        """
        match = _TEXT.fullmatch(text)
        if match is None or match[2] not in _SCALES:
            raise Invalid(
                f"{field} is not a quantity",
                code="quantity.malformed",
                field=field,
                value=text,
                fix=f"write a number and one of {', '.join(_SCALES)}",
            )
        unit, scale = _SCALES[match[2]]
        with localcontext(
            prec=60
        ):  # the longest number that the pattern lets through, times the largest scale
            amount = Decimal(match[1] or "1") * scale
        if amount != amount.to_integral_value():
            raise Invalid(
                f"{field} is not a whole number of {unit.value}s",
                code="quantity.malformed",
                field=field,
                value=text,
            )
        return cls(int(amount), unit)

    def _same_unit(self, other: Quantity) -> None:
        if self.unit is not other.unit:
            raise Invalid(
                f"{self.unit.value} and {other.unit.value} do not add", code="quantity.unit_mismatch"
            )

    def __add__(self, other: Quantity) -> Quantity:
        self._same_unit(other)
        return Quantity(self.amount + other.amount, self.unit)

    def __sub__(self, other: Quantity) -> Quantity:
        self._same_unit(other)
        return Quantity(self.amount - other.amount, self.unit)

    def __str__(self) -> str:
        return format_amount(self.amount, self.unit)


def format_amount(amount: int, unit: Unit) -> str:
    """Return ``amount`` base units as people read them: "2.25 GB", "7 min", "1 min 5 s", "3 messages"."""
    if unit is Unit.OCTET:
        for name, scale in (("TB", 10**12), ("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
            if abs(amount) >= scale:
                return f"{(Decimal(amount) / scale).normalize():f} {name}"
        return f"{amount} B"
    if unit is Unit.SECOND:
        if abs(amount) < 60:
            return f"{amount} s"
        minutes, seconds = divmod(abs(amount), 60)
        sign = "-" if amount < 0 else ""
        return f"{sign}{minutes} min" + (f" {seconds} s" if seconds else "")
    return f"{amount} {unit.value}" + ("" if abs(amount) == 1 else "s")
