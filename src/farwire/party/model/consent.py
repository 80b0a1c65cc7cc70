"""What a party allows us to tell it, and how: purpose by channel, the latest word counts. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from farwire.kernel.errors import Invalid
from farwire.kernel.ids import PartyId

_SOURCE: Final = re.compile(r"[a-z][a-z0-9_-]{0,39}")


class Purpose(StrEnum):
    """What a message is for."""

    CONTRACT = "contract"
    """What the contract needs: bills, notices, security. Allowed unless it is withdrawn for a channel."""
    MARKETING = "marketing"
    SURVEY = "survey"
    PROFILING = "profiling"
    """Use of traffic data beyond billing and the service itself."""
    PARTNER = "partner"
    """Handing data on to somebody else."""


class Channel(StrEnum):
    """How a message travels."""

    EMAIL = "email"
    SMS = "sms"
    PHONE = "phone"
    POST = "post"
    PUSH = "push"
    PORTAL = "portal"


_WITHOUT_A_WORD: Final = frozenset({Purpose.CONTRACT})
"""What is allowed by default (GDPR art. 6(1)(b)); everything else needs consent (art. 6(1)(a))."""


@dataclass(frozen=True, slots=True)
class Consent:
    """At ``at`` the party granted or withdrew a purpose on a channel. ``source`` is where it said so ("web")."""

    party_id: PartyId
    purpose: Purpose
    channel: Channel
    granted: bool
    at: datetime
    source: str
    recorded_at: datetime


def check_consent(consent: Consent, now: datetime) -> Consent:
    """Return ``consent`` if it can be kept.

    Raises ``Invalid``: ``party.consent_source``, ``party.consent_in_future``.
    """
    if not _SOURCE.fullmatch(consent.source):
        raise Invalid(
            "a source is a plain word of up to 40 characters",
            code="party.consent_source",
            field="source",
            fix="e.g. web, shop, call, letter",
        )
    if consent.at > now:
        raise Invalid(
            "nobody has consented in the future", code="party.consent_in_future", field="at", value=consent.at
        )
    return consent


def allows(history: Iterable[Consent], purpose: Purpose, channel: Channel) -> bool:
    """Return whether the party may be contacted: the latest word, else yes only for what the contract needs.

    ``history`` is in the order of recording; of two words of the same time the later recorded one counts.
    """
    said = [one for one in history if one.purpose is purpose and one.channel is channel]
    if not said:
        return purpose in _WITHOUT_A_WORD
    latest = max(enumerate(said), key=lambda pair: (pair[1].at, pair[0]))[1]
    return latest.granted
