"""Day A holds for both operators, and playing it again finds everything done."""

from __future__ import annotations

from decimal import Decimal
from functools import partial
from pathlib import Path

import msgspec
import pytest

from farwire.app import bill_as_json, deliver_events
from farwire.base.config import Settings
from farwire.base.storage import Database, open_relay
from farwire.demo.day_a.play import play_day_a
from farwire.demo.day_a.stage import House
from farwire.demo.day_a.story import GERMANY, NIGERIA, Twin


@pytest.mark.parametrize(
    ("twin", "net", "vat", "total"),
    [(GERMANY, "48.86", "9.28", "58.14"), (NIGERIA, "27460.00", "2059.50", "29519.50")],
)
def test_the_story_knows_the_golden_amounts(twin: Twin, net: str, vat: str, total: str) -> None:
    assert (twin.true_net(), twin.true_vat(), twin.true_total()) == (
        Decimal(net),
        Decimal(vat),
        Decimal(total),
    )


async def test_day_a_holds_and_holds_again(db: Database, settings: Settings, tmp_path: Path) -> None:
    relay_db = await open_relay(settings)
    try:
        said: list[str] = []
        deliver = partial(deliver_events, db=db, relay_db=relay_db)
        house = House(db, tmp_path, said.append, deliver, bill_as_json, tmp_path / "charging")
        first = await play_day_a(house)
        assert [check for check in first.checks.checks if not check.ok] == []
        assert len(first.checks.checks) > 50
        contents = {path: path.read_bytes() for _, path in first.invoices.values()}
        totals = [
            msgspec.json.decode(path.with_suffix(".json").read_bytes())["customerBill"]["taxIncludedAmount"][
                "value"
            ]
            for path in contents
        ]
        assert [Decimal(str(total)) for total in totals] == [Decimal("58.14"), Decimal("29519.50")]
        again = await play_day_a(house)
        assert [check for check in again.checks.checks if not check.ok] == []
        assert contents == {path: path.read_bytes() for _, path in again.invoices.values()}
    finally:
        await relay_db.close()
