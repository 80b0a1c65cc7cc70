"""``farwire tmf``: how the TM Forum Open APIs behave for an operator, and who listens to their events."""

from __future__ import annotations

from typing import Annotated

import typer

from farwire.base.tmf import operations
from farwire.base.tmf.operations import References
from farwire.base.tmf_events import operations as listening
from farwire.cli.shell import (
    ActorOption,
    JsonOption,
    LimitOption,
    OffsetOption,
    Session,
    TenantOption,
    actor_named,
    run,
)
from farwire.kernel.errors import Invalid
from farwire.kernel.ids import parse_id
from farwire.kernel.page import PageRequest

app = typer.Typer(
    name="tmf",
    no_args_is_help=True,
    help="TM Forum Open APIs: references and listeners (docs/tmf.md).\n\n"
    "Example:\n\n"
    "  farwire tmf references 620 --mode lenient -t acme\n\n"
    "  farwire tmf listeners -t acme",
)


@app.command("references")
def references(
    tenant: TenantOption,
    api: Annotated[str, typer.Argument(help="The API's number, e.g. 620. Without it: what is set.")] = "",
    mode: Annotated[
        References, typer.Option("--mode", help="lenient: what a document refers to need not be there.")
    ] = References.STRICT,
    actor: ActorOption = "",
    as_json: JsonOption = False,
) -> None:
    """Say whether what a document refers to must be there, and what is referred to must stay. Strict is the default."""

    async def act(session: Session) -> None:
        async with session.db.transaction(await session.tenant(tenant)) as tx:
            if api:
                if not (len(api) == 3 and api.isascii() and api.isdigit()):
                    raise Invalid(
                        "an API is named by its three digits", code="tmf.api", field="api", value=api
                    )
                await operations.set_references(
                    tx, api=api, mode=mode, actor=actor_named(actor), clock=session.clock
                )
            found = await operations.references(tx)
        session.out.rows(
            f"References of {tenant}",
            ("api", "mode"),
            [{"api": f"TMF{number}", "mode": set_to.value} for number, set_to in found.items()],
            empty="Strict for every API.",
        )

    run(act, as_json)


@app.command("listeners")
def listeners(
    tenant: TenantOption,
    offset: OffsetOption = 0,
    limit: LimitOption = 50,
    as_json: JsonOption = False,
) -> None:
    """Show who listens to events of the Open APIs, and who is away."""

    async def act(session: Session) -> None:
        async with session.db.transaction(await session.tenant(tenant), read_only=True) as tx:
            found = await listening.listeners(tx, limit=limit, offset=offset)
        session.out.rows(
            f"Listeners of {tenant}",
            ("id", "api", "version", "callback", "query", "away_from"),
            [
                {
                    "id": one.id,
                    "api": f"TMF{one.api}",
                    "version": one.version.value,
                    "callback": one.callback,
                    "query": one.query,
                    "away_from": one.missed[0] if one.missed else None,
                }
                for one in found
            ],
            empty="Nobody listens. A system registers itself: POST /tmf-api/…/hub (docs/tmf.md).",
            right=("away_from",),
        )

    run(act, as_json)


@app.command("replay")
def replay(
    tenant: TenantOption,
    listener: Annotated[str, typer.Argument(help="Its id; see `farwire tmf listeners`.")],
    position: Annotated[int, typer.Option("--from", min=1, help="A position of `farwire events list`.")],
    until: Annotated[
        int, typer.Option("--to", min=0, help="The last position. Without it: all from there on.")
    ] = 0,
    actor: ActorOption = "",
    as_json: JsonOption = False,
) -> None:
    """Let a listener hear again what it heard from a position on, in the same order. One that is away goes on there."""

    async def act(session: Session) -> None:
        who = actor_named(actor)
        async with session.db.transaction(await session.tenant(tenant)) as tx:
            if until:
                done = await listening.replay_range(
                    tx, listener=listener, first=position, last=until, actor=who, clock=session.clock
                )
            else:
                done = await listening.replay(
                    tx, listener=listener, position=position, actor=who, clock=session.clock
                )
        facts = {"hears_from": done.first, "through": done.through}
        session.out.facts(f"Listener {listener}", facts | ({"events": done.count} if until else {}))
        session.out.note("A running `farwire worker` tells it.")

    run(act, as_json)


@app.command("dead-letters")
def dead_letters(
    tenant: TenantOption,
    offset: OffsetOption = 0,
    limit: LimitOption = 50,
    as_json: JsonOption = False,
) -> None:
    """Show what listeners do not take, resource by resource: what is tried again, and what waits for you."""

    async def act(session: Session) -> None:
        page = PageRequest(limit=limit, offset=offset)
        async with session.db.transaction(await session.tenant(tenant), read_only=True) as tx:
            found = await listening.not_taken(tx, page=page)
        session.out.rows(
            f"Not taken by listeners of {tenant}",
            ("id", "listener", "resource", "state", "attempts", "since", "from", "to", "error"),
            [
                {
                    "id": one.id,
                    "listener": one.hub,
                    "resource": one.resource,
                    "state": "dead" if one.dead else "waiting",
                    "attempts": one.attempts,
                    "since": one.failing_since,
                    "from": one.first,
                    "to": one.last,
                    "error": one.error,
                }
                for one in found.items
            ],
            empty="Listeners take what they are told.",
            right=("attempts", "from", "to"),
        )

    run(act, as_json)


@app.command("retry")
def retry(
    tenant: TenantOption,
    letter: Annotated[str, typer.Argument(help="An id of `farwire tmf dead-letters`.")],
    skip: Annotated[bool, typer.Option("--skip", help="Leave its first event out instead.")] = False,
    actor: ActorOption = "",
    as_json: JsonOption = False,
) -> None:
    """Send a listener again what it did not take of a resource, in its order; or leave the first of it out."""

    async def act(session: Session) -> None:
        key, who = parse_id(letter, field="letter"), actor_named(actor)
        async with session.db.transaction(await session.tenant(tenant)) as tx:
            if skip:
                await listening.give_up(tx, key=key, actor=who, clock=session.clock)
            else:
                await listening.try_again(tx, key=key, actor=who, clock=session.clock)
        session.out.facts(f"Dead letter {letter}", {"skipped" if skip else "sent_again": "first event"})
        session.out.note("A running `farwire worker` goes on with it.")

    run(act, as_json)
