"""SNMP: operations as sets of a row's objects, all in one request, read back by gets. Source: RFC 3416, RFC 2579."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, TypeVar

from farwire.activation.adapters import Element
from farwire.activation.adapters.attempts import attempted
from farwire.activation.adapters.sessions import Sessions
from farwire.activation.adapters.settings import host_and_port, refused, settings_of
from farwire.activation.adapters.snmp.agent import Agent
from farwire.activation.adapters.snmp.mapping import Column, Index, Settings, same
from farwire.activation.model import Action, Operation
from farwire.base.storage import Tx

T = TypeVar("T")
SESSIONS: Final[Sessions[Agent]] = Sessions(Agent.close)


def adapter(element: Element) -> Snmp:
    """Return the adapter for an element. Raises ``Invalid`` (``activation.element``)."""
    return Snmp(element)


class Snmp:
    """An element that speaks SNMP."""

    def __init__(self, element: Element) -> None:
        self._element = element
        self._settings = settings_of(element, Settings).checked()
        host_and_port(element, 0)

    @property
    def name(self) -> str:
        """Return the element's name."""
        return self._element.name

    async def write(self, tx: Tx, operation: Operation) -> None:  # noqa: ARG002 - an agent is in no transaction
        """Carry out the operation, all of it or nothing."""
        if why := self._settings.unknown(operation):
            raise refused(self._element, why)
        await self._ask(lambda agent: self._write(agent, operation))

    async def _write(self, agent: Agent, operation: Operation) -> None:
        index = (await self._indexes(agent, [operation.target])).get(operation.target)
        presence = self._settings.presence.at(index or ())
        there = index is not None and self._settings.has((await agent.get([presence])).get(presence))
        if not there and operation.action is Action.TERMINATE:
            return
        if index is None or not (there or operation.action is Action.PROVISION):
            raise refused(self._element, "it does not know the target")
        try:
            objects = self._settings.objects(operation, index, there=there)
        except ValueError as error:
            raise refused(self._element, str(error)) from None
        known = await agent.get([oid for oid, _ in objects]) if there else {}
        changed = [(oid, value) for oid, value in objects if not same(known.get(oid), value)]
        if changed:
            await agent.set(changed)

    async def read(self, tx: Tx, target: str) -> Mapping[str, str] | None:
        """Return what the agent shows of the target."""
        return (await self.read_many(tx, (target,))).get(target)

    async def read_many(self, tx: Tx, targets: Sequence[str]) -> Mapping[str, Mapping[str, str]]:  # noqa: ARG002
        """Return what the agent shows of those of the targets that it knows."""
        return await self._ask(lambda agent: self._read(agent, targets))

    async def _read(self, agent: Agent, targets: Sequence[str]) -> dict[str, dict[str, str]]:
        indexes = await self._indexes(agent, targets)
        values = await agent.get([oid for index in indexes.values() for oid in self._settings.asked(index)])
        shown = {target: self._settings.shown(index, values) for target, index in indexes.items()}
        return {target: found for target, found in shown.items() if found is not None}

    async def targets(self, tx: Tx, after: str, limit: int) -> Sequence[str]:  # noqa: ARG002
        """Return targets by name."""
        names = await self._ask(self._names)
        return [name for name in names if name > after][:limit]

    async def _names(self, agent: Agent) -> list[str]:
        rows = await agent.walk(self._settings.presence.oid)
        taken = [index for index, value in rows if self._settings.has(value)]
        if not self._settings.find:
            return sorted(self._settings.target_of(index) for index in taken)
        names = {index: name for name, index in (await self._found(agent)).items()}
        return sorted(names[index] for index in taken if index in names)

    async def _indexes(self, agent: Agent, targets: Sequence[str]) -> dict[str, Index]:
        """Return the indexes of those targets that can have one."""
        if self._settings.find:
            known = await self._found(agent)
            found = {target: known.get(target) for target in targets}
        else:
            found = {target: self._settings.index_of(target) for target in targets}
        return {target: index for target, index in found.items() if index is not None}

    async def _found(self, agent: Agent) -> dict[str, Index]:
        column = Column(self._settings.find, "text")
        return {column.text(value): index for index, value in await agent.walk(column.oid)}

    async def _ask(self, ask: Callable[[Agent], Awaitable[T]]) -> T:
        async def once(_: float) -> T:
            agent = SESSIONS.take(self._element)
            if agent is not None and agent.loop is not asyncio.get_running_loop():
                agent.close()
                agent = None
            if agent is None:
                agent = Agent(self._element, self._settings)
            try:
                found = await ask(agent)
            except BaseException:
                agent.close()
                raise
            SESSIONS.give_back(self._element, agent)
            return found

        return await attempted(self._element, once)
