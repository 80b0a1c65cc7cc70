"""The tenant's table of fallout rules: what it decides, what it leaves to a person, what it refuses."""

from datetime import timedelta

import pytest

from farwire.activation.model import FaultKind
from farwire.activation.simulator import plant_fault
from farwire.kernel.errors import Invalid
from farwire.ordering import service as ordering
from farwire.ordering.model import FalloutRule, OrderState, Policy, TaskKind
from farwire.ordering.service import Decision

from .world import World, add


async def ruled(world: World, *rules: FalloutRule) -> None:
    async with world.db.transaction(world.tenant_id) as tx:
        await ordering.set_policy(tx=tx, clock=world.clock, policy=Policy(fallout=rules))


async def planted(world: World, adapter: str, kind: FaultKind, count: int) -> None:
    async with world.db.transaction(world.tenant_id) as tx:
        await plant_fault(tx, adapter=adapter, kind=kind, count=count)


@pytest.mark.parametrize(
    ("decision", "ends"),
    [
        (Decision.SKIP, OrderState.COMPLETED),
        (Decision.ROLLBACK, OrderState.FAILED),
        (Decision.ABORT, OrderState.FAILED),
    ],
)
async def test_a_rule_decides_at_once_and_the_journal_names_it(world, decision, ends):
    await ruled(
        world,
        FalloutRule(decision=Decision.SKIP, adapter="hlr"),
        FalloutRule(decision=decision, kind=TaskKind.ACTIVATE, adapter="charging"),
    )
    await planted(world, "charging", FaultKind.REFUSE, 1)
    order = await world.place(add())
    assert (await world.work()).fallout == 0
    assert await world.state(order) is ends
    assert await world.fallout() == ()
    assert "order_held" not in await world.events(order)
    (entry,) = [one for one in (await world.view(order.id)).journal if one.actor == "fallout rule"]
    assert (entry.act, entry.task_number, dict(entry.detail)) == (decision.value, 8, {"rule": "2"})


async def test_a_rule_retries_after_its_pause_until_its_attempts_are_used_up(world):
    rule = FalloutRule(decision=Decision.RETRY, error="activation.*", attempts=3, after_seconds=3600)
    await ruled(world, rule)
    await planted(world, "hlr", FaultKind.REFUSE, 4)
    order = await world.place(add())
    for attempt in (1, 2, 3):
        await world.work()
        assert await world.state(order) is OrderState.IN_PROGRESS, attempt
        world.clock.advance(timedelta(minutes=59))
        assert (await world.work()).attempts == 0, "it is not time yet"
        world.clock.advance(timedelta(minutes=1))
    await world.work()
    assert await world.state(order) is OrderState.HELD, "the fourth attempt is a person's affair"
    (task,) = await world.fallout()
    await world.decide(task, Decision.RETRY)
    await world.work()
    assert await world.state(order) is OrderState.COMPLETED


@pytest.mark.parametrize(
    "rule",
    [
        FalloutRule(decision=Decision.PERSON, adapter="hlr"),
        FalloutRule(decision=Decision.SKIP, adapter="smdp"),
        FalloutRule(decision=Decision.SKIP, kind=TaskKind.RESERVE),
        FalloutRule(decision=Decision.SKIP, error="inventory.*"),
        FalloutRule(decision=Decision.SKIP, error="activation"),
    ],
)
async def test_what_no_rule_decides_waits_for_a_person(world, rule):
    others = (FalloutRule(decision=Decision.ABORT),) if rule.decision is Decision.PERSON else ()
    await ruled(world, rule, *others)
    await planted(world, "hlr", FaultKind.REFUSE, 1)
    order = await world.place(add())
    await world.work()
    assert await world.state(order) is OrderState.HELD


async def test_a_rule_does_not_undo_an_undoing(world):
    await ruled(world, FalloutRule(decision=Decision.ROLLBACK))
    await planted(world, "charging", FaultKind.REFUSE, 1)
    order = await world.place(add())
    await world.work(limit=8)  # the rule lets the undoing begin
    assert await world.state(order) is OrderState.PENDING_CANCELLATION
    await planted(world, "smdp", FaultKind.REFUSE, 1)
    await world.work()
    (task,) = await world.fallout()
    assert task.compensating
    await world.decide(task, Decision.RETRY)
    await world.work()
    assert await world.state(order) is OrderState.FAILED


@pytest.mark.parametrize(
    "rule",
    [
        FalloutRule(decision=Decision.RETRY),
        FalloutRule(decision=Decision.RETRY, attempts=0),
        FalloutRule(decision=Decision.RETRY, attempts=5, after_seconds=-1),
        FalloutRule(decision=Decision.SKIP, after_seconds=1),
        FalloutRule(decision=Decision.SKIP, error="a*b"),
    ],
)
async def test_a_rule_that_never_ends_or_means_nothing_is_refused_by_its_number(world, rule):
    with pytest.raises(Invalid, match="rule 2") as refused:
        await ruled(world, FalloutRule(decision=Decision.SKIP), rule)
    assert refused.value.code == "ordering.fallout_rule"
    async with world.db.transaction(world.tenant_id) as tx:
        assert await ordering.policy_of(tx=tx) == Policy()
