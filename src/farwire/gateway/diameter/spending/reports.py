"""Policy counters as status reports, and the two requests that ask for them. Pure. Source: TS 29.219 §5.3, §5.6."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import Final

import msgspec

from farwire.charging.model.policy import CounterStatus, PolicyCounter
from farwire.charging.model.state import NEVER
from farwire.charging.service import Identity
from farwire.gateway.diameter.codec import Avps, Refusal, encode_avp
from farwire.gateway.diameter.credit_control.service import identities_of
from farwire.gateway.diameter.dictionary import Result, key_of
from farwire.gateway.diameter.profiles import Peer
from farwire.gateway.diameter.required import nobody_named, required_number, required_text, wrong_value

_SESSION: Final = key_of("Session-Id")
_TYPE: Final = key_of("SL-Request-Type")
_NAME: Final = key_of("Policy-Counter-Identifier")
_STATUS: Final = key_of("Policy-Counter-Status")
_REPORT: Final = key_of("Policy-Counter-Status-Report")
_PENDING: Final = key_of("Pending-Policy-Counter-Information")
_PENDING_AT: Final = key_of("Pending-Policy-Counter-Change-Time")
NAMES_MOST: Final = 64
_NAME_MOST: Final = 64
_SECOND_US: Final = 1_000_000
_USED: Final = frozenset({CounterStatus.NEAR, CounterStatus.REACHED})


class RequestType(IntEnum):
    """SL-Request-Type."""

    INITIAL = 0
    INTERMEDIATE = 1


class SpendingLimit(msgspec.Struct, frozen=True):
    """An SLR, read."""

    session: str
    type: RequestType
    identities: tuple[Identity, ...]
    names: tuple[str, ...]
    """Counters that are asked for; none: all."""


def session_of(avps: Avps) -> str:
    """Return the name of the session. Raises ``Refusal`` as ``required_text`` does, and 5004 for one of a NUL."""
    session = required_text(avps, _SESSION)
    if "\0" in session:
        failed = encode_avp(_SESSION, session)
        raise Refusal(Result.INVALID_AVP_VALUE, "Session-Id has a NUL", failed=failed)
    return session


def read_slr(avps: Avps) -> SpendingLimit:
    """Return what an SLR says. Raises ``Refusal``: 5005, 5009, 5004; 5012 for more names than anybody has."""
    session, type_ = session_of(avps), required_number(avps, _TYPE)
    if type_ not in set(RequestType):
        raise wrong_value(_TYPE, type_)
    names = tuple(dict.fromkeys(name for name in avps.get(_NAME, ()) if isinstance(name, str)))
    if len(names) > NAMES_MOST or any(len(name) > _NAME_MOST for name in names):
        raise Refusal(
            Result.UNABLE_TO_COMPLY, "there are too many Policy-Counter-Identifiers, or too long ones"
        )
    identities = identities_of(avps)
    if type_ == RequestType.INITIAL and not identities:
        raise nobody_named()
    return SpendingLimit(session, RequestType(type_), identities, names)


class Report(msgspec.Struct, frozen=True):
    """The status of one counter in the words of a peer, and what it becomes by itself."""

    status: str
    later: str = ""
    """From ``ends_at`` on, until it is told otherwise; empty: it does not change by itself."""
    ends_at: int = 0
    """Seconds since 1970."""


def status_of(counters: Sequence[PolicyCounter], names: Sequence[str], peer: Peer) -> dict[str, Report]:
    """Return the status of each counter that is wanted.

    A counter of the peer's profile that an account does not have is as if nothing of it were used. Raises ``Refusal``:
    5570 for a name that nobody has, 4241 where there is no counter at all.
    """
    words = peer.counter_words
    below = Report(worded(CounterStatus.BELOW, words))
    found = dict.fromkeys(peer.counters, below) | {one.name: _report(one, words) for one in counters}
    unknown = [name for name in names if name not in found]
    if unknown:
        failed = b"".join(encode_avp(_NAME, name) for name in unknown)
        raise Refusal(Result.UNKNOWN_POLICY_COUNTERS, "a policy counter is unknown here", failed=failed)
    if not found:
        raise Refusal(Result.NO_AVAILABLE_POLICY_COUNTERS, "the subscriber has no policy counter")
    return {name: found[name] for name in (names or sorted(found))}


def _report(counter: PolicyCounter, words: Mapping[str, str]) -> Report:
    status = worded(counter.status, words)
    if counter.status not in _USED or counter.ends_at >= NEVER:
        return Report(status)
    return Report(status, worded(CounterStatus.BELOW, words), counter.ends_at // _SECOND_US)


def worded(status: str, words: Mapping[str, str]) -> str:
    """Return a status as a peer calls it."""
    return words.get(str(status), str(status))


def reports(status: Mapping[str, Report]) -> Avps:
    """Return status reports."""
    return {_REPORT: [_avps(name, one) for name, one in status.items()]}


def _avps(name: str, one: Report) -> Avps:
    found: Avps = {_NAME: [name], _STATUS: [one.status]}
    if one.later:
        found[_PENDING] = [{_STATUS: [one.later], _PENDING_AT: [one.ends_at]}]
    return found


def kept(status: Mapping[str, Report]) -> str:
    """Return reports as they are kept with a session: what its peer was told last."""
    return msgspec.json.encode(status).decode()


def read_kept(text: str) -> dict[str, Report]:
    """Return what ``kept`` has made."""
    return msgspec.json.decode(text, type=dict[str, Report])
