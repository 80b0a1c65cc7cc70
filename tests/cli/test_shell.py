"""The shell of the commands: what third parties wrote is shown as text, and drives neither rich nor the terminal."""

from __future__ import annotations

import pytest

from farwire.cli.shell import Output, report_error
from farwire.kernel.errors import Invalid

TEXT = "[/b] [bold]Ä \x1b]0;owned\x07\x9b31m"
SHOWN = "[/b] [bold]Ä \ufffd]0;owned\ufffd\ufffd31m"


@pytest.fixture
def out() -> Output:
    return Output(as_json=False)


def test_a_value_in_a_table_is_text(out: Output, capsys: pytest.CaptureFixture[str]) -> None:
    out.rows("calls[/b].csv", ("raw",), [{"raw": TEXT}], empty="")
    printed = capsys.readouterr().out
    assert SHOWN in printed
    assert "calls[/b].csv" in printed


def test_a_fact_is_text(out: Output, capsys: pytest.CaptureFixture[str]) -> None:
    out.facts("calls[/b].csv", {"raw": TEXT})
    assert SHOWN in capsys.readouterr().out


def test_an_error_is_text(out: Output, capsys: pytest.CaptureFixture[str]) -> None:
    report_error(Invalid(f"no: {TEXT}", code="a.b", field="raw", value=TEXT), out)
    printed = capsys.readouterr().err
    assert printed.count(SHOWN) == 2


def test_a_file_name_in_a_progress_bar_is_text(out: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    with Output(as_json=False).progress("Importing calls[/b].csv", total=1) as report:
        report(1)
