"""The journal of an order, and why an order is refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from farwire.base.canonical import JSON
from farwire.catalog.model import Refusal
from farwire.kernel.errors import Conflict
from farwire.kernel.ids import OrderId


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One act: ``placed``, ``done``, ``failed``, ``retry`` … of the order, or of a task of one of its items."""

    order_id: OrderId
    recorded_at: datetime
    act: str
    item_number: int | None = None
    task_number: int | None = None
    attempt: int | None = None
    actor: str = ""
    detail: Mapping[str, JSON] = field(default_factory=dict)


class OrderRefused(Conflict):
    """An order cannot be taken. ``refusals`` lists every reason; code, field and fix are those of the first."""

    default_code = "ordering.refused"

    def __init__(self, refusals: Sequence[Refusal]) -> None:
        first = refusals[0]
        super().__init__(
            "; ".join(one.message for one in refusals),
            code=first.code,
            field=first.field,
            value=first.value or None,
            fix="; ".join(dict.fromkeys(one.fix for one in refusals if one.fix)) or None,
        )
        self.refusals = tuple(refusals)
