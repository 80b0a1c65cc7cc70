"""How far runs are: their counts, and the accounts that failed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from farwire.base.storage import Database, Tx
from farwire.billing.model import JournalEntry, Outcome, Run, RunReport, RunState, Severity
from farwire.billing.store import bills as bill_store
from farwire.billing.store import findings as finding_store
from farwire.billing.store import journal as journal_store
from farwire.billing.store import runs as run_store
from farwire.kernel.errors import NotFound
from farwire.kernel.ids import BillId, BillRunId, TenantId
from farwire.kernel.page import Page, PageRequest


async def known_run(tx: Tx, run_id: BillRunId) -> Run:
    """Return one run. Raises ``NotFound`` (``billing.run_unknown``)."""
    run = await run_store.get_run(tx, run_id)
    if run is None:
        raise NotFound(
            "there is no such bill run",
            code="billing.run_unknown",
            field="run",
            value=run_id,
            fix="see: farwire bill runs",
        )
    return run


async def run_report(tx: Tx, run_id: BillRunId) -> RunReport:
    """Return how far a run is. Raises ``NotFound`` (``billing.run_unknown``)."""
    run = await known_run(tx, run_id)
    counts = await journal_store.journal_counts(tx, run_id)
    findings = await finding_store.count_findings(tx, run_id)
    return RunReport(
        run,
        counts.get(Outcome.BILLED, 0),
        counts.get(Outcome.EMPTY, 0),
        counts.get(Outcome.FAILED, 0),
        await bill_store.count_issued(tx, run_id),
        counts.get(Outcome.DISCARDED, 0),
        findings.get(Severity.ERROR, 0),
        findings.get(Severity.WARNING, 0),
    )


async def run_outcomes(
    tx: Tx, run_ids: Sequence[BillRunId]
) -> Mapping[BillRunId, tuple[RunState, BillId | None]]:
    """Return the state of each run, and the first of its bills."""
    return await run_store.run_outcomes(tx, run_ids)


async def list_runs(*, db: Database, tenant_id: TenantId, page: PageRequest) -> Page[Run]:
    """Return a page of runs, newest first."""
    async with db.transaction(tenant_id) as tx:
        items, total = await run_store.list_runs(tx, offset=page.offset, limit=page.limit)
    return Page(items, total, page.offset, page.limit)


async def run_reports(*, db: Database, tenant_id: TenantId, page: PageRequest) -> Page[RunReport]:
    """Return a page of runs with their counts, newest first."""
    async with db.transaction(tenant_id) as tx:
        runs, total = await run_store.list_runs(tx, offset=page.offset, limit=page.limit)
        reports = tuple([await run_report(tx, run.id) for run in runs])
    return Page(reports, total, page.offset, page.limit)


async def run_failures(
    *, db: Database, tenant_id: TenantId, run_id: BillRunId, page: PageRequest
) -> Page[JournalEntry]:
    """Return a page of the accounts that failed in a run, with code and words."""
    async with db.transaction(tenant_id) as tx:
        items, total = await journal_store.failures(tx, run_id, offset=page.offset, limit=page.limit)
    return Page(items, total, page.offset, page.limit)
