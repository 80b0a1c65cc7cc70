"""Attempts: bounded in number and time; blocking work whose asker went away; secrets where credentials point."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest

from farwire.activation.adapters import Element
from farwire.activation.adapters.attempts import attempted, few_at_once, in_thread
from farwire.activation.adapters.sessions import KEPT_MOST, Sessions
from farwire.activation.adapters.settings import no_answer, refused, secret_of
from farwire.kernel.errors import Invalid, Unavailable
from farwire.kernel.ids import TenantId

ELEMENT = Element(TenantId(UUID(int=7)), "olt", "snmp", "192.0.2.1", timeout_s=60)


async def test_a_passing_fault_is_tried_again_four_times_at_most() -> None:
    left: list[float] = []

    async def once(left_s: float) -> str:
        left.append(left_s)
        if len(left) < answers_at:
            raise no_answer(ELEMENT, "not now")
        return "done"

    answers_at = 3
    assert await attempted(ELEMENT, once) == "done"
    assert left == sorted(left, reverse=True)
    assert left[0] < ELEMENT.timeout_s
    left.clear()
    answers_at = 5
    with pytest.raises(Unavailable):
        await attempted(ELEMENT, once)
    assert len(left) == 4


async def test_no_attempt_is_made_when_the_time_is_over_or_a_person_must_look() -> None:
    made = []

    async def once(left_s: float) -> None:
        made.append(left_s)
        raise (no_answer if short.timeout_s < 1 else refused)(ELEMENT, "no")

    short = replace(ELEMENT, timeout_s=0.1)
    with pytest.raises(Unavailable):
        await attempted(short, once)
    short = ELEMENT
    with pytest.raises(Invalid):
        await attempted(short, once)
    assert len(made) == 2


async def test_few_are_asked_at_once_and_answers_keep_their_order() -> None:
    asking, most = set[int](), 0

    async def ask(number: int) -> int:
        nonlocal most
        asking.add(number)
        most = max(most, len(asking))
        await asyncio.sleep(0)
        asking.remove(number)
        if number == 17:
            raise no_answer(ELEMENT, "not this one")
        return -number

    assert await few_at_once(ask, range(10), 3) == [-number for number in range(10)]
    assert most == 3
    with pytest.raises(Unavailable):
        await few_at_once(ask, range(16, 19), 3)
    assert not asking


async def test_work_whose_asker_went_away_is_handed_over() -> None:
    go, over, got = threading.Event(), threading.Event(), []

    def late(found: str) -> None:
        got.append(found)
        over.set()

    def work() -> str:
        go.wait(60)
        return "found"

    asking = asyncio.create_task(in_thread(work, late))
    await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    go.set()
    assert await asyncio.to_thread(over.wait, 60)
    assert got == ["found"]
    assert await in_thread(work, late) == "found"
    assert got == ["found"]


def test_idle_sessions_belong_to_their_element_and_are_few() -> None:
    closed: list[int] = []
    sessions: Sessions[int] = Sessions(closed.append)
    other = replace(ELEMENT, settings={"version": "3"})
    sessions.give_back(ELEMENT, 0)
    assert (sessions.take(other), sessions.take(ELEMENT), sessions.take(ELEMENT)) == (None, 0, None)
    for number in range(KEPT_MOST + 1):
        sessions.give_back(ELEMENT, number)
    assert (closed, sessions.take(ELEMENT)) == ([0], KEPT_MOST)
    sessions.close()
    assert closed == list(range(KEPT_MOST))


def test_a_secret_lies_where_the_credentials_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "secret").write_text(" a b \r\n")
    monkeypatch.setenv("ELEMENT_OLT", "from-environment")
    (tmp_path / "empty").write_text("\n")
    assert secret_of(replace(ELEMENT, credentials=f"file:{tmp_path}/secret")) == " a b "
    assert secret_of(replace(ELEMENT, credentials="env:ELEMENT_OLT")) == "from-environment"
    for wrong in ("", "env:NO_SUCH_NAME", f"file:{tmp_path}/none", f"file:{tmp_path}/empty", "hunter2"):
        with pytest.raises(Invalid) as missing:
            secret_of(replace(ELEMENT, credentials=wrong))
        assert (missing.value.field, "hunter2" in str(missing.value)) == ("credentials", False)
