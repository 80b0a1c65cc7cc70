"""What logs, traces and the audit log never show."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farwire.base.telemetry.redaction import (
    MASKED_ADDRESS,
    MASKED_DIGITS,
    REDACTED,
    is_sensitive,
    mask,
    personal_data_in,
    redact,
)
from farwire.kernel.ids import uuid7

WORDS = st.text(alphabet="abcdefgh XYZ:=,;'\"\n\täß", max_size=30)
NATIONAL = st.text(alphabet="0123456789", min_size=8, max_size=19)
SEPARATORS = st.sampled_from(["", "", "", " ", "-", ".", "/", " (", ") ", " - "])


@st.composite
def written_numbers(draw: st.DrawFn) -> str:
    """A telephone number, IMSI or ICCID as people and machines write it."""
    digits = draw(NATIONAL)
    body = digits[0] + "".join(draw(SEPARATORS) + digit for digit in digits[1:])
    return draw(st.sampled_from(["", "+", "00", "tel:", "tel:+", "imsi-"])) + body


@given(before=WORDS, number=written_numbers(), after=WORDS)
def test_no_long_number_survives_in_any_text(before: str, number: str, after: str) -> None:
    shown = mask(f"{before} {number} {after}")
    digits = re.sub(r"\D", "", number)
    assert digits not in re.sub(r"\D", "", shown)
    assert re.search(r"\d{8,}", shown) is None


@given(
    before=WORDS,
    user=st.text(alphabet="abcXYZ0123456789._%+-", min_size=1, max_size=20),
    domain=st.text(alphabet="abc-", min_size=1, max_size=20),
    after=WORDS,
)
def test_no_address_survives_in_any_text(before: str, user: str, domain: str, after: str) -> None:
    shown = mask(f"{before} {user}@{domain}.example {after}")
    assert "@" not in shown
    assert f"{domain}.example" not in shown


@given(number=NATIONAL, depth=st.integers(0, 5), kind=st.sampled_from(["list", "dict", "tuple", "key"]))
def test_no_long_number_survives_at_any_depth(number: str, depth: int, kind: str) -> None:
    value: object = number
    for _ in range(depth):
        match kind:
            case "list":
                value = [value, "x"]
            case "tuple":
                value = (value,)
            case "dict":
                value = {"inner": value}
            case _:
                value = {number: value}
    assert number not in repr(redact({"event": value}))


@given(st.integers(min_value=10**9, max_value=10**19))
def test_a_long_whole_number_is_masked_unless_its_name_counts_something(value: int) -> None:
    assert redact(value, name="who") == MASKED_DIGITS
    assert redact([value], name="volume_octets") == [MASKED_DIGITS]
    assert redact(value, name="amount_nano") == value
    assert redact(value, name="volume_octets") == value
    assert redact(value % 10**9, name="rows") == value % 10**9


@given(st.uuids(), st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(2099, 12, 31)))
def test_ids_and_times_stay_readable(identifier: UUID, naive: datetime) -> None:
    at = naive.replace(tzinfo=UTC)
    for text in (
        str(identifier),
        at.isoformat(),
        at.date().isoformat(),
        f"tenant {identifier}: from {at.isoformat()}, ok",
    ):
        assert mask(text) == text
    assert redact(identifier, name="tenant_id") == str(identifier)
    assert redact(at, name="run_at") == str(at)


@pytest.mark.parametrize(
    "name",
    [
        *(
            "password",
            "api_key",
            "apiKey",
            "X-API-Key",
            "Authorization",
            "client_secret",
            "access_token",
            "ki",
            "pin",
        ),
        *(
            "msisdn",
            "MSISDN",
            "caller_msisdn",
            "imsi",
            "iccid",
            "e-mail",
            "email",
            "contact_email",
            "given_name",
        ),
        *("familyName", "phone", "birth_date", "iban", "address", "called_number", "database_url"),
    ],
)
def test_fields_with_a_telling_name_are_redacted_whatever_they_hold(name: str) -> None:
    assert is_sensitive(name)
    assert redact({name: "x", "rows": 1}) == {name: REDACTED, "rows": 1}
    assert redact({name: ["x", {"y": 1}]}) == {name: REDACTED}
    assert redact({name: None}) == {name: None}


@pytest.mark.parametrize(
    "name", ["rows", "tenant_id", "kind", "name", "file", "deck", "position", "state", "code"]
)
def test_ordinary_fields_are_not_redacted(name: str) -> None:
    assert redact({name: "gold"}) == {name: "gold"}


def test_objects_show_their_type_only() -> None:
    @dataclass
    class Person:
        name: str

    assert redact(Person("Erika")) == "<Person>"
    assert redact([Person("Erika")]) == ["<Person>"]
    assert redact(b"Erika") == "<5 octets>"


def test_plain_values_stay_as_they_are() -> None:
    value = {"a": None, "b": True, "c": 1.5, "d": Decimal("12.34"), "e": Path("/var/x"), "f": (1, 2)}
    assert redact(value) == {"a": None, "b": True, "c": 1.5, "d": "12.34", "e": "/var/x", "f": [1, 2]}


def test_an_exception_is_masked() -> None:
    error = ValueError("Key (identifier)=(4915112345678) already exists")
    assert redact(error) == f"Key (identifier)=({MASKED_DIGITS}) already exists"


def test_a_url_loses_its_login() -> None:
    assert "secret" not in mask("cannot reach postgresql://farwire:secret@db.example/farwire")


def test_an_endless_nesting_ends() -> None:
    knot: list[object] = []
    knot.append(knot)
    assert "…" in repr(redact(knot))


def test_own_trace_ids_stay_and_only_under_their_name() -> None:
    trace = "12345678901234567890123456789012"
    assert redact(trace, name="trace_id") == trace
    assert redact(trace, name="message") == MASKED_DIGITS


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ({"msisdn": "x"}, "msisdn"),
        ({"a": {"givenName": "x"}}, "a.givenName"),
        ({"a": ["ok", "mail me at erika@example.org"]}, "a[1]"),
        ({"reason": "called +49 151 12345678"}, "reason"),
        ({"bill": "20260000123456", "subscriber_key": str(uuid7()), "name": "Flex M"}, None),
        ({"rows": 36205, "amount_minor": 5814}, None),
    ],
)
def test_personal_data_is_found_with_its_path(value: object, path: str | None) -> None:
    assert personal_data_in(value) == path


def test_masks_are_masked_only_once() -> None:
    once = mask("from 4915112345678 to alice@example.org")
    assert once == f"from {MASKED_DIGITS} to {MASKED_ADDRESS}"
    assert mask(once) == once
