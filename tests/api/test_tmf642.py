"""Tasks of TMF642 change the alarms that they name, and say which."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

V4 = "/tmf-api/alarm/v4"
TIME = "2026-06-11T12:00:00.000Z"
WHO = {"ackSystemId": "noc", "ackUserId": "ada"}
LINK = {"alarmChangedTime": TIME, "sourceSystemId": "noc"}


async def post(client: httpx.AsyncClient, path: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = await client.post(f"{V4}/{path}", json=body)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def raised(client: httpx.AsyncClient, **more: Any) -> dict[str, Any]:
    alarm = {
        "alarmRaisedTime": TIME,
        "alarmType": "environmentalAlarm",
        "alarmedObject": {"id": "olt-7"},
        "perceivedSeverity": "major",
        "probableCause": "temperature",
        "sourceSystemId": "ems-1",
        "state": "raised",
    }
    return await post(client, "alarm", alarm | more)


async def read(client: httpx.AsyncClient, key: str) -> dict[str, Any]:
    return dict((await client.get(f"{V4}/alarm/{key}")).json())


def pattern(alarm: dict[str, Any]) -> list[dict[str, Any]]:
    return [{name: value for name, value in alarm.items() if name != "href"}]


def ids(items: list[dict[str, Any]]) -> list[str]:
    return sorted(one["id"] for one in items)


async def test_an_alarm_is_acknowledged_once_and_unacknowledged(client: httpx.AsyncClient) -> None:
    one, other = await raised(client), await raised(client)
    task = await post(client, "ackAlarms", {**WHO, "alarmPattern": pattern(one)})
    assert ids(task["ackedAlarm"]) == [one["id"]]
    acked = await read(client, one["id"])
    assert (acked["ackState"], acked["ackUserId"]) == ("acknowledged", "ada")
    assert await read(client, other["id"]) == other
    await post(client, "ackAlarms", {**WHO, "ackUserId": "bob", "alarmPattern": pattern(one)})
    assert await read(client, one["id"]) == acked
    task = await post(client, "unAckAlarms", {**WHO, "alarmPattern": pattern(one)})
    assert ids(task["unAckedAlarm"]) == [one["id"]]
    assert (await read(client, one["id"]))["ackState"] == "unacknowledged"


async def test_an_alarm_is_cleared_and_commented(client: httpx.AsyncClient) -> None:
    one = await raised(client)
    who = {"alarmClearedTime": TIME, "clearSystemId": "noc", "clearUserId": "ada"}
    task = await post(client, "clearAlarms", {**who, "alarmPattern": pattern(one)})
    assert ids(task["clearedAlarm"]) == [one["id"]]
    assert (await read(client, one["id"]))["state"] == "cleared"
    comment = {"comment": "the fan is replaced", "userId": "ada", "systemId": "noc", "time": TIME}
    for _ in range(2):
        await post(client, "commentAlarms", {"comment": comment, "alarmPattern": pattern(one)})
    (kept,) = (await read(client, one["id"]))["comment"]
    assert kept["comment"] == "the fan is replaced"


async def test_a_pattern_without_an_id_names_every_alarm_that_fits(client: httpx.AsyncClient) -> None:
    fitting = [await raised(client, probableCause="fire"), await raised(client, probableCause="fire")]
    other = await raised(client)
    given = {
        name: value for name, value in fitting[0].items() if name not in ("id", "href", "alarmReportingTime")
    }
    task = await post(client, "ackAlarms", {**WHO, "alarmPattern": [given]})
    assert ids(task["ackedAlarm"]) == ids(fitting)
    assert await read(client, other["id"]) == other


async def test_alarms_are_grouped_under_a_parent_and_ungrouped(client: httpx.AsyncClient) -> None:
    parent, child = await raised(client), await raised(client)
    body = {**LINK, "parentAlarm": {"id": parent["id"]}, "correlatedAlarm": [{"id": child["id"]}]}
    task = await post(client, "groupAlarms", body)
    assert ids(task["groupedAlarm"]) == [child["id"]]
    assert ids((await read(client, child["id"]))["parentAlarm"]) == [parent["id"]]
    assert ids((await read(client, parent["id"]))["correlatedAlarm"]) == [child["id"]]
    task = await post(client, "unGroupAlarms", body)
    assert ids(task["unGroupedAlarm"]) == [child["id"]]
    assert not (await read(client, child["id"])).get("parentAlarm")


@pytest.mark.parametrize("key", ["nobody"])
async def test_an_unknown_alarm_is_not_among_those_that_were_changed(
    client: httpx.AsyncClient, key: str
) -> None:
    alarm = await raised(client)
    task = await post(client, "ackAlarms", {**WHO, "alarmPattern": [{**pattern(alarm)[0], "id": key}]})
    assert not task.get("ackedAlarm")
    assert "ackState" not in await read(client, alarm["id"])
