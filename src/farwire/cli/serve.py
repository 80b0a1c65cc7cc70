"""``farwire serve``: the HTTP API."""

from __future__ import annotations

import asyncio
from typing import Annotated, Final

import typer

from farwire.base.config import Settings, load_settings
from farwire.base.storage import Database, migrate_database, open_database
from farwire.base.web.server import Serving, check_address
from farwire.base.web.server import serve as serve_http
from farwire.cli.shell import Output, errors_as_exit_codes
from farwire.kernel.page import PageRequest
from farwire.tenant import service as tenants

TARGET: Final = "farwire.app:create_api"
TENANTS_SEEN: Final = PageRequest(limit=20)
"""Tenants in which the start looks for a first key."""


def serve(
    host: Annotated[
        str | None, typer.Option(help="Address to listen on; 0.0.0.0 means every address of this machine.")
    ] = None,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="TCP port.")] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, max=256, help="Worker processes; one per core is a good start.")
    ] = None,
    migrate: Annotated[
        bool, typer.Option("--migrate", help="Run pending migrations before serving.")
    ] = False,
    drain_s: Annotated[
        float, typer.Option(min=0, max=300, help="On stop: seconds for which /health/ready says 503 first.")
    ] = 0.0,
    grace_s: Annotated[
        int, typer.Option(min=1, max=600, help="On stop: seconds that running requests may still take.")
    ] = 30,
) -> None:
    """Serve the HTTP API with its documentation at /docs.

    The embedded PostgreSQL starts by itself unless FARWIRE_DATABASE_URL is set. Stop with Ctrl-C or SIGTERM: running
    requests are finished first.

    [bold]Examples[/bold]

      farwire serve

      farwire serve --host 0.0.0.0 --port 9000 --workers 4 --migrate

    Settings: http_host, http_port and http_workers, or FARWIRE_HTTP_HOST, … (options win).
    """
    out = Output(as_json=False)
    with errors_as_exit_codes(out):
        settings = load_settings()
        serving = Serving(
            target=TARGET,
            host=host or settings.http_host,
            port=port or settings.http_port,
            workers=workers or settings.http_workers,
            drain_s=drain_s,
            grace_s=grace_s,
        )
        check_address(serving.host, serving.port)
        asyncio.run(_prepare(settings, serving, out, migrate=migrate))
        serve_http(serving)


async def _prepare(settings: Settings, serving: Serving, out: Output, *, migrate: bool) -> None:
    """Start and check the database, and say where the API is."""
    if migrate:
        for migration in await migrate_database(settings):
            out.note(f"ran migration {migration.label}")
    db = await open_database(settings)
    try:
        keyless = not await _any_key(db)
    finally:
        await db.close()
    shown = f"[{serving.host}]" if ":" in serving.host else serving.host
    base = f"http://{shown}:{serving.port}"
    out.note(f"Farwire serves {base}  ({serving.workers} worker{'s' if serving.workers > 1 else ''})")
    out.note(f"  documentation  {base}/docs")
    out.note(f"  OpenAPI 3.1    {base}/openapi.json")
    if keyless:
        out.note("  There is no API key yet. Make one in another terminal:")
        out.note("    farwire tenant create acme --country DE")
        out.note("    farwire key create --tenant acme --role tenant_admin")


async def _any_key(db: Database) -> bool:
    for tenant in (await tenants.list_tenants(db=db, page=TENANTS_SEEN)).items:
        if (await tenants.list_keys(db=db, tenant_id=tenant.id, page=PageRequest(limit=1))).total:
            return True
    return False
