"""Frames: what is sent is read again; rubbish is refused; a client gets durable answers over a socket."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farwire.base.clock import SystemClock
from farwire.charging.log.disk import RealDisk
from farwire.charging.log.file import FileLog, highest_epoch
from farwire.charging.model import (
    Answer,
    Ask,
    Command,
    EventRequest,
    GroupAnswer,
    Phase,
    ResultCode,
    Service,
    SessionRequest,
    new_account,
)
from farwire.charging.model.limits import first
from farwire.charging.shard.admission import Moved
from farwire.charging.shard.frames import (
    LENGTH,
    decode_answer,
    decode_envelope,
    decode_request,
    encode_answer,
    encode_request,
)
from farwire.charging.shard.front import listen
from farwire.charging.shard.reading import Inspect, Seen
from farwire.charging.shard.runner import Policy, Runner
from farwire.charging.shard.shard import Open, recover
from farwire.kernel.errors import Invalid, Unavailable
from tests.charging.shard_world import FlatTariffs, an_account, session, top_up

WORD = st.integers(-(2**63), 2**63 - 1)
BYTE = st.integers(0, 255)
LIMITS = st.lists(
    st.builds(first, st.integers(1, 3), st.integers(0, 2), st.integers(0, 2**62)), max_size=9
).map(tuple)
TEXT = st.text("abc +1", max_size=5)
SERVICE = st.builds(Service, st.sampled_from(["data", "voice", "message", "event"]), *[TEXT] * 6)
ASKS = st.lists(st.builds(Ask, WORD, WORD, WORD), max_size=4).map(tuple)
REQUEST = st.one_of(
    st.builds(SessionRequest, WORD, WORD, WORD, WORD, st.integers(1, 3), SERVICE, ASKS, WORD),
    st.builds(EventRequest, WORD, WORD, WORD, st.integers(0, 3), SERVICE, WORD, WORD, WORD),
    st.builds(
        Command,
        WORD,
        WORD,
        WORD,
        BYTE,
        WORD,
        WORD,
        BYTE,
        BYTE,
        BYTE,
        st.integers(0, 65_535),
        st.integers(-32_768, 32_767),
    ),
    st.builds(Open, st.integers(1, 2**60).map(an_account)),
    st.builds(lambda limits: Open(new_account(7, tenant=1, plan=1, limits=limits)), LIMITS),
    st.builds(Inspect, WORD),
)
GROUPS = st.lists(st.builds(GroupAnswer, *[WORD] * 7), max_size=3).map(tuple)
SEEN = st.none() | st.integers(1, 2**60).map(an_account)
ANSWER = st.one_of(
    st.builds(Answer, WORD, GROUPS, WORD, WORD),
    st.builds(Moved, WORD),
    st.builds(Seen, WORD, seen=SEEN, left_out=st.integers(0, 9)),
    st.none(),
)


@given(request_=REQUEST, correlation=st.integers(0, 2**64 - 1))
def test_a_request_is_read_as_it_was_sent(request_, correlation):
    frame = encode_request(1, correlation, request_)
    assert LENGTH.unpack_from(frame)[0] == len(frame) - 4
    operation, found, tenant = decode_envelope(frame[4:])
    assert (found, tenant) == (correlation, 1)
    assert decode_request(operation, tenant, frame[4:]) == request_


@given(answer=ANSWER, correlation=st.integers(0, 2**64 - 1))
def test_an_answer_is_read_as_it_was_sent(answer, correlation):
    frame = encode_answer(1, correlation, 1, answer)
    assert decode_answer(frame[4:]) == (correlation, answer)


@given(body=st.binary(max_size=200))
def test_rubbish_is_invalid_and_nothing_else(body):
    with contextlib.suppress(Invalid):
        operation, _, tenant = decode_envelope(body)
        decode_request(operation, tenant, body)


async def started(folder: Path, **policy) -> Runner:
    disk = RealDisk(folder)
    log = FileLog(disk, shard=1, epoch=highest_epoch(disk, 1) + 1, segment_bytes=1 << 16)
    shard = await recover(log=log, records=10_000, tariffs=FlatTariffs(), clock=SystemClock())
    return Runner(shard, policy=Policy(**policy))


async def read_answer(reader: asyncio.StreamReader):
    (size,) = LENGTH.unpack(await reader.readexactly(4))
    return decode_answer(await reader.readexactly(size))


async def test_a_client_opens_tops_up_and_uses_over_a_socket(tmp_path):
    runner = await started(tmp_path / "log")
    front = await listen(runner, path=str(tmp_path / "s"))
    reader, writer = await asyncio.open_unix_connection(str(tmp_path / "s"))
    requests = [
        Open(an_account(7)), top_up(7, 1, 100), session(7, 0, Phase.INITIAL), session(7, 1, Phase.TERMINATION, used=20),
    ]  # fmt: skip
    frames = b"".join(encode_request(1, place, one) for place, one in enumerate(requests))
    writer.write(frames[:33])
    await writer.drain()
    await asyncio.sleep(0.01)
    writer.write(frames[33:])
    answers = [await read_answer(reader) for _ in requests]
    assert [correlation for correlation, _ in answers] == [0, 1, 2, 3]
    assert {answer.result for _, answer in answers} == {ResultCode.SUCCESS}
    assert runner.shard.accounts.find(1, 7).balances[0].amount == 80
    writer.write(LENGTH.pack(25) + encode_request(1, 9, requests[0])[4:29])
    assert await read_answer(reader) == (9, None)
    writer.write(LENGTH.pack(3) + b"abc")
    assert await reader.read() == b""
    writer.close()
    front.close()
    await runner.drain()


async def test_what_a_drained_shard_said_is_there_when_it_starts_again(tmp_path):
    runner = await started(tmp_path)
    await runner.ask(1, Open(an_account(7)))
    answers = await asyncio.gather(*(runner.ask(1, top_up(7, key, 1)) for key in range(100)))
    assert {answer.result for answer in answers} == {ResultCode.SUCCESS}
    asked = asyncio.ensure_future(runner.ask(1, top_up(7, 200, 1)))
    await asyncio.sleep(0)
    await runner.drain()
    assert (await asked).result == ResultCode.SUCCESS
    assert (await runner.ask(1, top_up(7, 201, 1))).result == ResultCode.TOO_BUSY
    again = await started(tmp_path)
    assert again.shard.accounts.find(1, 7).balances[0].amount == 101
    await again.drain()


async def test_snapshots_are_taken_between_batches_and_the_log_is_given_back(tmp_path):
    runner = await started(tmp_path, requests=200, tick_ms=5)
    await runner.ask(1, Open(an_account(7)))
    for low in range(0, 1000, 50):
        await asyncio.gather(*(runner.ask(1, top_up(7, key, 1)) for key in range(low, low + 50)))
        await asyncio.sleep(0.005)
    await runner.snapshot()
    names = [path.name for path in tmp_path.iterdir()]
    assert 1 <= sum(name.startswith("snapshot-") for name in names) <= 3
    await runner.drain()
    again = await started(tmp_path)
    assert again.shard.accounts.find(1, 7).balances[0].amount == 1000
    await again.drain()


async def test_a_shard_that_fails_tells_its_callers_that_nobody_knows(tmp_path):
    runner = await started(tmp_path)
    await runner.ask(1, Open(an_account(7)))
    asked = asyncio.ensure_future(runner.ask(1, top_up(7, 1, 1)))
    await asyncio.sleep(0)
    runner.shard.fail(OSError("the disk is gone"))
    with pytest.raises(Unavailable) as raised:
        await asked
    assert raised.value.code == "charging.no_answer"
    runner.wake()
    await asyncio.wait_for(runner.ended.wait(), 60)
    await runner.shard.log.close()
