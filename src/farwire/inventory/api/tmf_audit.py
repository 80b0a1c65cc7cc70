"""Who changed a thing of the inventory through an Open API: one line of the audit log."""

from __future__ import annotations

from uuid import UUID

from farwire.base import audit
from farwire.base.storage import Tx
from farwire.base.tmf import Act


async def note(tx: Tx, api: str, thing: UUID | int, action: str, act: Act) -> None:
    """Write down that ``action`` was done on ``thing`` through the API of that number."""
    await audit.record(
        tx, actor=act.actor, action=action, subject=str(thing), at=act.now, detail={"api": api}
    )
