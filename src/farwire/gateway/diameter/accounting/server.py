"""Offline accounting as a service: a record is answered when it is durable in ``usage``, and stands there once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from farwire.base.clock import Clock
from farwire.base.storage import Database
from farwire.gateway.asking import NOBODY, Asking
from farwire.gateway.diameter.accounting import store
from farwire.gateway.diameter.accounting.reconciling import REST
from farwire.gateway.diameter.accounting.requests import Accounting, read_acr
from farwire.gateway.diameter.accounting.unseen import Unseen, unseen_of
from farwire.gateway.diameter.codec import Avps, Message, number_of
from farwire.gateway.diameter.dictionary import Result, key_of
from farwire.gateway.diameter.peer import ACCOUNTING
from farwire.gateway.diameter.profiles import Peer
from farwire.gateway.operators import Operator
from farwire.rating.model import UsageKind
from farwire.usage.service import record_parts

COMMAND: Final = 271
SOURCE: Final = "diameter"
"""Of the records in ``usage``."""
_APPLICATION: Final = key_of("Acct-Application-Id")
_TYPE: Final = key_of("Accounting-Record-Type")
_NUMBER: Final = key_of("Accounting-Record-Number")


class AccountingServer:
    """Answers ACR. A repeat, with the T flag or without, finds its records there and has the same answer."""

    def __init__(
        self, *, db: Database, clock: Clock, operators: Mapping[str, Operator], asking: Asking
    ) -> None:
        """``operators`` by the short names that profiles have."""
        self._db = db
        self._clock = clock
        self._operators = operators
        self._asking = asking

    def head(self, avps: Avps) -> Avps:
        """Return what every ACA has."""
        content: Avps = {_APPLICATION: [ACCOUNTING]}
        for key in (_TYPE, _NUMBER):
            value = number_of(avps, key)
            if value is not None:
                content[key] = [value]
        return content

    async def answer(self, request: Message, peer: Peer, host: str) -> tuple[Result, Avps]:  # noqa: ARG002
        """Return success once the records are durable. Raises ``Refusal``, ``Unavailable`` (the database)."""
        now = self._clock.now()
        record = read_acr(request.avps, peer, now)
        if record.parts:
            operator = self._operators[peer.tenant]
            unseen = await self._unseen(operator, record, peer)
            async with self._db.transaction(operator.tenant_id) as tx:
                await record_parts(
                    tx, source=SOURCE, kind=UsageKind(record.kind), parts=record.parts, now=now
                )
                if unseen:
                    await store.add(tx, unseen, REST)
        return Result.SUCCESS, self.head(request.avps)

    async def _unseen(self, operator: Operator, record: Accounting, peer: Peer) -> list[Unseen]:
        """Return what online charging may not have seen: of a client that goes on without it."""
        if peer.failure_handling != "continue":
            return []
        subscriber = await self._asking.subscriber(operator, record.identities)
        if subscriber.number == NOBODY:
            return []
        found = (
            unseen_of(part, subscriber.number, ended_at)
            for part, ended_at in zip(record.parts, record.ends, strict=True)
        )
        return [one for one in found if one is not None]
