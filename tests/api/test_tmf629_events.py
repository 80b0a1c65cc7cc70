"""Listeners of TMF629 hear who becomes a customer, changes, leaves and comes back, and of no other party."""

from __future__ import annotations

from typing import Any

import httpx

from farwire.base import eventbus
from farwire.base.clock import MovableClock
from farwire.base.storage import Database
from farwire.base.tmf_events import notify
from farwire.kernel.ids import TenantId
from farwire.kernel.time import instant

CUSTOMERS = "/tmf-api/customer/v5/customer"
PEOPLE = "/tmf-api/party/v4/individual"


async def test_a_listener_hears_of_customers_only(
    client: httpx.AsyncClient,
    other_client: httpx.AsyncClient,
    world: Any,
    db: Database,
    clock: MovableClock,
    tenant_id: TenantId,
    other_tenant_id: TenantId,
) -> None:
    clock.set(instant("2026-06-11T14:03+02:00"))
    await world.company()
    for one in (client, other_client):
        made = await one.post("/tmf-api/customer/v5/hub", json={"callback": "https://listener.example/"})
        assert made.status_code == 201, made.text
    names = {"givenName": "Anna", "familyName": "Berg"}
    keys = [(await client.post(PEOPLE, json=names)).json()["id"] for _ in range(2)]
    customer = {"@type": "Customer", "name": "Anna Berg", "engagedParty": {"id": keys[0]}}
    assert (await client.post(CUSTOMERS, json=customer)).status_code == 201
    again = await client.post(CUSTOMERS, json=customer)
    assert again.status_code == 409
    for key in keys:
        await client.patch(f"{PEOPLE}/{key}", json={"givenName": "Anne"})
        played = {"role": "representative", "ofPartyId": keys[0]}
        assert (await client.post(f"/farwire/v1/parties/{keys[1]}/roles", json=played)).is_success
    clock.set(instant("2026-07-01T00:00+02:00"))
    assert (await client.patch(f"{CUSTOMERS}/{keys[0]}", json={"status": "closed"})).status_code == 200
    clock.set(instant("2026-08-01T00:00+02:00"))
    assert (await client.patch(f"{CUSTOMERS}/{keys[0]}", json={"status": "active"})).status_code == 200
    async with db.transaction(tenant_id) as tx:
        events = await eventbus.list_events(tx=tx, after=0, limit=1000)
    for _, event in events:
        await notify.fan_out(db=db, clock=clock, event=event)
    async with db.transaction(tenant_id) as tx:
        told = await eventbus.list_events(tx=tx, after=0, limit=1000, type_prefix=notify.NOTIFICATION)
    heard = [str(one.data["name"]).removeprefix("Customer").removesuffix("Event") for _, one in told]
    back = ["Create", "StateChange"]
    assert heard == ["Create", "AttributeValueChange", "StateChange", "Delete", *back]
    assert {one.data["id"] for _, one in told} == {keys[0]}
    async with db.transaction(other_tenant_id) as tx:
        assert not await eventbus.list_events(tx=tx, after=0, limit=10, type_prefix=notify.NOTIFICATION)
