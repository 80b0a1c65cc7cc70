"""A tiny context of its own, declared as routes, so that the pipeline is tested without any real one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID

import httpx
import msgspec
import pytest

from farwire.base.authz import Permission, Principal, Role
from farwire.base.clock import MovableClock
from farwire.base.config import Settings
from farwire.base.eventbus import new_event, publish
from farwire.base.storage import Database
from farwire.base.web import (
    Access,
    Api,
    ById,
    Call,
    Limits,
    Method,
    Nothing,
    PageQuery,
    Reply,
    Route,
    build_api,
    page_reply,
)
from farwire.kernel.errors import Conflict, Exhausted, NotFound
from farwire.kernel.ids import KeyId, TenantId, uuid7
from farwire.kernel.page import Page

KNOWN = UUID("01890a5d-ac96-774b-bcce-b302099a8057")


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class ThingQuery(PageQuery, frozen=True, kw_only=True):
    colour: Colour | None = None
    made_gte: Annotated[datetime, msgspec.Meta(tz=True, description="Made at or after.")] | None = (
        msgspec.field(name="made.gte", default=None)
    )


class Thing(msgspec.Struct, frozen=True, tag_field="@type", tag="Thing"):
    id: str
    colour: str
    made: str = ""


class NewThing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    colour: Colour
    made_at: Annotated[datetime, msgspec.Meta(tz=True)] | None = None


async def list_things(call: Call[Nothing, ThingQuery, None]) -> Reply:
    page = call.query.page()
    colour = call.query.colour or Colour.RED
    items = tuple(range(page.offset, min(5, page.offset + page.limit)))
    made = call.query.made_gte.isoformat() if call.query.made_gte else ""
    return page_reply(Page(items, 5, page.offset, page.limit), lambda n: Thing(str(n), colour, made))


async def get_thing(call: Call[ById, Nothing, None]) -> Reply:
    if call.path.id != KNOWN:
        raise NotFound("there is no thing with this id", code="thing.unknown", field="id", value=call.path.id)
    return Reply(Thing(str(call.path.id), "red"))


async def add_thing(call: Call[Nothing, Nothing, NewThing]) -> Reply:
    async with call.transaction() as tx:
        event = new_event(
            tenant_id=call.principal.tenant_id,
            type="farwire.thing.made.v1",
            subject="thing/1",
            occurred_at=call.now(),
            recorded_at=call.now(),
            data={"colour": call.body.colour.value},
        )
        await publish(tx, event)
        if call.body.colour is Colour.BLUE:
            raise Conflict("blue is taken", code="thing.blue_taken")
    return Reply(Thing(str(uuid7()), call.body.colour.value), headers={"location": "/things/1"})


WAITING: set[object] = set()
"""Requests that ``wait_long`` keeps."""


async def wait_long(call: Call[Nothing, Nothing, None]) -> Reply:
    WAITING.add(call)
    try:
        await asyncio.sleep(600)
    finally:
        WAITING.remove(call)
    return Reply()


async def fail(call: Call[Nothing, Nothing, None]) -> Reply:
    raise RuntimeError("secret detail")


async def run_out(call: Call[Nothing, Nothing, None]) -> Reply:
    raise Exhausted("no more", code="thing.exhausted")


ROUTES = (
    Route(
        Method.GET,
        "/things",
        list_things,
        "List",
        "Things",
        Permission.USAGE_READ,
        list[Thing],
        query_type=ThingQuery,
    ),
    Route(
        Method.GET, "/things/{id}", get_thing, "Get", "Things", Permission.USAGE_READ, Thing, path_type=ById
    ),
    Route(
        Method.POST,
        "/things",
        add_thing,
        "Add",
        "Things",
        Permission.USAGE_IMPORT,
        Thing,
        body_type=NewThing,
        status=201,
        idempotent=True,
    ),
    Route(Method.GET, "/slow", wait_long, "Wait", "Things", Access.ANY_KEY, None),
    Route(Method.GET, "/broken", fail, "Fail", "Things", Access.ANY_KEY, None),
    Route(Method.GET, "/spent", run_out, "Run out", "Things", Access.ANY_KEY, None),
)


class Keys:
    """The key register of these tests."""

    def __init__(self, tenant_id: TenantId, other_tenant_id: TenantId) -> None:
        self.looked_up = 0
        self.principals = {
            "fw_admin": Principal(tenant_id, Role.TENANT_ADMIN, KeyId(uuid7())),
            "fw_finance": Principal(tenant_id, Role.FINANCE, KeyId(uuid7())),
            "fw_other": Principal(other_tenant_id, Role.TENANT_ADMIN, KeyId(uuid7())),
        }

    async def authenticate(self, _database: Database, token: str) -> Principal | None:
        self.looked_up += 1
        return self.principals.get(token)


@pytest.fixture
def waiting() -> set[object]:
    return WAITING


@pytest.fixture
def keys(tenant_id: TenantId, other_tenant_id: TenantId) -> Keys:
    return Keys(tenant_id, other_tenant_id)


@pytest.fixture
def time_limit_s() -> float:
    """A test of the limit sets its own."""
    return 60


@pytest.fixture
def api(db: Database, settings: Settings, clock: MovableClock, keys: Keys, time_limit_s: float) -> Api:
    limits = Limits(max_running=4, time_limit_s=time_limit_s, max_body_octets=1000)
    return build_api(
        ROUTES, database=db, clock=clock, settings=settings, authenticate=keys.authenticate, limits=limits
    )


@pytest.fixture
async def client(api: Api) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=api)
    headers = {"authorization": "Bearer fw_admin"}
    async with httpx.AsyncClient(transport=transport, base_url="http://farwire", headers=headers) as found:
        yield found
