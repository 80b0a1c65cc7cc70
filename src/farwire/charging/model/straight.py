"""The straight way: the next request of a running session, where one balance bears all and is far from its end.

Nearly every request is such a one: one rating group at a linear price, held on one own balance, with nothing due, no
limit, and nobody else in the circle. What ``decide`` then does is written here without books and purses, at half the
cost or less. Whatever is not plainly of this kind goes the general way, which is the meaning: a test holds both equal.
"""

from __future__ import annotations

from typing import Final

from farwire.charging.model.answers import (
    Decision,
    FinalAction,
    Movement,
    MovementKind,
    ResultCode,
    Used,
)
from farwire.charging.model.pricing import QUANTITY_MAX, linear_cost, linear_reach
from farwire.charging.model.requests import NOTHING, Phase, SessionRequest
from farwire.charging.model.session import answer_of
from farwire.charging.model.state import (
    AMOUNT_MAX,
    LATE_US,
    SESSION_IDLE_US,
    SESSION_KEPT_US,
    STARTED_MAX_US,
    Account,
    Balance,
    Flag,
    Group,
    Hold,
    Lifecycle,
    Session,
    Unit,
)
from farwire.charging.model.tariffs import MONEY, Price, Tariffs

_UPDATE: Final = int(Phase.UPDATE)
_TERMINATION: Final = int(Phase.TERMINATION)
_SUCCESS: Final = int(ResultCode.SUCCESS)
_MORE: Final = int(FinalAction.NONE)
_USAGE: Final = int(MovementKind.USAGE)
_ACTIVE: Final = int(Lifecycle.ACTIVE)
_BARRED: Final = int(Flag.BARRED)
_MONEY: Final = int(Unit.MONEY)


def go_straight(account: Account, request: SessionRequest, tariffs: Tariffs, now: int) -> Decision | None:
    """Return what is decided on ``request``, asked of ``account`` alone, or None where the general way must say it."""
    session = _running(account, request, now)
    if session is None:
        return None
    group, ask = session.groups[0], request.asks[0]
    price, terms = tariffs.price(group.price), tariffs.plan(account.plan)
    if price is None or terms is None or not price.linear or price.counter or price.by_time:
        return None
    place = _bearer(account, price, group.holds[0], now)
    if place < 0:
        return None
    balance, policy, used = account.balances[place], terms.quotas[price.unit], group.used + ask.used
    wanted = 0 if request.phase == _TERMINATION else min(ask.requested or policy.size, policy.size)
    borne = _borne(price, balance, group, used, wanted)
    if borne is None:
        return None
    total, drawn, held, reach = borne
    holds: tuple[Hold, ...] = ()
    until = now
    if request.phase == _UPDATE:
        plenty = min(wanted * policy.part, QUANTITY_MAX - used)
        if held <= 0 or plenty <= 0 or reach - used < plenty:
            return None
        holds = (Hold(account.number, balance.number, balance.unit, held, group.holds[0].charged + drawn),)
        until = max(now, min(now + policy.validity_us, account.active_until, balance.valid_to))
    after = Group(
        group.rating_group, price.number, price.unit, group.started_at, used, total, 0, holds,
        request.number, _SUCCESS, wanted, wanted * policy.threshold_percent // 100, until, _MORE,
    )  # fmt: skip
    return _decided(account, session, after, place, drawn, held, now)


def _running(account: Account, request: SessionRequest, now: int) -> Session | None:
    """Return the session that ``request`` goes on with, if all of it is usual."""
    if account.due_at <= now or account.lifecycle != _ACTIVE or account.flags & _BARRED or account.limits:
        return None
    hi, lo = request.session_hi, request.session_lo
    for session in account.sessions:
        if session.id_lo == lo and session.id_hi == hi:
            if session.ended or len(session.groups) != 1 or not session.number < request.number <= AMOUNT_MAX:
                return None
            group = session.groups[0]
            one_own = len(group.holds) == 1 and group.holds[0].account == account.number
            return session if one_own and _is_plain(request, group.rating_group, now) else None
    return None


def _is_plain(request: SessionRequest, rating_group: int, now: int) -> bool:
    """Tell whether ``request`` is within bounds and about ``rating_group`` alone."""
    if (
        len(request.asks) != 1
        or request.service.kind == MONEY
        or (request.started_at and not 0 <= now - request.started_at <= STARTED_MAX_US)
    ):
        return False
    ask = request.asks[0]
    if ask.rating_group != rating_group or not 0 <= ask.used <= AMOUNT_MAX:
        return False
    if request.phase == _UPDATE:
        return 0 <= ask.requested <= AMOUNT_MAX
    return request.phase == _TERMINATION and NOTHING <= ask.requested <= AMOUNT_MAX


def _bearer(account: Account, price: Price, hold: Hold, now: int) -> int:
    """Return the place of the balance that ``hold`` is on, if nothing else is used before it; else −1."""
    found = -1
    for place, balance in enumerate(account.balances):
        unit = balance.unit
        held = balance.number == hold.balance
        if (
            (unit == _MONEY or unit == price.unit)
            and (not balance.scope or balance.scope in price.scopes)
            and balance.valid_from <= now < balance.valid_to
        ):
            if held:
                found = place
            elif balance.amount - balance.reserved > balance.floor and (
                found < 0 if unit == hold.unit else unit != _MONEY
            ):
                return -1
        elif held:
            return -1
    return found


def _borne(
    price: Price, balance: Balance, group: Group, used: int, wanted: int
) -> tuple[int, int, int, int] | None:
    """Return what ``used`` costs in money, what ``balance`` gives now and holds for ``wanted``, and how far it reaches.

    None where another balance might bear a part.
    """
    hold = group.holds[0]
    own = balance.amount - balance.reserved + hold.reserved - balance.floor
    units = own + hold.charged if balance.unit else 0
    cost = linear_cost(price, used, units)
    ahead = linear_cost(price, used + wanted, units) if wanted else cost
    if balance.unit:
        if not group.charged == cost.total == ahead.total or ahead.units >= units:
            return None
        drawn, held, budget = cost.units - hold.charged, ahead.units - cost.units, cost.total
    else:
        drawn, held = cost.total - group.charged, ahead.total - cost.total
        budget = cost.total + own - drawn
    if drawn < 0 or held < 0 or drawn + held > own or ahead.total > AMOUNT_MAX or used > QUANTITY_MAX:
        return None
    return cost.total, drawn, held, linear_reach(price, budget, units) if wanted else used


def _decided(
    account: Account, before: Session, group: Group, place: int, drawn: int, held: int, now: int
) -> Decision:
    """Put ``group`` into the session and write down what the balance at ``place`` gives and now holds."""
    old = account.balances[place]
    balances = account.balances
    movements: tuple[Movement, ...] = ()
    usages: tuple[Used, ...] = ()
    moved = held - before.groups[0].holds[0].reserved
    if drawn or moved:
        one = Balance(
            old.number, old.unit, old.scope, old.priority, old.shared, old.offer,
            old.amount - drawn, old.reserved + moved, old.floor, old.valid_from, old.valid_to,
        )  # fmt: skip
        balances = (*balances[:place], one, *balances[place + 1 :])
    number, hi, lo = account.number, before.id_hi, before.id_lo
    if drawn:
        movements = (
            Movement(
                number, old.number, _USAGE, -drawn, group.rating_group, hi, lo, group.asked, now, old.unit
            ),
        )
    if group.holds:
        due_at = group.valid_until + LATE_US
        session = Session(hi, lo, group.asked, _SUCCESS, 0, due_at + SESSION_IDLE_US, (group,))
    else:
        due_at = now + SESSION_KEPT_US
        session = Session(hi, lo, group.asked, _SUCCESS, 1, due_at, (group,))
        if group.used or group.charged:
            usages = (
                Used(
                    number, group.rating_group, group.price, group.unit, group.started_at, group.used,
                    group.charged, hi, lo, now,
                ),
            )  # fmt: skip
    after = _with(account, balances, before, session, min(due_at, account.due_at))
    return Decision((after,), answer_of(session), movements, (), usages)


def _with(
    account: Account, balances: tuple[Balance, ...], before: Session, session: Session, due_at: int
) -> Account:
    sessions = account.sessions
    sessions = (
        (session,) if len(sessions) == 1 else tuple([session if one is before else one for one in sessions])
    )
    return Account(
        account.number, account.tenant, account.plan, account.lifecycle, account.flags, account.active_until,
        account.grace_until, account.cycle_day, account.overrun, account.loan_owed, account.serial, due_at,
        balances, sessions, account.counters, account.limits, account.shares, account.holdings, account.keys,
    )  # fmt: skip
