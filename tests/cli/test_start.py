"""A command loads what it needs, and not the whole platform."""

from __future__ import annotations

import subprocess
import sys

LOADED = (
    "import sys; from farwire.app import build_cli; build_cli({only!r}); "
    "print(*sorted({{name.split('.')[1] for name in sys.modules if name.startswith('farwire.')}}))"
)


def loaded(only: str) -> set[str]:
    """Return the contexts that the command line loads for a command."""
    code = LOADED.format(only=only)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_a_topic_loads_only_what_it_needs() -> None:
    assert not loaded("country") & {"ordering", "billing", "usage", "payment", "process"}


def test_the_list_of_commands_needs_all_of_them() -> None:
    assert {"ordering", "billing", "payment"} <= loaded("")
    assert loaded("no-such-topic") == loaded("")
