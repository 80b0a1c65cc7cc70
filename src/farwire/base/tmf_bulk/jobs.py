"""What a worker does for import and export jobs. Both may run again after a crash: see ``importing``, ``exporting``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from farwire.base.clock import Clock
from farwire.base.jobs import Handler, Job, Schedule
from farwire.base.storage import Database
from farwire.base.tmf_bulk.exporting import run_export
from farwire.base.tmf_bulk.importing import run_import
from farwire.base.tmf_bulk.scope import Run
from farwire.base.tmf_bulk.tasks import EXPORT_KIND, IMPORT_KIND

SCHEDULES: Final[tuple[Schedule, ...]] = ()


def handlers(*, db: Database, clock: Clock) -> Mapping[str, Handler]:
    """Return what to run for each kind of job."""

    async def take_in(job: Job) -> None:
        await run_import(Run(job, db, clock))

    async def write(job: Job) -> None:
        await run_export(Run(job, db, clock))

    return {IMPORT_KIND: take_in, EXPORT_KIND: write}
