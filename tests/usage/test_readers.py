"""Readers cut any bytes into rows: nothing lost, nothing twice, memory bounded, however the bytes arrive."""

import gzip
import json
import os
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from usage_cases import TENANT, edited, pieces, profile, rows

from farwire.kernel.errors import Conflict, Forbidden, Invalid, NotFound
from farwire.usage import service
from farwire.usage.model import Bad, Filtered, Fragment, mapper
from farwire.usage.readers import FileDamaged, check_unchanged, cut, open_rows, open_source

CSV = profile()
STRICT = profile(final_newline="required")
JSON = service.load_profile("freeswitch-json")
DETAIL = service.load_profile("radius-detail")


@given(
    st.lists(
        st.binary(min_size=1, max_size=30).filter(lambda line: not set(line) & {10, 13} and line.strip())
    ),
    st.integers(1, 50),
)
def test_lines_come_out_as_they_went_in_however_they_arrive(lines, chunk):
    assert [row.raw for row in rows(b"\n".join(lines), CSV, chunk)] == lines
    assert [row.raw for row in rows(b"\r\n".join(lines) + b"\r\n", CSV, chunk)] == lines


@given(st.binary(max_size=3000), st.integers(1, 700))
@settings(max_examples=150)
def test_no_bytes_crash_a_reader_or_a_profile_and_pieces_do_not_matter(data, chunk):
    for its_profile in (CSV, JSON, DETAIL):
        compiled = mapper(its_profile, TENANT)
        found = rows(data, its_profile, chunk)
        for row in found:
            assert isinstance(compiled.map(row.raw), Fragment | Filtered | Bad)
        if its_profile is not JSON:
            assert found == rows(data, its_profile)


def test_a_last_line_without_its_end_is_cut_off_where_the_profile_says_so():
    assert [row.error for row in rows(b"a\nb", STRICT)] == ["", "row_truncated"]
    assert [row.error for row in rows(b"a\nb", CSV)] == ["", ""]
    assert [row.error for row in rows(b"a\nb\n", STRICT)] == ["", ""]


@given(
    st.lists(
        st.dictionaries(st.text(max_size=5), st.text(max_size=9) | st.integers() | st.none(), max_size=4)
    ),
    st.integers(1, 40),
)
def test_json_objects_are_found_in_arrays_lines_and_heaps(objects, chunk):
    expected = objects
    heap = " \n".join(json.dumps(item, indent=1) for item in objects)
    for text in (json.dumps(objects), heap, "\n".join(json.dumps(item) for item in objects)):
        found = rows(text.encode(), JSON, chunk)
        assert [json.loads(row.raw) for row in found] == expected
        assert not any(row.error for row in found)


def test_a_cut_json_object_and_rubbish_between_are_rows_of_their_own():
    found = rows(b'{"a": 1} rubbish {"b": "}"} {"c": {', JSON)
    assert [(row.raw, row.error) for row in found] == [
        (b'{"a": 1}', ""),
        (b"rubbish", ""),
        (b'{"b": "}"}', ""),
        (b'{"c": {', "row_truncated"),
    ]


@pytest.mark.parametrize("its_profile", [CSV, JSON, DETAIL], ids=lambda found: found.format.value)
def test_a_row_without_end_is_one_short_row_and_takes_no_memory(its_profile):
    huge = 64 * 2**20
    lead = b'{"a": "' if its_profile is JSON else b"x"
    tail = b'\n{"ok": 1}' if its_profile is JSON else b"\n\nok\n\n"

    def stream():
        yield lead
        for _ in range(huge // 2**16):
            yield b"y" * 2**16
        yield tail

    tracemalloc.start()
    found = list(cut(stream(), its_profile))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [row.error for row in found] == ["row_too_long", ""]
    assert len(found[0].raw) == 4096
    assert peak < 8 * 2**20


def test_gzip_is_seen_by_its_bytes_and_a_cut_stream_gives_what_it_has(tmp_path):
    lines = "".join(f"{number},a,b,2026-06-01T00:00:00Z,1\n" for number in range(50_000))
    packed = gzip.compress(lines.encode())
    path = tmp_path / "calls.csv"
    path.write_bytes(packed)
    with open_rows(path, CSV) as (_, found):
        assert len(list(found)) == 50_000
    path.write_bytes(packed[: len(packed) // 2])
    taken = []
    with open_rows(path, CSV) as (_, found), pytest.raises(FileDamaged):
        taken.extend(found)
    assert taken[-1].error == "row_truncated"
    assert 1000 < len(taken) < 50_000


def test_the_header_names_the_columns_and_a_byte_order_mark_is_no_part_of_it(tmp_path):
    own = edited('columns = ["id", "from", "to", "at", "seconds"]', "")
    path = tmp_path / "calls.csv"
    path.write_bytes(b'\xef\xbb\xbfid,"from",to,at,seconds\n1,a,b,2026-06-01T00:00:00Z,1\n')
    with open_rows(path, own) as (header, found):
        assert header == ["id", "from", "to", "at", "seconds"]
        assert len(list(found)) == 1
    with pytest.raises(Invalid) as caught:
        mapper(own, TENANT, ["id", "from", "to", "when"])
    assert (caught.value.code, "at, seconds" in str(caught.value)) == ("usage.columns_missing", True)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ("id,from\n".encode("utf-16"), "usage.file_binary"),
        ("id,from\n".encode("utf-16-le"), "usage.file_binary"),
        (b"PK\x03\x04\x00\x00", "usage.file_binary"),
        (b"\x1f\x8brubbish", "usage.file_binary"),
        (b'"id,from\n', "usage.header_unreadable"),
        (b"\xff\xfa,from\n", "usage.header_unreadable"),
    ],
)
def test_a_file_that_is_no_text_is_answered_before_a_row_is_read(tmp_path, content, code):
    path = tmp_path / "calls.csv"
    path.write_bytes(content)
    own = edited('columns = ["id", "from", "to", "at", "seconds"]', "")
    with pytest.raises(Invalid) as caught, open_rows(path, own):
        pass
    assert caught.value.code == code


def test_a_path_that_is_no_readable_file_is_answered_clearly(tmp_path):
    with pytest.raises(NotFound, match="no such file"):
        open_source(tmp_path / "none.csv")
    with pytest.raises(Invalid, match="a folder or a device"):
        open_source(tmp_path)
    (tmp_path / "empty.csv").touch()
    with pytest.raises(Invalid, match="empty"):
        open_source(tmp_path / "empty.csv")


def test_a_file_without_the_right_to_read_is_forbidden(tmp_path):
    path = tmp_path / "secret.csv"
    path.write_text("x\n")
    path.chmod(0)
    root = os.geteuid() == 0
    if root:
        # Root may read everything, so this test is somebody else for a moment.
        os.seteuid(65534)
    try:
        with pytest.raises(Forbidden):
            open_source(path)
    finally:
        if root:
            os.seteuid(0)


def test_a_file_that_grows_while_it_is_read_is_noticed(tmp_path):
    path = tmp_path / "calls.csv"
    path.write_text("a\n")
    source = open_source(path)
    check_unchanged(source)
    with path.open("a") as stream:
        stream.write("b\n")
    with pytest.raises(Conflict, match="changed"):
        check_unchanged(source)


def test_pieces_cover_the_data():
    assert b"".join(pieces(b"abcdefg", 3)) == b"abcdefg"
