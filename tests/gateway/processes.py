"""A shard and gateways as processes, and third-party programs beside them."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

MAIN = "from farwire.app import main; main()"
WAIT_S = 120
SIP = (5060, 5070, 5080)


class Processes:
    """Processes of one test; each writes what it says to a file."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder = folder
        self.environment = environment
        self.started: list[tuple[subprocess.Popen[bytes], IO[bytes]]] = []
        self.ports: dict[int, int] = {}

    def run(
        self, name: str, *words: str, until: str = "", cwd: Path | None = None
    ) -> subprocess.Popen[bytes]:
        """Start a program; with ``until`` wait until it has said that."""
        path = self.folder / f"{name}.log"
        output = path.open("wb")
        one = subprocess.Popen(
            words, env=self.environment, cwd=cwd or self.folder, stdin=subprocess.DEVNULL, stdout=output,
            stderr=subprocess.STDOUT,
        )  # fmt: skip
        self.started.append((one, output))
        if until:
            self.wait(lambda: until in self.said(name), name, one)
        return one

    def farwire(self, name: str, *words: str, until: str) -> subprocess.Popen[bytes]:
        return self.run(name, sys.executable, "-c", MAIN, *words, until=until)

    def call(self, *words: str) -> str:
        """Run a command of Farwire to its end."""
        done = subprocess.run(
            [sys.executable, "-c", MAIN, *words],
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def port(self, named: int) -> int:
        """Return the free port that this test has in the place of one that configurations of others name."""
        while named not in self.ports:
            found = free_port(socket.SOCK_DGRAM if named in SIP else socket.SOCK_STREAM)
            if found not in self.ports.values():
                self.ports[named] = found
        return self.ports[named]

    def moved(self, text: str) -> str:
        """Return a configuration with free ports."""
        return re.sub(r"\b(386[89]|387[01]|50[678]0)\b", lambda named: str(self.port(int(named[0]))), text)

    def said(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def wait(
        self, found: Callable[[], object], name: str = "", one: subprocess.Popen[bytes] | None = None
    ) -> None:
        """Wait until ``found`` is something."""
        deadline = time.monotonic() + WAIT_S
        while not found():
            if (one is not None and one.poll() is not None) or time.monotonic() > deadline:
                raise AssertionError(self.said(name) if name else "it never came")
            time.sleep(0.1)

    def end(self) -> None:
        for one, _ in reversed(self.started):
            if one.poll() is None:
                one.send_signal(signal.SIGTERM)
        for one, output in reversed(self.started):
            try:
                one.wait(60)
            except subprocess.TimeoutExpired:
                one.kill()
                one.wait()
            output.close()


def free_port(kind: int = socket.SOCK_STREAM) -> int:
    with socket.socket(socket.AF_INET, kind) as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def environment_of(database_env: dict[str, str]) -> dict[str, str]:
    return {
        **os.environ,
        **database_env,
        "FARWIRE_TENANT": "nordlicht",
        "COLUMNS": "200",
        "FARWIRE_LOG_LEVEL": "info",
    }


PROFILES = """
identity = "{identity}"
realm = "test.realm"
listen = ["127.0.0.1:{port}"]
watchdog_s = 6

[[peers]]
host = "*"
tenant = "nordlicht"
addresses = ["127.0.0.0/8"]
"""
