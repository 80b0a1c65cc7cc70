"""Processes under load and the program that loads them: what the rows of the charging benchmark have in common."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

SOURCE: Final = Path(__file__).with_name("charging_load.c")
_OWN_LOAD: Final = 2.5
Figures = dict[str, float]


def compiled(into: Path) -> Path:
    """Compile the load generator. A machine without a compiler is told so: Python cannot load a shard."""
    compiler = shutil.which(os.environ.get("CC", "cc"))
    if compiler is None:
        sys.exit(
            "no C compiler: the load generator of this benchmark is benchmarks/charging_load.c. "
            "Install one (apt-get install gcc libc6-dev), or name it in CC."
        )
    subprocess.run([compiler, "-O2", "-Wall", "-o", into / "load", SOURCE], check=True)
    return into / "load"


def cores() -> tuple[list[int], list[int]]:
    """Return the core of the shard and that of the load; with one core they share it."""
    have = sorted(os.sched_getaffinity(0))
    return have[:1], have[-1:]


class Server:
    """A process that serves: ``module`` with ``arguments``, on one core."""

    def __init__(self, *arguments: str, module: str, core: list[int]) -> None:
        command = [sys.executable, "-m", f"benchmarks.{module}", *arguments]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.watched = psutil.Process(self.process.pid)
        self.watched.cpu_affinity(core)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            sys.exit("the process that was to be measured did not start")
        self.told: Figures = json.loads(line)

    def cpu_s(self) -> float:
        """Return the CPU that it has used, its threads included."""
        times = self.watched.cpu_times()
        return float(times.user + times.system)

    def kill(self) -> None:
        """End it at once, as ``kill -9`` does."""
        self.process.kill()
        self.process.wait()


@contextmanager
def serving(
    *arguments: str, module: str = "charging_server", core: list[int] | None = None
) -> Iterator[Server]:
    """Run a process for the block, on the core of shards unless another is named."""
    server = Server(*arguments, module=module, core=core or cores()[0])
    try:
        yield server
    finally:
        server.kill()


@dataclass(frozen=True, slots=True)
class Load:
    """The load generator, and what is the same for all of its runs."""

    program: Path
    accounts: int
    updates: int

    def run(
        self, mode: str, server: Server | None = None, behind: Server | None = None, **options: float | str
    ) -> Figures:
        """Play ``mode`` and return its figures.

        With a server also ``cpu_us``, what a request cost it, and ``behind_us``, what it cost the one behind it.
        """
        given: dict[str, float | str] = {"accounts": self.accounts, "updates": self.updates, **options}
        if server is not None:
            given["port"] = server.told["port"]
        watched = {"cpu_us": server, "behind_us": behind}
        before = {name: one.cpu_s() for name, one in watched.items() if one is not None}
        words = [
            word
            for name, value in given.items()
            for word in (name, value if isinstance(value, str) else f"{value:.10g}")
        ]
        process = subprocess.Popen([self.program, mode, *words], stdout=subprocess.PIPE, text=True)
        psutil.Process(process.pid).cpu_affinity(cores()[1])
        line, _ = process.communicate()
        if process.returncode:
            sys.exit(f"the load generator ended with {process.returncode}")
        figures = {name: float(value) for name, value in (word.split("=") for word in line.split())}
        if not figures["answered"]:
            sys.exit(f"nobody answered: {options}")
        for name, one in watched.items():
            if one is not None:
                figures[name] = 1e6 * (one.cpu_s() - before[name]) / figures["answered"]
        return figures


def row(label: str, found: Figures, more: str = "") -> None:
    """Print one line of figures; times come in nanoseconds."""
    names = (("p50", "p50"), ("p90", "p90"), ("p99", "p99"), ("p99.9", "p999"), ("max", "max"))
    times = "  ".join(f"{name} {found[key] / 1e6:.3f}" for name, key in names)
    cpu = f"  CPU {found['cpu_us']:.1f} µs each" if "cpu_us" in found else ""
    print(f"{label:<44}{found['per_s']:>12,.0f}/s  {times} ms{cpu}{more}")
    if found["wrong"] or found["unanswered"]:
        print(
            f"  {found['wrong']:,.0f} answers were refusals (the first: {found['first_wrong']:.0f}), "
            f"{found['unanswered']:,.0f} requests had no answer"
        )


def busy(when: str, own: float = _OWN_LOAD) -> None:
    """Print how many processes wanted a core in the last minute; ``own`` of them may be the benchmark's own."""
    load = os.getloadavg()[0]
    others = "  OTHERS WERE AT WORK: only what is said of CPU counts" if load > own else ""
    print(f"{f'  load average {when}':<44}{load:>12.1f}{others}")
