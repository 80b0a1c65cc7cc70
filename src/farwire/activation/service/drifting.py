"""The look for drift: compare what was applied with what is there, in batches, and mend what may be mended."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from farwire.activation.model import (
    NO_TARGET,
    Drift,
    DriftKind,
    Target,
    Watch,
    differences,
)
from farwire.activation.service.elements import list_elements
from farwire.activation.service.mending import Mending
from farwire.activation.service.reaching import Line, reach
from farwire.activation.store import findings as store
from farwire.activation.store import targets
from farwire.base.clock import Clock
from farwire.base.storage import Database, Tx
from farwire.kernel.errors import FarwireError
from farwire.kernel.ids import TenantId
from farwire.kernel.tenancy import SYSTEM, Actor

PAGE: Final = 500
SLOW_PAGE: Final = 50
"""Where the element is asked for each target by itself."""
MAX_DRIFT: Final = 10_000
"""Differences that one look returns, and that are kept of an adapter."""
BUDGET_S: Final = 20.0
"""For one look at all adapters of a tenant; the next one goes on."""
BATCH_S: Final = 5.0
"""For the questions of one batch, and again for its repairs: its transaction stays short where an element is slow."""
AT_ONCE: Final = 3
KEPT: Final = timedelta(days=90)
"""How long what ended is shown."""


async def drift(tx: Tx) -> tuple[Drift, ...]:
    """Return where the network differs from what was applied now, at most ``MAX_DRIFT``. Reads every target."""
    found: list[Drift] = []
    for element in await list_elements(tx):
        line = await reach(tx, element.name)
        async for page in _pages(tx, line):
            there, _ = await line.read_many(tx, [target.name for target in page])
            for target in page:
                shown = there.get(target.name)
                if different := differences(target.attributes, shown):
                    kind = DriftKind.MISSING if shown is None else DriftKind.DIFFERENT
                    found.append(Drift(line.name, kind, target.id, target.name, different))
        found += [Drift(line.name, DriftKind.UNEXPECTED, None, name) for name in await _unexpected(tx, line)]
        if len(found) >= MAX_DRIFT:
            break
    return tuple(found[:MAX_DRIFT])


async def _pages(tx: Tx, line: Line) -> AsyncIterator[Sequence[Target]]:
    after = NO_TARGET
    while page := await targets.targets_after(tx, line.name, after, PAGE):
        yield page
        after = page[-1].id


async def _unexpected(tx: Tx, line: Line) -> list[str]:
    """Return what the element knows and nobody applied."""
    found: list[str] = []
    after = ""
    while (names := await line.targets(tx, after, PAGE)) and len(found) < MAX_DRIFT:
        known = await targets.known_names(tx, line.name, names)
        found += [name for name in names if name not in known]
        after = names[-1]
    return found


@dataclass(frozen=True, slots=True)
class Looked:
    """What a look at an adapter did. ``ended``: the round through all targets is complete."""

    adapter: str
    compared: int = 0
    found: int = 0
    """Targets that differed."""
    repaired: int = 0
    ended: bool = False
    problem: str = ""
    """Why it is left alone for a while."""

    def and_(self, more: Looked) -> Looked:
        """Return the sum of what was done before and ``more``."""
        return replace(
            more,
            compared=self.compared + more.compared,
            found=self.found + more.found,
            repaired=self.repaired + more.repaired,
        )


async def look(
    *, db: Database, tenant_id: TenantId, clock: Clock, budget_s: float = BUDGET_S
) -> tuple[Looked, ...]:
    """Look at every adapter of the tenant for a round, or until the time is up; the next look then goes on.

    Those that answer come first, so that silent ones take no time from them. May run at once, and again after a crash.
    """
    async with db.transaction(tenant_id, read_only=True) as tx:
        known = await store.watches(tx)
        names = [one.name for one in await list_elements(tx)]
    names.sort(
        key=lambda name: (known[name].failures > 0, _last(known[name])) if name in known else (False, 0)
    )
    ends = time.monotonic() + budget_s
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(name: str) -> Looked:
        async with gate:
            if time.monotonic() >= ends:
                return Looked(name)
            return await look_at(db=db, tenant_id=tenant_id, adapter=name, clock=clock, ends=ends)

    return tuple(await asyncio.gather(*(one(name) for name in names)))


def _last(watch: Watch) -> float:
    return 0 if watch.ended_at is None else watch.ended_at.timestamp()


async def look_at(
    *,
    db: Database,
    tenant_id: TenantId,
    adapter: str,
    clock: Clock,
    ends: float | None = None,
    again: bool = False,
    actor: Actor = SYSTEM,
) -> Looked:
    """Look at an adapter for a round, in a transaction for each batch; ``ends`` is by ``time.monotonic``.

    ``again`` asks it although it rests, and tries repairs again that were given up. Raises ``Invalid``
    (``activation.adapter_unknown``).
    """
    done = Looked(adapter)
    if again:
        async with db.transaction(tenant_id) as tx:
            await reach(tx, adapter)
            await store.save_watch(tx, (await store.locked_watch(tx, adapter)).answered())
            await store.try_again(tx, adapter)
    while not (done.ended or done.problem):
        try:
            async with db.transaction(tenant_id) as tx:
                batch = await _batch(tx, adapter, clock.now(), actor)
        except FarwireError as error:
            if not error.code.startswith("activation."):
                raise
            async with db.transaction(tenant_id) as tx:
                watch = await store.locked_watch(tx, adapter)
                await store.save_watch(tx, watch.failed(error.code, clock.now()))
            return replace(done, problem=error.code)
        if batch is None:
            return done
        done = done.and_(batch)
        if ends is not None and time.monotonic() >= ends:
            break
    return done


async def _batch(tx: Tx, adapter: str, now: datetime, actor: Actor) -> Looked | None:
    """Go on by one batch; None where somebody else does, or the adapter rests."""
    watch = await store.taken_watch(tx, adapter)
    if watch is None or watch.rests(now):
        return None
    line = await reach(tx, adapter)
    if watch.shown_after is None:
        done, after = await _compare(tx, line, watch, now, actor)
    else:
        done, after = await _look_for_more(tx, line, watch, watch.shown_after, now)
    await store.save_watch(tx, after)
    return done


async def _compare(tx: Tx, line: Line, watch: Watch, now: datetime, actor: Actor) -> tuple[Looked, Watch]:
    size = PAGE if line.reads_many else SLOW_PAGE
    page = await targets.targets_after(tx, line.name, watch.target_after, size)
    more = len(page) == size
    if page:
        there, asked = await line.read_many(tx, [target.name for target in page], BATCH_S)
        page, more = page[:asked], more or asked < len(page)
    else:
        there = {}
    differ = [target.id for target in page if differences(target.attributes, there.get(target.name))]
    mending = Mending(line, watch, now, repair_until=time.monotonic() + BATCH_S)
    if differ:
        await mending.see_to(tx, differ, actor)
    after = replace(
        watch.answered(),
        target_after=page[-1].id if page else watch.target_after,
        shown_after=None if more else "",
    )
    if mending.silent:
        after = replace(after, failures=watch.failures).failed(mending.silent, now)
    done = Looked(line.name, len(page), mending.found, mending.repaired, problem=mending.silent)
    return done, after


async def _look_for_more(
    tx: Tx, line: Line, watch: Watch, shown_after: str, now: datetime
) -> tuple[Looked, Watch]:
    """Look for what nobody applied; at the end of the list the round is complete."""
    names = await line.targets(tx, shown_after, PAGE)
    known = await targets.known_names(tx, line.name, names)
    strange = [name for name in names if name not in known]
    found = await Mending(line, watch, now).suspect(tx, strange, most=MAX_DRIFT) if strange else 0
    if len(names) == PAGE:
        return Looked(line.name, found=found), replace(watch.answered(), shown_after=names[-1])
    await store.end_unseen(tx, line.name, watch.round, now)
    await store.forget_ended(tx, now - KEPT)
    return Looked(line.name, found=found, ended=True), watch.answered().ended(now)
