"""``farwire country`` as a person and a program use it."""

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from farwire.cli.country import app


def _run(*args: str):
    return CliRunner().invoke(app, list(args))


@pytest.fixture
def example(tmp_path: Path) -> Path:
    text = (Path(__file__).parents[2] / "docs" / "country-packs.md").read_text(encoding="utf-8")
    found = re.search(r"```toml\n(.*?)```", text, re.DOTALL)
    assert found
    path = tmp_path / "zz.toml"
    path.write_text(found.group(1), encoding="utf-8")
    return path


def test_the_list_names_every_country_and_those_of_a_folder(example):
    shown = json.loads(_run("list", "--json", "--folder", str(example.parent)).stdout)
    assert shown["total"] == 18
    assert {"code": "ZZ", "country": "Zedland"}.items() <= shown["items"][-1].items()


def test_a_country_is_shown_with_sources_and_unknowns():
    result = _run("show", "IN")
    assert result.exit_code == 0
    for needle in ("CGST", "IGST", "Source: ", "Unknown (outage)", "as of"):
        assert needle in result.output


def test_the_taxes_of_one_day_are_shown():
    rates = json.loads(_run("show", "de", "--on", "2020-09-01", "--json").stdout)["tax"]["rates"]
    assert [rate["rate_percent"] for rate in rates] == ["16"]


def test_an_unknown_country_and_a_wrong_day_end_with_their_codes():
    assert _run("show", "XX").exit_code == 4
    assert _run("show", "DE", "--on", "yesterday").exit_code == 3


def test_a_sound_pack_passes_and_a_broken_one_says_where(example):
    assert _run("check", str(example)).exit_code == 0
    example.write_text(example.read_text().replace('"12.5"', "12.5"))
    result = _run("check", str(example), "--json")
    assert result.exit_code == 3
    (problem,) = json.loads(result.stdout)["items"]
    assert problem["value"] == "12.5"
    assert "text" in problem["fix"]


@pytest.mark.parametrize("command", ["list", "show", "check"])
def test_help_teaches(command):
    assert len(_run(command, "--help").output) > 200
