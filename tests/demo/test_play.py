"""The demo's checklist holds, and playing it again finds everything done."""

from __future__ import annotations

from pathlib import Path

from farwire.base.storage import Database
from farwire.demo.earlier import tell_what_is_there
from farwire.demo.play import play


async def test_the_demo_holds_and_holds_again(db: Database, tmp_path: Path) -> None:
    said: list[str] = []
    await tell_what_is_there(db=db, say=said.append)
    assert said == []
    first = await play(db=db, folder=tmp_path, say=said.append)
    assert [check for check in first.checks.checks if not check.ok] == []
    assert len(first.checks.checks) > 30
    number, invoice = first.invoices["nordlicht"]
    assert number == "NM-2026-0000001"
    content = invoice.read_bytes()
    said.clear()
    await tell_what_is_there(db=db, say=said.append)
    assert said[0].startswith("Found from an earlier run: nordlicht.")
    again = await play(db=db, folder=tmp_path, say=said.append)
    assert again.checks.ok
    assert invoice.read_bytes() == content


async def test_another_seed_on_the_same_operator_is_noticed(db: Database, tmp_path: Path) -> None:
    await play(db=db, folder=tmp_path, say=lambda _: None)
    other = await play(db=db, folder=tmp_path, say=lambda _: None, seed=2)
    assert not other.checks.ok
