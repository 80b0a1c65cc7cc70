"""What offline records tell and online charging did not see is debited once, as if it had."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Final

import structlog

from farwire.base.storage import Database
from farwire.base.telemetry.metrics import counter
from farwire.charging.model import Answer, ResultCode
from farwire.charging.service import Client
from farwire.charging.shard.asks import Ask
from farwire.charging.shard.reading import Inspect, Seen
from farwire.gateway.diameter.accounting import store
from farwire.gateway.diameter.accounting.unseen import State, Unseen, debits, is_seen, live_starts
from farwire.gateway.operators import Operator
from farwire.kernel.errors import FarwireError, Unavailable
from farwire.kernel.ids import TenantId
from farwire.usage.service import charged_starts

PAUSE_S: Final = 2
REST: Final = timedelta(seconds=30)
"""Between a record and its decision: the books of online charging have what ended with it by then."""
LEASE: Final = timedelta(seconds=60)
KEPT: Final = timedelta(days=30)
BATCH: Final = 100
AT_ONCE: Final = 10
"""Records that are being decided; a shard that does not answer takes seconds for each."""
_PURGED_EVERY: Final = 1_800
"""Rounds."""
_log = structlog.get_logger(__name__)
_DECIDED: Final = counter(
    "farwire_diameter_offline_total",
    "Records of clients that go on without us, by what became of them.",
    ("state",),
)


class Reconciling:
    """Decides about records. Any number of processes may: each record is one's, and its debit has one key."""

    def __init__(self, *, db: Database, client: Client, operators: Collection[Operator]) -> None:
        self._db = db
        self._client = client
        self._few = asyncio.Semaphore(AT_ONCE)
        self._numbers: Mapping[TenantId, int] = {one.tenant_id: one.number for one in operators}

    async def run(self) -> None:
        """Decide until cancelled. What fails is logged and tried again."""
        rounds = 0
        while True:
            await asyncio.sleep(PAUSE_S)
            try:
                await self.once()
                if rounds % _PURGED_EVERY == 0:
                    await self._purge()
            except FarwireError as error:
                _log.warning("offline records wait to be reconciled", code=error.code)
            except Exception:  # noqa: BLE001
                # The edge of the process: one record that cannot be decided must not hold all others for ever.
                _log.exception("offline records cannot be reconciled")
            rounds += 1

    async def once(self) -> int:
        """Decide what is due; return how much that was. What cannot be decided now is decided later."""
        count = 0
        for tenant_id in self._numbers:
            async with self._db.transaction(tenant_id) as tx:
                found = await store.claim(tx, lease=LEASE, limit=BATCH)
            await asyncio.gather(*(self._try(tenant_id, one) for one in found))
            count += len(found)
        return count

    async def _try(self, tenant_id: TenantId, one: Unseen) -> None:
        """Decide one record; nothing that goes wrong with it keeps another one from being decided."""
        try:
            async with self._few:
                state = await self._decide(tenant_id, one)
                async with self._db.transaction(tenant_id) as tx:
                    await store.decide(tx, one, state)
        except FarwireError as error:
            _log.warning("an offline record waits to be reconciled", code=error.code)
        except Exception:  # noqa: BLE001
            _log.exception("an offline record cannot be reconciled")
        else:
            _DECIDED.inc(state=state.value)

    async def _decide(self, tenant_id: TenantId, one: Unseen) -> State:
        number = self._numbers[tenant_id]
        seen = await self._asked(number, Inspect(one.account))
        if not isinstance(seen, Seen) or seen.seen is None:
            return State.REFUSED
        async with self._db.transaction(tenant_id, read_only=True) as tx:
            own = await store.own_starts(tx, one.account, one.rating_group)
            charged = await charged_starts(
                tx, subscriber=one.account, rating_group=one.rating_group, at=one.middle
            )
        if one.started_at in charged:
            return State.DEBITED  # by a process that died before it could say so
        if is_seen(charged | live_starts(seen.seen, one.rating_group, one.middle), own):
            return State.SEEN
        began, ended = debits(one)
        await self._asked(number, began)
        answer = await self._asked(number, ended)
        return State.DEBITED if answer.result == ResultCode.SUCCESS else State.REFUSED

    async def _asked(self, number: int, request: Ask) -> Answer:
        """Return what a shard has decided. Raises ``Unavailable``: it has not, which is no refusal."""
        answer = await self._client.ask(number, request)
        if answer.result == ResultCode.TOO_BUSY:
            raise Unavailable("the shard cannot do it now", code="charging.busy", retry_after_s=1)
        return answer

    async def _purge(self) -> None:
        for tenant_id in self._numbers:
            async with self._db.transaction(tenant_id) as tx:
                await store.purge(tx, older_than=KEPT)
