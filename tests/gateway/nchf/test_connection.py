"""Frames that a peer may not send, each answered by the code that RFC 9113 names; header blocks as others write them.

The rules are those that h2spec tries, which no package brings. The library h2 is the client where it can be: it keeps
the rules, so what breaks them is written here.
"""

from __future__ import annotations

import pytest
from h2.connection import H2Connection
from h2.events import DataReceived, Event, ResponseReceived, StreamEnded
from hpack import Decoder as OtherDecoder
from hpack import Encoder
from hpack.exceptions import HPACKError
from hypothesis import given
from hypothesis import strategies as st

from farwire.gateway.nchf.http2.connection import Connection
from farwire.gateway.nchf.http2.fields import read_fields
from farwire.gateway.nchf.http2.frames import (
    HEAD,
    PREFACE,
    U32,
    Broken,
    Error,
    Flag,
    Kind,
    frame,
    rst_stream,
    settings,
    window_update,
)
from farwire.gateway.nchf.http2.hpack import BadBlock, Decoder, encode
from farwire.gateway.nchf.http2.messages import Response

POST = [(":method", "POST"), (":scheme", "http"), (":path", "/x"), (":authority", "chf")]
BLOCK = Encoder().encode(POST)
GREETING = PREFACE + settings({})
SOME = Flag.END_HEADERS
ALL = Flag.END_HEADERS | Flag.END_STREAM
SETTINGS, PING, DATA, HEADERS = Kind.SETTINGS, Kind.PING, Kind.DATA, Kind.HEADERS


def begun(*octets: bytes, body: int = 1_024, streams: int = 10) -> Connection:
    one = Connection(streams=streams, header_octets=1_024, body_octets=body, now=0)
    for part in (GREETING, *octets):
        one.receive(part, 0)
    return one


def sent(one: Connection) -> list[tuple[int, int, int, bytes]]:
    """Return the frames that were sent: kind, flags, stream, content."""
    octets, found = b"".join(one.out), []
    while octets:
        high, low, kind, flags, number = HEAD.unpack_from(octets)
        end = HEAD.size + (high << 16 | low)
        found.append((kind, flags, number, octets[HEAD.size : end]))
        octets = octets[end:]
    return found


def resets(one: Connection) -> dict[int, Error]:
    return {
        number: Error(U32.unpack(content)[0])
        for kind, _, number, content in sent(one)
        if kind == Kind.RST_STREAM
    }


def headers(number: int, flags: int = ALL, block: bytes = BLOCK) -> bytes:
    return frame(HEADERS, flags, number, block)


def block(*fields: tuple[str, str]) -> bytes:
    return Encoder().encode(fields)


OPEN, WHOLE = headers(1, SOME), headers(1)
BREAKS: list[tuple[Error, tuple[bytes, ...]]] = [
    (Error.PROTOCOL_ERROR, (headers(0),)),
    (Error.PROTOCOL_ERROR, (headers(2),)),
    (Error.PROTOCOL_ERROR, (headers(5), headers(3))),
    (Error.PROTOCOL_ERROR, (frame(DATA, 0, 0, b"x"),)),
    (Error.PROTOCOL_ERROR, (frame(DATA, 0, 1, b"x"),)),
    (Error.PROTOCOL_ERROR, (OPEN, frame(DATA, Flag.PADDED, 1, b"\x05abc"))),
    (Error.PROTOCOL_ERROR, (OPEN, frame(DATA, Flag.PADDED, 1, b""))),
    (Error.PROTOCOL_ERROR, (frame(HEADERS, ALL | Flag.PADDED, 1, b"\x63" + BLOCK),)),
    (Error.FRAME_SIZE_ERROR, (frame(HEADERS, ALL | Flag.PRIORITY, 1, b"\0\0"),)),
    (Error.PROTOCOL_ERROR, (rst_stream(0, Error.CANCEL),)),
    (Error.PROTOCOL_ERROR, (rst_stream(1, Error.CANCEL),)),
    (Error.FRAME_SIZE_ERROR, (OPEN, frame(Kind.RST_STREAM, 0, 1, b"abc"))),
    (Error.STREAM_CLOSED, (OPEN, rst_stream(1, Error.CANCEL), frame(DATA, 0, 1, b"x"))),
    (Error.STREAM_CLOSED, (OPEN, rst_stream(1, Error.CANCEL), headers(1))),
    (Error.PROTOCOL_ERROR, (frame(SETTINGS, 0, 1),)),
    (Error.FRAME_SIZE_ERROR, (frame(SETTINGS, 0, 0, b"abc"),)),
    (Error.FRAME_SIZE_ERROR, (frame(SETTINGS, Flag.ACK, 0, bytes(6)),)),
    (Error.PROTOCOL_ERROR, (frame(SETTINGS, 0, 0, b"\0\2\0\0\0\2"),)),
    (Error.FLOW_CONTROL_ERROR, (frame(SETTINGS, 0, 0, b"\0\4\x80\0\0\0"),)),
    (Error.PROTOCOL_ERROR, (frame(SETTINGS, 0, 0, b"\0\5\0\0\x3f\xff"),)),
    (Error.PROTOCOL_ERROR, (frame(SETTINGS, 0, 0, b"\0\5\1\0\0\0"),)),
    (Error.PROTOCOL_ERROR, (frame(Kind.PUSH_PROMISE, SOME, 1, U32.pack(2) + BLOCK),)),
    (Error.PROTOCOL_ERROR, (frame(PING, 0, 1, bytes(8)),)),
    (Error.FRAME_SIZE_ERROR, (frame(PING, 0, 0, bytes(7)),)),
    (Error.PROTOCOL_ERROR, (frame(Kind.GOAWAY, 0, 1, bytes(8)),)),
    (Error.FRAME_SIZE_ERROR, (frame(Kind.GOAWAY, 0, 0, bytes(7)),)),
    (Error.FRAME_SIZE_ERROR, (frame(Kind.WINDOW_UPDATE, 0, 0, b"abc"),)),
    (Error.PROTOCOL_ERROR, (window_update(0, 0),)),
    (Error.FLOW_CONTROL_ERROR, (window_update(0, 2**31 - 1),)),
    (Error.PROTOCOL_ERROR, (window_update(1, 1),)),
    (Error.FLOW_CONTROL_ERROR, (OPEN, window_update(1, 2**30), frame(SETTINGS, 0, 0, b"\0\4\x7f\xff\xff\xff"))),
    (Error.PROTOCOL_ERROR, (frame(Kind.PRIORITY, 0, 0, bytes(5)),)),
    (Error.FRAME_SIZE_ERROR, (frame(Kind.PRIORITY, 0, 1, bytes(4)),)),
    (Error.PROTOCOL_ERROR, (frame(Kind.CONTINUATION, SOME, 1, BLOCK),)),
    (Error.PROTOCOL_ERROR, (headers(1, 0), frame(PING, 0, 0, bytes(8)))),
    (Error.PROTOCOL_ERROR, (headers(1, 0), frame(99, 0, 0))),
    (Error.PROTOCOL_ERROR, (headers(1, 0), frame(Kind.CONTINUATION, SOME, 3))),
    (Error.COMPRESSION_ERROR, (headers(1, ALL, b"\x80"),)),
    (Error.COMPRESSION_ERROR, (headers(1, ALL, b"\xff\xff\xff\xff\xff\xff\xff"),)),
    (Error.COMPRESSION_ERROR, (headers(1, ALL, BLOCK + b"\x20"),)),
    (Error.ENHANCE_YOUR_CALM, (headers(1, ALL, block(*POST, ("x", "y" * 1_000))),)),
    (Error.ENHANCE_YOUR_CALM, (headers(1, 0), *[frame(Kind.CONTINUATION, 0, 1, bytes(500))] * 3)),
    (Error.FRAME_SIZE_ERROR, (HEAD.pack(0, 16_385, DATA, 0, 1),)),
]  # fmt: skip


@pytest.mark.parametrize(("code", "octets"), BREAKS)
def test_what_breaks_a_connection_has_its_code(code: Error, octets: tuple[bytes, ...]) -> None:
    one = begun(*octets[:-1])
    with pytest.raises(Broken) as caught:
        one.receive(octets[-1], 0)
    assert caught.value.code is code


@pytest.mark.parametrize(
    "first", [b"GET / HTTP/1.1", PREFACE + frame(PING, 0, 0, bytes(8)), PREFACE + headers(1)]
)
def test_who_does_not_begin_with_the_preface_and_settings_speaks_no_http2(first: bytes) -> None:
    with pytest.raises(Broken) as caught:
        Connection(streams=1, header_octets=1_024, body_octets=1, now=0).receive(first, 0)
    assert caught.value.code is Error.PROTOCOL_ERROR


MALFORMED: list[list[tuple[str, str]]] = [
    POST[1:], POST[:1] + POST[2:], POST[:2] + POST[3:], POST[:3],  # one is missing
    [*POST, (":path", "/y")], [*POST[:2], (":path", ""), POST[3]], [("x", "y"), *POST], [*POST, (":x", "y")],
    [*POST, (":status", "200")], [*POST, ("X", "y")], [*POST, ("x y", "z")], [*POST, ("x:y", "z")], [*POST, ("", "y")],
    [*POST, ("x", "a\nb")], [*POST, ("x", "a\rb")], [*POST, ("x", "a\0b")], [*POST, ("x", " a")], [*POST, ("x", "a\t")],
    [*POST, ("connection", "close")], [*POST, ("transfer-encoding", "chunked")], [*POST, ("te", "gzip")],
    [*POST, ("upgrade", "h2c")], [*POST, ("keep-alive", "1")], [*POST, ("proxy-connection", "x")],
    [*POST, ("host", "other")], [*POST, ("content-length", "-1")], [*POST, ("content-length", "9" * 5_000)],
    [*POST, ("content-length", "1")], [*POST, ("content-length", "0"), ("content-length", "1")],
]  # fmt: skip


@pytest.mark.parametrize("fields", MALFORMED)
def test_a_malformed_request_ends_its_stream_and_nothing_else(fields: list[tuple[str, str]]) -> None:
    one = Connection(streams=9, header_octets=16_384, body_octets=1_024, now=0)
    one.receive(GREETING + headers(1, ALL, Encoder().encode(fields)) + headers(3), 0)
    assert resets(one) == {1: Error.PROTOCOL_ERROR}
    assert one.whole == [3]
    assert list(one.streams) == [3]


def test_of_a_name_that_stands_twice_the_first_counts() -> None:
    found = read_fields([*POST, ("x", "1"), ("x", "2"), ("te", "trailers"), ("host", "chf")])
    assert found is not None
    assert found["x"] == "1"
    assert read_fields([*POST[:3], ("host", "chf")]) is not None


def test_what_breaks_a_stream_ends_it_alone() -> None:
    one = begun(WHOLE, headers(3, SOME), headers(5, SOME), headers(7, SOME), headers(9, SOME))
    one.receive(frame(DATA, 0, 1, b"x") + window_update(3, 0), 0)
    one.receive(
        window_update(5, 2**31 - 1) + headers(7, SOME, b"") + headers(9, ALL, block((":path", "/"))), 0
    )
    assert resets(one) == {
        1: Error.STREAM_CLOSED, 3: Error.PROTOCOL_ERROR, 5: Error.FLOW_CONTROL_ERROR, 7: Error.PROTOCOL_ERROR,
        9: Error.PROTOCOL_ERROR,
    }  # fmt: skip
    for number in (1, 3, 5, 7, 9):  # what was on its way to them is passed over
        one.receive(
            frame(DATA, 0, number, b"x") + window_update(number, 5) + rst_stream(number, Error.CANCEL), 0
        )
    assert not one.streams


def test_trailers_and_padding_are_read_past_and_a_length_must_be_true() -> None:
    one = begun(OPEN, frame(DATA, Flag.PADDED, 1, b"\x03abc\0\0\0"), headers(1, ALL, block(("x", "y"))))
    assert (one.whole, one.streams[1].body) == ([1], bytearray(b"abc"))
    first = block(*POST, ("content-length", "2"))
    two = begun(headers(1, SOME, first), frame(DATA, Flag.END_STREAM, 1, b"abc"), headers(3, SOME))
    assert (resets(two), two.whole) == ({1: Error.PROTOCOL_ERROR}, [])
    two.receive(frame(HEADERS, ALL | Flag.PADDED | Flag.PRIORITY, 5, b"\2" + bytes(5) + BLOCK + b"\0\0"), 0)
    assert two.whole == [5]
    two.receive(frame(Kind.PRIORITY, 0, 5, bytes(5)) + frame(99, 255, 7, b"unknown"), 0)


def test_more_than_the_windows_have_room_for_breaks_the_connection_or_ends_the_stream() -> None:
    octets = bytes(16_384)
    one = begun(*(headers(number, SOME) for number in range(1, 16, 2)), body=20_000)
    with pytest.raises(Broken) as caught:
        for number in range(1, 16, 2):
            one.receive(frame(DATA, 0, number, octets), 0)
    assert caught.value.code is Error.FLOW_CONTROL_ERROR
    padding = frame(DATA, Flag.PADDED, 1, b"\xff" + bytes(255))
    two = begun(OPEN)
    two.receive(padding * 70, 0)
    assert not resets(two), "it has not agreed yet to less than it began with"
    two.receive(frame(SETTINGS, Flag.ACK, 0) + padding, 0)
    assert resets(two) == {1: Error.FLOW_CONTROL_ERROR}


def test_requests_given_up_are_counted_until_one_is_answered() -> None:
    one = begun()
    for number in (1, 3, 5):
        one.receive(headers(number), 0)
        one.receive(rst_stream(number, Error.CANCEL) * 2, 0)
    assert one.resets == 3
    one.receive(headers(7), 0)
    one.answer(7, Response(204), now=0)
    assert one.resets == 0


def test_an_answer_is_cut_by_the_windows_and_frames_of_its_client() -> None:
    client = H2Connection()
    client.initiate_connection()
    client.update_settings({4: 30, 1: 0})
    client.send_headers(1, POST, end_stream=True)
    one, body, long = (
        Connection(streams=9, header_octets=4_096, body_octets=9, now=0),
        bytes(range(100)),
        "x" * 20_000,
    )
    heard: list[Event] = []

    def talk() -> None:
        for _ in range(3):
            one.receive(client.data_to_send(), 0)
            heard.extend(client.receive_data(b"".join(one.out)))
            one.out.clear()

    talk()
    one.answer(1, Response(201, (("location", long),), body), now=0)
    talk()
    client.increment_flow_control_window(10, 1)
    talk()
    told = [event for event in heard if isinstance(event, DataReceived)]
    assert [len(event.data) for event in told] == [30, 10]
    client.update_settings({4: 65_535})
    talk()
    assert b"".join(event.data for event in heard if isinstance(event, DataReceived)) == body
    (given_,) = [event for event in heard if isinstance(event, ResponseReceived)]
    assert (b"location", long.encode()) in given_.headers
    assert isinstance(heard[-1], StreamEnded)
    assert not one.streams


# ---- header blocks

NAMES = st.sampled_from([":path", "content-type", "x-some", "authorization", "accept", "x" * 200])
TEXTS = st.text(st.characters(min_codepoint=0, max_codepoint=255), max_size=60)
BLOCKS = st.lists(st.lists(st.tuples(NAMES, TEXTS), max_size=8), max_size=6)


@given(blocks=BLOCKS, huffman=st.booleans(), sizes=st.lists(st.integers(0, 4_096), min_size=6, max_size=6))
def test_what_another_encoder_writes_is_read(
    blocks: list[list[tuple[str, str]]], huffman: bool, sizes: list[int]
) -> None:
    encoder, one = Encoder(), Decoder(1 << 20)
    for fields, size in zip(blocks, sizes, strict=False):
        encoder.header_table_size = size
        raw = [(name.encode(), value.encode("latin-1")) for name, value in fields]
        assert one.decode(encoder.encode(raw, huffman=huffman)) == fields


@given(octets=st.lists(st.binary(max_size=40), max_size=4))
def test_any_octets_are_read_as_another_decoder_reads_them_or_refused(octets: list[bytes]) -> None:
    one, other = Decoder(1 << 20), OtherDecoder(1 << 20)
    for part in octets:
        try:
            wanted = [
                (name.decode("latin-1"), value.decode("latin-1"))
                for name, value in other.decode(part, raw=True)
            ]
        except HPACKError:
            with pytest.raises(BadBlock):
                one.decode(part)
            return
        assert one.decode(part) == wanted


def test_a_table_that_was_made_empty_has_no_entries_when_it_grows_again() -> None:
    one = Decoder(1_024)
    assert one.decode(b"\x40\1a\1b") == one.decode(b"\xbe") == [("a", "b")]
    with pytest.raises(BadBlock):
        one.decode(b"\x20\x3f\xe1\x1f\xbe")


@given(
    status=st.sampled_from([200, 201, 204, 404, 418, 503]), length=st.integers(0, 10**6),
    value=st.text(st.characters(min_codepoint=0x21, max_codepoint=0xFF, exclude_characters="\x7f"), max_size=300),
)  # fmt: skip
def test_another_decoder_reads_what_we_write(status: int, length: int, value: str) -> None:
    fields = (("content-type", "application/json"), ("x-own", value), ("location", value))
    found = OtherDecoder().decode(encode(status, fields, length), raw=True)
    wanted = [(":status", str(status)), *fields, *([("content-length", str(length))] if length else [])]
    assert [(name.decode(), text.decode("latin-1")) for name, text in found] == wanted


def test_what_no_field_may_have_is_not_written() -> None:
    for name, value in (
        (":path", "/"),
        ("X", "y"),
        ("x", "a\r\nb: c"),
        ("x", " y"),
        ("", "y"),
        ("x", "\u20ac"),
    ):
        with pytest.raises(ValueError, match="characters"):
            encode(200, ((name, value),), 0)
