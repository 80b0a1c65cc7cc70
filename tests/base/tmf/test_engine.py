"""The behaviour that TMF630 asks of every resource, over HTTP on a real database."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from farwire.base.storage.embedded import DatabaseRole
from farwire.base.storage.endpoints import connect
from farwire.base.tmf import Api, Descriptor, Inside, Target, attributes
from farwire.base.tmf.store import documents as store
from farwire.base.tmf.writing import changes
from farwire.kernel.ids import TenantId

from .conftest import client_of, document

V4 = "/tmf-api/productCatalogManagement/v4"
V5 = "/tmf-api/productCatalogManagement/v5"
MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
JSON_PATCH_QUERY = "application/json-patch-query+json"


def names(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [row["name"] for row in answer.json()]


async def test_what_was_created_is_read_back_in_both_versions_with_what_the_server_fills(
    client: httpx.AsyncClient, make: Any
) -> None:
    made = await make("Mobile", validFor={"startDateTime": "2026-01-01T00:00:00+02:00"})
    assert made == {
        "id": made["id"],
        "href": f"{V5}/category/{made['id']}",
        "@type": "Category",
        "isRoot": True,
        "lastUpdate": "2026-06-01T00:00:00.000Z",
        "lifecycleStatus": "In study",
        "name": "Mobile",
        "validFor": {"startDateTime": "2025-12-31T22:00:00.000Z"},
    }
    old = (await client.get(f"{V4}/category/{made['id']}")).json()
    assert old == {**made, "href": f"{V4}/category/{made['id']}"}
    assert (await client.get(f"/productCatalogManagement/v5/category/{made['id']}")).json()[
        "name"
    ] == "Mobile"


async def test_a_related_party_is_flat_in_v4_and_wrapped_in_v5(client: httpx.AsyncClient) -> None:
    flat = {
        "id": "p1",
        "name": "Anna",
        "role": "owner",
        "@referredType": "Individual",
        "@type": "RelatedParty",
    }
    made = (await client.post(f"{V4}/catalog", json={"name": "Shop", "relatedParty": [flat]})).json()
    assert made["@type"] == "Catalog"
    assert made["relatedParty"] == [flat]
    new = (await client.get(f"{V5}/productCatalog/{made['id']}")).json()
    assert new["@type"] == "ProductCatalog"
    assert new["relatedParty"] == [
        {
            "role": "owner",
            "@type": "RelatedPartyRefOrPartyRoleRef",
            "partyOrPartyRole": {
                "@type": "PartyRef",
                "id": "p1",
                "name": "Anna",
                "@referredType": "Individual",
            },
        }
    ]
    assert names(await client.get(f"{V4}/catalog?relatedParty.id=p1")) == ["Shop"]
    assert names(await client.get(f"{V5}/productCatalog?relatedParty.partyOrPartyRole.id=p1")) == ["Shop"]


async def test_what_only_v5_has_survives_a_change_by_v4(client: httpx.AsyncClient) -> None:
    body = {
        "@type": "ProductOffering",
        "name": "Go",
        "lifecycleStatus": "Active",
        "lastUpdate": "2026-01-01T00:00:00Z",
        "allowedAction": [{"action": "add", "@type": "AllowedProductAction"}],
    }
    made = (await client.post(f"{V5}/productOffering", json=body)).json()
    changed = await client.patch(f"{V4}/productOffering/{made['id']}", json={"name": "Go 5"})
    assert changed.status_code == 200
    assert "allowedAction" not in changed.json()
    after = (await client.get(f"{V5}/productOffering/{made['id']}")).json()
    assert (after["name"], after["allowedAction"]) == ("Go 5", made["allowedAction"])


async def test_a_plain_list_is_200_counts_itself_and_goes_on_by_a_cursor_that_new_rows_do_not_move(
    client: httpx.AsyncClient, make: Any
) -> None:
    for number in range(5):
        await make(f"c{number}")
    first = await client.get(f"{V5}/category?limit=2")
    assert (first.status_code, names(first)) == (200, ["c0", "c1"])
    assert (first.headers["x-total-count"], first.headers["x-result-count"]) == ("5", "2")
    await make("c5")
    seen = names(first)
    answer = first
    while 'rel="next"' in answer.headers["link"]:
        answer = await client.get(httpx.URL(answer.links["next"]["url"]))
        seen += names(answer)
    assert seen == [f"c{n}" for n in range(6)]
    assert names(await client.get(f"{V5}/category?offset=4&limit=2")) == ["c4", "c5"]
    assert names(await client.get(f"{V5}/category?sort=-name&limit=2")) == ["c5", "c4"]


async def test_fields_gives_v4_exactly_what_it_asks_for_and_v5_what_must_be_there_too(
    client: httpx.AsyncClient, make: Any
) -> None:
    made = await make(
        "Mobile", validFor={"startDateTime": "2026-01-01T00:00:00Z", "endDateTime": "2027-01-01T00:00:00Z"}
    )
    old = (await client.get(f"{V4}/category/{made['id']}?fields=version,isRoot")).json()
    assert set(old) == {"id", "href", "isRoot"}
    new = (await client.get(f"{V5}/category/{made['id']}?fields=isRoot,validFor.endDateTime")).json()
    assert set(new) == {"id", "href", "@type", "name", "isRoot", "validFor"}
    assert new["validFor"] == {"endDateTime": "2027-01-01T00:00:00.000Z"}
    (row,) = (await client.get(f"{V4}/category?fields=name")).json()
    assert set(row) == {"id", "href", "name"}
    for where in ("category", f"category/{made['id']}"):
        refused = await client.get(f"{V5}/{where}?fields=a%00")
        assert refused.status_code == 400, where


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("name=a", "a"),
        ("name=a,c", "ac"),
        ('name="a"', "a"),
        ("name.ne=a", "bc"),
        ("version.gt=1", "bc"),
        ("version.gte=1&version.lte=2", "ab"),
        ("lastUpdate.gt=2026-01-01", "abc"),
        ("name.regex=[ab]", "ab"),
        ("isRoot=true", "ac"),
        ("subCategory.id=s2", "b"),
        ("validFor.startDateTime.lt=2026-02-01T02:00:00%2B02:00", "a"),
        ("filter=$[?(@.name=='a' || @.name=='b')]", "ab"),
        ("filter=subCategory[?(@.id=='s1' %26%26 @.name=='one')]", "a"),
        ("filter=$[?(!(@.isRoot==true))]", "b"),
        ("filter=$[?(@.name=~/^[bc]$/)]", "bc"),
        ("name=a&isRoot=false", ""),
    ],
)
async def test_a_filter_finds_what_fits(
    client: httpx.AsyncClient, lenient: None, make: Any, query: str, found: str
) -> None:
    start = "2026-01-31T23:59:59Z"
    await make("a", version="1", subCategory=[{"id": "s1", "name": "one"}], validFor={"startDateTime": start})
    await make(
        "b", version="2", isRoot=False, subCategory=[{"id": "s1", "name": "x"}, {"id": "s2", "name": "one"}]
    )
    await make("c", version="3")
    assert "".join(names(await client.get(f"{V5}/category?{query}"))) == found


@pytest.fixture
async def lenient(db: Any, tenant_id: TenantId) -> None:
    async with db.transaction(tenant_id) as tx:
        await store.set_references(tx, "620", "lenient")


@pytest.mark.parametrize(
    "query",
    [
        "nonsense=1",
        "limit=0",
        "limit=1001",
        "name.regex=(",
        "filter=$[?(@.name==)]",
        "filter=name",
        "cursor=x",
        "sort=a,b,c,d",
        "na%27me=1",
        "filter=$[?(@.name=='a'))]",
        "filter=" + "(" * 500,
    ],
)
async def test_a_query_that_cannot_be_read_is_400_and_says_where(
    client: httpx.AsyncClient, query: str
) -> None:
    answer = await client.get(f"{V5}/category?{query}")
    assert answer.status_code == 400, answer.text
    assert answer.json()["field"]


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"name": "x"}, 400, "$.@type"),
        ({"@type": "Category"}, 400, "$.name"),
        ({"@type": "Category", "name": 5}, 400, "$.name"),
        ({"@type": "Category", "name": "x", "isRoot": "yes"}, 400, "$.isRoot"),
        ({"@type": "Category", "name": "x", "colour": "red"}, 400, "$.colour"),
        (
            {"@type": "Category", "name": "x", "validFor": {"startDateTime": "soon"}},
            400,
            "$.validFor.startDateTime",
        ),
        ({"@type": "Category", "name": "x", "subCategory": [{"id": 1}]}, 400, "$.subCategory[0].id"),
        ({"@type": "Category", "name": "x", "lifecycleStatus": "Lost"}, 422, "$.lifecycleStatus"),
        ({"@type": "Category", "name": "x", "parent": {"id": "nope"}}, 422, "$.parent.id"),
    ],
)
async def test_a_document_of_the_wrong_shape_is_refused_with_the_path(
    client: httpx.AsyncClient, body: dict[str, Any], status: int, field: str
) -> None:
    answer = await client.post(f"{V5}/category", json=body)
    assert (answer.status_code, answer.json()["field"]) == (status, field), answer.text
    assert (await client.get(f"{V5}/category")).json() == []


SPECIFICATION = "/tmf-api/productCatalogManagement/{}/productSpecification"
VALUES = {"v4": "productSpecCharacteristicValue", "v5": "characteristicValueSpecification"}


@pytest.mark.parametrize("version", ["v4", "v5"])
@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("productSpecCharacteristic.name=colour", "ab"),
        ("{}=red", "a"),
        ("{}=red,'blue, dark'", "ab"),
        ('{}="blue, dark"', "b"),
        ("{}=10,30", "ce"),
        ("{}.ne=red,10", "bde"),
        ("{}.gt=10", "abde"),  # a text is compared as a text
        ("{}.gte=10", "abcde"),
        ("{}.lt=20", "c"),
        ("{}.lte=20", "cd"),
        ("{}.regex=^r", "a"),
        ("{}.gt=10&{}.lt=30", "d"),
        ("productSpecCharacteristic.name=size&{}.gt=10", "de"),
    ],
)
async def test_a_value_of_a_characteristic_is_found_by_its_path_in_both_versions(
    client: httpx.AsyncClient, version: str, query: str, found: str
) -> None:
    for name, value in {"a": "red", "b": "blue, dark", "c": 10, "d": 20, "e": 30}.items():
        characteristic = {
            "@type": "CharacteristicSpecification",
            "name": "colour" if isinstance(value, str) else "size",
            VALUES["v5"]: [{"@type": "CharacteristicValueSpecification", "value": value}],
        }
        body = {"@type": "ProductSpecification", "name": name, "productSpecCharacteristic": [characteristic]}
        made = await client.post(SPECIFICATION.format("v5"), json=body)
        assert made.status_code == 201, made.text
    path = f"productSpecCharacteristic.{VALUES[version]}.value"
    answer = await client.get(f"{SPECIFICATION.format(version)}?{query.replace('{}', path)}")
    assert "".join(names(answer)) == found


async def test_a_total_is_exact_to_ten_thousand_and_marked_beyond_unless_all_is_asked_for(
    db: Any, client: httpx.AsyncClient, tenant_id: TenantId
) -> None:
    async def more(first: int, last: int) -> None:
        async with db.transaction(tenant_id) as tx:
            await tx.execute(
                "INSERT INTO base.tmf_resource (tenant_id, api, type, id, document, created_at, changed_at)"
                " SELECT $1, '620', 'Category', n::text, jsonb_build_object('id', n::text, 'name', 'n'), now(), now()"
                " FROM generate_series($2::int, $3::int) AS n",
                *(tenant_id, first, last),
            )

    async def total(query: str) -> tuple[str, str | None]:
        answer = await client.get(f"{V5}/category?limit=1{query}")
        assert answer.status_code == 200
        return answer.headers["x-total-count"], answer.headers.get("x-total-count-lower-bound")

    await more(1, 10_000)
    for query in ("", "&name=n", "&count=exact"):
        assert await total(query) == ("10000", None), query
    await more(10_001, 10_002)
    for query in ("", "&name=n"):
        assert await total(query) == ("10000", "true"), query
        assert await total(f"{query}&count=exact") == ("10002", None), query


async def test_what_is_null_is_left_out_of_the_answers(client: httpx.AsyncClient, lenient: None) -> None:
    body = {
        "@type": "ProductOffering",
        "name": "Go",
        "lifecycleStatus": "Active",
        "lastUpdate": "2026-01-01T00:00:00Z",
        "description": None,
        "validFor": {"startDateTime": "2026-01-01T00:00:00.000Z", "endDateTime": None},
        "category": [{"id": "c", "@type": "CategoryRef", "name": None}],
        "prodSpecCharValueUse": [
            {"name": "x", "productSpecCharacteristicValue": [{"value": 1, "unitOfMeasure": None}]}
        ],
    }
    made = await client.post(f"{V5}/productOffering", json=body)
    assert made.status_code == 201, made.text
    shown = [made, *[await client.get(f"{one}/productOffering/{made.json()['id']}") for one in (V4, V5)]]
    assert [one.status_code for one in shown] == [201, 200, 200]
    assert [one.text.count("null") for one in shown] == [0, 0, 0]


async def test_an_extension_keeps_its_attributes(client: httpx.AsyncClient) -> None:
    body = {
        "@type": "ShopCategory",
        "@baseType": "Category",
        "name": "x",
        "colour": "red",
        "deep": {"a": [1.50]},
    }
    made = await client.post(f"{V5}/category", json=body)
    assert made.status_code == 201
    assert made.json().items() >= body.items()


async def test_every_kind_of_patch_changes_the_document(
    client: httpx.AsyncClient, make: Any, lenient: None
) -> None:
    made = await make("a", subCategory=[{"id": "s1", "name": "one"}, {"id": "s2", "name": "two"}])
    url = f"{V5}/category/{made['id']}"

    async def patch(kind: str, body: Any) -> dict[str, Any]:
        answer = await client.patch(url, content=json.dumps(body), headers={"content-type": kind})
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    assert (await patch(MERGE, {"description": "d", "isRoot": False}))["description"] == "d"
    assert "description" not in await patch("application/json", {"description": None})
    assert (await patch(JSON_PATCH, [{"op": "replace", "path": "/name", "value": "b"}]))["name"] == "b"
    added = await patch(JSON_PATCH, [{"op": "add", "path": "/subCategory", "value": {"id": "s3"}}])
    assert [one["id"] for one in added["subCategory"]] == ["s1", "s2", "s3"]
    renamed = await patch(
        JSON_PATCH_QUERY, [{"op": "replace", "path": "/subCategory/name?subCategory.id=s2", "value": "TWO"}]
    )
    assert renamed["subCategory"][1]["name"] == "TWO"
    fewer = await patch(JSON_PATCH_QUERY, [{"op": "remove", "path": "/subCategory?id=s1"}])
    assert [one["id"] for one in fewer["subCategory"]] == ["s2", "s3"]
    same = await client.patch(url, json=fewer)
    assert (same.status_code, same.json()) == (200, fewer)


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        (MERGE, {"id": "other"}, 400),
        (MERGE, {"lastUpdate": "2020-01-01T00:00:00Z"}, 400),
        (MERGE, [], 400),
        (MERGE, {"name": None}, 400),
        (JSON_PATCH, {"op": "add"}, 400),
        (JSON_PATCH, [{"op": "remove", "path": "/description"}], 400),
        (JSON_PATCH, [{"op": "test", "path": "/name", "value": "z"}], 409),
        ("text/plain", {}, 415),
    ],
)
async def test_a_patch_that_cannot_be_applied_changes_nothing(
    client: httpx.AsyncClient, make: Any, kind: str, body: Any, status: int
) -> None:
    made = await make("a")
    url = f"{V5}/category/{made['id']}"
    answer = await client.patch(url, content=json.dumps(body), headers={"content-type": kind})
    assert answer.status_code == status, answer.text
    assert (await client.get(url)).json() == made


async def test_a_state_follows_the_table_and_the_same_one_is_no_change(
    client: httpx.AsyncClient, make: Any
) -> None:
    made = await make("a")
    url = f"{V5}/category/{made['id']}"
    wrong = await client.patch(url, json={"lifecycleStatus": "Launched"})
    assert (wrong.status_code, wrong.json()["fix"]) == (422, "use one of: In design, Rejected")
    assert (await client.patch(url, json={"lifecycleStatus": "In study"})).json() == made
    assert (await client.patch(url, json={"lifecycleStatus": "In design"})).status_code == 200


async def test_a_reference_must_lead_somewhere_and_what_is_referred_to_stays(
    client: httpx.AsyncClient, make: Any
) -> None:
    parent = await make("parent")
    child = await make("child", parent={"id": parent["id"]})
    refused = await client.delete(f"{V5}/category/{parent['id']}")
    assert (refused.status_code, refused.json()["code"]) == (409, "tmf.referenced")
    assert (await client.delete(f"{V5}/category/{child['id']}")).status_code == 204
    assert (await client.delete(f"{V5}/category/{parent['id']}")).status_code == 204
    assert (await client.get(f"{V5}/category/{parent['id']}")).status_code == 404


@pytest.fixture
async def related(
    web: Any, catalog_api: Api, db: Any, tenant_id: TenantId, clock: Any
) -> AsyncIterator[httpx.AsyncClient]:
    """A record that names people, and services that two APIs serve: each knows one."""
    kinds = (("632", "Individual"), ("638", "Service"), ("640", "Service"))
    more = [
        Api(number, kind, f"own{number}", (document(Descriptor(kind, kind.lower(), ())),))
        for number, kind in kinds
    ]
    table = "name string\nservice ServiceRef[]\nitem Item[]\nrelatedParty RelatedPartyRefOrPartyRoleRef[]"
    kept = document(Descriptor("Related", "related", attributes(table)))
    async with db.transaction(tenant_id) as tx:
        for number, kind in kinds:
            assert await store.insert(tx, Target(number, kind), {"id": f"of-{number}"}, clock.now())
    app = web(replace(catalog_api, resources=(kept,)), *more)
    async with client_of(app, "fw_own") as found:
        yield found


def owner(**thing: str) -> dict[str, Any]:
    return {"role": "owner", "partyOrPartyRole": {"@type": "PartyRef", **thing}}


async def test_a_related_party_that_says_what_it_is_must_be_there(related: httpx.AsyncClient) -> None:
    anna = owner(id="of-632", **{"@referredType": "Individual"})
    nobody = {"id": "nobody", "@referredType": "Individual"}
    made = await related.post(f"{V5}/related", json={"@type": "Related", "relatedParty": [anna]})
    assert made.status_code == 201, made.text
    refused = await related.post(
        f"{V5}/related", json={"@type": "Related", "relatedParty": [anna, owner(**nobody)]}
    )
    assert (refused.status_code, refused.json()["code"]) == (422, "tmf.reference_unknown")
    assert refused.json()["field"] == "$.relatedParty[1].partyOrPartyRole.id"
    flat = await related.post(f"{V4}/related", json={"relatedParty": [{"role": "owner", **nobody}]})
    assert (flat.status_code, flat.json()["field"]) == (422, "$.relatedParty[0].id")
    path = f"{V5}/related/{made.json()['id']}"
    changed = await related.patch(path, json={"relatedParty": [owner(**nobody)]})
    assert (changed.status_code, changed.json()["value"]) == (422, "nobody")


async def test_a_related_party_that_does_not_say_what_it_is_must_be_a_party_or_a_role(
    related: httpx.AsyncClient,
) -> None:
    for key, status in (("of-632", 201), ("of-638", 422)):
        body = {"@type": "Related", "relatedParty": [owner(id=key)]}
        assert (await related.post(f"{V5}/related", json=body)).status_code == status
        flat = await related.post(f"{V4}/related", json={"relatedParty": [{"id": key, "role": "owner"}]})
        assert flat.status_code == status


async def test_a_related_party_that_nobody_here_knows_by_kind_is_taken_as_it_is(
    related: httpx.AsyncClient,
) -> None:
    body = {"@type": "Related", "relatedParty": [owner(id="nobody", **{"@referredType": "Dealer"})]}
    assert (await related.post(f"{V5}/related", json=body)).status_code == 201


@pytest.mark.parametrize(
    ("inner", "field"),
    [
        ({"service": {"@type": "ServiceRef", "id": "x"}}, "$.item[0].service.id"),
        ({"relatedParty": [owner(id="x")]}, "$.item[0].relatedParty[0].partyOrPartyRole.id"),
        ({"for": {"id": "x", "@referredType": "Individual"}}, "$.item[0].for.id"),
        ({"service": {"@type": "ServiceRef", "id": "of-640"}}, None),
        ({"service": {"@type": "Service", "id": "a new one"}}, None),
        ({"serviceSpecification": {"@type": "ServiceSpecificationRef", "id": "of the catalogue"}}, None),
    ],
)
async def test_what_says_that_it_is_a_reference_is_looked_up_however_deep_it_is(
    related: httpx.AsyncClient, inner: dict[str, Any], field: str | None
) -> None:
    answer = await related.post(f"{V5}/related", json={"@type": "Related", "item": [{"id": "1", **inner}]})
    assert (answer.status_code, answer.json().get("field")) == (201 if field is None else 422, field)


async def test_what_went_since_it_was_named_does_not_stop_another_change_of_its_list(
    related: httpx.AsyncClient, db: Any, tenant_id: TenantId, clock: Any
) -> None:
    both = [owner(id="of-632"), owner(id="ben")]
    people = Target("632", "Individual")
    async with db.transaction(tenant_id) as tx:
        await store.insert(tx, people, {"id": "ben"}, clock.now())
    body = {"@type": "Related", "relatedParty": both[:1]}
    path = f"{V5}/related/{(await related.post(f'{V5}/related', json=body)).json()['id']}"
    async with db.transaction(tenant_id) as tx:
        await store.delete(tx, people, "of-632")
    assert (await related.patch(path, json={"relatedParty": both})).status_code == 200
    wrong = await related.patch(path, json={"relatedParty": [*both, owner(id="nobody")]})
    assert (wrong.status_code, wrong.json()["value"]) == (422, "nobody")


async def test_a_reference_to_what_two_apis_serve_is_known_if_one_knows_it(
    related: httpx.AsyncClient, db: Any, tenant_id: TenantId
) -> None:
    both = [{"id": "of-638"}, {"id": "of-640"}]
    assert (
        await related.post(f"{V5}/related", json={"@type": "Related", "service": both})
    ).status_code == 201
    wrong = {"@type": "Related", "service": [*both, {"id": "of-632"}]}
    refused = await related.post(f"{V5}/related", json=wrong)
    assert (refused.status_code, refused.json()["field"]) == (422, "$.service[2].id")
    async with db.transaction(tenant_id) as tx:
        await store.set_references(tx, "620", "lenient")
    assert (await related.post(f"{V5}/related", json=wrong)).status_code == 201


async def test_an_id_may_be_chosen_once(client: httpx.AsyncClient) -> None:
    body = {"@type": "Category", "name": "x", "id": "own-1"}
    assert (await client.post(f"{V5}/category", json=body)).headers["location"] == f"{V5}/category/own-1"
    assert (await client.post(f"{V5}/category", json=body)).status_code == 409


async def test_another_tenant_sees_nothing_of_it(
    client: httpx.AsyncClient, other_client: httpx.AsyncClient, make: Any
) -> None:
    made = await make("secret")
    url = f"{V5}/category/{made['id']}"
    for answer in (
        await other_client.get(url),
        await other_client.patch(url, json={"name": "mine"}),
        await other_client.delete(url),
    ):
        assert answer.status_code == 404
    assert (await other_client.get(f"{V5}/category?name=secret")).json() == []
    assert (await other_client.get(f"{V5}/category?sort=name")).json() == []


async def test_the_values_of_a_filter_are_found_by_their_index_in_spite_of_row_level_security_and_without_statistics(
    db: Any, clean_database: Any, tenant_id: TenantId, make: Any
) -> None:
    await make("a")
    async with db.transaction(tenant_id) as tx:
        await tx.execute(
            "INSERT INTO base.tmf_resource (tenant_id, api, type, id, document, created_at, changed_at)"
            " SELECT $1, '620', 'Category', n::text, jsonb_build_object('id', n::text, 'name', 'n' || n), now(), now()"
            " FROM generate_series(1, 5000) AS n",
            tenant_id,
        )
    category = Target("620", "Category")
    async with db.transaction(tenant_id) as tx:
        assert (await store.matching(tx, category, 'exists($."name" ? (@ == "n77"))', 10))[0] == 1
        await tx.execute("SELECT pg_stat_force_next_flush()")
    async with connect(clean_database.url(DatabaseRole.OWNER)) as owner:
        scans = "SELECT idx_scan FROM pg_stat_user_indexes WHERE indexrelname = 'tmf_resource_values'"
        assert await owner.fetchval(scans) > 0


async def test_the_function_behind_filters_shows_a_tenant_nothing_of_another_whatever_it_is_asked(
    db: Any, tenant_id: TenantId, other_tenant_id: TenantId, make: Any
) -> None:
    await make("a")
    ask = "SELECT count(*) FROM base.tmf_matching($1, '620', 'Category', 'exists($)'::jsonpath, 10)"
    for inside, asked, seen in (
        (tenant_id, tenant_id, 1),
        (other_tenant_id, tenant_id, 0),
        (tenant_id, other_tenant_id, 0),
    ):
        async with db.transaction(inside) as tx:
            assert await tx.fetchval(ask, asked) == seen
    async with db.untenanted() as tx:
        assert await tx.fetchval(ask, tenant_id) == 0


async def test_a_repeated_create_with_its_key_is_the_same_answer(client: httpx.AsyncClient) -> None:
    body = {"@type": "Category", "name": "x"}
    headers = {"idempotency-key": "k1"}
    one = await client.post(f"{V5}/category", json=body, headers=headers)
    two = await client.post(f"{V5}/category", json=body, headers=headers)
    assert one.json() == two.json()
    assert len((await client.get(f"{V5}/category")).json()) == 1


def test_the_openapi_document_of_the_routes_is_valid(web: Any, catalog_api: Api) -> None:
    document = web(catalog_api).document
    OpenAPIV31SpecValidator(document).validate()
    ids = [one["operationId"] for path in document["paths"].values() for one in path.values()]
    assert len(ids) == len(set(ids))
    assert len([one for one in ids if "TMF" in one]) == 2 * (5 * 5 + 2)  # others are about listeners of all


@pytest.mark.parametrize(
    ("events", "body", "told"),
    [
        (("StatusChange", "AttributeValueChange"), {"lifecycleStatus": "In design"}, ["StatusChange"]),
        (("Change",), {"lifecycleStatus": "In design"}, ["Change"]),
        (("Change", "StateChange"), {"name": "b"}, ["Change"]),
        (
            ("AttributeValueChange", "StateChange"),
            {"name": "b", "lifecycleStatus": "In design"},
            ["StateChange", "AttributeValueChange"],
        ),
        (("Create",), {"name": "b"}, []),
    ],
)
def test_a_change_is_told_by_the_words_that_the_resource_has(
    catalog_api: Api, events: tuple[str, ...], body: dict[str, Any], told: list[str]
) -> None:
    (category,) = (one for one in catalog_api.resources if one.descriptor.type == "Category")
    own = replace(category, descriptor=replace(category.descriptor, events=events))
    before = {"id": "1", "name": "a", "lifecycleStatus": "In study", "lastUpdate": "x"}
    assert changes(own, before, {**before, **body, "lastUpdate": "y"}) == told


NOTE = Descriptor("Note", "note", attributes("text string required"), inside=Inside("category", "Category"))


async def test_a_nested_resource_lives_in_its_outer_one_and_nowhere_else(web: Any, catalog_api: Api) -> None:
    note = replace(catalog_api.resources[0], descriptor=NOTE)
    api = replace(catalog_api, resources=(*catalog_api.resources, note))
    async with client_of(web(api), "fw_own") as client:
        one, other = [
            (await client.post(f"{V5}/category", json={"@type": "Category", "name": name})).json()["href"]
            for name in "ab"
        ]
        body = {"@type": "Note", "text": "x"}
        made = await client.post(f"{one}/note", json=body)
        assert made.status_code == 201, made.text
        key = made.json()["id"]
        assert made.json() == {**body, "id": key, "href": f"{one}/note/{key}"}
        assert made.headers["location"] == f"{one}/note/{key}"
        assert (await client.get(f"{one}/note?text=x")).json() == [made.json()]
        assert (await client.get(f"{other}/note")).json() == []
        assert (await client.get(f"{other}/note/{key}")).status_code == 404
        assert (await client.get(f"{V5}/category/nowhere/note")).status_code == 404
        for sent in (body, {}):
            assert (await client.post(f"{V5}/category/nowhere/note", json=sent)).status_code == 404
        changed = await client.patch(f"{one}/note/{key}", json={"text": "y"})
        assert changed.json() == {**made.json(), "text": "y"}
        moved = {"op": "add", "path": "/@parent", "value": other.rpartition("/")[2]}
        patched = await client.patch(
            f"{one}/note/{key}", content=json.dumps([moved]), headers={"content-type": JSON_PATCH}
        )
        assert (patched.status_code, (await client.get(f"{other}/note")).json()) == (400, [])
        assert (await client.delete(one)).status_code == 409
        assert (await client.delete(f"{one}/note/{key}")).status_code == 204
        assert (await client.delete(one)).status_code == 204


async def test_nobody_can_say_himself_where_a_nested_resource_lives(web: Any, catalog_api: Api) -> None:
    note = replace(catalog_api.resources[0], descriptor=NOTE)
    api = replace(catalog_api, resources=(*catalog_api.resources, note))
    async with client_of(web(api), "fw_own") as client:
        one = (await client.post(f"{V5}/category", json={"@type": "Category", "name": "a"})).json()["href"]
        body = {"@type": "Note", "text": "x", "@parent": "elsewhere"}
        for base in (one, one.replace("/v5/", "/v4/")):
            answer = await client.post(f"{base}/note", json=body)
            assert (answer.status_code, answer.json()["field"]) == (400, "$.@parent")


async def test_a_client_may_say_an_href_but_only_a_text_and_the_server_gives_its_own(
    client: httpx.AsyncClient,
) -> None:
    refused = await client.post(f"{V4}/category", json={"name": "a", "href": -209})
    assert (refused.status_code, (await client.get(f"{V4}/category")).json()) == (400, []), refused.text
    made = (await client.post(f"{V4}/category", json={"name": "a", "href": "https://else.example/1"})).json()
    assert made["href"] == f"{V4}/category/{made['id']}"
