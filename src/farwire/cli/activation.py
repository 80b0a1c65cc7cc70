"""``farwire activation``: adapters, the elements behind them, previews, and drift."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from farwire.activation import service
from farwire.activation.adapters import TIMEOUT_S, Element
from farwire.activation.adapters.settings import settings_in
from farwire.activation.model import Action, FindingState, Operation, Policy
from farwire.cli import activation_simulator
from farwire.cli.shell import (
    ActorOption,
    ExitCode,
    JsonOption,
    LimitOption,
    OffsetOption,
    Output,
    Session,
    TenantOption,
    actor_named,
    errors_as_exit_codes,
    run,
)
from farwire.kernel.errors import Invalid
from farwire.kernel.page import PageRequest

app = typer.Typer(
    name="activation",
    no_args_is_help=True,
    help="The network: who speaks to it, what an operation would change there, and what drifted.\n\n"
    "  farwire activation preview access provision line-7 --set offering=fibre-250 --tenant acme\n\n"
    "  farwire activation look --tenant acme\n\n"
    "  farwire activation drift --state open --tenant acme",
)
activation_simulator.register(app)

NameArgument = Annotated[str, typer.Argument(help="As the catalogue calls it in its operations.")]
SetOption = Annotated[
    list[str] | None, typer.Option("--set", metavar="NAME=TEXT", help="An attribute. Repeat it for more.")
]


@app.command()
def adapters(as_json: JsonOption = False) -> None:
    """Show what speaks to network elements, and what is proven of each."""
    out = Output(as_json=as_json)
    with errors_as_exit_codes(out):
        rows = [
            {"adapter": one.name, "level": one.level, "what": one.what, "not_proven": ", ".join(one.missing)}
            for one in service.qualities()
        ]
        out.rows("Adapters", ("adapter", "level", "what", "not_proven"), rows, empty="")


@app.command()
def elements(tenant: TenantOption, as_json: JsonOption = False) -> None:
    """Show the elements of a tenant, the built-in simulators too, and how the look for drift stands with each."""

    async def act(session: Session) -> None:
        async with session.db.transaction(await session.tenant(tenant), read_only=True) as tx:
            found = await service.list_watched(tx)
        columns = ("name", "adapter", "address", "policy", "rounds", "problem")
        rows = [
            {
                "name": one.name,
                "adapter": one.adapter,
                "address": one.address,
                "credentials": one.credentials,
                "timeout_s": one.timeout_s,
                "policy": watch.policy,
                "rounds": watch.round,
                "round_ended_at": watch.ended_at,
                "rests_until": watch.resume_at,
                "problem": watch.problem,
            }
            for one, watch in found
        ]
        session.out.rows(f"Elements of {tenant}", columns, rows, empty="")

    run(act, as_json)


@app.command("set")
def set_(
    tenant: TenantOption,
    name: NameArgument,
    adapter: Annotated[str, typer.Option("--adapter", help="One of `farwire activation adapters`.")],
    address: Annotated[str, typer.Option("--address", help="Where it is.")] = "",
    credentials: Annotated[
        str, typer.Option("--credentials", help="Where its secret lies: env:NAME or file:/path.")
    ] = "",
    setting: Annotated[
        list[str] | None,
        typer.Option("--setting", metavar="NAME=TEXT", help="See its adapter. Repeat it for more."),
    ] = None,
    settings: Annotated[
        Path | None, typer.Option("--settings", help="A TOML file of settings.", exists=True, dir_okay=False)
    ] = None,
    timeout: Annotated[float, typer.Option("--timeout", help="Seconds for an answer.")] = TIMEOUT_S,
    actor: ActorOption = "",
    as_json: JsonOption = False,
) -> None:
    """Let operations for a name go to an element. The next look brings it to what was applied under the name.

    Example: farwire activation set access --adapter netconf --address olt1.example:830 --credentials env:OLT1 -t acme
    """

    async def act(session: Session) -> None:
        tenant_id = await session.tenant(tenant)
        given = settings_in(settings.read_text("utf-8")) if settings else {}
        given |= _pairs(setting, "setting")
        one = Element(tenant_id, name, adapter, address, credentials, given, timeout)
        async with session.db.transaction(tenant_id) as tx:
            await service.set_element(tx, element=one, now=session.clock.now(), actor=actor_named(actor))
        session.out.facts("Element", {"name": name, "adapter": adapter, "address": address})

    run(act, as_json)


@app.command()
def remove(
    tenant: TenantOption, name: NameArgument, actor: ActorOption = "", as_json: JsonOption = False
) -> None:
    """Forget an element; a name that is built in means its simulator again."""

    async def act(session: Session) -> None:
        async with session.db.transaction(await session.tenant(tenant)) as tx:
            await service.remove_element(tx, name=name, now=session.clock.now(), actor=actor_named(actor))
        session.out.facts("Element", {"name": name, "removed": True})

    run(act, as_json)


@app.command()
def preview(
    tenant: TenantOption,
    name: NameArgument,
    action: Annotated[Action, typer.Argument(help="What would be done.")],
    target: Annotated[str, typer.Argument(help="To what: an IMSI, an ICCID, a product's id.")],
    attribute: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what an operation would change; nothing is sent to the network but questions.

    Example: farwire activation preview access change line-7 --set offering=fibre-500 --tenant acme
    """

    async def act(session: Session) -> None:
        operation = Operation("preview", action, target, _pairs(attribute, "set"))
        async with session.db.transaction(await session.tenant(tenant)) as tx:
            seen = await service.preview(tx, adapter=name, operation=operation)
        there, wanted = seen.there or {}, seen.wanted or {}
        rows: list[dict[str, object]] = [
            {"attribute": one, "there": there.get(one), "wanted": wanted.get(one)} for one in seen.differs
        ]
        empty = "Nothing would change."
        session.out.rows(f"{action} at {name}", ("attribute", "there", "wanted"), rows, empty=empty)

    run(act, as_json)


def _pairs(texts: list[str] | None, option: str) -> dict[str, str]:
    found = {}
    for text in texts or ():
        name, equals, value = text.partition("=")
        if not equals:
            raise Invalid("it is NAME=TEXT", code="activation.pair", field=option, value=text)
        found[name] = value
    return found


@app.command()
def drift(
    tenant: TenantOption,
    adapter: Annotated[str | None, typer.Option("--adapter", help="Only of this one.")] = None,
    state: Annotated[FindingState | None, typer.Option("--state", help="Only in this state.")] = None,
    offset: OffsetOption = 0,
    limit: LimitOption = 50,
    as_json: JsonOption = False,
) -> None:
    """Show where the network differed from what was applied, and what became of it, the newest first."""

    async def act(session: Session) -> None:
        async with session.db.transaction(await session.tenant(tenant), read_only=True) as tx:
            page = await service.list_findings(
                tx, page=PageRequest(offset, limit), adapter=adapter, state=state
            )
        columns = ("adapter", "kind", "target", "attributes", "state", "found_at", "problem")
        rows = [
            {
                "id": one.id,
                "adapter": one.adapter,
                "kind": one.kind,
                "target": one.name,
                "attributes": ", ".join(one.attributes),
                "state": one.state,
                "found_at": one.found_at,
                "ended_at": one.ended_at,
                "failed_repairs": one.attempts,
                "problem": one.problem,
            }
            for one in page.items
        ]
        empty = f"No drift was found. Look now: farwire activation look --tenant {tenant}"
        session.out.rows("Drift", columns, rows, empty=empty, total=page.total)

    run(act, as_json)


@app.command()
def look(
    tenant: TenantOption,
    name: Annotated[
        list[str] | None, typer.Argument(help="Adapters; also those that rest, and repairs given up.")
    ] = None,
    actor: ActorOption = "",
    as_json: JsonOption = False,
) -> None:
    """Compare the network with what was applied, now, as a worker does each minute. Ends with 1 if something differs.

    Example: farwire activation look access --tenant acme
    """

    async def act(session: Session) -> None:
        db, clock, tenant_id = session.db, session.clock, await session.tenant(tenant)
        if name:
            who = actor_named(actor)
            done = [
                await service.look_at(
                    db=db, tenant_id=tenant_id, adapter=one, clock=clock, again=True, actor=who
                )
                for one in name
            ]
        else:
            done = list(await service.look(db=db, tenant_id=tenant_id, clock=clock))
        columns = ("adapter", "compared", "found", "repaired", "problem")
        rows: list[dict[str, object]] = [{column: getattr(one, column) for column in columns} for one in done]
        session.out.rows("Look for drift", columns, rows, empty="", right=("compared", "found", "repaired"))
        if any(one.problem or one.found > one.repaired for one in done):
            raise typer.Exit(ExitCode.DIFFERENCE)

    run(act, as_json)


@app.command()
def policy(
    tenant: TenantOption,
    name: NameArgument,
    what: Annotated[Policy, typer.Argument(help="What is done about its drift.")],
    actor: ActorOption = "",
    as_json: JsonOption = False,
) -> None:
    """Say what is done about drift of an adapter: it is repaired (the default), or only reported.

    Example: farwire activation policy transport report --tenant acme
    """

    async def act(session: Session) -> None:
        async with session.db.transaction(await session.tenant(tenant)) as tx:
            await service.set_policy(
                tx, adapter=name, policy=what, now=session.clock.now(), actor=actor_named(actor)
            )
        session.out.facts("Policy", {"adapter": name, "policy": what})

    run(act, as_json)
