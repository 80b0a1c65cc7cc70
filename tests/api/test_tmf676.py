"""Payments, refunds and ways to pay as TMF676 and TMF670: collected or taken in once, named without a secret."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

PAYMENT = "/tmf-api/payment/v4/payment"
REFUND = "/tmf-api/payment/v4/refund"
METHOD = "/tmf-api/paymentMethod/v4/paymentMethod"
EUR = {"unit": "EUR", "value": 58.14}


@pytest.fixture
async def account(world: Any) -> dict[str, str]:
    """The account that pays."""
    return {"id": str((await world.account()).id)}


def cash(account: dict[str, str], **more: Any) -> dict[str, Any]:
    method = {"@type": "Cash", "name": "till"}
    return {"account": account, "paymentMethod": method, "totalAmount": EUR, "correlatorId": "till-1"} | more


async def sent(client: httpx.AsyncClient, path: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = await client.post(path, json=body)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def test_money_is_taken_in_once_and_pays_the_bill_that_it_names(
    client: httpx.AsyncClient, world: Any
) -> None:
    product = await world.product(await world.account(), await world.plan())
    await world.rated(product, "other", "0.63", at="2026-06-30T21:59:59Z", quantity=420)
    await world.run()
    bill = await world.only_bill()
    body = cash({"id": str(bill.account_id)}, paymentItem=[{"item": {"id": str(bill.id)}}])
    made = await sent(client, PAYMENT, body)
    again = await sent(client, PAYMENT, body)
    assert made["id"] == again["id"]
    assert (made["status"], made["totalAmount"]) == ("done", EUR)
    (item,) = made["paymentItem"]
    assert (item["item"]["id"], item["item"]["name"]) == (str(bill.id), bill.number)
    found = await client.get(f"{PAYMENT}?account.id={bill.account_id}&status=done")
    assert [one["id"] for one in found.json()] == [made["id"]]
    alias = await client.get(f"/tmf-api/paymentManagement/v4/payment/{made['id']}")
    assert alias.json()["correlatorId"] == "till-1"


async def test_a_gateway_collects_by_a_method_that_is_kept(
    client: httpx.AsyncClient, other_client: httpx.AsyncClient, account: dict[str, str]
) -> None:
    card = {
        "@type": "TokenizedCard",
        "name": "hers",
        "token": "tok_day_a",
        "lastFourDigits": "4242",
        "brand": "visa",
    }
    kept = await sent(
        client, METHOD, {**card, "account": [account], "expirationDate": "2028-06-30T00:00:00Z"}
    )
    assert (kept["name"], kept["status"], kept["isPreferred"]) == ("hers", "active", True)
    assert "tok_day_a" not in (await client.get(f"{METHOD}/{kept['id']}")).text
    paid = await sent(client, PAYMENT, cash(account, paymentMethod={"id": kept["id"]}, correlatorId="auto-1"))
    assert (paid["status"], paid["paymentMethod"]["@type"]) == ("done", "TokenizedCard")
    assert (await other_client.get(f"{METHOD}/{kept['id']}")).status_code == 404
    assert (await other_client.get(METHOD)).json() == []
    assert (await other_client.get(f"{PAYMENT}/{paid['id']}")).status_code == 404
    assert (await client.delete(kept["href"])).status_code == 204
    assert (await client.get(kept["href"])).status_code == 404
    gone = await client.post(PAYMENT, json=cash(account, paymentMethod={"id": "nothing"}))
    assert (gone.status_code, gone.json()["field"]) == (422, "$.paymentMethod.id")


async def test_a_refund_is_asked_for_and_waits_for_another_person(
    client: httpx.AsyncClient, account: dict[str, str]
) -> None:
    paid = await sent(client, PAYMENT, cash(account))
    wanted = {"account": account, "paymentMethod": {"@type": "Cash"}, "payment": {"id": paid["id"]}}
    some = {"unit": "EUR", "value": 8}
    asked = await sent(client, REFUND, {**wanted, "totalAmount": some, "description": "moved"})
    assert (asked["status"], asked["totalAmount"]["value"]) == ("pendingAuthorization", 8)
    assert (await client.get(f"{REFUND}/{asked['id']}")).json()["payment"]["id"] == paid["id"]
    assert len((await client.get(REFUND)).json()) == 1
    much = await client.post(REFUND, json={**wanted, "totalAmount": EUR, "description": "all"})
    assert (much.status_code, much.json()["code"]) == (409, "payment.refund_too_large")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"correlatorId": None}, "$.correlatorId"),
        ({"totalAmount": {"value": 1}}, "$.totalAmount"),
        ({"paymentMethod": {"@type": "Shells"}}, "$.paymentMethod.@type"),
        ({"paymentItem": [{"item": {"id": "x"}}]}, "$.paymentItem"),
        ({"paymentMethod": {"@type": "Cash", "cardNumber": "4111"}}, "$.paymentMethod.cardNumber"),
    ],
)
async def test_a_payment_that_cannot_be_is_refused_by_name(
    client: httpx.AsyncClient, account: dict[str, str], change: dict[str, Any], field: str
) -> None:
    answer = await client.post(PAYMENT, json=cash(account, **change))
    assert (answer.status_code, answer.json()["field"]) == (400, field), answer.text
    assert (await client.get(PAYMENT)).json() == []


async def test_the_number_of_a_card_is_never_taken(
    client: httpx.AsyncClient, account: dict[str, str]
) -> None:
    for more in ({"token": "4242 4242 4242 4242"}, {"token": "t", "cardNumber": "4242424242424242"}):
        body = {"@type": "TokenizedCard", "name": "x", "account": [account], **more}
        assert (await client.post(METHOD, json=body)).status_code == 400
    assert (await client.get(METHOD)).json() == []
