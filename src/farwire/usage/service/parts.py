"""Records of sessions while they run, as a network element brings them: each part once, whatever is repeated.

They take the way of an imported row, so control totals, assembly of sessions, suspense and billing hold for them too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from farwire.base.storage import Tx
from farwire.rating.model import Direction, UsageKind
from farwire.usage.model import AssemblyRule, Deltas, Fragment, Role, raw_identity
from farwire.usage.model.profile import Measure
from farwire.usage.service.collected import import_of
from farwire.usage.service.placing import MappedRow, Placing
from farwire.usage.store import imports as store

CLOSE_AFTER_S: Final = 48 * 3_600
"""A session whose end never comes counts until its last part."""


@dataclass(frozen=True, slots=True)
class ReportedPart:
    """A whole usage (``Role.SINGLE``), or the beginning, middle or end of a session that is measured by its time."""

    source_id: str
    """What names it for ever."""
    session: str
    """Parts with the same one are one usage."""
    role: Role
    at: datetime
    """When a whole usage began, else when it happened."""
    subscriber: str
    quantity: int | None = None
    destination: str = ""
    direction: Direction = Direction.ORIGINATING
    visited_network: str = ""
    rating_group: int | None = None


async def record_parts(
    tx: Tx, *, source: str, kind: UsageKind, parts: Sequence[ReportedPart], now: datetime
) -> None:
    """Take parts in; one that is known is a duplicate and changes nothing.

    Their control totals are those of an import named after ``source`` and the UTC day of ``now``.
    """
    await store.lock_tenant(tx)
    collected = await import_of(tx, source, now)
    deltas = Deltas()
    rows = []
    for number, part in enumerate(parts, start=collected.rows_in + 1):
        identity = raw_identity(tx.tenant_id, source, part.source_id.encode())
        usage = identity
        if part.role is not Role.SINGLE:
            usage = raw_identity(tx.tenant_id, f"{source}/session", part.session.encode())
        rows.append(MappedRow(identity, collected.import_id, number, _fragment(part, identity, usage)))
    rule = AssemblyRule(kind, Measure.SPAN, "start", 0, CLOSE_AFTER_S)
    await Placing(tx, kind=kind, rule=rule, deltas=deltas, at=now).place(rows)
    await store.apply_deltas(tx, deltas)


def _fragment(part: ReportedPart, identity: bytes, usage: bytes) -> Fragment:
    return Fragment(
        identity=identity,
        usage=usage,
        role=part.role,
        at=part.at,
        caller=part.subscriber,
        called=part.destination,
        quantity=part.quantity,
        direction=part.direction,
        visited_network=part.visited_network,
        rating_group=part.rating_group,
    )
