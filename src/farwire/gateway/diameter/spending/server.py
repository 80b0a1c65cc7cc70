"""Spending limits as a service: a PCRF asks for the status of counters, and hears of it when one changes.

A session is kept with what its PCRF was told last, so that it hears of changes only; it is found again by every
process, and by an intermediate SLR, which names nobody.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

from farwire.base.clock import Clock
from farwire.base.storage import Database
from farwire.charging.service import Client, policy_counters
from farwire.gateway.asking import NOBODY, Asking
from farwire.gateway.diameter.codec import Avps, Message, Refusal
from farwire.gateway.diameter.dictionary import Result, key_of
from farwire.gateway.diameter.peer import SPENDING, Question
from farwire.gateway.diameter.profiles import Peer
from farwire.gateway.diameter.required import required_number
from farwire.gateway.diameter.spending.reports import (
    Report,
    RequestType,
    SpendingLimit,
    kept,
    read_kept,
    read_slr,
    reports,
    session_of,
    status_of,
)
from farwire.gateway.diameter.telling import address_of, destination, end_to_end
from farwire.gateway.operators import Operator
from farwire.gateway.sessions import (
    LiveSession,
    Protocol,
    Wish,
    end_session,
    find_session,
    keep_session,
    may_be_kept,
)

SLR, SNR, STR = 8_388_635, 8_388_636, 275
_AUTH: Final = key_of("Auth-Application-Id")
_CAUSE: Final = key_of("Termination-Cause")


class Counters:
    """The status of an account's policy counters, as a peer calls them."""

    def __init__(self, *, client: Client, clock: Clock) -> None:
        self._client = client
        self._clock = clock

    async def status(
        self, *, tenant_number: int, account: int, names: tuple[str, ...], peer: Peer
    ) -> dict[str, Report]:
        """Return reports by name. Raises ``Refusal`` (5570, 4241), ``NotFound``, ``Unavailable``."""
        found = await policy_counters(
            self._client, tenant_number=tenant_number, account=account, now=self._clock.now()
        )
        return status_of(found, names, peer)


class SpendingServer:
    """Answers SLR and STR."""

    def __init__(
        self, *, db: Database, operators: Mapping[str, Operator], asking: Asking, counters: Counters
    ) -> None:
        """``operators`` by the short names that profiles have."""
        self._db = db
        self._operators = operators
        self._asking = asking
        self._counters = counters

    def head(self, avps: Avps) -> Avps:  # noqa: ARG002 - it is the same for all
        """Return what every answer has."""
        return {_AUTH: [SPENDING]}

    async def answer(self, request: Message, peer: Peer, host: str) -> tuple[Result, Avps]:
        """Return the status of counters, or the end of a session.

        Raises ``Refusal``: 5030 (nobody knows the subscriber), 5002 (the session), 5570, 4241; ``Unavailable``.
        """
        if request.header.command == STR:
            return await self._end(request.avps, peer)
        asked = read_slr(request.avps)
        operator = self._operators[peer.tenant]
        if asked.type == RequestType.INITIAL:
            subscriber = await self._asking.subscriber(operator, asked.identities)
            if subscriber.number == NOBODY:
                raise Refusal(Result.USER_UNKNOWN, "nobody has this identity")
            account = subscriber.number
        else:
            account = (await self._known(operator, asked)).account
        status = await self._counters.status(
            tenant_number=operator.number, account=account, names=asked.names, peer=peer
        )
        address = {
            **address_of(request.avps, SPENDING),
            "names": json.dumps(asked.names),
            "told": kept(status),
        }
        one = LiveSession(operator.tenant_id, Protocol.DIAMETER, asked.session, account, host, address)
        if not may_be_kept(one):
            raise Refusal(Result.INVALID_AVP_VALUE, "the session has a name that cannot be kept")
        await keep_session(db=self._db, one=one)
        return Result.SUCCESS, {**self.head(request.avps), **reports(status)}

    async def _known(self, operator: Operator, asked: SpendingLimit) -> LiveSession:
        found = await find_session(
            db=self._db, tenant_id=operator.tenant_id, protocol=Protocol.DIAMETER, session=asked.session
        )
        if found is None or found.address.get("application") != str(SPENDING):
            raise Refusal(Result.UNKNOWN_SESSION_ID, "the session is unknown")
        return found

    async def _end(self, avps: Avps, peer: Peer) -> tuple[Result, Avps]:
        session = session_of(avps)
        required_number(avps, _CAUSE)
        ended = await end_session(
            db=self._db,
            tenant_id=self._operators[peer.tenant].tenant_id,
            protocol=Protocol.DIAMETER,
            session=session,
        )
        if not ended:
            raise Refusal(Result.UNKNOWN_SESSION_ID, "the session is unknown")
        return Result.SUCCESS, self.head(avps)


class SpendingAsks:
    """PCRFs: told of counters whose status is another one than they were told last."""

    def __init__(self, *, db: Database, operators: Mapping[str, Operator], counters: Counters) -> None:
        self._db = db
        self._numbers = {one.tenant_id: one.number for one in operators.values()}
        self._counters = counters

    async def question(self, wish: Wish, peer: Peer) -> Question | None:
        """Return a Spending-Status-Notification-Request, or None where nothing has changed."""
        one = wish.session
        names = tuple(json.loads(one.address["names"]))
        status = await self._counters.status(
            tenant_number=self._numbers[one.tenant_id], account=one.account, names=names, peer=peer
        )
        before = read_kept(one.address["told"])
        changed = {name: report for name, report in status.items() if before.get(name) != report}
        if not changed:
            return None
        content: Avps = {**destination(wish), _AUTH: [SPENDING], **reports(changed)}
        return Question(
            *(one.session, SPENDING, SNR, content, end_to_end(wish)),
            repeated=wish.tries > 1,
            note=kept({**before, **changed}),
        )

    async def told(self, wish: Wish, question: Question) -> None:
        """Keep what the PCRF knows now."""
        one = wish.session
        address = {**one.address, "told": question.note}
        session = LiveSession(one.tenant_id, one.protocol, one.session, one.account, one.peer, address)
        await keep_session(db=self._db, one=session)
