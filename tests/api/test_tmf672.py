"""Groups of assets as TMF672: replaced whole, unlike by a patch."""

from __future__ import annotations

import httpx

GROUPS = "/tmf-api/rolesAndPermissions/v5/jsonPathAssetGroup"


async def test_a_put_replaces_a_thing_and_keeps_what_only_the_server_sets(
    client: httpx.AsyncClient, other_client: httpx.AsyncClient
) -> None:
    body = {"@type": "JSONPathAssetGroup", "JSONPath": "$[*]", "entityType": "ProductOffering"}
    made = await client.post(GROUPS, json=body)
    assert made.status_code == 201, made.text
    path = f"{GROUPS}/{made.json()['id']}"
    whole = await client.put(path, json={"@type": "JSONPathAssetGroup", "entityType": "Category"})
    assert whole.status_code == 200, whole.text
    assert whole.json() == (await client.get(path)).json()
    assert (whole.json()["id"], whole.json()["entityType"]) == (made.json()["id"], "Category")
    assert "JSONPath" not in whole.json()
    part = await client.patch(path, json={"JSONPath": "$.id"})
    assert (part.json()["entityType"], part.json()["JSONPath"]) == ("Category", "$.id")
    for wrong, field in (
        ({"id": "other"}, "$.id"),
        ({"color": "red"}, "$.color"),
        ({"entityType": 7}, "$.entityType"),
        ({"@type": "FilterAssetGroup"}, "$.@type"),
    ):
        refused = await client.put(path, json=wrong)
        assert (refused.status_code, refused.json()["field"]) == (400, field), refused.text
    assert (await client.put(path, json=[])).status_code == 400
    assert (await client.put(f"{GROUPS}/nowhere", json={})).status_code == 404
    assert (await other_client.put(path, json={"entityType": "x"})).status_code == 404
    assert (await client.get(path)).json() == part.json()
    users = "/tmf-api/rolesAndPermissions/v5/userRole/x"
    assert (await client.put(users, json={})).status_code == 405
