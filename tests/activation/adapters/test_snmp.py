"""SNMP against Debian's snmpd: rows made, changed, suspended and removed, ports taken and given back, in v2c and v3."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import cast
from uuid import UUID

import pytest

from farwire.activation.adapters import Element, adapter_of
from farwire.activation.adapters.settings import settings_of
from farwire.activation.adapters.snmp import Snmp
from farwire.activation.adapters.snmp.mapping import Column, Settings
from farwire.activation.model import Action, Operation
from farwire.base.storage import Tx
from farwire.kernel.errors import Invalid, Unavailable
from farwire.kernel.ids import TenantId
from tests.activation.adapters.devices import SNMP_PORTS, SNMP_ROWS, SNMP_V3, start_snmp
from tests.gateway.processes import Processes, free_port

TENANT = TenantId(UUID(int=7))
TX = cast("Tx", None)
"""An agent is in no transaction."""
ROW = "ont-4711"
ELSEWHERE = Element(TENANT, "olt", "snmp", "192.0.2.1", "env:NO_SUCH_SECRET", {"version": "2c", **SNMP_ROWS})


@pytest.fixture(scope="module")
def port(programs: Processes, require_rig: Callable[[str], Path]) -> int:
    found = free_port(socket.SOCK_DGRAM)
    start_snmp(programs, require_rig, found)
    return found


@pytest.fixture(params=["2c", "3"])
async def element(request: pytest.FixtureRequest, port: int, programs: Processes) -> Element:
    """An agent without the row."""
    found = at(port, programs, request.param, SNMP_ROWS)
    await done(found, Action.TERMINATE)
    return found


def at(port: int, programs: Processes, version: str, settings: dict[str, str]) -> Element:
    given = SNMP_V3 if version == "3" else {"version": "2c"}
    secret = programs.folder / f"snmp-{port}" / ("passphrases" if version == "3" else "community")
    address, credentials = f"127.0.0.1:{port}", f"file:{secret}"
    return Element(TENANT, "olt", "snmp", address, credentials, {**given, **settings}, timeout_s=30)


async def done(
    element: Element, action: Action, target: str = ROW, **attributes: str
) -> dict[str, str] | None:
    olt = adapter_of(element)
    await olt.write(TX, Operation(f"k-{action}", action, target, attributes))
    shown = await olt.read(TX, target)
    return None if shown is None else dict(shown)


@pytest.mark.rigs
async def test_a_row_goes_through_its_life_and_is_read_back(element: Element) -> None:
    olt = cast("Snmp", adapter_of(element))
    made = {"retries": "2", "tags": "gold büro", "status": "active"}
    assert await done(element, Action.PROVISION, retries="2", tags="gold büro") == made
    assert await done(element, Action.PROVISION, retries="2", tags="gold büro") == made
    assert await olt.targets(TX, "", 10) == [ROW]
    assert await olt.targets(TX, ROW, 10) == []
    assert await olt.read_many(TX, ["nobody", ROW]) == {ROW: made}
    assert await done(element, Action.SUSPEND) == {**made, "status": "suspended"}
    changed = {**made, "retries": "5", "status": "suspended"}
    assert await done(element, Action.CHANGE, retries="5") == changed
    assert await done(element, Action.RESUME) == {**changed, "status": "active"}
    assert await done(element, Action.TERMINATE) is None
    assert await done(element, Action.TERMINATE) is None
    assert await olt.targets(TX, "", 10) == []


@pytest.mark.rigs
async def test_a_port_is_taken_and_given_back(port: int, programs: Processes) -> None:
    element = at(port, programs, "3", SNMP_PORTS)
    olt = adapter_of(element)
    assert await olt.read(TX, "lo") is None
    assert await done(element, Action.PROVISION, "lo", circuit="C-1") == {
        "circuit": "C-1",
        "status": "active",
    }
    assert await olt.targets(TX, "", 10) == ["lo"]
    changed = await done(element, Action.CHANGE, "lo", circuit="C-2")
    assert changed == {"circuit": "C-2", "status": "active"}
    assert await done(element, Action.TERMINATE, "lo") is None
    assert await olt.targets(TX, "", 10) == []
    for operation in (
        Operation("k1", Action.PROVISION, "no-such-port", {"circuit": "C-1"}),
        Operation("k2", Action.PROVISION, "lo"),
        Operation("k3", Action.CHANGE, "lo", {"circuit": "C-1"}),
        Operation("k4", Action.SUSPEND, "lo"),
    ):
        with pytest.raises(Invalid):
            await olt.write(TX, operation)
        assert await olt.read(TX, "lo") is None


@pytest.mark.rigs
async def test_what_is_refused_leaves_nothing_and_repeats_nothing(
    element: Element, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    olt = adapter_of(element)
    for operation in (
        Operation("k1", Action.PROVISION, ROW, {"tags": "fine", "retries": "secret-number"}),
        Operation("k2", Action.PROVISION, ROW, {"tags": "fine", "retries": "70000"}),
        Operation("k3", Action.CHANGE, ROW, {"tags": "nobody"}),
        Operation("k4", Action.PROVISION, ROW, {"colour": "red"}),
    ):
        with pytest.raises(Invalid) as refused:
            await olt.write(TX, operation)
        assert refused.value.code == "activation.refused"
        said = str(refused.value) + caplog.text
        assert not any(word in said for word in (ROW, "secret-number", "70000", "nobody", "red "))
        assert await olt.read(TX, ROW) is None


@pytest.mark.rigs
@pytest.mark.full
async def test_an_agent_that_was_away_is_reached_again(
    element: Element, programs: Processes, port: int, require_rig: Callable[[str], Path]
) -> None:
    assert await adapter_of(element).read(TX, ROW) is None
    agent = next(
        one for one, _ in programs.started if f"snmp-{port}/" in " ".join(one.args) and one.poll() is None
    )
    agent.terminate()
    agent.wait()
    with pytest.raises(Unavailable) as refused:
        await adapter_of(replace(element, timeout_s=1)).read(TX, ROW)
    assert refused.value.code == "activation.no_answer"
    start_snmp(programs, require_rig, port)
    assert await done(element, Action.PROVISION, retries="3") is not None


@pytest.mark.rigs
async def test_wrong_passphrases_are_for_a_person_and_a_wrong_community_has_no_answer(
    port: int, programs: Processes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    (tmp_path / "wrong").write_text("correct-horse\nbattery-staple\n")
    wrong = f"file:{tmp_path}/wrong"
    with pytest.raises(Invalid) as refused:
        await adapter_of(replace(at(port, programs, "3", SNMP_ROWS), credentials=wrong)).read(TX, ROW)
    assert (refused.value.code, refused.value.field) == ("activation.element", "credentials")
    stranger = replace(at(port, programs, "2c", SNMP_ROWS), credentials=wrong, timeout_s=1)
    with pytest.raises(Unavailable) as silent:
        await adapter_of(stranger).read(TX, ROW)
    said = str(refused.value) + str(silent.value) + caplog.text
    assert not any(word in said for word in ("correct", "battery"))


@pytest.mark.parametrize(
    "secret", ["short\nprivate-phrase", "only-one-line", "a-first-line\nsecond-line\nthird-line"]
)
async def test_two_passphrases_are_two_lines(tmp_path: Path, secret: str) -> None:
    (tmp_path / "secret").write_text(secret)
    element = replace(ELSEWHERE, credentials=f"file:{tmp_path}/secret", settings={**SNMP_ROWS, **SNMP_V3})
    with pytest.raises(Invalid) as refused:
        await adapter_of(element).read(TX, ROW)
    assert (refused.value.field, secret in str(refused.value)) == ("credentials", False)


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"version": "1"}, "settings"),
        ({"version": "3"}, "user"),
        ({"user": "farwire"}, "user"),
        ({"row": ""}, "row"),
        ({"taken": "tags"}, "row"),
        ({"row": "", "taken": "colour"}, "taken"),
        ({"index": "found"}, "find"),
        ({"row": "ifAlias"}, "row"),
        ({"status.at": "1.3."}, "status.at"),
        ({"attribute.tags": "1.3.6.1 colour"}, "attribute.tags"),
        ({"fixed.1.3.6": "integer many"}, "fixed.1.3.6"),
    ],
)
def test_settings_that_no_agent_can_follow_are_refused(changed: dict[str, str], field: str) -> None:
    with pytest.raises(Invalid) as refused:
        adapter_of(replace(ELSEWHERE, settings={**ELSEWHERE.settings, **changed}))
    assert (refused.value.code, refused.value.field) == ("activation.element", field)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("text", "büro"),
        ("text", ""),
        ("hex", "00ff"),
        ("integer", "-7"),
        ("unsigned", "4294967295"),
        ("address", "192.0.2.1"),
        ("oid", "1.3.6.1"),
    ],
)
def test_a_value_comes_back_as_it_went(kind: str, text: str) -> None:
    column = Column("1.3", kind)
    assert column.text(column.wire(text)) == text


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("hex", "0"),
        ("hex", "0G"),
        ("integer", "1.5"),
        ("integer", "2147483648"),
        ("unsigned", "-1"),
        ("address", "192.0.2"),
        ("oid", "ifAlias"),
    ],
)
def test_a_value_of_another_type_is_refused(kind: str, text: str) -> None:
    with pytest.raises(ValueError, match="a"):
        Column("1.3", kind).wire(text)


@pytest.mark.parametrize(
    ("index", "target", "found"),
    [
        ("number", "17", (17,)),
        ("implied", "ab", (97, 98)),
        ("text", "ab", (2, 97, 98)),
        ("number", "x", None),
        ("number", "007", None),
    ],
)
def test_a_target_has_an_index(index: str, target: str, found: tuple[int, ...] | None) -> None:
    settings = settings_of(replace(ELSEWHERE, settings={**ELSEWHERE.settings, "index": index}), Settings)
    assert settings.index_of(target) == found
    assert found is None or settings.target_of(found) == target
