"""The NRF: we register by a profile of its document, say that we are there, come back when it forgets us, and leave."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest

from farwire.gateway.nchf.http2.messages import Request, Response
from farwire.gateway.nchf.http2.server import Bounds, Server
from farwire.gateway.nchf.nrf import Repository
from farwire.gateway.nchf.profiles import Nrf
from farwire.kernel.errors import Unavailable
from tests.gateway.nchf.openapi import NRF, Documents
from tests.gateway.nchf.world import a_node, serving
from tests.gateway.processes import free_port

US = "4d2c9f3e-0000-4000-8000-00000000c0de"


@dataclass
class Stub:
    """An NRF that keeps what it hears."""

    uri: str = ""
    heard: asyncio.Queue[Request] = field(default_factory=asyncio.Queue)
    answers: list[Response] = field(default_factory=list)

    async def __call__(self, request: Request) -> Response:
        self.heard.put_nowait(request)
        if self.answers:
            return self.answers.pop(0)
        if request.method == "PUT":
            return Response(201, (), json.dumps({"heartBeatTimer": 1}).encode())
        if request.path == "/oauth2/token":
            token = {"access_token": "t-1", "token_type": "Bearer", "expires_in": 100}
            return Response(200, (), json.dumps(token).encode())
        return Response(204)

    async def next(self) -> Request:
        return await asyncio.wait_for(self.heard.get(), 30)


@pytest.fixture
async def stub() -> AsyncIterator[Stub]:
    found = Stub()
    async with serving(found) as server:
        host, port = server.addresses[0]
        found.uri = f"http://{host}:{port}"
        yield found


def repository(
    stub: Stub, client: httpx.AsyncClient, now: list[int] | None = None, **changes: Any
) -> Repository:
    nrf = Nrf(
        **{
            "uri": stub.uri, "addresses": ("192.0.2.10", "2001:db8::1"), "port": 8080, "plmns": ("26201",),
            "supi_ranges": (("262010000000000", "262019999999999"),), **changes,
        }
    )  # fmt: skip
    times = now or [0]
    return Repository(
        a_node(instance=US, nrf=nrf), nrf, client=client, now_ms=lambda: times[0], security=False
    )


async def test_it_registers_beats_comes_back_and_leaves(stub: Stub, documents: Documents) -> None:
    async with httpx.AsyncClient(http1=False, http2=True) as client:
        task = asyncio.create_task(repository(stub, client).run())
        first = await stub.next()
        assert (first.method, first.path) == ("PUT", f"/nnrf-nfm/v1/nf-instances/{US}")
        profile = json.loads(first.body)
        documents.check(NRF, "NFProfile", profile)
        assert [one["serviceName"] for one in profile["nfServices"]] == [
            "nchf-convergedcharging", "nchf-offlineonlycharging", "nchf-spendinglimitcontrol",
        ]  # fmt: skip
        stub.answers.append(Response(404))
        beat = await stub.next()
        assert (beat.method, beat.headers["content-type"]) == ("PATCH", "application/json-patch+json")
        assert json.loads(beat.body) == [{"op": "replace", "path": "/nfStatus", "value": "REGISTERED"}]
        assert (await stub.next()).method == "PUT"
        assert (await stub.next()).method == "PATCH"
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await stub.next()).method == "DELETE"


async def test_a_registration_that_fails_is_tried_again(stub: Stub) -> None:
    async with httpx.AsyncClient(http1=False, http2=True) as client:
        stub.answers += [Response(503)]
        task = asyncio.create_task(repository(stub, client, heartbeat_s=1).run())
        for _ in range(2):
            assert (await stub.next()).method == "PUT"
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_an_access_token_is_fetched_once_and_renewed_before_it_ends(stub: Stub) -> None:
    async with httpx.AsyncClient(http1=False, http2=True) as client:
        now = [1]
        one = repository(stub, client, now, token=True)
        for _ in range(2):
            assert await one.headers() == {"authorization": "Bearer t-1"}
        asked = parse_qs((await stub.next()).body.decode())
        assert (asked["grant_type"], asked["nfInstanceId"]) == (["client_credentials"], [US])
        assert stub.heard.empty()
        now[0] = 71_000
        await one.headers()
        assert (await stub.next()).path == "/oauth2/token"
        now[0], stub.answers = 10**9, [Response(400)]
        with pytest.raises(Unavailable, match="no access token"):
            await one.headers()
        assert await repository(stub, client).headers() == {}


async def test_an_nrf_that_was_away_and_has_forgotten_us_has_us_again() -> None:
    port, stub = free_port(), Stub()
    stub.uri = f"http://127.0.0.1:{port}"
    async with httpx.AsyncClient(http1=False, http2=True) as client:
        one = repository(stub, client, api_prefix="http://192.0.2.10:8080")

        async def with_nrf() -> bool:
            server = Server(stub, Bounds())
            await server.start((f"127.0.0.1:{port}",))
            done = await one._beat() if one._registered else await one._register()
            await server.drain()
            return done

        assert not await one._register()
        assert await with_nrf()
        profile = json.loads((await stub.next()).body)
        assert {service["apiPrefix"] for service in profile["nfServices"]} == {"http://192.0.2.10:8080"}
        assert not await one._beat()
        assert one._registered, "it may be there again before it has lost us"
        stub.answers.append(Response(404))
        assert await with_nrf()
        assert [(await stub.next()).method for _ in range(2)] == ["PATCH", "PUT"]
        assert one._registered
