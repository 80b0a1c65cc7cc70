"""What holds for every route, read from the OpenAPI document itself, so that a new route is tested by being there.

Of the routes that the TMF engine serves from tables, thousands, `make test` tries one for each API, version and
permission where the pipeline alone answers; all of them are among the slow proofs.

The things that the routes are tried with are those of ``stage.py``. A route that takes a body needs a row there.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Any

import httpx
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from farwire.app import api_routes
from farwire.base.authz import ROLE_PERMISSIONS, Permission, Role
from farwire.base.web import Access, AnyRoute, Api, openapi_document
from farwire.charging import service as charging
from farwire.charging.model import Ask, Phase, Service, SessionRequest
from farwire.charging.service.books import take_all
from farwire.kernel.ids import TenantId

from .conftest import Charge, Client, MakeKey
from .stage import OLT, TEXT, V1, Keys, Things, body_of, fill

UNKNOWN = "01890a5d-ac96-774b-bcce-b302099a8057"
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
# A key that holds nothing is released already, whoever asks.
ANSWERS_ANYBODY = {f"{V1}/reservations/{{key}}"}
# Texts and simulated elements that come with Farwire belong to nobody.
SHARED = {f"{V1}/messageTemplates": TEXT["code"], f"{V1}/activationAdapters": OLT}
# A closing commits step by step, so that one that was stopped goes on; again changes nothing.
NO_KEY = {f"{V1}/ledger/closings"}
# What the TMF engine serves is tried in tests/base/tmf: its routes come from tables, under several paths each.
OPERATIONS = [(route.method.value, route.path) for route in api_routes() if route.contract is None]
LISTS = [route.path for route in api_routes() if route.paged]
LISTED = [route for route in api_routes() if route.listed]
SAMPLE = {
    (route.tag, route.path.split("/")[3], route.permission) if route.contract else route: route
    for route in LISTED
}
SAMPLE_OR_ALL = pytest.mark.parametrize(
    "routes",
    [pytest.param(SAMPLE.values(), id="sample"), pytest.param(LISTED, id="all", marks=pytest.mark.full)],
)


def named(routes: Collection[AnyRoute]) -> Iterator[tuple[str, str]]:
    return ((route.method.value, route.path) for route in routes)


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


@pytest.fixture
async def filled(
    world: Any, client_of: Client, make_key: MakeKey, tenant_id: TenantId, charge: Charge
) -> Things:
    """An operator with one of everything."""
    keys = [await make_key(tenant_id, Role.TENANT_ADMIN) for _ in range(2)]
    async with client_of(keys[0]) as first, client_of(keys[1]) as second:
        things = await fill(world, Keys(first, second))
        await _use(await charge(), world, things, Keys(first, second))
    return things


async def _use(desk: Any, world: Any, things: Things, keys: Keys) -> None:
    """A top-up that is in the books, money sent far away, a session that goes on, and one that is denied."""
    account = things.ids[f"{V1}/chargingAccounts"]
    top_up = things.bodies["POST /chargingAccounts/{id}/topUps"]
    await keys.post(f"chargingAccounts/{account}/topUps", top_up)
    far = await keys.post("chargingAccounts", {"key": "sub-3", "offering": "go-5"})
    await keys.post(
        f"chargingAccounts/{account}/transfers", {"key": "far", "to": far["id"], "amount": top_up["amount"]}
    )
    await take_all(db=world.db, log=desk.runner.shard.log, clock=world.clock)
    async with world.db.transaction(world.tenant_id) as tx:
        tenant = (await charging.account_numbered(tx, number=int(account))).tenant_number
    for session, kind in enumerate(("data", "voice"), 1):
        asked = SessionRequest(int(account), session, 1, 0, Phase.INITIAL, Service(kind), (Ask(1),))
        await desk.client.ask(tenant, asked)


class Asker:
    """A client that asks as the document says, and fails where an answer is not in it."""

    def __init__(self, api: Api, things: Things, client: httpx.AsyncClient) -> None:
        self._document = api.document
        self._things = things
        self._client = client

    async def ask(self, method: str, path: str, *, unknown: bool = False, **query: str) -> httpx.Response:
        """Ask an operation with its own things, or with ids that nobody has."""
        url = self._things.path(path, unknown=UNKNOWN if unknown else "")
        body: Any = body_of(self._things, method, path)
        if unknown and body is not None:
            body = _unknown_ids(body)
        answer = await self._client.request(
            method, url, json=body, params=self._things.queries.get(path, {}) | query
        )
        documented = self._document["paths"][path][method.lower()]["responses"]
        assert str(answer.status_code) in documented, (method, path, answer.status_code, answer.text)
        return answer


def _unknown_ids(part: Any) -> Any:
    if isinstance(part, dict):
        return {name: _unknown_ids(value) for name, value in part.items()}
    if isinstance(part, list):
        return [_unknown_ids(value) for value in part]
    return UNKNOWN if isinstance(part, str) and UUID.fullmatch(part) else part


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


def test_the_document_of_our_own_routes_is_valid() -> None:
    """Those of the TMF APIs are tried one by one in test_api_documents.py."""
    own = [route for route in api_routes() if not route.path.startswith("/tmf-api/")]
    OpenAPIV31SpecValidator(openapi_document(own)).validate()


@pytest.mark.full
async def test_the_document_of_all_routes_is_valid(api: Api) -> None:
    OpenAPIV31SpecValidator(api.document).validate()


async def test_the_document_names_a_permission_everywhere_and_each_operation_once(api: Api) -> None:
    known = {permission.value for permission in Permission} | {access.value for access in Access}
    for method, path, operation in operations(api.document):
        assert operation["x-permission"] in known, (method, path)
    ids = [operation["operationId"] for _, _, operation in operations(api.document)]
    assert len(ids) == len(set(ids)) >= 100


@SAMPLE_OR_ALL
async def test_every_route_refuses_a_request_without_a_key(
    client_of: Client, routes: Collection[AnyRoute]
) -> None:
    async with client_of("") as nobody:
        for method, path in named(routes):
            answer = await nobody.request(method, re.sub(r"{\w+}", UNKNOWN, path))
            assert (answer.status_code, "www-authenticate" in answer.headers) == (401, True), (method, path)


@SAMPLE_OR_ALL
@pytest.mark.parametrize("role", list(Role))
async def test_each_role_gets_what_the_matrix_gives_it_and_nothing_more(
    api: Api,
    client_of: Client,
    make_key: MakeKey,
    tenant_id: TenantId,
    role: Role,
    routes: Collection[AnyRoute],
) -> None:
    async with client_of(await make_key(tenant_id, role)) as client:
        for method, path in named(routes):
            operation = api.document["paths"][path][method.lower()]
            wanted = operation["x-permission"]
            allowed = wanted == Access.ANY_KEY or Permission(wanted) in ROLE_PERMISSIONS[role]
            answer = await client.request(method, re.sub(r"{\w+}", UNKNOWN, path))
            refused = answer.status_code == 403 and answer.json()["code"] == "authz.permission_missing"
            assert refused is not allowed, (role, method, path, answer.text)


async def test_every_route_knows_its_own_tenants_things(
    api: Api, client: httpx.AsyncClient, filled: Things
) -> None:
    """Reads show them; a command does its work, or says why the thing is not in the state for it."""
    asker, wrong = Asker(api, filled, client), []
    for method, path in sorted(OPERATIONS):  # GET before POST: commands change what is read
        answer = await asker.ask(method, path)
        allowed = {200, 201, 202, 204} | (set() if method == "GET" else {403, 409})
        located = answer.status_code != 201 or answer.headers.get("location", "").startswith("/")
        if answer.status_code not in allowed or not located:
            wrong.append((method, path, answer.text))
    assert wrong == []


async def test_what_another_tenant_has_is_404_on_every_route_as_what_nobody_has(
    api: Api, other_client: httpx.AsyncClient, filled: Things
) -> None:
    """Whether the id stands in the path or in the body."""
    asker = Asker(api, filled, other_client)
    tried, wrong = 0, []
    for method, path in OPERATIONS:
        if path in ANSWERS_ANYBODY or not ("{" in path or UUID.search(str(body_of(filled, method, path)))):
            continue
        theirs, nobodys = await asker.ask(method, path), await asker.ask(method, path, unknown=True)
        tried += 1
        refused = (theirs.status_code, nobodys.status_code) == (404, 404)
        if not refused or without_id(theirs) != without_id(nobodys):
            wrong.append((method, path, theirs.text, nobodys.text))
    assert wrong == []
    assert tried >= 70


async def test_no_list_shows_another_tenants_things(
    api: Api, other_client: httpx.AsyncClient, filled: Things
) -> None:
    asker = Asker(api, filled, other_client)
    for path in LISTS:
        if "{" in path:
            continue
        answer = await asker.ask("GET", path)
        if path in SHARED:
            assert SHARED[path] not in answer.text
        else:
            assert (answer.json(), answer.headers["x-total-count"]) == ([], "0"), path


async def test_every_list_is_bounded_and_counts_itself(
    api: Api, client: httpx.AsyncClient, filled: Things
) -> None:
    asker = Asker(api, filled, client)
    for path in LISTS:
        one = await asker.ask("GET", path, limit="1")
        assert (len(one.json()), int(one.headers["x-result-count"])) == (1, 1), path
        total = int(one.headers["x-total-count"])
        assert total >= 1, path
        assert ('rel="next"' in one.headers["link"]) is (total > 1), path
        beyond = await asker.ask("GET", path, offset=str(total))
        assert (beyond.json(), beyond.headers["x-total-count"]) == ([], str(total)), path
        assert (await asker.ask("GET", path, limit="1001")).status_code == 400, path
        assert (await asker.ask("GET", path, nonsense="1")).status_code == 400, path
        (chosen,) = (await asker.ask("GET", path, fields=_some_field(api, path), limit="1")).json()
        assert set(chosen) <= {"id", "href", "@type", _some_field(api, path)}, path


def _some_field(api: Api, path: str) -> str:
    """An attribute of the documents of a list that may be left out."""
    (parameter,) = [p for p in api.document["paths"][path]["get"]["parameters"] if p["name"] == "fields"]
    names = re.findall(r"[\w@]+", parameter["schema"]["pattern"].split(")", 1)[0].removeprefix("^(?:"))
    return next(name for name in names if name not in {"id", "href", "@type"})
