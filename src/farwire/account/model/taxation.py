"""Who sells to whom where: what decides which taxes a sale to an account bears."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from fractions import Fraction
from typing import Final
from zoneinfo import ZoneInfo

from farwire.account.model.account import TaxClass
from farwire.country.model import CountryPack, TaxCategory, TaxComponent

STANDARD: Final = "standard"
"""The category that a plan means when it names none: what an operator sells, telecommunication."""


def sold_as(category: str) -> str:
    """Return the country pack's category of what a plan's ``category`` names."""
    return TaxCategory.TELECOM.value if category == STANDARD else category


@dataclass(frozen=True, slots=True)
class TaxContext:
    """Who sells to whom where: the seller's pack, the customer's class, both regions (ISO 3166-2), the zone of days.

    ``vat_id`` is the seller's in the pack's country.
    """

    pack: CountryPack
    tax_class: TaxClass
    region: str | None
    seller_region: str | None
    tz: ZoneInfo
    vat_id: str = ""
    known: dict[tuple[str, date], tuple[TaxComponent, ...]] = field(default_factory=dict, compare=False)
    """What the pack answered before, by category and day: many sales ask the same again and again."""

    def components(self, category: str, on: date) -> tuple[TaxComponent, ...]:
        """Return the taxes that the price bears for a standard customer; those that levy alike are one object.

        Raises what the pack raises.
        """
        asked = (category, on)
        found = self.known.get(asked)
        if found is None:
            found = self.pack.tax_components(*asked, self.region, self.seller_region)
            found = next((same for same in self.known.values() if levied(same) == levied(found)), found)
            self.known[asked] = found
        return found


FormerContexts = tuple[tuple[datetime, TaxContext], ...]
"""What held before, each until its time, oldest first."""


def context_at(at: datetime, context: TaxContext, former: FormerContexts) -> TaxContext:
    """Return the context that holds at ``at``."""
    return next((held for until, held in former if at < until), context)


def levied(components: Sequence[TaxComponent]) -> tuple[object, ...]:
    """Return what decides how taxes are computed and named, and not which law says so since when."""
    return tuple(
        (
            one.code,
            one.name,
            one.label,
            one.rate_percent,
            one.base_numerator,
            one.base_denominator,
            one.on_top,
        )
        for one in components
    )


def shares_of(components: Sequence[TaxComponent]) -> tuple[Fraction, ...]:
    """Return each component as an exact share of the net."""
    shares: list[Fraction] = []
    for component in components:
        base = 1 + sum(shares) if component.on_top else Fraction(1)
        rate = Fraction(component.rate_percent) * component.base_numerator / component.base_denominator / 100
        shares.append(base * rate)
    return tuple(shares)
