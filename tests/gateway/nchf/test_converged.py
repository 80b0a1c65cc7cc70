"""Converged charging over HTTP/2, by a client that is not ours; every message is one of 3GPP's document."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from farwire.gateway.nchf.charging_data.requests import _number_at
from farwire.gateway.nchf.reference import read_reference
from tests.gateway.nchf.openapi import CONVERGED, Documents
from tests.gateway.nchf.world import MB, ROOT, World, document, usage
from tests.gateway.world import EURO

CENT = EURO // 100


def group(answer: dict[str, Any], number: int = 1) -> dict[str, Any]:
    (found,) = [one for one in answer["multipleUnitInformation"] if one["ratingGroup"] == number]
    return dict(found)


def test_the_documents_of_3gpp_refuse_what_is_none_of_theirs(documents: Documents) -> None:
    if documents.folder is None:
        pytest.skip("the documents are not here")
    with pytest.raises(AssertionError, match="ratingGroup"):
        documents.check(CONVERGED, "MultipleUnitUsage", {"ratingGroup": "one"})
    with pytest.raises(AssertionError, match="invocationTimeStamp"):
        documents.check(CONVERGED, "ChargingDataResponse", {"invocationSequenceNumber": 1})


async def test_a_session_is_opened_charged_and_released(world: World) -> None:
    uri, first = await world.create(document(1, usage(1, requested=10 * MB)))
    assert first["invocationSequenceNumber"] == 1
    assert first["sessionFailover"] == "FAILOVER_SUPPORTED"
    granted = group(first)
    assert granted["resultCode"] == "SUCCESS"
    assert granted["grantedUnit"] == {"totalVolume": 10 * MB}
    assert granted["validityTime"] > 0
    assert await world.held() == 20 * CENT
    second = await world.post(f"{uri}/update", document(2, usage(1, used=10 * MB, requested=5 * MB)))
    assert second.status_code == 200
    assert group(second.json())["grantedUnit"] == {"totalVolume": 5 * MB}
    assert await world.balance() == 80 * CENT
    third = await world.post(f"{uri}/release", document(3, usage(1, used=MB)))
    assert (third.status_code, third.content) == (204, b"")
    assert (await world.balance(), await world.held()) == (78 * CENT, 0)
    assert world.documents.folder is None or world.documents.checked > 3


async def test_money_ends_at_exactly_nothing_with_a_final_unit(world: World) -> None:
    uri, answer = await world.create(document(1, usage(1, requested=40 * MB)))
    assert "finalUnitIndication" not in group(answer)
    number = 1
    while "finalUnitIndication" not in group(answer):
        used, number = group(answer)["grantedUnit"]["totalVolume"], number + 1
        answer = (
            await world.post(f"{uri}/update", document(number, usage(1, used=used, requested=40 * MB)))
        ).json()
    last = group(answer)
    assert last["finalUnitIndication"] == {"finalUnitAction": "TERMINATE"}
    used = last["grantedUnit"]["totalVolume"]
    over = await world.post(f"{uri}/update", document(number + 1, usage(1, used=used, requested=40 * MB)))
    assert group(over.json()) == {"resultCode": "QUOTA_LIMIT_REACHED", "ratingGroup": 1}
    assert await world.balance() == 0


async def test_a_repeat_has_the_same_answer_and_moves_nothing(world: World) -> None:
    body = document(1, usage(1, requested=10 * MB))
    uri, first = await world.create(body)
    assert await world.create({**body, "retransmissionIndicator": True}) == (uri, first)
    report = document(2, usage(1, used=10 * MB, requested=10 * MB))
    one = await world.post(f"{uri}/update", report)
    two = await world.post(f"{uri}/update", {**report, "retransmissionIndicator": True})
    assert (one.status_code, one.json()) == (two.status_code, two.json())
    assert await world.balance() == 80 * CENT
    for _ in range(2):
        assert (await world.post(f"{uri}/release", document(3, usage(1, used=MB)))).status_code == 204
    assert await world.balance() == 78 * CENT


async def test_without_a_sequence_number_the_time_tells_requests_apart(world: World) -> None:
    uri, _ = await world.create(document(None, usage(1, requested=10 * MB)))
    for second, repeat in ((1, False), (1, True), (2, False)):
        at = f"2026-06-01T00:00:0{second}Z"
        answer = await world.post(
            f"{uri}/update",
            document(
                None, usage(1, used=MB, requested=MB), invocationTimeStamp=at, retransmissionIndicator=repeat
            ),
        )
        assert answer.status_code == 200, answer.text
    assert await world.balance() == EURO - 4 * CENT


async def test_each_rating_group_has_its_own_result(world: World) -> None:
    calls = {"ratingGroup": 2, "requestedUnit": {}}
    uri, answer = await world.create(document(1, usage(1, requested=10 * MB), usage(2), calls))
    assert group(answer, 1)["grantedUnit"] == {"totalVolume": 10 * MB}
    assert group(answer, 2)["resultCode"] == "SUCCESS"
    report = await world.post(f"{uri}/update", document(2, usage(1, used=10 * MB)))
    assert "grantedUnit" not in group(report.json())
    assert await world.balance() == 80 * CENT


async def test_a_rating_group_that_is_refused_refuses_no_other_one(world: World) -> None:
    spent = document(1, usage(1, used=50 * MB - 1_000), oneTimeEvent=True, oneTimeEventType="PEC")
    await world.create(spent)
    _, answer = await world.create(document(1, usage(1, requested=MB), usage(2, requested=MB), usage(3)))
    assert group(answer, 1)["grantedUnit"] == {"totalVolume": 1_000}
    assert group(answer, 2) == {"resultCode": "QUOTA_LIMIT_REACHED", "ratingGroup": 2}
    assert group(answer, 3) == {"resultCode": "SUCCESS", "ratingGroup": 3}


async def test_both_directions_count_and_so_do_several_containers(world: World) -> None:
    uri, _ = await world.create(document(1, usage(1, requested=50 * MB)))
    containers = [
        {"localSequenceNumber": 1, "uplinkVolume": MB, "downlinkVolume": 2 * MB, "time": 5},
        {"localSequenceNumber": 2, "totalVolume": 3 * MB, "quotaManagementIndicator": "OFFLINE_CHARGING"},
        {
            "localSequenceNumber": 3,
            "totalVolume": 4 * MB,
            "quotaManagementIndicator": "QUOTA_MANAGEMENT_SUSPENDED",
        },
    ]
    await world.post(f"{uri}/update", document(2, {"ratingGroup": 1, "usedUnitContainer": containers}))
    assert await world.balance() == 80 * CENT


@pytest.mark.parametrize("kind", ["IEC", "PEC"])
async def test_an_event_is_charged_once(world: World, kind: str) -> None:
    of = usage(1, requested=MB) if kind == "IEC" else usage(1, used=MB)
    event = document(1, of, oneTimeEvent=True, oneTimeEventType=kind)
    _, answer = await world.create(event)
    if kind == "IEC":
        assert group(answer)["grantedUnit"] == {"totalVolume": MB}
    await world.create({**event, "retransmissionIndicator": True})
    assert await world.balance() == EURO - 2 * CENT
    assert await world.held() == 0


async def test_an_event_that_has_happened_is_charged_whatever_there_is(world: World) -> None:
    body = document(1, usage(1, used=60 * MB), oneTimeEvent=True, oneTimeEventType="PEC")
    await world.create(body)
    assert await world.balance() == 0
    refused = document(2, usage(1, requested=MB), oneTimeEvent=True, oneTimeEventType="IEC")
    _, answer = await world.create(refused)
    assert group(answer)["resultCode"] == "QUOTA_LIMIT_REACHED"


async def test_a_call_is_charged_by_its_seconds_and_an_emergency_is_granted_to_anybody(world: World) -> None:
    call: dict[str, Any] = {
        "pDUSessionChargingInformation": None,
        "nfConsumerIdentification": {"nodeFunctionality": "IMS_Node"},
        "iMSChargingInformation": {"calledPartyAddress": "tel:+49301234", "roleOfNode": "ORIGINATING"},
        "subscriberIdentifier": "imsi-262010000000001",
    }
    wanted = {"ratingGroup": 1, "requestedUnit": {"time": 20}}
    refused = await world.post(ROOT, document(1, wanted, **call))
    assert (refused.status_code, refused.json()["cause"]) == (404, "USER_UNKNOWN")
    call["iMSChargingInformation"]["calledPartyAddress"] = "urn:service:sos"
    _, answer = await world.create(document(1, wanted, **call))
    assert group(answer)["resultCode"] == "SUCCESS"
    call["iMSChargingInformation"] = {
        "calledPartyAddress": "tel:+49301234", "userInformation": {"servedGPSI": "msisdn-491511"},
    }  # fmt: skip
    _, answer = await world.create(document(1, wanted, **call))
    assert group(answer)["grantedUnit"] == {"time": 20}
    assert await world.held() == 20 * CENT


async def test_another_process_serves_a_session_by_its_reference_alone(world: World) -> None:
    uri, _ = await world.create(document(1, usage(1, requested=10 * MB)))
    bare = document(
        2, usage(1, used=MB), subscriberIdentifier=None, pDUSessionChargingInformation=None, notifyUri=None
    )
    assert (await world.post(f"{uri}/update", bare)).status_code == 200
    assert await world.balance() == 98 * CENT
    found = read_reference(uri.rpartition("/")[2], tenant=world.account.tenant_number)
    assert (found.kind, found.account) == ("data", world.account.number)


async def test_what_is_no_session_of_ours_is_unknown(world: World) -> None:
    uri, _ = await world.create(document(1, usage(1, requested=10 * MB)))
    reference = uri.rpartition("/")[2]
    for wrong in ("x", reference[:-1], "A" * len(reference), reference + "A", "%00"):
        answer = await world.post(f"{ROOT}/{wrong}/update", document(2))
        assert (answer.status_code, answer.json()["cause"]) == (404, "RESOURCE_CONTEXT_NOT_FOUND"), wrong


async def test_a_session_without_sequence_numbers_may_last_for_months(world: World) -> None:
    uri, _ = await world.create(document(None, usage(1, requested=MB)))
    for stamp, used in (("2026-08-01T00:00:00Z", MB // 2), ("2026-12-01T00:00:00Z", MB // 2)):
        report = document(None, usage(1, used=used, requested=MB), invocationTimeStamp=stamp)
        assert (await world.post(f"{uri}/update", report)).status_code == 200
    assert await world.balance() == EURO - EURO // 50


def test_numbers_made_of_times_grow_and_are_32_bits_for_years() -> None:
    days = [_number_at(day * 86_400_000) for day in range(2_500)]
    assert days == sorted(set(days))
    assert days[-1] < 2**32
    assert [_number_at(2**31 + ms) - 2**31 for ms in (-1, 0, 99, 100)] == [-1, 0, 0, 1]


async def test_the_first_answer_tells_what_to_report_and_what_to_do_without_us(world: World) -> None:
    _, answer = await world.create(document(1, usage(1, requested=0)))
    assert answer["invocationResult"] == {"failureHandling": "TERMINATE"}
    assert await asyncio.wait_for(world.balance(), 20) == EURO
