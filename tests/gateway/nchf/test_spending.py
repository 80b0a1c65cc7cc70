"""Spending limits: a policy control asks for counters and hears of those that change."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx
import pytest

from farwire.charging.model import CommandKind
from farwire.charging.model.policy import CounterStatus, PolicyCounter
from farwire.charging.model.state import NEVER, Period, Scope
from farwire.charging.service import Wish as Command
from farwire.gateway.nchf.http2.messages import Response
from farwire.gateway.nchf.problems import Problem
from farwire.gateway.nchf.spending import KEPT_FOR, status_of
from farwire.gateway.sessions import Reason
from tests.gateway.nchf.openapi import SPENDING
from tests.gateway.nchf.test_telling import telling, wish
from tests.gateway.nchf.world import MB, Callback, World, a_consumer, document, usage
from tests.gateway.world import EURO

ROOT = "/nchf-spendinglimitcontrol/v1/subscriptions"


async def ask(world: World, method: str, path: str, body: dict[str, Any] | None = None) -> httpx.Response:
    if body is not None:
        world.documents.check(SPENDING, "SpendingLimitContext", body)
    answer = await world.client.request(method, path if "://" in path else world.url + path, json=body)
    operation = "/subscriptions" if method == "POST" else "/subscriptions/{subscriptionId}"
    kind = answer.headers.get("content-type", "")
    world.documents.check_answer(SPENDING, operation, method, answer.status_code, kind, answer.content)
    return answer


def context(callback: Callback, *names: str, **more: Any) -> dict[str, Any]:
    found = {"supi": "imsi-262011234567890", "gpsi": "msisdn-491511", "notifUri": callback.uri, **more}
    return {**found, "policyCounterIds": list(names)} if names else found


def statuses(document: dict[str, Any]) -> dict[str, str]:
    return {name: info["currentStatus"] for name, info in document["statusInfos"].items()}


async def limit(world: World, cents: int, key: str) -> None:
    command = Command(
        CommandKind.LIMIT,
        cents * EURO // 100,
        scope=int(Scope.HOME | Scope.ROAMING),
        period=int(Period.CYCLE),
    )
    answer = await world.desk.client.ask(world.account.tenant_number, command.keyed(world.account, key))
    assert answer.result == 2001


async def test_counters_are_told_and_a_change_of_one_is_heard(world: World, callback: Callback) -> None:
    await limit(world, 50, "limit")
    answer = await ask(world, "POST", ROOT, context(callback, "spend-cycle", notifId="n-1"))
    assert answer.status_code == 201, answer.text
    assert statuses(answer.json()) == {"spend-cycle": "below"}
    assert answer.json()["notifId"] == "n-1"
    uri, _ = await world.create(document(1, usage(1, requested=10 * MB)))
    async with httpx.AsyncClient(http1=False, http2=True) as client:
        await wish(world, Reason.COUNTER)
        await telling(world, client).once()
        assert not callback.heard
        for number in (2, 3, 4):
            report = document(number, usage(1, used=7 * MB, requested=7 * MB))
            assert (await world.post(f"{uri}/update", report)).status_code == 200
        callback.answers.append(Response(503))
        for _ in range(2):
            await wish(world, Reason.COUNTER)
            await telling(world, client).once()
        path, told = callback.heard.pop()
        assert path == "/smf/notify/notify"
        world.documents.check(SPENDING, "SpendingLimitStatus", told)
        assert statuses(told) == {"spend-cycle": "near"}
        assert (
            told["statusInfos"]["spend-cycle"]["penPolCounterStatuses"][0]["policyCounterStatus"] == "below"
        )
        assert (told["notifId"], told["supi"]) == ("n-1", "imsi-262011234567890")
        callback.heard.clear()
        await wish(world, Reason.COUNTER)
        await telling(world, client).once()
        assert not callback.heard


async def test_a_subscription_is_changed_renewed_and_ended(world: World, callback: Callback) -> None:
    first = await ask(world, "POST", ROOT, context(callback))
    uri = first.headers["location"]
    assert {"state", "balance"} <= set(statuses(first.json()))
    world.clock.advance(timedelta(days=1))
    second = await ask(world, "PUT", uri, {"policyCounterIds": ["state"]})
    assert (second.status_code, statuses(second.json())) == (200, {"state": "active"})
    assert second.json()["expiry"] == (world.clock.now() + KEPT_FOR).isoformat().replace("+00:00", "Z")
    assert (await ask(world, "DELETE", uri)).status_code == 204
    gone = await ask(world, "DELETE", uri)
    assert (gone.status_code, gone.json()["cause"]) == (404, "SUBSCRIPTION_NOT_FOUND")
    assert (await ask(world, "PUT", uri, {"policyCounterIds": ["state"]})).status_code == 404


async def test_a_subscription_that_has_ended_hears_nothing(world: World, callback: Callback) -> None:
    soon = (world.clock.now() + timedelta(minutes=1)).isoformat()
    await ask(world, "POST", ROOT, context(callback, "balance", expiry=soon))
    await world.create(document(1, usage(1, requested=50 * MB)))
    world.clock.advance(timedelta(minutes=2))
    async with httpx.AsyncClient(http1=False, http2=True) as client:
        await wish(world, Reason.POLICY)
        await telling(world, client).once()
    assert not callback.heard


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"gpsi": "msisdn-1"}, "USER_UNKNOWN"),
        ({"notifUri": "http://192.0.2.1/"}, "OPTIONAL_IE_INCORRECT"),
        ({"policyCounterIds": ["other"]}, "UNKNOWN_POLICY_COUNTERS"),
        ({"policyCounterIds": ["x"] * 65}, "OPTIONAL_IE_INCORRECT"),
        ({"notifId": "x" * 256}, "OPTIONAL_IE_INCORRECT"),
    ],
)
async def test_what_cannot_be_subscribed_to_is_refused(
    world: World, callback: Callback, changes: dict[str, Any], cause: str
) -> None:
    answer = await ask(world, "POST", ROOT, {**context(callback), **changes})
    assert (answer.status_code, answer.json()["cause"]) == (400, cause)
    missing = await ask(world, "POST", ROOT, {"gpsi": "msisdn-491511"})
    assert missing.json()["cause"] == "MANDATORY_IE_MISSING"


def test_a_consumer_has_its_own_words_and_counters() -> None:
    counters = (PolicyCounter("spend-cycle", CounterStatus.REACHED, NEVER),)
    consumer = a_consumer(counters=("roaming-day",), counter_words={"reached": "full", "below": "low"})
    found = status_of(counters, (), consumer)
    assert {name: one.current_status for name, one in found.items()} == {
        "roaming-day": "low",
        "spend-cycle": "full",
    }
    with pytest.raises(Problem, match="policy counter"):
        status_of((), (), a_consumer())
