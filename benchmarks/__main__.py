"""Run every benchmark: `python -m benchmarks [NAME …]`. Each prints its figures beside a limit or a peer."""

from __future__ import annotations

import argparse
import importlib
import os
import platform
import sys
from pathlib import Path

NAMES = sorted(path.stem.removeprefix("bench_") for path in Path(__file__).parent.glob("bench_*.py"))
ALONE = frozenset({"charging"})
"""Run only by name: they take minutes and want the machine to themselves."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help=f"which ones: {', '.join(NAMES)} (default: all but {', '.join(ALONE)})",
    )
    names = parser.parse_args().names or [name for name in NAMES if name not in ALONE]
    if unknown := set(names) - set(NAMES):
        parser.error(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    print(f"machine: {os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}")
    sys.argv = sys.argv[:1]
    for name in names:
        print(f"\n== {name}", flush=True)
        importlib.import_module(f"benchmarks.bench_{name}").main()


if __name__ == "__main__":
    main()
