"""Payments and the books over HTTP, each with the role that is employed for it."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from farwire.base.authz import Role
from farwire.base.clock import MovableClock
from farwire.base.storage import Database
from farwire.kernel.ids import TenantId, uuid7
from farwire.kernel.time import instant
from farwire.payment import service as payments
from farwire.payment.model import MethodKind, Notice
from farwire.payment.store.simulated import signed

from .conftest import Client, MakeKey

V1 = "/farwire/v1"


def eur(value: str) -> dict[str, str]:
    return {"unit": "EUR", "value": value}


@pytest.fixture
async def account(world: Any) -> str:
    """An account with the golden plan billed on 1 July: 51.44 EUR without usage; return its id."""
    made = await world.account()
    await world.product(made, await world.plan())
    await world.run()
    return str(made.id)


async def test_a_bill_is_paid_over_http(client: httpx.AsyncClient, account: str) -> None:
    (item,) = (await client.get(f"{V1}/openItems?accountId={account}")).json()
    assert (item["kind"], item["open"]) == ("bill", {"unit": "EUR", "value": 51.44})
    body = {
        "accountId": account,
        "method": "bank_transfer",
        "externalReference": "B-1",
        "amount": eur("60.00"),
        "reference": item["number"],
    }
    made = await client.post(f"{V1}/payments", json=body, headers={"idempotency-key": "k1"})
    assert made.status_code == 201, made.text
    payment = made.json()
    assert (payment["state"], payment["left"]["value"]) == ("done", 8.56)
    assert [part["number"] for part in payment["items"]] == [item["number"]]
    again = await client.post(f"{V1}/payments", json=body)
    assert again.json()["id"] == payment["id"]
    assert (await client.post(f"{V1}/payments", json=body | {"amount": eur("0.01")})).status_code == 409
    assert (await client.get(f"{V1}/openItems")).json() == []
    assert len((await client.get(f"{V1}/openItems?settled=true")).json()) == 1
    assert (await client.get(payment["href"])).json()["left"]["value"] == 8.56
    listed = await client.get(f"{V1}/payments?state=done&accountId={account}")
    assert listed.headers["x-total-count"] == "1"
    back = await client.post(f"{payment['href']}/reverse", json={"reason": "returned"})
    assert back.json()["state"] == "reversed"
    assert len((await client.get(f"{V1}/openItems")).json()) == 1


async def test_a_refund_takes_two_keys(
    client_of: Client, make_key: MakeKey, tenant_id: TenantId, account: str
) -> None:
    agent, boss = await make_key(tenant_id, Role.FINANCE), await make_key(tenant_id, Role.FINANCE)
    async with client_of(agent) as first, client_of(boss) as second:
        body = {"accountId": account, "method": "cash", "externalReference": "c", "amount": eur("90.00")}
        payment = (await first.post(f"{V1}/payments", json=body)).json()
        wanted = {"paymentId": payment["id"], "amount": eur("10.00"), "reason": "moved"}
        refund = (await first.post(f"{V1}/refunds", json=wanted)).json()
        assert refund["state"] == "requested"
        path = f"{refund['href']}/approve"
        assert (await first.post(path, json={})).json()["code"] == "authz.four_eyes"
        assert (await second.post(path, json={"externalReference": "s"})).json()["state"] == "paid"
        assert (await second.post(f"{refund['href']}/reject")).status_code == 409
        too_much = wanted | {"amount": eur("10000.00")}
        assert (await first.post(f"{V1}/refunds", json=too_much)).status_code == 409


async def test_a_card_is_charged_and_the_gateways_notice_is_believed_once(
    client: httpx.AsyncClient, db: Database, tenant_id: TenantId, account: str
) -> None:
    body = {
        "accountId": account,
        "method": "card",
        "token": "tok_silent",
        "amount": eur("51.44"),
        "key": "c1",
    }
    charge = (await client.post(f"{V1}/charges", json=body)).json()
    assert (charge["state"], charge["reason"]) == ("pending", "timeout")
    async with db.transaction(tenant_id) as tx:
        secret = await payments.gateway_secret(tx, method=MethodKind.CARD)
    payload, signature = signed(Notice("ca_1", "done", "EUR", 5144, "2026-07-01T10:00:00Z", "c1"), secret)
    notice = {"method": "card", "payload": payload, "signature": signature}
    told = [await client.post(f"{V1}/paymentNotices", json=notice) for _ in range(3)]
    assert {one.status_code for one in told} == {200}
    assert len({one.json()["paymentId"] for one in told}) == 1
    forged = await client.post(f"{V1}/paymentNotices", json=notice | {"signature": "0" * 64})
    assert (forged.status_code, forged.json()["code"]) == (403, "payment.signature")
    assert (await client.get(f"{V1}/openItems")).json() == []


async def test_a_token_is_kept_and_never_shown(client: httpx.AsyncClient, account: str) -> None:
    body = {
        "accountId": account,
        "kind": "card",
        "token": "tok_secret",
        "last4": "4242",
        "expires": "2028-06",
    }
    made = await client.post(f"{V1}/paymentMethods", json=body)
    assert made.status_code == 201
    assert "tok_secret" not in made.text
    assert "tok_secret" not in (await client.get(f"{V1}/paymentMethods?accountId={account}")).text
    number = await client.post(f"{V1}/paymentMethods", json=body | {"token": "4242 4242 4242 4242"})
    assert (number.status_code, number.json()["code"]) == (400, "payment.card_number")
    assert "4242 4242" not in number.text
    gone = await client.delete(made.json()["href"])
    assert gone.json()["removedAt"]
    assert (await client.get(f"{V1}/paymentMethods")).json() == []


async def test_the_books_are_read_closed_and_reopened(
    client_of: Client,
    make_key: MakeKey,
    tenant_id: TenantId,
    clock: MovableClock,
    world: Any,
    account: str,
) -> None:
    clock.set(instant("2026-08-03T09:00+02:00"))
    entity = str(world.entity.id)
    anna, ben = await make_key(tenant_id, Role.FINANCE), await make_key(tenant_id, Role.FINANCE)
    async with client_of(anna) as first, client_of(ben) as second:
        june = {"legalEntityId": entity, "month": "2026-06"}
        for _ in range(2):
            closed = await first.post(f"{V1}/ledger/closings", json=june)
            assert (closed.status_code, closed.json()["state"]) == (200, "closed")
        (row,) = (await first.get(f"{V1}/ledger/revenue", params=june)).json()["rows"]
        assert row["earned"] == {"unit": "EUR", "value": 23.23}
        rows = (await first.get(f"{V1}/ledger/trialBalance?month=2026-06")).json()["rows"]
        assert sum(round(one["closing"]["value"] * 100) for one in rows) == 0
        listed = await first.get(f"{V1}/ledger/postings?month=2026-07&accountId={account}")
        assert [one["amount"]["value"] for one in listed.json()] == [51.44]
        months = await first.get(f"{V1}/ledger/periods?legalEntityId={entity}")
        states = [one["state"] for one in months.json()["periods"]]
        assert states == ["closed", "open", "open"]
        asked = await first.post(f"{V1}/ledger/reopenings", json=june | {"reason": "late"})
        assert asked.status_code == 202
        alone = await first.post(f"{V1}/ledger/reopenings/approve", json=june)
        assert (alone.status_code, alone.json()["code"]) == (403, "authz.four_eyes")
        assert (await second.post(f"{V1}/ledger/reopenings/approve", json=june)).json()["state"] == "open"


async def test_roles_and_tenants_keep_out_of_each_others_money(
    client_of: Client, make_key: MakeKey, tenant_id: TenantId, other_tenant_id: TenantId, account: str
) -> None:
    product_manager = await make_key(tenant_id, Role.PRODUCT_MANAGER)
    stranger = await make_key(other_tenant_id, Role.TENANT_ADMIN)
    body = {"accountId": account, "method": "cash", "externalReference": "c", "amount": eur("0.01")}
    async with client_of(product_manager) as client:
        for path in (
            "payments",
            "openItems",
            "refunds",
            "paymentMethods",
            "ledger/trialBalance?month=2026-06",
        ):
            assert (await client.get(f"{V1}/{path}")).status_code == 403
        assert (await client.post(f"{V1}/payments", json=body)).status_code == 403
    async with client_of(stranger) as client:
        assert (await client.post(f"{V1}/payments", json=body)).status_code == 404
        assert (await client.get(f"{V1}/openItems")).json() == []
        assert (await client.get(f"{V1}/payments/{uuid7()}")).status_code == 404
