"""RADIUS packets out of packet captures, and into them: classic pcap, Ethernet or a null link, IPv4 or IPv6, UDP."""

from __future__ import annotations

import struct
from pathlib import Path

_IP_AT = {1: 14, 0: 4, 113: 16, 101: 0}
"""Where IP begins, by the type of the link."""


def packets(path: Path) -> list[bytes]:
    """Return the payload of every UDP datagram of a capture."""
    data = path.read_bytes()
    order = "<" if data[:4] in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1") else ">"
    link = struct.unpack_from(order + "I", data, 20)[0] & 0xFFFF
    found, at = [], 24
    while at < len(data):
        size = struct.unpack_from(order + "I", data, at + 8)[0]
        ip = data[at + 16 + _IP_AT[link] : at + 16 + size]
        at += 16 + size
        head, protocol = ((ip[0] & 15) * 4, ip[9]) if ip[0] >> 4 == 4 else (40, ip[6])
        if protocol == 17:
            found.append(ip[head + 8 : head + struct.unpack_from(">H", ip, head + 4)[0]])
    return found


def write(path: Path, octets: list[tuple[int, int, bytes]]) -> None:
    """Write a capture of datagrams: from port, to port, payload."""
    found = [struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65_535, 1)]
    for source, to, one in octets:
        udp = struct.pack(">HHHH", source, to, 8 + len(one), 0) + one
        ip = struct.pack(">BBHHHBBHII", 0x45, 0, 20 + len(udp), 1, 0, 64, 17, 0, 0x7F000001, 0x7F000001)
        frame = bytes(12) + b"\x08\x00" + ip + udp
        found.append(struct.pack("<IIII", 0, 0, len(frame), len(frame)) + frame)
    path.write_bytes(b"".join(found))
