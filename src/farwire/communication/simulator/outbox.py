"""The local outbox: takes every message into a table, and fails on purpose where a test or a demo asks for it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from farwire.base.storage import Database
from farwire.communication.model import Message
from farwire.communication.store import messages as store
from farwire.kernel.errors import Invalid, Unavailable
from farwire.kernel.ids import TenantId


@dataclass(slots=True)
class LocalOutbox:
    """A gateway of all channels. The next ``failures`` hand-overs are not answered; ``refused`` addresses never are."""

    failures: int = 0
    refused: frozenset[str] = frozenset()

    async def hand_over(self, *, db: Database, tenant_id: TenantId, message: Message, now: datetime) -> str:
        """Take ``message``, once however often it comes. Raises ``Unavailable``, ``Invalid`` where planted."""
        if self.failures > 0:
            self.failures -= 1
            raise Unavailable("the gateway does not answer", code="communication.gateway_silent")
        if message.address in self.refused:
            raise Invalid("the gateway refuses the address", code="communication.address_refused")
        async with db.transaction(tenant_id) as tx:
            await store.add_to_outbox(tx, message, now)
        return f"local:{message.id}"
