"""``farwire payment gateway``: the secrets with which gateways sign what they tell."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from farwire.cli.shell import ActorOption, JsonOption, Session, TenantOption, actor_named, run
from farwire.kernel.errors import Invalid
from farwire.payment import service
from farwire.payment.model import MethodKind

app = typer.Typer(
    name="gateway",
    no_args_is_help=True,
    help="Gateways: the secret with which each signs its notices.\n\n"
    "  farwire payment gateway set card --secret-file secret.txt\n\n"
    "  farwire payment gateway new mobile_money\n\n"
    "A secret is kept and never shown again. A new one takes the place of the one before at once.",
)

MethodArgument = Annotated[MethodKind, typer.Argument(help="What the gateway charges: card or mobile_money.")]


def _secret(path: Path | None) -> str:
    """Return the secret from a file, from standard input ("-"), or from a person, who does not see it."""
    if path is None:
        return str(typer.prompt("Secret of the gateway", hide_input=True))
    octets = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
    try:
        return octets.decode().strip()
    except UnicodeDecodeError:
        raise Invalid("the secret is not text", code="payment.secret", field="secret_file") from None


@app.command("set")
def set_secret(
    tenant: TenantOption,
    method: MethodArgument,
    secret_file: Annotated[
        Path | None,
        typer.Option(
            "--secret-file",
            help="A file with the secret and nothing else; - reads standard input. Asked for by default.",
            exists=True,
            dir_okay=False,
            allow_dash=True,
        ),
    ] = None,
    actor: ActorOption = "",
    as_json: JsonOption = False,
) -> None:
    """Keep the secret that the gateway gave you: only notices signed with it are believed."""

    async def act(session: Session) -> None:
        async with session.db.transaction(await session.tenant(tenant)) as tx:
            now = session.clock.now()
            await service.set_gateway_secret(
                tx, method=method, secret=_secret(secret_file), now=now, actor=actor_named(actor)
            )
        session.out.facts("Gateway", {"method": method, "changed_at": now})

    run(act, as_json)


@app.command("new")
def new_secret(
    tenant: TenantOption, method: MethodArgument, actor: ActorOption = "", as_json: JsonOption = False
) -> None:
    """Make a secret, keep it, and show it this once: tell it to the gateway."""

    async def act(session: Session) -> None:
        async with session.db.transaction(await session.tenant(tenant)) as tx:
            now = session.clock.now()
            secret = await service.new_gateway_secret(tx, method=method, now=now, actor=actor_named(actor))
        session.out.facts("Gateway", {"method": method, "changed_at": now, "secret": secret})

    run(act, as_json)


@app.command("list")
def list_gateways(tenant: TenantOption, as_json: JsonOption = False) -> None:
    """List the gateways that have a secret. Secrets are never shown."""

    async def act(session: Session) -> None:
        async with session.db.transaction(await session.tenant(tenant)) as tx:
            found = await service.gateways(tx)
        rows = [{"method": method, "changed_at": at} for method, at in found.items()]
        empty = "No gateway has a secret yet: farwire payment gateway set card --secret-file FILE"
        session.out.rows("Gateways", ("method", "changed_at"), rows, empty=empty)

    run(act, as_json)
