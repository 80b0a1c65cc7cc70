"""What a quality file claims exists: its tests are collected, its page names the adapter, its metrics are kept."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from farwire.activation.service import CLAIMS, Quality, qualities
from farwire.base.telemetry import exposition

ROOT = Path(__file__).parents[2]
EVERY = qualities()


@pytest.fixture(scope="module")
def collected() -> set[str]:
    """Return every test of the files that are named, without its parameters."""
    files = {test.split("::")[0] for one in EVERY for test in one.proven.values() if "::" in test}
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-o",
            "addopts=--import-mode=importlib",
            "--collect-only",
            "-q",
            *sorted(files),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    return {line.split("[")[0] for line in done.stdout.splitlines() if "::" in line}


@pytest.mark.parametrize("one", EVERY, ids=lambda one: one.name)
def test_what_is_claimed_of_an_adapter_exists(one: Quality, collected: set[str]) -> None:
    known = {f"{level}.{claim}" for level, claims in CLAIMS.items() for claim in claims}
    assert one.proven.keys() <= known
    assert one.what
    for claim, where in one.proven.items():
        if claim == "bronze.docs":
            assert one.name in (ROOT / where).read_text("utf-8"), where
        elif claim == "gold.metrics":
            assert f"# TYPE {where} counter" in exposition().decode()
        else:
            assert where in collected, f"{claim}: {where}"


def test_a_level_is_reached_only_with_all_before_it() -> None:
    proven = {f"{level}.{claim}": "x" for level, claims in CLAIMS.items() for claim in claims}
    assert Quality("a", "", proven).level == "gold"
    without = {claim: where for claim, where in proven.items() if claim != "silver.retries"}
    assert (Quality("a", "", without).level, Quality("a", "", without).missing) == ("bronze", ("retries",))
    assert Quality("a", "", {}).level == "none"


def test_every_adapter_and_every_simulator_has_its_file() -> None:
    names = {one.name for one in EVERY}
    folders = {path.parent.name for path in (ROOT / "src/farwire/activation/adapters").glob("*/__init__.py")}
    assert folders <= names
    assert {
        "simulated-hlr",
        "simulated-smdp",
        "simulated-store",
        "simulated-olt",
        "simulated-router",
    } <= names
