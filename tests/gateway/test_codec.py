"""The codec of Diameter: what it writes it reads again, python-diameter reads the same, and nothing breaks it."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import pytest
from diameter.message import Message as TheirMessage
from diameter.message.avp import Avp as TheirAvp
from diameter.message.avp.dictionary import AVP_DICTIONARY, AVP_VENDOR_DICTIONARY
from hypothesis import given, settings
from hypothesis import strategies as st

from farwire.gateway.diameter import codec
from farwire.gateway.diameter.codec import Avps, Header, Message, Refusal, decode, encode
from farwire.gateway.diameter.dictionary import AVPS, Avp, Kind, Result, key_of
from farwire.kernel.errors import Defect
from tests.gateway.captures import messages

RATING_GROUP, SERVICES = key_of("Rating-Group"), key_of("Multiple-Services-Credit-Control")
HEADER = Header(0xC0, 272, 4, 1, 2)

RANGES = {
    Kind.UNSIGNED32: st.integers(0, 2**32 - 1), Kind.SIGNED32: st.integers(-(2**31), 2**31 - 1),
    Kind.UNSIGNED64: st.integers(0, 2**64 - 1), Kind.SIGNED64: st.integers(-(2**63), 2**63 - 1),
    Kind.TIME: st.integers(-61_505_152, 4_233_462_143), Kind.TEXT: st.text(max_size=20),
    Kind.OCTETS: st.binary(max_size=20), Kind.WHOLE: st.binary(max_size=20),
}  # fmt: skip
BY_KIND = {kind: sorted(key for key, avp in AVPS.items() if avp.kind == kind) for kind in Kind}
PLAIN = st.sampled_from(sorted(RANGES)).flatmap(
    lambda kind: st.tuples(st.sampled_from(BY_KIND[kind]), st.lists(RANGES[kind], min_size=1, max_size=3))
)


def avps(children: st.SearchStrategy[Any] | None = None) -> st.SearchStrategy[Avps]:
    entry = PLAIN
    if children is not None:
        groups = st.lists(children, min_size=1, max_size=2)
        entry = PLAIN | st.tuples(st.sampled_from(BY_KIND[Kind.GROUPED]), groups)
    return st.lists(entry, max_size=6).map(dict)


@given(st.recursive(avps(), avps, max_leaves=4))
@settings(max_examples=100, deadline=None)
def test_what_is_written_is_read_again(content: Avps) -> None:
    message = Message(HEADER, content)
    octets = encode(message)
    assert len(octets) % 4 == 0
    assert decode(octets) == message
    assert encode(decode(octets)) == octets


# ---- python-diameter reads the same


def same(ours: Avps, theirs: list[TheirAvp]) -> None:
    """Compare by what both know; the library names an AVP's vendor, code and octets."""
    found: dict[int, list[TheirAvp]] = {}
    for one in theirs:
        found.setdefault((one.vendor_id or 0) << 32 | one.code, []).append(one)
    for key, values in ours.items():
        assert len(values) == len(found[key])
        for value, other in zip(values, found[key], strict=True):
            if isinstance(value, dict):
                same(value, other.value)
            elif AVPS[key].kind == Kind.TIME:
                assert value == int(other.value.timestamp())
            elif isinstance(value, str):
                assert value.encode() == other.payload
            elif isinstance(value, int):
                assert value == int.from_bytes(other.payload, "big", signed=value < 0)
            else:
                assert value == other.payload


@pytest.mark.shared
@pytest.mark.parametrize(
    "name", ["kamailio_ro_ccr_iut", "otp_gy_ccr_iut", "otp_via_freediameter_relay", "failover_T_flag_freediameter_dra"]
)  # fmt: skip
def test_captured_messages_are_read_as_python_diameter_reads_them(shared_data: Path, name: str) -> None:
    found = messages(shared_data / "pcap" / f"{name}.pcap")
    assert len(found) >= 10
    for octets in found:
        same(decode(octets).avps, TheirMessage.from_bytes(octets, plain_msg=True).avps)


@pytest.mark.shared
def test_what_an_operator_captured_is_read(shared_data: Path) -> None:
    found = [decode(one) for one in messages(shared_data / "cdr" / "pcap" / "ndpi-diameter.pcap")]
    assert len(found) == 6
    asked = codec.group_of(found[0].avps, key_of("Requested-Service-Unit"))
    value = codec.group_of(codec.group_of(asked, key_of("CC-Money")), key_of("Unit-Value"))
    assert codec.number_of(value, key_of("Value-Digits")) == 2
    assert not any(one.unsupported for one in found)


def test_the_table_agrees_with_that_of_python_diameter() -> None:
    spelled = {}
    for avp in AVPS.values():
        table = AVP_VENDOR_DICTIONARY[avp.vendor] if avp.vendor else AVP_DICTIONARY
        theirs = table.get(avp.code)
        if theirs is None:
            continue
        spelled[avp.key] = theirs["name"]
        assert same_type(avp, theirs["type"].__name__), (avp, theirs)
    assert {avp.name for avp in AVPS.values() if spelled.get(avp.key, avp.name) != avp.name} == set()


TYPES = {
    Kind.OCTETS: {"AvpOctetString", "AvpAddress", "AvpUtf8String"}, Kind.TEXT: {"AvpUtf8String", "AvpOctetString"},
    Kind.UNSIGNED32: {"AvpUnsigned32", "AvpInteger32", "AvpEnumerated"},
    Kind.SIGNED32: {"AvpInteger32", "AvpEnumerated"}, Kind.UNSIGNED64: {"AvpUnsigned64"},
    Kind.SIGNED64: {"AvpInteger64"}, Kind.TIME: {"AvpTime"}, Kind.GROUPED: {"AvpGrouped"}, Kind.WHOLE: {"AvpGrouped"},
}  # fmt: skip


def same_type(avp: Avp, name: str) -> bool:
    return name in TYPES[Kind(avp.kind)]


# ---- what is wrong has a name


def avp(
    code: int, data: bytes, *, flags: int = 0x40, length: int | None = None, vendor: int | None = None
) -> bytes:
    head = struct.pack(
        ">II", code, flags << 24 | (len(data) + (8 if vendor is None else 12) if length is None else length)
    )
    return head + (b"" if vendor is None else struct.pack(">I", vendor)) + data + bytes(-len(data) % 4)


def a_message(body: bytes, *, flags: int = 0xC0, version: int = 1) -> bytes:
    return struct.pack(">IIIII", version << 24 | 20 + len(body), flags << 24 | 272, 4, 1, 2) + body


@pytest.mark.parametrize(
    ("octets", "result", "failed"),
    [
        (b"\1\0\0\4", Result.INVALID_MESSAGE_LENGTH, b""),
        (a_message(b"")[:-1], Result.INVALID_MESSAGE_LENGTH, b""),
        (a_message(b"", version=2), Result.UNSUPPORTED_VERSION, b""),
        (a_message(b"", flags=0xA0), Result.INVALID_HDR_BITS, b""),
        (a_message(b"\0\0\1\xb0"), Result.INVALID_AVP_LENGTH, b"\0\0\1\xb0" + bytes(4)),
        (a_message(avp(432, b"\0\0\0\1", length=7)), Result.INVALID_AVP_LENGTH, avp(432, bytes(4))),
        (a_message(avp(432, b"\0\0\0\1", length=16)), Result.INVALID_AVP_LENGTH, avp(432, bytes(4))),
        (a_message(avp(432, b"\0\0\0\0\0\0\0\1")), Result.INVALID_AVP_LENGTH, avp(432, bytes(4))),
        (a_message(avp(263, b"\xff\xfe")), Result.INVALID_AVP_VALUE, avp(263, b"\xff\xfe")),
        (a_message(avp(1, b"", flags=0xC0, vendor=0)), Result.INVALID_AVP_BITS, avp(1, b"", flags=0xC0, vendor=0)),
        (
            a_message(avp(456, avp(432, b"\0\0"))),
            Result.INVALID_AVP_LENGTH,
            avp(456, avp(432, bytes(4))),
        ),
        (a_message(avp(869, b"\0", flags=0xC0, vendor=10415)), Result.INVALID_AVP_LENGTH,
         avp(869, bytes(4), flags=0xC0, vendor=10415)),
        (a_message(avp(264, b"") * (codec.AVPS_MOST + 1)), Result.UNABLE_TO_COMPLY, b""),
    ],
)  # fmt: skip
def test_a_malformed_message_is_refused_with_its_result_and_avp(
    octets: bytes, result: Result, failed: bytes
) -> None:
    with pytest.raises(Refusal) as caught:
        decode(octets)
    assert (caught.value.result, caught.value.failed) == (result, failed)


def test_groups_are_read_down_to_a_bound() -> None:
    body = b""
    for _ in range(codec.DEPTH_MOST):
        body = avp(456, body)
    assert decode(a_message(body))
    with pytest.raises(Refusal) as caught:
        decode(a_message(avp(456, body)))
    assert caught.value.result == Result.UNABLE_TO_COMPLY


def test_an_unknown_avp_that_must_be_understood_is_kept_with_the_group_around_it() -> None:
    unknown = avp(9_999, b"abc")
    assert decode(a_message(unknown + avp(9_998, b""))).unsupported == unknown
    assert decode(a_message(avp(456, unknown + avp(432, bytes(4))))).unsupported == avp(456, unknown)
    assert decode(a_message(avp(9_999, b"abc", flags=0))).unsupported == b""
    within = avp(873, avp(876, unknown, flags=0xC0, vendor=10415), flags=0xC0, vendor=10415)
    assert decode(a_message(within)).unsupported == b"", "what only describes is not refused"


def test_the_padding_that_some_leave_out_at_the_end_of_a_group_is_not_missed() -> None:
    inner = avp(444, b"123")[:-1]
    (group,) = codec.groups_of(decode(a_message(avp(443, inner))).avps, 443)
    assert group == {444: ["123"]}


def test_a_value_that_an_avp_cannot_hold_is_our_defect() -> None:
    for key, value in ((RATING_GROUP, 2**32), (RATING_GROUP, "1"), (key_of("Session-Id"), 1)):
        with pytest.raises(Defect) as caught:
            codec.encode_avp(key, value)
        assert caught.value.code == "diameter.encode"


REAL = encode(
    Message(
        HEADER,
        {263: ["a;1;2"], 416: [1], SERVICES: [{RATING_GROUP: [1], 437: [{421: [5]}]}, {446: [{420: [7]}]}]},
    )
)


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_no_octets_do_anything_but_be_read_or_refused(data: st.DataObject) -> None:
    octets = bytearray(data.draw(st.binary(max_size=60)) if data.draw(st.booleans()) else REAL)
    for _ in range(data.draw(st.integers(0, 6))):
        if octets:
            octets[data.draw(st.integers(0, len(octets) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(octets[: data.draw(st.integers(0, len(octets)))])
    for tried in (cut, a_message(cut + bytes(-len(cut) % 4))):
        try:
            found = decode(tried)
        except Refusal as refusal:
            ends = (refusal.code, len(refusal.failed) % 4)
        else:
            ends = ("", 0)
            assert decode(encode(Message(found.header, found.avps))).avps == found.avps
        assert ends[1] == 0
        assert ends[0] in {"", *(f"diameter.{result.name.lower()}" for result in Result)}
