"""What happened to one subscriber, in words and in the order of time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from farwire.base.web import timestamp
from farwire.charging import service
from farwire.charging.api.documents import TraceLineDocument, key_text, shown, when, word
from farwire.charging.model import MovementKind, ResultCode, Unit
from farwire.charging.model.state import NEVER, OVERRUN, Account
from farwire.charging.service import ChargingAccount
from farwire.charging.service.movements import Placed
from farwire.charging.shard.reading import Seen


def trace_of(
    account: ChargingAccount, seen: Seen, moved: Sequence[Placed], offerings: Mapping[int, str]
) -> tuple[TraceLineDocument, ...]:
    """Return the lines, the newest first."""
    state = seen.seen or account.first_state()
    lines = [
        TraceLineDocument(timestamp(account.opened_at), "account", f"opened on {account.offering}"),
        *(_movement(one, account.currency) for one in moved),
        *_sessions(state, account.currency),
        *(
            TraceLineDocument(
                when(one.started_at),
                "offer",
                f"{offerings.get(one.offer, one.offer)} until {when(one.ends_at) or 'its end'}",
            )
            for one in state.holdings
            if one.started_at < NEVER
        ),
        *(
            TraceLineDocument(
                timestamp(one.at), "denial", f"{one.what}: {one.reason}" + (f"; {one.fix}" if one.fix else "")
            )
            for one in service.refusals(seen)
            if one.at is not None
        ),
    ]
    return tuple(sorted(lines, key=lambda line: line.at, reverse=True))


def _movement(one: Placed, code: str) -> TraceLineDocument:
    moved = one.movement
    if moved.unit == Unit.MONEY:
        money = shown(moved.amount, code)
        amount = f"{money.value:+f} {money.unit}"
    else:
        amount = f"{moved.amount:+d} {word(moved.unit, Unit)}"
    where = "the overrun" if moved.balance == OVERRUN else f"balance {moved.balance}"
    kind = word(moved.kind, MovementKind).replace("_", " ")
    return TraceLineDocument(timestamp(one.at), "movement", f"{kind}: {amount} on {where}")


def _sessions(state: Account, code: str) -> Iterator[TraceLineDocument]:
    for session in state.sessions:
        for group in session.groups:
            charged = shown(group.charged, code)
            yield TraceLineDocument(
                when(group.started_at),
                "session",
                f"{key_text(session.id_hi, session.id_lo)} group {group.rating_group} "
                f"{'ended' if session.ended else 'open'}: {group.used} {word(group.unit, Unit)} used for "
                f"{charged.value:f} {charged.unit}, {group.granted} granted, {word(group.result, ResultCode)}",
            )
