"""The network over HTTP and at the command line: as asked, with the rights that it needs."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from farwire.app import api_routes
from farwire.base.authz import Principal, Role
from farwire.base.clock import MovableClock
from farwire.base.config import Settings
from farwire.base.storage import Database
from farwire.base.web import build_api
from farwire.kernel.ids import TenantId
from farwire.tenant import service as tenants
from farwire.tenant.service import KeyRefused

V1 = "/farwire/v1"
Make = Callable[..., Any]
Farwire = Callable[..., Any]


@pytest.fixture
async def caller(db: Database, settings: Settings, clock: MovableClock, tenant_id: TenantId) -> Make:
    """Return a maker of clients: ``await caller(role, tenant)``."""

    async def principal(database: Database, text: str) -> Principal | None:
        try:
            return await tenants.authenticate(db=database, clock=clock, text=text)
        except KeyRefused:
            return None

    routes = [route for route in api_routes() if route.tag == "Network"]
    api = build_api(routes, database=db, clock=clock, settings=settings, authenticate=principal)

    async def make(role: Role = Role.TENANT_ADMIN, tenant: TenantId = tenant_id) -> httpx.AsyncClient:
        key, _ = await tenants.create_key(db=db, clock=clock, tenant_id=tenant, role=role, label="test")
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(app=api),
            base_url="http://farwire",
            headers={"Authorization": f"Bearer {key}"},
        )

    return make


async def network(client: httpx.AsyncClient) -> None:
    for name, layer in (("duct", "physical"), ("f/1", "physical"), ("f/2", "physical"), ("line", "service")):
        made = await client.post(f"{V1}/elements", json={"name": name, "layer": layer, "kind": "thing"})
        assert made.status_code == 201, made.text
    for start, kind, end, group in (
        ("duct", "contains", "f/1", ""),
        ("f/1", "carries", "line", "ring"),
        ("f/2", "protects", "line", "ring"),
        ("f/1", "connects", "f/2", ""),
    ):
        body = {"start": start, "kind": kind, "end": end, "protection": group}
        made = await client.post(f"{V1}/links", json=body)
        assert made.status_code == 201, made.text


async def ids(client: httpx.AsyncClient) -> dict[str, str]:
    """Return where each element is, by its name."""
    return {one["name"]: one["href"] for one in (await client.get(f"{V1}/elements")).json()}


async def names(client: httpx.AsyncClient, path: str, **query: str) -> list[str]:
    answer = await client.get(path, params=query)
    assert answer.status_code == 200, answer.text
    return [one.get("element", one)["name"] for one in answer.json()]


async def test_the_network_is_built_and_asked(
    caller: Make, clock: MovableClock, other_tenant_id: TenantId
) -> None:
    client = await caller()
    await network(client)
    at, before = await ids(client), clock.now().isoformat()
    clock.advance(timedelta(hours=1))
    assert await names(client, f"{at['duct']}/impacts") == ["duct", "f/1"]
    assert await names(client, f"{at['f/2']}/impacts", unprotected="true") == ["line"]
    steps = (await client.get(f"{at['line']}/traces", params={"end": "f/2"})).json()
    assert [(one["way"], one["element"]["name"], one["shared"]) for one in steps] == [
        ("first", "line", False),
        ("first", "f/1", False),
        ("first", "f/2", True),
        ("second", "line", False),
        ("second", "f/2", True),
    ]
    ended = {"start": "f/2", "kind": "protects", "end": "line"}
    assert (await client.post(f"{V1}/links/end", json=ended)).json()["validTo"]
    assert await names(client, f"{at['duct']}/impacts", layer="service") == ["line"]
    assert await names(client, f"{at['duct']}/impacts", at=before) == ["duct", "f/1"]
    for far, there in (("1933-09-19T07:28:52+04:09", 0), ("9999-12-31T00:00:00Z", 4)):
        found = await client.get(f"{V1}/elements", params={"at": far})
        assert (found.status_code, len(found.json())) == (200, there), found.text
    assert await names(client, f"{at['line']}/needs", limit="1", offset="1") == ["f/1"]
    assert await names(client, f"{at['f/2']}/paths", end="f/1") == ["f/2", "f/1"]
    nothing: dict[str, str] = {}
    for query in (nothing, {"end": "duct", "kind": "thing"}):
        refused = await client.get(f"{at['line']}/traces", params=query)
        assert (refused.status_code, refused.json()["code"]) == (400, "inventory.trace"), refused.text
    listed = await client.get(f"{V1}/elements", params={"prefix": "f/", "limit": 1})
    assert (listed.headers["x-total-count"], listed.json()[0]["name"]) == ("2", "f/1")
    links = await client.get(f"{at['line']}/links")
    assert [one["kind"] for one in links.json()] == ["carries"]
    await client.post(f"{at['duct']}/amend", json={"state": "out_of_service"})
    detail = (await client.get(at["duct"])).json()
    assert [one["state"] for one in detail["history"]] == ["in_service", "out_of_service"]
    assert (await client.post(f"{at['line']}/end", json={})).json()["endedAt"]
    stranger = await caller(tenant=other_tenant_id)
    for path in (at["duct"], f"{at['duct']}/impacts", f"{V1}/elements/x"):
        answer = await stranger.get(path)
        assert (answer.status_code, answer.json()["code"]) == (404, "inventory.element_unknown")


async def test_who_may_only_read_changes_nothing_and_a_refusal_names_its_field(caller: Make) -> None:
    client = await caller()
    await network(client)
    reader = await caller(Role.AUDITOR)
    body: dict[str, object] = {"name": "x", "layer": "physical", "kind": "thing"}
    assert (await reader.post(f"{V1}/elements", json=body)).status_code == 403
    assert await names(reader, f"{(await ids(reader))['duct']}/impacts") == ["duct", "f/1"]
    loop = {"start": "f/1", "kind": "contains", "end": "duct"}
    answer = (await client.post(f"{V1}/links", json=loop)).json()
    assert (answer["code"], answer["field"], answer["value"]) == ("inventory.contains_itself", "to", "duct")


@pytest.fixture
def farwire(farwire_command: tuple[str, ...], database_env: dict[str, str], tenant_id: TenantId) -> Farwire:
    """Run a command of the tenant with --json; return its document, or what it said against it."""

    def call(*words: str, code: int = 0) -> Any:
        done = subprocess.run(
            [*farwire_command, "inventory", *words, "--json"],
            env={**os.environ, **database_env, "FARWIRE_TENANT": "nordlicht"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, done.stderr + done.stdout
        return json.loads(done.stdout or done.stderr)

    return call


def test_a_person_builds_a_network_and_asks_it(farwire: Farwire, tmp_path: Path) -> None:
    resources, links = tmp_path / "resources.csv", tmp_path / "links.csv"
    resources.write_text("name,layer,kind\na,physical,router\nb,physical,router\nc,optical,router\n")
    links.write_text("from,to,kind\na,b,connects\na,a,connects\n")
    report = farwire("import", str(resources), str(links), code=1)
    assert [(one["row"], one["field"]) for one in report["resources"]["errors"]] == [(3, "layer")]
    assert [(one["row"], one["field"]) for one in report["links"]["errors"]] == [(2, "to")]
    farwire("add", "s", "--layer", "service", "--kind", "access")
    assert farwire("link", "b", "serves", "s")["to"] == "s"
    assert farwire("links", "b")["total"] == 2
    assert [one["name"] for one in farwire("impact", "b")["items"]] == ["b", "s"]
    assert [one["name"] for one in farwire("needs", "s")["items"]] == ["b"]
    way = farwire("path", "a", "s", "--over", "connects", "--over", "serves")
    assert [one["name"] for one in way["items"]] == ["a", "b", "s"]
    assert farwire("path", "a", "b", "--without", "b", code=4)["error"]["code"] == "inventory.no_path"
    traced = farwire("trace", "s", "--kind", "router")["items"]
    assert [(one["way"], one["name"], one["shared"]) for one in traced] == [
        ("first", "s", False),
        ("first", "b", False),
    ]
    farwire("change", "a", "--state", "out_of_service")
    assert [one["state"] for one in farwire("element", "a")["history"]] == ["in_service", "out_of_service"]
    assert farwire("unlink", "b", "serves", "s")["valid_to"]
    assert farwire("end", "s")["ended_at"]
    assert [one["name"] for one in farwire("elements")["items"]] == ["a", "b"]
