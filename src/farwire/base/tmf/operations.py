"""What a person does with the Open APIs: say how references are checked."""

from __future__ import annotations

from enum import StrEnum

from farwire.base import audit
from farwire.base.clock import Clock
from farwire.base.storage import Tx
from farwire.base.tmf.store import documents
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


async def _audited(tx: Tx, actor: Actor, action: str, subject: str, clock: Clock, **detail: str) -> None:
    await audit.record(tx, actor=actor, action=action, subject=subject, at=clock.now(), detail=detail)
