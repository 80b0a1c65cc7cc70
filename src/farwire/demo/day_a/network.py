"""What the network hands over in June: one file of calls, one of data sessions, for the number that was given out."""

from __future__ import annotations

from datetime import UTC, timedelta
from pathlib import Path
from typing import Final

from farwire.demo.day_a.story import GIGABYTE, MEGABYTE, USED_OCTETS, Twin
from farwire.demo.files import write_data
from farwire.demo.month import Month, Session

CALLS: Final = "calls.csv"
SESSIONS: Final = "sessions.detail"


def write_calls(twin: Twin, msisdn: str, folder: Path) -> int:
    """Write the calls with ISO times, as the built-in profile ``generic-csv`` reads them; return how many."""
    at = twin.at(6, 15, 19).astimezone(UTC)
    calls = [("447700900123", seconds) for seconds in twin.calls_abroad_s]
    calls += [(twin.national_number, 600), (twin.national_number, 45)]
    rows = [
        f"{twin.tenant}-{index},{msisdn},{called},{(at + timedelta(hours=index)).isoformat()},{seconds}"
        for index, (called, seconds) in enumerate(calls)
    ]
    text = "\n".join(("id,caller,called,started_at,seconds", *rows)) + "\n"
    (folder / CALLS).write_text(text, encoding="utf-8")
    return len(calls)


def write_sessions(twin: Twin, msisdn: str, folder: Path, seed: int) -> int:
    """Write the data sessions as RADIUS accounting; return how many. The home sessions use over 80 % of 10 GB."""
    start = twin.at(6, 12, 8).astimezone(UTC)
    home = [
        Session(
            f"{index:08X}", msisdn, twin.home_network, start + timedelta(days=2 * index), _reports(octets)
        )
        for index, octets in enumerate(_parts(USED_OCTETS))
    ]
    abroad = Session(
        "000000FF",
        msisdn,
        twin.roaming_network,
        start + timedelta(days=9, hours=3),
        _reports(twin.roaming_mb * MEGABYTE),
    )
    sessions = [*home, abroad]
    return write_data(Month([], [], sessions), folder / SESSIONS, seed).usages


def _parts(octets: int) -> list[int]:
    whole, rest = divmod(octets, GIGABYTE)
    return [GIGABYTE] * whole + ([rest] if rest else [])


def _reports(octets: int) -> tuple[tuple[int, int, int], ...]:
    up = octets // 10
    half = octets // 2
    return ((0, 0, 0), (1800, half // 10, half - half // 10), (3600, up, octets - up))
