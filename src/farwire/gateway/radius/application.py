"""RADIUS as a service: whose request it is is found, charging is asked, and its answer goes back, or nothing does."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

import structlog

from farwire.base.clock import Clock
from farwire.charging.service import Identity
from farwire.charging.service.subscribers import Subscriber
from farwire.gateway.asking import NOBODY, Asking
from farwire.gateway.operators import Operator
from farwire.gateway.radius.access import (
    STATE,
    Ticket,
    Verdict,
    accept_pairs,
    identities_of,
    is_told,
    quota_requests,
    read_password,
    reject_pairs,
    returned,
    ticket_of,
    verdict_of,
    worst,
)
from farwire.gateway.radius.accounting import Meter, Reading, Report, limits_of, read_report
from farwire.gateway.radius.codec import Packet, Pair
from farwire.gateway.radius.credentials import Passwords
from farwire.gateway.radius.dictionary import Code, Status
from farwire.gateway.radius.metering import Metering
from farwire.gateway.radius.profiles import Client, Node
from farwire.gateway.radius.results import (
    ACCEPT,
    KEPT,
    SILENCE,
    access_answer,
    access_answer_to,
    accounting_answer_to,
)
from farwire.gateway.radius.telling import Telling, changes, live_session, name_of_key
from farwire.gateway.sessions import LiveSession, Protocol, SessionBook
from farwire.kernel.errors import FarwireError, Forbidden, NotFound

_TELLING_MOST: Final = 1_000
"""Sessions whose NAS is being told; further ones are told when they next report."""
_log = structlog.get_logger(__name__)


class RadiusServer:
    """The application of a node: a request of a client in, the code and attributes of its answer out, or None."""

    def __init__(
        self,
        node: Node,
        *,
        operators: Mapping[str, Operator],
        asking: Asking,
        passwords: Passwords,
        metering: Metering,
        telling: Telling,
        book: SessionBook,
        clock: Clock,
    ) -> None:
        """``operators`` by the short names that profiles have."""
        self._node = node
        self._operators = operators
        self._asking = asking
        self._passwords = passwords
        self._metering = metering
        self._telling = telling
        self._book = book
        self._clock = clock
        self.tasks: set[asyncio.Task[None]] = set()
        """Sessions whose NAS is being told."""

    async def __call__(self, client: Client, packet: Packet, address: str) -> tuple[Code, list[Pair]] | None:
        """Return the answer to a request that is proved, from the client at ``address``; None is silence."""
        if packet.code == Code.ACCESS_REQUEST:
            return await self._access(client, packet)
        try:
            kept = await self._account(client, packet, address)
        except FarwireError as error:
            _log.warning("radius accounting not kept", client=client.name, reason=error.code)
            kept = accounting_answer_to(error)
        return (Code.ACCOUNTING_RESPONSE, []) if kept == KEPT else None

    # ---- access

    async def _access(self, client: Client, packet: Packet) -> tuple[Code, list[Pair]] | None:
        try:
            return await self._decide(client, packet)
        except FarwireError as error:
            _log.info("radius access refused", client=client.name, reason=error.code)
            message = access_answer_to(error)
            if isinstance(error, Forbidden):
                await asyncio.sleep(self._node.reject_delay_ms / 1_000)
        return None if message == SILENCE else (Code.ACCESS_REJECT, reject_pairs(message))

    async def _decide(self, client: Client, packet: Packet) -> tuple[Code, list[Pair]] | None:
        operator, identities = self._operators[client.tenant], identities_of(packet, client)
        given = read_password(packet, client)
        subscriber = await self._asking.subscriber(operator, identities)
        if client.password == "required":  # noqa: S105 - no password
            await self._passwords.check(operator.tenant_id, subscriber.number, given)
        if subscriber.number == NOBODY:
            raise NotFound("nobody is known by that name", code="radius.subscriber_unknown")
        ticket, verdicts = await self._go_on(client, operator, subscriber.number, packet)
        if not verdicts:
            ticket, verdicts = await self._begin(client, operator, identities, subscriber, packet)
        verdict = worst(verdicts)
        message = ACCEPT if verdict.garden(client) else access_answer(verdict.result)
        if message == ACCEPT:
            return Code.ACCESS_ACCEPT, accept_pairs(self._node, client, ticket, verdicts)
        _log.info("radius access refused", client=client.name, result=verdict.result)
        return None if message == SILENCE else (Code.ACCESS_REJECT, reject_pairs(message))

    async def _begin(
        self,
        client: Client,
        operator: Operator,
        identities: tuple[Identity, ...],
        subscriber: Subscriber,
        packet: Packet,
    ) -> tuple[Ticket, list[Verdict]]:
        """Hold the quotas of a new session; all of them, or none."""
        asked = quota_requests(packet, client, subscriber.number)
        verdicts = [
            verdict_of(await self._asking.ask(operator, identities, subscriber, one)) for one in asked
        ]
        refused = worst(verdicts).refused
        for one, verdict in zip(asked, verdicts, strict=True):
            if refused and not verdict.refused:
                await self._asking.ask(operator, identities, subscriber, returned(one))
        limits = [0 if refused or not is_told(client, one) else one.granted for one in verdicts]
        head = asked[0].account, asked[0].session_hi, asked[0].session_lo
        return Ticket(*head, limits[0], refused, sum(limits[1:])), verdicts

    async def _go_on(
        self, client: Client, operator: Operator, account: int, packet: Packet
    ) -> tuple[Ticket, list[Verdict]]:
        """Hold more for a session whose time is over; no verdict where the request is that of a new one."""
        ticket = ticket_of(packet, STATE)
        if ticket is None:
            return Ticket(account, 0, 0, 0, restricted=False), []
        readings = await self._metering.go_on(operator, client, ticket, account)
        if not readings:
            return ticket, []
        verdicts = [verdict for _, verdict in readings]
        refused = worst(verdicts).refused
        limits = [0] * len(readings) if refused else limits_of(client, readings)
        keys = [meter.key for meter, _ in readings]
        await self._metering.set_told(operator, keys, limits, restricted=worst(verdicts).garden(client))
        head = ticket.account, ticket.charge_hi, ticket.charge_lo
        return Ticket(*head, limits[0], refused, sum(limits[1:])), verdicts

    # ---- accounting

    async def _account(self, client: Client, packet: Packet, address: str) -> str:
        operator = self._operators[client.tenant]
        report = read_report(packet, address, self._clock.now())
        if report.status in (Status.ON, Status.OFF):
            for key in await self._metering.end_all(operator, client, report):
                self._book.closed(operator.tenant_id, Protocol.RADIUS, name_of_key(key))
            return KEPT
        account = await self._account_of(client, operator, packet)
        meter, readings = await self._metering.take(operator, client, account, report)
        live = live_session(self._node, operator, client, meter, packet, address)
        self._note(live, meter, report)
        if readings:
            self._follow(client, live, readings)
        return KEPT

    async def _account_of(self, client: Client, operator: Operator, packet: Packet) -> int:
        """Return the account of a session: that of its ticket, else of whoever it names."""
        ticket = ticket_of(packet)
        if ticket is not None:
            return ticket.account
        subscriber = await self._asking.subscriber(operator, identities_of(packet, client))
        if subscriber.number == NOBODY:
            raise NotFound("nobody is known by that name", code="radius.subscriber_unknown")
        return subscriber.number

    def _note(self, live: LiveSession, meter: Meter, report: Report) -> None:
        """Let other processes know that a session is live, or has ended."""
        if meter.ended_at is None:
            self._book.opened(live)
        elif report.status == Status.STOP:
            self._book.closed(live.tenant_id, live.protocol, live.session)

    def _follow(self, client: Client, live: LiveSession, readings: list[Reading]) -> None:
        """Tell the NAS what charging has said, while its report is answered."""
        if not changes(client, readings) or len(self.tasks) >= _TELLING_MOST:
            return
        task = asyncio.create_task(self._told(live, readings))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _told(self, live: LiveSession, readings: list[Reading]) -> None:
        try:
            await self._telling.follow(live, readings)
        except FarwireError as error:
            _log.warning("radius session not told", client=live.peer, reason=error.code)
