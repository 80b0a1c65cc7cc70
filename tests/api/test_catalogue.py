"""The catalogue over HTTP: published, listed, sold to whom, retired, and what a draft would change."""

from __future__ import annotations

from typing import Any

import httpx

DOCUMENTS = "/farwire/v1/catalogueDocuments"
OFFERINGS = "/farwire/v1/offerings"
SPECIFICATIONS = "/farwire/v1/specifications"
IMPACTS = "/farwire/v1/priceImpacts"
FILE: dict[str, Any] = {
    "valid_from": "2026-05-01T00:00:00Z",
    "product_specifications": [{"code": "mobile", "name": "Mobile"}],
    "offerings": [
        {
            "code": "flex",
            "name": "Flex",
            "product_specification": "mobile",
            "eligibility": {"regions": ["DE"]},
            "terms": {"minimum_term_months": 24, "early_termination_fee": 49.9},
        }
    ],
}
PLAN: dict[str, Any] = {
    "offering": "flex",
    "name": "Flex",
    "valid_from": "2026-05-01T00:00:00Z",
    "currency": "EUR",
    "zone": "Europe/Berlin",
    "prices_include_tax": False,
    "recurring": [{"id": "monthly", "price": 20}],
}


async def publish(client: httpx.AsyncClient, document: object, **headers: str) -> httpx.Response:
    return await client.post(DOCUMENTS, json={"document": document, "name": "flex.json"}, headers=headers)


async def test_a_file_is_published_once_and_shown_as_it_was_written(client: httpx.AsyncClient) -> None:
    made, again = await publish(client, FILE), await publish(client, FILE)
    assert (made.status_code, again.status_code) == (201, 200), made.text
    assert [version["code"] for version in made.json()["versions"]] == ["mobile", "flex"]
    assert {version["new"] for version in again.json()["versions"]} == {False}
    found = (await client.get(f"{OFFERINGS}/flex")).json()
    assert found["versions"][0]["document"]["terms"]["early_termination_fee"] == "49.9"
    listed = (await client.get(DOCUMENTS)).json()
    assert [(one["name"], len(one["items"])) for one in listed] == [("flex.json", 2)]
    specification = (await client.get(f"{SPECIFICATIONS}/product_specification/mobile")).json()
    assert (specification["kind"], specification["lifecycle"]) == ("product_specification", "active")
    assert [one["code"] for one in (await client.get(SPECIFICATIONS)).json()] == ["mobile"]


async def test_an_idempotency_key_answers_the_first_answer(client: httpx.AsyncClient) -> None:
    first = await publish(client, FILE, **{"Idempotency-Key": "one"})
    again = await publish(client, FILE, **{"Idempotency-Key": "one"})
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()


async def test_what_is_sold_is_told_by_region_and_state(client: httpx.AsyncClient) -> None:
    await publish(client, FILE)

    async def codes(**query: str) -> list[str]:
        answer = await client.get(OFFERINGS, params=query)
        assert answer.status_code == 200, answer.text
        assert answer.headers["x-total-count"] == str(len(answer.json()))
        return [one["code"] for one in answer.json()]

    assert (await codes(), await codes(region="DE")) == (["flex"], [])
    assert (await publish(client, PLAN)).status_code == 201
    assert (await codes(region="DE"), await codes(region="AT"), await codes(at="2026-06-01T00:00:00Z")) == (
        ["flex"],
        [],
        [],
    )
    assert await codes(region="DE", lifecycle="launched") == []
    launched = await client.patch(f"{OFFERINGS}/flex", json={"lifecycle": "launched"})
    assert (launched.status_code, launched.json()["lifecycle"]) == (200, "launched")
    assert await codes(region="DE", lifecycle="launched") == ["flex"]
    assert (await client.patch(f"{OFFERINGS}/flex", json={"lifecycle": "in_test"})).status_code == 409
    path = f"{SPECIFICATIONS}/product_specification/mobile"
    assert (await client.patch(path, json={"lifecycle": "retired"})).status_code == 200
    assert await codes(region="DE") == []


async def test_wrong_documents_name_the_field(client: httpx.AsyncClient) -> None:
    wrong = {**FILE, "offerings": [{**FILE["offerings"][0], "product_specification": "none"}]}
    for document, field in (
        (wrong, "offerings[0].product_specification"),
        ({**FILE, "colour": 1}, "document"),
        ({**PLAN, "currency": "EUX"}, "currency"),
        ([], "document"),
        (1, "document"),
    ):
        answer = await publish(client, document)
        assert answer.status_code == 400, answer.text
        assert f'"{field}"' in answer.text or field in answer.text
    changed = {**FILE, "product_specifications": [{"code": "mobile", "name": "Other"}]}
    await publish(client, FILE)
    assert (await publish(client, changed)).status_code == 409
    assert (await client.get(f"{OFFERINGS}/none")).status_code == 404
    assert (await client.get(f"{SPECIFICATIONS}/offering/flex")).status_code == 404


async def test_a_draft_is_previewed_and_not_saved(client: httpx.AsyncClient) -> None:
    await publish(client, FILE)
    await publish(client, PLAN)
    draft = {**PLAN, "valid_from": "2026-08-01T00:00:00Z", "recurring": [{"id": "monthly", "price": "25.00"}]}
    answer = await client.post(IMPACTS, json={"plan": draft, "from": "2026-06-01", "until": "2026-07-01"})
    assert answer.status_code == 200, answer.text
    assert (answer.json()["accounts"], answer.json()["amounts"]["difference"]) == (
        0,
        {"unit": "EUR", "value": 0},
    )
    assert len((await client.get(f"{OFFERINGS}/flex")).json()["pricePlans"]) == 1
    for days in ({"from": "2026-06-01"}, {"from": "2026-06-02", "until": "2026-06-01"}):
        assert (await client.post(IMPACTS, json={"plan": draft, **days})).status_code == 400
    unknown = await client.post(IMPACTS, json={"plan": {**draft, "offering": "none"}})
    assert unknown.status_code == 404
