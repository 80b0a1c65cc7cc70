"""Usage that online charging may not have seen, and whether it has. Pure.

A client whose Credit-Control-Failure-Handling is CONTINUE goes on while nobody answers. What it used then stands in its
offline records only. A record counts as seen where an online session of the account counted the same rating group in
the middle of its time: the middle, because clocks and cuts differ by seconds at the ends.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from enum import StrEnum

import msgspec

from farwire.charging.model import NOTHING, Account, Ask, Phase, Service, SessionRequest
from farwire.charging.model.pricing import microseconds, moment
from farwire.charging.model.state import SESSION_KEPT_US
from farwire.charging.service import request_key
from farwire.usage.service import ReportedPart


class State(StrEnum):
    """What became of a record."""

    PENDING = "pending"
    SEEN = "seen"
    """Online charging has charged it, or will."""
    DEBITED = "debited"
    REFUSED = "refused"
    """Charging does not take it: it is too old, or its account is gone."""


class Unseen(msgspec.Struct, frozen=True):
    """One rating group of one record."""

    key_hi: int
    key_lo: int
    account: int
    rating_group: int
    started_at: datetime
    ended_at: datetime
    units: int
    visited: str

    @property
    def middle(self) -> datetime:
        """Return the moment that decides."""
        return self.started_at + (self.ended_at - self.started_at) / 2


def unseen_of(part: ReportedPart, account: int, ended_at: datetime) -> Unseen | None:
    """Return what may be unseen of a part of a record, or None: only data of a rating group can be found again."""
    if part.rating_group is None or not part.quantity:
        return None
    high, low = request_key(f"offline\0{part.source_id}")
    started_at = part.at.replace(microsecond=low % 1_000_000)
    return Unseen(
        *(high, low, account, part.rating_group, started_at, max(ended_at, started_at)),
        *(part.quantity, part.visited_network),
    )


def live_starts(account: Account, rating_group: int, at: datetime) -> set[datetime]:
    """Return when the sessions began that counted the rating group at that moment, as their shard knows them."""
    moment_us = microseconds(at)
    found = set()
    for session in account.sessions:
        ended = session.forget_at - SESSION_KEPT_US if session.ended else moment_us + 1
        for group in session.groups:
            if group.rating_group == rating_group and group.started_at <= moment_us < ended:
                found.add(moment(group.started_at))
    return found


def is_seen(charged: Collection[datetime], own: Collection[datetime]) -> bool:
    """Tell whether online charging counted it: by the beginnings of sessions that did, our own debits left out."""
    return bool(set(charged) - set(own))


def debits(one: Unseen) -> tuple[SessionRequest, SessionRequest]:
    """Return the two requests of the session that charges a record; repeated, they move nothing."""
    began = SessionRequest(
        *(
            one.account,
            one.key_hi,
            one.key_lo,
            0,
            Phase.INITIAL,
            Service("data", visited_network=one.visited),
        ),
        (Ask(one.rating_group, 0, NOTHING),),
        microseconds(one.started_at),
    )
    asks = (Ask(one.rating_group, one.units, NOTHING),)
    return began, msgspec.structs.replace(began, number=1, phase=Phase.TERMINATION, asks=asks)
