"""Tasks that wait: what a worker did not finish leaves no trace and is done again, exactly once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
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


QUANTITY = {"amount": 1, "units": "piece"}
PLACE = {"id": "north", "country": "DE", "stateOrProvince": "HH"}
PARTY = {"id": "tom", "role": "technician"}
BODIES: dict[str, dict[str, Any]] = {
    "/tmf-api/stock/v4/reserveProductStock": {
        "reserveProductStockItem": [
            {
                "productStockRequested": {"id": "s"},
                "quantityRequested": QUANTITY,
                "requestedProduct": {"id": "p"},
            }
        ],
        "validFor": {"endDateTime": "2031-01-01T00:00:00Z"},
        "place": PLACE,
    },
    "/tmf-api/stock/v4/adjustProductStock": {
        "adjustProductStockItem": [
            {"productStockTarget": {"id": "s"}, "adjustProductStockQuantity": QUANTITY}
        ]
    },
    "/tmf-api/stock/v4/checkProductStock": {
        "checkProductStockItem": [
            {
                "checkedProductStock": {"stockedProduct": {"id": "p"}, "place": PLACE},
                "requestedQuantity": QUANTITY,
            }
        ]
    },
    "/tmf-api/stock/v4/queryProductStock": {
        "searchCriteria": {"stockedProduct": {"id": "p"}, "place": PLACE}
    },
    "/tmf-api/productOfferingQualification/v4/productOfferingQualification": {
        "productOfferingQualificationItem": [
            {
                "action": "modify",
                "productOffering": {"id": "o"},
                "product": {"id": "p", "place": [PLACE], "productOffering": {"id": "o"}},
                "expectedActivationDate": "2031-01-01T00:00:00Z",
            }
        ],
        "relatedParty": [PARTY],
        "channel": {"id": "shop"},
        "place": [PLACE],
    },
    "/tmf-api/productOfferingQualification/v5/queryProductOfferingQualification": {
        "@type": "QueryProductOfferingQualification",
        "searchCriteria": {
            "product": {"place": [PLACE]},
            "category": {"id": "c"},
            "productOffering": {"id": "o"},
        },
        "relatedParty": [{"role": "customer", "partyOrPartyRole": {"id": "x"}}],
    },
    "/tmf-api/serviceQualificationManagement/v4/checkServiceQualification": {
        "serviceQualificationItem": [
            {"service": {"serviceSpecification": {"id": "s"}, "place": [PLACE]}, "category": {"id": "c"}}
        ]
    },
    "/tmf-api/rolesAndPermissions/v5/checkPermission": {
        "@type": "CheckPermission",
        "entitlement": {"function": "tv", "action": "watch"},
        "entity": {"id": "e"},
        "user": {"id": "u"},
    },
    "/tmf-api/appointment/v4/searchTimeSlot": {
        "relatedParty": PARTY,
        "requestedTimeSlot": [
            {"validFor": {"startDateTime": "2031-01-01T00:00:00Z", "endDateTime": "2031-01-02T00:00:00Z"}}
        ],
    },
    "/tmf-api/appointment/v4/appointment": {
        "relatedParty": [PARTY],
        "validFor": {"startDateTime": "2031-01-01T00:00:00Z", "endDateTime": "2031-01-02T00:00:00Z"},
    },
    "/tmf-api/alarm/v4/ackAlarms": {
        "ackSystemId": "noc",
        "ackUserId": "ada",
        "alarmPattern": [{"id": "a", "state": "raised"}],
    },
    "/tmf-api/resourceOrderingManagement/v4/cancelResourceOrder": {
        "resourceOrder": {"id": "r"},
        "requestedCancellationDate": "2031-01-01T00:00:00Z",
    },
}
ODD: tuple[Any, ...] = (None, True, 10**30, "\u2028", "", [], {}, [[7]], {"id": 5, "place": 7, "amount": "1"})


def spoiled(body: Any) -> Iterator[Any]:
    """Yield the body with each of its parts replaced by each odd thing."""
    yield from ODD
    if isinstance(body, dict):
        for name, inner in body.items():
            yield from ({**body, name: odd} for odd in spoiled(inner))
    elif isinstance(body, list):
        for number, inner in enumerate(body):
            yield from ([*body[:number], odd, *body[number + 1 :]] for odd in spoiled(inner))


@pytest.mark.parametrize("path", sorted(BODIES))
async def test_no_part_of_a_tasks_body_breaks_the_server_whatever_it_is(
    client: httpx.AsyncClient, path: str
) -> None:
    for body in spoiled(BODIES[path]):
        answer = await client.post(path, json=body)
        assert answer.status_code < 500, (body, answer.text)
