"""The prepaid twin uses exactly what was paid for, also where the demo is stopped on its way and played again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from functools import partial
from pathlib import Path

import pytest

from farwire.app import bill_as_json, deliver_events
from farwire.base.config import Settings
from farwire.base.storage import Database, open_relay
from farwire.charging import service as charging
from farwire.charging.model import Answer
from farwire.charging.service import SocketClient
from farwire.charging.shard.shard import Ask
from farwire.demo.checklist import Checklist
from farwire.demo.day_a.launch import launch
from farwire.demo.day_a.prepaid import use_prepaid
from farwire.demo.day_a.shard import Charging
from farwire.demo.day_a.stage import House
from farwire.demo.day_a.story import GERMANY, NIGERIA, Twin
from farwire.gateway.diameter import serving as diameter
from farwire.gateway.nchf import serving as nchf
from farwire.kernel.errors import Unavailable


class Cut:
    """A way to the shard that is cut after so many requests; the last one is carried out, its answer is lost."""

    def __init__(self, client: charging.Client, left: list[int]) -> None:
        self.client, self.left = client, left

    async def ask(self, tenant: int, request: Ask) -> Answer:
        answer = await self.client.ask(tenant, request)
        self.left[0] -= 1
        if self.left[0] < 0:
            raise Unavailable("cut", code="charging.no_answer")
        return answer

    async def close(self) -> None:
        await self.client.close()


@pytest.fixture
async def house(db: Database, settings: Settings, tmp_path: Path) -> AsyncIterator[House]:
    relay_db = await open_relay(settings)
    try:
        deliver = partial(deliver_events, db=db, relay_db=relay_db)
        yield House(db, tmp_path, lambda _: None, deliver, bill_as_json, tmp_path / "charging")
    finally:
        await relay_db.close()


async def played(house: House, twin: Twin) -> Checklist:
    checks = Checklist()
    await use_prepaid(await launch(house=house, twin=twin, checks=checks))
    return checks


def found(checks: Checklist) -> dict[str, str]:
    return {check.what: check.found for check in checks.checks}


@pytest.mark.parametrize(("twin", "left"), [(GERMANY, "5.00"), (NIGERIA, "500.00")])
def test_the_story_ends_after_2250_mb(twin: Twin, left: str) -> None:
    assert (twin.prepaid.left, twin.prepaid.octets) == (Decimal(left), 2_250_000_000)


@pytest.mark.parametrize(
    ("twin", "topped_up", "left", "nothing", "net"),
    [
        (GERMANY, "10.00 EUR", "5.00 EUR", "0.00 EUR", "4.201680672 EUR"),
        (NIGERIA, "1,000.00 NGN", "500.00 NGN", "0.00 NGN", "465.11627907 NGN"),
    ],
)
async def test_the_twin_never_gets_more_than_was_paid_for(
    house: House, twin: Twin, topped_up: str, left: str, nothing: str, net: str
) -> None:
    checks = await played(house, twin)
    lines = found(checks)
    assert [check for check in checks.checks if not check.ok] == []
    assert lines["6 July: balance after the voucher"] == topped_up
    assert lines["8 July: balance after 2,000 MB of allowance"] == left
    assert lines["8 July: the most ever used and granted together"] == "2,250,000,000"
    assert lines["8 July: after it charging answers"] == "CREDIT_LIMIT_REACHED"
    assert lines["8 July: balance at the end"] == nothing
    assert lines["8 July: revenue of the offer, net"] == lines["8 July: revenue by the megabyte, net"] == net
    again = found(await played(house, twin))
    once = lines.keys() - again.keys()
    assert {what: lines[what] for what in again} == again, "nothing is done twice"
    assert "6 July: the offer is bought" in once


@pytest.mark.parametrize("requests", [1, 2, 5, 20, 57, 70])
async def test_a_stopped_demo_goes_on_and_still_ends_at_exactly_0(
    house: House, requests: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = [requests]
    with monkeypatch.context() as cut:
        of_demo = property(lambda self: Cut(charging.InProcessClient(self.owned.runner), left))
        cut.setattr(Charging, "client", of_demo)
        for gateway in (diameter, nchf):
            cut.setattr(gateway, "SocketClient", lambda *where, **how: Cut(SocketClient(*where, **how), left))
        with pytest.raises(Unavailable, match=r"cut|cannot charge now"):
            await played(house, GERMANY)
    again = await played(house, GERMANY)
    assert [check for check in again.checks if not check.ok] == []
    assert found(again)["8 July: octets in the usage records"] == "2,250,000,000"
    assert found(again)["8 July: balance at the end"] == "0.00 EUR"
