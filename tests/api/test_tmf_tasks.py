"""Tasks that wait: what a worker did not finish leaves no trace and is done again, exactly once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest

from farwire.base import tmf_tasks
from farwire.base.clock import MovableClock
from farwire.base.jobs import Worker
from farwire.base.storage import Database

STOCK = "/tmf-api/stock/v4"
Work = Callable[[], Any]


async def stocked(client: httpx.AsyncClient) -> str:
    body = {
        "productStockLevel": {"amount": 5},
        "productStockStatusType": "available",
        "stockedProduct": {"productSpecification": {"id": "phone"}},
    }
    answer = await client.post(f"{STOCK}/productStock", json=body)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def taken(client: httpx.AsyncClient, key: str) -> str:
    items = [{"productStockTarget": {"id": key}, "adjustProductStockQuantity": {"amount": -1}}]
    body = {"adjustProductStockItem": items, "instantSyncAdjust": False}
    answer = await client.post(f"{STOCK}/adjustProductStock", json=body)
    assert answer.json()["state"] == "inProgress", answer.text
    return str(answer.json()["id"])


async def level(client: httpx.AsyncClient, key: str) -> int:
    return int((await client.get(f"{STOCK}/productStock/{key}")).json()["productStockLevel"]["amount"])


async def state(client: httpx.AsyncClient, key: str) -> str:
    return str((await client.get(f"{STOCK}/adjustProductStock/{key}")).json()["state"])


async def test_a_worker_that_fails_after_the_work_leaves_nothing_and_the_next_does_it_once(
    client: httpx.AsyncClient, work: Work, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = await stocked(client)
    task = await taken(client, key)
    with monkeypatch.context() as broken:

        async def gone(*_: Any, **__: Any) -> None:
            raise ConnectionError

        broken.setattr(tmf_tasks, "update", gone)  # the stock is changed by now, in the same transaction
        await work()
    assert (await level(client, key), await state(client, task)) == (5, "inProgress")
    clock.advance(timedelta(hours=1))
    for _ in range(2):
        await work()
        assert (await level(client, key), await state(client, task)) == (4, "done")


async def test_two_workers_at_once_do_a_task_once(
    client: httpx.AsyncClient, db: Database, clock: MovableClock
) -> None:
    key = await stocked(client)
    tasks = [await taken(client, key) for _ in range(4)]
    workers = [Worker(db=db, clock=clock, handlers=tmf_tasks.handlers(db=db, clock=clock)) for _ in range(2)]
    for _ in tasks:
        await asyncio.gather(*(worker.run_once() for worker in workers))
    assert await level(client, key) == 1
    assert {await state(client, task) for task in tasks} == {"done"}


async def test_a_client_cannot_begin_a_task_in_a_state_of_its_own(client: httpx.AsyncClient) -> None:
    key = await stocked(client)
    items = [{"productStockTarget": {"id": key}, "adjustProductStockQuantity": {"amount": -1}}]
    body = {"adjustProductStockItem": items, "state": "terminatedWithError"}
    answer = await client.post(f"{STOCK}/adjustProductStock", json=body)
    assert answer.json()["state"] == "done"
    assert await level(client, key) == 4
