"""Bills over HTTP: amounts as numbers that are exact, lines that explain themselves, the invoice as PDF."""

from __future__ import annotations

import io
import json
from decimal import Decimal
from typing import Any

import httpx
import pypdf
import pytest

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
