"""Price decks: rows by number prefix, in dated versions, compiled for look-up."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import msgspec

from farwire.rating.model.prefixes import PrefixRanges, nested

_ALWAYS: Final = datetime.min.replace(tzinfo=UTC)


class DeckRow(msgspec.Struct, frozen=True, gc=False):
    """What calls to one prefix cost: ``price_nano`` for each ``per`` units, and how they are counted."""

    prefix: str
    label: str
    price_nano: int
    per: int = 60
    connect_nano: int = 0
    first: int = 1
    """The first increment, in base units."""
    step: int = 1
    """Every further increment."""
    included: int = 0
    """Base units at the beginning that cost nothing."""
    valid_from: datetime | None = None
    """None: as long as its deck version."""
    valid_to: datetime | None = None

    def in_force(self, at: datetime) -> bool:
        """Tell whether the row has a price at the instant ``at``."""
        return (self.valid_from is None or self.valid_from <= at) and (
            self.valid_to is None or at < self.valid_to
        )

    @property
    def always(self) -> bool:
        """Tell whether the row lasts as long as its deck version."""
        return self.valid_from is None and self.valid_to is None


class DeckVersion:
    """One immutable version of a deck, in force from ``valid_from`` until the next version starts."""

    __slots__ = ("_ranges", "currency", "digest", "name", "rows", "source", "valid_from", "version")

    def __init__(
        self,
        *,
        name: str,
        version: int,
        currency: str,
        valid_from: datetime,
        rows: Iterable[DeckRow],
        digest: str = "",
    ) -> None:
        self.name = name
        self.version = version
        self.currency = currency
        self.valid_from = valid_from
        self.digest = digest
        self.source = f"{name}@{version}"
        self.rows = tuple(rows)
        self._ranges = PrefixRanges(_chains(self.rows))

    def find(self, number: str, at: datetime) -> DeckRow | None:
        """Return the row of the longest prefix of ``number`` that is in force at ``at``, or None."""
        for row in self._ranges.find(number) or ():
            if row.valid_from is None and row.valid_to is None:
                return row
            if row.in_force(at):
                return row
        return None

    def __len__(self) -> int:
        return len(self._ranges)


def _chains(rows: Iterable[DeckRow]) -> dict[str, tuple[DeckRow, ...]]:
    """Return for each prefix the rows to try in turn: its own, newest first, then those of shorter prefixes.

    A row that is always in force ends the chain, so that the chain of most prefixes is one row.
    """
    own: dict[str, list[DeckRow]] = {}
    for row in rows:
        own.setdefault(row.prefix, []).append(row)
    for prefix, several in own.items():
        if len(several) > 1:
            own[prefix] = sorted(several, key=lambda row: row.valid_from or _ALWAYS, reverse=True)
    chains: dict[str, tuple[DeckRow, ...]] = {}
    for prefix, shorter in nested(own):
        chain = list(own[prefix])
        for parent in shorter:
            if chain[-1].always:
                break
            chain += own[parent]
        chains[prefix] = tuple(chain)
    return chains


@dataclass(frozen=True, slots=True)
class Deck:
    """The versions of one deck in time."""

    name: str
    versions: tuple[DeckVersion, ...]
    starts: tuple[datetime, ...]

    @classmethod
    def of(cls, name: str, versions: Sequence[DeckVersion]) -> Deck:
        """Return the deck of ``versions``, in order of their start."""
        ordered = tuple(sorted(versions, key=lambda version: version.valid_from))
        return cls(name, ordered, tuple(version.valid_from for version in ordered))

    def at(self, moment: datetime) -> DeckVersion | None:
        """Return the version in force at ``moment``, or None before the first."""
        i = bisect_right(self.starts, moment) - 1
        return self.versions[i] if i >= 0 else None
