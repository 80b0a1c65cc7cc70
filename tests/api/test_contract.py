"""What holds for every route, read from the OpenAPI document itself, so that a new route is tested by being there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from farwire.app import api_routes
from farwire.base.authz import ROLE_PERMISSIONS, Permission, Role
from farwire.base.web import Access, Api
from farwire.kernel.ids import TenantId

USAGE = {
    "usageDate": "2026-06-20T10:00:00Z",
    "usageType": "voice",
    "usageCharacteristic": [
        {"name": "subscriber", "value": "4915100000001"},
        {"name": "quantity", "value": 65},
    ],
}
UNKNOWN = "01890a5d-ac96-774b-bcce-b302099a8057"


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


@pytest.fixture
async def filled(world: Any, client: httpx.AsyncClient) -> dict[str, str]:
    """Things of the first tenant; return one id for each collection, by the path of the collection."""
    product = await world.product(await world.account(), await world.plan())
    await world.rated(product, "other", "0.63", at="2026-06-20T10:00Z", quantity=420)
    await world.run()
    assert (await client.post("/tmf-api/usageManagement/v4/usage", json=USAGE)).status_code == 201
    ids = {}
    for route in api_routes():
        if route.paged and "{" not in route.path:
            (first, *_) = (await client.get(route.path)).json()
            ids[route.path] = first["id"]
    return ids


def concrete(path: str, ids: dict[str, str], id_: str | None = None) -> str:
    """Fill the path with an id of its own collection and line 1."""
    collection = path.split("/{id}", maxsplit=1)[0]
    return path.replace("{id}", id_ or ids.get(collection, "")).replace("{line}", "1")


async def ask(client: httpx.AsyncClient, method: str, path: str) -> httpx.Response:
    return await client.request(method, path, json=USAGE if method == "POST" else None)


def without_id(answer: httpx.Response) -> dict[str, Any]:
    """The body without what differs between any two requests."""
    return {name: value for name, value in answer.json().items() if name not in {"value", "requestId"}}


async def test_the_document_and_its_page_show_code_as_code(api: Api, client: httpx.AsyncClient) -> None:
    described = str(api.document)
    assert "``" not in described
    assert "`taxItem`" in described
    page = (await client.get("/docs")).text
    assert "`" not in page
    assert "<code>taxItem</code>" in page


async def test_the_document_is_valid_and_names_a_permission_everywhere(api: Api) -> None:
    OpenAPIV31SpecValidator(api.document).validate()
    known = {permission.value for permission in Permission} | {access.value for access in Access}
    for method, path, operation in operations(api.document):
        assert operation["x-permission"] in known, (method, path)
    ids = [operation["operationId"] for _, _, operation in operations(api.document)]
    assert len(ids) == len(set(ids)) >= 11


async def test_every_route_refuses_a_request_without_a_key(
    api: Api, client_of: Any, filled: dict[str, str]
) -> None:
    async with client_of("") as nobody:
        for method, path, _ in operations(api.document):
            answer = await ask(nobody, method, concrete(path, filled))
            assert (answer.status_code, "www-authenticate" in answer.headers) == (401, True), (method, path)


async def test_every_route_answers_its_own_tenant(
    api: Api, client: httpx.AsyncClient, filled: dict[str, str]
) -> None:
    for method, path, _ in operations(api.document):
        answer = await ask(client, method, concrete(path, filled))
        assert answer.status_code in {200, 201}, (method, path, answer.text)


async def test_an_id_of_another_tenant_is_404_on_every_route_as_an_unknown_one_is(
    api: Api, other_client: httpx.AsyncClient, filled: dict[str, str]
) -> None:
    seen = 0
    for method, path, _ in operations(api.document):
        if "{id}" not in path:
            continue
        theirs = await ask(other_client, method, concrete(path, filled))
        unknown = await ask(other_client, method, concrete(path, filled, UNKNOWN))
        assert theirs.status_code == unknown.status_code == 404, (method, path)
        assert without_id(theirs) == without_id(unknown), (method, path)
        seen += 1
    assert seen >= 6


async def test_no_list_shows_another_tenants_things(
    api: Api, other_client: httpx.AsyncClient, filled: dict[str, str]
) -> None:
    for path in filled:
        answer = await other_client.get(path)
        assert (answer.json(), answer.headers["x-total-count"]) == ([], "0"), path


@pytest.mark.parametrize("role", list(Role))
async def test_each_role_gets_what_the_matrix_gives_it_and_nothing_more(
    api: Api, client_of: Any, make_key: Any, tenant_id: TenantId, filled: dict[str, str], role: Role
) -> None:
    async with client_of(await make_key(tenant_id, role)) as client:
        for method, path, operation in operations(api.document):
            wanted = operation["x-permission"]
            allowed = wanted == Access.ANY_KEY or Permission(wanted) in ROLE_PERMISSIONS[role]
            answer = await ask(client, method, concrete(path, filled))
            assert (answer.status_code == 403) is not allowed, (role, method, path, answer.status_code)


async def test_every_list_is_bounded_and_counts_itself(
    api: Api, client: httpx.AsyncClient, filled: dict[str, str]
) -> None:
    for path in filled:
        one = await client.get(f"{path}?limit=1")
        assert (len(one.json()), int(one.headers["x-result-count"])) == (1, 1), path
        assert int(one.headers["x-total-count"]) >= 1, path
        assert (await client.get(f"{path}?limit=1001")).status_code == 400, path
        assert (await client.get(f"{path}?nonsense=1")).status_code == 400, path
        assert set(await _attributes(client, f"{path}?fields=href&limit=1")) <= {"id", "href", "@type"}, path


async def _attributes(client: httpx.AsyncClient, url: str) -> list[str]:
    (first,) = (await client.get(url)).json()
    return list(first)
