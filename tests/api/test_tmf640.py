"""TMF640 and TMF702: what is configured reaches the network by a worker, and its monitor says how that went."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import httpx
import pytest

from farwire.activation import service
from farwire.activation.model import FaultKind
from farwire.activation.simulator import plant_fault
from farwire.base.storage import Database
from farwire.kernel.ids import TenantId

SERVICES = "/tmf-api/ServiceActivationAndConfiguration/v4/service"
RESOURCES = "/tmf-api/ResourceActivationAndConfiguration/v4/resource"
SPEED = [{"name": "speed", "value": "100"}, {"name": "vlan", "value": 7}]
Work = Callable[[], Any]


@pytest.fixture(autouse=True)
async def specification(client: httpx.AsyncClient) -> str:
    body = {"id": "line", "name": "Line"}
    answer = await client.post("/tmf-api/serviceCatalogManagement/v4/serviceSpecification", json=body)
    assert answer.status_code == 201, answer.text
    return "line"


async def made(client: httpx.AsyncClient, path: str = SERVICES, **more: Any) -> str:
    kind, values = ("serviceType", "serviceCharacteristic")
    body: dict[str, Any] = {"state": "active", "serviceSpecification": {"id": "line"}}
    if path == RESOURCES:
        kind, values, body = "category", "resourceCharacteristic", {"administrativeState": "unlocked"}
    answer = await client.post(path, json={kind: "access", values: SPEED} | body | more)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def monitors(client: httpx.AsyncClient, path: str, key: str) -> list[dict[str, Any]]:
    answer = await client.get(path.rsplit("/", 1)[0] + "/monitor", params={"sourceHref": f"{path}/{key}"})
    assert answer.status_code == 200, answer.text
    return list(answer.json())


async def change(client: httpx.AsyncClient, path: str, key: str, **more: Any) -> None:
    answer = await client.patch(f"{path}/{key}", json=more)
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(
    ("path", "name", "states"),
    [
        (SERVICES, "state", ("inactive", "active", "terminated")),
        (RESOURCES, "administrativeState", ("locked", "unlocked", "shutdown")),
    ],
)
async def test_a_life_in_the_network_is_followed_by_monitors(
    client: httpx.AsyncClient,
    db: Database,
    tenant_id: TenantId,
    work: Work,
    path: str,
    name: str,
    states: Any,
) -> None:
    async def network(key: str) -> Mapping[str, str] | None:
        async with db.transaction(tenant_id) as tx:
            there = await service.read_back(tx, adapter="access", target=key)
        asked = ("speed", "vlan", "status")
        return None if there is None else {name: there[name] for name in asked}

    key = await made(client, path)
    (first,) = await monitors(client, path, key)
    assert (first["state"], first["request"]["method"]) == ("InProgress", "POST")
    assert await network(key) is None
    await work()
    assert await network(key) == {"speed": "100", "vlan": "7", "status": "active"}
    (first,) = await monitors(client, path, key)
    assert (first["state"], first["response"]["statusCode"]) == ("Completed", "200")
    assert first["response"]["body"] == '[{"adapter":"access","action":"provision"}]'
    values = "serviceCharacteristic" if path == SERVICES else "resourceCharacteristic"
    await change(client, path, key, **{name: states[0], values: [{"name": "speed", "value": "250"}]})
    await work()
    assert await network(key) == {"speed": "250", "vlan": "7", "status": "suspended"}
    await change(client, path, key, **{name: states[1]})
    await work()
    assert (await network(key) or {})["status"] == "active"
    await change(client, path, key, **{name: states[2]})
    await work()
    assert await network(key) is None
    assert [one["state"] for one in await monitors(client, path, key)] == ["Completed"] * 4


async def test_what_no_adapter_knows_is_done_at_once(client: httpx.AsyncClient) -> None:
    key = await made(client, serviceType="pigeon")
    (one,) = await monitors(client, SERVICES, key)
    assert (one["state"], one["response"]) == ("Completed", {"statusCode": "201"})


async def test_what_is_deleted_leaves_the_network(
    client: httpx.AsyncClient, db: Database, tenant_id: TenantId, work: Work
) -> None:
    key = await made(client)
    await work()
    assert (await client.delete(f"{SERVICES}/{key}")).status_code == 204
    await work()
    async with db.transaction(tenant_id) as tx:
        assert await service.read_back(tx, adapter="access", target=key) is None
    assert [one["state"] for one in await monitors(client, SERVICES, key)] == ["Completed"] * 2


async def test_a_refusal_of_the_network_is_told_by_the_monitor(
    client: httpx.AsyncClient, db: Database, tenant_id: TenantId, work: Work
) -> None:
    async with db.transaction(tenant_id) as tx:
        await plant_fault(tx, adapter="access", kind=FaultKind.REFUSE)
    key = await made(client)
    await work()
    (one,) = await monitors(client, SERVICES, key)
    assert (one["state"], one["response"]["statusCode"]) == ("InError", "422")
    assert "activation.refused" in one["response"]["body"]


async def test_another_operator_sees_no_monitor(
    client: httpx.AsyncClient, other_client: httpx.AsyncClient
) -> None:
    key = await made(client)
    assert await monitors(other_client, SERVICES, key) == []
