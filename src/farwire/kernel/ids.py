"""Identifiers. All are UUIDv7 (RFC 9562 §5.7), made here, so that keys sort by time on any PostgreSQL from 15 on."""

from __future__ import annotations

import os
import time
from datetime import datetime
from typing import NewType
from uuid import UUID

from farwire.kernel.errors import Invalid

TenantId = NewType("TenantId", UUID)
LegalEntityId = NewType("LegalEntityId", UUID)
PartyId = NewType("PartyId", UUID)
AccountId = NewType("AccountId", UUID)
OfferingId = NewType("OfferingId", UUID)
PlanVersionId = NewType("PlanVersionId", UUID)
DeckId = NewType("DeckId", UUID)
ProductId = NewType("ProductId", UUID)
ServiceId = NewType("ServiceId", UUID)
ResourceId = NewType("ResourceId", UUID)
SubscriberKey = NewType("SubscriberKey", UUID)
UsageId = NewType("UsageId", UUID)
ImportId = NewType("ImportId", UUID)
BillRunId = NewType("BillRunId", UUID)
BillId = NewType("BillId", UUID)
EntryId = NewType("EntryId", UUID)
EventId = NewType("EventId", UUID)
JobId = NewType("JobId", UUID)
KeyId = NewType("KeyId", UUID)
SpecificationId = NewType("SpecificationId", UUID)
AgreementId = NewType("AgreementId", UUID)
OverrideId = NewType("OverrideId", UUID)
PoolId = NewType("PoolId", UUID)
OrderId = NewType("OrderId", UUID)
OrderItemId = NewType("OrderItemId", UUID)
TaskId = NewType("TaskId", UUID)
CreditId = NewType("CreditId", UUID)
OpenItemId = NewType("OpenItemId", UUID)
PaymentId = NewType("PaymentId", UUID)
RefundId = NewType("RefundId", UUID)
MessageId = NewType("MessageId", UUID)


def uuid7(at: datetime | None = None) -> UUID:
    """Return a new UUIDv7 whose time part is ``at`` (default: the wall clock), millisecond scale."""
    millis = time.time_ns() // 1_000_000 if at is None else int(at.timestamp() * 1000)
    value = (millis & 0xFFFF_FFFF_FFFF) << 80 | int.from_bytes(os.urandom(10), "big")
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return UUID(int=value)


def parse_id(text: str, *, field: str = "id") -> UUID:
    """Return the UUID that ``text`` spells. Raises ``Invalid`` (``ids.malformed``) naming ``field``."""
    try:
        return UUID(text)
    except ValueError:
        raise Invalid(
            f"{field} is not an identifier",
            code="ids.malformed",
            field=field,
            value=text,
            fix="use the id as Farwire gave it, e.g. 01890a5d-ac96-774b-bcce-b302099a8057",
        ) from None
