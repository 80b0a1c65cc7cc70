"""TMF646: a technician is in one place at a time, and a search shows when that is not taken."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from itertools import pairwise
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from farwire.kernel.time import instant
from farwire.workforce.model import Slot, free

V4 = "/tmf-api/appointment/v4"


def at(start: str, end: str) -> dict[str, Any]:
    return {"startDateTime": f"2026-06-11T{start}:00Z", "endDateTime": f"2026-06-11T{end}:00Z"}


def party(key: str, role: str = "technician") -> dict[str, Any]:
    return {"id": key, "role": role, "@referredType": "Worker"}  # of another system


async def book(
    client: httpx.AsyncClient, start: str, end: str, *who: dict[str, Any], **more: Any
) -> httpx.Response:
    body = {"validFor": at(start, end), "relatedParty": list(who or (party("tom"),)), **more}
    return await client.post(f"{V4}/appointment", json=body)


async def search(client: httpx.AsyncClient, start: str, end: str, key: str = "tom") -> list[tuple[str, str]]:
    body = {"relatedParty": party(key), "requestedTimeSlot": [{"validFor": at(start, end)}]}
    answer = await client.post(f"{V4}/searchTimeSlot", json=body)
    assert answer.status_code == 201, answer.text
    assert answer.json()["status"] == "done"
    found = [one["validFor"] for one in answer.json().get("availableTimeSlot", [])]
    assert answer.json()["searchResult"] == ("success" if found else "fail")
    return [(one["startDateTime"][11:16], one["endDateTime"][11:16]) for one in found]


async def test_what_is_booked_is_not_free_and_what_is_cancelled_is(client: httpx.AsyncClient) -> None:
    assert await search(client, "08:00", "12:00") == [("08:00", "12:00")]
    made = await book(client, "09:00", "10:00")
    assert made.status_code == 201, made.text
    assert await search(client, "08:00", "12:00") == [("08:00", "09:00"), ("10:00", "12:00")]
    assert await search(client, "09:15", "10:00") == []
    assert await search(client, "08:00", "12:00", "ann") == [("08:00", "12:00")]
    gone = await client.patch(f"{V4}/appointment/{made.json()['id']}", json={"status": "cancelled"})
    assert gone.status_code == 200, gone.text
    assert await search(client, "08:00", "12:00") == [("08:00", "12:00")]


async def test_of_twenty_at_once_for_one_slot_one_gets_it(client: httpx.AsyncClient) -> None:
    answers = await asyncio.gather(*(book(client, "09:00", "10:00") for _ in range(20)))
    codes = sorted(one.status_code for one in answers)
    assert codes == [201] + [409] * 19
    assert {one.json()["code"] for one in answers if one.status_code == 409} == {"workforce.slot_taken"}


async def test_two_that_need_the_same_two_technicians_in_another_order_both_end(
    client: httpx.AsyncClient,
) -> None:
    pairs = [(party("tom"), party("ann")), (party("ann"), party("tom"))] * 5
    answers = await asyncio.gather(*(book(client, "09:00", "10:00", *who) for who in pairs))
    assert sorted(one.status_code for one in answers) == [201] + [409] * 9


async def test_what_only_touches_does_not_overlap_and_a_moved_appointment_is_checked(
    client: httpx.AsyncClient,
) -> None:
    assert (await book(client, "09:00", "10:00")).status_code == 201
    later = await book(client, "10:00", "11:00")
    assert later.status_code == 201, later.text
    path = f"{V4}/appointment/{later.json()['id']}"
    assert (await client.patch(path, json={"description": "ring twice"})).status_code == 200
    assert (await client.patch(path, json={"validFor": at("10:30", "11:30")})).status_code == 200
    refusal = await client.patch(path, json={"validFor": at("09:59", "11:30")})
    assert (refusal.status_code, refusal.json()["code"]) == (409, "workforce.slot_taken")


async def test_a_customer_may_be_waited_for_by_two(client: httpx.AsyncClient) -> None:
    who = party("hanse", "customer")
    assert (await book(client, "09:00", "10:00", who, party("tom"))).status_code == 201
    assert (await book(client, "09:00", "10:00", who, party("ann"))).status_code == 201


@pytest.mark.parametrize(("start", "end"), [("10:00", "09:00"), ("09:00", "09:00")])
async def test_a_slot_that_ends_before_it_starts_is_refused(
    client: httpx.AsyncClient, start: str, end: str
) -> None:
    refusal = await book(client, start, end)
    assert (refusal.status_code, refusal.json()["code"]) == (400, "workforce.slot")
    body = {"relatedParty": party("tom"), "requestedTimeSlot": [{"validFor": at(start, end)}]}
    refusal = await client.post(f"{V4}/searchTimeSlot", json=body)
    assert (refusal.status_code, refusal.json()["code"]) == (400, "workforce.slot")


async def test_another_operators_appointments_take_no_time(
    client: httpx.AsyncClient, other_client: httpx.AsyncClient
) -> None:
    assert (await book(client, "09:00", "10:00")).status_code == 201
    assert await search(other_client, "09:00", "10:00") == [("09:00", "10:00")]
    assert (await book(other_client, "09:00", "10:00")).status_code == 201


DAY = instant("2026-06-11T00:00+00:00")
PERIODS = st.tuples(st.integers(0, 47), st.integers(1, 12)).map(
    lambda one: Slot(DAY + timedelta(minutes=30 * one[0]), DAY + timedelta(minutes=30 * (one[0] + one[1])))
)


@given(PERIODS, st.lists(PERIODS, max_size=8))
def test_each_half_hour_that_is_wanted_is_either_free_or_booked(wanted: Slot, booked: list[Slot]) -> None:
    found = free(wanted, booked)
    minute = wanted.start
    while minute < wanted.end:
        taken = any(one.start <= minute < one.end for one in booked)
        assert taken != any(one.start <= minute < one.end for one in found)
        minute += timedelta(minutes=30)
    assert all(wanted.start <= one.start < one.end <= wanted.end for one in found)
    assert all(one.end < other.start for one, other in pairwise(found))
