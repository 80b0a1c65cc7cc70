"""How large a quota is, and until when it is good.

Far from zero a quota is what the client wants, within the plan's size. Near zero it is one part of what is affordable,
so that sessions at once share it, down to a least size; what is left then is one last quota with a final action.
Where sessions fill the same tiers, the rest is for who is alone: only then is it known what it costs.
"""

from __future__ import annotations

import msgspec

from farwire.charging.model.pricing import QUANTITY_MAX, Peaks, Usage, billed_units, linear_reach, reach
from farwire.charging.model.requests import DEFAULT
from farwire.charging.model.tariffs import Price, QuotaPolicy


class Size(msgspec.Struct, frozen=True, gc=False):
    """The size of a quota; ``last``: nothing more is affordable after it."""

    units: int
    last: bool


NONE = Size(0, last=True)


def size(
    price: Price, policy: QuotaPolicy, requested: int, used: int, budget: int, usage: Usage, peaks: Peaks
) -> Size:
    """Return the quota for a session at ``used`` units that may cost ``budget`` money in all."""
    wanted = policy.size if requested == DEFAULT else min(requested, policy.size)
    plenty = min(wanted * policy.part, QUANTITY_MAX - used)
    if price.linear:
        most = linear_reach(price, budget, usage.units) - used
    else:
        most = reach(price, used, plenty, budget, usage, peaks) - used
    if most <= 0 or (usage.shared and most < policy.least):
        return NONE
    if most >= plenty:
        return Size(wanted, last=False)
    part = whole_increments(price, used, max(most // policy.part, policy.least))
    units = min(wanted, part, most)
    return Size(units, units == most)


def whole_increments(price: Price, used: int, units: int) -> int:
    """Return ``units`` raised to the end of the increment that they reach into: it is paid whole anyway."""
    billed = billed_units(price, used + units)
    return max(units, price.included + billed - used) if billed else units


def threshold(policy: QuotaPolicy, granted: int) -> int:
    """Return at how many units left the client asks again."""
    return granted * policy.threshold_percent // 100
