"""TMF688: standing topics of what each API tells, topics that clients make and post to, and who listens to one."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from farwire.base.clock import MovableClock
from farwire.base.tmf import Api
from farwire.base.tmf.resource import SERVED
from farwire.base.tmf_events import tmf688, topics

V4 = "/tmf-api/event/v4"
V5 = "/tmf-api/productCatalogManagement/v5"
STANDING = f"{V4}/topic/TMF620"


@pytest.fixture
def app(web: Any, catalog_api: Api) -> Any:
    SERVED.add(tmf688.API)
    return web(catalog_api, more=tmf688.ROUTES)


@pytest.fixture
async def client(app: Any) -> AsyncIterator[httpx.AsyncClient]:
    async with _client(app, "fw_own") as found:
        yield found


@pytest.fixture
async def other_client(app: Any) -> AsyncIterator[httpx.AsyncClient]:
    async with _client(app, "fw_other") as found:
        yield found


def _client(app: Any, key: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app),
        base_url="http://farwire",
        headers={"authorization": f"Bearer {key}"},
    )


@pytest.fixture
def make_topic(client: httpx.AsyncClient) -> Any:
    async def make(**body: str) -> str:
        answer = await client.post(f"{V4}/topic", json={"name": "alarms", **body})
        assert answer.status_code == 201, answer.text
        return f"{V4}/topic/{answer.json()['id']}"

    return make


async def test_what_an_api_tells_stands_in_its_topic_to_be_read_by_offset_time_and_filter(
    client: httpx.AsyncClient, other_client: httpx.AsyncClient, make: Any, clock: MovableClock
) -> None:
    ids = []
    for number in range(5):
        ids.append((await make(f"c{number}"))["id"])
        clock.advance(timedelta(hours=1))
    await client.patch(f"{V5}/category/{ids[0]}", json={"name": "x"})
    answer = await client.get(f"{STANDING}/event?limit=2&offset=1")
    assert [one["event"]["category"]["id"] for one in answer.json()] == ids[1:3]
    assert (answer.headers["x-total-count"], answer.headers["x-result-count"]) == ("6", "2")
    first = answer.json()[0]
    assert first["eventType"] == "CategoryCreateEvent"
    assert first["event"]["category"]["href"].endswith(f"/category/{ids[1]}")
    assert (await client.get(first["href"])).json() == first
    shown = (await client.get(f"{STANDING}/event?fields=eventType&limit=1")).json()
    assert set(shown[0]) == {"id", "href", "eventType"}
    later = await client.get(f"{STANDING}/event", params={"eventTime.gt": first["eventTime"]})
    assert [one["event"]["category"]["id"] for one in later.json()] == [*ids[2:], ids[0]]
    changed = await client.get(f"{STANDING}/event?eventType=CategoryAttributeValueChangeEvent")
    assert [one["event"]["category"]["id"] for one in changed.json()] == [ids[0]]
    about = await client.get(f"{STANDING}/event", params={"event.category.id": ids[3]})
    assert len(about.json()) == 1
    assert (await other_client.get(f"{STANDING}/event")).json() == []
    assert (await other_client.get(first["href"])).status_code == 404
    assert (await client.get(f"{V4}/topic/TMF688/event/{first['id']}")).status_code == 404


async def test_the_pages_of_a_standing_topic_have_each_event_once_while_others_come(
    client: httpx.AsyncClient, make: Any
) -> None:
    for number in range(7):
        await make(f"c{number}")
    found, url = [], f"{STANDING}/event?limit=3"
    while url:
        answer = await client.get(url)
        found += [one["id"] for one in answer.json()]
        await make("more") if len(found) < 9 else None
        url = answer.links.get("next", {}).get("url", "")
    assert len(found) == len(set(found)) >= 9


async def test_standing_topics_are_read_only(client: httpx.AsyncClient) -> None:
    assert (await client.delete(STANDING)).status_code == 409
    assert (await client.post(f"{STANDING}/event", json={"eventType": "X"})).status_code == 409
    assert (await client.post(f"{V4}/topic", json={"id": "TMF620"})).status_code == 409
    assert (await client.post(f"{V4}/topic", json={"id": "TMF999"})).status_code == 409
    names = [one["id"] for one in (await client.get(f"{V4}/topic")).json()]
    assert names == ["TMF620", "TMF688"]


async def test_a_listener_of_a_standing_topic_hears_what_the_api_tells(
    client: httpx.AsyncClient, listener: Any, deliver: Any, make: Any
) -> None:
    await deliver()
    body = {"callback": listener.url, "query": "eventType=CategoryCreateEvent"}
    answer = await client.post(f"{STANDING}/hub", json=body)
    assert answer.status_code == 201, answer.text
    made = await make("a")
    await client.patch(f"{V5}/category/{made['id']}", json={"name": "b"})
    await deliver()
    assert [one["eventType"] for one in listener.events] == ["CategoryCreateEvent"]


async def test_what_is_posted_to_a_topic_is_kept_and_told_in_order_to_its_listeners_signed(
    client: httpx.AsyncClient, listen: Any, deliver: Any, make_topic: Any
) -> None:
    topic, other = await make_topic(), await make_topic(name="other")
    every, some, none = listen(), listen(), listen()
    await deliver()
    answer = await client.post(f"{topic}/hub", json={"callback": every.url})
    key = answer.headers["x-farwire-hub-secret"].encode()
    assert "x-farwire-hub-secret" not in (await client.get(answer.json()["href"])).headers
    assert key.decode() not in (await client.get(answer.json()["href"])).text
    query = "eventType=AlarmRaised&eventType=AlarmGone&event.alarm.severity=major"
    assert (await client.post(f"{topic}/hub", json={"callback": some.url, "query": query})).status_code == 201
    assert (await client.post(f"{other}/hub", json={"callback": none.url})).status_code == 201
    assert len((await client.get(f"{topic}/hub")).json()) == 2
    for number in range(20):
        body = {
            "eventType": "AlarmRaised" if number % 2 else "AlarmSeen",
            "event": {"alarm": {"id": f"a{number}", "severity": "minor" if number % 3 else "major"}},
            "source": {"id": "probe-1", "@referredType": "Resource"},
        }
        posted = await client.post(f"{topic}/event", json=body)
        assert posted.status_code == 201, posted.text
    assert posted.json().keys() >= {"id", "href", "eventId", "eventTime", "eventType"}
    assert (await client.get(posted.json()["href"])).json() == posted.json()
    assert len((await client.get(f"{topic}/event?eventType=AlarmRaised")).json()) == 10
    assert (await client.get(f"{other}/event")).json() == []
    await deliver()
    assert [one["event"]["alarm"]["id"] for one in every.events] == [f"a{number}" for number in range(20)]
    assert {one["event"]["alarm"]["id"] for one in some.events} == {"a3", "a9", "a15"}
    assert none.heard == []
    assert every.events[-1].items() >= posted.json().items()
    _, headers, sent = every.heard[0]
    seconds, digest = (part.partition("=")[2] for part in headers["x-farwire-signature"].split(","))
    assert hmac.new(key, f"{seconds}.".encode() + sent, hashlib.sha256).hexdigest() == digest


async def test_a_topic_takes_only_what_fits_its_queries(client: httpx.AsyncClient, make_topic: Any) -> None:
    topic = await make_topic(headerQuery="eventType=A,B&domain=radio", contentQuery="alarm.severity=major")
    good = {"eventType": "B", "domain": "radio", "event": {"alarm": {"severity": "major"}}}
    assert (await client.post(f"{topic}/event", json=good)).status_code == 201
    for change in ({"eventType": "C"}, {"domain": "core"}, {"event": {}}):
        answer = await client.post(f"{topic}/event", json={**good, **change})
        assert (answer.status_code, answer.json()["code"]) == (422, "tmf.topic_query"), answer.text
    for bad in ("colour=red", "nothing", "name.regex=("):
        assert (await client.post(f"{V4}/topic", json={"headerQuery": bad})).status_code == 400


async def test_a_removed_topic_is_gone_with_its_listeners_and_events(
    client: httpx.AsyncClient, listener: Any, deliver: Any, make_topic: Any
) -> None:
    topic = await make_topic()
    await deliver()
    heard = (await client.post(f"{topic}/hub", json={"callback": listener.url})).json()
    posted = (await client.post(f"{topic}/event", json={"eventType": "A"})).json()
    assert (await client.delete(topic)).status_code == 204
    for url in (topic, f"{topic}/event", f"{topic}/hub", heard["href"], posted["href"]):
        assert (await client.get(url)).status_code == 404, url
    await deliver()
    assert listener.heard == []
    assert (await client.get("/farwire/v1/eventListeners")).json() == []


async def test_another_operators_topic_is_unknown(
    client: httpx.AsyncClient, other_client: httpx.AsyncClient, listener: Any, make_topic: Any
) -> None:
    topic = await make_topic()
    heard = (await client.post(f"{topic}/hub", json={"callback": listener.url})).json()
    posted = (await client.post(f"{topic}/event", json={"eventType": "A"})).json()
    for url in (topic, f"{topic}/event", f"{topic}/hub", heard["href"], posted["href"]):
        assert (await other_client.get(url)).status_code == 404, url
    assert (await other_client.post(f"{topic}/event", json={"eventType": "A"})).status_code == 404
    assert (await other_client.delete(heard["href"])).status_code == 404
    assert (await other_client.delete(topic)).status_code == 404
    assert [one["id"] for one in (await other_client.get(f"{V4}/topic")).json()] == ["TMF620", "TMF688"]


async def test_a_listener_of_the_api_hears_of_topics_and_not_of_what_is_posted_to_them(
    client: httpx.AsyncClient, listener: Any, register: Any, deliver: Any, make_topic: Any
) -> None:
    await register(V4, callback=listener.url)
    topic = await make_topic()
    await client.post(f"{topic}/event", json={"eventType": "A"})
    await deliver()
    assert [one["eventType"] for one in listener.events] == ["TopicCreateEvent"]
    assert listener.events[0]["event"]["topic"]["name"] == "alarms"


async def test_a_callback_into_the_operators_network_is_refused_of_a_topic_too(
    client: httpx.AsyncClient, make_topic: Any
) -> None:
    for bad in ("file:///etc/passwd", "nothing", "http://u:p@example.org/"):
        answer = await client.post(f"{await make_topic()}/hub", json={"callback": bad})
        assert (answer.status_code, answer.json()["code"]) == (400, "tmf.callback")


async def test_what_was_posted_long_ago_goes_as_new_events_come(
    client: httpx.AsyncClient, make_topic: Any, clock: MovableClock
) -> None:
    topic = await make_topic()
    for _ in range(3):
        await client.post(f"{topic}/event", json={"eventType": "old"})
    clock.advance(topics.KEPT + timedelta(days=1))
    await client.post(f"{topic}/event", json={"eventType": "new"})
    assert [one["eventType"] for one in (await client.get(f"{topic}/event")).json()] == ["new"]


def test_every_api_that_is_served_has_a_topic() -> None:
    from farwire import app

    app.api_routes()
    assert all(topics.api_of_topic(f"TMF{api.number}") is not None for api, _ in SERVED.all())
