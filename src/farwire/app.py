"""The composition root: it alone knows every command, route and page, and puts them together."""

from __future__ import annotations

import sys
from functools import partial
from importlib import import_module, metadata
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

if TYPE_CHECKING:
    from farwire.base.authz import Principal
    from farwire.base.clock import Clock
    from farwire.base.storage import Database
    from farwire.base.web import AnyRoute, Api

HELP: Final = """Farwire, an open operator platform: records in, exact bills out, each line explained.

[bold]Start here[/bold]

  farwire demo                                 a month of an operator, rated, billed and checked
  farwire tenant create acme --country DE      your own operator
  farwire serve                                the API, with its page at /docs

Every command has --help with examples, and --json for programs. The embedded PostgreSQL starts by itself; set
FARWIRE_DATABASE_URL to use your own. Exit codes: docs/cli.md.
"""

_TOPICS: Final = (
    "tenant",
    "key",
    "country",
    "catalog",
    "deck",
    "account",
    "usage",
    "bill",
    "message",
    "events",
    "jobs",
    "audit",
    "db",
)
"""Modules of ``farwire.cli``, in the order of ``farwire --help``; each has a Typer called ``app``."""

_COMMANDS: Final = (
    ("demo", "farwire.app", "demo"),
    ("rate", "farwire.cli.usage", "rate"),
    ("serve", "farwire.cli.serve", "serve"),
    ("worker", "farwire.app", "worker"),
)
"""Commands of their own: name, module, function."""


_APIS: Final = (
    "farwire.tenant.api.whoami",
    "farwire.catalog.api.tmf620",
    "farwire.catalog.api.catalogue",
    "farwire.process.api.catalogue",
    "farwire.account.api.tmf666",
    "farwire.usage.api.tmf635",
    "farwire.billing.api.tmf678",
    "farwire.billing.api.runs",
    "farwire.billing.api.corrections",
    "farwire.communication.api.messages",
)
"""Modules with ``ROUTES``, in the order of the API's documentation."""


_SUBSCRIBERS: Final[tuple[str, ...]] = ("farwire.process.notices", "farwire.process.order_to_activate")
"""Modules with ``subscribers``: what follows the events in ``farwire worker``, and in whoever waits for all of it."""


_JOBS: Final = (
    "farwire.usage.jobs",
    "farwire.billing.jobs",
    "farwire.communication.jobs",
    "farwire.ordering.jobs",
)
"""Modules with ``SCHEDULES`` and ``handlers``: what ``farwire worker`` runs."""


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"farwire {metadata.version('farwire')}")
        raise typer.Exit


def demo(
    tenant: Annotated[
        str, typer.Option("--tenant", "-t", help="The operator that the demo makes and plays on.")
    ] = "nordlicht",
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for its files and the invoice. Default: demo/ in the data folder."),
    ] = None,
    svg: Annotated[
        Path | None, typer.Option(help="Also write the checklist as a picture.", hidden=True)
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON document instead of tables.")
    ] = False,
) -> None:
    """Play June 2026 of a German mobile operator: import, rate, bill, and check everything against the truth.

    A seeded generator writes the records of 203 customers with duplicates, broken rows and a deck that lacks a
    destination, and knows every bill to the cent. Ends with 1 if a line of the checklist is not ok. Playing it again
    is harmless: what is done is found and checked again.

    [bold]Then look around[/bold]

      farwire bill list --tenant nordlicht

      farwire bill explain NM-2026-0000001 --tenant nordlicht
    """
    from farwire.cli.shell import ExitCode, Session, run
    from farwire.demo.play import MISSING_DAYS, play

    async def act(session: Session) -> None:
        folder = out or session.settings.data_dir / "demo"
        played = await play(db=session.db, folder=folder, say=session.out.note, tenant_name=tenant)
        checks, invoice = played.checks, str(played.invoice)
        if as_json:
            session.out.document(
                {"ok": checks.ok, "checks": checks.as_rows(), "invoice": invoice, "missing": MISSING_DAYS}
            )
        else:
            session.out.show(checks.as_table("June 2026 of Nordlicht Mobil"), svg=svg)
            session.out.note(
                f"\nInvoice: {invoice}\nWhy each line: farwire bill explain {played.number} --tenant {tenant}"
            )
            session.out.note("\nNot played yet:\n" + "\n".join(f"  {day}" for day in MISSING_DAYS))
        if not checks.ok:
            raise typer.Exit(ExitCode.DIFFERENCE)

    run(act, as_json)


def worker() -> None:
    """Run scheduled work of every operator and deliver its events until it is stopped.

    Start as many as you like, on any machine that reaches the database: each job runs once at a time, each subscriber
    of events is served by one worker at a time. See what waits, runs and failed with `farwire jobs list` and
    `farwire events subscribers`.
    """
    from farwire.cli.worker import run_worker

    run_worker([import_module(name) for name in _JOBS], [import_module(name) for name in _SUBSCRIBERS])


async def deliver_events(*, db: Database, relay_db: Database, clock: Clock) -> int:
    """Deliver every event that is pending to all subscribers, and what they publish in turn; return how many.

    For a process that waits for the consequences of what it did, such as the demo; a worker does it by itself.
    """
    from farwire.base.eventbus.pending import deliver_pending
    from farwire.cli.worker import all_subscribers

    found = all_subscribers([import_module(name) for name in _SUBSCRIBERS], db=db, clock=clock)
    return await deliver_pending(relay_db=relay_db, clock=clock, subscribers=found)


def build_cli() -> typer.Typer:
    """Return the command line with all topics."""
    cli = typer.Typer(
        name="farwire",
        help=HELP,
        no_args_is_help=True,
        rich_markup_mode="rich",
        pretty_exceptions_enable=False,
    )

    @cli.callback()
    def root(
        version: Annotated[
            bool,
            typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop."),
        ] = False,
    ) -> None:
        """Read options that stand before the command."""

    for name, module, function in _COMMANDS:
        cli.command(name)(getattr(import_module(module), function))
    for topic in _TOPICS:
        cli.add_typer(import_module(f"farwire.cli.{topic}").app, name=topic)
    return cli


def api_routes() -> tuple[AnyRoute, ...]:
    """Return every route of the API."""
    return tuple(route for module in _APIS for route in import_module(module).ROUTES)


def create_api() -> Api:
    """Return the API of one worker process; the target of ``farwire serve``. Opens nothing until the worker starts."""
    from farwire.base.clock import SystemClock
    from farwire.base.config import load_settings
    from farwire.base.storage import open_database
    from farwire.base.telemetry import configure_logging, configure_tracing
    from farwire.base.web import AccessLog, build_api
    from farwire.tenant.service import KeyRefused, authenticate

    settings = load_settings()
    configure_logging(level=settings.log_level, as_json=settings.log_format == "json")
    configure_tracing(endpoint=settings.trace_endpoint)
    clock = SystemClock()

    async def principal(database: Database, text: str) -> Principal | None:
        try:
            return await authenticate(db=database, clock=clock, text=text)
        except KeyRefused:
            return None

    return build_api(
        api_routes(),
        database=partial(open_database, settings),
        clock=clock,
        settings=settings,
        authenticate=principal,
        access_log=AccessLog() if settings.log_level in {"debug", "info"} else None,
    )


def main() -> None:
    """Run ``farwire``. Logs go to standard error: standard output belongs to the results."""
    from farwire.base.telemetry import configure_logging

    configure_logging(level="warning")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            # A terminal that knows no "€" shows "?"; it does not end the command.
            stream.reconfigure(errors="replace")
    build_cli()()
