"""Follow charging: the password of an account goes when the account is closed, as when its person is erased."""

from __future__ import annotations

from typing import Final

from farwire.base.clock import Clock
from farwire.base.eventbus import Event
from farwire.base.eventbus.delivery import Subscriber
from farwire.base.storage import Database
from farwire.charging.events import ACCOUNT_CLOSED
from farwire.gateway.radius.credentials import forget_credential
from farwire.kernel.tenancy import SYSTEM

NAME: Final = "gateway-credentials"


def subscribers(*, db: Database, clock: Clock) -> tuple[Subscriber, ...]:
    """Return what deletes passwords."""

    async def handle(event: Event) -> None:
        number = int(str(event.data["account"]))
        async with db.transaction(event.tenant_id) as tx:
            await forget_credential(tx, account=number, now=clock.now(), actor=SYSTEM)

    return (Subscriber(NAME, handle, types=(ACCOUNT_CLOSED,)),)
