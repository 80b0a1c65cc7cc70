"""Ten thousand connections that ask for nothing, beside those that never get as far: memory, and the time they get."""

from __future__ import annotations

import re
import resource
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from farwire.base.storage import Database
from farwire.gateway.descriptors import SPARE, make_room
from farwire.kernel.errors import Unavailable
from farwire.kernel.ids import TenantId
from tests.gateway.nchf.test_process import PROFILES as CONSUMERS
from tests.gateway.processes import MAIN, PROFILES, Processes, free_port

CROWDS, EACH, HOSTILE = 4, 2_500, 300
DOCUMENTS = {
    "diameter": PROFILES.replace("watchdog_s = 6", "greeting_s = 5") + "connections = 10000\n",
    "nchf": "greeting_s = 5\nidle_s = 600\n" + CONSUMERS,
}
OCTETS_EACH = {"diameter": 8_192, "nchf": 40_960}
"""The most that one idle connection may take of the gateway's memory."""
GROWTH = 16 << 20
"""What may be added by as many again: nothing but the noise of an allocator."""


class Idlers:
    """A gateway whose process began with few open files, and crowds of connections."""

    def __init__(self, processes: Processes, protocol: str) -> None:
        self.processes, self.protocol = processes, protocol
        self.port, self.metrics = free_port(), free_port()
        (processes.folder / "idle.toml").write_text(
            DOCUMENTS[protocol].format(identity="ocs.test.realm", port=self.port)
        )
        words = ("gateway", protocol, "serve", "idle.toml", "--metrics", f"127.0.0.1:{self.metrics}")
        few = ("sh", "-c", 'ulimit -Sn 256; exec "$0" "$@"', sys.executable, "-c", MAIN)
        self.gateway = processes.run("gateway", *few, *words, until="is served at")
        self.crowds = 0

    def crowd(self, count: int, manner: str = "good") -> subprocess.Popen[bytes]:
        """Open connections; return when all are open and, where they greet, greeted."""
        self.crowds += 1
        source = f"127.0.0.{1 + self.crowds}"
        words = (self.protocol, str(self.port), source, str(count), manner)
        return self.processes.run(
            f"crowd-{self.crowds}",
            sys.executable,
            str(Path(__file__).with_name("idle.py")),
            *words,
            until="open:",
        )

    def connections(self) -> int:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics}/metrics") as found:
            (count,) = re.findall(
                rf"^farwire_{self.protocol}_connections (\S+)$", found.read().decode(), re.MULTILINE
            )
        return int(float(count))

    def wait_for(self, count: int) -> None:
        self.processes.wait(lambda: self.connections() == count, "gateway", self.gateway)

    def octets(self) -> int:
        return int(psutil.Process(self.gateway.pid).memory_info().rss)


@pytest.mark.full
@pytest.mark.parametrize("protocol", sorted(DOCUMENTS))
def test_ten_thousand_idle_connections_take_little_and_who_never_greets_is_hung_up_on(
    db: Database, tenant_id: TenantId, processes: Processes, protocol: str
) -> None:
    count = CROWDS * EACH
    if resource.getrlimit(resource.RLIMIT_NOFILE)[1] < count + SPARE:
        pytest.skip(f"a process may not have {count + SPARE} open files here (ulimit -Hn)")
    idlers = Idlers(processes, protocol)
    few = idlers.crowd(10)
    idlers.wait_for(10)
    empty = idlers.octets()
    few.terminate()
    idlers.wait_for(0)
    crowds = [idlers.crowd(EACH) for _ in range(CROWDS)]
    idlers.wait_for(count)
    full = idlers.octets()
    each = (full - empty) / count
    print(f"{protocol}: {count} idle connections, {each / 1_024:.1f} KiB each")  # noqa: T201
    assert each < OCTETS_EACH[protocol]
    crowds.pop().terminate()
    idlers.wait_for(count - EACH)
    for manner in ("silent", "slow", "stuck"):
        idlers.crowd(HOSTILE, manner)
        name = f"crowd-{idlers.crowds}"
        processes.wait(lambda name=name: f"left: {HOSTILE}." in processes.said(name), name)  # type: ignore[misc]
    idlers.wait_for(count - EACH)
    for one in crowds:
        one.terminate()
    idlers.wait_for(0)
    assert all("left" not in processes.said(f"crowd-{2 + place}") for place in range(len(crowds)))
    again = [idlers.crowd(EACH) for _ in range(CROWDS)]
    idlers.wait_for(count)
    assert idlers.octets() - full < GROWTH
    for one in again:
        one.terminate()
    idlers.wait_for(0)


@pytest.fixture
def limits() -> Iterator[int]:
    """The hard limit of open files; the limits are set back."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield before[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_a_process_raises_its_limit_of_open_files_as_far_as_it_needs(limits: int) -> None:
    before = min(1_024, limits)
    resource.setrlimit(resource.RLIMIT_NOFILE, (before, limits))
    make_room(10)
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == before
    make_room(before)
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (before + SPARE, limits)


def test_more_connections_than_the_limit_allows_are_refused_with_what_fits(limits: int) -> None:
    if limits == resource.RLIM_INFINITY:
        pytest.skip("there is no limit of open files here")
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    with pytest.raises(Unavailable) as caught:
        make_room(limits)
    assert (caught.value.code, caught.value.field) == ("gateway.too_few_files", "connections")
    assert f"connections = {limits - SPARE}" in (caught.value.fix or "")
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == before
