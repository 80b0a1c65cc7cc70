"""What the tasks of TMF642 do with the alarms that they name: acknowledge, clear, comment, group, and undo it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

from farwire.assurance.api.tmf642_tables import ALARM
from farwire.base.authz import Permission
from farwire.base.storage import Tx
from farwire.base.tmf import Act, Api, Document, Resource, Target, stored_time
from farwire.base.tmf_tasks import DONE, FAILED
from farwire.base.tmf_work import change_documents, equal_ids, locked
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
    return [one["id"] for one in items if isinstance(one.get("id"), str)]


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
    return sorted(keys)


def _bounded(keys: Sequence[str], field: str) -> None:
    if len(keys) > MOST:
        raise Invalid(
            f"more than {MOST} alarms fit",
            code="assurance.too_many_alarms",
            field=field,
            fix="name fewer alarms",
        )


async def _changed(
    tx: Tx, task: Document, act: Act, keys: Sequence[str], change: _Change
) -> tuple[list[str], list[Document]]:
    """Change each alarm by itself; return those that were changed, or are so already, and why others were not."""
    now, done, failed = stored_time(act.now), [], []
    for key in sorted(set(keys)):
        try:
            there = await change_documents(
                tx, _API, ALARMS, [key], lambda alarm: change(alarm, task, now), act
            )
        except Invalid as error:  # its state forbids it; it is then as it was
            failed.append(_failed(key, error.code, error.message))
            continue
        done += there
        failed += [] if there else [_failed(key, "assurance.alarm_unknown", "there is no such alarm")]
    return done, failed


def _failed(key: str, code: str, reason: str) -> Document:
    return {"@type": "FailedAlarm", "id": key, "code": code, "reason": reason}


def _ended(task: Document, listed: str, done: Sequence[str], failed: Sequence[Document]) -> Document:
    """Return a task with what came of it: it failed only if nothing of it was done."""
    lists = {listed: [{"id": key} for key in done], "failedAlarm": list(failed)}
    state = FAILED if failed and not done else DONE
    return {**task, **{name: items for name, items in lists.items() if items}, "state": state}


def _by_pattern(listed: str, change: _Change) -> _Work:
    async def work(tx: Tx, task: Document, act: Act) -> Document:
        keys = await _fitting(tx, task["alarmPattern"])
        _bounded(keys, "$.alarmPattern")
        return _ended(task, listed, *await _changed(tx, task, act, keys, change))

    return work


def _by_parent(listed: str, change: _Change) -> _Work:
    async def work(tx: Tx, task: Document, act: Act) -> Document:
        parent, members = next(iter(_ids([task["parentAlarm"]])), ""), _ids(task["correlatedAlarm"])
        _bounded(members, "$.correlatedAlarm")
        there = await locked(tx, _TARGET, [parent, *members])
        if parent not in there:
            why = "there is no such parent alarm"
            return _ended(task, listed, (), [_failed(key, "assurance.alarm_unknown", why) for key in members])
        known = {**task, "correlatedAlarm": [{"id": key} for key in members if key in there]}
        done, failed = await _changed(tx, known, act, [parent, *members], change)
        return _ended(task, listed, [key for key in done if key != parent], failed)

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
