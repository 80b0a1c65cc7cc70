"""The one decision: (circle, request, tariffs, now) → (circle, answer, movements, notices). Pure and total.

Read in this order: ``state`` (what is known), ``requests`` and ``answers`` (what is asked and said), this module, then
``session`` → ``group`` → ``consume``, ``pricing``, ``quota``: the way of a quota from request to balance. ``straight``
is the same in one go for what is usual.

Equal inputs give an equal decision. Whatever a request says, it gets an answer: content never raises.
"""

from __future__ import annotations

from typing import Final

from farwire.charging.model.answers import Answer, Decision, FinalAction, GroupAnswer, ResultCode
from farwire.charging.model.commands import on_command
from farwire.charging.model.direct import on_event
from farwire.charging.model.group import UNITS, is_emergency
from farwire.charging.model.lifecycle import pass_time
from farwire.charging.model.quota import threshold
from farwire.charging.model.requests import (
    Command,
    EventKind,
    EventRequest,
    Phase,
    Request,
    Service,
    SessionRequest,
)
from farwire.charging.model.session import on_session
from farwire.charging.model.state import (
    COMMAND_KEPT_US,
    EVENT_KEPT_US,
    KEYS_MAX,
    Circle,
    KeptKey,
    Unit,
)
from farwire.charging.model.straight import go_straight
from farwire.charging.model.tariffs import QUOTAS, Tariffs
from farwire.charging.model.work import Book, Work

_GOOD: Final = frozenset({int(ResultCode.SUCCESS), int(ResultCode.NOT_APPLICABLE)})
_READS: Final = frozenset({int(EventKind.BALANCE_CHECK), int(EventKind.PRICE_ENQUIRY)})


def decide(circle: Circle, request: Request, tariffs: Tariffs, now: int) -> Decision:
    """Return what becomes of ``circle`` when it is asked ``request`` at ``now`` (µs since 1970).

    ``circle`` holds the account that is asked and every account that shares balances with it; all stand on one shard.
    What time alone does is done first. Cost: linear in the sessions and balances of the account.
    """
    if len(circle) == 1 and type(request) is SessionRequest and request.account == circle[0].number:
        decision = go_straight(circle[0], request, tariffs, now)
        if decision is not None:
            return decision
    return decide_generally(circle, request, tariffs, now)


def decide_generally(circle: Circle, request: Request, tariffs: Tariffs, now: int) -> Decision:
    """Return the same as ``decide``, without its short cut for what is usual."""
    work = Work.begin(circle, tariffs, now)
    for account in circle:
        if account.due_at <= now:
            pass_time(work, work.books.get(account.number) or work.open(account))
    book = work.book(request.account)
    if book is None:
        answer = Answer(ResultCode.UNKNOWN_USER)
    elif isinstance(request, SessionRequest):
        answer = on_session(work, book, request)
    else:
        answer = _once(work, book, request)
    if answer.result not in _GOOD and not isinstance(request, Command):
        answer = _never_refused(work, request, answer)
    return Decision(work.close(), answer, tuple(work.movements), tuple(work.notices), tuple(work.usages))


def expire(circle: Circle, tariffs: Tariffs, now: int) -> Decision:
    """Return what becomes of ``circle`` by ``now`` without any request: the sweep of a shard.

    Quotas lapse, offers renew, balances end, accounts age. ``Account.due_at`` says when it is worth calling.
    """
    work = Work.begin(circle, tariffs, now)
    for account in circle:
        pass_time(work, work.books.get(account.number) or work.open(account))
    movements, notices, usages = tuple(work.movements), tuple(work.notices), tuple(work.usages)
    return Decision(work.close(), Answer(ResultCode.SUCCESS), movements, notices, usages)


def _once(work: Work, book: Book, request: EventRequest | Command) -> Answer:
    """Do what ``request`` asks unless its key is known: then repeat the answer."""
    for key in book.account.keys:
        if key.key_lo == request.key_lo and key.key_hi == request.key_hi:
            return Answer(key.result, (), key.cost, key.units)
    work.key_hi, work.key_lo = request.key_hi, request.key_lo
    if isinstance(request, EventRequest):
        if request.kind in _READS:
            return on_event(work, book, request)
        window = EVENT_KEPT_US
    else:
        window = COMMAND_KEPT_US
    if len(book.account.keys) >= KEYS_MAX:
        return Answer(ResultCode.TOO_BUSY)
    answer = (
        on_event(work, book, request)
        if isinstance(request, EventRequest)
        else on_command(work, book, request)
    )
    work.keep(
        book,
        KeptKey(request.key_hi, request.key_lo, answer.result, answer.cost, answer.units, work.now + window),
    )
    return answer


def _never_refused(work: Work, request: SessionRequest | EventRequest, answer: Answer) -> Answer:
    """Let an emergency call pass whatever state says: unknown account, unknown session, bounds."""
    plan = work.books[request.account].account.plan if request.account in work.books else 0
    return free_answer(request, work.now) if is_emergency(work, plan, request.service) else answer


def free_answer(request: SessionRequest | EventRequest, now: int) -> Answer:
    """Return what an emergency call is told without state: it is granted, and nothing is charged or held for it."""
    if isinstance(request, EventRequest) or request.phase == Phase.TERMINATION:
        return Answer(ResultCode.SUCCESS)
    return Answer(ResultCode.SUCCESS, _free_quotas(request, request.service, now))


def _free_quotas(request: SessionRequest, service: Service, now: int) -> tuple[GroupAnswer, ...]:
    unit = UNITS.get(service.kind, int(Unit.EVENTS))
    policy = QUOTAS[unit]
    return tuple(
        GroupAnswer(
            ask.rating_group,
            ResultCode.SUCCESS,
            unit,
            policy.size,
            threshold(policy, policy.size),
            now + policy.validity_us,
            FinalAction.NONE,
        )
        for ask in request.asks
    )
