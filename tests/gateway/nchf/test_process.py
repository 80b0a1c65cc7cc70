"""The whole way: PostgreSQL, a shard and two gateways as processes, and a client that is not ours."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from farwire.base.clock import MovableClock, SystemClock
from farwire.base.storage import Database
from farwire.charging.service import Address
from farwire.gateway.nchf.serving import check, serve
from farwire.kernel.errors import Invalid, NotFound, Unavailable
from farwire.kernel.ids import TenantId
from tests.billing.world import World as Company
from tests.gateway.nchf.world import MB, ROOT, Callback, document, usage
from tests.gateway.processes import WAIT_S, Processes, free_port

PROFILES = """
listen = ["127.0.0.1:{port}"]

[[consumers]]
name = "smf"
tenant = "nordlicht"
addresses = ["127.0.0.0/8"]
"""


def granted(answer: httpx.Response) -> dict[str, Any]:
    (found,) = answer.json()["multipleUnitInformation"]
    return dict(found)


@pytest.fixture
async def ports(db: Database, tenant_id: TenantId, shop: None, processes: Processes) -> list[int]:
    """Two gateways in front of one shard; who is told of changes runs beside them."""
    found: list[int] = []
    await Company(
        db, MovableClock(SystemClock().now()), tenant_id
    ).company()  # books without it tell of nothing
    for name in ("one", "two"):
        found.append(free_port())
        (processes.folder / f"{name}.toml").write_text(PROFILES.format(port=found[-1]))
        words = ("gateway", "nchf", "serve", f"{name}.toml")
        processes.farwire(name, *words, until="Nchf is served at")
    processes.farwire("worker", "worker", until="Working on")
    return found


@pytest.mark.full
async def test_a_session_lives_in_no_process_and_a_top_up_reaches_its_callback(
    ports: list[int], processes: Processes, callback: Callback
) -> None:
    who = {
        "notifyUri": callback.uri,
        "pDUSessionChargingInformation": {"userInformation": {"servedGPSI": "msisdn-491701234567"}},
    }
    async with httpx.AsyncClient(http1=False, http2=True, timeout=WAIT_S) as client:

        async def post(path: str, number: int, *groups: dict[str, Any]) -> httpx.Response:
            return await client.post(path, json=document(number, *groups, **who))

        opening = f"http://127.0.0.1:{ports[0]}{ROOT}"
        first = await post(opening, 1, usage(1, requested=MB))
        assert first.status_code == 201, first.text
        assert granted(first)["grantedUnit"] == {"totalVolume": MB}
        uri = first.headers["location"]
        assert (await post(opening, 1, usage(1, requested=MB))).headers["location"] == uri
        number, last, answer, other = 1, first, first, uri.replace(str(ports[0]), str(ports[1]))
        report = usage(1)
        while "grantedUnit" in granted(answer):
            used, number = granted(answer)["grantedUnit"]["totalVolume"], number + 1
            report = usage(1, used=used, requested=10 * MB)
            last, answer = answer, await post(f"{other}/update", number, report)
        assert granted(last)["finalUnitIndication"] == {"finalUnitAction": "TERMINATE"}
        again = await post(f"{uri}/update", number, report)
        assert granted(again) == granted(answer)
        assert granted(answer)["resultCode"] == "QUOTA_LIMIT_REACHED"
        shown = await asyncio.to_thread(
            processes.call, "charging", "account", "show", "491701234567", "--json"
        )
        assert json.loads(shown)["balances"][0]["amount"] == "0.00 EUR"
        for key in range(10):  # what follows events may begin a little later than it says
            words = ("charging", "account", "topup", "491701234567", "1.00", "--key", f"more-{key}")
            await asyncio.to_thread(processes.call, *words)
            with suppress(TimeoutError):
                await asyncio.wait_for(callback.some.wait(), 5)
                break
        assert callback.heard[0][1] == {"notificationType": "REAUTHORIZATION"}
        more = await post(f"{uri}/update", number + 1, usage(1, requested=MB))
        assert granted(more)["resultCode"] == "SUCCESS"
        assert (await post(f"{other}/release", number + 2)).status_code == 204


async def test_it_serves_until_it_is_stopped(
    db: Database, tenant_id: TenantId, clock: MovableClock, tmp_path: Path
) -> None:
    port, metrics, stop, told = free_port(), free_port(), asyncio.Event(), asyncio.Queue[str]()
    nobody = Address(path=str(tmp_path / "nobody.sock"))
    task = asyncio.create_task(
        serve(
            db=db, clock=clock, profiles=PROFILES.format(port=port), address_of=lambda _: nobody, stop=stop,
            ready=told.put_nowait, metrics=Address(host="127.0.0.1", port=metrics),
        )
    )  # fmt: skip
    assert await told.get() == f"127.0.0.1:{port}"
    async with httpx.AsyncClient(http1=False, http2=True) as client:
        answer = await client.post(f"http://127.0.0.1:{port}{ROOT}", json={})
        assert answer.status_code == 400
    async with httpx.AsyncClient() as plain:
        text = (await plain.get(f"http://127.0.0.1:{metrics}/metrics")).text
        assert (
            'farwire_nchf_requests_total{operation="create",service="nchf-convergedcharging",status="400"}'
            in text
        )
    stop.set()
    await task


@pytest.mark.parametrize(
    ("changed", "error"), [("nordlicht", NotFound), ("listen", Invalid), ("nobody at all", Unavailable)]
)
async def test_it_says_why_it_cannot_serve(
    db: Database, tenant_id: TenantId, clock: MovableClock, changed: str, error: type[Exception]
) -> None:
    port = free_port()
    taken = await asyncio.start_server(lambda *_: None, "127.0.0.1", port)
    async with taken:
        with pytest.raises(error):
            await serve(
                db=db, clock=clock, profiles=PROFILES.format(port=port).replace(changed, "other"),
                address_of=lambda _: Address(), stop=asyncio.Event(), ready=lambda _: None,
            )  # fmt: skip


def test_a_document_is_shown_consumer_by_consumer() -> None:
    (row,) = check(PROFILES.format(port=8080))
    assert (row["name"], row["from"], row["tenant"]) == ("smf", "127.0.0.0/8", "nordlicht")


def test_a_document_with_a_mistake_names_its_place() -> None:
    good = PROFILES.format(port=8080)
    for changed, field in (
        (good.replace("127.0.0.0/8", "127"), "consumers[0].addresses[0]"),
        (good.replace('name = "smf"', 'name = "smf"\nother = 1'), "consumers[0]"),
        (good.replace("addresses", "callbacks"), "consumers[0].addresses"),
        ('api_root = "chf"\n' + good, "api_root"),
        ("streams = 0\n" + good, "streams"),
        ('listen_tls = ["127.0.0.1:1"]\n' + good, "certificate"),
        (good + '[nrf]\nuri = "http://nrf"\naddresses = ["127.0.0.1"]\nport = 8080\n', "instance"),
    ):
        with pytest.raises(Invalid) as caught:
            check(changed)
        assert caught.value.field == field, changed
