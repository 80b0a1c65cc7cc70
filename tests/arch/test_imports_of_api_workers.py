"""A process that serves the API starts light: what computes in bulk stays out of it."""

from __future__ import annotations

import os
import subprocess
import sys

HEAVY = ("numba", "polars", "pyarrow", "typst", "pandas", "holidays", "ijson", "hypothesis", "grimp")
"""Slow to import or large in memory. The first four are the promise; the others have no work in a worker's start."""
PROBE = """
import sys
import farwire.app
heavy = {heavy!r}
farwire.app.create_api()
print(",".join(name for name in heavy if name in sys.modules))
"""


def _imported(program: str) -> str:
    env = os.environ | {"FARWIRE_DATABASE_URL": "postgresql://farwire_app@localhost:1/none"}
    done = subprocess.run(
        [sys.executable, "-c", program], env=env, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_an_api_worker_imports_nothing_heavy():
    assert _imported(PROBE.format(heavy=HEAVY)) == ""


def test_a_heavy_import_is_noticed():
    assert _imported("import typst\n" + PROBE.format(heavy=HEAVY)) == "typst"
