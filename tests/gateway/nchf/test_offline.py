"""Offline charging: what is reported reaches usage durably, each container once."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from farwire.kernel.ids import TenantId
from farwire.usage import service as usage_service
from tests.gateway.nchf.openapi import OFFLINE
from tests.gateway.nchf.world import World, document, usage

ROOT = "/nchf-offlineonlycharging/v1/offlinechargingdata"


async def post(world: World, path: str, body: dict[str, Any]) -> httpx.Response:
    answer = await world.client.post(path if "://" in path else world.url + path, json=body)
    operation = "/offlinechargingdata"
    for last in ("update", "release"):
        if path.endswith(last):
            operation += f"/{{OfflineChargingDataRef}}/{last}"
    if answer.status_code < 400:
        world.documents.check(OFFLINE, "ChargingDataRequest", body)
        kind = answer.headers.get("content-type", "")
        world.documents.check_answer(OFFLINE, operation, "post", answer.status_code, kind, answer.content)
    return answer


async def recorded(world: World, tenant_id: TenantId | None = None) -> list[tuple[str, int, int | None]]:
    async with world.db.transaction(tenant_id or world.tenant_id) as tx:
        rows = await tx.fetch(
            "SELECT kind, quantity, rating_group FROM usage.record WHERE tenant_id = $1 ORDER BY quantity",
            tx.tenant_id,
        )
    return [tuple(row) for row in rows]


async def test_each_container_is_recorded_once(world: World, other_tenant_id: TenantId) -> None:
    first = await post(world, ROOT, document(1, usage(1)))
    assert first.status_code == 201
    assert first.json()["invocationResult"] == {"failureHandling": "TERMINATE"}
    uri = first.headers["location"]
    for repeat in (False, True):
        report = document(2, usage(1, used=1_000), usage(2, used=500), retransmissionIndicator=repeat)
        assert (await post(world, f"{uri}/update", report)).status_code == 200
    assert (await post(world, f"{uri}/release", document(3, usage(1, used=24)))).status_code == 204
    assert await recorded(world) == [("data", 24, 1), ("data", 500, 2), ("data", 1_000, 1)]
    assert await recorded(world, other_tenant_id) == []
    totals = await usage_service.totals(db=world.db, tenant_id=world.tenant_id)
    assert (totals.rows_in, totals.rows_duplicate) == (5, 2)


async def test_what_cannot_be_recorded_is_refused(world: World) -> None:
    nobody = document(1, usage(1, used=1), subscriberIdentifier=None, pDUSessionChargingInformation=None)
    answer = await post(world, ROOT, nobody)
    assert (answer.status_code, answer.json()["cause"]) == (400, "MANDATORY_IE_MISSING")
    assert (await post(world, f"{ROOT}/other/update", document(1))).status_code == 404
    online, _ = await world.create(document(1))
    other = online.replace("convergedcharging/v3", "offlineonlycharging/v1").replace(
        "/charging", "/offlinecharging"
    )
    assert (await post(world, f"{other}/update", document(2, usage(1, used=1)))).status_code == 404
    assert await recorded(world) == []


async def test_while_the_database_is_away_nothing_is_answered_as_kept(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from farwire.gateway.nchf import offline
    from farwire.kernel.errors import Unavailable

    async def away(*_: object, **__: object) -> None:
        raise Unavailable("away", code="base.database")

    monkeypatch.setattr(offline, "record_parts", away)
    answer = await post(world, ROOT, document(1, usage(1, used=1)))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
