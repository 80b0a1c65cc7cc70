"""Simulated elements behave as their kind does: what they check, show, refuse, and take back."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from farwire.activation import service
from farwire.activation.adapters import Element
from farwire.activation.model import Action, Applied, FaultKind, Operation
from farwire.activation.simulator import plant_fault
from farwire.activation.simulator.smdp import Call, Function, ProfileState, called
from farwire.base.storage import Database
from farwire.base.telemetry import exposition
from farwire.kernel.errors import Conflict, Invalid, NotFound, Unavailable
from farwire.kernel.ids import TenantId

NOW = datetime(2026, 6, 11, 12, 3, tzinfo=UTC)
EID = "89049032000000000000000000000017"
LINE = {"port": "olt-1/1/3", "serial": "ALCL0A1B2C3D", "down": "250", "up": "50"}
CIRCUIT = {"interface": "ge-0/0/1", "vlan": "100", "vrf": "acme", "address": "198.51.100.1/30"}


async def applied(
    db: Database,
    tenant_id: TenantId,
    adapter: str,
    target: str,
    action: Action = Action.PROVISION,
    **texts: str,
) -> Applied:
    async with db.transaction(tenant_id) as tx:
        key = f"{adapter} {target} {action} {sorted(texts.items())}"
        return await service.apply(
            tx, adapter=adapter, operation=Operation(key, action, target, texts), now=NOW
        )


async def shown(db: Database, tenant_id: TenantId, adapter: str, target: str):
    async with db.transaction(tenant_id) as tx:
        return await service.read_back(tx, adapter=adapter, target=target)


async def plant(db: Database, tenant_id: TenantId, adapter: str, kind: FaultKind, **other: int) -> None:
    async with db.transaction(tenant_id) as tx:
        await plant_fault(tx, adapter=adapter, kind=kind, **other)


async def name_element(db: Database, tenant_id: TenantId, name: str, adapter: str, **other: object) -> None:
    async with db.transaction(tenant_id) as tx:
        element = Element(tenant_id, name, adapter, "", **other)  # type: ignore[arg-type]
        await service.set_element(tx, element=element, now=NOW)


ALLOWED = [
    ("available", Call(Function.DOWNLOAD_ORDER), "allocated"),
    ("available", Call(Function.DOWNLOAD_ORDER, EID), "linked"),
    ("allocated", Call(Function.CONFIRM_ORDER, EID, "AB-1"), "confirmed"),
    ("linked", Call(Function.CONFIRM_ORDER), "confirmed"),
    ("linked", Call(Function.CONFIRM_ORDER, release=True), "released"),
    ("confirmed", Call(Function.RELEASE_PROFILE), "released"),
    ("allocated", Call(Function.CANCEL_ORDER), "available"),
    ("released", Call(Function.CANCEL_ORDER), "available"),
]


@pytest.mark.parametrize(("state", "call", "after"), ALLOWED)
def test_a_profile_goes_its_way_by_calls_in_their_order(state: str, call: Call, after: str) -> None:
    assert called(ProfileState(state), call) == after


@pytest.mark.parametrize("state", list(ProfileState))
@pytest.mark.parametrize("function", list(Function))
def test_no_call_is_for_a_profile_in_another_state(state: ProfileState, function: Function) -> None:
    if not any((state, function) == (known, call.function) for known, call, _ in ALLOWED):
        other = {
            (ProfileState.LINKED, Function.CANCEL_ORDER),
            (ProfileState.CONFIRMED, Function.CANCEL_ORDER),
        }
        if (state, function) in other:
            assert called(state, Call(function)) == "available"
            return
        with pytest.raises(Invalid):
            called(state, Call(function))


async def test_a_profile_that_was_only_confirmed_is_noticed(db: Database, tenant_id: TenantId) -> None:
    iccid = "8949020000000000017"
    await plant(db, tenant_id, "smdp", FaultKind.HALF)
    with pytest.raises(Unavailable):
        await applied(db, tenant_id, "smdp", iccid, imsi="262011234567890", eid=EID)
    half = await shown(db, tenant_id, "smdp", iccid)
    assert (half["state"], half["status"]) == ("confirmed", "incomplete")
    done = await applied(db, tenant_id, "smdp", iccid, imsi="262011234567890", eid=EID)
    assert (done.attributes["state"], done.attributes["status"]) == ("released", "active")


async def test_a_line_has_its_profile_and_its_ont(db: Database, tenant_id: TenantId) -> None:
    done = await applied(db, tenant_id, "access", "line-1", **LINE)
    assert (done.attributes["line_profile"], done.attributes["ont"]) == ("250/50", "enabled")
    barred = await applied(db, tenant_id, "access", "line-1", Action.SUSPEND)
    assert (barred.attributes["ont"], barred.attributes["status"]) == ("disabled", "suspended")
    faster = await applied(db, tenant_id, "access", "line-1", Action.CHANGE, down="500", up="100")
    assert (faster.attributes["line_profile"], faster.attributes["ont"]) == ("500/100", "disabled")
    with pytest.raises(Invalid, match="another target"):
        await applied(db, tenant_id, "access", "line-2", serial=LINE["serial"])


async def test_a_circuit_is_committed_and_confirmed(db: Database, tenant_id: TenantId) -> None:
    done = await applied(db, tenant_id, "transport", "circuit-1", **CIRCUIT)
    assert done.attributes == {**CIRCUIT, "admin": "up", "status": "active"}
    with pytest.raises(Invalid, match="another target"):
        await applied(db, tenant_id, "transport", "circuit-2", interface="ge-0/0/1", vlan="100")
    await applied(db, tenant_id, "transport", "circuit-2", interface="ge-0/0/1", vlan="101")


@pytest.mark.parametrize("kind", [FaultKind.HALF, FaultKind.DROP])
async def test_a_commit_that_does_not_show_as_asked_is_taken_back(
    db: Database, tenant_id: TenantId, kind: FaultKind
) -> None:
    await applied(db, tenant_id, "transport", "circuit-1", **CIRCUIT)
    before = await shown(db, tenant_id, "transport", "circuit-1")
    await plant(db, tenant_id, "transport", kind)
    async with db.transaction(tenant_id) as tx:
        operation = Operation(
            "change", Action.CHANGE, "circuit-1", {"address": "198.51.100.5/30", "vlan": "7"}
        )
        with pytest.raises(Unavailable):
            await service.apply(tx, adapter="transport", operation=operation, now=NOW)
        assert await service.read_back(tx, adapter="transport", target="circuit-1") == before
        assert await service.read_back(tx, adapter="transport", target="circuit-9") is None


async def test_an_answer_that_is_lost_leaves_the_line_and_an_unconfirmed_commit_goes_back(
    db: Database, tenant_id: TenantId
) -> None:
    for adapter in ("access", "transport"):
        await plant(db, tenant_id, adapter, FaultKind.LOST)
        with pytest.raises(Unavailable):
            await applied(db, tenant_id, adapter, "t-1", vlan="7")
    assert (await shown(db, tenant_id, "access", "t-1"))["vlan"] == "7"
    assert await shown(db, tenant_id, "transport", "t-1") is None


@pytest.mark.parametrize(
    ("adapter", "texts"),
    [
        ("access", {"serial": "nonsense"}),
        ("access", {"port": "a b"}),
        ("access", {"down": "fast"}),
        ("access", {"vlan": "4095"}),
        ("transport", {"vlan": "0"}),
        ("transport", {"vlan": "²"}),
        ("transport", {"vrf": "a b"}),
        ("transport", {"address": "198.51.100.300/30"}),
        ("smdp", {"eid": "123"}),
    ],
)
async def test_what_an_element_cannot_be_told_is_refused(
    db: Database, tenant_id: TenantId, adapter: str, texts: dict[str, str]
) -> None:
    with pytest.raises(Invalid) as refused:
        await applied(db, tenant_id, adapter, "8949020000000000017", **texts)
    assert refused.value.code == "activation.refused"
    assert not any(text in str(refused.value) for text in texts.values() if len(text) > 1)


async def test_a_preview_tells_what_would_differ_and_changes_nothing(
    db: Database, tenant_id: TenantId
) -> None:
    operation = Operation("p", Action.PROVISION, "line-1", LINE)
    async with db.transaction(tenant_id) as tx:
        seen = await service.preview(tx, adapter="access", operation=operation)
    assert (seen.there, seen.differs, seen.confirming) == (None, tuple(sorted([*LINE, "status"])), False)
    assert await shown(db, tenant_id, "access", "line-1") is None
    await applied(db, tenant_id, "access", "line-1", **LINE)
    async with db.transaction(tenant_id) as tx:
        change = Operation("p", Action.CHANGE, "line-1", {"down": "500", "up": "50"})
        seen = await service.preview(tx, adapter="access", operation=change)
        again = await service.preview(tx, adapter="access", operation=operation)
        end = await service.preview(
            tx, adapter="access", operation=Operation("p", Action.TERMINATE, "line-1")
        )
        rows = await tx.fetchval("SELECT count(*) FROM activation.operation WHERE tenant_id = $1", tenant_id)
    assert (seen.differs, seen.there["down"], seen.wanted["down"]) == (("down",), "250", "500")
    assert (again.differs, end.wanted, "ont" in end.differs, rows) == ((), None, True, 1)
    assert LINE["serial"] not in repr(seen)


async def test_an_element_that_answers_too_late_is_given_up(db: Database, tenant_id: TenantId) -> None:
    await name_element(db, tenant_id, "access", "simulated-olt", timeout_s=1.0)
    await plant(db, tenant_id, "access", FaultKind.SLOW, delay_ms=60_000)
    with pytest.raises(Unavailable) as late:
        await applied(db, tenant_id, "access", "line-1", **LINE)
    assert late.value.code == "activation.timeout"
    await applied(db, tenant_id, "access", "line-1", **LINE)
    told = exposition().decode()
    assert 'farwire_activation_failures_total{adapter="simulated-olt",code="activation.timeout"}' in told
    assert 'farwire_activation_attempts_total{act="write",adapter="simulated-olt"}' in told
    assert 'farwire_activation_answer_seconds_total{act="write",adapter="simulated-olt"}' in told


async def test_a_tenant_names_elements_of_its_own(
    db: Database, tenant_id: TenantId, other_tenant_id: TenantId
) -> None:
    await name_element(db, tenant_id, "olt-north", "simulated-olt")
    await applied(db, tenant_id, "olt-north", "line-1", **LINE)
    assert await shown(db, tenant_id, "access", "line-1") is None
    async with db.transaction(other_tenant_id) as tx:
        with pytest.raises(Invalid, match="no such adapter"):
            await service.read_back(tx, adapter="olt-north", target="line-1")
    async with db.transaction(tenant_id) as tx:
        with pytest.raises(Conflict, match="something is applied"):
            await service.remove_element(tx, name="olt-north", now=NOW)
    await applied(db, tenant_id, "olt-north", "line-1", Action.TERMINATE)
    async with db.transaction(tenant_id) as tx:
        await service.remove_element(tx, name="olt-north", now=NOW)
        with pytest.raises(NotFound):
            await service.remove_element(tx, name="olt-north", now=NOW)


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "Access!"},
        {"adapter": "fax"},
        {"credentials": "hunter2"},
        {"timeout_s": 0.0},
        {"settings": {"a": "\x00"}},
    ],
)
async def test_an_element_that_nobody_can_reach_is_refused(
    db: Database, tenant_id: TenantId, wrong: dict[str, object]
) -> None:
    fields: dict[str, object] = {"name": "olt-1", "adapter": "simulated-olt", **wrong}
    with pytest.raises(Invalid) as refused:
        await name_element(db, tenant_id, **fields)  # type: ignore[arg-type]
    assert (refused.value.code, refused.value.field) == ("activation.element", next(iter(wrong)))
    assert "hunter2" not in str(refused.value)
