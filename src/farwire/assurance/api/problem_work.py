"""What the tasks of TMF656 do with the problems that they name: acknowledge, group, and undo it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from farwire.base.storage import Tx
from farwire.base.tmf import Act, Document, Target, stored_time
from farwire.base.tmf_tasks import DONE, FAILED, Task
from farwire.base.tmf_work import change_documents, served
from farwire.kernel.errors import Invalid

PROBLEM: Final = Target("656", "ServiceProblem")
MOST: Final = 1000
"""Problems that one task changes."""
_Change = Callable[[Document], Document]


def _ids(items: Sequence[Document], field: str) -> list[str]:
    found = [one["id"] for one in items if isinstance(one.get("id"), str)]
    if len(found) > MOST:
        raise Invalid(f"a task has at most {MOST} problems", code="assurance.too_many_problems", field=field)
    return found


def _references(keys: Sequence[str]) -> list[Document]:
    return [{"@type": "ServiceProblemRef", "id": key} for key in keys]


async def _changed(tx: Tx, keys: Sequence[str], change: _Change, act: Act) -> list[str]:
    api, resource = served(PROBLEM)
    return await change_documents(tx, api, resource, keys, change, act)


def _acknowledging(listed: str, word: str) -> Callable[[Tx, Document, Act], Any]:
    """Return the work that tracks an acknowledgement, or its end, on each problem: once, however often it is asked."""

    async def work(tx: Tx, task: Document, act: Act) -> Document:
        now = stored_time(act.now)
        given = task.get("trackingRecord") or {}

        def tracked(problem: Document) -> Document:
            records = problem.get("trackingRecord") or []
            told = [one["description"] for one in records if one.get("description") in _WORDS]
            if (told[-1] if told else "unacknowledged") == word:
                return problem
            record = {"id": task["id"], "time": now, **given, "@type": "TrackingRecord", "description": word}
            return {**problem, "trackingRecord": [*records, record], "lastUpdate": now}

        done = await _changed(tx, _ids(task["problem"], "$.problem"), tracked, act)
        return {**task, listed: _references(done), "state": DONE if done else FAILED}

    return work


_WORDS: Final = frozenset({"acknowledged", "unacknowledged"})


def _grouping(*, join: bool) -> Callable[[Tx, Document, Act], Any]:
    """Return the work that ties problems to a parent, or unties them; without the parent nothing is done."""

    async def work(tx: Tx, task: Document, act: Act) -> Document:
        parent = next(iter(_ids([task["parentProblem"]], "$.parentProblem")), "")
        members = [key for key in _ids(task["childProblem"], "$.childProblem") if key != parent]
        there = await _changed(tx, [parent, *members], lambda problem: problem, act)  # locks them in order
        known = [key for key in members if key in there]
        if parent not in there or not known:
            return {**task, "state": FAILED}
        now = stored_time(act.now)

        def linked(problem: Document) -> Document:
            own = problem["id"] == parent
            name, others = ("underlyingProblem", known) if own else ("parentProblem", [parent])
            before = problem.get(name) or []
            rest = [one for one in before if one.get("id") not in others]
            after = [*rest, *_references(others)] if join else rest
            same = {one.get("id") for one in before} == {one.get("id") for one in after}
            return problem if same else {**problem, name: after, "lastUpdate": now}

        await _changed(tx, [parent, *known], linked, act)
        return task

    return work


WORK: Final[Mapping[str, Task]] = {
    kind: Task(Target("656", kind), work)
    for kind, work in {
        "ProblemAcknowledgement": _acknowledging("ackProblem", "acknowledged"),
        "ProblemUnacknowledgement": _acknowledging("unackProblem", "unacknowledged"),
        "ProblemGroup": _grouping(join=True),
        "ProblemUngroup": _grouping(join=False),
    }.items()
}
"""What each task does. Doing it again changes nothing."""
