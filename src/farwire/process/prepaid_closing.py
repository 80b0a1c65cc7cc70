"""The end of a product, or of a person, is the end of their charging accounts: barred, for good, and told.

Nothing more is used from the day of the end on. What a balance still holds stays owed to its customer, in the books and
on the account, as long as its plan lets it live: paying it out is an act of a person. A product that was replaced by
another one leaves its account as it is: the subscriber goes on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from farwire.base.clock import Clock
from farwire.base.eventbus import Event
from farwire.base.eventbus.delivery import Subscriber
from farwire.base.jobs import Handler, Job, Schedule, enqueue
from farwire.base.storage import Database
from farwire.charging import service as charging
from farwire.charging.service import ChargingAccount
from farwire.charging.service.reach import REACH
from farwire.inventory import service as inventory
from farwire.inventory.events import PRODUCT_ENDED
from farwire.inventory.model import EndReason
from farwire.kernel.ids import PartyId, ProductId, TenantId, parse_id
from farwire.party.events import PARTY_ERASED
from farwire.process.shards import RETRY, ClientOf

NAME: Final = "prepaid-closing"
CLOSE: Final = "process.close_charging"
SCHEDULES: Final[tuple[Schedule, ...]] = ()
TRIES: Final = 100
"""Of a job whose shard does not answer."""


@dataclass(frozen=True, slots=True)
class Closing:
    """What closes accounts: the database, the clock, and the way to the shards, asked for when it is first needed."""

    db: Database
    clock: Clock
    client_of: ClientOf

    async def follow(self, event: Event) -> None:
        """Close the accounts that an event ends now. One of a day to come is closed by a job on that day."""
        if event.type == PARTY_ERASED:
            await self.end_person(event.tenant_id, PartyId(parse_id(event.subject, field="party_id")))
        else:
            await self.end_product(event.tenant_id, ProductId(parse_id(event.subject, field="product_id")))

    async def end_product(self, tenant_id: TenantId, product_id: ProductId) -> int:
        """Close the accounts of a product that has ended; return how many. How the product is now counts; idempotent.

        Raises ``Unavailable`` (``charging.no_answer``, ``charging.busy``).
        """
        now = self.clock.now()
        async with self.db.transaction(tenant_id) as tx:
            product = (await inventory.get_products(tx, [product_id])).get(product_id)
            held = await charging.accounts_behind(tx, product_ids=[product_id])
            if product is None or product.ended_at is None or not held:
                return 0
            if product.end_reason is EndReason.REPLACED:
                return 0
            if product.ended_at > now:
                key, payload = f"{product_id}:{product.ended_at.isoformat()}", {"product_id": str(product_id)}
                await enqueue(
                    tx=tx,
                    kind=CLOSE,
                    key=key,
                    payload=payload,
                    run_at=product.ended_at,
                    now=now,
                    max_attempts=TRIES,
                )
                return 0
        return await self._close(tenant_id, held)

    async def end_person(self, tenant_id: TenantId, party_id: PartyId) -> int:
        """Close every account of a person who is erased; return how many. Idempotent. Raises as ``end_product``."""
        async with self.db.transaction(tenant_id, read_only=True) as tx:
            held = await charging.accounts_of_party(tx, party_id=party_id)
        return await self._close(tenant_id, held)

    async def _close(self, tenant_id: TenantId, held: tuple[ChargingAccount, ...]) -> int:
        now, closed = self.clock.now(), 0
        for account in held:
            closed += await charging.close_ended(
                self.client_of(), db=self.db, tenant_id=tenant_id, account=account, now=now
            )
        return closed


def subscribers(*, db: Database, clock: Clock) -> tuple[Subscriber, ...]:
    """Return what closes accounts at the shards of this installation."""
    return (subscriber(db=db, clock=clock, client_of=REACH.client),)


def subscriber(*, db: Database, clock: Clock, client_of: ClientOf) -> Subscriber:
    """Return the same with another way to the shards."""
    closing = Closing(db, clock, client_of)
    return Subscriber(NAME, closing.follow, types=(PRODUCT_ENDED, PARTY_ERASED), retry=RETRY)


def handlers(*, db: Database, clock: Clock, client_of: ClientOf = REACH.client) -> Mapping[str, Handler]:
    """Return what closes the accounts of products whose last day has come."""
    closing = Closing(db, clock, client_of)

    async def close(job: Job) -> None:
        product_id = ProductId(parse_id(str(job.payload["product_id"]), field="product_id"))
        await closing.end_product(job.tenant_id, product_id)

    return {CLOSE: close}
