"""hostapd on a wire is a real access server: its session is charged by time and ended by Farwire, its Stop is kept."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import absent
from tests.gateway.processes import Processes, free_port
from tests.gateway.radius.world import PROFILES

pytestmark = [pytest.mark.rigs, pytest.mark.shared, pytest.mark.full, pytest.mark.xdist_group("hostapd")]
USER = "alice"
NAS, STATION = "fwnas0", "fwsta0"
ADDRESS = "02:00:00:00:0f:01"
MORE = """
counts = "time"
renewal = "interim"
changes_port = {port}
changes_secret = "daskey-daskey"
names = ["Acct-Session-Id", "Calling-Station-Id", "NAS-Identifier"]
"""


def ip(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["ip", "link", *words], capture_output=True, text=True, check=False)


@pytest.fixture
def wire(require_rig: Callable[[str], Path]) -> Iterator[None]:
    """A pair of interfaces that are each other's wire."""
    require_rig("ip")
    made = ip("add", NAS, "type", "veth", "peer", "name", STATION)
    if made.returncode:
        absent("net_admin", f"no interface can be made here: {made.stderr.strip()}")
    ip("set", STATION, "address", ADDRESS)
    for name in (NAS, STATION):
        ip("set", name, "up")
    yield
    ip("del", NAS)


def hostapd_conf(shared: Path, folder: Path, accounting: int, changes: int) -> str:
    text = (shared / "peer-configs" / "radius" / "hostapd.conf").read_text()
    for old, new in (
        ("vnas0", NAS), ("RIG/rad", str(folder)), ("=11813", f"={accounting}"), ("=13799", f"={changes}"),
        ("127.0.0.1 daskey", "127.0.0.1 daskey-daskey"),
    ):  # fmt: skip
        assert old in text
        text = text.replace(old, new)
    return text


@pytest.fixture
def access_server(
    shop: None,
    wire: None,
    processes: Processes,
    require_rig: Callable[[str], Path],
    shared_data: Path,
) -> Processes:
    """The gateway, hostapd, and a station that logs in as alice, who has 0.10: ten seconds."""
    hostapd, supplicant = require_rig("hostapd"), require_rig("wpa_supplicant")
    folder, ports = processes.folder, [free_port(socket.SOCK_DGRAM) for _ in range(3)]
    words = ("charging", "account")
    # With an EAP server of its own hostapd names a station by its address.
    names = ("--name", USER, "--name", ADDRESS.replace(":", ""), "--name", ADDRESS.replace(":", "-").upper())
    processes.call(*words, "open", "--offering", "go-5", *names, "--key", "station")
    processes.call(*words, "topup", USER, "0.10", "--key", "station-1")
    (folder / "clients.toml").write_text(
        PROFILES.format(auth=ports[0], acct=ports[1], more=MORE.format(port=ports[2]))
    )
    processes.farwire("gateway", "gateway", "radius", "serve", "clients.toml", until="is served at")
    (folder / "hostapd.conf").write_text(hostapd_conf(shared_data, folder, ports[1], ports[2]))
    (folder / "eapusers").write_text('"alice" MD5 "secret1"\n')
    processes.run("hostapd", str(hostapd), "hostapd.conf", until="AP-ENABLED")
    conf = shared_data / "peer-configs" / "radius" / "wpa.conf"
    processes.run("station", str(supplicant), "-D", "wired", "-i", STATION, "-c", str(conf))
    return processes


async def test_a_station_is_charged_by_time_and_thrown_off_when_its_money_is_used_up(
    access_server: Processes,
) -> None:
    processes = access_server

    def is_over() -> bool:
        rows = json.loads(processes.call("charging", "account", "sessions", USER, "--json"))
        return bool(rows["items"]) and all(row["ended"] for row in rows["items"])

    said = processes.said
    await asyncio.to_thread(processes.wait, lambda: "AP-STA-CONNECTED" in said("hostapd"))
    await asyncio.to_thread(processes.wait, lambda: "AP-STA-DISCONNECTED" in said("hostapd"))
    await asyncio.to_thread(processes.wait, is_over)
    shown = json.loads(processes.call("charging", "account", "show", USER, "--json"))
    assert shown["balance"].split()[0] == "0.00"
