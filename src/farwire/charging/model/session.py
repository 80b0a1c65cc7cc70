"""Session charging: initial, update, termination, each for any number of rating groups.

For each group: charge what was used (price of all so far, less what is charged), then hold a new quota. The session
keeps the number of its last request and the answer to it, so that a repeat is answered from state and moves nothing.
"""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from farwire.charging.model.answers import Answer, FinalAction, GroupAnswer, ResultCode
from farwire.charging.model.group import NO_PRICE, serve
from farwire.charging.model.lifecycle import may_use
from farwire.charging.model.requests import NOTHING, Ask, Phase, SessionRequest
from farwire.charging.model.state import (
    AMOUNT_MAX,
    GROUPS_MAX,
    LATE_US,
    SESSION_IDLE_US,
    SESSION_KEPT_US,
    SESSIONS_MAX,
    STARTED_MAX_US,
    Group,
    Session,
)
from farwire.charging.model.tariffs import BY_AMOUNT, FREE, MONEY
from farwire.charging.model.work import Book, Work

_SUCCESS: Final = int(ResultCode.SUCCESS)
_INVALID: Final = int(ResultCode.INVALID)
_INITIAL: Final = int(Phase.INITIAL)
_TERMINATION: Final = int(Phase.TERMINATION)
_PHASES: Final = frozenset(int(phase) for phase in Phase)


def on_session(work: Work, book: Book, request: SessionRequest) -> Answer:
    """Charge, reserve and release as ``request`` says."""
    session = find_session(book.sessions, request.session_hi, request.session_lo)
    number = request.number
    if session is not None and number == session.number:
        return answer_of(session)
    refused = _refusal(work.now, book, session, request)
    if refused:
        return Answer(refused)
    work.key_hi, work.key_lo, work.number = request.session_hi, request.session_lo, number
    groups = () if session is None else session.groups
    book.asked = session
    ending = request.phase == _TERMINATION
    denied = may_use(work, book, request.service) if not ending and _wants(request.asks) else 0
    groups = _serve_all(work, book, request, groups, denied)
    if ending:
        groups = _end(work, book, request, groups)
    result = denied if denied and not _served_free(groups, number) else _SUCCESS
    after = Session(
        request.session_hi,
        request.session_lo,
        number,
        result,
        1 if ending else 0,
        _forget_at(groups, work.now, ending=ending),
        groups,
    )
    _store(book, session, after, work.now)
    return answer_of(after)


def _wants(asks: tuple[Ask, ...]) -> bool:
    """Tell whether a request wants to use something, not only to report. One without groups asks to begin."""
    for ask in asks:
        if ask.requested != NOTHING:
            return True
    return not asks


def _served_free(groups: tuple[Group, ...], number: int) -> bool:
    return any(group.price == 0 and group.asked == number for group in groups)


def find_session(sessions: tuple[Session, ...], id_hi: int, id_lo: int) -> Session | None:
    """Return the session with that id, open or kept, or None."""
    for session in sessions:
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


def _refusal(now: int, book: Book, session: Session | None, request: SessionRequest) -> int:
    """Return why nothing can be done at all, or 0."""
    asks = request.asks
    if len(asks) > 1 and len({ask.rating_group for ask in asks}) < len(asks):
        return _INVALID
    for ask in asks:
        if not (0 <= ask.used <= AMOUNT_MAX and NOTHING <= ask.requested <= AMOUNT_MAX):
            return _INVALID
    if request.phase not in _PHASES or not 0 <= request.number <= AMOUNT_MAX:
        return _INVALID
    if request.started_at and not 0 <= now - request.started_at <= STARTED_MAX_US:
        return _INVALID
    if session is None:
        if request.phase != _INITIAL:
            return ResultCode.UNKNOWN_SESSION
        full = len(book.sessions) >= SESSIONS_MAX or len(asks) > GROUPS_MAX
    elif session.ended or request.phase == _INITIAL or request.number < session.number:
        return ResultCode.OUT_OF_SEQUENCE
    elif _other_units(session.groups, request):
        return _INVALID
    else:
        full = len(session.groups) + len(asks) > GROUPS_MAX and _too_many(session.groups, asks)
    return ResultCode.TOO_BUSY if full else 0


def _other_units(groups: tuple[Group, ...], request: SessionRequest) -> bool:
    """Tell whether money is named for a group that counts units, or units for one that counts money."""
    money = request.service.kind == MONEY
    if not money and all(group.price != BY_AMOUNT.number for group in groups):
        return False
    named = {ask.rating_group for ask in request.asks if ask.used or ask.requested > 0}
    return any(
        group.rating_group in named and (group.price == BY_AMOUNT.number) != money
        for group in groups
        if group.price not in (FREE.number, NO_PRICE)
    )


def _too_many(groups: tuple[Group, ...], asks: tuple[Ask, ...]) -> bool:
    known = {group.rating_group for group in groups} | {ask.rating_group for ask in asks}
    return len(known) > GROUPS_MAX


def _serve_all(
    work: Work, book: Book, request: SessionRequest, groups: tuple[Group, ...], denied: int
) -> tuple[Group, ...]:
    if len(groups) == 1 and len(request.asks) == 1 and groups[0].rating_group == request.asks[0].rating_group:
        return (serve(work, book, request, request.asks[0], groups[0], denied),)
    kept = book.serving = {group.rating_group: group for group in groups}
    for ask in request.asks:
        kept[ask.rating_group] = serve(work, book, request, ask, kept.get(ask.rating_group), denied)
    return tuple(kept.values())


def _end(work: Work, book: Book, request: SessionRequest, groups: tuple[Group, ...]) -> tuple[Group, ...]:
    """Write down what each group used; release those that the last request does not name: a repeat needs them not."""
    for group in groups:
        ended = group
        if group.asked != request.number:
            ended = serve(work, book, request, Ask(group.rating_group, 0, NOTHING), group, 0)
        work.use(book.account.number, ended)
    return tuple(
        replace(group, holds=(), final=FinalAction.NONE) for group in groups if group.asked == request.number
    )


def _forget_at(groups: tuple[Group, ...], now: int, *, ending: bool) -> int:
    if ending:
        return now + SESSION_KEPT_US
    until = now
    for group in groups:
        if group.valid_until > until:
            until = group.valid_until
    return until + LATE_US + SESSION_IDLE_US


def _store(book: Book, before: Session | None, after: Session, now: int) -> None:
    """Put ``after`` in the place of ``before``; the account is due when the first quota lapses."""
    sessions = book.sessions
    if before is None:
        book.sessions = (*sessions, after)
    elif len(sessions) == 1:
        book.sessions = (after,)
    else:
        book.sessions = tuple([after if session is before else session for session in sessions])
    book.touched = True
    book.due(after.forget_at)
    for group in after.groups:
        if group.granted and group.holds and group.valid_until + LATE_US > now:
            book.due(group.valid_until + LATE_US)
