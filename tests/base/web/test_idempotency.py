"""A POST with a key happens once."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import httpx

from farwire.base.clock import MovableClock
from farwire.base.storage import Database
from farwire.kernel.ids import TenantId


async def _made(db: Database, tenant_id: TenantId) -> int:
    async with db.transaction(tenant_id) as tx:
        return int(await tx.fetchval("SELECT count(*) FROM base.outbox WHERE tenant_id = $1", tenant_id))


async def _post(
    client: httpx.AsyncClient, key: str, colour: str = "red", holder: str = "admin"
) -> httpx.Response:
    headers = {"idempotency-key": key, "authorization": f"Bearer fw_{holder}"}
    return await client.post("/things", json={"colour": colour}, headers=headers)


async def test_a_repeat_gets_the_first_answer_and_does_nothing(
    client: httpx.AsyncClient, db: Database, tenant_id: TenantId
) -> None:
    first = await _post(client, "k1")
    again = await _post(client, "k1")
    assert first.status_code == again.status_code == 201
    assert first.content == again.content
    assert again.headers["location"] == first.headers["location"]
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert await _made(db, tenant_id) == 1


async def test_without_a_key_each_request_is_carried_out(
    client: httpx.AsyncClient, db: Database, tenant_id: TenantId
) -> None:
    for _ in range(2):
        assert (await client.post("/things", json={"colour": "red"})).status_code == 201
    assert await _made(db, tenant_id) == 2


async def test_the_same_key_for_another_request_is_refused(client: httpx.AsyncClient) -> None:
    await _post(client, "k2")
    other = await client.post(
        "/things",
        json={"colour": "red", "made_at": "2026-06-01T00:00:00Z"},
        headers={"idempotency-key": "k2"},
    )
    assert (other.status_code, other.json()["code"]) == (422, "web.idempotency_key_reused")


async def test_a_failure_is_rolled_back_and_not_stored(
    client: httpx.AsyncClient, db: Database, tenant_id: TenantId
) -> None:
    for _ in range(2):
        answer = await _post(client, "k3", colour="blue")
        assert (answer.status_code, "idempotency-replayed" in answer.headers) == (409, False)
    assert await _made(db, tenant_id) == 0


async def test_two_tenants_may_use_the_same_key(
    client: httpx.AsyncClient, db: Database, tenant_id: TenantId, other_tenant_id: TenantId
) -> None:
    mine = await _post(client, "k4")
    theirs = await _post(client, "k4", holder="other")
    assert mine.json()["id"] != theirs.json()["id"]
    assert (await _made(db, tenant_id), await _made(db, other_tenant_id)) == (1, 1)


async def test_of_many_at_once_one_is_carried_out(
    client: httpx.AsyncClient, db: Database, tenant_id: TenantId
) -> None:
    answers = await asyncio.gather(*(_post(client, "k5") for _ in range(4)))
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert len({answer.content for answer in answers if answer.status_code == 201}) == 1
    assert await _made(db, tenant_id) == 1


async def test_a_key_is_free_again_after_its_window(
    client: httpx.AsyncClient, db: Database, tenant_id: TenantId, clock: MovableClock
) -> None:
    await _post(client, "k6")
    clock.advance(timedelta(hours=24))
    again = await _post(client, "k6")
    assert (again.status_code, "idempotency-replayed" in again.headers) == (201, False)
    assert await _made(db, tenant_id) == 2


async def test_a_new_answer_removes_those_past_their_window(
    client: httpx.AsyncClient, db: Database, tenant_id: TenantId, clock: MovableClock
) -> None:
    await _post(client, "k7")
    clock.advance(timedelta(hours=23))
    await _post(client, "k8")
    clock.advance(timedelta(hours=1))
    await _post(client, "k9")
    async with db.transaction(tenant_id) as tx:
        rows = await tx.fetch(
            "SELECT idempotency_key FROM base.idempotency WHERE tenant_id = $1 ORDER BY 1", tenant_id
        )
    assert [row[0] for row in rows] == ["k8", "k9"]


async def test_a_malformed_key_is_refused(client: httpx.AsyncClient) -> None:
    answer = await _post(client, "x" * 200)
    assert (answer.status_code, answer.json()["code"]) == (400, "web.idempotency_key_malformed")
