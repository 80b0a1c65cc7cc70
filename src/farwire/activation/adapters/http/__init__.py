"""HTTP with JSON: operations as changes of documents, read back by gets. Source: RFC 9110, RFC 6901."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from farwire.activation.adapters import Element
from farwire.activation.adapters.attempts import attempted, few_at_once
from farwire.activation.adapters.http.mapping import OTHER_PATHS, Settings
from farwire.activation.adapters.http.server import Server
from farwire.activation.adapters.settings import no_answer, refused, settings_of, unusable
from farwire.activation.model import Action, Operation
from farwire.base.storage import Tx

T = TypeVar("T")
AT_ONCE: Final = 16
"""Targets that are read at the same time."""


def adapter(element: Element) -> Http:
    """Return the adapter for an element. Raises ``Invalid`` (``activation.element``)."""
    return Http(element)


def _is_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return (
            parts.scheme in ("http", "https")
            and bool(parts.hostname)
            and parts.port != 0
            and parts.username is None
            and not (parts.query or parts.fragment)
        )
    except ValueError:
        return False


class Http:
    """An element that speaks HTTP and JSON."""

    def __init__(self, element: Element) -> None:
        self._element = element
        self._settings = settings_of(element, Settings).checked()
        if not _is_address(element.address):
            raise unusable("address", "it is no http or https address, without a user and a query")

    @property
    def name(self) -> str:
        """Return the element's name."""
        return self._element.name

    async def write(self, tx: Tx, operation: Operation) -> None:  # noqa: ARG002 - a server is in no transaction
        """Carry out the operation; what is so already is not sent."""
        if why := self._settings.unknown(operation):
            raise refused(self._element, why)
        await self._ask(lambda server: self._write(server, operation))

    async def _write(self, server: Server, operation: Operation) -> None:
        settings, target = self._settings, operation.target
        before = (await self._read(server, [target])).get(target)
        if operation.action is Action.TERMINATE:
            if before is not None:
                body = settings.body(settings.remove, target, before)
                path = settings.path(settings.remove.path, target)
                await server.send(settings.remove.method, path, body)
            return
        if before is None and operation.action is not Action.PROVISION:
            raise refused(self._element, "it does not know the target")
        wanted = settings.wanted(before, operation)
        if wanted == before:
            return
        how = settings.create if before is None and settings.create is not None else settings.write
        path, body = settings.path(how.path, target), settings.body(how, target, wanted)
        if not await server.send(how.method, path, body):
            raise refused(self._element, "there is nothing at the path")

    async def _read(self, server: Server, targets: Sequence[str]) -> dict[str, dict[str, str]]:
        settings = self._settings
        if settings.read is None:
            items = await self._items(server)
            found = {target: settings.shown(items[target]) for target in targets if target in items}
        else:
            paths = [settings.path(settings.read.path, target) for target in targets]
            documents = await few_at_once(server.get, paths, AT_ONCE)
            answers = zip(targets, documents, strict=True)
            found = {target: settings.shown(answer) for target, answer in answers if answer is not None}
        return {target: shown for target, shown in found.items() if shown is not None}

    async def _items(self, server: Server) -> dict[str, Any]:
        listing = self._settings.listing
        return {} if listing is None else self._settings.items(await server.get(listing.path))

    async def read(self, tx: Tx, target: str) -> Mapping[str, str] | None:
        """Return what the server shows of the target."""
        return (await self.read_many(tx, (target,))).get(target)

    async def read_many(self, tx: Tx, targets: Sequence[str]) -> Mapping[str, Mapping[str, str]]:  # noqa: ARG002
        """Return what the server shows of those of the targets that it knows."""
        asked = [target for target in targets if target not in OTHER_PATHS]
        return await self._ask(lambda server: self._read(server, asked))

    async def targets(self, tx: Tx, after: str, limit: int) -> Sequence[str]:  # noqa: ARG002
        """Return targets by name; none where no listing is named."""
        names = sorted(await self._ask(self._items))
        return [name for name in names if name > after][:limit]

    async def _ask(self, ask: Callable[[Server], Awaitable[T]]) -> T:
        async def once(left_s: float) -> T:
            server = Server(self._element, self._settings)
            try:
                async with asyncio.timeout(left_s):
                    return await ask(server)
            except TimeoutError:
                raise no_answer(self._element, "it takes too long") from None
            finally:
                await server.close()

        return await attempted(self._element, once)
