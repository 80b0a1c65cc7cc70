"""A packet gateway for one subscriber: it asks for quotas, lets data through, and reports, as RFC 8506 has it.

Its sessions take turns on its lines: the subscriber is now in a 4G network, now in a 5G one, with one balance.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final, Protocol

from farwire.base.clock import MovableClock
from farwire.charging.model import Account, FinalAction, Phase

RATING_GROUP: Final = 1
QUOTA_LASTS: Final = timedelta(minutes=1)
"""How long the subscriber needs for a quota."""
REPEATED: Final = 3
"""The request whose answer gets lost on its way, in the first session on each line."""


@dataclass(frozen=True, slots=True)
class Quota:
    """What an answer lets through; quantities are octets."""

    granted: int
    threshold: int
    """Charging is asked again when so much of it is left."""
    final: FinalAction
    result: int
    """Of the rating group, with the number that charging has for it."""
    answer: object
    """All that was said, to be compared."""


class Line(Protocol):
    """The connection to charging, in some protocol."""

    async def ask(
        self, session: int, number: int, phase: Phase, used: int, *, repeated: bool = False
    ) -> Quota:
        """Report what was used, ask for more unless the session ends, and return the answer."""
        ...


@dataclass(slots=True)
class PacketGateway:
    """It counts what it let through and was given. ``look`` returns the account as its shard has it."""

    lines: Mapping[str, Line]
    """By the names of their protocols."""
    clock: MovableClock
    look: Callable[[], Awaitable[Account]]
    used: Counter[str] = field(default_factory=Counter)
    """Octets that it let through on each line."""
    most: int = 0
    """The most octets that were ever used and granted together."""
    last: FinalAction = FinalAction.NONE
    """What the last quota said that is to be done at its end."""
    refused: int = 0
    """The code of the refusal."""
    repeated: dict[str, str] = field(default_factory=dict)
    """What became of a request that was sent twice, on each line."""

    async def session(self, index: int, octets: int) -> None:
        """Let up to ``octets`` through in a session of their own. It ends where charging gives no more."""
        names = tuple(self.lines)
        name = names[index % len(names)]
        line = self.lines[name]
        quota = await self._quota(name, index, 0, 0)
        left, number = octets, 0
        while quota.granted:
            number += 1
            sent = min(left, _until_report(quota))
            left -= sent
            self.used[name] += sent
            self.clock.advance(QUOTA_LASTS)
            if not left:
                await line.ask(index, number, Phase.TERMINATION, sent)
                return
            quota = await self._quota(name, index, number, sent)
        self.refused = quota.result
        await line.ask(index, number + 1, Phase.TERMINATION, 0)

    async def _quota(self, name: str, index: int, number: int, used: int) -> Quota:
        phase = Phase.UPDATE if number else Phase.INITIAL
        quota = await self.lines[name].ask(index, number, phase, used)
        if number == REPEATED and name not in self.repeated:
            self.repeated[name] = await self._repeat(self.lines[name], index, used, quota)
        self.most = max(self.most, self.used.total() + quota.granted)
        if quota.granted:
            self.last = quota.final
        return quota

    async def _repeat(self, line: Line, index: int, used: int, quota: Quota) -> str:
        """Send the request again, as a gateway does that heard nothing; return what it moves."""
        before = await self.look()
        again = await line.ask(index, REPEATED, Phase.UPDATE, used, repeated=True)
        after = await self.look()
        same = "same answer" if again == quota else "another answer"
        moved = "nothing moved" if before.balances == after.balances else "something moved"
        return f"{same}, {moved}"


def _until_report(quota: Quota) -> int:
    """Return how much is let through before charging is asked again: all of it only where it is the last."""
    return quota.granted if quota.final != FinalAction.NONE else quota.granted - quota.threshold
