"""Taxes on a sale: which components apply on a day, and what each comes to.

Rates are exact decimals of percent. An amount is rounded half-up to minor units once per component, on the sum of the
lines of one category (EN 16931 BR-CO-17).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum

from farwire.kernel.errors import Invalid, NotFound
from farwire.kernel.money import round_half_up


class TaxCategory(StrEnum):
    """What is sold, or why it is not taxed. A pack may name more of its own (``telecom_prepaid`` in MY)."""

    TELECOM = "telecom"
    DIGITAL = "digital"
    EXEMPT = "exempt"
    REVERSE_CHARGE = "reverse_charge"
    ZERO_RATED = "zero_rated"
    OUT_OF_SCOPE = "out_of_scope"


class TaxCode(StrEnum):
    """The category code that an electronic invoice carries (EN 16931 BT-151, UNCL5305)."""

    STANDARD = "S"
    ZERO = "Z"
    EXEMPT = "E"
    REVERSE_CHARGE = "AE"
    OUT_OF_SCOPE = "O"


class Taxation(StrEnum):
    """How the pack answers for a category."""

    RATES = "rates"
    """The pack's dated rates are the answer."""
    NONE = "none"
    """No tax is added; the code says why."""
    EXTERNAL = "external"
    """Only a tax engine that knows the address can answer (US state and local taxes)."""


class Applies(StrEnum):
    """Where a component applies, by the regions (ISO 3166-2) of the seller and of the place of supply."""

    ALWAYS = "always"
    INTRA_REGION = "intra_region"
    INTER_REGION = "inter_region"


class TaxUnknown(NotFound):
    """The pack has no rate for the day, or does not know the category."""

    default_code = "country.tax_unknown"


class TaxExternal(Invalid):
    """The tax of the country cannot be told from a pack."""

    default_code = "country.tax_external"


@dataclass(frozen=True, slots=True)
class TaxComponent:
    """One tax on one category on one day.

    ``rate_percent`` is on ``base_numerator / base_denominator`` of the base (Indonesia: 12 % on 11/12). The base is the
    net amount; ``on_top`` adds the components before it (Kenya: VAT on the price with excise duty).
    """

    name: str
    label: str
    category: str
    code: TaxCode
    rate_percent: Decimal
    valid_from: date
    valid_to: date | None
    source: str
    base_numerator: int = 1
    base_denominator: int = 1
    on_top: bool = False

    @property
    def effective_percent(self) -> Decimal:
        """Return the rate on the whole base in percent, for display: 11 for 12 % on 11/12. Not for computing."""
        return self.rate_percent * self.base_numerator / self.base_denominator

    def amount_minor(self, base_minor: int) -> int:
        """Return the tax on ``base_minor`` in minor units, half-up. Exact for any size; credits mirror charges."""
        top, bottom = self.rate_percent.as_integer_ratio()
        return round_half_up(base_minor * top * self.base_numerator, 100 * bottom * self.base_denominator)


def tax_amounts(components: Sequence[TaxComponent], net_minor: int) -> tuple[int, ...]:
    """Return the amount of each component on ``net_minor`` minor units, in order.

    Each tax is rounded by itself, as the laws want it: CGST and SGST are always equal. Their sum is the tax.
    """
    amounts: list[int] = []
    for component in components:
        base = net_minor + sum(amounts) if component.on_top else net_minor
        amounts.append(component.amount_minor(base))
    return tuple(amounts)


def overlap(first: tuple[date, date | None], second: tuple[date, date | None]) -> bool:
    """Return whether two half-open periods of days share a day; an end of ``None`` is open."""
    (a_start, a_end), (b_start, b_end) = first, second
    return (a_end is None or b_start < a_end) and (b_end is None or a_start < b_end)


def covers(regions: Iterable[str], excepted: Iterable[str], region: str | None) -> bool:
    """Return whether a rate limited to ``regions`` (none = all) without ``excepted`` holds in ``region``."""
    wanted = tuple(regions)
    return (not wanted or region in wanted) and region not in tuple(excepted)
