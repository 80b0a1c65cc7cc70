"""Under load: who is told to stop answers or refuses everything; who has too much to do refuses by rank."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

from farwire.base.clock import SystemClock
from farwire.charging.log.file import FileLog
from farwire.charging.model import EventKind, EventRequest, Phase, ResultCode, Service
from farwire.charging.model.state import KEYS_MAX
from farwire.charging.shard.frames import LENGTH, decode_answer, encode_request
from farwire.charging.shard.front import listen
from farwire.charging.shard.runner import Runner
from farwire.charging.shard.shard import Open, Settings, recover
from tests.charging.children import end
from tests.charging.inline import Inline
from tests.charging.shard_world import FlatTariffs, an_account, session, top_up
from tests.charging.test_kill import in_files, started
from tests.charging.test_shard import Held
from tests.charging.virtual_disk import VirtualDisk

OUTSTANDING = 32


@dataclass
class Load:
    """A connection with many requests on their way, each of which pays in 1."""

    account: int
    told: set[int] = field(default_factory=set)
    refused: set[int] = field(default_factory=set)
    open: set[int] = field(default_factory=set)
    sent: int = 0

    async def run(self, path: Path) -> None:
        """Send until the shard hangs up."""
        reader, writer = await asyncio.open_unix_connection(str(path))
        try:
            writer.write(encode_request(1, 0, Open(an_account(self.account))))
            self.open.add(0)
            while True:
                while len(self.open) < OUTSTANDING and self.sent < KEYS_MAX - OUTSTANDING:
                    self.sent += 1
                    self.open.add(self.sent)
                    writer.write(encode_request(1, self.sent, top_up(self.account, self.sent, 1)))
                (size,) = LENGTH.unpack(await reader.readexactly(4))
                self.take(*decode_answer(await reader.readexactly(size)))
        except (OSError, asyncio.IncompleteReadError):
            writer.close()

    def take(self, number: int, answer: object) -> None:
        self.open.remove(number)
        result = getattr(answer, "result", None)
        assert result in (ResultCode.SUCCESS, ResultCode.TOO_BUSY)
        (self.told if result == ResultCode.SUCCESS else self.refused).add(number)


async def test_a_shard_that_is_told_to_stop_under_load_answers_or_refuses_what_it_has_read(tmp_path):
    process = await started(str(tmp_path / "log"), tmp_path)
    loads = [Load(account) for account in range(1, 5)]
    running = asyncio.gather(*(load.run(tmp_path / "s") for load in loads))
    try:
        while min(len(load.told) for load in loads) < 200:  # noqa: ASYNC110 - a poll is simple
            await asyncio.sleep(0.01)
        process.terminate()
        assert await asyncio.wait_for(process.wait(), 60) == 0
        await asyncio.wait_for(running, 60)  # all are hung up on: nobody waits for an answer that never comes
    finally:
        running.cancel()
        await end(process)
    shard = await recover(
        log=await in_files(tmp_path / "log"), records=100_000, tariffs=FlatTariffs(), clock=SystemClock()
    )
    for load in loads:
        account = shard.accounts.find(1, load.account)
        there = {key.key_lo for key in account.keys}
        assert load.told - {0} <= there, "an answer was not durable"
        assert there.isdisjoint(load.refused), "what was refused was charged"
        assert account.balances[0].amount == len(there)
        assert there <= load.told, "a request was decided, and nobody was told"
    await shard.log.close()


def crowd() -> list:
    """Forty of each rank, the lowest first; then emergency calls."""
    check = EventRequest(7, 8, 1, EventKind.BALANCE_CHECK, Service("data"))
    ranks = [check, session(7, 1, Phase.UPDATE), session(7, 2, Phase.TERMINATION)]
    return [one for one in ranks for _ in range(40)] + [
        session(7, 0, Phase.INITIAL, id_lo=key, kind="voice", destination="112") for key in range(10, 15)
    ]


async def test_a_front_with_too_much_to_do_refuses_at_once_by_rank_and_grants_emergency_calls(tmp_path):
    writer = Held()
    log = FileLog(VirtualDisk(), shard=1, epoch=1, segment_bytes=1 << 16, writer=writer, background=Inline())
    shard = await recover(
        log=log,
        records=1_000,
        tariffs=FlatTariffs(),
        clock=SystemClock(),
        settings=Settings(queue=20, batch=4),
    )
    runner = Runner(shard)
    await runner.ask(1, Open(an_account(7, 100)))
    front = await listen(runner, path=str(tmp_path / "s"))
    reader, out = await asyncio.open_unix_connection(str(tmp_path / "s"))
    writer.slow = True
    requests = crowd()
    out.write(b"".join(encode_request(1, number, one) for number, one in enumerate(requests)))

    async def answers(count: int) -> dict:
        found = {}
        for _ in range(count):
            (size,) = LENGTH.unpack(await reader.readexactly(4))
            number, answer = decode_answer(await reader.readexactly(size))
            found[number] = answer.result
        return found

    # The disk does nothing, and yet all but the twenty that the queue has room for are answered.
    early = await asyncio.wait_for(answers(len(requests) - 20), 60)
    taken = [number for number in range(len(requests)) if number not in early]
    assert taken == [*range(12), *range(40, 45), *range(80, 83)]  # 60, 85 and 100 % of twenty
    assert {early[number] for number in range(120, 125)} == {ResultCode.SUCCESS}
    assert {result for number, result in early.items() if number < 120} == {ResultCode.TOO_BUSY}
    writer.slow = False
    writer.work()
    late = await asyncio.wait_for(answers(20), 60)
    assert sorted(late) == taken
    assert ResultCode.TOO_BUSY not in late.values()
    out.close()
    front.close()
    await runner.drain()
