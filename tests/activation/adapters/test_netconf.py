"""NETCONF against Debian's netconfd behind sshd: written, read back, confirmed, taken back, refused, lost."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import cast
from uuid import UUID

import pytest

from farwire.activation.adapters import Element, adapter_of, netconf
from farwire.activation.adapters.netconf import Netconf
from farwire.activation.adapters.netconf.mapping import Settings
from farwire.activation.adapters.settings import settings_of
from farwire.activation.model import Action, Operation
from farwire.activation.port import Confirming
from farwire.base.storage import Tx
from farwire.kernel.errors import FarwireError, Invalid, Unavailable
from farwire.kernel.ids import TenantId
from tests.activation.adapters.devices import NETCONF_SETTINGS, Ssh, make_key, start_netconf
from tests.gateway.processes import Processes

TENANT = TenantId(UUID(int=7))
TX = cast("Tx", None)
"""A device is in no transaction."""
LINE = "vlan.4711"
HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"
ELSEWHERE = Element(
    TENANT,
    "router",
    "netconf",
    "192.0.2.1",
    "env:NO_SUCH_SECRET",
    {"user": "farwire", "host_key": "ssh-ed25519 AAAA", **NETCONF_SETTINGS},
)


@pytest.fixture(scope="module", params=["candidate", "running"])
def device(request: pytest.FixtureRequest, programs: Processes, require_rig: Callable[[str], Path]) -> Ssh:
    return start_netconf(programs, require_rig, request.param)


@pytest.fixture
def element(device: Ssh) -> Element:
    return device.element(TENANT, "netconf", NETCONF_SETTINGS, timeout_s=60)


@pytest.fixture
async def router(element: Element) -> Netconf:
    """A device without the line."""
    found = adapter_of(element)
    assert isinstance(found, Netconf)
    assert isinstance(found, Confirming)
    await done(found, Action.TERMINATE)
    return found


async def done(router: Netconf, action: Action, **attributes: str) -> dict[str, str] | None:
    operation = Operation(f"k-{action}", action, LINE, attributes)
    await router.write(TX, operation)
    shown = await router.read(TX, LINE)
    await router.confirm(TX, operation)
    assert await router.read(TX, LINE) == shown
    return None if shown is None else dict(shown)


@pytest.mark.rigs
@pytest.mark.full
async def test_a_line_goes_through_its_life_and_is_read_back(router: Netconf) -> None:
    given = {"description": "Büro <1> & 2," + " long" * 40, "mtu": "1492"}
    made = {**given, "status": "active"}
    assert await done(router, Action.PROVISION, **given) == made
    netconf.SESSIONS.close()  # what was not confirmed would go with its session
    assert await router.read(TX, LINE) == made
    assert await done(router, Action.PROVISION, **given) == made
    assert await router.targets(TX, "", 10) == [LINE]
    assert await router.targets(TX, LINE, 10) == []
    assert await router.read_many(TX, ["vlan.0", LINE, "vlan.5"]) == {LINE: made}
    assert await router.read_many(TX, []) == {}
    assert await done(router, Action.SUSPEND) == {**made, "status": "suspended"}
    assert await done(router, Action.CHANGE, mtu="1500") == {**made, "mtu": "1500", "status": "suspended"}
    assert await done(router, Action.RESUME) == {**made, "mtu": "1500"}
    assert await done(router, Action.TERMINATE) is None
    assert await done(router, Action.TERMINATE) is None
    assert await router.targets(TX, "", 10) == []


@pytest.mark.rigs
@pytest.mark.full
async def test_what_is_undone_is_as_it_was(router: Netconf) -> None:
    provision = Operation("k1", Action.PROVISION, LINE, {"description": "first"})
    await router.write(TX, provision)
    assert await router.read(TX, LINE) == {"description": "first", "status": "active"}
    await router.undo(TX, provision)
    assert await router.read(TX, LINE) is None
    before = await done(router, Action.PROVISION, description="first")
    for operation in (
        Operation("k2", Action.CHANGE, LINE, {"description": "second", "mtu": "1400"}),
        Operation("k3", Action.SUSPEND, LINE),
        Operation("k4", Action.TERMINATE, LINE),
    ):
        await router.write(TX, operation)
        assert await router.read(TX, LINE) != before
        await router.undo(TX, operation)
        assert await router.read(TX, LINE) == before
        await router.undo(TX, operation)


@pytest.mark.rigs
@pytest.mark.full
async def test_what_the_device_refuses_is_invalid_leaves_nothing_and_repeats_nothing(router: Netconf) -> None:
    for operation in (
        Operation("k1", Action.PROVISION, LINE, {"description": "fine", "mtu": "secret-mtu"}),
        Operation("k2", Action.CHANGE, LINE, {"description": "nobody"}),
        Operation("k3", Action.PROVISION, LINE, {"colour": "red"}),
        Operation("k4", Action.PROVISION, LINE, {"description": " red "}),
    ):
        with pytest.raises(Invalid) as refused:
            await router.write(TX, operation)
        assert refused.value.code == "activation.refused"
        assert not any(word in str(refused.value) for word in (LINE, "secret-mtu", "nobody", "red"))
        assert await router.read(TX, LINE) is None
    assert await done(router, Action.PROVISION, description="later") is not None


@pytest.mark.rigs
@pytest.mark.full
async def test_one_change_at_a_time_and_the_one_who_waits_is_told_to_try_again(
    router: Netconf, element: Element
) -> None:
    first = Operation("k1", Action.PROVISION, LINE, {"description": "first"})
    await router.write(TX, first)
    with pytest.raises(Unavailable) as waiting:
        await router.write(TX, replace(first, key="k2"))
    assert "somebody else" in waiting.value.message
    await router.undo(TX, first)
    assert await done(router, Action.PROVISION, description="second") is not None


@pytest.mark.rigs
@pytest.mark.full
async def test_a_write_whose_writer_died_is_taken_back_by_the_device(router: Netconf, device: Ssh) -> None:
    operation = Operation("k1", Action.PROVISION, LINE, {"description": "half"})
    await router.write(TX, operation)
    (key,) = netconf._OPEN
    session, timer = netconf._OPEN.pop(key)
    timer.cancel()
    session.close()
    if session._confirms:
        assert await router.read(TX, LINE) is None
    with pytest.raises(Unavailable):
        await router.confirm(TX, operation)
    assert await done(router, Action.PROVISION, description="whole") is not None


@pytest.mark.rigs
@pytest.mark.full
async def test_a_write_whose_asker_went_away_is_taken_back(
    router: Netconf, monkeypatch: pytest.MonkeyPatch
) -> None:
    over, take_back = threading.Event(), Netconf._take_back

    def watched(self: Netconf, operation: Operation) -> None:
        take_back(self, operation)
        over.set()

    monkeypatch.setattr(Netconf, "_take_back", watched)
    asking = asyncio.create_task(
        router.write(TX, Operation("k1", Action.PROVISION, LINE, {"description": "late"}))
    )
    await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert await asyncio.to_thread(over.wait, 60)
    assert not netconf._OPEN
    assert await router.read(TX, LINE) is None


@pytest.mark.rigs
@pytest.mark.full
async def test_a_session_that_broke_is_replaced(router: Netconf, element: Element) -> None:
    router = cast("Netconf", adapter_of(replace(element, timeout_s=20)))
    made = await done(router, Action.PROVISION, description="x")
    for _, _, session in netconf.SESSIONS._idle:
        session._manager._session.transport.close()
    assert await router.read(TX, LINE) == made


@pytest.mark.rigs
@pytest.mark.full
async def test_a_stranger_at_the_address_and_a_wrong_key_are_for_a_person(
    element: Element, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    make_key(tmp_path / "other")
    other = " ".join((tmp_path / "other.pub").read_text().split()[:2])
    secret = tmp_path / "secret"
    secret.write_text("correct horse\n")
    caplog.set_level(logging.DEBUG)
    password = {**element.settings, "login": "password"}
    for wrong, field in (
        (replace(element, settings={**element.settings, "host_key": other}), "host_key"),
        (replace(element, credentials=f"file:{tmp_path}/other"), "credentials"),
        (replace(element, credentials=f"file:{secret}", settings=password), "credentials"),
    ):
        with pytest.raises(Invalid) as refused:
            await adapter_of(wrong).read(TX, LINE)
        assert (refused.value.code, refused.value.field) == ("activation.element", field)
        assert "correct horse" not in caplog.text + str(refused.value)


@pytest.mark.rigs
@pytest.mark.full
async def test_neither_target_nor_values_are_logged(
    router: Netconf, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    await done(router, Action.PROVISION, description="a customer's name")
    assert LINE not in caplog.text
    assert "customer" not in caplog.text


async def test_an_element_that_says_nothing_is_given_up(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        settings = {**ELSEWHERE.settings, "login": "password", "host_key": HOST_KEY}
        element = replace(
            ELSEWHERE,
            address=f"127.0.0.1:{silent.getsockname()[1]}",
            credentials=f"file:{tmp_path}/secret",
            settings=settings,
            timeout_s=1,
        )
        with pytest.raises(Unavailable) as refused:
            await adapter_of(element).read(TX, LINE)
    assert refused.value.code == "activation.no_answer"


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"entry": "interfaces/interface"}, "entry"),
        ({"key": "if:name[1]"}, "key"),
        ({"attribute.mtu": "mpls:mtu"}, "attribute.mtu"),
        ({"fixed.type": "x"}, "fixed.type"),
        ({"status.at": "//if:enabled"}, "status.at"),
        ({"login": "agent"}, "settings"),
        ({"colour": "red"}, "settings"),
        ({"key.a": "1"}, "key"),
    ],
)
def test_settings_that_no_device_can_follow_are_refused(changed: dict[str, str], field: str) -> None:
    with pytest.raises(Invalid) as refused:
        adapter_of(replace(ELSEWHERE, settings={**ELSEWHERE.settings, **changed}))
    assert (refused.value.code, refused.value.field) == ("activation.element", field)


@pytest.mark.parametrize("address", ["", "host:port", "me:secret@host:830", "host/path", "host:99999"])
def test_an_address_is_a_host_and_a_port(address: str) -> None:
    with pytest.raises(FarwireError) as refused:
        adapter_of(replace(ELSEWHERE, address=address))
    assert (refused.value.code, refused.value.field) == ("activation.element", "address")
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("action", "attributes", "found"),
    [
        (
            Action.PROVISION,
            {"mtu": "1492"},
            "<if:name>a&amp;b</if:name><if:type>ianaift:l2vlan</if:type><ip:ipv4><ip:mtu>1492</ip:mtu></ip:ipv4>",
        ),
        (
            Action.CHANGE,
            {"description": "<x>"},
            "<if:name>a&amp;b</if:name><if:description>&lt;x&gt;</if:description>",
        ),
        (Action.SUSPEND, {}, "<if:name>a&amp;b</if:name><if:enabled>false</if:enabled>"),
        (Action.RESUME, {}, "<if:name>a&amp;b</if:name><if:enabled>true</if:enabled>"),
    ],
)
def test_an_operation_becomes_an_edit(action: Action, attributes: dict[str, str], found: str) -> None:
    from lxml import etree

    settings = settings_of(ELSEWHERE, Settings).checked()
    root = settings.edit(Operation("k", action, "a&b", attributes))
    text = etree.tostring(root).decode()
    assert f"<if:interfaces><if:interface>{found}" in text
    assert ("<if:enabled>true</if:enabled></if:interface>" in text) == (
        action in (Action.PROVISION, Action.RESUME)
    )
