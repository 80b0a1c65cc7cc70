"""Why a charge is what it is, as data: every number of the sum, so that anyone can add it up again."""

from __future__ import annotations

import msgspec

from farwire.kernel.errors import check
from farwire.kernel.money import Nano, round_half_up


class Line(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """``units`` base units at ``price_nano`` for each ``per`` units.

    A line of an ``allowance`` costs nothing. A line of a ``tier`` may have negative units: a volume tier takes
    back what the units before were charged at the dearer price.
    """

    what: str
    """``connect``, ``included``, ``units``, ``block``, ``external``, or ``online``: a sum that online charging took."""
    units: int
    price_nano: int
    per: int
    band: str = ""
    allowance: str = ""
    tier: str = ""

    def cost(self) -> tuple[int, int]:
        """Return the exact cost in nano-units as a fraction."""
        return self.units * self.price_nano, self.per


class Factor(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A discount that multiplies the sum of the lines by ``numerator / denominator``."""

    id: str
    numerator: int
    denominator: int


class Explanation(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """The sum behind one charge. It names no person and no full number.

    ``total_nano`` = half-up of clamp(Σ lines × Π factors, minimum, maximum); the charge is
    ``total_nano − charged_before_nano``.
    """

    offering: str
    plan_version: str
    """The digest of the price plan version."""
    price_id: str
    kind: str
    currency: str
    unit: str
    quantity: int
    """Base units used, before rounding up to increments."""
    billed: int
    """Base units after rounding up."""
    total_nano: Nano
    lines: tuple[Line, ...]
    factors: tuple[Factor, ...] = ()
    increments: tuple[int, int] = (1, 1)
    """The first and every further increment, in base units."""
    matched: str = ""
    """The number prefix that decided the price."""
    zone: str = ""
    """The destination zone of the plan, or the deck row's name."""
    network: str = ""
    """The zone of the visited network, where it is not home."""
    deck: str = ""
    """``name@version`` of the deck that gave the price."""
    markup: str = ""
    """Percent on top of the deck or the record's own price, already inside the lines."""
    ported: bool = False
    minimum_nano: int | None = None
    maximum_nano: int | None = None
    charged_before_nano: int = 0
    charged_before_quantity: int = 0
    override: str = ""
    """Why the price is not the plan's own."""


def exact_sum(lines: tuple[Line, ...], factors: tuple[Factor, ...] = ()) -> tuple[int, int]:
    """Return Σ lines × Π factors as a fraction of nano-units."""
    numerator, denominator = 0, 1
    for line in lines:
        amount, per = line.units * line.price_nano, line.per
        if per == denominator:
            numerator += amount
        else:
            numerator = numerator * per + amount * denominator
            denominator *= per
    for factor in factors:
        numerator *= factor.numerator
        denominator *= factor.denominator
    return numerator, denominator


def clamped(numerator: int, denominator: int, minimum: int | None, maximum: int | None) -> int:
    """Return the fraction held between ``minimum`` and ``maximum`` nano-units and rounded half-up, once."""
    if minimum is not None and numerator < minimum * denominator:
        return minimum
    if maximum is not None and numerator > maximum * denominator:
        return maximum
    return round_half_up(numerator, denominator)


def verify(explanation: Explanation) -> Nano:
    """Return the charge that ``explanation`` adds up to, in nano-units.

    Raises ``Defect`` (``rating.explanation``) where its own total or its units do not add up.
    """
    numerator, denominator = exact_sum(explanation.lines, explanation.factors)
    total = clamped(numerator, denominator, explanation.minimum_nano, explanation.maximum_nano)
    check(total == explanation.total_nano, "rating.explanation", "the lines do not add up to the total")
    return Nano(total - explanation.charged_before_nano)


def to_json(explanation: Explanation) -> bytes:
    """Return ``explanation`` as compact JSON."""
    return msgspec.json.encode(explanation)


def from_json(text: bytes | str) -> Explanation:
    """Return the explanation that ``to_json`` wrote."""
    return msgspec.json.decode(text, type=Explanation)
