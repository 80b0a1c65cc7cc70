"""Calls over the prefixes of a deck, from a seed: as many as wanted, streamed, the same on every machine."""

from __future__ import annotations

import csv
import random
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple

from farwire.kernel.errors import Invalid

NUMBER_DIGITS: Final = 15
LONGEST_S: Final = 4 * 3600
COLUMNS: Final = ("started_at", "caller", "destination", "duration_s")


class Call(NamedTuple):
    """An answered call. ``duration_s`` is whole seconds; 0 happens."""

    started_at: datetime
    caller: str
    destination: str
    duration_s: int


def deck_calls(
    prefixes: Sequence[str],
    *,
    count: int,
    seed: int,
    start: datetime,
    days: int = 30,
    callers: int = 1_000,
) -> Iterator[Call]:
    """Yield ``count`` calls that start in the ``days`` days from ``start``, in no order of time.

    Destinations are a prefix, drawn evenly so that rare ones come too, and digits after it up to a full number; some
    end right after their prefix. Callers are numbers set aside for drama (+49 30 23125 …). Durations are mostly short,
    as people's are. Raises ``Invalid`` (``demo.no_prefixes``).
    """
    if not prefixes:
        raise Invalid("calls need prefixes to go to", code="demo.no_prefixes", field="prefixes")
    dice = random.Random(seed)
    for _ in range(count):
        prefix = prefixes[dice.randrange(len(prefixes))]
        more = dice.randrange(NUMBER_DIGITS - len(prefix) + 1) if len(prefix) < NUMBER_DIGITS else 0
        rest = f"{dice.randrange(10**more):0{more}d}" if more else ""
        yield Call(
            started_at=start + timedelta(seconds=dice.randrange(days * 86_400)),
            caller=f"4930231250{dice.randrange(callers):03d}",
            destination=prefix + rest,
            duration_s=min(int(dice.expovariate(1 / 150)), LONGEST_S),
        )


def write_calls(calls: Iterable[Call], path: Path) -> int:
    """Write ``calls`` to a CSV file with a header, times in ISO 8601; return how many there were."""
    written = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for call in calls:
            writer.writerow((call.started_at.isoformat(), *call[1:]))
            written += 1
    return written
