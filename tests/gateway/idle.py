"""A program that opens many connections to a gateway and then does nothing with them: what test_idle.py runs.

    python idle.py PROTOCOL PORT SOURCE COUNT MANNER

It says "open: COUNT" when all are open, and "left: N" when the other end has hung up on some. SIGTERM ends it.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from typing import Final

from farwire.gateway.diameter.codec import Avps, Header, Message, decode_header, encode
from farwire.gateway.diameter.dictionary import TGPP, key_of

HOST, REALM = key_of("Origin-Host"), key_of("Origin-Realm")
US: Final[Avps] = {HOST: ["pgw.test.realm"], REALM: ["test.realm"]}
CER: Final = encode(
    Message(
        Header(0x80, 257, 0, 1, 1),
        {
            **US, key_of("Host-IP-Address"): [b"\0\1\x7f\0\0\1"], key_of("Vendor-Id"): [TGPP],
            key_of("Product-Name"): ["idle"], key_of("Auth-Application-Id"): [4],
        },
    )
)  # fmt: skip
PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))
"""With empty SETTINGS."""
GREETINGS: Final = {"diameter": CER, "nchf": PREFACE}
AT_ONCE: Final = 100
"""Connections that are being opened."""
DRIP_S: Final = 1.0


class Idle(asyncio.Protocol):
    """One connection: ``good`` greets, ``silent`` says nothing, ``slow`` sends its greeting octet by octet, ``stuck``
    greets and then begins a message that never ends.
    """

    def __init__(self, crowd: Crowd) -> None:
        self.crowd = crowd
        self.greeted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.transport: asyncio.Transport | None = None
        self.dripped = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        if self.crowd.manner in ("good", "stuck"):
            transport.write(self.crowd.greeting)
        else:
            self.greeted.set_result(None)

    def data_received(self, data: bytes) -> None:
        if not self.greeted.done():
            self.greeted.set_result(None)
        if self.crowd.protocol == "diameter" and len(data) >= 20 and self.transport is not None:
            header = decode_header(data)
            if header.is_request and header.command == 280:
                content: Avps = {key_of("Result-Code"): [2001], **US}
                self.transport.write(
                    encode(Message(Header(0, 280, 0, header.hop_by_hop, header.end_to_end), content))
                )

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        self.crowd.left += 1
        if not self.greeted.done():
            self.greeted.set_result(None)

    def drip(self) -> None:
        if self.transport is not None and self.dripped < len(self.crowd.greeting) - 1:
            self.transport.write(self.crowd.greeting[self.dripped : self.dripped + 1])
            self.dripped += 1


class Crowd:
    """All connections of this program."""

    def __init__(self, protocol: str, manner: str) -> None:
        self.protocol, self.manner = protocol, manner
        self.greeting = GREETINGS[protocol]
        self.left = 0
        self.all: list[Idle] = []

    async def open(self, port: int, source: str, count: int) -> None:
        loop, room = asyncio.get_running_loop(), asyncio.Semaphore(AT_ONCE)

        async def one() -> None:
            async with room:
                _, idle = await loop.create_connection(
                    lambda: Idle(self), "127.0.0.1", port, local_addr=(source, 0)
                )
                self.all.append(idle)
                await idle.greeted

        await asyncio.gather(*(one() for _ in range(count)))

    async def live(self) -> None:
        told = 0
        while True:
            if self.left != told:
                told = self.left
                print(f"left: {told}.", flush=True)  # noqa: T201
            if self.manner in ("slow", "stuck"):
                for one in self.all:
                    one.drip()
            await asyncio.sleep(DRIP_S)


async def main(protocol: str, port: str, source: str, count: str, manner: str) -> None:
    crowd = Crowd(protocol, manner)
    await crowd.open(int(port), source, int(count))
    print(f"open: {count}.", flush=True)  # noqa: T201
    living = asyncio.create_task(crowd.live())
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, living.cancel)
    await asyncio.wait([living])


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
