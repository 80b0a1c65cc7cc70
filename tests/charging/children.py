"""Processes that a test has started end with it."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress


def kill(process: asyncio.subprocess.Process) -> None:
    """``kill -9``, also if it has ended just now; ``process.kill()`` would take its exit code from its watcher then."""
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)


async def end(process: asyncio.subprocess.Process) -> None:
    """Kill a process if it still runs, and read what it said to the end: only then its pipes are closed."""
    kill(process)
    await process.communicate()
