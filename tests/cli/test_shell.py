"""The shell of the commands: what third parties wrote is text, tables keep ids whole, every end has its exit code."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from rich.text import Text

from farwire.cli.shell import ExitCode, Output, errors_as_exit_codes, parse_moment, report_error
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


ROW = {"number": "NM-2026-0000001", "state": "issued", "note": "one word after another, as a person writes"}


def shown_at(width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
    monkeypatch.setenv("COLUMNS", str(width))
    Output(as_json=False).rows("Bills", tuple(ROW), [ROW], empty="")
    return capsys.readouterr().out


@pytest.mark.parametrize("width", [60, 30])
def test_a_number_is_never_broken_over_lines(
    width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    printed = shown_at(width, monkeypatch, capsys)
    assert "NM-2026-0000001" in printed
    assert max(map(len, printed.splitlines())) <= width


def test_a_table_that_does_not_fit_becomes_names_beside_values(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "│ issued │" in shown_at(60, monkeypatch, capsys)
    assert "state   issued" in shown_at(30, monkeypatch, capsys)


def test_words_keep_their_lines_in_the_narrowest_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    line = "name = 'a file that somebody may redirect'  # and run"
    Output(as_json=False).text(line)
    assert capsys.readouterr().out == f"{line}\n"


def test_a_picture_is_as_wide_as_what_it_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    word = "x" * 130
    Output(as_json=False).show(Text(word), svg=tmp_path / "shown.svg")
    assert word in (tmp_path / "shown.svg").read_text(encoding="utf-8")


def test_a_pipe_gets_each_row_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    wide = ROW | {"note": "word " * 100}
    Output(as_json=False).rows("Bills", tuple(ROW), [wide], empty="")
    Output(as_json=False).text("word " * 100)
    assert [len(line) > 499 for line in capsys.readouterr().out.splitlines()].count(True) == 6


def exit_of(error: BaseException, out: Output) -> int:
    with pytest.raises(typer.Exit) as stopped, errors_as_exit_codes(out):
        raise error
    return stopped.value.exit_code


def test_a_file_that_cannot_be_written_is_invalid_input(
    out: Output, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / ("a" * 90) / "nowhere" / "bill.pdf"
    with pytest.raises(typer.Exit) as stopped, errors_as_exit_codes(out):
        target.write_bytes(b"%PDF")
    assert stopped.value.exit_code == ExitCode.INVALID
    printed = capsys.readouterr().err
    assert "cli.file_unusable" in printed
    assert str(target) in printed, "a value is printed whole, so that it can be copied"


def test_a_full_disk_is_a_bound_that_is_reached(out: Output) -> None:
    assert exit_of(OSError(errno.ENOSPC, "No space left on device", "bill.pdf"), out) == ExitCode.EXHAUSTED


def test_an_error_that_nobody_foresaw_is_a_defect(out: Output, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_of(ZeroDivisionError("by zero"), out) == ExitCode.DEFECT
    printed = capsys.readouterr().err
    assert "Traceback" in printed
    assert "cli.defect" in printed


def test_a_defect_stays_one_object_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_of(ZeroDivisionError("by zero"), Output(as_json=True)) == ExitCode.DEFECT
    assert json.loads(capsys.readouterr().err)["error"]["code"] == "cli.defect"


def test_a_command_ends_as_it_says_itself(out: Output) -> None:
    assert exit_of(typer.Exit(ExitCode.DIFFERENCE), out) == ExitCode.DIFFERENCE


def test_a_day_before_all_days_is_refused() -> None:
    with pytest.raises(Invalid) as refused:
        parse_moment("0001-01-01", field="until", zone_name="Europe/Berlin")
    assert refused.value.code == "time.out_of_range"


def farwire(
    *words: str, encoding: str = "utf-8", out: str = "", **settings: str
) -> subprocess.CompletedProcess[bytes]:
    command = [str(Path(sys.executable).with_name("farwire")), *words]
    env = os.environ | {"PYTHONIOENCODING": encoding} | settings
    if not out:
        return subprocess.run(command, env=env, capture_output=True, timeout=60, check=False)
    with Path(out).open("wb") as sink:
        return subprocess.run(command, env=env, stdout=sink, stderr=subprocess.PIPE, timeout=60, check=False)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_terminal_of_another_encoding_ends_no_command(encoding: str) -> None:
    for words in (("country", "show", "DE"), ("bill", "--help")):
        done = farwire(*words, encoding=encoding)
        assert done.returncode == 0, done.stderr


def test_json_is_whole_in_any_encoding() -> None:
    plain, narrow = (
        farwire("country", "show", "CN", "--json", encoding=encoding).stdout
        for encoding in ("utf-8", "ascii")
    )
    assert json.loads(narrow) == json.loads(plain)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has /dev/full")
@pytest.mark.parametrize("words", [("country", "list"), ("country", "show", "DE", "--json")])
def test_output_to_a_full_disk_ends_with_its_code(words: tuple[str, ...]) -> None:
    done = farwire(*words, out="/dev/full")
    assert done.returncode == ExitCode.EXHAUSTED
    assert b"cli.disk_full" in done.stderr
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize("url", ["nonsense", "postgresql://u:s3cret@h:port/x", "mysql://u:s3cret@h/x"])
def test_a_database_url_that_cannot_be_read_is_invalid_input(url: str) -> None:
    done = farwire("tenant", "list", FARWIRE_DATABASE_URL=url)
    assert done.returncode == ExitCode.INVALID, done.stderr
    assert b"storage.url_malformed" in done.stderr
    assert b"s3cret" not in done.stderr


@pytest.mark.parametrize("price", ["fee=abc", "fee"])
def test_input_that_is_refused_before_anything_is_opened_ends_like_any_other(price: str) -> None:
    words = ("order", "add", "--tenant", "acme", "--account", "1", "--price", price)
    done = farwire(*words)
    assert done.returncode == ExitCode.INVALID
    assert b"Traceback" not in done.stderr
    assert b"ordering.price" in done.stderr
    assert json.loads(farwire(*words, "--json").stderr)["error"]["code"] == "ordering.price"
