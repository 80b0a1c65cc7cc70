"""What the look for drift found, and what is done about it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from farwire.activation.adapters import Element
from farwire.activation.model import Finding, FindingState, Policy, Watch
from farwire.activation.service.elements import element_unknown, list_elements
from farwire.activation.store import findings as store
from farwire.base import audit
from farwire.base.storage import Tx
from farwire.kernel.page import Page, PageRequest
from farwire.kernel.tenancy import SYSTEM, Actor


async def list_findings(
    tx: Tx, *, page: PageRequest, adapter: str | None = None, state: FindingState | None = None
) -> Page[Finding]:
    """Return a page of what was found, the newest first."""
    return await store.list_findings(tx, page, adapter, state)


async def list_watched(tx: Tx) -> tuple[tuple[Element, Watch], ...]:
    """Return every adapter that the tenant has, and how the look for drift stands with it, by name."""
    known = await store.watches(tx)
    return tuple((one, known.get(one.name) or Watch(one.name)) for one in await list_elements(tx))


async def set_policy(tx: Tx, *, adapter: str, policy: Policy, now: datetime, actor: Actor = SYSTEM) -> Watch:
    """Say what is done about drift of the adapter from now on. Audited.

    Waits for a look that is under way. Raises ``NotFound`` (``activation.element_unknown``).
    """
    if adapter not in {one.name for one in await list_elements(tx)}:
        raise element_unknown(adapter)
    watch = replace(await store.locked_watch(tx, adapter), policy=policy)
    await store.save_watch(tx, watch)
    await audit.record(
        tx,
        actor=actor,
        action="activation.set_policy",
        subject=adapter,
        at=now,
        detail={"policy": policy.value},
    )
    return watch
