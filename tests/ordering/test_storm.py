"""Simulation: 100 crashes a seed in virtual time. A failure prints its seed; ``FARWIRE_TEST_SEED=n`` repeats it."""

from dataclasses import replace
from datetime import timedelta

import pytest

from farwire.activation.model import Operation
from farwire.kernel.errors import Defect
from farwire.kernel.ids import uuid7
from farwire.ordering.model import TaskKind
from farwire.ordering.service import act, engine
from farwire.ordering.service.effects import network
from farwire.ordering.store import tasks as task_store

from .storm import Storm, flaws
from .world import operator


@pytest.mark.sim
async def test_no_crash_leaks_or_repeats_anything(seed, db, clock, tenant_id, monkeypatch):
    world = await operator(db, clock, tenant_id, numbers=80)
    storm = Storm(seed, world)
    storm.blow(monkeypatch)
    await storm.play()
    assert len(storm.orders) > 5
    assert await flaws(storm) == [], f"repeat with FARWIRE_TEST_SEED={seed}"


def _forgotten_doubt(patch: pytest.MonkeyPatch) -> None:
    """An attempt that ended without an answer counts as one without an effect."""
    whole = engine.failed

    def failed(tasks, number, *args, **named):
        return tuple(replace(task, doubtful=False) for task in whole(tasks, number, *args, **named))

    patch.setattr(engine, "failed", failed)


def _no_fence(patch: pytest.MonkeyPatch) -> None:
    """A worker finishes what it once had, though another one has it, or nobody any more."""
    whole = engine._batch

    async def batch(tx, tasks):
        found = await whole(tx, tasks)
        mine = {task.id for task in tasks}
        found.mine = [task for task in found.loaded if task.id in mine]
        return found

    patch.setattr(engine, "_batch", batch)


def _a_key_per_attempt(patch: pytest.MonkeyPatch) -> None:
    """The network is asked under another key each time."""

    def operation(key, *args):
        return Operation(f"{uuid7()}", *args)

    patch.setattr(network, "Operation", operation)


def _a_lease_without_an_end(patch: pytest.MonkeyPatch) -> None:
    """What a dead worker had stays with it."""
    whole = task_store.lease

    async def lease(tx, *, until, **named):
        return await whole(tx, until=until + timedelta(days=9999), **named)

    patch.setattr(task_store, "lease", lease)


def _no_way_back(patch: pytest.MonkeyPatch) -> None:
    """A reservation is not given back."""

    async def free(tx, works, now):
        return [{} for _ in works]

    patch.setitem(engine.EFFECTS, TaskKind.FREE, free)


def _told_again(patch: pytest.MonkeyPatch) -> None:
    """The completion of an order is told twice."""
    whole = act.order_events

    def order_events(*args, **named):
        again = (one for one in whole(*args, **named) if "completed" in one.type)
        return (*whole(*args, **named), *again)

    patch.setattr(act, "order_events", order_events)


@pytest.mark.full
@pytest.mark.parametrize(
    ("broken", "seen"),
    [
        (_forgotten_doubt, "the network has"),
        (_no_fence, "an item that is"),
        (_a_key_per_attempt, "belong to no task"),
        (_a_lease_without_an_end, "never end"),
        (_no_way_back, "stay reserved"),
        (_told_again, "told 2 times"),
    ],
)
async def test_a_broken_engine_is_found(broken, seen, db, clock, tenant_id, monkeypatch):
    storm = Storm(1, await operator(db, clock, tenant_id, numbers=80), crashes=200)
    broken(monkeypatch)
    storm.blow(monkeypatch)
    try:
        await storm.play()
        found = await flaws(storm)
    except Defect as error:  # the engine itself has noticed that it contradicts itself
        found = [str(error)]
    assert any(seen in one for one in found), found
