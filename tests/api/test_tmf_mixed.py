"""Attributes that our model lacks and things of others in the same lists: kept, found, told, erased."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import httpx
import pytest

from farwire.account import service as accounts
from farwire.base import eventbus
from farwire.base.authz import Role
from farwire.base.clock import MovableClock
from farwire.base.storage import Database
from farwire.base.tmf.operations import References, set_references
from farwire.base.tmf.resource import SERVED
from farwire.kernel.ids import AccountId, PartyId, TenantId
from farwire.kernel.tenancy import Actor, ActorKind
from farwire.kernel.time import instant
from farwire.process import privacy

from .conftest import Client, MakeKey

SERVICES = "/tmf-api/serviceInventory/v5/service"
RESOURCES = "/tmf-api/resourceInventoryManagement/v4/resource"
PRODUCTS = "/tmf-api/productInventory/v5/product"
NOW = instant("2026-06-11T14:03+02:00")


@pytest.fixture
async def product(world: Any, clock: MovableClock) -> Any:
    clock.set(NOW)
    return await world.product(await world.account(), await world.plan())


def foreign(**more: Any) -> dict[str, Any]:
    """A service of another system."""
    return {
        "@type": "Service",
        "serviceSpecification": {"id": "vpn"},
        "state": "active",
        "category": "x",
    } | more


def ours(product: Any, **more: Any) -> dict[str, Any]:
    entity = {"id": str(product.id), "@type": "EntityRef", "@referredType": "Product"}
    return foreign(relatedEntity=[{"@type": "RelatedEntity", "role": "product", "entity": entity}]) | more


async def post(client: httpx.AsyncClient, path: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = await client.post(path, json=body)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def walked(client: httpx.AsyncClient, path: str) -> AsyncIterator[list[dict[str, Any]]]:
    following: str | None = path
    while following:
        answer = await client.get(following)
        assert answer.status_code == 200, answer.text
        yield answer.json()
        found = re.search(r'<([^>]+)>; rel="next"', answer.headers["link"])
        following = found[1] if found else None


@pytest.mark.parametrize("query", ["", "&category=x", "&name.regex=s"])
async def test_a_list_of_own_and_recorded_things_is_walked_while_both_are_added(
    client: httpx.AsyncClient, product: Any, query: str
) -> None:
    there = [(await post(client, SERVICES, foreign(name=f"s{n}")))["id"] for n in range(3)]
    there += [(await post(client, SERVICES, ours(product, name=f"s{n}")))["id"] for n in range(3)]
    seen: list[str] = []
    async for page in walked(client, f"{SERVICES}?limit=2{query}"):
        seen += [one["id"] for one in page]
        if len(seen) >= 4:  # the own ones are passed: more of both kinds do not move what follows
            await post(client, SERVICES, ours(product, name="s-late"))
            if len(seen) < 6:
                await post(client, SERVICES, foreign(name="s-late"))
    assert len(seen) == len(set(seen)) == 7
    assert set(there) <= set(seen)
    whole = await client.get(f"{SERVICES}?limit=1{query}")
    assert whole.headers["x-total-count"] == str(len((await client.get(SERVICES)).json()))
    part = await client.get(f"{SERVICES}?offset=5&limit=50{query}")
    assert len(part.json()) == int(whole.headers["x-total-count"]) - 5


async def test_own_and_recorded_things_are_filtered_and_sorted_together(
    client: httpx.AsyncClient, other_client: httpx.AsyncClient, product: Any
) -> None:
    for name in ("c", "a"):
        await post(client, SERVICES, foreign(name=name))
    await post(
        client,
        SERVICES,
        ours(product, name="b", place=[{"role": "at", "place": {"id": "p-7", "@referredType": "Duct"}}]),
    )
    found = await client.get(f"{SERVICES}?sort=-name&limit=2&fields=name")
    assert [one["name"] for one in found.json()] == ["c", "b"]
    assert found.headers["x-total-count"] == "3"
    assert [one["name"] for one in (await client.get(f"{SERVICES}?sort=-name&offset=2&limit=2")).json()] == [
        "a"
    ]
    assert [one["name"] for one in (await client.get(f"{SERVICES}?place.place.id=p-7")).json()] == ["b"]
    assert [one["name"] for one in (await client.get(f"{SERVICES}?filter=$[?(@.name=='a')]")).json()] == ["a"]
    assert (await other_client.get(SERVICES)).json() == []


async def test_a_recorded_service_has_states_references_and_an_end(
    client: httpx.AsyncClient, other_client: httpx.AsyncClient, product: Any
) -> None:
    made = await post(client, SERVICES, foreign(id="svc-1", state="feasibilityChecked"))
    path = f"{SERVICES}/{made['id']}"
    assert (await client.post(SERVICES, json=foreign(id="svc-1"))).status_code == 409
    own = await post(client, SERVICES, ours(product))
    assert (await client.post(SERVICES, json=foreign(id=own["id"]))).status_code == 409
    wrong = await client.patch(path, json={"state": "suspended"})
    assert (wrong.status_code, wrong.json()["fix"]) == (422, "use one of: designed, terminated")
    assert (await client.patch(path, json={"state": "designed"})).json()["state"] == "designed"
    router = await post(client, RESOURCES, {"name": "r-1", "resourceStatus": "alarm"})
    refers = [{"id": router["id"], "@type": "ResourceRef"}]
    assert (await client.patch(path, json={"supportingResource": refers})).status_code == 200
    assert (await client.delete(f"{RESOURCES}/{router['id']}")).status_code == 409
    for foreigner in (await other_client.get(path), await other_client.delete(path)):
        assert foreigner.status_code == 404
    assert (await client.delete(path)).status_code == 204
    assert (await client.get(path)).status_code == 404
    assert (await client.delete(f"{RESOURCES}/{router['id']}")).status_code == 204
    refused = await client.delete(f"{SERVICES}/{own['id']}")
    assert (refused.status_code, refused.json()["code"]) == (409, "tmf.own_thing")


async def test_a_product_or_pool_that_is_not_there_is_a_mistake_unless_the_tenant_is_lenient(
    client: httpx.AsyncClient, db: Database, tenant_id: TenantId, clock: MovableClock
) -> None:
    entity = {"id": "p-of-another", "@type": "EntityRef", "@referredType": "Product"}
    service = foreign(relatedEntity=[{"@type": "RelatedEntity", "role": "product", "entity": entity}])
    number = {"name": "49151", "resourceCharacteristic": [{"name": "pool", "value": "theirs"}]}
    partner = {"@type": "Product", "status": "active", "productOffering": {"id": "theirs"}}
    wanted = (("638", SERVICES, service), ("639", RESOURCES, number), ("637", PRODUCTS, partner))
    for _, path, body in wanted:
        assert (await client.post(path, json=body)).status_code in (400, 422)
    async with db.transaction(tenant_id) as tx:
        for api, _, _ in wanted:
            actor = Actor(ActorKind.OPERATOR, "x")
            await set_references(tx, api=api, mode=References.LENIENT, actor=actor, clock=clock)
    for _, path, body in wanted:
        made = await post(client, path, body)
        assert (await client.get(f"{path}/{made['id']}")).json() == made


async def test_what_is_kept_of_an_own_service_is_shown_changed_and_never_wins(
    client: httpx.AsyncClient, product: Any
) -> None:
    more = {"@schemaLocation": "https://example.org/s", "colour": "red", "note": [{"text": "under the roof"}]}
    facts = [{"name": "speed", "value": "100", "valueType": "string", "unit": "Mbit/s"}]
    made = await post(client, SERVICES, ours(product, **more, serviceCharacteristic=facts))
    path = f"{SERVICES}/{made['id']}"
    assert made["serviceCharacteristic"][0].items() >= facts[0].items()
    assert (await client.get(path)).json() == made
    after = (await client.patch(path, json={"colour": "blue", "state": "inactive"})).json()
    assert (after["colour"], after["state"], after["note"][0]["text"]) == (
        "blue",
        "inactive",
        "under the roof",
    )
    assert after["isServiceEnabled"] is False
    reserved = await client.patch(path, json={"note": [{"@of": "x"}]})
    assert (reserved.status_code, reserved.json()["code"]) == (400, "tmf.shape")
    for change in ({"isServiceEnabled": True}, {"relatedEntity": []}, {"serviceCharacteristic": []}):
        refused = await client.patch(path, json=change)
        assert (refused.status_code, refused.json()["field"]) == (400, f"$.{next(iter(change))}")
    wrong = await client.post(SERVICES, json=ours(product, hasStarted=False))
    assert (wrong.status_code, wrong.json()["code"], wrong.json()["field"]) == (
        400,
        "tmf.contradicts",
        "$.hasStarted",
    )


async def test_what_is_recorded_or_kept_is_told(
    client: httpx.AsyncClient, product: Any, db: Database, tenant_id: TenantId
) -> None:
    own = await post(client, SERVICES, ours(product))
    await client.patch(f"{SERVICES}/{own['id']}", json={"state": "inactive"})
    await client.patch(f"{SERVICES}/{own['id']}", json={"description": "hers"})
    other = f"{SERVICES}/{(await post(client, SERVICES, foreign()))['id']}"
    await client.patch(other, json={"state": "inactive", "description": "theirs"})
    await client.delete(other)
    async with db.transaction(tenant_id) as tx:
        found = await eventbus.list_events(
            tx=tx, after=0, limit=100, type_prefix="farwire.inventory.service_"
        )
    assert [event.type.split(".")[2] for _, event in found] == [
        "service_added",
        "service_standing_changed",
        "service_changed",
        "service_created",
        "service_state_changed",
        "service_changed",
        "service_deleted",
    ]
    assert not any("hers" in str(event.data) for _, event in found)


async def test_the_place_of_a_recorded_product_is_hidden_from_filters_too(
    client: httpx.AsyncClient, client_of: Client, make_key: MakeKey, tenant_id: TenantId
) -> None:
    place = [
        {
            "@type": "RelatedPlace",
            "role": "site",
            "place": {"@type": "PlaceRef", "id": "kai-1", "@referredType": "Duct"},
        }
    ]
    made = await post(client, PRODUCTS, {"@type": "Product", "status": "active", "place": place})
    query = f"{PRODUCTS}?place.place.id=kai-1"
    assert [one["id"] for one in (await client.get(query)).json()] == [made["id"]]
    async with client_of(await make_key(tenant_id, Role.NOC)) as noc:
        assert "place" not in (await noc.get(f"{PRODUCTS}/{made['id']}")).json()
        assert (await noc.get(query)).json() == []
        assert len((await noc.get(f"{PRODUCTS}?status=active")).json()) == 1


async def test_what_is_kept_of_what_a_person_has_is_exported_and_erased_with_the_person(
    client: httpx.AsyncClient, product: Any, db: Database, tenant_id: TenantId, clock: MovableClock
) -> None:
    service = await post(client, SERVICES, ours(product, note=[{"text": "the key is with Mrs Berg"}]))
    shown = (await client.get(f"{PRODUCTS}/{product.id}")).json()
    party = shown["relatedParty"][0]["partyOrPartyRole"]["id"]
    person = f"/tmf-api/partyManagement/v5/individual/{party}"
    assert (await client.patch(person, json={"nationality": "FR"})).status_code == 200
    exported = await privacy.export_person(
        db=db, tenant_id=tenant_id, party_id=PartyId(UUID(party)), clock=clock
    )
    assert "Mrs Berg" in str(exported["tmf_documents"])
    assert "'FR'" in str(exported["tmf_documents"])
    await client.patch(f"{PRODUCTS}/{product.id}", json={"status": "terminated"})
    account = shown["billingAccount"]["id"]
    async with db.transaction(tenant_id) as tx:
        now = clock.now()
        await accounts.close_account(tx, account_id=AccountId(UUID(account)), at=now, now=now)
    async with db.transaction(tenant_id) as tx:
        await privacy.erase_person(tx, party_id=PartyId(UUID(party)), clock=clock)
    assert "note" not in (await client.get(f"{SERVICES}/{service['id']}")).json()
    assert "nationality" not in (await client.get(person)).json()


async def test_what_is_told_of_is_read_in_a_transaction_that_changes_nothing(
    client: httpx.AsyncClient, product: Any, db: Database, tenant_id: TenantId, clock: MovableClock
) -> None:
    """A listener's message is written in one: a read that locks would fail there."""
    await client.post("/farwire/v1/pools", json={"name": "numbers", "kind": "msisdn"})
    pool = [{"name": "pool", "value": "numbers"}]
    number = await post(client, RESOURCES, {"name": "4915100000001", "resourceCharacteristic": pool})
    service = await post(client, SERVICES, ours(product))
    things = {"637": str(product.id), "638": service["id"], "639": number["id"]}
    for api, resource in SERVED.all():
        key, own = things.get(api.number), resource.behaviour
        if key is not None and own is not None:
            async with db.transaction(tenant_id, read_only=True) as tx:
                assert (await own.find(tx, key, clock.now()) or {})["id"] == things.pop(api.number)
    assert things == {}
