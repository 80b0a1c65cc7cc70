"""The examples of the documentation run, and print what the documentation says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)
FILE_BLOCK = re.compile(r"^<!-- file: (\S+) -->\n```\w*\n(.*?)^```", re.MULTILINE | re.DOTALL)


def steps(text: str) -> Iterator[tuple[str, list[str]]]:
    """Yield each ``$ command`` of the console blocks with the lines that the page shows under it."""
    for block in BLOCK.findall(text):
        command, shown = "", []
        for line in block.splitlines():
            if line.startswith("$ "):
                if command:
                    yield command, shown
                command, shown = line[2:], []
            elif line.strip():
                shown.append(line)
        if command:
            yield command, shown


def as_pattern(line: str) -> str:
    """Return a pattern for a shown line: ``…`` stands for anything, white space is folded."""
    words = [".*".join(re.escape(part) for part in word.split("…")) for word in line.split()]
    return r"\s+".join(words)


def pages() -> list[Path]:
    return [
        p
        for p in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
        if "```console" in p.read_text()
    ]


@pytest.mark.parametrize("page", pages(), ids=lambda p: p.name)
def test_the_examples_of_a_page_run_and_print_what_it_says(
    page: Path, farwire_command: tuple[str, ...], database_env: dict[str, str], tmp_path: Path
) -> None:
    text = page.read_text()
    for name, content in FILE_BLOCK.findall(text):
        (tmp_path / name).write_text(content)
    command = tmp_path / "bin" / "farwire"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {" ".join(farwire_command)} "$@"\n')
    command.chmod(0o755)
    env = (
        os.environ
        | database_env
        | {
            "PATH": f"{command.parent}:{Path(sys.executable).parent}:{os.environ['PATH']}",
            "COLUMNS": "160",
            "NO_COLOR": "1",
        }
    )
    for typed, shown in steps(text):
        if not typed.startswith("farwire"):
            continue
        done = subprocess.run(
            ["bash", "-c", typed],
            cwd=tmp_path,
            env=env,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        output = done.stdout + done.stderr
        assert done.returncode == 0, f"{page.name}: {typed}\n{output}"
        for line in shown:
            assert re.search(as_pattern(line), output), f"{page.name}: {typed}\nmissing: {line}\n{output}"


def test_a_shown_line_that_differs_is_noticed() -> None:
    assert re.search(as_pattern("total … 58.14 EUR"), "x total   net 58.14  EUR")
    assert not re.search(as_pattern("total 58.14 EUR"), "total 58.15 EUR")
    assert list(steps("```console\n$ a b\nshown\n\n$ c\n```\n")) == [("a b", ["shown"]), ("c", [])]
