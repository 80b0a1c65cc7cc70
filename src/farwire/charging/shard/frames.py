"""The frames of the binary front: fixed-size messages behind a length, little-endian, one TCP or Unix stream.

Every frame is ``length u32`` (of what follows) and a body. A body begins with 24 bytes of envelope::

    operation u8 | version u8 = 1 | flags u16 = 0 | reserved u32 = 0 | correlation u64 | tenant i64

``correlation`` is the client's; the answer has the same one. Answers leave in any order between correlations.

===== ============ ===============================================================================================
op    request      body after the envelope
===== ============ ===============================================================================================
1     SESSION      account i64 | session_hi i64 | session_lo i64 | number i64 | started_at i64 | phase u8, kind u8,
                   groups u16, text u32 | groups × (rating_group i64, used i64, requested i64) | text bytes
2     EVENT        account i64 | key_hi i64 | key_lo i64 | units i64 | amount i64 | rating_group i64 | action u8,
                   kind u8, unused u16, text u32 | text bytes
3     COMMAND      account i64 | key_hi i64 | key_lo i64 | amount i64 | subject i64 | kind u8, scope u8, period u8,
                   unit u8, balance u16, priority i16
4     OPEN         account i64 | plan i64 | lifecycle i64 | active_until i64 | grace_until i64 | cycle_day i64 |
                   credit_limit i64 | limits × (scope i64, period i64, cap i64)
5     INSPECT      account i64
===== ============ ===============================================================================================

``kind`` of a service: 1 data, 2 voice, 3 message, 4 event, 5 money. ``text`` is UTF-8: destination, direction, visited
network, region, segment, routed-as, with a NUL between each two; missing ones are empty.

Answer bodies begin with ``operation u8 | version u8 | status u16 | groups u32 | correlation u64 | tenant i64``.
Status 0 is an answer: ``result i64 | cost i64 | units i64``, then for each group ``rating_group i64 | result i64 |
unit i64 | granted i64 | threshold i64 | valid_until i64 | final i64``. Status 1: the account has moved, ``shard i64``.
Status 2: the frame makes no sense. Status 3, to INSPECT: ``result i64 | left out i64``, then the account and its last
denials in MessagePack (``reading.py``). There is no answer when the shard ends: the connection closes, and what was not
answered is asked again.
"""

from __future__ import annotations

from struct import Struct
from struct import error as FrameError  # noqa: N812 - it is an exception
from typing import Final

from farwire.charging.model import (
    Answer,
    Ask,
    Command,
    EventRequest,
    GroupAnswer,
    Service,
    SessionRequest,
    new_account,
)
from farwire.charging.model.limits import first as first_limit
from farwire.charging.shard.admission import Moved
from farwire.charging.shard.asks import Ask as Asked
from farwire.charging.shard.asks import Open
from farwire.charging.shard.reading import Inspect, Seen, pack_seen, unpack_seen
from farwire.kernel.errors import Invalid

VERSION: Final = 1
LENGTH: Final = Struct("<I")
MOST: Final = 16_384
"""Bytes of the longest frame."""
SESSION, EVENT, COMMAND, OPEN, INSPECT = 1, 2, 3, 4, 5
ANSWERED, MOVED, NONSENSE, SEEN = 0, 1, 2, 3
KINDS: Final = ("", "data", "voice", "message", "event", "money")
ENVELOPE: Final = Struct("<BBHIQq")
_SESSION: Final = Struct("<5qBBHI")
_GROUP: Final = Struct("<3q")
_EVENT: Final = Struct("<6qBBHI")
_COMMAND: Final = Struct("<5q4BHh")
_OPEN: Final = Struct("<7q")
_LIMIT: Final = Struct("<3q")
ANSWER: Final = Struct("<BBHIQq")
_RESULT: Final = Struct("<3q")
_ANSWER_GROUP: Final = Struct("<7q")
_ONE_GROUP: Final = Struct("<IBBHIQq10q")
"""The whole answer with one rating group, which nearly every one has."""
_MOVED: Final = Struct("<q")
_INSPECT: Final = Struct("<q")
_SEEN_HEAD: Final = Struct("<2q")
_BEFORE: Final = ENVELOPE.size


def encode_request(tenant: int, correlation: int, request: Asked) -> bytes:
    """Return the frame of a request, length included."""
    if isinstance(request, SessionRequest):
        operation, text = SESSION, _text(request.service)
        body = _SESSION.pack(
            *(request.account, request.session_hi, request.session_lo, request.number, request.started_at),
            *(request.phase, KINDS.index(request.service.kind), len(request.asks), len(text)),
        )
        body += (
            b"".join(_GROUP.pack(ask.rating_group, ask.used, ask.requested) for ask in request.asks) + text
        )
    elif isinstance(request, EventRequest):
        operation, text = EVENT, _text(request.service)
        body = _EVENT.pack(
            *(request.account, request.key_hi, request.key_lo, request.units, request.amount),
            *(request.rating_group, request.kind, KINDS.index(request.service.kind), 0, len(text)),
        )
        body += text
    elif isinstance(request, Command):
        operation = COMMAND
        body = _COMMAND.pack(
            *(request.account, request.key_hi, request.key_lo, request.amount, request.subject, request.kind),
            *(request.scope, request.period, request.unit, request.balance, request.priority),
        )
    elif isinstance(request, Inspect):
        operation, body = INSPECT, _INSPECT.pack(request.account)
    else:
        operation, account = OPEN, request.account_to_open
        body = _OPEN.pack(
            *(account.number, account.plan, account.lifecycle, account.active_until, account.grace_until),
            *(account.cycle_day, -account.balances[0].floor),
        ) + b"".join(_LIMIT.pack(one.scope, one.period, one.cap) for one in account.limits)
    return (
        LENGTH.pack(_BEFORE + len(body)) + ENVELOPE.pack(operation, VERSION, 0, 0, correlation, tenant) + body
    )


def _text(service: Service) -> bytes:
    words = (service.destination, service.direction, service.visited_network)
    return "\0".join((*words, service.region, service.segment, service.routed_as)).encode()


def decode_envelope(body: bytes) -> tuple[int, int, int]:
    """Return operation, correlation and tenant. Raises ``Invalid`` (``charging.frame``)."""
    if len(body) < _BEFORE or body[1] != VERSION:
        raise _nonsense(body)
    operation, _, _, _, correlation, tenant = ENVELOPE.unpack_from(body)
    return operation, correlation, tenant


def decode_request(operation: int, tenant: int, body: bytes) -> Asked:
    """Return the request of a body whose envelope was read. Raises ``Invalid`` (``charging.frame``)."""
    try:
        if operation == SESSION:
            return _session(body)
        if operation == EVENT:
            *rest, action, kind, _, size = _EVENT.unpack_from(body, _BEFORE)
            service = _service(kind, _exactly(body, _BEFORE + _EVENT.size, size))
            account, key_hi, key_lo, units, amount, rating_group = rest
            return EventRequest(account, key_hi, key_lo, action, service, units, rating_group, amount)
        if operation == COMMAND:
            account, key_hi, key_lo, amount, subject, kind, *rest = _COMMAND.unpack(body[_BEFORE:])
            return Command(account, key_hi, key_lo, kind, amount, subject, *rest)
        if operation == INSPECT:
            return Inspect(*_INSPECT.unpack(body[_BEFORE:]))
        if operation == OPEN:
            number, plan, lifecycle, active, grace, cycle_day, credit = _OPEN.unpack_from(body, _BEFORE)
            limits = tuple(first_limit(*one) for one in _LIMIT.iter_unpack(body[_BEFORE + _OPEN.size :]))
            return Open(
                new_account(
                    number, tenant=tenant, plan=plan, lifecycle=lifecycle, active_until=active,
                    grace_until=grace, cycle_day=cycle_day, credit_limit=credit, limits=limits,
                )
            )  # fmt: skip
    except (FrameError, IndexError, UnicodeDecodeError, TypeError) as error:
        raise _nonsense(body) from error
    raise _nonsense(body)


def _session(body: bytes) -> SessionRequest:
    account, hi, lo, number, started, phase, kind, count, size = _SESSION.unpack_from(body, _BEFORE)
    at = _BEFORE + _SESSION.size
    if count == 1:
        asks: tuple[Ask, ...] = (Ask(*_GROUP.unpack_from(body, at)),)
    else:
        asks = tuple(Ask(*_GROUP.unpack_from(body, at + _GROUP.size * place)) for place in range(count))
    service = _service(kind, _exactly(body, at + _GROUP.size * count, size))
    return SessionRequest(account, hi, lo, number, phase, service, asks, started)


def _exactly(body: bytes, at: int, size: int) -> bytes:
    if len(body) != at + size:
        raise IndexError
    return body[at:]


_SEEN: Final[dict[tuple[int, bytes], Service]] = {}
_SEEN_MOST: Final = 10_000


def _service(kind: int, text: bytes) -> Service:
    """Return the service, from a bounded memory: traffic has few different ones."""
    found = _SEEN.get((kind, text))
    if found is None:
        words = text.decode().split("\0") if text else []
        found = Service(KINDS[kind], *words)
        if len(_SEEN) >= _SEEN_MOST:
            _SEEN.clear()
        _SEEN[kind, text] = found
    return found


def encode_answer(operation: int, correlation: int, tenant: int, answer: Answer | Moved | None) -> bytes:
    """Return the frame of an answer, length included; None says that the request made no sense."""
    if type(answer) is Answer and len(answer.groups) == 1:
        one = answer.groups[0]
        return _ONE_GROUP.pack(
            _ONE_GROUP.size - LENGTH.size, operation, VERSION, ANSWERED, 1, correlation, tenant,
            answer.result, answer.cost, answer.units, one.rating_group, one.result, one.unit, one.granted,
            one.threshold, one.valid_until, one.final,
        )  # fmt: skip
    if isinstance(answer, Seen):
        status, count = SEEN, 0
        body = _SEEN_HEAD.pack(answer.result, answer.left_out) + pack_seen(answer)
    elif isinstance(answer, Answer):
        groups = answer.groups
        body = _RESULT.pack(answer.result, answer.cost, answer.units)
        for one in groups:
            body += _ANSWER_GROUP.pack(
                one.rating_group, one.result, one.unit, one.granted, one.threshold, one.valid_until, one.final
            )
        status, count = ANSWERED, len(groups)
    elif isinstance(answer, Moved):
        status, count, body = MOVED, 0, _MOVED.pack(answer.shard)
    else:
        status, count, body = NONSENSE, 0, b""
    head = ANSWER.pack(operation, VERSION, status, count, correlation, tenant)
    return LENGTH.pack(len(head) + len(body)) + head + body


def decode_answer(body: bytes) -> tuple[int, Answer | Moved | None]:
    """Return correlation and answer of a body: the client's side."""
    _, _, status, count, correlation, _ = ANSWER.unpack_from(body)
    at = ANSWER.size
    if status == MOVED:
        return correlation, Moved(*_MOVED.unpack_from(body, at))
    if status == NONSENSE:
        return correlation, None
    if status == SEEN:
        result, left_out = _SEEN_HEAD.unpack_from(body, at)
        return correlation, unpack_seen(result, left_out, body[at + _SEEN_HEAD.size :])
    result, cost, units = _RESULT.unpack_from(body, at)
    at += _RESULT.size
    groups = tuple(
        GroupAnswer(*_ANSWER_GROUP.unpack_from(body, at + _ANSWER_GROUP.size * place))
        for place in range(count)
    )
    return correlation, Answer(result, groups, cost, units)


def _nonsense(body: bytes) -> Invalid:
    return Invalid(
        f"a frame of {len(body)} bytes makes no sense",
        code="charging.frame",
        fix="see farwire.charging.shard.frames for its layout",
    )
