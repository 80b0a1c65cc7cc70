"""What earlier bills charged of a product's prices, as values: the memory from which a bill is the difference."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from farwire.kernel.ids import AccountId, PlanVersionId, ProductId


@dataclass(frozen=True, slots=True)
class ChargedStretch:
    """Days of a price that were charged under the same terms: from ``from_day`` on, up to ``charged_to``.

    ``plan_from`` is when the product came to the plan, ``from_day`` counts local days from there. ``terms`` is what
    ``rating.model.terms`` reads. A one-off price has one row, and ``charged_to`` is when it was due.
    ``plan_version_id`` is None in rows of before terms were kept: the plan that the product has at ``plan_from``.
    """

    plan_from: datetime
    price_id: str
    charged_to: datetime
    from_day: int = 0
    plan_version_id: PlanVersionId | None = None
    terms: str = ""


Charged = tuple[ChargedStretch, ...]
"""All that one payer was charged of one product. Empty: nothing yet."""

ChargedKey = tuple[ProductId, AccountId | None]
"""A product and who pays; None is the product's own account."""
