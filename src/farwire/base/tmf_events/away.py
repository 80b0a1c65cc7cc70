"""A listener that does not answer at all is away: it is called until it is back, and then posted what it missed."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from farwire.base import callbacks, eventbus
from farwire.base.clock import Clock
from farwire.base.eventbus import Event
from farwire.base.storage import Tx
from farwire.base.telemetry import error_text
from farwire.base.tmf_events import holding
from farwire.base.tmf_events.holding import NOTIFICATION, PAGE
from farwire.base.tmf_events.message import Teller
from farwire.base.tmf_events.store import held as held_store
from farwire.base.tmf_events.store import hubs
from farwire.base.tmf_events.store.hubs import Hub
from farwire.kernel.errors import FarwireError

AWAY: Final = "farwire.tmf.listener_away.v1"
PROBES: Final = 3
"""Resources of which an away listener may refuse something, one after the other, before it counts as away still."""


async def go_away(tx: Tx, listener: Hub, first: int, last: int, since: datetime, clock: Clock) -> None:
    """Let the listener hear these positions, recorded ``since`` then, and all that comes meanwhile, by ``catch_up``."""
    await hubs.set_missed(tx, listener.id, first, last, since)
    await _call_back(tx, str(listener.id), clock)


async def _call_back(tx: Tx, key: str, clock: Clock) -> None:
    now, about = clock.now(), {"hub": key}
    event = eventbus.new_event(
        tenant_id=tx.tenant_id, type=AWAY, subject=key, occurred_at=now, recorded_at=now, data=about
    )
    await eventbus.publish(tx, event)


@dataclass(slots=True)
class _Failing:
    """What a listener refused of one resource in this round, and the last one behind it."""

    first: int
    last: int
    error: FarwireError


@dataclass(slots=True)
class _Round:
    """What became of the notifications of one round."""

    heard: int
    """All up to here was heard, or is held."""
    held: set[str]
    """Resources of which something was held before."""
    behind: dict[str, int] = field(default_factory=dict)
    failing: dict[str, _Failing] = field(default_factory=dict)
    in_a_row: list[str] = field(default_factory=list)
    took: bool = False

    async def post(self, place: int, one: Event, listener: Hub, teller: Teller) -> bool:
        """Post one, unless one of its resource failed; return whether to go on."""
        if one.subject in self.held:
            self.behind[one.subject] = place
        elif one.subject in self.failing:
            self.failing[one.subject].last = place
        else:
            try:
                await teller.tell(one, listener)
            except FarwireError as error:
                self.failing[one.subject] = _Failing(place, place, error)
                self.in_a_row.append(one.subject)
                return len(self.in_a_row) < PROBES
            self.took = True
            self.in_a_row.clear()
        self.heard = place
        return True

    def gave_up(self) -> FarwireError | None:
        """Return why the listener counts as away still; what it refused last is then not held but comes again."""
        if self.took and len(self.in_a_row) < PROBES:
            return None
        last = [self.failing.pop(subject) for subject in self.in_a_row]
        if last:
            self.heard = min(self.heard, last[0].first - 1)
        return last[0].error if last else None


async def catch_up(event: Event, teller: Teller) -> None:
    """Post what an away listener missed, in its order, a page at a time. Raises ``Unavailable`` as long as it is away.

    What it refuses while it takes other things is held by itself.
    """
    async with teller.db.transaction(event.tenant_id) as tx:
        listener = await hubs.by_id(tx, event.subject)
        if listener is None or listener.missed is None:
            return
        held = {one.subject for one in await held_store.of_hub(tx, listener.id)}
        missed, purged = await _missed(tx, listener, listener.missed), await hubs.purged_before(tx)
    if purged is not None and listener.missed_since is not None and listener.missed_since < purged:
        await teller.tell_gap(listener, listener.missed_since, purged)
    found, until = _Round(listener.missed[0] - 1, held), time.monotonic() + callbacks.POST_TIMEOUT_S
    for place, one in missed:
        if not await found.post(place, one, listener, teller) or time.monotonic() > until:
            break
    else:
        found.heard = listener.missed[1] if len(missed) < PAGE else missed[-1][0]
    error = found.gave_up()
    async with teller.db.transaction(event.tenant_id) as tx:
        await _keep(tx, listener, found, teller.clock)
    if error is not None:
        raise error
    async with teller.db.transaction(event.tenant_id) as tx:
        after = await hubs.by_id(tx, event.subject)
        if after is not None and after.missed:
            await _call_back(tx, event.subject, teller.clock)
        elif after is not None:
            await holding.revive(tx, after, teller.clock)


async def _missed(tx: Tx, listener: Hub, missed: tuple[int, int]) -> list[tuple[int, Event]]:
    first, last = missed
    return await eventbus.list_events(
        tx=tx,
        after=first - 1,
        up_to=last,
        limit=PAGE,
        type_prefix=NOTIFICATION,
        subject_prefix=f"{listener.id}/",
    )


async def _keep(tx: Tx, listener: Hub, found: _Round, clock: Clock) -> None:
    """Keep how far the listener has come, and hold what it refused."""
    for subject, place in found.behind.items():
        await held_store.extend(tx, listener.id, subject, place)
    for subject, one in found.failing.items():
        places, why = (one.first, one.last), error_text(one.error)
        await holding.hold(tx, listener=listener, subject=subject, places=places, error=why, clock=clock)
    if listener.missed is not None and found.heard >= listener.missed[0]:
        await hubs.caught_up(tx, listener, found.heard, clock.now())
