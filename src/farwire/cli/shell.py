"""The shell that all commands share: a session, output for people or programs, errors as exit codes."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import re
import sys
import traceback
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import Enum, IntEnum
from io import StringIO
from pathlib import Path
from typing import Annotated, Final, Literal
from uuid import UUID

import typer
from rich.console import Console, RenderableType
from rich.measure import Measurement
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table
from rich.text import Text

from farwire.base.clock import Clock, SystemClock
from farwire.base.config import Settings, load_settings
from farwire.base.storage import Database, open_database
from farwire.kernel.errors import (
    Conflict,
    Defect,
    Exhausted,
    FarwireError,
    Forbidden,
    Invalid,
    NotFound,
    Unavailable,
)
from farwire.kernel.ids import TenantId
from farwire.kernel.money import Money
from farwire.kernel.tenancy import Actor, ActorKind
from farwire.kernel.time import instant, local_midnight, zone
from farwire.tenant import service as tenant_service

_CONTROLS: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_UNBOUNDED: Final = 100_000
_WEB_FONT: Final = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)


class ExitCode(IntEnum):
    """How a command ends. The numbers are stable."""

    OK = 0
    DIFFERENCE = 1
    USAGE = 2
    INVALID = 3
    NOT_FOUND = 4
    CONFLICT = 5
    FORBIDDEN = 6
    EXHAUSTED = 7
    UNAVAILABLE = 8
    DEFECT = 70
    INTERRUPTED = 130


_EXIT_BY_KIND: tuple[tuple[type[FarwireError], ExitCode], ...] = (
    (NotFound, ExitCode.NOT_FOUND),
    (Invalid, ExitCode.INVALID),
    (Conflict, ExitCode.CONFLICT),
    (Forbidden, ExitCode.FORBIDDEN),
    (Exhausted, ExitCode.EXHAUSTED),
    (Unavailable, ExitCode.UNAVAILABLE),
    (Defect, ExitCode.DEFECT),
)

TenantOption = Annotated[
    str,
    typer.Option(
        "--tenant", "-t", envvar="FARWIRE_TENANT", help="The operator, by its short name.", show_envvar=True
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of tables.")]
OffsetOption = Annotated[int, typer.Option("--offset", min=0, help="Skip so many.")]
ActorOption = Annotated[
    str,
    typer.Option(
        "--as",
        envvar="FARWIRE_ACTOR",
        show_envvar=True,
        help="Who acts, as the audit log names it: a staff number, never a person's name.",
    ),
]
LimitOption = Annotated[int, typer.Option("--limit", min=1, max=1000, help="Show so many.")]


COMMAND_LINE: Final = "command-line"
"""Who acts where nobody is named."""


def actor_named(name: str) -> Actor:
    """Return the person at the command line that ``--as`` names."""
    return Actor(ActorKind.OPERATOR, name.strip() or COMMAND_LINE)


def as_plain(value: object) -> object:
    """Return ``value`` as JSON can hold it: money and decimals as text, times in ISO 8601, ids as text."""
    if isinstance(value, Mapping):
        return {str(key): as_plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [as_plain(item) for item in value]
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, (datetime, date)):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, (UUID, Money, Path)):
        return str(value)
    return value


class Output:
    """Where a command puts its result: tables for people, or one JSON document for programs."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        self.out = _console(stderr=False)
        self.err = _console(stderr=True)

    def document(self, document: object) -> None:
        """Print one JSON document, for a result that has its own shape."""
        self._write_json(document)

    def show(self, shown: RenderableType, *, svg: Path | None = None) -> None:
        """Print something that rich can draw; with ``svg`` also as a picture."""
        self.out.print(shown)
        if svg is not None:
            wide = self.out.options.update(width=_UNBOUNDED)
            canvas = Console(
                record=True, width=Measurement.get(self.out, wide, shown).maximum, file=StringIO()
            )
            canvas.print(shown)
            # A picture in a README loads no font from anywhere.
            svg.write_text(_WEB_FONT.sub("", canvas.export_svg(title="make demo")), encoding="utf-8")

    def _write_json(self, document: object) -> None:
        # Where standard output cannot hold every letter, JSON has its own way to write it.
        escaped = not (sys.stdout.encoding or "").lower().startswith("utf")
        sys.stdout.write(json.dumps(as_plain(document), ensure_ascii=escaped, indent=2) + "\n")

    def note(self, message: str) -> None:
        """Print a hint or a step for people, on standard error; nothing with ``--json``."""
        if not self.as_json:
            self.err.print(message, soft_wrap=True)

    def facts(self, title: str, facts: Mapping[str, object]) -> None:
        """Print one thing: its attributes as two columns, or as a JSON object."""
        if self.as_json:
            self._write_json(facts)
            return
        self._title(title)
        self.out.print(_pairs([{name: _shown(value) for name, value in facts.items()}]))

    def rows(
        self,
        title: str,
        columns: Sequence[str],
        rows: Sequence[Mapping[str, object]],
        *,
        empty: str,
        total: int | None = None,
        right: Sequence[str] = (),
    ) -> None:
        """Print a list. ``empty`` says what to do when there is nothing; ``total`` shows that more pages follow."""
        if self.as_json:
            self._write_json({"items": rows, "total": len(rows) if total is None else total})
            return
        if not rows:
            self.err.print(empty, soft_wrap=True)
            return
        cells = [{column: _shown(row.get(column)) for column in columns} for row in rows]
        table = Table(header_style="bold")
        for column in columns:
            # A number or an id that is broken over lines can be neither copied nor searched for.
            whole = all(" " not in line[column] for line in cells)
            justify: Literal["right", "left"] = "right" if column in right else "left"
            table.add_column(column.replace("_", " "), justify=justify, overflow="fold", no_wrap=whole)
        for line in cells:
            table.add_row(*line.values())
        needed = Measurement.get(self.out, self.out.options.update(width=_UNBOUNDED), table).minimum
        self._title(title)
        self.out.print(table if needed <= self.out.width else _pairs(cells))
        if total is not None and total > len(rows):
            self.err.print(f"{len(rows)} of {total}. Use --offset and --limit for the others.")

    def _title(self, title: str) -> None:
        if title:
            self.out.print(_printable(title), style="italic")

    def text(self, text: str) -> None:
        """Print words as they are; with ``--json`` as a JSON string. Lines stay whole: it may be a file."""
        if self.as_json:
            self._write_json(text)
        else:
            self.out.print(text, soft_wrap=True)

    @contextmanager
    def progress(self, title: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
        """Show a bar on a terminal while the block runs; yields ``report``, to be called with the count so far."""
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
        )
        hidden = self.as_json or not self.err.is_terminal
        with Progress(*columns, TimeElapsedColumn(), console=self.err, disable=hidden, transient=True) as bar:
            task = bar.add_task(title, total=total)

            def report(done: int) -> None:
                bar.update(task, completed=done)

            yield report


def _console(*, stderr: bool) -> Console:
    # Values come from third parties' files: "[/b]" in them is text and no markup.
    console = Console(stderr=stderr, highlight=False, markup=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        # A program reads this: no line is broken for a screen that is not there.
        console.width = _UNBOUNDED
    return console


def _pairs(blocks: Sequence[Mapping[str, str]]) -> Table:
    """Return names beside values, an empty line between blocks: what fits into any width."""
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for number, block in enumerate(blocks):
        if number:
            table.add_row()
        for name, value in block.items():
            table.add_row(name.replace("_", " "), value)
    return table


def _shown(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%SZ")
    if isinstance(value, (Mapping, list, tuple)):
        return json.dumps(as_plain(value), ensure_ascii=False)
    return _printable(str(as_plain(value)))


@dataclass(frozen=True, slots=True)
class Session:
    """What a command works with."""

    settings: Settings
    clock: Clock
    db: Database
    out: Output

    async def tenant(self, name: str) -> TenantId:
        """Return the id of the tenant called ``name``. Raises ``NotFound`` with the way to make one."""
        return (await tenant_service.tenant_by_name(db=self.db, name=name)).id


async def _within_session(act: Callable[[Session], Awaitable[None]], out: Output) -> None:
    settings = load_settings()
    db = await open_database(settings)
    try:
        await act(Session(settings=settings, clock=SystemClock(), db=db, out=out))
    finally:
        await db.close()


def run(
    act: Callable[[Session], Awaitable[None]],
    as_json: bool = False,
    *,
    loop: Callable[[], asyncio.AbstractEventLoop] | None = None,
) -> None:
    """Run ``act`` with an open session, on a ``loop`` of one's own. Errors become an exit code; see ``ExitCode``."""
    out = Output(as_json=as_json)
    with errors_as_exit_codes(out), asyncio.Runner(loop_factory=loop) as runner:
        runner.run(_within_session(act, out))


@contextmanager
def errors_as_exit_codes(out: Output) -> Iterator[None]:
    """Turn what the block raises into a message on standard error and the exit code of its kind."""
    try:
        yield
        sys.stdout.flush()
    except (typer.Exit, typer.Abort, BrokenPipeError):
        raise
    except KeyboardInterrupt:
        out.err.print("Interrupted. What was done before is kept; the same command goes on from there.")
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    except Exception as error:  # noqa: BLE001 the edge of the process: whatever it is gets a message and a code
        known = error if isinstance(error, FarwireError) else _meaning(error, out)
        report_error(known, out)
        raise typer.Exit(exit_code(known)) from None


def _meaning(error: Exception, out: Output) -> FarwireError:
    """Return Farwire's error for a file or disk that fails, and a defect, with its trace for people, for all else."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        if error.filename is None:
            # What standard output still holds cannot be written: it must not fail a second time on exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exhausted(
            "the disk is full", code="cli.disk_full", field="file", value=error.filename, fix="free space"
        )
    if isinstance(error, OSError) and error.filename is not None:
        return Invalid(
            f"the file cannot be used: {error.strerror}",
            code="cli.file_unusable",
            field="file",
            value=error.filename,
            fix="check the path and who may read and write it",
        )
    if not out.as_json:
        traceback.print_exception(error)
    return Defect(
        f"a defect of Farwire: {type(error).__name__}: {error}",
        code="cli.defect",
        fix="please report it, with the command and the lines above",
    )


def exit_code(error: FarwireError) -> ExitCode:
    """Return the exit code of an error's kind."""
    return next((code for kind, code in _EXIT_BY_KIND if isinstance(error, kind)), ExitCode.DEFECT)


def report_error(error: FarwireError, out: Output) -> None:
    """Print ``error`` on standard error: for people in lines, with ``--json`` as one object."""
    body: dict[str, object] = {"code": error.code, "message": error.message}
    for name in ("field", "value", "fix"):
        if (value := getattr(error, name)) is not None:
            body[name] = value
    if out.as_json:
        sys.stderr.write(json.dumps({"error": as_plain(body)}, ensure_ascii=False) + "\n")
        return
    headline = Text.assemble(
        ("Error:", "bold red"), f" {_printable(error.message)}  ", (f"({error.code})", "dim")
    )
    out.err.print(headline, soft_wrap=True)
    for name in ("field", "value", "fix"):
        if name in body:
            # Whole, so that it can be copied: the terminal breaks lines, a file or a pipe must not.
            out.err.print(f"  {name}: {_printable(str(as_plain(body[name])))[:500]}", soft_wrap=True)


def _printable(text: str) -> str:
    """Return ``text`` without the control characters by which a terminal can be driven."""
    return _CONTROLS.sub("\N{REPLACEMENT CHARACTER}", text)


def parse_moment(text: str, *, field: str, zone_name: str = "UTC") -> datetime:
    """Return the instant that ``text`` names: a day (its midnight in ``zone_name``) or a time with a zone."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return instant(text, field=field)
    try:
        return local_midnight(day, zone(zone_name))
    except OverflowError:
        raise Invalid(
            f"{field} is out of range",
            code="time.out_of_range",
            field=field,
            value=text,
            fix="name a later day",
        ) from None
