"""What a person does with the Open APIs: how references are checked, who listens, hear it again."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from farwire.base import audit, eventbus
from farwire.base.clock import Clock
from farwire.base.storage import Tx
from farwire.base.tmf.notify import go_away
from farwire.base.tmf.store import documents, hubs
from farwire.base.tmf.store.hubs import Hub
from farwire.kernel.errors import Conflict, NotFound
from farwire.kernel.tenancy import Actor


class References(StrEnum):
    """Whether what a document refers to must be there."""

    STRICT = "strict"
    LENIENT = "lenient"


async def set_references(tx: Tx, *, api: str, mode: References, actor: Actor, clock: Clock) -> None:
    """Let references of an API of the tenant lead nowhere (``LENIENT``), or not; ``STRICT`` is the default."""
    await documents.set_references(tx, api, mode.value)
    await _audited(tx, actor, "tmf.set_references", api, clock, mode=mode.value)


async def references(tx: Tx) -> dict[str, References]:
    """Return the mode of each API for which one was set."""
    return {api: References(mode) for api, mode in (await documents.references(tx)).items()}


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
    await _audited(tx, actor, "tmf.replay", listener, clock, position=position)


async def _audited(
    tx: Tx, actor: Actor, action: str, subject: str, clock: Clock, **detail: str | int
) -> None:
    await audit.record(tx, actor=actor, action=action, subject=subject, at=clock.now(), detail=detail)
