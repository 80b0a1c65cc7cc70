"""What goes with a change of a document in its transaction: the events and the line in the audit log."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from farwire.base import audit, eventbus
from farwire.base.storage import Tx
from farwire.base.tmf.resource import Act, Api, Document, Resource

CREATE, CHANGE, STATE, DELETE = "created", "changed", "state_changed", "deleted"
CANCEL, FAIL = "cancelled", "failed"
"""States that have an event of their own are called as the facts are."""
_FACTS: Final[Mapping[str, str]] = {
    "Create": CREATE,
    "Creation": CREATE,
    "AttributeValueChange": CHANGE,
    "Change": CHANGE,
    "StateChange": STATE,
    "StatusChange": STATE,
    "ExecutionStateChange": STATE,
    "Delete": DELETE,
    "Remove": DELETE,
    "Cancel": CANCEL,
    "Failure": FAIL,
}
"""Words in the names of TMF events, and the fact that each tells; the other words are told by contexts."""
_STATES: Final = ("state", "status", "lifecycleStatus")
"""Where the state is that has no table: any text that a client writes."""


def snake(name: str) -> str:
    """Return ``ProductOffering`` as ``product_offering``."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def event_types(resource: Resource) -> dict[str, str]:
    """Return the event types that tell of a resource, each with the word in the name of its TMF event."""
    if resource.behaviour is not None:
        return dict(resource.events)
    stem = f"farwire.{resource.context}.{resource.told_as or snake(resource.descriptor.type)}"
    own = {f"{stem}_{_FACTS[word]}.v1": word for word in resource.descriptor.events if word in _FACTS}
    return {**resource.events, **own}


def changes(resource: Resource, before: Document | None, after: Document | None) -> list[str]:
    """Return the words of the events that a change of a document is."""
    if before is None or after is None:
        facts = [CREATE if before is None else DELETE]
    else:
        told = {_FACTS.get(word) for word in resource.descriptor.events}
        state = _state(resource) if told & {STATE, CANCEL, FAIL} else ""
        names = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
        automatic = {
            one.name for one in resource.descriptor.attributes.values() if one.fill.value == "changed"
        }
        facts = [STATE, str(after[state])] if state in names else []
        facts += [CHANGE] if names - automatic - {state} else []
    return [word for fact in facts for word in resource.descriptor.events if _FACTS.get(word) == fact]


def _state(resource: Resource) -> str:
    descriptor = resource.descriptor
    if descriptor.lifecycle is not None:
        return descriptor.lifecycle.attribute
    return next((name for name in _STATES if name in descriptor.attributes), "")


async def publish_change(
    tx: Tx, api: Api, resource: Resource, before: Document | None, after: Document | None, act: Act
) -> None:
    """Publish what happened, with ids only, and write it into the audit log."""
    document = after or before or {}
    key, kind, now, api_only = document["id"], resource.descriptor.type, act.now, {"api": api.number}
    by_word = {word: name for name, word in event_types(resource).items()}
    for word in changes(resource, before, after):
        event = eventbus.new_event(
            tenant_id=tx.tenant_id,
            type=by_word[word],
            subject=key,
            occurred_at=now,
            recorded_at=now,
            data={**api_only, "type": kind, "id": key},
        )
        await eventbus.publish(tx, event)
    verb = "create" if before is None else "delete" if after is None else "change"
    action = f"{resource.context}.{verb}_{snake(kind)}"
    await audit.record(tx, actor=act.actor, action=action, subject=key, at=now, detail=api_only)
