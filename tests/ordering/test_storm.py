"""Simulation: 100 crashes a seed in virtual time. A failure prints its seed; ``FARWIRE_TEST_SEED=n`` repeats it."""

import pytest

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
