"""Who may ask, what is refused and how the refusal reads."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from farwire.base.web.authentication import KeyCache

KNOWN = "01890a5d-ac96-774b-bcce-b302099a8057"


async def test_a_request_without_a_key_is_told_how_to_bring_one(client: httpx.AsyncClient) -> None:
    answer = await client.get("/things", headers={"authorization": ""})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == 'Bearer realm="farwire"'
    body = answer.json()
    assert body["code"] == "web.key_missing"
    assert "Bearer" in body["fix"]


@pytest.mark.parametrize(
    "header", ["Bearer fw_unknown", "Basic Zm9v", "Bearer", "Bearer " + "x" * 300, "Bearer é"]
)
async def test_a_wrong_key_is_refused(client: httpx.AsyncClient, header: str) -> None:
    answer = await client.get("/things", headers={"authorization": header.encode("latin-1")})
    assert answer.status_code == 401
    assert "invalid_token" in answer.headers["www-authenticate"]


async def test_a_role_without_the_permission_is_told_which_one(client: httpx.AsyncClient) -> None:
    answer = await client.get("/things", headers={"authorization": "Bearer fw_finance"})
    assert answer.status_code == 403
    assert answer.json()["value"] == "usage.read"


async def test_a_key_is_looked_up_once_for_several_requests(client: httpx.AsyncClient, keys: Any) -> None:
    for _ in range(3):
        assert (await client.get("/things")).status_code == 200
    assert keys.looked_up == 1


async def test_the_cache_forgets_in_time_and_is_bounded(keys: Any) -> None:
    cache = KeyCache(keys.authenticate, seconds=600, size=2)
    database = None
    for token in ("fw_admin", "fw_finance", "fw_other"):
        await cache.principal(database, token)
    assert cache.cached("fw_admin") is None
    assert cache.cached("fw_other") is not None
    brief = KeyCache(keys.authenticate, seconds=0.001, size=2)
    await brief.principal(database, "fw_other")
    await asyncio.sleep(0.002)
    assert brief.cached("fw_other") is None


@pytest.mark.parametrize(
    ("query", "code", "field"),
    [
        ("color=red", "web.parameter_unknown", "color"),
        ("limit=0", "web.parameter_malformed", "limit"),
        ("limit=1001", "web.parameter_malformed", "limit"),
        ("offset=-1", "web.parameter_malformed", "offset"),
        ("offset=99999999999999999999999", "web.parameter_malformed", "offset"),
        ("limit=1&limit=2", "web.parameter_repeated", "limit"),
        ("colour=green", "web.parameter_malformed", "colour"),
        ("colour=", "web.parameter_malformed", "colour"),
        ("colour=red%00", "web.parameter_malformed", "colour"),
        ("made.gte=2026-06-01T00:00:00", "time.zone_missing", "made.gte"),
        ("made.gte=yesterday", "time.malformed", "made.gte"),
        ("made.gte=2026-06-01T00:00:00+02:00", "web.parameter_malformed", "made.gte"),
        ("fields=id,size", "web.field_unknown", "fields"),
        ("colour=%ff", "web.query_malformed", None),
        ("&".join(f"a{n}=1" for n in range(50)), "web.query_malformed", None),
    ],
)
async def test_a_wrong_parameter_is_named(
    client: httpx.AsyncClient, query: str, code: str, field: str | None
) -> None:
    answer = await client.get(f"/things?{query}")
    assert answer.status_code == 400
    assert answer.json()["code"] == code
    assert answer.json().get("field") == field


async def test_a_time_without_zone_says_how_to_mend_it(client: httpx.AsyncClient) -> None:
    naive = await client.get("/things?made.gte=2026-06-01T00:00:00")
    assert "add Z or an offset" in naive.json()["fix"]
    unescaped = await client.get("/things?made.gte=2026-06-01T00:00:00+02:00")
    assert "%2B" in unescaped.json()["fix"]
    right = await client.get("/things?made.gte=2026-06-01T00:00:00%2B02:00&limit=1")
    assert right.json()[0]["made"] == "2026-05-31T22:00:00+00:00"


@pytest.mark.parametrize(
    ("body", "code", "field", "value"),
    [
        (b"", "web.body_malformed", None, None),
        (b'{"colour": "red",}', "web.body_malformed", "body", "byte 17"),
        (b'{"colour": "red"', "web.body_malformed", "body", "byte 16"),
        (b"\xff", "web.body_malformed", "body", "byte 0"),
        (b'{"colour": 3}', "web.body_invalid", "$.colour", None),
        (b'{"colour": "red", "size": 1}', "web.body_invalid", "$", None),
        (b'{"colour": "red", "made_at": "2026-06-01T00:00:00"}', "web.body_invalid", "$.made_at", None),
        (b'{"colour": "red\\u0000"}', "web.body_malformed", None, None),
        (b"[" * 900, "web.body_invalid", "$", None),
    ],
)
async def test_a_wrong_body_is_located(
    client: httpx.AsyncClient, body: bytes, code: str, field: str | None, value: str | None
) -> None:
    answer = await client.post("/things", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 400
    found = answer.json()
    assert found["code"] == code
    if field is not None:
        assert (found.get("field"), found["status"]) == (field, "400")
    if value is not None:
        assert found["value"] == value


async def test_a_body_time_without_zone_says_how_to_mend_it(client: httpx.AsyncClient) -> None:
    answer = await client.post("/things", json={"colour": "red", "made_at": "2026-06-01T00:00:00"})
    assert "add Z or an offset" in answer.json()["fix"]


async def test_a_body_over_the_bound_is_refused_whether_declared_or_not(client: httpx.AsyncClient) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b" " * 100

    declared = await client.post("/things", content=b" " * 1001, headers={"content-type": "application/json"})
    chunked = await client.post("/things", content=chunks(), headers={"content-type": "application/json"})
    assert (declared.status_code, chunked.status_code) == (413, 413)
    assert declared.json()["code"] == "web.body_too_large"


async def test_another_content_type_is_refused(client: httpx.AsyncClient) -> None:
    answer = await client.post("/things", content=b"colour=red", headers={"content-type": "text/plain"})
    assert (answer.status_code, answer.json()["code"]) == (415, "web.media_type")


async def test_a_method_that_a_path_lacks_is_405_with_allow(client: httpx.AsyncClient) -> None:
    answer = await client.request("PATCH", "/things")
    assert (answer.status_code, answer.json()["code"]) == (405, "web.method_unknown")
    assert {"GET", "POST", "HEAD"} <= set(answer.headers["allow"].replace(" ", "").split(","))


async def test_an_unknown_path_is_404_in_the_common_body(client: httpx.AsyncClient) -> None:
    answer = await client.get("/nowhere")
    assert (answer.status_code, answer.json()["code"]) == (404, "web.path_unknown")


async def test_an_unknown_id_and_a_malformed_one_are_both_404(client: httpx.AsyncClient) -> None:
    for id_ in ("01890a5d-ac96-774b-bcce-000000000000", "7"):
        assert (await client.get(f"/things/{id_}")).status_code == 404


async def test_a_defect_shows_a_request_id_and_nothing_of_the_inside(client: httpx.AsyncClient) -> None:
    answer = await client.get("/broken", headers={"x-request-id": "abc-1"})
    assert answer.status_code == 500
    assert answer.json()["requestId"] == "abc-1" == answer.headers["x-request-id"]
    assert "secret detail" not in answer.text


async def test_an_exhausted_bound_is_429_with_retry_after(client: httpx.AsyncClient) -> None:
    answer = await client.get("/spent")
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")


@pytest.mark.parametrize("time_limit_s", [0.5])
async def test_a_request_over_its_time_is_503(client: httpx.AsyncClient) -> None:
    answer = await client.get("/slow")
    assert (answer.status_code, answer.json()["code"]) == (503, "web.time_limit")


async def test_requests_over_the_bound_get_503_while_health_still_answers(
    client: httpx.AsyncClient, waiting: set[object]
) -> None:
    running = [asyncio.create_task(client.get("/slow")) for _ in range(4)]
    while len(waiting) < 4:  # noqa: ASYNC110 - a poll is simple
        await asyncio.sleep(0.01)
    refused = await client.get("/things")
    alive = await client.get("/health/live")
    for one in running:
        one.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    assert (refused.status_code, refused.json()["code"]) == (503, "web.overloaded")
    assert refused.headers["retry-after"] == "1"
    assert alive.status_code == 200
    assert (await client.get("/things")).status_code == 200


async def test_every_answer_has_the_security_headers_and_a_request_id(client: httpx.AsyncClient) -> None:
    for path in ("/things", "/nowhere", "/health/live", "/broken", "/docs"):
        headers = (await client.get(path)).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in headers["content-security-policy"]
        assert headers["x-request-id"]


async def test_the_trace_of_the_caller_is_the_request_id_unless_one_is_given(
    client: httpx.AsyncClient,
) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    answer = await client.get("/things", headers={"traceparent": f"00-{trace}-b7ad6b7169203331-01"})
    assert answer.headers["x-request-id"] == trace
    forged = await client.get("/things", headers={"x-request-id": "a\tb"})
    assert forged.headers["x-request-id"] != "a\tb"
