"""HTTP with JSON against PowerDNS' own interface: names get addresses, which DNS then answers."""

from __future__ import annotations

import logging
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast
from uuid import UUID

import msgspec
import pytest

from farwire.activation.adapters import Element, adapter_of
from farwire.activation.adapters.http.mapping import Settings
from farwire.activation.adapters.settings import settings_of
from farwire.activation.model import Action, Operation
from farwire.base.storage import Tx
from farwire.kernel.errors import Invalid, Unavailable
from farwire.kernel.ids import TenantId
from tests.activation.adapters.devices import DNS_SETTINGS, ZONE_SETTINGS, start_dns
from tests.gateway.processes import Processes, free_port

TENANT = TenantId(UUID(int=7))
TX = cast("Tx", None)
"""A server is in no transaction."""
NAME = "customer-4711.example.org."
ELSEWHERE = Element(TENANT, "dns", "http", "http://192.0.2.1:8081", "env:NO_SUCH_SECRET", DNS_SETTINGS)


@dataclass
class Dns:
    element: Element
    port: int

    def answer(self, name: str) -> tuple[str, ...]:
        """Return the addresses that DNS gives a name."""
        question = b"".join(bytes([len(part)]) + part.encode() for part in name.split("."))
        with socket.socket(type=socket.SOCK_DGRAM) as asking:
            asking.settimeout(30)
            asking.sendto(
                struct.pack("!6H", 7, 0, 1, 0, 0, 0) + question + b"\0\1\0\1", ("127.0.0.1", self.port)
            )
            answer = asking.recv(512)
        count = struct.unpack("!6H", answer[:12])[3]
        records = answer[12 + len(question) + 4 :]
        return tuple(socket.inet_ntoa(records[16 * each + 12 : 16 * each + 16]) for each in range(count))


@pytest.fixture(scope="module")
def dns(programs: Processes, require_rig: Callable[[str], Path]) -> Dns:
    port, dns_port = free_port(), free_port(socket.SOCK_DGRAM)
    start_dns(programs, require_rig, port, dns_port)
    key = f"file:{programs.folder / f'dns-{port}' / 'key'}"
    return Dns(
        replace(ELSEWHERE, address=f"http://127.0.0.1:{port}", credentials=key, timeout_s=30), dns_port
    )


async def done(dns: Dns, action: Action, **attributes: str) -> dict[str, str] | None:
    server = adapter_of(dns.element)
    await server.write(TX, Operation(f"k-{action}", action, NAME, attributes))
    shown = await server.read(TX, NAME)
    return None if shown is None else dict(shown)


@pytest.mark.rigs
async def test_a_name_goes_through_its_life_is_read_back_and_answered(dns: Dns) -> None:
    server = adapter_of(dns.element)
    made = {"address": "192.0.2.7", "ttl": "60", "status": "active"}
    assert await done(dns, Action.PROVISION, address="192.0.2.7", ttl="60") == made
    assert dns.answer(NAME) == ("192.0.2.7",)
    assert await done(dns, Action.PROVISION, address="192.0.2.7", ttl="60") == made
    assert (await server.targets(TX, "", 10), await server.targets(TX, NAME, 10)) == ([NAME], [])
    assert await done(dns, Action.SUSPEND) == {**made, "status": "suspended"}
    assert dns.answer(NAME) == ()
    changed = {**made, "address": "192.0.2.8", "status": "suspended"}
    assert await done(dns, Action.CHANGE, address="192.0.2.8") == changed
    assert await done(dns, Action.RESUME) == {**changed, "status": "active"}
    assert dns.answer(NAME) == ("192.0.2.8",)
    assert await done(dns, Action.TERMINATE) is None
    assert await done(dns, Action.TERMINATE) is None
    assert (dns.answer(NAME), await server.targets(TX, "", 10)) == ((), [])


@pytest.mark.rigs
async def test_a_zone_is_a_document_of_its_own(dns: Dns) -> None:
    server = adapter_of(replace(dns.element, settings=ZONE_SETTINGS))
    zone = "acme.example."
    made = {"kind": "Native", "owner": "acme", "status": "active"}
    for action, attributes, found in (
        (Action.PROVISION, {"kind": "Native", "owner": "acme"}, made),
        (Action.PROVISION, {"kind": "Native", "owner": "acme"}, made),
        (Action.CHANGE, {"owner": "other"}, {**made, "owner": "other"}),
        (Action.TERMINATE, {}, None),
        (Action.TERMINATE, {}, None),
    ):
        await server.write(TX, Operation("k", action, zone, attributes))
        assert await server.read(TX, zone) == found
        assert (zone in await server.targets(TX, "", 10)) == (found is not None)
    for action in (Action.CHANGE, Action.SUSPEND):
        with pytest.raises(Invalid):
            await server.write(TX, Operation("k", action, zone))


@pytest.mark.rigs
async def test_what_is_refused_leaves_nothing_and_repeats_nothing(
    dns: Dns, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server = adapter_of(dns.element)
    for operation in (
        Operation("k1", Action.PROVISION, NAME, {"address": "no-address", "ttl": "60"}),
        Operation("k2", Action.PROVISION, NAME, {"address": "192.0.2.7", "ttl": "soon"}),
        Operation("k3", Action.PROVISION, "elsewhere.example.net.", {"address": "192.0.2.7", "ttl": "60"}),
        Operation("k4", Action.CHANGE, NAME, {"ttl": "61"}),
        Operation("k5", Action.PROVISION, NAME, {"colour": "red"}),
        Operation("k6", Action.PROVISION, "..", {"address": "192.0.2.7"}),
    ):
        with pytest.raises(Invalid) as refused:
            await server.write(TX, operation)
        assert refused.value.code == "activation.refused"
        said = str(refused.value) + caplog.text
        assert not any(
            word in said for word in ("4711", "no-address", "soon", "elsewhere", "red ", "an-api-key")
        )
        assert await server.read(TX, operation.target) is None


@pytest.mark.rigs
async def test_a_wrong_key_is_for_a_person(dns: Dns, tmp_path: Path) -> None:
    (tmp_path / "wrong").write_text("correct-horse")
    server = adapter_of(replace(dns.element, credentials=f"file:{tmp_path}/wrong"))
    with pytest.raises(Invalid) as refused:
        await server.read(TX, NAME)
    assert (refused.value.code, refused.value.field) == ("activation.element", "credentials")
    assert "correct-horse" not in str(refused.value)


@pytest.mark.rigs
@pytest.mark.full
async def test_a_server_that_was_away_is_reached_again(
    dns: Dns, programs: Processes, require_rig: Callable[[str], Path]
) -> None:
    made = await done(dns, Action.PROVISION, address="192.0.2.9", ttl="60")
    port = int(dns.element.address.rpartition(":")[2])
    one = next(one for one, _ in programs.started if f"--webserver-port={port}" in one.args)
    one.terminate()
    one.wait()
    with pytest.raises(Unavailable) as refused:
        await adapter_of(replace(dns.element, timeout_s=1)).read(TX, NAME)
    assert refused.value.code == "activation.no_answer"
    start_dns(programs, require_rig, port, dns.port)
    assert await adapter_of(dns.element).read(TX, NAME) == made
    assert await done(dns, Action.TERMINATE) is None


async def test_a_server_that_says_nothing_is_given_up() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        element = replace(
            ELSEWHERE,
            address=f"http://127.0.0.1:{silent.getsockname()[1]}",
            settings={**DNS_SETTINGS, "login": "none", "header": ""},
            timeout_s=1,
        )
        with pytest.raises(Unavailable) as refused:
            await adapter_of(element).read(TX, NAME)
    assert refused.value.code == "activation.no_answer"


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"login": "digest"}, "settings"),
        ({"login": "bearer"}, "header"),
        ({"header": ""}, "header"),
        ({"read.path": "zones"}, "read.path"),
        ({"listing": ""}, "listing"),
        ({"write.path": "/zones/{zone}"}, "write.path"),
        ({"write.body": "{target}"}, "write.body"),
        ({"write.body": '{"a":["{colour}"]}'}, "write.body"),
        ({"attribute.ttl": "/ttl float"}, "attribute.ttl"),
        ({"attribute.ttl": "ttl"}, "attribute.ttl"),
        ({"remove.method": "GET"}, "settings"),
    ],
)
def test_settings_that_no_server_can_follow_are_refused(changed: dict[str, str], field: str) -> None:
    with pytest.raises(Invalid) as refused:
        adapter_of(replace(ELSEWHERE, settings={**DNS_SETTINGS, **changed}))
    assert (refused.value.code, refused.value.field) == ("activation.element", field)


@pytest.mark.parametrize(
    "address",
    ["", "dns.example", "ftp://a", "http://me:secret@a", "http://a?b=1", "http://a:99999", "http:///a"],
)
def test_an_address_is_one_of_http(address: str) -> None:
    with pytest.raises(Invalid) as refused:
        adapter_of(replace(ELSEWHERE, address=address))
    assert (refused.value.field, "secret" in str(refused.value)) == ("address", False)


@pytest.mark.parametrize(
    ("body", "known", "found"),
    [
        ('{"a":"{ttl}"}', {"ttl": "60"}, {"a": 60}),
        ('{"a":"{address}","b":1}', {}, {"b": 1}),
        ('["{ttl}","{target}",null]', {}, ['a"b/c', None]),
        ('{"a":"x-{target}-{ttl}"}', {"ttl": "1"}, {"a": 'x-a"b/c-1'}),
        ('{"a":{"b":"{status}"}}', {"status": "suspended"}, {"a": {"b": True}}),
        ('{"a":"{address}"}', {"address": '","evil":"'}, {"a": '","evil":"'}),
    ],
)
def test_a_body_says_what_is_known(body: str, known: dict[str, str], found: object) -> None:
    settings = settings_of(
        replace(ELSEWHERE, settings={**DNS_SETTINGS, "write.body": body}), Settings
    ).checked()
    assert msgspec.json.decode(settings.body(settings.write, 'a"b/c', known)) == found


NESTED = {"config": {"address": "192.0.2.1", "ttl": 60, "blocked": True}}
ONE_BY_ONE = {
    "read.path": "/names/{target}",
    "attribute.address": "/config/address",
    "attribute.ttl": "/config/ttl number",
}


@pytest.mark.parametrize(
    ("more", "document", "found"),
    [
        ({}, NESTED, {"address": "192.0.2.1", "ttl": "60", "status": "suspended"}),
        ({}, {}, {"status": "active"}),
        ({"read.present": "/config"}, {}, None),
        ({"read.present": "/config"}, {"config": None}, None),
        ({"read.present": "/config"}, {"config": {"blocked": False}}, {"status": "active"}),
        ({}, {"config": {"address": ["a"], "ttl": None, "blocked": 7}}, {"status": "7"}),
    ],
)
def test_an_answer_says_what_is_there(
    more: dict[str, str], document: object, found: dict[str, str] | None
) -> None:
    given = {**DNS_SETTINGS, **ONE_BY_ONE, "status.at": "/config/blocked boolean", **more}
    settings = settings_of(replace(ELSEWHERE, settings=given), Settings).checked()
    assert settings.shown(document) == found


def test_a_target_is_one_part_of_a_path() -> None:
    settings = settings_of(ELSEWHERE, Settings)
    assert settings.path("/a/{target}/b", "../c d?e&f") == "/a/..%2Fc%20d%3Fe%26f/b"
