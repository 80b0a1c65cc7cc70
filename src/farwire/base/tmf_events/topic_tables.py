"""TMF688 as tables of facts: topics, their listeners, their events."""

from __future__ import annotations

from typing import Final

from farwire.base.tmf.descriptor import Descriptor, Inside, Operation, Version, attributes

_V4: Final = frozenset({Version.V4})
_KEPT: Final = frozenset({Operation.LIST, Operation.GET, Operation.CREATE, Operation.DELETE})

TOPIC: Final = Descriptor(
    type="Topic",
    path="topic",
    versions=_V4,
    operations=_KEPT,
    events=("Create", "Delete"),
    own=attributes(
        """
        contentQuery string
        headerQuery  string
        name         string
        """
    ),
)

TOPIC_HUB: Final = Descriptor(
    type="Hub",
    path="hub",
    versions=_V4,
    operations=_KEPT,
    inside=Inside("topic", "Topic"),
    events=(),
    own=attributes(
        """
        callback string required
        query    string
        """
    ),
)

TOPIC_EVENT: Final = Descriptor(
    type="Event",
    path="event",
    versions=_V4,
    operations=_KEPT - {Operation.DELETE},
    inside=Inside("topic", "Topic"),
    events=(),
    own=attributes(
        """
        analyticCharacteristic Characteristic[]
        correlationId          string
        description            string
        domain                 string
        event                  any
        eventId                string
        eventTime              dateTime created
        eventType              string
        priority               string
        relatedParty           RelatedPartyRefOrPartyRoleRef[]
        reportingSystem        EntityRef
        source                 EntityRef
        timeOcurred            dateTime
        title                  string
        """
    ),
)
