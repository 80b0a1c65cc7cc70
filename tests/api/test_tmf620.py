"""Offerings as TMF620, v4 and v5: drafts that are changed freely, put on sale when they are complete, then as sold."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from farwire.base import eventbus
from farwire.base.clock import MovableClock
from farwire.base.storage import Database
from farwire.base.tmf_events import notify
from farwire.catalog import service as catalog
from farwire.kernel.ids import TenantId, uuid7
from farwire.kernel.time import instant
from farwire.rating import service as rating

V4 = "/tmf-api/productCatalogManagement/v4"
V5 = "/tmf-api/productCatalogManagement/v5"
OFFERS = f"{V5}/productOffering"
ORDERS = "/tmf-api/productOrderingManagement/v4/productOrder"
MONTHLY = {
    "name": "Talk, a month",
    "priceType": "recurring",
    "recurringChargePeriodType": "monthly",
    "price": {"unit": "EUR", "value": 20},
}
SETUP = {"name": "Connection", "priceType": "oneTime", "price": {"unit": "EUR", "value": 9.90}}
CALLS = {
    "name": "Calls",
    "priceType": "usage",
    "price": {"unit": "EUR", "value": 0.09},
    "unitOfMeasure": {"amount": 1, "units": "min"},
}
Made = Callable[..., Awaitable[dict[str, Any]]]


@pytest.fixture
async def made(client: httpx.AsyncClient, clock: MovableClock) -> Made:
    """A function that makes an offering."""
    clock.set(instant("2026-06-11T14:03+02:00"))

    async def make(**more: Any) -> dict[str, Any]:
        answer = await client.post(OFFERS, json={"@type": "ProductOffering", "name": "Talk", **more})
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    return make


async def price(client: httpx.AsyncClient, body: dict[str, Any]) -> dict[str, str]:
    answer = await client.post(f"{V4}/productOfferingPrice", json=body)
    assert answer.status_code == 201, answer.text
    return {"id": answer.json()["id"]}


async def moved(client: httpx.AsyncClient, key: str, *states: str, base: str = V5) -> httpx.Response:
    for state in states:
        answer = await client.patch(f"{base}/productOffering/{key}", json={"lifecycleStatus": state})
        if answer.status_code != 200:
            break
    return answer


async def test_a_draft_is_changed_freely_put_on_sale_ordered_and_retired(
    client: httpx.AsyncClient,
    other_client: httpx.AsyncClient,
    made: Made,
    world: Any,
    work: Any,
    db: Database,
    tenant_id: TenantId,
) -> None:
    account = await world.account()
    draft = await made(name="Sprechen")
    path = f"{OFFERS}/{draft['id']}"
    assert (draft["lifecycleStatus"], draft["isBundle"], draft["isSellable"]) == ("In study", False, True)
    prices = [await price(client, one) for one in (MONTHLY, SETUP, CALLS)]
    change = {"name": "Talk", "description": "all you say", "productOfferingPrice": prices}
    changed = await client.patch(path, json=change)
    assert (changed.status_code, changed.json()["name"]) == (200, "Talk"), changed.text
    answer = await moved(client, draft["id"], "In design", "In test", "Active")
    assert answer.status_code == 200, answer.text
    sold = (await client.get(path)).json()
    assert (sold["lifecycleStatus"], sold["code"], sold["description"]) == ("Active", "talk", "all you say")
    assert [one["id"] for one in sold["productOfferingPrice"]] == [one["id"] for one in prices]
    kinds = [one["priceType"] for one in sold["pricePlan"][0]["productOfferingPrice"]]
    assert kinds == ["recurring", "oneTime", "usage"]
    async with db.transaction(tenant_id) as tx:
        (version,) = (await catalog.versions_by_code(tx, ["talk"]))["talk"]
        rating.check_compiles(version.plan)
    item = {"id": "1", "action": "add", "productOffering": {"id": draft["id"]}}
    body = {"billingAccount": {"id": str(account.id)}, "productOrderItem": [item]}
    ordered = await client.post(ORDERS, json=body)
    assert ordered.status_code == 201, ordered.text
    first = ordered.json()["orderTotalPrice"][0]["price"]["dutyFreeAmount"]
    assert first == {"unit": "EUR", "value": 23.23}  # 20 of 30 days, and the connection
    await work()
    assert (await client.get(f"{ORDERS}/{ordered.json()['id']}")).json()["state"] == "completed"
    over = await moved(client, draft["id"], "Launched", "Retired")
    assert (over.status_code, over.json().get("isSellable")) == (200, False), over.text
    refused = await client.post(ORDERS, json=body)
    assert refused.status_code in (409, 422), refused.text
    assert (await other_client.get(path)).status_code == 404
    assert (await other_client.get(OFFERS)).json() == []


async def test_what_is_missing_is_said_with_the_path_of_each_attribute_and_nothing_is_published(
    client: httpx.AsyncClient, made: Made
) -> None:
    wrong = [
        {"name": "no amount", "priceType": "recurring"},
        {**MONTHLY, "price": {"unit": "USD", "value": 1}, "percentage": 10},
        {**CALLS, "unitOfMeasure": {"amount": 1, "units": "furlong"}},
        {**SETUP, "priceType": "discount"},
        {**SETUP, "price": {"unit": "EUR", "value": 1}, "validFor": {"endDateTime": "2027-01-01T00:00:00Z"}},
    ]
    term = {"name": "as long as you like", "duration": {"amount": 3, "units": "moons"}}
    draft = await made(isBundle=True, productOfferingPrice=wrong, productOfferingTerm=[term])
    answer = await moved(client, draft["id"], "In design", "In test", "Active")
    assert (answer.status_code, answer.json()["code"]) == (422, "tmf.incomplete")
    assert {one["field"] for one in answer.json()["reasons"]} == {
        "$.bundledProductOffering",
        "$.productOfferingTerm[0].duration",
        "$.productOfferingPrice[0].price.value",
        "$.productOfferingPrice[1].percentage",
        "$.productOfferingPrice[2].unitOfMeasure",
        "$.productOfferingPrice[2].price.unit",
        "$.productOfferingPrice[3].price.unit",
        "$.productOfferingPrice[3].priceType",
        "$.productOfferingPrice[4].price.unit",
        "$.productOfferingPrice[4].validFor",
    }
    kept = (await client.get(f"{OFFERS}/{draft['id']}")).json()
    assert (kept["lifecycleStatus"], "code" in kept) == ("In test", False)
    assert (await client.get("/farwire/v1/offerings")).json() == []


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "$.productOfferingPrice"),
        ({"productOfferingPrice": [{**MONTHLY, "tax": [{"taxCategory": "VAT"}]}]}, "$.productOfferingPrice"),
        ({"code": "Not A Code"}, "$.code"),
        ({"name": "…"}, "$.code"),
        ({"channel": [{"name": "web"}]}, "$.channel[0].id"),
        ({"channel": [{"id": "not;a;name"}]}, "$.channel"),
        (
            {"validFor": {"startDateTime": "2027-01-01T00:00:00Z", "endDateTime": "2026-01-01T00:00:00Z"}},
            "$.validFor.endDateTime",
        ),
        (
            {"productOfferingPrice": [{**MONTHLY, "price": {"unit": "EUR", "value": -1}}]},
            "$.productOfferingPrice",
        ),
        (
            {"productOfferingPrice": [{**MONTHLY, "recurringChargePeriodType": "moon"}]},
            "$.productOfferingPrice[0].recurringChargePeriodType",
        ),
        ({"productOfferingPrice": [{**MONTHLY, "tax": 19}]}, "$.productOfferingPrice[0].tax"),
        (
            {"productOfferingPrice": [{**MONTHLY, "validFor": {"endDateTime": "soon"}}]},
            "$.productOfferingPrice[0].validFor.endDateTime",
        ),
        ({"productOfferingPrice": [{**MONTHLY, "price": 20}]}, "$.productOfferingPrice[0].price"),
        (
            {"productOfferingPrice": [{**CALLS, "unitOfMeasure": [1]}]},
            "$.productOfferingPrice[0].unitOfMeasure",
        ),
        ({"productOfferingTerm": [{"duration": {"amount": 11, "units": "years"}}]}, "$.productOfferingTerm"),
    ],
)
async def test_one_that_is_made_on_sale_must_be_complete(
    client: httpx.AsyncClient, made: Made, body: dict[str, Any], field: str
) -> None:
    whole = {"@type": "ProductOffering", "name": "Talk", "lifecycleStatus": "Active", **body}
    whole = (
        whole
        if field == "$.productOfferingPrice" and not body
        else {"productOfferingPrice": [MONTHLY]} | whole
    )
    answer = await client.post(OFFERS, json=whole)
    assert (answer.status_code, answer.json()["field"]) == (422, field), answer.text
    assert (await client.get(OFFERS)).json() == []
    right = {"@type": "ProductOffering", "name": "Talk", "lifecycleStatus": "Launched"}
    answer = await client.post(OFFERS, json={**right, "productOfferingPrice": [MONTHLY]})
    assert (answer.status_code, answer.json()["lifecycleStatus"]) == (201, "Launched"), answer.text


async def test_a_state_follows_the_table_and_the_same_one_changes_nothing(
    client: httpx.AsyncClient, made: Made
) -> None:
    draft = await made()
    answer = await moved(client, draft["id"], "Active")
    assert (answer.status_code, answer.json()["code"]) == (422, "tmf.transition")
    assert answer.json()["fix"] == "use one of: In design, Rejected"
    assert (await moved(client, draft["id"], "In study")).json()["lastUpdate"] == draft["lastUpdate"]
    back = await moved(client, draft["id"], "Rejected", "In design", base=V4)
    assert back.json()["lifecycleStatus"] == "In design"
    refused = await client.post(
        OFFERS, json={"@type": "ProductOffering", "name": "x", "lifecycleStatus": "Retired"}
    )
    assert (refused.status_code, refused.json()["field"]) == (422, "$.lifecycleStatus")


async def test_an_own_id_stays_and_is_ordered_by(client: httpx.AsyncClient, made: Made, world: Any) -> None:
    account = await world.account()
    await made(id="Talk.2026", productOfferingPrice=[MONTHLY])
    again = await client.post(OFFERS, json={"@type": "ProductOffering", "name": "other", "id": "Talk.2026"})
    assert (again.status_code, again.json()["code"]) == (409, "tmf.exists")
    assert (await moved(client, "Talk.2026", "In design", "In test", "Active")).status_code == 200
    sold = (await client.get(f"{V4}/productOffering/Talk.2026")).json()
    assert (sold["id"], sold["code"]) == ("Talk.2026", "talk")
    item = {"id": "1", "action": "add", "productOffering": {"id": "Talk.2026"}}
    body = {"billingAccount": {"id": str(account.id)}, "productOrderItem": [item]}
    assert (await client.post(ORDERS, json=body)).status_code == 201
    found = await client.get(f"{OFFERS}?id=Talk.2026")
    assert [one["code"] for one in found.json()] == ["talk"]
    taken = await client.post(
        OFFERS,
        json={
            "@type": "ProductOffering",
            "name": "Talk",
            "lifecycleStatus": "Active",
            "productOfferingPrice": [MONTHLY],
        },
    )
    assert (taken.status_code, taken.json()["field"]) == (422, "$.code")


async def test_what_was_sold_stays_as_it_was_but_is_described_anew(
    client: httpx.AsyncClient, made: Made, world: Any
) -> None:
    mine = await made(lifecycleStatus="Active", productOfferingPrice=[MONTHLY])
    await world.company()
    await world.plan()
    (theirs,) = [one for one in (await client.get(OFFERS)).json() if one["code"] != "talk"]
    for key in (mine["id"], theirs["id"]):
        path = f"{OFFERS}/{key}"
        before = (await client.get(path)).json()
        for body in (
            {"name": "other"},
            {"productOfferingPrice": []},
            {"validFor": None},
            {"channel": [{"id": "web"}]},
        ):
            refused = await client.patch(path, json=body)
            assert (refused.status_code, refused.json()["code"]) == (409, "catalog.offering_published"), body
            assert refused.json()["field"] == f"$.{next(iter(body))}"
        refused = await client.delete(path)
        assert (refused.status_code, refused.json()["code"]) == (409, "catalog.offering_published")
        assert (await client.get(path)).json() == before
        told = await client.patch(path, json={"description": "new words", "statusReason": "spring"})
        assert (told.status_code, told.json().get("description")) == (200, "new words"), told.text
        again = (await client.get(path)).json()
        assert again.items() >= {"description": "new words", "pricePlan": before["pricePlan"]}.items()
        cleared = await client.patch(path, json={"description": None})
        assert "description" not in cleared.json()


async def test_published_ones_and_drafts_are_one_collection(
    client: httpx.AsyncClient, made: Made, world: Any
) -> None:
    await world.company()
    await world.plan()
    for name in "abc":
        await made(name=name, isSellable=False)
    await made(name="b sold", lifecycleStatus="Active", productOfferingPrice=[MONTHLY])
    everything = await client.get(OFFERS)
    names = [one["name"] for one in everything.json()]
    assert (names, everything.headers["x-total-count"]) == (["b sold", "Flex M", "a", "b", "c"], "5")
    walked, url = [], f"{OFFERS}?limit=2"
    while url:
        part = await client.get(url)
        walked += [one["name"] for one in part.json()]
        links = [one for one in part.headers["link"].split(", ") if 'rel="next"' in one]
        url = links[0][1:].split(">")[0] if links else ""
    assert walked == names
    found = await client.get(f"{OFFERS}?lifecycleStatus=In study&sort=-name&limit=2&fields=name")
    assert [one["name"] for one in found.json()] == ["c", "b"]
    assert found.headers["x-total-count"] == "3"


async def test_a_draft_goes_unless_something_refers_to_it_and_what_it_refers_to_stays(
    client: httpx.AsyncClient, made: Made
) -> None:
    monthly = await price(client, MONTHLY)
    draft = await made(productOfferingPrice=[monthly])
    nowhere = {"@type": "ProductOffering", "name": "x", "productOfferingPrice": [{"id": str(uuid7())}]}
    answer = await client.post(OFFERS, json=nowhere)
    assert (answer.status_code, answer.json()["field"]) == (422, "$.productOfferingPrice[0].id")
    assert (await client.delete(f"{V4}/productOfferingPrice/{monthly['id']}")).status_code == 409
    category = {"@type": "Category", "name": "Mobile", "productOffering": [{"id": draft["id"]}]}
    group = (await client.post(f"{V5}/category", json=category)).json()["id"]
    answer = await client.delete(f"{OFFERS}/{draft['id']}")
    assert (answer.status_code, answer.json()["code"]) == (409, "tmf.referenced")
    assert (await client.delete(f"{V5}/category/{group}")).status_code == 204
    assert (await client.delete(f"{OFFERS}/{draft['id']}")).status_code == 204
    assert (await client.get(f"{OFFERS}/{draft['id']}")).status_code == 404
    assert (await client.delete(f"{V4}/productOfferingPrice/{monthly['id']}")).status_code == 204


async def test_bundles_terms_and_who_may_buy_are_published_as_the_catalogue_has_them(
    client: httpx.AsyncClient, made: Made
) -> None:
    option = {"numberRelOfferLowerLimit": 2, "numberRelOfferUpperLimit": 3, "numberRelOfferDefault": 2}
    line = await made(name="Line", lifecycleStatus="Active", productOfferingPrice=[MONTHLY])
    whole = {
        "name": "Duo",
        "isBundle": True,
        "bundledProductOffering": [{"id": line["id"], "bundledProductOfferingOption": option}],
        "productOfferingRelationship": [{"id": line["id"], "relationshipType": "requires"}],
        "productOfferingTerm": [
            {"name": "Minimum term", "duration": {"amount": 2, "units": "year"}},
            {"name": "Notice", "duration": {"amount": 30, "units": "days"}},
        ],
        "channel": [{"id": "web"}],
        "marketSegment": [{"id": "consumer"}],
        "place": [{"id": "DE"}],
        "lifecycleStatus": "Launched",
        "productOfferingPrice": [{**MONTHLY, "price": {"unit": "EUR", "value": 0}}],
    }
    await made(**whole)
    shown = (await client.get("/farwire/v1/offerings?region=DE&segment=consumer&channel=web")).json()
    duo = next(one for one in shown if one["code"] == "duo")
    assert duo["terms"]["terms"] == {"minimum_term_months": 24, "notice_days": 30}
    assert duo["terms"]["requires"] == ["line"]
    assert [one["code"] for one in (await client.get("/farwire/v1/offerings?channel=shop")).json()] == [
        "line"
    ]
    unknown = {"bundledProductOffering": [{"id": str(uuid7())}]}
    answer = await client.post(OFFERS, json={"@type": "ProductOffering", **whole, "name": "x", **unknown})
    assert (answer.status_code, answer.json()["field"]) == (422, "$.bundledProductOffering[0].id")
    idea = await made(name="Idea")
    part = {"bundledProductOffering": [{"id": idea["id"]}]}
    answer = await client.post(OFFERS, json={"@type": "ProductOffering", **whole, "name": "y", **part})
    assert (answer.status_code, answer.json()["code"]) == (422, "tmf.incomplete")
    assert answer.json()["field"] == "$.bundledProductOffering[0].id"


async def test_a_specification_that_needs_services_must_be_published(
    client: httpx.AsyncClient, made: Made
) -> None:
    plain = {"name": "Support"}
    needy = {"name": "Mobile", "productNumber": "mobile", "serviceSpecification": [{"id": "line"}]}
    keys = [
        (await client.post(f"{V4}/productSpecification", json=one)).json()["id"] for one in (plain, needy)
    ]
    about = {"lifecycleStatus": "Active", "productOfferingPrice": [MONTHLY]}
    await made(name="Help", productSpecification={"id": keys[0]}, **about)
    line = {"@type": "ProductOffering", "name": "Line", "productSpecification": {"id": keys[1]}, **about}
    answer = await client.post(OFFERS, json=line)
    assert (answer.status_code, answer.json()["field"]) == (422, "$.productSpecification.id")
    document = {
        "valid_from": "2026-01-01T00:00:00Z",
        "product_specifications": [{"code": "mobile", "name": "Mobile"}],
    }
    await client.post("/farwire/v1/catalogueDocuments", json={"document": document, "name": "mobile"})
    assert (await client.post(OFFERS, json=line)).status_code == 201
    shown = (await client.get("/farwire/v1/offerings?channel=web")).json()
    made_of = {one["code"]: one["terms"].get("product_specification") for one in shown}
    assert made_of == {"help": None, "line": "mobile"}


async def test_a_request_that_is_sent_again_makes_one(client: httpx.AsyncClient, made: Made) -> None:
    await made(name="first")
    body = {"@type": "ProductOffering", "name": "Talk"}
    answers = [
        (await client.post(OFFERS, json=body, headers={"idempotency-key": "once"})).json() for _ in range(2)
    ]
    assert answers[0] == answers[1]
    assert len((await client.get(OFFERS)).json()) == 2


async def test_a_listener_hears_of_drafts_of_going_on_sale_and_of_files(
    client: httpx.AsyncClient,
    other_client: httpx.AsyncClient,
    made: Made,
    world: Any,
    db: Database,
    clock: MovableClock,
    tenant_id: TenantId,
    other_tenant_id: TenantId,
) -> None:
    await world.company()
    for one in (client, other_client):
        answer = await one.post(f"{V5}/hub", json={"callback": "https://listener.example/"})
        assert answer.status_code == 201, answer.text
    draft = await made(id="talk-1", productOfferingPrice=[MONTHLY])
    await client.patch(f"{OFFERS}/talk-1", json={"description": "new"})
    await moved(client, "talk-1", "In design", "In test", "Active", "Launched")
    await world.plan()
    gone = await made(name="gone")
    seen = await _spread(db, clock, tenant_id, after=0)
    await client.delete(f"{OFFERS}/{gone['id']}")
    await _spread(db, clock, tenant_id, after=seen)
    async with db.transaction(tenant_id) as tx:
        told = await eventbus.list_events(tx=tx, after=0, limit=1000, type_prefix=notify.NOTIFICATION)
    heard = [str(one.data["name"]).removeprefix("ProductOffering").removesuffix("Event") for _, one in told]
    async with db.transaction(other_tenant_id) as tx:
        assert not await eventbus.list_events(tx=tx, after=0, limit=10, type_prefix=notify.NOTIFICATION)
    plan = ["Create", "AttributeValueChange"]
    states = ["StateChange", "StateChange"]
    on_sale = ["AttributeValueChange", "StateChange", "AttributeValueChange", "StateChange"]
    assert heard == ["Create", "AttributeValueChange", *states, *on_sale, *plan, "Create", "Delete"], heard
    assert draft["id"] == "talk-1"


async def _spread(db: Database, clock: MovableClock, tenant_id: TenantId, *, after: int) -> int:
    """Do what a worker does with what was published since, and return the last position."""
    async with db.transaction(tenant_id) as tx:
        events = await eventbus.list_events(tx=tx, after=after, limit=1000)
    for _, event in events:
        await notify.fan_out(db=db, clock=clock, event=event)
    return events[-1][0]


async def test_offerings_are_imported_as_drafts_with_an_error_for_each_row_that_is_wrong(
    client: httpx.AsyncClient, made: Made, work: Any
) -> None:
    rows = [
        {"id": "a", "name": "A", "productOfferingPrice": [MONTHLY]},
        {"id": "b", "lifecycleStatus": "In design"},
        {"id": "c", "name": "C", "lifecycleStatus": "Active"},
        {"id": "d", "name": "D", "lifecycleStatus": "Active", "productOfferingPrice": [MONTHLY]},
    ]
    job = await client.post(f"{V4}/importJob", json={"path": f"{V4}/productOffering"})
    lines = "\n".join(json.dumps(one) for one in rows)
    sent = await client.put(
        job.json()["url"], content=lines, headers={"content-type": "application/x-ndjson"}
    )
    assert sent.is_success, sent.text
    await work()
    path = f"{V4}/importJob/{job.json()['id']}"
    assert (await client.get(path)).json()["status"] == "Failed"
    errors = [json.loads(line) for line in (await client.get(f"{path}/errors")).text.splitlines()]
    assert [(one["row"], one["field"]) for one in errors] == [(2, "$.name"), (3, "$.productOfferingPrice")]
    shown = {one["id"]: one["lifecycleStatus"] for one in (await client.get(OFFERS)).json()}
    assert shown == {"a": "In study", "d": "Active"}


async def test_what_a_price_plan_says_is_not_lost_on_the_way_to_another_operator(
    client: httpx.AsyncClient, other_client: httpx.AsyncClient, made: Made, world: Any
) -> None:
    """A row of an export has the amounts of a plan, not its bands and allowances: it is no plan by itself."""
    await world.company()
    await world.plan()
    await made(name="Simple", lifecycleStatus="Active", productOfferingPrice=[MONTHLY, SETUP, CALLS])
    rows = {one["name"]: one for one in (await client.get(OFFERS)).json()}
    refused = await other_client.post(OFFERS, json=rows["Flex M"])
    assert (refused.status_code, refused.json()["code"]) == (422, "tmf.incomplete"), refused.text
    assert refused.json()["field"] == "$.productOfferingPrice[0].pricingLogicAlgorithm"
    draft = await other_client.post(OFFERS, json={**rows["Flex M"], "lifecycleStatus": "In design"})
    assert draft.status_code == 201, draft.text
    taken = await other_client.post(OFFERS, json=rows["Simple"])
    assert (taken.status_code, taken.json()["lifecycleStatus"]) == (201, "Active"), taken.text
    assert taken.json()["id"] == rows["Simple"]["id"]
