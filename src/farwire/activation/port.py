"""The port to the network: what an adapter must be able to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from farwire.activation.model import Operation
from farwire.base.storage import Tx


class Adapter(Protocol):
    """One kind of network element.

    Writing what is there already changes nothing, since an attempt whose answer was lost is made again. Raises
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
