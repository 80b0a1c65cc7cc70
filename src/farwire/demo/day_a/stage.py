"""Where day A plays: one operator, its clock, a folder for its files, and the people who act."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib import resources
from pathlib import Path
from typing import Final, Protocol

from farwire.base.clock import Clock, MovableClock
from farwire.base.eventbus.delivery import Subscriber
from farwire.base.storage import Database
from farwire.billing.model import Bill
from farwire.communication import service as communication
from farwire.communication.model import MessageState
from farwire.country.model import CountryPack
from farwire.country.service import load_pack
from farwire.demo.checklist import Checklist
from farwire.demo.day_a.story import Twin
from farwire.kernel.ids import AccountId, LegalEntityId, TenantId
from farwire.kernel.page import PageRequest
from farwire.kernel.tenancy import Actor, ActorKind

DATA: Final = resources.files("farwire.demo") / "data"
PRODUCT_MANAGER: Final = Actor(ActorKind.OPERATOR, "product-manager-1")
AGENT: Final = Actor(ActorKind.OPERATOR, "agent-7")
BILLING_OPERATOR: Final = Actor(ActorKind.OPERATOR, "billing-2")
FINANCE: Final = Actor(ActorKind.OPERATOR, "finance-1")


class Deliver(Protocol):
    """Deliver what was published to everybody who follows it; return how many events that were."""

    def __call__(self, *, clock: Clock, instead: Sequence[Subscriber] = ()) -> Awaitable[int]:
        """Deliver by the time of ``clock``; ``instead`` take the places of those that have their names."""


@dataclass(frozen=True, slots=True)
class House:
    """Where the days play: the database, a folder for files, a way to tell what goes on, the deliverer of events."""

    db: Database
    folder: Path
    say: Callable[[str], None]
    deliver: Deliver
    as_json: Callable[[Bill], bytes]
    """The invoice as the API shows it."""
    shards: Path
    """The folder where shards of online charging keep their logs."""


@dataclass(slots=True)
class Stage:
    """One operator in the house, with its clock and the checklist of its day."""

    house: House
    clock: MovableClock
    twin: Twin
    checks: Checklist
    tenant_id: TenantId
    legal_entity_id: LegalEntityId

    @property
    def db(self) -> Database:
        """Return the database."""
        return self.house.db

    @property
    def folder(self) -> Path:
        """Return the folder for this operator's files, which is there."""
        folder = self.house.folder / self.twin.tenant
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    @property
    def pack(self) -> CountryPack:
        """Return the rules of the operator's country."""
        return load_pack(self.twin.country)

    def move_to(self, at: datetime) -> None:
        """Move the clock on to ``at``; played again, it stays where it is."""
        if at > self.clock.now():
            self.clock.set(at)

    def say(self, what: str) -> None:
        """Tell what this operator does now."""
        self.house.say(
            f"{self.twin.operator}, {self.clock.now().astimezone(self.twin.tz):%-d %B %H:%M}: {what}"
        )

    async def deliver(self, *instead: Subscriber) -> None:
        """Let everybody who follows events see what was published, and hand over the messages that come of it."""
        await self.house.deliver(clock=self.clock, instead=instead)
        await communication.deliver_due(db=self.db, tenant_id=self.tenant_id, clock=self.clock)

    async def told(self, code: str) -> int:
        """Return how many messages with a code went to the customer."""
        async with self.db.transaction(self.tenant_id, read_only=True) as tx:
            page = await communication.list_messages(tx, page=PageRequest(limit=1000), code=code)
        return sum(message.state in (MessageState.SENT, MessageState.DELIVERED) for message in page.items)

    def check(self, what: str, expected: object, found: object) -> None:
        """Add a line to the checklist, under the operator's name."""
        self.checks.add(self.twin.operator, what, expected, found)


@dataclass(frozen=True, slots=True)
class Sold:
    """What the sale leaves: the account and the number that the customer got."""

    account_id: AccountId
    msisdn: str
