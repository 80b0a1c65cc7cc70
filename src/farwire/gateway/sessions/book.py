"""What a gateway process knows of its live sessions, on its way to the database."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping
from typing import Final

import structlog

from farwire.base.storage import Database
from farwire.base.telemetry.metrics import counter, gauge
from farwire.gateway.sessions import store
from farwire.gateway.sessions.model import LiveSession, Protocol, may_be_kept
from farwire.kernel.errors import FarwireError
from farwire.kernel.ids import TenantId

PAUSE_MS: Final = 100
"""Between two writes."""
REST_MS: Final = 1_000
"""After a write that failed."""
BUFFERED_MOST: Final = 50_000
"""Changes that may wait while the database is away; then the oldest are forgotten."""
KNOWN_MOST: Final = 100_000
"""Sessions of which it is known that they are written."""
AGAIN_S: Final = 3_600
"""How often a session that goes on is written again, to show that it is live."""
BATCH_MOST: Final = 1_000
_Key = tuple[TenantId, Protocol, str]
_log = structlog.get_logger(__name__)
_LOST: Final = counter("farwire_gateway_sessions_lost_total", "Changes of live sessions that found no room.")
_WAITING: Final = gauge(
    "farwire_gateway_sessions_waiting", "Changes of live sessions that are not written yet."
)


class SessionBook:
    """Buffers what opens and closes, and writes it soon, without an answer ever waiting for it."""

    def __init__(self, *, db: Database) -> None:
        self._db = db
        self._changes: dict[_Key, LiveSession | None] = {}
        self._known: dict[_Key, tuple[LiveSession, float]] = {}
        self._some = asyncio.Event()

    def opened(self, one: LiveSession) -> None:
        """Take note of a session that begins or goes on: call it with every request of one."""
        key = (one.tenant_id, one.protocol, one.session)
        if not may_be_kept(one):
            _LOST.inc()
            return
        known = self._known.get(key)
        now = asyncio.get_running_loop().time()
        if known is not None and known[0] == one and now < known[1]:
            return
        if known is None and len(self._known) >= KNOWN_MOST:
            del self._known[next(iter(self._known))]
        self._known[key] = (one, now + AGAIN_S)
        self._change(key, one)

    def closed(self, tenant_id: TenantId, protocol: Protocol, session: str) -> None:
        """Take note that a session has ended."""
        if "\0" in session:
            return
        key = (tenant_id, protocol, session)
        self._known.pop(key, None)
        self._change(key, None)

    async def account_of(self, tenant_id: TenantId, protocol: Protocol, session: str) -> int | None:
        """Return whose live session it is, or None where nobody knows it."""
        known = self._known.get((tenant_id, protocol, session))
        if known is not None or "\0" in session:
            return None if known is None else known[0].account
        async with self._db.transaction(tenant_id, read_only=True) as tx:
            found = await store.get(tx, protocol, session)
        return None if found is None else found.account

    def _change(self, key: _Key, one: LiveSession | None) -> None:
        self._changes.pop(key, None)
        if len(self._changes) >= BUFFERED_MOST:
            del self._changes[next(iter(self._changes))]
            _LOST.inc()
        self._changes[key] = one
        self._some.set()

    async def run(self) -> None:
        """Write what comes, until cancelled; then what is left."""
        try:
            while True:
                await self._some.wait()
                await asyncio.sleep(PAUSE_MS / 1_000)
                if not await self._try():
                    await asyncio.sleep(REST_MS / 1_000)
        finally:
            await self._try()

    async def _try(self) -> bool:
        try:
            await self.flush()
        except FarwireError as error:
            _log.warning("live sessions wait for the database", code=error.code, waiting=len(self._changes))
            return False
        except Exception:  # noqa: BLE001
            # The edge of the process: what can never be written must not keep all others from being written.
            lost = list(self._changes)[:BATCH_MOST]
            _log.exception("live sessions cannot be written", lost=len(lost))
            for key in lost:
                del self._changes[key]
        return True

    async def flush(self) -> None:
        """Write all changes. Raises what the database raises; what is not written yet is kept."""
        self._some.clear()
        while self._changes:
            taken = {key: self._changes[key] for key in list(self._changes)[:BATCH_MOST]}
            for key in taken:
                del self._changes[key]
            try:
                await self._write(taken)
            except BaseException:
                # What came meanwhile is later than what was taken.
                self._changes = {**taken, **self._changes}
                self._some.set()
                raise
        _WAITING.set(len(self._changes))

    async def _write(self, changes: Mapping[_Key, LiveSession | None]) -> None:
        opened: dict[TenantId, list[LiveSession]] = defaultdict(list)
        closed: dict[TenantId, list[tuple[Protocol, str]]] = defaultdict(list)
        for (tenant_id, protocol, session), one in changes.items():
            if one is None:
                closed[tenant_id].append((protocol, session))
            else:
                opened[tenant_id].append(one)
        for tenant_id in opened.keys() | closed.keys():
            async with self._db.transaction(tenant_id) as tx:
                if opened[tenant_id]:
                    await store.save(tx, opened[tenant_id])
                if closed[tenant_id]:
                    await store.remove(tx, closed[tenant_id])
