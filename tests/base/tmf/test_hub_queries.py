"""Queries of listeners in the forms in which third parties send them, and what is posted: hrefs, fields."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

V4 = "/tmf-api/productCatalogManagement/v4"
V5 = "/tmf-api/productCatalogManagement/v5"
CREATE, CHANGE, STATE = (
    "CategoryCreateEvent",
    "CategoryAttributeValueChangeEvent",
    "CategoryStateChangeEvent",
)
ALL = [CREATE, CHANGE, STATE, CREATE]
"""What is told of: "a" is made, its description and its state are changed, "b" is made."""


@pytest.mark.parametrize("base", [V4, V5])
@pytest.mark.parametrize(
    ("query", "heard"),
    [
        ("", ALL),
        (f"eventType={CREATE}", [CREATE, CREATE]),
        (f"?eventType={CREATE}", [CREATE, CREATE]),
        (f"eventType={CREATE}&eventType={STATE}", [CREATE, STATE, CREATE]),
        (f"eventType={CREATE},{STATE}", [CREATE, STATE, CREATE]),
        (f'eventType="{CREATE}"', [CREATE, CREATE]),
        (f"eventType=categoryCreateEvent, {STATE}", [CREATE, STATE, CREATE]),
        (f"eventType={CREATE}%2C{STATE}", [CREATE, STATE, CREATE]),
        ("eventType=*", ALL),
        ("eventType=ProductOrderCreateEvent", []),
        ("name=b", [CREATE]),
        ("name=a&eventType=" + STATE, [STATE]),
        ("event.category.name=b", [CREATE]),
        ("event.category.validFor.startDateTime.gt=2026-01-01T00:00:00Z", ALL[:3]),
        ("validFor.startDateTime.gt=2027-01-01T00:00:00Z", []),
        ("name.regex=^b$", [CREATE]),
        ("name=a,b", ALL),
        ("name.ne=a", [CREATE]),
        ("filter=$[?(@.name=='b')]", [CREATE]),
        ("filter=$[?(@.event.category.name=='b')]", [CREATE]),
        ("filter=$.event.category[?(@.name=='b')]", [CREATE]),
        ("$[?(@.name=='b' || @.name=='c')]", [CREATE]),
        ("$.event.category[?(@.name=='b')]", [CREATE]),
        (f"eventType={CREATE}&fields=eventId,eventType", [CREATE, CREATE]),
    ],
)
async def test_a_listener_hears_what_its_query_says_in_the_forms_that_are_sent(
    client: httpx.AsyncClient,
    listener: Any,
    register: Any,
    deliver: Any,
    make: Any,
    base: str,
    query: str,
    heard: list[str],
) -> None:
    await register(base, callback=listener.url, query=query)
    made = await make("a", validFor={"startDateTime": "2026-05-01T00:00:00Z"})
    url = f"{V5}/category/{made['id']}"
    for change in ({"description": "x"}, {"lifecycleStatus": "In design"}):
        assert (await client.patch(url, json=change)).status_code == 200
    await make("b")
    await deliver()
    assert sorted(one["eventType"] for one in listener.events) == sorted(heard)


@pytest.mark.parametrize(
    "query",
    [
        "colour=red",
        "filter=$[?(@.eventType=='CategoryCreateEvent')]",
        "$[?(@.name==",
        "name.regex=(",
        "justaword",
        "&".join(f"name.ne={number}" for number in range(21)),
    ],
)
async def test_a_query_that_cannot_be_asked_is_refused(
    client: httpx.AsyncClient, listener: Any, query: str
) -> None:
    answer = await client.post(f"{V5}/hub", json={"callback": listener.url, "query": query})
    assert answer.status_code == 400, answer.text


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        ("name", {"id", "href", "name"}),
        ("event.category.name,eventType", {"id", "href", "name"}),
        ("eventId,eventTime", {"id", "href"}),
        ("none", {"id", "href"}),
    ],
)
async def test_a_listener_hears_only_the_fields_that_it_asks_for(
    listener: Any, register: Any, deliver: Any, make: Any, fields: str, shown: set[str]
) -> None:
    await register(V4, callback=listener.url, query=f"fields={fields}")
    await make("a", description="long")
    await deliver()
    (event,) = listener.events
    assert set(event["event"]["category"]) == shown
    assert {"eventId", "eventTime", "eventType", "correlationId"} <= set(event)


@pytest.mark.parametrize("base", [V4, V5])
async def test_an_href_in_an_event_is_a_whole_address_where_the_public_one_is_set(
    client: httpx.AsyncClient, listener: Any, register: Any, deliver: Any, make: Any, base: str
) -> None:
    await register(base, callback=listener.url)
    made = await make("a")
    await client.delete(f"{V5}/category/{made['id']}")
    await deliver("https://api.example")
    for event in listener.events:
        assert event["event"]["category"]["href"] == f"https://api.example{base}/category/{made['id']}"
        assert urlsplit(event["event"]["category"]["href"]).netloc == "api.example"
    assert len(listener.events) == 2
