"""Session charging: initial, update, termination, each for any number of rating groups.

For each group: charge what was used (price of all so far, less what is charged), then hold a new quota. The session
keeps the number of its last request and the answer to it, so that a repeat is answered from state and moves nothing.
"""

from __future__ import annotations

from msgspec.structs import replace

from farwire.charging.model.answers import Answer, FinalAction, GroupAnswer, ResultCode
from farwire.charging.model.group import serve
from farwire.charging.model.lifecycle import may_use
from farwire.charging.model.requests import NOTHING, Ask, Phase, SessionRequest
from farwire.charging.model.state import (
    AMOUNT_MAX,
    GROUPS_MAX,
    LATE_US,
    NEVER,
    SESSION_IDLE_US,
    SESSION_KEPT_US,
    SESSIONS_MAX,
    Account,
    Group,
    Session,
)
from farwire.charging.model.work import Book, Work

_SUCCESS = int(ResultCode.SUCCESS)


def on_session(work: Work, book: Book, request: SessionRequest) -> Answer:
    """Charge, reserve and release as ``request`` says."""
    session = find_session(book.account, request.session_hi, request.session_lo)
    if session is not None and request.number == session.number:
        return answer_of(session)
    refused = _refusal(book.account, session, request)
    if refused:
        return Answer(refused)
    work.key_hi, work.key_lo, work.number = request.session_hi, request.session_lo, request.number
    if session is None:
        session = Session(request.session_hi, request.session_lo, request.number, _SUCCESS, 0, NEVER, ())
    ending = request.phase == Phase.TERMINATION
    wants = not ending and (any(ask.requested != NOTHING for ask in request.asks) or not request.asks)
    denied = may_use(work, book) if wants else 0
    groups = _serve_all(work, book, request, session.groups, denied)
    if ending:
        groups = _release_rest(work, book, request, groups)
    free = any(group.price == 0 and group.asked == request.number for group in groups)
    after = Session(
        session.id_hi,
        session.id_lo,
        request.number,
        denied if denied and not free else _SUCCESS,
        1 if ending else 0,
        _forget_at(groups, work.now, ending=ending),
        groups,
    )
    _store(book, session, after)
    return answer_of(after)


def find_session(account: Account, id_hi: int, id_lo: int) -> Session | None:
    """Return the session with that id, open or kept, or None."""
    for session in account.sessions:
        if session.id_lo == id_lo and session.id_hi == id_hi:
            return session
    return None


def answer_of(session: Session) -> Answer:
    """Return the answer to the last request of ``session``, from its state alone."""
    return Answer(
        session.result,
        tuple(
            [
                GroupAnswer(
                    group.rating_group,
                    group.result,
                    group.unit,
                    group.granted,
                    group.threshold,
                    group.valid_until,
                    group.final,
                )
                for group in session.groups
                if group.asked == session.number
            ]
        ),
    )


def _refusal(account: Account, session: Session | None, request: SessionRequest) -> int:
    """Return why nothing can be done at all, or 0."""
    asks = request.asks
    if len(asks) > 1 and len({ask.rating_group for ask in asks}) < len(asks):
        return ResultCode.INVALID
    for ask in asks:
        if not (0 <= ask.used <= AMOUNT_MAX and NOTHING <= ask.requested <= AMOUNT_MAX):
            return ResultCode.INVALID
    if session is None:
        if request.phase != Phase.INITIAL:
            return ResultCode.UNKNOWN_SESSION if request.phase in _PHASES else ResultCode.INVALID
        if not 0 <= request.number <= AMOUNT_MAX:
            return ResultCode.INVALID
        if len(account.sessions) >= SESSIONS_MAX or len(asks) > GROUPS_MAX:
            return ResultCode.TOO_BUSY
        return 0
    if session.ended or request.phase == Phase.INITIAL or request.number < session.number:
        return ResultCode.OUT_OF_SEQUENCE
    if request.phase not in _PHASES or request.number > AMOUNT_MAX:
        return ResultCode.INVALID
    if len(session.groups) + len(asks) <= GROUPS_MAX:
        return 0
    known = {group.rating_group for group in session.groups}
    return ResultCode.TOO_BUSY if len(known | {ask.rating_group for ask in asks}) > GROUPS_MAX else 0


_PHASES = frozenset(int(phase) for phase in Phase)


def _serve_all(
    work: Work, book: Book, request: SessionRequest, groups: tuple[Group, ...], denied: int
) -> tuple[Group, ...]:
    if len(groups) == 1 and len(request.asks) == 1 and groups[0].rating_group == request.asks[0].rating_group:
        return (serve(work, book, request, request.asks[0], groups[0], denied),)
    kept = {group.rating_group: group for group in groups}
    for ask in request.asks:
        kept[ask.rating_group] = serve(work, book, request, ask, kept.get(ask.rating_group), denied)
    return tuple(kept.values())


def _release_rest(
    work: Work, book: Book, request: SessionRequest, groups: tuple[Group, ...]
) -> tuple[Group, ...]:
    """Release the groups that the last request does not name; only those it names are needed for a repeat."""
    for group in groups:
        if group.asked != request.number:
            serve(work, book, request, Ask(group.rating_group, 0, NOTHING), group, 0)
    return tuple(
        replace(group, holds=(), final=FinalAction.NONE) for group in groups if group.asked == request.number
    )


def _forget_at(groups: tuple[Group, ...], now: int, *, ending: bool) -> int:
    if ending:
        return now + SESSION_KEPT_US
    until = now
    for group in groups:
        until = max(until, group.valid_until)
    return until + LATE_US + SESSION_IDLE_US


def _store(book: Book, before: Session, after: Session) -> None:
    """Put ``after`` in the place of ``before``; the account is due when the first quota lapses."""
    account = book.account
    sessions = account.sessions
    due_at = min(account.due_at, after.forget_at)
    for group in after.groups:
        if group.holds:
            due_at = min(due_at, group.valid_until + LATE_US)
    if len(sessions) == 1 and sessions[0] is before:
        sessions = (after,)
    elif before.forget_at == NEVER:
        sessions = (*sessions, after)
    else:
        sessions = tuple([after if session is before else session for session in sessions])
    book.account = Account(
        account.number,
        account.tenant,
        account.plan,
        account.lifecycle,
        account.flags,
        account.active_until,
        account.grace_until,
        account.cycle_day,
        account.overrun,
        account.loan_owed,
        account.serial,
        due_at,
        account.balances,
        sessions,
        account.counters,
        account.limits,
        account.shares,
        account.holdings,
        account.keys,
    )
    book.touched = True
