"""The way to a network element: which adapter speaks to it, within which time, counted."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Final, TypeVar

from farwire.activation.adapters import Element, adapter_of
from farwire.activation.model import Operation
from farwire.activation.port import Adapter, Confirming, ReadingMany
from farwire.activation.simulator import BUILT_IN, KINDS, simulated
from farwire.activation.store import elements as store
from farwire.base.storage import Tx
from farwire.base.telemetry import counter
from farwire.kernel.errors import FarwireError, Invalid, Unavailable

T = TypeVar("T")
SIMULATED_TIMEOUT_S: Final = 30.0
_ATTEMPTS: Final = counter(
    "farwire_activation_attempts_total", "Questions to network elements.", ("adapter", "act")
)
_FAILURES: Final = counter(
    "farwire_activation_failures_total", "Questions that failed, by their error's code.", ("adapter", "code")
)
_SECONDS: Final = counter(
    "farwire_activation_answer_seconds_total", "Seconds until answers.", ("adapter", "act")
)


@dataclass(frozen=True, slots=True)
class Line:
    """An adapter within its time, and counted: under its kind, since the names of elements are the tenants'."""

    name: str
    kind: str
    port: Adapter
    timeout_s: float

    @property
    def confirming(self) -> bool:
        """Return whether the element can take back what was written."""
        return isinstance(self.port, Confirming)

    @property
    def reads_many(self) -> bool:
        """Return whether many targets are read in one go."""
        return isinstance(self.port, ReadingMany)

    async def write(self, tx: Tx, operation: Operation) -> None:
        """Carry out the operation. Raises ``Unavailable``, ``Invalid``."""
        await self._asked("write", self.port.write(tx, operation))

    async def read(self, tx: Tx, target: str) -> Mapping[str, str] | None:
        """Return what the network shows of the target. Raises ``Unavailable``."""
        return await self._asked("read", self.port.read(tx, target))

    async def read_many(
        self, tx: Tx, targets: Sequence[str], within_s: float = inf
    ) -> tuple[Mapping[str, Mapping[str, str]], int]:
        """Return what the network shows of those of the targets that it knows, and how many it was asked for.

        Where each is asked for by itself, no further one is after ``within_s``. Raises ``Unavailable``.
        """
        if isinstance(self.port, ReadingMany):
            return await self._asked("read", self.port.read_many(tx, targets)), len(targets)
        found: dict[str, Mapping[str, str]] = {}
        ends, asked = time.monotonic() + within_s, 0
        for target in targets:
            there = await self.read(tx, target)
            asked += 1
            if there is not None:
                found[target] = there
            if time.monotonic() >= ends:
                break
        return found, asked

    async def targets(self, tx: Tx, after: str, limit: int) -> Sequence[str]:
        """Return targets that the network knows, by name. Raises ``Unavailable``."""
        return await self._asked("list", self.port.targets(tx, after, limit))

    async def settle(self, tx: Tx, operation: Operation, *, stays: bool) -> None:
        """Confirm what was written, or take it back, where the element can. Raises ``Unavailable``."""
        if isinstance(self.port, Confirming):
            act = self.port.confirm if stays else self.port.undo
            await self._asked("confirm" if stays else "undo", act(tx, operation))

    async def _asked(self, act: str, answer: Awaitable[T]) -> T:
        _ATTEMPTS.inc(adapter=self.kind, act=act)
        started = time.perf_counter()
        try:
            async with asyncio.timeout(self.timeout_s):
                return await answer
        except TimeoutError as error:
            raise self._failed(_late(self)) from error
        except OSError as error:
            raise self._failed(_silent(self)) from error
        except FarwireError as error:
            raise self._failed(error) from error
        finally:
            _SECONDS.inc(time.perf_counter() - started, adapter=self.kind, act=act)

    def _failed(self, error: FarwireError) -> FarwireError:
        _FAILURES.inc(adapter=self.kind, code=error.code)
        return error


def _late(line: Line) -> Unavailable:
    return Unavailable(
        f"{line.name} did not answer in {line.timeout_s:g} s", code="activation.timeout", field="adapter"
    )


def _silent(line: Line) -> Unavailable:
    return Unavailable(f"{line.name} does not answer", code="activation.no_answer", field="adapter")


async def reach(tx: Tx, name: str) -> Line:
    """Return the way to what the tenant means by ``name``. Raises ``Invalid`` (``activation.adapter_unknown``)."""
    return line_to(name, await store.element(tx, name))


def line_to(name: str, element: Element | None) -> Line:
    """Return the way to the element, or to the simulator that is built in under the name."""
    if element is not None:
        return Line(name, element.adapter, port_of(element), element.timeout_s)
    kind = BUILT_IN.get(name)
    if kind is None:
        raise Invalid(
            "there is no such adapter",
            code="activation.adapter_unknown",
            field="adapter",
            value=name,
            fix="use one of " + ", ".join(sorted(BUILT_IN)) + ", or name an element so",
        )
    return Line(name, kind, simulated(name, kind), SIMULATED_TIMEOUT_S)


def port_of(element: Element) -> Adapter:
    """Return the adapter that speaks to the element. Raises ``Invalid`` (``activation.element``)."""
    if element.adapter in KINDS:
        return simulated(element.name, element.adapter)
    return adapter_of(element)
