"""``farwire events``: read a tenant's events, look after the subscribers that receive them."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Annotated

import typer

from farwire.base.eventbus import Event, list_events, operations, to_cloudevent
from farwire.base.eventbus.delivery import Subscriber
from farwire.base.eventbus.relay import Relay, RelaySettings
from farwire.base.storage import Database, open_relay
from farwire.cli.shell import ExitCode, JsonOption, Session, TenantOption, run
from farwire.kernel.page import MAX_LIMIT
from farwire.kernel.tenancy import Actor, ActorKind

app = typer.Typer(
    name="events",
    no_args_is_help=True,
    help="Events: what happened, in order, and the subscribers that follow it (docs/events.md).\n\n"
    "An event that a subscriber cannot take is tried again and then parked; later events of the same subject wait "
    "behind it until somebody retries or discards it.",
)

SubscriberOption = Annotated[
    str, typer.Option("--subscriber", "-s", help="By its name; see `farwire events subscribers`.")
]
OPERATOR = Actor(ActorKind.OPERATOR, "cli")


class _ReaderGone(BaseException):
    """Nobody reads our output any more. Not an ``Exception``: no event's own attempt has failed."""


def _print_line(text: str) -> None:
    try:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        # What is still buffered goes nowhere; otherwise the interpreter would complain at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise _ReaderGone from None


@asynccontextmanager
async def _relay(session: Session) -> AsyncIterator[Database]:
    db = await open_relay(session.settings)
    try:
        yield db
    finally:
        await db.close()


@app.command("list")
def list_(
    tenant: TenantOption,
    after: Annotated[int, typer.Option(min=0, help="Only events behind this position.")] = 0,
    limit: Annotated[int, typer.Option(min=1, max=MAX_LIMIT, help="How many, the oldest first.")] = 50,
    event_type: Annotated[str, typer.Option("--type", help="Only types that start with this.")] = "",
    subject: Annotated[str | None, typer.Option(help="Only events about this thing.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Show a tenant's events; with --json as CloudEvents. Go on with --after and the last position.

    Example: farwire events list --tenant acme --type farwire.usage.
    """

    async def act(session: Session) -> None:
        tenant_id = await session.tenant(tenant)
        async with session.db.transaction(tenant_id, read_only=True) as tx:
            found = await list_events(
                tx=tx, after=after, limit=limit, type_prefix=event_type, subject=subject
            )
        rows: list[dict[str, object]] = [
            {"position": position, "event": to_cloudevent(event)}
            if as_json
            else {
                "position": position,
                "occurred_at": event.occurred_at,
                "type": event.type,
                "subject": event.subject,
                "data": event.data,
            }
            for position, event in found
        ]
        session.out.rows(
            f"Events of {tenant}",
            ("position", "occurred_at", "type", "subject", "data"),
            rows,
            empty="No events.",
            right=("position",),
        )

    run(act, as_json)


@app.command()
def subscribers(as_json: JsonOption = False) -> None:
    """Show who follows the events, how far behind, and what waits or is parked."""

    async def act(session: Session) -> None:
        async with _relay(session) as relay_db:
            found = await operations.subscribers(relay_db=relay_db)
        session.out.rows(
            "Subscribers",
            ("name", "position", "behind", "waiting", "parked", "updated_at"),
            [
                {
                    "name": s.name,
                    "position": s.position,
                    "behind": s.behind,
                    "waiting": s.waiting,
                    "parked": s.parked,
                    "updated_at": s.updated_at,
                }
                for s in found
            ],
            empty="No subscriber has run yet.",
            right=("position", "behind", "waiting", "parked"),
        )

    run(act, as_json)


@app.command()
def follow(
    subscriber: SubscriberOption,
    event_type: Annotated[
        list[str] | None, typer.Option("--type", help="A type, or its start and a star; may be repeated.")
    ] = None,
    tenant: Annotated[str | None, typer.Option("--tenant", "-t", help="Only this operator's.")] = None,
    from_now: Annotated[
        bool, typer.Option("--from-now", help="A new subscriber skips what was published before.")
    ] = False,
    once: Annotated[
        bool, typer.Option("--once", help="Stop when everything published so far is printed.")
    ] = False,
) -> None:
    """Print events as CloudEvents, one JSON document a line, going on where this subscriber stopped last time.

    The position is kept after the lines are written: an interruption may repeat lines, and never loses one.
    Example: farwire events follow -s warehouse --type 'farwire.usage.*' >> usage-events.jsonl
    """

    async def act(session: Session) -> None:
        only = None if tenant is None else await session.tenant(tenant)

        async def write(event: Event) -> None:
            if only in (None, event.tenant_id):
                _print_line(json.dumps(to_cloudevent(event), ensure_ascii=False))

        types = tuple(event_type or ("*",))
        receiver = Subscriber(subscriber, write, types=types, from_start=not from_now)
        async with _relay(session) as relay_db:
            # One subject at a time: lines come in the order of their positions.
            bounds = RelaySettings(concurrency=1)
            relay = Relay(db=relay_db, clock=session.clock, subscribers=(receiver,), settings=bounds)
            gone = False
            try:
                await (relay.drain() if once else relay.run(asyncio.Event()))
            except* _ReaderGone:
                gone = True
            finally:
                await relay.release()
        if gone:
            raise typer.Exit(ExitCode.INTERRUPTED)

    run(act)


@app.command()
def parked(
    subscriber: Annotated[str | None, typer.Option("--subscriber", "-s", help="Only this one's.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=MAX_LIMIT, help="How many, the oldest first.")] = 100,
    as_json: JsonOption = False,
) -> None:
    """Show events whose attempts are used up, with the last error and how many wait behind each."""

    async def act(session: Session) -> None:
        async with _relay(session) as relay_db:
            found = await operations.parked(relay_db=relay_db, subscriber=subscriber, limit=limit)
        session.out.rows(
            "Parked events",
            ("subscriber", "position", "type", "subject", "attempts", "waiting_behind", "error"),
            [
                {
                    "subscriber": p.subscriber,
                    "position": p.position,
                    "tenant_id": p.tenant_id,
                    "event_id": p.event_id,
                    "type": p.type,
                    "subject": p.subject,
                    "attempts": p.attempts,
                    "waiting_behind": p.waiting_behind,
                    "error": p.error,
                    "set_aside_at": p.set_aside_at,
                }
                for p in found
            ],
            empty="Nothing is parked.",
            right=("position", "attempts", "waiting_behind"),
        )

    run(act, as_json)


@app.command()
def replay(
    subscriber: SubscriberOption,
    from_position: Annotated[int, typer.Option("--from", min=1, help="The first position to be seen again.")],
    as_json: JsonOption = False,
) -> None:
    """Let a subscriber see every kept event from a position on again. A running relay notices by itself.

    Receivers are idempotent, so what they did already they do not do twice.
    Example: farwire events replay --subscriber webhooks --from 1200
    """

    async def act(session: Session) -> None:
        async with _relay(session) as relay_db:
            first = await operations.replay(
                relay_db=relay_db, clock=session.clock, subscriber=subscriber, from_position=from_position
            )
        session.out.facts("Replay", {"subscriber": subscriber, "first_position": first})

    run(act, as_json)


@app.command()
def retry(
    subscriber: SubscriberOption,
    position: Annotated[int | None, typer.Option(min=1, help="Only this one; absent: all parked.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Try parked events again, with all their attempts; those behind them follow."""

    async def act(session: Session) -> None:
        async with _relay(session) as relay_db:
            count = await operations.retry(
                relay_db=relay_db, clock=session.clock, subscriber=subscriber, position=position
            )
        session.out.facts("Retry", {"subscriber": subscriber, "events": count})

    run(act, as_json)


@app.command()
def discard(
    subscriber: SubscriberOption,
    position: Annotated[int, typer.Option(min=1, help="The parked event.")],
    as_json: JsonOption = False,
) -> None:
    """Give a parked event up for this subscriber. The event stays in the log; the audit log says who gave it up."""

    async def act(session: Session) -> None:
        async with _relay(session) as relay_db:
            gone = await operations.discard(
                relay_db=relay_db,
                db=session.db,
                clock=session.clock,
                actor=OPERATOR,
                subscriber=subscriber,
                position=position,
            )
        session.out.facts(
            "Discarded",
            {"subscriber": subscriber, "event_id": gone.event_id, "released": gone.waiting_behind},
        )

    run(act, as_json)


@app.command()
def forget(subscriber: SubscriberOption, as_json: JsonOption = False) -> None:
    """Remove a subscriber that no process serves any more; it would keep old events from being purged."""

    async def act(session: Session) -> None:
        async with _relay(session) as relay_db:
            await operations.forget(relay_db=relay_db, subscriber=subscriber)
        session.out.facts("Forgotten", {"subscriber": subscriber})

    run(act, as_json)


@app.command()
def purge(
    keep_days: Annotated[int, typer.Option("--keep-days", min=1, help="Events younger than this stay.")],
    as_json: JsonOption = False,
) -> None:
    """Delete old events that every subscriber has passed and none has set aside.

    Example: farwire events purge --keep-days 90
    """

    async def act(session: Session) -> None:
        before = session.clock.now() - timedelta(days=keep_days)
        async with _relay(session) as relay_db:
            count = await operations.purge(relay_db=relay_db, before=before)
        session.out.facts("Purged", {"events": count, "before": before})

    run(act, as_json)
