"""Every route of the TMF engine, read from the routes themselves: closed without a key, and to another operator."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from farwire.app import api_routes
from farwire.base.authz import Role
from farwire.base.clock import MovableClock
from farwire.base.storage import Database
from farwire.base.tmf import Api as TmfApi
from farwire.base.tmf import Operation, Resource
from farwire.base.tmf.descriptor import PARENT, Target
from farwire.base.tmf.resource import SERVED
from farwire.base.tmf.store import documents
from farwire.base.web import Access, AnyRoute
from farwire.kernel.ids import TenantId

from .conftest import Charge, Client, MakeKey
from .stage import Keys, fill

ROUTES = [route for route in api_routes() if route.contract is not None]
OWN_ID = "owners-own-1"
ENDS = ("/hub", f"Job/{OWN_ID}/content", f"Job/{OWN_ID}/errors")


def collections() -> Iterator[tuple[str, TmfApi, Resource]]:
    """Every path of every resource: two versions, and the other base paths of each."""
    for api, resource in SERVED.all():
        for version in api.versions:
            if version in resource.descriptor.versions:
                for base in dict.fromkeys(api.bases(version)):
                    yield f"{base}/{resource.descriptor.collection(version, OWN_ID)}", api, resource


def hub(path: str) -> dict[str, str]:
    return {"callback": f"https://listener.example{path}"}


@pytest.fixture
async def owned(
    world: Any,
    db: Database,
    clock: MovableClock,
    tenant_id: TenantId,
    client_of: Client,
    make_key: MakeKey,
    charge: Charge,
) -> dict[str, str]:
    """One thing of each resource that the operator has, by the path of its collection, and a listener per API."""
    keys = [await make_key(tenant_id, Role.TENANT_ADMIN) for _ in range(2)]
    found: dict[str, str] = {}
    async with client_of(keys[0]) as client, client_of(keys[1]) as second:
        await fill(world, Keys(client, second))
        await charge()
        await _topic(client)
        for path, api, resource in collections():
            if path.endswith("/event/v4/topic"):
                found[path] = OWN_ID  # the first ones of the list stand for everybody
            elif resource.behaviour is None and stands_alone(resource):
                await _document(db, clock, tenant_id, api, resource)
                found[path] = OWN_ID
            elif Operation.LIST in resource.descriptor.operations:
                answer = await client.get(f"{path}?limit=1")
                outer_unknown = answer.status_code == 404 and resource.descriptor.inside is not None
                assert answer.status_code == 200 or outer_unknown, (path, answer.text)
                rows = [] if outer_unknown else answer.json()
                found |= {path: rows[0]["id"]} if rows else {}
        for route in ROUTES:
            if route.path.endswith("/hub") and "{" not in route.path:
                made = await client.post(route.path, json=hub(route.path))
                assert made.status_code == 201, made.text
                found[route.path] = made.json()["id"]
    return found


async def _topic(client: httpx.AsyncClient) -> None:
    """Make a topic with an event and a listener."""
    topics = "/tmf-api/event/v4/topic"
    bodies = {"": {"id": OWN_ID}, f"/{OWN_ID}/event": {"title": "secret"}, f"/{OWN_ID}/hub": hub("/topic")}
    for path, body in bodies.items():
        answer = await client.post(f"{topics}{path}", json=body)
        assert answer.status_code == 201, answer.text


def stands_alone(resource: Resource) -> bool:
    """Whether one can be kept without a thing of a context that it is about."""
    needed = [one.refers for one in resource.descriptor.attributes.values() if one.required and one.refers]
    found = [SERVED.get(target) for target in needed]
    return all(one is None or one[1].behaviour is None for one in found)


def minimal(resource: Resource) -> dict[str, Any]:
    """Return what a thing must have, as the tables say."""
    kinds = {
        "string": "secret",
        "boolean": True,
        "integer": 1,
        "number": 1,
        "dateTime": "2026-06-01T00:00:00.000Z",
    }
    made: dict[str, Any] = {}
    for one in resource.descriptor.attributes.values():
        if one.required or one.name == "name":
            value = kinds.get(one.type, {"id": "1"})
            made[one.name] = [value] if one.many else value
    if resource.descriptor.lifecycle is not None:
        made[resource.descriptor.lifecycle.attribute] = resource.descriptor.lifecycle.initial
    return made | {"id": OWN_ID, "@type": resource.descriptor.type}


async def _document(
    db: Database, clock: MovableClock, tenant_id: TenantId, api: TmfApi, resource: Resource
) -> None:
    made = minimal(resource)
    if resource.descriptor.inside is not None:
        made[PARENT.name] = OWN_ID
    async with db.transaction(tenant_id) as tx:
        target = Target(api.number, resource.descriptor.type)
        await documents.insert(tx, target, made, clock.now())


async def shown(client: httpx.AsyncClient, owned: dict[str, str]) -> dict[str, str]:
    """What the operator sees of its own things, by path."""
    found = {f"{path}/{key}": await client.get(f"{path}/{key}") for path, key in owned.items()}
    return {path: answer.text for path, answer in found.items() if answer.status_code == 200}


def asked(route: AnyRoute, owned: dict[str, str]) -> tuple[str, bool]:
    """The route's path with the owner's id in it, and whether the owner has such a thing."""
    *outer, last = re.split(r"/{\w+}", route.path + ("/{id}" if "{" not in route.path else ""))
    inner = f"{outer[0]}/{OWN_ID}{outer[1]}" if len(outer) == 2 else outer[0]
    key = owned.get(inner)
    path = re.sub(r"{\w+}$", key or "01890a5d-ac96-774b-bcce-b302099a8057", route.path)
    return re.sub(r"{\w+}", OWN_ID, path), key is not None and not last


def standing(shown: dict[str, Any]) -> bool:
    """Whether it is a topic of TMF688 that every operator has."""
    return shown.get("name", "").startswith(f"{shown.get('id')} ")


def sent(route: AnyRoute) -> Any:
    if route.path.endswith("/hub"):
        return hub(route.path)
    if route.method.value == "POST" and "{" in route.path:
        return minimal(getattr(route.handler, "__self__").resource)  # noqa: B009 - mypy knows functions only
    return {"id": OWN_ID, "name": "stolen"} if route.method.value in ("POST", "PATCH", "PUT") else None


async def test_another_operator_finds_changes_and_removes_nothing_by_any_route(
    owned: dict[str, str], client: httpx.AsyncClient, other_client: httpx.AsyncClient
) -> None:
    """It has every permission, and the ids. 404 for what the owner has, as for what nobody has."""
    before = await shown(client, owned)
    tried, wrong = 0, []
    for route in ROUTES:
        if route.method.value == "POST" and "{" not in route.path:
            continue
        path, there = asked(route, owned)
        answer = await other_client.request(route.method.value, path, json=sent(route))
        if "{" in route.path:
            tried += there
            closed = answer.status_code in (403, 404)
        else:
            theirs = [] if answer.status_code != 200 else [one for one in answer.json() if not standing(one)]
            closed = theirs == []
        if not closed:
            wrong.append((route.method.value, path, answer.status_code, answer.text[:200]))
    assert wrong == []
    assert tried >= 200
    unread = [path for path in owned if path.endswith("/hub") and "/topic/" not in path]
    for path in unread:  # a listener of a topic is read as other things are, one of an API is not
        assert (await client.delete(f"{path}/{owned.pop(path)}")).status_code == 204, path
    assert await shown(client, owned) == before
    assert len(before) >= 200


async def test_another_operators_new_things_leave_the_owners_alone_though_the_ids_are_the_same(
    owned: dict[str, str], client: httpx.AsyncClient, other_client: httpx.AsyncClient
) -> None:
    """An id is one operator's: what another makes under it is another thing, which the owner does not see."""
    before = await shown(client, owned)
    made = []
    for route in ROUTES:
        if route.method.value != "POST" or "{" in route.path:
            continue
        answer = await other_client.post(route.path, json=sent(route))
        assert answer.status_code < 500, (route.path, answer.text)
        assert "secret" not in answer.text, route.path
        made += [route.path] if answer.status_code == 201 else []
    assert len(made) >= 20
    assert await shown(client, owned) == before


async def test_every_route_under_every_path_refuses_a_request_without_a_key(client_of: Client) -> None:
    """Also those that the OpenAPI document does not list, as they are further paths of the same thing."""
    async with client_of("") as nobody:
        for route in ROUTES:
            answer = await nobody.request(
                route.method.value, re.sub(r"{\w+}", OWN_ID, route.path), json=sent(route)
            )
            assert answer.status_code == 401, (route.method.value, route.path, answer.text)


def test_no_route_is_open_to_any_key() -> None:
    assert [route.path for route in ROUTES if isinstance(route.permission, Access)] == []


def test_every_route_belongs_to_a_resource_or_a_hub_or_a_file_of_a_job() -> None:
    known = {path for path, _, _ in collections()}
    stems = {re.sub(r"/{\w+}/", f"/{OWN_ID}/", route.path).split("/{")[0] for route in ROUTES}
    assert {stem for stem in stems if stem not in known and not stem.endswith(ENDS)} == set()
