"""Who is let in when the shard has more to do than it can: what would hurt the subscriber most is refused last."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

from farwire.charging.model import (
    Answer,
    Command,
    CommandKind,
    EventRequest,
    Phase,
    ResultCode,
    SessionRequest,
)
from farwire.charging.shard.homes import vshard_of

NEW_PERCENT: Final = 60
"""How full the queue may be for a new session or an event."""
GOING_PERCENT: Final = 85
"""… for an update or a command. Terminations are let in until it is full; emergency calls are granted even then."""
PARTNERED: Final = frozenset({int(CommandKind.TRANSFER), int(CommandKind.SHARE)})
"""Commands that change the account ``subject`` too."""
_BUSY: Final = Answer(ResultCode.TOO_BUSY)


class HasAccount(Protocol):
    """Anything that is asked of an account."""

    @property
    def account(self) -> int:
        """Return its number."""
        ...


@dataclass(frozen=True, slots=True)
class Moved:
    """The account lives in another shard: ask there."""

    shard: int


def vshards_of(request: HasAccount) -> tuple[int, ...]:
    """Return the virtual shards whose accounts a request changes."""
    if isinstance(request, Command) and request.kind in PARTNERED:
        return vshard_of(request.account), vshard_of(request.subject)
    return (vshard_of(request.account),)


class Admission:
    """Decides in constant time, before anything else is done.

    An emergency call is not refused by what it says here: the shard grants it without state.
    """

    __slots__ = ("_going", "_most", "_new", "closed", "elsewhere", "frozen", "refused")

    def __init__(self, queue: int) -> None:
        self._most = queue
        self._new = queue * NEW_PERCENT // 100
        self._going = queue * GOING_PERCENT // 100
        self.closed = False
        """Whether the shard drains: nothing is let in."""
        self.elsewhere: dict[int, int] = {}
        """The shard of each virtual shard that is not here."""
        self.frozen: set[int] = set()
        """Virtual shards that are being moved: they are asked again in a moment."""
        self.refused = 0

    def refusal(self, waiting: int, request: HasAccount) -> Answer | Moved | None:
        """Return None where the request may come in while ``waiting`` others wait, or what it is told."""
        if self.elsewhere or self.frozen:
            home = self.elsewhere.get(vshard_of(request.account))
            if home is not None:
                return Moved(home)
            if not self.frozen.isdisjoint(vshards_of(request)):
                return self._busy()
        if waiting < self._new and not self.closed:
            return None
        if self.closed or waiting >= self._most:
            return self._busy()
        return None if waiting < self._bound(request) else self._busy()

    def _busy(self) -> Answer:
        self.refused += 1
        return _BUSY

    def _bound(self, request: HasAccount) -> int:
        if isinstance(request, SessionRequest):
            if request.phase == Phase.TERMINATION:
                return self._most
            return self._new if request.phase == Phase.INITIAL else self._going
        return self._new if isinstance(request, EventRequest) else self._going
