"""Day A over TMF routes: order, product, usage, bill and payment as TMF622, 637, 635, 678 and 676, a key for each role.

What has no Open API is done as in ``test_day_a``: publishing, identity checks, the run and the approval of bills.
"""

from __future__ import annotations

from typing import Any

from farwire.base.authz import Role
from farwire.base.clock import MovableClock
from farwire.kernel.time import instant

from .stage import HOME, USAGE, V1
from .test_day_a import PAPERS, TOTAL, Staff, launch, staff

__all__ = ["staff"]
TMF = "/tmf-api"
ORDERS = f"{TMF}/productOrderingManagement"
PRODUCTS = f"{TMF}/productInventory"
BILLS = f"{TMF}/customerBillManagement"
MEGABYTE = 10**6


async def test_day_a_is_played_over_tmf_routes_and_ends_paid(
    staff: Staff, work: Any, world: Any, clock: MovableClock
) -> None:
    await world.company(prefix="HM")
    await launch(staff)
    clock.set(instant("2026-06-11T14:03+02:00"))
    account = await sell(staff, work)
    await use(staff, account)
    clock.set(instant("2026-07-01T00:30+02:00"))
    bill = await bill_june(staff, work, account)
    clock.set(instant("2026-07-05T10:00+02:00"))
    await pay(staff, account, bill)


async def sell(staff: Staff, work: Any) -> str:
    """The agent takes a draft with its price, the customer confirms it; her papers come; it is delivered."""
    person = {"@type": "Individual", "givenName": "Maja", "familyName": "Lindner"}
    party = await staff.post(Role.AGENT, f"{TMF}/partyManagement/v5/individual", person)
    await staff.post(Role.AGENT, f"{V1}/moves", {"partyId": party["id"], "country": "DE", "fields": HOME})
    customer = {
        "name": "A-00001",
        "relatedParty": [{"id": party["id"], "role": "customer"}],
        "language": "de",
    }
    account = await staff.post(Role.AGENT, f"{TMF}/accountManagement/v4/billingAccount", customer)
    (offering,) = [
        one
        for one in await staff.get(Role.AGENT, f"{TMF}/productCatalogManagement/v5/productOffering")
        if one["name"] == "Flex M"
    ]
    order = {
        "@type": "ProductOrder",
        "requestedInitialState": "draft",
        "billingAccount": {"id": account["id"]},
        "channel": [{"role": "sales", "channel": {"id": "shop"}}],
        "productOrderItem": [{"id": "1", "action": "add", "productOffering": {"id": offering["id"]}}],
    }
    placed = await staff.post(Role.AGENT, f"{ORDERS}/v5/productOrder", order)
    amounts = [one["price"]["taxIncludedAmount"]["value"] for one in placed["orderTotalPrice"]]
    assert (placed["state"], amounts) == ("held", [51.44, 23.80])
    path = f"{ORDERS}/v4/productOrder/{placed['id']}"
    confirmed = await staff.clients[Role.AGENT].patch(path, json={"state": "acknowledged"})
    assert confirmed.json()["state"] == "held", confirmed.text  # by the law now: her papers are not checked
    await staff.post(Role.AGENT, f"{V1}/parties/{party['id']}/kycChecks", PAPERS)
    await staff.post(Role.AGENT, f"{V1}/parties/{party['id']}/kycChecks/decide", {"verified": True})
    await work()
    assert (await staff.get(Role.NOC, path))["state"] == "completed"
    (product,) = await staff.get(Role.AGENT, f"{PRODUCTS}/v4/product", **{"billingAccount.id": account["id"]})
    assert (product["status"], product["productOrderItem"][0]["productOrderId"]) == ("active", placed["id"])
    new = await staff.get(Role.AUDITOR, f"{PRODUCTS}/v5/product/{product['id']}")
    monthly = [one for one in new["productPrice"] if one["priceType"] == "recurring"]
    assert monthly[0]["price"]["dutyFreeAmount"] == {"unit": "EUR", "value": 20.00}
    return str(account["id"])


async def use(staff: Staff, account: str) -> None:
    """The network's mediation sends June in for the number that TMF639 shows."""
    lines = f"{TMF}/resourceInventoryManagement/v5/resource"
    (line,) = await staff.get(Role.AGENT, lines, category="msisdn", usageState="active")
    (hidden,) = await staff.get(Role.NOC, lines, category="msisdn", usageState="active")
    assert hidden["name"] != line["name"]
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
        characteristics = {"subscriber": line["name"], "quantity": quantity, **facts}
        body = {
            "usageDate": f"2026-06-1{number + 2}T19:00:00+02:00",
            "usageType": kind,
            "externalId": f"cdr-{number}",
            "usageCharacteristic": [
                {"name": name, "value": value} for name, value in characteristics.items()
            ],
        }
        await staff.post(Role.INTEGRATOR, USAGE, body)
    assert len(await staff.get(Role.AUDITOR, USAGE, status="received")) == 6


async def bill_june(staff: Staff, work: Any, account: str) -> Any:
    """The billing operator runs the bills, finance approves; the bill and its lines are read in both versions."""
    run = await staff.post(Role.BILLING_OPERATOR, f"{V1}/billRuns", {"until": "2026-07-01T00:00:00+02:00"})
    await work()
    await staff.post(Role.FINANCE, f"{run['href']}/approve")
    await work()
    (listed,) = await staff.get(Role.AGENT, f"{BILLS}/v4/customerBill", **{"billingAccount.id": account})
    bill = await staff.get(Role.AGENT, listed["href"])
    assert (bill["state"], bill["taxExcludedAmount"]["value"]) == ("validated", 48.86)
    assert (bill["taxIncludedAmount"], bill["remainingAmount"]) == (TOTAL, TOTAL)
    assert [tax["taxAmount"]["value"] for tax in bill["taxItem"]] == [9.28]
    query = {"bill.id": bill["id"]}
    lines = await staff.get(Role.AUDITOR, f"{BILLS}/v5/appliedCustomerBillingRate", **query)
    amounts = sorted(one["taxExcludedAmount"]["value"] for one in lines)
    assert [amount for amount in amounts if amount] == [0.63, 5.00, 9.90, 13.33, 20.00]
    used = await staff.get(Role.AUDITOR, USAGE, status="billed")
    assert len(used) == 6
    return bill


async def pay(staff: Staff, account: str, bill: Any) -> None:
    """The customer pays by card: nothing is left, and the bill is settled."""
    body = {
        "account": {"id": account},
        "correlatorId": f"pay-{bill['billNo']}",
        "paymentMethod": {"@type": "TokenizedCard", "token": "tok_day_a", "name": "card"},
        "paymentItem": [{"item": {"id": bill["id"], "@referredType": "CustomerBill"}}],
        "totalAmount": TOTAL,
    }
    payment = await staff.post(Role.AGENT, f"{TMF}/payment/v4/payment", body)
    assert (payment["status"], payment["paymentItem"][0]["amount"]) == ("done", TOTAL)
    (found,) = await staff.get(Role.FINANCE, f"{TMF}/payment/v4/payment", **{"account.id": account})
    assert (found["id"], found["totalAmount"]) == (payment["id"], TOTAL)
    settled = await staff.get(Role.FINANCE, f"{BILLS}/v5/customerBill/{bill['id']}")
    assert (settled["state"], settled["remainingAmount"]["value"]) == ("settled", 0)
    assert settled["appliedPayment"][0]["appliedAmount"] == TOTAL
