"""The process of the gateway: it serves, says why it cannot, and leaves in order."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from farwire.base.clock import MovableClock
from farwire.base.storage import Database
from farwire.charging.service import Address
from farwire.gateway.diameter.serving import check, serve
from farwire.kernel.errors import Invalid, NotFound, Unavailable
from farwire.kernel.ids import TenantId
from tests.gateway.processes import PROFILES, free_port
from tests.gateway.world import CER, RESULT, WRITERS, Wire


async def test_it_serves_until_it_is_stopped_and_says_goodbye(
    db: Database, tenant_id: TenantId, clock: MovableClock, tmp_path: Path
) -> None:
    port, metrics, stop, told = free_port(), free_port(), asyncio.Event(), asyncio.Queue[str]()
    nobody = Address(path=str(tmp_path / "nobody.sock"))
    text = PROFILES.format(identity="ocs.example", port=port)
    task = asyncio.create_task(
        serve(
            db=db, clock=clock, profiles=text, address_of=lambda _: nobody, stop=stop, ready=told.put_nowait,
            metrics=Address(host="127.0.0.1", port=metrics),
        )
    )  # fmt: skip
    assert await told.get() == f"127.0.0.1:{port}"
    wire = Wire(*await asyncio.open_connection("127.0.0.1", port))
    WRITERS.append(wire.writer)
    assert (await wire.greet()).avps[RESULT] == [2001]
    wire.send(280, CER, flags=0x80, application=0)
    assert (await wire.receive()).avps[RESULT] == [2001]
    stop.set()
    assert (await wire.receive()).header.command == 282
    wire.writer.close()
    await task


@pytest.mark.parametrize(
    ("changed", "error"), [("nordlicht", NotFound), ("identity", Invalid), ("nobody at all", Unavailable)]
)
async def test_it_says_why_it_cannot_serve(
    db: Database, tenant_id: TenantId, clock: MovableClock, changed: str, error: type[Exception]
) -> None:
    port = free_port()
    taken = await asyncio.start_server(lambda *_: None, "127.0.0.1", port)
    text = PROFILES.format(identity="ocs.example", port=port).replace(changed, "other")
    async with taken:
        with pytest.raises(error):
            await serve(
                db=db, clock=clock, profiles=text, address_of=lambda _: Address(), stop=asyncio.Event(),
                ready=lambda _: None,
            )  # fmt: skip


def test_a_document_is_shown_peer_by_peer() -> None:
    (row,) = check(PROFILES.format(identity="ocs.example", port=3868))
    assert (row["host"], row["from"], row["tenant"]) == ("*", "127.0.0.0/8", "nordlicht")
