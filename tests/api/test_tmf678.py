"""Bills over HTTP: amounts as numbers that are exact, lines that explain themselves, the invoice as PDF."""

from __future__ import annotations

import io
import json
from decimal import Decimal
from typing import Any

import httpx
import pypdf
import pytest

from farwire.base.clock import MovableClock
from farwire.kernel.time import instant

V4 = "/tmf-api/customerBillManagement/v4"
V5 = "/tmf-api/customerBillManagement/v5"
BILLS = "/tmf-api/customerBillManagement/v4/customerBill"


@pytest.fixture
async def bill(world: Any) -> str:
    """The golden bill of day A; return its path."""
    product = await world.product(await world.account(), await world.plan())
    for day in range(4):
        await world.rated(
            product, "roaming", "1.25", at=f"2026-06-2{day}T10:00Z", quantity=25_000_000, kind="data"
        )
    await world.rated(product, "other", "0.63", at="2026-06-30T21:59:59Z", quantity=420)
    await world.run()
    return f"{BILLS}/{(await world.only_bill()).id}"


def exact(answer: httpx.Response) -> Any:
    """Decode with decimals as they stand in the text."""
    return json.loads(answer.content, parse_float=Decimal)


async def test_a_bill_shows_the_golden_amounts(client: httpx.AsyncClient, bill: str) -> None:
    (listed,) = (await client.get(BILLS)).json()
    found = exact(await client.get(bill))
    assert listed["id"] == found["id"]
    assert found["billNo"] == "NL-2026-0000001"
    assert found["state"] == "validated"
    assert found["taxExcludedAmount"] == {"unit": "EUR", "value": Decimal("48.86")}
    assert found["amountDue"] == {"unit": "EUR", "value": Decimal("58.14")}
    (tax,) = found["taxItem"]
    assert tax["taxAmount"]["value"] == Decimal("9.28")
    assert tax["taxRate"] == 19


async def test_the_list_filters_by_account(client: httpx.AsyncClient, bill: str) -> None:
    account = (await client.get(bill)).json()["billingAccount"]
    assert (await client.get(account["href"])).json()["name"] == account["name"]
    mine = await client.get(f"{BILLS}?billingAccount.id={account['id']}")
    nobody = await client.get(f"{BILLS}?billingAccount.id=01890a5d-ac96-774b-bcce-b302099a8057")
    assert (len(mine.json()), nobody.json()) == (1, [])


async def test_the_lines_add_up_to_the_bill(client: httpx.AsyncClient, bill: str) -> None:
    lines = exact(await client.get(f"{bill}/appliedCustomerBillingRate"))
    assert [line["taxExcludedAmount"]["value"] for line in lines] == [
        Decimal(text) for text in ("9.90", "13.33", "20.00", "0.63", "5.00")
    ]
    page = await client.get(f"{bill}/appliedCustomerBillingRate?offset=1&limit=2")
    assert ([line["id"] for line in page.json()], page.headers["x-total-count"]) == (["2", "3"], "5")


async def test_a_recurring_line_explains_itself_in_words_and_facts(
    client: httpx.AsyncClient, bill: str
) -> None:
    answer = await client.get(f"{bill}/appliedCustomerBillingRate/2/explanation?language=en")
    found = exact(answer)
    assert "20/30" in " ".join(found["words"])
    assert (found["facts"]["days"], found["facts"]["ofDays"]) == (20, 30)
    assert found["postedAmount"]["value"] == Decimal("13.33")
    assert found["exactAmount"]["value"] == found["postedAmount"]["value"] + found["remainder"]["value"]
    german = await client.get(f"{bill}/appliedCustomerBillingRate/2/explanation")
    assert "Tage" in " ".join(german.json()["words"])
    french = await client.get(f"{bill}/appliedCustomerBillingRate/2/explanation?language=fr")
    assert "jours" in " ".join(french.json()["words"])


async def test_a_line_says_which_price_and_which_law_it_follows(client: httpx.AsyncClient, bill: str) -> None:
    for line in range(1, 6):
        found = exact(await client.get(f"{bill}/appliedCustomerBillingRate/{line}/explanation"))
        behind = found["behind"]
        assert (behind["price"]["offering"], behind["price"]["version"]) == ("flex-m", 1)
        (tax,) = behind["tax"]["components"]
        assert (tax["taxRate"], tax["source"]) == (19, "UStG § 12 Abs. 1")
        assert len(behind.get("usageIds", [])) == found["usageCount"]
        assert found["proven"] is True


async def test_a_usage_line_leads_to_its_usages(client: httpx.AsyncClient, bill: str) -> None:
    answer = await client.get(f"{bill}/appliedCustomerBillingRate/5/explanation?limit=3")
    found = exact(answer)
    assert (found["usageCount"], len(found["usage"]), answer.headers["x-total-count"]) == (4, 3, "4")
    assert {usage["amount"]["value"] for usage in found["usage"]} == {Decimal("1.25")}
    usage = await client.get(f"/tmf-api/usageManagement/v4/usage/{found['usage'][0]['id']}")
    assert usage.json()["status"] == "billed"


@pytest.mark.parametrize("line", ["6", "0", "x", "99999999999999999999"])
async def test_a_line_that_is_not_there_is_404(client: httpx.AsyncClient, bill: str, line: str) -> None:
    assert (await client.get(f"{bill}/appliedCustomerBillingRate/{line}/explanation")).status_code == 404


async def test_the_invoice_comes_as_pdf(client: httpx.AsyncClient, bill: str) -> None:
    answer = await client.get(f"{bill}/document")
    assert answer.headers["content-type"] == "application/pdf"
    text = pypdf.PdfReader(io.BytesIO(answer.content)).pages[0].extract_text()
    assert "NL-2026-0000001" in text
    assert "58,14" in text
    again = await client.get(f"{bill}/document", headers={"if-none-match": answer.headers["etag"]})
    assert again.status_code == 304


async def test_an_offering_shows_its_prices(client: httpx.AsyncClient, bill: str) -> None:
    (offering,) = (await client.get("/tmf-api/productCatalogManagement/v4/productOffering")).json()
    found = exact(await client.get(offering["href"]))
    (plan,) = found["pricePlan"]
    prices = {price["id"]: price for price in plan["productOfferingPrice"]}
    assert prices["monthly"]["price"] == {"unit": "EUR", "value": Decimal("20.00")}
    assert prices["other"]["priceType"] == "usage"


async def test_both_versions_show_a_bill_its_lines_and_what_is_paid_of_it(
    client: httpx.AsyncClient, other_client: httpx.AsyncClient, bill: str, clock: MovableClock
) -> None:
    key = bill.rsplit("/", 1)[1]
    new = exact(await client.get(f"{V5}/customerBill/{key}"))
    assert (new["@type"], new["billDate"], new["state"]) == (
        "CustomerBill",
        "2026-07-01T00:00:00.000Z",
        "validated",
    )
    assert new["remainingAmount"] == {"unit": "EUR", "value": Decimal("58.14")}
    rates = exact(await client.get(f"{V5}/appliedCustomerBillingRate?bill.id={key}"))
    assert sum(one["taxExcludedAmount"]["value"] for one in rates) == Decimal("48.86")
    assert exact(await client.get(f"{V4}/appliedCustomerBillingRate/{key}:2"))["name"] == rates[1]["name"]
    listed = await client.get(f"{V4}/appliedCustomerBillingRate?offset=1&limit=2")
    assert ([one["id"] for one in listed.json()], listed.headers["x-total-count"]) == (
        [f"{key}:2", f"{key}:3"],
        "5",
    )
    for path in ("customerBill", "appliedCustomerBillingRate"):
        assert (await other_client.get(f"{V5}/{path}")).json() == []
    assert (await other_client.get(f"{V5}/customerBill/{key}")).status_code == 404
    assert (await other_client.get(f"{V5}/appliedCustomerBillingRate/{key}:2")).status_code == 404
    sent = await client.patch(f"{V4}/customerBill/{key}", json={"state": "sent"})
    assert (sent.status_code, sent.json()["state"]) == (200, "sent")
    paid = {
        "accountId": new["billingAccount"]["id"],
        "method": "cash",
        "externalReference": "till-1",
        "amount": {"unit": "EUR", "value": 50},
    }
    assert (await client.post("/farwire/v1/payments", json=paid)).status_code == 201
    part = exact(await client.get(f"{V4}/customerBill/{key}"))
    assert (part["state"], part["remainingAmount"]["value"]) == ("partiallyPaid", Decimal("8.14"))
    rest = paid | {"externalReference": "till-2", "amount": {"unit": "EUR", "value": 8.14}}
    assert (await client.post("/farwire/v1/payments", json=rest)).status_code == 201
    settled = exact(await client.get(f"{V5}/customerBill?state=settled"))
    assert [(one["id"], one["appliedPayment"][0]["appliedAmount"]["value"]) for one in settled] == [
        (key, Decimal("58.14"))
    ]


async def test_only_that_a_bill_was_sent_is_said_by_a_client(client: httpx.AsyncClient, bill: str) -> None:
    for change, status in (({"state": "settled"}, 422), ({"amountDue": {"unit": "EUR", "value": 0}}, 400)):
        assert (await client.patch(bill, json=change)).status_code == status
    assert (await client.get(bill)).json()["state"] == "validated"


async def test_a_bill_is_made_when_it_is_asked_for(
    client: httpx.AsyncClient, world: Any, work: Any, clock: MovableClock
) -> None:
    account = await world.account()
    await world.product(account, await world.plan())
    clock.set(instant("2026-07-01T00:30+02:00"))
    body = {"@type": "CustomerBillOnDemand", "billingAccount": {"id": str(account.id)}, "name": "now"}
    asked = await client.post(f"{V5}/customerBillOnDemand", json=body)
    assert (asked.status_code, asked.json()["state"]) == (201, "inProgress"), asked.text
    await work()
    waits = (await client.get(f"{V4}/customerBillOnDemand/{asked.json()['id']}")).json()
    assert waits["state"] == "inProgress"
    (bill,) = (await client.get(f"{V4}/customerBill")).json()
    assert (bill["state"], bill["billingAccount"]["id"]) == ("new", str(account.id))
