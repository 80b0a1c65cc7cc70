"""The whole API in this process, on a real database, with real keys."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import httpx
import pytest

from farwire.app import api_routes
from farwire.base.authz import Principal, Role
from farwire.base.clock import MovableClock
from farwire.base.storage import Database
from farwire.base.web import Api, build_api
from farwire.kernel.ids import TenantId
from farwire.tenant import service as tenants
from farwire.tenant.service import KeyRefused

MakeKey = Callable[[TenantId, Role], Awaitable[str]]
Client = Callable[[str], httpx.AsyncClient]


@pytest.fixture
def api(db: Database, clock: MovableClock) -> Api:
    async def principal(database: Database, text: str) -> Principal | None:
        try:
            return await tenants.authenticate(db=database, clock=clock, text=text)
        except KeyRefused:
            return None

    return build_api(api_routes(), database=db, clock=clock, authenticate=principal)


@pytest.fixture
def make_key(db: Database, clock: MovableClock) -> MakeKey:
    async def make(tenant_id: TenantId, role: Role = Role.TENANT_ADMIN) -> str:
        text, _ = await tenants.create_key(db=db, clock=clock, tenant_id=tenant_id, role=role, label="test")
        return text

    return make


@pytest.fixture
def client_of(api: Api) -> Client:
    def client(key: str) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(app=api),
            base_url="http://farwire",
            headers={"authorization": f"Bearer {key}"},
        )

    return client


@pytest.fixture
async def client(
    client_of: Client, make_key: MakeKey, tenant_id: TenantId
) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(await make_key(tenant_id, Role.TENANT_ADMIN)) as found:
        yield found


@pytest.fixture
async def other_client(
    client_of: Client, make_key: MakeKey, other_tenant_id: TenantId
) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(await make_key(other_tenant_id, Role.TENANT_ADMIN)) as found:
        yield found
