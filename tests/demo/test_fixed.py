"""The fibre line and the circuit of the demo hold, and playing them again finds everything done."""

from __future__ import annotations

from farwire.base.storage import Database
from farwire.demo.fixed import play_fixed


async def test_fibre_and_circuits_hold_and_hold_again(db: Database) -> None:
    said: list[str] = []
    first = await play_fixed(db=db, say=said.append)
    assert [check for check in first.checks.checks if not check.ok] == []
    assert len(first.checks.checks) > 15
    again = await play_fixed(db=db, say=said.append)
    assert [check for check in again.checks.checks if not check.ok] == []
