"""The relay: takes events out of the outbox and hands them to subscribers, at least once, in order per subject.

A crash at any point loses nothing: the position is committed after the events were handled, so they come again. Two
relays share the work by subscriber: one holds a subscriber's lease, and its epoch stops a process that lost it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from farwire.base.clock import Clock
from farwire.base.eventbus.delivery import (
    BacklogFull,
    Fence,
    Horizon,
    Positioned,
    SetAside,
    Subscriber,
    after_failure,
    behind_another,
)
from farwire.base.eventbus.store import relay as store
from farwire.base.storage import Database
from farwire.base.telemetry import counter, error_text, gauge, get_logger, span
from farwire.kernel.errors import Conflict, FarwireError, Unavailable, check
from farwire.kernel.ids import TenantId, uuid7

log = get_logger(__name__)

_DELIVERED: Final = counter(
    "farwire_events_delivered_total", "Events by subscriber and outcome.", ("subscriber", "outcome")
)
_BEHIND: Final = gauge(
    "farwire_events_behind", "Positions between a subscriber and the horizon.", ("subscriber",)
)


class LeaseLost(Conflict):
    """Another relay serves the subscriber now; what this one did since is not kept, and comes again there."""

    default_code = "eventbus.lease_lost"


@dataclass(frozen=True, slots=True)
class RelaySettings:
    """The bounds of a relay."""

    batch: int = 200
    """Events read at a time, per subscriber."""
    concurrency: int = 8
    """Subjects handled at the same time, per subscriber."""
    handler_timeout: timedelta = timedelta(seconds=30)
    lease: timedelta = timedelta(minutes=2)
    """Longer than several handler time-outs: a stuck handler ends before its process loses the subscriber."""
    poll: timedelta = timedelta(milliseconds=200)
    """How long an idle relay waits before it looks again."""
    max_set_aside: int = 10_000
    """Events that a subscriber may have set aside before it stands still."""


@dataclass(slots=True)
class _Lease:
    position: int
    epoch: int
    until: datetime


@dataclass(slots=True)
class _Outcome:
    handled: list[Positioned] = field(default_factory=list)
    set_aside: list[SetAside] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Item:
    """An event to be tried, with what is known of its earlier attempts."""

    event: Positioned
    before: SetAside | None = None


class Relay:
    """Serves ``subscribers`` from the outbox of ``db``, which is opened with ``storage.open_relay``."""

    def __init__(
        self,
        *,
        db: Database,
        clock: Clock,
        subscribers: Sequence[Subscriber],
        settings: RelaySettings | None = None,
        lease_clock: Clock | None = None,
    ) -> None:
        """``lease_clock`` tells when leases end, where ``clock`` is not the one that all processes share."""
        names = {subscriber.name for subscriber in subscribers}
        check(len(names) == len(subscribers), "eventbus.subscriber_twice", "subscribers have different names")
        self._db = db
        self._clock = clock
        self._lease_clock = lease_clock or clock
        self._subscribers = tuple(subscribers)
        self._settings = settings or RelaySettings()
        self._owner = uuid7()
        self._horizon = Horizon()
        self._horizon_lock = asyncio.Lock()
        self._leases: dict[str, _Lease] = {}

    async def run(self, stop: asyncio.Event) -> None:
        """Serve every subscriber until ``stop`` is set, then give the subscribers back."""
        try:
            async with asyncio.TaskGroup() as group:
                for subscriber in self._subscribers:
                    group.create_task(self._serve(subscriber, stop), name=f"relay {subscriber.name}")
        finally:
            with contextlib.suppress(FarwireError):
                await self.release()

    async def drain(self, *, timeout_s: float = 30.0) -> int:
        """Deliver what was published before this call; return how many events were handled.

        Events that fail are left set aside. Raises ``Unavailable`` (``eventbus.drain_timeout``) when an older
        transaction keeps running, or another relay keeps a subscriber, for ``timeout_s`` of real time.
        """
        async with self._db.untenanted() as tx:
            goal = await store.last_position(tx)
        handled = 0
        try:
            async with asyncio.timeout(timeout_s):
                for subscriber in self._subscribers:
                    while self._position(subscriber) < goal:
                        done = await self.serve_once(subscriber)
                        handled += done
                        if done == 0:
                            await asyncio.sleep(0.01)
        except TimeoutError:
            raise Unavailable(
                f"events were not delivered within {timeout_s:g} s",
                code="eventbus.drain_timeout",
                fix="end the transaction or the other relay that is in the way",
            ) from None
        return handled

    async def release(self) -> None:
        """Give all subscribers back."""
        leases, self._leases = self._leases, {}
        for name, lease in leases.items():
            async with self._db.untenanted() as tx:
                await store.release(tx, name=name, epoch=lease.epoch)

    async def serve_once(self, subscriber: Subscriber) -> int:
        """Hand ``subscriber`` one batch of events that were set aside and are due, and one of fresh ones.

        Returns how many were handled; 0 also while another relay holds the subscriber. Raises ``LeaseLost``,
        ``BacklogFull``, ``Unavailable``; all are safe to repeat.
        """
        lease = await self._hold(subscriber)
        if lease is None:
            return 0
        try:
            with span("eventbus.serve", subscriber=subscriber.name):
                done = await self._serve_due(subscriber, lease)
                return done + await self._serve_fresh(subscriber, lease)
        except LeaseLost:
            self._leases.pop(subscriber.name, None)
            raise

    def _position(self, subscriber: Subscriber) -> int:
        lease = self._leases.get(subscriber.name)
        return -1 if lease is None else lease.position

    async def _serve(self, subscriber: Subscriber, stop: asyncio.Event) -> None:
        pause = 0.0
        while not stop.is_set():
            try:
                done = await self.serve_once(subscriber)
                pause = 0.0 if done else self._settings.poll.total_seconds()
            except LeaseLost:
                pause = self._settings.poll.total_seconds()
            except Unavailable as error:
                log.warning("relay waits", subscriber=subscriber.name, code=error.code)
                pause = float(error.retry_after_s)
            except Exception:
                # The edge of the process: one subscriber's defect must not stop the others.
                log.exception("relay failed", subscriber=subscriber.name)
                pause = 5.0
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), timeout=max(pause, 0.001))

    async def _hold(self, subscriber: Subscriber) -> _Lease | None:
        """Return the lease on the subscriber, taken now if need be; None while another relay has it."""
        now = self._lease_clock.now()
        held = self._leases.get(subscriber.name)
        async with self._db.untenanted() as tx:
            # Asked every time, so that a replay or another relay is noticed at the next poll.
            if (
                held is not None
                and held.until > now
                and await store.holds(tx, name=subscriber.name, epoch=held.epoch)
            ):
                return held
            start = 0 if subscriber.from_start else await store.last_position(tx)
            await store.register(tx, name=subscriber.name, position=start, now=now)
            until = now + self._settings.lease
            found = await store.lease(tx, name=subscriber.name, owner=self._owner, until=until, now=now)
        if found is None:
            self._leases.pop(subscriber.name, None)
            return None
        lease = self._leases[subscriber.name] = _Lease(*found, until)
        return lease

    async def _keep(self, subscriber: Subscriber, lease: _Lease) -> None:
        """Extend the lease in good time before a handler could outlast it. Raises ``LeaseLost``."""
        now = self._lease_clock.now()
        if lease.until - now > 2 * self._settings.handler_timeout:
            return
        until = lease.until = now + self._settings.lease
        async with self._db.untenanted() as tx:
            if not await store.keep_lease(tx, name=subscriber.name, epoch=lease.epoch, until=until):
                raise _lost(subscriber)

    async def _safe_position(self) -> int:
        """Return the position up to which every event is visible that ever will be."""
        async with self._horizon_lock:
            await self._learn_oldest()
            async with self._db.untenanted() as tx:
                last = await store.last_position(tx)
            if self._horizon.wants_fence(last):
                # Its own transaction, after the position was read: the order is what makes the fence sound.
                async with self._db.untenanted() as tx:
                    self._horizon.fence = Fence(last, await store.take_transaction_id(tx))
                await self._learn_oldest()
            return self._horizon.safe

    async def _learn_oldest(self) -> None:
        if self._horizon.fence is not None:
            async with self._db.untenanted() as tx:
                self._horizon.oldest_running(await store.oldest_running(tx))

    async def _serve_due(self, subscriber: Subscriber, lease: _Lease) -> int:
        async with self._db.untenanted() as tx:
            due = await store.due_events(
                tx, name=subscriber.name, now=self._clock.now(), limit=self._settings.batch
            )
        if not due:
            return 0
        outcome = await self._handle(
            subscriber, lease, [_Item(event, before) for event, before in due], set()
        )
        await self._commit(subscriber, lease, outcome, lease.position, were_set_aside=True)
        return len(outcome.handled)

    async def _serve_fresh(self, subscriber: Subscriber, lease: _Lease) -> int:
        safe = await self._safe_position()
        _BEHIND.set(max(safe - lease.position, 0), subscriber=subscriber.name)
        if safe <= lease.position:
            return 0
        limit = self._settings.batch
        async with self._db.untenanted() as tx:
            if await store.count_set_aside(tx, name=subscriber.name) >= self._settings.max_set_aside:
                raise BacklogFull(
                    f"{subscriber.name} has {self._settings.max_set_aside} events set aside and stands still",
                    field="subscriber",
                    value=subscriber.name,
                    fix="mend the receiver, then `farwire events retry` or `farwire events discard`",
                )
            events = await store.fresh_events(tx, subscriber, after=lease.position, up_to=safe, limit=limit)
            blocked = await store.blocked_subjects(tx, name=subscriber.name, items=events)
        outcome = await self._handle(subscriber, lease, [_Item(event) for event in events], blocked)
        position = events[-1].position if len(events) == limit else safe
        await self._commit(subscriber, lease, outcome, position, were_set_aside=False)
        return len(outcome.handled)

    async def _commit(
        self,
        subscriber: Subscriber,
        lease: _Lease,
        outcome: _Outcome,
        position: int,
        *,
        were_set_aside: bool,
    ) -> None:
        """Keep the outcome of a batch and the new position in one transaction, if the lease still holds."""
        now = self._lease_clock.now()
        until = now + self._settings.lease
        name = subscriber.name
        async with self._db.untenanted() as tx:
            if not await store.advance(
                tx, name=name, epoch=lease.epoch, position=position, until=until, now=now
            ):
                raise _lost(subscriber)
            if outcome.set_aside:
                await store.save_set_aside(tx, name=name, items=outcome.set_aside)
            if were_set_aside and outcome.handled:
                await store.delete_set_aside(tx, name=name, items=outcome.handled)
        lease.position, lease.until = position, until
        _DELIVERED.inc(len(outcome.handled), subscriber=name, outcome="handled")
        for item in outcome.set_aside:
            _DELIVERED.inc(subscriber=name, outcome=item.state.value)

    async def _handle(
        self,
        subscriber: Subscriber,
        lease: _Lease,
        items: Sequence[_Item],
        blocked: set[tuple[TenantId, str]],
    ) -> _Outcome:
        """Try the items: those of one subject one after the other, several subjects at a time."""
        outcome = _Outcome()
        queues: dict[tuple[TenantId, str], list[_Item]] = {}
        for item in items:
            queues.setdefault(item.event.subject_key, []).append(item)
        for key in blocked & queues.keys():
            now = self._clock.now()
            outcome.set_aside.extend(behind_another(item.event, now=now) for item in queues.pop(key))
        await _in_parallel(
            [partial(self._handle_subject, subscriber, lease, queue, outcome) for queue in queues.values()],
            self._settings.concurrency,
        )
        return outcome

    async def _handle_subject(
        self, subscriber: Subscriber, lease: _Lease, queue: Sequence[_Item], outcome: _Outcome
    ) -> None:
        for number, item in enumerate(queue):
            await self._keep(subscriber, lease)
            error = await self._attempt(subscriber, item.event)
            if error is None:
                outcome.handled.append(item.event)
                continue
            now = self._clock.now()
            before = item.before
            failed = after_failure(
                item.event,
                attempts=1 if before is None else before.attempts + 1,
                error=error,
                now=now,
                set_aside_at=now if before is None else before.set_aside_at,
                retry=subscriber.retry,
            )
            outcome.set_aside.append(failed)
            rest = queue[number + 1 :]
            outcome.set_aside.extend(
                behind_another(later.event, now=now) for later in rest if later.before is None
            )
            log.warning(
                "event set aside",
                subscriber=subscriber.name,
                position=item.event.position,
                event_type=item.event.event.type,
                attempts=failed.attempts,
                state=failed.state,
                error=error,
            )
            return

    async def _attempt(self, subscriber: Subscriber, item: Positioned) -> str | None:
        """Return what went wrong in the subscriber's handler, or None."""
        try:
            async with asyncio.timeout(self._settings.handler_timeout.total_seconds()):
                await subscriber.handle(item.event)
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise  # The relay itself stops.
            return error_text(error)  # The handler awaited something that was cancelled.
        except Exception as error:  # noqa: BLE001  # the edge of foreign code: any failure is an attempt
            return error_text(error)
        return None


def _lost(subscriber: Subscriber) -> LeaseLost:
    return LeaseLost(f"another relay took over {subscriber.name}", field="subscriber", value=subscriber.name)


Work = Callable[[], Awaitable[None]]


async def _in_parallel(works: Sequence[Work], width: int) -> None:
    """Run ``works`` in their order, at most ``width`` at a time. The first exception ends the rest and is raised."""
    waiting = iter(works)

    async def take() -> None:
        for work in waiting:
            await work()

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(width, len(works))):
                group.create_task(take())
    except BaseExceptionGroup as group_of_errors:
        raise group_of_errors.exceptions[0] from None
