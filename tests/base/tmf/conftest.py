"""A catalogue that is kept as documents: the tables of TMF620 on the engine, over HTTP, without a context."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest

from farwire.base.authz import Permission, Principal, Role
from farwire.base.clock import MovableClock
from farwire.base.config import Settings
from farwire.base.storage import Database
from farwire.base.tmf import Api, Descriptor, Resource, tmf_routes
from farwire.base.tmf import resource as bindings
from farwire.base.web import build_api
from farwire.catalog.api import tmf620_tables as tables
from farwire.kernel.ids import KeyId, TenantId, uuid7

CATALOG = "/tmf-api/productCatalogManagement"
KEY = KeyId(uuid7())


def document(descriptor: Descriptor) -> Resource:
    return Resource(descriptor, "catalog", Permission.CATALOG_READ, Permission.CATALOG_PUBLISH)


@pytest.fixture
def catalog_api(monkeypatch: pytest.MonkeyPatch) -> Api:
    """TMF620 with every resource as a document, alone in a process."""
    monkeypatch.setattr(bindings.SERVED, "_by_target", {})
    kinds = (tables.CATEGORY, tables.CATALOG, tables.OFFERING, tables.PRICE, tables.SPECIFICATION)
    return Api("620", "Product catalogue", "productCatalogManagement", tuple(document(one) for one in kinds))


@pytest.fixture
def web(
    db: Database, settings: Settings, clock: MovableClock, tenant_id: TenantId, other_tenant_id: TenantId
) -> Any:
    """Return a function that builds the API of some routes; the keys are "own" and "other"."""
    who = {"fw_own": tenant_id, "fw_other": other_tenant_id}

    async def authenticate(_: Database, key: str) -> Principal | None:
        return Principal(who[key], Role.TENANT_ADMIN, KEY) if key in who else None

    def build(*apis: Api) -> Any:
        return build_api(
            [route for api in apis for route in tmf_routes(api)],
            database=db,
            clock=clock,
            settings=settings,
            authenticate=authenticate,
        )

    return build


def client_of(app: Any, key: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app),
        base_url="http://farwire",
        headers={"authorization": f"Bearer {key}"},
    )


@pytest.fixture
async def client(web: Any, catalog_api: Api) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(web(catalog_api), "fw_own") as found:
        yield found


@pytest.fixture
async def other_client(web: Any, catalog_api: Api) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(web(catalog_api), "fw_other") as found:
        yield found


Make = Callable[..., Awaitable[dict[str, Any]]]


@pytest.fixture
def make(client: httpx.AsyncClient) -> Make:
    """Create a category of v5."""

    async def create(name: str = "Mobile", **more: Any) -> dict[str, Any]:
        answer = await client.post(f"{CATALOG}/v5/category", json={"@type": "Category", "name": name, **more})
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    return create
