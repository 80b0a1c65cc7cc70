"""The facts that rating publishes."""

from __future__ import annotations

from datetime import datetime

from farwire.base.eventbus import Event, new_event
from farwire.kernel.ids import DeckId, TenantId

DECK_IMPORTED = "farwire.rating.deck_imported.v1"


def deck_imported(
    tenant_id: TenantId,
    *,
    deck_id: DeckId,
    name: str,
    version: int,
    valid_from: datetime,
    rows: int,
    now: datetime,
) -> Event:
    """Return the fact that a deck version was imported."""
    return new_event(
        tenant_id=tenant_id,
        type=DECK_IMPORTED,
        subject=name,
        occurred_at=now,
        recorded_at=now,
        data={
            "deck_id": str(deck_id),
            "version": version,
            "valid_from": valid_from.isoformat(),
            "rows": rows,
        },
    )
