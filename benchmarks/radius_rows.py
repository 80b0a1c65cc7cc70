"""Load on the RADIUS gateway: accounting of sessions, in front of a durable PostgreSQL that keeps their meters.

The gateway is the product's. Each session is a Start, Interim-Updates and a Stop; each report names its account by our
Class, as after a login. The load is Python on the core of the shard and PostgreSQL: a report costs it some 50 µs. In
the open loop a report that is late counts from when it should have been sent.
"""

from __future__ import annotations

import asyncio
import os
import time
from argparse import Namespace
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import psutil

from benchmarks.charging_run import Figures, Server, cores, row, serving
from benchmarks.gateway_server import SECRET, TENANT_NAME
from benchmarks.measured import costs, postmaster
from farwire.base.clock import SystemClock
from farwire.base.config import Settings
from farwire.base.storage import open_database
from farwire.base.storage.embedded import DatabaseRole, EmbeddedServer
from farwire.base.storage.ephemeral import Run, clone_template, make_template, more_room, remove
from farwire.gateway.radius.access import Ticket
from farwire.gateway.radius.codec import number_pair
from farwire.gateway.radius.dictionary import Code, Status, key_of
from farwire.gateway.radius.proofs import request_octets
from farwire.tenant.service import create_tenant

DATABASE = "farwire_bench_radius"
MB = 1_000_000
LOST_S = 10.0
_CLASS, _NAME, _SESSION = key_of("Class"), key_of("User-Name"), key_of("Acct-Session-Id")
_STATUS, _TIME, _OCTETS = (
    key_of("Acct-Status-Type"),
    key_of("Acct-Session-Time"),
    key_of("Acct-Output-Octets"),
)


@contextmanager
def database(core: list[int]) -> Iterator[tuple[EmbeddedServer, str]]:
    """A PostgreSQL that syncs, with a tenant, in the folder of throw-away servers; and its URL."""
    run = Run.of(os.getpid())
    folder = more_room(run) / "durable"
    folder.mkdir()
    server = EmbeddedServer(folder, durable=True)
    try:
        server.start()
        psutil.Process(postmaster(server)).cpu_affinity(core)
        make_template(server)
        clone_template(server, DATABASE)
        url = server.url(DatabaseRole.APP, DATABASE)
        asyncio.run(_tenant(folder, url))
        yield server, url
    finally:
        remove(run)


async def _tenant(folder: Path, url: str) -> None:
    db = await open_database(Settings(data_dir=folder, database_url=url))
    await create_tenant(db=db, clock=SystemClock(), name=TENANT_NAME, display_name="Bench", country="DE")
    await db.close()


def radius(shard: Server, asked: Namespace) -> None:
    """Print the rows of accounting."""
    core, other = cores()
    with (
        database(other) as (server, url),
        serving("radius", f"{shard.told['port']:.0f}", url, module="gateway_server", core=core) as gateway,
    ):
        psutil.Process().cpu_affinity(other)
        load = _Rows(gateway, shard, postmaster(server), asked.callers)
        label, seconds, window = "  RADIUS (accounting)", asked.gateway_seconds, asked.gateway_window
        load.run("", window=window, seconds=1.0)
        load.run(f"{label}, 1 outstanding", window=1, seconds=asked.limit_seconds)
        closed = load.run(f"{label}, closed loop, {window}", window=window, seconds=seconds)
        rate = asked.radius_rate
        load.run(f"{label}, {rate:,.0f}/s offered", window=4 * window, seconds=seconds, rate=rate)
        alone, all_ = closed["cpu_us"], closed["cpu_us"] + closed["behind_us"] + closed["database_us"]
        print(
            f"{'':<44}{1e6 / alone:>12,.0f}/s on a core of its own; {1e6 / all_:,.0f}/s on one core with the shard "
            "and PostgreSQL"
        )
        psutil.Process().cpu_affinity([*core, *other])


@dataclass
class _Rows:
    gateway: Server
    shard: Server
    postmaster: int
    accounts: int
    sessions: int = 0

    def run(self, label: str, *, window: int, seconds: float, rate: float = 0.0) -> Figures:
        """Measure, and print a row unless it is to warm up; a ``rate`` of 0 is a closed loop."""
        before = [one.cpu_s() for one in (self.gateway, self.shard)]
        with costs(self.postmaster) as cost:
            load = asyncio.run(self._load(window, seconds, rate))
        spent = [one.cpu_s() - was for one, was in zip((self.gateway, self.shard), before, strict=True)]
        self.sessions = load.sessions
        found = load.figures([*spent, cost.server_s])
        if label:
            row(label, found, f" (shard {found['behind_us']:.1f}, PostgreSQL {found['database_us']:.1f})")
        return found

    async def _load(self, window: int, seconds: float, rate: float) -> _Load:
        address = ("127.0.0.1", int(self.gateway.told["port"]))
        transport, load = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: _Load(self.accounts, self.sessions), remote_addr=address
        )
        await load.play(window, seconds, rate)
        transport.close()
        return load


class _Session:
    """A session of a subscriber, and its next report."""

    REPORTS = 10

    def __init__(self, number: int, account: int) -> None:
        self.number, self.account, self.reports = number, account, 0

    def octets(self, identifier: int) -> bytes:
        statuses = {0: Status.START, self.REPORTS - 1: Status.STOP}
        ticket = Ticket(self.account, 7, self.number, 0, restricted=False)
        return request_octets(
            Code.ACCOUNTING_REQUEST,
            identifier,
            [
                number_pair(_STATUS, statuses.get(self.reports, Status.INTERIM)),
                (_NAME, b"bench"), (_SESSION, b"%x" % self.number), (_CLASS, ticket.octets()),
                number_pair(_TIME, 60 * self.reports), number_pair(_OCTETS, MB * self.reports),
            ],
            SECRET.encode(),
        )  # fmt: skip


class _Load(asyncio.DatagramProtocol):
    """Sends reports, and times their answers. A session has one report outstanding."""

    def __init__(self, accounts: int, sessions: int) -> None:
        self.accounts, self.sessions = accounts, sessions
        self.free: deque[_Session] = deque()
        self.waiting: dict[int, tuple[_Session, float]] = {}
        """By Identifier: of one socket there are 256."""
        self.numbers: deque[int] = deque(range(256))
        self.took: list[float] = []
        self.sent = self.behind = 0
        self.closed_until = self.started = self.ended = 0.0
        self.done = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.DatagramTransport", transport)

    async def play(self, window: int, seconds: float, rate: float) -> None:
        self.free.extend(self._fresh() for _ in range(min(window, 256)))
        self.started = time.perf_counter()
        until = self.started + seconds
        if rate:
            await self._offer(until, rate)
        else:
            self.closed_until = until
            while self.free:
                self._send(time.perf_counter())
        async with asyncio.timeout(seconds + LOST_S):
            while self.waiting:
                self.done.clear()
                await self.done.wait()

    async def _offer(self, until: float, rate: float) -> None:
        due = self.started
        while due < until:
            await asyncio.sleep(max(due - time.perf_counter(), 0))
            while not self.free:  # what waits for a session is late, and is timed from when it was due
                self.done.clear()
                await self.done.wait()
            self._send(due)
            due += 1 / rate

    def _fresh(self) -> _Session:
        self.sessions += 1
        return _Session(self.sessions, 1 + self.sessions % self.accounts)

    def _send(self, due: float) -> None:
        session, identifier = self.free.popleft(), self.numbers.popleft()
        self.waiting[identifier] = session, due
        self.sent += 1
        self.transport.sendto(session.octets(identifier))

    def datagram_received(self, data: bytes, addr: object) -> None:  # noqa: ARG002 - the protocol's name
        session, due = self.waiting.pop(data[1])
        self.ended = time.perf_counter()
        self.took.append(self.ended - due)
        self.numbers.append(data[1])
        session.reports += 1
        self.free.append(session if session.reports < session.REPORTS else self._fresh())
        if self.ended < self.closed_until:
            self._send(self.ended)
        self.done.set()

    def figures(self, spent: list[float]) -> Figures:
        took, count = sorted(self.took), len(self.took)
        times = {
            name: 1e9 * took[min(int(part * count), count - 1)]
            for name, part in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p999", 0.999), ("max", 1.0))
        }
        costs_ = dict(zip(("cpu_us", "behind_us", "database_us"), spent, strict=True))
        return {
            "per_s": count / (self.ended - self.started), "answered": count, "unanswered": self.sent - count,
            "wrong": 0, "first_wrong": 0, **times, **{name: 1e6 * one / count for name, one in costs_.items()},
        }  # fmt: skip
