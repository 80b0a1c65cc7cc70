"""Messages: queued once, quiet at night, handed over at least once, receipts in any order, blanked when asked."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from farwire.base.clock import MovableClock
from farwire.base.eventbus import list_events
from farwire.base.jobs import Worker
from farwire.base.storage import Database
from farwire.communication import jobs
from farwire.communication.model import (
    MAX_ATTEMPTS,
    Channel,
    Message,
    MessageState,
    Priority,
    Purpose,
    Reason,
    Receipt,
    ReceiptState,
    accepted,
    check_address,
    not_accepted,
    received,
)
from farwire.communication.service import (
    deliver_due,
    erase_messages,
    expire_messages,
    get_message,
    list_messages,
    receipts_of,
    record_receipt,
    send,
)
from farwire.communication.simulator.outbox import LocalOutbox
from farwire.kernel.errors import Conflict, Invalid, NotFound
from farwire.kernel.ids import MessageId, PartyId, TenantId, uuid7
from farwire.kernel.page import PageRequest
from farwire.kernel.time import instant

PARTY = PartyId(uuid7())
NOON = instant("2026-07-01T12:00+02:00")
NIGHT = instant("2026-07-01T00:30+02:00")
VALUES = {"name": "Anna", "seller": "Nordlicht", "order": "O-1"}


async def queue(db: Database, tenant_id: TenantId, clock: MovableClock, **options: object) -> Message:
    given = {
        "key": "order:1",
        "party_id": PARTY,
        "code": "order_completed",
        "channel": Channel.SMS,
        "address": "+4915112345678",
        "language": "de-DE",
        "variables": VALUES,
        "zone_name": "Europe/Berlin",
        "country": "DE",
        "now": clock.now(),
    }
    async with db.transaction(tenant_id) as tx:
        return await send(tx, **given | options)  # type: ignore[arg-type]


async def state_of(db: Database, tenant_id: TenantId, message: Message) -> Message:
    async with db.transaction(tenant_id) as tx:
        return await get_message(tx, message_id=message.id)


async def outbox(db: Database, tenant_id: TenantId) -> list[str]:
    async with db.transaction(tenant_id) as tx:
        rows = await tx.fetch(
            "SELECT body FROM communication.local_outbox WHERE tenant_id = $1 ORDER BY accepted_at, message_id",
            tenant_id,
        )
    return [row["body"] for row in rows]


async def test_a_message_is_rendered_queued_and_handed_over(
    db: Database, tenant_id: TenantId, clock: MovableClock
) -> None:
    clock.set(NOON)
    message = await queue(db, tenant_id, clock)
    assert message.state is MessageState.QUEUED
    assert message.body == "Nordlicht: Ihr Auftrag O-1 ist ausgeführt und bereit."
    done = await deliver_due(db=db, tenant_id=tenant_id, clock=clock)
    assert (done.sent, done.again, done.failed) == (1, 0, 0)
    after = await state_of(db, tenant_id, message)
    assert (after.state, after.sent_at, after.attempts) == (MessageState.SENT, NOON, 1)
    assert await outbox(db, tenant_id) == [message.body]
    assert (await deliver_due(db=db, tenant_id=tenant_id, clock=clock)).sent == 0


async def test_the_same_key_is_the_same_message_also_at_the_same_time(
    db: Database, tenant_id: TenantId, clock: MovableClock
) -> None:
    clock.set(NOON)
    found = await asyncio.gather(*(queue(db, tenant_id, clock) for _ in range(8)))
    assert len({message.id for message in found}) == 1
    await deliver_due(db=db, tenant_id=tenant_id, clock=clock)
    assert (await queue(db, tenant_id, clock)).state is MessageState.SENT
    assert len(await outbox(db, tenant_id)) == 1


async def test_the_worker_hands_over_shortly_after_the_commit(
    db: Database, tenant_id: TenantId, clock: MovableClock
) -> None:
    clock.set(NOON)
    await queue(db, tenant_id, clock)
    await queue(db, tenant_id, clock, key="order:2")
    worker = Worker(db=db, clock=clock, handlers=jobs.handlers(db=db, clock=clock))
    assert not await worker.run_once()
    clock.advance(timedelta(seconds=10))
    assert await worker.run_once()
    assert not await worker.run_once()  # Both went with one job.
    assert len(await outbox(db, tenant_id)) == 2


async def test_a_message_at_night_waits_for_the_receivers_morning(
    db: Database, tenant_id: TenantId, clock: MovableClock
) -> None:
    clock.set(NIGHT)
    message = await queue(db, tenant_id, clock)
    assert message.state is MessageState.WAITING_QUIET_HOURS
    assert message.not_before == instant("2026-07-01T08:00+02:00")
    urgent = await queue(db, tenant_id, clock, key="k2", priority=Priority.URGENT)
    letter = {"key": "k3", "channel": Channel.LETTER, "address": "Anna\nWeg 1\n20459 Hamburg"}
    assert urgent.state is MessageState.QUEUED
    assert (await queue(db, tenant_id, clock, **letter)).state is MessageState.QUEUED
    # In Lagos it is the same hour, in Tokyo the morning has come.
    tokyo = await queue(db, tenant_id, clock, key="k4", zone_name="Asia/Tokyo", country="JP")
    assert tokyo.state is MessageState.WAITING_QUIET_HOURS
    assert tokyo.not_before == instant("2026-07-01T08:00+09:00")
    assert (await deliver_due(db=db, tenant_id=tenant_id, clock=clock)).sent == 2
    clock.set(message.not_before)
    assert (await deliver_due(db=db, tenant_id=tenant_id, clock=clock)).sent == 2


async def test_a_message_that_a_late_worker_finds_at_night_waits_too(
    db: Database, tenant_id: TenantId, clock: MovableClock
) -> None:
    clock.set(instant("2026-07-01T20:59+02:00"))
    message = await queue(db, tenant_id, clock)
    assert message.state is MessageState.QUEUED
    clock.advance(timedelta(minutes=2))
    done = await deliver_due(db=db, tenant_id=tenant_id, clock=clock)
    assert (done.sent, done.quiet) == (0, 1)
    after = await state_of(db, tenant_id, message)
    assert (after.state, after.attempts) == (MessageState.WAITING_QUIET_HOURS, 0)
    assert after.not_before == instant("2026-07-02T08:00+02:00")


@pytest.mark.parametrize(
    ("purpose", "allowed", "address", "reason"),
    [
        (Purpose.MARKETING, False, "+4915112345678", Reason.NO_CONSENT),
        (Purpose.MARKETING, True, "+4915112345678", Reason.NONE),
        (Purpose.MARKETING, None, "+4915112345678", Reason.NO_CONSENT),
        (Purpose.TRANSACTIONAL, None, "+4915112345678", Reason.NONE),
        (Purpose.TRANSACTIONAL, False, "+4915112345678", Reason.NO_CONSENT),
        (Purpose.TRANSACTIONAL, True, "", Reason.NO_ADDRESS),
    ],
)
async def test_consent_and_an_address_decide_whether_a_message_leaves(
    db: Database,
    tenant_id: TenantId,
    clock: MovableClock,
    purpose: Purpose,
    allowed: bool | None,
    address: str,
    reason: Reason,
) -> None:
    clock.set(NOON)
    message = await queue(db, tenant_id, clock, purpose=purpose, allowed=allowed, address=address)
    assert message.reason is reason
    assert (message.state is MessageState.SUPPRESSED) == (reason is not Reason.NONE)
    await deliver_due(db=db, tenant_id=tenant_id, clock=clock)
    assert len(await outbox(db, tenant_id)) == (reason is Reason.NONE)


async def test_the_urgent_ones_go_first(db: Database, tenant_id: TenantId, clock: MovableClock) -> None:
    clock.set(NOON)
    for priority in (Priority.LOW, Priority.NORMAL, Priority.URGENT):
        values = VALUES | {"order": priority.value}
        await queue(db, tenant_id, clock, key=priority.value, priority=priority, variables=values)

    class Ordered(LocalOutbox):
        async def hand_over(self, **given: object) -> str:  # type: ignore[override]
            clock.advance(timedelta(seconds=1))
            return await super().hand_over(**given | {"now": clock.now()})  # type: ignore[arg-type]

    await deliver_due(db=db, tenant_id=tenant_id, clock=clock, gateways=dict.fromkeys(Channel, Ordered()))
    assert [body.split("Auftrag ")[1].split()[0] for body in await outbox(db, tenant_id)] == [
        "urgent",
        "normal",
        "low",
    ]


async def test_a_silent_gateway_is_tried_again_and_not_for_ever(
    db: Database, tenant_id: TenantId, clock: MovableClock
) -> None:
    clock.set(NOON)
    message = await queue(db, tenant_id, clock, priority=Priority.URGENT)
    ways = dict.fromkeys(Channel, LocalOutbox(failures=MAX_ATTEMPTS - 1))
    for _ in range(MAX_ATTEMPTS - 1):
        assert (await deliver_due(db=db, tenant_id=tenant_id, clock=clock, gateways=ways)).again == 1
        assert (await deliver_due(db=db, tenant_id=tenant_id, clock=clock, gateways=ways)).again == 0
        clock.advance(timedelta(hours=1))
    assert (await deliver_due(db=db, tenant_id=tenant_id, clock=clock, gateways=ways)).sent == 1
    lost = await queue(db, tenant_id, clock, key="lost", priority=Priority.URGENT)
    ways = dict.fromkeys(Channel, LocalOutbox(failures=1000))
    for _ in range(MAX_ATTEMPTS + 2):
        await deliver_due(db=db, tenant_id=tenant_id, clock=clock, gateways=ways)
        clock.advance(timedelta(hours=1))
    after = await state_of(db, tenant_id, lost)
    assert (after.state, after.attempts) == (MessageState.FAILED, MAX_ATTEMPTS)
    assert after.error == "communication.gateway_silent"
    assert (await state_of(db, tenant_id, message)).state is MessageState.SENT


async def test_what_a_gateway_refuses_fails_at_once_and_a_channel_without_gateway_waits(
    db: Database, tenant_id: TenantId, clock: MovableClock
) -> None:
    clock.set(NOON)
    message = await queue(db, tenant_id, clock)
    assert (await deliver_due(db=db, tenant_id=tenant_id, clock=clock, gateways={})).again == 1
    clock.advance(timedelta(minutes=1))
    ways = dict.fromkeys(Channel, LocalOutbox(refused=frozenset({message.address})))
    assert (await deliver_due(db=db, tenant_id=tenant_id, clock=clock, gateways=ways)).failed == 1
    assert (await state_of(db, tenant_id, message)).error == "communication.address_refused"


async def test_a_process_that_dies_in_a_hand_over_leaves_the_message_to_the_next(
    db: Database, tenant_id: TenantId, clock: MovableClock
) -> None:
    clock.set(NOON)
    message = await queue(db, tenant_id, clock)

    class Dying(LocalOutbox):
        async def hand_over(self, **given: object) -> str:  # type: ignore[override]
            await super().hand_over(**given)  # type: ignore[arg-type]
            raise SystemExit

    with pytest.raises(SystemExit):
        await deliver_due(db=db, tenant_id=tenant_id, clock=clock, gateways=dict.fromkeys(Channel, Dying()))
    assert (await deliver_due(db=db, tenant_id=tenant_id, clock=clock)).sent == 0
    clock.advance(timedelta(minutes=10))
    assert (await deliver_due(db=db, tenant_id=tenant_id, clock=clock)).sent == 1
    assert len(await outbox(db, tenant_id)) == 1
    assert (await state_of(db, tenant_id, message)).attempts == 2


async def test_two_processes_share_the_work(db: Database, tenant_id: TenantId, clock: MovableClock) -> None:
    clock.set(NOON)
    for n in range(30):
        await queue(db, tenant_id, clock, key=f"k{n}")
    done = await asyncio.gather(*(deliver_due(db=db, tenant_id=tenant_id, clock=clock) for _ in range(3)))
    assert sum(one.sent for one in done) == 30
    async with db.transaction(tenant_id) as tx:
        page = await list_messages(tx, page=PageRequest(0, 100))
    assert {(m.state, m.attempts) for m in page.items} == {(MessageState.SENT, 1)}


class Slow(LocalOutbox):
    """Takes six minutes for each message; something else happens meanwhile."""

    def __init__(self, clock: MovableClock, meanwhile: Callable[[int], Awaitable[object]]) -> None:
        super().__init__()
        self.clock, self.meanwhile, self.taken = clock, meanwhile, list[MessageId]()

    async def hand_over(self, *, db: Database, tenant_id: TenantId, message: Message, now: datetime) -> str:
        self.taken.append(message.id)
        self.clock.advance(timedelta(minutes=6))
        await self.meanwhile(len(self.taken))
        return await super().hand_over(db=db, tenant_id=tenant_id, message=message, now=now)


async def test_a_slow_gateway_and_another_process_send_each_message_once(
    db: Database, tenant_id: TenantId, clock: MovableClock
) -> None:
    clock.set(NOON)
    queued = []
    for n in range(3):
        queued.append(await queue(db, tenant_id, clock, key=f"k{n}"))
        clock.advance(timedelta(seconds=1))

    async def nothing(_count: int) -> None:
        return

    other = Slow(clock, nothing)

    async def another_process(count: int) -> None:
        if count == 2:  # twelve minutes after the batch was taken, six after the second message was begun
            ways = dict.fromkeys(Channel, other)
            assert (await deliver_due(db=db, tenant_id=tenant_id, clock=clock, gateways=ways)).sent == 1

    slow = Slow(clock, another_process)
    done = await deliver_due(db=db, tenant_id=tenant_id, clock=clock, gateways=dict.fromkeys(Channel, slow))
    assert done.sent == 2
    assert [*slow.taken, *other.taken] == [one.id for one in queued]
    assert {(await state_of(db, tenant_id, one)).attempts for one in queued[:2]} == {1}


async def test_what_is_erased_while_the_batch_waits_for_a_slow_gateway_does_not_leave(
    db: Database, tenant_id: TenantId, clock: MovableClock
) -> None:
    clock.set(NOON)
    first = await queue(db, tenant_id, clock)
    clock.advance(timedelta(seconds=1))
    second = await queue(db, tenant_id, clock, key="k2", party_id=PartyId(uuid7()))

    async def erase(_count: int) -> None:
        async with db.transaction(tenant_id) as tx:
            await erase_messages(tx, party_id=second.party_id, clock=clock)

    slow = Slow(clock, erase)
    await deliver_due(db=db, tenant_id=tenant_id, clock=clock, gateways=dict.fromkeys(Channel, slow))
    assert slow.taken == [first.id]
    assert (await state_of(db, tenant_id, second)).state is MessageState.SUPPRESSED


async def test_a_receipt_counts_once_and_delivered_is_final(
    db: Database, tenant_id: TenantId, clock: MovableClock
) -> None:
    clock.set(NOON)
    message = await queue(db, tenant_id, clock)

    async def receipt(key: str, state: ReceiptState, at: datetime = NOON) -> MessageState:
        async with db.transaction(tenant_id) as tx:
            found = await record_receipt(
                tx, message_id=message.id, key=key, state=state, at=at, clock=clock, error="not reached"
            )
        return found.state

    with pytest.raises(Conflict, match="never handed over"):
        await receipt("r0", ReceiptState.DELIVERED)
    await deliver_due(db=db, tenant_id=tenant_id, clock=clock)
    assert await receipt("r1", ReceiptState.FAILED) is MessageState.FAILED
    assert await receipt("r2", ReceiptState.DELIVERED) is MessageState.DELIVERED
    assert await receipt("r2", ReceiptState.DELIVERED) is MessageState.DELIVERED
    assert await receipt("r3", ReceiptState.FAILED) is MessageState.DELIVERED
    with pytest.raises(Invalid, match="about the past"):
        await receipt("r4", ReceiptState.DELIVERED, NOON + timedelta(days=2))
    async with db.transaction(tenant_id) as tx:
        assert [r.key for r in await receipts_of(tx, message_id=message.id)] == ["r1", "r2", "r3"]
        facts = [event.type.split(".")[2] for _, event in await list_events(tx=tx)]
    assert facts == ["message_sent", "message_failed", "message_delivered"]


async def test_another_tenants_message_is_unknown(
    db: Database, tenant_id: TenantId, other_tenant_id: TenantId, clock: MovableClock
) -> None:
    clock.set(NOON)
    message = await queue(db, tenant_id, clock)
    with pytest.raises(NotFound):
        await state_of(db, other_tenant_id, message)
    with pytest.raises(NotFound):
        async with db.transaction(other_tenant_id) as tx:
            await record_receipt(
                tx, message_id=message.id, key="r", state=ReceiptState.FAILED, at=NOON, clock=clock
            )
    assert (await queue(db, other_tenant_id, clock)).id != message.id
    assert (await deliver_due(db=db, tenant_id=other_tenant_id, clock=clock)).sent == 1
    assert await outbox(db, tenant_id) == []


async def test_erasing_a_party_leaves_no_address_and_no_text_anywhere(
    db: Database, tenant_id: TenantId, clock: MovableClock
) -> None:
    clock.set(NOON)
    values = VALUES | {"name": "Hildegard", "order": "Hildegard"}
    sent = await queue(db, tenant_id, clock, variables=values)
    await deliver_due(db=db, tenant_id=tenant_id, clock=clock)
    async with db.transaction(tenant_id) as tx:
        await record_receipt(
            tx,
            message_id=sent.id,
            key="r",
            state=ReceiptState.FAILED,
            at=NOON,
            clock=clock,
            error="Hildegard is away",
        )
    waiting = await queue(db, tenant_id, clock, key="k2", variables=values)
    other = await queue(db, tenant_id, clock, key="k3", party_id=PartyId(uuid7()))
    async with db.transaction(tenant_id) as tx:
        assert await erase_messages(tx, party_id=PARTY, clock=clock) == 2
        assert await erase_messages(tx, party_id=PARTY, clock=clock) == 0
    after = await state_of(db, tenant_id, waiting)
    assert (after.state, after.reason) == (MessageState.SUPPRESSED, Reason.PARTY_ERASED)
    assert (await state_of(db, tenant_id, sent)).state is MessageState.FAILED
    async with db.transaction(tenant_id) as tx:
        for table in (
            "communication.message",
            "communication.receipt",
            "communication.local_outbox",
            "base.outbox",
        ):
            rows = await tx.fetchval(f"SELECT coalesce(string_agg(t::text, ' '), '') FROM {table} t")
            assert "Hildegard" not in rows, table
            assert str(sent.address) not in rows.replace(other.address, "", 1 if "message" in table else 0), (
                table
            )
    assert (await deliver_due(db=db, tenant_id=tenant_id, clock=clock)).sent == 1
    # A receipt that comes after the erasure brings nothing back.
    async with db.transaction(tenant_id) as tx:
        await record_receipt(
            tx,
            message_id=sent.id,
            key="late",
            state=ReceiptState.FAILED,
            at=NOON,
            clock=clock,
            error="Hildegard again",
        )
        assert "again" not in str(await receipts_of(tx, message_id=sent.id))
        assert (await get_message(tx, message_id=sent.id)).error == ""


async def test_an_erasure_during_a_hand_over_leaves_no_copy_in_the_outbox(
    db: Database, tenant_id: TenantId, clock: MovableClock
) -> None:
    clock.set(NOON)
    message = await queue(db, tenant_id, clock)
    async with db.transaction(tenant_id) as tx:
        await erase_messages(tx, party_id=PARTY, clock=clock)
    # A worker took the message, with its address, just before.
    await LocalOutbox().hand_over(db=db, tenant_id=tenant_id, message=message, now=NOON)
    assert await outbox(db, tenant_id) == []


async def test_texts_are_blanked_when_their_time_is_over(
    db: Database, tenant_id: TenantId, clock: MovableClock
) -> None:
    clock.set(NOON)
    message = await queue(db, tenant_id, clock)
    await deliver_due(db=db, tenant_id=tenant_id, clock=clock)
    assert await expire_messages(db=db, tenant_id=tenant_id, clock=clock) == 0
    clock.advance(timedelta(days=91))
    assert await expire_messages(db=db, tenant_id=tenant_id, clock=clock) == 1
    assert await expire_messages(db=db, tenant_id=tenant_id, clock=clock) == 0
    after = await state_of(db, tenant_id, message)
    assert (after.address, after.body, after.state) == ("", "", MessageState.SENT)
    assert await outbox(db, tenant_id) == []


@pytest.mark.parametrize(
    ("channel", "address"),
    [
        (Channel.EMAIL, "a@b.de\nBcc: all@b.de"),
        (Channel.EMAIL, "a@b.de, c@d.de"),
        (Channel.EMAIL, "nobody"),
        (Channel.SMS, "0151"),
        (Channel.SMS, "+4915112345678;+491"),
        (Channel.PUSH, "a token"),
        (Channel.LETTER, "x" * 501),
    ],
)
def test_what_cannot_be_one_address_is_refused(channel: Channel, address: str) -> None:
    with pytest.raises(Invalid) as refused:
        check_address(channel, address)
    assert refused.value.code == "communication.address"
    assert address not in str(refused.value)


def test_an_address_is_brought_into_form() -> None:
    assert check_address(Channel.SMS, "+49 (151) 123-45 678") == "+4915112345678"
    assert check_address(Channel.LETTER, " Anna \n\n Weg  1\n") == "Anna\nWeg 1"


class LifeOfAMessage(RuleBasedStateMachine):
    """Hand-overs and receipts in any order: what was delivered stays so, attempts are bounded."""

    def __init__(self) -> None:
        super().__init__()
        self.message = Message(
            id=MessageId(uuid7()), key="k", party_id=PARTY, code="c", template_version=0, language="de",
            channel=Channel.SMS, purpose=Purpose.TRANSACTIONAL, priority=Priority.NORMAL, state=MessageState.QUEUED,
            address="1", subject="", body="b", zone="UTC", country="", created_at=NOON, not_before=NOON,
        )  # fmt: skip
        self.delivered = False

    @rule(good=st.booleans(), final=st.booleans())
    def hand_over(self, good: bool, final: bool) -> None:
        if self.message.state.waits:
            begun = replace(self.message, attempts=self.message.attempts + 1)
            self.message = accepted(begun, "r", NOON) if good else not_accepted(begun, "e", NOON, final=final)

    @rule(state=st.sampled_from(ReceiptState))
    def receipt(self, state: ReceiptState) -> None:
        if self.message.attempts:
            self.message = received(self.message, Receipt(self.message.id, "k", state, NOON, NOON))
            self.delivered |= state is ReceiptState.DELIVERED

    @rule()
    def booked_late(self) -> None:
        """The hand-over that a receipt overtook is booked."""
        if self.message.attempts and not self.message.state.waits:
            self.message = accepted(self.message, "r", NOON)

    @invariant()
    def delivered_is_final_and_attempts_are_bounded(self) -> None:
        assert (self.message.state is MessageState.DELIVERED) == self.delivered
        assert self.message.attempts <= MAX_ATTEMPTS


TestLifeOfAMessage = LifeOfAMessage.TestCase


@given(st.lists(st.sampled_from(ReceiptState), min_size=1, max_size=4))
def test_the_order_of_receipts_does_not_matter(states: list[ReceiptState]) -> None:
    machine = LifeOfAMessage()
    machine.hand_over(True, False)
    ends = set()
    for order in permutations(states):
        message = machine.message
        for state in order:
            message = received(message, Receipt(message.id, "k", state, NOON, NOON))
        ends.add(message.state)
    assert len(ends) == 1
