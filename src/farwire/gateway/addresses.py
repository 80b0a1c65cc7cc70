"""Addresses as profiles write them: where a gateway listens, and the networks that others come from."""

from __future__ import annotations

import re
from collections.abc import Sequence
from ipaddress import ip_address, ip_network
from typing import Final

_HOST: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?")


def listen_address(text: str) -> tuple[str, int]:
    """Return host and port of "0.0.0.0:3868" or "[::]:3868". Raises ``ValueError``."""
    host, _, port = text.rpartition(":")
    if not port.isascii() or not port.isdigit() or int(port) > 65_535:
        raise ValueError(f"{text!r} is no address and port")
    return str(ip_address(host.removeprefix("[").removesuffix("]"))), int(port)


def remote_address(text: str) -> tuple[str, int]:
    """Return host and port of "ocs.example:3868", "192.0.2.1:3868" or "[2001:db8::1]:3868". Raises ``ValueError``."""
    host, _, port = text.rpartition(":")
    if not port.isascii() or not port.isdigit() or not 0 < int(port) < 65_536:
        raise ValueError(f"{text!r} is no host and port")
    if host.startswith("[") or ":" in host:
        return str(ip_address(host.removeprefix("[").removesuffix("]"))), int(port)
    if not _HOST.fullmatch(host):
        raise ValueError(f"{text!r} is no host and port")
    return host, int(port)


def within(networks: Sequence[str], address: str) -> bool:
    """Tell whether an address is in one of the networks; IPv4 in IPv6 is the IPv4 address."""
    try:
        known = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    plain = getattr(known, "ipv4_mapped", None) or known
    return any(plain in ip_network(network) for network in networks)
