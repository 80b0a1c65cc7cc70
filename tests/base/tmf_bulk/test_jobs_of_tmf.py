"""Import and export jobs over HTTP and in a worker: files in, files out, refused rows, and what a crash leaves."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from farwire import app
from farwire.base.authz import Principal, Role
from farwire.base.clock import MovableClock
from farwire.base.config import Settings
from farwire.base.jobs import Worker
from farwire.base.storage import Database
from farwire.base.tmf_bulk import importing, rows
from farwire.base.tmf_bulk.jobs import handlers
from farwire.base.web import build_api
from farwire.catalog.api import tmf633
from farwire.iot.api import tmf914
from farwire.kernel.errors import Exhausted, Invalid
from farwire.kernel.ids import KeyId, TenantId, uuid7

BASE = "/tmf-api/serviceCatalogManagement/v4"
KEY = KeyId(uuid7())
NDJSON = {"content-type": "application/x-ndjson"}


@pytest.fixture
async def clients(
    db: Database, settings: Settings, clock: MovableClock, tenant_id: TenantId, other_tenant_id: TenantId
) -> AsyncIterator[dict[str, httpx.AsyncClient]]:
    """Clients of two operators, of the service catalogue and of devices."""
    app.api_routes()
    who = {"fw_own": tenant_id, "fw_other": other_tenant_id}

    async def authenticate(_: Database, key: str) -> Principal | None:
        return Principal(who[key], Role.TENANT_ADMIN, KEY) if key in who else None

    routes = [*tmf633.ROUTES, *tmf914.ROUTES]
    api: Any = build_api(routes, database=db, clock=clock, settings=settings, authenticate=authenticate)
    found = {
        key: httpx.AsyncClient(
            transport=httpx.ASGITransport(app=api),
            base_url="http://farwire",
            headers={"authorization": f"Bearer {key}"},
        )
        for key in who
    }
    yield found
    for one in found.values():
        await one.aclose()


@pytest.fixture
def client(clients: dict[str, httpx.AsyncClient]) -> httpx.AsyncClient:
    return clients["fw_own"]


@pytest.fixture
def worker(db: Database, clock: MovableClock, database_env: None) -> Worker:
    return Worker(db=db, clock=clock, handlers=handlers(db=db, clock=clock))


def category(n: int, **more: Any) -> dict[str, Any]:
    return {"@type": "ServiceCategory", "id": f"c{n}", "name": f"Category {n}", **more}


def lines(documents: list[Any]) -> bytes:
    return b"".join(json.dumps(one).encode() + b"\n" for one in documents)


async def job(client: httpx.AsyncClient, kind: str, **more: Any) -> dict[str, Any]:
    made = await client.post(f"{BASE}/{kind}", json={"url": "ftp://else.example/f.json", **more})
    assert made.status_code == 201, made.text
    return dict(made.json())


async def sent(
    client: httpx.AsyncClient, made: dict[str, Any], content: Any, **headers: str
) -> httpx.Response:
    return await client.put(made["url"], content=content, headers={**NDJSON, **headers})


async def state(client: httpx.AsyncClient, made: dict[str, Any]) -> dict[str, Any]:
    return dict((await client.get(made["href"])).json())


async def test_a_file_is_taken_in_row_by_row_and_written_out_again(
    client: httpx.AsyncClient, worker: Worker
) -> None:
    made = await job(client, "importJob", path=f"{BASE}/serviceCategory")
    assert made["status"] == "Not Started"
    assert made["url"] == f"{BASE}/importJob/{made['id']}/content", "no foreign address is fetched"
    documents = [category(n) for n in range(450)]
    answer = await sent(client, made, lines(documents))
    assert answer.json() == {"id": made["id"], "status": "Running", "rows": 450}, answer.text
    assert await worker.run_once()
    ended = await state(client, made)
    assert (ended["status"], "errorLog" in ended, "completionDate" in ended) == ("Succeeded", False, True)
    assert (await client.get(f"{BASE}/importJob/{made['id']}/errors")).content == b""

    for kind in ("application/json", "application/x-ndjson"):
        wanted = await job(
            client, "exportJob", path=f"https://csp.example{BASE}/serviceCategory", contentType=kind
        )
        assert (await client.get(wanted["url"])).status_code == 409
        assert await worker.run_once()
        assert (await state(client, wanted))["status"] == "Succeeded"
        file = await client.get(wanted["url"])
        assert file.headers["content-type"].startswith(kind)
        found = file.json() if kind == "application/json" else list(map(json.loads, file.text.splitlines()))
        assert [one["id"] for one in found] == [one["id"] for one in documents]

    again = await job(client, "importJob")
    assert (await sent(client, again, file.content)).status_code == 200
    assert await worker.run_once()
    assert (await state(client, again))["status"] == "Succeeded", "what was exported is there, just so"
    assert (await client.get(f"{BASE}/serviceCategory")).headers["x-total-count"] == "450"


async def test_a_refused_row_is_told_with_its_number_and_stops_no_other(
    client: httpx.AsyncClient, worker: Worker
) -> None:
    made = await job(client, "importJob", path=f"{BASE}/serviceCategory")
    documents: list[Any] = [category(n) for n in range(20)]
    documents[3] = category(3, wings=2)
    documents[7] = "no object"
    documents[11] = category(10, description="another one of this id")
    documents[19] = category(19, category=[{"id": "nowhere"}])
    assert (await sent(client, made, lines(documents))).json()["rows"] == 20
    assert await worker.run_once()
    ended = await state(client, made)
    assert ended["status"] == "Failed"
    assert ended["errorLog"] == f"4 rows were refused; see {BASE}/importJob/{made['id']}/errors"
    told = await client.get(f"{BASE}/importJob/{made['id']}/errors")
    found = [(one["row"], one["code"]) for one in map(json.loads, told.text.splitlines())]
    assert [row for row, _ in found] == [4, 8, 12, 20]
    assert found[2][1] == "tmf.exists"
    assert (await client.get(f"{BASE}/serviceCategory")).headers["x-total-count"] == "16"


async def test_a_json_array_and_a_type_per_row_do_as_well(client: httpx.AsyncClient, worker: Worker) -> None:
    made = await job(client, "importJob", path=f"https://csp.example{BASE}/")
    mixed = [category(1), {"@type": "ServiceSpecification", "name": "Line"}, {"name": "what?"}]
    answer = await sent(client, made, json.dumps(mixed, indent=2), **{"content-type": "application/json"})
    assert answer.json()["rows"] == 3, answer.text
    assert await worker.run_once()
    told = (await client.get(f"{BASE}/importJob/{made['id']}/errors")).json()
    assert (told["row"], told["code"]) == (3, "tmf.bulk_type")
    assert (await client.get(f"{BASE}/serviceSpecification")).json()[0]["name"] == "Line"


async def test_an_import_that_was_killed_goes_on_where_it_was(
    client: httpx.AsyncClient, worker: Worker, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rows have no ids: one that is made twice would be there twice."""
    made = await job(client, "importJob", path=f"{BASE}/serviceCategory")
    await sent(client, made, lines([{"name": f"Row {n}"} for n in range(500)]))
    real, calls = importing._take_in, 0

    async def killed(*given: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise RuntimeError("killed")
        await real(*given)

    with monkeypatch.context() as patched:
        patched.setattr(importing, "_take_in", killed)
        assert await worker.run_once()
    assert (await client.get(f"{BASE}/serviceCategory")).headers["x-total-count"] == "200"
    clock.advance(timedelta(hours=1))
    assert await worker.run_once()
    assert (await state(client, made))["status"] == "Succeeded"
    names = {f"Row {n}" for n in range(500)}
    found = (await client.get(f"{BASE}/serviceCategory?limit=1000&fields=name")).json()
    assert len(found) == 500
    assert {one["name"] for one in found} == names


async def test_an_upload_that_breaks_off_leaves_nothing_and_may_be_sent_again_but_once(
    client: httpx.AsyncClient, worker: Worker, db: Database, tenant_id: TenantId
) -> None:
    made = await job(client, "importJob", path=f"{BASE}/serviceCategory")
    array = {"content-type": "application/json"}
    broken = await sent(client, made, json.dumps([category(n) for n in range(300)])[:-1], **array)
    assert broken.status_code == 400, broken.text
    assert (await state(client, made))["status"] == "Not Started"
    async with db.transaction(tenant_id) as tx:
        kept = await tx.fetchval("SELECT count(*) FROM base.tmf_bulk_part WHERE tenant_id = $1", tenant_id)
    assert kept == 0
    assert (await sent(client, made, "x", **{"content-type": "text/csv"})).status_code == 415
    assert (await sent(client, made, lines([category(1)]))).status_code == 200
    assert (await sent(client, made, lines([category(2)]))).status_code == 409
    assert await worker.run_once()
    assert (await client.get(f"{BASE}/serviceCategory")).headers["x-total-count"] == "1"


async def test_an_export_has_what_its_query_asks_for(client: httpx.AsyncClient, worker: Worker) -> None:
    for n in range(5):
        more = {"description": "yes" if n % 2 else "no"}
        assert (await client.post(f"{BASE}/serviceCategory", json=category(n, **more))).status_code == 201
    wanted = await job(client, "exportJob", path=f"{BASE}/serviceCategory", query="description=yes")
    assert await worker.run_once()
    found = list(map(json.loads, (await client.get(wanted["url"])).text.splitlines()))
    assert [(one["id"], one["@type"]) for one in found] == [
        ("c1", "ServiceCategory"),
        ("c3", "ServiceCategory"),
    ]
    for bad in (
        {"path": "nothing"},
        {"query": "name=x"},
        {"path": f"{BASE}/serviceCategory", "query": "limit=1"},
    ):
        failed = await job(client, "exportJob", **bad)
        assert await worker.run_once()
        ended = await state(client, failed)
        assert (ended["status"], bool(ended["errorLog"])) == ("Failed", True)
    lost = await job(client, "importJob", path="nothing")
    await sent(client, lost, lines([category(9)]))
    assert await worker.run_once()
    ended = await state(client, lost)
    assert ended["status"] == "Failed"
    assert "nothing is not a collection" in ended["errorLog"]


async def test_a_job_that_is_deleted_takes_its_file_along_and_is_not_run(
    client: httpx.AsyncClient, worker: Worker, db: Database, tenant_id: TenantId
) -> None:
    made = await job(client, "importJob", path=f"{BASE}/serviceCategory")
    empty = await sent(client, made, b"\n")
    assert (empty.status_code, (await state(client, made))["status"]) == (400, "Not Started")
    await sent(client, made, lines([category(1)]))
    assert (await client.delete(made["href"])).status_code == 204
    async with db.transaction(tenant_id) as tx:
        assert not await tx.fetchval(
            "SELECT count(*) FROM base.tmf_bulk_part WHERE tenant_id = $1", tenant_id
        )
    assert await worker.run_once()
    assert (await client.get(f"{BASE}/serviceCategory")).json() == []


async def test_another_operator_knows_neither_the_job_nor_its_files(
    clients: dict[str, httpx.AsyncClient], worker: Worker
) -> None:
    own, other = clients["fw_own"], clients["fw_other"]
    made, wanted = await job(own, "importJob"), await job(own, "exportJob")
    assert await worker.run_once()
    assert (await sent(other, made, lines([category(1)]))).status_code == 404
    assert (await other.get(wanted["url"])).status_code == 404
    assert (await other.get(f"{BASE}/importJob/{made['id']}/errors")).status_code == 404
    assert (await own.get(wanted["url"])).status_code == 200


TEXTS = st.text(max_size=8) | st.sampled_from(['"', "\\", "},{", "[", "]", ",", '\\"'])
ROWS = st.lists(
    st.dictionaries(TEXTS, st.recursive(TEXTS | st.integers(), lambda x: st.lists(x, max_size=3)), max_size=3)
)


@given(found=ROWS, size=st.integers(1, 7), indent=st.sampled_from([None, 1]))
def test_rows_come_out_whole_however_the_file_is_cut(found: list[Any], size: int, indent: int | None) -> None:
    for text, splitter in (
        (json.dumps(found, indent=indent).encode(), rows.Elements()),
        (lines(found), rows.Lines()),
    ):
        out: list[bytes] = []
        for at in range(0, len(text), size):
            out += splitter.feed(text[at : at + size])
        out += splitter.end()
        assert list(map(json.loads, out)) == found
        assert not any(b"\n" in one for one in out)


@pytest.mark.parametrize("text", [b"[{}", b"[{}] x", b"7", b'"a"', b"[[}"])
def test_what_is_no_array_is_refused(text: bytes) -> None:
    splitter = rows.Elements()
    with pytest.raises(Invalid):
        splitter.feed(text)
        splitter.end()


def test_a_row_is_bounded() -> None:
    for splitter in (rows.Elements(), rows.Lines()):
        with pytest.raises(Exhausted):
            splitter.feed(b'{"a": "' + b"x" * (rows.MAX_ROW + 1))
