"""Third-party network elements on free ports: programs of Debian with a configuration of their own."""

from __future__ import annotations

import contextlib
import getpass
import os
import sqlite3
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


_ZONES = "/api/v1/servers/localhost/zones"
_ZONE = f"{_ZONES}/example.org."
_RECORD = '{"rrsets":[{"name":"{target}","type":"A","ttl":"{ttl}","changetype":"REPLACE",'
DNS_SETTINGS = {
    "login": "header",
    "header": "X-API-Key",
    "write.method": "PATCH",
    "write.path": _ZONE,
    "write.body": _RECORD + '"records":[{"content":"{address}","disabled":"{status}"}]}]}',
    "remove.method": "PATCH",
    "remove.path": _ZONE,
    "remove.body": '{"rrsets":[{"name":"{target}","type":"A","changetype":"DELETE"}]}',
    "listing.path": _ZONE,
    "listing.items": "/rrsets",
    "listing.name": "/name",
    "listing.where": "/type",
    "listing.equals": "A",
    "attribute.address": "/records/0/content",
    "attribute.ttl": "/ttl number",
    "status.at": "/records/0/disabled boolean",
    "status.active": "false",
    "status.suspended": "true",
}
"""Addresses of names, in PowerDNS' HTTP interface."""

ZONE_SETTINGS = {
    "login": "header",
    "header": "X-API-Key",
    "read.path": _ZONES + "/{target}",
    "create.method": "POST",
    "create.path": _ZONES,
    "create.body": '{"name":"{target}","kind":"{kind}","account":"{owner}","nameservers":[]}',
    "write.method": "PUT",
    "write.path": _ZONES + "/{target}",
    "write.body": '{"kind":"{kind}","account":"{owner}"}',
    "remove.method": "DELETE",
    "remove.path": _ZONES + "/{target}",
    "listing.path": _ZONES,
    "listing.name": "/id",
    "attribute.kind": "/kind",
    "attribute.owner": "/account",
}
"""Zones of PowerDNS, each a document of its own."""


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
        f"UsePAM {'no' if os.geteuid() == 0 else 'yes'}",  # without PAM a user who has no password cannot come in
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


def start_dns(processes: Processes, require_rig: Callable[[str], Path], port: int, dns_port: int) -> None:
    """Start PowerDNS with an empty zone in SQLite."""
    program, folder = require_rig("pdns_server"), processes.folder / f"dns-{port}"
    if not folder.exists():
        folder.mkdir()
        (folder / "key").write_text("an-api-key\n")
        with contextlib.closing(sqlite3.connect(folder / "db")) as database:
            database.executescript(
                Path("/usr/share/pdns-backend-sqlite3/schema/schema.sqlite3.sql").read_text()
            )
            soa = "ns1.example.org. hostmaster.example.org. 1 3600 600 86400 300"
            database.execute("INSERT INTO domains (name, type) VALUES ('example.org', 'NATIVE')")
            database.execute(
                "INSERT INTO records (domain_id, name, type, content, ttl) VALUES (1, 'example.org', 'SOA', ?, 60)",
                (soa,),
            )
            database.commit()
    processes.run(
        f"dns-{port}",
        *(str(program), "--no-config", "--daemon=no", "--guardian=no", f"--socket-dir={folder}"),
        *("--launch=gsqlite3", f"--gsqlite3-database={folder / 'db'}"),
        *("--local-address=127.0.0.1", f"--local-port={dns_port}", "--cache-ttl=0", "--query-cache-ttl=0"),
        *("--webserver=yes", "--webserver-address=127.0.0.1", f"--webserver-port={port}"),
        *("--api=yes", "--api-key=an-api-key", "--security-poll-suffix="),
        until="Done launching threads",
    )
