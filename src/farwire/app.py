"""The composition root: it alone knows every command, route and page, and puts them together."""

from __future__ import annotations

from importlib import import_module, metadata
from typing import Annotated, Final

import typer

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
    "events",
    "audit",
    "db",
)
"""Modules of ``farwire.cli``, in the order of ``farwire --help``; each has a Typer called ``app``."""

_COMMANDS: Final = (
    ("demo", "farwire.demo.command", "demo"),
    ("rate", "farwire.cli.usage", "rate"),
    ("serve", "farwire.cli.serve", "serve"),
)
"""Commands of their own: name, module, function."""


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"farwire {metadata.version('farwire')}")
        raise typer.Exit


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


def main() -> None:
    """Run ``farwire``."""
    build_cli()()
