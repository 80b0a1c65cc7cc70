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
