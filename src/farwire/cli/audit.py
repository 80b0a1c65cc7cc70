"""``farwire audit``: read the audit log, verify its chain, take an anchor."""

from __future__ import annotations

from typing import Annotated

import typer

from farwire.base.audit import service
from farwire.base.audit.model import Head
from farwire.cli.shell import ExitCode, JsonOption, Session, TenantOption, run
from farwire.kernel.errors import Invalid
from farwire.kernel.ids import TenantId
from farwire.kernel.page import MAX_LIMIT, PageRequest
from farwire.tenant import service as tenants

app = typer.Typer(
    name="audit",
    no_args_is_help=True,
    help="The audit log: who did what to which thing, in a chain of hashes that shows tampering.\n\n"
    "Each tenant has its own chain. Keep the output of `farwire audit head` outside of this system, say daily: with it "
    "`verify` also finds entries that were cut off at the end.",
)

SomeTenant = Annotated[
    str | None,
    typer.Option(
        "--tenant", "-t", envvar="FARWIRE_TENANT", help="The operator, by its short name; absent: every one."
    ),
]


@app.command("list")
def list_entries(
    tenant: TenantOption,
    limit: Annotated[int, typer.Option(min=1, max=MAX_LIMIT, help="How many, the newest first.")] = 50,
    action: Annotated[str, typer.Option(help="Only actions that start with this, e.g. bill.")] = "",
    subject: Annotated[str | None, typer.Option(help="Only what was done to this thing.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Show the last entries.

    Example: farwire audit list --tenant acme --action key.
    """

    async def act(session: Session) -> None:
        tenant_id = await session.tenant(tenant)
        async with session.db.transaction(tenant_id, read_only=True) as tx:
            entries = await service.latest(tx=tx, limit=limit, action_prefix=action, subject=subject)
        session.out.rows(
            f"Audit log of {tenant}",
            ("sequence", "at", "actor", "action", "subject", "detail"),
            [
                {
                    "sequence": entry.sequence,
                    "at": entry.act.at,
                    "actor": f"{entry.act.actor.kind}:{entry.act.actor.id}",
                    "action": entry.act.action,
                    "subject": entry.act.subject,
                    "detail": entry.act.detail,
                    "hash": entry.hash.hex(),
                }
                for entry in entries
            ],
            empty="No entries.",
            right=("sequence",),
        )

    run(act, as_json)


@app.command()
def head(tenant: TenantOption, as_json: JsonOption = False) -> None:
    """Print the number and hash of the last entry, to be kept outside as an anchor."""

    async def act(session: Session) -> None:
        tenant_id = await session.tenant(tenant)
        async with session.db.transaction(tenant_id, read_only=True) as tx:
            found = await service.head(tx=tx)
        if as_json:
            session.out.facts("Head", {"tenant": tenant, "head": str(found), "sequence": found.sequence})
        else:
            typer.echo(str(found))  # Not through the table printer, which would wrap it.

    run(act, as_json)


@app.command()
def verify(
    tenant: SomeTenant = None,
    expect_head: Annotated[
        str | None, typer.Option("--expect-head", help="An anchor that `farwire audit head` printed earlier.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Recompute the chain and name every entry that was changed, removed, moved or inserted; end with 1 if one was.

    Example: farwire audit verify --tenant acme --expect-head 42:9f86d081…
    """

    async def act(session: Session) -> None:
        expected = None if expect_head is None else Head.parse(expect_head)
        if expected is not None and tenant is None:
            raise Invalid(
                "an anchor belongs to one chain",
                code="audit.tenant_missing",
                field="tenant",
                fix="name the tenant with --tenant",
            )
        chosen = await _tenants(session) if tenant is None else {tenant: await session.tenant(tenant)}
        rows: list[dict[str, object]] = []
        sound = True
        with session.out.progress("Verifying", total=len(chosen)) as report:
            for done, (name, tenant_id) in enumerate(chosen.items(), start=1):
                async with session.db.transaction(tenant_id, read_only=True) as tx:
                    found = await service.verify(tx=tx, expected=expected)
                report(done)
                sound = sound and found.ok
                rows += _rows(name, found)
        session.out.rows(
            "Audit chains",
            ("tenant", "ok", "entries", "entry", "flaw", "finding"),
            rows,
            empty="There is no tenant yet.",
            right=("entries", "entry"),
        )
        if not sound:
            raise typer.Exit(ExitCode.DIFFERENCE)

    run(act, as_json)


def _rows(name: str, found: service.Verification) -> list[dict[str, object]]:
    chain: dict[str, object] = {
        "tenant": name,
        "ok": found.ok,
        "entries": found.entries,
        "head": str(found.head),
    }
    if found.ok:
        return [{**chain, "finding": "in order"}]
    return [
        {**chain, "entry": f.sequence, "flaw": f.flaw.value, "finding": f.message} for f in found.findings
    ]


async def _tenants(session: Session) -> dict[str, TenantId]:
    found: dict[str, TenantId] = {}
    while True:
        page = await tenants.list_tenants(db=session.db, page=PageRequest(offset=len(found), limit=MAX_LIMIT))
        found |= {tenant.name: tenant.id for tenant in page.items}
        if not page.has_more:
            return found
