"""One table from what went wrong to what is answered, and each way to get there."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from farwire.charging import service as charging
from farwire.charging.model import Answer, CommandKind, GroupAnswer, ResultCode
from farwire.gateway.nchf.charging_data.answers import check_whole, session_answer
from farwire.gateway.nchf.charging_data.documents import ChargingDataRequest, read_document
from farwire.gateway.nchf.charging_data.requests import read_request
from farwire.gateway.nchf.http2.messages import Request
from farwire.gateway.nchf.problems import CODES, GROUPS, KINDS, RESULTS, Problem, cause_of_error, refusal
from farwire.gateway.nchf.telling import TYPES
from farwire.kernel.errors import FarwireError, Unavailable
from tests.gateway.nchf.openapi import COMMON, CONVERGED, Documents
from tests.gateway.nchf.world import MB, ROOT, World, a_consumer, document, usage


def test_every_result_of_charging_has_its_answer() -> None:
    for code in ResultCode:
        assert code in GROUPS
        if code == ResultCode.SUCCESS:
            check_whole(Answer(code), a_consumer())
            continue
        with pytest.raises(Problem) as caught:
            check_whole(Answer(code), a_consumer())
        assert caught.value.cause == RESULTS[code]
        assert 400 <= caught.value.cause.status < 600


def test_words_of_answers_are_those_of_3gpp(documents: Documents) -> None:
    for name, used in (
        ("ResultCode", set(GROUPS.values())), ("NotificationType", set(TYPES.values())),
        ("FinalUnitAction", {"TERMINATE", "REDIRECT", "RESTRICT_ACCESS"}),
        ("FailureHandling", {"TERMINATE", "CONTINUE", "RETRY_AND_TERMINATE"}),
        ("SessionFailover", {"FAILOVER_SUPPORTED", "FAILOVER_NOT_SUPPORTED"}),
    ):  # fmt: skip
        known = documents.words(CONVERGED, name)
        assert known is None or used <= known, name


def test_every_kind_of_error_has_its_answer(documents: Documents) -> None:
    assert set(KINDS) == set(FarwireError.__subclasses__())
    for kind, cause in KINDS.items():
        answer = refusal(kind("the secret of the house", code="other.reason"))
        assert answer.status == cause.status
        documents.check(COMMON, "ProblemDetails", json.loads(answer.body))
        assert b"secret" not in answer.body
        assert (("retry-after", "1") in answer.headers) == (cause.status == 503)
    for code, cause in CODES.items():
        assert cause_of_error(Unavailable("no", code=code)) == cause


def test_a_consumer_that_reads_no_results_of_groups_gets_one_for_all(world: World) -> None:
    data = read_request(
        read_document(json.dumps(document(1, usage(1, requested=MB))).encode(), ChargingDataRequest),
        a_consumer(),
    )
    refused = Answer(ResultCode.SUCCESS, (GroupAnswer(1, ResultCode.CREDIT_LIMIT_REACHED, 1, 0, 0, 0, -1),))
    told = session_answer(data, refused, a_consumer(), world.clock.now())
    assert told.multiple_unit_information[0].result_code == "QUOTA_LIMIT_REACHED"
    with pytest.raises(Problem) as caught:
        session_answer(data, refused, a_consumer(refuse_whole=True), world.clock.now())
    assert (caught.value.cause.status, caught.value.cause.cause) == (403, "QUOTA_LIMIT_REACHED")


Changes = dict[str, Any]
BAD: list[tuple[Changes, str, str]] = [
    ({"invocationTimeStamp": None}, "MANDATORY_IE_MISSING", "/invocationTimeStamp"),
    ({"invocationTimeStamp": "yesterday"}, "MANDATORY_IE_INCORRECT", "/invocationTimeStamp"),
    ({"invocationSequenceNumber": -1}, "MANDATORY_IE_INCORRECT", "/invocationSequenceNumber"),
    ({"invocationSequenceNumber": 2**32}, "MANDATORY_IE_INCORRECT", "/invocationSequenceNumber"),
    ({"invocationSequenceNumber": 10**400}, "MANDATORY_IE_INCORRECT", "/invocationSequenceNumber"),
    ({"multipleUnitUsage": [{}]}, "MANDATORY_IE_MISSING", "/multipleUnitUsage/0/ratingGroup"),
    ({"multipleUnitUsage": [{"ratingGroup": -1}]}, "MANDATORY_IE_INCORRECT", "/multipleUnitUsage/0/ratingGroup"),
    ({"multipleUnitUsage": [usage(1, used=-1)]}, "OPTIONAL_IE_INCORRECT", "/multipleUnitUsage/0/usedUnitContainer/0"),
    ({"multipleUnitUsage": [usage(1, used=2**63)]}, "OPTIONAL_IE_INCORRECT", "/multipleUnitUsage/0"),
    ({"multipleUnitUsage": [usage(one) for one in range(65)]}, "OPTIONAL_IE_INCORRECT", "/multipleUnitUsage"),
    (
        {"multipleUnitUsage": [{"ratingGroup": 1, "usedUnitContainer": [{"time": 5}]}]},
        "OPTIONAL_IE_INCORRECT", "/multipleUnitUsage/0/usedUnitContainer/0",
    ),
    ({"oneTimeEvent": True, "oneTimeEventType": "LATER"}, "OPTIONAL_IE_INCORRECT", "/oneTimeEventType"),
    ({"notifyUri": "ftp://192.0.2.1/"}, "OPTIONAL_IE_INCORRECT", "/notifyUri"),
    ({"notifyUri": "http://192.0.2.1/"}, "OPTIONAL_IE_INCORRECT", "/notifyUri"),
]  # fmt: skip


async def test_what_makes_no_sense_is_named_and_leaves_no_trace(world: World) -> None:
    for changes, cause, parameter in BAD:
        answer = await world.post(ROOT, _changed(changes))
        told = answer.json()
        assert (answer.status_code, told["cause"]) == (400, cause), changes
        assert told["invalidParams"][0]["param"] == parameter, changes
    assert (await world.balance(), await world.held()) == (10**9, 0)


def _changed(changes: Changes) -> Changes:
    found = {**document(1, usage(1, requested=MB)), **changes}
    return {name: value for name, value in found.items() if value is not None}


async def test_what_is_no_json_is_refused(world: World) -> None:
    for body in (
        b"",
        b"{",
        b"\xff",
        b"[" * 100_000,
        b'{"a":' * 50_000,
        b"1e999999",
        b'"\\ud800"',
        b"null",
        b"[]",
    ):
        answer = await world.post(ROOT, body)
        assert answer.status_code == 400, body[:10]
        assert answer.json()["cause"] in (
            "INVALID_MSG_FORMAT",
            "OPTIONAL_IE_INCORRECT",
            "MANDATORY_IE_MISSING",
        )


async def test_what_is_not_served_is_refused_by_its_status(world: World) -> None:
    client, url = world.client, world.url
    assert (await client.get(url + ROOT)).status_code == 405
    assert (await client.get(url + ROOT)).headers["allow"] == "POST"
    for path in (
        "/",
        "/x",
        "/nchf-convergedcharging/v2/chargingdata",
        ROOT + "s",
        f"{ROOT}/a/b",
        f"{ROOT}/a/b/c",
    ):
        answer = await client.post(url + path, json={})
        assert (answer.status_code, answer.json()["cause"]) == (404, "RESOURCE_URI_STRUCTURE_NOT_FOUND"), path
    assert (
        await client.post(url + ROOT, content=b"x", headers={"content-type": "text/xml"})
    ).status_code == 415


async def test_a_barred_subscriber_is_denied_and_an_old_request_is_refused(world: World) -> None:
    uri, _ = await world.create(document(5, usage(1, requested=MB)))
    old = await world.post(f"{uri}/update", document(4, usage(1, used=MB)))
    assert (old.status_code, old.json()["cause"]) == (400, "MANDATORY_IE_INCORRECT")
    await charging.command(
        world.desk.client, account=world.account, kind=CommandKind.BAR, key="bar", amount=1
    )
    denied = await world.post(f"{uri}/update", document(6, usage(1, used=MB, requested=MB)))
    assert (denied.status_code, denied.json()["cause"]) == (403, "END_USER_REQUEST_DENIED")
    assert await world.balance() == 10**9 - 2 * 10**7
    fresh = await world.post(ROOT, document(1, usage(1, requested=MB), chargingId=9))
    assert (fresh.status_code, fresh.json()["cause"]) == (403, "END_USER_REQUEST_DENIED")
    assert (await world.post(f"{uri}/release", document(7))).status_code == 204
    gone = await world.post(f"{uri}/update", document(8))
    assert gone.status_code == 400


async def test_a_session_that_is_forgotten_is_not_found(world: World) -> None:
    uri, _ = await world.create(document(1, usage(1, requested=MB)))
    await world.post(f"{uri}/release", document(2))
    world.clock.advance(timedelta(days=3))
    gone = await world.post(f"{uri}/update", document(3))
    assert (gone.status_code, gone.json()["cause"]) == (404, "RESOURCE_CONTEXT_NOT_FOUND")


async def test_a_stranger_is_asked_nothing(world: World) -> None:
    answer = await world.router(
        Request("POST", ROOT, {}, json.dumps(document(1)).encode(), "http", "chf", "198.51.100.1")
    )
    assert answer.status == 403


async def test_a_failure_of_ours_is_an_answer_too(world: World) -> None:
    async def fail(*_: object) -> None:
        raise ZeroDivisionError

    world.router._services["nchf-convergedcharging"].operations[("POST", "chargingdata")] = ("create", fail)  # type: ignore[index]
    answer = await world.client.post(world.url + ROOT, json={})
    assert (answer.status_code, answer.json()["cause"]) == (500, "SYSTEM_FAILURE")
    world.documents.check_answer(
        CONVERGED, "/chargingdata", "post", 500, answer.headers["content-type"], answer.content
    )
