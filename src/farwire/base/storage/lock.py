"""A lock between processes, held on a file and freed by the kernel when its holder dies."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from farwire.base.storage.errors import StorageBusy

WAIT_S: Final = 120.0
_POLL_S: Final = 0.05


@contextmanager
def file_lock(path: Path, *, wait_s: float = WAIT_S) -> Iterator[None]:
    """Hold the lock ``path`` for the block. Raises ``Unavailable`` (``storage.busy``) after ``wait_s``."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        deadline = time.monotonic() + wait_s
        while not _try(handle):
            if time.monotonic() > deadline:
                raise StorageBusy(
                    f"another process has held {path} for {wait_s:g} s",
                    fix="see whether a farwire command hangs, and stop it",
                )
            time.sleep(_POLL_S)
        yield
    finally:
        os.close(handle)


def _try(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
