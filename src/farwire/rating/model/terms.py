"""On which terms a price is charged for some days: negotiated price, suspension, shares of several payers."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import Final
from urllib.parse import quote, unquote

from farwire.kernel.errors import check
from farwire.kernel.money import Currency, round_half_up, split


@dataclass(frozen=True, slots=True)
class Terms:
    """What differs from the plan. Equal terms cost the same; ``because`` names the override and decides nothing.

    ``price`` replaces the plan's price, ``percent`` multiplies it (at most one of them is there);
    ``recurring_percent`` is what a suspension leaves of it. ``by_days`` charges parts of periods by days where the plan
    would charge them whole. ``shares`` are the weights of all payers and ``own`` is whose share this is.
    ``discounts`` are the ids of those discounts by region or segment that are for this customer; None where the price
    has none such, or it was not noted: then those of the customer as known today.
    """

    price: Decimal | None = None
    percent: Decimal | None = None
    recurring_percent: int = 100
    by_days: bool = False
    shares: tuple[int, ...] = ()
    own: int = 0
    discounts: tuple[str, ...] | None = None
    because: str = field(default="", compare=False)

    @property
    def pays_nothing(self) -> bool:
        """Return whether the whole charge is somebody else's."""
        return bool(self.shares) and self.shares[self.own] == 0


PLAIN: Final = Terms()
"""The plan as it is."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """The local days ``[first, after_last)`` of a plan, under the same terms."""

    first: date
    after_last: date
    terms: Terms = PLAIN


@lru_cache(maxsize=4096)
def terms_text(terms: Terms) -> str:
    """Return ``terms`` as the text that ``read_terms`` reads: "" for the plan as it is."""
    words = []
    if terms.price is not None:
        words.append(f"price={terms.price.normalize():f}")
    if terms.percent is not None:
        words.append(f"percent={terms.percent.normalize():f}")
    if terms.recurring_percent != PLAIN.recurring_percent:
        words.append(f"recurring={terms.recurring_percent}")
    if terms.by_days:
        words.append("by_days")
    if terms.shares:
        words.append(f"share={terms.own}:{','.join(map(str, terms.shares))}")
    if terms.discounts is not None:
        words.append(f"discounts={','.join(quote(one) for one in terms.discounts)}")
    return " ".join(words)


@lru_cache(maxsize=4096)
def read_terms(text: str) -> Terms:
    """Return the terms that ``terms_text`` wrote."""
    known = dict(word.partition("=")[::2] for word in text.split())
    own, _, weights = known.get("share", "").partition(":")
    return Terms(
        price=Decimal(known["price"]) if "price" in known else None,
        percent=Decimal(known["percent"]) if "percent" in known else None,
        recurring_percent=int(known.get("recurring", PLAIN.recurring_percent)),
        by_days="by_days" in known,
        shares=tuple(int(weight) for weight in weights.split(",")) if weights else (),
        own=int(own or 0),
        discounts=_ids(known["discounts"]) if "discounts" in known else None,
    )


def _ids(text: str) -> tuple[str, ...]:
    return tuple(unquote(one) for one in text.split(",")) if text else ()


def share_of(total_nano: int, shares: tuple[int, ...], own: int, unit: Currency) -> int:
    """Return one payer's share of a charge, in nano-units.

    The posted minor units are split, so that the payers' lines add up to the line that one payer would have had; what
    posting leaves out stays with the largest share. The shares sum to ``total_nano`` exactly.
    """
    check(0 <= own < len(shares), "rating.share", "a share belongs to one of the payers")
    posted = round_half_up(total_nano, unit.nano_per_minor)
    part = split(posted, shares)[own] * unit.nano_per_minor
    if own == shares.index(max(shares)):
        part += total_nano - posted * unit.nano_per_minor
    return part
