"""Tasks of TMF642 change the alarms that they name, and say which."""

from __future__ import annotations

from typing import Any

import httpx

from farwire.base.clock import MovableClock
from farwire.base.storage import Database
from farwire.base.tmf import Target
from farwire.base.tmf.store import documents as store
from farwire.kernel.ids import TenantId

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


async def test_an_unknown_alarm_is_listed_as_failed_and_the_rest_are_done(client: httpx.AsyncClient) -> None:
    alarm = await raised(client)
    gone = {**pattern(alarm)[0], "id": "nobody"}
    task = await post(client, "ackAlarms", {**WHO, "alarmPattern": [gone]})
    assert (task.get("ackedAlarm"), task["state"]) == (None, "terminatedWithError")
    assert "ackState" not in await read(client, alarm["id"])
    task = await post(client, "ackAlarms", {**WHO, "alarmPattern": [gone, *pattern(alarm)]})
    assert (ids(task["ackedAlarm"]), task["state"]) == ([alarm["id"]], "done")
    assert [(one["id"], one["code"]) for one in task["failedAlarm"]] == [
        ("nobody", "assurance.alarm_unknown")
    ]
    assert (await read(client, alarm["id"]))["ackState"] == "acknowledged"


async def test_another_operators_alarms_are_unknown_to_every_task(
    client: httpx.AsyncClient, other_client: httpx.AsyncClient
) -> None:
    alarm = await raised(client)
    comment = {"comment": "mine now", "userId": "eve", "systemId": "x", "time": TIME}
    clear = {"alarmClearedTime": TIME, "clearSystemId": "x", "clearUserId": "eve"}
    for path, more in (
        ("ackAlarms", WHO),
        ("unAckAlarms", WHO),
        ("clearAlarms", clear),
        ("commentAlarms", {"comment": comment}),
    ):
        task = await post(other_client, path, {**more, "alarmPattern": pattern(alarm)})
        assert ids(task["failedAlarm"]) == [alarm["id"]], path
    by_text = {name: value for name, value in pattern(alarm)[0].items() if name != "id"}
    task = await post(other_client, "ackAlarms", {**WHO, "alarmPattern": [by_text]})
    assert not task.get("ackedAlarm")
    for path in ("groupAlarms", "unGroupAlarms"):
        mine = await raised(other_client)
        body = {**LINK, "parentAlarm": {"id": mine["id"]}, "correlatedAlarm": [{"id": alarm["id"]}]}
        assert (await other_client.post(f"{V4}/{path}", json=body)).status_code == 422
    assert await read(client, alarm["id"]) == alarm


async def test_a_group_without_its_parent_is_not_made_and_an_unknown_member_is_listed(
    client: httpx.AsyncClient, db: Database, tenant_id: TenantId
) -> None:
    async with db.transaction(tenant_id) as tx:
        await store.set_references(tx, "642", "lenient")
    parent, child = await raised(client), await raised(client)
    body = {**LINK, "parentAlarm": {"id": "nobody"}, "correlatedAlarm": [{"id": child["id"]}]}
    task = await post(client, "groupAlarms", body)
    assert (ids(task["failedAlarm"]), task["state"]) == ([child["id"]], "terminatedWithError")
    assert await read(client, child["id"]) == child
    members = [{"id": child["id"]}, {"id": "nobody"}]
    task = await post(
        client, "groupAlarms", {**LINK, "parentAlarm": {"id": parent["id"]}, "correlatedAlarm": members}
    )
    assert (ids(task["groupedAlarm"]), ids(task["failedAlarm"])) == ([child["id"]], ["nobody"])
    assert ids((await read(client, parent["id"]))["correlatedAlarm"]) == [child["id"]]


async def test_a_task_changes_a_thousand_alarms_and_not_one_more(
    client: httpx.AsyncClient, db: Database, clock: MovableClock, tenant_id: TenantId
) -> None:
    first = await raised(client)
    kept = {name: value for name, value in first.items() if name != "href"}
    async with db.transaction(tenant_id) as tx:
        for number in range(999):
            made = kept | {"id": f"many-{number}"}
            assert await store.insert(tx, Target("642", "Alarm"), made, clock.now())
    same = [{name: value for name, value in pattern(first)[0].items() if name != "id"}]
    task = await post(client, "ackAlarms", {**WHO, "alarmPattern": same})
    assert (len(task["ackedAlarm"]), task["state"]) == (1000, "done")
    async with db.transaction(tenant_id) as tx:
        assert await store.insert(tx, Target("642", "Alarm"), kept | {"id": "one-more"}, clock.now())
    too_many = [{"id": f"m-{number}"} for number in range(1001)]
    body = {**LINK, "parentAlarm": {"id": first["id"]}, "correlatedAlarm": too_many}
    for path, sent in (
        ("ackAlarms", {**WHO, "alarmPattern": same}),
        ("ackAlarms", {**WHO, "alarmPattern": too_many}),
    ):
        refusal = await client.post(f"{V4}/{path}", json=sent)
        assert (refusal.status_code, refusal.json()["code"]) == (400, "assurance.too_many_alarms"), path
    async with db.transaction(tenant_id) as tx:
        await store.set_references(tx, "642", "lenient")
    refusal = await client.post(f"{V4}/groupAlarms", json=body)
    assert (refusal.status_code, refusal.json()["code"]) == (400, "assurance.too_many_alarms")
    assert "ackState" not in await read(client, "one-more")
