"""What a person does with listeners: see them, let one hear again."""

from __future__ import annotations

from collections.abc import Sequence

from farwire.base import audit, eventbus
from farwire.base.clock import Clock
from farwire.base.storage import Tx
from farwire.base.tmf_events.notify import go_away
from farwire.base.tmf_events.store import hubs
from farwire.base.tmf_events.store.hubs import Hub
from farwire.kernel.errors import Conflict, NotFound
from farwire.kernel.tenancy import Actor


async def listeners(tx: Tx, *, limit: int, offset: int = 0) -> Sequence[Hub]:
    """Return the tenant's listeners of every API, the oldest first."""
    return await hubs.all_of_tenant(tx, limit, offset)


async def replay(tx: Tx, *, listener: str, position: int, actor: Actor, clock: Clock) -> None:
    """Let a listener hear everything from a position of the tenant's events on again, as far as it is kept.

    One that is away goes on from there, which may leave out what it cannot take. Raises ``NotFound``
    (``tmf.listener_unknown``), ``Conflict`` (``tmf.replay_forward``) for a position without an event.
    """
    found = await hubs.by_id(tx, listener)
    if found is None:
        raise NotFound("no such listener", code="tmf.listener_unknown", field="listener", value=listener)
    last = await eventbus.last_position(tx)
    if not 1 <= position <= last:
        why = f"the events stand at positions 1 to {last}"
        raise Conflict(why, code="tmf.replay_forward", field="from", value=position)
    await go_away(tx, found, position, last, clock)
    await audit.record(
        tx, actor=actor, action="tmf.replay", subject=listener, at=clock.now(), detail={"position": position}
    )
