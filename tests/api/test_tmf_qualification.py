"""TMF679 and TMF645 answer from the catalogue, from what the customer has and from where it would be."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import httpx
import pytest

from farwire.base.clock import MovableClock
from farwire.base.storage import Database
from farwire.catalog import service as catalog
from farwire.catalog.model import read_catalogue, read_plan
from farwire.kernel.ids import TenantId

_spec = spec_from_file_location("ordering_world", Path(__file__).parent.parent / "ordering" / "world.py")
assert _spec is not None
assert _spec.loader is not None
ordering_world = module_from_spec(_spec)
sys.modules[_spec.name] = ordering_world
_spec.loader.exec_module(ordering_world)

CHECK = "/tmf-api/productOfferingQualification/v5/checkProductOfferingQualification"
QUERY = "/tmf-api/productOfferingQualification/v5/queryProductOfferingQualification"
V4 = "/tmf-api/productOfferingQualification/v4/productOfferingQualification"
SERVICE = "/tmf-api/serviceQualificationManagement/v4"
PLACES = "/tmf-api/geographicAddressManagement/v4/geographicAddress"
SPECIFICATIONS = "/tmf-api/serviceCatalogManagement/v4/serviceSpecification"
HAMBURG_ONLY = """
valid_from = 2026-05-01T00:00:00+02:00

[[offerings]]
code = "harbour"
name = "Harbour"
eligibility = { regions = ["DE-HH"], segments = [] }

[[offerings]]
code = "firm"
name = "Firm"
eligibility = { segments = ["business"] }
"""
Work = Callable[[], Any]


@pytest.fixture
async def shop(db: Database, clock: MovableClock, tenant_id: TenantId) -> Any:
    """A German operator that sells plans, with one customer who has none yet."""
    world = await ordering_world.operator(db, clock, tenant_id)
    async with db.transaction(tenant_id) as tx:
        for code in ("harbour", "firm"):
            text = ordering_world.PLAN.format(
                code=code, start="2026-05-01T00:00:00+02:00", currency="EUR", price="9.00"
            )
            await catalog.publish_plan(tx=tx, clock=clock, plan=read_plan(text))
        await catalog.publish_catalogue(tx=tx, clock=clock, file=read_catalogue(HAMBURG_ONLY))
    return world


def item(offering: str, number: int = 1, **more: Any) -> dict[str, Any]:
    return {"id": str(number), "action": "add", "productOffering": {"id": offering}} | more


def customer(shop: Any) -> list[dict[str, Any]]:
    return [{"role": "customer", "partyOrPartyRole": {"@type": "PartyRef", "id": str(shop.party_id)}}]


async def asked(client: httpx.AsyncClient, *items: dict[str, Any], **more: Any) -> dict[str, Any]:
    body = {
        "@type": "CheckProductOfferingQualification",
        "checkProductOfferingQualificationItem": list(items),
        **more,
    }
    answer = await client.post(CHECK, json=body)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def results(task: dict[str, Any]) -> list[tuple[str, list[str]]]:
    return [
        (one["qualificationItemResult"], [each["code"] for each in one.get("eligibilityResultReason", [])])
        for one in task["checkProductOfferingQualificationItem"]
    ]


async def test_what_is_sold_qualifies_by_id_and_by_code(client: httpx.AsyncClient, shop: Any) -> None:
    async with shop.db.transaction(shop.tenant_id) as tx:
        key = str((await catalog.offering(tx=tx, code="flex-m")).id)
    task = await asked(client, item(key), item("fibre-100", 2), relatedParty=customer(shop))
    assert (task["state"], task["qualificationResult"]) == ("done", "qualified")
    assert results(task) == [("qualified", []), ("qualified", [])]
    assert task["effectiveQualificationDate"]


@pytest.mark.parametrize(
    ("offering", "more", "code"),
    [
        ("nobody", {}, "catalog.offering_unknown"),
        ("shop-only", {}, "catalog.not_eligible"),
        ("firm", {}, "catalog.not_eligible"),
        ("booster", {}, "catalog.requires"),
        ("home", {}, "catalog.bundle_cardinality"),
        (
            "harbour",
            {"product": {"place": [{"country": "DE", "stateOrProvince": "BY"}]}},
            "catalog.not_eligible",
        ),
        ("flex-m", {"product": {"place": [{"id": "nowhere"}]}}, "qualification.place_unknown"),
    ],
)
async def test_what_is_not_sold_to_them_is_told_with_the_reason(
    client: httpx.AsyncClient, shop: Any, offering: str, more: Any, code: str
) -> None:
    task = await asked(client, item(offering, **more), relatedParty=customer(shop))
    assert task["qualificationResult"] == "unqualified"
    assert results(task) == [("unqualified", [code])]


async def test_a_channel_and_a_place_make_it_sold(client: httpx.AsyncClient, shop: Any) -> None:
    assert results(await asked(client, item("shop-only"), channel={"id": "shop"})) == [("qualified", [])]
    address = await client.post(PLACES, json={"country": "DE", "stateOrProvince": "HH", "city": "Hamburg"})
    place = {"place": [{"@type": "GeographicAddressRef", "id": address.json()["id"]}]}
    assert results(await asked(client, item("harbour", product=place))) == [("qualified", [])]


async def test_what_the_customer_has_counts_and_what_goes_does_not(
    client: httpx.AsyncClient, shop: Any
) -> None:
    product = await shop.mobile("flex-m")
    who = customer(shop)
    assert results(await asked(client, item("booster"), relatedParty=who)) == [("qualified", [])]
    leave = {"id": "2", "action": "delete", "product": {"id": str(product.id)}}
    task = await asked(client, item("booster"), leave, relatedParty=who)
    assert results(task) == [("unqualified", ["catalog.requires"]), ("qualified", [])]
    wrong = {"id": "1", "action": "delete", "product": {"id": "01890a5d-ac96-774b-bcce-b302099a8057"}}
    task = await asked(client, wrong, relatedParty=who)
    assert results(task) == [("unqualified", ["qualification.not_held"])]


async def test_alternatives_are_of_the_same_product_specification(
    client: httpx.AsyncClient, shop: Any
) -> None:
    async with shop.db.transaction(shop.tenant_id) as tx:
        await catalog.change_lifecycle(tx=tx, clock=shop.clock, code="flex-m", to=lifecycle("retired"))
    task = await asked(client, item("flex-m"), provideAlternative=True, relatedParty=customer(shop))
    (one,) = task["checkProductOfferingQualificationItem"]
    assert (one["qualificationItemResult"], task["qualificationResult"]) == ("alternate", "alternate")
    names = [each["alternateProductOffering"]["name"] for each in one["alternateProductOfferingProposal"]]
    assert names == ["Flex L"]
    task = await asked(client, item("flex-m"), item("flex-l", 2), provideOnlyAvailable=True)
    assert [each["id"] for each in task["checkProductOfferingQualificationItem"]] == ["2"]
    task = await asked(client, item("flex-m"), provideResultReason=False)
    assert results(task) == [("unqualified", [])]


def lifecycle(word: str) -> Any:
    from farwire.catalog.model import Lifecycle

    return Lifecycle(word)


async def test_v4_answers_in_its_own_words(client: httpx.AsyncClient, shop: Any) -> None:
    body = {"productOfferingQualificationItem": [item("shop-only"), item("flex-m", 2)]}
    task = (await client.post(V4, json=body)).json()
    one, other = task["productOfferingQualificationItem"]
    assert one["eligibilityUnavailabilityReason"][0]["code"] == "catalog.not_eligible"
    assert (other["qualificationItemResult"], task["qualificationResult"]) == ("qualified", "unqualified")


async def test_who_does_not_wait_is_answered_by_a_worker(
    client: httpx.AsyncClient, shop: Any, work: Work
) -> None:
    task = await asked(client, item("flex-m"), instantSyncQualification=False)
    assert (task["state"], task.get("qualificationResult")) == ("inProgress", None)
    path = f"{CHECK}/{task['id']}"
    refusal = await client.patch(path, json={"state": "done"})
    assert (refusal.status_code, refusal.json()["code"]) == (422, "tmf.transition")
    await work()
    done = (await client.get(path)).json()
    assert (done["state"], done["qualificationResult"]) == ("done", "qualified")
    dropped = await asked(client, item("flex-m"), instantSyncQualification=False)
    await client.patch(f"{CHECK}/{dropped['id']}", json={"state": "cancelled"})
    await work()
    assert (await client.get(f"{CHECK}/{dropped['id']}")).json()["state"] == "cancelled"


async def test_a_query_lists_what_can_be_had(client: httpx.AsyncClient, shop: Any) -> None:
    async def listed(**more: Any) -> list[str]:
        body = {"@type": "QueryProductOfferingQualification", "relatedParty": customer(shop)} | more
        answer = await client.post(QUERY, json=body)
        assert answer.status_code == 201, answer.text
        items = answer.json()["qualifiedProductOfferingItem"]
        return [each["productOffering"]["name"] for each in items]

    assert await listed() == ["Fibre 100", "Flex L", "Flex M"]
    assert await listed(channel={"id": "shop", "name": "Shop"}) == [
        "Fibre 100",
        "Flex L",
        "Flex M",
        "Shop only",
    ]
    await shop.mobile("flex-m")
    assert await listed() == ["Booster", "Fibre 100", "Flex L", "Flex M"]
    one = {"@type": "QueryProductOfferingQualificationItem", "productOffering": {"id": "flex-l"}}
    assert await listed(searchCriteria=one) == ["Flex L"]
    assert await listed(category={"id": "nobody"}) == []


async def test_an_offering_that_a_client_made_qualifies_by_the_id_and_the_category_that_it_gave(
    client: httpx.AsyncClient, world: Any
) -> None:
    catalogue = "/tmf-api/productCatalogManagement"
    await world.account()
    price = {"name": "A month", "priceType": "recurring", "recurringChargePeriodType": "monthly"}
    price["price"] = {"unit": "EUR", "value": 20}
    monthly = await client.post(f"{catalogue}/v4/productOfferingPrice", json=price)
    group = await client.post(f"{catalogue}/v5/category", json={"@type": "Category", "name": "Mobile"})
    body = {
        "@type": "ProductOffering",
        "id": "DPI123",
        "name": "Talk",
        "category": [{"@type": "CategoryRef", "id": group.json()["id"]}],
        "productOfferingPrice": [{"@type": "ProductOfferingPriceRef", "id": monthly.json()["id"]}],
    }
    made = await client.post(f"{catalogue}/v5/productOffering", json=body)
    assert made.status_code == 201, made.text
    assert results(await asked(client, item("DPI123")))[0][0] == "unqualified"
    for state in ("In design", "In test", "Active"):
        path = f"{catalogue}/v5/productOffering/DPI123"
        moved = await client.patch(path, json={"lifecycleStatus": state})
        assert moved.status_code == 200, moved.text
    assert results(await asked(client, item("DPI123"))) == [("qualified", [])]
    for key, names in ((group.json()["id"], ["Talk"]), ("nobody", [])):
        question = {"@type": "QueryProductOfferingQualification", "category": {"id": key}}
        question["searchCriteria"] = {"productOffering": {"id": "DPI123"}}
        items = (await client.post(QUERY, json=question)).json()["qualifiedProductOfferingItem"]
        assert [each["productOffering"]["name"] for each in items] == names


async def test_another_operators_offerings_and_customers_are_unknown(
    client: httpx.AsyncClient, other_client: httpx.AsyncClient, shop: Any
) -> None:
    task = await asked(other_client, item("flex-m"))
    assert results(task) == [("unqualified", ["catalog.offering_unknown"])]
    body = {"@type": "QueryProductOfferingQualification"}
    assert (await other_client.post(QUERY, json=body)).json()["qualifiedProductOfferingItem"] == []
    theirs = await other_client.post(QUERY, json=body | {"relatedParty": customer(shop)})
    assert (theirs.status_code, theirs.json()["code"]) == (422, "tmf.reference_unknown")


async def test_more_items_than_a_check_may_have_are_refused(client: httpx.AsyncClient) -> None:
    body = {"productOfferingQualificationItem": [item("flex-m", n) for n in range(101)]}
    refusal = await client.post(V4, json=body)
    assert (refusal.status_code, refusal.json()["code"]) == (400, "qualification.too_many_items")


async def service_asked(client: httpx.AsyncClient, key: str, place: Any = None) -> tuple[str, list[str]]:
    service = {"serviceSpecification": {"id": key}} | ({"place": [place]} if place else {})
    body = {"serviceQualificationItem": [{"id": "1", "service": service}]}
    answer = await client.post(f"{SERVICE}/checkServiceQualification", json=body)
    assert answer.status_code == 201, answer.text
    (one,) = answer.json()["serviceQualificationItem"]
    reasons = [each["code"] for each in one.get("eligibilityUnavailabilityReason", [])]
    assert one["qualificationResult"] == answer.json()["qualificationResult"]
    return one["qualificationResult"], reasons


async def specification(client: httpx.AsyncClient, *regions: str, **more: Any) -> str:
    values = [{"value": one} for one in regions]
    body = {"name": "Fibre", "lifecycleStatus": "Active"} | more
    if regions:
        body["specCharacteristic"] = [{"name": "coverage", "characteristicValueSpecification": values}]
    answer = await client.post(SPECIFICATIONS, json=body)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def test_a_service_qualifies_where_it_is_covered(client: httpx.AsyncClient, shop: Any) -> None:
    bound, anywhere = await specification(client, "DE-HH"), await specification(client)
    hamburg, munich = ({"country": "DE", "stateOrProvince": one} for one in ("HH", "BY"))
    assert await service_asked(client, bound, hamburg) == ("qualified", [])
    assert await service_asked(client, bound, munich) == ("unqualified", ["qualification.not_covered"])
    assert await service_asked(client, bound) == ("unqualified", ["qualification.not_covered"])
    assert await service_asked(client, anywhere) == ("qualified", [])
    assert await service_asked(client, anywhere, {"id": "nowhere"}) == (
        "unqualified",
        ["qualification.place_unknown"],
    )
    study = await specification(client, lifecycleStatus="In study")
    assert await service_asked(client, study) == ("unqualified", ["qualification.not_in_use"])
    assert await service_asked(client, "nobody") == ("unqualified", ["qualification.specification_unknown"])
    assert await service_asked(client, "mobile-line") == ("qualified", [])


async def test_a_query_lists_the_services_that_can_be_delivered(
    client: httpx.AsyncClient, other_client: httpx.AsyncClient, shop: Any
) -> None:
    bound = await specification(client, "DE-HH")

    async def listed(by: httpx.AsyncClient, state: str) -> list[str]:
        criteria = {"service": {"place": [{"country": "DE", "stateOrProvince": state}]}}
        answer = await by.post(f"{SERVICE}/queryServiceQualification", json={"searchCriteria": criteria})
        assert answer.status_code == 201, answer.text
        found = answer.json().get("serviceQualificationItem", [])
        return sorted(one["service"]["serviceSpecification"]["id"] for one in found)

    assert await listed(client, "HH") == sorted([bound, "fibre-line", "mobile-line"])
    assert await listed(client, "BY") == ["fibre-line", "mobile-line"]
    assert await listed(other_client, "HH") == []
    assert await service_asked(other_client, bound) == (
        "unqualified",
        ["qualification.specification_unknown"],
    )
