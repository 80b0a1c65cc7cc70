"""A simulated network behind the port: subscriber profiles, eSIM profiles, charging accounts, with faults on demand.

Its state is a table of the tenant, so that it outlives a process and a demo can be looked at.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from farwire.activation.model import FaultKind, Operation
from farwire.activation.port import Adapter
from farwire.activation.simulator.elements import CHARGING, HLR, PLAIN, SMDP, Element, refused
from farwire.activation.store import simulated
from farwire.base.storage import Tx
from farwire.kernel.errors import Unavailable


class Simulator:
    """An element behind the port, with its memory in the transaction's database."""

    def __init__(self, element: Element) -> None:
        self._element = element

    @property
    def name(self) -> str:
        """Return the adapter's name."""
        return self._element.name

    async def write(self, tx: Tx, operation: Operation) -> None:
        """Carry out the operation, or meet the fault that was planted."""
        dropped = await self._meet_fault(tx)
        before = await simulated.read(tx, self.name, operation.target)
        after = self._element.after(before, operation)
        if after is not None and self._element.one_number:
            holder = await simulated.holder_of_number(tx, self.name, after["msisdn"])
            if holder not in (None, operation.target):
                raise refused(self.name, "another subscriber has the number")
        if not dropped:
            await simulated.write(tx, self.name, operation.target, after)

    async def _meet_fault(self, tx: Tx) -> bool:
        """Return whether the write will be dropped. Raises ``Unavailable``, ``Invalid``."""
        fault = await simulated.fault_of_attempt(tx, self.name)
        if fault is None:
            return False
        await asyncio.sleep(fault["delay_ms"] / 1000)
        if fault["kind"] == FaultKind.FAIL:
            raise Unavailable(f"{self.name} does not answer", code="activation.no_answer", field="adapter")
        if fault["kind"] == FaultKind.REFUSE:
            raise refused(self.name, "a planted fault")
        return bool(fault["kind"] == FaultKind.DROP)

    async def read(self, tx: Tx, target: str) -> Mapping[str, str] | None:
        """Return what the element shows of the target."""
        found = await simulated.read(tx, self.name, target)
        return None if found is None else self._element.show(found)

    async def targets(self, tx: Tx, after: str, limit: int) -> Sequence[str]:
        """Return targets by name."""
        return await simulated.names_after(tx, self.name, after, limit)


SIMULATORS: Final[Mapping[str, Adapter]] = MappingProxyType(
    {element.name: Simulator(element) for element in (HLR, SMDP, CHARGING, *PLAIN)}
)
"""The simulated adapters by name."""


async def plant_fault(tx: Tx, *, adapter: str, kind: FaultKind, count: int = 1, delay_ms: int = 0) -> None:
    """Let the next ``count`` attempts of the adapter meet a fault; it replaces one that was planted before.

    Attempts are counted even where their transaction fails.
    """
    await simulated.plant(tx, adapter, kind, count, delay_ms)


async def tamper(tx: Tx, *, adapter: str, target: str, attributes: Mapping[str, str] | None) -> None:
    """Change what the simulated element knows behind Farwire's back, or let it lose the target: drift."""
    known = await simulated.read(tx, adapter, target) or {}
    await simulated.write(tx, adapter, target, None if attributes is None else {**known, **attributes})
