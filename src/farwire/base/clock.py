"""The clock port. The shell asks it; models never do: time reaches them as a parameter."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Protocol

from farwire.kernel.errors import Conflict, Invalid


class Clock(Protocol):
    """Something that knows the time."""

    def now(self) -> datetime:
        """Return the present instant, aware, in UTC."""
        ...


class SystemClock:
    """The wall clock of this machine."""

    def now(self) -> datetime:
        """Return the present instant, aware, in UTC."""
        return datetime.now(UTC)


class MovableClock:
    """A clock that stands still until it is moved, and moves only forward.

    Demos and tests use it: a month passes in a second and every run sees the same instants. It never goes back,
    because stored facts would then lie in the future.
    """

    def __init__(self, start: datetime) -> None:
        self._now = _utc(start)

    def now(self) -> datetime:
        """Return the instant at which the clock stands."""
        return self._now

    def advance(self, by: timedelta) -> datetime:
        """Move the clock forward by ``by`` and return the new instant. Raises ``Conflict`` (``clock.backward``)."""
        return self.set(self._now + by)

    def set(self, to: datetime) -> datetime:
        """Move the clock to ``to`` and return it.

        Raises ``Conflict`` (``clock.backward``) and ``Invalid`` (``clock.naive``).
        """
        target = _utc(to)
        if target < self._now:
            raise Conflict(
                f"the clock stands at {self._now.isoformat()} and moves only forward",
                code="clock.backward",
                field="to",
                value=target.isoformat(),
                fix="choose a later instant, or start again with a fresh database",
            )
        self._now = target
        return target


def _utc(at: datetime) -> datetime:
    if at.tzinfo is None or at.utcoffset() is None:
        raise Invalid(
            "an instant needs a time zone",
            code="clock.naive",
            field="at",
            value=at.isoformat(),
            fix="give it one, e.g. 2026-06-01T00:00:00Z",
        )
    return at.astimezone(UTC)
