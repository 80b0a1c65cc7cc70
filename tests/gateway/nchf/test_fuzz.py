"""Whatever a body or a reference is, it is read or refused by name: nothing else is raised."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farwire.gateway.nchf.charging_data.documents import ChargingDataRequest, read_document
from farwire.gateway.nchf.charging_data.requests import event_requests, past_requests, read_request
from farwire.gateway.nchf.offline import parts_of
from farwire.gateway.nchf.problems import Problem, refusal
from farwire.gateway.nchf.reference import Reference, read_reference
from tests.gateway.nchf.openapi import COMMON, Documents
from tests.gateway.nchf.world import a_consumer, document, usage

SOME = settings(max_examples=150)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(10**40), 10**40)
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(
        ["imsi-1", "msisdn-49", "IEC", "2026-06-01T00:00:00Z", "9999-12-31T23:59:59Z", "\ud800"]
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
REFERENCE = Reference(1, 2, 3, 4, 5, "data", "26202")


def paths(found: Any, before: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the way to each part of a document."""
    parts = found.items() if isinstance(found, dict) else enumerate(found) if isinstance(found, list) else ()
    return [before, *(path for name, one in parts for path in paths(one, (*before, name)))]


FULL = document(
    1, usage(1, used=5, requested=5), oneTimeEvent=True, oneTimeEventType="IEC", notifyUri="http://127.0.0.1/",
    iMSChargingInformation={"calledPartyAddress": "tel:+49", "roleOfNode": "x"}, chargingId=1,
    sMSChargingInformation={"recipientInfo": [{"recipientGPSI": "msisdn-49"}], "originatorInfo": {}},
)  # fmt: skip


def changed(path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    found = json.loads(json.dumps(FULL))
    place = found
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = value
    return found


def tried(body: bytes, documents: Documents) -> None:
    try:
        read = read_document(body, ChargingDataRequest)
        for session in (None, REFERENCE):
            data = read_request(read, a_consumer(), session)
            event_requests(data, account=1)
            past_requests(data, account=1)
            parts_of(read, data, REFERENCE)
    except Problem as problem:
        answer = refusal(problem)
        assert answer.status == 400
        documents.check(COMMON, "ProblemDetails", json.loads(answer.body))


@SOME
@given(path=st.sampled_from(paths(FULL)), value=VALUES)
def test_a_document_with_any_value_anywhere(documents: Documents, path: tuple[Any, ...], value: Any) -> None:
    tried(json.dumps(changed(path, value)).encode("utf-8", "surrogatepass"), documents)


@SOME
@given(body=st.binary(max_size=200), cut=st.integers(0, 1_000))
def test_any_octets_and_any_beginning_of_a_document(documents: Documents, body: bytes, cut: int) -> None:
    tried(body, documents)
    tried(json.dumps(FULL).encode()[:cut], documents)


@SOME
@given(text=st.text(max_size=70) | st.binary(min_size=46, max_size=46).map(lambda one: one.hex()))
def test_any_reference(text: str) -> None:
    status = 200
    try:
        read_reference(text, tenant=1)
    except Problem as problem:
        status = problem.cause.status
    assert status in (200, 404)


@SOME
@given(
    numbers=st.tuples(*[st.integers(-(2**63), 2**63 - 1)] * 3), account=st.integers(0, 2**63 - 1),
    kind=st.sampled_from(["data", "voice", "message", "event"]),
    visited=st.sampled_from(["", "26201", "00101", "310260"]),
)  # fmt: skip
def test_a_reference_is_read_as_it_was_written(
    numbers: tuple[int, int, int], account: int, kind: str, visited: str
) -> None:
    one = Reference(7, account, *numbers, kind, visited)
    assert read_reference(one.text(), tenant=7) == one
    with pytest.raises(Problem):
        read_reference(one.text(), tenant=8)
