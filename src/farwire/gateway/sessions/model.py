"""A session that a network element has open with us, and a wish: that the element be told of a change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, StrEnum, auto
from typing import Final

from farwire.kernel.ids import TenantId

TRIES_MOST: Final = 5
"""How often an element is told that does not answer; then it hears of the change when its quota ends."""


NAME_MOST: Final = 1_024
"""Octets of a session's name: what an index takes, and far more than anybody needs."""
TEXTS_MOST: Final = 16_384
"""Characters of all that is kept of a session."""


class Protocol(StrEnum):
    """By which protocol a session came."""

    DIAMETER = "diameter"
    RADIUS = "radius"
    NCHF = "nchf"


class Reason(StrEnum):
    """Why an element is told."""

    TOP_UP = "top_up"
    """There is more to use than before."""
    POLICY = "policy"
    """A limit or share is another one."""
    SUSPENDED = "suspended"
    """The account may use nothing: barred, in grace, expired, closed."""
    RESUMED = "resumed"
    EXHAUSTED = "exhausted"
    """A limit is used up."""
    COUNTER = "counter"
    """80 % of a limit are used: a policy counter may have another status. No session needs a new quota for it."""


class Outcome(Enum):
    """What became of telling an element."""

    DONE = auto()
    GONE = auto()
    """The element does not have the session: neither do we."""
    AGAIN = auto()
    """It may work later, or by another way."""
    NEVER = auto()
    """The element does not understand; it hears of the change when its quota ends."""


OPPOSITES: Final[Mapping[Reason, Reason]] = {
    Reason.SUSPENDED: Reason.RESUMED,
    Reason.RESUMED: Reason.SUSPENDED,
}
"""The later one takes the earlier one away."""


@dataclass(frozen=True, slots=True)
class LiveSession:
    """A session, by the name that its protocol gives it. ``address`` is what its gateway needs to reach it."""

    tenant_id: TenantId
    protocol: Protocol
    session: str
    account: int
    peer: str
    address: Mapping[str, str]


def may_be_kept(one: LiveSession) -> bool:
    """Tell whether a session can be written: its texts come from the network and may be anything."""
    texts = (one.session, one.peer, *one.address.values())
    fit = 0 < len(one.session.encode()) <= NAME_MOST and all("\0" not in text for text in texts)
    return fit and sum(map(len, texts)) <= TEXTS_MOST


@dataclass(frozen=True, slots=True)
class Wish:
    """That the element of ``session`` be told. ``tries`` counts this one; ``wanted_at`` names the wish when settled."""

    session: LiveSession
    reason: Reason
    tries: int
    wanted_at: datetime


def back_off(tries: int) -> timedelta:
    """Return how long a wish rests that was tried so often in vain: 1, 2, 4, 8 s."""
    seconds: int = 2 ** max(tries - 1, 0)
    return timedelta(seconds=seconds)
