"""Listeners: who hears of what, how it is signed, what happens while one is down, and where nobody may stand."""

from __future__ import annotations

import hashlib
import hmac
from datetime import timedelta
from typing import Any

import httpx
import pytest

from farwire.base import eventbus
from farwire.base.callbacks import check_callback, post
from farwire.base.clock import MovableClock
from farwire.base.eventbus import operations
from farwire.base.storage import Database
from farwire.base.tmf_events import operations as tmf_operations
from farwire.kernel.errors import Invalid
from farwire.kernel.ids import TenantId
from farwire.kernel.tenancy import SYSTEM

V4 = "/tmf-api/productCatalogManagement/v4"
V5 = "/tmf-api/productCatalogManagement/v5"


async def test_a_listener_hears_each_change_in_order_at_the_exact_callback_signed_with_its_key(
    client: httpx.AsyncClient, listener: Any, register: Any, deliver: Any, make: Any
) -> None:
    answer = await register(V5, callback=listener.url)
    made = await make("Mobile")
    url = f"{V5}/category/{made['id']}"
    await client.patch(url, json={"name": "Mobile 2"})
    await client.patch(url, json={"lifecycleStatus": "In design"})
    await client.delete(url)
    await deliver()
    assert [one["eventType"] for one in listener.events] == [
        "CategoryCreateEvent",
        "CategoryAttributeValueChangeEvent",
        "CategoryStateChangeEvent",
        "CategoryDeleteEvent",
    ]
    path, headers, body = listener.heard[0]
    assert path == "/my/own/path?token=1"
    seconds, digest = (part.partition("=")[2] for part in headers["x-farwire-signature"].split(","))
    key = answer.headers["x-farwire-hub-secret"].encode()
    assert hmac.new(key, f"{seconds}.".encode() + body, hashlib.sha256).hexdigest() == digest
    assert listener.events[0]["event"]["category"]["href"] == url
    assert len({one["eventId"] for one in listener.events}) == 4


async def test_a_listener_hears_only_what_its_query_asks_for_in_its_own_version(
    client: httpx.AsyncClient, listener: Any, register: Any, deliver: Any, make: Any
) -> None:
    await register(V4, callback=listener.url, query="eventType=CategoryCreateEvent&name=b")
    await make("a")
    await make("b")
    await deliver()
    (event,) = listener.events
    assert event["event"]["category"]["href"].startswith(V4)
    assert "@type" not in event


async def test_a_listener_that_is_down_for_an_hour_misses_nothing_and_holds_no_other_up(
    client: httpx.AsyncClient,
    listener: Any,
    listen: Any,
    register: Any,
    deliver: Any,
    make: Any,
    clock: MovableClock,
) -> None:
    other = listen()
    await register(V5, callback=listener.url)
    await register(V5, callback=other.url)
    listener.status = 503
    made = await make("a")
    await client.patch(f"{V5}/category/{made['id']}", json={"name": "b"})
    for _ in range(14):
        await deliver()
        clock.advance(timedelta(minutes=5))
    assert (len(listener.heard), len(other.heard)) == (0, 2)
    listener.status = 200
    await deliver()
    assert [one["eventType"] for one in listener.events] == [
        "CategoryCreateEvent",
        "CategoryAttributeValueChangeEvent",
    ]


async def test_one_dead_listener_leaves_nothing_behind_at_the_subscriber_that_all_tenants_share(
    client: httpx.AsyncClient,
    other_client: httpx.AsyncClient,
    listener: Any,
    listen: Any,
    register: Any,
    deliver: Any,
    make: Any,
    clock: MovableClock,
    relay: Database,
) -> None:
    """Ten thousand events set aside would stop the subscriber for everybody."""
    lives = listen()
    await register(V5, callback=listener.url)
    await register(V5, client=other_client, callback=lives.url)
    listener.status = 500
    many = 300
    ids = [(await make(f"c{number}"))["id"] for number in range(many)]
    await deliver()
    clock.advance(timedelta(minutes=2))
    await deliver()
    states = {one.name: one.waiting + one.parked for one in await operations.subscribers(relay_db=relay)}
    assert (states["tmf-listeners"], states["tmf-listeners-away"]) == (0, 1)
    await client.patch(f"{V5}/category/{ids[0]}", json={"name": "x"})
    await other_client.post(f"{V5}/category", json={"@type": "Category", "name": "theirs"})
    await deliver()
    assert len(lives.heard) == 1
    listener.status = 204
    clock.advance(timedelta(minutes=5))
    await deliver()
    heard = [one["event"]["category"]["id"] for one in listener.events]
    assert (set(heard), len(heard)) == (set(ids), many + 1)
    kinds = [one["eventType"] for one in listener.events if one["event"]["category"]["id"] == ids[0]]
    assert kinds == ["CategoryCreateEvent", "CategoryAttributeValueChangeEvent"]
    await make("after")
    await deliver()
    assert len(listener.heard) == many + 2


async def test_a_removed_listener_hears_no_more_and_another_tenants_one_cannot_be_removed(
    client: httpx.AsyncClient,
    other_client: httpx.AsyncClient,
    listener: Any,
    register: Any,
    deliver: Any,
    make: Any,
) -> None:
    answer = await register(V5, callback=listener.url)
    where = answer.headers["location"]
    assert (await other_client.delete(where)).status_code == 404
    assert (await client.post(f"{V5}/hub", json={"callback": listener.url})).status_code == 409
    assert (await client.delete(where)).status_code == 204
    await make("a")
    await deliver()
    assert listener.heard == []


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/x",
        "http://localhost:9/",
        "http://10.1.2.3/",
        "http://[::1]/",
        "http://[::ffff:10.0.0.1]/",
        "http://169.254.169.254/latest/meta-data",
        "http://user:pw@example.org/",
        "ftp://example.org/",
        "file:///etc/passwd",
        "http://x.internal/",
        "not a url",
        "http://example.org/\r\nx",
        "http://0.0.0.0/",
    ],
)
def test_a_callback_into_the_operators_network_is_refused(url: str) -> None:
    with pytest.raises(Invalid):
        check_callback(url, private=False)


def test_a_public_callback_is_fine() -> None:
    check_callback("https://example.org:8443/listener?x=1", private=False)


def test_a_name_that_leads_home_is_refused_when_it_is_called() -> None:
    with pytest.raises(Invalid):
        post("http://localhost:1/", b"{}", "", private=False)


async def test_a_query_that_fits_no_resource_is_refused(client: httpx.AsyncClient, listener: Any) -> None:
    answer = await client.post(f"{V5}/hub", json={"callback": listener.url, "query": "colour=red"})
    assert (answer.status_code, answer.json()["field"]) == (400, "$.query")


async def test_a_listener_hears_again_from_a_position_on_what_it_heard_with_the_same_ids(
    client: httpx.AsyncClient,
    listener: Any,
    register: Any,
    deliver: Any,
    make: Any,
    db: Database,
    clock: MovableClock,
    tenant_id: TenantId,
) -> None:
    answer = await register(V5, callback=listener.url)
    await make("a")
    await deliver()
    async with db.transaction(tenant_id) as tx:
        behind = await eventbus.last_position(tx)
    await make("b")
    await deliver()
    key = answer.json()["id"]
    for position, again in ((behind + 1, ["b"]), (1, ["a", "b"])):
        listener.heard.clear()
        async with db.transaction(tenant_id) as tx:
            await tmf_operations.replay(tx, listener=key, position=position, actor=SYSTEM, clock=clock)
        await deliver()
        assert [one["event"]["category"]["name"] for one in listener.events] == again
