"""Any sequence of commands, successes, failures and crashes on one order, without a database.

The world is a set of things that tasks take and give back. Whatever happens, an order that has ended has either all of
what it was for, or nothing.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from farwire.kernel.errors import Conflict, Invalid, Unavailable
from farwire.kernel.ids import AccountId, OrderId, OrderItemId, PartyId, ProductId, uuid7
from farwire.ordering.model import (
    ITEM_MOVES,
    Cancel,
    Fact,
    Hold,
    HoldReason,
    ItemRequest,
    ItemState,
    OrderItem,
    OrderState,
    ProductOrder,
    Release,
    Settle,
    Start,
    Step,
    Task,
    TaskKind,
    TaskState,
    aborted,
    awake,
    begun,
    decide,
    failed,
    item_state,
    plan_of,
    retried,
    rolled_back,
    skipped,
    state_from,
    succeeded,
)

NOW = datetime(2026, 6, 1, tzinfo=UTC)
# Two items of the shape that the decomposition makes: parallel reservations, then a chain.
STEPS = (
    Step(TaskKind.RESERVE, "reserve number", (), {}, TaskKind.FREE),
    Step(TaskKind.RESERVE, "reserve sim", (), {}, TaskKind.FREE),
    Step(TaskKind.CREATE_PRODUCT, "create", (1, 2), {}, TaskKind.DISCARD_PRODUCT),
    Step(TaskKind.ASSIGN, "assign", (3, 1), {}, TaskKind.QUARANTINE),
    Step(TaskKind.ACTIVATE, "activate", (4,), {}, TaskKind.DEACTIVATE),
)
OUTCOMES = (*["done"] * 8, "fail", "refuse", "crash", "crash_after", "doubt")
SURE = 7
"""What a person seldom does needs this draw: otherwise every order would end before it began."""
OPEN = {TaskState.WAITING, TaskState.READY, TaskState.RUNNING}


class Orders(RuleBasedStateMachine):
    """One order with two items; ``has`` is what its tasks took and did not give back."""

    def __init__(self) -> None:
        super().__init__()
        self.now = NOW
        self.has: set[tuple[OrderItemId, int]] = set()
        self.undone: list[tuple[OrderItemId, int]] = []
        self.facts: list[Fact] = []
        self.skips = False
        self.aborts = False

    @initialize(delay=st.integers(0, 3), kyc=st.sampled_from((False, False, False, True)))
    def place(self, delay: int, kyc: bool) -> None:
        order_id = OrderId(uuid7())
        items = tuple(
            OrderItem(OrderItemId(uuid7()), n, ItemRequest(offering="x"), ProductId(uuid7())) for n in (1, 2)
        )
        due = NOW + timedelta(hours=delay)
        holds = frozenset({HoldReason.KYC}) if kyc else frozenset()
        self.order = ProductOrder(
            order_id, "k", AccountId(uuid7()), PartyId(uuid7()), OrderState.ACKNOWLEDGED, items, NOW, due,
            due if delay else None, holds=holds,
        )  # fmt: skip
        self.order = replace(self.order, state=state_from(self.order, NOW))
        self.tasks: dict[OrderItemId, tuple[Task, ...]] = {
            one.id: plan_of(
                STEPS,
                order_id=order_id,
                item_id=one.id,
                due_at=due,
                now=NOW,
                released=not kyc,
                max_attempts=3,
            )
            for one in items
        }

    def command(self, command: object) -> bool:
        try:
            self.order, facts = decide(self.order, command, self.now)  # type: ignore[arg-type]
        except Conflict:
            return False
        self.facts += facts
        return True

    def settle(self) -> None:
        states = {
            item.id: item_state(self.tasks[item.id], item.ends_as)
            for item in self.order.items
            if item.state not in (ItemState.PENDING, ItemState.REJECTED)
            and item.state not in (ItemState.CANCELLED, ItemState.FAILED)
        }
        assert self.command(Settle(states))

    def stand(self) -> None:
        """What a worker has taken has begun."""
        taken = any(task.attempts for own in self.tasks.values() for task in own)
        if taken and not begun(self.order) and not self.order.state.ended:
            assert self.command(Start())

    def due(self) -> list[Task]:
        return [
            task
            for own in self.tasks.values()
            for task in own
            if task.state in (TaskState.READY, TaskState.RUNNING) and task.due_at <= self.now
        ]

    def put(self, task: Task) -> None:
        self.tasks[task.item_id] = tuple(
            task if one.number == task.number else one for one in self.tasks[task.item_id]
        )

    @rule(hours=st.integers(1, 5))
    def wait(self, hours: int) -> None:
        self.now += timedelta(hours=hours)

    @precondition(lambda self: self.due())
    @rule(rng=st.randoms(use_true_random=False), count=st.integers(1, 12))
    def work(self, rng: Random, count: int) -> None:
        for _ in range(count):
            if due := self.due():
                self.attempt(rng.choice(due), rng.choice(OUTCOMES))
            self.now += timedelta(seconds=rng.choice((1, 90)))

    def attempt(self, task: Task, outcome: str) -> None:
        leased = replace(
            task, state=TaskState.RUNNING, fence=task.fence + 1, attempts=task.attempts + 1,
            due_at=self.now + timedelta(minutes=1), doubtful=task.doubtful or task.state is TaskState.RUNNING,
        )  # fmt: skip
        self.put(leased)
        if outcome == "crash":
            return
        if outcome == "crash_after":
            self.effect(leased)  # outside, it was done; nobody wrote it down
            return
        if not begun(self.order):
            assert self.command(Start())
        own = self.tasks[task.item_id]
        if outcome in ("done", "doubt"):
            self.effect(leased)
        if outcome == "done":
            self.tasks[task.item_id] = succeeded(own, task.number, {}, self.now)
        else:
            error = Invalid("no") if outcome == "refuse" else Unavailable("later")
            again = self.now + timedelta(minutes=5)
            self.tasks[task.item_id] = failed(own, task.number, error, self.now, again_at=again)
        self.settle()

    def effect(self, task: Task) -> None:
        """Take or give back; both do nothing the second time."""
        if task.undoes is None:
            self.has.add((task.item_id, task.number))
        elif (task.item_id, task.undoes) in self.has:
            self.has.discard((task.item_id, task.undoes))
            self.undone.append((task.item_id, task.undoes))

    @rule(sure=st.integers(0, 9))
    def hold(self, sure: int) -> None:
        if sure != SURE:
            return
        self.stand()
        if self.command(Hold(HoldReason.MANUAL)):
            self.tasks = {
                key: tuple(
                    replace(one, state=TaskState.WAITING) if one.state is TaskState.READY else one
                    for one in own
                )
                for key, own in self.tasks.items()
            }

    @rule(reason=st.sampled_from(list(HoldReason)))
    def release(self, reason: HoldReason) -> None:
        if self.command(Release(reason)) and not self.order.holds:
            self.tasks = {key: awake(own, self.now) for key, own in self.tasks.items()}

    @rule(sure=st.integers(0, 9))
    def cancel(self, sure: int) -> None:
        if sure != SURE:
            return
        self.stand()
        was = begun(self.order)
        if not self.command(Cancel("enough")) or Fact.CANCELLED in self.facts:
            if self.order.state is OrderState.CANCELLED and not was:
                self.tasks = {key: aborted(own) for key, own in self.tasks.items()}
            return
        for item in self.order.items:
            own = self.tasks[item.id]
            if item.state is ItemState.ROLLING_BACK and not any(one.compensating for one in own):
                self.tasks[item.id] = rolled_back(own, self.now)
        self.settle()

    @precondition(lambda self: any(t.state is TaskState.FALLOUT for own in self.tasks.values() for t in own))
    @rule(data=st.data(), what=st.sampled_from(["retry", "skip", "rollback", "abort"]))
    def decide_fallout(self, data: st.DataObject, what: str) -> None:
        stuck = [t for own in self.tasks.values() for t in own if t.state is TaskState.FALLOUT]
        task = data.draw(st.sampled_from(stuck))
        own = self.tasks[task.item_id]
        if what == "retry":
            self.tasks[task.item_id] = retried(own, task.number, self.now)
        elif what == "skip":
            self.skips = True
            self.tasks[task.item_id] = skipped(own, task.number, self.now)
        elif what == "abort" or task.compensating:
            self.aborts = True
            self.fail_item(task.item_id)
            self.tasks[task.item_id] = aborted(own)
        else:
            self.fail_item(task.item_id)
            self.tasks[task.item_id] = rolled_back(own, self.now)
        self.settle()

    def fail_item(self, item_id: OrderItemId) -> None:
        self.order = replace(
            self.order,
            items=tuple(
                replace(one, ends_as=ItemState.FAILED) if one.id == item_id else one
                for one in self.order.items
            ),
        )

    @invariant()
    def state_follows(self) -> None:
        if not hasattr(self, "order"):
            return
        assert self.order.state.ended == (self.order.ended_at is not None)
        ends = [f for f in self.facts if f in (Fact.COMPLETED, Fact.CANCELLED, Fact.FAILED, Fact.REJECTED)]
        assert len(ends) - self.order.state.ended in (0, 1), (
            "an end is told once, unless a completed one is undone"
        )

    @invariant()
    def nothing_is_begun_while_it_is_held(self) -> None:
        if hasattr(self, "order") and self.order.holds:
            assert not begun(self.order)
            assert not any(t.state is TaskState.READY for own in self.tasks.values() for t in own)

    @invariant()
    def all_or_nothing(self) -> None:
        if not hasattr(self, "order") or self.skips or self.aborts:
            return
        for item in self.order.items:
            mine = {number for item_id, number in self.has if item_id == item.id}
            if item.state is ItemState.COMPLETED:
                assert mine == set(range(1, len(STEPS) + 1))
            if item.state in (ItemState.CANCELLED, ItemState.FAILED):
                assert mine == set(), "something was not given back"
            assert item.state.value not in ("cancelled", "failed", "completed") or not any(
                one.state in OPEN for one in self.tasks[item.id]
            )

    @invariant()
    def undone_in_reverse(self) -> None:
        if not hasattr(self, "order"):
            return
        for item in self.order.items:
            numbers = [number for item_id, number in self.undone if item_id == item.id]
            assert numbers == sorted(numbers, reverse=True)


TestOrders = Orders.TestCase
TestOrders.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)


def test_every_move_of_an_item_leads_to_an_end():
    """From every state of an item an end can be reached, and none leads out of a failed, cancelled or rejected one."""
    ends = {ItemState.COMPLETED, ItemState.CANCELLED, ItemState.FAILED, ItemState.REJECTED}
    for state in ItemState:
        reached, new = {state}, {state}
        while new:
            new = {to for one in new for to in ITEM_MOVES[one]} - reached
            reached |= new
        assert reached & ends
