"""A bill that is settled gives postpaid accounts back what they may owe; one that is unpaid again takes it.

The credit limit is what may be unbilled and unpaid. A bill gives back what charging took for what the bill collected,
all at once when nothing of it is open: paid, set off by a credit note, or with nothing to pay from the start. What the
bill is now counts, not what the event says: events may come twice, late, or out of order.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from farwire.base.clock import Clock
from farwire.base.eventbus import Event
from farwire.base.eventbus.delivery import Subscriber
from farwire.base.storage import Database, Tx
from farwire.billing.events import BILL_ISSUED
from farwire.charging import service as charging
from farwire.charging.service import room
from farwire.charging.service.books import SOURCE
from farwire.charging.service.reach import REACH
from farwire.kernel.ids import BillId, TenantId, parse_id
from farwire.payment import service as payments
from farwire.payment.events import BILL_STATE_CHANGED
from farwire.process.shards import RETRY, ClientOf
from farwire.usage import service as usage

NAME: Final = "postpaid"
STEPS: Final = 64
"""A balance that is spent while room is taken from it is asked again so often; then the rest stays given."""


@dataclass(frozen=True, slots=True)
class Refilling:
    """What gives room back: the database, the clock, and the way to the shards, asked for when it is first needed."""

    db: Database
    clock: Clock
    client_of: ClientOf

    async def follow(self, event: Event) -> None:
        """Bring what a bill has given to what it is to give now. Idempotent. Raises as ``refill``."""
        text = event.data["bill_id" if event.type == BILL_ISSUED else "document_id"]
        await self.refill(event.tenant_id, parse_id(str(text), field="document_id"))

    async def refill(self, tenant_id: TenantId, document_id: UUID) -> None:
        """Do the steps that are missing. Raises ``Unavailable`` (``charging.no_answer``, ``charging.busy``)."""
        spendable: dict[int, int] = {}
        for _ in range(STEPS):
            async with self.db.transaction(tenant_id) as tx:
                await room.lock_room(tx, document_id=document_id)
                step = await room.next_step(
                    tx,
                    document_id=document_id,
                    wanted=await _wanted(tx, document_id),
                    spendable=spendable,
                    now=self.clock.now(),
                )
            if step is None:
                return
            client = self.client_of()
            if isinstance(step, room.Taking):
                key = f"postpaid:look:{document_id}"
                spendable[step.account.number] = await room.spendable(client, account=step.account, key=key)
            else:
                await room.do_step(client, db=self.db, tenant_id=tenant_id, step=step)
                spendable.pop(step.account.number, None)


async def _wanted(tx: Tx, document_id: UUID) -> Mapping[int, int]:
    """Return how much room the bill is to have given to each account, in nano-units: all of it, or none."""
    owed = await usage.owed_on_bill(tx, source=SOURCE, bill_id=BillId(document_id))
    if not owed:
        return {}
    item = (await payments.items_of_documents(tx, [document_id])).get(document_id)
    settled = item is None or item.amount_minor < 0 or not item.open_minor
    held = await charging.accounts_behind(tx, product_ids=sorted(owed))
    # A product that has had several accounts: the last one is in use.
    last = {one.product_id: one.number for one in held if one.postpaid}
    return {last[product]: nano if settled else 0 for product, nano in owed.items() if product in last}


def subscribers(*, db: Database, clock: Clock) -> tuple[Subscriber, ...]:
    """Return what gives room back at the shards of this installation."""
    return (subscriber(db=db, clock=clock, client_of=REACH.client),)


def subscriber(*, db: Database, clock: Clock, client_of: ClientOf) -> Subscriber:
    """Return the same with another way to the shards."""
    refilling = Refilling(db, clock, client_of)
    return Subscriber(NAME, refilling.follow, types=(BILL_ISSUED, BILL_STATE_CHANGED), retry=RETRY)
