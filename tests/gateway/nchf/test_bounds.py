"""What a connection may take, and that an answer finds its way whatever its client opens late or cannot be told."""

from __future__ import annotations

import asyncio

from h2.errors import ErrorCodes
from h2.events import DataReceived, RemoteSettingsChanged, ResponseReceived, StreamReset, WindowUpdated
from h2.settings import SettingCodes

from farwire.gateway.nchf.http2.messages import Request, Response
from farwire.gateway.nchf.http2.server import Bounds, Server
from tests.gateway.nchf.test_http2 import HEADERS, Raw, echo, raw
from tests.gateway.nchf.world import serving

BODY = 20_000


async def test_a_stranger_has_no_connection() -> None:
    server = Server(echo, Bounds(), known=lambda address, tls: (address, tls) != ("127.0.0.1", False))
    await server.start(("127.0.0.1:0",))
    await (await raw(server)).ended()
    await server.drain()


async def test_bodies_that_do_not_end_take_no_more_than_the_window_and_give_it_back() -> None:
    async with serving(echo, body_octets=BODY, streams=100) as server:
        client = await raw(server)
        await client.until(RemoteSettingsChanged)
        sent = await filled(client, range(1, 100, 2))
        assert sent <= 4 * BODY + 2 * 16_384
        for number in range(1, 100, 2):
            client.http.reset_stream(number)
        client.flush()
        await client.until(WindowUpdated)
        client.http.send_headers(101, HEADERS, end_stream=False)
        client.http.send_data(101, b"x" * 1_000, end_stream=True)
        client.flush()
        await client.until(ResponseReceived)


async def filled(client: Raw, numbers: range) -> int:
    """Send as much of bodies as there is room for; return how much that was."""
    sent = 0
    for number in numbers:
        client.http.send_headers(number, HEADERS)
        room = min(client.http.local_flow_control_window(number), BODY - 1)
        while room > 0:
            part = min(room, 16_384)
            client.http.send_data(number, b"x" * part)
            sent, room = sent + part, room - part
        client.flush()
        await client.writer.drain()
        # A pong says that all of it was taken.
        client.http.ping(b"farwire?")
        client.flush()
        async with asyncio.timeout(30):
            while True:
                data = await client.reader.read(65_536)
                assert data
                client.http.receive_data(data)
                if b"farwire?" in data:
                    break
    return sent


async def test_a_window_that_settings_open_lets_an_answer_go() -> None:
    async with serving(echo) as server:
        client = await raw(server)
        client.http.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 0})
        client.http.send_headers(1, HEADERS)
        client.http.send_data(1, b"body", end_stream=True)
        client.flush()
        await client.until(ResponseReceived)
        client.http.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 65_535})
        client.flush()
        found = await client.until(DataReceived)
        assert isinstance(found, DataReceived)
        assert found.data == b"body"


async def test_an_answer_that_cannot_be_told_ends_its_stream() -> None:
    async def odd(request: Request) -> Response:
        return Response(200, ((":path", request.path),))

    async with serving(odd) as server:
        client = await raw(server)
        client.http.send_headers(1, HEADERS, end_stream=True)
        client.flush()
        found = await client.until(StreamReset)
        assert isinstance(found, StreamReset)
        assert found.error_code == ErrorCodes.INTERNAL_ERROR
