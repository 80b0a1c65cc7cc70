"""Third-party network elements on free ports: programs of Debian with a configuration of their own."""

from __future__ import annotations

import getpass
import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from farwire.activation.adapters import Element
from farwire.kernel.ids import TenantId
from tests.gateway.processes import Processes, free_port

NETCONF_SETTINGS = {
    "login": "key",
    "namespace.if": "urn:ietf:params:xml:ns:yang:ietf-interfaces",
    "namespace.ip": "urn:ietf:params:xml:ns:yang:ietf-ip",
    "namespace.ianaift": "urn:ietf:params:xml:ns:yang:iana-if-type",
    "entry": "if:interfaces/if:interface",
    "key": "if:name",
    "attribute.description": "if:description",
    "attribute.mtu": "ip:ipv4/ip:mtu",
    "fixed.if:type": "ianaift:l2vlan",
    "status.at": "if:enabled",
    "status.active": "true",
    "status.suspended": "false",
}
"""Interfaces of ietf-interfaces and ietf-ip."""


SNMP_ROWS = {
    "index": "implied",
    "row": "1.3.6.1.6.3.12.1.2.1.9",
    "attribute.retries": "1.3.6.1.6.3.12.1.2.1.5 integer",
    "attribute.tags": "1.3.6.1.6.3.12.1.2.1.6",
    "fixed.1.3.6.1.6.3.12.1.2.1.2": "oid 1.3.6.1.6.1.1",
    "fixed.1.3.6.1.6.3.12.1.2.1.3": "hex 7f00000100a2",
    "fixed.1.3.6.1.6.3.12.1.2.1.7": "text params",
    "status.at": "1.3.6.1.6.3.12.1.2.1.9",
    "status.active": "1",
    "status.suspended": "2",
}
"""Rows of snmpTargetAddrTable (SNMP-TARGET-MIB)."""
SNMP_PORTS = {
    "index": "found",
    "find": "1.3.6.1.2.1.31.1.1.1.1",
    "taken": "circuit",
    "attribute.circuit": "1.3.6.1.2.1.31.1.1.1.18",
}
"""Ports by ifName, whose ifAlias says whose they are (IF-MIB)."""
SNMP_V3 = {"version": "3", "user": "farwire"}


@dataclass
class Ssh:
    """An SSH server that lets in the user who runs the tests, with one key."""

    folder: Path
    port: int

    @property
    def host_key(self) -> str:
        return " ".join((self.folder / "host.pub").read_text().split()[:2])

    @property
    def key(self) -> Path:
        return self.folder / "user"

    def element(
        self, tenant_id: TenantId, adapter: str, settings: dict[str, str], **other: object
    ) -> Element:
        given = {"user": getpass.getuser(), "host_key": self.host_key, **settings}
        return Element(
            tenant_id, "router", adapter, f"127.0.0.1:{self.port}", f"file:{self.key}", given, **other
        )


def make_key(path: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)


def start_ssh(processes: Processes, require_rig: Callable[[str], Path], port: int, *more: str) -> Ssh:
    """Start sshd; as root it needs an empty folder that the package makes at boot."""
    program = require_rig("sshd")
    folder = processes.folder / f"ssh-{port}"
    folder.mkdir(mode=0o700)
    make_key(folder / "host")
    make_key(folder / "user")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    lines = (
        f"ListenAddress 127.0.0.1:{port}",
        f"HostKey {folder}/host",
        "PidFile none",
        f"AuthorizedKeysFile {folder}/user.pub",
        "StrictModes no",
        "UsePAM no",
        "PasswordAuthentication no",
        "PermitRootLogin yes",
        *more,
    )
    (folder / "config").write_text("\n".join(lines) + "\n")
    words = (str(program), "-D", "-e", "-f", str(folder / "config"))
    processes.run(f"sshd-{port}", *words, until="Server listening")
    return Ssh(folder, port)


def start_netconf(processes: Processes, require_rig: Callable[[str], Path], store: str = "candidate") -> Ssh:
    """Start netconfd with interfaces, and sshd before it."""
    program, subsystem, port = require_rig("netconfd"), require_rig("netconf-subsystem"), free_port()
    socket = processes.folder / f"{port}.sock"
    start_netconfd(processes, program, store, port)
    return start_ssh(
        processes, require_rig, port, f'Subsystem netconf "{subsystem} --ncxserver-sockname={port}@{socket}"'
    )


def start_netconfd(processes: Processes, program: Path, store: str, port: int) -> subprocess.Popen[bytes]:
    return processes.run(
        f"netconfd-{port}",
        str(program),
        *("--no-startup", f"--target={store}", f"--port={port}", "--access-control=off"),
        f"--ncxserver-sockname={processes.folder / f'{port}.sock'}",
        *("--module=ietf-interfaces", "--module=iana-if-type", "--module=ietf-ip"),
        until="Running netconfd server",
    )


def start_snmp(processes: Processes, require_rig: Callable[[str], Path], port: int) -> None:
    """Start snmpd with a community and a user of version 3."""
    program, folder = require_rig("snmpd"), processes.folder / f"snmp-{port}"
    folder.mkdir(exist_ok=True)
    (folder / "community").write_text("a-community\n")
    (folder / "passphrases").write_text("authentic-phrase\nprivate-phrase\n")
    lines = (
        f"agentAddress udp:127.0.0.1:{port}",
        "rwcommunity a-community 127.0.0.1",
        f"[snmp] persistentDir {folder}",
        'createUser farwire SHA-256 "authentic-phrase" AES "private-phrase"',
        "rwuser farwire priv",
    )
    (folder / "snmpd.conf").write_text("\n".join(lines) + "\n")
    words = (str(program), "-f", "-Lo", "-C", "-c", str(folder / "snmpd.conf"), "-I", "-smux")
    processes.run(f"snmpd-{port}", *words, until="NET-SNMP version")
