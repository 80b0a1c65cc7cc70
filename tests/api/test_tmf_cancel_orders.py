"""Tasks of TMF641 and TMF652 cancel the order that they name, now or when they are due."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest

from farwire.base.clock import MovableClock

SERVICE = "/tmf-api/serviceOrdering/v4"
RESOURCE = "/tmf-api/resourceOrderingManagement/v4"
KINDS = {
    "service": (
        f"{SERVICE}/serviceOrder",
        f"{SERVICE}/cancelServiceOrder",
        "serviceOrder",
        "serviceOrderItem",
    ),
    "resource": (
        f"{RESOURCE}/resourceOrder",
        f"{RESOURCE}/cancelResourceOrder",
        "resourceOrder",
        "orderItem",
    ),
}
Work = Callable[[], Any]


@pytest.fixture(params=sorted(KINDS))
def kind(request: pytest.FixtureRequest) -> tuple[str, str, str, str]:
    return KINDS[request.param]


async def ordered(client: httpx.AsyncClient, kind: tuple[str, ...], **more: Any) -> dict[str, Any]:
    lines = [{"id": "1", "action": "add"}, {"id": "2", "action": "add", "state": "completed"}]
    answer = await client.post(kind[0], json={kind[3]: lines, **more})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def cancel(client: httpx.AsyncClient, kind: tuple[str, ...], order: str, **more: Any) -> httpx.Response:
    body = {kind[2]: {"id": order}, "cancellationReason": "moved away", **more}
    return await client.post(kind[1], json=body)


async def read(client: httpx.AsyncClient, path: str, key: str) -> dict[str, Any]:
    return dict((await client.get(f"{path}/{key}")).json())


async def test_an_order_is_cancelled_at_once_with_its_lines(
    client: httpx.AsyncClient, clock: MovableClock, kind: tuple[str, ...]
) -> None:
    order = await ordered(client, kind)
    answer = await cancel(client, kind, order["id"])
    assert answer.status_code == 201, answer.text
    assert answer.json()["state"] == "done"
    assert answer.json()["effectiveCancellationDate"]
    after = await read(client, kind[0], order["id"])
    assert after["state"] == "cancelled"
    assert [line["state"] for line in after[kind[3]]] == ["cancelled", "completed"]
    if kind[2] == "serviceOrder":
        assert after["cancellationReason"] == "moved away"
        assert after["cancellationDate"] == answer.json()["effectiveCancellationDate"]
    assert (await cancel(client, kind, order["id"])).json()["state"] == "done"
    assert await read(client, kind[0], order["id"]) == after


async def test_an_order_that_is_over_is_not_cancelled_and_no_task_is_kept(
    client: httpx.AsyncClient, kind: tuple[str, ...]
) -> None:
    order = await ordered(client, kind, state="completed")
    for more in ({}, {"requestedCancellationDate": "2031-01-01T00:00:00Z"}):
        refusal = await cancel(client, kind, order["id"], **more)
        assert (refusal.status_code, refusal.json()["code"]) == (422, "tmf.transition")
        assert "final" in refusal.json()["fix"]
    assert (await client.get(kind[1])).json() == []


async def test_a_cancellation_for_later_waits_and_a_worker_does_it(
    client: httpx.AsyncClient, clock: MovableClock, work: Work, kind: tuple[str, ...]
) -> None:
    order = await ordered(client, kind)
    at = (clock.now() + timedelta(days=2)).isoformat()
    task = (await cancel(client, kind, order["id"], requestedCancellationDate=at)).json()
    assert task["state"] == "inProgress"
    clock.advance(timedelta(days=1))
    await work()
    assert (await read(client, kind[0], order["id"]))["state"] == "acknowledged"
    assert (await read(client, kind[1], task["id"]))["state"] == "inProgress"
    clock.advance(timedelta(days=1))
    await work()
    assert (await read(client, kind[0], order["id"]))["state"] == "cancelled"
    assert (await read(client, kind[1], task["id"]))["state"] == "done"


async def test_a_cancellation_that_comes_too_late_ends_with_the_reason(
    client: httpx.AsyncClient, clock: MovableClock, work: Work, kind: tuple[str, ...]
) -> None:
    order = await ordered(client, kind, state="inProgress")
    at = (clock.now() + timedelta(days=2)).isoformat()
    task = (await cancel(client, kind, order["id"], requestedCancellationDate=at)).json()
    assert (await client.patch(f"{kind[0]}/{order['id']}", json={"state": "completed"})).status_code == 200
    clock.advance(timedelta(days=3))
    await work()
    ended = await read(client, kind[1], task["id"])
    assert (ended["state"], ended["errorMessage"]["code"]) == ("terminatedWithError", "tmf.transition")
    assert (await read(client, kind[0], order["id"]))["state"] == "completed"


async def test_another_operators_order_is_unknown(
    client: httpx.AsyncClient, other_client: httpx.AsyncClient, kind: tuple[str, ...]
) -> None:
    order = await ordered(client, kind)
    refusal = await cancel(other_client, kind, order["id"])
    assert (refusal.status_code, refusal.json()["code"]) == (422, "tmf.reference_unknown")
    assert (await read(client, kind[0], order["id"]))["state"] == "acknowledged"


async def test_the_same_request_again_is_answered_again(
    client: httpx.AsyncClient, kind: tuple[str, ...]
) -> None:
    order = await ordered(client, kind)
    body = {kind[2]: {"id": order["id"]}}
    answers = [await client.post(kind[1], json=body, headers={"idempotency-key": "k-1"}) for _ in range(2)]
    assert answers[0].json() == answers[1].json()
    assert len((await client.get(kind[1])).json()) == 1
