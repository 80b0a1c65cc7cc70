"""Tasks of TMF687 change stocks: never below zero, all or nothing, and what is reserved comes back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest

from farwire.base.clock import MovableClock

V4 = "/tmf-api/stock/v4"
PHONE = {"productSpecification": {"id": "phone"}}
Work = Callable[[], Any]


async def post(client: httpx.AsyncClient, path: str, body: dict[str, Any], **more: Any) -> dict[str, Any]:
    answer = await client.post(f"{V4}/{path}", json=body, **more)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def stocked(client: httpx.AsyncClient, amount: float, **more: Any) -> str:
    body = {
        "productStockLevel": {"amount": amount, "units": "piece"},
        "productStockStatusType": "available",
        "stockedProduct": PHONE,
    }
    return str((await post(client, "productStock", body | more))["id"])


async def level(client: httpx.AsyncClient, key: str) -> tuple[float, str]:
    stock = (await client.get(f"{V4}/productStock/{key}")).json()
    return stock["productStockLevel"]["amount"], stock["productStockStatusType"]


def wish(key: str, amount: float = 1, **more: Any) -> dict[str, Any]:
    return {"productStockRequested": {"id": key}, "quantityRequested": {"amount": amount, **more}}


async def reserve(client: httpx.AsyncClient, *items: dict[str, Any], **more: Any) -> dict[str, Any]:
    return await post(client, "reserveProductStock", {"reserveProductStockItem": list(items), **more})


async def adjust(client: httpx.AsyncClient, *changes: tuple[str, Any], **more: Any) -> dict[str, Any]:
    items = [
        {"productStockTarget": {"id": key}, "adjustProductStockQuantity": {"amount": amount}}
        for key, amount in changes
    ]
    return await post(client, "adjustProductStock", {"adjustProductStockItem": items, **more})


async def test_what_is_reserved_is_no_longer_in_stock(client: httpx.AsyncClient) -> None:
    key = await stocked(client, 5)
    task = await reserve(client, wish(key, 3))
    assert task["reserveProductStockState"] == "done"
    (item,) = task["reserveProductStockItem"]
    assert (item["quantityReserved"]["amount"], item["productStockReserved"]["id"]) == (3, key)
    assert await level(client, key) == (2, "available")
    assert (await reserve(client, wish(key, 2)))["reserveProductStockState"] == "done"
    assert await level(client, key) == (0, "unavailable")


async def test_of_twenty_at_once_for_the_last_seven_exactly_seven_get_one(client: httpx.AsyncClient) -> None:
    key = await stocked(client, 7)
    tasks = await asyncio.gather(*(reserve(client, wish(key)) for _ in range(20)))
    states = [task["reserveProductStockState"] for task in tasks]
    assert (states.count("done"), states.count("terminatedWithError")) == (7, 13)
    assert await level(client, key) == (0, "unavailable")


async def test_two_tasks_that_name_the_same_stocks_in_another_order_both_end(
    client: httpx.AsyncClient,
) -> None:
    one, other = await stocked(client, 10), await stocked(client, 10)
    orders = [(one, other), (other, one)] * 5
    tasks = await asyncio.gather(*(reserve(client, *map(wish, keys)) for keys in orders))
    assert {task["reserveProductStockState"] for task in tasks} == {"done"}
    assert [await level(client, key) for key in (one, other)] == [(0, "unavailable")] * 2


async def test_a_task_reserves_everything_or_nothing(client: httpx.AsyncClient) -> None:
    one, other = await stocked(client, 5), await stocked(client, 1)
    task = await reserve(client, wish(one, 2), wish(other, 2))
    assert task["reserveProductStockState"] == "terminatedWithError"
    reasons = [item["terminationError"][0]["id"] for item in task["reserveProductStockItem"]]
    assert reasons == ["inventory.task_failed", "inventory.out_of_stock"]
    assert [await level(client, key) for key in (one, other)] == [(5, "available"), (1, "available")]


async def test_two_items_of_a_task_do_not_get_the_same_piece(client: httpx.AsyncClient) -> None:
    key = await stocked(client, 3)
    assert (await reserve(client, wish(key, 2), wish(key, 2)))[
        "reserveProductStockState"
    ] == "terminatedWithError"
    assert await level(client, key) == (3, "available")


async def test_a_product_is_taken_from_a_stock_that_has_it_in_the_place_that_is_named(
    client: httpx.AsyncClient,
) -> None:
    places = {name: {"id": name, "role": "shop", "@referredType": "Shop"} for name in ("north", "south")}
    keys = {name: await stocked(client, 4, place=place) for name, place in places.items()}
    item = {"requestedProduct": PHONE, "quantityRequested": {"amount": 2}}
    task = await reserve(client, item, place=places["south"])
    assert task["reserveProductStockItem"][0]["productStockReserved"]["id"] == keys["south"]
    assert await level(client, keys["north"]) == (4, "available")
    both = [(await reserve(client, item))["reserveProductStockState"] for _ in range(4)]
    assert both == ["done", "done", "done", "terminatedWithError"]


@pytest.mark.parametrize(
    ("amount", "more"),
    [(0, {}), (-1, {}), (10**13, {}), (0.1234567, {}), ("2", {}), (True, {}), (1, {"units": "metre"})],
)
async def test_what_is_no_quantity_is_not_reserved(client: httpx.AsyncClient, amount: Any, more: Any) -> None:
    key = await stocked(client, 5)
    task = await reserve(client, wish(key, amount, **more))
    (item,) = task["reserveProductStockItem"]
    assert item["terminationError"][0]["id"] in ("inventory.quantity", "inventory.stock_units")
    assert await level(client, key) == (5, "available")


async def test_a_stock_that_is_not_available_is_not_reserved_from(client: httpx.AsyncClient) -> None:
    key = await stocked(client, 5, productStockStatusType="unknown")
    assert (await reserve(client, wish(key)))["reserveProductStockState"] == "terminatedWithError"


async def test_a_reservation_that_is_cancelled_gives_back_once(client: httpx.AsyncClient) -> None:
    key = await stocked(client, 2)
    task = await reserve(client, wish(key, 2))
    path, body = (
        f"{V4}/reserveProductStock/{task['id']}",
        {"reserveProductStockState": "cancelled"},
    )
    for _ in range(2):
        after = await client.patch(path, json=body)
        assert after.status_code == 200, after.text
        assert after.json()["reserveProductStockItem"][0]["quantityReserved"]["amount"] == 0
        assert await level(client, key) == (2, "available")


async def test_what_a_reservation_holds_is_not_changed_by_a_patch(client: httpx.AsyncClient) -> None:
    key = await stocked(client, 2)
    task = await reserve(client, wish(key))
    items = [wish(key, 2)]
    path = f"{V4}/reserveProductStock/{task['id']}"
    refusal = await client.patch(path, json={"reserveProductStockItem": items})
    assert (refusal.status_code, refusal.json()["code"]) == (400, "inventory.reservation")


async def test_a_reservation_is_given_back_when_its_time_is_over(
    client: httpx.AsyncClient, clock: MovableClock, work: Work
) -> None:
    key = await stocked(client, 2)
    end = clock.now() + timedelta(hours=1)
    task = await reserve(client, wish(key, 2), validFor={"endDateTime": end.isoformat()})
    path = f"{V4}/reserveProductStock/{task['id']}"
    later = (end + timedelta(hours=1)).isoformat()
    assert (await client.patch(path, json={"validFor": {"endDateTime": later}})).status_code == 200
    clock.advance(timedelta(hours=1))
    await work()
    assert await level(client, key) == (0, "unavailable")
    clock.advance(timedelta(hours=1))
    for _ in range(2):
        await work()
        assert await level(client, key) == (2, "available")
    assert (await client.get(path)).json()["reserveProductStockState"] == "cancelled"


async def test_stocks_are_adjusted_together_and_never_below_zero(client: httpx.AsyncClient) -> None:
    one, other = await stocked(client, 5), await stocked(client, 5)
    assert (await adjust(client, (one, -2), (other, 2.5)))["state"] == "done"
    assert [(await level(client, key))[0] for key in (one, other)] == [3, 7.5]
    task = await adjust(client, (one, 1), (other, -8))
    assert task["state"] == "terminatedWithError"
    assert task["adjustProductStockItem"][1]["terminationError"][0]["id"] == "inventory.out_of_stock"
    assert [(await level(client, key))[0] for key in (one, other)] == [3, 7.5]
    assert (await adjust(client, ("nobody", 1)))["state"] == "terminatedWithError"


async def test_an_adjustment_for_later_is_done_by_a_worker_once(
    client: httpx.AsyncClient, clock: MovableClock, work: Work
) -> None:
    key = await stocked(client, 5)
    at = (clock.now() + timedelta(days=1)).isoformat()
    later = await adjust(client, (key, -1), requestedAdjustProductStockDate=at)
    soon = await adjust(client, (key, -1), instantSyncAdjust=False)
    assert (later["state"], soon["state"]) == ("inProgress", "inProgress")
    assert await level(client, key) == (5, "available")
    await work()
    assert await level(client, key) == (4, "available")
    clock.advance(timedelta(days=1))
    await work()
    assert await level(client, key) == (3, "available")
    assert (await client.get(f"{V4}/adjustProductStock/{later['id']}")).json()["state"] == "done"


async def test_a_check_says_what_is_there_and_where_else(client: httpx.AsyncClient) -> None:
    here = await stocked(client, 1, place={"id": "north", "role": "shop", "@referredType": "Shop"})
    there = await stocked(client, 9, place={"id": "south", "role": "shop", "@referredType": "Shop"})
    item = {"checkedProductStock": {"id": here}, "requestedQuantity": {"amount": 1}}
    many = item | {"requestedQuantity": {"amount": 2}}
    task = await post(
        client,
        "checkProductStock",
        {"checkProductStockItem": [item, many, many | {"provideAlternative": True}]},
    )
    results = [one["availabilityResult"] for one in task["checkProductStockItem"]]
    assert results == ["available", "notAvailable", "alternate"]
    named = {one["alternateStock"]["id"] for one in task["checkProductStockItem"][2]["alternate"]}
    assert named == {here, there}
    assert await level(client, here) == (1, "available")


async def test_a_query_lists_the_stocks_that_fit(client: httpx.AsyncClient) -> None:
    here = await stocked(client, 1, place={"id": "north", "role": "shop", "@referredType": "Shop"})
    await stocked(client, 9, stockedProduct={"productSpecification": {"id": "router"}})
    criteria = {"stockedProduct": PHONE, "place": {"id": "north"}}
    task = await post(client, "queryProductStock", {"searchCriteria": criteria})
    assert [one["id"] for one in task["queryProductStockItem"]] == [here]
    answer = await client.post(f"{V4}/queryProductStock", json={"searchCriteria": {"colour": "red"}})
    assert (answer.status_code, answer.json()["code"]) == (400, "inventory.criteria")


async def test_a_stock_with_less_than_nothing_is_refused(client: httpx.AsyncClient) -> None:
    body = {
        "productStockLevel": {"amount": -1},
        "productStockStatusType": "available",
        "stockedProduct": PHONE,
    }
    refusal = await client.post(f"{V4}/productStock", json=body)
    assert (refusal.status_code, refusal.json()["code"]) == (400, "inventory.stock_negative")


async def test_another_operators_stock_is_unknown(
    client: httpx.AsyncClient, other_client: httpx.AsyncClient
) -> None:
    key = await stocked(client, 5)
    assert (await reserve(other_client, wish(key)))["reserveProductStockState"] == "terminatedWithError"
    assert (await adjust(other_client, (key, 1)))["state"] == "terminatedWithError"
    task = await post(other_client, "queryProductStock", {"searchCriteria": {"stockedProduct": PHONE}})
    assert not task.get("queryProductStockItem")
    assert await level(client, key) == (5, "available")


async def test_the_same_request_again_reserves_once(client: httpx.AsyncClient) -> None:
    key = await stocked(client, 5)
    body = {"reserveProductStockItem": [wish(key)]}
    for _ in range(2):
        await post(client, "reserveProductStock", body, headers={"idempotency-key": "r-1"})
    assert await level(client, key) == (4, "available")
