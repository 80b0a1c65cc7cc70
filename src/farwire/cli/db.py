"""Commands of the database: the embedded server, migrations, backup and restore."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from farwire.base.clock import SystemClock
from farwire.base.config import Settings, load_settings, mask_url
from farwire.base.storage import backup as backups
from farwire.base.storage.embedded import DatabaseRole, EmbeddedServer
from farwire.base.storage.endpoints import connect, endpoints, migrate_database, start_embedded
from farwire.base.storage.migrate import discover, migration_state
from farwire.cli.shell import ExitCode, JsonOption, Output, errors_as_exit_codes
from farwire.kernel.errors import FarwireError, Invalid

HELP = """The database: start and stop the embedded PostgreSQL, migrate, back up and restore.

Nothing has to be set up: without FARWIRE_DATABASE_URL an embedded PostgreSQL runs in the data folder and every
command starts it when needed. With it, an external server (PostgreSQL 15 or later) is used; see docs/operations.md.

Examples:

  farwire db status

  farwire db backup /backups/farwire-2026-06-01.dump

  farwire db restore /backups/farwire-2026-06-01.dump
"""

app = typer.Typer(help=HELP, no_args_is_help=True, rich_markup_mode="rich")


@app.command()
def start(as_json: JsonOption = False) -> None:
    """Start the embedded server; on first use make its data folder, roles and tables.

    It runs on until `farwire db stop`. Doing it twice is fine.
    """
    out = Output(as_json=as_json)
    with errors_as_exit_codes(out):
        server = _server(load_settings())
        with out.progress("Starting PostgreSQL"):
            started = asyncio.run(start_embedded(server))
        out.facts("Embedded PostgreSQL", {"started": started, **_facts(server)})


@app.command()
def stop(as_json: JsonOption = False) -> None:
    """Stop the embedded server. Work in progress is cut and rolled back; nothing committed is lost."""
    out = Output(as_json=as_json)
    with errors_as_exit_codes(out):
        server = _server(load_settings())
        stopped = server.stop()
        out.facts("Embedded PostgreSQL", {"stopped": stopped, "running": server.running()})


@app.command()
def status(as_json: JsonOption = False) -> None:
    """Show where the database is, whether it answers, and what its schema lacks. Changes nothing.

    Ends with 8 when the database does not answer.
    """
    out = Output(as_json=as_json)
    with errors_as_exit_codes(out):
        settings = load_settings()
        found = endpoints(settings)
        facts: dict[str, object] = {
            "kind": "embedded" if found.server else "external",
            "url": mask_url(found.app_url),
        }
        if found.server is not None:
            facts |= _facts(found.server)
        problem: FarwireError | None = None
        try:
            facts |= asyncio.run(_schema_facts(found.app_url))
        except FarwireError as error:
            problem = error
        facts["answers"] = problem is None
        out.facts("Database", facts)
        if problem is not None:
            raise problem


@app.command()
def migrate(as_json: JsonOption = False) -> None:
    """Bring the schema up to this version of Farwire, and list what was run.

    Each migration runs in one transaction; several processes may try at once. The version before this one keeps
    working on the new schema, so migrate first and then replace the processes. Make a backup before it.
    """
    out = Output(as_json=as_json)
    with errors_as_exit_codes(out):
        with out.progress("Migrating"):
            done = asyncio.run(migrate_database(load_settings()))
        rows = [{"migration": migration.label, "checksum": migration.checksum[:12]} for migration in done]
        out.rows(
            "Migrations run",
            ["migration", "checksum"],
            rows,
            empty="The schema is up to date; nothing to run.",
        )


@app.command()
def backup(
    file: Annotated[
        Path, typer.Argument(help="File to write. It must not exist; a manifest is written beside it.")
    ],
    as_json: JsonOption = False,
) -> None:
    """Write the whole database into FILE while work goes on, with a manifest of control totals beside it.

    Both files hold personal data; only their owner can read them. Keep them together, on another disk.
    """
    out = Output(as_json=as_json)
    with errors_as_exit_codes(out):
        with out.progress("Backing up"):
            done = asyncio.run(backups.back_up(load_settings(), file.absolute(), at=SystemClock().now()))
        manifest = done.manifest
        out.facts(
            "Backup",
            {
                "file": done.dump,
                "manifest": done.manifest_file,
                "bytes": manifest.dump_bytes,
                "sha256": manifest.dump_sha256,
                "tables": len(manifest.tables),
                "rows": sum(table.rows for table in manifest.tables.values()),
                "migrations": len(manifest.migrations),
            },
        )


@app.command()
def restore(
    file: Annotated[
        Path, typer.Argument(help="File that `farwire db backup` wrote, with its manifest beside it.")
    ],
    replace: Annotated[
        bool,
        typer.Option(
            "--replace", help="Lose what the database holds now. Without it, only an empty one is used."
        ),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Restore FILE in one transaction and prove it: every table and control total, expected and found.

    A failure leaves the database as it was. Stop the processes that use the database first. Ends with 1 when a
    figure differs. A backup of an older version needs `farwire db migrate` afterwards.
    """
    out = Output(as_json=as_json)
    with errors_as_exit_codes(out):
        with out.progress("Restoring"):
            checks = asyncio.run(backups.restore(load_settings(), file.absolute(), replace=replace))
        rows = [{"check": c.name, "expected": c.expected, "found": c.found, "ok": c.ok} for c in checks]
        out.rows("Proof", ["check", "expected", "found", "ok"], rows, empty="The manifest holds no figures.")
        if not all(check.ok for check in checks):
            raise typer.Exit(ExitCode.DIFFERENCE)


@app.command()
def url(
    role: Annotated[
        DatabaseRole,
        typer.Option(help="The role to connect as. Only farwire_app is for work.", show_default=True),
    ] = DatabaseRole.APP,
    as_json: JsonOption = False,
) -> None:
    """Print the URL of the database, for psql and other tools. It may hold a password: mind where it goes.

    The embedded server's URL holds none: it knows its clients by their user on this machine.
    """
    out = Output(as_json=as_json)
    with errors_as_exit_codes(out):
        settings = load_settings()
        shown = _url(settings, role)
        if as_json:
            out.text(shown)
        else:
            typer.echo(shown)  # not through the table printer, which would wrap it


def _url(settings: Settings, role: DatabaseRole) -> str:
    found = endpoints(settings)
    if found.server is not None:
        return found.server.url(role)
    urls = {
        DatabaseRole.APP: found.app_url,
        DatabaseRole.OWNER: found.owner_url,
        DatabaseRole.RELAY: found.relay_url,
    }
    if (chosen := urls.get(role)) is None:
        raise Invalid(
            f"no URL is set for {role.value}",
            code="config.missing",
            field="role",
            fix="set FARWIRE_DATABASE_OWNER_URL or FARWIRE_DATABASE_RELAY_URL",
        )
    return chosen


def _server(settings: Settings) -> EmbeddedServer:
    server = endpoints(settings).server
    if server is None:
        raise Invalid(
            "the database is an external server, which Farwire does not start or stop",
            code="storage.not_embedded",
            field="database_url",
            value=mask_url(settings.database_url),
            fix="unset FARWIRE_DATABASE_URL to use the embedded server",
        )
    return server


def _facts(server: EmbeddedServer) -> dict[str, object]:
    found = server.status()
    return {
        "running": found.running,
        "postgresql": found.version,
        "data": found.data,
        "socket_folder": found.socket_dir,
        "user": found.user,
        "pid": found.pid,
        "logs": found.logs,
    }


async def _schema_facts(app_url: str) -> dict[str, object]:
    async with connect(app_url) as conn:
        state = await migration_state(conn, discover())
        return {
            "server_version": await conn.fetchval("SHOW server_version"),
            "migrations_applied": len(state.applied),
            "migrations_pending": [migration.label for migration in state.pending],
            "migrations_ahead": [f"{item.context}/{item.number:04}_{item.name}" for item in state.ahead],
        }
