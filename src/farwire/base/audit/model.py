"""The audit chain: every entry is hashed together with the hash before it. Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from farwire.base.canonical import JSON, canonical
from farwire.base.telemetry.redaction import personal_data_in
from farwire.kernel.errors import Invalid
from farwire.kernel.ids import TenantId
from farwire.kernel.tenancy import Actor
from farwire.kernel.time import as_utc

GENESIS: Final = bytes(32)
"""The hash before the first entry."""
_ACTION: Final = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+")
MAX_SUBJECT_CHARACTERS: Final = 200
MAX_DETAIL_OCTETS: Final = 16 * 1024


@dataclass(frozen=True, slots=True)
class Act:
    """What was done: who, what (``context.verb``), to which thing, when. ``detail`` holds ids and codes only."""

    actor: Actor
    action: str
    subject: str
    at: datetime
    detail: Mapping[str, JSON]


@dataclass(frozen=True, slots=True)
class Entry:
    """An act in its place in the chain of one tenant. ``sequence`` counts from 1 without a gap."""

    tenant_id: TenantId
    sequence: int
    act: Act
    previous_hash: bytes
    hash: bytes


@dataclass(frozen=True, slots=True)
class Head:
    """The last entry of a chain. Kept outside (printed, mailed, signed), it proves later that the tail is there."""

    sequence: int
    hash: bytes

    def __str__(self) -> str:
        return f"{self.sequence}:{self.hash.hex()}"

    @classmethod
    def parse(cls, text: str) -> Head:
        """Return the head that ``str`` wrote. Raises ``Invalid`` (``audit.head_malformed``)."""
        match = re.fullmatch(r"(\d{1,18}):([0-9a-f]{64})", text.strip())
        if match is None:
            raise Invalid(
                "not the head of an audit chain",
                code="audit.head_malformed",
                field="head",
                value=text,
                fix="give it as `farwire audit head` printed it: number, colon, 64 hexadecimal digits",
            )
        return cls(int(match[1]), bytes.fromhex(match[2]))


EMPTY: Final = Head(0, GENESIS)
"""The head of a chain without entries."""


def checked(act: Act) -> Act:
    """Return ``act`` with its time in UTC.

    Raises ``Invalid``: ``audit.action``, ``audit.subject``, ``audit.too_large``, ``audit.personal_data``,
    ``canonical.unsupported``, ``time.zone_missing``.
    """
    if _ACTION.fullmatch(act.action) is None:
        raise Invalid(
            f"action {act.action!r} is malformed",
            code="audit.action",
            field="action",
            value=act.action,
            fix="use context.verb, e.g. tenant.key_create",
        )
    if not 1 <= len(act.subject) <= MAX_SUBJECT_CHARACTERS:
        raise Invalid(
            f"an audit subject has 1 to {MAX_SUBJECT_CHARACTERS} characters",
            code="audit.subject",
            field="subject",
            value=act.subject,
        )
    if len(canonical(act.detail, field="detail")) > MAX_DETAIL_OCTETS:
        raise Invalid("an audit detail has at most 16 KiB", code="audit.too_large", field="detail")
    found = personal_data_in({"subject": act.subject, "actor": act.actor.id, "detail": act.detail})
    if found is not None:
        raise Invalid(
            "the audit log holds no personal data: it can never be erased from it",
            code="audit.personal_data",
            field=found,
            fix="name the pseudonymous key (a UUID) of the person or subscriber",
        )
    return Act(act.actor, act.action, act.subject, as_utc(act.at, field="at"), act.detail)


def entry_hash(tenant_id: TenantId, sequence: int, act: Act, previous_hash: bytes) -> bytes:
    """Return SHA-256 over the canonical JSON of the whole entry, followed by the previous hash."""
    body: dict[str, JSON] = {
        "action": act.action,
        "actor": {"id": act.actor.id, "kind": act.actor.kind.value},
        "at": act.at.astimezone(UTC).isoformat(timespec="microseconds"),
        "detail": act.detail,
        "sequence": sequence,
        "subject": act.subject,
        "tenant": str(tenant_id),
    }
    return hashlib.sha256(canonical(body) + previous_hash).digest()


def chain(tenant_id: TenantId, head: Head, act: Act) -> Entry:
    """Return the entry that follows ``head``."""
    sequence = head.sequence + 1
    return Entry(tenant_id, sequence, act, head.hash, entry_hash(tenant_id, sequence, act, head.hash))


class Flaw(StrEnum):
    """What is wrong at a place of a chain."""

    CHANGED = "changed"
    """The entry's content does not have its hash."""
    BROKEN_LINK = "broken_link"
    """The entry does not continue the one before it: one of them was inserted, moved or rewritten."""
    MISSING = "missing"
    """One or more entries before this number are gone."""
    TAIL_MISSING = "tail_missing"
    """The chain ends before the expected head."""
    HEAD_DIFFERS = "head_differs"
    """The entry at the expected head's number has another hash: the chain was rewritten."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One flaw: at which entry, and in words."""

    sequence: int
    flaw: Flaw
    message: str


@dataclass(slots=True)
class Verifier:
    """Walks a chain entry by entry; holds only the last hash, so that a chain of any length can be checked."""

    tenant_id: TenantId
    expected: Head | None = None
    head: Head = EMPTY

    def check(self, entry: Entry) -> Iterator[Finding]:
        """Yield what is wrong with ``entry`` as the next one of the chain."""
        number = entry.sequence
        gap = number != self.head.sequence + 1
        if gap:
            first, last = self.head.sequence + 1, number - 1
            span = f"entry {first} is" if first == last else f"entries {first} to {last} are"
            yield Finding(first, Flaw.MISSING, f"{span} missing")
        elif entry.previous_hash != self.head.hash:
            before = f"entry {number - 1}" if number > 1 else "the beginning"
            yield Finding(number, Flaw.BROKEN_LINK, f"entry {number} does not continue {before}")
        if entry_hash(self.tenant_id, number, entry.act, entry.previous_hash) != entry.hash:
            yield Finding(number, Flaw.CHANGED, f"entry {number} does not have its hash: it was changed")
        if (
            self.expected is not None
            and number == self.expected.sequence
            and entry.hash != self.expected.hash
        ):
            yield Finding(number, Flaw.HEAD_DIFFERS, f"entry {number} is not the one that was anchored")
        self.head = Head(number, entry.hash)

    def finish(self) -> Iterator[Finding]:
        """Yield what only the end shows: a tail that was cut off."""
        if self.expected is not None and self.head.sequence < self.expected.sequence:
            yield Finding(
                self.head.sequence + 1,
                Flaw.TAIL_MISSING,
                f"the chain ends at {self.head.sequence}, the anchored head is {self.expected.sequence}",
            )


def verify(tenant_id: TenantId, entries: Iterable[Entry], expected: Head | None = None) -> list[Finding]:
    """Return all findings over ``entries`` in order of their number."""
    verifier = Verifier(tenant_id, expected)
    findings = [finding for entry in entries for finding in verifier.check(entry)]
    return [*findings, *verifier.finish()]
