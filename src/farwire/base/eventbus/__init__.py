"""The event bus: publish facts in the transaction that makes them true; the relay delivers them (see README.md)."""

from farwire.base.eventbus.model import Event, new_event, to_cloudevent
from farwire.base.eventbus.service import (
    event_of,
    events_of_types,
    last_position,
    list_events,
    position_at,
    position_of,
    publish,
    publish_many,
)

__all__ = [
    "Event",
    "event_of",
    "events_of_types",
    "last_position",
    "list_events",
    "new_event",
    "position_at",
    "position_of",
    "publish",
    "publish_many",
    "to_cloudevent",
]
