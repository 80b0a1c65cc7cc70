"""What is done about targets that differ: written down, told, and applied again where the policy says so."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from farwire.activation.events import drift_found, drift_repaired
from farwire.activation.model import (
    MAX_REPAIRS,
    DriftKind,
    Finding,
    FindingId,
    FindingState,
    Policy,
    Target,
    TargetId,
    Watch,
    differences,
    intend,
    restoring,
)
from farwire.activation.service.applying import written
from farwire.activation.service.reaching import Line
from farwire.activation.store import findings as store
from farwire.activation.store import targets
from farwire.base import audit
from farwire.base.eventbus import Event, publish_many
from farwire.base.storage import Tx
from farwire.kernel.errors import Invalid, Unavailable
from farwire.kernel.ids import uuid7
from farwire.kernel.tenancy import Actor

_SILENT: Final = frozenset({"activation.no_answer", "activation.timeout"})


@dataclass(slots=True)
class Mending:
    """What one batch of the look sees to, and what came of it."""

    line: Line
    watch: Watch
    now: datetime
    repair_until: float = 0.0
    """By ``time.monotonic``; what is left then is repaired in the next round."""
    found: int = 0
    repaired: int = 0
    silent: str = ""
    """The code of why no further repair was tried in this batch: the element stopped answering."""
    _events: list[Event] = field(default_factory=list)

    async def see_to(self, tx: Tx, differ: Sequence[TargetId], actor: Actor) -> None:
        """See to targets that seem to differ. Those that somebody is changing now are left for the next round."""
        free = await targets.lock_free(tx, differ)
        ours = {target.id for target in free}
        await store.keep_seen(
            tx, self.line.name, [one for one in differ if one not in ours], self.watch.round
        )
        there, _ = await self.line.read_many(tx, [target.name for target in free]) if free else ({}, 0)
        known = await store.open_findings(tx, self.line.name, targets=list(ours))
        for target in free:
            shown = there.get(target.name)
            if different := differences(target.attributes, shown):
                kind = DriftKind.MISSING if shown is None else DriftKind.DIFFERENT
                before = known.get(target.id) or self._new(tx, kind, target.id, attributes=different)
                await self._see_to(tx, target, replace(before, kind=kind, attributes=different))
        await publish_many(tx, self._events)
        if self.repaired:
            await audit.record(
                tx,
                actor=actor,
                action="activation.repair",
                subject=self.line.name,
                at=self.now,
                detail={"found": self.found, "repaired": self.repaired},
            )

    def _new(
        self,
        tx: Tx,
        kind: DriftKind,
        target_id: TargetId | None,
        *,
        name: str = "",
        attributes: tuple[str, ...] = (),
    ) -> Finding:
        state = FindingState.SUSPECTED if target_id is None else FindingState.OPEN
        one = Finding(
            id=FindingId(uuid7(self.now)),
            adapter=self.line.name,
            kind=kind,
            target_id=target_id,
            name=name,
            attributes=attributes,
            state=state,
            attempts=0,
            problem="",
            found_at=self.now,
            ended_at=None,
        )
        if state is FindingState.OPEN:
            self._events.append(drift_found(tx.tenant_id, one, self.now))
        return one

    async def _see_to(self, tx: Tx, target: Target, one: Finding) -> None:
        self.found += 1
        if self._may_repair(one):
            problem = await self._repair(tx, target)
            if problem:
                one = replace(one, attempts=one.attempts + 1, problem=problem)
                self.silent = problem if problem in _SILENT else ""
            else:
                one = replace(one, state=FindingState.REPAIRED, problem="", ended_at=self.now)
                self.repaired += 1
                self._events.append(drift_repaired(tx.tenant_id, one, self.now))
        await store.save_finding(tx, one, self.watch.round)

    def _may_repair(self, one: Finding) -> bool:
        wanted = self.watch.policy is Policy.REPAIR and one.attempts < MAX_REPAIRS
        return wanted and not self.silent and time.monotonic() < self.repair_until

    async def _repair(self, tx: Tx, target: Target) -> str:
        """Apply again what was applied; return the code of why it did not go, empty where it did."""
        wanted = None
        try:
            for operation in restoring(target, f"repair:{target.id}"):
                wanted = intend(wanted, operation)
                await written(tx, self.line, operation, wanted)
        except (Unavailable, Invalid) as error:
            return error.code
        return ""

    async def suspect(self, tx: Tx, strange: Sequence[str], *, most: int) -> int:
        """Write down what nobody applied, and tell it when it is seen in a second round; return how many differ so.

        An order that is under way has perhaps written it and not ended yet. It is never taken out of the network.
        """
        known = await store.open_findings(tx, self.line.name, names=strange)
        room = most - await store.count_open(tx, self.line.name)
        for name in strange:
            one = known.get(name)
            if one is None and room > 0:
                room -= 1
                await store.save_finding(
                    tx, self._new(tx, DriftKind.UNEXPECTED, None, name=name), self.watch.round
                )
            elif one is not None:
                if one.state is FindingState.SUSPECTED:
                    one = replace(one, state=FindingState.OPEN)
                    self._events.append(drift_found(tx.tenant_id, one, self.now))
                await store.save_finding(tx, one, self.watch.round)
        await publish_many(tx, self._events)
        return len(strange)
