"""``farwire gateway``: the protocols of the network as processes. ``app`` puts the gateways in."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Protocol

import typer

from farwire.base.clock import Clock
from farwire.base.storage import Database
from farwire.base.telemetry import configure_logging
from farwire.charging.service import Address, shard_address
from farwire.charging.shard.runner import spare_the_collector
from farwire.cli.charging_serve import fast_loop, port_of
from farwire.cli.shell import JsonOption, Output, Session, run

ProfilesArgument = Annotated[
    Path, typer.Argument(help="TOML: our name, where to listen, the peers and whose traffic they bring.")
]
SocketOption = Annotated[
    str, typer.Option("--socket", help="Where the shard listens. Default: all shards, in the data folder.")
]
MetricsOption = Annotated[
    str, typer.Option("--metrics", help="Serve /metrics and /health there: host:port. Default: nowhere.")
]


class Gateway(Protocol):
    """A gateway of some protocol: a module with these functions."""

    def serve(
        self,
        *,
        db: Database,
        clock: Clock,
        profiles: str,
        address_of: Callable[[int], Address],
        metrics: Address | None,
        stop: asyncio.Event,
        ready: Callable[[str], None],
    ) -> Awaitable[None]:
        """Serve until ``stop`` is set; tell ``ready`` where."""
        ...

    def check(self, profiles: str) -> Sequence[Mapping[str, object]]:
        """Return the peers of a document, which can be used. Raises ``Invalid``."""
        ...


def topic(*, diameter: Gateway, nchf: Gateway) -> typer.Typer:
    """Return the commands, over these gateways."""
    app = typer.Typer(
        name="gateway",
        no_args_is_help=True,
        help="Protocols of the network, in front of online charging.\n\n"
        "  farwire gateway diameter check peers.toml\n\n"
        "  farwire gateway diameter serve peers.toml\n\n"
        "  farwire gateway nchf serve consumers.toml\n\n"
        "Shards run by themselves: farwire charging serve.",
    )
    app.add_typer(_diameter(diameter), name="diameter")
    app.add_typer(_nchf(nchf), name="nchf")
    return app


def _diameter(gateway: Gateway) -> typer.Typer:
    app = typer.Typer(
        name="diameter",
        no_args_is_help=True,
        help="Credit control over Diameter: Gy, Ro (RFC 8506, TS 32.299).",
    )

    @app.command("check")
    def check(profiles: ProfilesArgument, as_json: JsonOption = False) -> None:
        """Say who may connect by a file, or what is wrong in it. Nothing is opened.

        [bold]Example[/bold]

          farwire gateway diameter check peers.toml
        """
        rows = gateway.check(read(profiles))
        columns = ("host", "realm", "from", "tls", "tenant", "without_us")
        empty = "Nobody may connect: the file has no [[peers]]."
        Output(as_json=as_json).rows("", columns, rows, empty=empty)

    @app.command("serve")
    def serve(
        profiles: ProfilesArgument,
        socket: SocketOption = "",
        metrics: MetricsOption = "",
    ) -> None:
        """Answer the credit-control requests of the peers of a file, until it is stopped.

        SIGTERM or Ctrl-C: every peer is told, what is in is answered, then it ends. Nothing is kept here: start as many
        as you like in front of the same shards. A request that another one has answered has the same answer here.

        [bold]Example[/bold]

          farwire gateway diameter serve peers.toml --metrics 127.0.0.1:9465
        """
        run(
            lambda session: serve_until_stopped(session, gateway, "Diameter", profiles, socket, metrics),
            loop=fast_loop,
        )

    return app


def _nchf(gateway: Gateway) -> typer.Typer:
    app = typer.Typer(
        name="nchf",
        no_args_is_help=True,
        help="5G charging over HTTP/2: Nchf services (TS 32.290, 32.291, 29.594).",
    )

    @app.command("check")
    def check(profiles: ProfilesArgument, as_json: JsonOption = False) -> None:
        """Say who may ask by a file, or what is wrong in it. Nothing is opened.

        [bold]Example[/bold]

          farwire gateway nchf check consumers.toml
        """
        rows = gateway.check(read(profiles))
        columns = ("name", "from", "tls", "tenant", "without_us")
        empty = "Nobody may ask: the file has no [[consumers]]."
        Output(as_json=as_json).rows("", columns, rows, empty=empty)

    @app.command("serve")
    def serve(
        profiles: ProfilesArgument,
        socket: SocketOption = "",
        metrics: MetricsOption = "",
    ) -> None:
        """Answer the charging data requests of the network functions of a file, until it is stopped.

        SIGTERM or Ctrl-C: the NRF and every connection are told, what is in is answered, then it ends. Nothing is kept
        here: start as many as you like in front of the same shards. Each serves the sessions of all others.

        [bold]Example[/bold]

          farwire gateway nchf serve consumers.toml --metrics 127.0.0.1:9466
        """
        run(
            lambda session: serve_until_stopped(session, gateway, "Nchf", profiles, socket, metrics),
            loop=fast_loop,
        )

    return app


def read(path: Path) -> str:
    """Return a document of profiles."""
    return path.read_text(encoding="utf-8", errors="replace")


async def serve_until_stopped(
    session: Session, gateway: Gateway, protocol: str, profiles: Path, socket: str, metrics: str
) -> None:
    """Serve a gateway in this process until SIGTERM or Ctrl-C."""
    settings = session.settings
    configure_logging(level=settings.log_level, as_json=settings.log_format == "json")
    one = Address.parse(socket) if socket else None
    stop = asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)

    def ready(where: str) -> None:
        spare_the_collector()
        session.out.note(f"{protocol} is served at {where}. Stop with Ctrl-C.")

    await gateway.serve(
        db=session.db,
        clock=session.clock,
        profiles=read(profiles),
        address_of=lambda shard: one or shard_address(settings.data_dir, shard),
        metrics=port_of(metrics) if metrics else None,
        stop=stop,
        ready=ready,
    )
    session.out.note("All that was in is answered.")
