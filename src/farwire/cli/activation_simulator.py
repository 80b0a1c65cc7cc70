"""``farwire activation``: what a simulated element is made to do, to see what becomes of it."""

from __future__ import annotations

from typing import Annotated

import typer

from farwire.activation.model import FaultKind
from farwire.activation.simulator import plant_fault, tamper
from farwire.cli.shell import JsonOption, Session, TenantOption, run

NameArgument = Annotated[str, typer.Argument(help="A simulated element.")]


def register(app: typer.Typer) -> None:
    """Add these commands to ``farwire activation``."""
    app.command("fault")(fault)
    app.command("tamper")(tamper_)


def fault(
    tenant: TenantOption,
    name: NameArgument,
    kind: Annotated[FaultKind, typer.Argument(help="How it misbehaves.")],
    count: Annotated[int, typer.Option("--count", min=1, max=1_000_000, help="So many times.")] = 1,
    delay_ms: Annotated[int, typer.Option("--delay-ms", min=0, max=60_000, help="How late it answers.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Let a simulated element misbehave the next times it is asked.

    Example: farwire activation fault hlr drop --count 2 --tenant acme
    """

    async def act(session: Session) -> None:
        async with session.db.transaction(await session.tenant(tenant)) as tx:
            await plant_fault(tx, adapter=name, kind=kind, count=count, delay_ms=delay_ms)
        session.out.facts("Fault", {"element": name, "kind": kind, "count": count})

    run(act, as_json)


def tamper_(
    tenant: TenantOption,
    name: NameArgument,
    target: Annotated[str, typer.Argument(help="What is changed behind Farwire's back.")],
    attribute: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=TEXT", help="Nothing: it is lost.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Change what a simulated element knows, or let it lose a target: drift, to see it found.

    Example: farwire activation tamper access stranger --set ont=enabled --tenant acme
    """

    async def act(session: Session) -> None:
        texts = {text.partition("=")[0]: text.partition("=")[2] for text in attribute or ()}
        async with session.db.transaction(await session.tenant(tenant)) as tx:
            await tamper(tx, adapter=name, target=target, attributes=texts or None)
        session.out.facts("Changed", {"element": name, "attributes": ", ".join(texts) or "lost"})

    run(act, as_json)
