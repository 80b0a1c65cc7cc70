"""What happened to one subscriber, in words: its movements, notices, sessions, offers and refusals in one order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Final

from farwire.base.storage import Tx
from farwire.charging.model import Account, MovementKind, ResultCode
from farwire.charging.model.accounts import ChargingAccount
from farwire.charging.model.answers import Notice, NoticeKind
from farwire.charging.model.pricing import moment
from farwire.charging.model.state import NEVER, OVERRUN
from farwire.charging.service.explaining import refusals, words
from farwire.charging.service.movements import Placed, list_movements, list_notices
from farwire.charging.service.terms import offerings_of_offers
from farwire.charging.service.wording import key_text, money, quantity, time_text, word
from farwire.charging.shard.reading import Seen
from farwire.kernel.page import PageRequest

TOLD: Final = MappingProxyType(
    {
        NoticeKind.OVERRUN: "{0.money} used in group {0.subject} that no balance had",
        NoticeKind.UNRATED: "{0.value} units used in group {0.subject} that no price fits",
        NoticeKind.LIMIT_80: "80 % of limit {0.subject} used: {0.money}",
        NoticeKind.LIMIT_REACHED: "limit {0.subject} reached: {0.money}",
        NoticeKind.FINAL_QUOTA: "last quota of group {0.subject}: {0.value} units",
        NoticeKind.ACTIVATED: "activated until {0.time}",
        NoticeKind.GRACE_BEGAN: "its validity is over; it can be revived until {0.time}",
        NoticeKind.EXPIRED: "expired",
        NoticeKind.RENEWED: "{0.offer} renewed until {0.time}",
        NoticeKind.RENEWAL_FAILED: "{0.offer} not renewed: {0.reason}",
        NoticeKind.BALANCE_FORFEITED: "balance {0.subject} is over; what it had left is forfeited",
        NoticeKind.BARRED: "barred",
        NoticeKind.UNBARRED: "unbarred",
        NoticeKind.LIMIT_CHANGED: "limit {0.subject} changed",
    }
)
"""The words of each kind of notice that is kept, about a ``_Told``."""
_OF_OFFERS: Final = frozenset({NoticeKind.RENEWED, NoticeKind.RENEWAL_FAILED})


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that happened."""

    at: datetime
    what: str
    """account, movement, notice, session, offer, denial."""
    text: str


@dataclass(frozen=True, slots=True)
class _Told:
    """What the words of a notice may say; only one of the readings of its value makes sense."""

    subject: int
    value: int
    currency: str
    offerings: Mapping[int, str]

    @property
    def money(self) -> str:
        return money(self.value, self.currency)

    @property
    def time(self) -> str:
        return time_text(self.value)

    @property
    def offer(self) -> str:
        return self.offerings.get(self.subject, str(self.subject))

    @property
    def reason(self) -> str:
        return words(self.value)[0]


async def trace_of(tx: Tx, *, account: ChargingAccount, seen: Seen, most: int) -> tuple[Line, ...]:
    """Return the last ``most`` things that happened to an account, the newest first.

    What moved and was told is as the books have it, sessions, offers and refusals as its shard shows them.
    """
    state, page = seen.seen or account.first_state(), PageRequest(0, most)
    moved = (await list_movements(tx, account=account.number, page=page)).items
    told = (await list_notices(tx, account=account.number, page=page)).items
    offers = {one.subject for one in told if one.kind in _OF_OFFERS} | {one.offer for one in state.holdings}
    offerings = await offerings_of_offers(tx, numbers=offers)
    lines = [
        *_denials(seen),
        *_sessions(state, account.currency),
        *(notice_line(one, account.currency, offerings) for one in told),
        *(_movement(one, account.currency) for one in moved),
        *_offers(state, offerings),
        Line(account.opened_at, "account", f"opened on {account.offering}"),
    ]
    return tuple(sorted(lines, key=lambda line: line.at, reverse=True)[:most])


def _denials(seen: Seen) -> Iterator[Line]:
    for one in refusals(seen):
        if one.at is not None:
            fix = f"; {one.fix}" if one.fix else ""
            yield Line(one.at, "denial", f"{one.what}: {one.reason}{fix}")


def _sessions(state: Account, code: str) -> Iterator[Line]:
    for session in state.sessions:
        for group in session.groups:
            yield Line(
                moment(group.started_at),
                "session",
                f"{key_text(session.id_hi, session.id_lo)} group {group.rating_group} "
                f"{'ended' if session.ended else 'open'}: {quantity(group.used, group.unit, code)} used for "
                f"{money(group.charged, code)}, {quantity(group.granted, group.unit, code)} granted, "
                f"{word(group.result, ResultCode)}",
            )


def notice_line(one: Notice, code: str, offerings: Mapping[int, str]) -> Line:
    """Return what a notice says."""
    text = TOLD[NoticeKind(one.kind)].format(_Told(one.subject, one.value, code, offerings))
    return Line(moment(one.at), "notice", text)


def _movement(one: Placed, code: str) -> Line:
    moved = one.movement
    kind = word(moved.kind, MovementKind).replace("_", " ")
    sign = "+" if moved.amount > 0 else ""
    where = "the overrun" if moved.balance == OVERRUN else f"balance {moved.balance}"
    return Line(one.at, "movement", f"{kind}: {sign}{quantity(moved.amount, moved.unit, code)} on {where}")


def _offers(state: Account, offerings: Mapping[int, str]) -> Iterator[Line]:
    for one in state.holdings:
        if one.started_at < NEVER:
            name = offerings.get(one.offer, str(one.offer))
            yield Line(moment(one.started_at), "offer", f"{name} until {time_text(one.ends_at)}")
