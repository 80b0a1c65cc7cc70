"""Which band of the day an instant is in: local wall time, weekdays and holidays, on 23- and 25-hour days too."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from farwire.catalog.model import Band, Day
from farwire.catalog.model.plan_check import DAY_S, band_hours

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
SECOND: Final = timedelta(seconds=1)
_KEPT_DAYS: Final = 4_096
_WEEKDAYS: Final = (Day.MON, Day.TUE, Day.WED, Day.THU, Day.FRI, Day.SAT, Day.SUN)

Spans = tuple[list[int], list[str]]
"""Where spans start, in seconds since 1970, and the band of each."""


def seconds(at: datetime) -> int:
    """Return the whole seconds since 1970 that have passed at ``at``."""
    return (at - EPOCH) // SECOND


class BandCalendar:
    """The bands of one plan on the time line.

    The bands of a UTC day are worked out once and kept (a bounded memo of a pure function).
    """

    __slots__ = ("_days", "_is_holiday", "_kept", "_zone")

    def __init__(self, bands: Sequence[Band], zone: ZoneInfo, is_holiday: Callable[[date], bool]) -> None:
        self._days = {day: _spans_of(bands, day) for day in Day}
        holiday_named = any(Day.HOLIDAY in band.days for band in bands)
        self._is_holiday: Callable[[date], bool] = is_holiday if holiday_named else lambda _day: False
        self._zone = zone
        self._kept: dict[int, Spans] = {}

    def span(self, at: int) -> tuple[str, int]:
        """Return the band at the second ``at`` and a second, later, until which it surely lasts."""
        day = at // DAY_S
        starts, bands = self._kept.get(day) or self._keep(day)
        i = bisect_right(starts, at)
        return bands[i - 1], starts[i] if i < len(starts) else (day + 1) * DAY_S

    def runs(self, at: int, first: int, step: int, billed: int) -> list[tuple[str, int]]:
        """Return ``billed`` seconds from ``at`` as (band, seconds): an increment is in the band it starts in.

        ``billed`` is ``first`` and then whole steps. Neighbours of one band are one run.
        """
        band, _ = self.span(at)
        runs = [(band, min(first, billed))]
        used = runs[0][1]
        while used < billed:
            band, until = self.span(at + used)
            starting = -(-(until - at - used) // step)
            units = min(starting * step, billed - used)
            if runs[-1][0] == band:
                runs[-1] = (band, runs[-1][1] + units)
            else:
                runs.append((band, units))
            used += units
        return runs

    def _keep(self, day: int) -> Spans:
        if len(self._kept) >= _KEPT_DAYS:
            self._kept.clear()
        self._kept[day] = spans = self._work_out(day * DAY_S, (day + 1) * DAY_S)
        return spans

    def _work_out(self, start: int, end: int) -> Spans:
        starts: list[int] = []
        bands: list[str] = []
        for piece_start, piece_end, offset in self._pieces(start, end):
            at = piece_start
            while at < piece_end:
                local_day, second = divmod(at + offset, DAY_S)
                spans = self._days[self._kind(local_day)]
                i = bisect_right(spans[0], second)
                until = spans[0][i] if i < len(spans[0]) else DAY_S
                if not bands or bands[-1] != spans[1][i - 1]:
                    starts.append(at)
                    bands.append(spans[1][i - 1])
                at = min(piece_end, at + until - second)
        return starts, bands

    def _kind(self, local_day: int) -> Day:
        day = date.fromordinal(local_day + EPOCH.toordinal())
        return Day.HOLIDAY if self._is_holiday(day) else _WEEKDAYS[day.weekday()]

    def _pieces(self, start: int, end: int) -> list[tuple[int, int, int]]:
        """Return the parts of a UTC day with one UTC offset each. No zone changes its clocks twice in a day."""
        before, after = self._offset(start), self._offset(end - 1)
        if before == after:
            return [(start, end, before)]
        low, high = start, end - 1
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self._offset(middle) == before else (low, middle)
        return [(start, high, before), (high, end, after)]

    def _offset(self, at: int) -> int:
        offset = (EPOCH + at * SECOND).astimezone(self._zone).utcoffset()
        return (offset or timedelta()) // SECOND


def _spans_of(bands: Sequence[Band], day: Day) -> Spans:
    """Return the whole of one kind of local day as spans of wall seconds; hours without a band are ""."""
    hours = sorted(
        (start, end, band.name)
        for band in bands
        if day in band.days
        for start, end in band_hours(band, "bands.hours")
    )
    starts, names, at = [], [], 0
    for start, end, name in hours:
        if start > at:
            starts.append(at)
            names.append("")
        starts.append(start)
        names.append(name)
        at = end
    if at < DAY_S:
        starts.append(at)
        names.append("")
    return starts, names
