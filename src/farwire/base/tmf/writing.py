"""What goes with a change of a document in its transaction: the events and the line in the audit log."""

from __future__ import annotations

import re

from farwire.base import audit, eventbus
from farwire.base.storage import Tx
from farwire.base.tmf.resource import Act, Api, Document, Resource

CREATE, CHANGE, STATE, DELETE = "Create", "AttributeValueChange", "StateChange", "Delete"
_FACTS = {CREATE: "created", CHANGE: "changed", STATE: "state_changed", DELETE: "deleted"}


def snake(name: str) -> str:
    """Return ``ProductOffering`` as ``product_offering``."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def event_types(resource: Resource) -> dict[str, str]:
    """Return the event types that tell of a resource, each with the word in the name of its TMF event."""
    if resource.behaviour is not None:
        return dict(resource.events)
    stem = f"farwire.{resource.context}.{snake(resource.descriptor.type)}"
    return {f"{stem}_{_FACTS[word]}.v1": word for word in resource.descriptor.events if word in _FACTS}


def changes(resource: Resource, before: Document | None, after: Document | None) -> list[str]:
    """Return which events a change of a document is."""
    if before is None or after is None:
        words = [CREATE if before is None else DELETE]
    else:
        lifecycle = resource.descriptor.lifecycle
        state = lifecycle.attribute if lifecycle else ""
        names = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
        automatic = {
            one.name for one in resource.descriptor.attributes.values() if one.fill.value == "changed"
        }
        words = [STATE] if state in names else []
        words += [CHANGE] if names - automatic - {state} else []
    return [word for word in words if word in resource.descriptor.events]


async def publish_change(
    tx: Tx, api: Api, resource: Resource, before: Document | None, after: Document | None, act: Act
) -> None:
    """Publish what happened, with ids only, and write it into the audit log."""
    document = after or before or {}
    kind, now = resource.descriptor.type, act.now
    words = changes(resource, before, after)
    by_word = {word: name for name, word in event_types(resource).items()}
    for word in words:
        event = eventbus.new_event(
            tenant_id=tx.tenant_id,
            type=by_word[word],
            subject=document["id"],
            occurred_at=now,
            recorded_at=now,
            data={"api": api.number, "type": kind, "id": document["id"]},
        )
        await eventbus.publish(tx, event)
    verb = "create" if before is None else "delete" if after is None else "change"
    await audit.record(
        tx,
        actor=act.actor,
        action=f"{resource.context}.{verb}_{snake(kind)}",
        subject=document["id"],
        at=now,
        detail={"api": api.number},
    )
