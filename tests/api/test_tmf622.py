"""Product orders as TMF622, v4 and v5: taken with their price, confirmed, amended, cancelled by our own rules."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from farwire.base.authz import Role
from farwire.base.clock import MovableClock
from farwire.kernel.ids import TenantId
from farwire.kernel.time import instant

from .conftest import Client, MakeKey

V4 = "/tmf-api/productOrderingManagement/v4"
V5 = "/tmf-api/productOrderingManagement/v5"
OFFERINGS = "/tmf-api/productCatalogManagement/v5/productOffering"


@pytest.fixture
async def order(world: Any, clock: MovableClock, client: httpx.AsyncClient) -> Callable[..., dict[str, Any]]:
    """A function that writes an order of the golden plan for one account."""
    clock.set(instant("2026-06-11T14:03+02:00"))
    account = await world.account()
    await world.plan()
    (offering,) = (await client.get(OFFERINGS)).json()

    def write(**more: Any) -> dict[str, Any]:
        item = {"id": "100", "action": "add", "productOffering": {"id": offering["id"]}}
        return {
            "billingAccount": {"id": str(account.id)},
            "productOrderItem": [item | more.pop("item", {})],
            **more,
        }

    return write


async def placed(client: httpx.AsyncClient, body: dict[str, Any], base: str = V4) -> dict[str, Any]:
    answer = await client.post(f"{base}/productOrder", json=body)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def test_an_order_is_taken_with_its_price_carried_out_and_read_in_both_versions(
    client: httpx.AsyncClient, order: Any, work: Any
) -> None:
    made = await placed(client, order(externalId="web-7", description="one line", priority="1"))
    assert (made["state"], made["externalId"]) == ("acknowledged", "web-7")
    first, then = made["orderTotalPrice"]
    assert first["price"]["taxIncludedAmount"] == {"unit": "EUR", "value": 51.44}
    assert then["price"]["dutyFreeAmount"] == {"unit": "EUR", "value": 20.00}
    (item,) = made["productOrderItem"]
    assert (item["id"], item["action"], item["state"]) == ("100", "add", "pending")
    await work()
    new = (await client.get(f"{V5}/productOrder/{made['id']}")).json()
    assert (new["state"], new["@type"]) == ("completed", "ProductOrder")
    assert new["productOrderItem"][0]["state"] == "completed"
    assert new["relatedParty"][0]["partyOrPartyRole"]["@type"] == "PartyRef"
    assert {"creationDate", "completionDate"} <= new.keys()
    assert "orderDate" not in new
    found = await client.get(
        f"{V4}/productOrder?state=completed&billingAccount.id={order()['billingAccount']['id']}"
    )
    assert [one["id"] for one in found.json()] == [made["id"]]


async def test_a_draft_has_its_price_and_waits_until_it_is_confirmed(
    client_of: Client, make_key: MakeKey, tenant_id: TenantId, order: Any, work: Any
) -> None:
    body = order(**{"@type": "ProductOrder", "requestedInitialState": "draft"})
    async with client_of(await make_key(tenant_id, Role.AGENT)) as agent:
        made = await placed(agent, body, V5)
        assert (made["state"], len(made["orderTotalPrice"])) == ("held", 2)
        await work()
        path = f"{V5}/productOrder/{made['id']}"
        assert (await agent.get(path)).json()["state"] == "held"
        assert (await agent.patch(path, json={"state": "acknowledged"})).json()["state"] == "acknowledged"
        await work()
        assert (await agent.get(path)).json()["state"] == "completed"


async def test_who_holds_an_order_is_not_overruled_by_an_agent(
    client: httpx.AsyncClient, client_of: Client, make_key: MakeKey, tenant_id: TenantId, order: Any
) -> None:
    path = f"{V4}/productOrder/{(await placed(client, order()))['id']}"
    assert (await client.patch(path, json={"state": "held"})).json()["state"] == "held"
    async with client_of(await make_key(tenant_id, Role.AGENT)) as agent:
        assert (await agent.patch(path, json={"state": "acknowledged"})).status_code == 403
    assert (await client.patch(path, json={"state": "acknowledged"})).json()["state"] == "acknowledged"


async def test_an_order_is_amended_before_it_begins_and_cancelled_by_a_task(
    client: httpx.AsyncClient, order: Any
) -> None:
    made = await placed(client, order(requestedStartDate="2026-06-20T00:00:00Z"))
    path = f"{V5}/productOrder/{made['id']}"
    assert made["state"] == "pending"
    later = await client.patch(path, json={"requestedStartDate": "2026-06-25T00:00:00Z", "priority": "2"})
    assert later.status_code == 200, later.text
    assert (later.json()["requestedStartDate"], later.json()["priority"]) == ("2026-06-25T00:00:00.000Z", "2")
    assert later.json()["productOrderItem"][0]["id"] == "100"
    task = {"productOrder": {"id": made["id"]}, "cancellationReason": "changed their mind"}
    answer = await client.post(f"{V4}/cancelProductOrder", json=task)
    assert (answer.status_code, answer.json()["state"]) == (201, "done"), answer.text
    gone = (await client.get(path)).json()
    assert (gone["state"], gone["cancellationReason"]) == ("cancelled", "changed their mind")
    (found,) = (await client.get(f"{V5}/cancelProductOrder")).json()
    assert (found["state"], found["productOrder"]["id"]) == ("done", made["id"])


async def test_a_product_is_modified_and_ceased_by_items(
    client: httpx.AsyncClient, order: Any, work: Any
) -> None:
    made = await placed(client, order())
    await work()
    product = made["productOrderItem"][0]["product"]["id"]

    async def ask(action: str, **more: Any) -> dict[str, Any]:
        item = {"id": "1", "action": action, "product": {"id": product, **more}}
        done = await placed(client, {**order(), "productOrderItem": [item]})
        await work()
        found = await client.get(f"{V4}/productOrder/{done['id']}")
        assert found.json()["state"] == "completed", found.text
        return dict((await client.get(f"/farwire/v1/products/{product}")).json())

    assert (await ask("modify", status="suspended", statusReason="lost_sim"))["suspendedFor"] == ["lost_sim"]
    assert (await ask("modify", status="active", statusReason="lost_sim"))["state"] == "active"
    price = {"productOfferingPrice": {"id": "monthly"}, "price": {"percentage": 50}, "description": "loyal"}
    assert (await ask("modify", productPrice=[price]))["overrides"][0]["percent"] == "50"
    assert (await ask("delete"))["endReason"] in ("cease", "withdrawal")


@pytest.mark.parametrize(
    ("change", "status", "field"),
    [
        ({"item": {"action": "noChange"}}, 400, "$.productOrderItem[0].action"),
        ({"item": {"quantity": 2}}, 400, "$.productOrderItem[0].quantity"),
        ({"item": {"productOffering": {"id": "42"}}}, 422, "$.productOrderItem[0].productOffering.id"),
        ({"billingAccount": {"id": "01890a5d-ac96-774b-bcce-b302099a8057"}}, 422, "$.billingAccount.id"),
        ({"relatedParty": [{"id": "x", "role": "customer"}]}, 422, "$.relatedParty[0].id"),
        ({"state": "completed"}, 422, "$.state"),
        ({"requestedStartDate": "2019-01-01T00:00:00Z"}, 409, "requested_at"),
    ],
)
async def test_an_order_that_cannot_be_is_refused_by_name_and_leaves_no_trace(
    client: httpx.AsyncClient, order: Any, change: dict[str, Any], status: int, field: str
) -> None:
    answer = await client.post(f"{V4}/productOrder", json=order(**change))
    assert (answer.status_code, answer.json()["field"]) == (status, field), answer.text
    assert (await client.get(f"{V4}/productOrder")).json() == []


async def test_a_state_that_may_not_follow_is_refused_with_those_that_may(
    client: httpx.AsyncClient, order: Any
) -> None:
    made = await placed(client, order())
    answer = await client.patch(f"{V5}/productOrder/{made['id']}", json={"state": "completed"})
    assert (answer.status_code, answer.json()["code"]) == (422, "tmf.transition")
    assert answer.json()["fix"] == "use one of: held, cancelled"


async def test_sites_are_shown_to_those_only_who_may_read_personal_data(
    client: httpx.AsyncClient, client_of: Client, make_key: MakeKey, tenant_id: TenantId, order: Any
) -> None:
    place = [{"role": "installation", "name": "Deichstraße 5"}]
    made = await placed(client, order(item={"product": {"place": place}}))
    assert made["productOrderItem"][0]["product"]["place"][0]["name"] == "Deichstraße 5"
    async with client_of(await make_key(tenant_id, Role.NOC)) as noc:
        assert "Deichstraße" not in (await noc.get(f"{V4}/productOrder/{made['id']}")).text
        assert "Deichstraße" not in (await noc.get(f"{V4}/productOrder")).text


async def test_another_tenants_order_is_unknown(
    client: httpx.AsyncClient, other_client: httpx.AsyncClient, order: Any
) -> None:
    made = await placed(client, order())
    for base in (V4, V5):
        assert (await other_client.get(f"{base}/productOrder/{made['id']}")).status_code == 404
        assert (await other_client.get(f"{base}/productOrder")).json() == []
        task = {"@type": "CancelProductOrder", "productOrder": {"id": made["id"]}}
        assert (await other_client.post(f"{base}/cancelProductOrder", json=task)).status_code == 422
    assert (await client.get(f"{V4}/productOrder/{made['id']}")).json()["state"] == "acknowledged"
