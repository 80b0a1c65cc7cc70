"""``farwire gateway radius``: answer access servers, and the passwords of subscribers. ``app`` puts the gateway in."""

from __future__ import annotations

import sys
from collections.abc import Awaitable
from datetime import datetime
from pathlib import Path
from typing import Annotated, Protocol

import typer

from farwire.base.storage import Tx
from farwire.cli.charging_options import AccountArgument, account_named
from farwire.cli.charging_serve import fast_loop
from farwire.cli.gateway import Gateway, MetricsOption, SocketOption, read, serve_until_stopped
from farwire.cli.shell import ActorOption, JsonOption, Output, Session, TenantOption, actor_named, run
from farwire.kernel.errors import Invalid
from farwire.kernel.tenancy import Actor

ProfilesArgument = Annotated[
    Path, typer.Argument(help="TOML: where to listen, who may ask, with which secret, for whose subscribers.")
]
PasswordOption = Annotated[
    Path | None,
    typer.Option(
        "--password-file", help="Read it from a file, or from standard input (-). Else it is asked for."
    ),
]
ChapOption = Annotated[
    bool, typer.Option("--chap", help="Keep it readably too: CHAP cannot be checked with a hash.")
]


class RadiusGateway(Gateway, Protocol):
    """A gateway that has passwords."""

    def set_credential(
        self, tx: Tx, *, account: int, password: str, chap: bool, now: datetime, actor: Actor
    ) -> Awaitable[None]:
        """Set the password of an account."""
        ...

    def forget_credential(self, tx: Tx, *, account: int, now: datetime, actor: Actor) -> Awaitable[bool]:
        """Delete the password of an account; return whether it had one."""
        ...


def topic(gateway: RadiusGateway) -> typer.Typer:
    """Return the commands, over this gateway."""
    app = typer.Typer(
        name="radius",
        no_args_is_help=True,
        help="Authentication, accounting and changes of sessions over RADIUS (RFC 2865, 2866, 5176).\n\n"
        "  farwire gateway radius check clients.toml\n\n"
        "  farwire gateway radius serve clients.toml\n\n"
        "  farwire gateway radius credential set 4915112345678 --tenant acme",
    )

    @app.command("check")
    def check(profiles: ProfilesArgument, as_json: JsonOption = False) -> None:
        """Say who may ask by a file, or what is wrong in it. Nothing is opened.

        [bold]Example[/bold]

          farwire gateway radius check clients.toml
        """
        columns = ("name", "from", "tenant", "counts", "renewal", "authenticator", "changes")
        empty = "Nobody may ask: the file has no [[clients]]."
        Output(as_json=as_json).rows("", columns, gateway.check(read(profiles)), empty=empty)

    @app.command("serve")
    def serve(profiles: ProfilesArgument, socket: SocketOption = "", metrics: MetricsOption = "") -> None:
        """Answer the access servers of a file, and tell them of changes, until it is stopped.

        SIGTERM or Ctrl-C: what is in is answered, then it ends. Start as many as you like in front of the same shards.

        [bold]Example[/bold]

          farwire gateway radius serve clients.toml --metrics 127.0.0.1:9466
        """
        run(
            lambda session: serve_until_stopped(session, gateway, "RADIUS", profiles, socket, metrics),
            loop=fast_loop,
        )

    app.add_typer(_credentials(gateway), name="credential")
    return app


def _credentials(gateway: RadiusGateway) -> typer.Typer:
    app = typer.Typer(
        name="credential",
        no_args_is_help=True,
        help="Passwords of subscribers: one for each charging account, kept as a hash.\n\n"
        "  farwire gateway radius credential set 4915112345678 --tenant acme\n\n"
        "  farwire gateway radius credential forget 4915112345678 --tenant acme",
    )

    @app.command("set")
    def set_one(
        account: AccountArgument,
        tenant: TenantOption,
        password_file: PasswordOption = None,
        chap: ChapOption = False,
        actor: ActorOption = "",
    ) -> None:
        """Set the password with which a subscriber logs in. The one before no longer counts.

        [bold]Example[/bold]

          farwire gateway radius credential set 4915112345678 --password-file secret.txt --tenant acme
        """
        run(
            lambda session: _set(
                session, gateway, tenant, account, _password(password_file), actor, chap=chap
            )
        )

    @app.command("forget")
    def forget(account: AccountArgument, tenant: TenantOption, actor: ActorOption = "") -> None:
        """Delete the password of a subscriber, who can then no longer log in.

        [bold]Example[/bold]

          farwire gateway radius credential forget 4915112345678 --tenant acme
        """
        run(lambda session: _forget(session, gateway, tenant, account, actor))

    return app


async def _set(
    session: Session,
    gateway: RadiusGateway,
    tenant: str,
    account: str,
    password: str,
    actor: str,
    *,
    chap: bool,
) -> None:
    found = await account_named(session, tenant, account)
    now, who = session.clock.now(), actor_named(actor)
    async with session.db.transaction(await session.tenant(tenant)) as tx:
        await gateway.set_credential(
            tx, account=found.number, password=password, chap=chap, now=now, actor=who
        )
    session.out.note(f"{account} logs in with this password from now on.")


async def _forget(session: Session, gateway: RadiusGateway, tenant: str, account: str, actor: str) -> None:
    found = await account_named(session, tenant, account)
    now, who = session.clock.now(), actor_named(actor)
    async with session.db.transaction(await session.tenant(tenant)) as tx:
        there = await gateway.forget_credential(tx, account=found.number, now=now, actor=who)
    session.out.note("It is gone." if there else f"{account} has no password.")


def _password(path: Path | None) -> str:
    """Return the password from a file, from standard input ("-"), or from a person, who does not see it."""
    if path is None:
        return str(typer.prompt("Password of the subscriber", hide_input=True, confirmation_prompt=True))
    octets = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
    try:
        return octets.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise Invalid(
            "the password is not text", code="radius.password_length", field="password_file"
        ) from None
