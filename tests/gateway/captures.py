"""Diameter messages out of packet captures: classic pcap, Ethernet, IPv4, TCP whose segments are in order."""

from __future__ import annotations

import struct
from collections import defaultdict
from pathlib import Path


def messages(path: Path) -> list[bytes]:
    """Return every Diameter message of a capture, flow by flow."""
    return [one for flow in conversations(path) for one in flow]


def conversations(path: Path) -> list[list[bytes]]:
    """Return what each end of each connection of a capture has sent."""
    flows: dict[bytes, bytearray] = defaultdict(bytearray)
    seen: dict[bytes, set[int]] = defaultdict(set)
    for packet in _packets(path.read_bytes()):
        ip = packet[14:]
        if packet[12:14] != b"\x08\x00" or ip[9] != 6:
            continue
        total, tcp = struct.unpack_from(">H", ip, 2)[0], ip[(ip[0] & 15) * 4 :]
        payload = tcp[(tcp[12] >> 4) * 4 : total - (ip[0] & 15) * 4]
        flow, sequence = ip[12:20] + tcp[:4], struct.unpack_from(">I", tcp, 4)[0]
        if payload and sequence not in seen[flow]:
            seen[flow].add(sequence)
            flows[flow] += payload
    return [_framed(bytes(flow)) for flow in flows.values()]


def _packets(data: bytes) -> list[bytes]:
    order = "<" if data[:4] in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1") else ">"
    assert struct.unpack_from(order + "I", data, 20)[0] == 1, "Ethernet"
    found, at = [], 24
    while at < len(data):
        size = struct.unpack_from(order + "I", data, at + 8)[0]
        found.append(data[at + 16 : at + 16 + size])
        at += 16 + size
    return found


def _framed(data: bytes) -> list[bytes]:
    found, at = [], 0
    while at + 4 <= len(data) and data[at] == 1:
        size = int.from_bytes(data[at + 1 : at + 4], "big")
        found.append(data[at : at + size])
        at += size
    return found
