"""Step 6, June: the network hands over its records; they are rated, and the customer hears of the 80 %."""

from __future__ import annotations

from importlib import resources
from typing import Final

from farwire.demo.day_a import network
from farwire.demo.day_a.stage import DATA, Sold, Stage
from farwire.usage import service as usage
from farwire.usage.model import Profile

SEED: Final = 20260611


async def use(stage: Stage, sold: Sold) -> None:
    """Write the records of June as files, import and rate them, and deliver what the customer is told."""
    stage.move_to(stage.twin.hand_over)
    stage.say("the network's records of June, imported and rated")
    calls = network.write_calls(stage.twin, sold.msisdn, stage.folder)
    sessions = network.write_sessions(stage.twin, sold.msisdn, stage.folder, SEED)
    with resources.as_file(DATA / "nordlicht-data.toml") as path:
        data_profile = usage.load_profile(str(path))
    profiles = ((network.CALLS, usage.load_profile("generic-csv")), (network.SESSIONS, data_profile))
    for name, profile in profiles:
        await _import(stage, name, profile)
    await usage.rate_usage(db=stage.db, tenant_id=stage.tenant_id, clock=stage.clock)
    totals = await usage.totals(db=stage.db, tenant_id=stage.tenant_id)
    stage.check("June: calls and sessions rated", calls + sessions, totals.usages_rated)
    await stage.deliver()
    stage.check("June: notices that 80 % of the 10 GB are used", 1, await stage.told("allowance_used"))


async def _import(stage: Stage, name: str, profile: Profile) -> None:
    await usage.import_usage(
        db=stage.db, tenant_id=stage.tenant_id, clock=stage.clock, path=stage.folder / name, profile=profile
    )
