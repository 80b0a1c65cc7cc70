"""Help flows to the terminal: no line is broken where a docstring was."""

from __future__ import annotations

import os
import re
import subprocess
import sys

from farwire.cli.help_text import flowing, titled

MAIN = "from farwire.app import main; main()"


def test_a_paragraph_is_one_line_and_an_example_stays_as_it_is() -> None:
    assert flowing("One\ntwo.\n\nThree\nfour.\n\n  farwire a\n  farwire b") == (
        "One two.\n\nThree four.\n\n  farwire a\n  farwire b"
    )


def test_every_line_of_a_help_is_filled_at_any_width() -> None:
    done = subprocess.run(
        [sys.executable, "-c", MAIN, "bill", "run", "--help"],
        env={**os.environ, "COLUMNS": "60", "TERM": "dumb"},
        capture_output=True,
        text=True,
        check=True,
    )
    paragraphs = re.split(r"\n\s*\n", done.stdout)
    paragraph = next(part for part in paragraphs if "goes on with a run" in " ".join(part.split()))
    lines = [line.strip() for line in paragraph.strip().splitlines()]
    assert all(len(line) > 40 for line in lines[:-1]), lines


def test_examples_of_a_topic_have_a_title() -> None:
    assert titled("A.\n\n  farwire a\n\nB.") == "A.\n\nExamples:\n\n  farwire a\n\nB."
    assert titled("A.\n\nB.") == "A.\n\nB."
    assert titled("") == ""
