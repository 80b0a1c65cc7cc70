"""Tasks of TMF656 change the problems that they name, once, and only those of their operator."""

from __future__ import annotations

from typing import Any

import httpx

V5 = "/tmf-api/serviceProblemManagement/v5"


async def post(client: httpx.AsyncClient, path: str, **body: Any) -> httpx.Response:
    return await client.post(f"{V5}/{path}", json={"@type": path[0].upper() + path[1:], **body})


async def problem(client: httpx.AsyncClient) -> str:
    answer = await post(
        client,
        "serviceProblem",
        category="supplier.originated",
        description="no light",
        priority=1,
        reason="unknown",
        originatorParty={
            "role": "noc",
            "partyOrPartyRole": {"@type": "PartyRef", "id": "noc", "@referredType": "Desk"},
        },
    )
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def read(client: httpx.AsyncClient, key: str) -> dict[str, Any]:
    return dict((await client.get(f"{V5}/serviceProblem/{key}")).json())


def refs(*keys: str) -> list[dict[str, str]]:
    return [{"@type": "ServiceProblemRef", "id": key} for key in keys]


def ids(items: list[dict[str, Any]] | None) -> list[str]:
    return sorted(one["id"] for one in items or [])


async def test_problems_are_acknowledged_once_and_unacknowledged(client: httpx.AsyncClient) -> None:
    one, other = await problem(client), await problem(client)
    for _ in range(2):
        task = (await post(client, "problemAcknowledgement", problem=refs(one))).json()
        assert (ids(task["ackProblem"]), task["state"]) == ([one], "done")
        assert [each["description"] for each in (await read(client, one))["trackingRecord"]] == [
            "acknowledged"
        ]
    assert "trackingRecord" not in await read(client, other)
    task = (await post(client, "problemUnacknowledgement", problem=refs(one, other))).json()
    assert ids(task["unackProblem"]) == sorted([one, other])
    words = [each["description"] for each in (await read(client, one))["trackingRecord"]]
    assert words == ["acknowledged", "unacknowledged"]
    assert "trackingRecord" not in await read(client, other)


async def test_problems_are_grouped_under_a_parent_and_ungrouped(client: httpx.AsyncClient) -> None:
    parent, one, other = [await problem(client) for _ in range(3)]
    body = {"parentProblem": refs(parent)[0], "childProblem": refs(one, other)}
    for _ in range(2):
        assert (await post(client, "problemGroup", **body)).json()["state"] == "done"
        assert ids((await read(client, parent))["underlyingProblem"]) == sorted([one, other])
        assert ids((await read(client, one))["parentProblem"]) == [parent]
    body["childProblem"] = refs(one)
    assert (await post(client, "problemUngroup", **body)).json()["state"] == "done"
    assert ids((await read(client, parent))["underlyingProblem"]) == [other]
    assert ids((await read(client, one)).get("parentProblem")) == []


async def test_another_operators_problems_are_unknown(
    client: httpx.AsyncClient, other_client: httpx.AsyncClient
) -> None:
    key, mine = await problem(client), await problem(other_client)
    before = await read(client, key)
    for path, body in (
        ("problemAcknowledgement", {"problem": refs(key)}),
        ("problemGroup", {"parentProblem": refs(mine)[0], "childProblem": refs(key)}),
    ):
        refusal = await post(other_client, path, **body)
        assert (refusal.status_code, refusal.json()["code"]) == (422, "tmf.reference_unknown")
    assert await read(client, key) == before
