"""Bills as TMF678: their cycles, and who hears that one was issued, sent, partly paid, settled and open again."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from farwire.base import eventbus
from farwire.base.authz import Role
from farwire.base.clock import MovableClock
from farwire.base.storage import Database
from farwire.base.tmf_events import notify
from farwire.kernel.ids import TenantId
from farwire.kernel.time import instant

from .conftest import Client, MakeKey

V4 = "/tmf-api/customerBillManagement/v4"
V5 = "/tmf-api/customerBillManagement/v5"


@pytest.fixture
async def bills(world: Any, client: httpx.AsyncClient, other_client: httpx.AsyncClient) -> list[str]:
    """Bills of two accounts for one cycle; two tenants listen."""
    for one in (client, other_client):
        for base in (V4, V5):
            made = await one.post(f"{base}/hub", json={"callback": f"https://listener.example{base}"})
            assert made.status_code == 201, made.text
    plan = await world.plan()
    for number in ("a", "b"):
        await world.product(await world.account(number), plan)
    await world.run()
    return [str(one.id) for one in await world.bills()]


async def test_a_cycle_is_what_the_bills_of_one_period_have_in_common(
    client: httpx.AsyncClient, other_client: httpx.AsyncClient, bills: list[str]
) -> None:
    (cycle,) = (await client.get(f"{V5}/billCycle")).json()
    bill = (await client.get(f"{V5}/customerBill/{bills[0]}")).json()
    assert bill["billCycle"].items() >= {"id": cycle["id"], "@type": "BillCycleRef"}.items()
    assert (cycle["@type"], cycle["billingPeriod"]) == ("BillCycle", "2026-06-01/2026-06-30")
    assert cycle["validFor"] == {
        "startDateTime": "2026-05-31T22:00:00.000Z",
        "endDateTime": "2026-06-30T22:00:00.000Z",
    }
    assert cycle["billingDate"] == bill["billDate"]
    assert cycle["paymentDueDate"] == bill["paymentDueDate"]
    assert (await client.get(f"{V5}/billCycle/{cycle['id']}")).json() == cycle
    mine = await client.get(f"{V5}/customerBill?billCycle.id={cycle['id']}")
    assert {one["id"] for one in mine.json()} == set(bills)
    assert "billCycle" not in (await client.get(f"{V4}/customerBill/{bills[0]}")).json()
    assert (await client.get(f"{V5}/billCycle/20260101T000000Z-20260201T000000Z")).status_code == 404
    assert (await client.get(f"{V4}/billCycle")).status_code == 404
    assert (await client.post(f"{V5}/billCycle", json=cycle)).status_code == 405
    assert (await other_client.get(f"{V5}/billCycle")).json() == []
    assert (await other_client.get(f"{V5}/billCycle/{cycle['id']}")).status_code == 404


async def test_a_listener_hears_of_a_bill_whenever_its_state_changes(
    client: httpx.AsyncClient,
    bills: list[str],
    db: Database,
    clock: MovableClock,
    tenant_id: TenantId,
    other_tenant_id: TenantId,
) -> None:
    path = f"{V5}/customerBill/{bills[0]}"
    await client.patch(path, json={"state": "sent"})
    account = (await client.get(path)).json()["billingAccount"]["id"]
    paid = {"accountId": account, "method": "cash", "amount": {"unit": "EUR", "value": 5}}
    total = (await client.get(path)).json()["remainingAmount"]["value"]
    keys = []
    for number, value in enumerate((5, 5, round(total - 10, 2))):
        body = {**paid, "externalReference": f"till-{number}", "amount": {"unit": "EUR", "value": value}}
        made = await client.post("/farwire/v1/payments", json=body)
        assert made.status_code == 201, made.text
        keys.append(made.json()["id"])
    assert (await client.get(path)).json()["state"] == "settled"
    back = await client.post(f"/farwire/v1/payments/{keys[2]}/reverse", json={"reason": "returned"})
    assert back.is_success, back.text
    assert (await client.get(path)).json()["state"] == "partiallyPaid"
    async with db.transaction(tenant_id) as tx:
        events = await eventbus.list_events(tx=tx, after=0, limit=1000)
    for _, event in events:
        await notify.fan_out(db=db, clock=clock, event=event)
    async with db.transaction(tenant_id) as tx:
        told = await eventbus.list_events(tx=tx, after=0, limit=1000, type_prefix=notify.NOTIFICATION)
    names = [(one.data["id"], one.data["name"]) for _, one in told]
    created = [(key, "CustomerBillCreateEvent") for key in bills]
    assert sorted(names[:4]) == sorted(created * 2)  # two listeners
    # sent, partly paid, settled, open again in part: the second 5 euros change no state
    assert names[4:] == [(bills[0], "CustomerBillStateChangeEvent")] * 4 * 2
    async with db.transaction(other_tenant_id) as tx:
        assert not await eventbus.list_events(tx=tx, after=0, limit=10, type_prefix=notify.NOTIFICATION)


@pytest.mark.parametrize(("act", "state"), [("approve", "done"), ("reject", "rejected")])
async def test_who_asked_for_a_bill_hears_what_became_of_it(
    client: httpx.AsyncClient,
    client_of: Client,
    make_key: MakeKey,
    world: Any,
    work: Any,
    db: Database,
    clock: MovableClock,
    tenant_id: TenantId,
    act: str,
    state: str,
) -> None:
    clock.set(instant("2026-07-01T00:30+02:00"))
    account = await world.account()
    await world.product(account, await world.plan())
    await client.post(f"{V5}/hub", json={"callback": "https://listener.example/"})
    await work()  # who follows from now on
    body = {"@type": "CustomerBillOnDemand", "billingAccount": {"id": str(account.id)}}
    asked = (await client.post(f"{V5}/customerBillOnDemand", json=body)).json()
    await work()
    async with client_of(await make_key(tenant_id, Role.TENANT_ADMIN)) as second:
        decided = await second.post(f"/farwire/v1/billRuns/{asked['id']}/{act}", json={"reason": "seen"})
        assert decided.is_success, decided.text
    await work()
    found = (await client.get(f"{V5}/customerBillOnDemand/{asked['id']}")).json()
    assert (found["state"], "customerBill" in found) == (state, state == "done")
    async with db.transaction(tenant_id) as tx:
        told = await eventbus.list_events(tx=tx, after=0, limit=1000, type_prefix=notify.NOTIFICATION)
    names = [str(one.data["name"]) for _, one in told if one.data["id"] == asked["id"]]
    assert names == ["CustomerBillOnDemandCreateEvent", "CustomerBillOnDemandStateChangeEvent"]
