"""``kill -9`` of a shard under load: answers received ⊆ recovered state, and nothing is charged twice.

Subscribers do not notice: their gateway connects again and repeats what was not answered. At the end every account has,
to the unit, what its answered requests say.
"""

from __future__ import annotations

import asyncio
import random
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from farwire.base.clock import SystemClock
from farwire.base.storage import Database
from farwire.charging.log import Log
from farwire.charging.log.disk import RealDisk
from farwire.charging.log.file import FileLog, highest_epoch
from farwire.charging.log.lease import take_lease
from farwire.charging.log.postgres import PostgresLog
from farwire.charging.model import Answer, EventKind, EventRequest, Phase, ResultCode, Service
from farwire.charging.model.answers import Movement
from farwire.charging.model.state import KEYS_MAX
from farwire.charging.shard.facts import unpack
from farwire.charging.shard.frames import LENGTH, decode_answer, encode_request
from farwire.charging.shard.shard import Ask, Open, recover
from tests.charging.children import end, kill
from tests.charging.shard_world import FlatTariffs, an_account, session, top_up

PROCESS = Path(__file__).with_name("shard_process.py")
ACCOUNTS = 40


class Link:
    """A gateway's connection: what was asked and not answered is asked again after a reconnection."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.open: dict[int, tuple[bytes, asyncio.Future[Answer]]] = {}
        self.writer: asyncio.StreamWriter | None = None
        self.repeated = 0
        self._number = 0

    async def run(self) -> None:
        """Stay connected."""
        while True:
            try:
                reader, self.writer = await asyncio.open_unix_connection(self.path)
                self.repeated += len(self.open)
                self.writer.write(b"".join(frame for frame, _ in self.open.values()))
                while True:
                    (size,) = LENGTH.unpack(await reader.readexactly(4))
                    self.take(*decode_answer(await reader.readexactly(size)))
            except (OSError, asyncio.IncompleteReadError):
                await asyncio.sleep(0.01)
            finally:
                if self.writer is not None:
                    self.writer.close()
                self.writer = None

    def take(self, number: int, answer: Answer) -> None:
        if answer.result == ResultCode.TOO_BUSY and self.writer is not None:
            self.writer.write(self.open[number][0])
        else:
            self.open.pop(number)[1].set_result(answer)

    async def ask(self, request: Ask) -> Answer:
        self._number += 1
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self.open[self._number] = encode_request(1, self._number, request), future
        if self.writer is not None:
            self.writer.write(self.open[self._number][0])
        return await future


class Subscriber:
    """Tops up, uses, pays; knows to the unit what is left."""

    def __init__(self, link: Link, number: int, seed: int) -> None:
        self.link = link
        self.number = number
        self.random = random.Random(seed * 1_000 + number)
        self.left = 0
        self.keys = 0
        self.said: list[tuple[Ask, Answer]] = []
        self.stop = False

    def key(self) -> int:
        self.keys += 1
        return self.number << 32 | self.keys

    async def once(self, request: Ask) -> Answer:
        answer = await self.link.ask(request)
        self.said.append((request, answer))
        return answer

    async def live(self) -> None:
        await self.link.ask(Open(an_account(self.number)))
        while not self.stop:
            amount = self.random.randrange(1, 500)
            assert (await self.once(top_up(self.number, self.key(), amount))).cost == amount
            self.left += amount
            await self.use()
            pay = EventRequest(self.number, 8, self.key(), EventKind.DIRECT_DEBIT, Service("data"), 7)
            if (await self.once(pay)).result == ResultCode.SUCCESS:
                self.left -= 7

    async def use(self) -> None:
        """Play one session: each report is charged once, however often it is sent."""
        key, used = self.key(), 0
        for number in range(4):
            phase = Phase.UPDATE if number else Phase.INITIAL
            answer = await self.link.ask(session(self.number, number, phase, used=used, id_lo=key))
            self.left -= used
            assert answer.result == ResultCode.SUCCESS
            used = self.random.randrange(answer.groups[0].granted + 1)
        await self.link.ask(session(self.number, 9, Phase.TERMINATION, used=used, id_lo=key))
        self.left -= used

    async def settle(self) -> None:
        """Repeat what was answered: it is answered the same. Then the balance is what the answers say."""
        lately = self.said[-KEYS_MAX // 2 :]  # an account forgets its oldest keys
        for request, answer in self.random.sample(lately, min(5, len(lately))):
            assert await self.link.ask(request) == answer
        check = EventRequest(self.number, 8, self.key(), EventKind.BALANCE_CHECK, Service("data"))
        assert (await self.link.ask(check)).cost == self.left, f"account {self.number}"


async def started(where: str, folder: Path) -> asyncio.subprocess.Process:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(PROCESS), where, str(folder / "s")),
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    while (line := await process.stdout.readline()) != b"ready\n":
        if not line:
            await end(process)
            pytest.fail("the process did not start")
    return process


async def play(where: str, folder: Path, seed: int, kills: int, reopen: Callable[[], Awaitable[Log]]) -> int:
    """Let subscribers live while their shard is killed again and again; return how many requests were repeated."""
    rng = random.Random(seed)
    links = [Link(str(folder / "s")) for _ in range(4)]
    subscribers = [Subscriber(links[number % 4], number, seed) for number in range(1, ACCOUNTS + 1)]
    process = await started(where, folder)
    running = [asyncio.ensure_future(link.run()) for link in links]
    lives = [asyncio.ensure_future(one.live()) for one in subscribers]
    try:
        for _ in range(kills):
            await asyncio.sleep(rng.uniform(0.02, 0.25))
            kill(process)
            await process.wait()
            process = await started(where, folder)
        await asyncio.sleep(0.1)
        for one in subscribers:
            one.stop = True
        await asyncio.wait_for(asyncio.gather(*lives), 120)
        await asyncio.gather(*(one.settle() for one in subscribers))
        process.terminate()
        assert await asyncio.wait_for(process.wait(), 60) == 0
    finally:
        for task in (*running, *lives):
            task.cancel()
        await asyncio.gather(*running, *lives, return_exceptions=True)
        await end(process)
    await check_facts(await reopen(), subscribers)
    return sum(link.repeated for link in links)


async def in_files(folder: Path) -> Log:
    disk = RealDisk(folder)
    return FileLog(disk, shard=1, epoch=highest_epoch(disk, 1) + 1, segment_bytes=1 << 20)


async def in_postgres(db: Database) -> Log:
    lease = await take_lease(db=db, shard=1, holder="test", seconds=60, force=True)
    return PostgresLog(db, shard=1, epoch=lease.epoch)


async def check_facts(log: Log, subscribers: list[Subscriber]) -> None:
    """The facts for the books name each charge once, and add up to the balances."""
    shard = await recover(log=log, records=100_000, tariffs=FlatTariffs(), clock=SystemClock())
    sums: Counter[int] = Counter()
    seen: Counter[tuple[int, ...]] = Counter()
    async for batch in log.facts(0):
        for _, one in unpack(batch.facts):
            if isinstance(one, Movement):
                sums[one.account] += one.amount
                seen[one.key_hi, one.key_lo, one.number, one.kind, one.balance] += 1
    assert not [key for key, times in seen.items() if times > 1]
    for one in subscribers:
        account = shard.accounts.find(1, one.number)
        assert account is not None
        assert sums[one.number] == one.left == account.balances[0].amount
    await log.close()


@pytest.mark.crash
@pytest.mark.timeout(600)
async def test_a_shard_that_is_killed_under_load_forgets_no_answer_and_charges_nothing_twice(tmp_path, seed):
    log = tmp_path / "log"
    assert await play(str(log), tmp_path, seed, 3, lambda: in_files(log)) > 0


@pytest.mark.crash
@pytest.mark.timeout(600)
async def test_a_shard_whose_log_is_in_postgresql_is_killed_likewise(db, settings, tmp_path, seed):
    url = str(settings.database_url)
    assert await play(url, tmp_path, seed, 3, lambda: in_postgres(db)) > 0


@pytest.mark.full
@pytest.mark.timeout(900)
async def test_a_shard_that_is_killed_twenty_times_forgets_no_answer_and_charges_nothing_twice(tmp_path):
    log = tmp_path / "log"
    assert await play(str(log), tmp_path, 1_000, 20, lambda: in_files(log)) > 0
