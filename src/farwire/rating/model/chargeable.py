"""What rating is asked (``Chargeable``) and what it answers (``Charge`` or ``Refusal``).

These are msgspec structs: a batch makes one of each per record, and they are several times cheaper to make
than frozen dataclasses. Change a copy with ``msgspec.structs.replace``.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Final, NewType

import msgspec

from farwire.kernel.money import Nano
from farwire.rating.model.explanation import Explanation

CounterKey = NewType("CounterKey", str)
"""The name of a counter of one product: what an allowance has given, or how far a tier has been filled."""

NO_COUNTERS: Final[Mapping[str, int]] = {}


class Direction(StrEnum):
    """Which side of the communication pays for this record."""

    ORIGINATING = "originating"
    TERMINATING = "terminating"


class UsageKind(StrEnum):
    """What was used. It fixes the base unit of ``Chargeable.quantity`` (an event may count anything)."""

    VOICE = "voice"
    DATA = "data"
    MESSAGE = "message"
    EVENT = "event"


class Chargeable(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One usage, or one session so far, as mediation and charging fill it.

    For a session that is rated in parts, ``quantity`` is cumulative, and the last charge's ``total_nano``,
    ``quantity`` and ``taken`` come back as ``charged_nano``, ``charged_quantity`` and ``taken``.
    Source: the charging data of TS 32.298 §5.1, reduced to what a price can depend on.
    """

    kind: str
    """A ``UsageKind``."""
    started_at: datetime
    """Aware. The price versions and counters of this moment apply to the whole record."""
    quantity: int
    """Base units, cumulative for a session: seconds, octets, messages, events."""
    destination: str = ""
    """E.164 digits without ``+``, or a service name; "" where there is none."""
    direction: str = Direction.ORIGINATING
    visited_network: str = ""
    """ISO country or PLMN of the serving network; "" is home."""
    rating_group: int | None = None
    region: str = ""
    segment: str = ""
    routed_as: str = ""
    """The number prefix at which a ported number is priced (``portability.routed``); "" where it is not ported."""
    charged_nano: int = 0
    charged_quantity: int = 0
    taken: Mapping[str, int] = NO_COUNTERS
    """What the earlier parts of this session took from each counter."""
    external_charge_nano: int | None = None
    """A price that the record carries, in nano-units; used only by plans that say so."""
    external_currency: str = ""


class Unrated(StrEnum):
    """Why a record has no charge. Stable codes: usage keeps the record in suspense under them."""

    DESTINATION_UNKNOWN = "destination_unknown"
    """No price of the plan, or no row of its deck, knows the destination."""
    NO_PRICE = "no_price"
    """The plan prices nothing of this kind, direction, network, rating group, region and segment."""
    DECK_NOT_IN_FORCE = "deck_not_in_force"
    """The plan's deck has no version in force when the usage started."""
    EXTERNAL_CHARGE_MISSING = "external_charge_missing"
    """The plan passes the record's own price on, and the record has none."""
    EXTERNAL_CHARGE_NEGATIVE = "external_charge_negative"
    """The record's own price is below zero: a person decides whether to give money back."""
    CURRENCY_MISMATCH = "currency_mismatch"
    """The record's own price is in another currency than the plan."""
    QUANTITY_INVALID = "quantity_invalid"
    """The quantity is negative, beyond int64, or less than what is already charged."""
    OVERFLOW = "overflow"
    """The charge does not fit in int64 nano-units."""


class Refusal(msgspec.Struct, frozen=True, gc=False):
    """A record that cannot be rated: a stable ``reason`` and the ``detail`` a person needs to mend it."""

    reason: Unrated
    detail: str


class Charge(msgspec.Struct, frozen=True, gc=False):
    """What a record costs now. ``nano`` is ``total_nano`` less what was already charged for the session."""

    nano: Nano
    currency: str
    """ISO 4217 code."""
    price_id: str
    """Which usage price of the plan."""
    label: str
    """The text key of the bill line."""
    billed_quantity: int
    """Base units after rounding up to increments, cumulative for a session."""
    tariff_version: str
    """The digest of everything that the tariff was compiled from."""
    explanation: Explanation
    counters: Mapping[str, int] = NO_COUNTERS
    """The counters that this charge changes, with their new absolute values."""
    taken: Mapping[str, int] = NO_COUNTERS
    """What the session has taken from each counter so far."""

    @property
    def total_nano(self) -> Nano:
        """Return the price of the whole session so far."""
        return self.explanation.total_nano
