"""FreeRADIUS in front of Farwire, as the guide configures it: it ends EAP, and proxies passwords and accounting."""

from __future__ import annotations

import asyncio
import re
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.gateway.processes import Processes, free_port
from tests.gateway.radius.test_radclient import NUMBER, PASSWORD, Radclient, start, used
from tests.gateway.radius.world import MB

pytestmark = [pytest.mark.rigs, pytest.mark.full]
GUIDE = Path(__file__).parents[3] / "docs" / "gateway-radius.md"
BLOCK = re.compile(r"<!-- file: freeradius.conf -->\n```text\n(.*?)^```", re.MULTILINE | re.DOTALL)
SUPPLICANT = """
network={{
  key_mgmt=WPA-EAP
  eap=TTLS
  anonymous_identity="anonymous"
  identity="{user}"
  password="{password}"
  ca_cert="{folder}/server.pem"
  phase2="auth=PAP"
}}
"""
SECRET = "testing123"


class Front:
    """The FreeRADIUS, and a station behind an access server of it."""

    def __init__(self, processes: Processes, require_rig: Callable[[str], Path], farwire: Radclient) -> None:
        self.folder = processes.folder
        self.station = require_rig("eapol_test")
        self.ports = {name: free_port(socket.SOCK_DGRAM) for name in ("auth", "acct")}
        self.access_server = Radclient(farwire.program, self.ports)
        self._key(require_rig("openssl"))
        (self.folder / "freeradius.conf").write_text(self._conf(farwire.ports))
        server = require_rig("freeradius")
        words = ("-d", str(self.folder), "-n", "freeradius", "-f", "-x", "-l", "stdout")
        processes.run("freeradius", str(server), *words, until="Ready to process requests")

    def _conf(self, farwire: dict[str, int]) -> str:
        found = BLOCK.search(GUIDE.read_text(encoding="utf-8"))
        assert found is not None
        text = found[1]
        for old, new in (
            ("port = 11812", f"port = {self.ports['auth']}"), ("port = 11813", f"port = {self.ports['acct']}"),
            ("port = 1812", f"port = {farwire['auth']}"), ("port = 1813", f"port = {farwire['acct']}"),
            ("secret-of-the-access-servers", SECRET), ("a-long-secret-of-both-sides", SECRET),
        ):  # fmt: skip
            assert old in text, old
            text = text.replace(old, new)
        return text

    def _key(self, openssl: Path) -> None:
        names = ("-keyout", "server.key", "-out", "server.pem", "-subj", "/CN=aaa.example")
        words = ("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *names)
        subprocess.run([openssl, *words], cwd=self.folder, check=True, capture_output=True)

    def log_in(self, password: str) -> str:
        """Have the station log in over EAP-TTLS; return what it saw."""
        conf = self.folder / "station.conf"
        conf.write_text(SUPPLICANT.format(user=NUMBER, password=password, folder=self.folder))
        words = ("-c", str(conf), "-a", "127.0.0.1", "-p", str(self.ports["auth"]), "-s", SECRET, "-t", "30")
        done = subprocess.run([self.station, *words], capture_output=True, text=True, check=False)
        return done.stdout


async def test_a_station_logs_in_by_eap_and_its_session_is_charged_through_the_proxy(
    shop: None, processes: Processes, require_rig: Callable[[str], Path]
) -> None:
    ports = {name: free_port(socket.SOCK_DGRAM) for name in ("auth", "acct")}
    farwire = Radclient(require_rig("radclient"), ports)
    await asyncio.to_thread(start, processes, farwire, "")
    front = await asyncio.to_thread(Front, processes, require_rig, farwire)
    refused = await asyncio.to_thread(front.log_in, "wrong")
    assert refused.rstrip().endswith("FAILURE"), refused + processes.said("freeradius")
    said = await asyncio.to_thread(front.log_in, PASSWORD)
    assert said.rstrip().endswith("SUCCESS"), said + processes.said("freeradius")
    accepted = said[said.rindex("Access-Accept") :]
    (ticket,) = re.findall(r"Attribute 25 \(Class\) length=\d+\n\s+Value: (\S+)", accepted)
    assert re.search(r"Attribute 85 \(Acct-Interim-Interval\)", accepted)
    for status, octets, seconds in (("Start", 0, 0), ("Interim-Update", 2 * MB, 30), ("Stop", 3 * MB, 60)):
        await front.access_server.account(status, f"0x{ticket}", octets, seconds)
    await front.access_server.account("Stop", f"0x{ticket}", 3 * MB, 60)
    await asyncio.to_thread(processes.wait, lambda: used(processes) == pytest.approx(-0.06))
