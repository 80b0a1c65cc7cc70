"""``farwire charging serve``: one shard as a process."""

from __future__ import annotations

import asyncio
import signal
from typing import Annotated

import typer

from farwire.base.telemetry import configure_logging
from farwire.charging.log import Durability
from farwire.charging.service import Address, shard_address
from farwire.charging.service.owning import LogKind, Ownership
from farwire.charging.service.serving import Ready, Serving
from farwire.charging.service.serving import serve as serve_shard
from farwire.charging.shard.runner import Policy, spare_the_collector
from farwire.cli.shell import Session, run
from farwire.kernel.errors import Invalid


def serve(
    shard: Annotated[int, typer.Option("--shard", min=0, help="Which shard.")] = 0,
    shards: Annotated[
        str,
        typer.Option(
            "--shards",
            help="All shards, when subscribers are dealt out for the first time: 0,1,2. Default: this one.",
        ),
    ] = "",
    socket: Annotated[
        str,
        typer.Option(
            "--socket", help="Listen there: a path, or host:port. Default: a socket in the data folder."
        ),
    ] = "",
    log: Annotated[
        LogKind,
        typer.Option(
            "--log", help="Where the log is: in files of the data folder, or in PostgreSQL with a standby."
        ),
    ] = LogKind.FILE,
    durability: Annotated[
        Durability,
        typer.Option(
            "--durability", help="What an answer survives: the end of the process, the host, or the zone."
        ),
    ] = Durability.HOST,
    records: Annotated[
        int,
        typer.Option("--records", min=1_000, help="Room for so many records; an idle subscriber has two."),
    ] = 4_000_000,
    metrics: Annotated[
        str, typer.Option("--metrics", help="Serve /metrics and /health there: host:port. Default: nowhere.")
    ] = "",
    snapshot_s: Annotated[
        int,
        typer.Option(
            "--snapshot-s", min=10, help="Seconds between two copies of the state, where it changed."
        ),
    ] = 600,
) -> None:
    """Charge online: recover a shard, answer its clients, and bring what moved to the books, until it is stopped.

    SIGTERM or Ctrl-C: what is in is answered, nothing more is let in, the shard is given up. What was answered
    survives; what was not answered is asked again by its client and charged once.

    [bold]Examples[/bold]

      farwire charging serve

      farwire charging serve --shard 1 --shards 0,1 --metrics 127.0.0.1:9464

      farwire charging serve --log postgres --durability zone

    A second process on the same log in PostgreSQL stands by, and takes over when the first one is gone.
    """

    async def act(session: Session) -> None:
        configure_logging(level=session.settings.log_level, as_json=session.settings.log_format == "json")
        folder = session.settings.data_dir
        serving = Serving(
            ownership=Ownership(
                shard=shard,
                folder=folder / "charging" / f"shard-{shard}",
                log=log,
                durability=durability,
                records=records,
                policy=Policy(seconds=snapshot_s),
            ),
            address=Address.parse(socket) if socket else shard_address(folder, shard),
            shards=_shards(shards, shard),
            metrics=port_of(metrics) if metrics else None,
        )
        stop = asyncio.Event()
        for name in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(name, stop.set)

        def ready(found: Ready) -> None:
            spare_the_collector()
            session.out.note(
                f"Shard {shard} serves at {serving.address}, epoch {found.epoch}, sequence {found.last}: "
                f"{found.records} records, {found.plans} plans, {found.offers} offers. Stop with Ctrl-C."
            )
            if not found.vshards:
                session.out.note("No subscriber lives here yet. Give it some: farwire charging move --spread")

        if log is LogKind.POSTGRES:
            session.out.note(f"Standing by for shard {shard} until it is free.")
        await serve_shard(db=session.db, clock=session.clock, serving=serving, stop=stop, ready=ready)
        session.out.note(f"Shard {shard} has answered everything and is given up.")

    run(act, loop=fast_loop)


def fast_loop() -> asyncio.AbstractEventLoop:
    """Return the loop of processes that serve: it costs less CPU than the usual one."""
    import uvloop

    return uvloop.new_event_loop()


def _shards(text: str, shard: int) -> tuple[int, ...]:
    """Return the shards of ``--shards``. Raises ``Invalid`` (``charging.shards``)."""
    names = [name.strip() for name in text.split(",")] if text else [str(shard)]
    if (
        not all(name.isascii() and name.isdigit() and len(name) < 6 for name in names)
        or str(shard) not in names
    ):
        raise Invalid(
            "the shards are numbers with commas between, and this one is among them",
            code="charging.shards",
            field="shards",
            value=text,
            fix=f"for example --shards 0,1 --shard {shard}",
        )
    return tuple(int(name) for name in names)


def port_of(text: str) -> Address:
    """Return the host and port of ``--metrics``. Raises ``Invalid`` (``charging.address``)."""
    address = Address.parse(text)
    if address.path:
        raise Invalid(
            "metrics need a port", code="charging.address", field="metrics", value=text, fix="host:port"
        )
    return address
