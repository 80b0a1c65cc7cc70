"""A simulated element behind the port, with its memory in the database of the transaction, and its faults."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from farwire.activation.model import FaultKind, Operation
from farwire.activation.port import Adapter
from farwire.activation.simulator.access import OLT, ROUTER
from farwire.activation.simulator.kinds import HLR, STORE, Kind, State, refused
from farwire.activation.simulator.smdp import SMDP
from farwire.activation.store import simulated as store
from farwire.base.storage import Tx
from farwire.kernel.errors import Unavailable
from farwire.kernel.ids import TenantId

MAX_BEYOND: Final = 1000
_BEYOND: Final[OrderedDict[tuple[TenantId, str, str], State | None]] = OrderedDict()
"""What elements did in attempts that failed. A network does not roll back with our transaction; the table does, so
this process remembers it until the next write that goes well."""

KINDS: Final[Mapping[str, Kind]] = MappingProxyType(
    {kind.name: kind for kind in (HLR, SMDP, STORE, OLT, ROUTER)}
)
"""The kinds of simulated elements, by the name that an element gives as its adapter."""
BUILT_IN: Final[Mapping[str, str]] = MappingProxyType(
    {
        "hlr": HLR.name,
        "smdp": SMDP.name,
        "charging": STORE.name,
        "access": OLT.name,
        "radius": STORE.name,
        "transport": ROUTER.name,
        "hypervisor": STORE.name,
    }
)
"""The elements that every tenant has without naming them, and their kinds."""


class Simulator:
    """An element of a kind, under its name."""

    def __init__(self, name: str, kind: Kind) -> None:
        self._name = name
        self._kind = kind
        self._previous: State | None = None

    @property
    def name(self) -> str:
        """Return the element's name."""
        return self._name

    async def write(self, tx: Tx, operation: Operation) -> None:
        """Carry out the operation, or meet the fault that was planted."""
        fault = await self._meet_fault(tx)
        before = await self._state(tx, operation.target)
        after = self._kind.after(before, operation)
        alone = None if after is None else self._kind.alone(after)
        if alone is not None:
            holder = await store.holder(tx, self.name, alone)
            if holder not in (None, operation.target):
                raise refused(self.name, "another target has what only one may have")
        key = (tx.tenant_id, self.name, operation.target)
        if fault is FaultKind.DROP:
            after = before
        if fault is FaultKind.LOST:
            if not self._kind.confirms:
                _remember(key, after)
            raise self._no_answer()
        self._previous = before
        if fault is FaultKind.HALF:
            _remember(key, self._kind.half(before, after))
        else:
            await self._save(tx, operation.target, after)

    async def _save(self, tx: Tx, target: str, state: State | None) -> None:
        alone = None if state is None else self._kind.alone(state)
        await store.write(tx, self.name, target, state, alone)
        _BEYOND.pop((tx.tenant_id, self.name, target), None)

    async def _state(self, tx: Tx, target: str) -> State | None:
        key = (tx.tenant_id, self.name, target)
        return _BEYOND[key] if key in _BEYOND else await store.read(tx, self.name, target)

    async def _meet_fault(self, tx: Tx) -> FaultKind | None:
        """Return the fault that the write meets. Raises ``Unavailable``, ``Invalid``."""
        fault = await store.fault_of_attempt(tx, self.name)
        if fault is None:
            return None
        await asyncio.sleep(fault["delay_ms"] / 1000)
        if fault["kind"] in (FaultKind.FAIL, FaultKind.SILENT):
            raise self._no_answer()
        if fault["kind"] == FaultKind.REFUSE:
            raise refused(self.name, "a planted fault")
        return FaultKind(fault["kind"])

    def _no_answer(self) -> Unavailable:
        return Unavailable(f"{self.name} does not answer", code="activation.no_answer", field="adapter")

    async def _answer(self, tx: Tx) -> None:
        if await store.silent_at_attempt(tx, self.name):
            raise self._no_answer()

    async def read(self, tx: Tx, target: str) -> Mapping[str, str] | None:
        """Return what the element shows of the target."""
        await self._answer(tx)
        found = await self._state(tx, target)
        return None if found is None else self._kind.show(found)

    async def read_many(self, tx: Tx, targets: Sequence[str]) -> Mapping[str, Mapping[str, str]]:
        """Return what the element shows of those of the targets that it knows."""
        await self._answer(tx)
        found: dict[str, State] = dict(await store.read_many(tx, self.name, targets))
        for target, state in self._beyond(tx):
            if target in targets and state is not None:
                found[target] = state
            elif state is None:
                found.pop(target, None)
        return {target: self._kind.show(state) for target, state in found.items()}

    async def targets(self, tx: Tx, after: str, limit: int) -> Sequence[str]:
        """Return targets by name."""
        await self._answer(tx)
        known = await store.names_after(tx, self.name, after, limit)
        more = {name for name, state in self._beyond(tx) if state is not None and name > after}
        return sorted({*known, *more})[:limit] if more else known

    def _beyond(self, tx: Tx) -> list[tuple[str, State | None]]:
        own = (tx.tenant_id, self.name)
        return [(key[2], state) for key, state in _BEYOND.items() if key[:2] == own]


class ConfirmingSimulator(Simulator):
    """One that can take back what it has just written: its commit is confirmed, or undone."""

    async def confirm(self, tx: Tx, operation: Operation) -> None:
        """Let what was written stay: it is in the table already."""

    async def undo(self, tx: Tx, operation: Operation) -> None:
        """Bring back what was there before the write."""
        await self._save(tx, operation.target, self._previous)


def simulated(name: str, kind: str) -> Adapter:
    """Return the simulated element of that name; ``kind`` is one of ``KINDS``."""
    made = KINDS[kind]
    return ConfirmingSimulator(name, made) if made.confirms else Simulator(name, made)


def _remember(key: tuple[TenantId, str, str], state: State | None) -> None:
    _BEYOND[key] = state
    while len(_BEYOND) > MAX_BEYOND:
        _BEYOND.popitem(last=False)


async def plant_fault(tx: Tx, *, adapter: str, kind: FaultKind, count: int = 1, delay_ms: int = 0) -> None:
    """Let the next ``count`` attempts of the adapter meet a fault; it replaces one that was planted before.

    Attempts are counted even where their transaction fails.
    """
    await store.plant(tx, adapter, kind, count, delay_ms)


async def tamper(tx: Tx, *, adapter: str, target: str, attributes: Mapping[str, str] | None) -> None:
    """Change what the simulated element knows behind Farwire's back, or let it lose the target: drift."""
    known = await store.read(tx, adapter, target) or {}
    await store.write(tx, adapter, target, None if attributes is None else {**known, **attributes}, None)
