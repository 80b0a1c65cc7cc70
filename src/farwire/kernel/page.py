"""Pages: every list is bounded (TMF630 part 1, offset and limit)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from farwire.kernel.errors import Invalid

T = TypeVar("T")

MAX_LIMIT: Final = 1000
DEFAULT_LIMIT: Final = 50
MAX_OFFSET: Final = 10**9


@dataclass(frozen=True, slots=True)
class PageRequest:
    """Which part of a list is wanted: skip ``offset`` rows, return at most ``limit`` (1 to 1000)."""

    offset: int = 0
    limit: int = DEFAULT_LIMIT

    def __post_init__(self) -> None:
        if not 0 <= self.offset <= MAX_OFFSET:
            raise Invalid(
                "offset is out of range",
                code="page.offset",
                field="offset",
                value=self.offset,
                fix=f"use 0 to {MAX_OFFSET}",
            )
        if not 1 <= self.limit <= MAX_LIMIT:
            raise Invalid(
                "limit is out of range",
                code="page.limit",
                field="limit",
                value=self.limit,
                fix=f"use 1 to {MAX_LIMIT}",
            )

    def of(self, items: Sequence[T]) -> Page[T]:
        """Return this part of a list that is there as a whole."""
        part = tuple(items[self.offset : self.offset + self.limit])
        return Page(part, len(items), self.offset, self.limit)


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """A part of a list, with the size of the whole."""

    items: tuple[T, ...]
    total: int
    offset: int
    limit: int

    @property
    def has_more(self) -> bool:
        """Return whether rows follow this page."""
        return self.offset + len(self.items) < self.total
