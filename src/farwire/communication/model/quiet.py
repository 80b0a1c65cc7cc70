"""Quiet hours: when a message that is not urgent waits, in the receiver's own local time. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from farwire.communication.model.message import Channel, Message, Priority
from farwire.kernel.errors import Invalid


@dataclass(frozen=True, slots=True)
class QuietHours:
    """The local times ``[start, end)`` of every day; a start after the end goes over midnight."""

    start: time
    end: time

    def __post_init__(self) -> None:
        if self.start == self.end or self.start.tzinfo or self.end.tzinfo:
            raise Invalid(
                "quiet hours are two different local times",
                code="communication.quiet_hours",
                field="start",
                value=self.start.isoformat(),
            )

    def cover(self, at: time) -> bool:
        """Return whether the local time ``at`` is quiet."""
        if self.start < self.end:
            return self.start <= at < self.end
        return at >= self.start or at < self.end


def quiet_until(at: datetime, hours: QuietHours, tz: ZoneInfo) -> datetime | None:
    """Return the UTC instant at which the quiet hours that hold ``at`` end, or None where ``at`` is not quiet.

    An end that a clock change skips comes when the skipped time is over; of an end that comes twice, the next one.
    """
    local = at.astimezone(tz)
    wall = local.replace(tzinfo=None, fold=0).time()
    if not hours.cover(wall):
        return None
    day = local.date() if wall < hours.end else local.date() + timedelta(days=1)
    end = datetime.combine(day, hours.end, tzinfo=tz).astimezone(UTC)
    if end <= at:
        # The end came in the hour before the clock went back, and comes again in the one after it.
        end = datetime.combine(day, hours.end, tzinfo=tz).replace(fold=1).astimezone(UTC)
    return end


def earliest(message: Message, hours: QuietHours | None, tz: ZoneInfo, now: datetime) -> datetime:
    """Return when ``message`` may be handed over: now, or at the end of the quiet hours. A letter wakes nobody."""
    if hours is None or message.priority is Priority.URGENT or message.channel is Channel.LETTER:
        return now
    return quiet_until(now, hours, tz) or now
