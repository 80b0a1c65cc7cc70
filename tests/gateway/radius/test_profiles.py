"""Profiles: an error names the field; and the one table from errors to answers has a row for all of them."""

from __future__ import annotations

import pytest

from farwire.charging.model import ResultCode
from farwire.gateway.radius.codec import Malformed
from farwire.gateway.radius.profiles import client_of, read_profiles
from farwire.gateway.radius.results import (
    ACCEPT,
    ACCESS,
    ACCESS_CODES,
    ACCOUNTING,
    KEPT,
    SILENCE,
    access_answer,
    access_answer_to,
    accounting_answer,
    accounting_answer_to,
)
from farwire.kernel.errors import (
    Conflict,
    Defect,
    Exhausted,
    FarwireError,
    Forbidden,
    Invalid,
    NotFound,
    Unavailable,
)
from tests.gateway.radius.world import PROFILES, a_node

TEXT = PROFILES.format(more="", auth=1812, acct=1813)


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ("127.0.0.1:1812", "nowhere", "listen[0]"),
        ('"127.0.0.0/8"', '"127.0.0.1/8"', "clients[0].addresses[0]"),
        ('["127.0.0.0/8"]', "[]", "clients[0].addresses"),
        ('"testing123"', '"short"', "clients[0].secret"),
        ("limits = [", "unlimits = [", "clients[0]"),
        ("ChilliSpot-Max-Total-Octets", "Reply-Message", "clients[0].limits[0][0]"),
        ("ChilliSpot-Max-Total-Octets", "Frob", "clients[0].limits[0][0]"),
        ('tenant = "nordlicht"', 'tenant = "nordlicht"\nrenewal = "interim"', "clients[0].renewal"),
        (
            'tenant = "nordlicht"',
            'tenant = "nordlicht"\nrestricted = {Filter-Id = "a"}',
            "clients[0].restricted",
        ),
        (
            'tenant = "nordlicht"',
            'tenant = "nordlicht"\naccept = {Session-Timeout = "a"}',
            "clients[0].accept[0]",
        ),
        ('name = "hotspot"', 'name = ""', "clients[0].name"),
        ("reject_delay_ms = 0", "reject_delay_ms = -1", "reject_delay_ms"),
        ("[[clients]]", "[[clients", None),
    ],
)
def test_what_is_wrong_in_a_document_is_named_by_its_path(old: str, new: str, field: str | None) -> None:
    assert old in TEXT
    with pytest.raises(Invalid) as caught:
        read_profiles(TEXT.replace(old, new, 1))
    assert (caught.value.code, caught.value.field) == ("radius.profiles", field)


def test_a_client_that_is_charged_by_volume_and_cut_at_logins_needs_limits() -> None:
    with pytest.raises(Invalid, match="limits is empty"):
        read_profiles("\n".join(line for line in TEXT.splitlines() if "limits" not in line))


def test_an_attribute_of_another_vendor_is_described_in_the_document() -> None:
    more = """
[clients.accept]
Acme-Speed = [5, 7]
[[attributes]]
name = "Acme-Speed"
vendor = 99
number = 3
type = "integer"
"""
    node = a_node(more)
    assert node.pairs(node.clients[0].accept) == [
        (99 << 32 | 3, bytes((0, 0, 0, 5))),
        (99 << 32 | 3, bytes((0, 0, 0, 7))),
    ]


def test_the_first_profile_with_an_address_is_its_own() -> None:
    node = a_node()
    assert client_of(node, "127.9.9.9") is node.clients[0]
    assert client_of(node, "::ffff:127.0.0.1") is node.clients[0]
    assert client_of(node, "192.0.2.1") is None


def test_every_result_of_charging_has_one_answer_to_access_and_to_accounting() -> None:
    assert set(ACCESS) == set(ACCOUNTING) == set(ResultCode)
    for result in ResultCode:
        assert isinstance(access_answer(result), str)
        assert accounting_answer(result) in (KEPT, SILENCE)
    assert access_answer(ResultCode.SUCCESS) == ACCEPT
    assert (access_answer(-1), accounting_answer(-1)) == (SILENCE, SILENCE)
    assert {result for result in ResultCode if accounting_answer(result) == SILENCE} == {
        ResultCode.TOO_BUSY, ResultCode.UNKNOWN_SESSION, ResultCode.UNKNOWN_USER,
    }  # fmt: skip


@pytest.mark.parametrize("kind", [NotFound, Invalid, Conflict, Forbidden, Exhausted, Unavailable, Defect])
def test_every_kind_of_error_has_one_answer_and_what_is_not_kept_is_never_acknowledged(
    kind: type[FarwireError],
) -> None:
    error = kind("x", code="radius.x")
    assert accounting_answer_to(error) == SILENCE
    rejected = kind in (NotFound, Invalid, Forbidden)
    assert (access_answer_to(error) != SILENCE) == rejected
    assert access_answer_to(error) != ACCEPT


def test_every_code_of_the_table_and_a_malformed_packet_have_their_answer() -> None:
    for code, message in ACCESS_CODES.items():
        assert access_answer_to(Invalid("x", code=code)) == message
    assert access_answer_to(Malformed("x")) == "The request makes no sense."
