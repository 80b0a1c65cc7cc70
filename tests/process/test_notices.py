"""Notices: an event becomes one message, in the customer's language, on a channel that it allows."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest

from farwire.account import service as accounts
from farwire.account.model import AccountChange, BillingAccount, Delivery
from farwire.app import deliver_events
from farwire.base.clock import MovableClock
from farwire.base.config import Settings
from farwire.base.eventbus import Event, new_event, publish
from farwire.base.storage import Database, open_relay
from farwire.communication.model import Channel, Message, MessageState, Reason
from farwire.communication.service import deliver_due, list_messages
from farwire.kernel.ids import OrderId, TenantId, uuid7
from farwire.kernel.page import PageRequest
from farwire.kernel.time import instant
from farwire.ordering.events import ORDER_COMPLETED, ORDER_HELD
from farwire.party import service as parties
from farwire.party.model import Channel as PartyChannel
from farwire.party.model import Consent, ContactKind, ContactMedium, PartyChange
from farwire.party.model import Purpose as PartyPurpose
from farwire.payment.events import PAYMENT_RECEIVED
from farwire.process import notices
from farwire.usage.events import ALLOWANCE_USED

EMAIL = ContactMedium(ContactKind.EMAIL, "anna@example.org")
PHONE = ContactMedium(ContactKind.PHONE, "+4915112345678")


def _builders_of_billing() -> Any:
    spec = spec_from_file_location("billing_world", Path(__file__).parent.parent / "billing" / "world.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def world(db: Database, clock: MovableClock, tenant_id: TenantId) -> Any:
    """A German operator without anything yet."""
    return _builders_of_billing().World(db, clock, tenant_id)


@pytest.fixture
async def relay_db(settings: Settings, db: Database) -> AsyncIterator[Database]:
    found = await open_relay(settings)
    yield found
    await found.close()


class Story:
    """An account with its owner, and what it is told."""

    def __init__(self, world: Any, relay_db: Database, account: BillingAccount) -> None:
        self.world, self.relay_db, self.account = world, relay_db, account
        self.db, self.clock, self.tenant_id = world.db, world.clock, world.tenant_id

    async def contacts(self, *contacts: ContactMedium) -> None:
        async with self.db.transaction(self.tenant_id) as tx:
            await parties.update_party(
                tx,
                party_id=self.account.party_id,
                change=PartyChange(contacts=contacts),
                now=self.clock.now(),
            )

    async def withdraw(self, channel: PartyChannel) -> None:
        await self.says(channel, granted=False)

    async def says(self, channel: PartyChannel, *, granted: bool) -> None:
        now = self.clock.now()
        consent = Consent(self.account.party_id, PartyPurpose.CONTRACT, channel, granted, now, "web", now)
        async with self.db.transaction(self.tenant_id) as tx:
            await parties.record_consent(tx, consent=consent)

    def event(self, kind: str, **data: object) -> Event:
        at = self.clock.now()
        return new_event(
            tenant_id=self.tenant_id,
            type=kind,
            subject="s",
            occurred_at=at,
            recorded_at=at,
            data={
                "account_id": str(self.account.id),
                "party_id": str(self.account.party_id),
                **data,  # type: ignore[dict-item]
            },
        )

    async def happens(self, kind: str, **data: object) -> Event:
        event = self.event(kind, **data)
        async with self.db.transaction(self.tenant_id) as tx:
            await publish(tx, event)
        await self.deliver()
        return event

    async def deliver(self) -> int:
        return await deliver_events(db=self.db, relay_db=self.relay_db, clock=self.clock)

    async def messages(self) -> tuple[Message, ...]:
        async with self.db.transaction(self.tenant_id) as tx:
            return (await list_messages(tx, page=PageRequest())).items

    async def message(self) -> Message:
        (found,) = await self.messages()
        return found


@pytest.fixture
async def story(world: Any, relay_db: Database) -> Story:
    world.clock.set(instant("2026-06-11T12:00+02:00"))
    return Story(world, relay_db, await world.account())


async def test_a_bill_is_told_once_and_in_the_morning(story: Story) -> None:
    await story.contacts(PHONE, EMAIL)
    await story.world.product(story.account, await story.world.plan())
    story.clock.set(instant("2026-07-01T00:30+02:00"))
    await story.world.run()
    await story.deliver()
    message = await story.message()
    assert (message.code, message.channel, message.language) == ("bill_issued", Channel.EMAIL, "de")
    assert message.state is MessageState.WAITING_QUIET_HOURS
    assert message.not_before == instant("2026-07-01T08:00+02:00")
    for part in ("NL-2026-0000001", "51,44 €", "15.07.2026", "Guten Tag Anna"):
        assert part in message.body, part
    story.clock.set(message.not_before)
    assert (await deliver_due(db=story.db, tenant_id=story.tenant_id, clock=story.clock)).sent == 1


@pytest.mark.parametrize(
    ("delivery", "channel"),
    [
        (Delivery.EMAIL, Channel.EMAIL),
        (Delivery.PORTAL, Channel.EMAIL),
        (Delivery.POST, Channel.LETTER),
        (Delivery.NONE, None),
    ],
)
async def test_a_bill_is_told_on_the_way_that_the_account_chose(
    story: Story, delivery: Delivery, channel: Channel | None
) -> None:
    await story.contacts(PHONE, EMAIL)
    async with story.db.transaction(story.tenant_id) as tx:
        await accounts.change_account(
            tx, account_id=story.account.id, change=AccountChange(delivery=delivery), now=story.clock.now()
        )
    await story.world.product(story.account, await story.world.plan())
    story.clock.set(instant("2026-07-01T12:00+02:00"))
    await story.world.run()
    await story.deliver()
    assert [one.channel for one in await story.messages()] == ([] if channel is None else [channel])


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("de-DE", "Guten Tag Anna"),
        ("en-GB", "Dear Anna"),
        ("fr-FR", "Bonjour Anna"),
        ("sw-KE", "Guten Tag Anna"),
    ],
)
async def test_a_customer_is_told_in_the_language_of_the_account(
    story: Story, language: str, words: str
) -> None:
    await story.contacts(EMAIL)
    async with story.db.transaction(story.tenant_id) as tx:
        await accounts.change_account(
            tx, account_id=story.account.id, change=AccountChange(language=language), now=story.clock.now()
        )
    await story.happens(PAYMENT_RECEIVED, payment_id="p", currency="EUR", amount_minor=5814)
    assert words in (await story.message()).body


async def test_an_event_that_comes_again_tells_nobody_twice(story: Story) -> None:
    await story.contacts(EMAIL)
    event = await story.happens(PAYMENT_RECEIVED, payment_id="p", currency="EUR", amount_minor=5814)
    for _ in range(3):
        await notices.notify(db=story.db, clock=story.clock, event=event)
    message = await story.message()
    assert "58,14 €" in message.body
    assert message.cause_id == event.id


async def test_the_preferred_contact_goes_before_the_usual_one(story: Story) -> None:
    await story.contacts(EMAIL, replace(PHONE, preferred=True))
    await story.happens(ORDER_COMPLETED, order_id=str(OrderId(uuid7())), holds=[])
    assert (await story.message()).channel is Channel.SMS


async def test_a_channel_that_is_withdrawn_gives_way_to_another(story: Story) -> None:
    await story.contacts(EMAIL, PHONE)
    await story.withdraw(PartyChannel.EMAIL)
    await story.happens(ORDER_HELD, order_id=str(OrderId(uuid7())), holds=["kyc"])
    assert (await story.message()).channel is Channel.SMS
    story.clock.advance(timedelta(minutes=1))
    await story.withdraw(PartyChannel.SMS)
    await story.happens(PAYMENT_RECEIVED, payment_id="p", currency="EUR", amount_minor=1)
    latest = (await story.messages())[0]
    assert (latest.state, latest.reason) == (MessageState.SUPPRESSED, Reason.NO_CONSENT)


async def test_who_has_no_address_is_seen_and_not_told(story: Story) -> None:
    await story.contacts()
    await story.happens(PAYMENT_RECEIVED, payment_id="p", currency="EUR", amount_minor=1)
    message = await story.message()
    assert (message.state, message.reason) == (MessageState.SUPPRESSED, Reason.NO_ADDRESS)


async def test_an_order_that_waits_for_something_else_is_not_told(story: Story) -> None:
    await story.contacts(EMAIL)
    await story.happens(ORDER_HELD, order_id=str(OrderId(uuid7())), holds=["manual"])
    assert await story.messages() == ()


async def test_a_used_allowance_is_told_by_text_message(story: Story) -> None:
    await story.contacts(EMAIL, PHONE)
    product = await story.world.product(story.account, await story.world.plan())
    await story.happens(
        ALLOWANCE_USED,
        product_id=str(product.id),
        allowance_id="data",
        label="10 GB",
        percent=80,
        used=8_000_000_000,
        amount=10_000_000_000,
    )
    message = await story.message()
    assert message.channel is Channel.SMS
    assert message.body.endswith("80 % von 10 GB verbraucht (8 GB von 10 GB).")


async def test_erasing_a_party_blanks_what_it_was_told(story: Story) -> None:
    await story.contacts(EMAIL)
    await story.happens(PAYMENT_RECEIVED, payment_id="p", currency="EUR", amount_minor=1)
    async with story.db.transaction(story.tenant_id) as tx:
        await parties.erase_party(tx=tx, clock=story.clock, party_id=story.account.party_id)
    await story.deliver()
    message = await story.message()
    assert (message.address, message.body) == ("", "")
    assert message.erased_at is not None


async def test_consent_that_is_withdrawn_before_the_morning_stops_what_waits(story: Story) -> None:
    await story.contacts(EMAIL)
    story.clock.set(instant("2026-07-01T00:30+02:00"))
    await story.happens(PAYMENT_RECEIVED, payment_id="p", currency="EUR", amount_minor=1)
    assert (await story.message()).state is MessageState.WAITING_QUIET_HOURS
    story.clock.set(instant("2026-07-01T06:00+02:00"))
    await story.withdraw(PartyChannel.SMS)
    await story.deliver()
    assert (await story.message()).state is MessageState.WAITING_QUIET_HOURS
    await story.withdraw(PartyChannel.EMAIL)
    await story.deliver()
    message = await story.message()
    assert (message.state, message.reason) == (MessageState.SUPPRESSED, Reason.NO_CONSENT)
    story.clock.set(instant("2026-07-01T09:00+02:00"))
    assert (await deliver_due(db=story.db, tenant_id=story.tenant_id, clock=story.clock)).sent == 0


async def test_who_allows_it_again_at_once_is_told(story: Story) -> None:
    await story.contacts(EMAIL)
    story.clock.set(instant("2026-07-01T00:30+02:00"))
    await story.happens(PAYMENT_RECEIVED, payment_id="p", currency="EUR", amount_minor=1)
    await story.withdraw(PartyChannel.EMAIL)
    await story.says(PartyChannel.EMAIL, granted=True)
    await story.deliver()
    story.clock.set(instant("2026-07-01T09:00+02:00"))
    assert (await deliver_due(db=story.db, tenant_id=story.tenant_id, clock=story.clock)).sent == 1


async def test_nothing_is_written_for_a_party_that_was_erased_meanwhile(story: Story) -> None:
    await story.contacts(EMAIL)
    event = story.event(PAYMENT_RECEIVED, payment_id="p", currency="EUR", amount_minor=1)
    async with story.db.transaction(story.tenant_id) as tx:
        await parties.erase_party(tx=tx, clock=story.clock, party_id=story.account.party_id)
    await notices.notify(db=story.db, clock=story.clock, event=event)
    assert await story.messages() == ()
