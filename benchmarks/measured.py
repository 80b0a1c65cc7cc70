"""What a benchmark cost: seconds, CPU of this process and of PostgreSQL, and peak memory in a process of its own."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import ParamSpec, TypeVar

import psutil

from farwire.base.storage.embedded import EmbeddedServer

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(slots=True)
class Cost:
    """Seconds of wall clock, of CPU of this process, and of CPU of the database server."""

    wall_s: float = 0.0
    client_s: float = 0.0
    server_s: float = 0.0

    @property
    def cpu_s(self) -> float:
        """Return the CPU of both together: what the work takes on one core."""
        return self.client_s + self.server_s


@contextmanager
def costs(server_pid: int) -> Iterator[Cost]:
    """Measure the block into the ``Cost`` that it is given."""
    cost = Cost()
    wall, client, server = time.perf_counter(), time.process_time(), _server_cpu_s(server_pid)
    yield cost
    cost.wall_s = time.perf_counter() - wall
    cost.client_s = time.process_time() - client
    cost.server_s = _server_cpu_s(server_pid) - server


def postmaster(server: EmbeddedServer) -> int:
    """Return the process id of a server."""
    return int((server.folder.data / "postmaster.pid").read_text().split()[0])


def _server_cpu_s(pid: int) -> float:
    """Return the CPU of a server and of its children, ended ones too (a backend that ends is its parent's)."""
    parent = psutil.Process(pid)
    times = parent.cpu_times()
    total = times.user + times.system + times.children_user + times.children_system
    for child in parent.children():
        try:
            times = child.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system
    return total


def peak_kib() -> int:
    """Return the highest resident memory of this process so far.

    Not ``ru_maxrss``: a process inherits that of the one that started it.
    """
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(found[1]) if found else 0


def in_fresh_process(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> tuple[R, float]:
    """Call ``function`` in a new process; return its answer and the MiB that its peak grew by during the call."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_with_peak, function, args, kwargs).result()


def _with_peak(function, args, kwargs):  # type: ignore[no-untyped-def]
    before = peak_kib()
    answer = function(*args, **kwargs)
    return answer, (peak_kib() - before) / 1024
