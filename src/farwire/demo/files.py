"""The month as files, as a switch and a gateway write them: with duplicates, cut rows and calls that nobody answered.

What is planted is counted here, so that the control totals of the import have an expected value.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, timedelta
from pathlib import Path
from typing import Final

from farwire.demo.month import BERLIN, Call, Month, Session

GIGAWORD: Final = 2**32
DUPLICATES_IN: Final = 100
"""About one row in this many is sent twice."""
BAD_IN: Final = 200
"""About one row in this many is followed by a row that cannot be read."""


@dataclass(frozen=True, slots=True)
class Planted:
    """The control totals that the import of a file must find."""

    rows_in: int
    assembled: int
    filtered: int
    duplicate: int
    suspended: int
    usages: int


def write_voice(month: Month, path: Path, seed: int) -> Planted:
    """Write the calls as the switch does and return what the import must find."""
    rng = random.Random(seed)
    rows, duplicate, bad = [], 0, 0
    for index, call in enumerate(sorted(month.calls, key=lambda c: (c.started_at, c.id))):
        row = _voice_row(call)
        rows.append(row)
        if call.answered and rng.randrange(DUPLICATES_IN) == 0:
            rows.append(row)
            duplicate += 1
        if rng.randrange(BAD_IN) == 0:
            rows.append(_broken(row, index))
            bad += 1
    path.write_text("kennung;rufnummer;ziel;beginn;dauer_s;ende\n" + "\n".join(rows) + "\n", encoding="utf-8")
    unanswered = sum(not call.answered for call in month.calls)
    answered = len(month.calls) - unanswered
    return Planted(len(rows), answered, unanswered, duplicate, bad, answered)


def _voice_row(call: Call) -> str:
    local = call.started_at.astimezone(BERLIN).strftime("%d.%m.%Y %H:%M:%S")
    called = f"0{call.called[2:]}" if call.called.startswith("49") else f"00{call.called}"
    ending = "normal" if call.answered else "besetzt"
    return f"{call.id};0{call.caller[2:]};{called};{local};{call.duration_s};{ending}"


def _broken(row: str, index: int) -> str:
    """Return a row of the same kind that no profile can read: an impossible day, a negative length, a lost column."""
    name, caller, called, started, seconds, _ = row.split(";")
    faults = (
        f"x{name};{caller};{called};31.02.2026 10:00:00;{seconds};normal",
        f"x{name};{caller};{called};{started};-5;normal",
        f"x{name};{caller};{called}",
    )
    return faults[index % len(faults)]


def write_data(month: Month, path: Path, seed: int) -> Planted:
    """Write the data sessions as RADIUS accounting rows and return what the import must find."""
    rng = random.Random(seed)
    events = [_switch("Accounting-On", "Jun 01 2026 00:00:00 UTC")]
    assembled, duplicate = 0, 0
    for session in month.sessions:
        for block in _session_rows(session):
            events.append(block)
            assembled += 1
            if rng.randrange(DUPLICATES_IN) == 0:
                events.append(block)
                duplicate += 1
    events.append(_switch("Accounting-Off", "Jun 30 2026 21:59:59 UTC"))
    path.write_text("\n".join(events), encoding="utf-8")
    return Planted(len(events), assembled, 2, duplicate, 0, len(month.sessions))


def _switch(status: str, at: str) -> str:
    return _block(
        "Mon Jun  1 00:00:00 2026",
        (
            ("NAS-Identifier", '"ggsn1"'),
            ("Acct-Session-Id", f'"{status}"'),
            ("Acct-Status-Type", status),
            ("Event-Timestamp", f'"{at}"'),
        ),
    )


def _session_rows(session: Session) -> Iterator[str]:
    last = len(session.reports) - 1
    for step, (elapsed, up, down) in enumerate(session.reports):
        at = (session.started_at + timedelta(seconds=elapsed)).astimezone(UTC)
        status = "Start" if step == 0 else "Stop" if step == last else "Interim-Update"
        yield _block(
            at.strftime("%a %b %d %H:%M:%S %Y"),
            (
                ("Calling-Station-Id", f'"{session.msisdn}"'),
                ("NAS-Identifier", '"ggsn1"'),
                ("3GPP-SGSN-MCC-MNC", f'"{session.network}"'),
                ("Acct-Session-Id", f'"{session.id}"'),
                ("Acct-Status-Type", status),
                ("Acct-Session-Time", elapsed),
                ("Acct-Input-Octets", up % GIGAWORD),
                ("Acct-Output-Octets", down % GIGAWORD),
                ("Acct-Input-Gigawords", up // GIGAWORD),
                ("Acct-Output-Gigawords", down // GIGAWORD),
                ("Event-Timestamp", at.strftime('"%b %d %Y %H:%M:%S UTC"')),
            ),
        )


def _block(arrival: str, attributes: Iterable[tuple[str, object]]) -> str:
    return f"{arrival}\n" + "".join(f"\t{name} = {value}\n" for name, value in attributes)
