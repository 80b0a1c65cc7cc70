"""The port to the network: what an adapter must be able to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

from farwire.activation.model import Operation
from farwire.base.storage import Tx


class Adapter(Protocol):
    """One kind of network element.

    Writing what is there already changes nothing, since an attempt whose answer was lost is made again. Provisioning
    what is there otherwise replaces it: so drift is repaired. Raises
    ``Unavailable`` where trying again can help, ``Invalid`` where it cannot. ``tx`` is the transaction of the attempt:
    simulators live in it, real elements do not.
    """

    @property
    def name(self) -> str:
        """Return the name by which the catalogue calls the adapter."""

    async def write(self, tx: Tx, operation: Operation) -> None:
        """Carry out the operation."""

    async def read(self, tx: Tx, target: str) -> Mapping[str, str] | None:
        """Return what the network shows of the target, ``status`` always, None where it does not know it."""

    async def targets(self, tx: Tx, after: str, limit: int) -> Sequence[str]:
        """Return up to ``limit`` targets that the network knows, in the order of their names, from behind ``after``."""


@runtime_checkable
class Confirming(Protocol):
    """An adapter that can take back what it has just written: a router's candidate, NETCONF's confirmed commit.

    After each ``write`` that did not raise comes exactly one of the two. Where neither comes, because we died, the
    element takes the write back by itself. Both may be called for a write that changed nothing.
    """

    async def confirm(self, tx: Tx, operation: Operation) -> None:
        """Let what was written stay. Raises ``Unavailable``."""

    async def undo(self, tx: Tx, operation: Operation) -> None:
        """Bring back what was there before the write. Raises ``Unavailable``."""


@runtime_checkable
class ReadingMany(Protocol):
    """An adapter that reads many targets in one go, so that looking for drift is cheap."""

    async def read_many(self, tx: Tx, targets: Sequence[str]) -> Mapping[str, Mapping[str, str]]:
        """Return what the network shows of those of the targets that it knows."""
