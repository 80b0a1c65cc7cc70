"""Health, metrics, the OpenAPI document and its page."""

from __future__ import annotations

import io
import json
import re
from typing import Any

import httpx
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from farwire.base.clock import MovableClock
from farwire.base.config import Settings
from farwire.base.storage import Database, StorageUnavailable
from farwire.base.web import Access, AnyRoute, Api, Call, Method, Nothing, Reply, Route, build_api
from farwire.base.web.access import AccessLog
from farwire.kernel.errors import Defect


async def _nothing(_call: Call[Nothing, Nothing, None]) -> Reply:
    return Reply()


def route() -> AnyRoute:
    return Route(Method.GET, "/x", _nothing, "X", "X", Access.ANY_KEY, None)


async def test_liveness_needs_no_key(client: httpx.AsyncClient) -> None:
    answer = await client.get("/health/live", headers={"authorization": ""})
    assert (answer.status_code, answer.json()) == (200, {"status": "live"})


async def test_readiness_is_200_with_a_migrated_database(client: httpx.AsyncClient) -> None:
    answer = await client.get("/health/ready")
    assert (answer.status_code, answer.json()) == (200, {"status": "ready", "missing": {}})


async def test_readiness_turns_503_before_the_stop(api: Api, client: httpx.AsyncClient) -> None:
    api.draining.begin()
    answer = await client.get("/health/ready")
    assert (answer.status_code, list(answer.json()["missing"])) == (503, ["stopping"])
    assert (await client.get("/things")).status_code == 200


async def test_readiness_names_pending_migrations(
    db: Database, settings: Settings, clock: MovableClock, keys: Any
) -> None:
    async def pending(_database: Database) -> str | None:
        return "1 migrations are pending"

    api = build_api(
        (),
        database=db,
        clock=clock,
        settings=settings,
        authenticate=keys.authenticate,
        checks={"migrations": pending},
    )
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=api), base_url="http://farwire") as client:
        answer = await client.get("/health/ready")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")


async def test_a_worker_without_database_answers_503_and_recovers(
    db: Database, settings: Settings, clock: MovableClock, keys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("farwire.base.web.source.RETRY_S", 0.0)
    away = [True]

    async def open_later() -> Database:
        if away[0]:
            raise StorageUnavailable("the database does not answer")
        return db

    api = build_api((), database=open_later, clock=clock, settings=settings, authenticate=keys.authenticate)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=api), base_url="http://farwire") as client:
        assert (await client.get("/health/ready")).status_code == 503
        assert (await client.get("/health/live")).status_code == 200
        away[0] = False
        assert (await client.get("/health/ready")).status_code == 200


async def test_metrics_count_by_template_and_never_by_id(client: httpx.AsyncClient) -> None:
    await client.get("/things/01890a5d-ac96-774b-bcce-b302099a8057")
    text = (await client.get("/metrics")).text
    assert re.search(
        r'farwire_http_requests_total\{method="GET",route="/things/\{id\}",status="200"\} [1-9]', text
    )
    assert "farwire_http_request_seconds_bucket" in text
    assert "01890a5d" not in text


async def test_the_access_log_has_ids_of_ours_and_nothing_of_the_query(
    db: Database, settings: Settings, clock: MovableClock, keys: Any
) -> None:
    stream = io.BytesIO()
    logged = build_api(
        (),
        database=db,
        clock=clock,
        settings=settings,
        authenticate=keys.authenticate,
        access_log=AccessLog(stream),
    )
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=logged), base_url="http://farwire"
    ) as client:
        headers = {"authorization": "Bearer fw_secret", "x-request-id": "491701234567"}
        await client.get("/nowhere/491701234567?phone=491701234567", headers=headers)
    line = json.loads(stream.getvalue())
    assert line["event"] == "request"
    assert (line["route"], line["status"], line["code"]) == ("(unrouted)", 404, "web.path_unknown")
    assert "491701234567" not in stream.getvalue().decode()
    assert "fw_secret" not in stream.getvalue().decode()


async def test_the_document_is_valid_openapi_and_every_operation_names_its_permission(
    client: httpx.AsyncClient,
) -> None:
    document = (await client.get("/openapi.json")).json()
    OpenAPIV31SpecValidator(document).validate()
    operations = [op for path in document["paths"].values() for op in path.values()]
    assert len(operations) == 6
    assert all(operation["x-permission"] for operation in operations)
    names = {parameter["name"] for parameter in document["paths"]["/things"]["get"]["parameters"]}
    assert names == {"offset", "limit", "colour", "made.gte", "fields"}


async def test_the_page_shows_every_operation_and_loads_nothing_from_elsewhere(
    client: httpx.AsyncClient,
) -> None:
    answer = await client.get("/docs")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    page = answer.text
    assert page.count("<details id=") >= 6
    assert not re.search(r'(?:src|href)="(?:https?:)?//', page)
    assert "<script" not in page
    for id_ in re.findall(r'href="#([^"]+)"', page):
        assert f'id="{id_}"' in page, id_
    assert (await client.get("/")).status_code == 200


async def test_two_routes_of_one_method_and_path_are_refused(
    db: Database, settings: Settings, clock: MovableClock, keys: Any
) -> None:
    twice = (route(), route())
    with pytest.raises(Defect, match="declared twice"):
        build_api(twice, database=db, clock=clock, settings=settings, authenticate=keys.authenticate)
