"""Drift is found in rounds, mended or reported, and a silent element takes nothing from the others."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import pytest

from farwire.activation import service
from farwire.activation.jobs import LOOK, SCHEDULES, handlers
from farwire.activation.model import (
    LONGEST_REST,
    MAX_REPAIRS,
    Action,
    FaultKind,
    Finding,
    FindingState,
    Operation,
    Policy,
    Watch,
)
from farwire.activation.service import drifting
from farwire.activation.simulator import plant_fault, tamper
from farwire.base.audit.service import latest
from farwire.base.clock import MovableClock
from farwire.base.eventbus import list_events
from farwire.base.jobs import Worker, enqueue_due
from farwire.base.storage import Database
from farwire.kernel.ids import TenantId
from farwire.kernel.page import PageRequest

IMSI = "262011234567890"
MINUTE = timedelta(minutes=1)


@dataclass
class Network:
    """A tenant's network, with what tests do to it."""

    db: Database
    tenant_id: TenantId
    clock: MovableClock

    async def apply(
        self, key: str, target: str, adapter: str = "access", action: Action = Action.PROVISION, **texts: str
    ) -> None:
        async with self.db.transaction(self.tenant_id) as tx:
            operation = Operation(key, action, target, texts)
            await service.apply(tx, adapter=adapter, operation=operation, now=self.clock.now())

    async def tamper(self, target: str, adapter: str = "access", **texts: str) -> None:
        """Change the target behind our back, or lose it where nothing is given."""
        async with self.db.transaction(self.tenant_id) as tx:
            await tamper(tx, adapter=adapter, target=target, attributes=texts or None)

    async def plant(self, kind: FaultKind, count: int, adapter: str = "access") -> None:
        async with self.db.transaction(self.tenant_id) as tx:
            await plant_fault(tx, adapter=adapter, kind=kind, count=count)

    async def shown(self, target: str, adapter: str = "access"):
        async with self.db.transaction(self.tenant_id) as tx:
            return await service.read_back(tx, adapter=adapter, target=target)

    async def look(self, **bounds: float) -> dict[str, service.Looked]:
        done = await service.look(db=self.db, tenant_id=self.tenant_id, clock=self.clock, **bounds)
        return {one.adapter: one for one in done}

    async def findings(self) -> tuple[Finding, ...]:
        async with self.db.transaction(self.tenant_id) as tx:
            return (await service.list_findings(tx, page=PageRequest())).items

    async def watch(self, adapter: str = "access") -> Watch:
        async with self.db.transaction(self.tenant_id) as tx:
            return next(one for _, one in await service.list_watched(tx) if one.adapter == adapter)

    async def told(self) -> list[str]:
        async with self.db.transaction(self.tenant_id) as tx:
            found = await list_events(tx=tx, type_prefix="farwire.activation.")
        return sorted(event.type.split(".")[2] for _, event in found)


@pytest.fixture
def network(db: Database, tenant_id: TenantId, clock: MovableClock) -> Network:
    return Network(db, tenant_id, clock)


async def test_what_a_job_each_minute_finds_is_mended_told_and_audited(network: Network) -> None:
    await network.apply("k1", IMSI, "hlr", msisdn="4915112345678")
    await network.apply("k2", IMSI, "hlr", Action.SUSPEND)
    await network.apply("k3", "line-1", offering="fibre-250")
    await network.tamper(IMSI, "hlr", barred="none")
    await network.tamper("line-1")
    handler = handlers(db=network.db, clock=network.clock)
    async with network.db.transaction(network.tenant_id) as tx:
        await enqueue_due(tx=tx, schedules=SCHEDULES, now=network.clock.now())
    assert SCHEDULES[0].every == MINUTE
    assert await Worker(db=network.db, clock=network.clock, handlers=handler).run_once()
    assert (await network.shown(IMSI, "hlr"))["barred"] == "all"
    assert (await network.shown("line-1"))["offering"] == "fibre-250"
    assert await network.told() == ["drift_found", "drift_found", "drift_repaired", "drift_repaired"]
    found = {one.adapter: one for one in await network.findings()}
    assert {one.state for one in found.values()} == {FindingState.REPAIRED}
    assert (found["hlr"].kind, found["hlr"].attributes) == ("different", ("status",))
    assert (found["access"].kind, found["access"].attributes) == ("missing", ("offering", "status"))
    assert IMSI not in repr(found)
    async with network.db.transaction(network.tenant_id) as tx:
        entries = await latest(tx=tx, action_prefix="activation.repair")
    assert {(one.act.subject, one.act.detail["repaired"]) for one in entries} == {("hlr", 1), ("access", 1)}
    assert handler.keys() == {LOOK}


async def test_what_nobody_applied_is_told_once_it_is_seen_twice_and_never_taken_out(
    network: Network,
) -> None:
    await network.tamper("stranger", ont="enabled")
    await network.look()
    assert await network.findings() == (), "an order that is under way may be about to say so"
    for _ in range(3):
        await network.look()
    (one,) = await network.findings()
    assert (one.kind, one.state, one.name, one.target_id) == ("unexpected", "open", "stranger", None)
    assert await network.told() == ["drift_found"]
    assert await network.shown("stranger") is not None
    await network.tamper("stranger")
    await network.look()
    (one,) = await network.findings()
    assert (one.state, one.name) == ("gone", ""), "its name may be a person's"


async def test_what_an_order_writes_meanwhile_is_neither_told_nor_taken_back(network: Network) -> None:
    await network.apply("k1", "line-1", offering="fibre-250")
    await network.tamper("line-1", offering="fibre-500")
    async with network.db.transaction(network.tenant_id) as tx:
        operation = Operation("k2", Action.CHANGE, "line-1", {"offering": "fibre-500"})
        await service.apply(tx, adapter="access", operation=operation, now=network.clock.now())
        assert (await network.look())["access"].found == 0
    assert (await network.look())["access"].found == 0
    assert (await network.shown("line-1"))["offering"] == "fibre-500"


async def test_a_policy_of_reporting_leaves_the_network_alone_until_it_is_another(network: Network) -> None:
    await network.apply("k1", "line-1", offering="fibre-250")
    await network.tamper("line-1", offering="fibre-500")
    for policy, state in ((Policy.REPORT, "open"), (Policy.REPORT, "open"), (Policy.REPAIR, "repaired")):
        async with network.db.transaction(network.tenant_id) as tx:
            await service.set_policy(tx, adapter="access", policy=policy, now=network.clock.now())
        await network.look()
        (one,) = await network.findings()
        assert one.state == state
    assert await network.told() == ["drift_found", "drift_repaired"]


async def test_a_target_that_is_terminated_or_mended_by_others_is_gone(network: Network) -> None:
    async with network.db.transaction(network.tenant_id) as tx:
        await service.set_policy(tx, adapter="access", policy=Policy.REPORT, now=network.clock.now())
    for line in ("line-1", "line-2"):
        await network.apply(f"k-{line}", line, offering="fibre-250")
        await network.tamper(line, offering="fibre-500")
    await network.look()
    await network.tamper("line-1", offering="fibre-250")
    await network.apply("end", "line-2", action=Action.TERMINATE)
    await network.look()
    assert {one.state for one in await network.findings()} == {FindingState.GONE}


async def test_a_silent_element_rests_longer_and_longer_and_takes_nothing_from_the_others(
    network: Network,
) -> None:
    await network.apply("k1", IMSI, "hlr", msisdn="4915112345678")
    await network.apply("k2", "line-1", offering="fibre-250")
    await network.tamper(IMSI, "hlr")
    await network.plant(FaultKind.SILENT, 1000, "hlr")
    rests = []
    for step in range(9):
        await network.tamper("line-1", offering=f"wrong-{step}")
        done = await network.look()
        assert (done["access"].repaired, done["hlr"].repaired) == (1, 0)
        assert step == 0 or list(done)[-1] == "hlr", "those that answer come first"
        resume_at = (await network.watch("hlr")).resume_at
        rests.append(resume_at - network.clock.now())
        network.clock.advance(MINUTE)
    assert max(rests) <= LONGEST_REST
    assert rests[0] == timedelta(seconds=15)
    await network.plant(FaultKind.FAIL, 1, "hlr")  # it answers again, and fails the first repair
    waited = timedelta()
    while (await network.shown(IMSI, "hlr")) is None:
        await network.look()
        network.clock.advance(MINUTE)
        waited += MINUTE
    assert waited <= 5 * MINUTE
    assert (await network.watch("hlr")).problem == ""


async def test_a_repair_is_not_tried_for_ever_but_again_when_a_person_says_so(network: Network) -> None:
    await network.apply("k1", "line-1", offering="fibre-250")
    await network.tamper("line-1")
    await network.plant(FaultKind.REFUSE, MAX_REPAIRS)
    for _ in range(MAX_REPAIRS + 3):
        await network.look()
    (one,) = await network.findings()
    assert (one.state, one.attempts, one.problem) == ("open", MAX_REPAIRS, "activation.refused")
    assert await network.shown("line-1") is None
    done = await service.look_at(
        db=network.db, tenant_id=network.tenant_id, adapter="access", clock=network.clock, again=True
    )
    assert done.repaired == 1
    assert await network.shown("line-1") is not None


async def test_a_look_that_runs_out_of_time_goes_on_where_it_was(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drifting, "PAGE", 2)
    for number in range(5):
        await network.apply(f"k{number}", f"line-{number}", offering="fibre-250")
        await network.tamper(f"line-{number}")
    await network.tamper("stranger", ont="enabled")
    compared, ended = [], False
    while not ended:
        done = await service.look_at(
            db=network.db, tenant_id=network.tenant_id, adapter="access", clock=network.clock, ends=0
        )
        compared.append(done.compared)
        ended = done.ended
    assert compared == [2, 2, 1, 0, 0, 0, 0]
    assert (await network.watch()).round == 1
    assert (await network.look())["access"].found == 1, "the stranger"


async def test_two_looks_at_once_do_not_wait_for_each_other_nor_act_twice(network: Network) -> None:
    await network.apply("k1", "line-1", offering="fibre-250")
    await network.tamper("line-1")
    await network.look()
    async with network.db.transaction(network.tenant_id) as tx:
        await service.set_policy(tx, adapter="access", policy=Policy.REPAIR, now=network.clock.now())
        assert (await network.look())["access"] == service.Looked("access")


async def test_another_tenants_network_is_left_alone(network: Network, other_tenant_id: TenantId) -> None:
    other = Network(network.db, other_tenant_id, network.clock)
    for one in (network, other):
        await one.apply("k1", "line-1", offering="fibre-250")
        await one.tamper("line-1")
    await network.look()
    assert await other.shown("line-1") is None
    assert (await other.findings(), await other.told()) == ((), [])
