"""Carries orders out in a process of its own, which kills itself at a given step: before its commit, or right after."""

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from uuid import UUID

from farwire.base.clock import MovableClock
from farwire.base.config import Settings
from farwire.base.storage import Tx, open_database
from farwire.kernel.ids import TenantId
from farwire.ordering.service import engine, work
from farwire.ordering.service.effects import Effect, Result, Work

calls = 0


def dying(effect: Effect, at: int, when: str) -> Effect:
    """Return ``effect``, which ends the process at its call number ``at`` or at the one after."""

    async def act(tx: Tx, works: Sequence[Work], now: datetime) -> Sequence[Result]:
        global calls  # noqa: PLW0603
        calls += 1
        if when == "after" and calls == at + 1:
            os.kill(os.getpid(), signal.SIGKILL)
        results = await effect(tx, works, now)
        if when == "before" and calls == at:
            os.kill(os.getpid(), signal.SIGKILL)
        return results

    return act


async def main(url: str, tenant: str, at: str, when: str, now: str, batch: str) -> None:
    db = await open_database(Settings(data_dir=Path.cwd(), database_url=url))
    effects: dict = engine.EFFECTS  # type: ignore[assignment,type-arg]
    for kind, effect in list(effects.items()):
        effects[kind] = dying(effect, int(at), when)
    clock = MovableClock(datetime.fromisoformat(now))
    await work(db=db, tenant_id=TenantId(UUID(tenant)), clock=clock, batch=int(batch))
    await db.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
