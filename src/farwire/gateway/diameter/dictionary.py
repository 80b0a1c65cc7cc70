"""What Farwire knows of AVPs: code, vendor, name, type, and whether it sends them with the M bit. A table of facts.

An AVP is named by its key: the code, with the vendor in the bits above the lowest 32. What is not in the table is not
decoded; with the M bit it is refused (``codec.py``), except below Service-Information, which only describes.
Source: RFC 6733 §4.5, RFC 8506 §8, RFC 7155 §4.5, TS 32.299 §7.2, TS 29.061 §16.4.7.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import Final

import msgspec

TGPP: Final = 10415
"""The vendor id of 3GPP."""


class Kind(IntEnum):
    """The type of an AVP's data. Source: RFC 6733 §4.2, §4.3."""

    OCTETS = 0
    TEXT = 1
    UNSIGNED32 = 2
    SIGNED32 = 3
    """Also Enumerated."""
    UNSIGNED64 = 4
    SIGNED64 = 5
    TIME = 6
    """Seconds since 1970 UTC; on the wire since 1900, or since 2036 where the first bit is 0."""
    GROUPED = 7
    WHOLE = 8
    """Grouped, but kept as its octets: it goes back to where it came from unread."""


class Avp(msgspec.Struct, frozen=True, gc=False):
    """One row of the table."""

    key: int
    name: str
    kind: int
    mandatory: bool

    @property
    def code(self) -> int:
        """Return the code that its vendor has given it."""
        return self.key & 0xFFFFFFFF

    @property
    def vendor(self) -> int:
        """Return the vendor id; 0 is the IETF."""
        return self.key >> 32


_KINDS: Final = {
    "octets": Kind.OCTETS, "text": Kind.TEXT, "u32": Kind.UNSIGNED32, "i32": Kind.SIGNED32, "u64": Kind.UNSIGNED64,
    "i64": Kind.SIGNED64, "time": Kind.TIME, "grouped": Kind.GROUPED, "whole": Kind.WHOLE,
}  # fmt: skip

_IETF: Final = """
1 User-Name text; 2 User-Password octets; 4 NAS-IP-Address octets; 5 NAS-Port u32; 6 Service-Type i32
7 Framed-Protocol i32; 8 Framed-IP-Address octets; 9 Framed-IP-Netmask octets; 11 Filter-Id text; 12 Framed-MTU u32
18 Reply-Message text; 25 Class octets; 27 Session-Timeout u32; 28 Idle-Timeout u32; 30 Called-Station-Id text
31 Calling-Station-Id text; 32 NAS-Identifier text; 33 Proxy-State octets; 44 Acct-Session-Id octets
46 Acct-Session-Time u32; 50 Accounting-Multi-Session-Id text; 55 Event-Timestamp time; 61 NAS-Port-Type i32
77 Connect-Info text; 85 Acct-Interim-Interval u32; 87 NAS-Port-Id text
94 Originating-Line-Info octets; 95 NAS-IPv6-Address octets
96 Framed-Interface-Id u64; 97 Framed-IPv6-Prefix octets; 123 Delegated-IPv6-Prefix octets
257 Host-IP-Address octets; 258 Auth-Application-Id u32; 259 Acct-Application-Id u32
260 Vendor-Specific-Application-Id grouped; 261 Redirect-Host-Usage i32; 262 Redirect-Max-Cache-Time u32
263 Session-Id text; 264 Origin-Host text; 265 Supported-Vendor-Id u32; 266 Vendor-Id u32; 267 Firmware-Revision u32 -
268 Result-Code u32; 269 Product-Name text -; 270 Session-Binding u32; 271 Session-Server-Failover i32
272 Multi-Round-Time-Out u32; 273 Disconnect-Cause i32; 274 Auth-Request-Type i32; 276 Auth-Grace-Period u32
277 Auth-Session-State i32; 278 Origin-State-Id u32; 279 Failed-AVP whole; 280 Proxy-Host text; 281 Error-Message text -
282 Route-Record text; 283 Destination-Realm text; 284 Proxy-Info whole; 285 Re-Auth-Request-Type i32
287 Accounting-Sub-Session-Id u64; 291 Authorization-Lifetime u32; 292 Redirect-Host text; 293 Destination-Host text
294 Error-Reporting-Host text -; 295 Termination-Cause i32; 296 Origin-Realm text; 297 Experimental-Result grouped
298 Experimental-Result-Code u32; 299 Inband-Security-Id u32; 363 Accounting-Input-Octets u64
364 Accounting-Output-Octets u64; 480 Accounting-Record-Type i32
483 Accounting-Realtime-Required i32; 485 Accounting-Record-Number u32
411 CC-Correlation-Id octets -; 412 CC-Input-Octets u64; 413 CC-Money grouped; 414 CC-Output-Octets u64
415 CC-Request-Number u32; 416 CC-Request-Type i32; 417 CC-Service-Specific-Units u64; 418 CC-Session-Failover i32
419 CC-Sub-Session-Id u64; 420 CC-Time u32; 421 CC-Total-Octets u64; 422 Check-Balance-Result i32
423 Cost-Information grouped; 424 Cost-Unit text; 425 Currency-Code u32; 426 Credit-Control i32
427 Credit-Control-Failure-Handling i32; 428 Direct-Debiting-Failure-Handling i32; 429 Exponent i32
430 Final-Unit-Indication grouped; 431 Granted-Service-Unit grouped; 432 Rating-Group u32
433 Redirect-Address-Type i32; 434 Redirect-Server grouped; 435 Redirect-Server-Address text; 436 Requested-Action i32
437 Requested-Service-Unit grouped; 438 Restriction-Filter-Rule octets; 439 Service-Identifier u32
440 Service-Parameter-Info grouped -; 441 Service-Parameter-Type u32 -; 442 Service-Parameter-Value octets -
443 Subscription-Id grouped; 444 Subscription-Id-Data text; 445 Unit-Value grouped; 446 Used-Service-Unit grouped
447 Value-Digits i64; 448 Validity-Time u32; 449 Final-Unit-Action i32; 450 Subscription-Id-Type i32
451 Tariff-Time-Change time; 452 Tariff-Change-Usage i32; 453 G-S-U-Pool-Identifier u32; 454 CC-Unit-Type i32
455 Multiple-Services-Indicator i32; 456 Multiple-Services-Credit-Control grouped; 457 G-S-U-Pool-Reference grouped
458 User-Equipment-Info grouped -; 459 User-Equipment-Info-Type i32 -; 460 User-Equipment-Info-Value octets -
461 Service-Context-Id text; 653 User-Equipment-Info-Extension grouped -; 654 User-Equipment-Info-IMEISV octets -
655 User-Equipment-Info-MAC octets -; 656 User-Equipment-Info-EUI64 octets -
657 User-Equipment-Info-ModifiedEUI64 octets -; 658 User-Equipment-Info-IMEI octets -
659 Subscription-Id-Extension grouped -; 660 Subscription-Id-E164 text -; 661 Subscription-Id-IMSI text -
662 Subscription-Id-SIP-URI text -; 663 Subscription-Id-NAI text -; 664 Subscription-Id-Private text -
621 OC-Supported-Features whole -
"""

_TGPP: Final = """
1 3GPP-IMSI text; 2 3GPP-Charging-Id octets; 3 3GPP-PDP-Type i32; 5 3GPP-GPRS-Negotiated-QoS-Profile text
6 3GPP-SGSN-Address octets; 7 3GPP-GGSN-Address octets; 8 3GPP-IMSI-MCC-MNC text; 9 3GPP-GGSN-MCC-MNC text
10 3GPP-NSAPI octets; 11 3GPP-Session-Stop-Indicator octets; 12 3GPP-Selection-Mode text
13 3GPP-Charging-Characteristics text; 15 3GPP-SGSN-IPv6-Address octets; 18 3GPP-SGSN-MCC-MNC text
20 3GPP-IMEISV octets; 21 3GPP-RAT-Type octets; 22 3GPP-User-Location-Info octets; 23 3GPP-MS-TimeZone octets
829 Role-Of-Node i32; 831 Calling-Party-Address text; 832 Called-Party-Address text; 854 Bearer-Service octets
865 PS-Furnish-Charging-Information grouped; 868 Time-Quota-Threshold u32; 869 Volume-Quota-Threshold u32
870 Trigger-Type i32; 871 Quota-Holding-Time u32; 872 3GPP-Reporting-Reason i32; 873 Service-Information grouped
874 PS-Information grouped; 876 IMS-Information grouped; 881 Quota-Consumption-Time u32; 897 Address-Data text
899 Address-Type i32; 1000 Bearer-Usage i32; 1032 RAT-Type i32; 1201 Recipient-Address grouped
1226 Unit-Quota-Threshold u32; 1249 Service-Specific-Info grouped; 1256 Service-Generic-Information grouped
1258 Event-Charging-TimeStamp time; 1264 Trigger grouped; 1265 Base-Time-Interval u32; 1266 Envelope whole
1268 Envelope-Reporting i32; 1270 Time-Quota-Mechanism grouped; 1271 Time-Quota-Type i32; 2000 SMS-Information grouped
2022 Refund-Information octets; 2037 Change-Condition i32; 2038 Change-Time time; 2040 Service-Data-Container grouped
2043 Time-First-Usage time; 2044 Time-Last-Usage time; 2045 Time-Usage u32; 2046 Traffic-Data-Volumes grouped
2026 Recipient-Info grouped; 2055 AoC-Request-Type i32
2066 Charging-Characteristics-Selection-Mode i32; 2063 Local-Sequence-Number u32
2901 Policy-Counter-Identifier text; 2902 Policy-Counter-Status text
2903 Policy-Counter-Status-Report grouped; 2904 SL-Request-Type i32; 2905 Pending-Policy-Counter-Information grouped
2906 Pending-Policy-Counter-Change-Time time; 2907 SN-Request-Type u32 -; 3904 Announcement-Information whole
4400 Charging-Per-IP-CAN-Session-Indicator i32; 628 Supported-Features whole -; 1016 QoS-Information whole
1276 AF-Correlation-Information whole; 3926 Related-Trigger whole -
"""


def _rows(vendor: int, text: str) -> Mapping[int, Avp]:
    found = {}
    for entry in text.replace("\n", ";").split(";"):
        words = entry.split()
        if words:
            key = vendor << 32 | int(words[0])
            found[key] = Avp(key, words[1], _KINDS[words[2]], words[-1] != "-")
    return found


AVPS: Final[Mapping[int, Avp]] = {**_rows(0, _IETF), **_rows(TGPP, _TGPP)}
"""Every known AVP by its key."""
_BY_NAME: Final = {avp.name: avp.key for avp in AVPS.values()}


def key_of(name: str) -> int:
    """Return the key of the AVP called ``name``."""
    return _BY_NAME[name]


def name_of(key: int) -> str:
    """Return the name of an AVP, or its number where it has none here."""
    known = AVPS.get(key)
    if known is not None:
        return known.name
    vendor, code = key >> 32, key & 0xFFFFFFFF
    return f"{vendor}:{code}" if vendor else str(code)


COMMANDS: Final = frozenset({257, 258, 271, 272, 274, 275, 280, 282, 8_388_635, 8_388_636})
"""The commands of the base protocol, of credit control and of Sy."""
EXPERIMENTAL: Final = frozenset({4241, 5570})
"""Results of 3GPP: they stand in Experimental-Result. Source: TS 29.219 §5.4."""


class Result(IntEnum):
    """Result-Code. Source: RFC 6733 §7.1, RFC 8506 §9."""

    SUCCESS = 2001
    LIMITED_SUCCESS = 2002
    COMMAND_UNSUPPORTED = 3001
    UNABLE_TO_DELIVER = 3002
    REALM_NOT_SERVED = 3003
    TOO_BUSY = 3004
    APPLICATION_UNSUPPORTED = 3007
    INVALID_HDR_BITS = 3008
    INVALID_AVP_BITS = 3009
    UNKNOWN_PEER = 3010
    ELECTION_LOST = 4003
    END_USER_SERVICE_DENIED = 4010
    CREDIT_CONTROL_NOT_APPLICABLE = 4011
    CREDIT_LIMIT_REACHED = 4012
    AVP_UNSUPPORTED = 5001
    UNKNOWN_SESSION_ID = 5002
    INVALID_AVP_VALUE = 5004
    MISSING_AVP = 5005
    AVP_OCCURS_TOO_MANY_TIMES = 5009
    NO_COMMON_APPLICATION = 5010
    UNSUPPORTED_VERSION = 5011
    UNABLE_TO_COMPLY = 5012
    INVALID_AVP_LENGTH = 5014
    INVALID_MESSAGE_LENGTH = 5015
    NO_COMMON_SECURITY = 5017
    USER_UNKNOWN = 5030
    RATING_FAILED = 5031
    NO_AVAILABLE_POLICY_COUNTERS = 4241
    UNKNOWN_POLICY_COUNTERS = 5570
