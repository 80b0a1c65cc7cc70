"""``farwire charging move`` and ``shards``: which process has which subscribers, and giving them to another one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Annotated, Final

import typer

from farwire.charging.service import Address, shard_address
from farwire.charging.service.moving import Moved, Mover, list_shards, plan_spread, plan_to
from farwire.charging.shard.vshards import Move
from farwire.cli.shell import ExitCode, JsonOption, Session, run
from farwire.kernel.errors import Invalid

_SHARDS: Final = ("shard", "virtual_shards", "live", "process", "epoch")
AtOption = Annotated[
    list[str] | None,
    typer.Option(
        "--at", help="Where a shard listens: 1=host:port. Default: at its socket in the data folder."
    ),
]


def shards(as_json: JsonOption = False) -> None:
    """List the shards: how many of the 4,096 virtual shards each has, and whether a process serves it.

    Example: farwire charging shards
    """

    async def act(session: Session) -> None:
        rows = [
            {"shard": one.shard, "virtual_shards": one.vshards, "live": one.live, "process": one.holder,
             "epoch": one.epoch}
            for one in await list_shards(db=session.db)
        ]  # fmt: skip
        session.out.rows(
            "Shards",
            _SHARDS,
            rows,
            empty="None. Start one: farwire charging serve",
            right=("virtual_shards", "epoch"),
        )

    run(act, as_json)


def move(
    vshards: Annotated[
        list[str] | None, typer.Argument(help="Virtual shards, 0 to 4095: 17 18 100-199.", show_default=False)
    ] = None,
    to: Annotated[
        int, typer.Option("--to", min=-1, help="The shard that gets them.", show_default=False)
    ] = -1,
    spread: Annotated[
        bool, typer.Option("--spread", help="Even all of them out over the shards that run now.")
    ] = False,
    empty: Annotated[
        list[int] | None,
        typer.Option("--empty", help="With --spread: a shard that is to have none any more."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would move; move nothing.")] = False,
    at: AtOption = None,
    as_json: JsonOption = False,
) -> None:
    """Move subscribers between shard processes while they serve. Exit code 1 if some stay where they are.

    A subscriber lives in one of 4,096 virtual shards; each is moved as a whole. While one moves its subscribers are
    asked to try again, for some milliseconds; then their clients are told where they are. What a process, or this
    command, leaves half done when it dies settles by itself within seconds: run the command again.

    [bold]Examples[/bold]

      farwire charging serve --shard 1

      farwire charging move --spread --dry-run

      farwire charging move --spread

      farwire charging move --spread --empty 1

      farwire charging move 17 100-199 --to 1 --at 1=10.0.0.7:3868

    A new process needs no virtual shards to begin; --spread gives it its part. Before a process is taken away for
    good: --empty.
    """

    async def act(session: Session) -> None:
        moves = await _planned(session, vshards or [], to, empty or [], spread=spread)
        if dry_run:
            _show(session, moves)
            return
        known = dict(_placed(one) for one in at or [])
        mover = Mover(
            db=session.db,
            address_of=lambda one: known.get(one) or shard_address(session.settings.data_dir, one),
        )
        with session.out.progress("Moving virtual shards", len(moves)) as report:
            found = await mover.move_all(moves, told=_telling(report))
        session.out.facts(
            "Moved.", {"moved": found.done, "there_already": found.there, "failed": list(found.failed)}
        )
        for vshard, why in list(found.failed.items())[:10]:
            session.out.note(f"Virtual shard {vshard} stays where it is: {why}")
        if found.failed:
            raise typer.Exit(ExitCode.DIFFERENCE)

    run(act, as_json)


async def _planned(
    session: Session, vshards: Sequence[str], to: int, empty: Sequence[int], *, spread: bool
) -> tuple[Move, ...]:
    if spread == bool(vshards) or (vshards and to < 0) or (spread and to >= 0) or (empty and not spread):
        raise Invalid(
            "name virtual shards and --to, or give --spread",
            code="charging.move",
            field="vshards",
            value=" ".join(vshards),
            fix="farwire charging move --spread, or farwire charging move 17 18 --to 1",
        )
    if spread:
        return await plan_spread(db=session.db, empty=empty)
    return await plan_to(db=session.db, vshards=[one for text in vshards for one in _range(text)], target=to)


def _range(text: str) -> range:
    """Return the virtual shards of "17" or "100-199". Raises ``Invalid`` (``charging.vshard``)."""
    first, dash, last = text.partition("-")
    if not all(part.isascii() and part.isdigit() and len(part) < 6 for part in (first, last or first)) or (
        dash and not last
    ):
        raise Invalid(
            "a virtual shard is a number, or two with a hyphen between",
            code="charging.vshard",
            field="vshards",
            value=text,
            fix="for example 17, or 100-199",
        )
    return range(int(first), int(last or first) + 1)


def _placed(text: str) -> tuple[int, Address]:
    """Return shard and address of "1=host:port". Raises ``Invalid`` (``charging.address``)."""
    shard, _, address = text.partition("=")
    if not (shard.isascii() and shard.isdigit()):
        raise Invalid(
            "a place is the shard, an equals sign, and its address",
            code="charging.address",
            field="at",
            value=text,
            fix="for example --at 1=10.0.0.7:3868",
        )
    return int(shard), Address.parse(address)


def _show(session: Session, moves: Sequence[Move]) -> None:
    counted = Counter((one.source, one.target) for one in moves)
    rows = [
        {"from": source, "to": target, "virtual_shards": count}
        for (source, target), count in sorted(counted.items())
    ]
    session.out.rows(
        "Would move",
        ("from", "to", "virtual_shards"),
        rows,
        empty="Nothing to move: they are where they should be.",
        right=("virtual_shards",),
    )


def _telling(report: Callable[[int], None]) -> Callable[[Moved], None]:
    return lambda found: report(found.done + found.there + len(found.failed))
