"""HTTP/2: what the library of the clients, h2load and raw octets make of the server; every bound holds."""

from __future__ import annotations

import asyncio
import gc
import ssl
import subprocess
import weakref
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    Event,
    PingAckReceived,
    PingReceived,
    ResponseReceived,
    StreamReset,
)
from h2.settings import SettingCodes
from hypothesis import given
from hypothesis import strategies as st

from farwire.gateway.nchf.http2.connection import Connection
from farwire.gateway.nchf.http2.frames import LONGEST, PREFACE, Broken, Error, frame
from farwire.gateway.nchf.http2.messages import Request, Response
from farwire.gateway.nchf.http2.server import Bounds, Server, tls
from farwire.gateway.nchf.problems import OPTIONAL_INCORRECT, Problem, refusal
from tests.gateway.nchf.world import serving
from tests.gateway.test_rigs import as_capture, complaints
from tests.gateway.world import WRITERS

HEADERS = [(":method", "POST"), (":path", "/x"), (":scheme", "http"), (":authority", "chf")]


async def echo(request: Request) -> Response:
    return Response(200, (("x-path", request.path), ("x-address", request.address)), request.body)


class Raw:
    """A client that may do what a good one would not."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.http = H2Connection()
        self.http.initiate_connection()
        self.flush()

    def flush(self) -> None:
        self.writer.write(self.http.data_to_send())

    async def until(self, wanted: type[Event]) -> Event:
        async with asyncio.timeout(30):
            while True:
                data = await self.reader.read(65_536)
                assert data, "it hung up"
                for event in self.http.receive_data(data):
                    if isinstance(event, wanted):
                        return event
                self.flush()

    async def ended(self) -> None:
        async with asyncio.timeout(30):
            try:
                while await self.reader.read(65_536):
                    pass
            except ConnectionError:
                pass


async def raw(server: Server) -> Raw:
    reader, writer = await asyncio.open_connection(*server.addresses[0])
    WRITERS.append(writer)
    return Raw(reader, writer)


async def test_bodies_come_and_go_whole_up_to_their_bound() -> None:
    async with serving(echo) as server, httpx.AsyncClient(http1=False, http2=True, timeout=30) as client:
        host, port = server.addresses[0]
        for size in (0, 1, 16_384, 65_536, Bounds().body_octets):
            answer = await client.post(f"http://{host}:{port}/x?a=1", content=b"x" * size)
            assert (answer.status_code, len(answer.content), answer.headers["x-path"]) == (200, size, "/x")
        answer = await client.post(f"http://{host}:{port}/x", content=b"x" * (Bounds().body_octets + 1))
        assert (answer.status_code, answer.json()["status"]) == (413, 413)
        assert (await client.post(f"http://{host}:{port}/x", content=b"x")).status_code == 200


async def test_many_requests_share_a_connection() -> None:
    async with serving(echo) as server, httpx.AsyncClient(http1=False, http2=True, timeout=30) as client:
        host, port = server.addresses[0]
        answers = await asyncio.gather(
            *(client.post(f"http://{host}:{port}/{one}", content=str(one)) for one in range(300))
        )
        assert [answer.text for answer in answers] == [str(one) for one in range(300)]
        assert len(server.wires) == 1


async def test_what_is_no_http2_is_hung_up_on() -> None:
    async with serving(echo, greeting_ms=1_000) as server:
        for octets in (
            b"GET / HTTP/1.1\r\nHost: chf\r\n\r\n",
            b"\0" * 100,
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff" * 20,
        ):
            reader, writer = await asyncio.open_connection(*server.addresses[0])
            WRITERS.append(writer)
            writer.write(octets)
            async with asyncio.timeout(30):
                await reader.read(-1)
        assert not server.wires


async def test_whoever_sends_nothing_or_half_a_request_does_not_stay() -> None:
    async with serving(echo, greeting_ms=1_000, idle_ms=1_000) as server:
        silent, writer = await asyncio.open_connection(*server.addresses[0])
        WRITERS.append(writer)
        half = await raw(server)
        half.http.send_headers(1, HEADERS)
        half.flush()
        assert isinstance(await half.until(StreamReset), StreamReset)
        await half.ended()  # it does not say that it is still there
        async with asyncio.timeout(30):
            assert await silent.read(-1) is not None
        slow = await raw(server)
        slow.http.send_headers(1, HEADERS, end_stream=True)
        octets = slow.http.data_to_send()
        slow.writer.write(octets[:-1])
        await slow.ended()


async def test_a_frame_that_does_not_end_in_time_or_names_too_great_a_length_ends_the_connection() -> None:
    async with serving(echo, greeting_ms=1_000) as server:
        stuck, long, good = await raw(server), await raw(server), await raw(server)
        stuck.writer.write(b"\0\0\x08\6\0\0\0\0\0pin")
        long.writer.write(b"\0\x40\1\0\0\0\0\0\1x")
        gone = await long.until(ConnectionTerminated)
        assert isinstance(gone, ConnectionTerminated)
        assert gone.error_code == ErrorCodes.FRAME_SIZE_ERROR
        await stuck.ended()
        good.http.ping(b"farwire!")
        good.flush()
        await good.until(PingAckReceived)


@given(sizes=st.lists(st.integers(0, LONGEST), max_size=5), cuts=st.lists(st.integers(1, 40), max_size=30))
def test_the_ends_of_frames_are_found_however_they_arrive(sizes: list[int], cuts: list[int]) -> None:
    octets = PREFACE + frame(4, 0, 0) + b"".join(frame(99, 0, 0, bytes(size)) for size in sizes)
    one, at = Connection(streams=1, header_octets=1_024, body_octets=1_024, now=1), 0
    for now, cut in enumerate(cuts, 2):
        one.receive(octets[at : at + cut], now)
        at = min(at + cut, len(octets))
    one.receive(octets[at:], 99)
    assert (one.waiting_since, one.idle_frames) == (None, len(sizes) + 1)
    one.receive(b"\0", 100)
    one.receive(b"\x40", 101)
    assert one.waiting_since == 100
    with pytest.raises(Broken) as caught:
        one.receive(b"\1" + bytes(6), 102)
    assert caught.value.code is Error.FRAME_SIZE_ERROR


async def test_a_client_that_says_it_is_there_may_be_idle() -> None:
    async with serving(echo, greeting_ms=20_000, idle_ms=100) as server:
        idle = await raw(server)
        for _ in range(3):
            assert isinstance(await idle.until(PingReceived), PingReceived)
            idle.flush()
        idle.http.send_headers(1, HEADERS, end_stream=True)
        idle.flush()
        assert isinstance(await idle.until(ResponseReceived), ResponseReceived)


async def test_floods_of_frames_and_of_resets_end_the_connection() -> None:
    async with serving(echo) as server:
        pings = await raw(server)
        for _ in range(3_000):
            pings.http.ping(b"12345678")
        pings.flush()
        assert isinstance(await pings.until(ConnectionTerminated), ConnectionTerminated)
        resets = await raw(server)
        for number in range(1, 6_001, 2):
            resets.http.send_headers(number, HEADERS)
            resets.http.reset_stream(number)
        resets.flush()
        await resets.ended()


async def test_streams_beyond_the_bound_are_refused_and_can_be_asked_elsewhere() -> None:
    gate, asked = asyncio.Event(), asyncio.Semaphore(0)

    async def wait(_: Request) -> Response:
        asked.release()
        await gate.wait()
        return Response(200)

    async with serving(wait, streams=4) as server:
        client = await raw(server)
        client.http.remote_settings[SettingCodes.MAX_CONCURRENT_STREAMS] = 100
        client.http.remote_settings.acknowledge()
        for number in (1, 3, 5, 7):
            client.http.send_headers(number, HEADERS, end_stream=True)
        client.flush()
        for _ in range(4):
            await asyncio.wait_for(asked.acquire(), 30)
        for number in (1, 3, 5, 7):
            client.http.reset_stream(number)  # the work goes on: it still counts
        client.http.send_headers(9, HEADERS, end_stream=True)
        client.flush()
        refused = await client.until(StreamReset)
        assert isinstance(refused, StreamReset)
        assert (refused.stream_id, int(refused.error_code)) == (9, 7)
        gate.set()


async def test_a_client_that_does_not_take_its_answer_is_given_up() -> None:
    async def long(_: Request) -> Response:
        return Response(200, (), b"x" * 100_000)

    async with serving(long, greeting_ms=1_000) as server:
        client = await raw(server)
        client.http.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 10})
        client.flush()
        client.http.send_headers(1, HEADERS, end_stream=True)
        client.flush()
        assert isinstance(await client.until(StreamReset), StreamReset)


async def test_too_many_headers_end_the_connection() -> None:
    async with serving(echo) as server:
        client = await raw(server)
        client.http.send_headers(
            1, [*HEADERS, *((f"x-{one}", "y" * 500) for one in range(100))], end_stream=True
        )
        client.flush()
        assert isinstance(await client.until(ConnectionTerminated), ConnectionTerminated)


async def test_connections_beyond_the_bound_are_hung_up_on() -> None:
    async with serving(echo, connections=2) as server:
        kept = [await raw(server), await raw(server)]
        for one in kept:
            one.http.send_headers(1, HEADERS, end_stream=True)
            one.flush()
            await one.until(ResponseReceived)
        await (await raw(server)).ended()
        assert len(server.wires) == 2


async def test_nothing_of_a_connection_that_has_ended_waits_for_the_collector() -> None:
    async with serving(echo) as server:
        client = await raw(server)
        client.http.send_headers(1, HEADERS, end_stream=True)
        client.flush()
        await client.until(ResponseReceived)
        (wire,) = server.wires
        kept = weakref.ref(wire.http)
        del wire
        gc.disable()
        try:
            client.writer.close()
            async with asyncio.timeout(30):
                while server.wires or kept() is not None:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
        finally:
            gc.enable()


async def test_a_stop_answers_what_is_in_and_refuses_the_rest() -> None:
    gate, asked = asyncio.Event(), asyncio.Event()

    async def wait(_: Request) -> Response:
        asked.set()
        await gate.wait()
        return Response(200)

    async with serving(wait) as server:
        client = await raw(server)
        client.http.send_headers(1, HEADERS, end_stream=True)
        client.flush()
        await asked.wait()
        stopping = asyncio.create_task(server.drain())
        goodbye = await client.until(ConnectionTerminated)
        assert isinstance(goodbye, ConnectionTerminated)
        assert (goodbye.last_stream_id, int(goodbye.error_code)) == (1, 0)
        gate.set()
        await client.ended()
        await stopping


@pytest.fixture
def certificate(tmp_path: Path, require_rig: Callable[[str], Path]) -> Path:
    """A folder with cert.pem and key.pem for 127.0.0.1."""
    make = [
        str(require_rig("openssl")),
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-subj",
        "/CN=localhost",
    ]
    make += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", "key.pem", "-out", "cert.pem"]
    subprocess.run(make, cwd=tmp_path, check=True, capture_output=True)
    return tmp_path


async def test_over_tls_http2_is_agreed_on(certificate: Path) -> None:
    certified, key = str(certificate / "cert.pem"), str(certificate / "key.pem")
    context = tls(certificate=certified, private_key=key, authorities="")
    server = Server(echo, Bounds())
    await server.start(("127.0.0.1:0",), context)
    host, port = server.addresses[0]
    trust = ssl.create_default_context(cafile=certified)
    async with httpx.AsyncClient(http2=True, verify=trust, timeout=30) as client:
        answer = await client.post(f"https://{host}:{port}/x", content=b"hello")
        assert (answer.http_version, answer.text) == ("HTTP/2", "hello")
    plain = ssl.create_default_context(cafile=certified)
    reader, writer = await asyncio.open_connection(host, port, ssl=plain)
    WRITERS.append(writer)
    async with asyncio.timeout(30):
        assert await reader.read(-1) == b""
    await server.drain()


async def test_with_authorities_a_client_without_a_certificate_of_theirs_is_not_heard(
    certificate: Path,
) -> None:
    certified, key = str(certificate / "cert.pem"), str(certificate / "key.pem")
    server = Server(echo, Bounds())
    await server.start(("127.0.0.1:0",), tls(certificate=certified, private_key=key, authorities=certified))
    host, port = server.addresses[0]
    trust = ssl.create_default_context(cafile=certified)
    async with httpx.AsyncClient(http2=True, verify=trust, timeout=30) as client:
        with pytest.raises(httpx.TransportError):
            await client.post(f"https://{host}:{port}/x", content=b"hello")
    trust = ssl.create_default_context(cafile=certified)
    trust.load_cert_chain(certified, key)
    async with httpx.AsyncClient(http2=True, verify=trust, timeout=30) as client:
        assert (await client.post(f"https://{host}:{port}/x", content=b"hello")).text == "hello"
    await server.drain()


@pytest.mark.rigs
async def test_h2load_finds_every_answer_good(require_rig: Callable[[str], Path]) -> None:
    program = str(require_rig("h2load"))
    async with serving(echo) as server:
        host, port = server.addresses[0]
        words = (
            "-n",
            "500",
            "-c",
            "4",
            "-m",
            "20",
            "-H",
            "content-type: application/json",
            f"http://{host}:{port}/x",
        )
        process = await asyncio.create_subprocess_exec(program, *words, stdout=subprocess.PIPE)
        output, _ = await asyncio.wait_for(process.communicate(), 60)
        assert b"500 succeeded, 0 failed, 0 errored, 0 timeout" in output, output.decode()


@pytest.mark.rigs
async def test_tshark_reads_every_answer_without_a_complaint(
    require_rig: Callable[[str], Path], tmp_path: Path
) -> None:
    tshark = require_rig("tshark")

    async def answer(request: Request) -> Response:
        if request.path == "/refused":
            return refusal(Problem(OPTIONAL_INCORRECT, "no", parameter="/x"))
        headers = (
            ("content-type", "application/json"),
            ("location", "http://chf/nchf-convergedcharging/v3/x"),
        )
        return Response(201 if request.path == "/created" else 204, headers, request.body)

    async with serving(answer) as server:
        client = await raw(server)
        octets = b""
        for place, path in enumerate(("/created", "/released", "/refused")):
            headers = [(":method", "POST"), (":path", path), (":scheme", "http"), (":authority", "chf")]
            client.http.send_headers(2 * place + 1, headers)
            client.http.send_data(2 * place + 1, b'{"a":1}' if path == "/created" else b"", end_stream=True)
        client.flush()
        async with asyncio.timeout(30):
            while octets.count(b"OPTIONAL_IE_INCORRECT") < 1:
                octets += await client.reader.read(65_536)
            drained = asyncio.create_task(server.drain())
            octets += await client.reader.read(-1)
            await drained
    as_capture([octets], tmp_path / "answers.pcap")
    words = [tshark, "-r", tmp_path / "answers.pcap", "-d", "tcp.port==3868,http2", "-V", "-O", "http2,json"]
    text = await asyncio.to_thread(
        lambda: subprocess.run(words, capture_output=True, text=True, check=True).stdout
    )
    assert complaints(text) == []
    for told in (
        "SETTINGS",
        "GOAWAY",
        ":status: 201",
        ":status: 204",
        ":status: 400",
        "application/problem+json",
    ):
        assert told in text, text
