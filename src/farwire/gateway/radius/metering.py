"""Meters at work: what a report adds is written down, asked of charging, and only then answered.

The request that a report makes is durable before charging is asked, and is asked again, with the same number, when
nobody knows what became of it. So each unit is charged once, whoever dies in between and however often a NAS repeats
itself. A session that is charged by volume and by time has two meters, each of which is asked by itself.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, TypeAlias

import structlog

from farwire.base.clock import Clock
from farwire.base.storage import Database, Tx
from farwire.charging.model import Answer, ResultCode
from farwire.charging.service import Identity
from farwire.charging.service.subscribers import Subscriber
from farwire.gateway.asking import Asking
from farwire.gateway.operators import Operator
from farwire.gateway.radius import store
from farwire.gateway.radius.access import GROUP, GROUP_BESIDE, Ticket, Verdict, verdict_of
from farwire.gateway.radius.accounting import (
    Meter,
    Reading,
    Report,
    advance,
    asked_again,
    charge_of,
    first_meter,
    gone_on,
    is_another,
    key_of_session,
    keys_of,
    next_session,
    requests_of,
)
from farwire.gateway.radius.profiles import Client
from farwire.gateway.radius.results import SILENCE, accounting_answer
from farwire.kernel.errors import NotFound, Unavailable
from farwire.kernel.time import Period
from farwire.usage.service import has_charged_end

Key: TypeAlias = "tuple[int, int]"
_NOBODY: Final[tuple[Identity, ...]] = ()
_AT_ONCE: Final = 200
"""Sessions of a NAS that are looked up at once when it has restarted."""
OLD: Final = timedelta(seconds=30)
"""After it a request that nobody has settled is somebody else's to ask again: longer than any shard is waited for."""
REMEMBERED: Final = timedelta(minutes=9)
"""Less than charging answers the repeat of a session's last request (ten minutes)."""
AROUND: Final = timedelta(seconds=10)
"""How far the end of a session in the books may be from when it was asked for: a shard is asked no longer."""
_log = structlog.get_logger(__name__)


class Metering:
    """Charges what sessions report."""

    def __init__(self, *, db: Database, asking: Asking, clock: Clock) -> None:
        self._db = db
        self._asking = asking
        self._clock = clock

    async def take(
        self, operator: Operator, client: Client, account: int, report: Report
    ) -> tuple[Meter, list[Reading]]:
        """Charge a report of a session; return its first meter, and what charging says if it was asked for more.

        Raises ``Unavailable`` (``charging.no_answer``, ``charging.busy``): nothing is known; ``NotFound``
        (``radius.subscriber_unknown``).
        """
        keys = keys_of(client, key_of_session(client, report, account))
        found = [
            await self._take(operator, client, account, report, key, second=place > 0)
            for place, key in enumerate(keys)
        ]
        readings = [(meter, verdict) for meter, verdict in found if verdict is not None]
        return found[0][0], readings if len(readings) == len(found) else []

    async def _take(
        self, operator: Operator, client: Client, account: int, report: Report, key: Key, *, second: bool
    ) -> tuple[Meter, Verdict | None]:
        async def change(tx: Tx, before: Meter | None) -> Meter:
            now = self._clock.now()
            if before is None:
                ticket = report.ticket
                taken = ticket is not None and await store.is_charged(tx, charge_of(ticket, second=second))
                before = first_meter(client, report, account, now, own=taken, second=second)
            elif is_another(before, report):
                before = next_session(before, client, report, now)
            return advance(before, report, client, now)

        found = await self._step(operator, client, key, change)
        if found is None:
            raise NotFound("no meter", code="radius.session_unknown")
        return found

    async def ask_again(self, operator: Operator, client: Client, key: Key) -> list[Reading]:
        """Ask whether a session may use more now; nothing where it is no longer there. Raises ``Unavailable``."""
        return await self._ask_again(operator, client, key, asked_again)

    async def go_on(self, operator: Operator, client: Client, ticket: Ticket, account: int) -> list[Reading]:
        """Ask for more for the session of an account that has a ticket, whose time is over.

        Nothing where it is no longer there. Raises ``Unavailable``.
        """
        async with self._db.transaction(operator.tenant_id, read_only=True) as tx:
            key = await store.open_session(tx, client.name, account, charge_of(ticket, second=False))
        if key is None:
            return []
        return await self._ask_again(operator, client, key, lambda meter, now: gone_on(meter, client, now))

    async def _ask_again(
        self, operator: Operator, client: Client, key: Key, more: Callable[[Meter, datetime], Meter]
    ) -> list[Reading]:
        async def change(tx: Tx, before: Meter | None) -> Meter | None:  # noqa: ARG001 - see ``_Change``
            if before is None or before.ended_at is not None:
                return before
            return more(before, self._clock.now())

        found: list[Reading] = []
        for one in keys_of(client, key):
            step = await self._step(operator, client, one, change)
            if step is None or step[1] is None:
                return []
            found.append((step[0], step[1]))
        return found

    async def end(self, operator: Operator, client: Client, key: Key) -> None:
        """End a session that its NAS does not have: what it holds is free again. Raises ``Unavailable``."""
        for one in keys_of(client, key):
            await self._end(operator, client, one)

    async def _end(self, operator: Operator, client: Client, key: Key) -> None:
        async def change(tx: Tx, before: Meter | None) -> Meter | None:  # noqa: ARG001 - see ``_Change``
            if before is None or before.ended_at is not None:
                return before
            return asked_again(before, self._clock.now(), ending=True)

        await self._step(operator, client, key, change)

    async def end_all(self, operator: Operator, client: Client, report: Report) -> list[Key]:
        """End all sessions of a NAS that starts or stops; return the keys of their meters. Raises ``Unavailable``."""
        ended: list[Key] = []
        while True:
            async with self._db.transaction(operator.tenant_id, read_only=True) as tx:
                keys = await store.open_of_nas(tx, client.name, report.nas, report.at, _AT_ONCE)
            for key in keys:
                await self._end_of_anybody(operator, client, key)
            ended += keys
            if len(keys) < _AT_ONCE:
                return ended

    async def _end_of_anybody(self, operator: Operator, client: Client, key: Key) -> None:
        """End a meter, also one whose account no shard knows: its last request, and the one that ends it."""
        for _ in range(2):
            try:
                await self._end(operator, client, key)
            except NotFound:
                await self._give_up(operator, key)
            else:
                return

    async def settle_old(self, operator: Operator, clients: Mapping[str, Client]) -> int:
        """Ask charging again what a process that has died has asked; return how many there were.

        Those whose shard does not answer are asked again the next time, and hold no other one. Raises ``Unavailable``
        (the database).
        """
        before = self._clock.now() - OLD
        async with self._db.transaction(operator.tenant_id, read_only=True) as tx:
            found = await store.unsettled(tx, before, list(clients), _AT_ONCE)
        for client, key in found:
            try:
                await self._step(operator, clients[client], key, _as_it_is)
            except NotFound:
                await self._give_up(operator, key)
            except Unavailable as error:
                _log.warning("a radius session waits", client=client, reason=error.code)
        return len(found)

    async def _give_up(self, operator: Operator, key: Key) -> None:
        """Ask no more for a session whose account no shard knows; the log says what it used."""
        meter = await self.meter(operator, key, ended=True)
        if meter is not None:
            _log.error("radius usage of nobody", client=meter.client, account=meter.account, used=meter.used)
            async with self._db.transaction(operator.tenant_id) as tx:
                await store.settle(tx, meter)

    async def set_told(
        self, operator: Operator, keys: Sequence[Key], limits: Sequence[int], *, restricted: bool
    ) -> None:
        """Write what the NAS was told of a session: whether it is in the walled garden, and the limit of each meter."""
        async with self._db.transaction(operator.tenant_id) as tx:
            for key, most in zip(keys, limits, strict=True):
                await store.set_told(tx, key, restricted=restricted, most=most)

    async def meter(self, operator: Operator, key: Key, *, ended: bool = False) -> Meter | None:
        """Return a meter of a session that goes on, or None; with ``ended`` also of one that has ended."""
        async with self._db.transaction(operator.tenant_id) as tx:
            found = await store.lock(tx, key)
        return None if found is None or (found.ended_at is not None and not ended) else found

    async def _step(
        self, operator: Operator, client: Client, key: Key, change: _Change
    ) -> tuple[Meter, Verdict | None] | None:
        """Make the request of a change, after the one before it has been answered; None: there is no such session."""
        while True:
            async with self._db.transaction(operator.tenant_id) as tx:
                before = await store.lock(tx, key)
                open_ = before is not None and not before.settled
                after = before if open_ else await change(tx, before)
                if after is None:
                    return None
                if after == before and not open_:
                    return after, None
                written = open_ or await _save(tx, before, after)
            if not written:
                continue
            answer = await self._charge(operator, client, after)
            async with self._db.transaction(operator.tenant_id) as tx:
                await store.settle(tx, after)
            if not open_:
                return after, None if after.ending else verdict_of(answer)

    async def _charge(self, operator: Operator, client: Client, meter: Meter) -> Answer:
        """Return the durable answer to the last request of a meter."""
        request, beginning = requests_of(meter, client)
        subscriber = Subscriber(meter.account, operator.number, "")
        answer = await self._asking.ask(operator, _NOBODY, subscriber, request)
        if answer.result == ResultCode.UNKNOWN_SESSION:
            if await self._is_charged(operator, meter):
                return Answer(ResultCode.SUCCESS)
            begun = await self._asking.ask(operator, _NOBODY, subscriber, beginning)
            answer = begun
            if begun.result == ResultCode.SUCCESS:
                answer = await self._asking.ask(operator, _NOBODY, subscriber, request)
        if answer.result == ResultCode.UNKNOWN_USER:
            raise NotFound("nobody has this account", code="radius.subscriber_unknown")
        if accounting_answer(answer.result) == SILENCE:
            raise Unavailable("the shard cannot do it now", code="charging.busy")
        if meter.used and answer.result in (ResultCode.INVALID, ResultCode.OUT_OF_SEQUENCE):
            _log.error("radius usage refused", result=answer.result, used=meter.used, account=meter.account)
        return answer

    async def _is_charged(self, operator: Operator, meter: Meter) -> bool:
        """Tell whether the books have the end of a session that was asked for so long ago that charging forgot it."""
        asked_at = meter.seen_at
        if not meter.ending or not meter.used or self._clock.now() - asked_at < REMEMBERED:
            return False
        around = Period(asked_at - AROUND, asked_at + AROUND)
        async with self._db.transaction(operator.tenant_id, read_only=True) as tx:
            group = GROUP_BESIDE if meter.beside else GROUP
            found = await has_charged_end(tx, subscriber=meter.account, rating_group=group, during=around)
        if found:
            _log.warning(
                "radius usage found in the books", client=meter.client, account=meter.account, used=meter.used
            )
        return found


_Change: TypeAlias = "Callable[[Tx, Meter | None], Awaitable[Meter | None]]"


async def _as_it_is(tx: Tx, before: Meter | None) -> Meter | None:  # noqa: ARG001 - see ``_Change``
    return before


async def _save(tx: Tx, before: Meter | None, after: Meter) -> bool:
    """Write a meter; tell whether nobody was faster with a new one."""
    if before is None:
        return await store.insert(tx, after)
    await store.update(tx, after)
    return True
