"""From the rows of one session to its usage, whatever the order in which they came. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from farwire.kernel.ids import UsageId
from farwire.rating.model import UsageKind
from farwire.usage.model.facts import Fragment, Role, Usage
from farwire.usage.model.profile import Measure, Profile
from farwire.usage.model.values import INT64

AWAITING_END = "awaiting_end"
AWAITING_START = "awaiting_start"
CALLER_MISSING = "caller_missing"
SESSION_CONFLICT = "session_conflict"


class AssemblyRule(msgspec.Struct, frozen=True):
    """What of a profile assembly needs. Kept with each open session, so that it can close without the profile."""

    kind: UsageKind
    measure: Measure
    started: str
    tolerance_s: int
    close_after_s: int | None


class Assembly(msgspec.Struct, frozen=True):
    """What the rows of a session say together.

    ``usage`` is None while the session waits, for ``reason``. ``conflicting`` are identities of rows that
    contradict the others.
    """

    usage: Usage | None
    reason: str
    conflicting: frozenset[bytes]


def assembly_rule(profile: Profile) -> AssemblyRule | None:
    """Return the rule of ``profile``, or None where each of its rows is a whole usage."""
    session = profile.session
    if session is None:
        return None
    close_after_s = None if session.close_after_h is None else session.close_after_h * 3600
    return AssemblyRule(profile.kind, session.measure, session.started, session.tolerance_s, close_after_s)


def usage_id(digest: bytes) -> UsageId:
    """Return the id of the usage that ``digest`` names: a UUIDv8 (RFC 9562 §5.8). One usage has one id for ever."""
    value = int.from_bytes(digest, "big")
    value = value & ~(0xF << 76) | 0x8 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return UsageId(UUID(int=value))


def single_usage(fragment: Fragment, kind: UsageKind) -> Usage:
    """Return the usage that one row reports whole."""
    return _usage(fragment, kind, fragment.at, fragment.quantity or 0, [fragment], fragment.charge_nano)


def assemble(fragments: Iterable[Fragment], rule: AssemblyRule, *, closing: bool = False) -> Assembly:
    """Return what ``fragments`` of one session say together; their order does not matter.

    The earliest stop ends the session. Rows later than it by more than the tolerance conflict. ``closing`` takes
    the last row as the end, for a session whose stop never came.
    """
    parts = sorted(fragments, key=lambda part: (part.at, part.identity))
    stops = [part for part in parts if part.role is Role.STOP]
    starts = [part for part in parts if part.role is Role.START]
    needs_start = rule.started == "start"
    if not stops and not closing:
        return Assembly(None, AWAITING_END, frozenset())
    if needs_start and not starts:
        return Assembly(None, AWAITING_START, frozenset())
    end = stops[0] if stops else parts[-1]
    latest = end.at + timedelta(seconds=rule.tolerance_s)
    inside = [part for part in parts if part.at <= latest]
    late = frozenset(part.identity for part in parts if part.at > latest)
    started_at = _started_at(inside, starts, end, rule)
    quantity = _quantity(inside, started_at, end, rule)
    charge = _charge(inside, rule)
    contradictory = quantity < 0 or (needs_start and starts[0].at > latest)
    if contradictory or quantity > INT64 or (charge is not None and charge > INT64):
        return Assembly(None, SESSION_CONFLICT, frozenset(part.identity for part in parts))
    first = starts[0] if starts and starts[0].at <= latest else inside[0]
    usage = _usage(first, rule.kind, started_at, quantity, inside, charge)
    return Assembly(usage, "", late) if usage.caller else Assembly(None, CALLER_MISSING, frozenset())


def _started_at(
    inside: list[Fragment], starts: list[Fragment], end: Fragment, rule: AssemblyRule
) -> datetime:
    if rule.started == "start":
        return starts[0].at
    if rule.started == "elapsed":
        return end.at - timedelta(seconds=end.elapsed_s or 0)
    return inside[0].at


def _quantity(inside: list[Fragment], started_at: datetime, end: Fragment, rule: AssemblyRule) -> int:
    if rule.measure is Measure.SPAN:
        # Rounded up to whole seconds.
        return -((started_at - end.at) // timedelta(seconds=1))
    known = [part.quantity for part in inside if part.quantity is not None]
    return max(known, default=0) if rule.measure is Measure.CUMULATIVE else sum(known)


def _charge(inside: list[Fragment], rule: AssemblyRule) -> int | None:
    """Return the price that the rows carry, measured as the quantity is."""
    known = [part.charge_nano for part in inside if part.charge_nano is not None]
    if not known:
        return None
    return max(known) if rule.measure is Measure.CUMULATIVE else sum(known)


def _usage(
    first: Fragment,
    kind: UsageKind,
    started_at: datetime,
    quantity: int,
    parts: list[Fragment],
    charge_nano: int | None,
) -> Usage:
    """Return the usage: who and where from ``first``, else from the earliest row that tells."""
    return Usage(
        usage_id=usage_id(first.usage),
        kind=kind,
        started_at=started_at,
        quantity=quantity,
        caller=first.caller or next((part.caller for part in parts if part.caller), ""),
        called=first.called or next((part.called for part in parts if part.called), ""),
        charge_nano=charge_nano,
        charge_currency=next((part.charge_currency for part in parts if part.charge_currency), ""),
        direction=first.direction,
        visited_network=next((part.visited_network for part in parts if part.visited_network), ""),
        rating_group=next((part.rating_group for part in parts if part.rating_group is not None), None),
    )
