"""``farwire jobs``: see what waits, runs and failed; cancel it, try it again."""

from __future__ import annotations

from typing import Annotated

import typer

from farwire.base.jobs import JobState, service
from farwire.cli.shell import JsonOption, Session, TenantOption, run
from farwire.kernel.ids import JobId, parse_id
from farwire.kernel.page import DEFAULT_LIMIT, MAX_LIMIT, PageRequest

app = typer.Typer(
    name="jobs",
    no_args_is_help=True,
    help="Jobs: work that runs later, each once at a time.\n\n"
    "A failed job has used up its attempts and waits for a person; its error says why.",
)

JobArgument = Annotated[str, typer.Argument(help="The id, as `farwire jobs list` shows it.")]


@app.command("list")
def list_(
    tenant: TenantOption,
    state: Annotated[JobState | None, typer.Option(help="Only jobs in this state.")] = None,
    kind: Annotated[str | None, typer.Option(help="Only jobs of this kind, e.g. bill.run.")] = None,
    limit: Annotated[
        int, typer.Option(min=1, max=MAX_LIMIT, help="How many, the newest first.")
    ] = DEFAULT_LIMIT,
    offset: Annotated[int, typer.Option(min=0, help="How many to leave out before.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Show a tenant's jobs.

    Example: farwire jobs list --tenant acme --state failed
    """

    async def act(session: Session) -> None:
        tenant_id = await session.tenant(tenant)
        async with session.db.transaction(tenant_id, read_only=True) as tx:
            page = await service.list_jobs(tx=tx, page=PageRequest(offset, limit), state=state, kind=kind)
        session.out.rows(
            f"Jobs of {tenant}",
            ("id", "kind", "key", "state", "run_at", "attempts", "error"),
            [
                {
                    "id": job.id,
                    "kind": job.kind,
                    "key": job.key,
                    "state": job.state,
                    "run_at": job.run_at,
                    "attempts": f"{job.attempts} of {job.max_attempts}",
                    "error": job.error,
                    "worker": job.worker,
                    "finished_at": job.finished_at,
                }
                for job in page.items
            ],
            empty="No such job.",
            total=page.total,
        )

    run(act, as_json)


@app.command()
def cancel(job: JobArgument, tenant: TenantOption, as_json: JsonOption = False) -> None:
    """Cancel a queued job; ask a running one to stop, which it does at its next heartbeat."""

    async def act(session: Session) -> None:
        job_id = JobId(parse_id(job, field="job"))
        async with session.db.transaction(await session.tenant(tenant)) as tx:
            state = await service.cancel(tx=tx, job_id=job_id, now=session.clock.now())
        session.out.facts("Job", {"job": job_id, "state": state, "stopping": state is JobState.RUNNING})

    run(act, as_json)


@app.command()
def retry(job: JobArgument, tenant: TenantOption, as_json: JsonOption = False) -> None:
    """Queue a failed or cancelled job again, with all its attempts."""

    async def act(session: Session) -> None:
        job_id = JobId(parse_id(job, field="job"))
        async with session.db.transaction(await session.tenant(tenant)) as tx:
            await service.retry(tx=tx, job_id=job_id, now=session.clock.now())
        session.out.facts("Job", {"job": job_id, "state": JobState.QUEUED})

    run(act, as_json)
