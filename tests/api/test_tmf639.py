"""Resources and services as TMF639 and TMF638, v4 and v5: as they stand, recorded, moved by their own rules."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from farwire.base.authz import Role
from farwire.base.clock import MovableClock
from farwire.kernel.ids import TenantId
from farwire.kernel.time import instant

from .conftest import Client, MakeKey

RESOURCES = "/tmf-api/resourceInventoryManagement"
SERVICES = "/tmf-api/serviceInventory"


def number(value: str, **more: Any) -> dict[str, Any]:
    facts = [{"name": "pool", "value": "numbers"}]
    return {"name": value, "category": "msisdn", "resourceCharacteristic": facts, **more}


@pytest.fixture
async def pool(client: httpx.AsyncClient) -> None:
    """A pool for numbers."""
    made = await client.post("/farwire/v1/pools", json={"name": "numbers", "kind": "msisdn"})
    assert made.status_code == 201, made.text


async def recorded(client: httpx.AsyncClient, path: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = await client.post(path, json=body)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def test_an_address_of_a_vpn_is_put_into_its_pool_unless_a_range_of_it_has_it(
    client: httpx.AsyncClient,
) -> None:
    pools = "/farwire/v1/pools"
    await client.post(pools, json={"name": "blue", "kind": "ipv4", "scope": "vpn-blue"})
    await client.post(f"{pools}/blue/ranges", json={"range": "10.0.0.0/24"})
    address = {"category": "ipv4", "resourceCharacteristic": [{"name": "pool", "value": "blue"}]}
    made = await recorded(client, f"{RESOURCES}/v4/resource", address | {"name": "10.1.0.1"})
    assert made["resourceStatus"] == "available"
    refused = await client.post(f"{RESOURCES}/v4/resource", json=address | {"name": "10.0.0.1"})
    assert (refused.status_code, "a range of the pool has it" in refused.text) == (400, True)
    held = await client.post("/farwire/v1/reservations", json={"pool": "blue", "key": "a"})
    (one,) = held.json()["resources"]
    shown = (await client.get(f"{RESOURCES}/v4/resource/{one['id']}")).json()
    assert (shown["name"], shown["category"], shown["resourceStatus"]) == ("10.0.0.1", "ipv4", "reserved")


@pytest.mark.usefixtures("pool")
async def test_a_number_is_put_into_its_pool_found_and_retired(
    client: httpx.AsyncClient, other_client: httpx.AsyncClient
) -> None:
    made = await recorded(client, f"{RESOURCES}/v4/resource", number("+4915100000001", description="golden"))
    assert (made["resourceStatus"], made["operationalState"], made["usageState"]) == (
        "available",
        "enable",
        "idle",
    )
    new = (await client.get(f"{RESOURCES}/v5/resource/{made['id']}")).json()
    assert (new["name"], new["operationalState"], new["description"]) == (
        "4915100000001",
        "enabled",
        "golden",
    )
    assert "resourceStatus" not in new
    for query, count in (
        ("category=msisdn&usageState=idle", 1),
        ("category=iccid", 0),
        ("usageState=active", 0),
    ):
        assert len((await client.get(f"{RESOURCES}/v4/resource?{query}")).json()) == count, query
    gone = await client.patch(f"{RESOURCES}/v4/resource/{made['id']}", json={"resourceStatus": "suspended"})
    assert (gone.json()["resourceStatus"], gone.json()["operationalState"]) == ("suspended", "disable")
    back = await client.patch(f"{RESOURCES}/v4/resource/{made['id']}", json={"resourceStatus": "available"})
    assert (back.status_code, back.json()["code"]) == (422, "tmf.transition")
    assert (await other_client.get(f"{RESOURCES}/v5/resource/{made['id']}")).status_code == 404
    assert (await other_client.get(f"{RESOURCES}/v5/resource")).json() == []


@pytest.mark.usefixtures("pool")
@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        (number("12"), 400, "values[1].value"),
        (number("4915100000001", category="iccid"), 400, "$.category"),
        (number("4915100000001", resourceStatus="reserved"), 400, "$.resourceStatus"),
        (number("4915100000001", usageState="busy"), 400, "$.usageState"),
        (
            number("4915100000001") | {"resourceCharacteristic": [{"name": "pool", "value": "x"}]},
            422,
            "$.resourceCharacteristic",
        ),
    ],
)
async def test_a_resource_that_cannot_be_is_refused_by_name(
    client: httpx.AsyncClient, body: dict[str, Any], status: int, field: str
) -> None:
    answer = await client.post(f"{RESOURCES}/v4/resource", json=body)
    assert answer.status_code == status, answer.text
    if status != 400 or field.startswith("$"):
        assert answer.json()["field"] == field
    assert (await client.get(f"{RESOURCES}/v4/resource")).json() == []


@pytest.mark.usefixtures("pool")
async def test_a_number_that_somebody_has_is_masked_for_who_may_not_read_personal_data(
    client: httpx.AsyncClient, client_of: Client, make_key: MakeKey, tenant_id: TenantId
) -> None:
    made = await recorded(client, f"{RESOURCES}/v4/resource", number("4915100000001"))
    reserved = await client.post("/farwire/v1/reservations", json={"pool": "numbers", "key": "shop-1"})
    assert reserved.status_code == 201, reserved.text
    path = f"{RESOURCES}/v4/resource"
    assert (await client.get(f"{path}?name=4915100000001")).json()[0]["id"] == made["id"]
    async with client_of(await make_key(tenant_id, Role.NOC)) as noc:
        assert (await noc.get(f"{path}/{made['id']}")).json()["name"] == "***********01"
        assert (await noc.get(f"{path}?name=4915100000001")).json() == []


async def test_a_service_is_recorded_and_moved_by_the_table_of_its_states(
    client: httpx.AsyncClient, other_client: httpx.AsyncClient, world: Any, clock: MovableClock
) -> None:
    clock.set(instant("2026-06-11T14:03+02:00"))
    product = await world.product(await world.account(), await world.plan())
    entity = [{"role": "product", "id": str(product.id), "@referredType": "Product"}]
    body = {
        "serviceSpecification": {"id": "line"},
        "state": "designed",
        "relatedEntity": entity,
        "name": "hers",
    }
    made = await recorded(client, f"{SERVICES}/v4/service", body)
    assert (made["state"], made["relatedEntity"][0]["id"], made["name"]) == (
        "designed",
        str(product.id),
        "hers",
    )
    path = f"{SERVICES}/v5/service/{made['id']}"
    assert (await client.patch(path, json={"state": "active"})).json()["isServiceEnabled"] is True
    bad = await client.patch(path, json={"state": "designed"})
    assert (bad.status_code, bad.json()["fix"]) == (422, "use one of: inactive, suspended, terminated")
    assert (await client.patch(path, json={"state": "terminated"})).json()[
        "endDate"
    ] == "2026-06-11T12:03:00.000Z"
    found = await client.get(f"{SERVICES}/v5/service?state=terminated&relatedEntity.entity.id={product.id}")
    assert [one["id"] for one in found.json()] == [made["id"]]
    assert (await other_client.get(path)).status_code == 404
    theirs = await other_client.post(f"{SERVICES}/v4/service", json=body)
    assert (theirs.status_code, theirs.json()["code"]) == (422, "tmf.reference_unknown")
    kept = await client.delete(path)
    assert (kept.status_code, kept.json()["code"]) == (409, "tmf.own_thing")


def an_element(name: str, **more: Any) -> dict[str, Any]:
    facts = [{"name": "layer", "value": "physical"}]
    return {"name": name, "category": "router", "resourceCharacteristic": facts, **more}


def related(document: dict[str, Any]) -> list[tuple[str, str]]:
    return [
        (one["relationshipType"], one["resource"]["name"]) for one in document.get("resourceRelationship", [])
    ]


async def test_the_links_of_an_element_are_its_relationships_both_ways(
    client: httpx.AsyncClient, other_client: httpx.AsyncClient
) -> None:
    v4 = f"{RESOURCES}/v4/resource"
    site = await recorded(client, v4, an_element("site"))
    inside = {"relationshipType": "containedIn", "resource": {"id": site["id"]}}
    router = await recorded(client, v4, an_element("r1", resourceRelationship=[inside]))
    assert related(router) == [("containedIn", "site")]
    assert related((await client.get(f"{RESOURCES}/v5/resource/{site['id']}")).json()) == [("contains", "r1")]
    other = await recorded(client, v4, an_element("r2"))
    joined = {"relationshipType": "connects", "resource": {"id": other["id"]}}
    patched = await client.patch(
        f"{v4}/{router['id']}", json={"resourceRelationship": [*router["resourceRelationship"], joined]}
    )
    assert patched.status_code == 200, patched.text
    assert sorted(related(patched.json())) == [("connects", "r2"), ("containedIn", "site")]
    links = await client.get(f"/farwire/v1/elements/{other['id']}/links")
    assert [one["kind"] for one in links.json()] == ["connects"]
    listed = (await client.get(f"{v4}?category=router&usageState=active")).json()
    assert [one["name"] for one in listed] == ["site", "r1", "r2"]
    assert (await other_client.get(f"{v4}/{router['id']}")).status_code == 404


async def test_a_containment_that_loops_is_refused_over_tmf639_too(client: httpx.AsyncClient) -> None:
    v4 = f"{RESOURCES}/v4/resource"
    site = await recorded(client, v4, an_element("site"))
    inside = {"relationshipType": "containedIn", "resource": {"id": site["id"]}}
    router = await recorded(client, v4, an_element("r1", resourceRelationship=[inside]))
    loop = {"relationshipType": "contains", "resource": {"id": site["id"]}}
    answer = await client.patch(f"{v4}/{router['id']}", json={"resourceRelationship": [inside, loop]})
    assert (answer.status_code, answer.json()["code"]) == (409, "inventory.contains_itself")


@pytest.mark.parametrize(
    ("relationship", "path"),
    [
        ({"relationshipType": "loves", "resource": {"id": "1"}}, "relationshipType"),
        ({"relationshipType": "contains", "resource": "1"}, "resource"),
        ({"relationshipType": "contains", "resource": {"id": "none"}}, "resource"),
        ({"relationshipType": "contains"}, "resource"),
    ],
)
async def test_a_relationship_that_is_no_link_is_refused_by_its_path(
    client: httpx.AsyncClient, relationship: dict[str, Any], path: str
) -> None:
    body = an_element("r1", resourceRelationship=[relationship])
    answer = await client.post(f"{RESOURCES}/v4/resource", json=body)
    assert answer.status_code == 400, answer.text
    assert path in answer.text
