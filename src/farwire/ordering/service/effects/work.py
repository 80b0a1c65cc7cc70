"""A task with all that its effect may need."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from farwire.base.canonical import JSON
from farwire.base.storage import Tx
from farwire.kernel.errors import Defect
from farwire.kernel.ids import ProductId
from farwire.ordering.model import OrderItem, ProductOrder, Task


@dataclass(frozen=True, slots=True)
class Work:
    """One task of one item of one order; ``tasks`` are all of the item, by number."""

    task: Task
    order: ProductOrder
    item: OrderItem
    tasks: Mapping[int, Task]

    @property
    def product_id(self) -> ProductId:
        """Return the product that the item makes or changes."""
        return self.item.product_id

    @property
    def at(self) -> datetime:
        """Return the instant from which the item counts."""
        if self.item.effective_at is None:
            raise Defect("an order that runs has its instant", code="ordering.not_started")
        return self.item.effective_at

    @property
    def original(self) -> Task:
        """Return the task that this one undoes, or this one."""
        return self.task if self.task.undoes is None else self.tasks[self.task.undoes]

    def text(self, name: str) -> str:
        """Return a parameter that is a text; empty where it is absent."""
        value = self.task.step.parameters.get(name, "")
        return value if isinstance(value, str) else ""

    def whole(self, name: str) -> int:
        """Return a parameter that is a whole number; 0 where it is absent."""
        value = self.task.step.parameters.get(name, 0)
        return value if isinstance(value, int) else 0


Result: TypeAlias = Mapping[str, JSON]
Effect: TypeAlias = Callable[[Tx, Sequence[Work], datetime], Awaitable[Sequence[Result]]]
"""Do many tasks of one kind ``now``; return a result for each, in their order. Personal data stay out of results.

What it does beyond the transaction is asked for under the task's id, so that a repetition does it once. It raises
``Unavailable`` or ``Exhausted`` where trying again can help.
"""


async def one_by_one(works: Sequence[Work], act: Callable[[Work], Awaitable[Result]]) -> Sequence[Result]:
    """Do each of ``works`` by itself, in their order."""
    return [await act(work) for work in works]
