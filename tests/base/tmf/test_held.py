"""What a listener does not take: held by its resource, tried, dead, seen, sent again, given up; gaps; an hour away."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections import defaultdict
from datetime import timedelta
from typing import Any

import httpx
import pytest

from farwire.base import eventbus
from farwire.base.clock import MovableClock
from farwire.base.eventbus import operations as bus
from farwire.base.storage import Database
from farwire.base.tmf_events import holding
from farwire.kernel.ids import TenantId

V4 = "/tmf-api/productCatalogManagement/v4"
V5 = "/tmf-api/productCatalogManagement/v5"
LISTENERS, LETTERS = "/farwire/v1/eventListeners", "/farwire/v1/deadLetters"


def names(listener: Any) -> list[str]:
    return [one["event"]["category"]["name"] for one in listener.events]


@pytest.fixture
def wait(deliver: Any, clock: MovableClock) -> Any:
    """Return a function that lets a worker run for some minutes of the clock."""

    async def run(minutes: int, step: int = 5) -> None:
        for _ in range(minutes // step):
            await deliver()
            clock.advance(timedelta(minutes=step))
        await deliver()

    return run


async def test_what_a_listener_always_refuses_waits_for_a_person_and_holds_only_its_own_resource_up(
    client: httpx.AsyncClient,
    other_client: httpx.AsyncClient,
    listener: Any,
    register: Any,
    deliver: Any,
    make: Any,
    wait: Any,
) -> None:
    await register(V5, callback=listener.url)
    listener.poison = '"name":"bad'
    bad = await make("bad")
    await deliver()
    await client.patch(f"{V5}/category/{bad['id']}", json={"name": "bad, later"})
    for number in range(9):
        await make(f"good {number}")
        await wait(10)
        assert names(listener)[-1] == f"good {number}", "the others go on, at once"
    await wait(90)
    (letter,) = (await client.get(f"{LETTERS}?dead=true")).json()
    assert (letter["state"], letter["resourceId"]) == ("dead", bad["id"])
    assert letter["attempts"] >= holding.DEAD_AFTER
    assert letter["error"] == "Unavailable: the listener answered 422"
    assert letter["lastPosition"] > letter["firstPosition"]
    whole = (await client.get(letter["href"])).json()
    assert [one["eventType"] for one in whole["events"]] == [
        "CategoryCreateEvent",
        "CategoryAttributeValueChangeEvent",
    ]
    assert (await other_client.get(letter["href"])).status_code == 404
    assert (await other_client.post(f"{letter['href']}/retry")).status_code == 404
    assert (await other_client.post(f"{letter['href']}/skip")).status_code == 404
    listener.poison = ""
    listener.heard.clear()
    assert (await client.post(f"{letter['href']}/retry")).json()["state"] == "waiting"
    await deliver()
    assert [one["eventType"] for one in listener.events] == [one["eventType"] for one in whole["events"]]
    assert [one["eventId"] for one in listener.events] == [one["eventId"] for one in whole["events"]]
    assert (await client.get(LETTERS)).json() == []


async def test_what_is_given_up_is_left_out_and_what_waited_behind_it_goes_on(
    client: httpx.AsyncClient, listener: Any, register: Any, deliver: Any, make: Any, wait: Any
) -> None:
    await register(V4, callback=listener.url)
    listener.poison = '"CategoryCreateEvent"'
    made = await make("a")
    await deliver()
    await client.patch(f"{V5}/category/{made['id']}", json={"name": "b"})
    await deliver()
    (letter,) = (await client.get(LETTERS)).json()
    assert (letter["state"], listener.heard) == ("waiting", [])
    assert (await client.post(f"{letter['href']}/skip")).json()["state"] == "waiting"
    await wait(5)
    assert [one["eventType"] for one in listener.events] == ["CategoryAttributeValueChangeEvent"]
    assert (await client.get(LETTERS)).json() == []
    assert (await client.post(f"{letter['href']}/skip")).status_code == 404


async def test_a_listener_that_never_answers_keeps_what_it_misses_of_few_resources_until_a_person_says_so(
    client: httpx.AsyncClient, listener: Any, register: Any, deliver: Any, make: Any, wait: Any
) -> None:
    await register(V5, callback=listener.url)
    listener.status = 500
    made = await make("a")
    await wait(180)
    (letter,) = (await client.get(LETTERS)).json()
    assert letter["state"] == "waiting", "nothing says that it takes other things"
    await wait(180)
    await client.patch(f"{V5}/category/{made['id']}", json={"name": "b"})
    await deliver()
    (letter,) = (await client.get(LETTERS)).json()
    assert (letter["state"], letter["attempts"]) == ("dead", holding.DEAD_AT_LAST)
    listener.status = 204
    await client.post(f"{letter['href']}/retry")
    await deliver()
    assert [one["eventType"] for one in listener.events] == [
        "CategoryCreateEvent",
        "CategoryAttributeValueChangeEvent",
    ]


async def test_an_away_listener_that_refuses_one_thing_hears_all_the_others_when_it_is_back(
    client: httpx.AsyncClient, listener: Any, register: Any, make: Any, wait: Any
) -> None:
    await register(V5, callback=listener.url)
    listener.status = 503
    for number in range(40):
        await make(f"c{number}")
    await wait(15)
    (shown,) = (await client.get(LISTENERS)).json()
    assert shown["awayFrom"] > 0
    assert "secret" not in str(shown).lower()
    bad = await make("bad")
    await make("last")
    listener.status, listener.poison = 200, '"name":"bad"'
    await wait(30)
    assert set(names(listener)) == {f"c{number}" for number in range(40)} | {"last"}
    assert len(names(listener)) == 41
    (letter,) = (await client.get(LETTERS)).json()
    assert letter["resourceId"] == bad["id"]
    assert "awayFrom" not in (await client.get(shown["href"])).json()


async def test_a_listener_that_refuses_for_an_hour_hears_a_thousand_events_in_order_signed_and_none_is_lost(
    client: httpx.AsyncClient,
    listener: Any,
    register: Any,
    deliver: Any,
    make: Any,
    clock: MovableClock,
    db: Database,
    tenant_id: TenantId,
) -> None:
    answer = await register(V5, callback=listener.url)
    key = answer.headers["x-farwire-hub-secret"].encode()
    listener.status = 503
    things, many = 50, 1000
    ids = [(await make(f"{number}", description="0"))["id"] for number in range(things)]
    for step in range(1, many // things):
        for one in ids:
            changed = await client.patch(f"{V5}/category/{one}", json={"description": str(step)})
            assert changed.status_code == 200
        await deliver()
        clock.advance(timedelta(minutes=60 / (many // things - 1)))
    assert listener.heard == []
    listener.status = 200
    for _ in range(8):
        await deliver()
        clock.advance(timedelta(minutes=5))
    found: dict[str, list[str]] = defaultdict(list)
    for _, headers, body in listener.heard:
        seconds, digest = (part.partition("=")[2] for part in headers["x-farwire-signature"].split(","))
        assert hmac.new(key, f"{seconds}.".encode() + body, hashlib.sha256).hexdigest() == digest
        event = json.loads(body)
        found[event["event"]["category"]["id"]].append(event["eventId"])
    async with db.transaction(tenant_id, read_only=True) as tx:
        told = [
            one
            for after in await _pages(tx)
            for _, one in await eventbus.list_events(tx=tx, after=after, type_prefix=holding.NOTIFICATION)
        ]
    due: dict[str, list[str]] = defaultdict(list)
    for one in told:
        if str(one.data["event"]) not in due[str(one.data["id"])]:
            due[str(one.data["id"])].append(str(one.data["event"]))
    assert sum(len(events) for events in due.values()) == many
    assert {one: list(dict.fromkeys(events)) for one, events in found.items()} == due


async def _pages(tx: Any) -> list[int]:
    """Return positions a thousand notifications apart."""
    found, after = [0], 0
    while page := await eventbus.list_events(tx=tx, after=after, type_prefix=holding.NOTIFICATION):
        after = page[-1][0]
        found.append(after)
    return found


async def test_a_listener_that_is_away_longer_than_events_are_kept_is_told_of_the_gap_first(
    listener: Any, register: Any, make: Any, wait: Any, clock: MovableClock, relay: Database, deliver: Any
) -> None:
    await register(V5, callback=listener.url)
    listener.status = 503
    for number in range(30):
        await make(f"old {number}")
    await wait(10)
    clock.advance(timedelta(days=40))
    await deliver()
    assert await bus.purge(relay_db=relay, before=clock.now() - timedelta(days=30)) > 0
    await make("new")
    listener.status = 200
    await wait(30)
    first, *rest = listener.events
    assert first["eventType"] == "ListenerGapEvent"
    assert set(first["event"]["gap"]) == {"startDateTime", "endDateTime"}
    assert [one["eventType"] for one in rest].count("CategoryCreateEvent") >= 1
    assert "new" in [one["event"].get("category", {}).get("name") for one in rest]


@pytest.mark.parametrize("form", ["positions", "times", "event", "from"])
async def test_a_listener_hears_a_range_again_over_http(
    client: httpx.AsyncClient,
    other_client: httpx.AsyncClient,
    listener: Any,
    register: Any,
    deliver: Any,
    make: Any,
    db: Database,
    clock: MovableClock,
    tenant_id: TenantId,
    form: str,
) -> None:
    key = (await register(V5, callback=listener.url)).json()["id"]
    marks = []
    for name in "abc":
        await make(name)
        await deliver()
        async with db.transaction(tenant_id) as tx:
            marks.append((await eventbus.last_position(tx), clock.now()))
        clock.advance(timedelta(minutes=1))
    first = list(listener.events)
    body: dict[str, Any] = {
        "positions": {"fromPosition": marks[0][0] + 1, "toPosition": marks[1][0]},
        "times": {
            "fromTime": (marks[0][1] + timedelta(seconds=1)).isoformat(),
            "toTime": marks[2][1].isoformat(),
        },
        "event": {"eventId": first[1]["correlationId"]},
        "from": {"fromPosition": marks[0][0] + 1},
    }[form]
    listener.heard.clear()
    url = f"{LISTENERS}/{key}/replays"
    assert (await other_client.post(url, json=body)).status_code == 404
    for _ in range(2):
        answer = await client.post(url, json=body, headers={"Idempotency-Key": "again"})
        assert answer.status_code == 201, answer.text
    await deliver()
    wanted = first[1:] if form == "from" else first[1:2]
    assert listener.events == wanted
    assert answer.json().get("count") == (None if form == "from" else 1)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),
        ({"fromPosition": 1, "eventId": "01979a40-5c00-7000-8000-000000000001"}, 400),
        ({"toPosition": 1}, 400),
        ({"fromPosition": 10**9}, 409),
        ({"fromTime": "2099-01-01T00:00:00Z"}, 409),
        ({"eventId": "01979a40-5c00-7000-8000-000000000001"}, 404),
        ({"fromPosition": 1, "toPosition": 1, "toTime": "2026-01-01T00:00:00Z"}, 400),
    ],
)
async def test_a_replay_that_names_nothing_is_refused(
    client: httpx.AsyncClient, listener: Any, register: Any, make: Any, body: dict[str, Any], status: int
) -> None:
    key = (await register(V5, callback=listener.url)).json()["id"]
    await make("a")
    answer = await client.post(f"{LISTENERS}/{key}/replays", json=body)
    assert answer.status_code == status, answer.text
