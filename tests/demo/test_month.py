"""The demo's month is the same for the same seed, and its truth is golden bill A."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from farwire.demo.checklist import Checklist
from farwire.demo.files import write_data, write_voice
from farwire.demo.month import MONTH_END, MONTH_START, generate, true_bill


def test_the_first_subscriber_owes_golden_bill_a() -> None:
    month = generate(7)
    bill = true_bill(month, month.subscribers[0])
    assert [str(amount) for _, amount in bill.lines] == ["9.90", "13.33", "20.00", "0.63", "5.00"]
    assert (bill.net, bill.vat, bill.total) == (Decimal("48.86"), Decimal("9.28"), Decimal("58.14"))


def test_a_seed_gives_the_same_month_and_another_seed_another() -> None:
    assert generate(7, 20) == generate(7, 20)
    assert generate(7, 20).calls != generate(8, 20).calls


def test_everything_happens_in_june_after_its_subscriber_was_activated() -> None:
    month = generate(3)
    since = {s.msisdn: s.activated_at for s in month.subscribers}
    for call in month.calls:
        assert since[call.caller] <= call.started_at < MONTH_END
    for session in month.sessions:
        assert since[session.msisdn] <= session.started_at < MONTH_END
        assert session.started_at >= MONTH_START
        assert list(session.reports) == sorted(session.reports)


def test_the_files_hold_every_event_and_what_was_planted(tmp_path: Path) -> None:
    month = generate(5, 60)
    voice = write_voice(month, tmp_path / "voice.csv", 5)
    data = write_data(month, tmp_path / "data.detail", 5)
    for planted in (voice, data):
        assert planted.rows_in == planted.assembled + planted.filtered + planted.duplicate + planted.suspended
    assert voice.duplicate > 0
    assert voice.suspended > 0
    assert data.duplicate > 0
    rows = (tmp_path / "voice.csv").read_text().splitlines()[1:]
    assert len(rows) == voice.rows_in
    assert len(rows) - len(set(rows)) == voice.duplicate
    assert (tmp_path / "data.detail").read_text().count("Acct-Status-Type") == data.rows_in


def test_a_checklist_with_one_wrong_line_or_none_is_not_ok() -> None:
    checks = Checklist()
    assert not checks.ok
    checks.add("bill", "total", Decimal("58.14"), "58.14")
    assert checks.ok
    checks.add("bill", "lines", 5, 4)
    assert not checks.ok
    assert [row["ok"] for row in checks.as_rows()] == [True, False]
