"""The way to the shards: it finds accounts that have moved, and no shard is in another one's way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from farwire.charging.model import Answer, ResultCode
from farwire.charging.service.client import Address, SocketClient
from farwire.charging.shard.admission import Moved
from farwire.charging.shard.frames import LENGTH, decode_envelope, encode_answer
from farwire.charging.shard.homes import vshard_of
from tests.charging.shard_world import top_up

DONE = Answer(int(ResultCode.SUCCESS))
ASKED = top_up(7, 1, 100)
OTHER = top_up(next(number for number in range(8, 99) if vshard_of(number) != vshard_of(7)), 1, 100)
PATIENT_MS = 30_000


class Shards:
    """Fronts that say where accounts are, or that a request is done."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.says: dict[int, Answer | Moved] = {}
        self.asked: list[int] = []
        self.looked_for: list[int] = []
        self.servers: dict[int, asyncio.Server] = {}
        self._writers: dict[int, list[asyncio.StreamWriter]] = {}

    def address(self, shard: int) -> Address:
        self.looked_for.append(shard)
        return Address(path=str(self.folder / f"s{shard}"))

    async def start(self, shard: int, says: Answer | Moved) -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self._writers.setdefault(shard, []).append(writer)
            while size := await reader.read(LENGTH.size):
                body = await reader.readexactly(LENGTH.unpack(size)[0])
                operation, correlation, tenant = decode_envelope(body)
                self.asked.append(shard)
                writer.write(encode_answer(operation, correlation, tenant, self.says[shard]))
            writer.close()

        self.says[shard] = says
        self.servers[shard] = await asyncio.start_unix_server(serve, self.address(shard).path)

    async def stop(self, shard: int) -> None:
        self.servers.pop(shard).close()
        for writer in self._writers.pop(shard, ()):
            writer.close()
        Path(self.address(shard).path).unlink(missing_ok=True)  # noqa: ASYNC240 - it takes no time


@pytest.fixture
async def shards(tmp_path: Path) -> AsyncIterator[Shards]:
    found = Shards(tmp_path)
    yield found
    for shard in list(found.servers):
        await found.stop(shard)


async def test_an_account_is_found_when_the_shard_that_had_it_was_emptied_and_taken_away(
    shards: Shards,
) -> None:
    await shards.start(0, Moved(1))
    await shards.start(1, DONE)
    client = SocketClient(shards.address, timeout_ms=PATIENT_MS)
    assert [await client.ask(1, ASKED), await client.ask(1, ASKED)] == [DONE, DONE]
    assert shards.asked == [0, 1, 1]
    shards.says[0] = DONE
    await shards.stop(1)
    assert await client.ask(1, ASKED) == DONE
    assert shards.asked[3:] == [0]
    await client.close()


async def test_a_shard_that_was_away_is_asked_again_although_the_first_one_is_away_too(
    shards: Shards,
) -> None:
    await shards.start(0, Moved(1))
    await shards.start(1, DONE)
    client = SocketClient(shards.address, timeout_ms=PATIENT_MS)
    assert await client.ask(1, ASKED) == DONE
    await shards.stop(0)
    await shards.stop(1)
    asked = asyncio.ensure_future(client.ask(1, ASKED))
    shards.looked_for.clear()
    while not {0, 1} <= set(shards.looked_for):  # noqa: ASYNC110 - a poll is simple
        await asyncio.sleep(0.01)
    await shards.start(1, DONE)
    assert await asked == DONE
    await client.close()


async def test_any_shard_that_is_known_says_where_an_account_is_while_the_first_one_is_away(
    shards: Shards,
) -> None:
    await shards.start(0, Moved(1))
    await shards.start(1, DONE)
    client = SocketClient(shards.address, timeout_ms=PATIENT_MS)
    assert await client.ask(1, ASKED) == DONE
    await shards.stop(0)
    assert await client.ask(1, OTHER) == DONE
    await client.close()


async def test_a_shard_that_does_not_take_the_call_keeps_nobody_from_the_others(
    shards: Shards, monkeypatch: pytest.MonkeyPatch
) -> None:
    await shards.start(0, Moved(1))
    client = SocketClient(shards.address, timeout_ms=PATIENT_MS)
    loop, calling = asyncio.get_running_loop(), asyncio.Event()
    connect = loop.create_unix_connection

    async def connect_or_wait(factory: object, path: str) -> object:
        if path == shards.address(1).path:
            calling.set()
            await asyncio.Event().wait()
        return await connect(factory, path)  # type: ignore[arg-type]

    monkeypatch.setattr(loop, "create_unix_connection", connect_or_wait)
    waits = asyncio.ensure_future(client.ask(1, ASKED))
    await calling.wait()
    shards.says[0] = DONE
    async with asyncio.timeout(PATIENT_MS / 2_000):
        assert await client.ask(1, OTHER) == DONE
    waits.cancel()
    await client.close()
