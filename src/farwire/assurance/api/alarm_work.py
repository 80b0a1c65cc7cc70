"""What the tasks of TMF642 do with the alarms that they name: acknowledge, clear, comment, group, and undo it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

from farwire.assurance.api.tmf642_tables import ALARM
from farwire.base.authz import Permission
from farwire.base.storage import Tx
from farwire.base.tmf import Act, Api, Document, Resource, Target, stored_time
from farwire.base.tmf_work import change_documents, equal_ids
from farwire.kernel.errors import Invalid

_Change = Callable[[Document, Document, str], Document]
"""What an alarm becomes: the alarm, the task, the time."""
_Work = Callable[[Tx, Document, Act], Awaitable[Document]]
MOST: Final = 1000
"""Alarms that one task changes."""
ALARMS: Final = Resource(ALARM, "assurance", Permission.ASSURANCE_READ, Permission.ASSURANCE_WRITE)
_TARGET: Final = Target("642", ALARM.type)
_API: Final = Api(number="642", title="Alarms", path="alarm", resources=(ALARMS,))


def _acked(alarm: Document, task: Document, now: str) -> Document:
    if alarm.get("ackState") == "acknowledged":
        return alarm
    return {
        **alarm,
        **{name: task[name] for name in ("ackSystemId", "ackUserId")},
        "ackState": "acknowledged",
        "alarmChangedTime": now,
    }


def _unacked(alarm: Document, task: Document, now: str) -> Document:
    if alarm.get("ackState") != "acknowledged":
        return alarm
    return {**_acked({**alarm, "ackState": ""}, task, now), "ackState": "unacknowledged"}


def _cleared(alarm: Document, task: Document, now: str) -> Document:
    if alarm.get("state") == "cleared":
        return alarm
    names = ("alarmClearedTime", "clearSystemId", "clearUserId")
    return {**alarm, **{name: task[name] for name in names}, "state": "cleared", "alarmChangedTime": now}


def _commented(alarm: Document, task: Document, now: str) -> Document:
    known = alarm.get("comment") or []
    if task["comment"] in known:
        return alarm
    return {**alarm, "comment": [*known, task["comment"]], "alarmChangedTime": now}


def _ids(items: Sequence[Document]) -> list[str]:
    return [one["id"] for one in items if one.get("id")]


def _linked(alarm: Document, task: Document, now: str, *, join: bool) -> Document:
    """Tie an alarm to its parent, or the parent to its alarms; or untie them."""
    parent = alarm["id"] == task["parentAlarm"].get("id")
    name = "correlatedAlarm" if parent else "parentAlarm"
    others = _ids(task["correlatedAlarm"]) if parent else _ids([task["parentAlarm"]])
    known = alarm.get(name) or []
    rest = [one for one in known if one.get("id") not in others]
    there = set(_ids(known))
    new = [{"id": key} for key in dict.fromkeys(others) if key not in there and key != alarm["id"]]
    after = [*known, *new] if join else rest
    return alarm if after == known else {**alarm, name: after, "alarmChangedTime": now}


def _grouped(alarm: Document, task: Document, now: str) -> Document:
    return _linked(alarm, task, now, join=True)


def _ungrouped(alarm: Document, task: Document, now: str) -> Document:
    return _linked(alarm, task, now, join=False)


async def _fitting(tx: Tx, patterns: Sequence[Document]) -> list[str]:
    """Return the ids of the alarms that fit one of ``patterns``: by id, or by every text that is given."""
    keys = dict.fromkeys(_ids(patterns))
    for pattern in patterns:
        plain = {
            name: value
            for name, value in pattern.items()
            if isinstance(value, str) and not name.startswith("@") and name != "href"
        }
        if "id" in plain or not plain:
            continue
        keys |= dict.fromkeys(await equal_ids(tx, _TARGET, plain, MOST + 1))
    if len(keys) > MOST:
        raise Invalid(
            f"more than {MOST} alarms fit",
            code="assurance.too_many_alarms",
            field="$.alarmPattern",
            fix="name fewer alarms",
        )
    return sorted(keys)


async def _changed(tx: Tx, task: Document, act: Act, keys: Sequence[str], change: _Change) -> list[Document]:
    now = stored_time(act.now)
    done = await change_documents(tx, _API, ALARMS, keys, lambda alarm: change(alarm, task, now), act)
    return [{"id": key} for key in done]


def _by_pattern(listed: str, change: _Change) -> _Work:
    async def work(tx: Tx, task: Document, act: Act) -> Document:
        keys = await _fitting(tx, task["alarmPattern"])
        done = await _changed(tx, task, act, keys, change)
        return {**task, listed: done} if done else task

    return work


def _by_parent(listed: str, change: _Change) -> _Work:
    async def work(tx: Tx, task: Document, act: Act) -> Document:
        keys = _ids([task["parentAlarm"], *task["correlatedAlarm"]])
        done = await _changed(tx, task, act, keys, change)
        parent = task["parentAlarm"].get("id")
        members = [one for one in done if one["id"] != parent]
        return {**task, listed: members} if members else task

    return work


WORK: Final[Mapping[str, _Work]] = {
    "AckAlarms": _by_pattern("ackedAlarm", _acked),
    "UnAckAlarms": _by_pattern("unAckedAlarm", _unacked),
    "ClearAlarms": _by_pattern("clearedAlarm", _cleared),
    "CommentAlarms": _by_pattern("commentedAlarm", _commented),
    "GroupAlarms": _by_parent("groupedAlarm", _grouped),
    "UnGroupAlarms": _by_parent("unGroupedAlarm", _ungrouped),
}
"""What each task does. Doing it again changes nothing."""
