"""``farwire worker``: the process that runs scheduled work and delivers events until it is stopped."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Final, Protocol

from farwire.base.clock import Clock
from farwire.base.eventbus.delivery import Subscriber
from farwire.base.eventbus.relay import Relay
from farwire.base.jobs import Handler, Schedule, Worker, enqueue_due
from farwire.base.jobs.service import purge
from farwire.base.storage import Database, open_relay
from farwire.base.telemetry import configure_logging, configure_tracing, get_logger
from farwire.cli.shell import Session, run
from farwire.kernel.errors import Unavailable
from farwire.kernel.page import MAX_LIMIT, PageRequest
from farwire.tenant import service as tenants

LOOK_EVERY: Final = timedelta(seconds=60)
log = get_logger(__name__)


class JobModule(Protocol):
    """The ``jobs`` room of a context: its schedules and what to run for each kind."""

    SCHEDULES: tuple[Schedule, ...]

    def handlers(self, *, db: Database, clock: Clock) -> Mapping[str, Handler]:
        """Return what to run for each kind of job."""


async def enqueue_for_all(*, db: Database, clock: Clock, schedules: Sequence[Schedule]) -> None:
    """Enqueue what is due for every tenant, each occurrence once, however many processes do it."""
    offset, more = 0, True
    while more:
        page = await tenants.list_tenants(db=db, page=PageRequest(offset, MAX_LIMIT))
        for tenant in page.items:
            async with db.transaction(tenant.id) as tx:
                await enqueue_due(tx=tx, schedules=schedules, now=clock.now())
        offset, more = offset + MAX_LIMIT, page.has_more


async def _keep_enqueueing(
    db: Database, clock: Clock, schedules: Sequence[Schedule], stop: asyncio.Event
) -> None:
    """Look at the schedules every minute, and drop jobs that ended long ago."""
    while not stop.is_set():
        try:
            await enqueue_for_all(db=db, clock=clock, schedules=schedules)
            await purge(db=db, now=clock.now())
        except Unavailable as error:
            log.warning("schedules wait", code=error.code)
        except Exception:
            # The edge of the process: running jobs must not end because a schedule could not be read.
            log.exception("schedules failed")
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), timeout=LOOK_EVERY.total_seconds())


class SubscriberModule(Protocol):
    """A module whose subscribers follow the events of every operator."""

    def subscribers(self, *, db: Database, clock: Clock) -> tuple[Subscriber, ...]:
        """Return its subscribers."""


def all_subscribers(
    modules: Sequence[SubscriberModule], *, db: Database, clock: Clock
) -> tuple[Subscriber, ...]:
    """Return the subscribers of ``modules`` in their order."""
    return tuple(found for module in modules for found in module.subscribers(db=db, clock=clock))


async def _nothing(stop: asyncio.Event) -> None:
    """Deliver nothing."""


@asynccontextmanager
async def _relay(
    session: Session, subscribers: Sequence[Subscriber]
) -> AsyncIterator[Callable[[asyncio.Event], Coroutine[None, None, None]]]:
    """Yield what delivers events until it is stopped; nothing to do where nobody follows them.

    Each subscriber is served by one process at a time: the others wait for its lease (docs/decisions/0004).
    """
    if not subscribers:
        yield _nothing
        return
    relay_db = await open_relay(session.settings)
    try:
        yield Relay(db=relay_db, clock=session.clock, subscribers=subscribers).run
    finally:
        await relay_db.close()


def run_worker(modules: Sequence[JobModule], following: Sequence[SubscriberModule] = ()) -> None:
    """Run the jobs of ``modules`` and the subscribers of ``following`` until SIGINT or SIGTERM.

    Running jobs then have 20 s to end, a batch of events as long as a handler may take. What was not finished is
    found by the next worker.
    """

    async def act(session: Session) -> None:
        configure_logging(level=session.settings.log_level, as_json=session.settings.log_format == "json")
        configure_tracing(endpoint=session.settings.trace_endpoint)
        stop = asyncio.Event()
        for name in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(name, stop.set)
        db, clock = session.db, session.clock
        handlers = {kind: handle for m in modules for kind, handle in m.handlers(db=db, clock=clock).items()}
        schedules = [schedule for module in modules for schedule in module.SCHEDULES]
        followers = all_subscribers(following, db=db, clock=clock)
        names = sorted([*handlers, *(f"events for {subscriber.name}" for subscriber in followers)])
        async with _relay(session, followers) as deliver, asyncio.TaskGroup() as tasks:
            session.out.note(f"Working on {', '.join(names)}. Stop with Ctrl-C.")
            tasks.create_task(deliver(stop))
            tasks.create_task(Worker(db=db, clock=clock, handlers=handlers).run(stop))
            tasks.create_task(_keep_enqueueing(db, clock, schedules, stop))

    run(act)
