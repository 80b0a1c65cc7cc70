"""Orders over HTTP: placed once, refused with every reason, previewed, cancelled, each with the role for it."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from farwire.base.authz import Role
from farwire.base.clock import MovableClock
from farwire.base.storage import Database
from farwire.kernel.ids import TenantId
from farwire.kernel.time import instant
from farwire.ordering import service as ordering

from .conftest import Client, MakeKey

V1 = "/farwire/v1"


@pytest.fixture
async def account(world: Any, clock: MovableClock) -> str:
    """An account, and the golden plan to sell to it; return its id."""
    clock.set(instant("2026-06-11T14:03+02:00"))
    made = await world.account()
    await world.plan()
    return str(made.id)


def an_order(account: str, **fields: Any) -> dict[str, Any]:
    return {"accountId": account, "items": [{"offering": "flex-m"} | fields]}


async def test_an_order_is_placed_once_and_carried_out(
    client: httpx.AsyncClient, account: str, db: Database, tenant_id: TenantId, clock: MovableClock
) -> None:
    made = await client.post(f"{V1}/productOrders", json=an_order(account), headers={"idempotency-key": "k1"})
    assert made.status_code == 201, made.text
    order = made.json()
    assert (order["state"], order["version"]) == ("acknowledged", 1)
    again = await client.post(
        f"{V1}/productOrders", json=an_order(account), headers={"idempotency-key": "k1"}
    )
    assert again.json()["id"] == order["id"]
    await ordering.work(db=db, tenant_id=tenant_id, clock=clock)
    done = (await client.get(order["href"])).json()
    assert done["state"] == "completed"
    assert [task["state"] for task in done["tasks"]] == ["done"]
    assert "done" in [entry["act"] for entry in done["journal"]]
    listed = await client.get(f"{V1}/productOrders?state=completed&accountId={account}")
    assert listed.headers["x-total-count"] == "1"
    assert "tasks" not in listed.json()[0]
    refused = await client.post(f"{order['href']}/amend", json=an_order(account))
    assert (refused.status_code, refused.json()["code"]) == (409, "ordering.ended")


async def test_an_order_that_missed_its_due_date_is_listed(
    client: httpx.AsyncClient, account: str, db: Database, tenant_id: TenantId, clock: MovableClock
) -> None:
    order = (await client.post(f"{V1}/productOrders", json=an_order(account))).json()
    assert (order["dueBy"], "jeopardy" in order) == ("2026-06-12T12:03:00Z", False)
    clock.set(instant("2026-06-12T14:03+02:00"))
    await ordering.watch_due(db=db, tenant_id=tenant_id, clock=clock)
    missed = (await client.get(f"{V1}/productOrders?jeopardy=missed")).json()
    assert [(one["id"], one["jeopardy"]) for one in missed] == [(order["id"], "missed")]
    assert (await client.get(f"{V1}/productOrders?jeopardy=at_risk")).json() == []


async def test_a_refusal_lists_every_reason(client: httpx.AsyncClient, account: str) -> None:
    body = an_order(account, number="12", overrides=[{"priceId": "weekly", "reason": "", "price": 1}])
    answer = await client.post(f"{V1}/productOrders", json=body)
    assert answer.status_code == 409
    assert {reason["code"] for reason in answer.json()["reasons"]} == {
        "ordering.number",
        "ordering.price_unknown",
        "ordering.override_reason",
    }
    assert all(reason["fix"] for reason in answer.json()["reasons"])
    assert (await client.get(f"{V1}/productOrders")).json() == []


async def test_a_preview_tells_the_first_bill_and_what_follows(
    client: httpx.AsyncClient, account: str
) -> None:
    seen = await client.post(f"{V1}/orderPreviews", json=an_order(account))
    assert seen.status_code == 200, seen.text
    first, then = seen.json()["firstBill"], seen.json()["then"]
    assert [line["amount"]["value"] for line in first["lines"]] == [9.90, 13.33, 20.00]
    assert (first["net"]["value"], first["total"]["value"]) == (43.23, 51.44)
    assert then["net"] == {"unit": "EUR", "value": 20.00}
    refused = await client.post(f"{V1}/orderPreviews", json=an_order(account, number="12"))
    assert [reason["code"] for reason in refused.json()["reasons"]] == ["ordering.number"]
    assert "firstBill" not in refused.json()


async def test_an_order_is_held_released_and_cancelled(client: httpx.AsyncClient, account: str) -> None:
    order = (await client.post(f"{V1}/productOrders", json=an_order(account))).json()
    held = await client.post(f"{order['href']}/hold", json={"reason": "asked"})
    assert (held.json()["state"], held.json()["holds"]) == ("held", ["manual"])
    assert (await client.post(f"{order['href']}/release", json={})).json()["state"] == "acknowledged"
    gone = await client.post(f"{order['href']}/cancel", json={"reason": "changed their mind"})
    assert (gone.json()["state"], gone.json()["reason"]) == ("cancelled", "changed their mind")


async def test_an_order_is_refused_with_its_reason(client: httpx.AsyncClient, account: str) -> None:
    order = (await client.post(f"{V1}/productOrders", json=an_order(account))).json()
    gone = await client.post(f"{order['href']}/refuse", json={"reason": "not who they say"})
    assert (gone.json()["state"], gone.json()["reason"]) == ("rejected", "not who they say")
    again = await client.post(f"{order['href']}/refuse", json={"reason": "x"})
    assert (again.status_code, again.json()["code"]) == (409, "ordering.ended")


async def test_every_action_is_ordered_over_http(
    client: httpx.AsyncClient, account: str, world: Any, clock: MovableClock
) -> None:
    async def order(at: str, **item: Any) -> dict[str, Any]:
        clock.set(instant(at))
        body = {"accountId": account, "items": [item]}
        made = await client.post(f"{V1}/productOrders", json=body, headers={"idempotency-key": at})
        assert made.status_code == 201, made.text
        await ordering.work(db=world.db, tenant_id=world.tenant_id, clock=clock)
        done: dict[str, Any] = (await client.get(made.json()["href"])).json()
        assert done["state"] == "completed", done
        return done

    async def product() -> dict[str, Any]:
        found: dict[str, Any] = (await client.get(f"{V1}/products/{product_id}")).json()
        return found

    first = await order("2026-06-11T14:03+02:00", offering="flex-m", place="Deich 5")
    product_id = first["items"][0]["productId"]
    named = {"productId": product_id}
    price = {"priceId": "monthly", "price": 15, "reason": "goodwill"}
    await order("2026-06-12T12:00+02:00", action="modify", overrides=[price], **named)
    await order("2026-06-13T12:00+02:00", action="move", place="Hafen 1", **named)
    await order("2026-06-14T12:00+02:00", action="suspend", reason="customer", **named)
    assert (await product())["state"] == "suspended"
    await order("2026-06-15T12:00+02:00", action="resume", reason="customer", **named)
    assert (await product())["state"] == "active"
    await order("2026-06-17T12:00+02:00", action="cease", **named)
    assert (await product())["state"] == "terminated"


async def test_an_agent_orders_and_only_operations_decide_about_fallout(
    client_of: Client, make_key: MakeKey, tenant_id: TenantId, account: str
) -> None:
    async with client_of(await make_key(tenant_id, Role.AGENT)) as agent:
        assert (await agent.post(f"{V1}/productOrders", json=an_order(account))).status_code == 201
        task = "01890a5d-ac96-774b-bcce-b302099a8057"
        assert (await agent.post(f"{V1}/falloutTasks/{task}/retry", json={})).status_code == 403
    async with client_of(await make_key(tenant_id, Role.NOC)) as noc:
        assert (await noc.post(f"{V1}/falloutTasks/{task}/retry", json={})).status_code == 404
        assert (await noc.get(f"{V1}/falloutTasks")).json() == []
        assert (await noc.post(f"{V1}/productOrders", json=an_order(account))).status_code == 403


async def test_another_tenants_order_is_unknown(
    client: httpx.AsyncClient, other_client: httpx.AsyncClient, account: str
) -> None:
    order = (await client.post(f"{V1}/productOrders", json=an_order(account))).json()
    for act in ("", "/cancel", "/hold", "/release"):
        path = f"{order['href']}{act}"
        answer = await (other_client.post(path, json={}) if act else other_client.get(path))
        assert (answer.status_code, answer.json()["code"]) == (404, "ordering.unknown")
    assert (await other_client.post(f"{V1}/orderPreviews", json=an_order(account))).status_code == 404


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"requestedAt": "1066-10-14T00:00:00Z"}, "ordering.time"),
        ({"requestedAt": "2026-06-11T14:03:00"}, "time.zone_missing"),
        ({"surprise": 1}, "web.body_invalid"),
    ],
)
async def test_a_malformed_order_is_refused_by_name(
    client: httpx.AsyncClient, account: str, change: dict[str, Any], code: str
) -> None:
    answer = await client.post(f"{V1}/productOrders", json=an_order(account) | change)
    assert (answer.status_code, answer.json()["code"]) == (400, code)
