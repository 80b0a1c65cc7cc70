"""What a tenant decides about orders, and what an item costs or earns by its dates. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

from farwire.inventory.model import Commitment, EndReason, Product, SuspensionReason
from farwire.kernel.errors import Invalid
from farwire.kernel.time import local_date, local_midnight
from farwire.ordering.model.fallout import FalloutRule, check_rules
from farwire.ordering.model.order import Action
from farwire.ordering.model.plan import MAX_ATTEMPTS

SUSPENSION_PERCENT: Final[Mapping[SuspensionReason, int]] = {
    SuspensionReason.DUNNING: 100,
    SuspensionReason.FRAUD: 0,
    SuspensionReason.CUSTOMER: 0,
    SuspensionReason.LOST_SIM: 100,
    SuspensionReason.REGULATOR: 0,
}
"""What is charged of recurring prices during a suspension, where the tenant says nothing else."""

DUE_HOURS: Final = 24
"""How long an action may take, where the tenant says nothing else."""


class Policy(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The tenant's rules for orders."""

    back_dated_days: int = 31
    """How far in the past an order may start."""
    ahead_days: int = 366
    """How far in the future."""
    max_attempts: int = MAX_ATTEMPTS
    suspension_percent: Mapping[SuspensionReason, int] = {}
    """Overrides of ``SUSPENSION_PERCENT``."""
    due_hours: Mapping[Action, int] = {}
    """How long an action may take, from the date of its order on; ``DUE_HOURS`` for the others."""
    warning_hours: int = 4
    """How long before its due date an order that is not done is reported."""
    fallout: tuple[FalloutRule, ...] = ()
    """What becomes of tasks in the fallout; the first rule that fits decides, without one a person."""

    def hours(self, action: Action) -> int:
        """Return how long ``action`` may take."""
        return self.due_hours.get(action, DUE_HOURS)

    def percent(self, reason: SuspensionReason) -> int:
        """Return what is charged of recurring prices during a suspension for ``reason``."""
        return self.suspension_percent.get(reason, SUSPENSION_PERCENT[reason])


def read_policy(text: bytes, *, name: str) -> Policy:
    """Return the policy that a document holds, TOML or JSON. Raises ``Invalid`` (``ordering.policy``)."""
    decode = msgspec.json.decode if text.lstrip().startswith(b"{") else msgspec.toml.decode
    try:
        return decode(text, type=Policy)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Invalid(
            f"{name}: {error}",
            code="ordering.policy",
            field="file",
            value=name,
            fix="docs/ordering.md shows such a file",
        ) from None


def check_policy(policy: Policy) -> None:
    """Raise ``Invalid`` (``ordering.policy``, ``ordering.fallout_rule``) for a rule out of its bounds."""
    for name, value, low, high in (
        ("back_dated_days", policy.back_dated_days, 0, 3660),
        ("ahead_days", policy.ahead_days, 0, 3660),
        ("max_attempts", policy.max_attempts, 1, 100),
        ("warning_hours", policy.warning_hours, 0, 8784),
        *((f"suspension_percent.{r}", p, 0, 100) for r, p in policy.suspension_percent.items()),
        *((f"due_hours.{a}", hours, 1, 8784) for a, hours in policy.due_hours.items()),
    ):
        if not low <= value <= high:
            raise Invalid(f"{name} is from {low} to {high}", code="ordering.policy", field=name, value=value)
    check_rules(policy.fallout)


def may_withdraw(commitment: Commitment | None, at: datetime, tz: ZoneInfo) -> bool:
    """Return whether a cease at ``at`` is within the withdrawal period, which counts local days from the start."""
    if commitment is None or commitment.withdrawal_days == 0:
        return False
    return at < withdrawal_end(commitment, tz)


def withdrawal_end(commitment: Commitment, tz: ZoneInfo) -> datetime:
    """Return the first instant at which it is too late to withdraw."""
    last = local_date(commitment.starts_at, tz) + timedelta(days=commitment.withdrawal_days)
    return local_midnight(last + timedelta(days=1), tz)


def earliest_cease(commitment: Commitment | None, now: datetime, tz: ZoneInfo) -> datetime:
    """Return the first instant at which a product can end when it is asked for ``now``: the notice has passed."""
    if commitment is None or commitment.notice_days == 0:
        return now
    return local_midnight(local_date(now, tz) + timedelta(days=commitment.notice_days), tz)


def end_reason(product: Product, at: datetime, wanted: bool | None, tz: ZoneInfo) -> EndReason:
    """Return why a product ends that is ceased at ``at``: a withdrawal whenever that is possible and not refused."""
    if wanted is not False and may_withdraw(product.commitment, at, tz):
        return EndReason.WITHDRAWAL
    return EndReason.CEASE
