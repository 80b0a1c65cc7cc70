"""Octets of RADIUS: read as the RFC says, proved by the secret, and dropped where they are no packet."""

from __future__ import annotations

from contextlib import suppress
from hashlib import md5
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farwire.gateway.radius.codec import Malformed, Packet, decode, encode
from farwire.gateway.radius.dictionary import ATTRIBUTES, MIKROTIK, Code, key_of
from farwire.gateway.radius.proofs import (
    access_octets,
    answer_octets,
    answers_challenge,
    hidden,
    is_genuine,
    request_octets,
    shown,
)
from farwire.kernel.errors import Defect
from tests.gateway.radius.captures import packets

SECRET = b"xyzzy5461"
REQUEST = bytes.fromhex(
    "010000380f403f9473978057bd83d5cb98f4227a01066e656d6f02120dbe708d93d413ce3196e43f782a0aee0406c0a801100506"
    "00000003"
)
"""RFC 2865 §7.1."""
ACCEPT = bytes.fromhex("0200002686fe220e7624ba2a1005f6bf9b55e0b20606000000010f06000000000e06c0a80103")
USER, PASSWORD, TOTAL = key_of("User-Name"), key_of("User-Password"), key_of("Mikrotik-Total-Limit")


def test_the_example_of_the_rfc_is_read_and_its_password_shown() -> None:
    request = decode(REQUEST)
    assert (request.code, request.text(USER), request.number(key_of("NAS-Port"))) == (1, "nemo", 3)
    assert shown(request.first(PASSWORD) or b"", SECRET, request.authenticator) == b"arctangent"
    assert is_genuine(decode(ACCEPT), SECRET, request.authenticator)
    assert not is_genuine(decode(ACCEPT), b"other", request.authenticator)


def test_attributes_of_vendors_are_read_by_vendor_and_number() -> None:
    packet = decode(encode(1, 7, bytes(16), [(TOTAL, bytes(4)), (9 << 32 | 1, b"a"), (USER, b"b")]))
    assert packet.attributes == ((MIKROTIK << 32 | 17, bytes(4)), (9 << 32 | 1, b"a"), (USER, b"b"))
    strange = decode(encode(1, 7, bytes(16), [(26, bytes((0, 0, 0, 9, 1, 99)))]))
    assert strange.attributes == ((26, bytes((0, 0, 0, 9, 1, 99))),)


@pytest.mark.parametrize("number", [1, 79, 80])
def test_what_hides_in_vendor_0_is_no_attribute_of_the_rfc(number: int) -> None:
    hidden_in = bytes((0, 0, 0, 0, number, 18)) + bytes(16)
    packet = decode(encode(1, 7, bytes(16), [(26, hidden_in)]))
    assert packet.attributes == ((26, hidden_in),)
    assert is_genuine(packet, b"testing123"), "it has no proof, and what looks like one is none"


@pytest.mark.parametrize(
    "octets",
    [
        b"", REQUEST[:19], REQUEST[:-1], REQUEST[:2] + b"\0\x13" + REQUEST[4:],
        encode(1, 0, bytes(16), [])[:2] + b"\0\x15" + bytes(17), encode(1, 0, bytes(16), [(5, b"abc")]),
        encode(1, 0, bytes(16), [(80, bytes(15))]), encode(1, 0, bytes(16), [(80, bytes(16))] * 2),
        encode(1, 0, bytes(16), [(26, b"abc")]), REQUEST[:21] + b"\1" + REQUEST[22:],
    ],
)  # fmt: skip
def test_what_is_no_packet_is_refused_as_malformed(octets: bytes) -> None:
    with pytest.raises(Malformed):
        decode(octets)


@pytest.mark.parametrize("pairs", [[(1, bytes(254))], [(TOTAL, bytes(248))], [(1, bytes(253))] * 17])
def test_what_has_no_room_in_a_packet_is_a_defect(pairs: list[tuple[int, bytes]]) -> None:
    with pytest.raises(Defect, match="octets"):
        encode(1, 0, bytes(16), pairs)


def test_padding_behind_a_packet_is_no_part_of_it() -> None:
    assert decode(REQUEST + bytes(20)) == decode(REQUEST)


PROVED = {
    "access": lambda secret: access_octets(Code.ACCESS_REQUEST, 1, bytes(range(16)), [(USER, b"a")], secret),
    "accounting": lambda secret: request_octets(Code.ACCOUNTING_REQUEST, 1, [(USER, b"a")], secret),
    "coa": lambda secret: request_octets(Code.COA_REQUEST, 1, [(USER, b"a")], secret),
}


@pytest.mark.parametrize("name", PROVED)
def test_every_changed_octet_of_a_request_is_noticed(name: str) -> None:
    octets = PROVED[name](SECRET)
    assert is_genuine(decode(octets), SECRET)
    assert not is_genuine(decode(octets), b"another")
    for place in range(len(octets)):
        changed = bytearray(octets)
        changed[place] ^= 1
        with suppress(Malformed):
            packet = decode(bytes(changed))
            assert packet.first(80) is None or not is_genuine(packet, SECRET), place


def test_an_answer_has_its_message_authenticator_first_and_is_proved_by_both() -> None:
    request = decode(PROVED["access"](SECRET))
    answer = decode(answer_octets(request, Code.ACCESS_ACCEPT, [(18, b"hello")], SECRET))
    assert [key for key, _ in answer.attributes] == [80, 18]
    assert is_genuine(answer, SECRET, request.authenticator)
    assert not is_genuine(answer, SECRET, bytes(16))


@given(
    st.binary(min_size=1, max_size=128).filter(lambda one: not one.endswith(b"\0")),
    st.binary(min_size=16, max_size=16),
)
@settings(max_examples=30)
def test_a_password_that_is_hidden_is_shown_again(password: bytes, nonce: bytes) -> None:
    assert shown(hidden(password, SECRET, nonce), SECRET, nonce) == password


def test_a_challenge_is_answered_by_its_password_only() -> None:
    value = b"\7" + md5(b"\7" + b"secret" + b"challenge", usedforsecurity=False).digest()
    assert answers_challenge(b"secret", value, b"challenge")
    assert not answers_challenge(b"other", value, b"challenge")
    assert not answers_challenge(b"secret", value[:-1], b"challenge")


@given(st.binary(max_size=80), st.integers(0, 255), st.booleans())
@settings(max_examples=200)
def test_any_octets_are_read_or_malformed_and_written_again_alike(
    body: bytes, code: int, right: bool
) -> None:
    size = 20 + len(body) if right else len(body)
    octets = bytes((code, 1)) + size.to_bytes(2, "big") + bytes(16) + body
    try:
        packet = decode(octets)
    except Malformed:
        return
    assert decode(encode(code, 1, bytes(16), packet.attributes)).attributes == packet.attributes
    assert is_genuine(packet, SECRET) in (True, False)


def test_the_table_has_each_name_once() -> None:
    assert len({row.name for row in ATTRIBUTES.values()}) == len(ATTRIBUTES)


@pytest.mark.shared
def test_captured_packets_of_others_are_read_whole(shared_data: Path) -> None:
    found: list[Packet] = []
    for path in sorted((shared_data / "cdr" / "pcap").glob("*[Rr][Aa][Dd][Ii][Uu][Ss]*.pcap")):
        for octets in packets(path):
            packet = decode(octets)
            assert len(encode(packet.code, 0, bytes(16), packet.attributes)) <= len(octets)
            assert packet.attributes
            found.append(packet)
    assert {one.code for one in found} >= {1, 2, 11, 40, 41, 42, 43}
    assert any(one.text(USER) for one in found)
