"""What the architecture tests read: the sources of Farwire and the tracked files of the repository."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def root() -> Path:
    """Return the root of the repository."""
    return ROOT


@pytest.fixture(scope="session")
def sources() -> Mapping[str, str]:
    """Return path below ``src`` → text, of every module of Farwire."""
    base = ROOT / "src"
    return {p.relative_to(base).as_posix(): p.read_text(encoding="utf-8") for p in sorted(base.rglob("*.py"))}


@pytest.fixture(scope="session")
def contexts() -> tuple[Path, ...]:
    """Return the folder of every context on disk."""
    return tuple(
        p for p in sorted((ROOT / "src" / "farwire").iterdir()) if p.is_dir() and any(p.rglob("*.py"))
    )


@pytest.fixture(scope="session")
def tracked(root: Path) -> tuple[Path, ...]:
    """Return every file that git keeps or would keep."""
    found = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=root,
        capture_output=True,
        check=True,
    )
    paths = (root / name for name in found.stdout.decode().split("\0") if name)
    return tuple(p for p in paths if p.is_file())
