"""The inventory over HTTP: who may see what, and what a reservation answers."""

from __future__ import annotations

import httpx
import pytest

from farwire.app import api_routes
from farwire.base.audit.service import latest
from farwire.base.authz import Principal, Role
from farwire.base.clock import MovableClock
from farwire.base.config import Settings
from farwire.base.storage import Database
from farwire.base.web import build_api
from farwire.inventory import service
from farwire.inventory.model import PlaceChange, Service, ServiceChange, ServiceState, SuspensionReason
from farwire.kernel.ids import ServiceId, TenantId, uuid7
from farwire.tenant import service as tenants
from farwire.tenant.service import KeyRefused

from .products import AUGUST, JULY, JUNE, a_product, added

V1 = "/farwire/v1"
TAGS = ("Products and services", "Resources and pools")
RANGE = {"first": "4915100000000", "last": "4915100000099"}


@pytest.fixture
async def caller(db: Database, settings: Settings, clock: MovableClock, tenant_id: TenantId):
    """Return a maker of clients: ``await caller(role, tenant)``."""

    async def principal(database: Database, text: str) -> Principal | None:
        try:
            return await tenants.authenticate(db=database, clock=clock, text=text)
        except KeyRefused:
            return None

    routes = [route for route in api_routes() if route.tag in TAGS]
    api = build_api(routes, database=db, clock=clock, settings=settings, authenticate=principal)

    async def make(role: Role = Role.TENANT_ADMIN, tenant: TenantId = tenant_id) -> httpx.AsyncClient:
        key, _ = await tenants.create_key(db=db, clock=clock, tenant_id=tenant, role=role, label="test")
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(app=api),
            base_url="http://farwire",
            headers={"Authorization": f"Bearer {key}"},
        )

    return make


async def pool_of_numbers(client: httpx.AsyncClient) -> None:
    made = await client.post(f"{V1}/pools", json={"name": "mobile", "kind": "msisdn", "quarantineDays": 30})
    assert (made.status_code, made.headers["location"]) == (201, f"{V1}/pools/mobile")
    filled = await client.post(f"{V1}/pools/mobile/resources", json=RANGE)
    assert (filled.status_code, filled.json()["added"]) == (200, 100)
    assert filled.json()["pool"]["counts"]["available"] == 100


async def test_a_pool_is_made_filled_searched_reserved_from_and_released(caller, other_tenant_id) -> None:
    client = await caller()
    await pool_of_numbers(client)
    again = await client.post(f"{V1}/pools/mobile/resources", json=RANGE)
    assert again.json()["added"] == 0
    found = await client.get(f"{V1}/pools/mobile/freeResources", params={"pattern": "*77"})
    assert [one["value"] for one in found.json()] == ["4915100000077"]
    held = await client.post(f"{V1}/reservations", json={"pool": "mobile", "key": "order:1", "count": 2})
    assert held.status_code == 201
    assert [one["state"] for one in held.json()["resources"]] == ["reserved"] * 2
    same = await client.post(f"{V1}/reservations", json={"pool": "mobile", "key": "order:1", "count": 2})
    assert same.json() == held.json()
    vanity = {"pool": "mobile", "key": "order:2", "values": ["4915100000077"]}
    chosen = await client.post(f"{V1}/reservations", json=vanity)
    assert [one["value"] for one in chosen.json()["resources"]] == ["4915100000077"]
    taken = await client.post(f"{V1}/reservations", json=vanity | {"key": "order:3"})
    assert (taken.status_code, taken.json()["code"]) == (409, "inventory.taken")
    all_of_them = {"pool": "mobile", "key": "order:4", "count": 98}
    empty = await client.post(f"{V1}/reservations", json=all_of_them)
    assert (empty.status_code, empty.json()["code"]) == (429, "inventory.pool_exhausted")
    for _ in range(2):
        gone = await client.delete(f"{V1}/reservations/order:1")
        assert (gone.status_code, gone.content) == (204, b"")
    counts = (await client.get(f"{V1}/pools/mobile")).json()["counts"]
    assert (counts["available"], counts["reserved"]) == (99, 1)
    stranger = await caller(tenant=other_tenant_id)
    assert (await stranger.get(f"{V1}/pools/mobile")).status_code == 404
    assert (await stranger.get(f"{V1}/pools")).json() == []
    assert (await stranger.get(f"{V1}/resources")).json() == []


async def test_a_pool_has_ranges_and_keeps_parts_of_them_back(caller, other_tenant_id) -> None:
    client = await caller()
    wanted = {"name": "cpe", "kind": "ipv4", "scope": "red", "warnPercent": 70}
    made = await client.post(f"{V1}/pools", json=wanted)
    facts = {"scope": "red", "policy": "lowest", "warnPercent": 70, "usedPercent": 0}
    assert facts.items() <= made.json().items()
    path = f"{V1}/pools/cpe"
    ranged = await client.post(f"{path}/ranges", json={"range": "10.0.0.0/8", "gateway": "10.0.0.1"})
    assert (ranged.status_code, ranged.headers["location"]) == (201, f"{path}/ranges")
    kept = [{"range": "10.0.0.0", "reason": "network"}, {"range": "10.0.0.1", "reason": "gateway"}]
    last = {"range": "10.255.255.255", "reason": "broadcast"}
    assert (ranged.json()["ranges"], ranged.json()["withheld"]) == (["10.0.0.0/8"], [*kept, last])
    mine = {"range": "10.0.0.2-10.0.0.9", "reason": "printers"}
    assert (await client.post(f"{path}/withholdings", json=mine)).json()["withheld"] == [*kept, mine, last]
    held = await client.post(f"{V1}/reservations", json={"pool": "cpe", "key": "a"})
    assert [one["value"] for one in held.json()["resources"]] == ["10.0.0.10"]
    assert (await client.post(f"{path}/withholdings/end", json={"range": mine["range"]})).status_code == 200
    assert (await client.get(f"{path}/ranges")).json() == ranged.json()
    seen = {"kind": "ipv4", "value": "10.0.0.10"}
    assert (await client.get(f"{V1}/resources", params=seen)).status_code == 404
    (found,) = (await client.get(f"{V1}/resources", params=seen | {"scope": "red"})).json()
    assert found["state"] == "reserved"
    await client.post(f"{V1}/pools", json=wanted | {"name": "two"})
    refused = await client.post(f"{V1}/pools/two/ranges", json={"range": "10.7.0.0/16"})
    assert (refused.status_code, refused.json()["code"]) == (409, "inventory.pool_overlap")
    unkept = await client.post(f"{path}/withholdings/end", json={"range": "10.0.0.2"})
    assert (unkept.status_code, unkept.json()["code"]) == (404, "inventory.withheld")
    wrong = await client.post(f"{path}/ranges", json={"range": "11.0.0.0/8", "gateway": "10.0.0.7"})
    assert (wrong.status_code, wrong.json()["code"]) == (400, "inventory.gateway")
    stranger = await caller(tenant=other_tenant_id)
    assert (await stranger.get(f"{path}/ranges")).status_code == 404


async def test_a_prefix_is_reserved_by_its_length_and_a_huge_pool_is_counted(caller) -> None:
    client = await caller()
    nets = {"name": "nets", "kind": "ipv4_prefix", "prefixLength": 29}
    assert (await client.post(f"{V1}/pools", json=nets)).json()["prefixLength"] == 29
    await client.post(f"{V1}/pools/nets/ranges", json={"range": "10.0.0.0/16"})
    wanted = {"pool": "nets", "key": "a", "length": 28}
    held = await client.post(f"{V1}/reservations", json=wanted)
    assert [one["value"] for one in held.json()["resources"]] == ["10.0.0.0/28"]
    other = await client.post(f"{V1}/reservations", json=wanted | {"length": 29})
    assert (other.status_code, other.json()["code"]) == (409, "inventory.reservation_differs")
    await client.post(f"{V1}/pools", json={"name": "six", "kind": "ipv6"})
    await client.post(f"{V1}/pools/six/ranges", json={"range": "2001:db8::/32"})
    assert (await client.get(f"{V1}/pools/six")).json()["counts"]["available"] == 2**63 - 1


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"first": "2", "last": "1"}, "inventory.range"),
        ({"first": "4915100000000"}, "inventory.range"),
        ({}, "inventory.fill_source"),
        ({"first": "4915100000000", "last": "4915109999999"}, "inventory.range"),
        ({"resources": [{"value": "12"}]}, "inventory.resource_value"),
    ],
)
async def test_a_wrong_filling_is_refused_and_adds_nothing(caller, body: object, code: str) -> None:
    client = await caller()
    await client.post(f"{V1}/pools", json={"name": "mobile", "kind": "msisdn"})
    answer = await client.post(f"{V1}/pools/mobile/resources", json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert (await client.get(f"{V1}/resources")).json() == []


async def test_a_customers_number_is_shown_to_those_who_may_see_it_and_asking_for_it_is_audited(
    caller, db: Database, tenant_id: TenantId
) -> None:
    admin = await caller()
    await pool_of_numbers(admin)
    product = a_product()
    await added(db, tenant_id, product)
    async with db.transaction(tenant_id) as tx:
        await service.reserve(tx, pool="mobile", key="k", now=JUNE)
        await service.give_resources(tx, key="k", product_id=product.id, at=JUNE, now=JUNE)
    agent, noc = await caller(Role.AGENT), await caller(Role.NOC)
    mine = {"productId": str(product.id)}
    (clear,) = (await agent.get(f"{V1}/resources", params=mine)).json()
    (hidden,) = (await noc.get(f"{V1}/resources", params=mine)).json()
    assert (clear["value"], hidden["value"]) == ("4915100000000", "***********00")
    (free,) = (await noc.get(f"{V1}/resources", params={"state": "available", "limit": 1})).json()
    assert free["value"] == "4915100000001"
    wanted = {"kind": "msisdn", "value": "4915100000000"}
    assert (await noc.get(f"{V1}/resources", params=wanted)).status_code == 403
    assert (await agent.get(f"{V1}/resources", params={"value": "4915100000000"})).status_code == 400
    (traced,) = (await agent.get(f"{V1}/resources", params=wanted)).json()
    assert traced == clear
    assert (await agent.get(f"{V1}/resources", params=wanted | {"state": "available"})).json() == []
    async with db.transaction(tenant_id) as tx:
        entries = await latest(tx=tx, action_prefix="inventory.trace")
    assert [entry.act.subject for entry in entries] == [clear["id"]] * 2
    detail = (await noc.get(clear["href"])).json()
    assert (detail["value"], detail["history"][0]["productId"]) == ("***********00", str(product.id))
    shown = (await noc.get(f"{V1}/products/{product.id}")).json()
    assert [one["value"] for one in shown["resources"]] == ["***********00"]
    assert (await agent.post(f"{V1}/pools", json={"name": "x", "kind": "msisdn"})).status_code == 403
    refused = await admin.delete(f"{V1}/reservations/k")
    assert (refused.status_code, refused.json()["code"]) == (409, "inventory.assigned")


async def test_a_product_is_shown_with_its_history_as_of_any_time(
    caller, db: Database, tenant_id: TenantId, other_tenant_id: TenantId, clock: MovableClock
) -> None:
    product = a_product()
    await added(db, tenant_id, product)
    line = Service(ServiceId(uuid7()), product.id, "mobile-line", (ServiceChange(JUNE, ServiceState.ACTIVE),))
    async with db.transaction(tenant_id) as tx:
        await service.add_service(tx, line)
        await service.suspend_product(
            tx, product_id=product.id, reason=SuspensionReason.LOST_SIM, at=JULY, recurring_percent=50
        )
    clock.set(AUGUST)
    client = await caller(Role.AGENT)
    (listed,) = (await client.get(f"{V1}/products", params={"accountId": str(product.account_id)})).json()
    assert (listed["state"], listed["suspendedFor"], listed["recurringPercent"]) == (
        "suspended",
        ["lost_sim"],
        50,
    )
    assert (await client.get(f"{V1}/products", params={"state": "active"})).json() == []
    then = (await client.get(listed["href"], params={"at": "2026-06-30T23:59:59Z"})).json()
    assert (then["state"], then["recurringPercent"]) == ("active", 100)
    assert [fact["what"] for fact in then["history"]] == ["started", "priced", "suspended"]
    assert [one["specification"] for one in then["services"]] == ["mobile-line"]
    found = (await client.get(f"{V1}/services", params={"productId": str(product.id)})).json()
    assert found == then["services"]
    stranger = await caller(Role.TENANT_ADMIN, other_tenant_id)
    assert (await stranger.get(listed["href"])).status_code == 404
    assert (await stranger.get(f"{V1}/products")).json() == []


async def test_where_a_product_is_is_shown_to_those_who_may_see_personal_data(
    caller, db: Database, tenant_id: TenantId, clock: MovableClock
) -> None:
    product = a_product(places=(PlaceChange(JUNE, "Deich 5"),))
    await added(db, tenant_id, product)
    async with db.transaction(tenant_id) as tx:
        await service.move_product(tx, product_id=product.id, place="Hafen 1", at=JULY)
    clock.set(AUGUST)
    agent, network = await caller(Role.AGENT), await caller(Role.NOC)
    href = f"{V1}/products/{product.id}"
    shown = (await agent.get(href)).json()
    assert shown["place"] == "Hafen 1"
    assert [one["place"] for one in shown["places"]] == ["Deich 5", "Hafen 1"]
    assert (await agent.get(href, params={"at": "2026-06-30T23:59:59Z"})).json()["place"] == "Deich 5"
    assert (await agent.get(f"{V1}/products")).json()[0]["place"] == "Hafen 1"
    hidden = await network.get(href)
    assert hidden.status_code == 200
    assert "Hafen" not in hidden.text
    assert [fact["what"] for fact in hidden.json()["history"]] == ["started", "priced", "placed", "moved"]
    assert "Hafen" not in (await network.get(f"{V1}/products")).text
