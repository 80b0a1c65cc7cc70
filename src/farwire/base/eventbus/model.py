"""Events: facts in the past tense, in the CloudEvents 1.0 envelope. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final

import msgspec

from farwire.base.canonical import JSON, holds_nul, storable
from farwire.kernel.errors import Invalid
from farwire.kernel.ids import EventId, TenantId, uuid7
from farwire.kernel.time import as_utc

MAX_DATA_OCTETS: Final = 64 * 1024
"""What every CloudEvents intermediary must forward (CloudEvents 1.0, "Size limits")."""
MAX_SUBJECT_CHARACTERS: Final = 200
_TYPE: Final = re.compile(r"farwire\.[a-z][a-z0-9_]*(?:\.[a-z][a-z0-9_]*)+\.v([1-9][0-9]{0,3})")


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """A fact that a context publishes. Make one with ``new_event``, which checks it.

    ``type`` is ``farwire.<context>.<fact>.v<n>``; ``subject`` names the one thing that the fact is about, and is the
    unit of order: events of one subject arrive in the order in which they were published. ``occurred_at`` is when it
    happened in the world, ``recorded_at`` when Farwire wrote it down. ``cause_id`` is the event that led to it.
    """

    id: EventId
    tenant_id: TenantId
    type: str
    subject: str
    occurred_at: datetime
    recorded_at: datetime
    data: Mapping[str, JSON]
    cause_id: EventId | None = None

    @property
    def schema_version(self) -> int:
        """Return the version at the end of the type."""
        return int(self.type.rpartition(".v")[2])

    @property
    def context(self) -> str:
        """Return the context that published it: the second word of the type."""
        return self.type.split(".", 2)[1]


def new_event(
    *,
    tenant_id: TenantId,
    type: str,  # noqa: A002  # the attribute's name in CloudEvents
    subject: str,
    occurred_at: datetime,
    recorded_at: datetime,
    data: Mapping[str, JSON],
    cause_id: EventId | None = None,
) -> Event:
    """Return an event with a new id. ``data`` holds pseudonymous keys and ids, never personal data.

    Raises ``Invalid``: ``eventbus.type``, ``eventbus.subject``, ``eventbus.data``, ``eventbus.too_large`` (over
    64 KiB), ``time.zone_missing``.
    """
    event = Event(
        id=EventId(uuid7(recorded_at)),
        tenant_id=tenant_id,
        type=type,
        subject=subject,
        occurred_at=as_utc(occurred_at, field="occurred_at"),
        recorded_at=as_utc(recorded_at, field="recorded_at"),
        data=MappingProxyType(dict(data)),
        cause_id=cause_id,
    )
    _check(event)
    return event


def _check(event: Event) -> None:
    if _TYPE.fullmatch(event.type) is None:
        raise Invalid(
            f"event type {event.type!r} is malformed",
            code="eventbus.type",
            field="type",
            value=event.type,
            fix="use farwire.<context>.<fact>.v<n>, e.g. farwire.usage.imported.v1",
        )
    if not (1 <= len(event.subject) <= MAX_SUBJECT_CHARACTERS and storable(event.subject)):
        raise Invalid(
            f"an event's subject has 1 to {MAX_SUBJECT_CHARACTERS} characters",
            code="eventbus.subject",
            field="subject",
            value=event.subject,
        )
    encoded_data(event)


def encoded_data(event: Event) -> str:
    """Return the data as JSON text. Raises ``Invalid`` (``eventbus.data``, ``eventbus.too_large``)."""
    try:
        text = msgspec.json.encode(dict(event.data))
    except (TypeError, ValueError, RecursionError):
        raise Invalid("event data is not JSON", code="eventbus.data", field="data") from None
    if holds_nul(text):
        raise Invalid("event data holds a NUL character", code="eventbus.data", field="data")
    if len(text) > MAX_DATA_OCTETS:
        raise Invalid(
            f"event data has {len(text)} octets, more than {MAX_DATA_OCTETS}",
            code="eventbus.too_large",
            field="data",
            fix="publish an id and let the receiver read the rest",
        )
    return text.decode()


def _rfc3339(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def to_cloudevent(event: Event) -> dict[str, JSON]:
    """Return the structured JSON envelope (CloudEvents 1.0 §3.1, JSON event format 1.0.2)."""
    envelope: dict[str, JSON] = {
        "specversion": "1.0",
        "id": str(event.id),
        "source": f"/farwire/{event.context}",
        "type": event.type,
        "subject": event.subject,
        "time": _rfc3339(event.occurred_at),
        "dataschema": f"urn:farwire:event:{event.type.removeprefix('farwire.')}",
        "datacontenttype": "application/json",
        "tenant": str(event.tenant_id),
        "recordedat": _rfc3339(event.recorded_at),
        "schemaversion": event.schema_version,
        "data": dict(event.data),
    }
    if event.cause_id is not None:
        envelope["causeid"] = str(event.cause_id)
    return envelope
