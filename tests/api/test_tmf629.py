"""Customers as TMF629, v4 and v5: parties that play that role, from when to when."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from farwire.base.clock import MovableClock
from farwire.kernel.time import instant

V4 = "/tmf-api/customerManagement/v4/customer"
V5 = "/tmf-api/customer/v5/customer"
PEOPLE = "/tmf-api/party/v4/individual"


@pytest.fixture
async def person(world: Any, client: httpx.AsyncClient, clock: MovableClock) -> dict[str, Any]:
    """A party that may be a customer."""
    clock.set(instant("2026-06-11T14:03+02:00"))
    await world.company()
    contact = [{"mediumType": "email", "characteristic": {"emailAddress": "anna@example.org"}}]
    body = {"givenName": "Anna", "familyName": "Berg", "contactMedium": contact}
    return dict((await client.post(PEOPLE, json=body)).json())


def wanted(person: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"name": "Anna Berg", "engagedParty": {"id": person["id"]}, **more}


async def test_a_party_becomes_a_customer_leaves_and_comes_back(
    client: httpx.AsyncClient, other_client: httpx.AsyncClient, person: dict[str, Any], clock: MovableClock
) -> None:
    made = await client.post(V4, json=wanted(person))
    assert made.status_code == 201, made.text
    path = f"{V5}/{made.json()['id']}"
    new = (await client.get(path)).json()
    assert (new["status"], new["role"], new["engagedParty"]["@referredType"]) == (
        "active",
        "customer",
        "Individual",
    )
    assert new["contactMedium"][0]["emailAddress"] == "anna@example.org"
    assert new["validFor"] == {"startDateTime": "2026-06-11T12:03:00.000Z"}
    clock.set(instant("2026-07-01T00:00+02:00"))
    gone = await client.patch(path, json={"status": "closed", "statusReason": "moved"})
    assert (gone.json()["status"], gone.json()["statusReason"]) == ("closed", "moved"), gone.text
    assert gone.json()["validFor"]["endDateTime"] == "2026-06-30T22:00:00.000Z"
    assert [one["id"] for one in (await client.get(f"{V4}?status=closed")).json()] == [person["id"]]
    clock.set(instant("2026-08-01T00:00+02:00"))
    assert (await client.patch(path, json={"status": "active"})).json()["status"] == "active"
    assert (await other_client.get(path)).status_code == 404
    assert (await other_client.get(V4)).json() == []
    theirs = await other_client.post(V4, json=wanted(person))
    assert (theirs.status_code, theirs.json()["field"]) == (422, "$.engagedParty.id")


@pytest.mark.parametrize(
    ("change", "status", "field"),
    [
        ({"engagedParty": {"id": "x"}}, 422, "$.engagedParty.id"),
        ({"status": "closed"}, 422, "$.status"),
    ],
)
async def test_a_customer_that_cannot_be_is_refused_by_name(
    client: httpx.AsyncClient, person: dict[str, Any], change: dict[str, Any], status: int, field: str
) -> None:
    answer = await client.post(V4, json=wanted(person, **change))
    assert (answer.status_code, answer.json()["field"]) == (status, field), answer.text
    assert (await client.get(V4)).json() == []


async def test_a_party_is_a_customer_once_and_is_changed_as_a_party(
    client: httpx.AsyncClient, person: dict[str, Any]
) -> None:
    made = await client.post(V4, json=wanted(person))
    assert (await client.post(V4, json=wanted(person))).status_code == 409
    await client.patch(f"{PEOPLE}/{person['id']}", json={"familyName": "Tal"})
    assert (await client.get(made.json()["href"])).json()["name"] == "Anna Tal"
    renamed = await client.patch(made.json()["href"], json={"name": "The club of Ben"})
    assert (
        renamed.json()["name"] == (await client.get(made.json()["href"])).json()["name"] == "The club of Ben"
    )
    assert renamed.json()["engagedParty"]["name"] == "Anna Tal"
