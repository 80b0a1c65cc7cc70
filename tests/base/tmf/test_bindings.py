"""The real bindings over HTTP: people and companies as TMF632, offerings as TMF620; every route of theirs is closed."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from farwire.base.tmf import tmf_routes
from farwire.base.tmf.resource import SERVED
from farwire.catalog.api import tmf620
from farwire.party.api import tmf632

V4 = "/tmf-api/party/v4"
V5 = "/tmf-api/partyManagement/v5"


@pytest.fixture
def client_for(web: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that gives a client of both APIs, by its key."""
    monkeypatch.setattr(SERVED, "_by_target", {})
    app = web(tmf632.API, tmf620.API)

    def client(key: str) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(app=app),
            base_url="http://farwire",
            headers={"authorization": f"Bearer {key}"} if key else {},
        )

    return client


@pytest.fixture
async def people(client_for: Any) -> AsyncIterator[httpx.AsyncClient]:
    async with client_for("fw_own") as found:
        yield found


async def test_a_person_is_one_of_our_parties_in_both_versions(people: httpx.AsyncClient) -> None:
    email = {"@type": "EmailContactMedium", "preferred": True, "emailAddress": "anna@example.org"}
    body = {"@type": "Individual", "givenName": "Anna", "familyName": "Berg", "contactMedium": [email]}
    made = await people.post(f"{V5}/individual", json=body)
    assert made.status_code == 201, made.text
    assert made.json().items() >= {**body, "name": "Anna Berg", "status": "initialized"}.items()
    old = (await people.get(f"{V4}/individual/{made.json()['id']}")).json()
    assert old["fullName"] == "Anna Berg"
    assert old["contactMedium"] == [
        {"mediumType": "email", "preferred": True, "characteristic": {"emailAddress": "anna@example.org"}}
    ]
    changed = await people.patch(f"{V4}/individual/{old['id']}", json={"familyName": "Tal"})
    assert (changed.status_code, changed.json()["fullName"]) == (200, "Anna Tal")
    assert (await people.get(f"{V5}/organization/{old['id']}")).status_code == 404


async def test_people_are_found_by_what_the_context_itself_does_not_filter(people: httpx.AsyncClient) -> None:
    for name in ("Anna", "Ben", "Carl"):
        await people.post(f"{V4}/individual", json={"givenName": name, "familyName": "Berg"})
    await people.post(f"{V4}/organization", json={"tradingName": "Berg KG"})
    found = await people.get(f"{V4}/individual?givenName.gt=Anna&sort=-givenName&limit=1")
    assert [one["givenName"] for one in found.json()] == ["Carl"]
    assert found.headers["x-total-count"] == "2"
    assert 'rel="next"' in found.headers["link"]
    assert len((await people.get(f"{V4}/individual?limit=2")).json()) == 2
    assert [one["tradingName"] for one in (await people.get(f"{V4}/organization")).json()] == ["Berg KG"]


async def test_what_a_party_has_no_place_for_is_kept_found_changed_and_taken_away(
    people: httpx.AsyncClient,
) -> None:
    body = {"@type": "Individual", "givenName": "A", "familyName": "B", "maritalStatus": "single"}
    more = {"@schemaLocation": "https://example.org/i.json", "shoeSize": 41, "formattedName": "Dr. A B"}
    made = (await people.post(f"{V5}/individual", json=body | more)).json()
    assert made.items() >= (body | more).items()
    path = f"{V5}/individual/{made['id']}"
    assert (await people.get(path)).json() == made
    found = await people.get(f"{V4}/individual?maritalStatus=single&fields=shoeSize,givenName")
    assert [(one["shoeSize"], one["givenName"]) for one in found.json()] == [(41, "A")]
    after = await people.patch(path, json={"maritalStatus": "married", "givenName": "Ada", "shoeSize": None})
    assert after.json().items() >= {"maritalStatus": "married", "givenName": "Ada"}.items()
    assert "shoeSize" not in after.json()
    assert (await people.get(path)).json() == after.json()
    wrong = await people.patch(path, json={"status": "deceased"})
    assert (wrong.status_code, wrong.json()["field"]) == (400, "$.status")


async def test_no_route_of_an_engines_api_is_open_and_none_shows_another_tenant_anything(
    client_for: Any, people: httpx.AsyncClient
) -> None:
    """Every path and alias of both APIs, with the ids of the first tenant."""
    person = (await people.post(f"{V4}/individual", json={"givenName": "A", "familyName": "B"})).json()["id"]
    prices = "/tmf-api/productCatalogManagement/v4/productOfferingPrice"
    price = (await people.post(prices, json={"name": "p"})).json()["id"]
    tried = 0
    async with client_for("fw_other") as other, client_for("") as nobody:
        for route in (*tmf_routes(tmf632.API), *tmf_routes(tmf620.API)):
            for key in (person, price):
                path = re.sub(r"{\w+}", key, route.path)
                method = route.method.value
                body = {"nothing": 1} if method in ("POST", "PATCH") else None
                assert (await nobody.request(method, path, json=body)).status_code == 401, path
                answer = await other.request(method, path, json=body)
                if "{" in route.path:
                    assert answer.status_code == 404, (method, path, answer.text)
                elif method == "GET":
                    assert answer.json() == [], path
                tried += 1
    assert tried > 200
    assert (await people.get(f"{V4}/individual/{person}")).status_code == 200
