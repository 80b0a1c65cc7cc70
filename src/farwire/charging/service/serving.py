"""A shard as a process: it recovers, listens, learns of tariffs and accounts, feeds the books, and ends in order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import structlog
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from farwire.base.clock import Clock
from farwire.base.storage import Database
from farwire.base.telemetry.metrics import REGISTRY
from farwire.charging.model import ResultCode
from farwire.charging.service import books
from farwire.charging.service.accounts import accounts_not_live, set_live
from farwire.charging.service.client import Address, InProcessClient
from farwire.charging.service.meter import MeasuredRunner
from farwire.charging.service.owning import Owned, Ownership, own
from farwire.charging.service.scrape import serve_metrics
from farwire.charging.service.tariffs import LiveTariffs
from farwire.charging.service.tenants import tenants_by_number
from farwire.charging.shard.front import listen
from farwire.charging.shard.handover import Desk
from farwire.charging.shard.homes import vshard_of
from farwire.charging.shard.moving import settle_all
from farwire.charging.shard.placement import claim, claim_one, place
from farwire.charging.shard.shard import Open
from farwire.kernel.errors import FarwireError

LOOK_MS: Final = 500
"""How often is looked for tariffs that were published and accounts that were opened."""
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Serving:
    """How a shard is served."""

    ownership: Ownership
    address: Address
    shards: Sequence[int] = (0,)
    """All shards of the installation, when virtual shards are dealt out for the first time."""
    metrics: Address | None = None


@dataclass(frozen=True, slots=True)
class Ready:
    """A shard that answers."""

    epoch: int
    last: int
    records: int
    plans: int
    offers: int
    vshards: int
    """Virtual shards that live here; a shard that has none yet is given some by ``farwire charging move``."""


async def serve(
    *, db: Database, clock: Clock, serving: Serving, stop: asyncio.Event, ready: Callable[[Ready], None]
) -> None:
    """Serve a shard until ``stop`` is set, then answer what is in and let go of it.

    ``ready`` is told when it answers. Raises what ``own`` raises, and what has ended the shard (``LogFailed``,
    ``Fenced``).
    """
    tariffs = LiveTariffs()
    await tariffs.reload(db, clock=clock)
    await place(db=db, shards=serving.shards)
    wanted = serving.ownership
    async with own(db=db, clock=clock, wanted=wanted, tariffs=tariffs, stop=stop) as owned:
        runner = owned.runner
        vshards = await _settle(db, runner, wanted.shard)
        desk = Desk(runner, claim=partial(_claim, db))
        work = [
            desk.watch(),
            _learn(db, clock, runner, tariffs),
            books.follow(
                db=db, log=runner.shard.log, clock=clock, told=lambda taken: _read_to(owned, taken.last)
            ),
        ]
        with _collected(runner):
            async with _listening(runner, serving, desk), _beside(work):
                loaded, log = tariffs.loaded, runner.shard.log
                records = runner.shard.arena.records
                ready(Ready(log.epoch, log.last, records, len(loaded.plans), len(loaded.offers), vshards))
                await _until(stop, runner.ended)
                if runner.shard.failure is None:
                    await runner.drain()
    if runner.shard.failure is not None:
        raise runner.shard.failure


def _read_to(owned: Owned, last: int) -> None:
    owned.books_read.last = last


async def _settle(db: Database, runner: MeasuredRunner, shard: int) -> int:
    """Let the shard know where every virtual shard lives; return how many live here."""
    homes = [home.shard for home in await claim(db=db)]
    await settle_all(runner, homes)
    return homes.count(shard)


async def _claim(db: Database, vshard: int) -> int:
    return (await claim_one(db=db, vshard=vshard)).shard


# ---- what goes on beside the requests


async def _learn(db: Database, clock: Clock, runner: MeasuredRunner, tariffs: LiveTariffs) -> None:
    """Learn of tariffs that are published and of accounts that are opened, until cancelled."""
    while True:
        await asyncio.sleep(LOOK_MS / 1_000)
        try:
            if await tariffs.reload(db, clock=clock):
                plans, offers = len(tariffs.loaded.plans), len(tariffs.loaded.offers)
                _log.info("charging tariffs reloaded", plans=plans, offers=offers)
            await open_missing(db=db, clock=clock, runner=runner)
        except FarwireError as error:
            _log.warning("charging could not learn what is new", code=error.code, reason=str(error))
        except Exception:  # noqa: BLE001
            # The edge of the process: what cannot be read now must not end a shard that charges.
            _log.exception("charging could not learn what is new")


async def open_missing(*, db: Database, clock: Clock, runner: MeasuredRunner) -> int:
    """Open the accounts of this shard that nobody has told it of; return how many."""
    client, count = InProcessClient(runner), 0
    elsewhere = runner.shard.admission.elsewhere
    for tenant_id in (await tenants_by_number(db)).values():
        async with db.transaction(tenant_id, read_only=True) as tx:
            accounts = await accounts_not_live(tx)
        live = []
        for account in accounts:
            if vshard_of(account.number) not in elsewhere:
                answer = await client.ask(account.tenant_number, Open(account.first_state()))
                live += [account.number] if answer.result == ResultCode.SUCCESS else []
        if live:
            async with db.transaction(tenant_id) as tx:
                await set_live(tx, numbers=live, now=clock.now())
            count += len(live)
    return count


@asynccontextmanager
async def _beside(work: Sequence[Coroutine[None, None, None]]) -> AsyncIterator[None]:
    """Run ``work`` while the block runs."""
    tasks = [asyncio.create_task(one) for one in work]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def _listening(runner: MeasuredRunner, serving: Serving, desk: Desk) -> AsyncIterator[None]:
    """Listen on the front, and for whoever watches the process."""
    address, metrics = serving.address, serving.metrics
    _prepare(address)
    front = await listen(runner, host=address.host, port=address.port, path=address.path, desk=desk)
    watched = None
    try:
        if metrics is not None:
            watched = await serve_metrics(
                host=metrics.host, port=metrics.port, ready=lambda: not runner.shard.admission.closed
            )
        yield
    finally:
        front.close()
        if watched is not None:
            watched.close()
        _forget(address)


def _prepare(address: Address) -> None:
    if address.path:
        Path(address.path).parent.mkdir(mode=0o700, parents=True, exist_ok=True)


def _forget(address: Address) -> None:
    if address.path:
        Path(address.path).unlink(missing_ok=True)


class _Collected(Collector):
    """The metrics of one runner, read when they are asked for."""

    def __init__(self, runner: MeasuredRunner) -> None:
        self._runner = runner

    def collect(self) -> Iterator[Metric]:
        """Yield them."""
        yield from self._runner.meter.collect(self._runner.shard)


@contextmanager
def _collected(runner: MeasuredRunner) -> Iterator[None]:
    collector = _Collected(runner)
    REGISTRY.register(collector)
    try:
        yield
    finally:
        REGISTRY.unregister(collector)


async def _until(*events: asyncio.Event) -> None:
    """Wait for the first of ``events``."""
    waits = [asyncio.ensure_future(event.wait()) for event in events]
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()
