"""Day A over HTTP: from a price plan to a paid bill of 58.14 EUR, each act with the key of who is employed for it.

A worker's rounds are called where one would wait for it. Every POST is sent twice with the same idempotency key: the
second changes nothing.
"""

from __future__ import annotations

import tomllib
from contextlib import AsyncExitStack
from functools import partial
from importlib import resources
from typing import Any

import httpx
import msgspec
import pytest

from farwire.base.authz import Role
from farwire.base.clock import MovableClock
from farwire.kernel.ids import TenantId
from farwire.kernel.time import instant

from .conftest import Client, MakeKey
from .stage import BILLS, HOME, USAGE, V1

DATA = resources.files("farwire.demo") / "data"
MAJA = {
    "kind": "individual",
    "name": "Maja Lindner",
    "language": "de",
    "address": {"country": "DE", "fields": HOME},
    "contacts": [{"kind": "email", "value": "maja.lindner@example.org", "preferred": True}],
}
PAPERS = {"document": "national_identity_card", "issuingCountry": "DE", "number": "L01X00T471"}
TOTAL = {"unit": "EUR", "value": 58.14}
MEGABYTE = 10**6


class Staff:
    """One client for each role; every POST is repeated with its idempotency key."""

    def __init__(self, clients: dict[Role, httpx.AsyncClient]) -> None:
        self.clients = clients
        self.posts = 0

    async def post(self, role: Role, path: str, body: object = None) -> Any:
        self.posts += 1
        headers = {"idempotency-key": f"day-a-{self.posts}"}
        send = partial(self.clients[role].post, path, json=body, headers=headers)
        first, again = await send(), await send()
        assert first.is_success, (path, first.text)
        assert (again.status_code, again.content) == (first.status_code, first.content), path
        assert again.headers["idempotency-replayed"] == "true", path
        return first.json()

    async def get(self, role: Role, path: str, **query: str) -> Any:
        answer = await self.clients[role].get(path, params=query)
        assert answer.is_success, (path, answer.text)
        return answer.json()


@pytest.fixture
async def staff(client_of: Client, make_key: MakeKey, tenant_id: TenantId) -> Any:
    async with AsyncExitStack() as stack:
        yield Staff(
            {
                role: await stack.enter_async_context(client_of(await make_key(tenant_id, role)))
                for role in Role
                if role is not Role.PLATFORM_OPERATOR
            }
        )


async def test_day_a_is_played_over_http_and_ends_paid(
    staff: Staff, work: Any, world: Any, clock: MovableClock
) -> None:
    await world.company(prefix="HM")
    await launch(staff)
    clock.set(instant("2026-06-11T14:03+02:00"))
    account = await sell(staff, work, str(world.entity.id))
    await use(staff)
    clock.set(instant("2026-07-01T00:30+02:00"))
    bill = await bill_june(staff, work)
    clock.set(instant("2026-07-05T10:00+02:00"))
    await pay(staff, account, bill)


async def launch(staff: Staff) -> None:
    """The network's people fill the pools, the product manager publishes what takes from them."""
    esim = {"value": "8900101234567800001", "attributes": {"imsi": "001010000000001", "matching_id": "FW-1"}}
    for pool, kind, content in (
        ("msisdn", "msisdn", {"first": "4917139200000", "last": "4917139200019"}),
        ("esim", "esim_profile", {"resources": [esim]}),
    ):
        await staff.post(Role.NOC, f"{V1}/pools", {"name": pool, "kind": kind})
        await staff.post(Role.NOC, f"{V1}/pools/{pool}/resources", content)
    for name in ("catalogue/mobile.toml", "catalogue/offers-de.toml", "flex-m.toml"):
        document = as_json(tomllib.loads((DATA / name).read_text(encoding="utf-8")))
        body = {"document": document, "name": name}
        await staff.post(Role.PRODUCT_MANAGER, f"{V1}/catalogueDocuments", body)


def as_json(document: dict[str, Any]) -> Any:
    """A catalogue file as JSON has it: times as text."""
    return msgspec.to_builtins(document)


async def sell(staff: Staff, work: Any, entity: str) -> str:
    """The agent serves a customer; the order waits for her papers. Return her account."""
    party = await staff.post(Role.AGENT, f"{V1}/parties", MAJA)
    wanted = {"number": "A-00001", "partyId": party["id"], "legalEntityId": entity, "language": "de"}
    account = await staff.post(Role.AGENT, f"{V1}/accounts", wanted)
    order = {"accountId": account["id"], "items": [{"offering": "flex-m"}], "channel": "shop"}
    preview = (await staff.clients[Role.AGENT].post(f"{V1}/orderPreviews", json=order)).json()
    assert (preview["firstBill"]["total"]["value"], preview["then"]["total"]["value"]) == (51.44, 23.80)
    placed = await staff.post(Role.AGENT, f"{V1}/productOrders", order)
    assert (placed["state"], placed["holds"]) == ("held", ["kyc"])
    await staff.post(Role.AGENT, f"{party['href']}/kycChecks", PAPERS)
    checked = await staff.post(Role.AGENT, f"{party['href']}/kycChecks/decide", {"verified": True})
    assert checked["state"] == "verified"
    await work()
    assert (await staff.get(Role.AGENT, placed["href"]))["state"] == "completed"
    (product,) = await staff.get(Role.AGENT, f"{V1}/products", accountId=account["id"])
    assert product["state"] == "active"
    return str(account["id"])


async def use(staff: Staff) -> None:
    """The network's mediation sends June in: 100 MB outside the EU, 7 started minutes abroad, data at home."""
    (line,) = await staff.get(Role.AGENT, f"{V1}/resources", state="assigned", kind="msisdn")
    for number, (kind, quantity, facts) in enumerate(
        (
            ("data", 8_200 * MEGABYTE, {"visitedNetwork": "26201"}),
            ("data", 100 * MEGABYTE, {"visitedNetwork": "22801"}),
            ("voice", 65, {"destination": "447700900123"}),
            ("voice", 120, {"destination": "447700900123"}),
            ("voice", 170, {"destination": "447700900123"}),
            ("voice", 600, {"destination": "4930231250"}),
        )
    ):
        characteristics = {"subscriber": line["value"], "quantity": quantity, **facts}
        body = {
            "usageDate": f"2026-06-1{number + 2}T19:00:00+02:00",
            "usageType": kind,
            "externalId": f"cdr-{number}",
            "usageCharacteristic": [
                {"name": name, "value": value} for name, value in characteristics.items()
            ],
        }
        await staff.post(Role.INTEGRATOR, USAGE, body)


async def bill_june(staff: Staff, work: Any) -> Any:
    """The billing operator runs the bills, finance approves; return the bill."""
    run = await staff.post(Role.BILLING_OPERATOR, f"{V1}/billRuns", {"until": "2026-07-01T00:00:00+02:00"})
    await work()
    run = await staff.get(Role.BILLING_OPERATOR, run["href"])
    assert (run["state"], run["billed"], run["errors"]) == ("awaiting_approval", 1, 0)
    alone = await staff.clients[Role.BILLING_OPERATOR].post(f"{run['href']}/approve")
    assert (alone.status_code, alone.json()["code"]) == (403, "authz.four_eyes")
    await staff.post(Role.FINANCE, f"{run['href']}/approve")
    await work()
    (listed,) = await staff.get(Role.AGENT, BILLS)
    bill = await staff.get(Role.AGENT, listed["href"])
    lines = await staff.get(Role.AGENT, f"{bill['href']}/appliedCustomerBillingRate")
    amounts = sorted(line["taxExcludedAmount"]["value"] for line in lines)
    assert [amount for amount in amounts if amount] == [0.63, 5.00, 9.90, 13.33, 20.00]
    assert bill["taxExcludedAmount"] == {"unit": "EUR", "value": 48.86}
    assert [tax["taxAmount"]["value"] for tax in bill["taxItem"]] == [9.28]
    assert bill["taxIncludedAmount"] == TOTAL
    for line in lines:
        assert (await staff.get(Role.AGENT, line["explanationHref"]))["words"], line["name"]
    pdf = await staff.clients[Role.AGENT].get(bill["billDocument"][0]["href"])
    assert pdf.content.startswith(b"%PDF-")
    return bill


async def pay(staff: Staff, account: str, bill: Any) -> None:
    """The customer pays by card and owes nothing; the books agree."""
    (owed,) = await staff.get(Role.FINANCE, f"{V1}/openItems", accountId=account)
    assert (owed["number"], owed["open"]) == (bill["billNo"], TOTAL)
    card = {"accountId": account, "method": "card", "token": "tok_day_a", "amount": TOTAL}
    body = card | {"key": f"pay-{owed['number']}", "reference": owed["number"]}
    assert (await staff.post(Role.AGENT, f"{V1}/charges", body))["state"] == "done"
    assert await staff.get(Role.FINANCE, f"{V1}/openItems", accountId=account) == []
    (payment,) = await staff.get(Role.FINANCE, f"{V1}/payments", accountId=account)
    assert (payment["amount"], payment["left"]["value"]) == (TOTAL, 0)
    books = await staff.get(Role.FINANCE, f"{V1}/ledger/trialBalance", month="2026-07")
    closings = {row["book"]: row["closing"]["value"] for row in books["rows"]}
    receivable = closings["1200"]
    assert (receivable, round(sum(closings.values()), 2)) == (0, 0)
