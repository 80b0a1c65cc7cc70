"""What changes in a record is told under a name that its table has, and under no name of another record."""

from __future__ import annotations

from collections import Counter

import pytest

from farwire import app
from farwire.base.tmf import Api, Operation, Resource
from farwire.base.tmf.resource import SERVED
from farwire.base.tmf.writing import changes, event_types

app.api_routes()
RECORDS = [(api, resource) for api, resource in SERVED.all() if resource.behaviour is None]
CHANGES = ("AttributeValueChange", "Change")
STATES = ("StateChange", "StatusChange", "ExecutionStateChange")


def told(resource: Resource, names: tuple[str, ...]) -> list[str]:
    return [name for name in names if name in resource.descriptor.events]


@pytest.mark.parametrize(
    ("api", "resource"),
    [pytest.param(*one, id=f"{one[0].number}-{one[1].descriptor.type}") for one in RECORDS],
)
def test_a_change_is_told_by_an_event_that_the_table_names(api: Api, resource: Resource) -> None:
    one = resource.descriptor
    state = (
        one.lifecycle.attribute
        if one.lifecycle is not None
        else next((name for name in ("state", "status", "lifecycleStatus") if name in one.attributes), None)
    )
    before = {"id": "1", "description": "a", **({state: "a"} if state else {})}
    made = told(resource, ("Create", "Creation"))
    assert changes(resource, None, before) == made, api.number
    assert changes(resource, before, None) == told(resource, ("Delete", "Remove"))
    assert changes(resource, before, before | {"description": "b"}) == told(resource, CHANGES)
    if state and Operation.PATCH in one.operations:
        expected = told(resource, STATES) or told(resource, CHANGES)
        assert changes(resource, before, before | {state: "b"}) == expected
    assert len(told(resource, CHANGES)) <= 1
    assert len(told(resource, STATES)) <= 1


def test_no_two_records_are_told_of_by_one_event_type() -> None:
    counted = Counter(name for _, resource in RECORDS for name in event_types(resource))
    assert len(counted) > 300
    # nobody makes a monitor yet: TMF640 and TMF702 will share what activation tells
    twice = {name for name, times in counted.items() if times > 1}
    assert {name for name in twice if ".activation.monitor_" not in name} == set()
