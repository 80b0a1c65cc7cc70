"""The processes that the load of a charging benchmark is put on: a shard behind its front, or an echo of its frames.

``python -m benchmarks.charging_server shard FOLDER RECORDS BATCH_US`` recovers the log of a folder and serves it;
``python -m benchmarks.charging_server echo`` answers each frame with one as long as a shard's. Both print what they
listen on as one line of JSON. The event loop is uvloop, as for the API.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path
from struct import Struct

import uvloop

from benchmarks.charging_world import SHARD, tariffs
from benchmarks.measured import peak_kib
from farwire.base.clock import SystemClock
from farwire.charging.log.disk import RealDisk
from farwire.charging.log.file import FileLog, highest_epoch
from farwire.charging.log.port import Records, Recovered
from farwire.charging.log.snapshot import Mark
from farwire.charging.model import Answer, GroupAnswer, ResultCode
from farwire.charging.service.meter import MeasuredRunner, Meter
from farwire.charging.shard.frames import LENGTH, encode_answer
from farwire.charging.shard.front import listen
from farwire.charging.shard.runner import spare_the_collector
from farwire.charging.shard.shard import Settings, recover

_CORRELATION = Struct("<Q")
_CORRELATION_AT = 8


def _tell(**facts: object) -> None:
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


class TimedLog(FileLog):
    """A log that knows what its recovery cost, in seconds of CPU."""

    all_s = snapshot_s = 0.0

    async def recover(self, records: Records, *, after: int = 0, used: int = 1) -> Recovered:
        before = time.process_time()
        found = await super().recover(records, after=after, used=used)
        self.all_s = time.process_time() - before
        return found

    def _load(self, records: Records) -> Mark | None:
        before = time.process_time()
        found = super()._load(records)
        self.snapshot_s = time.process_time() - before
        return found


async def shard(folder: str, records: str, batch_us: str) -> None:
    """Recover and serve until the process is ended, counting and timing each request as ``farwire charging serve``."""
    disk = RealDisk(Path(folder))
    before, started, cpu = peak_kib(), time.perf_counter(), time.process_time()
    log = TimedLog(disk, shard=SHARD, epoch=highest_epoch(disk, SHARD) + 1)
    settings = Settings(batch_us=int(batch_us))
    found = await recover(
        log=log, records=int(records), tariffs=tariffs(), clock=SystemClock(), settings=settings
    )
    took, cpu = time.perf_counter() - started, time.process_time() - cpu
    spare_the_collector()
    front = await listen(MeasuredRunner(found, meter=Meter()))
    _tell(
        port=front.server.sockets[0].getsockname()[1],
        seconds=took,
        cpu_s=cpu,
        snapshot_s=log.snapshot_s,
        tail_s=log.all_s - log.snapshot_s,
        index_s=cpu - log.all_s,
        last=log.last,
        accounts=found.index.count,
        grew_kib=peak_kib() - before,
    )
    await front.serve()


class Echo(asyncio.Protocol):
    """Answers every frame with the bytes of a real answer, which only has the frame's correlation."""

    def __init__(self) -> None:
        self._buffer = b""
        good = GroupAnswer(1, ResultCode.SUCCESS, 1, 1_000_000, 200_000, 0, -1)
        frame = encode_answer(1, 0, 1, Answer(ResultCode.SUCCESS, (good,)))
        at = LENGTH.size + _CORRELATION_AT
        self._head, self._rest = frame[:at], frame[at + _CORRELATION.size :]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer + data
        at, out = 0, []
        while len(buffer) - at >= LENGTH.size:
            size = LENGTH.unpack_from(buffer, at)[0] + LENGTH.size
            if len(buffer) - at < size:
                break
            correlation = at + LENGTH.size + _CORRELATION_AT
            out += (self._head, buffer[correlation : correlation + _CORRELATION.size], self._rest)
            at += size
        self._buffer = buffer[at:]
        self._transport.write(b"".join(out))  # type: ignore[attr-defined]


async def echo() -> None:
    """Serve echoes until the process is ended."""
    server = await asyncio.get_running_loop().create_server(Echo, "127.0.0.1", 0)
    _tell(port=server.sockets[0].getsockname()[1])
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run({"shard": shard, "echo": echo}[sys.argv[1]](*sys.argv[2:]))
