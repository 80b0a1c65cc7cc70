"""Requests of Rf and Sy, damaged in any way, are read or refused by name."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from farwire.gateway.diameter.accounting.requests import read_acr
from farwire.gateway.diameter.accounting.unseen import debits, unseen_of
from farwire.gateway.diameter.codec import Header, Message, Refusal, decode, encode
from farwire.gateway.diameter.profiles import Peer
from farwire.gateway.diameter.spending.reports import read_slr, session_of
from tests.gateway.test_accounting import acr, container
from tests.gateway.test_spending import slr

PEER = Peer("*", "acme")
NOW = datetime(2026, 6, 1, tzinfo=UTC)
ACR = encode(Message(Header(0xC0, 271, 3, 1, 1), acr(4, 1, "data", container(1, 10), container(2, 5))))
CALL = encode(Message(Header(0xC0, 271, 3, 1, 1), acr(2, 0, "voice")))
SLR = encode(Message(Header(0xC0, 8_388_635, 16_777_302, 1, 1), slr(0, "state", "spend-cycle")))
DAMAGE = st.lists(st.tuples(st.integers(20, 400), st.integers(0, 255)), max_size=6)


def damaged(octets: bytes, damage: list[tuple[int, int]]) -> Message | None:
    found = bytearray(octets)
    for place, octet in damage:
        found[min(place, len(found) - 1)] = octet
    with suppress(Refusal):
        return decode(bytes(found))
    return None


@settings(max_examples=150, deadline=None)
@given(st.sampled_from([ACR, CALL]), DAMAGE)
def test_a_damaged_record_is_read_or_refused(octets: bytes, damage: list[tuple[int, int]]) -> None:
    message = damaged(octets, damage)
    if message is None:
        return
    with suppress(Refusal):
        record = read_acr(message.avps, PEER, NOW)
        for part, ended_at in zip(record.parts, record.ends, strict=True):
            one = unseen_of(part, 1, ended_at)
            if one is not None:
                assert one.started_at <= one.middle <= one.ended_at
                assert debits(one)[1].asks[0].used == part.quantity


@settings(max_examples=100, deadline=None)
@given(DAMAGE)
def test_a_damaged_question_for_counters_is_read_or_refused(damage: list[tuple[int, int]]) -> None:
    message = damaged(SLR, damage)
    if message is None:
        return
    with suppress(Refusal):
        assert "\0" not in read_slr(message.avps).session
    with suppress(Refusal):
        assert session_of(message.avps)
