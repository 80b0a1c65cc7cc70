"""What a row of a file can become, and what a usage is. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import msgspec

from farwire.kernel.ids import (
    BillId,
    ImportId,
    PlanVersionId,
    ProductId,
    SubscriberKey,
    UsageId,
)
from farwire.kernel.time import Period
from farwire.rating.model import Direction, UsageKind


class Role(StrEnum):
    """The part of a usage that one row reports."""

    SINGLE = "single"
    """The whole usage in one row."""
    START = "start"
    INTERIM = "interim"
    STOP = "stop"


class RowOutcome(StrEnum):
    """The four places where a row that came in can be. It is in exactly one of them."""

    ASSEMBLED = "assembled"
    FILTERED = "filtered"
    DUPLICATE = "duplicate"
    SUSPENDED = "suspended"


class UsageOutcome(StrEnum):
    """The places where a usage can be, as control totals count them. ``received`` waits for the rate run."""

    RECEIVED = "received"
    RATED = "rated"
    UNRATED = "unrated"
    DUPLICATE = "duplicate"
    SUSPENDED = "suspended"


class UsageState(StrEnum):
    """The life of a stored usage, in the words of TMF635."""

    RECEIVED = "received"
    GUIDED = "guided"
    """Its product is known; the price is not. Only the queue of the rate run knows: the record says received."""
    RATED = "rated"
    RERATED = "rerated"
    BILLED = "billed"
    REJECTED = "rejected"
    """It costs nothing to anybody and never will: a zero quantity, for example."""
    RECYCLED = "recycled"
    """It was suspended and waits for the next rate run."""
    SUSPENDED = "suspended"
    """# DEVIATES: TMF635 has no suspended state because it leaves suspense to the mediation system."""


OUTCOME_OF_STATE: dict[UsageState, UsageOutcome] = {
    UsageState.RECEIVED: UsageOutcome.RECEIVED,
    UsageState.GUIDED: UsageOutcome.RECEIVED,
    UsageState.RECYCLED: UsageOutcome.RECEIVED,
    UsageState.RATED: UsageOutcome.RATED,
    UsageState.RERATED: UsageOutcome.RATED,
    UsageState.BILLED: UsageOutcome.RATED,
    UsageState.REJECTED: UsageOutcome.UNRATED,
    UsageState.SUSPENDED: UsageOutcome.SUSPENDED,
}


class Fragment(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """One row, understood: all or a part of a usage.

    ``at`` is the start for a single row, else the time of the event. ``quantity`` is in base units (seconds,
    octets, messages) and None where the row does not tell. ``caller`` is the identifier of the subscriber; the
    store replaces it by its pseudonymous key. ``charge_nano`` is the price that the record itself carries.
    """

    identity: bytes
    """16 bytes: two rows with the same identity are the same row."""
    usage: bytes
    """16 bytes: rows with the same value belong to the same usage."""
    role: Role
    at: datetime
    caller: str = ""
    called: str = ""
    quantity: int | None = None
    elapsed_s: int | None = None
    """Seconds from the start to ``at``, where the row tells them."""
    charge_nano: int | None = None
    charge_currency: str = ""
    direction: Direction = Direction.ORIGINATING
    visited_network: str = ""
    rating_group: int | None = None


class Filtered(msgspec.Struct, frozen=True, gc=False):
    """A row that the profile leaves out on purpose, with the reason that the profile gives."""

    reason: str


class Bad(msgspec.Struct, frozen=True, gc=False):
    """A row that cannot be understood: it goes to suspense."""

    reason: str
    field: str = ""
    value: str = ""


class Usage(msgspec.Struct, frozen=True, gc=False):
    """One thing that a subscriber used: complete, not yet rated."""

    usage_id: UsageId
    kind: UsageKind
    started_at: datetime
    quantity: int
    caller: str
    called: str
    charge_nano: int | None
    charge_currency: str
    direction: Direction
    visited_network: str
    rating_group: int | None


class UsageRecord(msgspec.Struct, frozen=True):
    """A stored usage.

    Charge fields are None until it is rated; ``explanation`` is the rating's own data as JSON text.
    """

    usage_id: UsageId
    import_id: ImportId
    subscriber_key: SubscriberKey
    kind: UsageKind
    state: UsageState
    reason: str
    started_at: datetime
    quantity: int
    destination: str
    direction: Direction
    visited_network: str
    rating_group: int | None
    external_charge_nano: int | None
    external_currency: str
    product_id: ProductId | None
    plan_version_id: PlanVersionId | None
    charge_nano: int | None
    currency: str
    price_id: str
    label: str
    billed_quantity: int | None
    tariff_version: str
    explanation: str
    rated_at: datetime | None
    bill_id: BillId | None


@dataclass(frozen=True, slots=True)
class UsageSpan:
    """The usage of a product that one bill takes: what started in ``[since, until)`` and before the end of ``cycle``.

    None is without a limit. ``bill_id`` is None where nothing is taken, only summed.
    """

    product_id: ProductId
    cycle: Period
    bill_id: BillId | None = None
    since: datetime | None = None
    until: datetime | None = None


class RatedTotal(msgspec.Struct, frozen=True):
    """The rated, unbilled usage of one product under one price: what becomes a bill line.

    ``nano`` is an unbounded sum of int64 charges at 10⁻⁹ of the major unit; ``quantity`` and ``billed_quantity``
    are base units.
    """

    product_id: ProductId
    price_id: str
    label: str
    kind: UsageKind
    currency: str
    plan_version_id: PlanVersionId
    nano: int
    quantity: int
    billed_quantity: int
    count: int
    first_at: datetime
    last_at: datetime
    late: bool
    """It started before the cycle of the bill that it is on."""
    span: int = 0
    """The place of its ``UsageSpan`` among those that were asked for."""


class SuspendedRow(msgspec.Struct, frozen=True):
    """A row in suspense. ``raw`` is what the file held (personal data: erased after the retention time), empty
    while the row
    is understood and waits for its other half.
    """

    identity: bytes
    import_id: ImportId
    row_number: int
    reason: str
    field: str
    value: str
    raw: bytes
    attempts: int
    suspended_at: datetime


class SuspendedUsage(msgspec.Struct, frozen=True):
    """A usage that could not be rated, and why."""

    usage_id: UsageId
    import_id: ImportId
    reason: str
    detail: str
    destination: str
    started_at: datetime
    quantity: int
    attempts: int
    suspended_at: datetime


class ImportRecord(msgspec.Struct, frozen=True):
    """One reading of one file by one profile.

    ``rows_in`` rows are applied; it is done when ``finished_at`` is set.
    """

    import_id: ImportId
    file_name: str
    file_digest: bytes
    file_octets: int
    profile_name: str
    profile_version: int
    profile_digest: bytes
    generation: int
    """1, and one more for each time the same file is read anew by the same profile."""
    header: str
    batch_rows: int
    started_at: datetime
    finished_at: datetime | None = None
    damage: str = ""
    """Why the file could not be read to its end; empty: it could."""
    rows_in: int = 0
