"""Activation over HTTP: what would differ, what drifted, and what is done about it."""

from __future__ import annotations

import httpx

from farwire.activation import service
from farwire.activation.simulator import tamper
from farwire.base.clock import MovableClock
from farwire.base.storage import Database
from farwire.kernel.ids import TenantId

V1 = "/farwire/v1"
LINE = {"adapter": "access", "action": "provision", "target": "line-1", "attributes": {"down": "250"}}


async def test_a_preview_shows_the_difference_and_changes_nothing(client: httpx.AsyncClient) -> None:
    for _ in range(2):
        seen = (await client.post(f"{V1}/activationPreviews", json=LINE)).json()
        assert seen["differences"] == [
            {"attribute": "down", "wanted": "250"},
            {"attribute": "status", "wanted": "active"},
        ]
        assert "there" not in seen
    refused = await client.post(f"{V1}/activationPreviews", json=LINE | {"action": "suspend"})
    assert (refused.status_code, refused.json()["code"]) == (400, "activation.target_unknown")


async def test_drift_is_listed_and_its_policy_set(
    client: httpx.AsyncClient,
    other_client: httpx.AsyncClient,
    db: Database,
    tenant_id: TenantId,
    clock: MovableClock,
) -> None:
    async with db.transaction(tenant_id) as tx:
        await tamper(tx, adapter="access", target="stranger", attributes={"ont": "enabled"})
    for _ in range(2):
        await service.look(db=db, tenant_id=tenant_id, clock=clock)
    (one,) = (await client.get(f"{V1}/drifts", params={"adapter": "access", "state": "open"})).json()
    assert (one["kind"], one["target"], one["attributes"]) == ("unexpected", "stranger", [])
    assert (await client.get(f"{V1}/drifts", params={"state": "gone"})).json() == []
    amended = await client.post(f"{V1}/activationAdapters/access/amend", json={"policy": "report"})
    assert (amended.status_code, amended.json()["policy"], amended.json()["rounds"]) == (200, "report", 2)
    listed = (await client.get(f"{V1}/activationAdapters", params={"limit": 1})).json()
    assert [one["name"] for one in listed] == ["access"]
    unknown = await client.post(f"{V1}/activationAdapters/fax/amend", json={"policy": "report"})
    assert (unknown.status_code, unknown.json()["code"]) == (404, "activation.element_unknown")
    assert (await other_client.get(f"{V1}/drifts")).json() == []
