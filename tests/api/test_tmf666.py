"""Billing accounts as TMF666, v4 and v5: opened, found, changed by our own rules; the other resources as documents."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

V4 = "/tmf-api/accountManagement/v4"
V5 = "/tmf-api/accountManagement/v5"
PEOPLE = "/tmf-api/party/v4/individual"


@pytest.fixture
async def body(world: Any, client: httpx.AsyncClient) -> dict[str, Any]:
    """What an account needs: a company that bills, and a customer."""
    await world.company()
    made = await client.post(PEOPLE, json={"givenName": "Anna", "familyName": "Berg"})
    return {"name": "A-1", "relatedParty": [{"id": made.json()["id"], "role": "customer"}]}


async def opened(client: httpx.AsyncClient, body: dict[str, Any]) -> dict[str, Any]:
    answer = await client.post(f"{V4}/billingAccount", json=body)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def test_an_account_is_opened_and_read_in_both_versions(
    client: httpx.AsyncClient, body: dict[str, Any]
) -> None:
    structure = {"cycleSpecification": {"billingDateShift": 15}, "presentationMedia": [{"name": "post"}]}
    made = await opened(
        client, {**body, "billStructure": structure, "description": "hers", "accountType": "home"}
    )
    assert (made["name"], made["state"], made["currency"]) == ("A-1", "active", "EUR")
    assert made["relatedParty"][0]["id"] == body["relatedParty"][0]["id"]
    new = (await client.get(f"{V5}/billingAccount/{made['id']}")).json()
    assert new["billStructure"]["cycleSpecification"]["billingDateShift"] == 15
    assert new["billStructure"]["presentationMedia"][0]["name"] == "post"
    assert (new["description"], new["accountType"], new["@type"]) == ("hers", "home", "BillingAccount")
    native = (await client.get(f"/farwire/v1/accounts/{made['id']}")).json()
    assert (native["cycleDay"], native["delivery"], native["number"]) == (15, "post", "A-1")


async def test_accounts_are_found_by_number_and_by_customer(
    client: httpx.AsyncClient, other_client: httpx.AsyncClient, body: dict[str, Any]
) -> None:
    ids = [(await opened(client, body | {"name": name}))["id"] for name in ("A-1", "A-2")]
    found = await client.get(f"{V4}/billingAccount?name=A-2")
    assert [one["id"] for one in found.json()] == ids[1:]
    owner = body["relatedParty"][0]["id"]
    assert len((await client.get(f"{V4}/billingAccount?relatedParty.id={owner}")).json()) == 2
    assert (await client.get(f"{V5}/billingAccount?relatedParty.partyOrPartyRole.id=x")).json() == []
    assert (await other_client.get(f"{V4}/billingAccount/{ids[0]}")).status_code == 404
    theirs = await other_client.post(f"{V4}/billingAccount", json=body)
    assert (theirs.status_code, theirs.json()["code"]) == (422, "tmf.reference_unknown")


async def test_an_account_changes_by_its_own_rules(client: httpx.AsyncClient, body: dict[str, Any]) -> None:
    above, made = await opened(client, body | {"name": "A-0"}), await opened(client, body)
    path = f"{V4}/billingAccount/{made['id']}"
    relation = [{"relationshipType": "parent", "account": {"id": above["id"]}}]
    change = {"language": "de-DE", "taxClass": "exempt", "accountRelationship": relation, "description": "x"}
    changed = await client.patch(path, json=change)
    assert changed.status_code == 200, changed.text
    assert changed.json().items() >= {"language": "de-DE", "taxClass": "exempt", "description": "x"}.items()
    assert changed.json()["accountRelationship"][0]["account"]["id"] == above["id"]
    day = await client.patch(path, json={"billStructure": {"cycleSpecification": {"billingDateShift": 9}}})
    assert (day.status_code, day.json()["code"]) == (409, "account.cycle_fixed")
    closed = await client.patch(path, json={"state": "closed"})
    assert (closed.status_code, closed.json()["code"]) == (422, "tmf.transition")


@pytest.mark.parametrize(
    ("change", "status", "field"),
    [
        ({"name": None}, 400, "$.name"),
        ({"relatedParty": []}, 400, "$.relatedParty"),
        ({"relatedParty": [{"id": "x", "role": "customer"}]}, 422, "$.relatedParty[0].id"),
        ({"taxClass": "low"}, 400, "$.taxClass"),
        (
            {"billStructure": {"presentationMedia": [{"name": "pigeon"}]}},
            400,
            "$.billStructure.presentationMedia",
        ),
    ],
)
async def test_an_account_that_cannot_be_is_refused_by_name(
    client: httpx.AsyncClient, body: dict[str, Any], change: dict[str, Any], status: int, field: str
) -> None:
    answer = await client.post(f"{V4}/billingAccount", json=body | change)
    assert (answer.status_code, answer.json()["field"]) == (status, field), answer.text
    assert (await client.get(f"{V4}/billingAccount")).json() == []


@pytest.mark.parametrize("kind", ["billFormat", "billPresentationMedia", "billingCycleSpecification"])
async def test_forms_of_bills_are_documents(client: httpx.AsyncClient, kind: str) -> None:
    made = await client.post(f"{V4}/{kind}", json={"name": "plain", "description": "a form"})
    assert made.status_code == 201, made.text
    assert (await client.get(f"{V5}/{kind}/{made.json()['id']}")).json()["name"] == "plain"
    assert (await client.delete(made.json()["href"])).status_code == 204


@pytest.mark.parametrize("kind", ["partyAccount", "settlementAccount"])
async def test_other_accounts_are_documents_whose_references_hold(
    client: httpx.AsyncClient, other_client: httpx.AsyncClient, kind: str
) -> None:
    party = [{"id": "p1", "name": "Anna", "role": "owner", "@referredType": "Partner"}]
    books = (
        await client.post(f"{V4}/financialAccount", json={"name": "books", "relatedParty": party})
    ).json()
    body = {"name": "mine", "relatedParty": party, "state": "open", "financialAccount": {"id": books["id"]}}
    made = await client.post(f"{V4}/{kind}", json=body)
    assert made.status_code == 201, made.text
    path = f"{V5}/{kind}/{made.json()['id']}"
    assert (await client.patch(path, json={"state": "closed"})).json()["state"] == "closed"
    nowhere = await client.patch(path, json={"financialAccount": {"id": "nowhere"}})
    assert (nowhere.status_code, nowhere.json()["field"]) == (422, "$.financialAccount.id")
    kept = await client.delete(f"{V4}/financialAccount/{books['id']}")
    assert (kept.status_code, kept.json()["code"]) == (409, "tmf.referenced")
    assert (await other_client.get(path)).status_code == 404
    theirs = await other_client.post(f"{V4}/{kind}", json=body)
    assert (theirs.status_code, theirs.json()["field"]) == (422, "$.financialAccount.id")
    assert (await client.delete(path)).status_code == 204
    assert (await client.delete(f"{V4}/financialAccount/{books['id']}")).status_code == 204


async def test_what_is_kept_beside_an_account_holds_what_it_refers_to(
    client: httpx.AsyncClient, body: dict[str, Any]
) -> None:
    party = [{"id": "p1", "name": "Anna", "role": "owner", "@referredType": "Partner"}]
    books = (
        await client.post(f"{V4}/financialAccount", json={"name": "books", "relatedParty": party})
    ).json()
    made = await opened(client, body | {"financialAccount": {"id": books["id"]}})
    kept = await client.delete(books["href"])
    assert (kept.status_code, kept.json()["code"]) == (409, "tmf.referenced")
    freed = await client.patch(made["href"], json={"financialAccount": None})
    assert (freed.status_code, "financialAccount" in freed.json()) == (200, False)
    assert (await client.delete(books["href"])).status_code == 204
