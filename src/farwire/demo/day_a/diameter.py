"""The line of a packet gateway over Diameter (Gy): a client of Farwire's own gateway on a loopback port."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from farwire.charging.model import FinalAction, Phase
from farwire.demo.day_a.packet_gateway import RATING_GROUP, Quota
from farwire.demo.day_a.served import served
from farwire.demo.day_a.shard import Charging
from farwire.gateway.diameter.codec import (
    PROXIABLE,
    REQUEST,
    RETRANSMITTED,
    Avps,
    Header,
    Message,
    decode,
    encode,
    group_of,
    number_of,
)
from farwire.gateway.diameter.dictionary import TGPP, Result, key_of
from farwire.gateway.diameter.serving import serve
from farwire.kernel.errors import Unavailable, check

HOST: Final = "pgw.demo.example"
REALM: Final = "demo.example"
PROFILES: Final = f"""
identity = "ocs.{REALM}"
realm = "{REALM}"
listen = ["127.0.0.1:0"]

[[peers]]
host = "{HOST}"
addresses = ["127.0.0.1"]
tenant = "%s"
"""
ANSWER_S: Final = 30
"""How long an answer is waited for."""
_CER, _CCR = 257, 272
_CREDIT_CONTROL: Final = 4
_E164: Final = 0
_SERVICES: Final = key_of("Multiple-Services-Credit-Control")
_OCTETS: Final = key_of("CC-Total-Octets")
_RESULT: Final = key_of("Result-Code")
_ORIGIN: Final[Avps] = {key_of("Origin-Host"): [HOST], key_of("Origin-Realm"): [REALM]}


@asynccontextmanager
async def open_diameter(*, shard: Charging, tenant: str, msisdn: str) -> AsyncIterator[DiameterLine]:
    """Serve Diameter in front of the shard, and connect to it as the subscriber's packet gateway."""
    async with served(serve, shard=shard, profiles=PROFILES % tenant) as address:
        host, _, port = address.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        try:
            line = DiameterLine(reader, writer, shard.epoch, msisdn)
            await line.greet()
            yield line
        finally:
            writer.close()


@dataclass(slots=True)
class DiameterLine:
    """One connection, one request outstanding. ``epoch`` tells its sessions from those before a restart."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    epoch: int
    msisdn: str
    sent: int = 0
    """Requests so far; it is their Hop-by-Hop and End-to-End Identifier."""

    async def greet(self) -> None:
        """Exchange capabilities."""
        avps: Avps = {
            **_ORIGIN,
            key_of("Host-IP-Address"): [b"\0\1\x7f\0\0\1"],
            key_of("Vendor-Id"): [TGPP],
            key_of("Product-Name"): ["Farwire demo"],
            key_of("Auth-Application-Id"): [_CREDIT_CONTROL],
        }
        answer = await self._exchange(REQUEST, _CER, 0, avps)
        check(number_of(answer.avps, _RESULT) == Result.SUCCESS, "demo.greeting", "the gateway refuses")

    async def ask(
        self, session: int, number: int, phase: Phase, used: int, *, repeated: bool = False
    ) -> Quota:
        """Send a CCR; return what its CCA gives. Raises ``Unavailable`` (``demo.no_answer``)."""
        service: Avps = {key_of("Rating-Group"): [RATING_GROUP]}
        if phase != Phase.TERMINATION:
            service[key_of("Requested-Service-Unit")] = [{}]
        if phase != Phase.INITIAL:
            service[key_of("Used-Service-Unit")] = [{_OCTETS: [used]}]
        subscriber: Avps = {
            key_of("Subscription-Id-Type"): [_E164],
            key_of("Subscription-Id-Data"): [self.msisdn],
        }
        avps: Avps = {
            key_of("Session-Id"): [f"{HOST};{self.epoch};{session}"],
            **_ORIGIN,
            key_of("Destination-Realm"): [REALM],
            key_of("Auth-Application-Id"): [_CREDIT_CONTROL],
            key_of("Service-Context-Id"): ["32251@3gpp.org"],
            key_of("CC-Request-Type"): [int(phase)],
            key_of("CC-Request-Number"): [number],
            key_of("Subscription-Id"): [subscriber],
            key_of("Multiple-Services-Indicator"): [1],
            _SERVICES: [service],
        }
        flags = REQUEST | PROXIABLE | (RETRANSMITTED if repeated else 0)
        return _quota((await self._exchange(flags, _CCR, _CREDIT_CONTROL, avps)).avps)

    async def _exchange(self, flags: int, command: int, application: int, avps: Avps) -> Message:
        """Send a request, return its answer. What the gateway asks meanwhile waits: our next request shows we live."""
        self.sent += 1
        self.writer.write(encode(Message(Header(flags, command, application, self.sent, self.sent), avps)))
        async with asyncio.timeout(ANSWER_S):
            while True:
                head = await self.reader.readexactly(4)
                size = int.from_bytes(head[1:], "big")
                message = decode(head + await self.reader.readexactly(size - len(head)))
                if not message.header.is_request and message.header.hop_by_hop == self.sent:
                    return message


def _quota(avps: Avps) -> Quota:
    result = number_of(avps, _RESULT)
    if result == Result.TOO_BUSY:
        raise Unavailable("the gateway cannot charge now", code="demo.no_answer")
    check(result == Result.SUCCESS, "demo.session", f"the gateway answers {result}")
    service = group_of(avps, _SERVICES)
    final = number_of(group_of(service, key_of("Final-Unit-Indication")), key_of("Final-Unit-Action"))
    return Quota(
        number_of(group_of(service, key_of("Granted-Service-Unit")), _OCTETS) or 0,
        number_of(service, key_of("Volume-Quota-Threshold")) or 0,
        FinalAction.NONE if final is None else FinalAction(final),
        number_of(service, _RESULT) or 0,
        avps,
    )
