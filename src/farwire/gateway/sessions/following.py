"""Following wishes: the one loop by which a gateway process has its network elements told.

Nobody waits for an element that does not answer but the wishes of its own session: sessions are told at once, up to a
bound for all and a smaller one for each peer, so that a dead peer leaves room for the others.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Collection
from datetime import timedelta
from typing import Final, TypeAlias

import structlog

from farwire.base.storage import Database
from farwire.gateway.sessions.book import SessionBook
from farwire.gateway.sessions.model import Outcome, Protocol, Wish
from farwire.gateway.sessions.service import LEASE, claim_wishes, settle_wish
from farwire.kernel.errors import FarwireError
from farwire.kernel.ids import TenantId

PAUSE_MS: Final = 500
"""How often it is looked for wishes."""
TOLD_MOST: Final = 400
"""Wishes that are being fulfilled at once; the others wait in the database."""
OF_A_PEER: Final = 50
"""Those of one peer after which no more of its wishes are claimed. Also how many are claimed together."""
Tell: TypeAlias = Callable[[Wish], Awaitable[Outcome]]
_Session: TypeAlias = "tuple[TenantId, str]"
_log = structlog.get_logger(__name__)


class Following:
    """Claims wishes, and has those of one session fulfilled one after another, the older one first."""

    def __init__(
        self,
        *,
        db: Database,
        protocol: Protocol,
        tenant_ids: Collection[TenantId],
        peers: Callable[[], Collection[str]],
        book: SessionBook,
        tell: Tell,
        lease: timedelta = LEASE,
    ) -> None:
        """``peers``: those that this process reaches now; ``tell`` raises ``FarwireError``: tried again.

        ``lease``: longer than it takes to tell an element, or to find that it does not answer.
        """
        self._db = db
        self._protocol = protocol
        self._tenant_ids = frozenset(tenant_ids)
        self._peers = peers
        self._book = book
        self._tell = tell
        self._lease = lease
        self._lines: dict[_Session, deque[Wish]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._busy: Counter[str] = Counter()
        """Wishes of each peer that are not settled yet."""

    async def run(self) -> None:
        """Look for wishes until cancelled. What fails is logged and tried again."""
        try:
            while True:
                found = await self._look()
                if found < OF_A_PEER:
                    await asyncio.sleep(PAUSE_MS / 1_000)
        finally:
            for task in tuple(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def once(self) -> int:
        """Fulfil what is wished for now; return how many wishes there were. Raises what the database raises."""
        found = await self._claim()
        await asyncio.gather(*self._tasks)
        return found

    async def _look(self) -> int:
        try:
            return await self._claim()
        except FarwireError as error:
            _log.warning("wishes wait", protocol=self._protocol.value, code=error.code)
        except Exception:  # noqa: BLE001
            # The edge of the process: whatever went wrong, elements are to hear of later changes.
            _log.exception("wishes wait", protocol=self._protocol.value)
        return 0

    async def _claim(self) -> int:
        found = 0
        for tenant_id in self._tenant_ids:
            room, peers = min(TOLD_MOST - self._busy.total(), OF_A_PEER), self._peers()
            if room <= 0 or not peers:
                break
            full = [peer for peer, busy in self._busy.items() if busy >= OF_A_PEER]
            wishes = await claim_wishes(
                db=self._db, protocol=self._protocol, tenant_ids=(tenant_id,), limit=room, peers=peers,
                but=full, lease=self._lease,
            )  # fmt: skip
            for wish in wishes:
                self._begin(wish)
            found += len(wishes)
        return found

    def _begin(self, wish: Wish) -> None:
        self._busy[wish.session.peer] += 1
        key = wish.session.tenant_id, wish.session.session
        if key in self._lines:
            self._lines[key].append(wish)
            return
        self._lines[key] = deque([wish])
        task = asyncio.create_task(self._follow(key))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _follow(self, key: _Session) -> None:
        """Fulfil the wishes of one session."""
        line = self._lines[key]
        try:
            while line:
                wish = line.popleft()
                try:
                    await self._fulfil(wish)
                finally:
                    self._free(wish)
        finally:
            del self._lines[key]
            for wish in line:
                self._free(wish)

    def _free(self, wish: Wish) -> None:
        self._busy[wish.session.peer] -= 1
        if not self._busy[wish.session.peer]:
            del self._busy[wish.session.peer]

    async def _fulfil(self, wish: Wish) -> None:
        one = wish.session
        try:
            outcome = await self._tell(wish)
        except FarwireError as error:
            _log.info("a network element could not be told", peer=one.peer, code=error.code)
            outcome = Outcome.AGAIN
        except Exception:  # noqa: BLE001
            # One wish that cannot be told must not silence all others.
            _log.exception("a network element could not be told", peer=one.peer)
            outcome = Outcome.AGAIN
        if outcome is Outcome.GONE:
            self._book.closed(one.tenant_id, one.protocol, one.session)
        try:
            await settle_wish(db=self._db, wish=wish, done=outcome is not Outcome.AGAIN)
        except FarwireError as error:  # it comes back when its lease ends
            _log.warning("a wish is not settled", peer=one.peer, code=error.code)
