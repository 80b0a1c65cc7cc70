"""Products as TMF637, v4 and v5: as they stand, with dated prices and suspensions; recorded in a given state."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from farwire.base.authz import Role
from farwire.base.clock import MovableClock
from farwire.kernel.ids import TenantId
from farwire.kernel.time import instant

from .conftest import Client, MakeKey

V4 = "/tmf-api/productInventory/v4/product"
V5 = "/tmf-api/productInventory/v5/product"
OFFERINGS = "/tmf-api/productCatalogManagement/v5/productOffering"


@pytest.fixture
async def wanted(world: Any, clock: MovableClock, client: httpx.AsyncClient) -> dict[str, Any]:
    """What a product needs: an account and an offering."""
    clock.set(instant("2026-06-11T14:03+02:00"))
    account = await world.account()
    await world.plan()
    (offering,) = (await client.get(OFFERINGS)).json()
    return {"billingAccount": {"id": str(account.id)}, "productOffering": {"id": offering["id"]}}


async def record(client: httpx.AsyncClient, body: dict[str, Any], path: str = V4) -> dict[str, Any]:
    answer = await client.post(path, json=body)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


@pytest.mark.parametrize(
    ("status", "more"),
    [
        ("active", {}),
        ("suspended", {}),
        ("pendingActive", {"startDate": "2026-07-01T00:00:00Z"}),
        ("terminated", {"startDate": "2026-06-11T10:00:00Z", "terminationDate": "2026-06-11T11:00:00Z"}),
    ],
)
async def test_a_product_is_recorded_in_the_state_that_is_given(
    client: httpx.AsyncClient, wanted: dict[str, Any], status: str, more: dict[str, Any]
) -> None:
    made = await record(client, {**wanted, "status": status, "name": "Anna's line", **more})
    assert (made["status"], made["name"]) == (status, "Anna's line")
    new = (await client.get(f"{V5}/{made['id']}")).json()
    assert (new["status"], new["@type"], new["name"]) == (status, "Product", "Anna's line")
    prices = {one["productOfferingPrice"]["id"]: one["price"] for one in new["productPrice"]}
    assert prices["monthly"]["dutyFreeAmount"] == {"unit": "EUR", "value": 20.00}


async def test_a_state_that_the_dates_contradict_is_refused(
    client: httpx.AsyncClient, wanted: dict[str, Any]
) -> None:
    late = {"startDate": "2026-07-01T00:00:00Z"}
    for status, more in (
        ("active", late),
        ("pendingActive", {}),
        ("active", {"terminationDate": "2026-06-10T00:00:00Z"}),
    ):
        answer = await client.post(V4, json={**wanted, "status": status, **more})
        assert (answer.status_code, answer.json()["field"]) == (400, "$.status"), answer.text
    assert (await client.get(V4)).json() == []


async def test_a_suspension_and_its_end_are_recorded_with_their_dates(
    client: httpx.AsyncClient, wanted: dict[str, Any], clock: MovableClock
) -> None:
    made = await record(client, {**wanted, "status": "active"})
    path = f"{V5}/{made['id']}"
    clock.set(instant("2026-06-12T10:00+02:00"))
    assert (await client.patch(path, json={"status": "suspended"})).json()["status"] == "suspended"
    clock.set(instant("2026-06-14T10:00+02:00"))
    back = (await client.patch(path, json={"status": "active"})).json()
    assert back["status"] == "active"
    (told,) = [one["value"] for one in back["productCharacteristic"] if one["name"] == "suspension"]
    assert (told["reason"], told["startDateTime"], told["endDateTime"]) == (
        "customer",
        "2026-06-12T08:00:00.000Z",
        "2026-06-14T08:00:00.000Z",
    )
    assert (await client.patch(path, json={"status": "terminated"})).json()["status"] == "terminated"
    again = await client.patch(path, json={"status": "active"})
    assert (again.status_code, again.json()["fix"]) == (422, "this state is final")


async def test_what_an_order_changes_is_not_patched(
    client: httpx.AsyncClient, wanted: dict[str, Any]
) -> None:
    made = await record(client, {**wanted, "status": "active"})
    answer = await client.patch(f"{V4}/{made['id']}", json={"startDate": "2026-01-01T00:00:00Z"})
    assert (answer.status_code, answer.json()["code"]) == (400, "inventory.by_order")


async def test_another_price_for_a_while_is_shown_with_its_dates(
    client: httpx.AsyncClient, wanted: dict[str, Any], work: Any
) -> None:
    made = await record(client, {**wanted, "status": "active"})
    price = {"priceId": "monthly", "percent": "50", "reason": "loyal", "until": "2026-12-01T00:00:00Z"}
    item = {"action": "modify", "productId": made["id"], "overrides": [price]}
    order = {"accountId": wanted["billingAccount"]["id"], "items": [item]}
    assert (await client.post("/farwire/v1/productOrders", json=order)).status_code == 201
    await work()
    old, new = [(await client.get(f"{base}/{made['id']}")).json() for base in (V4, V5)]
    (changed,) = [one for one in new["productPrice"] if "priceAlteration" in one]
    (alteration,) = changed["priceAlteration"]
    assert alteration["validFor"]["endDateTime"] == "2026-12-01T00:00:00.000Z"
    assert (alteration["name"], alteration["price"]["percentage"]) == ("loyal", 50)
    assert [
        one["productPriceAlteration"][0]["name"]
        for one in old["productPrice"]
        if "productPriceAlteration" in one
    ] == ["loyal"]


async def test_products_are_found_by_account_and_state_and_hidden_from_others(
    client: httpx.AsyncClient, other_client: httpx.AsyncClient, wanted: dict[str, Any]
) -> None:
    ids = [(await record(client, {**wanted, "status": status}))["id"] for status in ("active", "suspended")]
    account = wanted["billingAccount"]["id"]
    found = await client.get(f"{V4}?billingAccount.id={account}&status=suspended")
    assert [one["id"] for one in found.json()] == ids[1:]
    assert (await client.get(f"{V4}?billingAccount.id=nobody")).json() == []
    part = await client.get(f"{V4}?billingAccount.id={account},x&limit=1")
    assert (len(part.json()), part.headers["x-total-count"]) == (1, "2")
    assert (await other_client.get(f"{V4}/{ids[0]}")).status_code == 404
    assert (await other_client.get(V5)).json() == []
    theirs = await other_client.post(V4, json={**wanted, "status": "active"})
    assert (theirs.status_code, theirs.json()["code"]) == (422, "tmf.reference_unknown")


async def test_sites_are_for_those_who_may_read_personal_data(
    client: httpx.AsyncClient,
    client_of: Client,
    make_key: MakeKey,
    tenant_id: TenantId,
    wanted: dict[str, Any],
    work: Any,
) -> None:
    made = await record(client, {**wanted, "status": "active"})
    item = {"action": "move", "productId": made["id"], "place": "Deichstraße 5"}
    await client.post(
        "/farwire/v1/productOrders", json={"accountId": wanted["billingAccount"]["id"], "items": [item]}
    )
    await work()
    assert (await client.get(f"{V4}/{made['id']}")).json()["place"][0]["name"] == "Deichstraße 5"
    async with client_of(await make_key(tenant_id, Role.NOC)) as noc:
        assert "Deichstraße" not in (await noc.get(V5)).text
