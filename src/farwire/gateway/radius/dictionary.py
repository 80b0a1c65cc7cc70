"""What Farwire knows of RADIUS: codes of packets, and attributes by number, name and type. A table of facts.

An attribute is named by its key: its number, with the vendor in the bits above the lowest 32. What is not in the table
is kept as octets and says nothing to us. Profiles may add attributes of further vendors.
Source: RFC 2865 §5, RFC 2866 §5, RFC 2869 §5, RFC 3162, RFC 5176 §3.5, TS 29.061 §16.4.7.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import Final, Literal, TypeAlias

import msgspec

Kind: TypeAlias = Literal["text", "octets", "integer", "date", "ipv4", "ipv6", "integer64"]


class Code(IntEnum):
    """The code of a packet. Source: RFC 2865 §3, RFC 2866 §3, RFC 5176 §2.3, RFC 5997."""

    ACCESS_REQUEST = 1
    ACCESS_ACCEPT = 2
    ACCESS_REJECT = 3
    ACCOUNTING_REQUEST = 4
    ACCOUNTING_RESPONSE = 5
    ACCESS_CHALLENGE = 11
    STATUS_SERVER = 12
    DISCONNECT_REQUEST = 40
    DISCONNECT_ACK = 41
    DISCONNECT_NAK = 42
    COA_REQUEST = 43
    COA_ACK = 44
    COA_NAK = 45


class Status(IntEnum):
    """Acct-Status-Type. Source: RFC 2866 §5.1."""

    START = 1
    STOP = 2
    INTERIM = 3
    ON = 7
    OFF = 8


class ErrorCause(IntEnum):
    """Error-Cause of a NAK that we look at. Source: RFC 5176 §3.5."""

    UNSUPPORTED_ATTRIBUTE = 401
    SESSION_NOT_FOUND = 503


class Attribute(msgspec.Struct, frozen=True, gc=False):
    """One row of the table."""

    key: int
    name: str
    kind: Kind


VENDOR_SPECIFIC: Final = 26
SIZES: Final[Mapping[str, int]] = {"integer": 4, "date": 4, "ipv4": 4, "ipv6": 16, "integer64": 8}
"""Octets of values that have a fixed length."""
CHILLISPOT, MIKROTIK, WISPR, TGPP = 14559, 14988, 14122, 10415

_STANDARD: Final = """
1 User-Name text; 2 User-Password octets; 3 CHAP-Password octets; 4 NAS-IP-Address ipv4; 5 NAS-Port integer
6 Service-Type integer; 7 Framed-Protocol integer; 8 Framed-IP-Address ipv4; 9 Framed-IP-Netmask ipv4
11 Filter-Id text; 12 Framed-MTU integer; 18 Reply-Message text; 24 State octets; 25 Class octets
27 Session-Timeout integer; 28 Idle-Timeout integer; 29 Termination-Action integer; 30 Called-Station-Id text
31 Calling-Station-Id text; 32 NAS-Identifier text; 33 Proxy-State octets; 40 Acct-Status-Type integer
41 Acct-Delay-Time integer; 42 Acct-Input-Octets integer; 43 Acct-Output-Octets integer; 44 Acct-Session-Id text
45 Acct-Authentic integer; 46 Acct-Session-Time integer; 47 Acct-Input-Packets integer
48 Acct-Output-Packets integer; 49 Acct-Terminate-Cause integer; 50 Acct-Multi-Session-Id text
52 Acct-Input-Gigawords integer; 53 Acct-Output-Gigawords integer; 55 Event-Timestamp date
60 CHAP-Challenge octets; 61 NAS-Port-Type integer; 77 Connect-Info text; 79 EAP-Message octets
80 Message-Authenticator octets; 85 Acct-Interim-Interval integer; 87 NAS-Port-Id text; 88 Framed-Pool text
95 NAS-IPv6-Address ipv6; 97 Framed-IPv6-Prefix octets; 101 Error-Cause integer; 168 Framed-IPv6-Address ipv6
"""
_VENDORS: Final[Mapping[int, str]] = {
    CHILLISPOT: """
1 ChilliSpot-Max-Input-Octets integer; 2 ChilliSpot-Max-Output-Octets integer; 3 ChilliSpot-Max-Total-Octets integer
4 ChilliSpot-Bandwidth-Max-Up integer; 5 ChilliSpot-Bandwidth-Max-Down integer
21 ChilliSpot-Max-Input-Gigawords integer; 22 ChilliSpot-Max-Output-Gigawords integer
23 ChilliSpot-Max-Total-Gigawords integer
""",
    MIKROTIK: """
1 Mikrotik-Recv-Limit integer; 2 Mikrotik-Xmit-Limit integer; 3 Mikrotik-Group text; 8 Mikrotik-Rate-Limit text
14 Mikrotik-Recv-Limit-Gigawords integer; 15 Mikrotik-Xmit-Limit-Gigawords integer; 17 Mikrotik-Total-Limit integer
18 Mikrotik-Total-Limit-Gigawords integer; 19 Mikrotik-Address-List text
""",
    WISPR: """
4 WISPr-Redirection-URL text; 5 WISPr-Bandwidth-Min-Up integer; 6 WISPr-Bandwidth-Min-Down integer
7 WISPr-Bandwidth-Max-Up integer; 8 WISPr-Bandwidth-Max-Down integer; 9 WISPr-Session-Terminate-Time text
""",
    TGPP: "1 3GPP-IMSI text; 2 3GPP-Charging-Id integer; 8 3GPP-IMSI-MCC-MNC text; 18 3GPP-SGSN-MCC-MNC text",
}


def _rows(vendor: int, text: str) -> Mapping[int, Attribute]:
    found = {}
    for entry in text.replace("\n", ";").split(";"):
        words = entry.split()
        if words:
            key = vendor << 32 | int(words[0])
            found[key] = msgspec.convert({"key": key, "name": words[1], "kind": words[2]}, Attribute)
    return found


ATTRIBUTES: Final[Mapping[int, Attribute]] = {
    **_rows(0, _STANDARD),
    **{key: row for vendor, text in _VENDORS.items() for key, row in _rows(vendor, text).items()},
}
"""Every known attribute by its key."""
BY_NAME: Final[Mapping[str, Attribute]] = {row.name: row for row in ATTRIBUTES.values()}


def key_of(name: str) -> int:
    """Return the key of the attribute called ``name``."""
    return BY_NAME[name].key
