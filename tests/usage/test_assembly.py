"""A session gives the same usage, whatever the order of its rows."""

from datetime import UTC, datetime, timedelta

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from farwire.rating.model import UsageKind
from farwire.usage.model import AssemblyRule, Fragment, Measure, Role, assemble

T0 = datetime(2026, 6, 1, tzinfo=UTC)
SPAN = AssemblyRule(UsageKind.VOICE, Measure.SPAN, "start", 60, None)
CUMULATIVE = AssemblyRule(UsageKind.DATA, Measure.CUMULATIVE, "elapsed", 60, 3600)
SUM = AssemblyRule(UsageKind.VOICE, Measure.SUM, "first", 60, 3600)
KEY = b"k" * 16


def part(role, second, *, quantity=None, caller="a", called="b", name=None, elapsed=None):
    return Fragment(
        identity=(name or f"{role}{second}{quantity}").encode().ljust(16, b".")[:16],
        usage=KEY,
        role=role,
        at=T0 + timedelta(seconds=second),
        caller=caller,
        called=called,
        quantity=quantity,
        elapsed_s=elapsed,
    )


INVITE, BYE = part(Role.START, 0), part(Role.STOP, 42.2, caller="", called="")


def test_a_call_lasts_from_invite_to_bye_rounded_up():
    found = assemble([BYE, INVITE], SPAN)
    assert found.usage is not None
    assert (found.usage.quantity, found.usage.started_at) == (43, T0)
    assert (found.usage.caller, found.usage.called) == ("a", "b")


def test_half_a_call_waits_and_says_for_what():
    assert assemble([INVITE], SPAN).reason == "awaiting_end"
    assert assemble([BYE], SPAN).reason == "awaiting_start"


def test_an_end_before_the_start_is_a_contradiction():
    found = assemble([part(Role.START, 50), part(Role.STOP, 20)], SPAN)
    assert (found.usage, found.reason, len(found.conflicting)) == (None, "session_conflict", 2)


def test_the_first_end_counts_and_a_much_later_one_contradicts():
    late = part(Role.STOP, 500, name="late")
    soon = part(Role.STOP, 60, name="soon")
    found = assemble([late, soon, INVITE, BYE], SPAN)
    assert found.usage is not None
    assert found.usage.quantity == 43
    assert found.conflicting == {late.identity}


def test_a_cumulative_session_takes_the_greatest_count_and_starts_before_its_end_by_its_own_seconds():
    rows = [
        part(Role.START, 0),
        part(Role.INTERIM, 300, quantity=2**33),
        part(Role.STOP, 620, quantity=2**34, elapsed=619),
    ]
    found = assemble(rows, CUMULATIVE).usage
    assert found is not None
    assert (found.quantity, found.started_at) == (2**34, T0 + timedelta(seconds=1))


def test_parts_of_a_call_add_up():
    found = assemble([part(Role.INTERIM, 0, quantity=1800), part(Role.STOP, 0, quantity=74)], SUM).usage
    assert found is not None
    assert found.quantity == 1874


def test_a_session_that_never_ended_closes_with_what_is_known():
    rows = [part(Role.START, 0), part(Role.INTERIM, 300, quantity=5, elapsed=300)]
    assert assemble(rows, CUMULATIVE).usage is None
    closed = assemble(rows, CUMULATIVE, closing=True).usage
    assert closed is not None
    assert (closed.quantity, closed.started_at) == (5, T0)


def test_a_quantity_beyond_int64_is_a_contradiction_and_no_crash():
    rows = [part(Role.INTERIM, 0, quantity=2**63 - 1), part(Role.STOP, 0, quantity=1)]
    assert assemble(rows, SUM).reason == "session_conflict"


def test_a_session_without_any_caller_waits():
    assert (
        assemble([part(Role.STOP, 5, quantity=1, caller="", elapsed=5)], CUMULATIVE).reason
        == "caller_missing"
    )


parts = st.builds(
    lambda role, second, quantity, caller: part(
        role,
        second,
        quantity=quantity,
        caller=caller,
        elapsed=second,
        name=f"{role}{second}{quantity}{caller}",
    ),
    st.sampled_from([Role.START, Role.INTERIM, Role.STOP]),
    st.integers(0, 200),
    st.none() | st.integers(0, 2**40),
    st.sampled_from(["", "a"]),
)


@given(
    st.lists(parts, min_size=1, max_size=7, unique_by=lambda found: found.identity),
    st.randoms(),
    st.sampled_from([SPAN, CUMULATIVE, SUM]),
)
def test_neither_order_nor_repetition_changes_the_usage(rows, random, rule):
    expected = assemble(rows, rule)
    shuffled = list(rows)
    random.shuffle(shuffled)
    assert assemble(shuffled, rule) == expected
    assert expected.usage is None or expected.usage.quantity >= 0


@given(
    st.lists(parts, min_size=1, max_size=7, unique_by=lambda found: found.identity),
    st.sampled_from([CUMULATIVE, SUM]),
)
def test_every_row_of_a_closed_session_is_inside_or_in_conflict(rows, rule):
    found = assemble(rows, rule, closing=True)
    inside = [row for row in rows if row.identity not in found.conflicting]
    if found.usage is not None:
        assert inside
        again = assemble(inside, rule, closing=True)
        assert msgspec.structs.asdict(again)["usage"] == found.usage
        assert not again.conflicting
