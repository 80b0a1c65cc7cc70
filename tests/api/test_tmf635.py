"""Usage over HTTP: sent in once, found again, filtered."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from farwire.base.clock import MovableClock
from farwire.base.storage import Database
from farwire.kernel.ids import TenantId
from farwire.usage.service.totals import verify_totals

USAGE = "/tmf-api/usageManagement/v4/usage"


def body(**changes: Any) -> dict[str, Any]:
    facts = {"subscriber": "+4915100000001", "quantity": 65, "destination": "+442071234567"}
    facts |= changes.pop("facts", {})
    characteristics = [{"name": name, "value": value} for name, value in facts.items() if value is not None]
    return {
        "usageDate": "2026-06-01T10:00:00+02:00",
        "usageType": "voice",
        "usageCharacteristic": characteristics,
    } | changes


async def test_a_usage_sent_in_is_found_again(client: httpx.AsyncClient) -> None:
    made = await client.post(USAGE, json=body())
    assert made.status_code == 201, made.text
    found = await client.get(made.headers["location"])
    assert found.json() == made.json()
    facts = {item["name"]: item["value"] for item in found.json()["usageCharacteristic"]}
    assert facts["quantity"] == 65
    assert facts["unit"] == "s"
    assert facts["destination"] == "442071234567"
    assert found.json()["usageDate"] == "2026-06-01T08:00:00Z"
    assert found.json()["status"] == "received"
    assert "4915100000001" not in found.text


async def test_the_same_facts_are_the_same_usage(
    client: httpx.AsyncClient, db: Database, tenant_id: TenantId
) -> None:
    first = await client.post(USAGE, json=body())
    again = await client.post(USAGE, json=body(usageDate="2026-06-01T08:00:00Z"))
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["id"] == again.json()["id"]
    verified = await verify_totals(db=db, tenant_id=tenant_id)
    assert verified.ok
    assert verified.kept.rows_in == 2
    assert verified.kept.rows_duplicate == 1


async def test_an_external_id_tells_equal_facts_apart(client: httpx.AsyncClient) -> None:
    ids = {(await client.post(USAGE, json=body(externalId=name))).json()["id"] for name in ("a", "b", "a")}
    assert len(ids) == 2


async def test_the_list_filters_by_state_kind_and_time(client: httpx.AsyncClient) -> None:
    for hour, kind in ((8, "voice"), (9, "data"), (10, "voice")):
        sent = body(usageDate=f"2026-06-01T{hour:02}:00:00Z", usageType=kind)
        assert (await client.post(USAGE, json=sent)).status_code == 201

    async def hours(query: str) -> list[str]:
        answer = await client.get(f"{USAGE}?{query}")
        assert answer.status_code == 200, answer.text
        return [usage["usageDate"][11:13] for usage in answer.json()]

    assert await hours("") == ["08", "09", "10"]
    assert await hours("usageType=voice") == ["08", "10"]
    assert await hours("usageDate.gte=2026-06-01T09:00:00Z") == ["09", "10"]
    assert await hours("usageDate.lt=2026-06-01T09:00:00Z") == ["08"]
    assert await hours("usageDate.gte=2026-06-01T11:00:00%2B02:00&usageDate.lt=2026-06-01T10:00:00Z") == [
        "09"
    ]
    assert await hours("status=rated") == []
    assert await hours("status=received&limit=1&offset=1") == ["09"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"usageDate": "2026-06-01T10:00:00"}, "$.usageDate"),
        ({"usageDate": "0001-01-01T00:00:00+05:00"}, "$.usageDate"),
        ({"usageType": "telepathy"}, "$.usageType"),
        ({"facts": {"subscriber": None, "direction": "originating"}}, "$.usageCharacteristic"),
        ({"facts": {"subscriber": "+"}}, "$.usageCharacteristic"),
        ({"facts": {"quantity": "65"}}, "quantity"),
        ({"facts": {"quantity": -1}}, "$.usageCharacteristic[1].value"),
        ({"facts": {"quantity": 2**63}}, "$.usageCharacteristic[1].value"),
        ({"facts": {"direction": "sideways"}}, "direction"),
        ({"facts": {"colour": "red"}}, "$.usageCharacteristic[3].name"),
        ({"price": 1}, "$.price"),
    ],
)
async def test_a_wrong_usage_is_refused_by_name(
    client: httpx.AsyncClient, change: dict[str, Any], field: str
) -> None:
    answer = await client.post(USAGE, json=body(**change))
    assert answer.status_code == 400, answer.text
    assert answer.json()["field"] == field


async def test_a_repeated_request_with_a_key_is_answered_from_the_store(
    client: httpx.AsyncClient, clock: MovableClock
) -> None:
    headers = {"idempotency-key": "one"}
    first = await client.post(USAGE, json=body(), headers=headers)
    again = await client.post(USAGE, json=body(), headers=headers)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.headers["idempotency-replayed"] == "true"
