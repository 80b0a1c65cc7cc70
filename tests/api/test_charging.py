"""Charging accounts over HTTP, with a real shard behind: opened, topped up, used, explained, each command once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from farwire.base.authz import Role
from farwire.base.clock import MovableClock
from farwire.base.storage import Database
from farwire.charging.model import Ask, Phase, ResultCode, Service, SessionRequest
from farwire.charging.service.books import take_all
from farwire.charging.service.client import Address, SocketClient
from farwire.charging.service.reach import REACH
from farwire.kernel.ids import TenantId
from tests.charging.desk import GO_5, sell_go_5
from tests.charging.play import MB

from .conftest import Client, MakeKey

BASE = "/farwire/v1/chargingAccounts"
MSISDN = "4915112345678"


def eur(value: float) -> dict[str, Any]:
    return {"unit": "EUR", "value": value}


async def sent(client: httpx.AsyncClient, path: str, status: int = 200, **body: Any) -> dict[str, Any]:
    answer = await client.post(f"{BASE}{path}", json=body)
    assert answer.status_code == status, answer.text
    return dict(answer.json())


async def got(client: httpx.AsyncClient, path: str, status: int = 200) -> Any:
    answer = await client.get(f"{BASE}{path}")
    assert answer.status_code == status, answer.text
    return answer.json()


@pytest.fixture
async def number(
    client: httpx.AsyncClient, db: Database, tenant_id: TenantId, clock: MovableClock, world: Any
) -> str:
    """An account on Go 5 that no shard has heard of yet."""
    await world.company()
    await sell_go_5(db, tenant_id, clock)
    named = [{"kind": "msisdn", "value": MSISDN}]
    made = await sent(client, "", 201, key="sub-1", offering=GO_5, identities=named)
    assert made == await sent(client, "", 201, key="sub-1", offering=GO_5, identities=named)
    return str(made["id"])


def data(account: int, phase: Phase, number: int, used: int = 0) -> SessionRequest:
    return SessionRequest(account, 7, 7, number, phase, Service("data"), (Ask(1, used),))


async def test_an_account_is_topped_up_buys_an_offer_and_is_found_by_who_it_is(
    client: httpx.AsyncClient, number: str, charge: Callable[[], Any]
) -> None:
    await charge()
    fresh = await got(client, f"/{MSISDN}")
    assert (fresh["id"], fresh["state"]["lifecycle"], fresh["state"]["spendable"]) == (number, "pool", eur(0))
    for _ in range(2):
        reply = await sent(client, f"/{MSISDN}/topUps", key="t-1", amount=eur(10))
        assert (reply["moved"], reply["spendable"]) == (eur(10), eur(10))
    reply = await sent(client, f"/{number}/purchases", key="p-1", offering=GO_5, renews=True)
    assert reply["spendable"] == eur(5)
    state = (await got(client, f"/{number}"))["state"]
    assert state["lifecycle"] == "active"
    assert [(one["unit"], one.get("units")) for one in state["balances"]] == [
        ("octets", 2_000 * MB),
        ("money", None),
    ]
    assert [(one["offering"], one["renews"]) for one in state["offers"]] == [(GO_5, True)]
    await sent(client, f"/{number}/autoRenewals", key="n-1", offering=GO_5, renews=False)
    state = (await got(client, f"/{number}"))["state"]
    assert [(one["offering"], one["renews"]) for one in state["offers"]] == [(GO_5, False)]
    assert [one["id"] for one in await got(client, "")] == [number]


async def test_a_command_that_is_refused_says_why_and_moves_nothing(
    client: httpx.AsyncClient, number: str, charge: Callable[[], Any]
) -> None:
    await charge()
    refused = await sent(client, f"/{number}/purchases", 409, key="p-1", offering=GO_5)
    assert refused["code"] == "charging.refused"
    assert "no balance has anything left" in refused["message"]
    wrong = await sent(client, f"/{number}/topUps", 400, key="t-1", amount={"unit": "USD", "value": 1})
    assert (wrong["code"], wrong["field"], wrong["value"]) == ("charging.currency", "amount", "USD")
    assert wrong["fix"] == "give an amount in EUR"
    for amount in (0, -1, 10**16):
        answer = await client.post(f"{BASE}/{number}/topUps", json={"key": "t", "amount": eur(amount)})
        assert answer.status_code == 400, answer.text
    await sent(client, f"/{number}/renewals", 409, key="r-1", offering=GO_5)
    await sent(client, f"/{number}/autoRenewals", 409, key="n-1", offering=GO_5, renews=False)
    await sent(client, f"/{number}/adjustments", 404, key="a-1", balance=9, amount=eur(1))
    await sent(client, f"/{number}/adjustments", 400, key="a-1", balance=1, units=5)
    await sent(client, f"/{number}/limitConsents", 409, key="l-1", limit=3, optedOn=True)
    assert (await got(client, f"/{number}"))["state"]["spendable"] == eur(0)


async def test_money_goes_to_any_account_in_the_same_currency_and_shows_where_it_is(
    client: httpx.AsyncClient, number: str, charge: Callable[[], Any]
) -> None:
    await charge()
    for key in ("a", "b"):  # one of 4,096 would be on the same virtual shard
        other = (await sent(client, "", 201, key=key, offering=GO_5))["id"]
    await sent(client, f"/{number}/topUps", key="t-1", amount=eur(5))
    for _ in range(2):
        reply = await sent(client, f"/{number}/transfers", key="g-1", to=other, amount=eur(2))
        assert (reply["moved"], reply["spendable"]) == (eur(2), eur(3))
    refused = await sent(client, f"/{number}/transfers", 409, key="g-2", to=other, amount=eur(9))
    assert (refused["code"], refused["value"]) == ("charging.refused", "4012")
    reused = await sent(client, f"/{number}/transfers", 409, key="g-1", to=other, amount=eur(1))
    assert reused["code"] == "charging.key_reused"
    # Both were asked at the same moment of a clock that stands still: either may be the newest.
    done, refused = sorted(await got(client, f"/{other}/transfers"), key=lambda one: one["state"])
    assert (done["state"], done["amount"], done["payer"]) == ("done", eur(2), number)
    assert (refused["state"], refused["amount"], refused["payer"]) == ("refused", eur(9), number)
    assert "no balance has anything left" in refused["reason"]
    assert (await got(client, f"/{other}"))["state"]["spendable"] == eur(2)


async def test_a_subscriber_is_traced_and_told_why_it_was_denied(
    client: httpx.AsyncClient,
    number: str,
    charge: Callable[[], Any],
    db: Database,
    clock: MovableClock,
    tenant_id: TenantId,
) -> None:
    desk = await charge()
    tenant = (await desk_account(db, tenant_id, number)).tenant_number
    await sent(client, f"/{number}/topUps", key="t-1", amount=eur(5))
    await sent(client, f"/{number}/purchases", key="p-1", offering=GO_5)
    granted = await desk.client.ask(tenant, data(int(number), Phase.INITIAL, 0))
    assert granted.result == ResultCode.SUCCESS
    (session,) = await got(client, f"/{number}/sessions")
    assert (session["open"], session["groups"][0]["grantedUnits"]) == (True, granted.groups[0].granted)
    assert (await got(client, f"/{number}"))["state"]["openSessions"] == 1
    await desk.client.ask(tenant, data(int(number), Phase.TERMINATION, 1, 3 * MB))
    await sent(client, f"/{number}/bars", key="b-1", barred=True)
    denied = await desk.client.ask(
        tenant, SessionRequest(int(number), 8, 8, 0, Phase.INITIAL, Service("data"), (Ask(1),))
    )
    assert (
        ResultCode.SUCCESS not in {group.result for group in denied.groups}
        or denied.result != ResultCode.SUCCESS
    )
    denials = await got(client, f"/{number}/denials")
    assert any(one["reason"] == "the account is barred" for one in denials)
    await take_all(db=db, log=desk.runner.shard.log, clock=clock)
    moved = await got(client, f"/{number}/movements")
    assert {one["kind"] for one in moved} >= {"top_up", "purchase", "grant", "usage"}
    assert sum(one["units"] for one in moved if one["unit"] == "octets") == 1_997 * MB
    lines = await got(client, f"/{number}/traceLines")
    assert {one["what"] for one in lines} == {"account", "movement", "notice", "session", "offer", "denial"}
    assert any("top up: +5.00 EUR on balance 1" in one["text"] for one in lines)
    assert any(one["text"].startswith("activated until ") for one in lines)
    assert lines == sorted(lines, key=lambda one: one["at"], reverse=True)
    assert await got(client, f"/{number}/traceLines?offset=1&limit=2") == lines[1:3]


async def desk_account(db: Database, tenant_id: TenantId, number: str) -> Any:
    from farwire.charging import service

    async with db.transaction(tenant_id) as tx:
        return await service.account_numbered(tx, number=int(number))


async def test_another_tenant_has_no_such_account(
    client: httpx.AsyncClient, other_client: httpx.AsyncClient, number: str, charge: Callable[[], Any]
) -> None:
    await charge()
    assert await got(other_client, "") == []
    for name in (number, MSISDN):
        for part in ("", "/movements", "/transfers", "/sessions", "/denials", "/traceLines"):
            assert (await got(other_client, f"/{name}{part}", 404))["code"] == "charging.account_unknown"
        await sent(other_client, f"/{name}/topUps", 404, key="t-1", amount=eur(1))
        await sent(other_client, f"/{name}/bars", 404, key="b-1", barred=True)
    assert (await got(client, f"/{number}"))["state"]["spendable"] == eur(0)


async def test_while_no_shard_answers_it_is_503_soon_and_a_repeat_with_the_same_key_is_done_once(
    client: httpx.AsyncClient, number: str, charge: Callable[[], Any], tmp_path: Any
) -> None:
    REACH.use(SocketClient(lambda _: Address.parse(str(tmp_path / "nobody.sock")), timeout_ms=200))
    answer = await client.post(f"{BASE}/{number}/topUps", json={"key": "t-1", "amount": eur(10)})
    assert (answer.status_code, answer.json()["code"]) == (503, "charging.no_answer")
    assert int(answer.headers["retry-after"]) >= 1
    assert (await client.get(f"{BASE}/{number}")).status_code == 503
    assert await got(client, "") != []
    await charge()
    await sent(client, f"/{number}/topUps", key="t-1", amount=eur(10))
    assert (await got(client, f"/{number}"))["state"]["spendable"] == eur(10)


async def test_who_may_not_read_persons_sees_masked_identities(
    client_of: Client, make_key: MakeKey, tenant_id: TenantId, number: str, charge: Callable[[], Any]
) -> None:
    await charge()
    async with client_of(await make_key(tenant_id, Role.NOC)) as noc:
        found = await got(noc, f"/{number}")
        assert [one["value"] for one in found["identities"]] == ["***********78"]
        assert "key" not in found
        await sent(noc, f"/{number}/topUps", 403, key="t-1", amount=eur(1))
        await sent(noc, f"/{number}/bars", 403, key="b-1", barred=True)


async def test_a_served_api_reaches_the_shard_at_its_socket(
    served: Callable[..., Any],
    client: httpx.AsyncClient,
    number: str,
    charge: Callable[[], Any],
) -> None:
    """`farwire serve` runs on another event loop than the tests."""
    await charge()
    server = await asyncio.to_thread(served, "--workers", "1")
    headers = {"authorization": client.headers["authorization"]}
    async with httpx.AsyncClient(base_url=server.base, headers=headers) as there:
        reply = await sent(there, f"/{MSISDN}/topUps", key="t-1", amount=eur(10))
        assert (reply["spendable"], (await got(there, f"/{number}"))["state"]["lifecycle"]) == (
            eur(10),
            "active",
        )
