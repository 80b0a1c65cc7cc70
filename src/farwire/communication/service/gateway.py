"""The port to whatever carries messages."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from farwire.base.storage import Database
from farwire.communication.model import Message
from farwire.kernel.ids import TenantId


class Gateway(Protocol):
    """Carries messages of one or more channels: an SMTP relay, a short-message centre, a printer of letters."""

    async def hand_over(self, *, db: Database, tenant_id: TenantId, message: Message, now: datetime) -> str:
        """Take ``message`` and return the gateway's own reference.

        Idempotent by ``message.id``: after a crash the same message is handed over again. Raises ``Unavailable`` when
        it can be tried again, any other error of the seven kinds when it never will be taken.
        """
