"""The composition root: it alone knows every command, route and page, and puts them together."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from enum import StrEnum
from functools import partial
from importlib import import_module, metadata
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

if TYPE_CHECKING:
    from farwire.base.authz import Principal
    from farwire.base.clock import Clock
    from farwire.base.eventbus.delivery import Subscriber
    from farwire.base.storage import Database
    from farwire.base.web import AnyRoute, Api
    from farwire.billing.model import Bill
    from farwire.cli.shell import Session
    from farwire.demo.checklist import Played

HELP: Final = """Farwire, an open operator platform: records in, exact bills out, each line explained.

[bold]Start here[/bold]

  farwire demo                                 sell, deliver, rate, bill, collect: played and checked
  farwire tenant create acme --country DE      your own operator
  farwire serve                                the API, with its page at /docs

Every command has --help with examples, and --json for programs. The embedded PostgreSQL starts by itself; set
FARWIRE_DATABASE_URL to use your own. Exit codes: docs/cli.md.
"""

_TOPICS: Final = (
    *(
        "tenant",
        "key",
        "country",
        "catalog",
        "deck",
        "party",
        "account",
        "inventory",
        "pool",
        "coverage",
        "agreement",
    ),
    *("order", "usage", "bill", "payment", "voucher", "charging", "gateway", "activation", "ledger"),
    *("message", "events", "tmf", "jobs", "audit", "db"),
)
"""Modules of ``farwire.cli``, in the order of ``farwire --help``; each has a Typer ``app``, or is put together here."""

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
    "farwire.party.api.parties",
    "farwire.party.api.tmf632",
    "farwire.party.api.tmf629",
    "farwire.account.api.tmf666",
    "farwire.account.api.accounts",
    "farwire.agreement.api.agreements",
    "farwire.ordering.api.decompositions",
    "farwire.ordering.api.product_orders",
    "farwire.process.api.tmf622",
    "farwire.process.api.orders",
    "farwire.process.api.customers",
    "farwire.inventory.api.products",
    "farwire.inventory.api.tmf637",
    "farwire.inventory.api.tmf638",
    "farwire.inventory.api.tmf639",
    "farwire.inventory.api.resources",
    "farwire.inventory.api.pool_ranges",
    "farwire.inventory.api.network",
    "farwire.usage.api.tmf635",
    "farwire.billing.api.tmf678",
    "farwire.billing.api.bills",
    "farwire.billing.api.runs",
    "farwire.billing.api.next_bills",
    "farwire.billing.api.corrections",
    "farwire.billing.api.closings",
    "farwire.payment.api.tmf676",
    "farwire.payment.api.tmf670",
    "farwire.payment.api.payments",
    "farwire.payment.api.refunds",
    "farwire.payment.api.voucher_batches",
    "farwire.payment.api.voucher_redemptions",
    "farwire.activation.api.network",
    "farwire.charging.api.accounts",
    "farwire.charging.api.commands",
    "farwire.ledger.api.books",
    "farwire.communication.api.messages",
    "farwire.base.tmf_events.tmf688",
    "farwire.base.tmf_events.listeners",
)
"""Modules with ``ROUTES``, in the order of the API's documentation."""


_RECORDS: Final[Mapping[str, str]] = {
    "party": "644 668 669 672 720",
    "location": "673 674 675",
    "communication": "681 683",
    "catalog": "633 634 671",
    "agreement": "651 657",
    "inventory": "685 687",
    "usage": "735",
    "charging": "654 677",
    "activation": "640 702",
    "assurance": "628 642 649 653 656 724",
    "qualification": "645 679",
    "workforce": "646",
    "iot": "908 914",
    "ordering": "641 648 652 663 699",
    "ticket": "621",
    "analytics": "696",
    "process": "701",
}
"""Contexts with TM Forum APIs whose resources are documents so far: modules ``api.tmf<number>`` with ``ROUTES``."""


_SUBSCRIBERS: Final[tuple[str, ...]] = (
    "farwire.process.notices",
    "farwire.process.order_to_activate",
    "farwire.process.agreed_prices",
    "farwire.process.prepaid",
    "farwire.process.prepaid_closing",
    "farwire.process.postpaid",
    "farwire.gateway.sessions.subscribers",
    "farwire.gateway.radius.subscribers",
    "farwire.base.tmf_events.notify",
)
"""Modules with ``subscribers``: what follows the events in ``farwire worker``, and in whoever waits for all of it."""


_JOBS: Final = (
    "farwire.party.jobs",
    "farwire.inventory.jobs",
    "farwire.usage.jobs",
    "farwire.charging.jobs",
    "farwire.billing.jobs",
    "farwire.payment.jobs",
    "farwire.communication.jobs",
    "farwire.ordering.jobs",
    "farwire.activation.jobs",
    "farwire.process.prepaid_closing",
    "farwire.gateway.sessions.jobs",
    "farwire.gateway.radius.jobs",
    "farwire.base.tmf_bulk.jobs",
    "farwire.base.tmf_tasks",
)
"""Modules with ``SCHEDULES`` and ``handlers``: what ``farwire worker`` runs."""


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"farwire {metadata.version('farwire')}")
        raise typer.Exit


class Day(StrEnum):
    """What the demo can play."""

    MONTH = "month"
    A = "a"
    FIXED = "fixed"


def demo(
    day: Annotated[Day | None, typer.Option(help="Play one of them only. Default: all.")] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for its files and the invoices. Default: demo/ in the data folder."),
    ] = None,
    svg: Annotated[
        Path | None, typer.Option(help="Also write the checklist as a picture.", hidden=True)
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON document instead of tables.")
    ] = False,
) -> None:
    """Play an operator's days with a movable clock, and check everything against the truth.

    [bold]month[/bold] is June 2026 of 203 customers: records with duplicates and broken rows, a price list that lacks a
    destination, bills equal to the truth of a seeded generator. [bold]a[/bold] is day A, in Germany and in Nigeria:
    publish an offer, sell it, deliver it, take its usage in, bill it, collect the money; and a prepaid subscriber who
    is charged online, over Diameter and 5G, until exactly 0 is left. [bold]fixed[/bold] is a fibre line and a business
    circuit: built by the rules of the catalogue, moved, changed, suspended, given up. Ends with 1 if a line of the
    checklist is not ok.
    Playing it again is harmless: what is done is found and checked again.

    [bold]Then look around[/bold]

      farwire bill list --tenant hanse

      farwire bill explain HM-2026-0000001 --tenant hanse
    """
    from farwire.cli.shell import ExitCode, run
    from farwire.demo.earlier import tell_what_is_there
    from farwire.demo.play import MISSING

    async def act(session: Session) -> None:
        folder = out or session.settings.data_dir / "demo"
        await tell_what_is_there(db=session.db, say=session.out.note)
        played: list[Played] = [await _play(session, one, folder) for one in (Day if day is None else [day])]
        ok = all(one.checks.ok for one in played)
        if as_json:
            documents = [one.as_document() for one in played]
            session.out.document({"ok": ok, "played": documents, "missing": MISSING})
        for one in () if as_json else played:
            session.out.show(one.checks.as_table(one.title), svg=svg)
            for tenant, (number, path) in one.invoices.items():
                session.out.note(
                    f"\nInvoice: {path}\nWhy each line: farwire bill explain {number} --tenant {tenant}"
                )
        if not as_json:
            session.out.note("\nNot played yet:\n" + "\n".join(f"  {what}" for what in MISSING))
        if not ok:
            raise typer.Exit(ExitCode.DIFFERENCE)

    run(act, as_json)


async def _play(session: Session, day: Day, folder: Path) -> Played:
    """Play one day, with the events delivered as a worker would."""
    from farwire.base.storage import open_relay
    from farwire.demo.day_a.play import play_day_a
    from farwire.demo.day_a.stage import House
    from farwire.demo.fixed import play_fixed
    from farwire.demo.play import play

    if day is Day.FIXED:
        return await play_fixed(db=session.db, say=session.out.note)
    if day is Day.MONTH:
        return await play(db=session.db, folder=folder, say=session.out.note)
    relay_db = await open_relay(session.settings)
    try:
        deliver = partial(deliver_events, db=session.db, relay_db=relay_db)
        shards = session.settings.data_dir / "charging"
        return await play_day_a(House(session.db, folder, session.out.note, deliver, bill_as_json, shards))
    finally:
        await relay_db.close()


def bill_as_json(bill: Bill) -> bytes:
    """Return a bill with its lines as the API shows them."""
    import msgspec

    from farwire.billing.api.documents import to_tmf_billing_rate, to_tmf_customer_bill

    lines = [to_tmf_billing_rate(bill, line) for line in bill.lines]
    document = {"customerBill": to_tmf_customer_bill(bill, whole=True), "appliedCustomerBillingRate": lines}
    return msgspec.json.format(msgspec.json.encode(document), indent=2)


def worker() -> None:
    """Run scheduled work of every operator and deliver its events until it is stopped.

    Start as many as you like, on any machine that reaches the database: each job runs once at a time, each subscriber
    of events is served by one worker at a time. See what waits, runs and failed with `farwire jobs list` and
    `farwire events subscribers`.
    """
    from farwire.cli.worker import run_worker

    api_routes()  # listeners hear of what is served
    run_worker([import_module(name) for name in _JOBS], [import_module(name) for name in _SUBSCRIBERS])


async def deliver_events(
    *, db: Database, relay_db: Database, clock: Clock, instead: Sequence[Subscriber] = ()
) -> int:
    """Deliver every event that is pending to all subscribers, and what they publish in turn; return how many.

    For a process that waits for the consequences of what it did, such as the demo; a worker does it by itself.
    ``instead`` take the places of subscribers of their names.
    """
    from farwire.base.eventbus.pending import deliver_pending
    from farwire.cli.worker import all_subscribers

    api_routes()  # listeners hear of what is served
    found = all_subscribers([import_module(name) for name in _SUBSCRIBERS], db=db, clock=clock)
    taken = {one.name for one in instead}
    found = (*(one for one in found if one.name not in taken), *instead)
    return await deliver_pending(relay_db=relay_db, clock=clock, subscribers=found)


def build_cli(only: str = "") -> typer.Typer:
    """Return the command line: with the command or topic ``only`` where there is one of that name, else with all.

    A command then loads what it needs itself, and not the whole platform.
    """
    from farwire.cli.help_text import let_flow

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

    known = only in _TOPICS or only in {name for name, _, _ in _COMMANDS}
    for name, module, function in _COMMANDS:
        if name == only or not known:
            cli.command(name)(getattr(import_module(module), function))
    for topic in _TOPICS:
        if topic == only or not known:
            cli.add_typer(_commands_of(topic), name=topic)
    let_flow(cli)
    return cli


def _commands_of(topic: str) -> typer.Typer:
    """Return the commands of a topic. Gateways stand beside ``cli`` and are put in here."""
    module = import_module(f"farwire.cli.{topic}")
    if topic == "gateway":
        gateways = {name: import_module(f"farwire.gateway.{name}.serving") for name in ("diameter", "nchf")}
        found = module.topic(**gateways)
        radius = import_module("farwire.gateway.radius.serving")
        found.add_typer(import_module("farwire.cli.gateway_radius").topic(radius), name="radius")
    else:
        found = module.app
    commands: typer.Typer = found
    return commands


def api_routes() -> tuple[AnyRoute, ...]:
    """Return every route of the API."""
    records = (f"farwire.{context}.api.tmf{n}" for context, all_ in _RECORDS.items() for n in all_.split())
    return tuple(route for module in (*_APIS, *records) for route in import_module(module).ROUTES)


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
    from farwire.cli.shell import Output, errors_as_exit_codes

    configure_logging(level="warning")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            # A terminal that knows no "€" shows "?"; it does not end the command.
            stream.reconfigure(errors="replace")
    # A command may refuse what it was given before it opens anything: that ends as every other error does.
    try:
        with errors_as_exit_codes(Output(as_json="--json" in sys.argv)):
            build_cli(sys.argv[1] if len(sys.argv) > 1 else "")()
    except typer.Exit as end:
        sys.exit(end.exit_code)
