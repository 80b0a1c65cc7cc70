"""One usage at a time, as an API brings it. It takes the way of an imported row, so control totals hold for it too."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

import msgspec

from farwire.base.storage import Tx
from farwire.kernel.errors import NotFound
from farwire.rating.model import Direction, UsageKind
from farwire.usage.model import Deltas, Fragment, Role, UsageRecord, raw_identity, usage_id
from farwire.usage.service.collected import import_of
from farwire.usage.service.placing import MappedRow, Placing
from farwire.usage.store import imports as store
from farwire.usage.store import records

SOURCE: Final = "api"
"""Names the source in identities, and the import of each day."""


@dataclass(frozen=True, slots=True)
class ReportedUsage:
    """One complete usage. ``quantity`` is in base units of its kind (seconds, octets, messages, events).

    ``external_id`` is the sender's own; without one, the same facts sent twice are the same usage.
    """

    kind: UsageKind
    started_at: datetime
    subscriber: str
    quantity: int
    destination: str = ""
    direction: Direction = Direction.ORIGINATING
    visited_network: str = ""
    rating_group: int | None = None
    external_id: str = ""


async def record_usage(*, tx: Tx, reported: ReportedUsage, now: datetime) -> tuple[UsageRecord, bool]:
    """Take one usage in, and return it with whether it was new.

    Idempotent: the same external id, or without one the same facts, is a duplicate, counted as such and answered with
    what is there. Its control totals are those of an import named after the UTC day of ``now``.
    """
    identity = _identity(tx, reported)
    await store.lock_tenant(tx)
    collected = await import_of(tx, SOURCE, now)
    deltas = Deltas()
    fragment = Fragment(
        identity=identity,
        usage=identity,
        role=Role.SINGLE,
        at=reported.started_at,
        caller=reported.subscriber,
        called=reported.destination,
        quantity=reported.quantity,
        direction=reported.direction,
        visited_network=reported.visited_network,
        rating_group=reported.rating_group,
    )
    row = MappedRow(identity, collected.import_id, collected.rows_in + 1, fragment)
    known = await records.get_record(tx, usage_id(identity))
    await Placing(tx, kind=reported.kind, rule=None, deltas=deltas, at=now).place([row])
    await store.apply_deltas(tx, deltas)
    if known is not None:
        return known, False
    record = await records.get_record(tx, usage_id(identity))
    if record is None:  # its row is known and its usage was erased: retention dropped it
        raise NotFound(
            "the usage was recorded and has been erased since", code="usage.erased", field="externalId"
        )
    return record, True


def _identity(tx: Tx, reported: ReportedUsage) -> bytes:
    facts: object = reported.external_id or msgspec.to_builtins(reported)
    return raw_identity(tx.tenant_id, SOURCE, msgspec.json.encode(facts))
