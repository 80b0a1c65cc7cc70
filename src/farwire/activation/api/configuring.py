"""What TMF640 and TMF702 send to the network: a service or a resource whose kind is an adapter is configured there.

Each request that is accepted has a monitor. Where the network must act, a worker does it, and the monitor says how it
went: InProgress, then Completed or InError. The target in the network is the id of the service or the resource.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

import msgspec

from farwire.activation import service
from farwire.activation.model import ACTIVE, STATUS, SUSPENDED, Action, Operation
from farwire.base.authz import Permission
from farwire.base.storage import Tx
from farwire.base.tmf import Act, Descriptor, Document, Resource, Target, Version, stored_time
from farwire.base.tmf.documents import load
from farwire.base.tmf_tasks import Task
from farwire.base.tmf_work import keep_document, served
from farwire.kernel.errors import FarwireError
from farwire.kernel.ids import uuid7

ADAPTERS: Final = frozenset({"access", "radius", "transport", "hypervisor"})
"""Elements whose targets may be anything."""
WORDS: Final = ("InProgress", "Completed", "InError")
GONE: Final = "gone"
_KIND: Final = {"640": "serviceType", "702": "category"}
_CHARACTERISTICS: Final = {"640": "serviceCharacteristic", "702": "resourceCharacteristic"}


@dataclass(frozen=True, slots=True)
class Configured:
    """Services (640) or resources (702); ``wanted`` says how one is to stand: active, suspended, gone, or as it is."""

    number: str
    descriptor: Descriptor
    wanted: Callable[[Document], str | None]

    @property
    def target(self) -> Target:
        """Return what it is in references."""
        return Target(self.number, self.descriptor.type)

    @property
    def monitors(self) -> Target:
        """Return its monitors."""
        return Target(self.number, "Monitor")

    def bound(self, monitor: Descriptor) -> tuple[Resource, Resource]:
        """Return the resource and its monitors."""
        read, write = Permission.RESOURCE_READ, Permission.RESOURCE_WRITE
        thing = Resource(
            self.descriptor,
            "activation",
            read,
            write,
            work=self.made,
            changed=self.changed,
            removed=self.removed,
        )
        return thing, Resource(monitor, "activation", read, write, task=self.task)

    @property
    def task(self) -> Task:
        """Return what a worker does for a monitor."""
        return Task(self.monitors, self.apply, reason=_failed, words=WORDS)

    async def made(self, tx: Tx, document: Document, act: Act) -> Document:
        """Watch what was made."""
        await self._watch(tx, document, act, "POST", 201)
        return document

    async def changed(self, tx: Tx, _before: Document, after: Document, act: Act) -> Document:
        """Watch what was changed."""
        await self._watch(tx, after, act, "PATCH", 200)
        return after

    async def removed(self, tx: Tx, document: Document, act: Act) -> None:
        """Take out of the network what is deleted here."""
        if _adapter(self.number, document):
            await self._watch(tx, document, act, "DELETE", 204)

    async def _watch(self, tx: Tx, document: Document, act: Act, method: str, status: int) -> None:
        path = f"{served(self.target)[0].base(Version.V4)}/{self.descriptor.path}"
        source = f"{path}/{document['id']}"
        monitor: Document = {
            "id": str(uuid7(act.now)),
            "@type": "Monitor",
            "sourceHref": source,
            "request": {"method": method, "to": path if method == "POST" else source},
            "state": WORDS[1],
        }
        if _adapter(self.number, document) and (method == "DELETE" or self.wanted(document)):
            monitor = await self.task.wait(tx, monitor, act, stored_time(act.now))
        else:
            monitor["response"] = _response(status, [])
        await keep_document(tx, self.monitors, monitor, act)

    async def apply(self, tx: Tx, monitor: Document, act: Act) -> Document:
        """Bring the network to what the document says now; what is so already is left alone."""
        key = monitor["sourceHref"].rsplit("/", 1)[1]
        document = await load(tx, self.target, key, lock=True) or {}
        done = []
        for adapter in sorted(ADAPTERS):
            mine = _adapter(self.number, document) == adapter
            there = await service.read_back(tx, adapter=adapter, target=key)
            wanted = self.wanted(document) if mine else GONE
            for action, given in steps(wanted, _attributes(self.number, document), there):
                name = f"{self.number}/{monitor['id']}/{adapter}/{action}"
                operation = Operation(name, action, key, given)
                await service.apply(tx, adapter=adapter, operation=operation, now=act.now)
                done.append({"adapter": adapter, "action": action.value})
        return {**monitor, "response": _response(200, done)}


def steps(
    wanted: str | None, given: Mapping[str, str], there: Mapping[str, str] | None
) -> list[tuple[Action, Mapping[str, str]]]:
    """Return what brings the network from what is ``there`` to what is ``wanted``; nothing where nobody says."""
    if wanted is None or (wanted == GONE and there is None):
        return []
    if wanted == GONE:
        return [(Action.TERMINATE, {})]
    found: list[tuple[Action, Mapping[str, str]]] = []
    if there is None:
        found.append((Action.PROVISION, given))
    elif changed := {name: text for name, text in given.items() if there.get(name) != text}:
        found.append((Action.CHANGE, changed))
    if wanted != (ACTIVE if there is None else there[STATUS]):
        found.append((Action.SUSPEND if wanted == SUSPENDED else Action.RESUME, {}))
    return found


def _adapter(number: str, document: Document) -> str | None:
    name = document.get(_KIND[number])
    return name if name in ADAPTERS else None


def _attributes(number: str, document: Document) -> dict[str, str]:
    """Return the characteristics that have a plain value, as texts."""
    found = {}
    for one in document.get(_CHARACTERISTICS[number]) or []:
        name, value = one.get("name"), one.get("value")
        if isinstance(name, str) and isinstance(value, (str, int, Decimal)):
            found[name] = str(value)
    return found


def _response(status: int, done: list[dict[str, str]]) -> dict[str, Any]:
    body = {"body": msgspec.json.encode(done).decode()} if done else {}
    return {"statusCode": str(status), **body}


def _failed(error: FarwireError) -> Document:
    body = msgspec.json.encode({"code": error.code, "reason": error.message}).decode()
    return {"response": {"statusCode": "422", "body": body}}
