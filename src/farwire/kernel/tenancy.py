"""Who acts. The tenant itself is a ``TenantId`` in every key, query, cache and event."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ActorKind(StrEnum):
    """What kind of actor asks for a change."""

    KEY = "key"
    """An API key of a tenant."""
    OPERATOR = "operator"
    """A person at the command line of the installation."""
    SYSTEM = "system"
    """Farwire itself: a schedule, a job, a process."""


@dataclass(frozen=True, slots=True)
class Actor:
    """The cause of a command, as the audit log names it. ``id`` is never a personal name."""

    kind: ActorKind
    id: str


SYSTEM = Actor(ActorKind.SYSTEM, "farwire")
