"""What becomes of live sessions when their account changes: ended, into the walled garden, or back to full speed.

Nothing waits for it: a NAS that does not answer is told again when its session next reports, or its wish comes back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import structlog

from farwire.base.clock import Clock
from farwire.gateway.operators import Operator
from farwire.gateway.radius.access import TIMEOUT, limit_pairs, worst
from farwire.gateway.radius.accounting import Meter, Reading, is_worth_telling, keys_of, limits_of
from farwire.gateway.radius.changes import Changer
from farwire.gateway.radius.codec import Packet, Pair, number_pair
from farwire.gateway.radius.dictionary import Code, ErrorCause, key_of
from farwire.gateway.radius.metering import Key, Metering
from farwire.gateway.radius.profiles import Client, Node
from farwire.gateway.sessions import LiveSession, Outcome, Protocol, Reason, SessionBook, Wish

_STAMP: Final = key_of("Event-Timestamp")
_CAUSE: Final = key_of("Error-Cause")
_HOST: Final = "host"
_WORD: Final = 2**64 - 1
_log = structlog.get_logger(__name__)


def live_session(
    node: Node, operator: Operator, client: Client, meter: Meter, packet: Packet, host: str
) -> LiveSession:
    """Return a session as other processes must know it to change it at its NAS."""
    address = {_HOST: client.changes_address or host}
    for name in client.names:
        value = packet.first(node.attribute(name).key)
        if value is not None:
            address[name] = value.hex()
    return LiveSession(
        operator.tenant_id, Protocol.RADIUS, name_of(meter), meter.account, client.name, address
    )


def name_of(meter: Meter) -> str:
    """Return the name of a session in the book of live sessions."""
    return name_of_key((meter.key_hi, meter.key_lo))


def name_of_key(key: Key) -> str:
    """Return the same of its key."""
    return f"{key[0] & _WORD:016x}{key[1] & _WORD:016x}"


def _key_in(name: str) -> Key:
    octets = bytes.fromhex(name)
    return int.from_bytes(octets[:8], "big", signed=True), int.from_bytes(octets[8:], "big", signed=True)


def is_restricted(readings: Sequence[Reading]) -> bool:
    """Tell whether a session is in the walled garden."""
    return any(meter.restricted for meter, _ in readings)


def changes(client: Client, readings: Sequence[Reading], *, any_more: bool = False) -> bool:
    """Tell whether the NAS of a session is to be told what charging has said of it."""
    verdict = worst([one for _, one in readings])
    if verdict.refused or is_restricted(readings):
        return verdict.refused != is_restricted(readings)
    return client.renewal != "login" and any(
        is_worth_telling(client, *one) or (any_more and one[0].most not in (0, limit))
        for one, limit in zip(readings, limits_of(client, readings), strict=True)
    )


class Telling:
    """Tells NASes of their sessions."""

    def __init__(
        self,
        node: Node,
        *,
        operators: Mapping[str, Operator],
        metering: Metering,
        changer: Changer,
        book: SessionBook,
        clock: Clock,
    ) -> None:
        self._node = node
        self._operators = operators
        self._clients = {one.name: one for one in node.clients}
        self._metering = metering
        self._changer = changer
        self._book = book
        self._clock = clock

    async def fulfil(self, wish: Wish) -> Outcome:
        """Do what is wished for a session; return what became of it. Raises ``Unavailable``."""
        session, client = wish.session, self._clients.get(wish.session.peer)
        if client is None or self._operators[client.tenant].tenant_id != session.tenant_id:
            return Outcome.AGAIN  # another process has the profile of its NAS
        operator = self._operators[client.tenant]
        key = _key_in(session.session)
        meter = await self._metering.meter(operator, key)
        if meter is None:
            return Outcome.GONE
        done = True
        if wish.reason == Reason.SUSPENDED:
            done = meter.restricted or await self._stop(client, operator, session, garden=True)
        elif wish.reason in (Reason.POLICY, Reason.EXHAUSTED) or (
            wish.reason in (Reason.TOP_UP, Reason.RESUMED) and (meter.restricted or client.renewal != "login")
        ):
            found = await self._metering.ask_again(operator, client, key)
            done = not found or await self.follow(session, found, any_more=wish.reason == Reason.TOP_UP)
        return Outcome.DONE if done else Outcome.AGAIN

    async def follow(
        self, session: LiveSession, readings: Sequence[Reading], *, any_more: bool = False
    ) -> bool:
        """Do what charging says of a session; return whether it is done.

        ``any_more``: its limits are moved also where they are far from being used.
        """
        client = self._clients[session.peer]
        operator = self._operators[client.tenant]
        if not changes(client, readings, any_more=any_more):
            return True
        verdict = worst([one for _, one in readings])
        if verdict.refused:
            return await self._stop(client, operator, session, garden=verdict.garden(client))
        if is_restricted(readings):
            return await self._free(client, operator, session, readings)
        return await self._renew(client, operator, session, readings)

    async def _stop(self, client: Client, operator: Operator, session: LiveSession, *, garden: bool) -> bool:
        """Restrict a session where there is a garden; else, or where its NAS cannot, end it."""
        if not client.changes_port:
            _log.info("radius session goes on: its client takes no changes", client=client.name)
            return True
        if garden and client.restricted:
            told = await self._change(client, session, self._node.pairs(client.restricted))
            if told is not None and told.code == Code.COA_ACK:
                keys = keys_of(client, _key_in(session.session))
                await self._metering.set_told(operator, keys, [0] * len(keys), restricted=True)
                return True
            if told is None or await self._gone(client, operator, session, told):
                return told is not None
        told = await self._ask(client, session, Code.DISCONNECT_REQUEST, [])
        if told is None:
            return False
        return told.code == Code.DISCONNECT_ACK or await self._gone(client, operator, session, told)

    async def _free(
        self, client: Client, operator: Operator, session: LiveSession, readings: Sequence[Reading]
    ) -> bool:
        """Lead a session out of the garden, with the limits of its new quotas; else end it: it may log in again."""
        limits = limits_of(client, readings)
        pairs = [*self._node.pairs(client.accept), *self._limit_pairs(client, limits)]
        told = await self._change(client, session, pairs) if pairs else None
        if told is not None and told.code == Code.COA_ACK:
            await self._limited(operator, readings, limits)
            return True
        if pairs and (told is None or await self._gone(client, operator, session, told)):
            return told is not None
        return await self._stop(client, operator, session, garden=False)

    async def _renew(
        self, client: Client, operator: Operator, session: LiveSession, readings: Sequence[Reading]
    ) -> bool:
        """Move the limits of a session. Where its NAS cannot, they stay, and it ends at them."""
        limits = limits_of(client, readings)
        told = await self._change(client, session, self._limit_pairs(client, limits))
        if told is not None and told.code == Code.COA_ACK:
            await self._limited(operator, readings, limits)
        elif told is not None:
            await self._gone(client, operator, session, told)
        return told is not None

    async def _limited(self, operator: Operator, readings: Sequence[Reading], limits: list[int]) -> None:
        keys = [meter.key for meter, _ in readings]
        await self._metering.set_told(operator, keys, limits, restricted=False)

    def _limit_pairs(self, client: Client, limits: list[int]) -> list[Pair]:
        """Return limits as they are told in a CoA-Request: like reports, they count from the start of the session."""
        pairs: list[Pair] = []
        for measure, most in zip(client.measures, limits, strict=True):
            if most and measure == "time":
                pairs.append(number_pair(TIMEOUT, most))
            elif most:
                pairs += limit_pairs(self._node, client, most)
        return pairs

    async def _change(self, client: Client, session: LiveSession, pairs: list[Pair]) -> Packet | None:
        return await self._ask(client, session, Code.COA_REQUEST, pairs)

    async def _gone(self, client: Client, operator: Operator, session: LiveSession, told: Packet) -> bool:
        """End our session where its NAS does not have it; tell whether that is so."""
        cause = told.number(_CAUSE)
        _log.info("radius change refused", client=client.name, code=told.code, cause=cause)
        if cause != ErrorCause.SESSION_NOT_FOUND:
            return False
        await self._metering.end(operator, client, _key_in(session.session))
        self._book.closed(operator.tenant_id, Protocol.RADIUS, session.session)
        return True

    async def _ask(
        self, client: Client, session: LiveSession, code: Code, pairs: list[Pair]
    ) -> Packet | None:
        named = [
            (self._node.attribute(name).key, bytes.fromhex(value))
            for name, value in session.address.items()
            if name != _HOST
        ]
        stamp = number_pair(_STAMP, int(self._clock.now().timestamp()))
        return await self._changer.ask(
            code, [*named, *pairs, stamp], host=session.address[_HOST], port=client.changes_port,
            secret=client.changes_key,
        )  # fmt: skip
